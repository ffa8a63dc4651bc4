import { assert } from '../../base/assert.ts';
import { type ByteReader, DecodeError } from '../../base/bytes.ts';
import type { Crc32 } from '../../base/hash.ts';
import { BLOCK_BYTES_MAX, BlockBody, entrySizeBytes, findInBlock } from '../memory/block-format.ts';
import { type BlockPlace, BlockTable } from '../memory/block-table.ts';
import { FAR_TAG_MAX } from '../memory/number-pages.ts';
import { recordKey, type RecordTable } from '../memory/records.ts';
import { TABLE_IDS } from '../memory/table-ids.ts';
import { countTemplate, decodeFarRecord, encodeFarRecord, type FarBlock } from './far-directory.ts';
import { LEVELS_MAX, openAtMsOf, spanMsOf } from './spans.ts';

/** Tasks whose bytes are kept since they will be cancelled soon. */
const PREPARED_MAX = 2_048;

/** The key under which the state database holds the body of a block of far tasks. */
export function farBlockKey(id: number): Uint8Array {
  return recordKey(TABLE_IDS.farBlocks, id);
}

/**
 * The blocks of far tasks: an open one for each span of time, which is sealed when it is full.
 *
 *     open ──full──▶ sealed ──a durable checkpoint holds it──▶ on disk only ──▶ given ──▶ gone
 *       └──────────────┴───── its last task has left, or all of them since it was opened ──┘
 *
 * In: the bytes of one task; when one leaves; bodies that were read from a disk. Out: which block is to be opened next, and the bytes of a
 * task. A body is written once: of a task that has left the bytes stay, and its number leads elsewhere.
 *
 * Invariants: the totals are the sums over the blocks; a block that is there has a task. Which bodies are in memory is this
 * peer's own affair: whoever needs one sees to it beforehand that it is there.
 */
export class FarBlocks {
  /** Those that are opened first come first. */
  readonly #table: BlockTable<FarBlock>;
  readonly #farSpanMs: number;
  readonly #blockTasksMax: number;
  /** Open blocks by begin and level of their spans: some seventy a level. */
  readonly #open = new Map<number, FarBlock>();
  /** Bodies that were read for the opening, by id of the block. */
  readonly #given = new Map<number, Uint8Array>();
  /** Bytes of single tasks that the next entry names, by number. */
  readonly #taken = new Map<number, Uint8Array>();
  /** Bytes of single tasks that will be named soon, by number, in the order in which they came. At most `PREPARED_MAX`. */
  readonly #prepared = new Map<number, Uint8Array>();
  #tasks = 0;
  #taskBytes = 0;

