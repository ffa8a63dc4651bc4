/** What a handler throws to say more than "it failed". */
import { type Duration, durationMs } from './duration.ts';

/** Thrown by a handler: the task fails now, whatever attempts it has left. */
export class NonRetryable extends Error {
  override readonly name = 'NonRetryable';
}

/** Thrown by a handler: the attempt failed; the next one starts after this long instead of the computed backoff. */
export class RetryAfter extends Error {
  override readonly name = 'RetryAfter';
  readonly retryAfterMs: number;

  /**
   * `retryAfter` is a number of ms, or text such as `'30s'`.
   *
   * @throws TaskraftError INVALID_ARGUMENT when it is no duration
   */
  constructor(retryAfter: Duration, message = 'asked to be tried again later') {
    super(message);
    this.retryAfterMs = durationMs(retryAfter, 'retryAfter');
  }
}

/** Thrown by `context.snooze`: the attempt ends without failure and another starts later. */
export class Snooze extends Error {
  override readonly name = 'Snooze';
  readonly delayMs: number;

  constructor(delayMs: number) {
    super('the handler asked to be started again later');
    this.delayMs = delayMs;
  }
}
