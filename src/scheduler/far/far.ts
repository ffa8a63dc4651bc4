/**
 * Tasks that are due far ahead are in blocks, and what a peer keeps of them in memory is four bytes each.
 *
 *     submitted ──due in two hours or more──▶ block of its span of time ──opened before that begins──▶ row ──▶ as any task
 *                                                  └──cancelled──▶ row, finished in the same entry
 *
 * In: rows of tasks that were just submitted, numbers of tasks that are cancelled, log time. Out: rows again. While a task is in a
 * block it counts as scheduled in its queue and uses its template, it keeps its key, and everybody who asks sees it as if it had a
 * row. Only what was submitted goes there: a task that waits far ahead for its next attempt keeps its row.
 *
 *     spans.ts           which span of time, and when its blocks are opened
 *     far-blocks.ts      the blocks, their records, which bodies are in memory    far-directory.ts
 *     far-entry.ts       one task as bytes, and as people see it
 *     far-needs.ts       which bodies must be in memory before an entry is applied
 *
 * Invariants
 * - Which tasks are in which block is state, decided by log time and the task alone; which bodies are in memory changes no outcome.
 * - Applying reads no disk: whoever applies an entry has asked `farNeeds` before, and given what was named.
 * - One entry opens one block at most. Until all blocks are open that should be, no timer fires that is due after the opening of the
 *   first of them: so tasks begin in the order of their instants, also after a leap of log time.
 *
 * Not here: reading disks, and tasks that a schedule will make: there are none before their instants.
 */
