/**
 * How tasks move from state to state. Every function here begins by telling the table of tasks, so that a mark under way keeps
 * what it needs, and leaves counts, lists, timers and history in line with the row.
 */
import { assert } from '../base/assert.ts';
import { type Ending, fileFinished, keepsPayload } from './finished.ts';
import type { Group } from './groups.ts';
import { noteEvent } from './history-notes.ts';
import { BY, EVENT, REASON } from './history.ts';
import { HOUR_MS, purgeHourOf } from './memory/blocks.ts';
import type { AbortReason } from './outcome.ts';
import { FLAGS, NO_ROW, ROW_BITS, ROW_MASK, type RowSegment } from './rows.ts';
import { keepSlot } from './schedules/overlap-slots.ts';
import { taskEnded } from './schedules/task-ends.ts';
import type { State } from './state.ts';
import { FIRST_FINAL, isLegalMove, STATE, TASK_STATES } from './states.ts';
import type { Template } from './templates.ts';
import { settleEmptied } from './worker-ends.ts';
import type { Worker } from './workers.ts';

/** Sets the state of a row and the counts with it. */
export function changeState(state: State, segment: RowSegment, at: number, template: Template, to: number): void {
  const from = segment.state[at] as number;
  assert(isLegalMove(from, to), () => `a task does not go from ${TASK_STATES[from]} to ${TASK_STATES[to]}`);
  const { counts } = template.queue;
  counts[from] = (counts[from] as number) - 1;
  counts[to] = (counts[to] as number) + 1;
  state.counts[from] = (state.counts[from] as number) - 1;
  state.counts[to] = (state.counts[to] as number) + 1;
  segment.state[at] = to;
}

/** The template of a row. */
export function templateOf(state: State, row: number): Template {
  return state.templates.slots.at(state.rows.segmentOf(row).template[row & ROW_MASK] as number);
}

/** When the whole task runs out of time; 0 for never. */
export function totalDeadlineMs(template: Template, createdAtMs: number): number {
  return template.totalMs === 0 ? 0 : createdAtMs + template.totalMs;
}

/** Puts the row's timer where its state, `dueMs` and the task's total timeout say. */
export function setTimer(state: State, row: number): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = state.templates.slots.at(segment.template[at] as number);
  const ownMs = segment.dueMs[at] as number;
  const totalMs = totalDeadlineMs(template, segment.createdAtMs[at] as number);
  const dueMs = ownMs === 0 ? totalMs : totalMs === 0 ? ownMs : Math.min(ownMs, totalMs);
  const heap = segment.state[at] === STATE.running ? state.running : state.waiting;
  if (dueMs === 0) heap.remove(row);
  else heap.set(row, dueMs, segment.number[at] as number);
}

/** The group in which a ready row waits. */
export function groupOf(state: State, row: number): Group {
  const template = templateOf(state, row);
  const flags = state.rows.segmentOf(row).flags[row & ROW_MASK] as number;
  return (flags & FLAGS.suspect) === 0 ? template.group : template.suspects;
}

/**
 * The task is ready from now on. One that comes back without having failed stands before everybody of its level, since it has
 * waited already; all others stand behind.
 */
