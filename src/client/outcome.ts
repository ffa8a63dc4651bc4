/** How the end of a handler becomes a row of `complete`. */
import { encodeValue, ValueError } from '../protocol/codec.ts';
import type { WireLimits } from '../protocol/request-rules.ts';
import { type CompletionRow, OUTCOME } from '../protocol/rows.ts';
import type { Attempt } from './handler-context.ts';
import { NonRetryable, RetryAfter, Snooze } from './handler-errors.ts';
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
    // What is not plain may run code of the handler's own while it is read.
    problem = `cannot be sent: ${error instanceof ValueError ? error.message : 'reading it threw an error'}`;
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
export function returnedRow(attempt: Pick<Attempt, 'number' | 'fencingToken'>): CompletionRow {
  return [attempt.number, attempt.fencingToken, OUTCOME.returned, 0, null, null];
}

function failureRow(attempt: Attempt, error: unknown, limits: WireLimits): CompletionRow {
  const outcome = error instanceof NonRetryable ? OUTCOME.failedForGood : OUTCOME.failed;
  const extra = error instanceof RetryAfter ? error.retryAfterMs : null;
  return [attempt.number, attempt.fencingToken, outcome, 1, encodeError(error, limits.errorBytes), extra];
}

/** Name, message and stack, cut to what an error may have. Anything can be thrown, also what has no text or throws when it is read. */
function encodeError(error: unknown, bytesMax: number): Uint8Array {
  let name = 'Error';
  let message = 'The handler threw what cannot be read.';
  let stack = '';
  try {
    message = String(error instanceof Error ? error.message : error).slice(0, MESSAGE_CHARS_MAX);
    if (error instanceof Error) {
      if (typeof error.name === 'string') name = error.name.slice(0, 100);
      if (typeof error.stack === 'string') stack = error.stack.slice(0, STACK_CHARS_MAX);
    }
  } catch {
    // What was read so far is told.
  }
  const whole = encodeValue({ name, message, stack });
  return whole.length <= bytesMax ? whole : encodeValue({ name, message: message.slice(0, 100) });
}
