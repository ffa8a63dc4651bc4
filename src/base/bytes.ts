import { assert } from './assert.ts';

/** Bytes that do not read as what they should be. Never an invariant of ours: the bytes came from a disk or a wire. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/**
 * Writes little-endian binary into one growing buffer, which is used again after `reset`.
 * Integers of variable length are LEB128; `varint` takes safe integers of 0 and more.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  // Integers go byte by byte: a `DataView` is one more object for every writer and reader, and costs more than it saves.
  constructor(initialBytes = 256) {
    this.#bytes = new Uint8Array(initialBytes);
  }

  /** Bytes written since the last `reset`. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length] = value;
    this.#bytes[this.#length + 1] = value >>> 8;
    this.#length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#putU32(this.#length, value);
    this.#length += 4;
  }

  /** A safe integer of 0 and more in eight bytes. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'u64 takes safe integers of 0 and more');
    this.#reserve(8);
    this.#putU32(this.#length, value);
    this.#putU32(this.#length + 4, value < 0x1_0000_0000 ? 0 : Math.floor(value / 0x1_0000_0000));
    this.#length += 8;
  }

  /** A safe integer of 0 and more in one to eight bytes. */
  varint(value: number): void {
    // Most are small: lengths, counts, codes.
    if (value >>> 0 === value && value < 0x80) {
      this.u8(value);
      return;
    }
    assert(Number.isSafeInteger(value) && value >= 0, 'varint takes safe integers of 0 and more');
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x8000_0000) {
      this.#bytes[this.#length] = (rest % 128) | 0x80;
      this.#length += 1;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.#bytes[this.#length] = (rest & 0x7f) | 0x80;
      this.#length += 1;
      rest >>>= 7;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** `bytes` as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The length of `bytes` as a varint, then `bytes`. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** ASCII with its length before it; every name of ours is ASCII, and free text travels as opaque bytes. */
  ascii(text: string): void {
    const length = text.length;
    this.varint(length);
    this.#reserve(length);
    for (let at = 0; at < length; at += 1) {
      const code = text.charCodeAt(at);
      assert(code < 0x80, 'ascii takes ASCII');
      this.#bytes[this.#length + at] = code;
    }
    this.#length += length;
  }

  /** Overwrites four bytes written before, for a length that is known only at the end. */
  patchU32(at: number, value: number): void {
    assert(at >= 0 && at + 4 <= this.#length, 'a patch lies within what was written');
    this.#putU32(at, value);
  }

  /** What was written, from byte `start` on, as a view that the next write or `reset` may overwrite. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  /** What was written, as a copy of its own. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** The low 32 bits of `value`, at a place that is there. */
  #putU32(at: number, value: number): void {
    const bytes = this.#bytes;
    const low = value >>> 0;
    bytes[at] = low;
    bytes[at + 1] = low >>> 8;
    bytes[at + 2] = low >>> 16;
    bytes[at + 3] = low >>> 24;
  }
}

/** Characters that are made into text at a time. */
const TEXT_PIECE = 1024;

/** A view is an object of its own; the empty one is always the same. */
const NOTHING = new Uint8Array(0);

/** Reads what `ByteWriter` wrote. Every read is checked against the end. @throws DecodeError */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    assert(end <= bytes.length, 'a reader ends within its bytes');
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    this.#need(1);
    const value = this.#bytes[this.#at] as number;
    this.#at += 1;
    return value;
  }

  u16(): number {
    this.#need(2);
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + 2;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  }

  u32(): number {
    this.#need(4);
    const value = this.#u32At(this.#at);
    this.#at += 4;
    return value;
  }

  u64(): number {
    this.#need(8);
    const high = this.#u32At(this.#at + 4);
    if (high > 0x1f_ffff) throw new DecodeError('an integer is over 2^53');
    const value = high * 0x1_0000_0000 + this.#u32At(this.#at);
    this.#at += 8;
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('an integer is over 2^53');
        return value;
      }
      scale *= 128;
    }
    throw new DecodeError('an integer is longer than eight bytes');
  }

  /** The next `length` bytes, as a view into the source. */
  raw(length: number): Uint8Array {
    if (length === 0) return NOTHING;
    this.#need(length);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  /** Goes back to a `position` of before. */
  rewind(position: number): void {
    assert(position <= this.#at, 'a reader goes back to where it was');
    this.#at = position;
  }

  /** Passes over the next `length` bytes. */
  skip(length: number): void {
    this.#need(length);
    this.#at += length;
  }

  /** Bytes behind their length, as a view into the source. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  /** ASCII behind its length. */
  ascii(): string {
    const length = this.varint();
    this.#need(length);
    const first = this.#at;
    this.#at = first + length;
    let text = '';
    // In pieces: a call takes only so many arguments. Names are one piece.
    for (let start = first; start < this.#at; start += TEXT_PIECE) {
      const end = Math.min(start + TEXT_PIECE, this.#at);
      const codes: number[] = [];
      for (let at = start; at < end; at += 1) {
        const code = this.#bytes[at] as number;
        if (code > 0x7f) throw new DecodeError('a name is not ASCII');
        codes.push(code);
      }
      text += String.fromCharCode.apply(undefined, codes);
    }
    return text;
  }

  /** Fails unless everything was read. */
  end(): void {
    if (this.#at !== this.#end) throw new DecodeError(`${this.#end - this.#at} bytes too many`);
  }

  #u32At(at: number): number {
    const bytes = this.#bytes;
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    return (low | ((bytes[at + 3] as number) << 24)) >>> 0;
  }

  #need(count: number): void {
    if (count > this.#end - this.#at) throw new DecodeError('the bytes end too early');
  }
}
