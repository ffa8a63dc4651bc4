/**
 * The simulated disk: what LevelDB and one small file give, with the losses that a crash may bring.
 *
 * A batch is there as a whole once it is synced; when a crash meets it on its way it is there as a whole or not at all. A sector
 * of HEAD that was written and not synced survives the death of the process; a loss of power leaves, for each slot, what was
 * synced last or anything that was written since. The lock goes with the process.
 */
import { assert } from '../src/base/assert.ts';
import { DecodeError } from '../src/base/bytes.ts';
import type { Crc32 } from '../src/base/hash.ts';
import type { LogIndex } from '../src/base/ids.ts';
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
import type { Entry } from '../src/raft/types.ts';
import { entryKey } from '../src/storage/keys.ts';
import { LogCodec } from '../src/storage/log-record.ts';
import { StorageError } from '../src/storage/storage-error.ts';
import type { ChainLink } from './chain.ts';
import { Copies } from './copies.ts';
import { DurableLog } from './durable-log.ts';
import type { SimProcess } from './process.ts';
import { SortedStore, type Step } from './sorted-store.ts';
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

/** What is left of a disk that nothing fills: plenty. */
export const PLENTY_BYTES: number = 2 ** 40;

/** Batches that a crash of the file system can still take out of the middle of a log: those in files that are written to. */
const RECENT_BATCHES_MAX = 64;

type Slots = [Uint8Array, Uint8Array];

interface HeadWrite {
  readonly slot: HeadSlot;
  readonly sector: Uint8Array;
}

/** A batch that is on the disk, with what it has overwritten. */
interface RecentBatch {
  readonly steps: readonly Step[];
  readonly before: readonly (Uint8Array | undefined)[];
}

interface InFlight {
  readonly name: DatabaseName;
  readonly steps: readonly Step[];
}

/** What a crash left of the writes that were on their way. */
export interface CrashLoss {
  readonly inFlight: number;
  readonly kept: number;
}

/** What outlives a process: the platter. */
export class SimPlatter {
  /** Those that were opened and not removed. */
  readonly stores: Map<DatabaseName, SortedStore> = new Map();
  ballastBytes: number | undefined;
  /** For what is written. */
  readonly copies: Copies = new Copies();
  readonly durableLog: DurableLog;
  readonly #random: SeededRandom;
  readonly #codec: LogCodec;
  /** HEAD as it reads now; undefined before the first write. */
  head: Slots | undefined;
  /** HEAD as it was when it was synced last, and what was written since. */
  syncedHead: Slots | undefined;
  unsyncedHead: HeadWrite[] = [];
  holder: SimProcess | undefined;
  readonly inFlight: Set<InFlight> = new Set();
  /** What can still be written, in bytes. Taken up by writes once it is less than plenty. */
  freeBytes: number = PLENTY_BYTES;
  /** The newest batches by database, oldest first; kept for those who want to damage them. */
  readonly #recent = new Map<DatabaseName, RecentBatch[]>();
  /** True when recent batches are kept. */
  readonly #keepsRecent: boolean;

  /** `history` is what was committed. `damageable`: batches can be lost out of the middle. */
  constructor(
    random: SeededRandom,
    crc32: Crc32,
    history: (index: LogIndex) => ChainLink | undefined = () => undefined,
    damageable = false,
  ) {
    this.#random = random;
    this.#codec = new LogCodec(crc32);
    this.durableLog = new DurableLog(crc32, history);
    this.#keepsRecent = damageable;
  }

