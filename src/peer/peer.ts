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
import { DecodeError } from '../base/bytes.ts';
import { sameHash } from '../base/hash.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import { peerLimits } from '../config/limits.ts';
import type { SchedulerLoader, SchedulerOptions } from '../scheduler/scheduler.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { TaskFilter, TaskView } from '../scheduler/views.ts';
import type { Founding, OpenedStorage } from '../storage/storage.ts';
import { StorageError } from '../storage/storage-error.ts';
import type { StorageErrorCode } from '../storage/storage-error.ts';
import type { TransportHandlers } from '../transport/transport.ts';
import { removedSentence } from './admission.ts';
import { FEATURE_MEMBERSHIP } from './features.ts';
import { FirstStart, waitingSentence } from './founding.ts';
import { Greeter } from './greeter.ts';
import { lastStampOf } from './last-stamp.ts';
import { loadState } from './load-state.ts';
import { instantOf } from './log-time.ts';
import { encodeMemberInfo } from './member-info.ts';
import { Member } from './member.ts';
import { ReopenBudget } from './reopen-budget.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import type { StatusParts } from './status.ts';
import { memberStatuses, membershipOf, statusOf } from './status.ts';
import type { TaskListPage } from './task-reader.ts';
import type {
  Leadership,
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

/** How long a stop waits for proposals under way, in ms; where a majority answers they need a few. */
const FLUSH_MS = 200;

/** Between two looks whether they are answered, in ms: nobody places tasks until they are and a successor leads. */
const FLUSH_LOOK_MS = 1;

/** How long a leader whose disk has failed waits for another one to lead, in ms: one that is up to date needs a few. */
const STEP_ASIDE_MS = 100;

/** Between two attempts to open a directory that could not be opened, in ms. */
const REOPEN_PAUSE_MS = 500;

/** What may be survived by opening the directory anew: its verification then tells what is left. */
const REOPENABLE: readonly StorageErrorCode[] = [
  'STORAGE_FAILED',
  'NO_SPACE',
  'LOG_DAMAGED',
  'META_DAMAGED',
  'LOG_TAIL_LOST',
  'STATE_DAMAGED',
];

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
  /** Set while the founding is waited for. */
  #firstStart: FirstStart | undefined;
  readonly #greeter: Greeter;
  readonly #reopens = new ReopenBudget();
  #generation = 0;
  #starting: Promise<void> | undefined;
  #reopening: Promise<void> | undefined;
  /** Whom the transport talks to, as text; and the incarnation of each. */
  #peersText = '';
  #incarnations: ReadonlyMap<PeerId, string | undefined> = new Map();
  #peersAsked = false;
  #stopping: Promise<void> | undefined;
  /** Told when leadership changes, while `stop` waits for a successor. */
  #successor: (() => void) | undefined;

  /** @throws InvariantError when limits contradict each other or `self` is no member */
  constructor(options: PeerOptions, ports: PeerPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#limits = peerLimits(options.limits);
    const isMember = options.cluster.members.some((member) => member.id === options.self);
    assert(isMember, 'a peer is a member of its file');
    this.#greeter = this.#makeGreeter();
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
   * Linearizable read, on the leader and on every other peer: `done` is told `ok` once a quorum has confirmed, by a round begun after
   * this call, who leads, and the state here holds all that was committed by then. `not-leader` where nobody is known to lead, or
   * leadership changed meanwhile.
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
   * What the state here is of: some moment of the past, seconds ago perhaps, or longer where this peer is cut off. Undefined while
   * there is none to look at.
   */
  staleRead(): { readonly appliedIndex: LogIndex; readonly logTimeMs: number } | undefined {
    if (this.#state !== 'serving' || this.#member?.readable !== true) return undefined;
    return { appliedIndex: this.appliedIndex, logTimeMs: this.scheduler.logTimeMs };
  }

  /** Who belongs to the cluster, as this peer knows. */
  membership(): Membership {
    return membershipOf(this.#statusParts());
  }

  /**
   * Changes who belongs to the cluster, on the leader. `done` is told once, when the change is committed and applied here, or why it is
   * not. A peer that is added does not vote before it is promoted.
   */
  changeMembership(change: MembershipChange, done: (result: MembershipResult) => void): void {
    const member = this.#member;
    const refuse = (reason: MembershipRefusal): void => {
      const { leader } = this;
      this.#ports.timers.soon(() => {
        done({ type: 'refused', reason, leader });
      });
    };
    if (this.#state !== 'serving' || member === undefined || member.raft.role !== 'leader') return refuse('not-leader');
    if (member.membership.applied.featureLevel < FEATURE_MEMBERSHIP) return refuse('feature-off');
    if (change.type !== 'add') return member.change(change, done);
    const joining = member.membership.joining(this.#ports.transport.joining()).find(({ peer }) => peer === change.peer);
    const meant = change.incarnation ?? joining?.incarnation;
    if (joining === undefined || joining.incarnation !== meant) {
      const isMember = member.membership.configuration.members.some(({ peer }) => peer === change.peer);
      return refuse(isMember ? 'already-member' : 'not-heard');
    }
    member.change({ type: 'add', peer: change.peer, info: encodeMemberInfo(joining) }, done);
  }

  /**
   * Hands leadership to `to`, or, without one, to whoever can take over soonest. `done` is told once, when another leads or it is clear that none
   * took over; an election timeout or two at most.
   */
  transfer(to: PeerId | undefined, done: (outcome: TransferOutcome) => void): void {
    if (this.#state === 'serving' && this.#member !== undefined) {
      this.#member.transfer(to ?? 'best', done);
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
    return this.isLeader ? this.#running().quorum.heardMsAgo() : Number.POSITIVE_INFINITY;
  }

  /** The log time that this peer would stamp a batch with now, as far as it can tell, in ms. */
  logTimeNowMs(): number {
    return this.#member?.logTime.nowMs(instantOf(this.#ports.clock)) ?? 0;
  }

  /** The task with this number, live or finished; undefined when there is none. @throws StorageError, DecodeError */
  taskView(number: number): Promise<TaskView | undefined> {
    return this.#reading(this.#running().tasks.task(number));
  }

  /** Tasks that `filter` shows, newest first, from before `cursor`. Looks at a bounded number of tasks. @throws StorageError */
  listTasks(filter: TaskFilter, cursor: number | undefined, limit: number): Promise<TaskListPage> {
    return this.#reading(this.#running().tasks.list(filter, cursor, limit));
  }

  /** Payloads that left memory, in the order of `numbers`; undefined for one that is gone. @throws StorageError */
  payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reading(this.#running().tasks.payloads(numbers));
  }

  /** Tells `listener` from now on. There is no way back: listeners live as long as the peer. */
  subscribe(listener: PeerListener): void {
    this.#listeners.push(listener);
  }

  status(): PeerStatus {
    return statusOf(this.#statusParts());
  }

  /** How often this peer has begun to take part: more than once where it opened its directory anew. Each begins from the disk. */
  get generation(): number {
    return this.#generation;
  }

  /** The parts of this run, for the checks of tests and of the simulator; undefined before they are made. Nobody changes them. */
  inspect(): Readonly<Member> | undefined {
    return this.#member;
  }

  #statusParts(): StatusParts {
    return {
      self: this.self,
      state: this.#state,
      reason: this.#reason,
      cluster: this.#options.cluster,
      limits: this.#limits,
      ports: this.#ports,
      storage: this.#storage,
      member: this.#member,
    };
  }

  #running(): Member {
    assert(this.#member !== undefined, 'a peer is asked after it was started');
    return this.#member;
  }

  async #makeMember(storage: OpenedStorage, scheduler: Scheduler): Promise<Member> {
    const { self, cluster } = this.#options;
    const recovered = storage.takeRecovered();
    const lastStampMs = await lastStampOf(storage.log, recovered, storage.state.checkpoint?.index ?? 0);
    const loader = (): SchedulerLoader => Scheduler.loader(this.#schedulerOptions());
    return new Member(
      { self, cluster, limits: this.#limits, ports: this.#ports, storage, recovered, lastStampMs, scheduler, loader },
      {
        applied: (index, outcome) => {
          for (const listener of this.#listeners) listener.applied(index, outcome);
        },
        leadership: (change) => {
          this.#tellLeadership(change);
        },
        membership: () => {
          this.#membershipChanged();
        },
        removed: () => {
          // Not at once: what it has to say to its successor, and who asked for it, is on its way.
          this.#ports.timers.after(cluster.timings.electionTimeoutMs, () => {
            this.#halt(removedSentence(self));
          });
        },
        install: (snapshot) => {
          this.#reopen('a snapshot is installed', snapshot);
        },
        failed: (error) => {
          this.#failed(error);
        },
      },
      this.#member,
    );
  }

  #schedulerOptions(): SchedulerOptions {
    return { crc32: this.#ports.crc32, limits: this.#options.schedulerLimits ?? {} };
  }

  #makeGreeter(): Greeter {
    return new Greeter(this.self, this.#options.cluster, {
      view: () => ({ storage: this.#storage, firstStart: this.#firstStart, membership: this.#member?.membership }),
      judgeFirstStart: () => {
        this.#judgeFirstStart();
      },
      learned: () => {
        const member = this.#member;
        if (this.#state === 'serving') member?.saveFounding(member.membership.founding);
      },
      heard: () => {
        this.#talkLater();
        this.#member?.neighbours.serves();
      },
      halt: (sentence) => {
        this.#halt(sentence);
      },
    });
  }

  /** Who belongs to the cluster has changed here, or what others are told of it. */
  #membershipChanged(): void {
    this.#talk();
    this.#ports.transport.announce();
    const member = this.#member;
    if (member === undefined) return;
    const members = memberStatuses(this.#statusParts());
    for (const listener of this.#listeners) listener.membership?.(members);
  }

  /** Tells the transport whom to talk to, as an event of its own: it does not want to hear that from within its own calls. */
  #talkLater(): void {
    if (this.#peersAsked) return;
    this.#peersAsked = true;
    this.#ports.timers.soon(() => {
      this.#peersAsked = false;
      if (this.#state === 'serving') this.#talk();
    });
  }

  #talk(): void {
    const membership = this.#member?.membership;
    if (membership === undefined) return;
    const peers = membership.peers();
    const incarnations = new Map(peers.map(({ peer }) => [peer, membership.infoOf(peer).incarnation]));
    const lines = peers.map(({ peer, url }) => `${peer} ${incarnations.get(peer) ?? ''} ${url}`);
    // A change that is applied counts though it leaves the peers as they are: one that was removed is told so only from then on.
    const text = [`${membership.applied.index}`, ...lines].join('\n');
    if (text === this.#peersText) return;
    // One that has another data directory under the same name is another peer: what the old one has open ends.
    const replaced = [...incarnations].filter(([peer, incarnation]) => {
      const before = this.#incarnations.get(peer);
      return before !== undefined && incarnation !== undefined && before !== incarnation;
    });
    const names = replaced.map(([peer]) => peer);
    this.#peersText = text;
    this.#incarnations = incarnations;
    const { transport } = this.#ports;
    if (names.length > 0) transport.setPeers(peers.filter(({ peer }) => !names.includes(peer)));
    transport.setPeers(peers);
  }

  #tellLeadership(change: Leadership): void {
    for (const listener of this.#listeners) listener.leadership(change);
    if (!change.isLeader) this.#successor?.();
  }

  /** Finds out whether the cluster is founded, or is to be; before anybody is heard. */
  #prepareFounding(storage: OpenedStorage): void {
    if (storage.founding.founded) return;
    assert(storage.log.lastIndex === 0, 'a log has entries only after the founding');
    const { self, cluster } = this.#options;
    const others = cluster.members.map((member) => member.id).filter((id) => id !== self);
    this.#state = 'founding';
    this.#firstStart = new FirstStart({ peerId: self, incarnation: storage.identity.incarnation }, others);
  }

  #judgeFirstStart(): void {
    const firstStart = this.#firstStart;
    const verdict = firstStart?.verdict();
    if (firstStart === undefined || verdict === undefined) return;
    if (verdict.type === 'waiting') {
      const sentence = waitingSentence(this.self, verdict);
      if (sentence !== this.#reason) this.#ports.logger.info(sentence);
      this.#reason = sentence;
      return;
    }
    this.#firstStart = undefined;
    const storage = this.#storage;
    assert(storage !== undefined, 'what is founded is open');
    this.#found(storage, verdict.founding, firstStart).catch((error: unknown) => {
      this.#halt(error);
    });
  }

  async #found(storage: OpenedStorage, founding: Founding, firstStart: FirstStart): Promise<void> {
    await storage.saveFounding(founding);
    const member = await this.#makeMember(storage, this.scheduler);
    if (this.#state !== 'founding') return;
    this.#ports.logger.info('the cluster is founded', { founders: founding.heard.length });
    this.#member = member;
    for (const [peer, facts] of firstStart.answers) member.membership.hears(peer, facts);
    this.#takePart();
  }

  #takePart(): void {
    this.#state = 'serving';
    this.#reason = undefined;
    this.#generation += 1;
    this.#running().start();
    this.#membershipChanged();
  }

  #handlers(): TransportHandlers {
    return {
      facts: (to) => this.#greeter.facts(to),
      hello: (from, facts) => this.#greeter.hello(from, facts),
      frame: (from, lane, bytes) => {
        const { state } = this;
        if (state === 'serving' || state === 'stopping' || state === 'reopening')
          this.#member?.frame(from, lane, bytes);
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
      refused: (_, refusal) => {
        this.#greeter.refused(refusal);
      },
    };
  }

  /** Something broke within the member. */
  #failed(cause: unknown): void {
    const survivable = cause instanceof StorageError && REOPENABLE.includes(cause.code);
    // One failure seldom comes alone; what is done about it is under way.
    if (survivable && this.#state === 'reopening') return;
    if (!survivable || this.#state !== 'serving') {
      this.#halt(cause);
      return;
    }
    this.#reopen(sentenceOf(cause));
  }

  /** Begins again on the own directory, without ending the process: closes it, opens and checks it anew, and takes part again. */
  #reopen(reason: string, snapshot?: ReadySnapshot): void {
    if (this.#state !== 'serving') return;
    if (snapshot === undefined && !this.#reopens.take(this.#ports.clock.monotonicMs())) {
      this.#halt(reason);
      return;
    }
    this.#state = 'reopening';
    this.#reason = reason;
    if (snapshot === undefined) this.#ports.logger.warn('the data directory is opened anew', { reason });
    else this.#ports.logger.info(reason, { index: snapshot.checkpoint.index });
    this.#reopening = this.#openAnew(snapshot).catch((error: unknown) => {
      this.#halt(error);
    });
  }

  /** What needs no disk is done to the end: whoever can take over is made to lead. Then nothing is said any more. */
  async #stopMember(member: Member): Promise<void> {
    member.refuseProposals();
    if (member.yieldLeadership()) await this.#untilSuccessor(STEP_ASIDE_MS);
    member.stop();
  }

  async #openAnew(snapshot: ReadySnapshot | undefined): Promise<void> {
    const before = this.#storage;
    await this.#stopMember(this.#running());
    try {
      await snapshot?.staging.install();
    } catch (error) {
      this.#ports.logger.warn('a snapshot could not be installed', { reason: sentenceOf(error) });
    }
    await before?.close().catch((error: unknown) => {
      this.#ports.logger.warn('closing failed', { reason: sentenceOf(error) });
    });
    const opened = await this.#openAgain();
    if (opened === undefined) return;
    const { storage, scheduler } = await this.#withState(opened, snapshot);
    if (this.#state !== 'reopening') return;
    const member = await this.#makeMember(storage, scheduler);
    if (this.#state !== 'reopening') return;
    this.#scheduler = scheduler;
    this.#member = member;
    this.#takePart();
    const { membership } = member;
    for (const [peer, { facts }] of [...membership.heardSoFar()]) this.#greeter.hello(peer, facts);
  }

  /** Opens the directory, several times if need be; undefined when the peer was stopped meanwhile. @throws StorageError */
  async #openAgain(): Promise<OpenedStorage | undefined> {
    for (;;) {
      try {
        const storage = await this.#ports.openStorage();
        this.#storage = storage;
        for (const note of storage.notes) this.#ports.logger.warn(note);
        return storage;
      } catch (error) {
        const again = error instanceof StorageError && REOPENABLE.includes(error.code);
        if (!again || !this.#reopens.take(this.#ports.clock.monotonicMs())) throw error;
        this.#ports.logger.warn('the data directory could not be opened', { reason: sentenceOf(error) });
      }
      await new Promise<void>((resolve) => {
        this.#ports.timers.after(REOPEN_PAUSE_MS, resolve);
      });
      if (this.#state !== 'reopening') return undefined;
    }
  }

  /**
   * The state of a directory. One that does not read as it was written is dropped and made anew, from the log or from the others, where
   * there are others. @throws StorageError, DecodeError
   */
  async #withState(
    storage: OpenedStorage,
    snapshot?: ReadySnapshot,
  ): Promise<{ readonly storage: OpenedStorage; readonly scheduler: Scheduler }> {
    try {
      return { storage, scheduler: await this.#stateOf(storage, snapshot) };
    } catch (error) {
      const isDamage =
        error instanceof DecodeError || (error instanceof StorageError && error.code === 'STATE_DAMAGED');
      if (!isDamage || this.#alone) throw error;
      this.#ports.logger.warn('the state is damaged and is made anew', { reason: error.message });
      await storage.distrustState(error.message);
      await storage.close();
      const again = await this.#ports.openStorage();
      this.#storage = again;
      for (const note of again.notes) this.#ports.logger.warn(note);
      return { storage: again, scheduler: await this.#stateOf(again, undefined) };
    }
  }

  /** No other peer has what this one has. */
  get #alone(): boolean {
    const voters = this.#member?.membership.configuration.members ?? this.#options.cluster.members;
    return voters.length === 1;
  }

  /** Runs a read of the state; damage that it meets is repaired, though this read fails. */
  async #reading<Value>(read: Promise<Value>): Promise<Value> {
    try {
      return await read;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'STATE_DAMAGED' && !this.#alone) this.#stateDamaged(error);
      throw error;
    }
  }

  #stateDamaged(error: StorageError): void {
    const storage = this.#storage;
    if (this.#state !== 'serving' || storage === undefined) return;
    const reopen = (): void => this.#failed(error);
    storage.distrustState(error.finding).then(reopen, reopen);
  }

  /** The state at the checkpoint of `storage`: the one that was verified before it was installed, or loaded from the disk. */
  async #stateOf(storage: OpenedStorage, snapshot: ReadySnapshot | undefined): Promise<Scheduler> {
    const { checkpoint } = storage.state;
    if (snapshot !== undefined && checkpoint !== undefined && checkpoint.index === snapshot.checkpoint.index) {
      if (sameHash(checkpoint.digest, snapshot.checkpoint.digest)) return snapshot.scheduler;
    }
    const { clock, timers, logger } = this.#ports;
    const pace = { clock, timers, sliceMs: this.#limits.applySliceMs };
    return loadState(
      storage.state,
      { crc32: this.#ports.crc32, limits: this.#options.schedulerLimits ?? {} },
      logger,
      pace,
    );
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
      const opened = await ports.openStorage();
      this.#storage = opened;
      for (const note of opened.notes) ports.logger.warn(note);
      this.#state = 'replaying';
      const { storage, scheduler } = await this.#withState(opened);
      this.#scheduler = scheduler;
      if (storage.founding.founded) this.#member = await this.#makeMember(storage, scheduler);
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
    await this.#reopening?.catch(() => undefined);
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
        timers.after(FLUSH_LOOK_MS, resolve);
      });
    }
    if (member.yieldLeadership()) await this.#untilSuccessor(this.#options.cluster.timings.electionTimeoutMs);
  }

  /** Waits until this peer leads no more, at most for `mostMs`. */
  #untilSuccessor(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#ports.timers.after(mostMs, () => {
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

function sentenceOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'something broke that says nothing of itself';
}
