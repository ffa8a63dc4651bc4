/**
 * What makes elections go wrong: leaders that are alone, one after the other, so that logs part and are cut; and a voter between two
 * camps that votes, dies, and is asked again.
 */
import { below, type Random } from '../../src/base/random.ts';
import type { SimMember } from '../member.ts';
import { type FaultTargets, pick, shuffled, type Strikes } from './family.ts';

/** So many leaders are alone one after the other at most. */
const ROUNDS_MAX = 4;

/** Camps hear each other again after this and a second at most, in ms. */
const CAMPS_MS_MAX = 3_000;

/** A voter dies within this of its vote, in µs: its answer has left by then, or not. */
const AFTER_VOTE_US_MAX = 30_000;

/** See the head of this file. */
export const ELECTION_FAULTS: Strikes = {
  lonelyLeaders: (targets, random) => {
    const { world, cluster, faultsGoOn } = targets;
    if (cluster.leader === undefined || cluster.voters.length < 3) return undefined;
    const rounds = 1 + below(random, ROUNDS_MAX);
    const everyMs = 300 + below(random, 1_500);
    const forMs = 300 + below(random, 2_200);
    for (let round = 0; round < rounds; round += 1) {
      world.schedule(world.nowUs + round * everyMs * 1_000 + 1, 'fault', undefined, () => {
        if (faultsGoOn()) cutOffLeader(targets, forMs);
      });
    }
    return `${rounds} leaders are alone, one each ${everyMs} ms, for ${forMs} ms`;
  },
  hubs: (targets, random) => {
    const { cluster, hosts } = targets;
    const { leader } = cluster;
    const voters = cluster.members.filter(({ id }) => cluster.voters.includes(id));
    const hub = pick(
      random,
      voters.filter((one) => one !== leader && one.process?.alive === true),
    );
    if (hub === undefined || leader === undefined || voters.length < 3 || hosts.isStopping(leader)) return undefined;
    const others = shuffled(
      random,
      voters.filter((one) => one !== hub),
    );
    const camp = others.slice(0, others.length >>> 1);
    const forMs = 1_000 + below(random, CAMPS_MS_MAX);
    const rest = others.filter((one) => !camp.includes(one));
    part(targets, camp, rest, forMs);
    hosts.watchVote(hub, (candidate) => {
      const friends = camp.some(({ id }) => id === candidate) ? camp : rest;
      askAgain(targets, random, hub, friends, forMs);
    });
    hosts.crash(leader, false);
    hosts.bootAfter(leader, 1_000 * (20 + below(random, 600)));
    return `only ${hub.id} hears both ${namesOf(camp)} and ${namesOf(rest)} for ${forMs} ms, and ${leader.id} is killed`;
  },
};

/** The leader hears no other peer, and none hears it, for a while; clients and workers do. */
export function cutOffLeader(targets: FaultTargets, forMs: number): void {
  const { leader, members } = targets.cluster;
  if (leader === undefined) return;
  targets.world.line('world', () => `cuts ${leader.id} off for ${forMs} ms`);
  part(
    targets,
    [leader],
    members.filter((member) => member !== leader),
    forMs,
  );
}

/** Who has just voted dies, comes back at once, and does not hear those any more for whom it voted. */
function askAgain(
  targets: FaultTargets,
  random: Random,
  voter: SimMember,
  friends: readonly SimMember[],
  forMs: number,
): void {
  const { world, hosts, faultsGoOn } = targets;
  world.schedule(world.nowUs + 1 + below(random, AFTER_VOTE_US_MAX), 'fault', undefined, () => {
    if (!faultsGoOn() || !voter.up || hosts.isStopping(voter)) return;
    hosts.crash(voter, false);
    part(targets, [voter], friends, forMs);
    hosts.bootAfter(voter, 1_000 * (1 + below(random, 40)));
  });
}

/** Nobody on the left hears anybody on the right, nor the other way round, for a while. */
export function part(
  { network, world, faultsGoOn }: FaultTargets,
  left: readonly SimMember[],
  right: readonly SimMember[],
  forMs: number,
): void {
  const pairs = left.flatMap((one) => right.map((other) => [one.id, other.id] as const));
  for (const [one, other] of pairs) {
    network.cut(one, other);
    network.cut(other, one);
  }
  world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
    // Everything is healed by then, and what is cut is cut for good.
    if (!faultsGoOn()) return;
    for (const [one, other] of pairs) {
      network.heal(one, other);
      network.heal(other, one);
    }
  });
}

function namesOf(members: readonly SimMember[]): string {
  return members.map(({ id }) => id).join(' ');
}
