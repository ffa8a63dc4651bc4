import { assert } from '../../base/assert.ts';
import type { Crc32 } from '../../base/hash.ts';
import { type Block, decodeBlockRecord, encodeBlockRecord, mergePages } from './block-directory.ts';
import { BLOCK_BYTES_MAX, BlockBody, entrySizeBytes } from './block-format.ts';
import { BlockTable } from './block-table.ts';
import { BLOCK_TAG_MAX, type NumberPages, PAGE_TASKS } from './number-pages.ts';
import type { Payloads } from './payloads.ts';
import { recordKey, type RecordTable } from './records.ts';
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
 * In: the bytes of one task at its end, and log time. Out: where a finished task is, and bodies to find it in. Purging drops whole
 * blocks by their directory records and reads nothing.
 *
 * Invariant: what a namespace counts is the sum over its blocks.
 */
export class Blocks {
  /** Those with the earliest purge hour come first. */
  readonly #table: BlockTable<Block>;
  readonly #limits: BlockLimits;
  readonly #pages: NumberPages;
  readonly #payloads: Payloads;
  readonly #namespaces = new Map<number, Namespace>();
  /** Numbers of namespaces over their limits. */
  #over: number[] = [];

  constructor(options: {
    readonly crc32: Crc32;
    readonly pages: NumberPages;
    readonly payloads: Payloads;
    readonly limits?: Partial<BlockLimits>;
  }) {
    this.#pages = options.pages;
    this.#payloads = options.payloads;
    this.#limits = { ...BLOCK_LIMITS, ...options.limits };
    assert(this.#limits.openBlocksMax >= 1, 'a namespace has room for an open block');
    this.#table = new BlockTable<Block>({
      of: 'finished tasks',
      crc32: options.crc32,
      directoryId: TABLE_IDS.blockDirectory,
      bodiesId: TABLE_IDS.blocks,
      tagMax: BLOCK_TAG_MAX,
      orderOf: (block) => block.purgeHour,
      encode: encodeBlockRecord,
      decode: (place, reader) => ({
        ...place,
        body: undefined,
        older: undefined,
        newer: undefined,
        ...decodeBlockRecord(reader),
      }),
    });
  }

  get directory(): RecordTable {
    return this.#table.directory;
  }

  get bodies(): RecordTable {
    return this.#table.bodies;
  }

  /** Blocks that were not purged. */
  get count(): number {
    return this.#table.count;
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
    return tag === 0 ? undefined : this.#table.byTag(tag)?.id;
  }

  /** The body of a block in place; undefined when only the state database has it, under `blockKey`, or nobody. */
  body(id: number): Uint8Array | undefined {
    return this.#table.byId(id)?.body?.view();
  }

  /** True when `body` is the whole body of the sealed block `id`; what was read from a disk is asked about first. */
  isBody(id: number, body: Uint8Array): boolean {
    return this.#table.isBody(id, body);
  }

  counts(namespace: number): FinishedCounts {
    const owner = this.#namespaces.get(namespace);
    return { tasks: owner?.tasks ?? 0, sizeBytes: owner?.sizeBytes ?? 0 };
  }

  /** Log time of the next purge by hour; undefined when nothing is kept. */
  get nextPurgeMs(): number | undefined {
    const hour = this.#table.firstOrder;
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
    for (let block = this.#table.first; block !== undefined; block = this.#table.first) {
      if (moves >= maxMoves || !this.#hourDue(logTimeMs)) break;
      moves += this.#drop(block);
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
    this.#table.written();
  }

  /** While restoring, once the directory was taken in: blocks whose bodies are needed too and were not given yet, by id. */
  missingBodies(): number[] {
    return this.#table.missingBodies();
  }

  /** While restoring, once the directory was taken in: the body of this block is needed too. */
  isMissing(id: number): boolean {
    return this.#table.isMissing(id);
  }

  /** Ends a restore. @throws DecodeError when the records contradict each other. */
  restored(): void {
    for (const block of this.#table.restored()) {
      const owner = this.#namespace(block.namespace);
      this.#linkNewest(owner, block);
      owner.tasks += block.tasks;
      owner.sizeBytes += block.sizeBytes + block.outsideBytes;
      for (const { page, count } of block.pages) this.#pages.restoreFinished(page, count);
      if (!block.sealed) owner.open.set(block.purgeHour, block);
    }
    const owners = [...this.#namespaces.values()].sort((left, right) => left.number - right.number);
    for (const owner of owners) this.#noteOver(owner);
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
      this.#table.touch(open);
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
    const block = this.#table.create((place) => ({
      ...place,
      namespace: owner.number,
      purgeHour,
      tasks: 0,
      sizeBytes: 0,
      firstNumber: 0,
      lastNumber: 0,
      sealed: false,
      hash: undefined,
      body: new BlockBody(sizeBytes),
      outside: [],
      outsideBytes: 0,
      pages: [],
      older: undefined,
      newer: undefined,
    }));
    this.#linkNewest(owner, block);
    return block;
  }

  #seal(block: Block): void {
    this.#table.seal(block);
    block.pages = mergePages(block.pages);
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
    this.#table.remove(block);
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

  #namespace(number: number): Namespace {
    let owner = this.#namespaces.get(number);
    if (owner === undefined) {
      owner = { number, tasks: 0, sizeBytes: 0, open: new Map(), oldest: undefined, newest: undefined, over: false };
      this.#namespaces.set(number, owner);
    }
    return owner;
  }
}
