import { chmodSync, closeSync, fdatasync, fsyncSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { Level } from 'level';
import { assert } from '../base/assert.ts';
import { damaged } from './damage.ts';
import type { Database, DatabaseName, Disk, HeadSlot } from './disk.ts';
import { HEAD_SLOT_BYTES } from './disk.ts';
import { describeCause } from './failure-latch.ts';
import { type ByteLevel, LevelDatabase, type SyncCount } from './level-database.ts';
import { makeDirectories } from './make-directories.ts';
import { StorageError } from './storage-error.ts';

const fdatasyncAsync = promisify(fdatasync);

/** Where slot 1 begins in the file: the slots lie in pages of their own, so that no write of a page touches both. */
const HEAD_SLOT_STRIDE = 4096;
const HEAD_FILE = 'HEAD';
/** All that a data directory holds. */
const OWN_NAMES: readonly string[] = ['HEAD', 'log', 'state'];
/** What damage of a database is called. */
const CODES = { log: 'LOG_DAMAGED', state: 'STATE_DAMAGED' } as const;
const MIB = 1024 * 1024;

/**
 * Compression is off: payloads are opaque and often packed, and its CPU would be paid three times in a cluster. The log
 * is written once and read seldom: large buffer and tables, so that whole tables move down the levels unread.
 */
const LEVEL_OPTIONS = {
  log: { writeBufferSize: 32 * MIB, maxFileSize: 32 * MIB, cacheSize: 2 * MIB, compression: false },
  state: { writeBufferSize: 16 * MIB, maxFileSize: 8 * MIB, cacheSize: 16 * MIB, compression: false },
} as const;

/**
 * A data directory of the file system: LevelDB databases in `log/` and `state/`, and the file `HEAD`. The lock that
 * LevelDB takes on the log database, for as long as that is open, is the lock of the directory.
 *
 * Sets the umask of the process to 077, because LevelDB makes files at any time: directories are 0700, files private.
 */
export class LevelDisk implements Disk {
  readonly location: string;
  #headFile: number | undefined;
  /** True while the directory entry of HEAD may not be durable. */
  #headIsNew = false;
  #closed = false;
  readonly #syncs: SyncCount = { count: 0 };

  /**
   * Takes `location` as data directory, made where there is none.
   * @throws StorageError `DATA_DIR_UNUSABLE` when it cannot be made or used, or holds anything else.
   */
  constructor(location: string) {
    this.location = location;
    process.umask(0o077);
    try {
      prepareDirectory(location);
    } catch (error) {
      if (error instanceof StorageError) throw error;
      throw unusable(location, error);
    }
  }

  /** How often data was forced to the disk for what was asked of this disk: batches of both databases, and HEAD. */
  get syncCount(): number {
    return this.#syncs.count;
  }

  async openDatabase(name: DatabaseName): Promise<Database> {
    assert(!this.#closed, 'a closed disk opens no database');
    const location = join(this.location, name);
    try {
      makeDirectories(location);
      chmodSync(location, 0o700);
      if (lostCurrent(location)) {
        throw damaged(CODES[name], this.location, `${location} holds files of LevelDB but not its file CURRENT`);
      }
      const level: ByteLevel = new Level<Uint8Array, Uint8Array>(location, {
        keyEncoding: 'view',
        valueEncoding: 'view',
        ...LEVEL_OPTIONS[name],
      });
      await level.open();
      syncDirectory(this.location);
      return new LevelDatabase(level, this.#syncs);
    } catch (error) {
      throw this.#openFailure(name, location, error);
    }
  }

  async readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    const file = this.#openHead(false);
    if (file === undefined) return undefined;
    const bytes = readFileSync(join(this.location, HEAD_FILE));
    return [
      Uint8Array.from(bytes.subarray(0, HEAD_SLOT_BYTES)),
      Uint8Array.from(bytes.subarray(HEAD_SLOT_STRIDE, HEAD_SLOT_STRIDE + HEAD_SLOT_BYTES)),
    ];
  }

  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    assert(!this.#closed, 'a closed disk writes nothing');
    assert(sector.length === HEAD_SLOT_BYTES, 'a slot is one sector');
    const file = this.#openHead(true) as number;
    const written = writeSync(file, sector, 0, HEAD_SLOT_BYTES, slot * HEAD_SLOT_STRIDE);
    if (written !== HEAD_SLOT_BYTES)
      throw new Error(`only ${written} of ${HEAD_SLOT_BYTES} bytes of HEAD were written`);
  }

  async syncHead(): Promise<void> {
    assert(!this.#closed, 'a closed disk syncs nothing');
    if (this.#headFile === undefined) return;
    this.#syncs.count += 1;
    await fdatasyncAsync(this.#headFile);
    if (!this.#headIsNew) return;
    syncDirectory(this.location);
    this.#headIsNew = false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#headFile !== undefined) closeSync(this.#headFile);
    this.#headFile = undefined;
  }

  /** The file, opened once; undefined when there is none and `create` is false. */
  #openHead(create: boolean): number | undefined {
    if (this.#headFile !== undefined) return this.#headFile;
    const path = join(this.location, HEAD_FILE);
    try {
      this.#headFile = openSync(path, 'r+');
      chmodSync(path, 0o600);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw unusable(this.location, error);
      if (!create) return undefined;
      this.#headFile = openSync(path, 'wx+', 0o600);
      this.#headIsNew = true;
    }
    return this.#headFile;
  }

  #openFailure(name: DatabaseName, location: string, error: unknown): StorageError {
    if (error instanceof StorageError) return error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    switch (codeOf(cause)) {
      case 'LEVEL_LOCKED':
        return new StorageError(
          'DATA_DIR_LOCKED',
          `the data directory ${this.location} is in use by another process: stop that one, or give this peer a directory of its own`,
          { cause },
        );
      case 'LEVEL_CORRUPTION':
        return damaged(CODES[name], this.location, `LevelDB cannot open ${location} (${describeCause(cause)})`, {
          cause,
        });
      default:
        return unusable(this.location, cause);
    }
  }
}

/** LevelDB would make a new database over the files of an old one whose `CURRENT` is gone, and delete those. */
function lostCurrent(location: string): boolean {
  const names = readdirSync(location);
  return !names.includes('CURRENT') && names.some((name) => /^MANIFEST-|\.(ldb|sst|log)$/.test(name));
}

function prepareDirectory(location: string): void {
  if (makeDirectories(location)) {
    syncDirectory(dirname(location));
    return;
  }
  const names = readdirSync(location);
  if (names.length > 0 && !names.some((name) => OWN_NAMES.includes(name))) {
    throw new StorageError(
      'DATA_DIR_UNUSABLE',
      `${location} is not empty and no data directory of Taskraft: give this peer a directory of its own`,
    );
  }
  chmodSync(location, 0o700);
}

/** Makes the names in a directory durable. */
function syncDirectory(location: string): void {
  const directory = openSync(location, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function unusable(location: string, error: unknown): StorageError {
  return new StorageError(
    'DATA_DIR_UNUSABLE',
    `the data directory ${location} cannot be used: ${describeCause(error)}. It must be a directory that this user may read and write.`,
    { cause: error },
  );
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
