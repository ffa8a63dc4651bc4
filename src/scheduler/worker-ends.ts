/** The last step of taking the tasks of a worker away. */
import type { State } from './state.ts';
import { EMPTYING, type Worker, WORKER } from './workers.ts';

/** Call when a worker runs nothing any more: if its tasks were being taken away that is over, and with it the worker if it ended. */
export function settleEmptied(state: State, worker: Worker): void {
  if (worker.emptying === EMPTYING.no) return;
  state.workers.table.touch(worker.slot);
  state.workers.stopEmptying(worker);
  if (worker.status !== WORKER.ended) return;
  state.line.leave(worker);
  state.workers.remove(worker);
}
