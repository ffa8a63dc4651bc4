import { performance } from 'node:perf_hooks';
import { assert } from '../base/assert.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';

/** What a timer of Node can wait for; it takes 1 ms for anything longer. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The clocks of this process. */
export const REAL_CLOCK: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/**
 * The timers of this process. `soon` runs in the check phase of the event loop, so after everything that the poll before it has
 * read from sockets: work that arrived together is seen together. Delays are at most 24 days.
 */
export const REAL_TIMERS: Timers = {
  after(delayMs: number, action: () => void): Timer {
    assert(delayMs >= 0 && delayMs <= DELAY_MS_MAX, () => `a timer of ${delayMs} ms is out of bounds`);
    const dueMs = performance.now() + delayMs;
    // Node counts from when the turn of the loop began, which is earlier than now: a timer that fires before its time waits on.
    const fire = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) timeout = setTimeout(fire, Math.ceil(leftMs));
      else action();
    };
    let timeout = setTimeout(fire, Math.ceil(delayMs));
    return { cancel: () => clearTimeout(timeout) };
  },
  soon(action: () => void): void {
    setImmediate(action);
  },
};
