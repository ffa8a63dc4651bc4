/**
 * One member of the cluster: turns the crank between consensus, disk, network and the replicated state machine.
 *
 * In: proposals and reads from `src/server`, frames and connection news from the transport, ticks. Out: frames, writes, replies
 * to those who proposed, and, while it leads, the outcome of every entry to those who subscribed.
 *
 *     propose ─▶ batcher ─▶ proposer ─▶ raft ─▶ ready-loop ─┬▶ storage (log) ─▶ raft
 *                                        ▲                  ├▶ transport ─────▶ other peers
 *     transport ─▶ envelope ─────────────┘                  └▶ applier ─▶ scheduler ─▶ replies, listeners
 *                                                                  └─ mark ─▶ checkpointer ─▶ storage (state)
 *
 *     new ─start─▶ opening ─▶ replaying ─▶ founding ─▶ serving ─stop─▶ stopping ─▶ stopped
 *                     │           │           │          │ ▲ │
 *                     │           │           │          ▼ │ │
 *                     │           │           │      reopening
 *                     └───────────┴───────────┴───────────┴──▶ halted
 *
 * Invariants
 * - A proposal is told `applied` only after its entry is on stable storage on a majority and applied here.
 * - A peer that was not founded with this data directory neither votes nor acknowledges.
 * - After a failed write or a damaged read nothing is acknowledged before the directory was closed, opened and checked anew. That
 *   happens in place, a few times; a broken invariant, or an entry that cannot be read, ends the peer: it answers nothing from then on.
 *   It can be started again; a wrong one would corrupt.
 * - Nothing waits for a timer in order to be batched, and nothing holds the event loop for more than a slice.
 *
 * Not here: what a command means (`src/scheduler`), who may ask for it (`src/server`), how frames travel (`src/transport`).
 */
import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../scheduler/views.ts';
import { Life } from './life.ts';
import { instantOf } from './log-time.ts';
import type { Member } from './member.ts';
import { changeFor } from './membership-change.ts';
import { membershipOf, statusOf } from './status.ts';
import type { TaskListPage } from './task-reader.ts';
import type {
  Membership,
  MembershipChange,
  MembershipRefusal,
  MembershipResult,
  PeerListener,
  PeerOptions,
  PeerPorts,
  PeerState,
  PeerStatus,
  ProposalDone,
  ProposalLane,
  ReadDone,
  TransferOutcome,
} from './types.ts';

/** See the head of this file. */
export class Peer {
  readonly #life: Life;
  readonly #ports: PeerPorts;

  /** @throws InvariantError when limits contradict each other or `self` is no member of the file */
  constructor(options: PeerOptions, ports: PeerPorts) {
    this.#ports = ports;
    this.#life = new Life(options, ports);
  }

  get self(): PeerId {
    return this.#life.self;
  }

  get state(): PeerState {
    return this.#life.state;
  }

  get term(): Term {
    return this.#life.member?.raft.term ?? 0;
  }

  /** True while this peer leads and has applied the first entry of its term: it is ready to serve. */
  get isLeader(): boolean {
    return this.#life.member?.serving ?? false;
  }

  /** Who leads the term, as far as known; perhaps this peer before it is ready to serve. */
  get leader(): PeerId | undefined {
    return this.#life.member?.raft.leader;
  }

  get appliedIndex(): LogIndex {
    return this.#life.member?.appliedIndex ?? 0;
  }

  /** What is switched on in the log, as far as it is applied here; see `features.ts`. */
  get featureLevel(): number {
    return this.#life.member?.membership.applied.featureLevel ?? 0;
  }

  /** The replicated state, to be looked at and not changed. Only after `start` was fulfilled. */
  get scheduler(): Scheduler {
    const { scheduler } = this.#life;
    assert(scheduler !== undefined, 'there is no state before the peer was started');
    return scheduler;
  }

  /**
   * Opens the data directory, loads the last checkpoint, listens, and takes part; where the cluster has yet to be founded, as
   * soon as it is. Fulfilled when the peer listens; rejects with what went wrong, a `StorageError` for instance, and is `halted`.
   */
  start(): Promise<void> {
    return this.#life.start();
  }

  /**
   * Takes no more proposals, answers those under way, hands leadership over where it can, finishes the write under way, and lets
   * go of everything. Whoever waits even then is told that the outcome is unknown. Repeated calls, and one before `start`, are harmless.
   */
  stop(): Promise<void> {
    return this.#life.stop();
  }

