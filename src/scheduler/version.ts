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
 */
export const LOG_VERSION = 1;

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
} as const;

/** The byte for how an attempt ended. */
export const OUTCOME_CODES = { done: 1, failed: 2, snoozed: 3, returned: 4 } as const;

/** Bits of the byte before each task of a submission; the two lowest are the payload's encoding. */
export const TASK_BITS = { headers: 4, key: 8, runAt: 16, delay: 32 } as const;

/** Bits of the byte before the outcome `failed`; the two lowest are the error's encoding. */
export const FAILED_BITS = { nonRetryable: 4, retryAfter: 8 } as const;
