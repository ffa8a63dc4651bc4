import { assert } from '../../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import { type Crc32, hash64, type Hash64, sameHash } from '../../base/hash.ts';
import { BLOCK_FORMAT, BlockBody } from './block-format.ts';
import { DueHeap } from './due-heap.ts';
import { NumberMap } from './number-map.ts';
import { type RecordSource, RecordTable } from './records.ts';

/** Where a block is in its table. */
export interface BlockPlace {
  /** Slot of its two records. */
  readonly slot: number;
  /** Counted from 1, never used again; older blocks have lower ids. */
  readonly id: number;
  /** Some bits of the id, for the pages of task numbers. No two blocks of a table have the same at a time. */
  readonly tag: number;
}

/** What every block has, whatever its tasks are. */
export interface BlockBase extends BlockPlace {
  /** Bytes of its body. */
  sizeBytes: number;
  /** Nothing is appended any more. */
  sealed: boolean;
  /** Hash of the whole body; undefined until it is sealed and was hashed for the first time. */
  hash: Hash64 | undefined;
  /** In memory until sealed and durable. Invariant: there while not sealed. */
  body: BlockBody | undefined;
}

/** What one kind of blocks has of its own. */
export interface BlockTableOptions<B extends BlockBase> {
  /** What its tasks are, for sentences: "finished tasks". */
  readonly of: string;
  readonly crc32: Crc32;
  readonly directoryId: number;
  readonly bodiesId: number;
  /** Tags are 1 to this. */
  readonly tagMax: number;
  /** By what blocks come first; ties go by id. Never changes in the life of a block. */
  orderOf(block: B): number;
  /** Writes the directory record of a block, whose body has this hash. */
  encode(writer: ByteWriter, block: B, hash: Hash64): void;
  /** Makes the block of a directory record; its body comes later. @throws DecodeError */
  decode(place: BlockPlace, reader: ByteReader): B;
}

/** Slot of the record that counts block ids, under key 0. */
const COUNTER_SLOT = 0;

/**
 * Blocks of bytes with their records, for whoever fills and empties them.
 *
 * A block has a directory record, which is in the digest and holds the hash of the body, and a body record, which a loader reads
 * only for open blocks. A body stays in memory until the block is sealed and a durable checkpoint holds it. Which bodies are in memory
 * is this peer's own affair.
 *
 * Invariant: a tag leads to one block at most.
 */
export class BlockTable<B extends BlockBase> {
  readonly directory: RecordTable;
  readonly bodies: RecordTable;
  readonly #options: BlockTableOptions<B>;
  readonly #bySlot: (B | undefined)[] = [undefined];
  readonly #idleSlots: number[] = [];
  readonly #slotByTag = new NumberMap();
  /** Slots by `orderOf`, then id. */
  readonly #byOrder = new DueHeap();
  /** Sealed blocks whose bodies are in memory, and perhaps some that are gone since. */
  #resident: B[] = [];
  #nextId = 1;
  #counts = false;
  #count = 0;
  /** While restoring: bodies by block id. */
  readonly #read = new Map<number, Uint8Array>();

  constructor(options: BlockTableOptions<B>) {
    this.#options = options;
    const { crc32, of } = options;
    const source = this.#directorySource();
    this.directory = new RecordTable({ id: options.directoryId, name: `blocks of ${of}`, format: 1, crc32, source });
    this.bodies = new RecordTable({
      id: options.bodiesId,
      name: `bodies of blocks of ${of}`,
      format: BLOCK_FORMAT,
      crc32,
      hashed: false,
      source: this.#bodySource(),
    });
  }

  /** Blocks that are there. */
  get count(): number {
    return this.#count;
  }

  /** True once ids are counted, from `startCounting` or the first block on. */
  get counts(): boolean {
    return this.#counts;
  }

