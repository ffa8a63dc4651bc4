/** What operators do to the cluster: peers come, go, are replaced, and hand leadership over. */
import type { PeerId } from '../../src/base/ids.ts';
import { below, type Random } from '../../src/base/random.ts';
import { cutOffLeader } from './election-faults.ts';
import { askToReplace, type FaultTargets, pick, type Strikes } from './family.ts';

/** The cluster is made no smaller than this. */
const VOTERS_MIN = 2;

/** A leader is cut off by this much more than a second at most, in ms. */
const ALONE_MS_MAX = 2_000;

/** A peer dies within this of a change, in µs, and is away for at most so long, in ms. */
const DIES_US_MAX = 40_000;
const DOWN_MS_MAX = 500;

/** See the head of this file. */
export const MEMBER_FAULTS: Strikes = {
  transfers: (targets, random) => {
    const { cluster, operator, hosts } = targets;
    const to = pick(random, cluster.members);
    if (to === undefined || !operator.ask({ type: 'transfer', peer: below(random, 3) === 0 ? undefined : to.id }))
      return undefined;
    if (below(random, 3) > 0) return `leadership is to go to ${to.id}`;
    const foil = drawFoil(targets, random);
    hosts.watchHandOver((successor) => foil(successor));
    return `leadership is to go to ${to.id}, and nobody takes it`;
  },
  changes: (targets, random) => {
    const { cluster, operator, atlas } = targets;
    const { voters, members } = cluster;
    const spares = members.filter(({ id }) => !voters.includes(id));
    const shrinks = voters.length > VOTERS_MIN && (spares.length === 0 || below(random, 2) === 0);
    // Nobody makes a cluster smaller of which a disk is broken.
    if (shrinks && (atlas.wounded > 0 || members.some(({ stranger }) => stranger))) return undefined;
    const peer = pick(random, shrinks ? voters : spares.map(({ id }) => id));
    const asked = drawTrouble(targets, random);
    if (peer === undefined || !operator.ask({ type: shrinks ? 'shrink' : 'grow', peer, asked })) return undefined;
    return shrinks ? `${peer} is to be removed` : `${peer} is to be added`;
  },
  wipes: (targets, random) => {
    const { atlas, cluster, hosts, operator } = targets;
    const member = pick(random, atlas.candidates());
    if (member === undefined || operator.busyWith(member.id) || !cluster.mayEmpty(member)) return undefined;
    if (member.up) hosts.crash(member, true);
    member.wipe();
    hosts.bootLater(member, random);
    askToReplace(targets, member);
    return `${member.id} loses its directory and is to be replaced`;
  },
};

/** What befalls whoever is told to take over, so that it does not: it dies, stands still, or hears or is heard by nobody. */
function drawFoil(targets: FaultTargets, random: Random): (successor: PeerId) => void {
  const { world, hosts, cluster, network, faultsGoOn } = targets;
  const lot = below(random, 4);
  const forMs = 100 + below(random, ALONE_MS_MAX);
  return (successor) => {
    const member = cluster.members.find(({ id }) => id === successor);
    if (!faultsGoOn() || member === undefined) return;
    world.schedule(world.nowUs, 'fault', undefined, () => {
      if (!member.up || hosts.isStopping(member)) return;
      world.line(member.id, 'is told to take over, and comes to harm');
      if (lot === 0) {
        hosts.crash(member, false);
        hosts.bootAfter(member, 1_000 * forMs);
        return;
      }
      const { process } = member;
      if (lot === 1 && process?.paused === false) {
        process.pause();
        world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => process.resume());
        return;
      }
      const links = cluster.members.filter((one) => one !== member).map(({ id }) => [id, member.id] as const);
      const ways = lot === 2 ? links : links.map(([other, self]) => [self, other] as const);
      for (const [from, to] of ways) network.cut(from, to);
      world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
        if (faultsGoOn()) for (const [from, to] of ways) network.heal(from, to);
      });
    });
  };
}

/** What befalls the cluster while a change is under way; undefined for nothing. */
function drawTrouble(targets: FaultTargets, random: Random): (() => void) | undefined {
  const { world, hosts, cluster, faultsGoOn } = targets;
  const lot = below(random, 6);
  const forMs = 1_000 + below(random, ALONE_MS_MAX);
  const afterUs = 1 + below(random, DIES_US_MAX);
  const downUs = 1_000 * (1 + below(random, DOWN_MS_MAX));
  const place = below(random, cluster.members.length);
  // A leader that is cut off from the others, and not from the operator, begins what it cannot bring to its end.
  if (lot < 2) return () => faultsGoOn() && cutOffLeader(targets, forMs);
  if (lot >= 4) return undefined;
  return () => {
    world.schedule(world.nowUs + afterUs, 'fault', undefined, () => {
      const member = lot === 2 ? cluster.leader : cluster.members[place];
      if (!faultsGoOn() || member?.up !== true || hosts.isStopping(member)) return;
      hosts.crash(member, false);
      hosts.bootAfter(member, downUs);
    });
  };
}
