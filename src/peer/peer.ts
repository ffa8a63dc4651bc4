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
 *                     │           │           │           │
 *                     └───────────┴───────────┴───────────┴──▶ halted
 *
 * Invariants
 * - A proposal is told `applied` only after its entry is on stable storage on a majority and applied here.
 * - A peer that was not founded with this data directory neither votes nor acknowledges.
 * - A broken invariant, a failed write, or an entry that cannot be read ends the peer: it answers nothing from then on. It can
 *   be started again; a wrong one would corrupt.
 * - Nothing waits for a timer in order to be batched, and nothing holds the event loop for more than a slice.
 *
 * Not here: what a command means (`src/scheduler`), who may ask for it (`src/server`), how frames travel (`src/transport`).
 */
import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import { memberOf } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import { peerLimits } from '../config/limits.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../scheduler/views.ts';
import type { Founding, OpenedStorage } from '../storage/storage.ts';
import type { Refusal } from '../transport/refusal.ts';
import type { HelloVerdict, OwnFacts, PeerFacts, TransportHandlers } from '../transport/transport.ts';
import { checkVoters } from './configuration.ts';
import { admit, FirstStart, knownIncarnation, rejoinSentence } from './founding.ts';
import { loadState } from './load-state.ts';
import { instantOf } from './log-time.ts';
import { Member } from './member.ts';
import { statusOf } from './status.ts';
import type { TaskListPage } from './task-reader.ts';
import type {
  Leadership,
  PeerListener,
  PeerOptions,
  PeerPorts,
  PeerState,
  PeerStatus,
  ProposalDone,
  ProposalLane,
  ReadDone,
} from './types.ts';

/** How long a stop waits for proposals under way, in ms; where a majority answers they need a few. */
const FLUSH_MS = 200;

/** See the head of this file. */
export class Peer {
  readonly #options: PeerOptions;
  readonly #ports: PeerPorts;
  readonly #limits: PeerLimits;
  readonly #listeners: PeerListener[] = [];
  #state: PeerState = 'new';
  #reason: string | undefined;
  #storage: OpenedStorage | undefined;
  #scheduler: Scheduler | undefined;
  #member: Member | undefined;
  /** What this peer knows of the founders; what is on disk may lag behind by one write. */
  #founding: Founding = { founded: false, heard: [] };
  /** Set while the founding is waited for. */
  #firstStart: FirstStart | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** Told when leadership changes, while `stop` waits for a successor. */
  #successor: (() => void) | undefined;

  /** @throws InvariantError when limits contradict each other or `self` is no member */
  constructor(options: PeerOptions, ports: PeerPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#limits = peerLimits(options.limits);
    const isMember = options.cluster.members.some((member) => member.id === options.self);
    assert(isMember, 'a peer is a member of its cluster');
  }

  get self(): PeerId {
    return this.#options.self;
  }

  get state(): PeerState {
    return this.#state;
  }

  get term(): Term {
    return this.#member?.raft.term ?? 0;
  }

  /** True while this peer leads and has applied the first entry of its term: it is ready to serve. */
  get isLeader(): boolean {
    return this.#member?.serving ?? false;
  }

  /** Who leads the term, as far as known; perhaps this peer before it is ready to serve. */
  get leader(): PeerId | undefined {
    return this.#member?.raft.leader;
  }

  get appliedIndex(): LogIndex {
    return this.#member?.appliedIndex ?? 0;
  }

  /** The replicated state, to be looked at and not changed. Only after `start` was fulfilled. */
  get scheduler(): Scheduler {
    assert(this.#scheduler !== undefined, 'there is no state before the peer was started');
    return this.#scheduler;
  }

  /**
   * Opens the data directory, loads the last checkpoint, listens, and takes part; where the cluster has yet to be founded, as
   * soon as it is. Fulfilled when the peer listens; rejects with what went wrong, a `StorageError` for instance, and is `halted`.
   */
  start(): Promise<void> {
    assert(this.#state === 'new', 'a peer is started once');
    this.#state = 'opening';
    this.#starting = this.#start();
    return this.#starting;
  }

  /**
   * Takes no more proposals, answers those under way, hands leadership over where it can, finishes the write under way, and lets
   * go of everything. Whoever waits even then is told that the outcome is unknown. Repeated calls, and one before `start`, are harmless.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Proposes one command as `encodeCommand` wrote it; the bytes belong to the peer from now on. `moves` is what `commandMoves`
   * says of it. False when the queue is full for this lane: the caller says so and `done` is not called. Where this peer does
   * not serve, `done` is told `dropped`.
   */
  propose(lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone): boolean {
    if (this.#state === 'serving' && this.#member !== undefined)
      return this.#member.propose(lane, command, moves, done);
    this.#ports.timers.soon(() => {
      done({ type: 'dropped' });
    });
    return true;
  }

  /**
   * Linearizable read: `done` is told `ok` once a quorum has confirmed, by a round begun after this call, that this peer leads,
   * and the state holds all that was committed by then.
   */
  read(done: ReadDone): void {
    if (this.#state === 'serving' && this.#member !== undefined) this.#member.read(done);
    else {
      this.#ports.timers.soon(() => {
        done('not-leader', this.appliedIndex);
      });
    }
  }

