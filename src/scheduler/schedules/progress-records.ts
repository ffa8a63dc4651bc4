/** What a schedule has done as a record. Instants lie as differences: they are near each other. */
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import { decodeBlob, decodeCount } from '../decode-parts.ts';
import { encodeBlob } from '../encode-parts.ts';
import { KINDS, SKIPS } from './codes.ts';
import { own } from './definition-records.ts';
import type { Note, Schedule } from './schedule.ts';

const BITS = {
  deleted: 1,
  ended: 2,
  exhausted: 4,
  awaitsAdvance: 8,
  paused: 16,
  resumed: 32,
  slotHeld: 64,
  pausedOnce: 128,
} as const;

/** Writes what `decodeProgress` reads. */
export function encodeProgress(schedule: Schedule, writer: ByteWriter): void {
  writer.u8(
    (schedule.deleted ? BITS.deleted : 0) |
      (schedule.ended ? BITS.ended : 0) |
      (schedule.exhausted ? BITS.exhausted : 0) |
      (schedule.awaitsAdvance ? BITS.awaitsAdvance : 0) |
      (schedule.pause === undefined ? 0 : BITS.paused) |
      (schedule.resumed === undefined ? 0 : BITS.resumed) |
      (schedule.slotFreeAtMs === 0 ? 0 : BITS.slotHeld) |
      (schedule.pausedFromMs === 0 ? 0 : BITS.pausedOnce),
  );
  if (schedule.pause !== undefined) encodeNote(writer, schedule.pause);
  if (schedule.resumed !== undefined) encodeNote(writer, schedule.resumed);
  if (schedule.slotFreeAtMs > 0) writer.varint(schedule.slotFreeAtMs);
  if (schedule.pausedFromMs > 0) {
    writer.varint(schedule.pausedFromMs);
    writer.varint(schedule.pausedUntilMs);
  }
  writer.varint(schedule.computedThroughMs);
  writer.varint(schedule.settledThroughMs);
  writer.varint(schedule.notBeforeMs);
  writer.varint(schedule.caughtUp);
  writer.varint(schedule.runs);
  writer.varint(schedule.failures);
  writer.varint(schedule.cancelledThrough);
  writer.varint(schedule.cancelThrough);
  writer.varint(schedule.lateLastMs);
  writer.varint(schedule.lateMaxMs);
  writer.varint(schedule.lateSumMs);
  for (const count of schedule.fired) writer.varint(count);
  for (const count of schedule.skipped.slice(1)) writer.varint(count);
  encodeInstants(schedule, writer);
  encodeOccurrences(schedule, writer);
}

function encodeInstants(schedule: Schedule, writer: ByteWriter): void {
  const { plannedMs, fireAtMs } = schedule;
  writer.varint(plannedMs.length);
  let beforeMs = schedule.settledThroughMs;
  for (let at = 0; at < plannedMs.length; at += 1) {
    const planned = plannedMs[at] as number;
    writer.varint(planned - beforeMs);
    writer.varint((fireAtMs[at] as number) - planned);
    beforeMs = planned;
  }
}

function encodeOccurrences(schedule: Schedule, writer: ByteWriter): void {
  writer.varint(schedule.buffer.length);
  for (const waiting of schedule.buffer) {
    writer.varint(waiting.version);
    writer.varint(waiting.plannedMs);
    writer.varint(waiting.fireAtMs);
    writer.u8(waiting.kind);
    writer.varint(waiting.judgedAtMs);
    writer.varint(waiting.principal);
  }
  writer.varint(schedule.recent.length);
  for (const recent of schedule.recent) {
    writer.varint(recent.version);
    writer.varint(recent.plannedMs);
    writer.u8(recent.kind);
    // Nothing is settled before it is planned.
    writer.varint(recent.settledAtMs - recent.plannedMs);
    writer.varint(recent.task);
    writer.u8(recent.skip);
    writer.u8(recent.ended);
  }
  writer.varint(schedule.requests.length);
  for (const answered of schedule.requests) {
    writer.ascii(answered.request);
    writer.u8(answered.kind);
    writer.varint(answered.count);
    writer.u8(answered.skip);
  }
}

