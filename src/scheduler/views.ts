/** What can be seen of the state: plain objects, made when someone asks and kept by nobody. */
import type { Blob, Labels } from './command.ts';
import type { TaskOccurrence } from './schedules/views.ts';
import type { TaskState } from './states.ts';

export type { RecentOccurrence, ScheduleView, TaskOccurrence, WantingSchedule } from './schedules/views.ts';
export type { TaskState } from './states.ts';

/** Opaque bytes, or the word that they left memory: read the record `payloadKey(number)` of the state database for them. */
export type StoredBlob =
  | Blob
  | { readonly encoding: Blob['encoding']; readonly offloaded: true; readonly sizeBytes: number };

/** Why a task ended as `failed` or `cancelled`, or an attempt ended, or a ready task does not run. */
export type Reason =
  /** No worker that takes tasks has its type and the labels that it requires, with room or without. */
  | 'NO_WORKER_MATCHES'
  | 'error'
  | 'non-retryable'
  | 'run-timeout'
  | 'queue-timeout'
  | 'total-timeout'
  | 'poison'
  | 'cancelled'
  | 'worker-lost'
  | 'worker-restarted'
  | 'not-delivered'
  | 'no-leader'
  | 'drain'
  | 'returned'
  | 'snoozed'
  | 'due'
  | 'retry';

/** What can happen to a task. */
export type HistoryEventType =
  | 'submitted'
  | 'ready'
  | 'started'
  | 'failed-attempt'
  | 'crashed'
  | 'returned'
  | 'snoozed'
  | 'cancel-requested'
  | 'done'
  | 'failed'
  | 'cancelled';

/** One event of a task's life. */
export interface HistoryEvent {
  readonly type: HistoryEventType;
  /** Log time. */
  readonly atMs: number;
  /** The delivery that it belongs to; 0 before the first. */
  readonly attempt: number;
  /** A worker's id, a principal's name, or `peer` for what the cluster did by itself. */
  readonly by: string;
  readonly reason?: Reason;
}

/** Everything about one task. */
export interface TaskView {
  readonly number: number;
  readonly namespace: string;
  readonly type: string;
  readonly queue: string;
  readonly state: TaskState;
  /** True while a running task is being cancelled. */
  readonly cancelling: boolean;
  readonly priority: number;
  readonly key?: string;
  /** The occurrence of a schedule that made it; absent for a task that was submitted. */
  readonly occurrence?: TaskOccurrence;
  readonly requires: Labels;
  readonly createdAtMs: number;
  /** When it becomes or became ready at the earliest; absent for a task without delay. */
  readonly runAtMs?: number;
  /** When its last attempt was placed. */
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly failures: number;
  readonly crashes: number;
  readonly deliveries: number;
  /** Of the last placement; 0 before the first. */
  readonly fencingToken: number;
  /** Where it runs, or ran last. */
  readonly worker?: string;
  /** Of a final task, why it ended; of a pending one, why it will not run however long it waits, if that is so. */
  readonly reason?: Reason;
  /** Absent when it was dropped at the end. */
  readonly payload?: StoredBlob;
  readonly result?: Blob;
  /** Of the last attempt that failed. */
  readonly error?: Blob;
  readonly headers?: Blob;
  readonly lastCheckpoint?: Blob;
  /** Oldest first; at most 100. */
  readonly history: readonly HistoryEvent[];
  /** Events that are not kept: they lie between the first ten and the rest. */
  readonly droppedEvents: number;
}

/** Where a finished task is: in this block, under `blockKey` in the state database when `Scheduler.block` does not have it. */
export interface FinishedLocation {
  readonly finishedBlock: number;
}

/**
 * Where a task is that is due far ahead: in this block, under `farBlockKey` in the state database when `Scheduler.farBlock` does
 * not have it. When that was read it may have left the block: ask again.
 */
export interface FarLocation {
  readonly farBlock: number;
}

/** What a worker must be given to run one attempt. */
export interface Assignment {
  readonly number: number;
  readonly fencingToken: number;
  /** Worker id and instance. */
  readonly worker: string;
  readonly instance: string;
  readonly namespace: string;
  readonly type: string;
  /** Which try this is as the retry rule counts: failures so far and one. */
  readonly attempt: number;
  /** Starts so far, this one included. */
  readonly deliveries: number;
  /** In place: good until the next entry is applied, so that a delivery copies it once, into its frame. */
  readonly payload: StoredBlob;
  readonly headers?: Blob;
  readonly lastCheckpoint?: Blob;
  /** How long the attempt may run from `placedAtMs` (log time); 0 when it may run for ever. */
  readonly runMs: number;
  readonly placedAtMs: number;
  readonly createdAtMs: number;
  /** True when a cancel is under way: to be aborted as soon as it starts. */
  readonly cancelling: boolean;
}

/** One queue. Counts and ages are kept while applying; nothing is scanned for them. */
export interface QueueView {
  readonly namespace: string;
  readonly name: string;
  readonly scheduled: number;
  readonly pending: number;
  readonly running: number;
  readonly retrying: number;
  /** Since the queue exists. */
  readonly submitted: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  /** How long the task that has been ready longest has waited, in log time; 0 when none waits. */
  readonly oldestReadyAgeMs: number;
}

/** One worker. When it was heard last is the leader's knowledge, not the state's. */
export interface WorkerView {
  readonly id: string;
  readonly namespace: string;
  readonly instance: string;
  readonly state: 'online' | 'draining' | 'offline';
  /** True when it was declared lost and what it ran was taken from it. */
  readonly lost: boolean;
  readonly types: readonly string[];
  readonly labels: Labels;
  readonly slots: number;
  readonly running: number;
  /** Slots held by handlers whose lease has ended and that have not returned. */
  readonly lingering: number;
  readonly version: string;
  readonly attachedAtMs: number;
  /** When it went away; absent while it is attached. */
  readonly awaySinceMs?: number;
  readonly drainDeadlineMs?: number;
}

/** Totals over everything. */
export interface SchedulerCounters {
  /** Tasks that are not final and have a row, and their bytes. */
  readonly liveTasks: number;
  readonly liveBytes: number;
  /** Tasks that are due far ahead and wait outside of memory, and their bytes. They are among the scheduled ones. */
  readonly farTasks: number;
  readonly farBytes: number;
  readonly scheduled: number;
  readonly pending: number;
  readonly running: number;
  readonly retrying: number;
  readonly submitted: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Placements: every start of an attempt. */
  readonly placed: number;
  readonly crashes: number;
  readonly refusedStale: number;
  readonly refusedFinal: number;
  readonly repeatedSubmissions: number;
  readonly lostWorkers: number;
  readonly sessions: number;
  readonly workers: number;
  readonly attachedWorkers: number;
  /** Finished tasks that are kept, and their bytes. */
  readonly finishedTasks: number;
  readonly finishedBytes: number;
}

/** Which tasks a list shows. Absent fields do not restrict. */
export interface TaskFilter {
  readonly namespace: string;
  readonly states?: readonly TaskState[];
  readonly type?: string;
  readonly queue?: string;
  /** Id of the schedule that made it. */
  readonly schedule?: string;
}

/** An element of a page: a task, or the place where one in a block has to be looked up and filtered by `matchesFilter`. */
export type ListedTask = TaskView | ({ readonly number: number } & (FinishedLocation | FarLocation));

/** A page of a list, newest first. */
export interface TaskPage {
  readonly tasks: readonly ListedTask[];
  /** Give it back for the next page; undefined at the end. A page may be empty and yet not the last: it looked at enough. */
  readonly cursor: number | undefined;
}