  /** @param options `farSpanMs` is the length of the shortest spans, `blockTasksMax` bounds what a block holds. */
  constructor(options: { readonly crc32: Crc32; readonly farSpanMs: number; readonly blockTasksMax: number }) {
    this.#farSpanMs = options.farSpanMs;
    this.#blockTasksMax = options.blockTasksMax;
    this.#table = new BlockTable<FarBlock>({
      of: 'far tasks',
      crc32: options.crc32,
      directoryId: TABLE_IDS.farDirectory,
      bodiesId: TABLE_IDS.farBlocks,
      tagMax: FAR_TAG_MAX,
      orderOf: (block) => block.openAtMs,
      encode: encodeFarRecord,
      decode: (place, reader) => this.#decode(place, reader),
    });
  }

  get directory(): RecordTable {
    return this.#table.directory;
  }

  get bodies(): RecordTable {
    return this.#table.bodies;
  }

  /** True from the entry on that has far tasks leave memory: from then on there is a record that counts ids of blocks. */
  get enabled(): boolean {
    return this.#table.counts;
  }

  /** Has far tasks leave memory from now on. Again changes nothing. */
  enable(): void {
    this.#table.startCounting();
  }

  get count(): number {
    return this.#table.count;
  }

  /** Tasks in all blocks. */
  get tasks(): number {
    return this.#tasks;
  }

  /** Bytes of their payloads and headers. */
  get taskBytes(): number {
    return this.#taskBytes;
  }

  /** The block that is to be opened next. */
  get first(): FarBlock | undefined {
    return this.#table.first;
  }

  /** When it is to be opened; undefined when there is none. */
  get nextOpenMs(): number | undefined {
    return this.#table.firstOrder;
  }

  /** The block with this tag. */
  byTag(tag: number): FarBlock {
    const block = this.#table.byTag(tag);
    assert(block !== undefined, 'the number of a far task leads to a block that is there');
    return block;
  }

  /** The block with this id; undefined when it is gone. */
  byId(id: number): FarBlock | undefined {
    return this.#table.byId(id);
  }

  /** All blocks, by id: for who looks at everything. */
  all(): FarBlock[] {
    return this.#table.all();
  }

  /**
   * Files a task.
   *
   * @param template Its template's id.
   * @param taskBytes Its payload and headers.
   * @returns the tag of the block that holds it now.
   */
  append(
    level: number,
    beginMs: number,
    number: number,
    entry: Uint8Array,
    template: number,
    taskBytes: number,
  ): number {
    assert(this.enabled, 'tasks leave memory once that is switched on');
    const block = this.#blockFor(level, beginMs, entrySizeBytes(number, entry.length));
    const { body } = block;
    assert(body !== undefined, 'an open block is in memory');
    body.append(number, entry);
    block.sizeBytes = body.sizeBytes;
    block.tasks += 1;
    block.taskBytes += taskBytes;
    countTemplate(block.templates, template, 1);
    this.#tasks += 1;
    this.#taskBytes += taskBytes;
    if (block.tasks >= this.#blockTasksMax) this.#seal(block);
    return block.tag;
  }

  /** A task has left `block`: its number leads elsewhere. With the last one the block goes. */
  left(block: FarBlock, template: number, taskBytes: number): void {
    assert(block.tasks > 0 && block.taskBytes >= taskBytes, 'what leaves a block was there');
    this.directory.touch(block.slot);
    block.tasks -= 1;
    block.taskBytes -= taskBytes;
    countTemplate(block.templates, template, -1);
    this.#tasks -= 1;
    this.#taskBytes -= taskBytes;
    if (block.tasks === 0) this.#drop(block);
  }

  /** The body of a block, as far as it is in memory. */
  bodyOf(block: FarBlock): Uint8Array | undefined {
    return block.body?.view() ?? this.#given.get(block.id);
  }

  /** The bytes of task `number` of `block`, as far as they are in memory. @throws DecodeError */
  entryOf(block: FarBlock, number: number): Uint8Array | undefined {
    const body = this.bodyOf(block);
    if (body !== undefined) return findInBlock(body, number);
    // What was read once stays good for as long as the task is far, whichever block it is in.
    return this.#taken.get(number) ?? this.#prepared.get(number);
  }

  /**
   * Takes in what was read from the state database: for the next entry, the bytes of the tasks `numbers`, or `early` for one of the
   * next, without a promise that they stay; the whole body, until the block is opened, where these are none. Nothing happens when
   * the block is gone.
   * @throws DecodeError when that is not the body of the block
   */
  give(id: number, body: Uint8Array | undefined, numbers: readonly number[], early = false): void {
    const block = this.byId(id);
    if (block === undefined || block.body !== undefined) return;
    if (body === undefined || !this.isBody(id, body))
      throw new DecodeError(`the block ${id} of far tasks is not what its directory says`);
    if (numbers.length === 0) this.#given.set(id, body);
    for (const number of numbers) {
      const entry = findInBlock(body, number);
      if (entry === undefined) continue;
      if (early) this.#prepare(number, entry.slice());
      else this.#taken.set(number, entry.slice());
    }
  }

  #prepare(number: number, entry: Uint8Array): void {
    if (this.#prepared.size >= PREPARED_MAX) {
      for (const oldest of this.#prepared.keys()) {
        this.#prepared.delete(oldest);
        break;
      }
    }
    this.#prepared.set(number, entry);
  }

  /** Task `number` is far no more. */
  forget(number: number): void {
    if (this.#prepared.size > 0) this.#prepared.delete(number);
  }

  /** An entry was applied: what was taken in for it is not needed any more. */
  forgetTaken(): void {
    if (this.#taken.size > 0) this.#taken.clear();
  }

  /** True when `body` is the whole body of the sealed block `id`. */
  isBody(id: number, body: Uint8Array): boolean {
    return this.#table.isBody(id, body);
  }

  /** A checkpoint is durable: sealed bodies in it leave memory. */
  written(): void {
    this.#table.written();
  }

  /** While restoring, once the directory was taken in: ids of blocks whose bodies are needed too and were not given yet. */
  missingBodies(): number[] {
    return this.#table.missingBodies();
  }

  /** While restoring, once the directory was taken in: the body of this block is needed too. */
  isMissing(id: number): boolean {
    return this.#table.isMissing(id);
  }

  /** Ends a restore. @throws DecodeError when the records contradict each other */
  restored(): void {
    const blocks = this.#table.restored();
    if (blocks.length > 0 && !this.enabled)
      throw new DecodeError('far tasks are in blocks before that was switched on');
    for (const block of blocks) if (!block.sealed) this.#open.set(spanKey(block.level, block.beginMs), block);
  }

  /** The totals are there once the directory is: who counts the numbers of far tasks looks at them. */
  #decode(place: BlockPlace, reader: ByteReader): FarBlock {
    const record = decodeFarRecord(reader);
    this.#tasks += record.tasks;
    this.#taskBytes += record.taskBytes;
    return { ...place, body: undefined, ...record };
  }

  #blockFor(level: number, beginMs: number, sizeBytes: number): FarBlock {
    const key = spanKey(level, beginMs);
    const open = this.#open.get(key);
    if (open !== undefined && open.sizeBytes + sizeBytes <= BLOCK_BYTES_MAX) {
      this.#table.touch(open);
      return open;
    }
    if (open !== undefined) this.#seal(open);
    // Where one block was filled the next will be: it starts at full size. That is this peer's own affair.
    const body = new BlockBody(open === undefined ? sizeBytes : Math.max(sizeBytes, BLOCK_BYTES_MAX - 1));
    const block = this.#create(level, beginMs, body);
    this.#open.set(key, block);
    return block;
  }

  #seal(block: FarBlock): void {
    this.#table.seal(block);
    this.#open.delete(spanKey(block.level, block.beginMs));
  }

  #create(level: number, beginMs: number, body: BlockBody): FarBlock {
    return this.#table.create((place) => ({
      ...place,
      level,
      beginMs,
      openAtMs: openAtMsOf(spanMsOf(this.#farSpanMs, level), beginMs, place.id),
      tasks: 0,
      taskBytes: 0,
      sizeBytes: 0,
      sealed: false,
      hash: undefined,
      body,
      templates: [],
    }));
  }

  #drop(block: FarBlock): void {
    this.#table.remove(block);
    const key = spanKey(block.level, block.beginMs);
    if (this.#open.get(key) === block) this.#open.delete(key);
    this.#given.delete(block.id);
  }
}

function spanKey(level: number, beginMs: number): number {
  return beginMs * LEVELS_MAX + level;
}
