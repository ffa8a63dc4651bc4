/**
 * The configuration of the cluster as a checkpoint keeps it: who votes.
 *
 *     u8 kind | u8 format | varint count | count × name
 *
 * Who votes was settled when the cluster was founded. A file that was edited since must not change it: a peer that counts other
 * voters than the rest finds a majority where there is none, and two leaders acknowledge at once.
 */
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { PeerId } from '../base/ids.ts';
import { isName, peerId } from '../base/ids.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import { StorageError } from '../storage/storage-error.ts';

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

/**
 * Compares the members of the file with those that the data directory knows: all of them from its checkpoint, before the first
 * one those that it heard at the founding.
 * @throws StorageError `WRONG_CLUSTER` when they differ, DecodeError
 */
export function checkVoters(storage: Pick<OpenedStorage, 'founding' | 'state'>, members: readonly PeerId[]): void {
  const { checkpoint } = storage.state;
  const known =
    checkpoint === undefined
      ? storage.founding.heard.map((founder) => founder.peerId)
      : decodeConfiguration(checkpoint.configuration);
  const gone = known.filter((voter) => !members.includes(voter));
  const added = checkpoint === undefined ? [] : members.filter((member) => !known.includes(member));
  if (gone.length === 0 && added.length === 0) return;
  const parts: string[] = [];
  if (gone.length > 0) parts.push(`${gone.join(', ')} of them missing`);
  if (added.length > 0) parts.push(`${added.join(', ')} in addition`);
  throw new StorageError(
    'WRONG_CLUSTER',
    `the data directory is of a cluster with the members ${known.join(', ')}, and the configuration has ${parts.join(' and ')}. ` +
      'Members cannot be changed by editing the file: put it back as it was.',
  );
}
