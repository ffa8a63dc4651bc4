import { assert } from '../../base/assert.ts';
import { ByteReader, DecodeError } from '../../base/bytes.ts';
import { type Crc32, hash64, type Hash64, sameHash } from '../../base/hash.ts';
import { BLOCK_BYTES_MAX, BLOCK_FORMAT, BlockBody, entrySizeBytes, findInBlock } from '../memory/block-format.ts';
import { DueHeap } from '../memory/due-heap.ts';
import { NumberMap } from '../memory/number-map.ts';
import { FAR_TAG_MAX } from '../memory/number-pages.ts';
import { recordKey, type RecordSource, RecordTable } from '../memory/records.ts';
import { TABLE_IDS } from '../memory/table-ids.ts';
import { countTemplate, decodeFarRecord, encodeFarRecord, type FarBlock } from './far-directory.ts';
import { LEVELS_MAX, openAtMsOf, spanMsOf } from './spans.ts';

/** Tasks whose bytes are kept since they will be cancelled soon. */
const PREPARED_MAX = 2_048;

/** Slot of the record that counts block ids, under key 0. It is there from the moment at which far tasks leave memory. */
const COUNTER_SLOT = 0;

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
 * task. A block has a directory record, which is in the digest and holds the hash of the body, and a body record, which a loader
 * reads only for open blocks. A body is written once: of a task that has left the bytes stay, and its number leads elsewhere.
 *
 * Invariants: the totals are the sums over the blocks; a block that is there has a task. Which bodies are in memory is this
 * peer's own affair: whoever needs one sees to it beforehand that it is there.
 */
export class FarBlocks {
  readonly directory: RecordTable;
  readonly bodies: RecordTable;
  readonly #crc32: Crc32;
  readonly #farSpanMs: number;
  readonly #blockTasksMax: number;
  readonly #bySlot: (FarBlock | undefined)[] = [undefined];
  readonly #idleSlots: number[] = [];
  readonly #slotByTag = new NumberMap();
  /** Slots by when they are opened, then id. */
  readonly #byOpening = new DueHeap();
  /** Open blocks by begin and level of their spans: some seventy a level. */
  readonly #open = new Map<number, FarBlock>();
  /** Sealed blocks whose bodies are in memory, and perhaps some that are gone since. */
  #resident: FarBlock[] = [];
  /** Bodies that were read for the opening, by id of the block. */
  readonly #given = new Map<number, Uint8Array>();
  /** Bytes of single tasks that the next entry names, by number. */
  readonly #taken = new Map<number, Uint8Array>();
  /** Bytes of single tasks that will be named soon, by number, in the order in which they came. At most `PREPARED_MAX`. */
  readonly #prepared = new Map<number, Uint8Array>();
  #enabled = false;
  #nextId = 1;
  #count = 0;
  #tasks = 0;
  #taskBytes = 0;
  /** While restoring: bodies by block id. */
  readonly #read = new Map<number, Uint8Array>();

  /** @param options `farSpanMs` is the length of the shortest spans, `blockTasksMax` bounds what a block holds. */
  constructor(options: { readonly crc32: Crc32; readonly farSpanMs: number; readonly blockTasksMax: number }) {
    this.#crc32 = options.crc32;
    this.#farSpanMs = options.farSpanMs;
    this.#blockTasksMax = options.blockTasksMax;
    this.directory = new RecordTable({
      id: TABLE_IDS.farDirectory,
      name: 'blocks of far tasks',
      format: 1,
      crc32: options.crc32,
      source: this.#directorySource(),
    });
    this.bodies = new RecordTable({
      id: TABLE_IDS.farBlocks,
      name: 'bodies of blocks of far tasks',
      format: BLOCK_FORMAT,
      crc32: options.crc32,
      hashed: false,
      source: this.#bodySource(),
    });
  }