  /** Adds the record that counts ids. Again changes nothing. */
  startCounting(): void {
    if (this.#counts) return;
    this.#counts = true;
    this.directory.add(COUNTER_SLOT);
  }

  /** The block that comes first. */
  get first(): B | undefined {
    const slot = this.#byOrder.first;
    return slot === -1 ? undefined : this.#at(slot);
  }

  /** What `orderOf` says of the first one; undefined when there is none. */
  get firstOrder(): number | undefined {
    return this.#byOrder.firstDueMs;
  }

  byTag(tag: number): B | undefined {
    return this.#bySlot[this.#slotByTag.get(tag)];
  }

  /** The block with this id; undefined when it is gone. */
  byId(id: number): B | undefined {
    const block = this.byTag(this.#tagOf(id));
    return block?.id === id ? block : undefined;
  }

  /** All blocks, by id: for who looks at everything. */
  all(): B[] {
    return this.#bySlot.filter((block) => block !== undefined).sort((left, right) => left.id - right.id);
  }

  /** Makes a block in a new place. */
  create(make: (place: BlockPlace) => B): B {
    this.startCounting();
    this.directory.touch(COUNTER_SLOT);
    while (this.#slotByTag.get(this.#tagOf(this.#nextId)) !== -1) this.#nextId += 1;
    const block = make(this.#placeFor(this.#nextId));
    this.#nextId += 1;
    this.#enter(block);
    this.directory.add(block.slot);
    this.bodies.add(block.slot);
    return block;
  }

  /** Call before something is appended to the block. */
  touch(block: B): void {
    this.directory.touch(block.slot);
    this.bodies.touch(block.slot);
  }

  /** From now on nothing is appended. */
  seal(block: B): void {
    this.directory.touch(block.slot);
    block.sealed = true;
    this.#resident.push(block);
  }

  /** The block and its records go. */
  remove(block: B): void {
    this.directory.remove(block.slot);
    this.bodies.remove(block.slot);
    this.#byOrder.remove(block.slot);
    this.#slotByTag.delete(block.tag);
    this.#bySlot[block.slot] = undefined;
    this.#idleSlots.push(block.slot);
    this.#count -= 1;
  }

  /** True when `body` is the whole body of the sealed block `id`; what was read from a disk is asked about first. */
  isBody(id: number, body: Uint8Array): boolean {
    const block = this.byId(id);
    if (block === undefined || !block.sealed) return false;
    return sameHash(this.#hashOf(block), hash64(this.#options.crc32, body));
  }

  /** A checkpoint is durable: sealed bodies in it leave memory. */
  written(): void {
    const kept: B[] = [];
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
    return this.all()
      .filter((block) => this.#isMissing(block))
      .map((block) => block.id);
  }

  /** While restoring, once the directory was taken in: the body of this block is needed too. */
  isMissing(id: number): boolean {
    const block = this.byId(id);
    return block !== undefined && this.#isMissing(block);
  }

  /** Ends a restore. @returns all blocks, by id, the open ones with their bodies. @throws DecodeError */
  restored(): B[] {
    const all = this.all();
    for (const block of all) {
      if (block.id >= this.#nextId) throw new DecodeError(`the block ${block.id} has an id that was not given out`);
      if (!block.sealed) this.#restoreOpen(block);
    }
    this.#read.clear();
    return all;
  }

  #restoreOpen(block: B): void {
    const body = this.#read.get(block.id);
    if (body === undefined || block.hash === undefined || !sameHash(block.hash, hash64(this.#options.crc32, body)))
      throw new DecodeError(`the open block ${block.id} of ${this.#options.of} is missing or damaged`);
    block.hash = undefined;
    block.body = BlockBody.of(body);
  }

  #isMissing(block: B): boolean {
    return !block.sealed && !this.#read.has(block.id);
  }

  #tagOf(id: number): number {
    return 1 + ((id - 1) % this.#options.tagMax);
  }

  #placeFor(id: number): BlockPlace {
    return { slot: this.#idleSlots.pop() ?? this.#bySlot.length, id, tag: this.#tagOf(id) };
  }

  #enter(block: B): void {
    this.#bySlot[block.slot] = block;
    this.#slotByTag.set(block.tag, block.slot);
    this.#byOrder.set(block.slot, this.#options.orderOf(block), block.id);
    this.#count += 1;
  }

  #hashOf(block: B): Hash64 {
    if (block.hash !== undefined) return block.hash;
    const { body } = block;
    assert(body !== undefined, 'a body was hashed before it left memory');
    const hash = hash64(this.#options.crc32, body.view());
    if (block.sealed) block.hash = hash;
    return hash;
  }

  #at(slot: number): B {
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
        else this.#options.encode(writer, this.#at(slot), this.#hashOf(this.#at(slot)));
        return undefined;
      },
      restore: (id, value) => this.#restoreRecord(id, new ByteReader(value, 1)),
    };
  }

  #restoreRecord(id: number, reader: ByteReader): number {
    if (id === 0) {
      this.#nextId = reader.varint();
      reader.end();
      this.#counts = true;
      return COUNTER_SLOT;
    }
    if (this.#slotByTag.get(this.#tagOf(id)) !== -1)
      throw new DecodeError(`the block ${id} of ${this.#options.of} is there twice`);
    const block = this.#options.decode(this.#placeFor(id), reader);
    this.#enter(block);
    this.bodies.adopt(block.slot);
    return block.slot;
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
