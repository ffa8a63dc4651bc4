/**
 * A peer that takes part: consensus, state machine and everything between them, from the moment at which the state is loaded
 * until it stops. `peer.ts` opens what this stands on and decides when it may begin; it makes another one when the storage has to be
 * opened anew, after a failed write for instance, or to install a snapshot.
 */
import { assert } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { Timer } from '../base/clock.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { ConfigurationChange } from '../raft/configuration.ts';
import { decodeMembers } from '../raft/configuration.ts';
import type { Raft } from '../raft/raft.ts';
import type { Entry } from '../raft/types.ts';
import { EntryKind } from '../raft/types.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Founding } from '../storage/storage.ts';
import type { Lane, RedialResult } from '../transport/transport.ts';
import { Applier } from './applier.ts';
import { Batcher } from './batcher.ts';
import { Checkpointer } from './checkpointer.ts';
import { ClockGuard } from './clock-guard.ts';
import type { AppliedCluster } from './configuration.ts';
import { applyMembers, decodeApplied, encodeApplied, foundedCluster, wasRemoved } from './configuration.ts';
import { decodeEnvelope, isAnswer } from './envelope.ts';
import { FEATURE_FAR, FEATURE_LEVEL, readFeature } from './features.ts';
import { FarBodies } from './far-bodies.ts';
import { checkEntries } from './incoming.ts';
import type { Instant } from './log-time.ts';
import { instantOf, LogTime } from './log-time.ts';
import { LogKeeper } from './log-keeper.ts';
import { makeRaft } from './make-raft.ts';
import type { Around, MemberHooks, MemberParts } from './member-parts.ts';
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
import { SnapshotDesk } from './snapshot-desk.ts';
import { Scrubber } from './scrubber.ts';
import { TaskReader } from './task-reader.ts';
import { Ticker } from './ticker.ts';
import type { Leadership, PeerAlarm, ProposalDone, ProposalLane, ReadDone } from './types.ts';

/** Between two rounds of what is not urgent: HEAD is synced, clocks are compared, the log is cut. In ms. */
const HOUSEKEEPING_MS = 1_000;

