/**
 * An old copy of a data directory in the place of the present one, as when a backup is put back: the peer has forgotten what it
 * promised since, and cannot see that by itself. The others, who have heard that the directory was opened since, tell it.
 *
 *     runs ──ends──▶ copied ──runs again, all others hear of it──▶ ends ──▶ runs on the copy ──told──▶ replaced by an operator
 */
import { below } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import type { DiskCopy } from '../platter.ts';
import { type FaultTargets, pick, replaceBy, type Strikes } from './family.ts';

/** A copy is put back after at most this long, and tried so often. */
const PUT_BACK_MS_MAX = 6_000;
const TRIES_MAX = 8;
const TRY_AGAIN_MS = 500;

/** The others have heard of so many starts since: then the copy is one of another line of life, and they know it. */
const STARTS_SINCE = 1;

/** See the head of this file. */
export const COPY_FAULTS: Strikes = {
  oldCopies: (targets, random) => {
    const { world, hosts, operator } = targets;
    const member = pick(
      random,
      targets.atlas.candidates().filter((one) => one.up && !hosts.isStopping(one) && !operator.busyWith(one.id)),
    );
    if (member === undefined) return undefined;
    hosts.crash(member, false);
    const copy = member.platter.copy();
    hosts.bootAfter(member, 1_000 * (1 + below(random, 400)));
    const afterMs = 2_000 + below(random, PUT_BACK_MS_MAX);
    const againMs = 600 + below(random, 1_000);
    world.schedule(world.nowUs + againMs * 1_000, 'fault', undefined, () => {
      if (!targets.faultsGoOn() || !member.up || hosts.isStopping(member)) return;
      hosts.crash(member, false);
      hosts.bootAfter(member, 1_000 * (1 + below(random, 300)));
    });
    world.schedule(world.nowUs + afterMs * 1_000, 'fault', undefined, () => putBack(targets, member, copy, TRIES_MAX));
    return `the directory of ${member.id} is copied, to be put back after ${afterMs} ms`;
  },
};

function putBack(targets: FaultTargets, member: SimMember, copy: DiskCopy, tries: number): void {
  const { world, hosts, faultsGoOn } = targets;
  if (!faultsGoOn() || tries === 0) return;
  if (!mayPutBack(targets, member, copy)) {
    world.schedule(world.nowUs + TRY_AGAIN_MS * 1_000, 'fault', undefined, () =>
      putBack(targets, member, copy, tries - 1),
    );
    return;
  }
  hosts.crash(member, false);
  member.restore(copy);
  const replace = (): void => replaceBy(targets, member);
  hosts.bootCopy(member, { recognised: replace, withdrawn: replace });
}

/** The disks of the others are whole, the directory is the one that was copied, and everybody has heard of it since. */
function mayPutBack({ atlas, cluster, hosts, operator }: FaultTargets, member: SimMember, copy: DiskCopy): boolean {
  if (!atlas.candidates().includes(member) || !member.up || copy.wipes !== member.platter.wipes) return false;
  if (hosts.runsCopy || hosts.isStopping(member) || operator.busyWith(member.id)) return false;
  const others = cluster.members.filter((one) => one !== member && cluster.standingOf(one.id) !== 'none');
  return others.every(({ process, peer }) => {
    if (process?.alive !== true || process.paused) return false;
    const heard = peer?.inspect()?.membership.factsOf(member.id)?.boot ?? 0;
    return heard >= copy.boot + STARTS_SINCE;
  });
}
