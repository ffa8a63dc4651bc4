import { assert } from '../base/assert.ts';
import type {
  Database,
  DatabaseBatch,
  DatabaseEntry,
  DatabaseName,
  Disk,
  HeadSlot,
  RangeOptions,
  StateName,
} from './disk.ts';
import { generationOf, HEAD_SLOT_BYTES, RANGE_BYTES_DEFAULT, stateName } from './disk.ts';
import { compareKeys } from './keys.ts';
import { StorageError } from './storage-error.ts';

/** Keys and values of one database. Sorted by key, each key once. */
export type MemoryRows = [key: Uint8Array, value: Uint8Array][];

/** What outlives the process that had it open: the platter of a `MemoryDisk`. */
export class MemoryPlatter {
  /** Those that were opened and not removed. */
  readonly databases: Map<DatabaseName, MemoryRows> = new Map();
  /** What a disk says is left. */
  freeBytes: number = 2 ** 40;
  ballastBytes: number | undefined;
  head: [Uint8Array, Uint8Array] | undefined;
  /** True while a `MemoryDisk` holds it. */
  locked = false;

  /** What lies in `name`, which is made where there is none. */
  rows(name: DatabaseName): MemoryRows {
    const rows = this.databases.get(name) ?? [];
    this.databases.set(name, rows);
    return rows;
  }
}

/** A disk that forgets nothing and never fails. What is written is there at once; a sync has nothing to do. */
export class MemoryDisk implements Disk {
  readonly location: string;
  readonly #platter: MemoryPlatter;
  #closed = false;

  /** Takes the lock of `platter`. @throws StorageError `DATA_DIR_LOCKED` */
  constructor(platter: MemoryPlatter = new MemoryPlatter(), location = 'memory') {
    if (platter.locked) {
      throw new StorageError('DATA_DIR_LOCKED', `the data directory ${location} is in use by another process`);
    }
    platter.locked = true;
    this.#platter = platter;
    this.location = location;
  }

  async openDatabase(name: DatabaseName): Promise<Database> {
    assert(!this.#closed, 'a closed disk opens no database');
    return new MemoryDatabase(this.#platter.rows(name));
  }

  async listStates(): Promise<readonly StateName[]> {
    const generations = [...this.#platter.databases.keys()].map((name) => generationOf(name) ?? 0);
    const ascending = generations.filter((generation) => generation > 0).sort((left, right) => left - right);
    return ascending.map((generation) => stateName(generation));
  }

  async removeDatabase(name: DatabaseName): Promise<void> {
    assert(!this.#closed, 'a closed disk removes nothing');
    this.#platter.databases.delete(name);
  }

  async freeBytes(): Promise<number> {
    return this.#platter.freeBytes;
  }

  async ballastBytes(): Promise<number | undefined> {
    return this.#platter.ballastBytes;
  }

  async reserveBallast(sizeBytes: number): Promise<void> {
    if (this.#closed) return;
    this.#platter.ballastBytes = sizeBytes;
  }

  async releaseBallast(): Promise<void> {
    if (this.#platter.ballastBytes !== undefined) this.#platter.ballastBytes = 0;
  }

  async readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    const head = this.#platter.head;
    return head === undefined ? undefined : [head[0].slice(), head[1].slice()];
  }

  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    assert(!this.#closed, 'a closed disk writes nothing');
    assert(sector.length === HEAD_SLOT_BYTES, 'a slot is one sector');
    this.#platter.head ??= [new Uint8Array(HEAD_SLOT_BYTES), new Uint8Array(HEAD_SLOT_BYTES)];
    this.#platter.head[slot] = sector.slice();
  }

  async syncHead(): Promise<void> {
    assert(!this.#closed, 'a closed disk syncs nothing');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#platter.locked = false;
  }
}

class MemoryDatabase implements Database {
  readonly #entries: [key: Uint8Array, value: Uint8Array][];
  #closed = false;

  constructor(entries: [key: Uint8Array, value: Uint8Array][]) {
    this.#entries = entries;
  }

  batch(): DatabaseBatch {
    this.#checkOpen();
    return new MemoryBatch((steps) => {
      this.#checkOpen();
      for (const [key, value] of steps) this.#apply(key, value);
    });
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    const at = this.#lowerBound(key);
    const entry = this.#entries[at];
    return entry !== undefined && compareKeys(entry[0], key) === 0 ? entry[1].slice() : undefined;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async range(options: RangeOptions): Promise<readonly DatabaseEntry[]> {
    this.#checkOpen();
    const { gte, lt, reverse = false, limit, maxBytes = RANGE_BYTES_DEFAULT } = options;
    const start = this.#lowerBound(gte);
    const end = this.#lowerBound(lt);
    const page: DatabaseEntry[] = [];
    let bytes = 0;
    for (let count = 0; count < end - start && count < limit && bytes < maxBytes; count += 1) {
      const [key, value] = this.#entries[reverse ? end - 1 - count : start + count] as DatabaseEntry;
      page.push([key.slice(), value.slice()]);
      bytes += value.length;
    }
    return page;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #apply(key: Uint8Array, value: Uint8Array | undefined): void {
    const at = this.#lowerBound(key);
    const found = this.#entries[at];
    const present = found !== undefined && compareKeys(found[0], key) === 0;
    if (value === undefined) {
      if (present) this.#entries.splice(at, 1);
    } else {
      this.#entries.splice(at, present ? 1 : 0, [key, value]);
    }
  }

  /** The place of the first entry whose key is not below `key`. */
  #lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.#entries.length;
    // The log is written at its end, so the end is looked at first.
    const last = this.#entries[high - 1];
    if (last !== undefined && compareKeys(last[0], key) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys((this.#entries[middle] as DatabaseEntry)[0], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the database is closed');
  }
}

type Step = readonly [key: Uint8Array, value: Uint8Array | undefined];

class MemoryBatch implements DatabaseBatch {
  readonly #apply: (steps: readonly Step[]) => void;
  #steps: Step[] = [];

  constructor(apply: (steps: readonly Step[]) => void) {
    this.#apply = apply;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#steps.push([key.slice(), value.slice()]);
  }

  del(key: Uint8Array): void {
    this.#steps.push([key.slice(), undefined]);
  }

  async write(): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    this.#apply(steps);
  }

  discard(): void {
    this.#steps = [];
  }
}
