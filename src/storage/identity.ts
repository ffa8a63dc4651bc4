import { assert } from '../base/assert.ts';
import { type ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import { peerId as toPeerId } from '../base/ids.ts';
import { randomBytes, type Random } from '../base/random.ts';
import { FOUNDING_KEY, IDENTITY_KEY } from './keys.ts';
import { beginRecord, openRecord, RECORD_KIND, sealRecord } from './record.ts';
import type { Founder, Founding, Identity } from './storage.ts';
import { FOUNDERS_MAX } from './storage.ts';

const INCARNATION_BYTES = 16;

/** Bits of the first byte of a founding record. */
const FOUNDED = 1;
const WHOLE = 2;

/** What a fresh directory knows about the founding. */
export const NOT_FOUNDED: Founding = { founded: false, heard: [] };

/** A new incarnation: 128 random bits as 32 hexadecimal digits. */
export function drawIncarnation(random: Random): string {
  return incarnationText(randomBytes(random, INCARNATION_BYTES));
}

/** The 16 bytes of an incarnation. */
export function incarnationBytes(incarnation: string): Uint8Array {
  assert(incarnation.length === 2 * INCARNATION_BYTES, 'an incarnation has 32 hexadecimal digits');
  const bytes = new Uint8Array(INCARNATION_BYTES);
  for (let at = 0; at < INCARNATION_BYTES; at += 1) {
    bytes[at] = (digitAt(incarnation, at * 2) << 4) | digitAt(incarnation, at * 2 + 1);
  }
  return bytes;
}

/** The hexadecimal digit at `at`: a number and no text of its own, since HEAD is written with every batch. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  const digit = code < 0x3a ? code - 0x30 : code - 0x57;
  assert(digit >= 0 && digit < 16 && (code < 0x3a || digit >= 10), 'an incarnation has 32 hexadecimal digits');
  return digit;
}

/** The 32 digits of an incarnation. */
export function incarnationText(bytes: Uint8Array): string {
  assert(bytes.length === INCARNATION_BYTES, 'an incarnation has 16 bytes');
  let text = '';
  for (let at = 0; at < INCARNATION_BYTES; at += 1) text += (bytes[at] as number).toString(16).padStart(2, '0');
  return text;
}

/** The identity as a record under `IDENTITY_KEY`. */
export function encodeIdentity(identity: Identity, crc32: Crc32): Uint8Array {
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.identity);
  writer.ascii(identity.clusterId);
  writer.ascii(identity.peerId);
  writer.raw(incarnationBytes(identity.incarnation));
  sealRecord(writer, crc32, IDENTITY_KEY);
  return writer.take();
}

/** @throws DecodeError */
export function decodeIdentity(value: Uint8Array, crc32: Crc32): Identity {
  const { reader } = openRecord(value, crc32, IDENTITY_KEY, RECORD_KIND.identity);
  const identity = { clusterId: reader.ascii(), ...readFounder(reader) };
  reader.end();
  return identity;
}

/** The founding as a record under `FOUNDING_KEY`. */
export function encodeFounding(founding: Founding, crc32: Crc32): Uint8Array {
  assert(founding.heard.length <= FOUNDERS_MAX, 'a cluster has few founders');
  const writer = new ByteWriter();
  beginRecord(writer, RECORD_KIND.founding);
  writer.u8((founding.founded ? FOUNDED : 0) | (founding.whole === true ? WHOLE : 0));
  writer.varint(founding.heard.length);
  for (const founder of founding.heard) {
    writer.ascii(founder.peerId);
    writer.raw(incarnationBytes(founder.incarnation));
  }
  sealRecord(writer, crc32, FOUNDING_KEY);
  return writer.take();
}

/** @throws DecodeError */
export function decodeFounding(value: Uint8Array, crc32: Crc32): Founding {
  const { reader } = openRecord(value, crc32, FOUNDING_KEY, RECORD_KIND.founding);
  const flags = reader.u8();
  const founded = (flags & FOUNDED) !== 0;
  const count = reader.varint();
  if (count > FOUNDERS_MAX) throw new DecodeError(`it names ${count} founders`);
  const heard: Founder[] = [];
  for (let at = 0; at < count; at += 1) heard.push(readFounder(reader));
  reader.end();
  return (flags & WHOLE) === 0 ? { founded, heard } : { founded, heard, whole: true };
}

function readFounder(reader: ByteReader): Founder {
  return { peerId: toPeerId(reader.ascii()), incarnation: incarnationText(reader.raw(INCARNATION_BYTES)) };
}
