/** The end of an occurrence: a task is made for it, or none, and that is kept and told. */
import { assert } from '../../base/assert.ts';
import { ByteReader } from '../../base/bytes.ts';
import { decodeTemplate } from '../decode-parts.ts';
import { makeRow, setHeaders } from '../new-row.ts';
import { FLAGS, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import { makeReady } from '../task-moves.ts';
import { KIND, KINDS, SKIP, SKIPS } from './codes.ts';
import { definitionBytes, type Occurrence, type Schedule } from './schedule.ts';

/**
 * Makes the task of an occurrence, of the newest definition, ready at once. The schedule was touched and is refreshed by the caller.
 *
 * @returns its number; 0 when the cluster has no room for another task, and the occurrence was skipped for that.
 */
export function start(state: State, schedule: Schedule, occurrence: Occurrence): number {
  const { definition } = schedule;
  const { payload, headers } = definition;
  if (!hasRoom(state, schedule)) {
    skip(state, schedule, occurrence, SKIP.taskLimit);
    return 0;
  }
  const template =
    state.templates.find(schedule.namespace, definition.template) ??
    state.templates.add(schedule.namespace, definition.template, decodeTemplate(new ByteReader(definition.template)));
  const row = makeRow(state, template, occurrence.principal, payload.encoding, payload.bytes);
  if (headers !== undefined) setHeaders(state, row, headers.encoding, headers.bytes);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const number = segment.number[at] as number;
  segment.flags[at] = (segment.flags[at] as number) | FLAGS.scheduled;
  const { version, plannedMs, kind } = occurrence;
  state.schedules.made.add(number, { schedule: schedule.number, version, plannedMs, kind });
  state.schedules.made.link(schedule, number);
  makeReady(state, row, false);
  schedule.fired[kind] = (schedule.fired[kind] as number) + 1;
  if (kind === KIND.planned) noteLateness(schedule, lateness(occurrence));
  note(state, schedule, occurrence, number, SKIP.none);
  return number;
}

/** True when the cluster has room for another task of `schedule`. */
export function hasRoom(state: State, schedule: Schedule): boolean {
  const { payload, headers } = schedule.definition;
  const bytes = payload.bytes.length + (headers?.bytes.length ?? 0);
  return state.rows.used < state.limits.liveTasksMax && state.liveBytes + bytes <= state.limits.liveBytesMax;
}

/** Bytes that weigh as much as a move, so that an entry does not copy hundreds of large payloads. */
const BYTES_A_MOVE = 16_384;

/** What a task of `schedule` weighs in an entry: its row, its answer, and its bytes. */
export function movesOfTask(schedule: Schedule): number {
  return 2 + Math.floor(definitionBytes(schedule.definition) / BYTES_A_MOVE);
}

/** Settles an occurrence without a task, for the reason with code `reason`. The schedule was touched. */
export function skip(state: State, schedule: Schedule, occurrence: Occurrence, reason: number): void {
  assert(reason !== SKIP.none, 'whatever is skipped is skipped for a reason');
  schedule.skipped[reason] = (schedule.skipped[reason] as number) + 1;
  note(state, schedule, occurrence, 0, reason);
}

/** How late an occurrence was judged. */
function lateness(occurrence: Occurrence): number {
  return occurrence.kind === KIND.planned ? Math.max(0, occurrence.judgedAtMs - occurrence.fireAtMs) : 0;
}

function noteLateness(schedule: Schedule, lateMs: number): void {
  schedule.lateLastMs = lateMs;
  schedule.lateMaxMs = Math.max(schedule.lateMaxMs, lateMs);
  schedule.lateSumMs += lateMs;
}

function note(state: State, schedule: Schedule, occurrence: Occurrence, task: number, skipped: number): void {
  const { version, plannedMs, fireAtMs, kind } = occurrence;
  const { recent } = schedule;
  recent.push({ version, plannedMs, kind, settledAtMs: state.nowMs, task, skip: skipped, ended: 0 });
  if (recent.length > state.limits.scheduleRecentMax) recent.shift();
  const reason = SKIPS[skipped];
  state.occurrences.push({
    schedule: schedule.number,
    namespace: state.namespaceName(schedule.namespace),
    id: schedule.id,
    version,
    plannedMs,
    fireAtMs,
    kind: KINDS[kind] ?? 'planned',
    ...(reason === undefined ? { task } : { skipped: reason }),
    lateMs: lateness(occurrence),
  });
}
