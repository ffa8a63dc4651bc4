/** Cancelling: what waits ends at once; what runs is told to stop and ends when its worker answers, or after a grace. */
import { noteEvent } from './history-notes.ts';
import { BY, EVENT, REASON } from './history.ts';
import type { CancelAnswer, Reply } from './outcome.ts';
import { bringBack } from './far/far.ts';
import { FLAGS, NO_ROW, ROW_MASK } from './rows.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';
import { abort, finish, NOTHING, setTimer, templateOf } from './task-moves.ts';

/** Applies a `cancel`. Asking again changes nothing and gets the same answer. */
export function cancel(state: State, namespaceName: string, numbers: readonly number[], principal: string): Reply {
  if (numbers.length > state.limits.numbersMax) return { type: 'refused', code: 'INVALID_ARGUMENT', position: -1 };
  const namespace = state.findNamespace(namespaceName);
  const by = state.principalNumber(principal);
  if (by === 0) return { type: 'refused', code: 'QUEUE_LIMIT', position: -1 };
  return { type: 'cancelled', answers: numbers.map((number) => cancelOne(state, namespace, number, by)) };
}

function cancelOne(state: State, namespace: number, number: number, principal: number): CancelAnswer {
  let row = state.memory.pages.rowOf(number);
  if (row === NO_ROW) row = bringBack(state, namespace, number);
  if (row === NO_ROW) return state.memory.blocks.idOf(number) === undefined ? 'NOT_FOUND' : 'ALREADY_FINAL';
  if (templateOf(state, row).namespace !== namespace) return 'NOT_FOUND';
  return cancelRow(state, row, BY.principal, principal);
}

/**
 * Cancels the task in `row`.
 *
 * @param by See `BY`; with `BY.principal` the number of the name is `principal`.
 */
export function cancelRow(state: State, row: number, by: number, principal: number): 'cancelled' | 'cancelling' {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (segment.state[at] !== STATE.running) {
    finish(state, row, { to: STATE.cancelled, reason: REASON.cancelled, by, principal }, NOTHING, 0);
    return 'cancelled';
  }
  if (((segment.flags[at] as number) & FLAGS.cancelling) !== 0) return 'cancelling';
  state.tasks.touch(row);
  noteEvent(state, row, EVENT.cancelRequested, REASON.none, by, principal);
  segment.flags[at] = (segment.flags[at] as number) | FLAGS.cancelling;
  segment.dueMs[at] = state.nowMs + state.limits.cancelGraceMs;
  setTimer(state, row);
  abort(state, row, 'cancelled');
  return 'cancelling';
}
