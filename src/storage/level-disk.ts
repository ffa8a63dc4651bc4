import {
  chmodSync,
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { Level } from 'level';
import { assert } from '../base/assert.ts';
import { BallastFile } from './ballast-file.ts';
import { damaged, unusable } from './damage.ts';
import type { Database, DatabaseName, Disk, HeadSlot, StateName } from './disk.ts';
import { generationOf, HEAD_SLOT_BYTES, stateName } from './disk.ts';
import { describeCause } from './failure-latch.ts';
import { findBadFile } from './level-check.ts';
import { type ByteLevel, LevelDatabase, type SyncCount } from './level-database.ts';
import { makeDirectories } from './make-directories.ts';
import { StorageError } from './storage-error.ts';

const fdatasyncAsync = promisify(fdatasync);

/** Where slot 1 begins in the file: the slots lie in pages of their own, so that no write of a page touches both. */
const HEAD_SLOT_STRIDE = 4096;
const HEAD_FILE = 'HEAD';
/** What a data directory is known by. */
const OWN_NAMES: readonly string[] = ['HEAD', 'log', 'state'];
/** A database that is being removed is called so behind its name. */
const REMOVED = '.removed';
const MIB = 1024 * 1024;

/**
 * Compression is off: payloads are opaque and often packed, and its CPU would be paid three times in a cluster. The log
 * is written once and read seldom: large buffer and tables, so that whole tables move down the levels unread. Of a
 * thousand open files, LevelDB's own measure, two databases would use up the common limit of a process.
 */
const LEVEL_OPTIONS = {
  log: { writeBufferSize: 32 * MIB, maxFileSize: 32 * MIB, cacheSize: 2 * MIB, maxOpenFiles: 100, compression: false },
  state: {
    writeBufferSize: 16 * MIB,
    maxFileSize: 8 * MIB,
    cacheSize: 16 * MIB,
    maxOpenFiles: 400,
    compression: false,
  },
} as const;

/**
 * A data directory of the file system: LevelDB databases in `log/` and `state/` (later `state-2/` and so on), and the files
 * `HEAD` and `ballast`. The lock that
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
  readonly #ballast: BallastFile;

  /**
   * Takes `location` as data directory, made where there is none.
   * @throws StorageError `DATA_DIR_UNUSABLE` when it cannot be made or used, or holds anything else.
   */
  constructor(location: string) {
    this.location = location;
    this.#ballast = new BallastFile(location);
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
      await probeLock(location);
      if (lostCurrent(location)) {
        throw damaged(damageCode(name), this.location, `${location} holds files of LevelDB but not its file CURRENT`);
      }
      const badFile = await findBadFile(location, name !== 'log');
      if (badFile !== undefined) throw damaged(damageCode(name), this.location, badFile);
      const level: ByteLevel = new Level<Uint8Array, Uint8Array>(location, {
        keyEncoding: 'view',
        valueEncoding: 'view',
        ...LEVEL_OPTIONS[name === 'log' ? 'log' : 'state'],
      });
      await level.open();
      if (name === 'log') await this.#removeRemains();
      syncDirectory(this.location);
      return new LevelDatabase(level, this.#syncs);
    } catch (error) {
      throw this.#openFailure(name, location, error);
    }
  }

  async listStates(): Promise<readonly StateName[]> {
    const generations = readdirSync(this.location).map((name) => generationOf(name) ?? 0);
    const ascending = generations.filter((generation) => generation > 0).sort((left, right) => left - right);
    return ascending.map((generation) => stateName(generation));
  }

  async removeDatabase(name: DatabaseName): Promise<void> {
    assert(!this.#closed, 'a closed disk removes nothing');
    const location = join(this.location, name);
    const removed = location + REMOVED;
    await rm(removed, { recursive: true, force: true });
    if (!existsSync(location)) return;
    renameSync(location, removed);
    syncDirectory(this.location);
    await rm(removed, { recursive: true, force: true });
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.location);
    return bavail * bsize;
  }

  async ballastBytes(): Promise<number | undefined> {
    return this.#ballast.sizeBytes();
  }

  reserveBallast(sizeBytes: number): Promise<void> {
    return this.#ballast.reserve(sizeBytes);
  }

  releaseBallast(): Promise<void> {
    return this.#ballast.release();
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
    await this.#ballast.close();
    if (this.#headFile !== undefined) closeSync(this.#headFile);
    this.#headFile = undefined;
  }

  /** What a crash left of databases that were being removed. */
  async #removeRemains(): Promise<void> {
    const remains = readdirSync(this.location).filter((name) => name.endsWith(REMOVED));
    for (const name of remains) await rm(join(this.location, name), { recursive: true, force: true });
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
        return damaged(damageCode(name), this.location, `LevelDB cannot open ${location} (${describeCause(cause)})`, {
          cause,
        });
      default:
        return unusable(this.location, cause);
    }
  }
}

/**
 * Rejects with LevelDB's error when another process has the database open, before anything is said about damage: what one
 * process finds in the files of another that is running may be half written, and nothing of it is to be repaired. LevelDB
 * takes its lock first, and with these options goes no further.
 */
async function probeLock(location: string): Promise<void> {
  const probe = new Level(location, { createIfMissing: false, errorIfExists: true });
  try {
    await probe.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (codeOf(cause) === 'LEVEL_LOCKED') throw error;
  } finally {
    await probe.close();
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

/** What damage of a database is called. */
function damageCode(name: DatabaseName): 'LOG_DAMAGED' | 'STATE_DAMAGED' {
  return name === 'log' ? 'LOG_DAMAGED' : 'STATE_DAMAGED';
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
