/** The invariants of schedules, checked the slow way: for tests and the simulator. */
import { assert } from '../../base/assert.ts';
import { FLAGS, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import { definitionBytes, type Schedule } from './schedule.ts';

/** @throws InvariantError that names what does not hold */
export function checkSchedules(state: State): void {
  const { schedules, limits } = state;
  const recounted = countTasks(state);
  let bytes = 0;
  let hungry = false;
  let due = 0;
  let startable = 0;
  let cancelling = 0;
  for (const schedule of schedules.slots) {
    assert(schedules.byNumber(schedule.number) === schedule, 'a schedule is found by its number');
    assert(schedule.number <= state.meta.lastSchedule, 'a number of a schedule was given out');
    const found = schedules.find(schedule.namespace, schedule.id);
    assert(
      schedule.deleted ? found !== schedule : found === schedule,
      'a schedule is found by its id until it is deleted',
    );
    assert(
      schedule.unfinished === (recounted.get(schedule.number) ?? 0),
      'unfinished tasks of a schedule equal a recount',
    );
    assert(!schedule.deleted || schedule.unfinished > 0, 'a deleted schedule stays for its tasks');
    checkInstants(state, schedule);
    checkBounds(state, schedule);
    bytes += definitionBytes(schedule.definition);
    const isHungry = schedule.plannedMs.length < 2 && !schedule.ended && !schedule.exhausted && !schedule.deleted;
    const lastMs = schedule.fireAtMs.at(-1) ?? 0;
    const isNear =
      2 * schedule.plannedMs.length <= limits.scheduleInstantsMax &&
      lastMs < state.nowMs + limits.scheduleAheadMs &&
      !schedule.exhausted &&
      !schedule.ended;
    hungry ||= isHungry || (isNear && !schedule.deleted);
    due += schedule.plannedMs.length > 0 && !schedule.awaitsAdvance ? 1 : 0;
    const isStartable = schedule.buffer.length > 0 && schedule.pause === undefined && schedule.unfinished === 0;
    startable += isStartable ? 1 : 0;
    assert(
      schedules.startable.dueMsOf(schedule.slot) === (isStartable ? schedule.slotFreeAtMs : undefined),
      'what waits starts when the slot is free',
    );
    cancelling += schedule.cancelledThrough < schedule.cancelThrough ? 1 : 0;
  }
  assert(schedules.sizeBytes === bytes, 'bytes of definitions equal a recount');
  assert(schedules.wants(state.nowMs) === hungry, 'who wants instants equals a recount');
  assert(schedules.due.length === due, 'who has instants equals a recount');
  assert(schedules.startable.length === startable, 'whose buffer can start equals a recount');
  assert(schedules.cancelling.length === cancelling, 'who has tasks to cancel equals a recount');
}

function checkInstants(state: State, schedule: Schedule): void {
  const { plannedMs, fireAtMs } = schedule;
  assert(plannedMs.length === fireAtMs.length, 'every instant has its time to fire');
  assert(plannedMs.length <= state.limits.scheduleInstantsMax, 'stored instants are bounded');
  assert(
    schedule.settledThroughMs <= Math.max(schedule.computedThroughMs, state.nowMs),
    'nothing unknown was taken up',
  );
  let beforeMs = schedule.settledThroughMs;
  let firedMs = 0;
  for (const [at, atMs] of plannedMs.entries()) {
    const fireMs = fireAtMs[at] as number;
    assert(atMs > beforeMs && atMs <= schedule.computedThroughMs, 'instants ascend behind what was taken up');
    assert(fireMs >= atMs && fireMs >= firedMs, 'instants fire in their order, none early');
    beforeMs = atMs;
    firedMs = fireMs;
  }
  const dueMs = plannedMs.length === 0 || schedule.awaitsAdvance ? undefined : fireAtMs[0];
  const expected = dueMs === undefined ? undefined : Math.max(dueMs, schedule.notBeforeMs);
  assert(state.schedules.due.dueMsOf(schedule.slot) === expected, 'a schedule fires when its first instant is due');
  assert(!schedule.ended || plannedMs.length === 0, 'a schedule that has ended plans nothing');
  assert(!schedule.awaitsAdvance || plannedMs.length === 1, 'only the last known instant waits for others');
}

function checkBounds(state: State, schedule: Schedule): void {
  const { limits } = state;
  assert(schedule.buffer.length <= limits.scheduleBufferMax, 'waiting occurrences are bounded');
  assert(schedule.recent.length <= limits.scheduleRecentMax, 'kept occurrences are bounded');
  assert(schedule.requests.length <= limits.scheduleRequestsMax, 'kept answers are bounded');
  const { maxRuns } = schedule.definition.policy;
  assert(
    maxRuns === 0 || schedule.ended || schedule.deleted || schedule.runs < maxRuns,
    'a schedule ends with its runs',
  );
  assert(!schedule.deleted || schedule.buffer.length === 0, 'nothing waits for a deleted schedule');
}

/** Unfinished tasks by the number of their schedule. */
function countTasks(state: State): Map<number, number> {
  const counts = new Map<number, number>();
  for (let row = 0; row < state.rows.capacity; row += 1) {
    const segment = state.rows.segmentOf(row);
    const at = row & ROW_MASK;
    const number = segment.number[at] as number;
    if (number === 0 || ((segment.flags[at] as number) & FLAGS.scheduled) === 0) continue;
    const schedule = state.schedules.made.scheduleOf(number);
    assert(state.schedules.byNumber(schedule) !== undefined, 'the schedule of a task is kept');
    counts.set(schedule, (counts.get(schedule) ?? 0) + 1);
  }
  return counts;
}
