/**
 * An occurrence fires: whether it starts, waits or is skipped, by the tasks of its schedule that are not final, and by attempts that
 * may still run.
 */
import type { TriggerResult } from '../outcome.ts';
import type { State } from '../state.ts';
import { KIND, SKIP, SKIPS } from './codes.ts';
import type { Overlap } from './commands.ts';
import type { Occurrence, Schedule } from './schedule.ts';
import { skip, start } from './settle.ts';

/** Lets `occurrence` fire under the policy `overlap`. The schedule was touched and is refreshed by the caller. */
export function judgeOverlap(
  state: State,
  schedule: Schedule,
  occurrence: Occurrence,
  overlap: Overlap,
): TriggerResult {
  // While it is paused nobody starts what waits, so an explicit trigger need not stand behind it.
  const isBusy =
    schedule.unfinished > 0 ||
    schedule.slotFreeAtMs > state.nowMs ||
    (schedule.buffer.length > 0 && schedule.pause === undefined);
  if (!isBusy || overlap === 'allow') return begin(state, schedule, occurrence);
  switch (overlap) {
    case 'skip':
      return refuse(state, schedule, occurrence, SKIP.overlap);
    case 'bufferOne':
      if (schedule.buffer.length > 0) return refuse(state, schedule, occurrence, SKIP.bufferFull);
      return wait(schedule, occurrence);
    case 'bufferAll':
      if (schedule.buffer.length >= state.limits.scheduleBufferMax) {
        return refuse(state, schedule, occurrence, SKIP.bufferFull);
      }
      return wait(schedule, occurrence);
    case 'cancelOther':
      emptyBuffer(state, schedule, SKIP.superseded);
      schedule.cancelThrough = Math.max(schedule.cancelThrough, state.schedules.made.last(schedule));
      return wait(schedule, occurrence);
  }
}

/** Everything that waits is skipped for the reason with code `reason`. The schedule was touched. */
export function emptyBuffer(state: State, schedule: Schedule, reason: number): void {
  const waiting = schedule.buffer;
  schedule.buffer = [];
  for (const occurrence of waiting) {
    if (occurrence.kind === KIND.planned) schedule.runs -= 1;
    skip(state, schedule, occurrence, reason);
  }
}

function begin(state: State, schedule: Schedule, occurrence: Occurrence): TriggerResult {
  const task = start(state, schedule, occurrence);
  if (task === 0) return { result: 'skipped', reason: 'taskLimit' };
  if (occurrence.kind === KIND.planned) schedule.runs += 1;
  return { result: 'started', task };
}

function wait(schedule: Schedule, occurrence: Occurrence): TriggerResult {
  schedule.buffer.push(occurrence);
  if (occurrence.kind === KIND.planned) schedule.runs += 1;
  return { result: 'buffered' };
}

function refuse(state: State, schedule: Schedule, occurrence: Occurrence, reason: number): TriggerResult {
  skip(state, schedule, occurrence, reason);
  return { result: 'skipped', reason: SKIPS[reason] ?? 'overlap' };
}
