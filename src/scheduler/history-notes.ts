/** Puts events into the history of a row. */
import type { ByteWriter } from '../base/bytes.ts';
import { BY, EVENT, type NewEvent, readEvents, REASON, trimEvents, writeEvent } from './history.ts';
import { FLAGS, ROW_MASK, type RowSegment } from './rows.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';

/**
 * Notes an event of now. When an attempt runs whose start is not in the history yet, that goes before.
 *
 * @param by See `BY`; `BY.worker` is the worker on which the task runs.
 * @param principal Number of the name, with `BY.principal`.
 */
export function noteEvent(
  state: State,
  row: number,
  type: number,
  reason: number,
  by: number,
  principal: number,
): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const writer = state.writer;
  writer.reset();
  const added = writeEnding(state, writer, segment, at, type, reason, by, principal);
  const { slab } = state.memory;
  const before = segment.historyBytes[at] as number;
  const kept = (segment.historyEvents[at] as number) + added;
  if (kept > eventsMax(state)) {
    rewriteTrimmed(state, segment, at, writer.take());
  } else {
    const size = before + writer.length;
    const ref = slab.resize(segment.historyRef[at] as number, before, size);
    slab.view(ref, size).set(writer.view(), before);
    segment.historyRef[at] = ref;
    segment.historyBytes[at] = size;
    segment.historyEvents[at] = kept;
  }
  segment.historyAtMs[at] = state.nowMs;
  if (segment.state[at] === STATE.running) segment.flags[at] = (segment.flags[at] as number) | FLAGS.startWritten;
}

/** Most events in a row's history: `submitted` is not among them. */
export function eventsMax(state: State): number {
  return state.limits.historyEventsMax - 1;
}

/**
 * Writes the start of the attempt that runs, unless the history has it, then an event of now. Changes nothing of the row.
 *
 * @returns how many events it wrote.
 */
export function writeEnding(
  state: State,
  writer: ByteWriter,
  segment: RowSegment,
  at: number,
  type: number,
  reason: number,
  by: number,
  principal: number,
): number {
  let beforeMs = segment.historyAtMs[at] as number;
  let added = 0;
  let bySame = false;
  if (segment.state[at] === STATE.running && ((segment.flags[at] as number) & FLAGS.startWritten) === 0) {
    const worker = state.workers.slots.at(segment.worker[at] as number).id;
    const placedAtMs = segment.placedAtMs[at] as number;
    const attempt = segment.deliveries[at] as number;
    writer.u8(EVENT.started | (BY.worker << 5));
    writer.u8(REASON.none);
    writer.varint(placedAtMs - beforeMs);
    writer.varint(attempt);
    writer.ascii(worker);
    beforeMs = placedAtMs;
    bySame = by === BY.worker;
    added += 1;
  }
  writer.u8(type | ((bySame ? BY.same : by) << 5));
  writer.u8(reason);
  writer.varint(state.nowMs - beforeMs);
  writer.varint(segment.deliveries[at] as number);
  if (by === BY.principal) writer.varint(principal);
  else if (by === BY.worker && !bySame) writer.ascii(state.workers.slots.at(segment.worker[at] as number).id);
  return added + 1;
}

/** Writes the history anew with `more` behind it and what is too much left out. */
function rewriteTrimmed(state: State, segment: RowSegment, at: number, more: Uint8Array): void {
  const { slab } = state.memory;
  const writer = state.writer;
  const createdAtMs = segment.createdAtMs[at] as number;
  const before = segment.historyBytes[at] as number;
  const events = readEvents(slab.view(segment.historyRef[at] as number, before), createdAtMs);
  events.push(...readEvents(more, segment.historyAtMs[at] as number));
  const dropped = trimEvents(events, { eventsMax: eventsMax(state), first: state.limits.historyFirst - 1 });
  writer.reset();
  let beforeMs = createdAtMs;
  let previous: NewEvent | undefined;
  for (const event of events) {
    const same =
      previous !== undefined && event.by === BY.worker && previous.by === BY.worker && previous.worker === event.worker;
    writeEvent(writer, same ? { ...event, by: BY.same } : event, beforeMs);
    beforeMs = event.atMs;
    previous = event;
  }
  const ref = slab.resize(segment.historyRef[at] as number, before, writer.length);
  slab.write(ref, writer.view());
  segment.historyRef[at] = ref;
  segment.historyBytes[at] = writer.length;
  segment.historyEvents[at] = events.length;
  segment.droppedEvents[at] = (segment.droppedEvents[at] as number) + dropped;
}
