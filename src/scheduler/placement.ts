/**
 * Placement: ready tasks meet free slots, at the end of every entry. Among all groups that some worker with room can run, the one
 * whose head goes first (priority, then the longest in line) gives it to the worker with the largest share of free slots among
 * those that can run it. So order is strict by priority over all queues, and first in, first out within a level.
 *
 * A placement costs the logarithm of the groups and of the workers of a class, and a step for each class that has room.
 */
import type { Group } from './groups.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';
import { place } from './task-moves.ts';
import { goesBefore, type WorkerClass } from './worker-classes.ts';

/** Classes looked at that weigh as much as a move, where there are many. */
const CLASSES_PER_MOVE = 64;

/** Places tasks until none fits or about `movesMax` moves are used. */
export function placeReady(state: State, movesMax: number): void {
  if (state.counts[STATE.pending] === 0) return;
  const open: WorkerClass[] = [];
  for (const workerClass of state.line.classes) if (workerClass.isOpen) open.push(workerClass);
  let left = movesMax;
  while (left > 0 && open.length > 0) {
    left -= 1 + Math.floor(open.length / CLASSES_PER_MOVE);
    const best = chooseClass(open);
    if (best === undefined) return;
    const group = best.first() as Group;
    place(state, group, best.workerFor(group));
    if (!best.isOpen) open.splice(open.indexOf(best), 1);
  }
}

/** True when a ready task could be placed right now: an entry stopped before it was done. */
export function canPlace(state: State): boolean {
  if (state.counts[STATE.pending] === 0) return false;
  for (const workerClass of state.line.classes) if (workerClass.first() !== undefined) return true;
  return false;
}

/** The class whose first group goes first; where several can run that group, the one with the best worker for it. */
function chooseClass(open: readonly WorkerClass[]): WorkerClass | undefined {
  let best: WorkerClass | undefined;
  let bestGroup: Group | undefined;
  for (const candidate of open) {
    const group = candidate.first();
    if (group === undefined) continue;
    if (best === undefined || bestGroup === undefined || group.headKey < bestGroup.headKey) {
      best = candidate;
      bestGroup = group;
    } else if (group === bestGroup && goesBefore(candidate.workerFor(group), best.workerFor(group))) {
      best = candidate;
    }
  }
  return best;
}
