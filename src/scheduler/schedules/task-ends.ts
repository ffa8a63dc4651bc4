/** A task of a schedule is final: its schedule takes notice. */
import type { State } from '../state.ts';
import { STATE } from '../states.ts';
import { setPause } from './control.ts';
import { NO_BYTES, type Schedule } from './schedule.ts';

/**
 * Task `number`, which a schedule made, has ended in the state with code `to`. What waited for it starts later in the entry, see
 * `buffer.ts`; a schedule that was deleted goes with its last task.
 */
export function taskEnded(state: State, number: number, to: number): void {
  const { schedules } = state;
  const schedule = schedules.byNumber(schedules.made.scheduleOf(number)) as Schedule;
  schedules.touch(schedule);
  schedules.made.remove(schedule, number);
  if (schedule.deleted) {
    if (schedule.unfinished === 0) schedules.remove(schedule);
    return;
  }
  const recent = schedule.recent.findLast((one) => one.task === number);
  if (recent !== undefined) recent.ended = to;
  countFailure(state, schedule, to);
  schedules.refresh(schedule);
}

/** A task that was cancelled neither failed nor went well. */
function countFailure(state: State, schedule: Schedule, to: number): void {
  if (to === STATE.done) schedule.failures = 0;
  if (to !== STATE.failed) return;
  schedule.failures += 1;
  const { pauseOnFailure } = schedule.definition.policy;
  if (pauseOnFailure === 0 || schedule.failures < pauseOnFailure || schedule.pause !== undefined) return;
  setPause(schedule, { atMs: state.nowMs, by: 0, note: { encoding: 0, bytes: NO_BYTES } });
}
