import { InvariantError } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { LogIndex } from '../base/ids.ts';
import type { DatabaseRole } from './disk.ts';
import { describeCause } from './failure-latch.ts';
import { adviceFor, osTrouble } from './os-error.ts';
import { UnknownFormatError } from './record.ts';
import { StorageError, type StorageErrorCode } from './storage-error.ts';

/** What to do where nothing can be made whole again here. */
const KEEP_STOPPED =
  'Keep the directory as it is and check the disk; leave this peer stopped while the others form a majority.';
/** What to do where it is not known any more how this peer voted, so that it must not vote again under its old identity. */
const REPLACE =
  'Move the directory away, check the disk, and let this peer join as a new one: `taskraft cluster replace PEER`. A peer that is alone needs a copy of its directory back.';

/** What is known about damage beside the sentence. */
export interface DamageDetails {
  /** The first log index that cannot be trusted. */
  readonly index?: LogIndex | undefined;
  readonly cause?: unknown;
  /** True when the state could not be made anew either, because the log no longer begins at entry 1. */
  readonly logCompacted?: boolean;
}

/** The error for damage: what is wrong in `location`, and what the operator can do. */
export function damaged(
  code: StorageErrorCode,
  location: string,
  what: string,
  details: DamageDetails = {},
): StorageError {
  const replayable = code === 'STATE_DAMAGED' && details.logCompacted !== true;
  const advice = replayable
    ? `Check the disk, move ${location}/state away and start again: the state is made anew from the Raft log, as long as that begins at entry 1.`
    : code === 'HEAD_DAMAGED'
      ? REPLACE
      : KEEP_STOPPED;
  const { index, cause } = details;
  const finding = `${location}: ${what}`;
  return new StorageError(code, `${finding}. ${advice}`, {
    ...(index === undefined ? {} : { index }),
    cause,
    finding,
  });
}

/** The error for a record that does not read: `error` is what reading it threw. Other errors are thrown on. */
export function undecodable(
  error: unknown,
  code: StorageErrorCode,
  location: string,
  what: string,
  index?: LogIndex,
): StorageError {
  if (error instanceof UnknownFormatError) {
    const message = `${what} in ${location} was written by a later version of Taskraft: ${error.message}. Start that version.`;
    return new StorageError(
      'FORMAT_UNKNOWN',
      message,
      index === undefined ? { cause: error } : { index, cause: error },
    );
  }
  if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
  return damaged(code, location, `${what} is damaged (${error.message})`, { index, cause: error });
}

/**
 * Runs a read. An error of the database itself is told as damage of the one that it is in, but for troubles of the system,
 * which say nothing about what lies on the disk.
 */
export async function reading<Value>(name: DatabaseRole, location: string, read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StorageError || error instanceof InvariantError) throw error;
    const trouble = osTrouble(error);
    if (trouble !== undefined) {
      const message = `the data directory ${location} cannot be read: ${describeCause(error)}. ${adviceFor(trouble)}`;
      throw new StorageError('STORAGE_FAILED', message, { cause: error });
    }
    const cause = describeCause(error);
    if (name === 'log')
      throw damaged('LOG_DAMAGED', location, `the Raft log cannot be read (${cause})`, { cause: error });
    throw damaged('STATE_DAMAGED', location, `the state database cannot be read (${cause})`, { cause: error });
  }
}

/** The error for a directory that cannot be opened, read or written, for reasons that say nothing about damage. */
export function unusable(location: string, error: unknown): StorageError {
  const trouble = osTrouble(error);
  const advice = adviceFor(trouble ?? 'no-access');
  return new StorageError(
    trouble === 'no-space' ? 'NO_SPACE' : 'DATA_DIR_UNUSABLE',
    `the data directory ${location} cannot be used: ${describeCause(error)}. ${advice}`,
    { cause: error },
  );
}
