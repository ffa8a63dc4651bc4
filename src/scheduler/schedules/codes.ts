/** What becomes of occurrences, by number: in records and while applying. */
import type { OccurrenceKind, SkipReason } from './outcome.ts';

/** The kinds of occurrences by code; a code is never used for anything else. */
export const KINDS: readonly OccurrenceKind[] = ['planned', 'trigger', 'backfill'];

/** The codes of the kinds. */
export const KIND = { planned: 0, trigger: 1, backfill: 2 } as const;

/** The reasons for skipping by code, 0 for none; a code is never used for anything else. */
export const SKIPS: readonly (SkipReason | undefined)[] = [
  undefined,
  'paused',
  'missed',
  'outsideWindow',
  'superseded',
  'catchUpLimit',
  'overlap',
  'bufferFull',
  'taskLimit',
  'deleted',
];

/** The codes of the reasons. */
export const SKIP = {
  none: 0,
  paused: 1,
  missed: 2,
  outsideWindow: 3,
  superseded: 4,
  catchUpLimit: 5,
  overlap: 6,
  bufferFull: 7,
  taskLimit: 8,
  deleted: 9,
} as const;
