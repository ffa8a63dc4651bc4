import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { type PeerId, peerId } from '../../../src/base/ids.ts';
import { FEATURE_LEVEL } from '../../../src/peer/features.ts';
import type { Peer } from '../../../src/peer/peer.ts';
import type {
  Membership,
  MembershipChange,
  MembershipResult,
  MemberStatus,
  PeerListener,
  PeerStatus,
  ProposalDone,
  ProposalLane,
  ReadDone,
  TransferOutcome,
} from '../../../src/peer/types.ts';
import { BatchWriter, decodeBatch, encodeCommand } from '../../../src/scheduler/batch.ts';
import type { Command } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import { matchesFilter, Scheduler } from '../../../src/scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../../../src/scheduler/views.ts';
import type { TaskListPage } from '../../../src/peer/task-reader.ts';
import type { VirtualTime } from '../../support/virtual-time.ts';

interface Proposal {
  readonly lane: ProposalLane;
  readonly command: Uint8Array;
  readonly done: ProposalDone;
}

const NOON_MS = 1_750_000_000_000;

/** A peer without consensus and disk: what is proposed is applied in the next event, unless a test has it otherwise. */
export class FakePeer {
  readonly self: PeerId = peerId('p1');
  readonly scheduler: Scheduler;
  term = 0;
  leader: string | undefined;
  isLeader = false;
  /** Its queue is full. */
  full = false;
  /** Proposals wait until `apply`. */
  holding = false;
  /** Reads wait as long. */
  holdingReads = false;
  quorumMsAgo = 0;
  /** It has a state to answer from. */
  hasState = true;
  /** A follower that hears from the leader how far it is. */
  readsAnywhere = false;
  featureLevel: number = FEATURE_LEVEL;
  /** Proposals are refused for want of room on a disk. */
  noSpace = false;
  members: MemberStatus[] = [memberStatus('p1'), memberStatus('p2'), memberStatus('p3')];
  /** Changes of members and hand-overs that were asked for. */
  readonly changes: (MembershipChange | { readonly type: 'transfer'; readonly peer: PeerId | undefined })[] = [];
  changeResult: MembershipResult = { type: 'done', index: 7 };
  transferOutcome: TransferOutcome = { type: 'done', leader: peerId('p2') };
  /** Makes reading a task or its payload fail. */
  broken: Error | undefined;
  /** An error after which a real peer mends what it could not read. */
  passing: Error | undefined;
  /** What is read before a cancel is proposed. */
  preparing: Promise<void> | undefined;
  /** How often anything was proposed, taken or not. */
  proposals = 0;
  /** Commands that were taken, in the order in which they were proposed. */
  readonly proposed: Command[] = [];
  readonly #time: VirtualTime;
  readonly #listeners: PeerListener[] = [];
  #waiting: Proposal[] = [];
  #reads: ReadDone[] = [];
  #index = 0;
  #asked = false;

  constructor(time: VirtualTime, limits: Partial<SchedulerLimits> = {}) {
    this.#time = time;
    this.scheduler = new Scheduler({ crc32, limits });
  }

  /** As the server takes it. */
  get peer(): Peer {
    return this as unknown as Peer;
  }

  get appliedIndex(): number {
    return this.#index;
  }

  /** Leads a term from now on. */
  lead(term: number): void {
    this.term = term;
    this.leader = this.self;
    this.#entry([{ type: 'termStarted', term }]);
    this.isLeader = true;
    this.#tell();
  }