  /** True from the entry on that has far tasks leave memory. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Has far tasks leave memory from now on. Again changes nothing. */
  enable(): void {
    if (this.#enabled) return;
    this.#enabled = true;
    this.directory.add(COUNTER_SLOT);
  }

  get count(): number {
    return this.#count;
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
    const slot = this.#byOpening.first;
    return slot === -1 ? undefined : this.#at(slot);
  }

  /** When it is to be opened; undefined when there is none. */
  get nextOpenMs(): number | undefined {
    return this.#byOpening.firstDueMs;
  }

  /** The block with this tag. */
  byTag(tag: number): FarBlock {
    return this.#at(this.#slotByTag.get(tag));
  }

  /** The block with this id; undefined when it is gone. */
  byId(id: number): FarBlock | undefined {
    const block = this.#bySlot[this.#slotByTag.get(tagOf(id))];
    return block?.id === id ? block : undefined;
  }

  /** All blocks, by id: for who looks at everything. */
  all(): FarBlock[] {
    return this.#bySlot.filter((block) => block !== undefined).sort((left, right) => left.id - right.id);
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
    assert(this.#enabled, 'tasks leave memory once that is switched on');
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
    const block = this.byId(id);
    if (block === undefined || !block.sealed) return false;
    return sameHash(this.#hashOf(block), hash64(this.#crc32, body));
  }

  /** A checkpoint is durable: sealed bodies in it leave memory. */
  written(): void {
    const kept: FarBlock[] = [];
    for (const block of this.#resident) {
      if (this.#bySlot[block.slot] !== block) continue;
      if (this.bodies.isStored(block.slot)) {
        this.#hashOf(block);
        block.body = undefined;
      } else kept.push(block);
    }
    this.#resident = kept;
  }

  /** While restoring, once the directory was taken in: ids of blocks whose bodies are needed too and were not given yet. */
  missingBodies(): number[] {
    return this.all()
      .filter((block) => !block.sealed && !this.#read.has(block.id))
      .map((block) => block.id);
  }

  /** While restoring, once the directory was taken in: the body of this block is needed too. */
  isMissing(id: number): boolean {
    const block = this.byId(id);
    return block !== undefined && !block.sealed && !this.#read.has(id);
  }

  /** Ends a restore. @throws DecodeError when the records contradict each other */
  restored(): void {
    if (this.#count > 0 && !this.#enabled) throw new DecodeError('far tasks are in blocks before that was switched on');
    for (const block of this.all()) {
      if (block.id >= this.#nextId) throw new DecodeError(`the block ${block.id} has an id that was not given out`);
      if (block.sealed) continue;
      const body = this.#read.get(block.id);
      if (body === undefined || block.hash === undefined || !sameHash(block.hash, hash64(this.#crc32, body)))
        throw new DecodeError(`the open block ${block.id} of far tasks is missing or damaged`);
      block.hash = undefined;
      block.body = BlockBody.of(body);
      this.#open.set(spanKey(block.level, block.beginMs), block);
    }
    this.#read.clear();
  }

  #blockFor(level: number, beginMs: number, sizeBytes: number): FarBlock {
    const key = spanKey(level, beginMs);
    const open = this.#open.get(key);
    if (open !== undefined && open.sizeBytes + sizeBytes <= BLOCK_BYTES_MAX) {
      this.directory.touch(open.slot);
      this.bodies.touch(open.slot);
      return open;
    }
    if (open !== undefined) this.#seal(open);
    const block = this.#create(level, beginMs);
    // Where one block was filled the next will be: it starts at full size. That is this peer's own affair.
    block.body = new BlockBody(open === undefined ? sizeBytes : Math.max(sizeBytes, BLOCK_BYTES_MAX - 1));
    this.#open.set(key, block);
    this.directory.add(block.slot);
    this.bodies.add(block.slot);
    return block;
  }

  #seal(block: FarBlock): void {
    this.directory.touch(block.slot);
    block.sealed = true;
    this.#resident.push(block);
    this.#open.delete(spanKey(block.level, block.beginMs));
  }

  #create(level: number, beginMs: number): FarBlock {
    this.directory.touch(COUNTER_SLOT);
    while (this.#slotByTag.get(tagOf(this.#nextId)) !== -1) this.#nextId += 1;
    const id = this.#nextId;
    this.#nextId += 1;
    return this.#enter({
      id,
      level,
      beginMs,
      openAtMs: openAtMsOf(spanMsOf(this.#farSpanMs, level), beginMs, id),
      tasks: 0,
      taskBytes: 0,
      sizeBytes: 0,
      sealed: false,
      hash: undefined,
      body: undefined,
      templates: [],
    });
  }

  #enter(fields: Omit<FarBlock, 'slot' | 'tag'>): FarBlock {
    const slot = this.#idleSlots.pop() ?? this.#bySlot.length;
    const block: FarBlock = { slot, tag: tagOf(fields.id), ...fields };
    this.#bySlot[slot] = block;
    this.#slotByTag.set(block.tag, slot);
    this.#byOpening.set(slot, block.openAtMs, block.id);
    this.#count += 1;
    return block;
  }

  #drop(block: FarBlock): void {
    this.directory.remove(block.slot);
    this.bodies.remove(block.slot);
    const key = spanKey(block.level, block.beginMs);
    if (this.#open.get(key) === block) this.#open.delete(key);
    this.#byOpening.remove(block.slot);
    this.#slotByTag.delete(block.tag);
    this.#given.delete(block.id);
    this.#bySlot[block.slot] = undefined;
    this.#idleSlots.push(block.slot);
    this.#count -= 1;
  }

  #hashOf(block: FarBlock): Hash64 {
    if (block.hash !== undefined) return block.hash;
    const { body } = block;
    assert(body !== undefined, 'a body was hashed before it left memory');
    const hash = hash64(this.#crc32, body.view());
    if (block.sealed) block.hash = hash;
    return hash;
  }

  #at(slot: number): FarBlock {
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
          encodeFarRecord(writer, { ...block, hash: this.#hashOf(block) });
        }
        return undefined;
      },
      restore: (id, value) => {
        const reader = new ByteReader(value, 1);
        if (id === 0) {
          this.#nextId = reader.varint();
          reader.end();
          this.#enabled = true;
          return COUNTER_SLOT;
        }
        if (this.#slotByTag.get(tagOf(id)) !== -1) throw new DecodeError(`the block ${id} of far tasks is there twice`);
        const record = decodeFarRecord(reader);
        const block = this.#enter({ id, body: undefined, ...record });
        this.#tasks += block.tasks;
        this.#taskBytes += block.taskBytes;
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
  return 1 + ((id - 1) % FAR_TAG_MAX);
}

function spanKey(level: number, beginMs: number): number {
  return beginMs * LEVELS_MAX + level;
}
