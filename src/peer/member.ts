/**
 * A peer that takes part: consensus, state machine and everything between them, from the moment at which the state is loaded
 * until it stops. `peer.ts` opens what this stands on and decides when it may begin.
 */
import { assert } from '../base/assert.ts';
import type { Timer } from '../base/clock.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import { RAFT_DEFAULTS } from '../raft/options.ts';
import { Raft } from '../raft/raft.ts';
import type { Entry } from '../raft/types.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Founding, OpenedStorage, RecoveredLog } from '../storage/storage.ts';
import type { Lane, RedialResult } from '../transport/transport.ts';
import { Applier } from './applier.ts';
import { Batcher } from './batcher.ts';
import { Checkpointer } from './checkpointer.ts';
import { judgeClock } from './clock-watch.ts';
import { Compaction } from './compaction.ts';
import { encodeConfiguration } from './configuration.ts';
import { decodeEnvelope } from './envelope.ts';
import type { Instant } from './log-time.ts';
import { instantOf, LogTime } from './log-time.ts';
import { Proposer } from './proposer.ts';
import { QuorumWatch } from './quorum-watch.ts';
import { ReadQueue } from './reads.ts';
import { lastStamp, ReadyLoop } from './ready-loop.ts';
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
  /** The state at the last checkpoint. */
  readonly scheduler: Scheduler;
}

/** Where a member tells what happens. */
export interface MemberHooks {
  applied(index: LogIndex, outcome: ApplyOutcome): void;
  leadership(change: Leadership): void;
  /** Something broke that must not be survived. */
  halt(error: unknown): void;
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
  readonly #replayTo: LogIndex;
  #replayLoggedMs = 0;

