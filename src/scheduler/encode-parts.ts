/** What more than one command is made of, as bytes; `decode-parts.ts` is the other direction. */
import type { ByteWriter } from '../base/bytes.ts';
import type { Blob, Labels, TaskTemplate } from './command.ts';

/** Appends what tasks of a submission have in common. Equal templates make equal bytes. */
export function encodeTemplate(writer: ByteWriter, template: TaskTemplate): void {
  const { retry, timeouts, retention } = template;
  writer.ascii(template.type);
  writer.ascii(template.queue);
  writer.u8(template.priority);
  encodeLabels(writer, template.requires);
  writer.varint(retry.maxAttempts);
  writer.varint(retry.initialMs);
  writer.varint(retry.maxMs);
  writer.varint(timeouts.runMs);
  writer.varint(timeouts.queueMs);
  writer.varint(timeouts.totalMs);
  writer.varint(retention.doneMs);
  writer.varint(retention.failedMs);
  writer.u8(retention.keepPayload ? 1 : 0);
}

/** Appends pairs of names and values in the order given. */
export function encodeLabels(writer: ByteWriter, labels: Labels): void {
  writer.varint(labels.length);
  for (const [name, value] of labels) {
    writer.ascii(name);
    writer.ascii(value);
  }
}

/** Appends opaque bytes with their encoding before them. */
export function encodeBlob(writer: ByteWriter, blob: Blob): void {
  writer.u8(blob.encoding);
  writer.bytes(blob.bytes);
}
