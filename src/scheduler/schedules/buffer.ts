/**
 * What waits for tasks to be final: tasks that stand in its way are told to stop, and when the last one is final, and nothing of
 * them can still run, the first that waits starts. Both go on at the head of later entries where one has no room.
 */
import { assert } from '../../base/assert.ts';
import { cancelRow } from '../cancel.ts';
import { BY } from '../history.ts';
import { NO_ROW } from '../rows.ts';
import type { State } from '../state.ts';
import type { Schedule } from './schedule.ts';
import { hasRoom, movesOfTask, start } from './settle.ts';

/** Tells tasks to stop and starts what can start, until about `movesMax` moves are used. @returns moves used */
export function workBuffers(state: State, movesMax: number): number {
  const { cancelling, startable, slots } = state.schedules;
  let moves = 0;
  while (moves < movesMax && cancelling.length > 0) {
    moves += cancelSome(state, slots.at(cancelling.first), movesMax - moves);
  }
  while (moves < movesMax && canStart(state)) {
    const schedule = slots.at(startable.first);
    startFirst(state, schedule);
    moves += movesOfTask(schedule);
  }
  return moves;
}

/** True when an entry had no room for all of it. */
export function buffersLeft(state: State): boolean {
  return state.schedules.cancelling.length > 0 || canStart(state);
}

/**
 * True when something waits for nothing but its turn. Where the cluster has no room for another task, what waits goes on waiting;
 * every entry looks again, and only an entry makes room.
 */
function canStart(state: State): boolean {
  const { startable, slots } = state.schedules;
  const freeMs = startable.firstDueMs;
  return freeMs !== undefined && freeMs <= state.nowMs && hasRoom(state, slots.at(startable.first));
}

function cancelSome(state: State, schedule: Schedule, movesMax: number): number {
  const { schedules } = state;
  assert(schedule.cancelledThrough < schedule.cancelThrough, 'tasks are told to stop where some are to be');
  let moves = 0;
  schedules.touch(schedule);
  for (const number of schedules.made.after(schedule, schedule.cancelledThrough)) {
    if (number > schedule.cancelThrough) break;
    if (moves >= movesMax) {
      schedules.refresh(schedule);
      return moves;
    }
    const row = state.memory.pages.rowOf(number);
    assert(row !== NO_ROW, 'a task that is not final has a row');
    schedule.cancelledThrough = number;
    cancelRow(state, row, BY.peer, 0);
    moves += 1;
  }
  schedule.cancelledThrough = schedule.cancelThrough;
  schedules.refresh(schedule);
  return Math.max(1, moves);
}

function startFirst(state: State, schedule: Schedule): void {
  state.schedules.touch(schedule);
  const occurrence = schedule.buffer.shift();
  assert(occurrence !== undefined && schedule.pause === undefined, 'something waits, and nothing keeps it');
  const task = start(state, schedule, occurrence);
  assert(task !== 0, 'there was room for what starts');
  state.schedules.refresh(schedule);
}
