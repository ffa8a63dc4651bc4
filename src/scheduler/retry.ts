/** How long a failed task waits for its next attempt. */

/** The share of the wait by which it may be shorter or longer, in hundredths. */
const JITTER_PERCENT = 20;

/** What of a retry rule the wait depends on, in ms. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * The wait after failure `failures` (1 and more) of task `number`, in whole ms: `initialMs` doubled with each failure up to
 * `maxMs`, then up to a fifth less or more. The jitter spreads tasks that failed together. It is drawn from the task's number
 * and the count of failures by a hash of integers, so every peer draws the same.
 */
export function backoffMs(backoff: Backoff, number: number, failures: number): number {
  let waitMs = Math.min(backoff.initialMs, backoff.maxMs);
  for (let doubled = 1; doubled < failures && waitMs < backoff.maxMs; doubled += 1) {
    waitMs = Math.min(waitMs * 2, backoff.maxMs);
  }
  // In hundredths of a percent: 0 … 4000 stands for -20 % … +20 %.
  const draw = mix(number, failures) % (2 * JITTER_PERCENT * 100 + 1);
  const share = draw - JITTER_PERCENT * 100;
  return Math.max(0, waitMs + Math.trunc((waitMs * share) / 10_000));
}

/** A 32-bit hash of two integers; the finishing steps of MurmurHash3. */
function mix(number: number, failures: number): number {
  let hash = ((number % 0x1_0000_0000) ^ Math.floor(number / 0x1_0000_0000) ^ Math.imul(failures, 0x9e3779b9)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
