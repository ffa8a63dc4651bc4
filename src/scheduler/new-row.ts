/** The row of a new task. */
import { FLAGS, ROW_BITS, ROW_MASK, type RowSegment } from './rows.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';
import type { Template } from './templates.ts';

/**
 * A row for a task that begins now; it is `scheduled` without a timer, and the caller moves it on. Whoever asks has seen that
 * there is room for it.
 *
 * @param principal Number of the name.
 */
export function makeRow(
  state: State,
  template: Template,
  principal: number,
  encoding: number,
  payload: Uint8Array,
): number {
  template.references += 1;
  const { meta, memory } = state;
  const number = meta.nextNumber;
  meta.nextNumber += 1;
  const row = state.rows.allocate();
  const segment = state.rows.segments[row >>> ROW_BITS] as RowSegment;
  const at = row & ROW_MASK;
  state.tasks.add(row);
  memory.pages.setLive(number, row);
  segment.number[at] = number;
  segment.template[at] = template.id;
  segment.principal[at] = principal;
  segment.createdAtMs[at] = state.nowMs;
  segment.historyAtMs[at] = state.nowMs;
  segment.encodings[at] = encoding;
  segment.payloadBytes[at] = payload.length;
  if (payload.length > state.limits.offloadBytes) {
    memory.payloads.add(number, payload);
    segment.flags[at] = FLAGS.payloadApart;
  } else {
    segment.payloadRef[at] = memory.slab.store(payload);
  }
  state.liveBytes += payload.length;
  state.queues.table.touch(template.queue.slot);
  template.queue.submitted += 1;
  template.queue.counts[STATE.scheduled] = (template.queue.counts[STATE.scheduled] as number) + 1;
  state.counts[STATE.scheduled] = (state.counts[STATE.scheduled] as number) + 1;
  return row;
}

/** Gives a new row its headers. */
export function setHeaders(state: State, row: number, encoding: number, headers: Uint8Array): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  segment.encodings[at] = (segment.encodings[at] as number) | (encoding << 2);
  segment.headersRef[at] = state.memory.slab.store(headers);
  segment.headersBytes[at] = headers.length;
  state.liveBytes += headers.length;
}
