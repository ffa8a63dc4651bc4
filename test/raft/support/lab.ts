import { ByteReader } from '../../../src/base/bytes.ts';
import type { PeerId } from '../../../src/base/ids.ts';
import { peerId } from '../../../src/base/ids.ts';
import { decodeMessage } from '../../../src/raft/codec.ts';
import type { AppendEntries, Heartbeat, Message } from '../../../src/raft/message.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { Entry } from '../../../src/raft/types.ts';
import type { Member, TunableOptions } from './cluster.ts';
import { Cluster } from './cluster.ts';
import { Disk, bytes, command } from './disk.ts';

export interface LabOptions {
  /** Terms of the log that n1 finds. */
  readonly log?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
  readonly voters?: number;
  /** The configuration that n1 goes by, learners in brackets, where it is not that all vote. */
  readonly members?: readonly string[];
  readonly options?: TunableOptions;
  readonly seed?: number;
}

/** What most tests have no word about, and what it is then. */
const UNSAID = { damaged: false, snapshotNeeded: 0, lastIndex: 0, matchTerm: 0 } as const;

type Unsaid<T> = keyof typeof UNSAID | (T extends Heartbeat ? 'matchIndex' : never);
type WithoutEnds<T> = T extends Message
  ? Omit<T, 'from' | 'to' | Unsaid<T>> & Partial<Pick<T, Extract<keyof T, Unsaid<T>>>>
  : never;

/** A message to n1, its ends left out, and what is nearly always the same. */
export type Said = WithoutEnds<Message>;

/** One peer, n1, whose fellows are played by the test: it hands in messages and looks at what comes out. */
export class Lab {
  readonly cluster: Cluster;
  readonly member: Member;

  constructor(options: LabOptions = {}) {
    const { log = [], term = log.at(-1) ?? 0, vote, voters = 3, seed = 1 } = options;
    const peers = Array.from({ length: voters }, (_, at) => `n${at + 1}`);
    const disks = { n1: Disk.withLog(log, term, vote === undefined ? undefined : peerId(vote)) };
    this.cluster = new Cluster({
      peers,
      disks,
      seed,
      ...(options.members === undefined ? {} : { members: options.members }),
      ...(options.options === undefined ? {} : { options: options.options }),
    });
    this.member = this.cluster.member('n1');
  }

  get raft(): Raft {
    return this.member.raft;
  }

  /** The terms of n1's log as its memory has it. */
  get terms(): number[] {
    const { log } = this.raft.inspect();
    return Array.from({ length: log.lastIndex - log.firstIndex + 1 }, (_, at) => log.term(log.firstIndex + at));
  }

  /** n1 gets a message. Returns what it sends. */
  hears(from: string, said: Said): Message[] {
    // A leader that says no more knows what it commits to be here.
    const known = said.type === 'heartbeat' ? { matchIndex: said.commit } : {};
    const message = { ...UNSAID, ...known, ...said, from: peerId(from), to: peerId('n1') } as Message;
    this.cluster.with('n1', (raft) => raft.step(message));
    return this.sent();
  }

  tick(count = 1): Message[] {
    this.cluster.tick('n1', count);
    return this.sent();
  }

  propose(text: string): Message[] {
    this.cluster.with('n1', (raft) => raft.propose(bytes(text)));
    return this.sent();
  }

  sync(): Message[] {
    this.cluster.sync('n1');
    return this.sent();
  }

  /** Everything n1 sent since this was last asked. */
  sent(): Message[] {
    return this.cluster.packets
      .splice(0)
      .map((packet) => decodeMessage(new ByteReader(packet.bytes), packet.from, packet.to));
  }

  /** n1 is a candidate of the next term, its vote durable. */
  becomeCandidate(): void {
    this.cluster.timeout('n1');
    const { raft } = this;
    const term = raft.term + 1;
    for (let peer = 2; raft.role === 'pre-candidate'; peer += 1) {
      this.hears(`n${peer}`, { type: 'pre-vote-response', term, granted: true });
    }
    this.sent();
  }

  /** n1 leads the next term; its first appends have been sent, and nobody has answered them. */
  becomeLeader(): void {
    this.becomeCandidate();
    const { raft } = this;
    for (let peer = 2; raft.role === 'candidate'; peer += 1) {
      this.hears(`n${peer}`, { type: 'vote-response', term: raft.term, granted: true });
    }
    if (raft.role !== 'leader') throw new Error('n1 does not lead');
  }

  /** Every other peer acknowledges all that n1 has. */
  acknowledgeAll(): void {
    const matchIndex = this.raft.lastIndex;
    for (const { peer } of this.raft.status().peers)
      this.hears(peer, { type: 'append-accepted', term: this.raft.term, matchIndex });
  }
}

/** An append of entries with these terms behind (`prev`, `prevTerm`). */
export function append(
  term: number,
  prev: number,
  prevTerm: number,
  terms: readonly number[],
  commit = 0,
): Omit<AppendEntries, 'from' | 'to'> {
  const entries: Entry[] = terms.map((at, place) => command(prev + 1 + place, at, `${prev + 1 + place}.${at}`));
  return { type: 'append-entries', term, prevLogIndex: prev, prevLogTerm: prevTerm, leaderCommit: commit, entries };
}

/** The messages of one type. */
export function only<T extends Message['type']>(
  messages: readonly Message[],
  type: T,
): Extract<Message, { type: T }>[] {
  return messages.filter((message): message is Extract<Message, { type: T }> => message.type === type);
}

export function n(number: number): PeerId {
  return peerId(`n${number}`);
}
