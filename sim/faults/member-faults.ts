/** What operators do to the cluster: peers come, go, are replaced, and hand leadership over. */
import { below } from '../../src/base/random.ts';
import { type FaultTargets, pick, type Strikes } from './family.ts';

/** The cluster is made no smaller than this. */
const VOTERS_MIN = 2;

/** A leader is cut off by this much more than a second at most, in ms. */
const ALONE_MS_MAX = 2_000;

/** See the head of this file. */
export const MEMBER_FAULTS: Strikes = {
  transfers: ({ cluster, operator }, random) => {
    const to = pick(random, cluster.members);
    if (to === undefined || !operator.ask({ type: 'transfer', peer: below(random, 3) === 0 ? undefined : to.id }))
      return undefined;
    return `leadership is to go to ${to.id}`;
  },
  changes: (targets, random) => {
    const { cluster, operator, atlas } = targets;
    const { voters, members } = cluster;
    const spares = members.filter(({ id }) => !voters.includes(id));
    const shrinks = voters.length > VOTERS_MIN && (spares.length === 0 || below(random, 2) === 0);
    // Nobody makes a cluster smaller of which a disk is broken.
    if (shrinks && (atlas.wounded > 0 || members.some(({ stranger }) => stranger))) return undefined;
    const peer = pick(random, shrinks ? voters : spares.map(({ id }) => id));
    if (peer === undefined || !operator.ask({ type: shrinks ? 'shrink' : 'grow', peer })) return undefined;
    // A leader that is cut off from the others, and not from the operator, begins what it cannot bring to its end.
    if (below(random, 3) === 0) cutOffLeader(targets, 1_000 + below(random, ALONE_MS_MAX));
    return shrinks ? `${peer} is to be removed` : `${peer} is to be added`;
  },
  wipes: ({ atlas, hosts, operator }, random) => {
    const member = pick(random, atlas.candidates());
    if (member === undefined || operator.busyWith(member.id)) return undefined;
    if (member.up) hosts.crash(member, true);
    member.wipe();
    hosts.bootLater(member, random);
    operator.ask({ type: 'grow', peer: member.id });
    return `${member.id} loses its directory and is to be replaced`;
  },
};

function cutOffLeader({ cluster, network, world }: FaultTargets, forMs: number): void {
  const { leader, members } = cluster;
  if (leader === undefined) return;
  const others = members.filter((member) => member !== leader);
  for (const { id } of others) {
    network.cut(leader.id, id);
    network.cut(id, leader.id);
  }
  world.line('world', () => `cuts ${leader.id} off for ${forMs} ms`);
  world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
    for (const { id } of others) {
      network.heal(leader.id, id);
      network.heal(id, leader.id);
    }
  });
}
