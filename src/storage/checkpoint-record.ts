/** The record under `CHECKPOINT_KEY` and the records of the state machine, as they lie in a state database. */
import { ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { reading, undecodable } from './damage.ts';
import type { Database } from './disk.ts';
import { CHECKPOINT_KEY } from './keys.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord } from './record.ts';
import type { Checkpoint } from './storage.ts';

/** The record of a checkpoint. */
export function encodeCheckpoint(checkpoint: Checkpoint, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.checkpoint);
  writer.u64(checkpoint.index);
  writer.u64(checkpoint.term);
  writer.u64(checkpoint.logTimeMs);
  writer.u32(checkpoint.digest.high);
  writer.u32(checkpoint.digest.low);
  writer.bytes(checkpoint.configuration);
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

/** The checkpoint of a state database, undefined where there is none. @throws StorageError `STATE_DAMAGED` */
export async function readCheckpoint(
  database: Database,
  crc32: Crc32,
  location: string,
): Promise<Checkpoint | undefined> {
  const value = await reading('state', location, () => database.get(CHECKPOINT_KEY));
  if (value === undefined) return undefined;
  try {
    return decodeCheckpoint(value, crc32);
  } catch (error) {
    throw undecodable(error, 'STATE_DAMAGED', location, 'the checkpoint record of the state database');
  }
}

function decodeCheckpoint(value: Uint8Array, crc32: Crc32): Checkpoint {
  const { reader } = openRecord(value, crc32, CHECKPOINT_KEY, RECORD_KIND.checkpoint);
  const checkpoint = {
    index: reader.u64(),
    term: reader.u64(),
    logTimeMs: reader.u64(),
    digest: { high: reader.u32(), low: reader.u32() },
    configuration: reader.bytes().slice(),
  };
  reader.end();
  return checkpoint;
}
