import { ByteReader } from '../../base/bytes.ts';

/**
 * The bytes of a block of finished tasks: a format byte, then each task as its number and its bytes behind their length. Only ever
 * appended to.
 */
export const BLOCK_FORMAT = 1;

/** A block is sealed before it grows past this; a task that is larger has a block of its own. */
export const BLOCK_BYTES_MAX = 65_536;

const FIRST_BYTES = 4096;

/** One block while it is appended to. */
export class BlockBody {
  #bytes: Uint8Array;
  #length = 1;

  /** @param sizeBytes What the first task needs. */
  constructor(sizeBytes: number) {
    this.#bytes = new Uint8Array(Math.max(FIRST_BYTES, sizeBytes + 1));
    this.#bytes[0] = BLOCK_FORMAT;
  }

  /** A body read back. */
  static of(value: Uint8Array): BlockBody {
    const body = new BlockBody(value.length);
    body.#bytes.set(value);
    body.#length = value.length;
    return body;
  }

  get sizeBytes(): number {
    return this.#length;
  }

  /** What is in it so far, in place. Good for ever: what was appended does not change. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  append(number: number, entry: Uint8Array): void {
    const needed = this.#length + entrySizeBytes(number, entry.length);
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#varint(number);
    this.#varint(entry.length);
    this.#bytes.set(entry, this.#length);
    this.#length += entry.length;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length] = (rest % 128) | 0x80;
      this.#length += 1;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, Math.min(BLOCK_BYTES_MAX, this.#bytes.length * 4)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Bytes that a task of `sizeBytes` takes in a block. */
export function entrySizeBytes(number: number, sizeBytes: number): number {
  return varintBytes(number) + varintBytes(sizeBytes) + sizeBytes;
}

/** The bytes of task `number` in a block, in place; undefined when it is not there. @throws DecodeError */
export function findInBlock(block: Uint8Array, number: number): Uint8Array | undefined {
  const reader = new ByteReader(block, 1);
  while (reader.remaining > 0) {
    const found = reader.varint();
    const sizeBytes = reader.varint();
    if (found === number) return reader.raw(sizeBytes);
    reader.skip(sizeBytes);
  }
  return undefined;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) count += 1;
  return count;
}
