/**
 * Counts time for the Raft core in ticks.
 *
 * A timer fires late when the process stood still: stopped, swapped out, or held by a long computation. Ticks that passed
 * meanwhile are not made up for: others may have spoken in that time, and their frames wait in the sockets to be read. So at
 * most two ticks count at a wakeup, and nobody is deposed by a pause of this process alone.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';

/** Most ticks that count at one wakeup. */
export const TICKS_A_WAKEUP_MAX = 2;

/** See the head of this file. */
export class Ticker {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #tickMs: number;
  readonly #tick: () => void;
  #timer: Timer | undefined;
  /** Monotonic instant up to which ticks have been counted. */
  #countedMs = 0;

  /** `tick` is called once a tick of `tickMs` milliseconds, from `start` on. */
  constructor(ports: { readonly clock: Clock; readonly timers: Timers }, tickMs: number, tick: () => void) {
    assert(tickMs > 0, 'a tick has a length');
    this.#clock = ports.clock;
    this.#timers = ports.timers;
    this.#tickMs = tickMs;
    this.#tick = tick;
  }

  start(): void {
    assert(this.#timer === undefined, 'a ticker starts once');
    this.#countedMs = this.#clock.monotonicMs();
    this.#set();
  }

  /** No tick comes after this. Harmless when it was never started. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #set(): void {
    this.#timer = this.#timers.after(this.#tickMs, () => {
      this.#wake();
    });
  }

  #wake(): void {
    this.#set();
    const nowMs = this.#clock.monotonicMs();
    const passed = Math.floor((nowMs - this.#countedMs) / this.#tickMs);
    if (passed > TICKS_A_WAKEUP_MAX) this.#countedMs = nowMs;
    else this.#countedMs += passed * this.#tickMs;
    const count = Math.min(passed, TICKS_A_WAKEUP_MAX);
    for (let done = 0; done < count && this.#timer !== undefined; done += 1) this.#tick();
  }
}
