/**
 * What applying one entry yields: an answer to each of its commands, and effects. Both are data. Every peer computes the same;
 * only the leader acts on them, perhaps again after a failover, so each effect carries an identity (task number and fencing token)
 * by which its receiver drops a repeat, and each can be derived anew from the state.
 */

import type { Backfilled, SchedulePut, ScheduleTriggered, SettledOccurrence } from './schedules/outcome.ts';

export type {
  Backfilled,
  OccurrenceKind,
  SchedulePut,
  ScheduleTriggered,
  SettledOccurrence,
  SkipReason,
  TriggerResult,
} from './schedules/outcome.ts';

/** Errors of the state machine: answers, equal on all peers. */
export type SchedulerErrorCode =
  | 'NOT_FOUND'
  | 'ALREADY_FINAL'
  | 'STALE_LEASE'
  | 'KEY_CONFLICT'
  | 'KEY_TABLE_FULL'
  | 'SESSION_EXPIRED'
  | 'SESSION_LIMIT'
  | 'QUEUE_LIMIT'
  | 'TASK_LIMIT'
  | 'WORKER_LIMIT'
  | 'WORKER_ID_IN_USE'
  | 'INVALID_TRANSITION'
  | 'INVALID_ARGUMENT'
  /** The schedule has another version than the one that was expected. */
  | 'VERSION_CONFLICT'
  /** The namespace has as many schedules as it may have, or all of them together as many bytes. */
  | 'SCHEDULE_LIMIT'
  /** Nothing of the schedule is left that could be paused. */
  | 'SCHEDULE_ENDED'
  /** Instants of a schedule that has moved on since they were computed; for the leader alone. */
  | 'STALE';

/** The answer to a command that changed nothing, with the code of the reason. */
export interface Refusal {
  readonly type: 'refused';
  readonly code: SchedulerErrorCode;
  /** Position of the task in a submission, or of the number in a cancel, that is to blame; -1 for the whole command. */
  readonly position: number;
}

/** The answer to one submission. New tasks have consecutive numbers from `firstNumber`, in order, positions of `existing` left out. */
export interface Submitted {
  readonly type: 'submitted';
  readonly firstNumber: number;
  readonly created: number;
  /** Tasks that were there before under the same key. */
  readonly existing: readonly { readonly position: number; readonly number: number }[];
  /** True when the session's table answered: the submission had been applied before. */
  readonly repeated: boolean;
}

/** The answer to one completion of a `complete`. `ok` counts. */
export type CompletionAnswer = 'ok' | 'STALE_LEASE' | 'ALREADY_FINAL' | 'NOT_FOUND';

/** The answer to one number of a `cancel`: ended at once, told to stop, ended before, or not there. */
export type CancelAnswer = 'cancelled' | 'cancelling' | 'ALREADY_FINAL' | 'NOT_FOUND';

/** Why an attempt is to be aborted; what `signal.reason` says in the handler. */
export type AbortReason = 'cancelled' | 'timeout' | 'lease-lost' | 'drain';

/** An effect: the worker is to stop one attempt. */
export interface Abort {
  readonly worker: string;
  readonly number: number;
  readonly fencingToken: number;
  readonly reason: AbortReason;
}

/** The answer to `workerAttached`: what the worker must hear. */
export interface Attached {
  readonly type: 'attached';
  /** Attempts that the worker named and that are no longer its own: their handlers are to be aborted. */
  readonly stale: readonly { readonly number: number; readonly fencingToken: number }[];
  /** Completions named as unanswered that were applied before: the worker may forget them. Others will be answered when they come. */
  readonly settled: readonly {
    readonly number: number;
    readonly fencingToken: number;
    readonly answer: CompletionAnswer;
  }[];
}

/** The answer to one command. */
export type Reply =
  | { readonly type: 'ok' }
  | Refusal
  | Submitted
  | { readonly type: 'completed'; readonly answers: readonly CompletionAnswer[] }
  | { readonly type: 'cancelled'; readonly answers: readonly CancelAnswer[] }
  | Attached
  | SchedulePut
  | ScheduleTriggered
  | Backfilled;

/** What one entry did. The arrays are the caller's until the next apply. */
export interface ApplyOutcome {
  /** One a command, in order. */
  readonly replies: Reply[];
  /** Task numbers placed by this entry, in order; `Scheduler.assignment` tells what to deliver and to whom. */
  readonly assigned: number[];
  readonly aborts: Abort[];
  /** Task numbers that became final in this entry, in order; for those who wait for a result. */
  readonly finished: number[];
  /** Occurrences of schedules that this entry settled, in order. */
  readonly occurrences: SettledOccurrence[];
  /** True when `Scheduler.wantingSchedules` has something to compute after this entry. */
  readonly schedulesWant: boolean;
  /** True when the entry held a checkpoint mark. */
  readonly marked: boolean;
}
