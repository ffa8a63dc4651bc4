/** The members of the simulated cluster, and everybody who watches them. */
import { assert } from '../src/base/assert.ts';
import type { LogIndex, PeerId, Term } from '../src/base/ids.ts';
import { peerId } from '../src/base/ids.ts';
import { below } from '../src/base/random.ts';
import type { ClusterConfig } from '../src/config/cluster-config.ts';
import { TIMINGS_DEFAULT } from '../src/config/cluster-config.ts';
import { decodeMemberInfo } from '../src/peer/member-info.ts';
import { configurationOf, decodeMembers } from '../src/raft/configuration.ts';
import type { Message } from '../src/raft/message.ts';
import { describeMessage } from '../src/raft/describe.ts';
import type { Raft } from '../src/raft/raft.ts';
import { type Entry, EntryKind, type RoleName } from '../src/raft/types.ts';
import type { Checker, ClusterView, PeerView } from './checkers/checker.ts';
import { type Committed, CommittedLog, type LogChange } from './history.ts';
import { CLIENT_PORT, type MemberContext, PEER_PORT, SimMember } from './member.ts';
import type { SimOptions } from './options.ts';
import type { HostClock } from './process.ts';
import type { Witness } from './witness.ts';
import { type Owner, Violation, type World } from './world.ts';

/** What the simulated cluster is called. */
export const CLUSTER_ID = 'simulated';

/** Everything is looked at at least this often, in events. */
const WHOLE_EVERY = 1_000;

/** Where a core stood when it was looked at last: what properties speak of moves only when one of these does. */
class Stand {
  readonly #member: SimMember;
  #start = 0;
  #term: Term = 0;
  #role: RoleName = 'follower';
  #commit: LogIndex = 0;
  #applied: LogIndex = 0;
  #reached: LogIndex = 0;
  #last: LogIndex = 0;
  #lastEntry: Entry | undefined;
  #mark: LogIndex = 0;
  #configuration: LogIndex = 0;
  /** Changes of its disk. */
  #disk = 0;

  constructor(member: SimMember) {
    this.#member = member;
  }

  /** True when it stands elsewhere now. */
  moved(raft: Raft): boolean {
    const { start, marks, durable } = this.#member;
    const { lastIndex } = raft;
    const { log } = raft.inspect();
    const lastEntry = lastIndex >= log.memoryFirst ? log.entry(lastIndex) : undefined;
    const reached = this.#member.scheduler?.appliedIndex ?? 0;
    const mark = marks.length === 0 ? 0 : (marks[marks.length - 1]?.index ?? 0);
    const same =
      this.#disk === durable.version &&
      this.#last === lastIndex &&
      this.#lastEntry === lastEntry &&
      this.#commit === raft.commitIndex &&
      this.#applied === raft.appliedIndex &&
      this.#reached === reached &&
      this.#mark === mark &&
      this.#term === raft.term &&
      this.#role === raft.role &&
      this.#configuration === raft.configuration.index &&
      this.#start === start;
    if (same) return false;
    this.#disk = durable.version;
    this.#last = lastIndex;
    this.#lastEntry = lastEntry;
    this.#commit = raft.commitIndex;
    this.#applied = raft.appliedIndex;
    this.#reached = reached;
    this.#mark = mark;
    this.#term = raft.term;
    this.#role = raft.role;
    this.#configuration = raft.configuration.index;
    this.#start = start;
    return true;
  }
}

/** What a cluster is told, beside what it knows itself. */
interface ClusterContext extends Omit<MemberContext, 'world' | 'options' | 'history' | 'sent' | 'reading'> {
  /** A leader tells `successor` to take over. */
  handsOver(successor: PeerId): void;
}

/** See the head of this file. */
export class SimCluster implements ClusterView {
  /** Founders and spares, in order of their ids. */
  readonly members: readonly SimMember[];
  readonly committed: CommittedLog = new CommittedLog();
  readonly #world: World;
  readonly #witness: Witness;
  #checkers: readonly Checker[] = [];
  /** The hooks of those that have them, so that no event asks all of them. */
  #onSent: readonly ((peer: PeerView, message: Message) => void)[] = [];
  #onChanged: readonly ((peer: PeerView) => void)[] = [];
  #onMoved: readonly ((peer: PeerView, change: LogChange) => void)[] = [];
  #onSpread: readonly (() => void)[] = [];
  /** Changes of all disks, and the newest entry that was committed, when those that speak of both were asked last. */
  #disksSeen = 0;
  #committedSeen: LogIndex = 0;
  /** By the place of each member. */
  readonly #stands: readonly Stand[];
  readonly #seenStart = new Map<string, number>();
  #voters: readonly PeerId[];
  #learners: readonly PeerId[] = [];
  #configurations = 0;
  #configurationIndex: LogIndex = 0;
  readonly #founders: readonly SimMember[];
  #eventsSinceWhole = 0;
  #messages = 0;
  #readsThatWaited = 0;
  #leadersRemoved = 0;
  readonly #handsOver: (successor: PeerId) => void;

