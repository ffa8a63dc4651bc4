/**
 * The configuration of the cluster as a checkpoint keeps it: who votes.
 *
 *     u8 kind | u8 format | varint count | count × name
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { PeerId } from '../base/ids.ts';
import { isName, peerId } from '../base/ids.ts';

const KIND = 1;
const FORMAT = 1;

/** Most voters that are read. */
const VOTERS_MAX = 255;

/** The voters in order of their ids. */
export function encodeConfiguration(voters: readonly PeerId[]): Uint8Array {
  const writer = new ByteWriter(64);
  writer.u8(KIND);
  writer.u8(FORMAT);
  writer.varint(voters.length);
  for (const voter of [...voters].sort()) writer.ascii(voter);
  return writer.take();
}

/** Reads what `encodeConfiguration` wrote. @throws DecodeError */
export function decodeConfiguration(bytes: Uint8Array): readonly PeerId[] {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind !== KIND || format !== FORMAT)
    throw new DecodeError(`a configuration has kind ${kind} and format ${format}`);
  const count = reader.varint();
  if (count > VOTERS_MAX) throw new DecodeError(`a configuration of ${count} voters is not possible`);
  const voters: PeerId[] = [];
  for (let at = 0; at < count; at += 1) {
    const name = reader.ascii();
    if (!isName(name)) throw new DecodeError('a voter has no name');
    voters.push(peerId(name));
  }
  reader.end();
  return voters;
}