  /** Somebody else leads, or nobody. What was proposed has the outcome given. */
  follow(term: number, leader?: string, outcome: 'dropped' | 'unknown' = 'unknown'): void {
    this.isLeader = false;
    this.term = term;
    this.leader = leader;
    for (const { done } of this.#waiting.splice(0)) done({ type: outcome });
    for (const done of this.#reads.splice(0)) done('not-leader', this.#index);
    this.#tell();
  }

  halt(): void {
    this.isLeader = false;
    for (const listener of this.#listeners) listener.halted('the disk is gone');
  }

  subscribe(listener: PeerListener): void {
    this.#listeners.push(listener);
  }

  propose(lane: ProposalLane, command: Uint8Array, _moves: number, done: ProposalDone): boolean {
    this.proposals += 1;
    if (this.full) return false;
    if (this.noSpace && lane === 'submission') {
      this.#time.soon(() => done({ type: 'no-space' }));
      return true;
    }
    if (!this.isLeader) {
      this.#time.soon(() => done({ type: 'dropped' }));
      return true;
    }
    this.proposed.push(decodeOne(command));
    this.#waiting.push({ lane, command, done });
    if (!this.holding) this.#applySoon();
    return true;
  }

  /** Applies what waits as one entry, and answers the reads that wait. */
  apply(): void {
    const proposals = this.#waiting;
    this.#waiting = [];
    const batch = new BatchWriter();
    batch.begin();
    for (const { command } of proposals) batch.add(command, 1);
    this.#index += 1;
    const outcome = this.scheduler.apply(this.#index, batch.finish(this.logTimeNowMs()));
    for (const [at, { done }] of proposals.entries()) {
      done({ type: 'applied', index: this.#index, logTimeMs: this.scheduler.logTimeMs, reply: outcome.replies[at]! });
    }
    for (const listener of this.#listeners) listener.applied(this.#index, outcome);
    for (const done of this.#reads.splice(0)) done('ok', this.#index);
  }

  read(done: ReadDone): void {
    if (this.readsAnywhere) this.#time.soon(() => done('ok', this.#index));
    else if (!this.isLeader) this.#time.soon(() => done('not-leader', this.#index));
    else if (this.holdingReads) this.#reads.push(done);
    else this.#time.soon(() => done(this.isLeader ? 'ok' : 'not-leader', this.#index));
  }

  quorumHeardMsAgo(): number {
    return this.isLeader ? this.quorumMsAgo : Number.POSITIVE_INFINITY;
  }

  staleRead(): ReturnType<Peer['staleRead']> {
    return this.hasState ? { appliedIndex: this.#index, logTimeMs: this.scheduler.logTimeMs } : undefined;
  }

  membership(): Membership {
    return { index: 3, committed: true, members: this.members, joining: [] };
  }

  changeMembership(change: MembershipChange, done: (result: MembershipResult) => void): void {
    this.changes.push(change);
    this.#time.soon(() => done(this.changeResult));
  }

  transfer(peer: PeerId | undefined, done: (outcome: TransferOutcome) => void): void {
    this.changes.push({ type: 'transfer', peer });
    this.#time.soon(() => done(this.transferOutcome));
  }

  /** Who belongs to the cluster changes. */
  reconfigure(members: MemberStatus[]): void {
    this.members = members;
    for (const listener of this.#listeners) listener.membership?.(members);
  }

  logTimeNowMs(): number {
    return NOON_MS + this.#time.nowMs;
  }

  mends(error: unknown): boolean {
    return error === this.passing;
  }

  prepareCancel(): Promise<void> | undefined {
    return this.preparing;
  }

  async taskView(number: number): Promise<TaskView | undefined> {
    if (this.broken !== undefined) throw this.broken;
    await Promise.resolve();
    return this.#view(number);
  }

  async listTasks(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    await Promise.resolve();
    const page = this.scheduler.list(filter, cursor, limit);
    const tasks = page.tasks.map((listed) => ('state' in listed ? listed : this.#view(listed.number)!));
    return { tasks: tasks.filter((task) => matchesFilter(task, filter)), cursor: page.cursor };
  }

  async payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    await Promise.resolve();
    if (this.broken !== undefined) throw this.broken;
    return numbers.map(() => undefined);
  }

  status(): Partial<PeerStatus> {
    return {
      self: this.self,
      state: 'serving',
      role: this.isLeader ? 'leader' : 'follower',
      term: this.term,
      leader: undefined,
      commitIndex: this.#index,
      appliedIndex: this.#index,
      durableIndex: this.#index,
      firstIndex: 1,
      logSizeBytes: 0,
      logTimeMs: this.scheduler.logTimeMs,
      marks: [],
      voters: [],
      alarms: [{ code: 'CLOCK_OFF', message: 'The wall clock is off.' }],
      membership: this.membership(),
      damaged: false,
      spaceLow: false,
      snapshot: undefined,
      featureLevel: this.featureLevel,
    };
  }

  #view(number: number): TaskView | undefined {
    const found = this.scheduler.task(number);
    if (found === undefined || 'number' in found) return found;
    if ('farBlock' in found) throw new Error('nothing was switched on that has tasks leave memory');
    return this.scheduler.readFinished(this.scheduler.block(found.finishedBlock)!, number);
  }

  #entry(commands: readonly Command[]): void {
    const batch = new BatchWriter();
    batch.begin();
    for (const command of commands) {
      const writer = new ByteWriter();
      encodeCommand(writer, 'peer', command);
      batch.add(writer.take(), 1);
    }
    this.#index += 1;
    this.scheduler.apply(this.#index, batch.finish(this.logTimeNowMs()));
  }

  #applySoon(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#time.soon(() => {
      this.#asked = false;
      if (this.#waiting.length > 0 && !this.holding) this.apply();
    });
  }

  #tell(): void {
    const leader = this.leader === undefined ? undefined : peerId(this.leader);
    for (const listener of this.#listeners) listener.leadership({ term: this.term, leader, isLeader: this.isLeader });
  }
}

/** A member that is connected and up to date, with `changes`. Its client port is 74N0. */
export function memberStatus(id: string, changes: Partial<MemberStatus> = {}): MemberStatus {
  const port = 7_390 + 10 * Number(id.slice(1));
  return {
    peer: peerId(id),
    votes: true,
    incarnation: undefined,
    addresses: { peer: { host: '127.0.0.1', port: port + 1 }, client: { host: '127.0.0.1', port } },
    state: 'replicate',
    matchIndex: 1,
    connected: true,
    damaged: false,
    spaceLow: false,
    ...changes,
  };
}

function decodeOne(command: Uint8Array): Command {
  const batch = new BatchWriter();
  batch.begin();
  batch.add(command, 1);
  return decodeBatch(batch.finish(NOON_MS)).commands[0]!.command;
}
