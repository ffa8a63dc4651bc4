/**
 * The time that this peer would stamp a batch with, and how far its wall clock is from those of the others.
 *
 * Log time is what all due-ness follows, so a wall clock that jumps must not move it. A leader anchors its stamps when its term
 * begins: at the last stamp that it received plus the monotonic time since then, or, where it heard none since it started, at
 * the median of the wall clocks that it hears. From there on its monotonic clock drives the stamps, slewed by at most 5 % toward
 * that median where at least three peers are heard (itself among them), else toward its own wall clock.
 *
 * Wall clocks of others arrive with heartbeats and votes. Each sample is kept as wall clock minus own monotonic clock at receipt.
 * A delay on the way makes a sample too small, never too large, so the largest of the last few samples of a peer counts: one
 * frame that lay in a buffer while this process stood still says nothing.
 *
 * Pure: instants of both clocks are handed in. Inside, instants are fractional; a stamp is their integer part.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { PeerId } from '../base/ids.ts';

/** How much faster or slower than its monotonic clock a leader's stamps may run: one part in twenty. */
export const SLEW_MAX = 0.05;

/** A wall clock further than this from the median raises an alarm, and a leader with such a clock hands over. In ms. */
export const CLOCK_OFF_MS = 500;

/** Peers heard, this one among them, from which on the median counts. */
export const CLOCKS_MIN = 3;

/** A peer not heard for this long has no say in the median. In ms. */
export const CLOCK_STALE_MS = 3_000;

/** Samples kept of each peer. */
const SAMPLES = 8;

