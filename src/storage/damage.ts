import { InvariantError } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { LogIndex } from '../base/ids.ts';
import type { DatabaseName } from './disk.ts';
import { describeCause } from './failure-latch.ts';
import { UnknownFormatError } from './record.ts';
import { StorageError, type StorageErrorCode } from './storage-error.ts';

/** Closing words of every sentence about damage. */
const DAMAGE_ADVICE =
  'Keep the directory as it is and check the disk; leave this peer stopped while the others form a majority.';

/** The error for a record that does not read. */
export function undecodable(
  error: unknown,
  code: StorageErrorCode,
  location: string,
  what: string,
  index: LogIndex | undefined,
): StorageError {
  if (error instanceof UnknownFormatError) {
    const message = `${what} in ${location} was written by a later version of Taskraft: ${error.message}. Start that version.`;
    return new StorageError('FORMAT_UNKNOWN', message, index === undefined ? { cause: error } : { index, cause: error });
  }
  if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
  return damaged(code, location, `${what} is damaged (${error.message})`, index, error);
}

/** The error for damage, with where it is and what to do. */
export function damaged(
  code: StorageErrorCode,
  location: string,
  what: string,
  index: LogIndex | undefined,
  cause?: unknown,
): StorageError {
  const details = { ...(index === undefined ? {} : { index }), ...(cause === undefined ? {} : { cause }) };
  return new StorageError(code, `${location}: ${what}. ${DAMAGE_ADVICE}`, details);
}

/** Runs a read; an error of the database itself is told as damage of the one that it is in, any other as it is. */
export async function reading<Value>(name: DatabaseName, location: string, read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StorageError || error instanceof InvariantError) throw error;
    const cause = describeCause(error);
    if (name === 'log') throw damaged('LOG_DAMAGED', location, `the Raft log cannot be read (${cause})`, undefined, error);
    throw damaged('STATE_DAMAGED', location, `the state database cannot be read (${cause})`, undefined, error);
  }
}
