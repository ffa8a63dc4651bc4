/**
 * The format of the log: what the bytes of an entry mean, and what applying them does.
 *
 * Entries that were written by an older program are applied again by a newer one, so nothing that is in a log may ever change
 * its meaning. A new command gets a new code; a changed one gets a new format byte beside the old one, and both stay readable.
 * A change of what applying does, a mended bug included, is switched on by an entry once every voter supports it.
 *
 * | version | since | what |
 * |---|---|---|
 * | 1 | 0.1.0 | the first |
 * | 2 | 0.2.0 | schedules: commands 17 to 23, which no log has before feature level 2; all others mean what they meant |
 * | 3 | 0.2.0 | tasks that are due far ahead are put into blocks, from the entry on that switches feature level 3 on; no command is new |
 */
export const LOG_VERSION = 3;

/** First byte of a batch. */
export const BATCH_KIND = 0x42;

/** Second byte of a batch. */
export const BATCH_FORMAT = 1;

/** Second byte of every command that there is so far. */
export const COMMAND_FORMAT = 1;

/** First byte of every command. A number is never used for anything else. */
export const COMMAND_CODES = {
  termStarted: 1,
  tick: 2,
  checkpointMark: 3,
  openSession: 4,
  endSession: 5,
  submit: 6,
  complete: 7,
  cancel: 8,
  saveCheckpoint: 9,
  extendRun: 10,
  workerAttached: 11,
  workerAway: 12,
  workerLost: 13,
  workerLeft: 14,
  drainWorker: 15,
  resumeWorker: 16,
  putSchedule: 17,
  deleteSchedule: 18,
  pauseSchedule: 19,
  resumeSchedule: 20,
  triggerSchedule: 21,
  backfillSchedule: 22,
  advanceSchedule: 23,
} as const;

/** The byte for how an attempt ended. */
export const OUTCOME_CODES = { done: 1, failed: 2, snoozed: 3, returned: 4 } as const;

/** Bits of the byte before each task of a submission; the two lowest are the payload's encoding. */
export const TASK_BITS = { headers: 4, key: 8, runAt: 16, delay: 32 } as const;

/** Bits of the byte before the outcome `failed`; the two lowest are the error's encoding. */
export const FAILED_BITS = { nonRetryable: 4, retryAfter: 8 } as const;

/** The policies for overlapping occurrences by code; 0 stands for none given. A code is never used for anything else. */
export const OVERLAP_CODES = { skip: 1, bufferOne: 2, bufferAll: 3, cancelOther: 4, allow: 5 } as const;

/** The policies for missed occurrences by code. A code is never used for anything else. */
export const CATCH_UP_CODES = { latest: 1, all: 2, none: 3 } as const;
