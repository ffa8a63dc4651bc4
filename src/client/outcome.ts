/** How the end of a handler becomes a row of `complete`. */
import { encodeValue, ValueError } from '../protocol/codec.ts';
import type { WireLimits } from '../protocol/request-rules.ts';
import { type CompletionRow, OUTCOME } from '../protocol/rows.ts';
import { durationMs } from './duration.ts';
import { NonRetryable, RetryAfter, Snooze, TaskraftError } from './errors.ts';
import type { Attempt } from './handler-context.ts';
import { encodeBlob } from './task-spec.ts';

const MESSAGE_CHARS_MAX = 1000;
const STACK_CHARS_MAX = 4000;

/** The handler returned `value`. */
export function doneRow(attempt: Attempt, value: unknown, limits: WireLimits): CompletionRow {
  const { number, fencingToken } = attempt;
  if (value === undefined) return [number, fencingToken, OUTCOME.done, 0, null, null];
  let problem: string;
  try {
    const [encoding, bytes] = encodeBlob(value);
    if (bytes.length <= limits.payloadBytes) return [number, fencingToken, OUTCOME.done, encoding, bytes, null];
    problem = `has ${bytes.length} bytes, more than ${limits.payloadBytes}; store it elsewhere and return where it is`;
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    problem = `cannot be sent: ${error.message}`;
  }
  // The handler would return the same again.
  return failureRow(attempt, new NonRetryable(`The result ${problem}.`), limits);
}

/** The handler threw `error`. */
export function thrownRow(attempt: Attempt, error: unknown, limits: WireLimits): CompletionRow {
  if (error instanceof Snooze) {
    return [attempt.number, attempt.fencingToken, OUTCOME.snoozed, 0, null, error.delayMs];
  }
  // Who was told to stop and stopped has not failed.
  return attempt.abortReason === undefined ? failureRow(attempt, error, limits) : returnedRow(attempt);
}

/** The attempt is handed back unfinished. */
export function returnedRow(attempt: Attempt): CompletionRow {
  return [attempt.number, attempt.fencingToken, OUTCOME.returned, 0, null, null];
}

function failureRow(attempt: Attempt, error: unknown, limits: WireLimits): CompletionRow {
  const outcome = error instanceof NonRetryable ? OUTCOME.failedForGood : OUTCOME.failed;
  const extra = error instanceof RetryAfter ? retryAfterMs(error) : null;
  return [attempt.number, attempt.fencingToken, outcome, 1, encodeError(error, limits.errorBytes), extra];
}

/** A delay that is none leaves the computed backoff. */
function retryAfterMs(error: RetryAfter): number | null {
  try {
    return durationMs(error.retryAfterMs, 'retryAfterMs');
  } catch (problem) {
    if (problem instanceof TaskraftError) return null;
    throw problem;
  }
}

/** Name, message and stack, cut to what an error may have. */
function encodeError(error: unknown, bytesMax: number): Uint8Array {
  const name = error instanceof Error ? error.name.slice(0, 100) : 'Error';
  const message = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_CHARS_MAX);
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack.slice(0, STACK_CHARS_MAX) : '';
  const whole = encodeValue({ name, message, stack });
  return whole.length <= bytesMax ? whole : encodeValue({ name, message: message.slice(0, 100) });
}
