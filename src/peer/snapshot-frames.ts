/**
 * How a state travels from one peer to another: pages of the records of a checkpoint, each asked for by itself. All on the bulk
 * lane, in frames that begin with `SNAPSHOT_KIND`.
 *
 *     request   u8 kind 2 | u8 format | u8 1 | varint index | varint at least | after key | varint max bytes
 *     chunk     u8 kind 2 | u8 format | u8 2 | varint index | varint term | u64 log time | digest | configuration
 *               | chain | after key | u8 last | varint count | count × (key, value) | u32 crc of all before
 *     refused   u8 kind 2 | u8 format | u8 3 | varint index | u8 reason | varint newest
 *
 * A key and a value stand behind their length. A page says which request it answers by repeating index and key, so that a late or
 * repeated one is known. The receiver checks the sum of each page, and the digest of the whole before anything of it counts.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32, Hash64 } from '../base/hash.ts';
import type { LogIndex } from '../base/ids.ts';
import { TERM_MAX } from '../raft/message.ts';
import type { Checkpoint, StateRecord } from '../storage/storage.ts';
import { STATE_KEY_BYTES_MAX } from '../storage/storage.ts';

/** First byte of a frame about a snapshot. */
export const SNAPSHOT_KIND = 2;

const FORMAT = 1;
const REQUEST = 1;
const CHUNK = 2;
const REFUSED = 3;
const SUM_BYTES = 4;

/** Most records of one page; more is refused before memory is taken for them. */
export const PAGE_RECORDS_MAX = 65_536;

/** The key before every other: a transfer begins behind it. */
export const NO_KEY: Uint8Array = new Uint8Array(0);

/** Asks for the page behind `afterKey`. */
export interface SnapshotRequest {
  readonly type: 'request';
  /** The checkpoint that a transfer goes on with; 0 for whichever is there. */
  readonly index: LogIndex;
  /** An older checkpoint is of no use. */
  readonly atLeast: LogIndex;
  readonly afterKey: Uint8Array;
  /** The page ends with the record that reaches this many bytes. */
  readonly maxBytes: number;
}

/** One page. */
export interface SnapshotChunk {
  readonly type: 'chunk';
  readonly checkpoint: Checkpoint;
  /** The hash of the chain of entries up to the checkpoint. */
  readonly chain: Hash64;
  /** As in the request. */
  readonly afterKey: Uint8Array;
  /** In the order of their keys. */
  readonly records: readonly StateRecord[];
  /** Nothing comes behind this page. */
  readonly last: boolean;
}

/**
 * Why no page comes: `busy`, another peer is being sent one; `no-state`, there is no checkpoint; `too-old`, its own is older than
 * asked for; `other-index`, it is not the one asked for. The number is part of the wire contract.
 */
export const SNAPSHOT_REFUSALS: readonly ['busy', 'no-state', 'too-old', 'other-index'] = [
  'busy',
  'no-state',
  'too-old',
  'other-index',
];
/** One of them. */
export type SnapshotRefusal = (typeof SNAPSHOT_REFUSALS)[number];

/** No page comes. */
export interface SnapshotRefused {
  readonly type: 'refused';
  /** As in the request. */
  readonly index: LogIndex;
  readonly reason: SnapshotRefusal;
  /** The newest checkpoint of the sender; 0 for none. */
  readonly newest: LogIndex;
}

/** Everything that peers say to each other about snapshots. */
export type SnapshotFrame = SnapshotRequest | SnapshotChunk | SnapshotRefused;

/** The bytes of a frame; the writer's buffer is the caller's. */
export function encodeSnapshotFrame(frame: SnapshotFrame, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter(frame.type === 'chunk' ? sizeOf(frame) : 64);
  writer.u8(SNAPSHOT_KIND);
  writer.u8(FORMAT);
  if (frame.type === 'request') {
    writer.u8(REQUEST);
    writer.varint(frame.index);
    writer.varint(frame.atLeast);
    writer.bytes(frame.afterKey);
    writer.varint(frame.maxBytes);
  } else if (frame.type === 'refused') {
    writer.u8(REFUSED);
    writer.varint(frame.index);
    writer.u8(SNAPSHOT_REFUSALS.indexOf(frame.reason));
    writer.varint(frame.newest);
  } else {
    encodeChunk(writer, frame);
    writer.u32(crc32(writer.view()));
  }
  return writer.view();
}

