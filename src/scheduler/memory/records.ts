import { assert } from '../../base/assert.ts';
import { ByteWriter, DecodeError } from '../../base/bytes.ts';
import { type Crc32, type Hash64, murmur3 } from '../../base/hash.ts';
import { growSegments, SEGMENT_BITS, SEGMENT_MASK } from './segments.ts';
import { SlotList } from './slot-list.ts';

/** Bytes of every record key: the table's id, then the key as a big-endian integer, so that keys sort by table and number. */
export const RECORD_KEY_BYTES = 9;

/** What a table's owner knows: how a slot reads as bytes, and back. */
export interface RecordSource {
  /** The key of the record in `slot`: a safe integer of 0 and more, unique in its table as long as the record lives. */
  keyOf(slot: number): number;
  /**
   * Writes the record behind the format byte, which is there already. Equal contents must give equal bytes on every peer.
   *
   * @returns undefined; or bytes that begin with the format byte themselves and never change again, which are then taken as they
   * are, without a copy, in place of what was written.
   */
  encode(slot: number, writer: ByteWriter): Uint8Array | undefined;
  /** How many small records encoding this one weighs besides its own bytes; 0 where it is not said. */
  extraCostOf?(slot: number): number;
  /**
   * Takes a record of a checkpoint in. `value` begins with the format byte, which was checked.
   *
   * @returns the slot that holds it now. A table outside the digest need not keep the record: what it returns is not looked at,
   * and its owner says with `adopt` what is there.
   * @throws DecodeError when it does not read as a record.
   */
  restore(key: number, value: Uint8Array): number;
}

/** What tells a table from the others. */
export interface RecordTableOptions {
  /** First byte of every key, 1 to 255. Tables are told apart by it, for ever. */
  readonly id: number;
  /** For sentences of errors. */
  readonly name: string;
  /** First byte of every value. Another one is refused at load. */
  readonly format: number;
  readonly crc32: Crc32;
  readonly source: RecordSource;
  /**
   * False leaves the records out of the digest, for tables of large bodies whose hashes another table's records hold, so that
   * loading needs not read them. True by default.
   */
  readonly hashed?: boolean;
}

/** Takes what a checkpoint writes. Deletions come before all puts. */
export interface RecordSink {
  del(key: Uint8Array): void;
  put(key: Uint8Array, value: Uint8Array): void;
}

/*
 * The byte of a slot. The two low bits say in which change list the slot stands: 0 in none, 1 or 2 in that of an interval between
 * marks; the intervals take turns.
 */
const STAMP = 3;
/** A record is here. */
const LIVE = 4;
/** Its kept hash is in the sum. */
const HASHED = 8;
/** Its key is in the state database, or was handed to the checkpoint that is being written. */
const STORED = 16;
/** It changed before a mark that was only hashed: the next written checkpoint needs it. */
const CARRIED = 32;
/** The slot stands in the carry list, whoever lives in it now. */
const LISTED = 64;

/** Bytes of a buffer that copies of small values share: of a table's first one, and at most. */
const FIRST_COPIES_BYTES = 1_024;
const COPIES_BYTES_MAX = 16_384;

/** Words of a kept hash. */
const HASH_WORDS = 2;

/**
 * One table of the state as records: which changed since the last mark, which since the last written checkpoint, and the sum of
 * their kept hashes.
 *
 * The owner keeps the contents, in slots (small integers that are used again), and calls `add` when a record begins to exist,
 * `touch` before it changes, `remove` before it is taken away. At a mark the list of changes is set aside in O(1). A record of that
 * list that changes again before it was captured is captured first, by `touch`: so the owner needs no second copy.
 *
 * A record that comes and goes between two marks costs two byte writes and is never encoded.
 */
