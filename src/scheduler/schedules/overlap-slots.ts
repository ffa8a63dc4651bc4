/**
 * Tasks that hold the overlap slot of their schedule: no other task of it may run beside them. An attempt may go on where nobody
 * counts it any more: on a worker that was declared lost, until its lease is over, or in a handler that was told to stop and has not
 * returned. So the slot stays taken for that long even when the task is final, and a task that holds it waits as long before it is
 * placed again.
 */
import { NO_ROW, FLAGS, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import type { Worker } from '../workers.ts';
import type { Schedule } from './schedule.ts';

/** True when the task in `row` was made by a schedule that lets no two tasks run side by side. */
export function holdsOverlapSlot(state: State, row: number): boolean {
  const schedule = scheduleOf(state, row);
  return schedule !== undefined && schedule.definition.policy.overlap !== 'allow';
}

/** True when some task that runs on `worker` was made by a schedule. */
export function runsScheduled(state: State, worker: Worker): boolean {
  for (let row = worker.head; row !== NO_ROW; row = state.rows.segmentOf(row).next[row & ROW_MASK] as number) {
    if (scheduleOf(state, row) !== undefined) return true;
  }
  return false;
}

/**
 * The attempt in `row` may go on until `untilMs` (0: it does not), uncounted. That is kept for a schedule that lets tasks run side by
 * side too: a trigger of it may ask to run alone.
 */
export function keepSlot(state: State, row: number, untilMs: number): void {
  const schedule = scheduleOf(state, row);
  if (schedule === undefined || untilMs <= schedule.slotFreeAtMs) return;
  state.schedules.touch(schedule);
  schedule.slotFreeAtMs = untilMs;
  state.schedules.refresh(schedule);
}

/** How long a handler that was told to stop is given to return before another attempt may run in its place. */
export function lingerMs(state: State, row: number): number {
  return holdsOverlapSlot(state, row) ? state.limits.leaseMs : 0;
}

/** The schedule that made the task in `row`, unless there is none or it was deleted. */
function scheduleOf(state: State, row: number): Schedule | undefined {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.scheduled) === 0) return undefined;
  const schedule = state.schedules.byNumber(state.schedules.made.scheduleOf(segment.number[at] as number));
  return schedule === undefined || schedule.deleted ? undefined : schedule;
}
