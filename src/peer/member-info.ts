/**
 * What a configuration of the log says of one member beside its name and its vote: which data directory it has, and where it is
 * reached. Consensus carries these bytes and does not look into them.
 *
 *     u8 format | 16 bytes incarnation, zero when unknown | u8 has addresses | peer host | u16 port | client host | u16 port
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Address } from '../config/cluster-config.ts';
import type { PeerAddresses } from './types.ts';

/** What is known of a member. */
export interface MemberInfo {
  /** 32 hexadecimal digits; undefined for a founder that was never heard. */
  readonly incarnation: string | undefined;
  readonly addresses: PeerAddresses | undefined;
}

const FORMAT = 1;
const INCARNATION_BYTES = 16;
const HOST_BYTES_MAX = 253;
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const INCARNATION = /^[0-9a-f]{32}$/;

/** The incarnation that nobody has: it stands for one that is not known. */
export const NO_INCARNATION: string = '0'.repeat(INCARNATION_BYTES * 2);

/** True for the name of a data directory: 32 hexadecimal digits. */
export function isIncarnation(text: string): boolean {
  return INCARNATION.test(text);
}

/** At most 560 bytes. */
export function encodeMemberInfo(info: MemberInfo): Uint8Array {
  const writer = new ByteWriter(96);
  writer.u8(FORMAT);
  writeIncarnation(writer, info.incarnation ?? NO_INCARNATION);
  writer.u8(info.addresses === undefined ? 0 : 1);
  if (info.addresses !== undefined) {
    writeAddress(writer, info.addresses.peer);
    writeAddress(writer, info.addresses.client);
  }
  return writer.take();
}

/** Reads what `encodeMemberInfo` wrote; nothing at all is read as nothing known. @throws DecodeError */
export function decodeMemberInfo(bytes: Uint8Array): MemberInfo {
  if (bytes.length === 0) return { incarnation: undefined, addresses: undefined };
  const reader = new ByteReader(bytes);
  const format = reader.u8();
  if (format !== FORMAT) throw new DecodeError(`what is told of a member has format ${format}, unknown here`);
  const incarnation = readIncarnation(reader);
  const addresses = reader.u8() === 0 ? undefined : { peer: readAddress(reader), client: readAddress(reader) };
  reader.end();
  return { incarnation: incarnation === NO_INCARNATION ? undefined : incarnation, addresses };
}

/** Sixteen bytes. */
export function writeIncarnation(writer: ByteWriter, incarnation: string): void {
  assert(INCARNATION.test(incarnation), 'an incarnation has 32 hexadecimal digits');
  for (let at = 0; at < incarnation.length; at += 2) writer.u8(Number.parseInt(incarnation.slice(at, at + 2), 16));
}

/** Reads what `writeIncarnation` wrote. @throws DecodeError */
export function readIncarnation(reader: ByteReader): string {
  const bytes = reader.raw(INCARNATION_BYTES);
  let text = '';
  for (let at = 0; at < INCARNATION_BYTES; at += 1) text += HEX[bytes[at] as number] as string;
  return text;
}

/** A host behind its length, and a port. */
export function writeAddress(writer: ByteWriter, address: Address): void {
  assert(address.host.length <= HOST_BYTES_MAX, 'a host has at most 253 characters');
  writer.ascii(address.host);
  writer.u16(address.port);
}

/** Reads what `writeAddress` wrote. @throws DecodeError */
export function readAddress(reader: ByteReader): Address {
  const host = reader.ascii();
  if (host.length === 0 || host.length > HOST_BYTES_MAX)
    throw new DecodeError('the host of a member has no proper length');
  return { host, port: reader.u16() };
}
