import { assert } from '../../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import { type Crc32, hash64, type Hash64, sameHash } from '../../base/hash.ts';
import { NumberMap } from './number-map.ts';
import { recordKey, type RecordSource, RecordTable } from './records.ts';
import { NO_REF, type Slab } from './slab.ts';
import { TABLE_IDS } from './table-ids.ts';

const FORMAT = 1;

interface LargePayload {
  readonly number: number;
  readonly sizeBytes: number;
  readonly hash: Hash64;
  /** Where the bytes are in the slab; `NO_REF` when only the state database has them. */
  ref: number;
}

/** The key under which the state database holds a payload that left memory. Its value is read with `Payloads.read`. */
export function payloadKey(number: number): Uint8Array {
  return recordKey(TABLE_IDS.payloads, number);
}

/**
 * Payloads too large to stay in memory, by task number: a small record each with size and hash, and a body that leaves memory once
 * a checkpoint that holds it is durable. A payload never changes. It outlives its row when the finished task keeps it.
 *
 * Whether a body is in memory is this peer's own affair and must change no outcome: put payloads here by their size alone.
 */
export class Payloads {
  /** Sizes and hashes. */
  readonly directory: RecordTable;
  /** Bodies, outside the digest. */
  readonly bodies: RecordTable;
  readonly #slab: Slab;
  readonly #crc32: Crc32;
  readonly #slots = new NumberMap();
  readonly #payloads: (LargePayload | undefined)[] = [];
  readonly #idle: number[] = [];
  /** Slots whose bodies are in memory, in order of arrival, and perhaps some that were removed since. */
  #resident: number[] = [];
  #count = 0;

  constructor(options: { readonly crc32: Crc32; readonly slab: Slab }) {
    this.#slab = options.slab;
    this.#crc32 = options.crc32;
    this.directory = new RecordTable({
      id: TABLE_IDS.payloadDirectory,
      name: 'large payloads',
      format: FORMAT,
      crc32: options.crc32,
      source: this.#directorySource(),
    });
    this.bodies = new RecordTable({
      id: TABLE_IDS.payloads,
      name: 'payload bodies',
      format: FORMAT,
      crc32: options.crc32,
      hashed: false,
      source: this.#bodySource(),
    });
  }

  get count(): number {
    return this.#count;
  }

  /** Keeps the payload of task `number`. */
  add(number: number, bytes: Uint8Array): void {
    assert(bytes.length > 0 && this.#slots.get(number) === -1, 'a task has one payload');
    const slot = this.#take({
      number,
      sizeBytes: bytes.length,
      hash: hash64(this.#crc32, bytes),
      ref: this.#slab.store(bytes),
    });
    this.#resident.push(slot);
    this.directory.add(slot);
    this.bodies.add(slot);
  }

  /** The payload; `offloaded` when only the state database has it, under `payloadKey`; undefined when there is none. */
  get(number: number): Uint8Array | 'offloaded' | undefined {
    const payload = this.#payloads[this.#slots.get(number)];
    if (payload === undefined) return undefined;
    return payload.ref === NO_REF ? 'offloaded' : this.#slab.view(payload.ref, payload.sizeBytes);
  }

  /** Bytes of the payload of `number`, 0 when it has none here. */
  sizeBytesOf(number: number): number {
    return this.#payloads[this.#slots.get(number)]?.sizeBytes ?? 0;
  }

  /** Drops the payload; nothing happens when there is none. */
  remove(number: number): void {
    const slot = this.#slots.get(number);
    if (slot === -1) return;
    const payload = this.#at(slot);
    this.directory.remove(slot);
    this.bodies.remove(slot);
    this.#slab.free(payload.ref, payload.sizeBytes);
    this.#slots.delete(number);
    this.#payloads[slot] = undefined;
    this.#idle.push(slot);
    this.#count -= 1;
  }

  /**
   * The payload out of the value that the state database holds for it.
   *
   * @returns undefined when the task has none any more.
   * @throws DecodeError when the value is not what was written.
   */
  read(number: number, value: Uint8Array): Uint8Array | undefined {
    const payload = this.#payloads[this.#slots.get(number)];
    if (payload === undefined) return undefined;
    const bytes = value.subarray(1);
    if (value[0] !== FORMAT || !sameHash(hash64(this.#crc32, bytes), payload.hash)) {
      throw new DecodeError(`the payload of task ${number} is not what was written`);
    }
    return bytes;
  }

  /** A checkpoint is durable: bodies in it leave memory. */
  written(): void {
    const kept: number[] = [];
    for (const slot of this.#resident) {
      const payload = this.#payloads[slot];
      if (payload === undefined || payload.ref === NO_REF) continue;
      if (!this.bodies.isStored(slot)) {
        kept.push(slot);
        continue;
      }
      this.#slab.free(payload.ref, payload.sizeBytes);
      payload.ref = NO_REF;
    }
    this.#resident = kept;
  }

  #take(payload: LargePayload): number {
    const slot = this.#idle.pop() ?? this.#payloads.length;
    this.#payloads[slot] = payload;
    this.#slots.set(payload.number, slot);
    this.#count += 1;
    return slot;
  }

  #at(slot: number): LargePayload {
    const payload = this.#payloads[slot];
    assert(payload !== undefined, 'a record of a payload has its payload');
    return payload;
  }

  #directorySource(): RecordSource {
    return {
      keyOf: (slot) => this.#at(slot).number,
      encode: (slot, writer: ByteWriter) => {
        const { sizeBytes, hash } = this.#at(slot);
        writer.varint(sizeBytes);
        writer.u32(hash.high);
        writer.u32(hash.low);
        return undefined;
      },
      restore: (number, value) => {
        const reader = new ByteReader(value, 1);
        const sizeBytes = reader.varint();
        const hash = { high: reader.u32(), low: reader.u32() };
        reader.end();
        const slot = this.#take({ number, sizeBytes, hash, ref: NO_REF });
        this.bodies.adopt(slot);
        return slot;
      },
    };
  }

  #bodySource(): RecordSource {
    return {
      keyOf: (slot) => this.#at(slot).number,
      encode: (slot, writer) => {
        const { ref, sizeBytes } = this.#at(slot);
        assert(ref !== NO_REF, 'a body that is to be written is in memory');
        writer.raw(this.#slab.view(ref, sizeBytes));
        return undefined;
      },
      // Bodies stay where they are until they are needed.
      restore: () => -1,
    };
  }
}
