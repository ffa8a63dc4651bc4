import { assert } from '../../base/assert.ts';
import { ByteReader, DecodeError } from '../../base/bytes.ts';
import { type Crc32, hash64, type Hash64, sameHash } from '../../base/hash.ts';
import { type Block, decodeBlockRecord, encodeBlockRecord, mergePages } from './block-directory.ts';
import { BLOCK_BYTES_MAX, BLOCK_FORMAT, BlockBody, entrySizeBytes } from './block-format.ts';
import { DueHeap } from './due-heap.ts';
import { NumberMap } from './number-map.ts';
import { BLOCK_TAG_MAX, type NumberPages, PAGE_TASKS } from './number-pages.ts';
import type { Payloads } from './payloads.ts';
import { recordKey, type RecordSource, RecordTable } from './records.ts';
import { TABLE_IDS } from './table-ids.ts';

/** An hour in ms: the grain of retention. */
export const HOUR_MS = 3_600_000;

/** How much a namespace keeps of what finished; what is over goes, oldest blocks first. Equal on all peers. */
export interface BlockLimits {
  /** Tasks a namespace, 1,000,000 by default. */
  readonly tasksMax: number;
  /** Bytes a namespace, payloads outside of blocks included, 10 GiB by default. */
  readonly sizeBytesMax: number;
  /** Blocks of a namespace that are open at a time, 256 by default; one more seals the oldest. */
  readonly openBlocksMax: number;
}

/** The defaults. */
export const BLOCK_LIMITS: BlockLimits = { tasksMax: 1_000_000, sizeBytesMax: 10 * 1024 ** 3, openBlocksMax: 256 };

/** What a namespace keeps of finished tasks. */
export interface FinishedCounts {
  readonly tasks: number;
  readonly sizeBytes: number;
}

interface Namespace {
  readonly number: number;
  tasks: number;
  sizeBytes: number;
  /** By purge hour. */
  readonly open: Map<number, Block>;
  oldest: Block | undefined;
  newest: Block | undefined;
  /** True while it is listed as over its limits. */
  over: boolean;
}

/** Slot of the record that counts block ids, under key 0. */
const COUNTER_SLOT = 0;

/** The key under which the state database holds the body of a block. */
export function blockKey(id: number): Uint8Array {
  return recordKey(TABLE_IDS.blocks, id);
}

/** The hour since 1970 from which a task may be purged that is to be kept until `keepUntilMs`: rounded up. */
export function purgeHourOf(keepUntilMs: number): number {
  return Math.ceil(keepUntilMs / HOUR_MS);
}

/**
 * Finished tasks, as bytes in blocks of 64 KiB: one open block for each namespace and purge hour, which is sealed when it is full.
 *
 *     open ──full──▶ sealed ──a durable checkpoint holds it──▶ on disk only ──▶ purged
 *       └──────────────┴──── its hour came, or the namespace is over its limits ──────┘
 *
 * In: the bytes of one task at its end, and log time. Out: where a finished task is, and bodies to find it in. A block has a
 * directory record, which is in the digest and holds the hash of the body, and a body record, which a loader reads only for open
 * blocks. Purging drops whole blocks by their directory records and reads nothing.
 *
 * Invariant: what a namespace counts is the sum over its blocks; a block's tag is in no other block.
 */
export class Blocks {
  readonly directory: RecordTable;
  readonly bodies: RecordTable;
  readonly #crc32: Crc32;
  readonly #limits: BlockLimits;
  readonly #pages: NumberPages;
  readonly #payloads: Payloads;
  readonly #bySlot: (Block | undefined)[] = [undefined];
  readonly #idleSlots: number[] = [];
  readonly #slotByTag = new NumberMap();
  readonly #namespaces = new Map<number, Namespace>();
  /** Slots by purge hour, then id. */
  readonly #byHour = new DueHeap();
  /** Numbers of namespaces over their limits. */
  #over: number[] = [];
  /** Sealed blocks whose bodies are in memory, and perhaps some that were purged since. */
  #resident: Block[] = [];
  #nextId = 1;
  #counterAdded = false;
  #count = 0;
  /** While restoring: bodies by block id. */
  readonly #read = new Map<number, Uint8Array>();

