/**
 * The two records of the log database: an entry, and the meta record that every batch ends with.
 *
 * Every entry carries the hash of the chain before it, and its checksum covers that: so one CRC pass over the data serves
 * checksum and chain. The chain after an entry is that checksum and, as the other half, an unrelated hash of the checksum
 * and the chain before.
 */
import { ByteWriter, DecodeError } from '../base/bytes.ts';
import { type Crc32, type Hash64, murmur3, ZERO_HASH } from '../base/hash.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import { peerId as toPeerId } from '../base/ids.ts';
import { type Entry, EntryKind, type HardState } from '../raft/types.ts';
import { entryKey, metaKey } from './keys.ts';
import { beginRecord, ENVELOPE_BYTES, openRecord, RECORD_KIND, sealRecord, UnknownFormatError } from './record.ts';
import type { LogPosition } from './storage.ts';

/** Before the first entry. */
export const LOG_START: LogPosition = { index: 0, term: 0, chain: ZERO_HASH };

/** What a batch says about the log that it leaves behind. */
export interface LogMeta {
  /** The entry before the first that is retained. Invariant: `base.index <= last.index`. */
  readonly base: LogPosition;
  readonly last: LogPosition;
  /** Invariant: its term is at least that of the last entry. */
  readonly hardState: HardState;
}

/** An entry as it was read, with the position that it makes the end of the log. */
export interface ReadEntry {
  readonly entry: Entry;
  /** The chain before it, as it was written. */
  readonly previous: Hash64;
  readonly position: LogPosition;
  /** Bytes of the whole record. */
  readonly sizeBytes: number;
}

/** Bytes of an entry's record beside its data. */
export const ENTRY_OVERHEAD_BYTES: number = ENVELOPE_BYTES + 8 + 8 + 1 + 8;

const ENTRY_KINDS: readonly number[] = Object.values(EntryKind);
const CHAIN_SEED = 0xc4a1;
const CHAIN_WORDS_BYTES = 12;

/** Writes records and reads them; keeps the buffers that it needs for that. */
export class LogCodec {
  readonly #crc32: Crc32;
  readonly #chainInput = new ByteWriter(CHAIN_WORDS_BYTES);

  constructor(crc32: Crc32) {
    this.#crc32 = crc32;
  }

  /**
   * Encodes `entry`, which follows `previous`, into `writer`, emptied before. The record is `writer.view()`, for `key`.
   * Returns the position after it.
   */
  encodeEntry(writer: ByteWriter, key: Uint8Array, entry: Entry, previous: LogPosition): LogPosition {
    beginRecord(writer, RECORD_KIND.entry);
    writer.u64(entry.index);
    writer.u64(entry.term);
    writer.u8(entry.kind);
    writer.u32(previous.chain.high);
    writer.u32(previous.chain.low);
    writer.raw(entry.data);
    const crc = sealRecord(writer, this.#crc32, key);
    return { index: entry.index, term: entry.term, chain: this.#extend(previous.chain, crc) };
  }

  /** Reads the record of entry `index`. Its data is a view into `value`. @throws DecodeError */
  decodeEntry(value: Uint8Array, index: LogIndex): ReadEntry {
    const { reader, crc } = openRecord(value, this.#crc32, entryKey(index), RECORD_KIND.entry);
    const storedIndex = reader.u64();
    if (storedIndex !== index) throw new DecodeError(`it says that it is entry ${storedIndex}`);
    const term = reader.u64();
    const kind = reader.u8();
    if (!isEntryKind(kind)) throw new UnknownFormatError(`its entry kind ${kind} is unknown`);
    const previous = { high: reader.u32(), low: reader.u32() };
    const data = reader.raw(reader.remaining);
    return {
      entry: { index, term, kind, data },
      previous,
      position: { index, term, chain: this.#extend(previous, crc) },
      sizeBytes: value.length,
    };
  }

  /** Encodes the meta record for `metaKey(meta.last.index)` into `writer`, emptied before. */
  encodeMeta(writer: ByteWriter, key: Uint8Array, meta: LogMeta): void {
    beginRecord(writer, RECORD_KIND.meta);
    writePosition(writer, meta.base);
    writePosition(writer, meta.last);
    writer.u64(meta.hardState.term);
    writer.ascii(meta.hardState.votedFor ?? '');
    // A number that an earlier version kept here.
    writer.u64(0);
    sealRecord(writer, this.#crc32, key);
  }

  /** Reads the meta record that lay under `metaKey(lastIndex)`. @throws DecodeError */
  decodeMeta(value: Uint8Array, lastIndex: LogIndex): LogMeta {
    const { reader } = openRecord(value, this.#crc32, metaKey(lastIndex), RECORD_KIND.meta);
    const readPosition = (): LogPosition => ({
      index: reader.u64(),
      term: reader.u64(),
      chain: { high: reader.u32(), low: reader.u32() },
    });
    const base = readPosition();
    const last = readPosition();
    const term = reader.u64();
    const hardState = { term, votedFor: toVote(reader.ascii()) };
    reader.u64();
    reader.end();
    if (last.index !== lastIndex) throw new DecodeError(`it says that the log ends with entry ${last.index}`);
    if (base.index > last.index) throw new DecodeError('it says that the log ends before it begins');
    return { base, last, hardState };
  }

  #extend(previous: Hash64, crc: number): Hash64 {
    const input = this.#chainInput;
    input.reset();
    input.u32(previous.high);
    input.u32(previous.low);
    input.u32(crc);
    return { high: crc, low: murmur3(input.view(), CHAIN_SEED) };
  }
}

function writePosition(writer: ByteWriter, position: LogPosition): void {
  writer.u64(position.index);
  writer.u64(position.term);
  writer.u32(position.chain.high);
  writer.u32(position.chain.low);
}

function toVote(text: string): PeerId | undefined {
  return text === '' ? undefined : toPeerId(text);
}

function isEntryKind(kind: number): kind is EntryKind {
  return ENTRY_KINDS.includes(kind);
}
