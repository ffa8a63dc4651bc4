import { ByteWriter } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { GENERATION_KEY } from './keys.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord } from './record.ts';
import type { LogPosition } from './storage.ts';

/** Which generation of the state database is in use. Where there is no record it is the lowest that is there. */
export interface Generation {
  /** Counted from 1. */
  readonly number: number;
  /**
   * Where the log was reset to when a snapshot was installed; the entry 0 otherwise. Records before it that are still on the
   * disk do not reach up to it, so the way between need not be searched for what may be deleted.
   */
  readonly resetTo: LogPosition;
}

/** The record under `GENERATION_KEY`. */
export function encodeGeneration({ number, resetTo }: Generation, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.generation);
  writer.u64(number);
  writer.u64(resetTo.index);
  writer.u64(resetTo.term);
  writer.u32(resetTo.chain.high);
  writer.u32(resetTo.chain.low);
  sealRecord(writer, crc32, GENERATION_KEY);
  return writer.take();
}

/** @throws DecodeError */
export function decodeGeneration(value: Uint8Array, crc32: Crc32): Generation {
  const { reader } = openRecord(value, crc32, GENERATION_KEY, RECORD_KIND.generation);
  const number = reader.u64();
  const resetTo = {
    index: reader.u64(),
    term: reader.u64(),
    chain: { high: reader.u32(), low: reader.u32() },
  };
  reader.end();
  return { number, resetTo };
}
