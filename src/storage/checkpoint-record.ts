/**
 * The record under `CHECKPOINT_KEY` and the records of the state machine, as they lie in a state database; and the count of its
 * batches. LevelDB drops a damaged batch from the middle of its log in silence: what that batch had overwritten is then there
 * again, with right checksums. So each batch has a number and leaves a record of that, and the checkpoint names the last.
 */
import { type ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { damaged, reading, undecodable } from './damage.ts';
import type { Database, DatabaseBatch } from './disk.ts';
import { BATCH_KEYS_END, batchKey, CHECKPOINT_KEY, compareKeys, STAGED_KEY } from './keys.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord } from './record.ts';
import type { Checkpoint, SnapshotOffer } from './storage.ts';

/** Records of batches that are kept: more batches than LevelDB has in its log. */
export const BATCHES_KEPT = 4096;

/** A checkpoint, and the number of the batch that wrote it. */
export interface WrittenCheckpoint {
  readonly checkpoint: Checkpoint;
  /** From 1 on; 0 when an earlier version wrote it, which did not count. */
  readonly sequence: number;
}

/** Adds to `steps` that they are batch `sequence` and end with `checkpoint`. */
export function putCheckpoint(steps: DatabaseBatch, checkpoint: Checkpoint, sequence: number, crc32: Crc32): void {
  steps.put(CHECKPOINT_KEY, encodeCheckpoint({ checkpoint, sequence }, crc32));
  const writer = new ByteWriter();
  const key = batchKey(sequence);
  beginRecord(writer, RECORD_KIND.batch);
  sealRecord(writer, crc32, key);
  steps.put(key, writer.view());
  if (sequence > BATCHES_KEPT) steps.del(batchKey(sequence - BATCHES_KEPT));
}

/** The record under `STAGED_KEY`: what the checkpoint will be, and the chain of entries up to it. */
export function encodeStaged({ checkpoint, base }: SnapshotOffer, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.staged);
  writeCheckpoint(writer, checkpoint);
  writer.u32(base.chain.high);
  writer.u32(base.chain.low);
  sealRecord(writer, crc32, STAGED_KEY);
  return writer.take();
}

/** Reads what `encodeStaged` wrote. @throws DecodeError */
export function decodeStaged(value: Uint8Array, crc32: Crc32): SnapshotOffer {
  const { reader } = openRecord(value, crc32, STAGED_KEY, RECORD_KIND.staged);
  const checkpoint = readCheckpointFields(reader);
  const { index, term } = checkpoint;
  const base = { index, term, chain: { high: reader.u32(), low: reader.u32() } };
  reader.end();
  return { checkpoint, base };
}

function writeCheckpoint(writer: ByteWriter, checkpoint: Checkpoint): void {
  writer.u64(checkpoint.index);
  writer.u64(checkpoint.term);
  writer.u64(checkpoint.logTimeMs);
  writer.u32(checkpoint.digest.high);
  writer.u32(checkpoint.digest.low);
  writer.bytes(checkpoint.configuration);
}

function readCheckpointFields(reader: ByteReader): Checkpoint {
  return {
    index: reader.u64(),
    term: reader.u64(),
    logTimeMs: reader.u64(),
    digest: { high: reader.u32(), low: reader.u32() },
    configuration: reader.bytes().slice(),
  };
}

function encodeCheckpoint({ checkpoint, sequence }: WrittenCheckpoint, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.checkpoint);
  writeCheckpoint(writer, checkpoint);
  writer.u64(sequence);
  sealRecord(writer, crc32, CHECKPOINT_KEY);
  return writer.take();
}

/** Encodes the record of the state machine that lies under `stored` into `writer`, emptied before. */
export function encodeStateRecord(writer: ByteWriter, stored: Uint8Array, value: Uint8Array, crc32: Crc32): void {
  beginRecord(writer, RECORD_KIND.state);
  writer.raw(value);
  sealRecord(writer, crc32, stored);
}

/** The value of the record that lay under `stored`, as a view. @throws StorageError `STATE_DAMAGED` */
export function decodeStateRecord(stored: Uint8Array, value: Uint8Array, crc32: Crc32, location: string): Uint8Array {
  try {
    const { reader } = openRecord(value, crc32, stored, RECORD_KIND.state);
    return reader.raw(reader.remaining);
  } catch (error) {
    throw undecodable(error, 'STATE_DAMAGED', location, 'a record of the state database');
  }
}

/**
 * The checkpoint of a state database, undefined where there is none.
 * @throws StorageError `STATE_DAMAGED` when it does not read, or a batch before it is missing
 */
export async function readCheckpoint(
  database: Database,
  crc32: Crc32,
  location: string,
): Promise<WrittenCheckpoint | undefined> {
  const value = await reading('state', location, () => database.get(CHECKPOINT_KEY));
  if (value === undefined) return undefined;
  let written: WrittenCheckpoint;
  try {
    written = decodeCheckpoint(value, crc32);
  } catch (error) {
    throw undecodable(error, 'STATE_DAMAGED', location, 'the checkpoint record of the state database');
  }
  await reading('state', location, () => checkBatches(database, written.sequence, crc32, location));
  return written;
}

/** @throws StorageError `STATE_DAMAGED` when one of the batches up to `last` that should be known is not. */
async function checkBatches(database: Database, last: number, crc32: Crc32, location: string): Promise<void> {
  let next = Math.max(1, last - BATCHES_KEPT + 1);
  for (let before = 0; before !== next;) {
    before = next;
    const page = await database.range({ gte: batchKey(next), lt: BATCH_KEYS_END, limit: BATCHES_KEPT });
    for (const [key, value] of page) {
      if (next > last || compareKeys(key, batchKey(next)) !== 0) break;
      try {
        openRecord(value, crc32, key, RECORD_KIND.batch);
      } catch (error) {
        throw undecodable(error, 'STATE_DAMAGED', location, 'the record of a batch of the state database');
      }
      next += 1;
    }
  }
  if (next > last) return;
  throw damaged('STATE_DAMAGED', location, `batch ${next} of ${last} is missing in the state database`);
}

function decodeCheckpoint(value: Uint8Array, crc32: Crc32): WrittenCheckpoint {
  const { reader } = openRecord(value, crc32, CHECKPOINT_KEY, RECORD_KIND.checkpoint);
  const checkpoint = readCheckpointFields(reader);
  const sequence = reader.remaining === 0 ? 0 : reader.u64();
  reader.end();
  return { checkpoint, sequence };
}