export class RecordTable {
  readonly id: number;
  readonly name: string;
  readonly #format: number;
  readonly #crc32: Crc32;
  readonly #source: RecordSource;
  readonly #hashed: boolean;
  readonly #writer = new ByteWriter(1024);
  #slots = new Uint8Array(0);
  /** Two words a slot, in segments so that growth copies nothing. Valid where HASHED. */
  readonly #hashes: Uint32Array[] = [];
  #hashesRoom = 0;
  /** The stamp of the running interval, 1 or 2; the other one belongs to the interval that is being captured. */
  #stamp = 1;
  /** Invariant: holds exactly the slots with the running stamp, each once. */
  #changed = new SlotList();
  /** Invariant: while capturing, holds every slot with the other stamp. Otherwise no slot has that stamp. */
  #frozen = new SlotList();
  #frozenAt = 0;
  /** Invariant: holds exactly the LISTED slots, each once; those that are CARRIED too await the next written checkpoint. */
  readonly #carried = new SlotList();
  #carriedAt = 0;
  #capturing = false;
  /** True when what is captured goes to the sink too, not only into the digest. */
  #writing = false;
  /** Keys to delete with the next written checkpoint, and with the one under way. */
  #deletions: number[] = [];
  #frozenDeletions: number[] = [];
  /** Sum of kept hashes as of the last mark whose capture has come as far as it has. */
  #sumHigh = 0;
  #sumLow = 0;
  /** Hashes of records removed in the running interval; they leave the sum at the next mark. */
  #removedHigh = 0;
  #removedLow = 0;
  /** Values that were put, one behind the other. */
  #copies = new Uint8Array(0);
  #copiesUsed = 0;
  /** Where captured records go; set while a checkpoint that is to be written is captured. */
  #sink: RecordSink | undefined;

  constructor(options: RecordTableOptions) {
    assert(
      Number.isInteger(options.id) && options.id >= 1 && options.id <= 255,
      'the id of a table is one byte above 0',
    );
    this.id = options.id;
    this.name = options.name;
    this.#format = options.format;
    this.#crc32 = options.crc32;
    this.#source = options.source;
    this.#hashed = options.hashed ?? true;
  }