export function makeReady(state: State, row: number, inFront: boolean): void {
  state.tasks.touch(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = state.templates.slots.at(segment.template[at] as number);
  assert(segment.worker[at] === NO_ROW, 'a ready task runs nowhere');
  changeState(state, segment, at, template, STATE.pending);
  // Two crashes within the window: it runs where it can only harm itself, and no other suspect beside it.
  const isSuspect =
    segment.crashedBeforeMs[at] !== 0 && withinPoisonWindow(state, segment.crashedBeforeMs[at] as number);
  if (isSuspect) segment.flags[at] = (segment.flags[at] as number) | FLAGS.suspect;
  segment.readyAtMs[at] = state.nowMs;
  segment.dueMs[at] = template.queueMs === 0 ? 0 : state.nowMs + template.queueMs;
  if (inFront) {
    state.meta.frontSequence -= 1;
    segment.readySequence[at] = state.meta.frontSequence;
  } else {
    segment.readySequence[at] = state.meta.nextSequence;
    state.meta.nextSequence += 1;
  }
  if (template.queueMs !== 0 || template.totalMs !== 0) setTimer(state, row);
  else state.waiting.remove(row);
  const group = isSuspect ? template.suspects : template.group;
  const isHead = inFront ? group.prepend(row, template.priority) : group.append(row, template.priority);
  if (isHead) state.line.improved(group);
}

/** Starts an attempt: the head of `group` goes to `worker`. */
export function place(state: State, group: Group, worker: Worker): void {
  const row = group.head;
  assert(row !== NO_ROW, 'a group that is placed from has a head');
  assert(worker.freeSlots > 0 && worker.takesTasks, 'a worker that is given a task has room');
  state.tasks.touch(row);
  const segment = state.rows.segments[row >>> ROW_BITS] as RowSegment;
  const at = row & ROW_MASK;
  const template = state.templates.slots.at(segment.template[at] as number);
  group.remove(row, template.priority);
  changeState(state, segment, at, template, STATE.running);
  const { meta, rows } = state;
  meta.lastToken += 1;
  meta.placed += 1;
  segment.token[at] = meta.lastToken;
  segment.placedAtMs[at] = state.nowMs;
  segment.deliveries[at] = (segment.deliveries[at] as number) + 1;
  segment.flags[at] = (segment.flags[at] as number) & ~FLAGS.startWritten;
  segment.worker[at] = worker.slot;
  segment.previous[at] = worker.tail;
  segment.next[at] = NO_ROW;
  if (worker.tail === NO_ROW) worker.head = row;
  else rows.segmentOf(worker.tail).next[worker.tail & ROW_MASK] = row;
  worker.tail = row;
  worker.running += 1;
  worker.freeSlots -= 1;
  if (group.suspect) worker.suspects += 1;
  worker.workerClass?.update(worker);
  if (template.queueMs !== 0 || template.totalMs !== 0) state.waiting.remove(row);
  segment.dueMs[at] = template.runMs === 0 ? 0 : state.nowMs + template.runMs;
  setTimer(state, row);
  state.assigned.push(segment.number[at] as number);
}

/** Takes a running row off its worker. The caller has noted the event that ends the attempt and moves the task on. */
export function leaveWorker(state: State, row: number, lingers: boolean): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const worker = state.workers.slots.at(segment.worker[at] as number);
  const previous = segment.previous[at] as number;
  const next = segment.next[at] as number;
  if (previous === NO_ROW) worker.head = next;
  else state.rows.segmentOf(previous).next[previous & ROW_MASK] = next;
  if (next === NO_ROW) worker.tail = previous;
  else state.rows.segmentOf(next).previous[next & ROW_MASK] = previous;
  segment.next[at] = NO_ROW;
  segment.previous[at] = NO_ROW;
  segment.worker[at] = NO_ROW;
  worker.running -= 1;
  assert(worker.running >= 0, 'a worker runs as many tasks as were placed on it');
  const flags = segment.flags[at] as number;
  if ((flags & FLAGS.suspect) !== 0) worker.suspects -= 1;
  segment.flags[at] = flags & ~(FLAGS.suspect | FLAGS.cancelling | FLAGS.startWritten);
  if (lingers) {
    state.workers.table.touch(worker.slot);
    worker.lingering.set(segment.token[at] as number, segment.number[at] as number);
    keepSlot(state, row, state.nowMs + state.limits.leaseMs);
  } else {
    worker.freeSlots += 1;
  }
  worker.workerClass?.update(worker);
  state.running.remove(row);
  if (worker.running === 0) settleEmptied(state, worker);
}

/** Tells the worker to stop the attempt that runs in `row`. */
export function abort(state: State, row: number, reason: AbortReason): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  state.aborts.push({
    worker: state.workers.slots.at(segment.worker[at] as number).id,
    number: segment.number[at] as number,
    fencingToken: segment.token[at] as number,
    reason,
  });
}

/** No bytes. */
export const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The task is final: it is filed in the block of its hour and leaves its row.
 *
 * @param result What a done task returned, or what the last attempt of a failed one said, with its encoding; else `NOTHING`.
 * @param lingers True when the handler still runs on the worker, which keeps its slot taken.
 */
export function finish(
  state: State,
  row: number,
  ending: Ending,
  result: Uint8Array,
  encoding: number,
  lingers = false,
): void {
  // Before anything changes: a mark under way may need the row as it stands.
  state.tasks.remove(row);
  const { rows, memory } = state;
  const segment = rows.segmentOf(row);
  const at = row & ROW_MASK;
  const number = segment.number[at] as number;
  const template = state.templates.slots.at(segment.template[at] as number);
  const from = segment.state[at] as number;
  assert(ending.to >= FIRST_FINAL, 'an ending is final');
  const entry = fileFinished(state, row, template, ending, result, encoding);
  state.queues.table.touch(template.queue.slot);
  if (from === STATE.pending) groupOf(state, row).remove(row, template.priority);
  if (from === STATE.running) leaveWorker(state, row, lingers);
  else state.waiting.remove(row);
  changeState(state, segment, at, template, ending.to);
  const keepMs = ending.to === STATE.failed ? template.failedMs : template.doneMs;
  const payloadBytes = segment.payloadBytes[at] as number;
  const apart = ((segment.flags[at] as number) & FLAGS.payloadApart) !== 0;
  const isScheduled = ((segment.flags[at] as number) & FLAGS.scheduled) !== 0;
  const keeps = keepsPayload(template, ending.to);
  memory.blocks.append(
    template.namespace,
    Math.max(purgeHourOf(state.nowMs + keepMs), Math.floor(state.nowMs / HOUR_MS) + 1),
    number,
    entry,
    apart && keeps ? payloadBytes : 0,
  );
  if (apart && !keeps) memory.payloads.remove(number);
  const key = segment.key[at] as number;
  if (key !== 0) memory.keys.setFree(key - 1, state.nowMs + state.limits.keyKeepMs);
  freeRow(state, row, segment, at);
  unuse(state, template);
  if (isScheduled) taskEnded(state, number, ending.to);
  state.finished.push(number);
}

