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
 * How long deferred work may hold one turn of the event loop before the rest waits for the next one, in ms. What runs is not
 * cut, so a turn is longer by one piece at most.
 */
const DEFERRED_SLICE_MS = 3;

/** Work for the check phases to come, in order. */
let deferred: (() => void)[] = [];
let isArmed = false;

function runDeferred(): void {
  const due = deferred;
  deferred = [];
  isArmed = false;
  const endMs = performance.now() + DEFERRED_SLICE_MS;
  let done = 0;
  try {
    while (done < due.length) {
      const action = due[done] as () => void;
      done += 1;
      action();
      if (performance.now() >= endMs) break;
    }
  } finally {
    // In front of what was deferred meanwhile; also when a piece throws, which ends the process or is somebody's to handle.
    if (done < due.length) deferred = [...due.slice(done), ...deferred];
    if (deferred.length > 0) arm();
  }
}

function arm(): void {
  if (isArmed) return;
  isArmed = true;
  setImmediate(runDeferred);
}

/**
 * The timers of this process. `soon` runs in the check phase of the event loop, so after everything that the poll before it has
 * read from sockets: work that arrived together is seen together. Several pieces share a slice of one turn, so that they do not
 * add up to a long one. Delays are at most 24 days.
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
    deferred.push(action);
    arm();
  },
};
