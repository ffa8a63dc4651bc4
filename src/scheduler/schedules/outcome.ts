/** What becomes of occurrences, as data. */

/** Why an occurrence made no task. */
export type SkipReason =
  /** The schedule was paused. */
  | 'paused'
  /** It was missed, and the schedule catches nothing up. */
  | 'missed'
  /** It was missed by more than the window within which the schedule catches up. */
  | 'outsideWindow'
  /** A later one took its place: it was missed, or another one replaced it while it waited. */
  | 'superseded'
  /** As many missed ones in a row were caught up as may be. */
  | 'catchUpLimit'
  /** A task of the schedule was not final. */
  | 'overlap'
  /** So was one, and as many occurrences waited as may wait. */
  | 'bufferFull'
  /** The cluster held as many unfinished tasks as it may hold. */
  | 'taskLimit'
  /** It waited when its schedule was deleted. */
  | 'deleted';

/** Where an occurrence comes from: the calendar, `triggerSchedule` or `backfillSchedule`. */
export type OccurrenceKind = 'planned' | 'trigger' | 'backfill';

/** An occurrence that was settled: by a task, or skipped. Planned ones are settled once, by (schedule, version, plannedMs). */
export interface SettledOccurrence {
  /** The number of the schedule, which no other one ever gets. */
  readonly schedule: number;
  readonly namespace: string;
  readonly id: string;
  /** Of the schedule, as it was when the occurrence was planned. */
  readonly version: number;
  readonly plannedMs: number;
  readonly fireAtMs: number;
  readonly kind: OccurrenceKind;
  /** Exactly one of the two. */
  readonly task?: number;
  readonly skipped?: SkipReason;
  /** How long after `fireAtMs` it was judged, in log time; what it waited in the buffer does not count. 0 unless planned. */
  readonly lateMs: number;
}

/** The answer to `putSchedule`. */
export interface SchedulePut {
  readonly type: 'schedulePut';
  readonly number: number;
  readonly version: number;
  readonly created: boolean;
  /** True when it was there already with this very content. */
  readonly unchanged: boolean;
}

/** What became of a trigger. */
export type TriggerResult =
  | { readonly result: 'started'; readonly task: number }
  /** It starts when the tasks of the schedule are final. */
  | { readonly result: 'buffered' }
  | { readonly result: 'skipped'; readonly reason: SkipReason };

/** The answer to `triggerSchedule`. */
export interface ScheduleTriggered {
  readonly type: 'scheduleTriggered';
  readonly outcome: TriggerResult;
  /** True when the same request had been applied before. */
  readonly repeated: boolean;
}

/** The answer to `backfillSchedule`. */
export interface Backfilled {
  readonly type: 'backfilled';
  /** Occurrences that made a task or wait for one; the others were skipped, each with its reason. */
  readonly accepted: number;
  readonly repeated: boolean;
}