/** Reads a record into `schedule`, whose definition may still be missing. @throws DecodeError */
export function decodeProgress(schedule: Schedule, value: Uint8Array): void {
  const reader = new ByteReader(value, 1);
  const bits = reader.u8();
  schedule.deleted = (bits & BITS.deleted) !== 0;
  schedule.ended = (bits & BITS.ended) !== 0;
  schedule.exhausted = (bits & BITS.exhausted) !== 0;
  schedule.awaitsAdvance = (bits & BITS.awaitsAdvance) !== 0;
  schedule.pause = (bits & BITS.paused) === 0 ? undefined : decodeNote(reader);
  schedule.resumed = (bits & BITS.resumed) === 0 ? undefined : decodeNote(reader);
  schedule.slotFreeAtMs = (bits & BITS.slotHeld) === 0 ? 0 : reader.varint();
  if ((bits & BITS.pausedOnce) !== 0) {
    schedule.pausedFromMs = reader.varint();
    schedule.pausedUntilMs = reader.varint();
  }
  schedule.computedThroughMs = reader.varint();
  schedule.settledThroughMs = reader.varint();
  schedule.notBeforeMs = reader.varint();
  schedule.caughtUp = reader.varint();
  schedule.runs = reader.varint();
  schedule.failures = reader.varint();
  schedule.cancelledThrough = reader.varint();
  schedule.cancelThrough = reader.varint();
  schedule.lateLastMs = reader.varint();
  schedule.lateMaxMs = reader.varint();
  schedule.lateSumMs = reader.varint();
  for (let at = 0; at < schedule.fired.length; at += 1) schedule.fired[at] = reader.varint();
  for (let at = 1; at < schedule.skipped.length; at += 1) schedule.skipped[at] = reader.varint();
  let beforeMs = schedule.settledThroughMs;
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    beforeMs += reader.varint();
    schedule.plannedMs.push(beforeMs);
    schedule.fireAtMs.push(beforeMs + reader.varint());
  }
  decodeOccurrences(schedule, reader);
  reader.end();
}

function decodeOccurrences(schedule: Schedule, reader: ByteReader): void {
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    schedule.buffer.push({
      version: reader.varint(),
      plannedMs: reader.varint(),
      fireAtMs: reader.varint(),
      kind: decodeKind(reader),
      judgedAtMs: reader.varint(),
      principal: reader.varint(),
    });
  }
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    const version = reader.varint();
    const plannedMs = reader.varint();
    const kind = decodeKind(reader);
    const settledAtMs = plannedMs + reader.varint();
    const task = reader.varint();
    schedule.recent.push({ version, plannedMs, kind, settledAtMs, task, skip: decodeSkip(reader), ended: reader.u8() });
  }
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    const request = reader.ascii();
    const kind = decodeKind(reader);
    schedule.requests.push({ request, kind, count: reader.varint(), skip: decodeSkip(reader) });
  }
}

/** Reads the code of a kind. @throws DecodeError when it is none */
export function decodeKind(reader: ByteReader): number {
  const code = reader.u8();
  if (code >= KINDS.length) throw new DecodeError(`${code} is no kind of occurrence`);
  return code;
}

function decodeSkip(reader: ByteReader): number {
  const code = reader.u8();
  if (code >= SKIPS.length) throw new DecodeError(`${code} is no reason for skipping an occurrence`);
  return code;
}

function encodeNote(writer: ByteWriter, note: Note): void {
  writer.varint(note.atMs);
  writer.varint(note.by);
  encodeBlob(writer, note.note);
}

function decodeNote(reader: ByteReader): Note {
  return { atMs: reader.varint(), by: reader.varint(), note: own(decodeBlob(reader)) };
}
