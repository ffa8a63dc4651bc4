/**
 * A peer that takes part: consensus, state machine and everything between them, from the moment at which the state is loaded
 * until it stops. `peer.ts` opens what this stands on and decides when it may begin; it makes another one when the storage has to be
 * opened anew, after a failed write for instance, or to install a snapshot.
 */
import { assert } from '../base/assert.ts';
import type { Timer } from '../base/clock.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { ConfigurationChange } from '../raft/configuration.ts';
import { decodeMembers } from '../raft/configuration.ts';
import type { Message } from '../raft/message.ts';
import type { Raft } from '../raft/raft.ts';
import type { Entry } from '../raft/types.ts';
import { EntryKind } from '../raft/types.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Founding, OpenedStorage, RecoveredLog } from '../storage/storage.ts';
import type { Lane, RedialResult } from '../transport/transport.ts';
import { Applier } from './applier.ts';
import { Batcher } from './batcher.ts';
import { Checkpointer } from './checkpointer.ts';
import { judgeClock } from './clock-watch.ts';
import { Compaction } from './compaction.ts';
import type { AppliedCluster } from './configuration.ts';
import { applyMembers, decodeApplied, encodeApplied, foundedCluster } from './configuration.ts';
import { decodeEnvelope } from './envelope.ts';
import { FEATURE_LEVEL, readFeature } from './features.ts';
import type { Instant } from './log-time.ts';
import { instantOf, LogTime } from './log-time.ts';
import { makeRaft } from './make-raft.ts';
import { MembershipBook } from './membership.ts';
import { Neighbours } from './neighbours.ts';
import { NEWS_KIND } from './news.ts';
import type { ChangeDone, TransferDone } from './operator-wishes.ts';
import { OperatorWishes } from './operator-wishes.ts';
import { Proposer } from './proposer.ts';
import { QuorumWatch } from './quorum-watch.ts';
import { ReadQueue } from './reads.ts';
import { ReadyLoop } from './ready-loop.ts';
import { SNAPSHOT_KIND } from './snapshot-frames.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import { SnapshotDesk } from './snapshot-desk.ts';
import { TaskReader } from './task-reader.ts';
import { Ticker } from './ticker.ts';
import type { Leadership, PeerAlarm, PeerPorts, ProposalDone, ProposalLane, ReadDone } from './types.ts';

/** Between two rounds of what is not urgent: HEAD is synced, clocks are compared, the log is cut. In ms. */
const HOUSEKEEPING_MS = 1_000;

/**
 * Between two attempts to hand leadership over because of a wrong clock, in ms. One that failed would fail again, where links are
 * broken for instance, and each costs a moment without a leader; stamps follow the median of the clocks meanwhile.
 */
const HAND_OVER_PAUSE_MS = 30_000;

/** Between two lines about a replay, in ms. */
const REPLAY_LOG_MS = 2_000;

/** What a member is made of. */
export interface MemberParts {
  readonly self: PeerId;
  readonly cluster: ClusterConfig;
  readonly limits: PeerLimits;
  readonly ports: PeerPorts;
  readonly storage: OpenedStorage;
  readonly recovered: RecoveredLog;
  /** The stamp of the last batch in the log, in ms; 0 when there is none. No stamp goes below it. */
  readonly lastStampMs: number;
  /** The state at the last checkpoint. */
  readonly scheduler: Scheduler;
  /** Makes the loader of a state that comes from another peer. */
  readonly loader: () => ReturnType<typeof Scheduler.loader>;
}

/** Where a member tells what happens. */
export interface MemberHooks {
  applied(index: LogIndex, outcome: ApplyOutcome): void;
  leadership(change: Leadership): void;
  /** Who belongs to the cluster, or what others are to be told of it, has changed; `membership` has the details. */
  membership(): void;
  /** This peer was removed, and that is committed. */
  removed(): void;
  /** A snapshot waits to be installed. */
  install(snapshot: ReadySnapshot): void;
  /** Something broke: a failure of the storage may be survived by opening it anew, everything else must not be. */
  failed(error: unknown): void;
}

