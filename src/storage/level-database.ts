import type { Level } from 'level';
import type { Database, DatabaseBatch, DatabaseEntry, RangeOptions } from './disk.ts';
import { RANGE_BYTES_DEFAULT } from './disk.ts';

/** An opened database of `level` with keys and values of bytes. */
export type ByteLevel = Level<Uint8Array, Uint8Array>;

type LevelBatch = ReturnType<ByteLevel['batch']>;

const SYNCED = { sync: true } as const;

/** Counts what is asked of the disk; LevelDB itself syncs a little more, when it makes and merges tables. */
export interface SyncCount {
  count: number;
}

/** `Database` on LevelDB. Batches are of the chained form, which is several times cheaper than the array form. */
export class LevelDatabase implements Database {
  readonly #level: ByteLevel;
  readonly #syncs: SyncCount;

  constructor(level: ByteLevel, syncs: SyncCount) {
    this.#level = level;
    this.#syncs = syncs;
  }

  batch(): DatabaseBatch {
    return new LevelDatabaseBatch(this.#level.batch(), this.#syncs);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return plain(await this.#level.get(key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    const values = await this.#level.getMany([...keys]);
    return values.map((value: Uint8Array | undefined) => plain(value));
  }

  async range(options: RangeOptions): Promise<readonly DatabaseEntry[]> {
    const { gte, lt, reverse = false, limit, maxBytes = RANGE_BYTES_DEFAULT } = options;
    // The mark is a 32-bit number in LevelDB's binding.
    const highWaterMarkBytes = Math.min(maxBytes, 0x7fff_ffff);
    const iterator = this.#level.iterator({ gte, lt, reverse, limit, fillCache: false, highWaterMarkBytes });
    const page: DatabaseEntry[] = [];
    try {
      let bytes = 0;
      while (page.length < limit && bytes < maxBytes) {
        // LevelDB may return fewer than asked for, by the mark above; none at all is the end.
        const entries = await iterator.nextv(limit - page.length);
        if (entries.length === 0) break;
        for (const [key, value] of entries) {
          if (bytes >= maxBytes) break;
          page.push([plain(key), plain(value)]);
          bytes += value.length;
        }
      }
    } finally {
      await iterator.close();
    }
    return page;
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}

/** `level` hands out `Buffer`s, whose `slice` is a view and not a copy. Nobody above should have to know. */
function plain<Bytes extends Uint8Array | undefined>(bytes: Bytes): Bytes | Uint8Array {
  return bytes === undefined ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

class LevelDatabaseBatch implements DatabaseBatch {
  readonly #batch: LevelBatch;
  readonly #syncs: SyncCount;
  #open = true;

  constructor(batch: LevelBatch, syncs: SyncCount) {
    this.#batch = batch;
    this.#syncs = syncs;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#batch.put(key, value);
  }

  del(key: Uint8Array): void {
    this.#batch.del(key);
  }

  write(): Promise<void> {
    this.#open = false;
    this.#syncs.count += 1;
    return this.#batch.write(SYNCED);
  }

  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    // Closing only lets go of memory and cannot fail in a way that anyone could act on.
    this.#batch.close().catch(() => undefined);
  }
}