/** Both clocks of this process at one instant. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** What both clocks show now. */
export function instantOf(clock: Clock): Instant {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/** The last samples of one peer's wall clock. */
interface ClockSamples {
  /** Wall clock minus own monotonic clock at receipt, a ring. */
  readonly offsets: number[];
  next: number;
  /** Of `offsets`. */
  largest: number;
  heardAtMs: number;
}

/** See the head of this file. */
export class LogTime {
  readonly #clocks = new Map<PeerId, ClockSamples>();
  /** The same samples in a list, which a leader goes through at every turn. */
  readonly #samples: ClockSamples[] = [];
  /** Used by `#median` alone, so that it makes nothing. */
  readonly #sorted: number[] = [];
  /** No stamp goes below this: the largest stamp in the own log. */
  #floorMs = 0;
  /** Monotonic instant at which the newest stamp was received, and the stamp; undefined when none was heard since the start. */
  #heard: { stampMs: number; monotonicMs: number } | undefined;
  /** While leading: log time at a monotonic instant. Invariant: both only grow. */
  #running: { logMs: number; monotonicMs: number } | undefined;

  /** The stamps in the own log end at `stampMs`; says nothing about when they were made. */
  restore(stampMs: number): void {
    this.#floorMs = Math.max(this.#floorMs, stampMs);
  }

  /**
   * A batch with this stamp came from the leader of the current term. A batch of an older term is handed to `restore`
   * instead: it was caught up on, and may be as old as the outage that made it necessary.
   */
  heardStamp(stampMs: number, now: Instant): void {
    this.restore(stampMs);
    this.#heard = { stampMs, monotonicMs: now.monotonicMs };
  }

  /** A frame of `peer` said what its wall clock shows. */
  heardClock(peer: PeerId, wallMs: number, now: Instant): void {
    const offset = wallMs - now.monotonicMs;
    const samples = this.#clocks.get(peer);
    if (samples === undefined) {
      const first = { offsets: [offset], next: 1, largest: offset, heardAtMs: now.monotonicMs };
      this.#clocks.set(peer, first);
      this.#samples.push(first);
      return;
    }
    samples.offsets[samples.next % SAMPLES] = offset;
    samples.next += 1;
    samples.largest = largest(samples.offsets);
    samples.heardAtMs = now.monotonicMs;
  }

  /** Leadership began: anchors the stamps of this term. */
  lead(now: Instant): void {
    const anchor =
      this.#heard === undefined
        ? this.#target(now, 2)
        : this.#heard.stampMs + (now.monotonicMs - this.#heard.monotonicMs);
    this.#running = { logMs: Math.max(anchor, this.#floorMs), monotonicMs: now.monotonicMs };
  }

  /** Leadership ended. The own stamps count as heard. */
  follow(): void {
    const running = this.#running;
    if (running !== undefined) this.#heard = { stampMs: running.logMs, monotonicMs: running.monotonicMs };
    this.#running = undefined;
  }

  get leading(): boolean {
    return this.#running !== undefined;
  }

  /** The largest stamp in the own log, in ms: no later one goes below it. */
  get floorMs(): number {
    return this.#floorMs;
  }

  /** The stamp of a batch that is made now, an integer in ms; never below an earlier one. Only while leading. */
  stamp(now: Instant): number {
    const running = this.#running;
    assert(running !== undefined, 'only a leader stamps');
    this.#advance(running, now);
    this.#floorMs = Math.max(this.#floorMs, Math.floor(running.logMs));
    return this.#floorMs;
  }

  /** The log time now, as far as this peer can tell; makes no stamp. */
  nowMs(now: Instant): number {
    if (this.#running !== undefined) {
      this.#advance(this.#running, now);
      return Math.max(this.#floorMs, Math.floor(this.#running.logMs));
    }
    if (this.#heard === undefined) return Math.max(this.#floorMs, Math.floor(this.#target(now, 2)));
    return Math.max(this.#floorMs, Math.floor(this.#heard.stampMs + now.monotonicMs - this.#heard.monotonicMs));
  }

  /** How far the own wall clock is ahead of the median, in ms; undefined when fewer than three peers are heard. */
  offsetMs(now: Instant): number | undefined {
    const median = this.#median(now, CLOCKS_MIN);
    return median === undefined ? undefined : now.wallMs - median;
  }

  /** How far the wall clock of `peer` is ahead of the median of all that are heard, in ms; undefined when it is not heard. */
  offsetOfMs(peer: PeerId, now: Instant): number | undefined {
    const samples = this.#clocks.get(peer);
    if (samples === undefined || this.#stale(samples, now)) return undefined;
    const median = this.#median(now, 1);
    return median === undefined ? undefined : samples.largest + now.monotonicMs - median;
  }

  /** Moves the running log time on to `now`, slewed toward where the wall clocks say it should be. */
  #advance(running: { logMs: number; monotonicMs: number }, now: Instant): void {
    const passedMs = now.monotonicMs - running.monotonicMs;
    assert(passedMs >= 0, 'a monotonic clock never goes back');
    if (passedMs === 0) return;
    const driven = running.logMs + passedMs;
    const error = this.#target(now, CLOCKS_MIN) - driven;
    const slewMax = passedMs * SLEW_MAX;
    running.logMs = driven + Math.max(-slewMax, Math.min(slewMax, error));
    running.monotonicMs = now.monotonicMs;
  }

  /** The median of the wall clocks where at least `least` are heard, else the own one. */
  #target(now: Instant, least: number): number {
    return this.#median(now, least) ?? now.wallMs;
  }

  #median(now: Instant, least: number): number | undefined {
    const clocks = this.#sorted;
    clocks.length = 0;
    clocks.push(now.wallMs);
    for (const samples of this.#samples) {
      if (!this.#stale(samples, now)) insert(clocks, samples.largest + now.monotonicMs);
    }
    if (clocks.length < least) return undefined;
    const middle = clocks.length >> 1;
    const upper = clocks[middle] as number;
    return clocks.length % 2 === 1 ? upper : ((clocks[middle - 1] as number) + upper) / 2;
  }

  #stale(samples: ClockSamples, now: Instant): boolean {
    return now.monotonicMs - samples.heardAtMs > CLOCK_STALE_MS;
  }
}

/** Puts `number` where it belongs in an ascending list of few. */
function insert(ascending: number[], number: number): void {
  let at = ascending.length;
  ascending.push(number);
  for (; at > 0 && (ascending[at - 1] as number) > number; at -= 1) ascending[at] = ascending[at - 1] as number;
  ascending[at] = number;
}

function largest(numbers: readonly number[]): number {
  let found = numbers[0] as number;
  for (const number of numbers) if (number > found) found = number;
  return found;
}
