/** What this peer has heard of how often other data directories were opened, as a record in the log database. */
import { assert } from '../base/assert.ts';
import { ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { incarnationBytes, incarnationText } from './identity.ts';
import { BOOTS_KEY } from './keys.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord } from './record.ts';
import type { HeardBoot } from './storage.ts';
import { HEARD_BOOTS_MAX } from './storage.ts';

const INCARNATION_BYTES = 16;

/** The record under `BOOTS_KEY`: a count, and for each directory its incarnation, how often it was opened and the last mark. */
export function encodeBoots(boots: readonly HeardBoot[], crc32: Crc32): Uint8Array {
  assert(boots.length <= HEARD_BOOTS_MAX, 'few directories are remembered');
  const writer = new ByteWriter(32 + boots.length * 28);
  beginRecord(writer, RECORD_KIND.boots);
  writer.varint(boots.length);
  for (const { incarnation, boot, mark } of boots) {
    writer.raw(incarnationBytes(incarnation));
    writer.varint(boot);
    writer.varint(mark);
  }
  sealRecord(writer, crc32, BOOTS_KEY);
  return writer.take();
}

/** @throws DecodeError */
export function decodeBoots(value: Uint8Array, crc32: Crc32): HeardBoot[] {
  const { reader } = openRecord(value, crc32, BOOTS_KEY, RECORD_KIND.boots);
  const count = reader.varint();
  if (count > HEARD_BOOTS_MAX) throw new DecodeError(`it names ${count} directories`);
  const boots: HeardBoot[] = [];
  for (let at = 0; at < count; at += 1) {
    const incarnation = incarnationText(reader.raw(INCARNATION_BYTES));
    boots.push({ incarnation, boot: reader.varint(), mark: reader.varint() });
  }
  reader.end();
  return boots;
}
