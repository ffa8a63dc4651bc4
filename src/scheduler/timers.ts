/**
 * What time alone does, at the head of every entry: drain deadlines, and lost workers whose time is over; timers of tasks in the
 * order of their instants, then of their numbers; then keys whose time is over. A task is never early: an instant is due when log time has reached it.
 */
import { failByTimeout } from './complete.ts';
import { startEmptying } from './emptying.ts';
import { noteEvent } from './history-notes.ts';
import { BY, EVENT, REASON } from './history.ts';
import { FLAGS, ROW_MASK } from './rows.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';
import { abort, cancelledBy, finish, makeReady, NOTHING, templateOf, totalDeadlineMs } from './task-moves.ts';
import { EMPTYING, type Worker, WORKER } from './workers.ts';

const NEVER_MS = Number.POSITIVE_INFINITY;

/** Fires what is due, until about `movesMax` moves are used. @returns moves used */
export function fireTimers(state: State, movesMax: number): number {
  const { nowMs } = state;
  state.waiting.advance(nowMs);
  state.running.advance(nowMs);
  if (mayTake(state) && state.workers.nextDrainMs <= nowMs) endDrains(state);
  if (state.workers.nextForgetMs <= nowMs) forgetWorkers(state);
  const moves = fireTasks(state, movesMax);
  // Last: nobody waits for a key to fall free as for a task to begin.
  return moves + state.memory.keys.expire(nowMs, movesMax - moves);
}

function fireTasks(state: State, movesMax: number): number {
  const { nowMs } = state;
  // Among far tasks that are not back yet none is due before its block is opened.
  const backUntilMs = state.far.nextOpenMs ?? NEVER_MS;
  let moves = 0;
  while (moves < movesMax) {
    const firstMs = state.waiting.firstDueMs ?? NEVER_MS;
    const waitingMs = firstMs > backUntilMs ? NEVER_MS : firstMs;
    const runningMs = mayTake(state) ? (state.running.firstDueMs ?? NEVER_MS) : NEVER_MS;
    if (Math.min(waitingMs, runningMs) > nowMs) return moves;
    moves += 1;
    if (
      waitingMs < runningMs ||
      (waitingMs === runningMs && isBefore(state, state.waiting.first, state.running.first))
    ) {
      fireWaiting(state, state.waiting.first, waitingMs);
    } else {
      fireRunning(state, state.running.first, runningMs);
    }
  }
  return moves;
}

/**
 * The earliest instant at which an entry may have something to do by time alone, up to a second early for one that is further
 * away; undefined when there is none.
 */
export function nextDueMs(state: State): number | undefined {
  const gateMs = state.meta.verdictsFromMs;
  const slotFreeMs = state.schedules.startable.firstDueMs ?? NEVER_MS;
  const due = Math.min(
    state.waiting.firstDueMs ?? NEVER_MS,
    Math.max(gateMs, Math.min(state.running.firstDueMs ?? NEVER_MS, state.workers.nextDrainMs)),
    state.workers.nextForgetMs,
    state.schedules.due.firstDueMs ?? NEVER_MS,
    // What waits behind a slot that is free waits for room, or for its turn in the next entry: not for time.
    slotFreeMs > state.nowMs ? slotFreeMs : NEVER_MS,
    state.memory.keys.nextFreeMs ?? NEVER_MS,
    state.memory.blocks.nextPurgeMs ?? NEVER_MS,
    state.far.nextOpenMs ?? NEVER_MS,
  );
  return due === NEVER_MS ? undefined : due;
}

/** True when timers are due that an entry had no room for, or another block of far tasks. */
export function timersLeft(state: State): boolean {
  const { nowMs } = state;
  return (
    Math.min(
      state.waiting.firstDueMs ?? NEVER_MS,
      state.schedules.due.firstDueMs ?? NEVER_MS,
      state.far.nextOpenMs ?? NEVER_MS,
    ) <= nowMs ||
    (mayTake(state) && Math.min(state.running.firstDueMs ?? NEVER_MS, state.workers.nextDrainMs) <= nowMs) ||
    (state.memory.keys.nextFreeMs ?? NEVER_MS) <= nowMs
  );
}

/** False for one lease from the begin of a term: workers come back first. */
function mayTake(state: State): boolean {
  return state.nowMs >= state.meta.verdictsFromMs;
}

function isBefore(state: State, left: number, right: number): boolean {
  return state.records.keyOf(left) < state.records.keyOf(right);
}

/** The timer of a task that does not run. */
function fireWaiting(state: State, row: number, dueMs: number): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const totalMs = totalDeadlineMs(templateOf(state, row), segment.createdAtMs[at] as number);
  if (totalMs !== 0 && totalMs <= dueMs) {
    timeOut(state, row, REASON.totalTimeout);
  } else if (segment.state[at] === STATE.pending) {
    timeOut(state, row, REASON.queueTimeout);
  } else {
    state.tasks.touch(row);
    noteEvent(state, row, EVENT.ready, segment.state[at] === STATE.retrying ? REASON.retry : REASON.due, BY.peer, 0);
    makeReady(state, row, false);
  }
}

function timeOut(state: State, row: number, reason: number, lingers = false): void {
  finish(state, row, { to: STATE.failed, reason, by: BY.peer, principal: 0 }, NOTHING, 0, lingers);
}

/** The timer of a task that runs. */
function fireRunning(state: State, row: number, dueMs: number): void {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.cancelling) !== 0) {
    abort(state, row, 'cancelled');
    finish(state, row, cancelledBy(BY.peer), NOTHING, 0, true);
    return;
  }
  abort(state, row, 'timeout');
  const totalMs = totalDeadlineMs(templateOf(state, row), segment.createdAtMs[at] as number);
  if (totalMs !== 0 && totalMs <= dueMs) timeOut(state, row, REASON.totalTimeout, true);
  else failByTimeout(state, row);
}

function endDrains(state: State): void {
  const due: Worker[] = [];
  for (const worker of state.workers.slots) {
    if (worker.drainDeadlineMs > 0 && worker.drainDeadlineMs <= state.nowMs) due.push(worker);
  }
  for (const worker of due.sort(byRegistration)) {
    state.workers.table.touch(worker.slot);
    worker.drainDeadlineMs = 0;
    if (worker.emptying === EMPTYING.no) startEmptying(state, worker, EMPTYING.drain);
  }
  state.workers.refreshTimers();
}

function forgetWorkers(state: State): void {
  for (const worker of [...state.workers.slots].sort(byRegistration)) {
    const isOver = worker.status === WORKER.lost && worker.awaySinceMs + state.limits.forgetWorkerMs <= state.nowMs;
    if (isOver && worker.emptying === EMPTYING.no) forgetWorker(state, worker);
  }
  state.workers.refreshTimers();
}

/** A lost worker that runs nothing is shown no more. */
export function forgetWorker(state: State, worker: Worker): void {
  state.workers.table.touch(worker.slot);
  state.workers.release(worker);
  state.line.leave(worker);
  state.workers.remove(worker);
}

function byRegistration(left: Worker, right: Worker): number {
  return left.registration - right.registration;
}
