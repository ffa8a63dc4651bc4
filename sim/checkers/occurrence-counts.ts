/** What occurrences came to, over all schedules of a run. */
import type { SkipReason } from '../../src/scheduler/outcome.ts';

/** What is counted over all schedules. */
export interface OccurrenceCounts {
  /** Occurrences that made a task, in the plan's own course. */
  occurrencesFired: number;
  /** Reached more than a minute late. */
  occurrencesMissed: number;
  caughtUp: number;
  skippedPaused: number;
  skippedMissed: number;
  skippedOutsideWindow: number;
  skippedSuperseded: number;
  skippedCatchUpLimit: number;
  skippedOverlap: number;
  skippedBufferFull: number;
  skippedDeleted: number;
  /** Occurrences that waited and then made a task. */
  bufferStarts: number;
  triggers: number;
  backfills: number;
  /** Changes of a schedule of which an instant was due and not settled. */
  changedWhileDue: number;
  /** Instants that one leader had stored and that fired under another. */
  firedByAnotherLeader: number;
  pausedByFailures: number;
}

/** None of anything. */
export function noCounts(): OccurrenceCounts {
  return {
    occurrencesFired: 0,
    occurrencesMissed: 0,
    caughtUp: 0,
    skippedPaused: 0,
    skippedMissed: 0,
    skippedOutsideWindow: 0,
    skippedSuperseded: 0,
    skippedCatchUpLimit: 0,
    skippedOverlap: 0,
    skippedBufferFull: 0,
    skippedDeleted: 0,
    bufferStarts: 0,
    triggers: 0,
    backfills: 0,
    changedWhileDue: 0,
    firedByAnotherLeader: 0,
    pausedByFailures: 0,
  };
}

/** Under which name an occurrence counts that was skipped for a reason. */
export const SKIP_COUNTS: Readonly<Partial<Record<SkipReason, keyof OccurrenceCounts>>> = {
  paused: 'skippedPaused',
  missed: 'skippedMissed',
  outsideWindow: 'skippedOutsideWindow',
  superseded: 'skippedSuperseded',
  catchUpLimit: 'skippedCatchUpLimit',
  overlap: 'skippedOverlap',
  bufferFull: 'skippedBufferFull',
  deleted: 'skippedDeleted',
};
