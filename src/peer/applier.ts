/**
 * Committed entries on their way into the state machine, in order, a slice at a time.
 *
 * The event loop is held for a bounded time: an entry is not cut, but between two of them the clock is looked at. Whatever the
 * state machine throws passes through: the peer that catches it halts.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { DecodeError } from '../base/bytes.ts';
import type { LogIndex } from '../base/ids.ts';
import type { Entry } from '../raft/types.ts';
import { EntryKind } from '../raft/types.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';

/** Told after each entry. `outcome` is undefined for an entry without commands, and is valid until the next one. */
export type Applied = (entry: Entry, outcome: ApplyOutcome | undefined) => void;

/** True when what applying the batch needs is in memory; else it is being fetched, and the peer is woken. */
export type ReadyToApply = (batch: Uint8Array) => boolean;

/** See the head of this file. */
export class Applier {
  readonly #scheduler: Scheduler;
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #told: Applied;
  readonly #isReady: ReadyToApply;
  #entries: Entry[] = [];
  #next = 0;
  #stalled = false;
  /** Invariant: every entry up to here is in the state, and no later one. */
  #appliedIndex: LogIndex;

  /** `appliedIndex` is what the state of `scheduler` holds already. */
  constructor(
    scheduler: Scheduler,
    clock: Clock,
    sliceMs: number,
    appliedIndex: LogIndex,
    told: Applied,
    isReady: ReadyToApply,
  ) {
    assert(sliceMs > 0, 'a slice has a length');
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#appliedIndex = appliedIndex;
    this.#told = told;
    this.#isReady = isReady;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** True when entries wait. */
  get waiting(): boolean {
    return this.#next < this.#entries.length;
  }

  /** True when the first of them waits for something from the disk: another try is of no use before that is there. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Takes over `entries`, which follow those before. */
  push(entries: readonly Entry[]): void {
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Applies entries until none waits, one has to wait for the disk, or the slice is over. */
  run(): void {
    const endMs = this.#clock.monotonicMs() + this.#sliceMs;
    this.#stalled = false;
    while (this.waiting) {
      const entry = this.#entries[this.#next] as Entry;
      this.#stalled = entry.kind === EntryKind.command && !this.#isReady(entry.data);
      if (this.#stalled) break;
      this.#apply(entry);
      this.#next += 1;
      if (this.#clock.monotonicMs() >= endMs) break;
    }
    if (this.#next === this.#entries.length) this.#entries = [];
    else this.#entries.splice(0, this.#next);
    this.#next = 0;
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, () => `entry ${entry.index} follows ${this.#appliedIndex}`);
    this.#appliedIndex = entry.index;
    switch (entry.kind) {
      case EntryKind.noop:
      case EntryKind.configuration:
      case EntryKind.feature:
        // Not the state machine's affair; whoever is told knows what to do.
        this.#told(entry, undefined);
        return;
      case EntryKind.command:
        this.#told(entry, this.#scheduler.apply(entry.index, entry.data));
        return;
      default:
        throw new DecodeError(`entry ${this.#appliedIndex} is of kind ${String(entry.kind)}, which is unknown here`);
    }
  }
}