  constructor(options: {
    readonly crc32: Crc32;
    readonly pages: NumberPages;
    readonly payloads: Payloads;
    readonly limits?: Partial<BlockLimits>;
  }) {
    this.#crc32 = options.crc32;
    this.#pages = options.pages;
    this.#payloads = options.payloads;
    this.#limits = { ...BLOCK_LIMITS, ...options.limits };
    assert(this.#limits.openBlocksMax >= 1, 'a namespace has room for an open block');
    this.directory = new RecordTable({
      id: TABLE_IDS.blockDirectory,
      name: 'blocks of finished tasks',
      format: 1,
      crc32: options.crc32,
      source: this.#directorySource(),
    });
    this.bodies = new RecordTable({
      id: TABLE_IDS.blocks,
      name: 'bodies of blocks',
      format: BLOCK_FORMAT,
      crc32: options.crc32,
      hashed: false,
      source: this.#bodySource(),
    });
  }

  /** Blocks that were not purged. */
  get count(): number {
    return this.#count;
  }

  /**
   * A live task ends: its bytes go into the open block of its namespace and hour, its number then names that block.
   *
   * @param outsideBytes Size of the payload that is kept in `Payloads`; 0 for none. It is purged together with the block.
   */
  append(namespace: number, purgeHour: number, number: number, entry: Uint8Array, outsideBytes = 0): void {
    const owner = this.#namespace(namespace);
    const sizeBytes = entrySizeBytes(number, entry.length);
    const block = this.#blockFor(owner, purgeHour, sizeBytes);
    const body = block.body;
    assert(body !== undefined, 'an open block is in memory');
    body.append(number, entry);
    this.#pages.setFinished(number, block.tag);
    if (block.tasks === 0 || number < block.firstNumber) block.firstNumber = number;
    if (number > block.lastNumber) block.lastNumber = number;
    block.tasks += 1;
    owner.tasks += 1;
    owner.sizeBytes += body.sizeBytes - block.sizeBytes + outsideBytes;
    block.sizeBytes = body.sizeBytes;
    if (outsideBytes > 0) {
      block.outside.push(number);
      block.outsideBytes += outsideBytes;
    }
    const page = Math.floor(number / PAGE_TASKS);
    const last = block.pages.at(-1);
    if (last?.page === page) last.count += 1;
    else block.pages.push({ page, count: 1 });
    if (sizeBytes >= BLOCK_BYTES_MAX) this.#seal(block);
    this.#noteOver(owner);
  }

  /** The id of the block that holds a finished task; undefined when the number is not finished, or was purged. */
  idOf(number: number): number | undefined {
    const tag = this.#pages.blockTagOf(number);
    return tag === 0 ? undefined : this.#bySlot[this.#slotByTag.get(tag)]?.id;
  }

  /** The body of a block in place; undefined when only the state database has it, under `blockKey`, or nobody. */
  body(id: number): Uint8Array | undefined {
    return this.#byId(id)?.body?.view();
  }

  /** True when `body` is the whole body of the sealed block `id`; what was read from a disk is asked about first. */
  isBody(id: number, body: Uint8Array): boolean {
    const block = this.#byId(id);
    if (block === undefined || !block.sealed) return false;
    return sameHash(this.#hashOf(block), hash64(this.#crc32, body));
  }

  counts(namespace: number): FinishedCounts {
    const owner = this.#namespaces.get(namespace);
    return { tasks: owner?.tasks ?? 0, sizeBytes: owner?.sizeBytes ?? 0 };
  }

  /** Log time of the next purge by hour; undefined when nothing is kept. */
  get nextPurgeMs(): number | undefined {
    const hour = this.#byHour.firstDueMs;
    return hour === undefined ? undefined : hour * HOUR_MS;
  }

  /** True when `purge` has something to do at `logTimeMs`. */
  purgeDue(logTimeMs: number): boolean {
    return this.#over.length > 0 || this.#hourDue(logTimeMs);
  }

  /**
   * Drops blocks whose hour has come, then those that namespaces hold over their limits, until `maxMoves` is used up. A block counts
   * as a move for every sixteen of its tasks and one for each payload outside of it, so the last may go a little over.
   *
   * @returns the moves used.
   */
  purge(logTimeMs: number, maxMoves: number): number {
    let moves = 0;
    while (moves < maxMoves && this.#hourDue(logTimeMs)) {
      moves += this.#drop(this.#at(this.#byHour.first));
    }
    while (moves < maxMoves && this.#over.length > 0) {
      const owner = this.#namespace(Math.min(...this.#over));
      if (owner.oldest !== undefined && this.#isOver(owner)) moves += this.#drop(owner.oldest);
      else this.#unlistOver(owner);
    }
    return moves;
  }

  /** A checkpoint is durable: sealed bodies in it leave memory. */
  written(): void {
    const kept: Block[] = [];
    for (const block of this.#resident) {
      if (this.#bySlot[block.slot] !== block) continue;
      if (this.bodies.isStored(block.slot)) {
        this.#hashOf(block);
        block.body = undefined;
      } else kept.push(block);
    }
    this.#resident = kept;
  }

  /** While restoring, once the directory was taken in: blocks whose bodies are needed too and were not given yet, by id. */
  missingBodies(): number[] {
    const missing: number[] = [];
    for (const block of this.#bySlot) {
      if (block !== undefined && !block.sealed && !this.#read.has(block.id)) missing.push(block.id);
    }
    return missing.sort((left, right) => left - right);
  }

  /** While restoring, once the directory was taken in: the body of this block is needed too. */
  isMissing(id: number): boolean {
    const block = this.#byId(id);
    return block !== undefined && !block.sealed && !this.#read.has(id);
  }

  /** Ends a restore. @throws DecodeError when the records contradict each other. */
  restored(): void {
    const blocks = this.#bySlot.filter((block) => block !== undefined);
    blocks.sort((left, right) => left.id - right.id);
    for (const block of blocks) {
      if (block.id >= this.#nextId) throw new DecodeError(`the block ${block.id} has an id that was not given out`);
      const owner = this.#namespace(block.namespace);
      this.#linkNewest(owner, block);
      owner.tasks += block.tasks;
      owner.sizeBytes += block.sizeBytes + block.outsideBytes;
      for (const { page, count } of block.pages) this.#pages.restoreFinished(page, count);
      if (!block.sealed) this.#restoreOpen(owner, block);
    }
    const owners = [...this.#namespaces.values()].sort((left, right) => left.number - right.number);
    for (const owner of owners) this.#noteOver(owner);
    this.#read.clear();
  }

  #hourDue(logTimeMs: number): boolean {
    const { nextPurgeMs } = this;
    return nextPurgeMs !== undefined && nextPurgeMs <= logTimeMs;
  }

  #blockFor(owner: Namespace, purgeHour: number, sizeBytes: number): Block {
    // A task that fills a block alone leaves the open one as it is.
    if (sizeBytes >= BLOCK_BYTES_MAX) return this.#create(owner, purgeHour, sizeBytes);
    const open = owner.open.get(purgeHour);
    if (open !== undefined && open.sizeBytes + sizeBytes <= BLOCK_BYTES_MAX) {
      this.directory.touch(open.slot);
      this.bodies.touch(open.slot);
      return open;
    }
    if (open !== undefined) this.#seal(open);
    else if (owner.open.size >= this.#limits.openBlocksMax) this.#sealOldest(owner);
    // Where one block was filled the next will be: it starts at full size. That is this peer's own affair.
    const block = this.#create(owner, purgeHour, open === undefined ? sizeBytes : BLOCK_BYTES_MAX - 1);
    owner.open.set(purgeHour, block);
    return block;
  }

  #create(owner: Namespace, purgeHour: number, sizeBytes: number): Block {
    const block = this.#newBlock(this.#drawId(), owner.number, purgeHour);
    block.body = new BlockBody(sizeBytes);
    this.#linkNewest(owner, block);
    this.directory.add(block.slot);
    this.bodies.add(block.slot);
    return block;
  }

  #drawId(): number {
    if (this.#counterAdded) this.directory.touch(COUNTER_SLOT);
    else this.directory.add(COUNTER_SLOT);
    this.#counterAdded = true;
    while (this.#slotByTag.get(tagOf(this.#nextId)) !== -1) this.#nextId += 1;
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  #newBlock(id: number, namespace: number, purgeHour: number): Block {
    const slot = this.#idleSlots.pop() ?? this.#bySlot.length;
    const block: Block = {
      slot,
      id,
      tag: tagOf(id),
      namespace,
      purgeHour,
      tasks: 0,
      sizeBytes: 0,
      firstNumber: 0,
      lastNumber: 0,
      sealed: false,
      hash: undefined,
      body: undefined,
      outside: [],
      outsideBytes: 0,
      pages: [],
      older: undefined,
      newer: undefined,
    };
    this.#bySlot[slot] = block;
    this.#slotByTag.set(block.tag, slot);
    this.#byHour.set(slot, purgeHour, id);
    this.#count += 1;
    return block;
  }

  #seal(block: Block): void {
    this.directory.touch(block.slot);
    block.sealed = true;
    block.pages = mergePages(block.pages);
    this.#resident.push(block);
    const { open } = this.#namespace(block.namespace);
    if (open.get(block.purgeHour) === block) open.delete(block.purgeHour);
  }

  #sealOldest(owner: Namespace): void {
    let oldest: Block | undefined;
    for (const block of owner.open.values()) if (oldest === undefined || block.id < oldest.id) oldest = block;
    if (oldest !== undefined) this.#seal(oldest);
  }

  /** @returns the moves that it took. */
  #drop(block: Block): number {
    const owner = this.#namespace(block.namespace);
    this.directory.remove(block.slot);
    this.bodies.remove(block.slot);
    for (const number of block.outside) this.#payloads.remove(number);
    for (const { page, count } of block.pages) this.#pages.purged(page, count);
    if (owner.open.get(block.purgeHour) === block) owner.open.delete(block.purgeHour);
    if (block.older === undefined) owner.oldest = block.newer;
    else block.older.newer = block.newer;
    if (block.newer === undefined) owner.newest = block.older;
    else block.newer.older = block.older;
    owner.tasks -= block.tasks;
    owner.sizeBytes -= block.sizeBytes + block.outsideBytes;
    assert(owner.tasks >= 0 && owner.sizeBytes >= 0, 'a namespace counts what its blocks hold');
    this.#byHour.remove(block.slot);
    this.#slotByTag.delete(block.tag);
    this.#bySlot[block.slot] = undefined;
    this.#idleSlots.push(block.slot);
    this.#count -= 1;
    return 1 + (block.tasks >>> 4) + block.outside.length;
  }

  #isOver(owner: Namespace): boolean {
    return owner.tasks > this.#limits.tasksMax || owner.sizeBytes > this.#limits.sizeBytesMax;
  }

  #noteOver(owner: Namespace): void {
    if (owner.over || !this.#isOver(owner)) return;
    owner.over = true;
    this.#over.push(owner.number);
  }

  #unlistOver(owner: Namespace): void {
    owner.over = false;
    this.#over = this.#over.filter((number) => number !== owner.number);
  }

  #linkNewest(owner: Namespace, block: Block): void {
    block.older = owner.newest;
    if (owner.newest === undefined) owner.oldest = block;
    else owner.newest.newer = block;
    owner.newest = block;
  }