/** Takes a task out of its row, with all its bytes. The caller has told the table of tasks. */
export function freeRow(state: State, row: number, segment: RowSegment, at: number): void {
  const { slab } = state.memory;
  const payloadBytes = segment.payloadBytes[at] as number;
  const headersBytes = segment.headersBytes[at] as number;
  const checkpointBytes = segment.checkpointBytes[at] as number;
  state.liveBytes -= payloadBytes + headersBytes + checkpointBytes;
  assert(state.liveBytes >= 0, 'bytes of live tasks are counted once');
  slab.free(segment.payloadRef[at] as number, payloadBytes);
  if (headersBytes !== 0) slab.free(segment.headersRef[at] as number, headersBytes);
  if (checkpointBytes !== 0) slab.free(segment.checkpointRef[at] as number, checkpointBytes);
  const errorBytes = segment.errorBytes[at] as number;
  if (errorBytes !== 0) slab.free(segment.errorRef[at] as number, errorBytes);
  const historyBytes = segment.historyBytes[at] as number;
  if (historyBytes !== 0) slab.free(segment.historyRef[at] as number, historyBytes);
  state.rows.release(row);
}

/** One task less uses `template`; with the last it goes. */
export function unuse(state: State, template: Template): void {
  template.references -= 1;
  if (template.references > 0) return;
  state.templates.remove(template);
  state.line.release(template.group, template.queue);
  state.line.release(template.suspects, template.queue);
}

/** Replaces bytes of a row that lie in the slab. @returns where they lie now */
export function replaceBytes(state: State, ref: number, sizeBytes: number, bytes: Uint8Array): number {
  const { slab } = state.memory;
  const moved = slab.resize(ref, sizeBytes, bytes.length);
  if (bytes.length > 0) slab.write(moved, bytes);
  return moved;
}

/**
 * An attempt ended without the task having failed: it goes back to its line. Whoever ends the attempt noted why.
 *
 * @param event Code of the event, `EVENT.returned` or `EVENT.crashed`.
 * @param reason Code of the reason.
 * @param notBeforeMs Until then it waits and nobody gets it; 0 for at once.
 */
export function handBack(
  state: State,
  row: number,
  event: number,
  reason: number,
  by: number,
  lingers: boolean,
  notBeforeMs = 0,
): void {
  state.tasks.touch(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.cancelling) !== 0) {
    finish(state, row, cancelledBy(by), NOTHING, 0, lingers);
    return;
  }
  noteEvent(state, row, event, reason, by, 0);
  // Its time may have run out while nothing could be taken from workers: then no other attempt begins.
  const totalMs = totalDeadlineMs(templateOf(state, row), segment.createdAtMs[at] as number);
  if (totalMs !== 0 && totalMs <= state.nowMs) {
    const ending = { to: STATE.failed, reason: REASON.totalTimeout, by: BY.peer, principal: 0 };
    finish(state, row, ending, NOTHING, 0, lingers);
    return;
  }
  leaveWorker(state, row, lingers);
  if (notBeforeMs <= state.nowMs) {
    makeReady(state, row, true);
    return;
  }
  changeState(state, segment, at, templateOf(state, row), STATE.retrying);
  segment.dueMs[at] = notBeforeMs;
  setTimer(state, row);
}

/**
 * The worker or its lease was lost: a crash, the third of which within the window quarantines the task.
 *
 * @param notBeforeMs See `handBack`.
 */
export function crash(state: State, row: number, reason: number, notBeforeMs: number): void {
  state.tasks.touch(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  state.meta.crashes += 1;
  segment.crashes[at] = (segment.crashes[at] as number) + 1;
  const wasSuspect = ((segment.flags[at] as number) & FLAGS.suspect) !== 0;
  const isCancelling = ((segment.flags[at] as number) & FLAGS.cancelling) !== 0;
  if (wasSuspect && !isCancelling && withinPoisonWindow(state, segment.crashedBeforeMs[at] as number)) {
    noteEvent(state, row, EVENT.crashed, reason, BY.peer, 0);
    finish(state, row, { to: STATE.failed, reason: REASON.poison, by: BY.peer, principal: 0 }, NOTHING, 0);
    return;
  }
  segment.crashedBeforeMs[at] = segment.crashedAtMs[at] as number;
  segment.crashedAtMs[at] = state.nowMs;
  handBack(state, row, EVENT.crashed, reason, BY.peer, false, notBeforeMs);
}

function withinPoisonWindow(state: State, atMs: number): boolean {
  return state.nowMs - atMs < state.limits.poisonWindowMs;
}

/** The ending of a task whose cancel was under way when its attempt ended. */
export function cancelledBy(by: number): Ending {
  return { to: STATE.cancelled, reason: REASON.cancelled, by, principal: 0 };
}
