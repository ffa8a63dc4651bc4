import type { Database, DatabaseBatch, DatabaseName, Disk, HeadSlot, StateName } from '../../../src/storage/disk.ts';
import { HEAD_SLOT_BYTES } from '../../../src/storage/disk.ts';
import { MemoryDisk, MemoryPlatter } from '../../../src/storage/memory-disk.ts';

/** What becomes of writes that were not durable when the power went. */
export interface CrashOutcome {
  /** The batch that was being written is there as a whole, or not at all. */
  readonly batch: 'kept' | 'lost';
  /** A slot of HEAD that was written and not synced. */
  readonly slot: 'kept' | 'lost' | 'torn';
}

/** Every outcome. */
export const CRASH_OUTCOMES: readonly CrashOutcome[] = (['kept', 'lost'] as const).flatMap((batch) =>
  (['kept', 'lost', 'torn'] as const).map((slot) => ({ batch, slot })),
);

class PowerCut extends Error {}

/**
 * A disk whose power goes at a chosen step; steps are batches, writes and syncs of HEAD. Batches are durable when they are
 * written, HEAD when it is synced.
 */
export class CrashDisk implements Disk {
  readonly location = 'peers/p1';
  readonly #platter: MemoryPlatter;
  readonly #inner: MemoryDisk;
  readonly #crashAt: number;
  readonly #outcome: CrashOutcome;
  #durableHead: [Uint8Array, Uint8Array] | undefined;
  #steps = 0;
  #off = false;

  /**
   * @param crashAt The step that does not end, from 1 on.
   * @param platter What lies on it, durable.
   */
  constructor(crashAt: number, outcome: CrashOutcome, platter: MemoryPlatter = new MemoryPlatter()) {
    this.#platter = platter;
    this.#inner = new MemoryDisk(platter, this.location);
    this.#durableHead = platter.head === undefined ? undefined : [platter.head[0].slice(), platter.head[1].slice()];
    this.#crashAt = crashAt;
    this.#outcome = outcome;
  }

  /** True once the power went. */
  get off(): boolean {
    return this.#off;
  }

  /** What the next start finds. */
  platterAfter(): MemoryPlatter {
    const after = new MemoryPlatter();
    for (const [name, rows] of this.#platter.databases) after.databases.set(name, [...rows]);
    after.ballastBytes = this.#platter.ballastBytes;
    const written = this.#platter.head;
    const durable = this.#durableHead ?? [new Uint8Array(HEAD_SLOT_BYTES), new Uint8Array(HEAD_SLOT_BYTES)];
    if (written !== undefined)
      after.head = [this.#slotAfter(written[0], durable[0]), this.#slotAfter(written[1], durable[1])];
    return after;
  }

  /** How many slots would not survive as they are. */
  get unsyncedSlots(): number {
    const written = this.#platter.head;
    if (written === undefined) return 0;
    return written.filter((slot, at) => !same(slot, this.#durableHead?.[at] ?? new Uint8Array(HEAD_SLOT_BYTES))).length;
  }

  async openDatabase(name: DatabaseName): Promise<Database> {
    const inner = await this.#inner.openDatabase(name);
    return {
      batch: () => this.#batch(inner.batch()),
      get: (key) => inner.get(key),
      getMany: (keys) => inner.getMany(keys),
      range: (options) => inner.range(options),
      close: () => inner.close(),
    };
  }

  listStates(): Promise<readonly StateName[]> {
    return this.#inner.listStates();
  }

  async removeDatabase(name: DatabaseName): Promise<void> {
    try {
      this.#step();
    } catch (error) {
      if (this.#steps === this.#crashAt && this.#outcome.batch === 'kept') await this.#inner.removeDatabase(name);
      throw error;
    }
    await this.#inner.removeDatabase(name);
  }

  freeBytes(): Promise<number> {
    return this.#inner.freeBytes();
  }

  ballastBytes(): Promise<number | undefined> {
    return this.#inner.ballastBytes();
  }

  async reserveBallast(sizeBytes: number): Promise<void> {
    this.#step();
    await this.#inner.reserveBallast(sizeBytes);
  }

  async releaseBallast(): Promise<void> {
    this.#step();
    await this.#inner.releaseBallast();
  }

  readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    return this.#inner.readHead();
  }

  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    this.#step();
    this.#inner.writeHeadSlot(slot, sector);
  }

  async syncHead(): Promise<void> {
    this.#step();
    const head = this.#platter.head;
    this.#durableHead = head === undefined ? undefined : [head[0].slice(), head[1].slice()];
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #batch(inner: DatabaseBatch): DatabaseBatch {
    return {
      put: (key, value) => inner.put(key, value),
      del: (key) => inner.del(key),
      discard: () => inner.discard(),
      write: async () => {
        try {
          this.#step();
        } catch (error) {
          if (this.#steps === this.#crashAt && this.#outcome.batch === 'kept') await inner.write();
          throw error;
        }
        await inner.write();
      },
    };
  }

  #step(): void {
    if (this.#off) throw new PowerCut('the power is off');
    this.#steps += 1;
    if (this.#steps < this.#crashAt) return;
    this.#off = true;
    throw new PowerCut('the power went');
  }

  #slotAfter(written: Uint8Array, durable: Uint8Array): Uint8Array {
    if (same(written, durable) || this.#outcome.slot === 'kept') return written;
    if (this.#outcome.slot === 'lost') return durable;
    const torn = durable.slice();
    torn.set(written.subarray(0, HEAD_SLOT_BYTES / 2));
    torn[HEAD_SLOT_BYTES - 1] = (torn[HEAD_SLOT_BYTES - 1] as number) ^ 0xff;
    return torn;
  }
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, at) => byte === right[at]);
}
