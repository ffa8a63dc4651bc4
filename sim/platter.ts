/**
 * What outlives a process: the platter of a simulated disk, with what a crash, a loss of power, or damage makes of it.
 */
import { assert } from '../src/base/assert.ts';
import { DecodeError } from '../src/base/bytes.ts';
import type { Crc32 } from '../src/base/hash.ts';
import type { LogIndex } from '../src/base/ids.ts';
import { below, type SeededRandom } from '../src/base/random.ts';
import type { Entry, HardState } from '../src/raft/types.ts';
import type { DatabaseName, HeadSlot } from '../src/storage/disk.ts';
import { HEAD_SLOT_BYTES } from '../src/storage/disk.ts';
import { decodeSlot, type HeadRecord } from '../src/storage/head.ts';
import { entryKey, indexOfKey, isEntryKey, isMetaKey } from '../src/storage/keys.ts';
import { LogCodec } from '../src/storage/log-record.ts';
import type { ChainLink } from './chain.ts';
import { Copies } from './copies.ts';
import { type DurableCopy, DurableLog } from './durable-log.ts';
import type { SimProcess } from './process.ts';
import { SortedStore, type Step } from './sorted-store.ts';

/** What is left of a disk that nothing fills: plenty. */
export const PLENTY_BYTES: number = 2 ** 40;

/** Batches that a crash of the file system can still take out of the middle of a log: those in files that are written to. */
const RECENT_BATCHES_MAX = 64;

/** Both slots of HEAD. */
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

/** A batch on its way. */
export interface InFlight {
  readonly name: DatabaseName;
  readonly steps: readonly Step[];
}

/** A whole disk as it was once. */
export interface DiskCopy {
  readonly stores: ReadonlyMap<DatabaseName, SortedStore>;
  readonly head: Slots | undefined;
  readonly durable: DurableCopy;
  /** How often it had been opened. */
  readonly boot: number;
  /** Which of the directories under the peer's name it is of. */
  readonly wipes: number;
}

/** What a crash left of the writes that were on their way. */
export interface CrashLoss {
  readonly inFlight: number;
  readonly kept: number;
}

/** See the head of this file. */
export class SimPlatter {
  /** Those that were opened and not removed. */
  readonly stores: Map<DatabaseName, SortedStore> = new Map();
  ballastBytes: number | undefined;
  /** For what is written. */
  readonly copies: Copies = new Copies();
  readonly durableLog: DurableLog;
  readonly #random: SeededRandom;
  readonly #codec: LogCodec;
  readonly #crc32: Crc32;
  /** HEAD as it reads now; undefined before the first write. */
  head: Slots | undefined;
  /** HEAD as it was when it was synced last, and what was written since. */
  syncedHead: Slots | undefined;
  unsyncedHead: HeadWrite[] = [];
  /** How often it was replaced by an empty one, or by a copy. */
  wipes = 0;
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
    this.#crc32 = crc32;
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

  /** What a record of `name` held before one of the newest batches wrote it, oldest first. */
  *earlierValues(name: DatabaseName): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    for (const { steps, before } of this.#recent.get(name) ?? []) {
      for (const [at, [key, value]] of steps.entries()) {
        const was = before[at];
        if (value !== undefined && was !== undefined) yield [key, was];
      }
    }
  }

  /** How many of the newest batches of the log would have to go for an entry to read again as it was before it was overwritten. */
  get batchesSinceOverwrite(): number | undefined {
    const recent = this.#recent.get('log') ?? [];
    for (let back = 1; back <= recent.length; back += 1) {
      const { steps, before } = recent[recent.length - back] as RecentBatch;
      const overwrites = steps.some(
        ([key, value], at) => value !== undefined && before[at] !== undefined && isEntryKey(key),
      );
      if (overwrites) return back;
    }
    return undefined;
  }

  /** Where the log would end without its `count` newest batches; undefined when that is not known. */
  endWithout(count: number): LogIndex | undefined {
    const recent = this.#recent.get('log') ?? [];
    const meta = recent[recent.length - 1 - count]?.steps.find(([key, value]) => value !== undefined && isMetaKey(key));
    return meta === undefined ? undefined : indexOfKey(meta[0]);
  }

  /** Up to which entry HEAD tells of the log, whatever a loss of power leaves of it: the newest that was synced, or one written since. */
  get headEnd(): LogIndex {
    let newest = 0;
    let end = 0;
    for (const sector of this.syncedHead ?? []) {
      const slot = decodeSlot(sector, this.#crc32);
      if (slot.state === 'valid' && slot.sequence > newest)
        ({
          sequence: newest,
          record: { lastIndex: end },
        } = slot);
    }
    for (const { sector } of this.unsyncedHead) {
      const slot = decodeSlot(sector, this.#crc32);
      if (slot.state === 'valid') end = Math.min(end, slot.record.lastIndex);
    }
    return end;
  }

  /** The newest hard state that HEAD holds, as far as it was synced; undefined where neither slot reads. */
  get headHardState(): HardState | undefined {
    let found: HeadRecord | undefined;
    let newest = -1;
    for (const sector of this.syncedHead ?? []) {
      const slot = decodeSlot(sector, this.#crc32);
      if (slot.state === 'valid' && slot.sequence > newest) ({ sequence: newest, record: found } = slot);
    }
    return found?.hardState;
  }

  /** True when both slots of HEAD were written, and read. */
  get isHeadWhole(): boolean {
    return this.head?.every((sector) => decodeSlot(sector, this.#crc32).state === 'valid') === true;
  }

  /** How often the directory was opened, as HEAD says. */
  get boot(): number {
    const slots = this.head?.map((sector) => decodeSlot(sector, this.#crc32)) ?? [];
    return Math.max(0, ...slots.map((slot) => (slot.state === 'valid' ? slot.record.boot : 0)));
  }

  /** Changes a slot of HEAD. Nobody has the disk open. */
  spoilHead(slot: HeadSlot, spoil: (sector: Uint8Array) => Uint8Array): void {
    assert(!this.locked, 'HEAD of a running process is written anew before it is read');
    const { head } = this;
    if (head === undefined) return;
    head[slot] = spoil(head[slot]);
    this.syncedHead = [head[0], head[1]];
    this.unsyncedHead = [];
  }

  /** All of it as it is now. Nobody has it open. */
  copy(): DiskCopy {
    assert(!this.locked, 'a directory is copied while no process has it open');
    const { head } = this;
    return {
      stores: new Map([...this.stores].map(([name, store]) => [name, store.clone()])),
      head: head === undefined ? undefined : [head[0], head[1]],
      durable: this.durableLog.copy(),
      boot: this.boot,
      wipes: this.wipes,
    };
  }

  /** Puts back what `copy` made. */
  restore({ stores, head, durable }: DiskCopy): void {
    assert(!this.locked, 'a directory in use is not replaced');
    this.stores.clear();
    for (const [name, store] of stores) this.stores.set(name, store.clone());
    this.#recent.clear();
    this.head = head === undefined ? undefined : [head[0], head[1]];
    this.syncedHead = head === undefined ? undefined : [head[0], head[1]];
    this.unsyncedHead = [];
    this.wipes += 1;
    this.durableLog.restored(durable);
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
    this.wipes += 1;
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

/** HEAD before anything was written to it. */
export function emptySlots(): Slots {
  return [new Uint8Array(HEAD_SLOT_BYTES), new Uint8Array(HEAD_SLOT_BYTES)];
}

function textOf(key: Uint8Array): string {
  return key.join(',');
}
