/**
 * Decides when a leader appends an entry, and what stands in it.
 *
 *     follows ──elected──▶ opening ──its TermStarted applied──▶ serving
 *        ▲                    │                                    │
 *        └────────────────────┴──────── leadership lost ◀──────────┘
 *
 * One entry is made while none is being written, of everything that waits by then; what fills an entry does not wait for that.
 * The first entry of a term begins with `TermStarted`; until that is applied nothing else is taken. Without a command an entry is
 * made when a timer of the state is due, when work is left over in the state, and every ten seconds so that the stamps of the
 * others stay fresh. A mark is added about once a second under load.
 *
 * Pure but for its ports; whatever it does, it does within `turn`.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { Entry } from '../raft/types.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { Command } from '../scheduler/command.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { Batcher } from './batcher.ts';
import type { LogTime } from './log-time.ts';
import { instantOf } from './log-time.ts';

/** Entries that only let time pass are at least this far apart, in ms. */
export const DUE_SLOT_MS = 5;

/** A leader without anything to say makes an empty entry this often, in ms. */
export const IDLE_TICK_MS = 10_000;

/** Who asks for what the leader itself proposes. */
const PRINCIPAL = 'peer';

/** What a proposer works on. */
export interface ProposerParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: PeerLimits;
  /** Due times closer than this are waited for with a timer of their own; later ones are seen by a later tick. */
  readonly tickMs: number;
  readonly raft: Raft;
  readonly scheduler: Scheduler;
  readonly batcher: Batcher;
  readonly logTime: LogTime;
  /** Makes the crank turn soon. */
  readonly wake: () => void;
}

/** See the head of this file. */
export class Proposer {
  readonly #parts: ProposerParts;
  /** The term that this peer leads; undefined while it follows. */
  #term: Term | undefined;
  /** Where its `TermStarted` stands. */
  #termStartedIndex: LogIndex | undefined;
  #serving = false;
  /** The last entry that this peer appended in this term. */
  #lastIndex: LogIndex = 0;
  #lastAtMs = 0;
  /** Consensus took nothing at the last try; tried again when an entry was applied, and at the next tick. */
  #held = false;
  #timer: Timer | undefined;
  /** Since the last mark, on every peer: when it was applied, the log's growth, and whether anything but time has changed. */
  #markedAtMs: number;
  #bytesSinceMark = 0;
  #movedSinceMark = false;
  #markQueued = false;

  constructor(parts: ProposerParts) {
    this.#parts = parts;
    this.#markedAtMs = parts.clock.monotonicMs();
  }

  /** True once this peer leads and has applied the first entry of its term. */
  get serving(): boolean {
    return this.#serving;
  }

  /** This peer leads `term` from now on. */
  lead(term: Term): void {
    assert(this.#term === undefined, 'a peer follows before it leads again');
    const { clock, logTime } = this.#parts;
    this.#term = term;
    this.#termStartedIndex = undefined;
    this.#held = false;
    this.#markQueued = false;
    logTime.lead(instantOf(clock));
    this.#add({ type: 'termStarted', term });
  }

  /** This peer leads no more. Everyone who waits is told. */
  follow(): void {
    this.#term = undefined;
    this.#serving = false;
    this.#parts.logTime.follow();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#parts.batcher.abandon();
  }

  /** Appends what waits, or what is due. Called while no entry is being written, or when what waits fills one. */
  turn(): void {
    if (this.#term === undefined || this.#held) return;
    const { batcher, limits } = this.#parts;
    if (this.#serving && !this.#markQueued && this.#markDue(limits)) {
      this.#markQueued = true;
      this.#add({ type: 'checkpointMark' });
    }
    if (batcher.queuedCount > 0 || this.#passTime()) this.#append();
  }

  /** A tick has passed: what consensus did not take is tried again. */
  tick(): void {
    this.#held = false;
  }

  /** An entry was applied. True when this peer has begun to serve by it. */
  applied(entry: Entry, outcome: ApplyOutcome | undefined): boolean {
    // There is room again where consensus took no more.
    this.#held = false;
    if (outcome !== undefined) this.#noteForMark(entry, outcome);
    if (this.#serving || entry.index !== this.#termStartedIndex || entry.term !== this.#term) return false;
    this.#serving = true;
    return true;
  }

  /** Sets a timer for what falls due before the next tick. */
  arm(): void {
    if (!this.#serving || this.#timer !== undefined) return;
    const waitMs = this.#dueInMs();
    if (waitMs === undefined || waitMs >= this.#parts.tickMs) return;
    const sinceLastMs = this.#parts.clock.monotonicMs() - this.#lastAtMs;
    this.#timer = this.#parts.timers.after(Math.max(1, Math.ceil(waitMs), DUE_SLOT_MS - sinceLastMs), () => {
      this.#timer = undefined;
      this.#parts.wake();
    });
  }

  #append(): void {
    const { batcher, clock, logTime, raft } = this.#parts;
    const opens = this.#termStartedIndex === undefined;
    const taken = batcher.close(logTime.stamp(instantOf(clock)), (batch) => {
      const result = raft.propose(batch);
      if (!result.accepted) return undefined;
      this.#lastIndex = result.index;
      return result;
    });
    if (!taken) {
      this.#held = true;
      return;
    }
    this.#lastAtMs = clock.monotonicMs();
    if (opens) this.#termStartedIndex = this.#lastIndex;
  }

  /** True when an entry is to be made though nothing was proposed. Never while an earlier one may do what is due. */
  #passTime(): boolean {
    const { clock, raft, scheduler } = this.#parts;
    if (!this.#serving || raft.appliedIndex < this.#lastIndex) return false;
    if (scheduler.openCursors) return true;
    const sinceLastMs = clock.monotonicMs() - this.#lastAtMs;
    if (sinceLastMs >= IDLE_TICK_MS) return true;
    if (sinceLastMs < DUE_SLOT_MS) return false;
    const waitMs = this.#dueInMs();
    return waitMs !== undefined && waitMs <= 0;
  }

  /** Log time until the earliest timer of the state is due; undefined when none is set. */
  #dueInMs(): number | undefined {
    const dueMs = this.#parts.scheduler.nextDueMs();
    return dueMs === undefined ? undefined : dueMs - this.#parts.logTime.nowMs(instantOf(this.#parts.clock));
  }

  #markDue(limits: PeerLimits): boolean {
    if (!this.#movedSinceMark || this.#parts.scheduler.openMark !== undefined) return false;
    if (this.#bytesSinceMark >= limits.checkpointLogBytes) return true;
    return this.#parts.clock.monotonicMs() - this.#markedAtMs >= limits.checkpointIntervalMs;
  }

  #noteForMark(entry: Entry, outcome: ApplyOutcome): void {
    if (outcome.marked) {
      this.#markedAtMs = this.#parts.clock.monotonicMs();
      this.#bytesSinceMark = 0;
      this.#markQueued = false;
      // A mark alone is no reason for the next one.
      this.#movedSinceMark = outcome.replies.length > 1;
      return;
    }
    this.#bytesSinceMark += entry.data.length;
    if (outcome.replies.length + outcome.assigned.length + outcome.finished.length > 0) this.#movedSinceMark = true;
  }

  #add(command: Command): void {
    const writer = new ByteWriter(64);
    encodeCommand(writer, PRINCIPAL, command);
    const taken = this.#parts.batcher.add('completion', writer.view(), 1, ignore);
    // A queue that is full of completions fills the next entries anyway; the mark comes with a later one.
    if (!taken) this.#markQueued = false;
  }
}

function ignore(): void {}
