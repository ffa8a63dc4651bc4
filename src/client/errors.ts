/** The errors that the SDK throws, and those that a handler throws to say more than "it failed". */
import { type ErrorCode, errorFacts } from '../protocol/error-code.ts';

/** What few errors carry. */
export interface TaskraftErrorDetails {
  readonly retryAfterMs?: number;
  /** The task of a `submitMany` that is to blame, from 0. */
  readonly position?: number;
  /** Why a task failed or was cancelled: `poison`, `run-timeout`, … */
  readonly reason?: string;
  /** What the handler threw, as it was reported: name, message, stack. */
  readonly cause?: unknown;
}

/** Every error of the SDK. The code is part of the contract, the text is not. */
export class TaskraftError extends Error {
  override readonly name = 'TaskraftError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change to it. */
  readonly retryable: boolean;
  /** How long to wait before that, where the cluster said so. */
  readonly retryAfterMs: number | undefined;
  /** The task of a `submitMany` that is to blame, from 0. */
  readonly position: number | undefined;
  /** With `TASK_FAILED` and `TASK_CANCELLED`: why. */
  readonly reason: string | undefined;

  constructor(code: ErrorCode, message: string, details: TaskraftErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryable = errorFacts(code).retryable;
    this.retryAfterMs = details.retryAfterMs;
    this.position = details.position;
    this.reason = details.reason;
  }
}

/** Thrown by a handler: the task fails now, whatever attempts it has left. */
export class NonRetryable extends Error {
  override readonly name = 'NonRetryable';
}

/** Thrown by a handler: the attempt failed; the next one starts after this many ms instead of the computed backoff. */
export class RetryAfter extends Error {
  override readonly name = 'RetryAfter';
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number, message = 'asked to be tried again later') {
    super(message);
    this.retryAfterMs = retryAfterMs;
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

/** An `INVALID_ARGUMENT`. */
export function invalidArgument(message: string): TaskraftError {
  return new TaskraftError('INVALID_ARGUMENT', message);
}