/** See the head of this file. */
export class Member {
  readonly #parts: MemberParts;
  readonly #hooks: MemberHooks;
  readonly raft: Raft;
  readonly batcher: Batcher;
  readonly logTime: LogTime = new LogTime();
  readonly checkpointer: Checkpointer;
  readonly tasks: TaskReader;
  readonly membership: MembershipBook;
  readonly neighbours: Neighbours;
  readonly snapshots: SnapshotDesk;
  readonly #wishes: OperatorWishes;
  readonly #proposer: Proposer;
  readonly #reads: ReadQueue;
  readonly #applier: Applier;
  readonly #loop: ReadyLoop;
  readonly #ticker: Ticker;
  readonly quorum: QuorumWatch;
  readonly #compaction: Compaction;
  #housekeeping: Timer | undefined;
  #turnAsked = false;
  #running = false;
  #accepting = true;
  /** The term that the proposer was last told to lead; undefined while it follows. */
  #leads: number | undefined;
  #told: Leadership = { term: 0, leader: undefined, isLeader: false };
  #clockAlarm: PeerAlarm | undefined;
  /** No hand-over for the sake of the clock before this monotonic instant. */
  #handOverFromMs = 0;
  /** Told once. */
  #toldRemoved = false;
  readonly #replayTo: LogIndex;
  #replayLoggedMs = 0;

