/** Bytes back into commands about schedules. */
import { type ByteReader, DecodeError } from '../../base/bytes.ts';
import type { Blob } from '../command.ts';
import { decodeBlob, decodeBoolean, decodeTemplate, list } from '../decode-parts.ts';
import { CATCH_UP_CODES, COMMAND_CODES, OVERLAP_CODES } from '../version.ts';
import type { CatchUp, Overlap, PlannedOccurrence, ScheduleCommand, SchedulePolicy } from './commands.ts';

const OVERLAPS: readonly (Overlap | undefined)[] = byCode(OVERLAP_CODES);
const CATCH_UPS: readonly (CatchUp | undefined)[] = byCode(CATCH_UP_CODES);

/** Reads what follows the principal of a command with `code`. @throws DecodeError when no command has it */
export function decodeScheduleCommand(code: number, reader: ByteReader): ScheduleCommand {
  if (code === COMMAND_CODES.advanceSchedule) return decodeAdvance(reader);
  if (code < COMMAND_CODES.putSchedule || code > COMMAND_CODES.advanceSchedule) {
    throw new DecodeError(`a command has code ${code}, which is unknown here`);
  }
  const of = { namespace: reader.ascii(), schedule: reader.ascii() };
  switch (code) {
    case COMMAND_CODES.putSchedule:
      return decodePut(of, reader);
    case COMMAND_CODES.deleteSchedule:
      return { type: 'deleteSchedule', ...of, expectedVersion: reader.varint() - 1 };
    case COMMAND_CODES.pauseSchedule:
      return { type: 'pauseSchedule', ...of, note: decodeBlob(reader) };
    case COMMAND_CODES.resumeSchedule:
      return { type: 'resumeSchedule', ...of, note: decodeBlob(reader) };
    case COMMAND_CODES.triggerSchedule: {
      const request = reader.ascii();
      return { type: 'triggerSchedule', ...of, request, ...decodeOverlapGiven(reader) };
    }
    default: {
      const version = reader.varint();
      const number = reader.varint();
      const request = reader.ascii();
      const given = { ...decodeOverlapGiven(reader), ...(number === 0 ? {} : { number }) };
      const plannedMs = list(reader, (from) => from.varint());
      return { type: 'backfillSchedule', ...of, version, request, plannedMs, ...given };
    }
  }
}

/** Reads what `encodePolicy` wrote. @throws DecodeError */
export function decodePolicy(reader: ByteReader): SchedulePolicy {
  const overlap = decodeOverlap(reader.u8());
  const code = reader.u8();
  const catchUp = CATCH_UPS[code];
  if (catchUp === undefined) throw new DecodeError(`a policy for missed occurrences has code ${code}`);
  return {
    overlap,
    catchUp,
    catchUpWindowMs: reader.varint(),
    maxRuns: reader.varint(),
    pauseOnFailure: reader.varint(),
  };
}

/** Reads what `encodePlanned` wrote. @throws DecodeError */
export function decodePlanned(reader: ByteReader): PlannedOccurrence[] {
  return list(reader, (from) => ({ plannedMs: from.varint(), fireAtMs: from.varint() }));
}

/** Reads what `encodeOptionalBlob` wrote. @throws DecodeError */
export function decodeOptionalBlob(reader: ByteReader): Blob | undefined {
  return decodeBoolean(reader) ? decodeBlob(reader) : undefined;
}

function decodePut(of: { readonly namespace: string; readonly schedule: string }, reader: ByteReader): ScheduleCommand {
  const expectedVersion = reader.varint() - 1;
  const calendar = reader.bytes();
  const length = reader.u32();
  const start = reader.position;
  const template = decodeTemplate(reader);
  if (reader.position !== start + length) throw new DecodeError('a template is not as long as it says');
  const payload = decodeBlob(reader);
  const headers = decodeOptionalBlob(reader);
  const task = { template, payload, ...(headers === undefined ? {} : { headers }) };
  const policy = decodePolicy(reader);
  return { type: 'putSchedule', ...of, expectedVersion, calendar, task, policy, paused: decodeBoolean(reader) };
}

function decodeAdvance(reader: ByteReader): ScheduleCommand {
  return {
    type: 'advanceSchedule',
    number: reader.varint(),
    version: reader.varint(),
    fromMs: reader.varint(),
    occurrences: decodePlanned(reader),
    throughMs: reader.varint(),
    exhausted: decodeBoolean(reader),
  };
}

function decodeOverlapGiven(reader: ByteReader): { readonly overlap?: Overlap } {
  const code = reader.u8();
  return code === 0 ? {} : { overlap: decodeOverlap(code) };
}

function decodeOverlap(code: number): Overlap {
  const overlap = OVERLAPS[code];
  if (overlap === undefined) throw new DecodeError(`a policy for overlapping occurrences has code ${code}`);
  return overlap;
}

/** Names by their codes, with a hole where a code stands for none. */
function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): (Name | undefined)[] {
  const names: (Name | undefined)[] = [];
  for (const name of Object.keys(codes) as Name[]) names[codes[name]] = name;
  return names;
}
