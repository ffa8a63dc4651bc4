/**
 * The simulated disk: what LevelDB and one small file give, with the losses that a crash may bring.
 *
 * A batch is there as a whole once it is synced; when a crash meets it on its way it is there as a whole or not at all. A sector
 * of HEAD that was written and not synced survives the death of the process; a loss of power leaves, for each slot, what was
 * synced last or anything that was written since. The lock goes with the process.
 */
import { assert } from '../src/base/assert.ts';
import { below, type SeededRandom } from '../src/base/random.ts';
import type {
  Database,
  DatabaseBatch,
  DatabaseEntry,
  DatabaseName,
  Disk,
  HeadSlot,
  RangeOptions,
  StateName,
} from '../src/storage/disk.ts';
import { generationOf, HEAD_SLOT_BYTES, stateName } from '../src/storage/disk.ts';
import { StorageError } from '../src/storage/storage-error.ts';
import { emptySlots, type InFlight, PLENTY_BYTES, type SimPlatter } from './platter.ts';
import type { SimProcess } from './process.ts';
import type { Step } from './sorted-store.ts';
import type { World } from './world.ts';

/** How fast a disk is. */
export interface DiskOptions {
  readonly writeUsMin: number;
  /** Mean of what is added to the least time of a synced write, exponentially distributed. */
  readonly writeUsMean: number;
  readonly readUsMean: number;
  /** Now and then a write takes this much longer. */
  readonly stallUs: number;
  readonly stallPerThousand: number;
}

/** How a process uses its disk. */
export interface DiskUse {
  /** How fast it is now. */
  speed(): DiskOptions;
  /** Something was just handed to it to write: the process may die right here. */
  writing(): void;
  /** What this write or sync fails with; undefined when it succeeds. */
  failure(): Error | undefined;
}

/** One process's view of a platter. */
export class SimDisk implements Disk {
  readonly location: string;
  readonly #world: World;
  readonly #platter: SimPlatter;
  readonly #process: SimProcess;
  readonly #use: DiskUse;
  readonly #random: SeededRandom;
  #closed = false;

  /** Takes the lock. @throws StorageError `DATA_DIR_LOCKED` */
  constructor(world: World, platter: SimPlatter, process: SimProcess, use: DiskUse) {
    this.location = `disk of ${process.host}`;
    if (platter.locked) throw new StorageError('DATA_DIR_LOCKED', `${this.location} is in use by another process`);
    platter.holder = process;
    this.#world = world;
    this.#platter = platter;
    this.#process = process;
    this.#use = use;
    this.#random = world.random(`disk of ${process.name}`);
  }

  async openDatabase(name: DatabaseName): Promise<Database> {
    assert(!this.#closed, 'a closed disk opens no database');
    await this.#read();
    this.#platter.store(name);
    return new SimDatabase(this.#platter, name, {
      read: () => this.#read(),
      write: (steps) => this.#write({ name, steps }),
    });
  }

