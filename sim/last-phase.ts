/**
 * What is left of the cluster once faults end, and what must come of it. A majority that is whole and connected is enough for
 * progress, whatever became of the others, for good (the second phase of TigerBeetle's VOPR works like this).
 *
 *     all:          everybody is there and connected
 *     core:         a random majority is; each other voter stays dead, hears nobody, or is heard by nobody
 *     broken-link:  everybody is there; two peers never reach each other
 */
import { below, type Random } from '../src/base/random.ts';
import type { SimCluster } from './cluster.ts';
import type { Atlas } from './faults/atlas.ts';
import { shuffled } from './faults/family.ts';
import type { Hosts } from './faults/hosts.ts';
import type { SimMember } from './member.ts';
import type { SimNetwork } from './network.ts';
import type { SimOperator } from './operator.ts';
import type { LastPhase, SimOptions } from './options.ts';
import type { World } from './world.ts';

/** What it is done to. */
interface Parts {
  readonly world: World;
  readonly options: SimOptions;
  readonly cluster: SimCluster;
  readonly network: SimNetwork;
  readonly hosts: Hosts;
  readonly atlas: Atlas;
  readonly operator: SimOperator;
}

/** See the head of this file. */
export class Remains {
  readonly #parts: Parts;
  readonly #random: Random;
  /** Voters that take no part any more. */
  readonly #lost = new Set<SimMember>();
  /** Two that never reach each other. */
  #apart: readonly SimMember[] = [];
  #phase: LastPhase = 'all';

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#random = parts.world.random('last phase');
  }

  /** What became of the cluster. */
  get phase(): LastPhase {
    return this.#phase;
  }

  /** Decides it, and lets everybody come back who does. */
  begin(): void {
    const { options, world, cluster, hosts } = this.#parts;
    const { lastPhase } = options;
    if (lastPhase === 'core' && this.#mayLose()) this.#lose();
    else if (lastPhase === 'broken-link' && this.#mayPart()) this.#part();
    for (const member of cluster.members) {
      member.process?.resume();
      if (!hosts.isStopping(member)) hosts.boot(member);
    }
    const lost = [...this.#lost].map(({ id }) => id);
    const apart = this.#apart.map(({ id }) => id);
    world.line('world', () => `everything is healed: ${this.#phase}, without ${[...lost, ...apart].join(' ')}`);
  }

  /** Members of the cluster that must come to agree with `leader`. */
  mustFollow(leader: SimMember): SimMember[] {
    const { cluster } = this.#parts;
    return cluster.members.filter(
      (member) =>
        cluster.standingOf(member.id) !== 'none' &&
        !this.#lost.has(member) &&
        !(this.#apart.includes(member) && this.#apart.includes(leader) && member !== leader),
    );
  }

  /** True when every majority that matters is known, and whole. */
  #mayLose(): boolean {
    const { cluster, atlas, operator, hosts } = this.#parts;
    const { voters, members } = cluster;
    if (voters.length < 3 || atlas.wounded > 0 || !operator.idle) return false;
    const voting = members.filter(({ id }) => voters.includes(id));
    if (voting.some((member) => member.stranger || hosts.isOut(member))) return false;
    // A change that is in some log and not committed would count other majorities.
    const known = cluster.configurationIndex;
    return members.every(({ raft }) => raft === undefined || raft.configuration.index === known);
  }

  /**
   * True when nobody is being added or replaced, or will have to be: that one needs the leader, whoever leads. Of three, one that damage
   * befell votes by what it once had, and may be the only one whom both of the two reach.
   */
  #mayPart(): boolean {
    const { cluster, atlas, operator, hosts } = this.#parts;
    if (cluster.voters.length < 3 || !operator.idle || hosts.runsCopy) return false;
    if (cluster.voters.length < 5 && atlas.wounded > 0) return false;
    return !cluster.members.some((member) => member.stranger || atlas.lostHead(member));
  }

  #lose(): void {
    const { cluster, network, hosts } = this.#parts;
    const voting = cluster.members.filter(({ id }) => cluster.voters.includes(id));
    const others = shuffled(this.#random, voting).slice(Math.floor(voting.length / 2) + 1);
    this.#phase = 'core';
    for (const member of others) {
      this.#lost.add(member);
      const how = below(this.#random, 3);
      if (how === 0) {
        hosts.end(member);
        continue;
      }
      for (const { id } of cluster.members) {
        if (id === member.id) continue;
        if (how === 1) network.cut(id, member.id);
        else network.cut(member.id, id);
      }
    }
  }

  #part(): void {
    const { cluster, network } = this.#parts;
    const [one, other] = shuffled(
      this.#random,
      cluster.members.filter(({ id }) => cluster.voters.includes(id)),
    );
    if (one === undefined || other === undefined) return;
    this.#phase = 'broken-link';
    this.#apart = [one, other];
    network.cut(one.id, other.id);
    network.cut(other.id, one.id);
  }
}
