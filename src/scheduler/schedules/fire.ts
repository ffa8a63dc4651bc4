/** Stored instants that are due, at the head of every entry: in the order of their instants, then of the schedules' numbers. */
import { assert } from '../../base/assert.ts';
import type { State } from '../state.ts';
import { judgeFirst } from './catch-up.ts';
import { KIND } from './codes.ts';
import { judgeOverlap } from './overlap.ts';
import type { Schedule } from './schedule.ts';
import { movesOfTask, skip } from './settle.ts';

/** What only takes an instant away. */
const MOVES_A_SKIP = 1;

/** Judges what is due, until about `movesMax` moves are used. @returns moves used */
export function fireSchedules(state: State, movesMax: number): number {
  const { due, slots } = state.schedules;
  let moves = 0;
  while (moves < movesMax && (due.firstDueMs ?? Number.POSITIVE_INFINITY) <= state.nowMs) {
    moves += fireFirst(state, slots.at(due.first));
  }
  return moves;
}

function fireFirst(state: State, schedule: Schedule): number {
  const { schedules, nowMs, limits } = state;
  schedules.touch(schedule);
  const verdict = judgeFirst(schedule, nowMs, limits);
  if (verdict === 'wait') {
    schedule.awaitsAdvance = true;
    schedules.refresh(schedule);
    return MOVES_A_SKIP;
  }
  const plannedMs = schedule.plannedMs.shift();
  const fireAtMs = schedule.fireAtMs.shift();
  assert(plannedMs !== undefined && fireAtMs !== undefined && fireAtMs <= nowMs, 'what fires is due');
  assert(plannedMs > schedule.settledThroughMs, 'an instant is taken up once');
  schedule.settledThroughMs = plannedMs;
  const { version, principal, policy } = schedule.definition;
  const occurrence = { version, plannedMs, fireAtMs, kind: KIND.planned, judgedAtMs: nowMs, principal };
  let moves = MOVES_A_SKIP;
  if (typeof verdict === 'number') {
    skip(state, schedule, occurrence, verdict);
  } else {
    schedule.caughtUp = verdict === 'catch-up' ? schedule.caughtUp + 1 : 0;
    if (verdict === 'catch-up') schedule.notBeforeMs = nowMs + limits.catchUpPaceMs;
    const before = schedule.buffer.length;
    const { result } = judgeOverlap(state, schedule, occurrence, policy.overlap);
    if (result === 'started') moves = movesOfTask(schedule);
    else if (policy.overlap === 'cancelOther') moves += before;
  }
  endIfOver(schedule);
  schedules.refresh(schedule);
  return moves;
}

/** True when the schedule has run, or is to run, as often as it may. */
export function hasUsedRuns(schedule: Schedule): boolean {
  const { maxRuns } = schedule.definition.policy;
  return maxRuns > 0 && schedule.runs >= maxRuns;
}

/** Nothing is planned any more once the calendar has no other instant, or the schedule has run as often as it may. */
export function endIfOver(schedule: Schedule): void {
  if (!hasUsedRuns(schedule) && !(schedule.exhausted && schedule.plannedMs.length === 0)) return;
  schedule.ended = true;
  schedule.awaitsAdvance = false;
  schedule.plannedMs.length = 0;
  schedule.fireAtMs.length = 0;
}