  async listStates(): Promise<readonly StateName[]> {
    const generations = [...this.#platter.stores.keys()].map((name) => generationOf(name) ?? 0);
    const ascending = generations.filter((generation) => generation > 0).sort((left, right) => left - right);
    return ascending.map((generation) => stateName(generation));
  }

  async removeDatabase(name: DatabaseName): Promise<void> {
    assert(!this.#closed, 'a closed disk removes nothing');
    if (!this.#process.alive) return new Promise(() => {});
    this.#use.writing();
    await this.#wait(this.#writeUs());
    this.#platter.stores.delete(name);
  }

  async freeBytes(): Promise<number> {
    return this.#platter.freeBytes;
  }

  async ballastBytes(): Promise<number | undefined> {
    return this.#platter.ballastBytes;
  }

  async reserveBallast(sizeBytes: number): Promise<void> {
    const platter = this.#platter;
    if (this.#closed || !this.#process.alive) return;
    if (platter.freeBytes < sizeBytes) throw noSpace();
    if (platter.freeBytes < PLENTY_BYTES) platter.freeBytes -= sizeBytes;
    platter.ballastBytes = sizeBytes;
  }

  async releaseBallast(): Promise<void> {
    const platter = this.#platter;
    if (platter.ballastBytes === undefined) return;
    if (platter.freeBytes < PLENTY_BYTES) platter.freeBytes += platter.ballastBytes;
    platter.ballastBytes = 0;
  }

  async readHead(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    await this.#read();
    const { head } = this.#platter;
    return head === undefined ? undefined : [head[0].slice(), head[1].slice()];
  }

  writeHeadSlot(slot: HeadSlot, sector: Uint8Array): void {
    assert(!this.#closed, 'a closed disk writes nothing');
    assert(sector.length === HEAD_SLOT_BYTES, 'a slot is one sector');
    if (!this.#process.alive) return;
    const platter = this.#platter;
    this.#world.effect();
    this.#world.trace.foldBytes(sector);
    platter.head ??= emptySlots();
    // One copy: what lies on the platter is replaced and never written into.
    const copy = sector.slice();
    platter.head[slot] = copy;
    platter.unsyncedHead.push({ slot, sector: copy });
    this.#use.writing();
  }

  async syncHead(): Promise<void> {
    assert(!this.#closed, 'a closed disk syncs nothing');
    const platter = this.#platter;
    const covered = platter.unsyncedHead.length;
    await this.#wait(this.#writeUs());
    const failure = this.#use.failure();
    if (failure !== undefined) throw failure;
    const durable = platter.unsyncedHead.splice(0, covered);
    if (durable.length === 0) return;
    platter.syncedHead ??= emptySlots();
    for (const { slot, sector } of durable) platter.syncedHead[slot] = sector;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#platter.holder === this.#process) this.#platter.holder = undefined;
  }

  async #write(write: InFlight): Promise<void> {
    if (!this.#process.alive) return new Promise(() => {});
    const { steps } = write;
    for (let at = 0; at < steps.length; at += 1) {
      const step = steps[at] as Step;
      this.#world.trace.foldBytes(step[0]);
      if (step[1] !== undefined) this.#world.trace.foldBytes(step[1]);
    }
    this.#platter.inFlight.add(write);
    this.#use.writing();
    await this.#wait(this.#writeUs());
    const failure = this.#fills(write) ? noSpace() : this.#use.failure();
    if (failure !== undefined) {
      // Nothing is known of it: it may be there after the next open, or not.
      if (below(this.#random, 2) === 0) this.#platter.settle(write);
      this.#platter.inFlight.delete(write);
      throw failure;
    }
    this.#platter.settle(write);
  }

  /** Takes the room of a batch. True when there is not enough. */
  #fills({ steps }: InFlight): boolean {
    const platter = this.#platter;
    if (platter.freeBytes >= PLENTY_BYTES) return false;
    let sizeBytes = 0;
    for (const [key, value] of steps) sizeBytes += key.length + (value?.length ?? 0);
    if (sizeBytes > platter.freeBytes) return true;
    platter.freeBytes -= sizeBytes;
    return false;
  }

  #read(): Promise<void> {
    return this.#wait(1 + this.#exponential(this.#use.speed().readUsMean));
  }

  /** Fulfilled by an event of its own; never when the process died meanwhile. */
  #wait(us: number): Promise<void> {
    this.#world.effect();
    return new Promise((resolve) => {
      this.#world.schedule(this.#world.nowUs + us, 'disk', this.#process, resolve);
    });
  }

  #writeUs(): number {
    const { writeUsMin, writeUsMean, stallUs, stallPerThousand } = this.#use.speed();
    const stalled = below(this.#random, 1000) < stallPerThousand ? stallUs : 0;
    return writeUsMin + this.#exponential(writeUsMean) + stalled;
  }

  #exponential(mean: number): number {
    const uniform = (this.#random.uint32() + 1) / 0x1_0000_0001;
    return Math.floor(-Math.log(uniform) * mean);
  }
}

class SimDatabase implements Database {
  readonly #platter: SimPlatter;
  readonly #name: DatabaseName;
  readonly #io: { read(): Promise<void>; write(steps: readonly Step[]): Promise<void> };
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(
    platter: SimPlatter,
    name: DatabaseName,
    io: { read(): Promise<void>; write(steps: readonly Step[]): Promise<void> },
  ) {
    this.#platter = platter;
    this.#name = name;
    this.#io = io;
  }

  batch(): DatabaseBatch {
    this.#checkOpen();
    let steps: Step[] = [];
    return {
      put: (key, value) => steps.push([this.#platter.copies.of(key), this.#platter.copies.of(value)]),
      del: (key) => steps.push([this.#platter.copies.of(key), undefined]),
      write: () => {
        const taken = steps;
        steps = [];
        return this.#write(taken);
      },
      discard: () => {
        steps = [];
      },
    };
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    this.#checkOpen();
    const wanted = keys.map((key) => key.slice());
    await this.#io.read();
    return wanted.map((key) => this.#platter.store(this.#name).get(key));
  }

  async range(options: RangeOptions): Promise<readonly DatabaseEntry[]> {
    this.#checkOpen();
    await this.#io.read();
    return this.#platter.store(this.#name).range(options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
  }

  async #write(steps: readonly Step[]): Promise<void> {
    this.#checkOpen();
    assert(this.#writing === undefined, 'one write is in flight in a database at a time');
    this.#writing = this.#io.write(steps);
    try {
      await this.#writing;
    } finally {
      this.#writing = undefined;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the database is closed');
  }
}

/** What a write says when there is no room for it. */
function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on the simulated disk'), { code: 'ENOSPC' });
}