  /** A record begins to exist in `slot`. Its contents may be filled in after this call, before the entry has been applied. */
  add(slot: number): void {
    if (slot >= this.#slots.length) this.#grow(slot);
    const state = this.#slots[slot] as number;
    assert((state & LIVE) === 0, 'a record is added to an empty slot');
    if ((state & STAMP) !== this.#stamp) this.#changed.push(slot);
    this.#slots[slot] = (state & LISTED) | LIVE | this.#stamp;
  }

  /** The record in `slot` is about to change. Call it before the first change; again costs nothing. */
  touch(slot: number): void {
    if (((this.#slots[slot] as number) & STAMP) !== this.#stamp) this.#noteChange(slot);
  }

  /** The record in `slot` is about to be taken away; its contents still stand. */
  remove(slot: number): void {
    let state = this.#slots[slot] as number;
    assert((state & LIVE) !== 0, 'a record that is removed is there');
    if (this.#isPending(state)) {
      this.#capture(slot);
      state = this.#slots[slot] as number;
    }
    if ((state & HASHED) !== 0) {
      const hashes = this.#hashes[slot >>> SEGMENT_BITS] as Uint32Array;
      const at = (slot & SEGMENT_MASK) * HASH_WORDS;
      this.#removedHigh = (this.#removedHigh + (hashes[at] as number)) >>> 0;
      this.#removedLow = (this.#removedLow + (hashes[at + 1] as number)) >>> 0;
    }
    if ((state & STORED) !== 0) this.#deletions.push(this.#source.keyOf(slot));
    this.#slots[slot] = state & (STAMP | LISTED);
  }

  /** True when the state database holds the record as it is now, once the checkpoint under way, if any, is durable. */
  isStored(slot: number): boolean {
    return ((this.#slots[slot] as number) & (LIVE | STORED | CARRIED | STAMP)) === (LIVE | STORED);
  }

  /** The sum of the hashes of all records as they stood at the last mark; whole when its capture is complete. */
  get sum(): Hash64 {
    return { high: this.#sumHigh, low: this.#sumLow };
  }

  /**
   * A mark: what changed since the last one is set aside, in O(1). The capture before must be complete.
   *
   * @param sink Takes the records when they are to be written; undefined only hashes them and carries them on.
   */
  freeze(sink: RecordSink | undefined): void {
    assert(!this.#capturing, 'one mark is captured at a time');
    const changed = this.#changed;
    this.#changed = this.#frozen;
    this.#frozen = changed;
    this.#frozenAt = 0;
    this.#stamp = 3 - this.#stamp;
    this.#sumHigh = (this.#sumHigh - this.#removedHigh) >>> 0;
    this.#sumLow = (this.#sumLow - this.#removedLow) >>> 0;
    this.#removedHigh = 0;
    this.#removedLow = 0;
    this.#capturing = true;
    this.#writing = sink !== undefined;
    this.#sink = sink;
    if (sink === undefined) return;
    this.#carriedAt = 0;
    assert(this.#frozenDeletions.length === 0, 'the deletions of the last checkpoint were handed over');
    this.#frozenDeletions = this.#deletions;
    this.#deletions = [];
  }

  /** Hands up to `limit` deletions of the frozen set to `sink`. @returns how many. */
  drainDeletions(limit: number, sink: RecordSink): number {
    const count = Math.min(limit, this.#frozenDeletions.length);
    for (let taken = 0; taken < count; taken += 1) sink.del(recordKey(this.id, this.#frozenDeletions.pop() as number));
    return count;
  }

  /** True when no capture is under way, or it has come to its end. */
  get complete(): boolean {
    return !this.#capturing;
  }

  /**
   * Goes on with the capture until it has cost `limit`. A small record costs 1, a larger one 1 more for each KiB, so the last may go
   * over.
   *
   * @returns what it cost.
   */
  capture(limit: number): number {
    if (!this.#capturing) return 0;
    let cost = 0;
    while (cost < limit && this.#frozenAt < this.#frozen.length) {
      const slot = this.#frozen.at(this.#frozenAt);
      this.#frozenAt += 1;
      cost += 1;
      if (((this.#slots[slot] as number) & STAMP) === 3 - this.#stamp) cost += this.#capture(slot);
    }
    while (this.#writing && cost < limit && this.#carriedAt < this.#carried.length) {
      const slot = this.#carried.at(this.#carriedAt);
      this.#carriedAt += 1;
      cost += 1;
      if (((this.#slots[slot] as number) & CARRIED) !== 0) cost += this.#capture(slot);
      this.#slots[slot] = (this.#slots[slot] as number) & ~LISTED;
    }
    if (cost < limit) this.#endCapture();
    return cost;
  }

  /** Takes a record of a checkpoint in. Only before the first `add`. @throws DecodeError */
  restore(key: number, value: Uint8Array): void {
    if (value[0] !== this.#format) {
      throw new DecodeError(`a record of ${this.name} has format ${value[0] ?? 'none'}, not ${this.#format}`);
    }
    const slot = this.#source.restore(key, value);
    if (!this.#hashed) return;
    this.adopt(slot);
    this.#keepHash(slot, key, value);
  }

  /** The record in `slot` is in the state database already. Owners call it for tables outside the digest, whose records they need not read. */
  adopt(slot: number): void {
    if (slot >= this.#slots.length) this.#grow(slot);
    if (((this.#slots[slot] as number) & LIVE) !== 0) throw new DecodeError(`a record of ${this.name} is there twice`);
    this.#slots[slot] = LIVE | STORED;
  }

  #noteChange(slot: number): void {
    assert(slot < this.#slots.length && ((this.#slots[slot] as number) & LIVE) !== 0, 'a record that changes is there');
    if (this.#isPending(this.#slots[slot] as number)) this.#capture(slot);
    this.#changed.push(slot);
    this.#slots[slot] = ((this.#slots[slot] as number) & ~STAMP) | this.#stamp;
  }

  /** True when the record's contents as they stand belong to the mark that is being captured and were not taken yet. */
  #isPending(state: number): boolean {
    if (!this.#capturing) return false;
    return (state & STAMP) === 3 - this.#stamp || (this.#writing && (state & CARRIED) !== 0 && (state & STAMP) === 0);
  }

  /** @returns what it cost beyond 1. */
  #capture(slot: number): number {
    const state = this.#slots[slot] as number;
    if ((state & LIVE) === 0) {
      this.#slots[slot] = state & ~STAMP;
      return 0;
    }
    const fresh = (state & STAMP) !== 0;
    const cost = this.#writing || (fresh && this.#hashed) ? this.#encode(slot, fresh) : 0;
    // Bits are read anew: the hash was noted by `#encode`.
    const noted = (this.#slots[slot] as number) & ~STAMP;
    if (this.#writing) {
      this.#slots[slot] = (noted | STORED) & ~CARRIED;
    } else {
      if ((noted & LISTED) === 0) this.#carried.push(slot);
      this.#slots[slot] = noted | CARRIED | LISTED;
    }
    return cost;
  }

  /** @returns what it cost beyond 1. */
  #encode(slot: number, fresh: boolean): number {
    const extraCost = this.#source.extraCostOf?.(slot) ?? 0;
    const writer = this.#writer;
    writer.reset();
    writer.u8(this.#format);
    const own = this.#source.encode(slot, writer);
    const value = own ?? writer.view();
    const key = this.#source.keyOf(slot);
    if (fresh && this.#hashed) this.#keepHash(slot, key, value);
    this.#sink?.put(recordKey(this.id, key), own ?? this.#copyOf(value));
    return extraCost + (value.length >>> 10);
  }

  /** A copy in a buffer that many records share: one of its own for each costs more than all the rest. */
  #copyOf(value: Uint8Array): Uint8Array {
    if (value.length > COPIES_BYTES_MAX >>> 2) return value.slice();
    if (this.#copiesUsed + value.length > this.#copies.length) {
      const doubled = Math.max(FIRST_COPIES_BYTES, this.#copies.length * 2);
      this.#copies = new Uint8Array(Math.min(COPIES_BYTES_MAX, Math.max(doubled, value.length)));
      this.#copiesUsed = 0;
    }
    const start = this.#copiesUsed;
    this.#copiesUsed += value.length;
    this.#copies.set(value, start);
    return this.#copies.subarray(start, this.#copiesUsed);
  }

  #keepHash(slot: number, key: number, value: Uint8Array): void {
    if (slot >= this.#hashesRoom) this.#hashesRoom = growSegments(this.#hashes, slot, HASH_WORDS, newHashes);
    const hashes = this.#hashes[slot >>> SEGMENT_BITS] as Uint32Array;
    const at = (slot & SEGMENT_MASK) * HASH_WORDS;
    const high = hashHigh(this.#crc32, this.id, key, value);
    const low = hashLow(this.id, key, value);
    const state = this.#slots[slot] as number;
    const counted = (state & HASHED) !== 0;
    this.#sumHigh = (this.#sumHigh + high - (counted ? (hashes[at] as number) : 0)) >>> 0;
    this.#sumLow = (this.#sumLow + low - (counted ? (hashes[at + 1] as number) : 0)) >>> 0;
    hashes[at] = high;
    hashes[at + 1] = low;
    this.#slots[slot] = state | HASHED;
  }

  #endCapture(): void {
    this.#frozen.clear();
    if (this.#writing) this.#carried.clear();
    this.#capturing = false;
    this.#writing = false;
    this.#sink = undefined;
  }

  #grow(slot: number): void {
    const grown = new Uint8Array(Math.max(slot + 1, 64, this.#slots.length * 2));
    grown.set(this.#slots);
    this.#slots = grown;
  }
}

function newHashes(length: number): Uint32Array {
  return new Uint32Array(length);
}

/** The key of a record as bytes. */
export function recordKey(table: number, key: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_KEY_BYTES);
  bytes[0] = table;
  let rest = key;
  for (let at = RECORD_KEY_BYTES - 1; at > 0; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** The integer behind the table's byte. @throws DecodeError when the bytes are no key of a record. */
export function readRecordKey(bytes: Uint8Array): number {
  if (bytes.length !== RECORD_KEY_BYTES) throw new DecodeError('the key of a record has nine bytes');
  let key = 0;
  for (let at = 1; at < RECORD_KEY_BYTES; at += 1) key = key * 256 + (bytes[at] as number);
  if (!Number.isSafeInteger(key)) throw new DecodeError('the key of a record is over 2^53');
  return key;
}

// The hash of a record covers table, key and value: the first two go in as seeds, so that one pass over the value does.

function hashHigh(crc32: Crc32, table: number, key: number, value: Uint8Array): number {
  return crc32(value, seedOf(table, key, 0x2545f491));
}

function hashLow(table: number, key: number, value: Uint8Array): number {
  return murmur3(value, seedOf(table, key, 0x7a5c));
}

function seedOf(table: number, key: number, start: number): number {
  let mixed = Math.imul(start ^ table, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ (key | 0), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13) ^ Math.floor(key / 0x1_0000_0000), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
