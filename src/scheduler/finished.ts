/**
 * A finished task as the bytes of its entry in a block, and back. What its last events tell (when it started and ended, where,
 * and why) is not said twice.
 *
 *     u8 format | u8 state and presence bits | u8 encodings and presence bits | namespace, type, queue | priority | labels | … | history
 */
import { ByteReader, DecodeError } from '../base/bytes.ts';
import type { Blob, Encoding } from './command.ts';
import { decodeLabels } from './decode-parts.ts';
import { encodeLabels } from './encode-parts.ts';
import { eventsMax, noteEvent, writeEnding } from './history-notes.ts';
import { EVENT, readEvents, viewEvent } from './history.ts';
import { findInBlock } from './memory/block-format.ts';
import { FLAGS, ROW_MASK, type RowSegment } from './rows.ts';
import { KINDS } from './schedules/codes.ts';
import { decodeKind } from './schedules/progress-records.ts';
import { viewOccurrence } from './schedules/view.ts';
import type { State } from './state.ts';
import { STATE, TASK_STATES, FIRST_FINAL } from './states.ts';
import type { Template } from './templates.ts';
import type { StoredBlob, TaskOccurrence, TaskView } from './views.ts';

const FORMAT = 1;

/** Bits of the second byte, above the state's three. */
const HAS = { key: 8, runAt: 16, headers: 32, checkpoint: 64, payload: 128 } as const;

/** Bits of the third byte, above the encodings of the payload and of what the end said: a result, or an error. `scheduled`: an occurrence made it. */
const ALSO = { apart: 16, said: 32, scheduled: 64 } as const;

/** The code of the final event for each final state. */
const FINAL_EVENTS: readonly number[] = [EVENT.done, EVENT.failed, EVENT.cancelled];

/** What ends with a task, beside the task itself. */
export interface Ending {
  /** Code of the final state. */
  readonly to: number;
  /** Code of the reason, see `REASON`. */
  readonly reason: number;
  /** Who ended it, see `BY`; with `BY.principal` the number of the name. */
  readonly by: number;
  readonly principal: number;
}

/** True when a finished task keeps its payload. */
export function keepsPayload(template: Template, to: number): boolean {
  return template.keepPayload || to !== STATE.done;
}

/**
 * The entry of the task in `row`, which is about to end so. Good until the state's writer is used again.
 *
 * @param result See `finish`.
 */
export function fileFinished(
  state: State,
  row: number,
  template: Template,
  ending: Ending,
  result: Uint8Array,
  encoding: number,
): Uint8Array {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const finalEvent = FINAL_EVENTS[ending.to - FIRST_FINAL] as number;
  // A long history makes room for its end first; then there is nothing but the end to add.
  const isLong = (segment.historyEvents[at] as number) + 2 > eventsMax(state);
  if (isLong) noteEvent(state, row, finalEvent, ending.reason, ending.by, ending.principal);
  const writer = state.writer;
  writer.reset();
  writer.u8(FORMAT);
  writeFacts(state, segment, at, template, ending, result, encoding);
  const historyBytes = segment.historyBytes[at] as number;
  if (historyBytes !== 0) writer.raw(state.memory.slab.view(segment.historyRef[at] as number, historyBytes));
  if (!isLong) writeEnding(state, writer, segment, at, finalEvent, ending.reason, ending.by, ending.principal);
  return writer.view();
}

/** Everything between the format and the history. */
function writeFacts(
  state: State,
  segment: RowSegment,
  at: number,
  template: Template,
  ending: Ending,
  result: Uint8Array,
  encoding: number,
): void {
  const { writer, memory } = state;
  const encodings = segment.encodings[at] as number;
  const isApart = ((segment.flags[at] as number) & FLAGS.payloadApart) !== 0;
  const payloadBytes = segment.payloadBytes[at] as number;
  const keeps = keepsPayload(template, ending.to) && (payloadBytes > 0 || (encodings & 3) !== 0);
  const key = segment.key[at] as number;
  const runAtMs = segment.runAtMs[at] as number;
  const isDone = ending.to === STATE.done;
  // A task that failed by a timeout shows what its last attempt said, if any did.
  const hasOwn = isDone || result.length > 0 || encoding !== 0;
  const said = hasOwn ? result : memory.slab.view(segment.errorRef[at] as number, segment.errorBytes[at] as number);
  const saidEncoding = hasOwn ? encoding : encodings >>> 6;
  const says = said.length > 0 || saidEncoding !== 0;
  writer.u8(
    ending.to |
      (key === 0 ? 0 : HAS.key) |
      (runAtMs === 0 ? 0 : HAS.runAt) |
      (segment.headersBytes[at] === 0 ? 0 : HAS.headers) |
      (segment.checkpointBytes[at] === 0 ? 0 : HAS.checkpoint) |
      (keeps ? HAS.payload : 0),
  );
  const isScheduled = ((segment.flags[at] as number) & FLAGS.scheduled) !== 0;
  writer.u8(
    (encodings & 3) |
      (saidEncoding << 2) |
      (isApart ? ALSO.apart : 0) |
      (says ? ALSO.said : 0) |
      (isScheduled ? ALSO.scheduled : 0),
  );
  writer.varint(template.namespace);
  writer.varint(template.typeName);
  writer.varint(template.queue.nameNumber);
  writer.u8(template.priority);
  encodeLabels(writer, template.requires);
  writer.varint(segment.createdAtMs[at] as number);
  writer.varint(segment.principal[at] as number);
  writer.varint(segment.failures[at] as number);
  writer.varint(segment.crashes[at] as number);
  writer.varint(segment.deliveries[at] as number);
  writer.varint(segment.token[at] as number);
  writer.varint(segment.droppedEvents[at] as number);
  if (key !== 0) writer.bytes(memory.keys.keyBytes(key - 1));
  if (runAtMs !== 0) writer.varint(runAtMs);
  if (keeps) {
    if (isApart) writer.varint(payloadBytes);
    else writer.bytes(memory.slab.view(segment.payloadRef[at] as number, payloadBytes));
  }
  writeBlob(state, (encodings >>> 2) & 3, segment.headersRef[at] as number, segment.headersBytes[at] as number);
  writeBlob(state, (encodings >>> 4) & 3, segment.checkpointRef[at] as number, segment.checkpointBytes[at] as number);
  if (says) writer.bytes(said);
  if (isScheduled) writeOccurrence(state, segment.number[at] as number);
}

