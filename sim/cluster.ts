/** The members of the simulated cluster, and everybody who watches them. */
import { assert } from '../src/base/assert.ts';
import { peerId } from '../src/base/ids.ts';
import { below } from '../src/base/random.ts';
import type { ClusterConfig } from '../src/config/cluster-config.ts';
import { TIMINGS_DEFAULT } from '../src/config/cluster-config.ts';
import type { Message } from '../src/raft/message.ts';
import { describeMessage } from '../src/raft/describe.ts';
import type { Raft } from '../src/raft/raft.ts';
import type { Checker, ClusterView } from './checkers/checker.ts';
import { type Committed, CommittedLog } from './history.ts';
import { CLIENT_PORT, type MemberContext, PEER_PORT, SimMember } from './member.ts';
import type { SimOptions } from './options.ts';
import type { HostClock } from './process.ts';
import type { Witness } from './witness.ts';
import { type Owner, Violation, type World } from './world.ts';

const ROLES: readonly string[] = ['follower', 'pre-candidate', 'candidate', 'leader'];

/** Everything is looked at at least this often, in events. */
const WHOLE_EVERY = 1_000;

/** See the head of this file. */
export class SimCluster implements ClusterView {
  readonly members: readonly SimMember[];
  readonly quorum: number;
  readonly committed: CommittedLog = new CommittedLog();
  readonly #world: World;
  readonly #witness: Witness;
  /** Set once, before anything runs. */
  checkers: readonly Checker[] = [];
  /** Where each core stood when a quiet event was over. */
  readonly #stood = new Map<string, readonly number[]>();
  readonly #seenStart = new Map<string, number>();
  #eventsSinceWhole = 0;
  #messages = 0;

  constructor(
    world: World,
    options: SimOptions,
    witness: Witness,
    context: Omit<MemberContext, 'world' | 'options' | 'cluster' | 'sent'>,
  ) {
    this.#world = world;
    this.#witness = witness;
    const cluster = clusterConfig(options.peers, options.tickMs);
    const full: MemberContext = {
      world,
      options,
      cluster,
      network: context.network,
      plants: context.plants,
      datagrams: () => context.datagrams(),
      disk: () => context.disk(),
      writing: (member) => context.writing(member),
      fails: (member) => context.fails(member),
      halted: (member) => context.halted(member),
      sent: (member, message) => this.#sent(member, message),
    };
    this.members = cluster.members.map(({ id }) => new SimMember(id, hostClock(world, id, options), full));
    this.quorum = Math.floor(options.peers / 2) + 1;
    assert(this.quorum <= options.peers, 'a quorum is part of the cluster');
  }

  get peers(): readonly SimMember[] {
    return this.members;
  }

  get nowUs(): number {
    return this.#world.nowUs;
  }

  /** Messages that peers handed to their transports. */
  get messages(): number {
    return this.#messages;
  }

  /** The member that leads and serves, if there is one. */
  get leader(): SimMember | undefined {
    return this.members.find((member) => member.raft !== undefined && member.peer?.isLeader === true);
  }

  /** Called after every event of the world. @throws Violation */
  afterEvent(owner: Owner | undefined, quiet: boolean): void {
    const member = owner === undefined ? undefined : this.members.find((one) => one.process === owner);
    if (member !== undefined && owner?.alive === true) this.#look(member, quiet);
    this.#eventsSinceWhole += 1;
    if (this.#eventsSinceWhole >= WHOLE_EVERY) this.checkWhole();
  }

  /** Tries every property of the whole. @throws Violation */
  checkWhole(): void {
    this.#eventsSinceWhole = 0;
    for (const checker of this.checkers) checker.whole?.();
  }

  #look(member: SimMember, quiet: boolean): void {
    const { raft } = member;
    if (raft === undefined) return;
    // A tick that only counts changes nothing that a property speaks of.
    if (quiet && !this.#moved(member, raft)) return;
    if (this.#seenStart.get(member.id) !== member.start) {
      this.#seenStart.set(member.id, member.start);
      member.log.restart(member.durable);
      for (const checker of this.checkers) checker.restarted?.(member);
    }
    const change = member.log.look(raft);
    while (this.committed.lastIndex < raft.commitIndex) this.#commit(member, this.committed.lastIndex + 1);
    for (const checker of this.checkers) checker.changed?.(member, change);
  }

  /** True when the core stands elsewhere than at the last look. */
  #moved(member: SimMember, raft: Raft): boolean {
    const { start, marks } = member;
    const mark = marks.at(-1)?.index ?? 0;
    const now = [start, raft.term, ROLES.indexOf(raft.role), raft.commitIndex, raft.appliedIndex, raft.lastIndex, mark];
    const before = this.#stood.get(member.id);
    this.#stood.set(member.id, now);
    return before === undefined || now.some((value, at) => value !== before[at]);
  }

  #commit(member: SimMember, index: number): void {
    // What a peer has read into memory since its start, or has had on its disk before.
    const entry = member.log.entryAt(index) ?? member.platter.entryAt(index);
    const link = member.log.linkAt(index);
    if (entry === undefined || link === undefined) {
      throw new Violation('committed-prefix', `${member.id} believes ${index} to be committed and does not have it`);
    }
    const committed: Committed = {
      entry,
      term: link.term,
      chain: link.chain,
      byTerm: member.raft?.term ?? 0,
      by: member.id,
      atUs: this.nowUs,
    };
    this.committed.add(committed);
    this.#world.trace.fold(index);
    this.#world.trace.foldBytes(entry.data);
    this.#world.line(member.id, () => `commits ${index}/t${entry.term}, ${entry.data.length} bytes`);
    const witnessed = this.#witness.apply(entry);
    if (witnessed === undefined) return;
    for (const checker of this.checkers) checker.witnessed?.(witnessed);
  }

  #sent(member: SimMember, message: Message): void {
    this.#messages += 1;
    this.#world.line(member.id, () => `sends ${describeMessage(message)}`);
    this.#world.check(() => {
      for (const checker of this.checkers) checker.sent?.(member, message);
    });
  }
}

function clusterConfig(count: number, tickMs: number): ClusterConfig {
  const members = Array.from({ length: count }, (_, at) => {
    const id = peerId(`p${at + 1}`);
    return { id, peer: { host: id, port: PEER_PORT }, client: { host: id, port: CLIENT_PORT } };
  });
  return { clusterId: 'simulated', members, timings: { ...TIMINGS_DEFAULT, tickMs }, security: {} };
}

/** The clocks of a host. */
export function hostClock(world: World, host: string, options: SimOptions): HostClock {
  const random = world.random(`clock of ${host}`);
  const off = options.clockRatePerThousand;
  const skew = options.clockSkewMsMax;
  return {
    rate: 1 + (below(random, 2 * off + 1) - off) / 1_000,
    skewMs: below(random, 2 * skew + 1) - skew,
    lookUs: options.lookUs,
  };
}
