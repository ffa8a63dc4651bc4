/**
 * The port to one data directory: what LevelDB and two small files give, and no more. `LevelDisk` implements it in the
 * product, `MemoryDisk` in tests, a faulty one in `sim/`. All of them pass `test/storage/conformance.ts`.
 *
 * An implementation throws `StorageError` with `DATA_DIR_LOCKED` or `DATA_DIR_UNUSABLE` from what opens, and rejects with
 * any error when a write or read fails; the callers in this folder decide what that means.
 */

import { assert } from '../base/assert.ts';

/**
 * One generation of the state database. The first is called `state`, the next `state-2`: a state that arrives from another
 * peer is built in a generation of its own, beside the one in use.
 */
export type StateName = 'state' | `state-${number}`;

/** The databases of a directory: the Raft log, and the state that checkpoints write. */
export type DatabaseName = 'log' | StateName;

/** What a database is for, whatever generation it is of. */
export type DatabaseRole = 'log' | 'state';

/** The name of a generation of the state, counted from 1. */
export function stateName(generation: number): StateName {
  assert(Number.isSafeInteger(generation) && generation >= 1, 'generations of the state are counted from 1');
  return generation === 1 ? 'state' : `state-${generation}`;
}

/** The generation that `name` names; undefined when it names none. */
export function generationOf(name: string): number | undefined {
  if (name === 'state') return 1;
  const digits = /^state-([1-9]\d{0,14})$/.exec(name)?.[1];
  return digits === undefined || digits === '1' ? undefined : Number(digits);
}

/** Bytes of a HEAD slot: one sector, the unit that a disk writes whole. */
export const HEAD_SLOT_BYTES = 512;

/** Which of the two slots of HEAD. */
export type HeadSlot = 0 | 1;

/** One data directory, held by one process. */
export interface Disk {
  /** Where it is, for sentences that an operator reads. */
  readonly location: string;
  /**
   * Opens a database, made empty where there is none. It may be closed and opened again.
   * @throws StorageError `DATA_DIR_LOCKED` when another process holds the directory.
   */
  openDatabase(name: DatabaseName): Promise<Database>;
  /** The generations of the state that are there, ascending. */
  listStates(): Promise<readonly StateName[]>;
  /**
   * Removes a database, which is closed, with all that is in it. It is gone for `openDatabase` at once or not at all, and for
   * good when the promise is fulfilled. Does nothing where there is none.
   */
  removeDatabase(name: DatabaseName): Promise<void>;
  /** Bytes that can still be written to the file system of the directory. */
  freeBytes(): Promise<number>;
  /** Bytes of the ballast; 0 after it was released, undefined where there never was one. */
  ballastBytes(): Promise<number | undefined>;
  /**
   * Takes `sizeBytes` of the file system for nothing but to be given back by `releaseBallast`. Not when there is some. Ends
   * early, with nothing taken, when the disk is closed or the ballast is released meanwhile. @throws when there is no room.
   */
  reserveBallast(sizeBytes: number): Promise<void>;
  /** Gives the ballast back. Fulfilled when the room is there. */
  releaseBallast(): Promise<void>;
  /**
   * Both slots of HEAD as they read now, shorter than a sector where the file is; undefined when there is no file.
   * What was written and not synced is read, as in a file.
   */
  readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined>;
  /**
   * Overwrites one slot with exactly `HEAD_SLOT_BYTES` bytes, and makes the file where there is none. Synchronous and not
   * synced: after a crash of the process it is there, after a crash of the machine it may be there or not. The bytes are
   * the caller's again when it returns. @throws when the write fails.
   */
  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void;
  /** Makes durable all slots written before the call, and the file's existence. */
  syncHead(): Promise<void>;
  /** Closes HEAD and lets go of the directory. Databases are closed by their owner before. */
  close(): Promise<void>;
}

/**
 * Steps that are written together or not at all. They take effect in their order, so the last one on a key stands. Keys
 * and values are taken over as bytes at once: they are the caller's again when `put` or `del` returns.
 */
export interface DatabaseBatch {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
  /**
   * Writes it, synced: when the promise is fulfilled it survives a crash of the machine. The batch is at its end with the
   * call. One write is in flight in a database at a time; the caller sees to it. After a rejected write nothing is known
   * about the batch, and the database must be closed.
   */
  write(): Promise<void>;
  /** Gives it up unwritten. Does nothing after `write`. */
  discard(): void;
}

/** A page of a range: keys from `gte` to below `lt` in byte order, or from below `lt` downwards. */
export interface RangeOptions {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** Highest key first. Default false. */
  readonly reverse?: boolean;
  /** Most entries in the page, 1 and more. */
  readonly limit: number;
  /** The page ends with the entry that reaches this many bytes of values. Default 1 MiB. */
  readonly maxBytes?: number;
}

/** `RangeOptions.maxBytes` where it is not given: 1 MiB. */
export const RANGE_BYTES_DEFAULT: number = 1024 * 1024;

/** A key and its value. The bytes belong to the receiver. */
export type DatabaseEntry = readonly [key: Uint8Array, value: Uint8Array];

/** An ordered map of bytes to bytes. */
export interface Database {
  /** An empty batch. */
  batch(): DatabaseBatch;
  /** The value under `key`, or undefined. The bytes belong to the receiver. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** The values under `keys`, in their order. */
  getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** One page. An empty page means that the range is empty; a page shorter than `limit` does not mean that it is at its end. */
  range(options: RangeOptions): Promise<readonly DatabaseEntry[]>;
  /** Closes it when everything under way is done. Later calls reject. Repeated calls do nothing. */
  close(): Promise<void>;
}