/** Reads a frame that begins with `SNAPSHOT_KIND`. Records are views into `bytes`. @throws DecodeError */
export function decodeSnapshotFrame(bytes: Uint8Array, crc32: Crc32): SnapshotFrame {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind !== SNAPSHOT_KIND || format !== FORMAT)
    throw new DecodeError(`a snapshot frame of kind ${kind} and format ${format}`);
  const type = reader.u8();
  switch (type) {
    case REQUEST: {
      const index = reader.varint();
      const atLeast = reader.varint();
      const afterKey = readKey(reader);
      const maxBytes = reader.varint();
      reader.end();
      return { type: 'request', index, atLeast, afterKey, maxBytes };
    }
    case CHUNK:
      checkSum(bytes, crc32);
      return decodeChunk(reader);
    case REFUSED: {
      const index = reader.varint();
      const reason = SNAPSHOT_REFUSALS[reader.u8()];
      const newest = reader.varint();
      reader.end();
      // A reason of a later version still is a refusal.
      return { type: 'refused', index, reason: reason ?? 'busy', newest };
    }
    default:
      throw new DecodeError(`a snapshot frame of type ${type}`);
  }
}

function encodeChunk(writer: ByteWriter, chunk: SnapshotChunk): void {
  const { checkpoint, chain, afterKey, records, last } = chunk;
  assert(records.length <= PAGE_RECORDS_MAX, 'a page has a bound');
  writer.u8(CHUNK);
  writer.varint(checkpoint.index);
  writer.varint(checkpoint.term);
  writer.u64(checkpoint.logTimeMs);
  writeHash(writer, checkpoint.digest);
  writer.bytes(checkpoint.configuration);
  writeHash(writer, chain);
  writer.bytes(afterKey);
  writer.u8(last ? 1 : 0);
  writer.varint(records.length);
  for (const { key, value } of records) {
    writer.bytes(key);
    writer.bytes(value);
  }
}

function decodeChunk(reader: ByteReader): SnapshotChunk {
  const index = reader.varint();
  const term = reader.varint();
  const logTimeMs = reader.u64();
  const digest = readHash(reader);
  const configuration = reader.bytes().slice();
  const chain = readHash(reader);
  const afterKey = readKey(reader);
  const last = reader.u8() === 1;
  const count = reader.varint();
  // A record takes three bytes at least, so a count that lies is seen before anything is made for it.
  if (count > PAGE_RECORDS_MAX || count * 3 > reader.remaining)
    throw new DecodeError(`${count} records do not fit the page`);
  const records: StateRecord[] = [];
  for (let at = 0; at < count; at += 1) records.push({ key: readKey(reader), value: reader.bytes() });
  reader.raw(SUM_BYTES);
  reader.end();
  if (index === 0 || term === 0 || term > TERM_MAX) throw new DecodeError('a checkpoint of nothing');
  const checkpoint = { index, term, logTimeMs, configuration, digest };
  return { type: 'chunk', checkpoint, chain, afterKey, records, last };
}

function checkSum(bytes: Uint8Array, crc32: Crc32): void {
  if (bytes.length < SUM_BYTES) throw new DecodeError('a page without a sum');
  const end = bytes.length - SUM_BYTES;
  const sum = new ByteReader(bytes, end).u32();
  if (crc32(bytes.subarray(0, end)) !== sum) throw new DecodeError('the sum of a page is wrong');
}

function sizeOf(chunk: SnapshotChunk): number {
  let sizeBytes = 128 + chunk.checkpoint.configuration.length + chunk.afterKey.length;
  for (const { key, value } of chunk.records) sizeBytes += 8 + key.length + value.length;
  return sizeBytes;
}

function writeHash(writer: ByteWriter, hash: Hash64): void {
  writer.u32(hash.high);
  writer.u32(hash.low);
}

function readHash(reader: ByteReader): Hash64 {
  return { high: reader.u32(), low: reader.u32() };
}

function readKey(reader: ByteReader): Uint8Array {
  const key = reader.bytes();
  if (key.length > STATE_KEY_BYTES_MAX) throw new DecodeError('the key of a record is too long');
  return key;
}
