/** What more than one command and record is made of, out of bytes. */
import { DecodeError, type ByteReader } from '../base/bytes.ts';
import type { Blob, Encoding, Labels, TaskTemplate } from './command.ts';

/** More elements than this are in no list of a command; a larger count is damage and is not believed. */
const COUNT_MAX = 100_000;

/** Reads what `encodeTemplate` wrote. @throws DecodeError */
export function decodeTemplate(reader: ByteReader): TaskTemplate {
  return {
    type: reader.ascii(),
    queue: reader.ascii(),
    priority: reader.u8(),
    requires: decodeLabels(reader),
    retry: { maxAttempts: reader.varint(), initialMs: reader.varint(), maxMs: reader.varint() },
    timeouts: { runMs: reader.varint(), queueMs: reader.varint(), totalMs: reader.varint() },
    retention: { doneMs: reader.varint(), failedMs: reader.varint(), keepPayload: decodeBoolean(reader) },
  };
}

/** Reads what `encodeLabels` wrote. @throws DecodeError */
export function decodeLabels(reader: ByteReader): Labels {
  return list(reader, (from) => [from.ascii(), from.ascii()] as const);
}

/** Reads what `encodeBlob` wrote; the bytes are a view into the source. @throws DecodeError */
export function decodeBlob(reader: ByteReader): Blob {
  const encoding = decodeEncoding(reader.u8());
  return { encoding, bytes: reader.bytes() };
}

/** @throws DecodeError for a number that names no encoding */
export function decodeEncoding(value: number): Encoding {
  if (value > 3) throw new DecodeError(`${value} names no encoding`);
  return value as Encoding;
}

/** Reads the length of a list. @throws DecodeError when it is longer than any of ours */
export function decodeCount(reader: ByteReader): number {
  const count = reader.varint();
  if (count > COUNT_MAX) throw new DecodeError(`a list of ${count} is longer than any of ours`);
  return count;
}

/** Reads a byte that is 0 or 1. @throws DecodeError */
export function decodeBoolean(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError(`${value} is neither true nor false`);
  return value === 1;
}

/** Reads a list, its length first. @throws DecodeError */
export function list<T>(reader: ByteReader, one: (reader: ByteReader) => T): T[] {
  const count = decodeCount(reader);
  const elements: T[] = [];
  for (let at = 0; at < count; at += 1) elements.push(one(reader));
  return elements;
}
