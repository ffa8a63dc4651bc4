import { InvariantError } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { LogIndex } from '../base/ids.ts';
import type { DatabaseName } from './disk.ts';
import { describeCause } from './failure-latch.ts';
import { UnknownFormatError } from './record.ts';
import { StorageError, type StorageErrorCode } from './storage-error.ts';

/** What to do where nothing can be made whole again here. */
const KEEP_STOPPED =
  'Keep the directory as it is and check the disk; leave this peer stopped while the others form a majority.';

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
    : KEEP_STOPPED;
  const { index, cause } = details;
  return new StorageError(code, `${location}: ${what}. ${advice}`, {
    ...(index === undefined ? {} : { index }),
    cause,
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

/** Runs a read; an error of the database itself is told as damage of the one that it is in, any other as it is. */
export async function reading<Value>(name: DatabaseName, location: string, read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StorageError || error instanceof InvariantError) throw error;
    const cause = describeCause(error);
    if (name === 'log')
      throw damaged('LOG_DAMAGED', location, `the Raft log cannot be read (${cause})`, { cause: error });
    throw damaged('STATE_DAMAGED', location, `the state database cannot be read (${cause})`, { cause: error });
  }
}
