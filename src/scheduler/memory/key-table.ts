import { assert } from '../../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import type { Crc32, Hash64 } from '../../base/hash.ts';
import { NAME_BYTES_MAX } from '../../base/ids.ts';
import { BytesIndex, indexHash } from './bytes-index.ts';
import { DueHeap } from './due-heap.ts';
import { type RecordSource, RecordTable } from './records.ts';
import type { Slab } from './slab.ts';
import { TABLE_IDS } from './table-ids.ts';

const SEGMENT_BITS = 10;
const SEGMENT = 1 << SEGMENT_BITS;

/** What is known of a key: whose it is, and of which content. */
export interface KeyEntry {
  readonly number: number;
  readonly contentHash: Hash64;
}

/** Columns of 1,024 keys; growing adds a segment and copies nothing. */
interface Segment {
  readonly number: Float64Array;
  readonly freeAtMs: Float64Array;
  readonly namespace: Uint32Array;
  readonly hash: Uint32Array;
  readonly contentHigh: Uint32Array;
  readonly contentLow: Uint32Array;
  readonly ref: Uint32Array;
  /** Length of the key; 0 marks a slot that is not in use. */
  readonly length: Uint8Array;
}

/** What a table of keys is made of. */
export interface KeyTableOptions {
  readonly crc32: Crc32;
  readonly slab: Slab;
  /** Keys a namespace, 1,000,000 by default. Equal on all peers. */
  readonly keysMax?: number;
}

/**
 * Keys that tasks were submitted under, by namespace: each is taken by one task from its submission until some time after its end.
 * A key is in use for ever until `setFree` says how long, and gone when `expire` comes past that instant.
 */
export class KeyTable implements RecordSource {
  readonly table: RecordTable;
  readonly #slab: Slab;
  readonly #keysMax: number;
  readonly #index = new BytesIndex();
  readonly #segments: Segment[] = [];
  readonly #idle: number[] = [];
  #slots = 0;
  /** Slots of keys that have an end, by that instant, then by task number. */
  readonly #ends = new DueHeap();
  readonly #counts = new Map<number, number>();
  #count = 0;

  constructor(options: KeyTableOptions) {
    this.#slab = options.slab;
    this.#keysMax = options.keysMax ?? 1_000_000;
    this.table = new RecordTable({
      id: TABLE_IDS.keys,
      name: 'keys',
      format: 1,
      crc32: options.crc32,
      source: this,
    });
  }

  get count(): number {
    return this.#count;
  }

  /** Keys in use in a namespace. */
  countOf(namespace: number): number {
    return this.#counts.get(namespace) ?? 0;
  }

  /** True when a namespace has room for `more` new keys. */
  hasRoom(namespace: number, more: number): boolean {
    return this.countOf(namespace) + more <= this.#keysMax;
  }

  /** The slot of a key, -1 when nobody has it. */
  find(namespace: number, key: Uint8Array): number {
    return this.#index.find(indexHash(namespace, key), (slot) => this.#holds(slot, namespace, key));
  }

  /** Whose key is in `slot`. */
  entry(slot: number): KeyEntry {
    const { segment, at } = this.#place(slot);
    return {
      number: segment.number[at] as number,
      contentHash: { high: segment.contentHigh[at] as number, low: segment.contentLow[at] as number },
    };
  }

  /** The task `number` takes a key that nobody has, in a namespace that has room. @returns its slot. */
  add(namespace: number, key: Uint8Array, number: number, contentHash: Hash64): number {
    assert(key.length >= 1 && key.length <= NAME_BYTES_MAX, 'a key has 1 to 200 bytes');
    assert(this.hasRoom(namespace, 1), 'a key is added where there is room');
    assert(this.find(namespace, key) === -1, 'a key is taken by one task');
    const slot = this.#enter(namespace, key, number, contentHash, 0);
    this.table.add(slot);
    return slot;
  }

  /** The key in `slot`, as a view. */
  keyBytes(slot: number): Uint8Array {
    const { segment, at } = this.#place(slot);
    return this.#slab.view(segment.ref[at] as number, segment.length[at] as number);
  }

  /** The task of the key is final: the key is free from `freeAtMs` (log time, above 0) on. */
  setFree(slot: number, freeAtMs: number): void {
    assert(freeAtMs > 0, 'instants are after 1970');
    const { segment, at } = this.#place(slot);
    this.table.touch(slot);
    segment.freeAtMs[at] = freeAtMs;
    this.#ends.set(slot, freeAtMs, segment.number[at] as number);
  }

  /** When the next key falls free; undefined when none has an end. */
  get nextFreeMs(): number | undefined {
    return this.#ends.firstDueMs;
  }

