/**
 * Tasks that hold the overlap slot of their schedule: no other task of it may run beside them. A worker that was declared lost may
 * still run one until its lease is over, so a task that holds a slot waits for that before it is placed again.
 */
import { NO_ROW, FLAGS, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import type { Worker } from '../workers.ts';

/** True when the task in `row` was made by a schedule that lets no two tasks run side by side. */
export function holdsOverlapSlot(state: State, row: number): boolean {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.scheduled) === 0) return false;
  const schedule = state.schedules.byNumber(state.schedules.made.scheduleOf(segment.number[at] as number));
  return schedule !== undefined && !schedule.deleted && schedule.definition.policy.overlap !== 'allow';
}

/** True when some task that runs on `worker` holds an overlap slot. */
export function runsSlotHolder(state: State, worker: Worker): boolean {
  for (let row = worker.head; row !== NO_ROW; row = state.rows.segmentOf(row).next[row & ROW_MASK] as number) {
    if (holdsOverlapSlot(state, row)) return true;
  }
  return false;
}
