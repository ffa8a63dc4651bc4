/** Work that would hold the event loop if it were done as it comes: in order, a slice at a time, with everybody else between two slices. */
import type { Clock, Timers } from '../base/clock.ts';

/** How long one slice holds the event loop, in ms; the piece of work in which it ends is finished. */
const SLICE_MS = 5;
/** Pieces that may wait: more than one connection may have requests, so that nobody alone fills it. */
const WAITING_MAX = 20_000;

/** See the head of this file. */
export class Slices {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #waiting: (() => void)[] = [];
  /** How many of those the slice that runs has begun. */
  #next = 0;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Has `work` done soon, never within the call. False when too much waits. */
  add(work: () => void): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push(work);
    if (this.#waiting.length === 1) this.#ask();
    return true;
  }

  #ask(): void {
    this.#timers.soon(() => {
      this.#run();
    });
  }

  #run(): void {
    const endMs = this.#clock.monotonicMs() + SLICE_MS;
    try {
      do {
        const work = this.#waiting[this.#next] as () => void;
        this.#next += 1;
        work();
      } while (this.#next < this.#waiting.length && this.#clock.monotonicMs() < endMs);
    } finally {
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
      if (this.#waiting.length > 0) this.#ask();
    }
  }
}