  /**
   * Proposes one command as `encodeCommand` wrote it; the bytes belong to the peer from now on. `moves` is what `commandMoves`
   * says of it. False when the queue is full for this lane: the caller says so and `done` is not called. Where this peer does
   * not serve, `done` is told `dropped`.
   */
  propose(lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone): boolean {
    if (this.#life.state === 'serving' && this.#life.member !== undefined)
      return this.#life.member.propose(lane, command, moves, done);
    this.#ports.timers.soon(() => {
      done({ type: 'dropped' });
    });
    return true;
  }

  /**
   * Linearizable read, on the leader and on every other peer: `done` is told `ok` once a quorum has confirmed, by a round begun after
   * this call, who leads, and the state here holds all that was committed by then. `not-leader` where nobody is known to lead, or
   * leadership changed meanwhile.
   */
  read(done: ReadDone): void {
    if (this.#life.state === 'serving' && this.#life.member !== undefined) this.#life.member.read(done);
    else {
      this.#ports.timers.soon(() => {
        done('not-leader', this.appliedIndex);
      });
    }
  }

  /**
   * What the state here is of: some moment of the past, seconds ago perhaps, or longer where this peer is cut off. Undefined while
   * there is none to look at.
   */
  staleRead(): { readonly appliedIndex: LogIndex; readonly logTimeMs: number } | undefined {
    if (this.#life.state !== 'serving' || this.#life.member?.readable !== true) return undefined;
    return { appliedIndex: this.appliedIndex, logTimeMs: this.scheduler.logTimeMs };
  }

  /** Who belongs to the cluster, as this peer knows. */
  membership(): Membership {
    return membershipOf(this.#life.statusParts());
  }

  /**
   * Changes who belongs to the cluster, on the leader. `done` is told once, when the change is committed and applied here, or why it is
   * not. A peer that is added does not vote before it is promoted.
   */
  changeMembership(change: MembershipChange, done: (result: MembershipResult) => void): void {
    const member = this.#life.member;
    const refuse = (reason: MembershipRefusal): void => {
      const { leader } = this;
      this.#ports.timers.soon(() => {
        done({ type: 'refused', reason, leader });
      });
    };
    if (this.#life.state !== 'serving' || member === undefined || member.raft.role !== 'leader')
      return refuse('not-leader');
    const wanted = changeFor(member.membership, change, member.neighbours.joining());
    if (typeof wanted === 'string') return refuse(wanted);
    member.change(wanted, done);
  }

  /**
   * Hands leadership to `to`, or, without one, to whoever can take over soonest. `done` is told once, when another leads or it is
   * clear that none took over; an election timeout or two at most.
   */
  transfer(to: PeerId | undefined, done: (outcome: TransferOutcome) => void): void {
    if (this.#life.state === 'serving' && this.#life.member !== undefined) {
      this.#life.member.transfer(to ?? 'best', done);
      return;
    }
    const { leader } = this;
    this.#ports.timers.soon(() => {
      done({ type: 'refused', reason: 'not-leader', leader });
    });
  }

  /**
   * Milliseconds since the last moment at which a quorum is known to have followed this leader; infinite when it does not serve.
   * Whoever tells a worker that its lease goes on asks this first.
   */
  quorumHeardMsAgo(): number {
    return this.isLeader ? this.#life.running().quorum.heardMsAgo() : Number.POSITIVE_INFINITY;
  }

  /** The log time that this peer would stamp a batch with now, as far as it can tell, in ms. */
  logTimeNowMs(): number {
    return this.#life.member?.logTime.nowMs(instantOf(this.#ports.clock)) ?? 0;
  }

  /** The task with this number, live or finished; undefined when there is none. @throws StorageError, DecodeError */
  taskView(number: number): Promise<TaskView | undefined> {
    return this.#life.reading(this.#life.running().tasks.task(number));
  }

  /** Tasks that `filter` shows, newest first, from before `cursor`. Looks at a bounded number of tasks. @throws StorageError */
  listTasks(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    return this.#life.reading(this.#life.running().tasks.list(filter, cursor, limit));
  }

  /** Payloads that left memory, in the order of `numbers`; undefined for one that is gone. @throws StorageError */
  payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    return this.#life.reading(this.#life.running().tasks.payloads(numbers));
  }

  /** Reads what cancelling these tasks will need from the disk; undefined when nothing of it is there. @throws StorageError */
  prepareCancel(numbers: readonly number[]): Promise<void> | undefined {
    const reading = this.#life.member?.far.prepare(numbers);
    return reading === undefined ? undefined : this.#life.reading(reading);
  }

  /** Whether what a read met passes: this peer opens its directory anew for it, or fetches from others what is damaged. */
  mends(error: unknown): boolean {
    return this.#life.mends(error);
  }

  /** Tells `listener` from now on. There is no way back: listeners live as long as the peer. */
  subscribe(listener: PeerListener): void {
    this.#life.subscribe(listener);
  }

  status(): PeerStatus {
    return statusOf(this.#life.statusParts());
  }

  /** How often this peer has begun to take part: more than once where it opened its directory anew. Each begins from the disk. */
  get generation(): number {
    return this.#life.generation;
  }

  /** The parts of this run, for the checks of tests and of the simulator; undefined before they are made. Nobody changes them. */
  inspect(): Readonly<Member> | undefined {
    return this.#life.member;
  }
}