import { assert } from '../../base/assert.ts';
import { ByteReader, DecodeError } from '../../base/bytes.ts';
import { LOAD_STEP } from '../load-steps.ts';
import { FLAGS, NO_ROW, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import { STATE } from '../states.ts';
import { freeRow, setTimer } from '../task-moves.ts';
import type { TaskView } from '../views.ts';
import { decodeFarEntry, encodeFarEntry, type FarEntry, viewFarEntry } from './far-entry.ts';
import { levelOf, spanBeginMs, spanMsOf } from './spans.ts';

/** True when a task that is submitted now leaves memory: `dueMs` is when the first of its timers is due. */
export function isFar(state: State, dueMs: number): boolean {
  return state.far.enabled && levelOf(state.limits.farSpanMs, dueMs - state.nowMs) >= 0;
}

/** When the first timer of a task is due that was submitted at `createdAtMs` for `runAtMs`, with that total timeout or 0. */
export function firstDueMs(createdAtMs: number, runAtMs: number, totalMs: number): number {
  return totalMs === 0 ? runAtMs : Math.min(runAtMs, createdAtMs + totalMs);
}

/** The task in `row`, which was just submitted and has no timer yet, is due at `dueMs`, which is far: it leaves memory. */
export function putAway(state: State, row: number, dueMs: number): void {
  // Before anything changes: a mark under way may need the row as it stands.
  state.tasks.remove(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const number = segment.number[at] as number;
  const taskBytes = (segment.payloadBytes[at] as number) + (segment.headersBytes[at] as number);
  const tag = file(state, number, dueMs, encodeFarEntry(state, row), segment.template[at] as number, taskBytes);
  state.memory.pages.setFar(number, tag);
  freeRow(state, row, segment, at);
}

/** Opens the block whose time has come, if there is one: its tasks get rows, or go into blocks of shorter spans. */
export function openFar(state: State): void {
  const { far, memory, limits, nowMs } = state;
  const block = far.first;
  if (block === undefined || block.openAtMs > nowMs) return;
  const body = far.bodyOf(block);
  assert(body !== undefined, 'a block is in memory before the entry that opens it is applied');
  const reader = new ByteReader(body, 1);
  while (reader.remaining > 0) {
    const number = reader.varint();
    const bytes = reader.bytes();
    // Of a task that has left only the bytes are here.
    if (memory.pages.farTagOf(number) !== block.tag) continue;
    const entry = decodeFarEntry(state, bytes);
    const dueMs = firstDueMs(entry.createdAtMs, entry.runAtMs, entry.template.totalMs);
    const taskBytes = entry.payloadBytes + entry.headers.length;
    if (levelOf(limits.farSpanMs, dueMs - nowMs) >= 0) {
      memory.pages.setFar(number, file(state, number, dueMs, bytes, entry.template.id, taskBytes));
    } else {
      setTimer(state, makeNear(state, number, entry));
    }
    far.left(block, entry.template.id, taskBytes);
  }
  assert(far.byId(block.id) === undefined, 'nothing is left in a block that was opened');
}

/** A row for task `number` of `namespace`, if it is in a block; -1 if not. It has no timer: whoever asks ends the task. */
export function bringBack(state: State, namespace: number, number: number): number {
  const tag = state.memory.pages.farTagOf(number);
  if (tag === 0) return NO_ROW;
  const block = state.far.byTag(tag);
  const bytes = state.far.entryOf(block, number);
  assert(bytes !== undefined, 'a far task is in memory before the entry that names it is applied');
  const entry = decodeFarEntry(state, bytes);
  if (entry.template.namespace !== namespace) return NO_ROW;
  const row = makeNear(state, number, entry);
  state.far.left(block, entry.template.id, entry.payloadBytes + entry.headers.length);
  return row;
}

/** Task `number` out of the body of its block; undefined when it is in no block, or in another one. @throws DecodeError */
export function readFar(state: State, id: number, body: Uint8Array, number: number): TaskView | undefined {
  const tag = state.memory.pages.farTagOf(number);
  if (tag === 0 || state.far.byTag(tag).id !== id) return undefined;
  const reader = new ByteReader(body, 1);
  while (reader.remaining > 0) {
    const found = reader.varint();
    const entry = reader.bytes();
    if (found === number) return viewFarEntry(state, entry, number);
  }
  throw new DecodeError(`the block ${id} has not the far task ${number}`);
}

/** Ends a restore, when templates and queues are there: far tasks count like others. Yields now and then. @throws DecodeError */
export function* settleFar(state: State): Generator<void, void> {
  for (const [place, block] of state.far.all().entries()) {
    if (place % LOAD_STEP === LOAD_STEP - 1) yield;
    for (let at = 0; at < block.templates.length; at += 2) {
      const template = state.templates.slots.get(block.templates[at] as number);
      if (template === undefined)
        throw new DecodeError(`the template of a task in the far block ${block.id} is missing`);
      const count = block.templates[at + 1] as number;
      template.references += count;
      template.queue.counts[STATE.scheduled] = (template.queue.counts[STATE.scheduled] as number) + count;
      state.counts[STATE.scheduled] = (state.counts[STATE.scheduled] as number) + count;
    }
  }
}

/** @returns the tag of the block */
function file(
  state: State,
  number: number,
  dueMs: number,
  entry: Uint8Array,
  template: number,
  taskBytes: number,
): number {
  const { farSpanMs } = state.limits;
  const level = levelOf(farSpanMs, dueMs - state.nowMs);
  const beginMs = spanBeginMs(spanMsOf(farSpanMs, level), dueMs);
  return state.far.append(level, beginMs, number, entry, template, taskBytes);
}

/** The row that the task would have had all the time. */
function makeNear(state: State, number: number, entry: FarEntry): number {
  const { memory } = state;
  const { template } = entry;
  state.far.forget(number);
  const row = state.rows.allocate();
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  state.tasks.add(row);
  memory.pages.setNear(number, row);
  segment.number[at] = number;
  segment.template[at] = template.id;
  segment.principal[at] = entry.principal;
  segment.createdAtMs[at] = entry.createdAtMs;
  segment.historyAtMs[at] = entry.createdAtMs;
  segment.runAtMs[at] = entry.runAtMs;
  segment.dueMs[at] = entry.runAtMs;
  segment.encodings[at] = entry.encodings;
  segment.payloadBytes[at] = entry.payloadBytes;
  if (entry.payloadApart) segment.flags[at] = FLAGS.payloadApart;
  else segment.payloadRef[at] = memory.slab.store(entry.payload);
  if (entry.headers.length > 0) {
    segment.headersRef[at] = memory.slab.store(entry.headers);
    segment.headersBytes[at] = entry.headers.length;
  }
  if (entry.key.length > 0) {
    const slot = memory.keys.find(template.namespace, entry.key);
    assert(slot !== -1 && memory.keys.entry(slot).number === number, 'a far task keeps its key');
    segment.key[at] = slot + 1;
  }
  state.liveBytes += entry.payloadBytes + entry.headers.length;
  return row;
}