/** With the schedule's id: the schedule may be gone when someone asks. */
function writeOccurrence(state: State, number: number): void {
  const { writer } = state;
  const { schedule, version, plannedMs, kind } = viewOccurrence(state, number);
  writer.ascii(schedule);
  writer.varint(version);
  writer.varint(plannedMs);
  writer.u8(KINDS.indexOf(kind));
}

function writeBlob(state: State, encoding: number, ref: number, sizeBytes: number): void {
  if (sizeBytes === 0) return;
  state.writer.u8(encoding);
  state.writer.bytes(state.memory.slab.view(ref, sizeBytes));
}

/** Task `number` out of the bytes of its block; undefined when it is not in there. @throws DecodeError */
export function readFinished(state: State, block: Uint8Array, number: number): TaskView | undefined {
  const entry = findInBlock(block, number);
  return entry === undefined ? undefined : decodeFinished(state, entry, number);
}

/** Reads what `fileFinished` wrote. @throws DecodeError */
export function decodeFinished(state: State, entry: Uint8Array, number: number): TaskView {
  const { names } = state.memory;
  const reader = new ByteReader(entry);
  if (reader.u8() !== FORMAT) throw new DecodeError('a finished task has a format that is unknown here');
  const bits = reader.u8();
  const also = reader.u8();
  const namespace = state.namespaceName(reader.varint());
  const type = names.nameOf(reader.varint());
  const queue = names.nameOf(reader.varint());
  const priority = reader.u8();
  const requires = decodeLabels(reader);
  const createdAtMs = reader.varint();
  const principal = names.nameOf(reader.varint());
  const failures = reader.varint();
  const crashes = reader.varint();
  const deliveries = reader.varint();
  const fencingToken = reader.varint();
  const droppedEvents = reader.varint();
  const key = (bits & HAS.key) === 0 ? undefined : reader.ascii();
  const runAtMs = (bits & HAS.runAt) === 0 ? undefined : reader.varint();
  const payload = (bits & HAS.payload) === 0 ? undefined : readPayload(state, reader, also, number);
  const headers = (bits & HAS.headers) === 0 ? undefined : readBlob(reader, reader.u8());
  const lastCheckpoint = (bits & HAS.checkpoint) === 0 ? undefined : readBlob(reader, reader.u8());
  const said = (also & ALSO.said) === 0 ? undefined : readBlob(reader, also >>> 2);
  const occurrence = (also & ALSO.scheduled) === 0 ? undefined : readOccurrence(reader);
  const events = readEvents(reader.raw(reader.remaining), createdAtMs);
  const last = events.at(-1);
  if (last === undefined) throw new DecodeError('a finished task has no end');
  const started = events.findLast((event) => event.type === EVENT.started);
  const end = viewEvent(last, (of) => names.nameOf(of));
  return {
    number,
    namespace,
    type,
    queue,
    state: TASK_STATES[bits & 7] ?? 'failed',
    cancelling: false,
    priority,
    ...(key === undefined ? {} : { key }),
    ...(occurrence === undefined ? {} : { occurrence }),
    requires,
    createdAtMs,
    ...(runAtMs === undefined ? {} : { runAtMs }),
    ...(started === undefined ? {} : { startedAtMs: started.atMs, worker: started.worker }),
    finishedAtMs: last.atMs,
    failures,
    crashes,
    deliveries,
    fencingToken,
    ...(end.reason === undefined ? {} : { reason: end.reason }),
    ...(payload === undefined ? {} : { payload }),
    ...(said === undefined ? {} : (bits & 7) === STATE.done ? { result: said } : { error: said }),
    ...(headers === undefined ? {} : { headers }),
    ...(lastCheckpoint === undefined ? {} : { lastCheckpoint }),
    history: [
      { type: 'submitted', atMs: createdAtMs, attempt: 0, by: principal },
      ...events.map((event) => viewEvent(event, (of) => names.nameOf(of))),
    ],
    droppedEvents,
  };
}

function readOccurrence(reader: ByteReader): TaskOccurrence {
  const schedule = reader.ascii();
  const version = reader.varint();
  const plannedMs = reader.varint();
  return { schedule, version, plannedMs, kind: KINDS[decodeKind(reader)] ?? 'planned' };
}

function readBlob(reader: ByteReader, encoding: number): Blob {
  return { encoding: (encoding & 3) as Encoding, bytes: reader.bytes().slice() };
}

function readPayload(state: State, reader: ByteReader, also: number, number: number): StoredBlob {
  if ((also & ALSO.apart) === 0) return readBlob(reader, also);
  return storedPayload(state, number, also & 3, reader.varint());
}

/** The payload of a task that lies with the large ones, as far as it is in memory. */
export function storedPayload(state: State, number: number, encoding: number, sizeBytes: number): StoredBlob {
  const bytes = state.memory.payloads.get(number);
  if (bytes instanceof Uint8Array) return { encoding: encoding as Encoding, bytes };
  return { encoding: encoding as Encoding, offloaded: true, sizeBytes };
}
