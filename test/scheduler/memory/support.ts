import { crc32 as zlibCrc32 } from 'node:zlib';
import { ByteReader, type ByteWriter } from '../../../src/base/bytes.ts';
import type { Crc32, Hash64 } from '../../../src/base/hash.ts';
import type { Checkpoints } from '../../../src/scheduler/memory/checkpoints.ts';
import {
  type RecordSink,
  type RecordSource,
  RecordTable,
  readRecordKey,
} from '../../../src/scheduler/memory/records.ts';

export const crc32: Crc32 = (bytes, seed = 0) => zlibCrc32(bytes, seed);

const patterns = new Map<string, Uint8Array>();

/** `size` bytes that depend on `seed`; the same array each time, not to be changed. */
export function patternBytes(size: number, seed: number): Uint8Array {
  const name = `${size}/${seed % 4096}`;
  const known = patterns.get(name) ?? makePattern(size, seed % 4096);
  if (patterns.size < 5000) patterns.set(name, known);
  return known;
}

function makePattern(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) bytes[at] = seed * 31 + at * 7 + (at >>> 8);
  return bytes;
}

/** A table of numbers by number, as plain as can be: slots are used again, last freed first. */
export class ToyTable implements RecordSource {
  readonly table: RecordTable;
  readonly #keys: (number | undefined)[] = [];
  readonly #values: number[] = [];
  readonly #slots = new Map<number, number>();
  readonly #idle: number[] = [];
  /** How often a record was encoded. */
  encoded: number = 0;

  constructor(id: number, hashed = true) {
    this.table = new RecordTable({ id, name: `toy ${id}`, format: 1, crc32, source: this, hashed });
  }

  set(key: number, value: number): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.table.add(this.#take(key, value));
      return;
    }
    this.table.touch(slot);
    this.#values[slot] = value;
  }

  delete(key: number): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.table.remove(slot);
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#values[slot] = -1;
    this.#idle.push(slot);
  }

  isStored(key: number): boolean {
    return this.table.isStored(this.#slots.get(key) ?? -1);
  }

  keyOf(slot: number): number {
    return this.#keys[slot] ?? Number.NaN;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    this.encoded += 1;
    writer.varint(this.#values[slot] as number);
  }

  restore(key: number, value: Uint8Array): number {
    const slot = this.#take(key, new ByteReader(value, 1).varint());
    return slot;
  }

  #take(key: number, value: number): number {
    const slot = this.#idle.pop() ?? this.#keys.length;
    this.#keys[slot] = key;
    this.#values[slot] = value;
    this.#slots.set(key, slot);
    return slot;
  }
}

/** A state database in memory: what was put together becomes visible by `commit`, all at once. */
export class FakeDatabase implements RecordSink {
  readonly records: Map<string, { readonly key: Uint8Array; readonly value: Uint8Array }> = new Map();
  #pending: (() => void)[] = [];
  /** Deletions seen after a put of the same checkpoint: never allowed. */
  lateDeletions: number = 0;
  #puts = 0;

  del(key: Uint8Array): void {
    if (this.#puts > 0) this.lateDeletions += 1;
    this.#pending.push(() => this.records.delete(nameOf(key)));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#puts += 1;
    const copy = value.slice();
    this.#pending.push(() => this.records.set(nameOf(key), { key: key.slice(), value: copy }));
  }

  commit(): void {
    for (const change of this.#pending) change();
    this.discard();
  }

  discard(): void {
    this.#pending = [];
    this.#puts = 0;
  }
}

/** A key as text, for comparing. */
export function nameOf(key: Uint8Array): string {
  return `${key[0]}/${readRecordKey(key)}`;
}

/** Drains everything and commits what was to be written. */
export function checkpointNow(checkpoints: Checkpoints, index: number, database: FakeDatabase): Hash64 {
  checkpoints.mark(index);
  let more = true;
  while (more) more = checkpoints.drain(1000, database);
  if (checkpoints.handedOver !== undefined) {
    database.commit();
    checkpoints.written(checkpoints.handedOver.index);
  }
  const mark = checkpoints.lastMark;
  if (mark?.index !== index) throw new Error('the mark was not captured');
  return mark.digest;
}
