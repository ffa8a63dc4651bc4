/**
 * The envelope of every record in both databases: CRC-32 over the key and all that follows, the record's kind, the format
 * of its body, the body. LevelDB returns rotten table data without an error; with the key in the checksum a record that
 * lies under another key is found too.
 */
import { ByteReader, type ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';

/** Kinds of record. A number is never used again for another. */
export const RECORD_KIND = {
  entry: 1,
  meta: 2,
  identity: 3,
  founding: 4,
  checkpoint: 5,
  state: 6,
  generation: 7,
  batch: 8,
  boots: 9,
  staged: 10,
} as const;

/** One of `RECORD_KIND`. */
export type RecordKind = (typeof RECORD_KIND)[keyof typeof RECORD_KIND];

/** The body format that this version writes, for every kind. A later one gets the next number. */
export const RECORD_FORMAT = 1;

/** Bytes before the body. */
export const ENVELOPE_BYTES = 6;

const CRC_BYTES = 4;

/** The record says that a version wrote it which this one does not know. Its checksum is right. */
export class UnknownFormatError extends DecodeError {}

/** Empties `writer` and begins a record of `kind` in it. The caller writes the body and then calls `sealRecord`. */
export function beginRecord(writer: ByteWriter, kind: RecordKind): void {
  writer.reset();
  writer.u32(0);
  writer.u8(kind);
  writer.u8(RECORD_FORMAT);
}

/** Puts the checksum into the record in `writer`. Returns the checksum; the record is `writer.view()`. */
export function sealRecord(writer: ByteWriter, crc32: Crc32, key: Uint8Array): number {
  const crc = crc32(writer.view(CRC_BYTES), crc32(key));
  writer.patchU32(0, crc);
  return crc;
}

/** A record that was checked, ready for its body to be read. */
export interface OpenedRecord {
  readonly reader: ByteReader;
  readonly crc: number;
}

/**
 * Checks the record `value` that lay under `key`.
 * @throws DecodeError when it is not what was written, UnknownFormatError when it is but cannot be read.
 */
export function openRecord(value: Uint8Array, crc32: Crc32, key: Uint8Array, kind: RecordKind): OpenedRecord {
  if (value.length < ENVELOPE_BYTES) throw new DecodeError(`it has ${value.length} bytes and no whole envelope`);
  const reader = new ByteReader(value);
  const crc = reader.u32();
  if (crc32(value.subarray(CRC_BYTES), crc32(key)) !== crc) throw new DecodeError('its checksum does not match');
  const foundKind = reader.u8();
  if (foundKind !== kind) throw new DecodeError(`it is a record of kind ${foundKind} where ${kind} belongs`);
  const format = reader.u8();
  if (format !== RECORD_FORMAT) {
    throw new UnknownFormatError(`it has format ${format}, and this version reads format ${RECORD_FORMAT}`);
  }
  return { reader, crc };
}
