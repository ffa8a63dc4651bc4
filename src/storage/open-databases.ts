import { assert } from '../base/assert.ts';
import type { Crc32 } from '../base/hash.ts';
import { reading, undecodable } from './damage.ts';
import { type Database, type DatabaseRole, type Disk, generationOf, stateName } from './disk.ts';
import { decodeGeneration, type Generation } from './generation.ts';
import { GENERATION_KEY } from './keys.ts';
import { LOG_START } from './log-record.ts';

/** The two databases of a directory that is being opened: the log, and the generation of the state that the log names. */
export class OpenDatabases {
  readonly #disk: Disk;
  readonly #crc32: Crc32;
  readonly #open = new Map<DatabaseRole, Database>();
  #generation = 1;

  constructor(disk: Disk, crc32: Crc32) {
    this.#disk = disk;
    this.#crc32 = crc32;
  }

  /** Opens both. @throws StorageError */
  async open(): Promise<Generation> {
    await this.openLog();
    const generation = await this.#readGeneration();
    this.#generation = generation.number;
    this.#open.set('state', await this.#disk.openDatabase(stateName(generation.number)));
    return generation;
  }

  /** Opens the log alone. @throws StorageError */
  async openLog(): Promise<Database> {
    const log = await this.#disk.openDatabase('log');
    this.#open.set('log', log);
    return log;
  }

  get(role: DatabaseRole): Database {
    const database = this.#open.get(role);
    assert(database !== undefined, 'databases are opened before they are used');
    return database;
  }

  /** Closes it and opens it again. */
  async reopen(role: DatabaseRole): Promise<void> {
    await this.get(role).close();
    this.#open.delete(role);
    this.#open.set(role, await this.#disk.openDatabase(role === 'log' ? 'log' : stateName(this.#generation)));
  }

  /** Closes what is open, the log last, which is the lock of the directory. Never rejects. */
  async close(): Promise<void> {
    for (const role of ['state', 'log'] as const)
      await this.#open
        .get(role)
        ?.close()
        .catch(() => undefined);
    this.#open.clear();
  }

  /**
   * The generation in use. Where the log does not say it is the lowest: a snapshot that never was installed is a higher one,
   * and an installed one takes the others with it.
   */
  async #readGeneration(): Promise<Generation> {
    const { location } = this.#disk;
    const value = await reading('log', location, () => this.get('log').get(GENERATION_KEY));
    if (value === undefined) {
      const [lowest] = await this.#disk.listStates();
      return { number: lowest === undefined ? 1 : (generationOf(lowest) ?? 1), resetTo: LOG_START };
    }
    try {
      return decodeGeneration(value, this.#crc32);
    } catch (error) {
      throw undecodable(error, 'STATE_DAMAGED', location, 'the record that names the state database');
    }
  }
}
