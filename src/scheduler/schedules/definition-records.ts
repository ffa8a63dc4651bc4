/** What was put as a record: namespace, id, and what the put said. */
import { ByteReader, type ByteWriter } from '../../base/bytes.ts';
import { decodeBlob } from '../decode-parts.ts';
import { encodeBlob } from '../encode-parts.ts';
import { decodeOptionalBlob, decodePolicy } from './decode.ts';
import { encodeOptionalBlob, encodePolicy } from './encode.ts';
import type { Blob } from '../command.ts';
import type { Definition, Schedule } from './schedule.ts';

/** Writes what `decodeDefinition` reads. */
export function encodeDefinition(schedule: Schedule, writer: ByteWriter): void {
  const { definition } = schedule;
  writer.varint(schedule.namespace);
  writer.ascii(schedule.id);
  writer.varint(definition.version);
  writer.bytes(definition.calendar);
  writer.bytes(definition.template);
  encodeBlob(writer, definition.payload);
  encodeOptionalBlob(writer, definition.headers);
  encodePolicy(writer, definition.policy);
  writer.varint(definition.principal);
  writer.varint(definition.createdAtMs);
  writer.varint(definition.updatedAtMs);
}

/** What a record of a definition says. */
export interface ReadDefinition {
  readonly namespace: number;
  readonly id: string;
  readonly definition: Definition;
}

/** @throws DecodeError */
export function decodeDefinition(value: Uint8Array): ReadDefinition {
  const reader = new ByteReader(value, 1);
  const namespace = reader.varint();
  const id = reader.ascii();
  const definition: Definition = {
    version: reader.varint(),
    calendar: reader.bytes().slice(),
    template: reader.bytes().slice(),
    payload: own(decodeBlob(reader)),
    headers: ownOptional(decodeOptionalBlob(reader)),
    policy: decodePolicy(reader),
    principal: reader.varint(),
    createdAtMs: reader.varint(),
    updatedAtMs: reader.varint(),
  };
  reader.end();
  return { namespace, id, definition };
}

/** A copy that does not keep the buffer alive in which the bytes came. */
export function own(blob: Blob): Blob {
  return { encoding: blob.encoding, bytes: blob.bytes.slice() };
}

/** The same of bytes that may be absent. */
export function ownOptional(blob: Blob | undefined): Blob | undefined {
  return blob === undefined ? undefined : own(blob);
}