  constructor(parts: MemberParts, hooks: MemberHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { ports, limits, storage, scheduler, cluster, self } = parts;
    const { clock, timers, transport } = ports;
    const recovered = storage.takeRecovered();
    this.raft = makeRaft(parts, recovered);
    this.batcher = new Batcher(limits);
    this.#reads = new ReadQueue(limits.readsMax);
    this.#applier = new Applier(scheduler, clock, limits.applySliceMs, this.raft.appliedIndex, (entry, outcome) => {
      this.#applied(entry, outcome);
    });
    const guard = this.#guard.bind(this);
    const wake = this.wake.bind(this);
    const failed = hooks.halt;
    this.#loop = new ReadyLoop(
      { raft: this.raft, storage, transport, clock, applier: this.#applier, reads: this.#reads, logTime: this.logTime },
      { guard, failed, wake },
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
    const configuration = encodeConfiguration(cluster.members.map((member) => member.id));
    const sliceMs = limits.checkpointSliceMs;
    this.#compaction = new Compaction(limits.logTailBytes, limits.logTailMs);
    this.checkpointer = new Checkpointer(
      { scheduler, storage: storage.state, clock, timers, sliceMs, configuration },
      {
        guard,
        failed,
        written: (index) => {
          ports.logger.debug('checkpoint written', { index });
          this.#compact();
        },
      },
    );
    this.tasks = new TaskReader(scheduler, storage.state, limits);
    this.quorum = new QuorumWatch(clock, (done) => {
      this.read(done);
    });
    this.#ticker = new Ticker(ports, cluster.timings.tickMs, () => {
      this.#tick();
    });
    this.#replayTo = recovered.lastIndex;
    this.#restoreTime(recovered);
    assert(this.raft.status().voters.includes(self), 'a member votes');
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
    return this.#clockAlarm === undefined ? [] : [this.#clockAlarm];
  }

  /** Takes part from now on. */
  start(): void {
    assert(!this.#running, 'a member starts once');
    this.#running = true;
    this.#ticker.start();
    this.#keepHouse();
    this.wake();
  }

  /** Makes nothing, takes nothing and sends nothing any more. Everyone who waits is told. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#ticker.stop();
    this.#housekeeping?.cancel();
    this.checkpointer.stop();
    this.#proposer.follow();
    this.#reads.abandon(this.appliedIndex);
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
    else if (!this.batcher.add(lane, command, moves, done)) return false;
    this.wake();
    return true;
  }

  /** See `Peer.read`. */
  read(done: ReadDone): void {
    if (this.serving) this.#reads.add(done);
    else this.#reads.refuse(done);
    this.wake();
  }

  /** Replaces the founding record on disk. */
  saveFounding(founding: Founding): void {
    this.#guard(() => {
      this.#loop.saveFounding(founding);
    });
  }

  /** A frame of another member. @throws DecodeError when it is none */
  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void {
    const { wallMs, message } = decodeEnvelope(bytes, from, this.#parts.self);
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
    if (outcome?.marked === true) {
      this.#compaction.marked(entry.index, this.#parts.ports.clock.monotonicMs());
      this.checkpointer.marked(entry.term);
    }
    if (entry.index <= this.#replayTo) this.#logReplay(entry.index);
    if (beganToServe) this.#tellLeadership();
    if (outcome === undefined) return;
    this.batcher.applied(entry.index, entry.term, scheduler.logTimeMs, outcome.replies);
    if (this.serving) this.#hooks.applied(entry.index, outcome);
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
        this.#parts.storage.syncHead().catch(this.#hooks.halt);
        this.#watchClock();
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
    const { storage, ports } = this.#parts;
    const first = this.#compaction.firstIndexToKeep({
      nowMs: ports.clock.monotonicMs(),
      checkpointIndex: storage.state.checkpoint?.index ?? 0,
      lowestMatchIndex: this.raft.lowestMatchIndex,
      bytesFrom: (index) => storage.log.bytesFrom(index),
    });
    if (first === undefined || first <= storage.log.firstIndex) return;
    // The core hears of it first, so that it asks for nothing that is gone.
    this.raft.compacted(first);
    storage.log.compact(first).catch(this.#hooks.halt);
  }

  #restoreTime(recovered: RecoveredLog): void {
    const { checkpoint } = this.#parts.storage.state;
    if (checkpoint !== undefined) {
      this.logTime.restore(checkpoint.logTimeMs);
      this.#compaction.marked(checkpoint.index, this.#parts.ports.clock.monotonicMs());
    }
    const stamp = lastStamp(recovered.entries);
    if (stamp !== undefined) this.logTime.restore(stamp.ms);
  }

  #now(): Instant {
    return instantOf(this.#parts.ports.clock);
  }

  #guard(action: () => void): void {
    if (!this.#running) return;
    try {
      action();
    } catch (error) {
      this.#hooks.halt(error);
    }
  }
}

/** The consensus core as the disk left it. */
function makeRaft(parts: MemberParts, recovered: RecoveredLog): Raft {
  const { self, cluster, limits, ports, storage } = parts;
  const { tickMs, heartbeatMs, electionTimeoutMs } = cluster.timings;
  const applied = storage.state.checkpoint?.index ?? 0;
  const electionTimeoutTicks = Math.ceil(electionTimeoutMs / tickMs);
  return new Raft(
    {
      ...RAFT_DEFAULTS,
      self,
      voters: cluster.members.map((member) => member.id),
      electionTimeoutTicks,
      heartbeatIntervalTicks: Math.ceil(heartbeatMs / tickMs),
      persistTimeoutTicks: Math.max(RAFT_DEFAULTS.persistTimeoutTicks, 4 * electionTimeoutTicks),
      maxAppendBytes: limits.appendBytesMax,
      maxInflightMessages: limits.inflightAppendsMax,
      maxInflightBytes: limits.inflightBytesMax,
      maxUncommittedBytes: limits.uncommittedBytesMax,
      maxEntriesInMemoryBytes: limits.entriesInMemoryBytesMax,
      maxApplyBytes: limits.applyBytesMax,
      maxPendingReads: limits.readsMax,
      random: ports.random,
    },
    { ...recovered, applied, commit: applied },
  );
}
