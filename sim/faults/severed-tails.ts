/**
 * The end of a log is lost just when it matters: to a voter whose vote alone keeps others from going on without what was committed.
 *
 *     leader, keeper ── hear no more of ──▶ those behind        entries are committed without them
 *     keeper loses what they lack, and starts anew
 *     keeper, those behind ── hear no more of ──▶ leader        a majority, of which nobody has what is lost
 *     all hear each other again
 */
import { below, type Random } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import { part } from './election-faults.ts';
import { type FaultTargets, pick, shuffled } from './family.ts';

/** They are behind for this long at least and at most, in ms: a few batches, that are all still known. */
const BEHIND_MS_MIN = 60;
const BEHIND_MS_MAX = 500;

/** The leader is away for so long afterwards, in ms: some elections. */
const AWAY_MS_MIN = 800;
const AWAY_MS_MAX = 2_500;

/** Most batches that are lost. */
const LOST_MAX = 60;

/** Begins it. Undefined when there is nobody to whom it could happen. */
export function severTail(targets: FaultTargets, random: Random): string | undefined {
  const { cluster, hosts, atlas, world } = targets;
  const { leader } = cluster;
  const voters = cluster.members.filter(({ id }) => cluster.voters.includes(id));
  if (leader === undefined || voters.length < 3 || hosts.isStopping(leader)) return undefined;
  const keeper = pick(
    random,
    atlas.candidates().filter((one) => one !== leader && one.up && !hosts.isStopping(one)),
  );
  if (keeper === undefined) return undefined;
  const others = shuffled(
    random,
    voters.filter((one) => one !== leader && one !== keeper),
  );
  const behind = others.slice(0, Math.floor(voters.length / 2));
  const forMs = BEHIND_MS_MIN + below(random, BEHIND_MS_MAX);
  part(
    targets,
    behind,
    cluster.members.filter((one) => !behind.includes(one)),
    forMs,
  );
  // Behind the end of that, since it was asked for later.
  world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => sever(targets, random, keeper, behind));
  const names = behind.map(({ id }) => id).join(' ');
  return `${keeper.id} is to lose what ${names} lack within ${forMs} ms, and the leader to be away then`;
}

function sever(targets: FaultTargets, random: Random, keeper: SimMember, behind: readonly SimMember[]): void {
  const { cluster, hosts, atlas, world, faultsGoOn } = targets;
  if (!faultsGoOn() || !keeper.up || hosts.isStopping(keeper) || !atlas.candidates().includes(keeper)) return;
  const { platter } = keeper;
  const end = Math.min(...behind.map(({ durable }) => durable.lastIndex));
  let count = 1;
  while (count < LOST_MAX && (platter.endWithout(count) ?? 0) > end) count += 1;
  const left = platter.endWithout(count);
  if (left === undefined || left > end || keeper.durable.lastIndex <= end) return;
  const before = platter.recentBatches('log');
  hosts.crash(keeper, false);
  // What was on its way and reached the disk goes, too.
  const lost = count + Math.max(0, platter.recentBatches('log') - before);
  atlas.wound(keeper, undefined);
  platter.loseBatches('log', 0, lost);
  world.line(keeper.id, `loses the last ${lost} batches of its log`);
  part(
    targets,
    cluster.members.filter((one) => one !== keeper && !behind.includes(one)),
    [keeper, ...behind],
    AWAY_MS_MIN + below(random, AWAY_MS_MAX),
  );
  hosts.bootAfter(keeper, 1_000 * (1 + below(random, 40)));
}
