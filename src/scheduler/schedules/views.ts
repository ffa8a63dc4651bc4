/** What can be seen of schedules: plain objects, made when someone asks. */
import type { Blob } from '../command.ts';
import type { TaskState } from '../states.ts';
import type { PlannedOccurrence, ScheduledTask, SchedulePolicy } from './commands.ts';
import type { OccurrenceKind, SkipReason } from './outcome.ts';

/** Which occurrence made a task. */
export interface TaskOccurrence {
  /** The schedule's id. */
  readonly schedule: string;
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
}

/** One of the last occurrences that were settled. */
export interface RecentOccurrence {
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
  /** Log time. */
  readonly settledAtMs: number;
  /** Exactly one of the two. */
  readonly task?: number;
  readonly skipped?: SkipReason;
  /** How the task ended, once it has. */
  readonly ended?: TaskState;
}

/** Why a schedule stands still, or who let it go on: then the reason is `request`. */
export interface SchedulePause {
  /** `failures`: as many tasks in a row failed as its policy bears. */
  readonly reason: 'request' | 'failures';
  readonly atMs: number;
  /** A principal's name; `peer` where the cluster did it by itself. */
  readonly by: string;
  readonly note: Blob;
}

/** What a schedule has done so far, over all its versions. */
export interface ScheduleCounters {
  /** Tasks made, by kind of the occurrence. */
  readonly fired: Readonly<Record<OccurrenceKind, number>>;
  readonly skipped: Readonly<Record<SkipReason, number>>;
  /** How late planned occurrences made their tasks, see `SettledOccurrence.lateMs`. */
  readonly lateLastMs: number;
  readonly lateMaxMs: number;
  readonly lateSumMs: number;
}

/** Everything about one schedule. */
export interface ScheduleView {
  readonly number: number;
  readonly namespace: string;
  readonly id: string;
  readonly version: number;
  readonly calendar: Uint8Array;
  readonly task: ScheduledTask;
  readonly policy: SchedulePolicy;
  readonly createdAtMs: number;
  /** When this version was put, and by whom. */
  readonly updatedAtMs: number;
  readonly by: string;
  /** Present while it is paused. */
  readonly pause?: SchedulePause;
  /** How it was let go on last, if it ever was. */
  readonly resumed?: SchedulePause;
  /** True when nothing will be planned any more: the calendar is exhausted, or `maxRuns` is reached. */
  readonly ended: boolean;
  /** The calendar names no other instants up to here than those that were settled and `next`. */
  readonly computedThroughMs: number;
  /** Every occurrence planned up to here was taken up; those after it were not. */
  readonly settledThroughMs: number;
  /** The next instants as far as they are computed, at most 64. */
  readonly next: readonly PlannedOccurrence[];
  /** Occurrences that wait for tasks to be final, first in, first out. */
  readonly buffered: readonly {
    readonly version: number;
    readonly plannedMs: number;
    readonly kind: OccurrenceKind;
  }[];
  /** Tasks of it that are not final, of any version and kind; the first hundred by number. */
  readonly unfinished: number;
  readonly tasks: readonly number[];
  /** Until then an attempt of a task that it lost sight of may still run: nothing starts that must run alone. 0 or past: none. */
  readonly slotFreeAtMs: number;
  /** What counts against `maxRuns`. */
  readonly runs: number;
  /** Tasks in a row that ended as `failed`. */
  readonly failures: number;
  readonly counters: ScheduleCounters;
  /** The newest first, at most 32. */
  readonly recent: readonly RecentOccurrence[];
}

/** A schedule that is to be given its next instants. */
export interface WantingSchedule {
  readonly number: number;
  readonly namespace: string;
  readonly schedule: string;
  readonly version: number;
  readonly calendar: Uint8Array;
  /** Instants after this one are wanted. */
  readonly fromMs: number;
  /** How many it takes; what an `advanceSchedule` brings beyond that has to be brought again. */
  readonly room: number;
}