  /** Entry `index` as it lies in the log database, for an observer whom no crash can hit; undefined when it does not read. */
  entryAt(index: LogIndex): Entry | undefined {
    const value = this.stores.get('log')?.get(entryKey(index));
    if (value === undefined) return undefined;
    try {
      return this.#codec.decodeEntry(value, index).entry;
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  /** The database `name`, made where there is none. */
  store(name: DatabaseName): SortedStore {
    const found = this.stores.get(name) ?? new SortedStore();
    this.stores.set(name, found);
    return found;
  }

  get locked(): boolean {
    return this.holder?.alive === true;
  }

  /** A batch reaches the platter. */
  settle(write: InFlight): void {
    this.inFlight.delete(write);
    const store = this.store(write.name);
    if (this.#keepsRecent) this.#remember(write.name, store, write.steps);
    store.apply(write.steps);
    if (write.name === 'log') this.durableLog.wrote(write.steps);
  }

  /** Batches of `name` that can be lost. */
  recentBatches(name: DatabaseName): number {
    return this.#recent.get(name)?.length ?? 0;
  }

  /**
   * Loses `count` batches of `name` that end `back` before the newest one; those behind them stay, as LevelDB has it when a block of
   * its log is damaged. The keys of them that nothing later has written read as before.
   */
  loseBatches(name: DatabaseName, back: number, count: number): void {
    const recent = this.#recent.get(name) ?? [];
    const end = recent.length - back;
    const lost = recent.splice(Math.max(0, end - count), Math.min(count, end));
    const later = recent.slice(Math.max(0, end - count));
    const written = new Set(later.flatMap(({ steps }) => steps.map(([key]) => textOf(key))));
    const store = this.store(name);
    for (const { steps, before } of lost.reverse()) {
      for (let at = steps.length - 1; at >= 0; at -= 1) {
        const [key] = steps[at] as Step;
        if (!written.has(textOf(key))) store.apply([[key, before[at]]]);
      }
    }
    // What the others had overwritten is not known any more.
    this.#recent.delete(name);
  }

  /** The disk is another one now: empty. */
  wipe(): void {
    assert(!this.locked, 'a directory in use is not emptied');
    this.stores.clear();
    this.#recent.clear();
    this.head = undefined;
    this.syncedHead = undefined;
    this.unsyncedHead = [];
    this.ballastBytes = undefined;
    this.durableLog.wiped();
  }

  #remember(name: DatabaseName, store: SortedStore, steps: readonly Step[]): void {
    const recent = this.#recent.get(name) ?? [];
    this.#recent.set(name, recent);
    recent.push({ steps, before: steps.map(([key]) => store.get(key)) });
    if (recent.length > RECENT_BATCHES_MAX) recent.shift();
  }

  /** The process that held it died; with `power` the host did too. */
  crash(power: boolean): CrashLoss {
    this.holder = undefined;
    const writes = [...this.inFlight];
    let kept = 0;
    for (const write of writes) {
      if (below(this.#random, 2) === 0) this.inFlight.delete(write);
      else {
        this.settle(write);
        kept += 1;
      }
    }
    if (power) this.#losePower();
    return { inFlight: writes.length, kept };
  }

  #losePower(): void {
    const { syncedHead, unsyncedHead } = this;
    if (syncedHead === undefined && unsyncedHead.length > 0 && below(this.#random, 2) === 0) {
      // The file itself was never synced.
      this.head = undefined;
    } else if (this.head !== undefined) {
      const slots: Slots = syncedHead === undefined ? emptySlots() : [syncedHead[0], syncedHead[1]];
      for (const slot of [0, 1] as const) {
        const written = unsyncedHead.filter((write) => write.slot === slot);
        const chosen = written[below(this.#random, written.length + 1) - 1];
        if (chosen !== undefined) slots[slot] = chosen.sector;
      }
      this.head = slots;
    }
    this.syncedHead = this.head === undefined ? undefined : [this.head[0], this.head[1]];
    this.unsyncedHead = [];
  }
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
    for (const [key, value] of write.steps) {
      this.#world.trace.foldBytes(key);
      if (value !== undefined) this.#world.trace.foldBytes(value);
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

function emptySlots(): Slots {
  return [new Uint8Array(HEAD_SLOT_BYTES), new Uint8Array(HEAD_SLOT_BYTES)];
}

/** What a write says when there is no room for it. */
function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on the simulated disk'), { code: 'ENOSPC' });
}

function textOf(key: Uint8Array): string {
  return key.join(',');
}
