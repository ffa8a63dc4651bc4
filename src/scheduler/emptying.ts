/** Taking tasks away from workers that are lost, restarted or drained: a bounded number an entry, the newest placement first. */
import { BY, EVENT, REASON } from './history.ts';
import { NO_ROW } from './rows.ts';
import { holdsOverlapSlot, keepSlot, lingerMs } from './schedules/overlap-slots.ts';
import type { State } from './state.ts';
import { abort, crash, handBack } from './task-moves.ts';
import { settleEmptied } from './worker-ends.ts';
import { EMPTYING, type Worker } from './workers.ts';

/** Goes on with all workers whose tasks are being taken away, the oldest registration first. @returns moves used */
export function emptyWorkers(state: State, movesMax: number): number {
  let moves = 0;
  for (;;) {
    const worker = state.workers.emptying[0];
    if (worker === undefined || moves >= movesMax) return moves;
    // With its last task a worker leaves the list.
    takeAway(state, worker, worker.tail);
    moves += 1;
  }
}

/** Begins to take the tasks of `worker` away, for the reason `why` (see `EMPTYING`), and settles it when there is none. */
export function startEmptying(state: State, worker: Worker, why: number): void {
  state.workers.table.touch(worker.slot);
  state.workers.startEmptying(worker, why);
  if (worker.tail === NO_ROW) settleEmptied(state, worker);
}

function takeAway(state: State, worker: Worker, row: number): void {
  // Before anything makes the task final: its schedule has to know that an attempt may go on.
  keepSlot(state, row, worker.capsFreeAtMs);
  const notBeforeMs = holdsOverlapSlot(state, row) ? worker.capsFreeAtMs : 0;
  switch (worker.emptying) {
    case EMPTYING.lost:
      crash(state, row, REASON.workerLost, notBeforeMs);
      return;
    case EMPTYING.restarted:
      crash(state, row, REASON.workerRestarted, notBeforeMs);
      return;
    case EMPTYING.noLeader:
      handBack(state, row, EVENT.returned, REASON.noLeader, BY.peer, false, notBeforeMs);
      return;
    case EMPTYING.drain:
      // The handler runs until it heeds its signal; its slot is of no use to a worker that drains, but it may resume.
      abort(state, row, 'drain');
      handBack(state, row, EVENT.returned, REASON.drain, BY.peer, true, state.nowMs + lingerMs(state, row));
      return;
    default:
      handBack(state, row, EVENT.returned, REASON.returned, BY.peer, false);
  }
}