  /** Frees keys whose time has come, oldest first, at most `limit` of them. @returns how many. */
  expire(logTimeMs: number, limit: number): number {
    let freed = 0;
    for (; freed < limit; freed += 1) {
      const freeAtMs = this.#ends.firstDueMs;
      if (freeAtMs === undefined || freeAtMs > logTimeMs) break;
      this.#remove(this.#ends.pop());
    }
    return freed;
  }

  /** Slots that were ever used. */
  get slotCount(): number {
    return this.#slots;
  }

  /**
   * Calls `visit` for the keys of tasks that are not final in the slots from `from` to below `to`, in no order that means anything:
   * for rejoining rows after a restore.
   */
  eachLive(from: number, to: number, visit: (number: number, slot: number) => void): void {
    for (let slot = from; slot < Math.min(to, this.#slots); slot += 1) {
      const segment = this.#segments[slot >>> SEGMENT_BITS] as Segment;
      const at = slot & (SEGMENT - 1);
      if (segment.length[at] !== 0 && segment.freeAtMs[at] === 0) visit(segment.number[at] as number, slot);
    }
  }

  keyOf(slot: number): number {
    const { segment, at } = this.#place(slot);
    return segment.number[at] as number;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const { segment, at } = this.#place(slot);
    writer.varint(segment.namespace[at] as number);
    writer.varint(segment.freeAtMs[at] as number);
    writer.u32(segment.contentHigh[at] as number);
    writer.u32(segment.contentLow[at] as number);
    writer.bytes(this.keyBytes(slot));
  }

  restore(number: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    const namespace = reader.varint();
    const freeAtMs = reader.varint();
    const contentHash = { high: reader.u32(), low: reader.u32() };
    const key = reader.bytes();
    reader.end();
    if (key.length < 1 || key.length > NAME_BYTES_MAX) throw new DecodeError('a key has 1 to 200 bytes');
    if (this.find(namespace, key) !== -1) throw new DecodeError('a key is there twice');
    const slot = this.#enter(namespace, key, number, contentHash, freeAtMs);
    if (freeAtMs > 0) this.#ends.set(slot, freeAtMs, number);
    return slot;
  }

  #enter(namespace: number, key: Uint8Array, number: number, contentHash: Hash64, freeAtMs: number): number {
    let slot = this.#idle.pop();
    if (slot === undefined) {
      slot = this.#slots;
      this.#slots += 1;
      if (slot >>> SEGMENT_BITS === this.#segments.length) this.#segments.push(emptySegment());
    }
    const segment = this.#segments[slot >>> SEGMENT_BITS] as Segment;
    const at = slot & (SEGMENT - 1);
    const hash = indexHash(namespace, key);
    segment.number[at] = number;
    segment.freeAtMs[at] = freeAtMs;
    segment.namespace[at] = namespace;
    segment.hash[at] = hash;
    segment.contentHigh[at] = contentHash.high;
    segment.contentLow[at] = contentHash.low;
    segment.ref[at] = this.#slab.store(key);
    segment.length[at] = key.length;
    this.#index.add(hash, slot);
    this.#counts.set(namespace, this.countOf(namespace) + 1);
    this.#count += 1;
    return slot;
  }

  #remove(slot: number): void {
    const { segment, at } = this.#place(slot);
    const namespace = segment.namespace[at] as number;
    this.table.remove(slot);
    this.#index.remove(segment.hash[at] as number, slot);
    this.#slab.free(segment.ref[at] as number, segment.length[at] as number);
    segment.length[at] = 0;
    this.#idle.push(slot);
    const left = this.countOf(namespace) - 1;
    if (left === 0) this.#counts.delete(namespace);
    else this.#counts.set(namespace, left);
    this.#count -= 1;
  }

  #holds(slot: number, namespace: number, key: Uint8Array): boolean {
    const { segment, at } = this.#place(slot);
    if (segment.namespace[at] !== namespace || segment.length[at] !== key.length) return false;
    const held = this.keyBytes(slot);
    for (let position = 0; position < key.length; position += 1) if (held[position] !== key[position]) return false;
    return true;
  }

  #place(slot: number): { readonly segment: Segment; readonly at: number } {
    const segment = this.#segments[slot >>> SEGMENT_BITS];
    const at = slot & (SEGMENT - 1);
    assert(segment !== undefined && segment.length[at] !== 0, 'a slot that is used holds a key');
    return { segment, at };
  }
}

function emptySegment(): Segment {
  return {
    number: new Float64Array(SEGMENT),
    freeAtMs: new Float64Array(SEGMENT),
    namespace: new Uint32Array(SEGMENT),
    hash: new Uint32Array(SEGMENT),
    contentHigh: new Uint32Array(SEGMENT),
    contentLow: new Uint32Array(SEGMENT),
    ref: new Uint32Array(SEGMENT),
    length: new Uint8Array(SEGMENT),
  };
}