  #restoreOpen(owner: Namespace, block: Block): void {
    const body = this.#read.get(block.id);
    if (body === undefined || block.hash === undefined || !sameHash(block.hash, hash64(this.#crc32, body))) {
      throw new DecodeError(`the open block ${block.id} of finished tasks is missing or damaged`);
    }
    block.hash = undefined;
    block.body = BlockBody.of(body);
    owner.open.set(block.purgeHour, block);
  }

  #hashOf(block: Block): Hash64 {
    if (block.hash !== undefined) return block.hash;
    const body = block.body;
    assert(body !== undefined, 'a body was hashed before it left memory');
    const hash = hash64(this.#crc32, body.view());
    if (block.sealed) block.hash = hash;
    return hash;
  }

  #namespace(number: number): Namespace {
    let owner = this.#namespaces.get(number);
    if (owner === undefined) {
      owner = { number, tasks: 0, sizeBytes: 0, open: new Map(), oldest: undefined, newest: undefined, over: false };
      this.#namespaces.set(number, owner);
    }
    return owner;
  }

  #byId(id: number): Block | undefined {
    const block = this.#bySlot[this.#slotByTag.get(tagOf(id))];
    return block?.id === id ? block : undefined;
  }

  #at(slot: number): Block {
    const block = this.#bySlot[slot];
    assert(block !== undefined, 'a record of a block has its block');
    return block;
  }

  #directorySource(): RecordSource {
    return {
      keyOf: (slot) => (slot === COUNTER_SLOT ? 0 : this.#at(slot).id),
      // Hashing the body is most of the work, and is done once after sealing.
      extraCostOf: (slot) => {
        const block = this.#bySlot[slot];
        return block === undefined || block.hash !== undefined ? 0 : block.sizeBytes >>> 10;
      },
      encode: (slot, writer) => {
        if (slot === COUNTER_SLOT) writer.varint(this.#nextId);
        else {
          const block = this.#at(slot);
          encodeBlockRecord(writer, { ...block, hash: this.#hashOf(block) });
        }
        return undefined;
      },
      restore: (id, value) => {
        const reader = new ByteReader(value, 1);
        if (id === 0) {
          this.#nextId = reader.varint();
          reader.end();
          this.#counterAdded = true;
          return COUNTER_SLOT;
        }
        const record = decodeBlockRecord(reader);
        const block = this.#newBlock(id, record.namespace, record.purgeHour);
        Object.assign(block, record);
        this.bodies.adopt(block.slot);
        return block.slot;
      },
    };
  }

  #bodySource(): RecordSource {
    return {
      keyOf: (slot) => this.#at(slot).id,
      encode: (slot) => {
        const { body } = this.#at(slot);
        assert(body !== undefined, 'a body that is to be written is in memory');
        // Good also while it is open: what is appended later is not in this view.
        return body.view();
      },
      restore: (id, value) => {
        this.#read.set(id, value.slice());
        return -1;
      },
    };
  }
}

function tagOf(id: number): number {
  return 1 + ((id - 1) % BLOCK_TAG_MAX);
}