  /**
   * Milliseconds since the last moment at which a quorum is known to have followed this leader; infinite when it does not serve.
   * Whoever tells a worker that its lease goes on asks this first.
   */
  quorumHeardMsAgo(): number {
    return this.isLeader ? this.#running().quorum.heardMsAgo() : Number.POSITIVE_INFINITY;
  }

  /** The log time that this peer would stamp a batch with now, as far as it can tell, in ms. */
  logTimeNowMs(): number {
    return this.#member?.logTime.nowMs(instantOf(this.#ports.clock)) ?? 0;
  }

  /** The task with this number, live or finished; undefined when there is none. @throws StorageError, DecodeError */
  taskView(number: number): Promise<TaskView | undefined> {
    return this.#running().tasks.task(number);
  }

  /** Tasks that `filter` shows, newest first, from before `cursor`. Looks at a bounded number of tasks. @throws StorageError */
  listTasks(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    return this.#running().tasks.list(filter, cursor, limit);
  }

  /** Payloads that left memory, in the order of `numbers`; undefined for one that is gone. @throws StorageError */
  payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    return this.#running().tasks.payloads(numbers);
  }

  /** Tells `listener` from now on. There is no way back: listeners live as long as the peer. */
  subscribe(listener: PeerListener): void {
    this.#listeners.push(listener);
  }

  status(): PeerStatus {
    return statusOf({
      self: this.self,
      state: this.#state,
      reason: this.#reason,
      cluster: this.#options.cluster,
      limits: this.#limits,
      ports: this.#ports,
      storage: this.#storage,
      member: this.#member,
    });
  }

  /** The parts of this run, for the checks of tests and of the simulator; undefined before they are made. Nobody changes them. */
  inspect(): Readonly<Member> | undefined {
    return this.#member;
  }

  #running(): Member {
    assert(this.#member !== undefined, 'a peer is asked after it was started');
    return this.#member;
  }

  #makeMember(storage: OpenedStorage, scheduler: Scheduler): Member {
    const { self, cluster } = this.#options;
    return new Member(
      { self, cluster, limits: this.#limits, ports: this.#ports, storage, scheduler },
      {
        applied: (index, outcome) => {
          for (const listener of this.#listeners) listener.applied(index, outcome);
        },
        leadership: (change) => {
          this.#tellLeadership(change);
        },
        halt: (error) => {
          this.#halt(error);
        },
      },
    );
  }

  #tellLeadership(change: Leadership): void {
    for (const listener of this.#listeners) listener.leadership(change);
    if (!change.isLeader) this.#successor?.();
  }

  /** Finds out whether the cluster is founded, or is to be; before anybody is heard. */
  #prepareFounding(storage: OpenedStorage): void {
    this.#founding = storage.founding;
    if (this.#founding.founded) return;
    assert(storage.log.lastIndex === 0, 'a log has entries only after the founding');
    const { self, cluster } = this.#options;
    const others = cluster.members.map((member) => member.id).filter((id) => id !== self);
    this.#state = 'founding';
    this.#firstStart = new FirstStart({ peerId: self, incarnation: storage.identity.incarnation }, others);
  }

  #judgeFirstStart(): void {
    const verdict = this.#firstStart?.verdict();
    if (verdict === undefined) return;
    if (verdict.type === 'waiting') {
      const { missing, strangers } = verdict;
      this.#reason = `The cluster is not founded yet as far as ${this.self} knows: ${waitingFor(missing, strangers)}.`;
      return;
    }
    this.#firstStart = undefined;
    if (verdict.type === 'refused') {
      this.#halt(verdict.sentence);
      return;
    }
    assert(this.#storage !== undefined, 'what is founded is open');
    this.#founding = verdict.founding;
    this.#storage.saveFounding(verdict.founding).then(
      () => {
        if (this.#state !== 'founding') return;
        this.#ports.logger.info('the cluster is founded', { founders: verdict.founding.heard.length });
        this.#ports.transport.announce();
        this.#takePart();
      },
      (error: unknown) => {
        this.#halt(error);
      },
    );
  }

  #takePart(): void {
    this.#state = 'serving';
    this.#reason = undefined;
    this.#running().start();
  }

  #handlers(): TransportHandlers {
    return {
      facts: (to) => this.#facts(to),
      hello: (from, facts) => this.#hello(from, facts),
      frame: (from, lane, bytes) => {
        if (this.#state === 'serving' || this.#state === 'stopping') this.#member?.frame(from, lane, bytes);
      },
      // The transport logs who comes and goes.
      connected: () => {},
      disconnected: (peer) => {
        this.#firstStart?.forgets(peer);
        this.#member?.disconnected(peer);
      },
      redialed: (peer, result) => {
        this.#member?.redialed(peer, result);
      },
      refused: (peer, refusal) => {
        this.#refused(peer, refusal);
      },
    };
  }

  #facts(to: PeerId): OwnFacts {
    assert(this.#storage !== undefined, 'a peer listens after it opened its directory');
    // What is on disk counts: an incarnation is told as known only once it is written down.
    const { identity, founding } = this.#storage;
    const known = founding.founded ? knownIncarnation(founding, to) : undefined;
    const { cluster, self } = this.#options;
    const own = memberOf(cluster, self);
    assert(own !== undefined, 'a peer is a member of its cluster');
    return {
      incarnation: identity.incarnation,
      // A founded peer may have voted, and does not pass for one that starts for the first time.
      logEmpty: !founding.founded,
      featureLevel: 0,
      founders: cluster.members.map((member) => member.id),
      addresses: { peer: own.peer, client: own.client },
      ...(known === undefined ? {} : { knownIncarnation: known }),
    };
  }

  #hello(from: PeerId, facts: PeerFacts): HelloVerdict {
    if (memberOf(this.#options.cluster, from) === undefined) return 'joining';
    if (this.#firstStart !== undefined) {
      this.#firstStart.hears(from, facts);
      this.#judgeFirstStart();
      return 'accept';
    }
    if (!this.#founding.founded) return 'accept';
    const admission = admit(this.#founding, this.self, from, facts);
    if (admission.type === 'refuse') return { refuse: admission.sentence };
    if (admission.type === 'learn' && this.#state === 'serving') {
      this.#founding = admission.founding;
      this.#member?.saveFounding(admission.founding);
    }
    return 'accept';
  }

  #refused(peer: PeerId, refusal: Refusal): void {
    if (this.#firstStart === undefined || refusal.by !== 'them') return;
    if (refusal.code === 'INCARNATION') this.#halt(rejoinSentence(this.self, peer));
    if (refusal.code === 'DECLINED') this.#halt(refusal.sentence);
  }

  /** Ends the peer at once: from here on it acknowledges nothing. */
  #halt(cause: unknown): void {
    if (this.#state === 'halted' || this.#state === 'stopped') return;
    this.#state = 'halted';
    this.#reason = sentenceOf(cause);
    this.#ports.logger.error('the peer has halted', { reason: this.#reason });
    this.#successor?.();
    this.#close().catch((failure: unknown) => {
      this.#ports.logger.warn('closing failed', { reason: sentenceOf(failure) });
    });
    for (const listener of this.#listeners) listener.halted(this.#reason);
  }

  async #start(): Promise<void> {
    const ports = this.#ports;
    try {
      const storage = await ports.openStorage();
      this.#storage = storage;
      for (const note of storage.notes) ports.logger.warn(note);
      checkVoters(
        storage,
        this.#options.cluster.members.map((member) => member.id),
      );
      this.#state = 'replaying';
      const limits = this.#options.schedulerLimits ?? {};
      this.#scheduler = await loadState(storage.state, { crc32: ports.crc32, limits }, ports.logger);
      this.#member = this.#makeMember(storage, this.#scheduler);
      this.#prepareFounding(storage);
      await ports.transport.start(this.#handlers());
      if (this.#state === 'replaying') this.#takePart();
      else this.#judgeFirstStart();
    } catch (error) {
      this.#state = 'halted';
      this.#reason = sentenceOf(error);
      await this.#close();
      throw error;
    }
  }

  async #stop(): Promise<void> {
    // What a start under way opens is closed when it has come to its end.
    await this.#starting?.catch(() => undefined);
    if (this.#state === 'halted') return this.#close();
    if (this.#state === 'serving') await this.#handOver(this.#running());
    this.#state = 'stopped';
    await this.#close();
  }

  /** Answers those whose proposals were taken, as far as that goes quickly, and makes another peer lead. */
  async #handOver(member: Member): Promise<void> {
    this.#state = 'stopping';
    member.refuseProposals();
    const { clock, timers } = this.#ports;
    const untilMs = clock.monotonicMs() + FLUSH_MS;
    while (member.serving && !member.quiet && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        timers.after(this.#options.cluster.timings.tickMs, resolve);
      });
    }
    if (member.yieldLeadership()) await this.#untilSuccessor();
  }

  /** Waits until this peer leads no more, at most as long as a transfer may take. */
  #untilSuccessor(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#ports.timers.after(this.#options.cluster.timings.electionTimeoutMs, () => {
        this.#successor?.();
      });
      this.#successor = (): void => {
        timer.cancel();
        this.#successor = undefined;
        resolve();
      };
    });
  }

  /** Lets go of everything; each part tolerates being closed twice. */
  async #close(): Promise<void> {
    this.#firstStart = undefined;
    this.#member?.stop();
    try {
      await this.#ports.transport.stop();
    } finally {
      await this.#storage?.close();
    }
  }
}

function waitingFor(missing: readonly PeerId[], strangers: readonly PeerId[]): string {
  const parts: string[] = [];
  if (missing.length > 0) parts.push(`waiting for ${missing.join(', ')}`);
  if (strangers.length > 0)
    parts.push(`${strangers.join(', ')} already has a log and has not heard of this data directory`);
  return parts.join('; ');
}

function sentenceOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'something broke that says nothing of itself';
}