/** Between two lines about a replay, in ms. */
const REPLAY_LOG_MS = 2_000;

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
  readonly far: FarBodies;
  readonly #loop: ReadyLoop;
  readonly #ticker: Ticker;
  readonly quorum: QuorumWatch;
  readonly scrubber: Scrubber;
  readonly #clock: ClockGuard;
  readonly #keeper: LogKeeper;
  #housekeeping: Timer | undefined;
  #turnAsked = false;
  #running = false;
  #accepting = true;
  /** The term that the proposer was last told to lead; undefined while it follows. */
  #leads: number | undefined;
  #told: Leadership = { term: 0, leader: undefined, isLeader: false };
  /** Told once. */
  #toldRemoved = false;
  readonly #replayTo: LogIndex;
  #replayLoggedMs = 0;

  /** `before` is the member of this process that this one takes the place of: what it heard of others still holds. */
  constructor(parts: MemberParts, hooks: MemberHooks, before?: Member) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { ports, limits, storage, scheduler, cluster, self } = parts;
    const { clock, timers } = ports;
    const applied = clusterOf(parts);
    this.raft = makeRaft({ ...parts, ...ports, timings: cluster.timings, cluster: applied });
    const { raft, logTime } = this;
    this.membership = new MembershipBook(
      { self, cluster, storage, applied, configuration: raft.configuration },
      before?.membership,
    );
    this.batcher = new Batcher(limits);
    this.#wishes = new OperatorWishes(raft);
    this.#reads = new ReadQueue(limits.readsMax);
    const around = { guard: this.#guard.bind(this), failed: hooks.failed, wake: this.wake.bind(this) };
    this.far = new FarBodies(scheduler, storage.state, { ...around, unreadable: hooks.unreadable });
    this.#applier = new Applier(
      scheduler,
      clock,
      limits.applySliceMs,
      raft.appliedIndex,
      (entry, outcome) => {
        this.#applied(entry, outcome);
      },
      (batch) => this.far.ready(batch),
    );
    this.#loop = this.#makeLoop(around);
    const { wake, failed } = around;
    const { tickMs } = cluster.timings;
    const shared = { clock, timers, limits, scheduler, raft, logTime };
    this.#proposer = new Proposer({ ...shared, wake, tickMs, batcher: this.batcher });
    this.#clock = new ClockGuard({ self, logTime, raft, logger: ports.logger });
    this.#keeper = new LogKeeper({ storage, raft, clock, limits, tail: parts.tail, failed });
    this.checkpointer = this.#makeCheckpointer(around);
    const { membership, checkpointer } = this;
    this.neighbours = new Neighbours({ ...parts, raft, membership, marks: () => checkpointer.marks }, around);
    this.snapshots = new SnapshotDesk(
      { ...parts, raft, membership, checkpointer },
      { ...around, install: hooks.install },
    );
    this.tasks = new TaskReader(scheduler, storage.state, limits);
    this.scrubber = new Scrubber(storage.state, limits.scrubBytesPerSecond, (error) => {
      around.guard(() => hooks.damaged(error));
    });
    this.quorum = new QuorumWatch(clock, (done) => {
      this.read(done);
    });
    this.#ticker = new Ticker(ports, tickMs, () => {
      this.#tick();
    });
    this.#replayTo = parts.recovered.lastIndex;
    this.logTime.restore(Math.max(parts.lastStampMs, storage.state.checkpoint?.logTimeMs ?? 0));
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
    const { alarm } = this.#clock;
    return [...(alarm === undefined ? [] : [alarm]), ...this.neighbours.alarms, ...this.snapshots.alarms];
  }

  /** Takes part from now on. */
  start(): void {
    assert(!this.#running, 'a member starts once');
    this.#running = true;
    this.#ticker.start();
    this.#keepHouse();
    if (this.#parts.storage.shared === undefined) this.#noteCopies();
    this.saveBoots();
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
      this.#loop.saveBeside('founding', () => this.#parts.storage.saveFounding(founding));
    });
  }

  /** Writes down what was heard of the directories of others since the last time. */
  saveBoots(): void {
    this.#guard(() => {
      const { boots } = this.membership;
      if (!boots.unsaved) return;
      const all = boots.take();
      this.#loop.saveBeside('boots', () => this.#parts.storage.saveHeardBoots(all));
    });
  }

  /** A frame of another peer. @throws DecodeError when it is none, or none that a peer without a mistake in it sends */
  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void {
    // While the directory is opened anew others go on: a snapshot begun for them now would hold what is about to be closed.
    if (!this.#running) return;
    if (bytes[0] === NEWS_KIND) {
      if (!this.membership.isForeign(from)) this.neighbours.news(from, bytes);
      return;
    }
    if (bytes[0] === SNAPSHOT_KIND) {
      this.snapshots.frame(from, bytes);
      return;
    }
    const { wallMs, message } = decodeEnvelope(bytes, from, this.#parts.self);
    if (this.membership.isForeign(from) && isAnswer(message)) return;
    const objection = this.raft.objectionTo(message);
    if (objection !== undefined) throw new DecodeError(objection);
    checkEntries(message);
    const lost = this.raft.lossIn(message);
    if (lost !== undefined) return this.#hooks.lost(lost, message);
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

  #makeLoop(around: Around): ReadyLoop {
    const { storage, ports } = this.#parts;
    const { transport, clock } = ports;
    return new ReadyLoop(
      { raft: this.raft, storage, transport, clock, applier: this.#applier, reads: this.#reads, logTime: this.logTime },
      {
        ...around,
        configuration: (configuration) => {
          this.membership.changed(configuration);
          this.#noteCopies();
          this.#hooks.membership();
        },
        snapshotNeeded: ({ atLeast }) => {
          this.snapshots.needed(atLeast);
        },
      },
    );
  }

  #makeCheckpointer(around: Around): Checkpointer {
    const { storage, scheduler, ports, limits } = this.#parts;
    const { clock, timers } = ports;
    const configuration = (): Uint8Array => encodeApplied(this.membership.applied);
    return new Checkpointer(
      { scheduler, storage: storage.state, clock, timers, sliceMs: limits.checkpointSliceMs, configuration },
      {
        ...around,
        written: (index) => {
          ports.logger.debug('checkpoint written', { index });
          this.#keeper.cut();
        },
        digested: () => {
          this.neighbours.marked();
        },
      },
    );
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
      this.far.readAhead();
      // Where nothing came of it only a leader has anything to do: things fall due.
      // Not at once: a turn of the event loop, whatever it begins with, has one turn of the crank.
      if (this.#leads !== undefined || this.raft.hasReady()) this.wake();
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
      this.#keeper.marked(entry.index);
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
    if (next.featureLevel >= FEATURE_FAR) this.#parts.scheduler.enableFar();
    if (next.featureLevel !== applied.featureLevel)
      this.#parts.ports.logger.info('features are switched on', { level: next.featureLevel, known: FEATURE_LEVEL });
    this.membership.appliedTo(next);
    this.#noteCopies();
    this.#wishes.applied(entry.index, entry.term);
    this.#hooks.membership();
    const { self, storage } = this.#parts;
    const { incarnation } = storage.identity;
    const isFounder = storage.founding.heard.some((founder) => founder.peerId === self);
    const isRemoved = wasRemoved(next.removed, { peer: self, incarnation, isFounder });
    if (!isRemoved || this.#toldRemoved) return;
    this.#toldRemoved = true;
    this.#hooks.removed();
  }

  /** The directory is to know by itself whether damage to it can be made good by others. */
  #noteCopies(): void {
    const { storage } = this.#parts;
    const { shared } = this.membership;
    if (shared !== undefined) this.#loop.saveBeside('shared', () => storage.saveShared(shared));
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
        if (this.#clock.look(this.#now())) this.wake();
        this.snapshots.tick();
        this.scrubber.step();
        this.#keeper.cut();
      });
    });
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

/** The cluster as the checkpoint has it, or as it was founded. @throws DecodeError */
function clusterOf({ storage, cluster }: MemberParts): AppliedCluster {
  const { checkpoint } = storage.state;
  if (checkpoint === undefined) return foundedCluster(storage.founding, cluster);
  return decodeApplied(checkpoint.configuration, cluster);
}
