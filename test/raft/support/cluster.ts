import { ByteReader, ByteWriter } from '../../../src/base/bytes.ts';
import type { PeerId } from '../../../src/base/ids.ts';
import { peerId } from '../../../src/base/ids.ts';
import { SeededRandom, deriveSeed } from '../../../src/base/random.ts';
import { decodeMessage, encodeMessage } from '../../../src/raft/codec.ts';
import type { Member as ConfigurationMember } from '../../../src/raft/configuration.ts';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import { describeRaft, describeReady } from '../../../src/raft/describe.ts';
import { checkInvariants } from '../../../src/raft/invariants.ts';
import type { Message } from '../../../src/raft/message.ts';
import type { RaftOptions } from '../../../src/raft/options.ts';
import { RAFT_DEFAULTS } from '../../../src/raft/options.ts';
import { Raft } from '../../../src/raft/raft.ts';
import type { FetchRequest, ReadState } from '../../../src/raft/ready.ts';
import type { Damage, Entry } from '../../../src/raft/types.ts';
import { Disk } from './disk.ts';

export type TunableOptions = Partial<Omit<RaftOptions, 'self' | 'random'>>;

/** Timeouts small enough to count by hand. */
export const TEST_OPTIONS: TunableOptions = {
  electionTimeoutTicks: 10,
  heartbeatIntervalTicks: 1,
  persistTimeoutTicks: 40,
};

export interface ClusterOptions {
  readonly peers: readonly string[];
  /** Those of them that the cluster is founded with; all when left out. The others are there and know nothing. */
  readonly founders?: readonly string[];
  readonly options?: TunableOptions;
  /** Where a peer has others than the rest. */
  readonly optionsOf?: Readonly<Record<string, TunableOptions>>;
  /** The founding configuration, learners in brackets, where it is not that all founders vote. */
  readonly members?: readonly string[];
  /** What is on disk at the start, for peers that are not new. */
  readonly disks?: Readonly<Record<string, Disk>>;
  readonly seed?: number;
  /** Entries loaded to memory at a start. */
  readonly entriesLoaded?: number;
}

/** One peer and what belongs to it. */
export interface Member {
  readonly id: PeerId;
  raft: Raft;
  readonly disk: Disk;
  up: boolean;
  /** Batches wait for `sync` instead of being durable at once. */
  diskStalled: boolean;
  /** Committed entries wait instead of being applied at once. */
  applyStalled: boolean;
  /** Reads of old entries wait for `answerFetch`. */
  fetchStalled: boolean;
  fetch: FetchRequest | undefined;
  /** Everything applied since the last start, in order. */
  applied: Entry[];
  unapplied: Entry[];
  reads: ReadState[];
  readsLost: number[];
  /** The core asked for a state at this index or later. */
  snapshotNeeded: number | undefined;
  starts: number;
  /** The same name on a new disk is another incarnation. */
  incarnation: number;
}

/** A message on its way, as the bytes that a connection would carry. */
export interface Packet {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly bytes: Uint8Array;
}

/**
 * Peers over a network and disks that a test holds in its hands. Nothing happens by itself: time passes by `tick`, messages
 * travel by `deliver`, and the host's part of the contract is done after every input, by `pump`.
 */