  constructor(world: World, options: SimOptions, witness: Witness, context: ClusterContext) {
    this.#world = world;
    this.#handsOver = (successor) => context.handsOver(successor);
    this.#witness = witness;
    const full: MemberContext = {
      world,
      options,
      history: (index) => this.committed.at(index),
      network: context.network,
      plants: context.plants,
      datagrams: () => context.datagrams(),
      disk: () => context.disk(),
      writing: (member) => context.writing(member),
      diskFailure: (member) => context.diskFailure(member),
      halted: (member, reason) => context.halted(member, reason),
      led: (member, index, settled) => context.led(member, index, settled),
      refusedForSpace: (member, command) => context.refusedForSpace(member, command),
      sent: (member, message) => this.#sent(member, message),
      reading: (member) => this.#reading(member),
    };
    const founders = Array.from({ length: options.peers }, (_, at) => peerId(`p${at + 1}`));
    const spares = Array.from({ length: options.spares }, (_, at) => peerId(`p${options.peers + at + 1}`));
    this.members = [...founders, ...spares].map((id) => {
      // The file of a spare names it beside the founders; theirs do not know it.
      const file = clusterConfig(founders.includes(id) ? founders : [...founders, id], options.tickMs);
      return new SimMember(id, hostClock(world, id, options), file, full);
    });
    this.#voters = founders;
    this.#founders = this.members.slice(0, founders.length);
    this.#stands = this.members.map((member) => new Stand(member));
  }

  get checkers(): readonly Checker[] {
    return this.#checkers;
  }

