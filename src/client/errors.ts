/** The errors that the SDK throws. */
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

/** An `INVALID_ARGUMENT`. */
export function invalidArgument(message: string): TaskraftError {
  return new TaskraftError('INVALID_ARGUMENT', message);
}
