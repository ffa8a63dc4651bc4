/** Commands about schedules as bytes; `decode.ts` is the other direction. */
import type { ByteWriter } from '../../base/bytes.ts';
import type { Blob, Command } from '../command.ts';
import { encodeBlob, encodeTemplate } from '../encode-parts.ts';
import { CATCH_UP_CODES, OVERLAP_CODES } from '../version.ts';
import type { Overlap, PlannedOccurrence, ScheduleCommand, SchedulePolicy } from './commands.ts';

/** True for commands about schedules. */
export function isScheduleCommand(command: Command): command is ScheduleCommand {
  return command.type in SCHEDULE_MOVES;
}

/** What a command weighs in its batch, see `commandMoves`. */
export function scheduleMoves(command: ScheduleCommand): number {
  const moves = SCHEDULE_MOVES[command.type];
  // A task costs a row and an answer.
  return command.type === 'backfillSchedule' ? Math.max(moves, 2 * command.plannedMs.length) : moves;
}

/**
 * As many moves of tasks as take about the time of the command. One that ends what waits in a buffer rarely finds anything there,
 * but may find a thousand; so there are not many of them in an entry.
 */
const SCHEDULE_MOVES: Readonly<Record<ScheduleCommand['type'], number>> = {
  putSchedule: 10,
  deleteSchedule: 50,
  pauseSchedule: 1,
  resumeSchedule: 1,
  triggerSchedule: 50,
  backfillSchedule: 50,
  advanceSchedule: 4,
};

/** Appends what follows the principal. */
export function encodeScheduleCommand(writer: ByteWriter, command: ScheduleCommand): void {
  if (command.type === 'advanceSchedule') return encodeAdvance(writer, command);
  writer.ascii(command.namespace);
  writer.ascii(command.schedule);
  switch (command.type) {
    case 'putSchedule':
      return encodePut(writer, command);
    case 'deleteSchedule':
      // -1 is a value too.
      return writer.varint(command.expectedVersion + 1);
    case 'pauseSchedule':
    case 'resumeSchedule':
      return encodeBlob(writer, command.note);
    case 'triggerSchedule':
      writer.ascii(command.request);
      return writer.u8(codeOf(command.overlap));
    case 'backfillSchedule':
      writer.varint(command.version);
      writer.varint(command.number ?? 0);
      writer.ascii(command.request);
      writer.u8(codeOf(command.overlap));
      writer.varint(command.plannedMs.length);
      for (const plannedMs of command.plannedMs) writer.varint(plannedMs);
  }
}

/** Appends the rules of a schedule. Equal rules make equal bytes. */
export function encodePolicy(writer: ByteWriter, policy: SchedulePolicy): void {
  writer.u8(OVERLAP_CODES[policy.overlap]);
  writer.u8(CATCH_UP_CODES[policy.catchUp]);
  writer.varint(policy.catchUpWindowMs);
  writer.varint(policy.maxRuns);
  writer.varint(policy.pauseOnFailure);
}

/** Appends planned instants. */
export function encodePlanned(writer: ByteWriter, occurrences: readonly PlannedOccurrence[]): void {
  writer.varint(occurrences.length);
  for (const { plannedMs, fireAtMs } of occurrences) {
    writer.varint(plannedMs);
    writer.varint(fireAtMs);
  }
}

/** Appends bytes that may be absent. */
export function encodeOptionalBlob(writer: ByteWriter, blob: Blob | undefined): void {
  writer.u8(blob === undefined ? 0 : 1);
  if (blob !== undefined) encodeBlob(writer, blob);
}

function encodePut(writer: ByteWriter, command: Extract<ScheduleCommand, { type: 'putSchedule' }>): void {
  writer.varint(command.expectedVersion + 1);
  writer.bytes(command.calendar);
  // A length before it lets the state machine keep the template as it is.
  const at = writer.length;
  writer.u32(0);
  encodeTemplate(writer, command.task.template);
  writer.patchU32(at, writer.length - at - 4);
  encodeBlob(writer, command.task.payload);
  encodeOptionalBlob(writer, command.task.headers);
  encodePolicy(writer, command.policy);
  writer.u8(command.paused ? 1 : 0);
}

function encodeAdvance(writer: ByteWriter, command: Extract<ScheduleCommand, { type: 'advanceSchedule' }>): void {
  writer.varint(command.number);
  writer.varint(command.version);
  writer.varint(command.fromMs);
  encodePlanned(writer, command.occurrences);
  writer.varint(command.throughMs);
  writer.u8(command.exhausted ? 1 : 0);
}

function codeOf(overlap: Overlap | undefined): number {
  return overlap === undefined ? 0 : OVERLAP_CODES[overlap];
}