  /** Set once, before anything runs. */
  set checkers(checkers: readonly Checker[]) {
    assert(this.#checkers.length === 0, 'checkers are there from the beginning');
    this.#checkers = checkers;
    this.#onSent = checkers.flatMap((checker) => checker.sent?.bind(checker) ?? []);
    this.#onChanged = checkers.flatMap((checker) => checker.changed?.bind(checker) ?? []);
    this.#onMoved = checkers.flatMap((checker) => checker.moved?.bind(checker) ?? []);
    this.#onSpread = checkers.flatMap((checker) => checker.spread?.bind(checker) ?? []);
  }

  get peers(): readonly SimMember[] {
    return this.members;
  }

  get voters(): readonly PeerId[] {
    return this.#voters;
  }

  /** The entry of the newest committed configuration; 0 for the founders. */
  get configurationIndex(): LogIndex {
    return this.#configurationIndex;
  }

  /** Leaders that committed their own removal. */
  get leadersRemoved(): number {
    return this.#leadersRemoved;
  }

  /** Reads that were not answered within the event in which they were asked for. */
  get readsThatWaited(): number {
    return this.#readsThatWaited;
  }

  /** Changes of who belongs to the cluster that were committed. */
  get configurations(): number {
    return this.#configurations;
  }

  /** What `peer` is by the newest committed configuration. */
  standingOf(peer: PeerId): 'votes' | 'learns' | 'none' {
    if (this.#voters.includes(peer)) return 'votes';
    return this.#learners.includes(peer) ? 'learns' : 'none';
  }

  /** False when no founder would be left that knows of the cluster: founders that are all empty found another one, as they are told to. */
  mayEmpty(member: SimMember): boolean {
    return this.#founders.some((founder) => founder !== member && !founder.stranger);
  }

  /** False when no founder would be left: whoever comes anew looks for the cluster where founders are. */
  mayRemove(member: SimMember): boolean {
    return this.#founders.some((founder) => founder !== member && this.standingOf(founder.id) !== 'none');
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
    if (owner?.alive === true) {
      const { members } = this;
      for (let place = 0; place < members.length; place += 1) {
        const member = members[place] as SimMember;
        if (member.process === owner) this.#look(member, this.#stands[place] as Stand, quiet);
      }
      this.#lookAround();
    }
    this.#eventsSinceWhole += 1;
    if (this.#eventsSinceWhole >= WHOLE_EVERY) this.checkWhole();
  }

  /** Tries every property of the whole. @throws Violation */
  checkWhole(): void {
    this.#eventsSinceWhole = 0;
    for (const checker of this.checkers) checker.whole?.();
  }

  #look(member: SimMember, stand: Stand, quiet: boolean): void {
    const { raft } = member;
    if (raft === undefined) return;
    if (stand.moved(raft)) this.#moved(member, raft);
    // A tick that only counts changes nothing that a property speaks of.
    else if (quiet) return;
    for (const tried of this.#onChanged) tried(member);
  }

  #moved(member: SimMember, raft: Raft): void {
    if (this.#seenStart.get(member.id) !== member.start) {
      this.#seenStart.set(member.id, member.start);
      const { durable, platter } = member;
      const { firstIndex } = raft.inspect().log;
      const damaged = { firstIndex, entryAt: (index: LogIndex) => platter.entryAt(index) };
      member.log.restart(durable, durable.isWounded ? damaged : undefined);
      for (const checker of this.checkers) checker.restarted?.(member);
    }
    const change = member.log.look(raft);
    while (this.committed.lastIndex < raft.commitIndex) this.#commit(member, this.committed.lastIndex + 1);
    for (const tried of this.#onMoved) tried(member, change);
  }

  /** Asks those that speak of all disks together when something was written to one of them, or committed. */
  #lookAround(): void {
    const { members, committed } = this;
    let disks = 0;
    for (let place = 0; place < members.length; place += 1) disks += (members[place] as SimMember).durable.version;
    if (disks === this.#disksSeen && committed.lastIndex === this.#committedSeen) return;
    this.#disksSeen = disks;
    this.#committedSeen = committed.lastIndex;
    for (const tried of this.#onSpread) tried();
  }

  #commit(member: SimMember, index: number): void {
    // What a peer has read into memory since its start, or has had on its disk before.
    const link = member.log.linkAt(index);
    const entry = member.log.entryAt(index) ?? this.#read(index, link?.chain);
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
    if (entry.kind === EntryKind.configuration) this.#configured(entry);
    const witnessed = this.#witness.apply(entry);
    if (witnessed === undefined) return;
    for (const checker of this.checkers) checker.witnessed?.(witnessed);
  }

  /** Reads an entry from a disk on which it is intact. */
  #read(index: LogIndex, chain: number | undefined): Entry | undefined {
    for (const { durable, platter } of this.members) {
      const entry = durable.chainAt(index) === chain ? platter.entryAt(index) : undefined;
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  #configured(entry: Entry): void {
    const configuration = configurationOf(entry.index, decodeMembers(entry.data));
    const { leader } = this;
    const gone = (id: PeerId): boolean => !configuration.members.some(({ peer }) => peer === id);
    if (leader !== undefined && gone(leader.id)) this.#leadersRemoved += 1;
    this.#voters = configuration.voters;
    this.#learners = configuration.learners;
    this.#configurations += 1;
    this.#configurationIndex = entry.index;
    for (const { peer, info } of configuration.members) {
      const { incarnation } = decodeMemberInfo(info);
      const member = this.members.find(({ id }) => id === peer);
      if (member === undefined || incarnation === undefined) continue;
      if (member.stranger && member.incarnation === incarnation) member.durable.mended();
      member.stranger = member.incarnation !== incarnation;
    }
    this.#world.line(
      'world',
      () => `the cluster is ${configuration.voters.join(' ')}, learning ${configuration.learners.join(' ')}`,
    );
  }

  #reading(member: SimMember): (appliedIndex: LogIndex) => void {
    const before = this.committed.lastIndex;
    const askedUs = this.nowUs;
    return (appliedIndex) => {
      if (this.nowUs > askedUs) this.#readsThatWaited += 1;
      this.#world.check(() => {
        for (const checker of this.#checkers) checker.read?.(member, before, appliedIndex);
      });
    };
  }

  #sent(member: SimMember, message: Message): void {
    this.#messages += 1;
    if (this.#world.listens) this.#world.line(member.id, () => `sends ${describeMessage(message)}`);
    this.#world.check(() => {
      for (const tried of this.#onSent) tried(member, message);
    });
    if (message.type === 'timeout-now') this.#handsOver(message.to);
  }
}

function clusterConfig(ids: readonly PeerId[], tickMs: number): ClusterConfig {
  const members = ids.map((id) => ({
    id,
    peer: { host: id, port: PEER_PORT },
    client: { host: id, port: CLIENT_PORT },
  }));
  return { clusterId: CLUSTER_ID, members, timings: { ...TIMINGS_DEFAULT, tickMs }, security: {} };
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
