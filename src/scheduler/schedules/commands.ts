/**
 * What can be asked of schedules. When a schedule fires is no business of the state machine: its calendar is opaque bytes, and the
 * leader proposes the next instants, computed from them, by `advanceSchedule`.
 */
import type { Blob, TaskTemplate } from '../command.ts';

/** What happens to an occurrence that fires while a task of its schedule is not final. */
export type Overlap =
  /** It is skipped. */
  | 'skip'
  /** One occurrence waits until all tasks of the schedule are final, further ones are skipped. */
  | 'bufferOne'
  /** Up to `scheduleBufferMax` wait, and start one after the other. */
  | 'bufferAll'
  /** All tasks of the schedule are cancelled, and it starts when they are final. */
  | 'cancelOther'
  /** It starts. */
  | 'allow';

/** What happens to occurrences that are reached more than `missedAfterMs` late. */
export type CatchUp =
  /** The newest that is due fires, the ones before are skipped. */
  | 'latest'
  /** All fire, `catchUpPaceMs` apart, at most `catchUpMax` in a row. */
  | 'all'
  /** None fires. */
  | 'none';

/** The rules of a schedule that the state machine goes by. */
export interface SchedulePolicy {
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  /** An occurrence that is further back than this is not caught up. */
  readonly catchUpWindowMs: number;
  /** How many tasks planned occurrences may make over the life of the schedule, whatever its version; 0 for any number. */
  readonly maxRuns: number;
  /** After so many tasks in a row that ended as `failed` the schedule is paused; 0 for never. */
  readonly pauseOnFailure: number;
}

/** What a schedule makes tasks of. */
export interface ScheduledTask {
  readonly template: TaskTemplate;
  readonly payload: Blob;
  readonly headers?: Blob;
}

/** One planned occurrence. */
export interface PlannedOccurrence {
  /** The instant that the calendar names; with the schedule it identifies the occurrence. */
  readonly plannedMs: number;
  /** The instant at which it fires: the planned one, or a little later where the calendar spreads. */
  readonly fireAtMs: number;
}

/** Commands about schedules. `schedule` is the id that users gave, of the name alphabet, unique in its namespace. */
export type ScheduleCommand =
  /** Makes the schedule or changes it. The answer is `schedulePut`. */
  | {
      readonly type: 'putSchedule';
      readonly namespace: string;
      readonly schedule: string;
      /** -1: whatever is there. 0: it must not exist. n: it must have this version. */
      readonly expectedVersion: number;
      /** Canonical: equal definitions are equal bytes. Up to `calendarBytesMax`. */
      readonly calendar: Uint8Array;
      readonly task: ScheduledTask;
      readonly policy: SchedulePolicy;
      /** Looked at when the schedule is made; a later put leaves it as it is. */
      readonly paused: boolean;
    }
  /** Ends it. What waits in its buffer is skipped; its running tasks go on. `expectedVersion` is -1 for any. */
  | {
      readonly type: 'deleteSchedule';
      readonly namespace: string;
      readonly schedule: string;
      readonly expectedVersion: number;
    }
  /** While it is paused its occurrences are skipped. Again: the note is replaced. */
  | { readonly type: 'pauseSchedule'; readonly namespace: string; readonly schedule: string; readonly note: Blob }
  | { readonly type: 'resumeSchedule'; readonly namespace: string; readonly schedule: string; readonly note: Blob }
  /** One occurrence now, also of a schedule that is paused or has ended. The answer is `scheduleTriggered`. */
  | {
      readonly type: 'triggerSchedule';
      readonly namespace: string;
      readonly schedule: string;
      /** Drawn by the client. A repeat among the last `scheduleRequestsMax` of the schedule gives the first answer. */
      readonly request: string;
      /** In place of the schedule's own. */
      readonly overlap?: Overlap;
    }
  /** Occurrences of the past, beside those that fired or were skipped. The answer is `backfilled`. */
  | {
      readonly type: 'backfillSchedule';
      readonly namespace: string;
      readonly schedule: string;
      /** Of which the instants were computed: the present one. */
      readonly version: number;
      /** The schedule's number, which one that was deleted and made again does not have. Absent: whichever has the id. */
      readonly number?: number;
      readonly request: string;
      /** 1 to `backfillMax`, increasing, none after now; fewer where the schedule's payload is large, see `backfillBytesMax`. */
      readonly plannedMs: readonly number[];
      readonly overlap?: Overlap;
    }
  /** The next instants, from the leader. Refused with `STALE` when the schedule has moved on since they were computed. */
  | {
      readonly type: 'advanceSchedule';
      /** The schedule's number, which no other one ever gets. */
      readonly number: number;
      readonly version: number;
      /** How far instants were computed before: `computedThroughMs` of the state. */
      readonly fromMs: number;
      /** 0 to 64, planned after `fromMs` and not after `throughMs`, increasing; `fireAtMs` never goes back. */
      readonly occurrences: readonly PlannedOccurrence[];
      /** There are no other instants up to here. */
      readonly throughMs: number;
      /** There will never be another. */
      readonly exhausted: boolean;
    };
