/** What is told about workers: that they went away, are lost, left, or are to take nothing new. `attach.ts` has how they come. */
import { startEmptying } from './emptying.ts';
import type { Reply } from './outcome.ts';
import { runsScheduled } from './schedules/overlap-slots.ts';
import type { State } from './state.ts';
import { EMPTYING, type Worker, WORKER } from './workers.ts';
import { refuse } from './refusal.ts';

const OK: Reply = { type: 'ok' };

/** A new leader: every worker is away until it attaches anew, and keeps what it runs for one lease at least. */
export function termStarted(state: State, term: number): Reply {
  if (term <= state.meta.term) return refuse('INVALID_TRANSITION');
  state.meta.term = term;
  state.meta.verdictsFromMs = state.nowMs + state.limits.leaseMs;
  for (const worker of state.workers.slots) if (worker.status === WORKER.attached) setAway(state, worker);
  return OK;
}

/** The connection of a worker ended. */
export function workerAway(state: State, id: string, instance: string): Reply {
  const worker = state.workers.find(id);
  if (worker === undefined || worker.instance !== instance) return refuse('NOT_FOUND');
  if (worker.status === WORKER.attached) setAway(state, worker);
  return OK;
}

/**
 * The leader gives a worker up. What it ran is ready again, as crashes if it had been there in this term; but a task of a schedule
 * that may not run twice at a time waits until `capsFreeAtMs`.
 */
export function workerLost(state: State, id: string, instance: string, capsFreeAtMs: number): Reply {
  const worker = state.workers.find(id);
  if (worker === undefined || worker.instance !== instance) return refuse('NOT_FOUND');
  if (worker.status === WORKER.lost) return OK;
  if (state.nowMs < state.meta.verdictsFromMs) return refuse('INVALID_TRANSITION');
  if (worker.status === WORKER.attached) setAway(state, worker);
  state.meta.lostWorkers += 1;
  state.workers.table.touch(worker.slot);
  worker.status = WORKER.lost;
  clearLingering(state, worker);
  // No handler outlives its lease, so a task need not wait longer than that.
  if (runsScheduled(state, worker)) {
    worker.capsFreeAtMs = Math.min(capsFreeAtMs, state.nowMs + state.limits.leaseMs);
  }
  startEmptying(state, worker, endOf(state, worker, EMPTYING.lost));
  state.workers.refreshTimers();
  return OK;
}

/** A worker stopped in good order. What it did not hand back itself is handed back for it. */
export function workerLeft(state: State, id: string, instance: string): Reply {
  const worker = state.workers.find(id);
  if (worker === undefined || worker.instance !== instance) return refuse('NOT_FOUND');
  endWorker(state, worker, EMPTYING.left);
  return OK;
}

/** The worker takes nothing new; at `deadlineMs` the rest is taken from it. */
export function drainWorker(state: State, id: string, deadlineMs: number): Reply {
  const worker = state.workers.find(id);
  if (worker === undefined) return refuse('NOT_FOUND');
  state.workers.table.touch(worker.slot);
  worker.draining = true;
  worker.drainDeadlineMs = Math.max(1, deadlineMs);
  refresh(worker);
  state.workers.refreshTimers();
  return OK;
}

/** The worker takes tasks again. */
export function resumeWorker(state: State, id: string): Reply {
  const worker = state.workers.find(id);
  if (worker === undefined) return refuse('NOT_FOUND');
  state.workers.table.touch(worker.slot);
  worker.draining = false;
  worker.drainDeadlineMs = 0;
  if (worker.emptying === EMPTYING.drain) state.workers.stopEmptying(worker);
  refresh(worker);
  state.workers.refreshTimers();
  return OK;
}

/** Takes the name and everything else from a worker, for the reason `why` (see `EMPTYING`). */
export function endWorker(state: State, worker: Worker, why: number): void {
  state.workers.table.touch(worker.slot);
  state.workers.release(worker);
  worker.draining = false;
  worker.drainDeadlineMs = 0;
  refresh(worker);
  startEmptying(state, worker, why);
  state.workers.refreshTimers();
}

/** What the end of a worker is to its tasks: `crash`, unless it had not come back to the leader of this term. */
export function endOf(state: State, worker: Worker, crash: number): number {
  return worker.attachedTerm === state.meta.term ? crash : EMPTYING.noLeader;
}

/** Brings the worker's place in line with what it may take. */
export function refresh(worker: Worker): void {
  worker.takesTasks = worker.status === WORKER.attached && !worker.draining;
  worker.freeSlots = worker.slots - worker.running - worker.lingering.size;
  worker.workerClass?.update(worker);
}

function setAway(state: State, worker: Worker): void {
  state.workers.table.touch(worker.slot);
  worker.status = WORKER.away;
  worker.awaySinceMs = state.nowMs;
  refresh(worker);
}

function clearLingering(state: State, worker: Worker): void {
  state.workers.table.touch(worker.slot);
  worker.lingering.clear();
  refresh(worker);
}