  /** `before` is the member of this process that this one takes the place of: what it heard of others still holds. */
  constructor(parts: MemberParts, hooks: MemberHooks, before?: Member) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { ports, limits, storage, scheduler, cluster, self } = parts;
    const { clock, timers, transport } = ports;
    const { checkpoint } = storage.state;
    const applied =
      checkpoint === undefined
        ? foundedCluster(storage.founding, cluster)
        : decodeApplied(checkpoint.configuration, cluster);
    const { recovered } = parts;
    this.raft = makeRaft({ ...parts, ...ports, timings: cluster.timings, cluster: applied });
    this.membership = new MembershipBook(
      { self, cluster, storage, applied, configuration: this.raft.configuration },
      before?.membership,
    );
    this.batcher = new Batcher(limits);
    this.#wishes = new OperatorWishes(this.raft);
    this.#reads = new ReadQueue(limits.readsMax);
    this.#applier = new Applier(scheduler, clock, limits.applySliceMs, this.raft.appliedIndex, (entry, outcome) => {
      this.#applied(entry, outcome);
    });
    const guard = this.#guard.bind(this);
    const wake = this.wake.bind(this);
    const { failed } = hooks;
    this.#loop = new ReadyLoop(
      { raft: this.raft, storage, transport, clock, applier: this.#applier, reads: this.#reads, logTime: this.logTime },
      {
        guard,
        failed,
        wake,
        configuration: (configuration) => {
          this.membership.changed(configuration);
          this.#hooks.membership();
        },
        snapshotNeeded: ({ atLeast }) => {
          this.snapshots.needed(atLeast);
        },
      },
    );
    this.#proposer = new Proposer({
      clock,
      timers,
      limits,
      scheduler,
      wake,
      tickMs: cluster.timings.tickMs,
      raft: this.raft,
      batcher: this.batcher,
      logTime: this.logTime,
    });
    const sliceMs = limits.checkpointSliceMs;
    this.#compaction = new Compaction(limits.logTailBytes, limits.logTailMs);
    this.checkpointer = new Checkpointer(
      {
        scheduler,
        storage: storage.state,
        clock,
        timers,
        sliceMs,
        configuration: () => encodeApplied(this.membership.applied),
      },
      {
        guard,
        failed,
        written: (index) => {
          ports.logger.debug('checkpoint written', { index });
          this.#compact();
        },
        digested: () => {
          this.neighbours.marked();
        },
      },
    );
    this.neighbours = new Neighbours(
      { ...parts, raft: this.raft, membership: this.membership, marks: () => this.checkpointer.marks },
      { guard, failed, wake },
    );
    this.snapshots = new SnapshotDesk(
      { ...parts, raft: this.raft, membership: this.membership, checkpointer: this.checkpointer },
      { guard, failed, install: hooks.install },
    );
    this.tasks = new TaskReader(scheduler, storage.state, limits);
    this.quorum = new QuorumWatch(clock, (done) => {
      this.read(done);
    });
    this.#ticker = new Ticker(ports, cluster.timings.tickMs, () => {
      this.#tick();
    });
    this.#replayTo = recovered.lastIndex;
    this.#restoreTime();
  }

  /** True while this peer leads and has applied the first entry of its term. */
  get serving(): boolean {
    return this.#running && this.#proposer.serving;
  }

  get appliedIndex(): LogIndex {
    return this.#applier.appliedIndex;
  }

  /** What an operator should look at. */
  get alarms(): readonly PeerAlarm[] {
    const own = this.#clockAlarm === undefined ? [] : [this.#clockAlarm];
    return [...own, ...this.neighbours.alarms];
  }

  /** Takes part from now on. */
  start(): void {
    assert(!this.#running, 'a member starts once');
    this.#running = true;
    this.#ticker.start();
    this.#keepHouse();
    this.neighbours.start();
    this.#guard(() => {
      if (this.#parts.storage.stateMissing) this.snapshots.needed(this.raft.status().firstIndex - 1);
    });
    this.wake();
  }

  /** Makes nothing, takes nothing and sends nothing any more. Everyone who waits is told. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#ticker.stop();
    this.#housekeeping?.cancel();
    this.checkpointer.stop();
    this.neighbours.stop();
    this.snapshots.stop();
    this.#proposer.follow();
    this.#reads.abandon(this.appliedIndex);
    this.#wishes.abandon(true);
    this.#tellLeadership();
  }

  /** Takes no more proposals; those that were taken go on. */
  refuseProposals(): void {
    this.#accepting = false;
  }

  /** True when nobody waits for the outcome of a proposal. */
  get quiet(): boolean {
    return this.batcher.queuedCount === 0 && this.batcher.appendedCount === 0;
  }

  /** Hands leadership over to whoever can take over soonest. True when a transfer began. */
  yieldLeadership(): boolean {
    if (!this.#running || this.raft.role !== 'leader') return false;
    const transfer = this.raft.transferLeadership('best');
    this.wake();
    return transfer.started;
  }

  /** See `Peer.propose`. */
  propose(lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone): boolean {
    if (!this.serving || !this.#accepting) this.batcher.refuse(done);
    else if (lane === 'submission' && this.neighbours.lacksSpace) this.batcher.refuseForSpace(done);
    else if (!this.batcher.add(lane, command, moves, done)) return false;
    this.wake();
    return true;
  }

  /** See `Peer.read`. */
  read(done: ReadDone): void {
    if (this.#running && !this.#parts.storage.stateMissing) this.#reads.add(done);
    else this.#reads.refuse(done);
    this.wake();
  }

  /** True when the state here is that of some moment, and not none at all. */
  get readable(): boolean {
    return this.#running && !this.#parts.storage.stateMissing;
  }

  /** See `Peer.changeMembership`. */
  change(change: ConfigurationChange, done: ChangeDone): void {
    this.#guard(() => {
      this.#wishes.change(change, done);
      this.wake();
    });
  }

  /** See `Peer.transfer`. */
  transfer(to: PeerId | 'best', done: TransferDone): void {
    this.#guard(() => {
      this.#wishes.transfer(to, done);
      this.wake();
    });
  }

  /** Replaces the founding record on disk. */
  saveFounding(founding: Founding): void {
    this.#guard(() => {
      this.#loop.saveFounding(founding);
    });
  }

  /** A frame of another peer. @throws DecodeError when it is none */
  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void {
    if (bytes[0] === NEWS_KIND) {
      if (!this.membership.isForeign(from)) this.neighbours.news(from, bytes);
      return;
    }
    if (bytes[0] === SNAPSHOT_KIND) {
      this.snapshots.frame(from, bytes);
      return;
    }
    const { wallMs, message } = decodeEnvelope(bytes, from, this.#parts.self);
    if (isAnswer(message) && this.membership.isForeign(from)) return;
    this.#guard(() => {
      // Bulk may lie in buffers for long; what it says of a clock is old.
      if (lane === 'control') this.logTime.heardClock(from, wallMs, this.#now());
      this.raft.step(message);
      this.wake();
    });
  }

  /** The connection to `peer` ended. */
  disconnected(peer: PeerId): void {
    this.#guard(() => {
      this.raft.peerUnreachable(peer);
      this.snapshots.lost(peer);
      this.wake();
    });
  }

  /** What the dial showed that followed. */
  redialed(peer: PeerId, result: RedialResult): void {
    if (result !== 'refused') return;
    this.#guard(() => {
      if (this.raft.leader !== peer) return;
      this.raft.leaderConnectionLost();
      this.wake();
    });
  }

  /** Asks for a turn of the crank after everything that is waiting to be heard. */
  wake(): void {
    if (this.#turnAsked || !this.#running) return;
    this.#turnAsked = true;
    this.#parts.ports.timers.soon(() => {
      this.#turnAsked = false;
      this.#guard(() => {
        this.#turn();
      });
    });
  }

  #turn(): void {
    this.#noteLeadership();
    this.batcher.settle();
    this.#reads.ask((id) => this.raft.requestRead(id) === 'queued', this.appliedIndex);
    if (!this.#loop.writing || this.batcher.full) this.#proposer.turn();
    this.#loop.perform();
    if (this.#running) this.#proposer.arm();
  }

  #tick(): void {
    this.#guard(() => {
      this.raft.tick();
      if (this.serving) this.quorum.tick();
      if (this.#wishes.waiting) this.#wishes.tick();
      this.#proposer.tick();
      // Not at once: a turn of the event loop, whatever it begins with, has one turn of the crank.
      this.wake();
    });
  }

  /** Compares what the core says of leadership with what was told before. */
  #noteLeadership(): void {
    const { raft } = this;
    const leads = raft.role === 'leader' ? raft.term : undefined;
    if (leads !== this.#leads) {
      if (this.#leads !== undefined) {
        this.#proposer.follow();
        this.#reads.abandon(this.appliedIndex);
        this.#wishes.abandon(false);
      }
      this.#leads = leads;
      this.quorum.reset();
      if (leads !== undefined) this.#proposer.lead(leads);
    }
    this.#tellLeadership();
  }

  #tellLeadership(): void {
    const { term, leader } = this.raft;
    const isLeader = this.serving;
    const told = this.#told;
    if (told.term === term && told.leader === leader && told.isLeader === isLeader) return;
    this.#told = { term, leader, isLeader };
    this.#parts.ports.logger.info('leadership', { term, leader, serving: isLeader });
    this.#hooks.leadership(this.#told);
  }

  #applied(entry: Entry, outcome: ApplyOutcome | undefined): void {
    const { scheduler } = this.#parts;
    const beganToServe = this.#proposer.applied(entry, outcome);
    if (entry.kind === EntryKind.configuration || entry.kind === EntryKind.feature) this.#appliedChange(entry);
    if (outcome?.marked === true) {
      this.#compaction.marked(entry.index, this.#parts.ports.clock.monotonicMs());
      this.checkpointer.marked(entry.term);
    }
    if (entry.index <= this.#replayTo) this.#logReplay(entry.index);
    if (beganToServe) {
      this.#tellLeadership();
      this.neighbours.serves();
    }
    if (outcome === undefined) return;
    this.batcher.applied(entry.index, entry.term, scheduler.logTimeMs, outcome.replies);
    if (this.serving) this.#hooks.applied(entry.index, outcome);
  }

  /** An entry about the cluster itself. */
  #appliedChange(entry: Entry): void {
    const { applied } = this.membership;
    const next: AppliedCluster =
      entry.kind === EntryKind.feature
        ? { ...applied, featureLevel: Math.max(applied.featureLevel, readFeature(entry.data)) }
        : applyMembers(applied, entry.index, decodeMembers(entry.data));
    if (next.featureLevel !== applied.featureLevel)
      this.#parts.ports.logger.info('features are switched on', { level: next.featureLevel, known: FEATURE_LEVEL });
    this.membership.appliedTo(next);
    this.#wishes.applied(entry.index, entry.term);
    this.#hooks.membership();
    const { self, storage } = this.#parts;
    const { incarnation } = storage.identity;
    const isRemoved = next.removed.some((one) => one.peer === self && one.incarnation === incarnation);
    if (!isRemoved || this.#toldRemoved) return;
    this.#toldRemoved = true;
    this.#hooks.removed();
  }

  #logReplay(index: LogIndex): void {
    const nowMs = this.#parts.ports.clock.monotonicMs();
    if (index < this.#replayTo && nowMs - this.#replayLoggedMs < REPLAY_LOG_MS) return;
    this.#replayLoggedMs = nowMs;
    this.#parts.ports.logger.info('replaying the log', { index, last: this.#replayTo });
  }

  #keepHouse(): void {
    this.#housekeeping = this.#parts.ports.timers.after(HOUSEKEEPING_MS, () => {
      this.#guard(() => {
        this.#keepHouse();
        this.#parts.storage.syncHead().catch(this.#hooks.failed);
        this.#watchClock();
        this.snapshots.tick();
        this.#compact();
      });
    });
  }

  #watchClock(): void {
    const { logger } = this.#parts.ports;
    const now = this.#now();
    const verdict = judgeClock(this.logTime, now, this.raft.status());
    if (verdict.type === 'fine') {
      if (this.#clockAlarm !== undefined) logger.info('the wall clock is right again');
      this.#clockAlarm = undefined;
      return;
    }
    const offset = `The wall clock of ${this.#parts.self} is ${Math.round(verdict.offsetMs)} ms off the median of the peers`;
    const message = `${offset}: set it right, with NTP by preference.`;
    if (this.#clockAlarm === undefined) logger.warn(message);
    this.#clockAlarm = { code: 'CLOCK_OFF', message };
    if (verdict.type !== 'hand-over' || now.monotonicMs < this.#handOverFromMs) return;
    logger.warn(`${offset}: handing leadership to ${verdict.to}.`);
    this.#handOverFromMs = now.monotonicMs + HAND_OVER_PAUSE_MS;
    this.raft.transferLeadership(verdict.to);
    this.wake();
  }

  #compact(): void {
    const { storage, ports, limits } = this.#parts;
    if (storage.stateMissing) return;
    const first = this.#compaction.firstIndexToKeep({
      nowMs: ports.clock.monotonicMs(),
      checkpointIndex: storage.state.checkpoint?.index ?? 0,
      followedIndex: this.#followedIndex(),
      holdBytes: limits.logHoldBytes,
      bytesFrom: (index) => storage.log.bytesFrom(index),
    });
    if (first === undefined || first <= storage.log.firstIndex) return;
    // The core hears of it first, so that it asks for nothing that is gone.
    this.raft.compacted(first);
    storage.log.compact(first).catch(this.#hooks.failed);
  }

  /** Followers that answer have the log up to here; one that needs a snapshot gets one from before where the log begins now, at worst. */
  #followedIndex(): LogIndex {
    let followed = Number.MAX_SAFE_INTEGER;
    const { peers, firstIndex } = this.raft.status();
    for (const { recentlyActive, state, matchIndex } of peers) {
      if (recentlyActive) followed = Math.min(followed, state === 'snapshot' ? firstIndex - 1 : matchIndex);
    }
    return followed;
  }

  #restoreTime(): void {
    const { storage, ports, lastStampMs } = this.#parts;
    const { checkpoint } = storage.state;
    this.logTime.restore(lastStampMs);
    if (checkpoint === undefined) return;
    this.logTime.restore(checkpoint.logTimeMs);
    this.#compaction.marked(checkpoint.index, ports.clock.monotonicMs());
  }

  #now(): Instant {
    return instantOf(this.#parts.ports.clock);
  }

  #guard(action: () => void): void {
    if (!this.#running) return;
    try {
      action();
    } catch (error) {
      this.#hooks.failed(error);
    }
  }
}

/** True for what answers a question: from a peer of another configuration it counts for nothing. */
function isAnswer(message: Message): boolean {
  switch (message.type) {
    case 'pre-vote-response':
    case 'vote-response':
    case 'append-accepted':
    case 'append-rejected':
    case 'heartbeat-response':
      return true;
    default:
      return false;
  }
}