export class Cluster {
  readonly members: readonly Member[];
  /** On the way, oldest first. */
  packets: Packet[] = [];
  /** Held back for long; a test decides when they arrive. */
  late: Packet[] = [];
  /** Told of everything that is sent, once it is. */
  onSend: ((message: Message) => void) | undefined;
  /** Told of every peer after every event. */
  onEvent: ((member: Member) => void) | undefined;
  /** Told when a peer goes back to an earlier configuration. */
  onRollBack: (() => void) | undefined;
  /** Told of a peer that has lost what it acknowledged, which is to do what a host does then. */
  onLoss: ((member: Member, lost: Damage) => void) | undefined;
  /** Messages for which this is true are lost on their way. */
  loses: ((message: Message) => boolean) | undefined;
  /** Told of each line of what a peer does. */
  onLine: ((line: string) => void) | undefined;
  readonly #options: ClusterOptions;
  readonly #cut = new Set<string>();
  readonly #writer = new ByteWriter();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.members = options.peers.map((name) => this.#member(peerId(name)));
    for (const member of this.members) this.pump(member);
  }

  /** The member called `name`. */
  member(name: string): Member {
    const member = this.members.find((other) => other.id === name);
    if (member === undefined) throw new Error(`no peer ${name}`);
    return member;
  }

  raft(name: string): Raft {
    return this.member(name).raft;
  }

  /** Gives `name` some input and then does its host's part. */
  with<T>(name: string, act: (raft: Raft) => T): T {
    const member = this.member(name);
    const result = act(member.raft);
    this.pump(member);
    return result;
  }

  tick(name: string, count = 1): void {
    for (let done = 0; done < count; done += 1) {
      if (this.member(name).up) this.with(name, (raft) => raft.tick());
    }
  }

  /** Every peer that is up lives through `count` ticks, with all messages delivered in between. */
  pass(count: number): void {
    for (let done = 0; done < count; done += 1) {
      for (const member of this.members) this.tick(member.id);
      this.run();
    }
  }

  /** Ticks `name` alone until it stands for election, however long its random timeout is. */
  timeout(name: string): void {
    const { raft } = this.member(name);
    const { term } = raft;
    for (let count = 0; count < 1_000; count += 1) {
      this.tick(name);
      if (raft.role === 'pre-candidate' || raft.term > term) return;
    }
    throw new Error(`${name} does not stand for election`);
  }

  /** Lets `name` time out and delivers everything, until it leads. */
  elect(name: string): void {
    for (let attempt = 0; attempt < 10 && this.raft(name).role !== 'leader'; attempt += 1) {
      // Voters that still hear a leader would not answer.
      for (const member of this.members) {
        if (member.id !== name && member.up) this.with(member.id, (raft) => raft.leaderConnectionLost());
      }
      if (this.raft(name).role === 'follower') this.timeout(name);
      this.run();
    }
    if (this.raft(name).role !== 'leader') throw new Error(`${name} was not elected`);
  }

  /** Delivers messages in order, with those they cause, until none is on the way. */
  run(): void {
    for (let count = 0; this.packets.length > 0; count += 1) {
      if (count > 100_000) throw new Error('messages without end');
      this.deliver(0);
    }
  }

  /** Delivers the packet at `at`, unless its link is cut or its receiver down. */
  deliver(at: number): void {
    const [packet] = this.packets.splice(at, 1);
    if (packet !== undefined) this.hand(packet);
  }

  /** Hands over `packet`, which may have been handed over before. */
  hand(packet: Packet): void {
    const receiver = this.member(packet.to);
    if (!receiver.up || this.#cut.has(link(packet.from, packet.to))) return;
    const message = decodeMessage(new ByteReader(packet.bytes), packet.from, packet.to);
    // A host hears what another incarnation asks, which may be of a newer configuration, and counts nothing that it answers.
    if (isAnswer(message) && !this.#takesFor(packet.to, packet.from)) return;
    const objection = receiver.raft.objectionTo(message);
    if (objection !== undefined) throw new Error(`there is nothing wrong with it, and still: ${objection}`);
    const lost = receiver.raft.lossIn(message);
    if (lost !== undefined) {
      if (this.onLoss === undefined)
        throw new Error(`nothing is lost without damage, and still: entry ${lost.lastIndex}`);
      this.onLoss(receiver, lost);
      return;
    }
    receiver.raft.step(message);
    this.pump(receiver);
  }

  /** What the configuration says of `name` beside its name. */
  info(name: string): Uint8Array {
    return Uint8Array.of(this.member(name).incarnation);
  }

  /** A new disk under an old name. Nobody takes it for the old one: its connections are gone. */
  wipe(name: string): void {
    const member = this.member(name);
    const others = ({ from, to }: Packet): boolean => from !== name && to !== name;
    this.packets = this.packets.filter(others);
    this.late = this.late.filter(others);
    this.crash(name);
    Object.assign(member.disk, new Disk());
    member.incarnation += 1;
    this.restart(name);
  }

  /** True unless the configuration of `who` knows another incarnation of `other`. */
  #takesFor(who: PeerId, other: PeerId): boolean {
    const known = this.member(who).raft.configuration.members.find(({ peer }) => peer === other);
    return known === undefined || known.info[0] === this.member(other).incarnation;
  }

  /** Cuts the link from `from` to `to`, that way only. */
  cut(from: string, to: string): void {
    this.#cut.add(link(from, to));
  }

  /** Cuts `name` off in both directions. */
  isolate(name: string): void {
    for (const { id } of this.members) {
      if (id === name) continue;
      this.cut(name, id);
      this.cut(id, name);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** The batch in flight at `name` becomes durable. */
  sync(name: string): void {
    const member = this.member(name);
    this.#sync(member);
    this.pump(member);
  }

  apply(name: string): void {
    const member = this.member(name);
    this.#apply(member);
    this.pump(member);
  }

  answerFetch(name: string): void {
    const member = this.member(name);
    this.#answerFetch(member);
    this.pump(member);
  }

  /** Storage of `name` drops its log before `firstIndex`. */
  compact(name: string, firstIndex: number): void {
    const member = this.member(name);
    member.disk.applied = member.raft.appliedIndex;
    member.disk.compact(firstIndex);
    member.raft.compacted(firstIndex);
    this.pump(member);
  }

  /** The process of `name` is gone, with everything that was not durable. */
  crash(name: string): void {
    const member = this.member(name);
    member.up = false;
    member.disk.pending = undefined;
  }

  /** Damage at `index` of the log of `name`, found at its next start. */
  damage(name: string, index: number): void {
    this.crash(name);
    this.member(name).disk.cutAt(index);
    this.onLine?.(`${name} log is damaged at ${index}`);
  }

  /** The state of `name` cannot be read at its next start; what its checkpoint said of members goes with it. */
  loseState(name: string): void {
    this.crash(name);
    const { disk } = this.member(name);
    const configuration = { index: 0, data: encodeMembers([]) };
    Object.assign(disk, { stateMissing: true, applied: disk.firstIndex - 1, configuration });
  }

  /** `name` installs a checkpoint of `from`, of what that one has applied, and starts anew from it. */
  install(name: string, from: string): void {
    const { raft } = this.member(from);
    const at = raft.appliedIndex;
    const { index, members } = raft.configurationAt(at);
    this.crash(name);
    this.member(name).disk.install(at, raft.inspect().log.term(at), { index, data: encodeMembers(members) });
    this.restart(name);
  }

  restart(name: string): void {
    const member = this.member(name);
    const fresh = { applied: [], unapplied: [], reads: [], readsLost: [], fetch: undefined, snapshotNeeded: undefined };
    member.raft = this.#raft(member.id, member.disk, member.starts + 1, member.incarnation);
    Object.assign(member, fresh, { up: true });
    this.onLine?.(`${name} starts anew, ${describeRaft(member.raft)}`);
    member.starts += 1;
    this.pump(member);
  }

  /** The host's loop: does all that the core asks for, as far as disk and apply are not stalled. */
  pump(member: Member): void {
    for (let count = 0; member.up && member.raft.hasReady(); count += 1) {
      if (count > 10_000) throw new Error('a core that is never done');
      checkInvariants(member.raft);
      this.onEvent?.(member);
      const ready = member.raft.ready();
      for (const line of describeReady(ready)) this.onLine?.(`${member.id} ${line}`);
      this.#send(ready.messages);
      if (ready.persist !== undefined) member.disk.write(ready.persist);
      member.unapplied.push(...ready.committed);
      member.reads.push(...ready.reads);
      member.readsLost.push(...ready.readsLost);
      if (ready.configuration !== undefined && ready.persist?.truncateFrom !== undefined) this.onRollBack?.();
      if (ready.fetch !== undefined) member.fetch = ready.fetch;
      if (ready.snapshotNeeded !== undefined) member.snapshotNeeded = ready.snapshotNeeded.atLeast;
      if (ready.healed) member.disk.damage = undefined;
      if (!member.diskStalled && member.disk.pending !== undefined) this.#sync(member);
      if (!member.applyStalled && member.unapplied.length > 0) this.#apply(member);
      if (!member.fetchStalled && member.fetch !== undefined) this.#answerFetch(member);
    }
    checkInvariants(member.raft);
    this.onEvent?.(member);
  }

  #sync(member: Member): void {
    const batch = member.disk.sync();
    if (member.diskStalled) this.onLine?.(`${member.id} durable #${batch.ack.sequence}`);
    member.raft.persisted(batch.ack);
    this.#send(batch.messages);
  }

  #apply(member: Member): void {
    const last = member.unapplied.at(-1);
    member.applied.push(...member.unapplied);
    member.unapplied = [];
    if (last !== undefined) member.raft.applied(last.index);
  }

  #answerFetch(member: Member): void {
    const { fetch, disk } = member;
    member.fetch = undefined;
    if (fetch === undefined) return;
    const entries = disk.read(fetch.from, fetch.to, fetch.maxBytes);
    member.raft.fetched(fetch, fetch.from < disk.firstIndex ? 'compacted' : entries);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.onSend?.(message);
      if (this.loses?.(message) === true) continue;
      this.#writer.reset();
      encodeMessage(this.#writer, message);
      this.packets.push({ from: message.from, to: message.to, bytes: this.#writer.take() });
    }
  }

  #member(id: PeerId): Member {
    const disk = this.#options.disks?.[id] ?? new Disk();
    const founders = this.#options.founders ?? this.#options.peers;
    const members = this.#options.members ?? founders;
    if (founders.includes(id)) disk.configuration = { index: 0, data: encodeMembers(members.map(founder)) };
    return {
      id,
      raft: this.#raft(id, disk, 0, 0),
      disk,
      up: true,
      diskStalled: false,
      applyStalled: false,
      fetchStalled: false,
      fetch: undefined,
      applied: [],
      unapplied: [],
      reads: [],
      readsLost: [],
      snapshotNeeded: undefined,
      starts: 0,
      incarnation: 0,
    };
  }

  #raft(self: PeerId, disk: Disk, starts: number, incarnation: number): Raft {
    const { options, optionsOf = {}, seed = 1, entriesLoaded } = this.#options;
    const random = new SeededRandom(deriveSeed(seed, `${self}/${starts}`));
    const isSelf = (info: Uint8Array): boolean => info[0] === incarnation;
    const tuned = { ...RAFT_DEFAULTS, ...TEST_OPTIONS, ...options, ...optionsOf[self] };
    return new Raft({ ...tuned, self, isSelf, random }, disk.restore(entriesLoaded));
  }
}

function isAnswer({ type }: Message): boolean {
  if (type === 'read-index-response') return false;
  return type.endsWith('-response') || type === 'append-accepted' || type === 'append-rejected';
}

function founder(name: string): ConfigurationMember {
  return { peer: peerId(name.replace(/[()]/g, '')), votes: !name.startsWith('('), info: Uint8Array.of(0) };
}

function link(from: string, to: string): string {
  return `${from}>${to}`;
}
