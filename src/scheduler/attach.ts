/**
 * A worker attaches, for the first time or again: it says what it runs and which answers it waits for, and what it says is
 * compared with what is known. Nobody's view wins alone: what was placed on it and never reached it goes back to its line without
 * a crash, and what it runs and may not run any more is aborted.
 */
import { isName } from '../base/ids.ts';
import { answerOfGone } from './complete.ts';
import type { Command, HeldAttempt } from './command.ts';
import { BY, EVENT, REASON } from './history.ts';
import type { Attached, Reply } from './outcome.ts';
import { NO_ROW, ROW_MASK } from './rows.ts';
import type { State } from './state.ts';
import { areLabels } from './submit.ts';
import { STATE } from './states.ts';
import { handBack } from './task-moves.ts';
import { forgetWorker } from './timers.ts';
import { endOf, endWorker, refresh } from './worker-commands.ts';
import { EMPTYING, type Worker, WORKER } from './workers.ts';
import { refuse } from './refusal.ts';

/** What the command says. */
export type Attach = Extract<Command, { type: 'workerAttached' }>;

/** Applies a `workerAttached`. */
export function attach(state: State, command: Attach): Reply {
  if (!isFit(state, command)) return refuse('INVALID_ARGUMENT');
  const before = state.workers.find(command.worker);
  if (before !== undefined && before.instance !== command.instance && before.status === WORKER.attached) {
    return refuse('WORKER_ID_IN_USE');
  }
  const { names } = state.memory;
  if (names.count + newNames(state, command) > state.limits.namesMax) return refuse('WORKER_LIMIT');
  if (before === undefined && !makeRoom(state)) return refuse('WORKER_LIMIT');
  const namespace = state.namespaceNumber(command.namespace);
  const types = command.types.map((name) => names.intern(namespace, name)).sort((left, right) => left - right);
  const known = takeOver(state, before, command);
  const worker = known ?? register(state, command, namespace, types);
  if (known !== undefined) state.line.leave(worker);
  state.workers.table.touch(worker.slot);
  worker.namespace = namespace;
  worker.types = types;
  worker.typeNames = command.types;
  worker.labels = command.labels;
  worker.slots = command.slots;
  worker.version = command.version;
  worker.status = WORKER.attached;
  worker.attachedTerm = state.meta.term;
  worker.attachedAtMs = state.nowMs;
  worker.awaySinceMs = 0;
  const answer = compare(state, worker, command);
  refresh(worker);
  state.line.join(worker);
  state.workers.refreshTimers();
  return answer;
}

/** How many names the command brings that were never used; none when a worker comes back as it was. */
function newNames(state: State, command: Attach): number {
  const namespace = state.findNamespace(command.namespace);
  if (namespace === 0) return 1 + command.types.length;
  return command.types.filter((name) => state.memory.names.find(namespace, name) === 0).length;
}

/** The worker as it is known, when it is this very instance and nothing of it was taken yet; else it makes way for a new one. */
function takeOver(state: State, before: Worker | undefined, command: Attach): Worker | undefined {
  if (before === undefined) return undefined;
  const isSame = before.instance === command.instance;
  if (isSame && before.emptying === EMPTYING.no) return before;
  if (isSame && before.emptying === EMPTYING.drain) return before;
  // A lost one that comes back while its tasks are still being taken keeps none of them: the verdict stands.
  endWorker(state, before, isSame ? before.emptying : endOf(state, before, EMPTYING.restarted));
  return undefined;
}

function register(state: State, command: Attach, namespace: number, types: readonly number[]): Worker {
  state.meta.lastRegistration += 1;
  return state.workers.add({
    registration: state.meta.lastRegistration,
    id: command.worker,
    instance: command.instance,
    namespace,
    types,
    typeNames: command.types,
    labels: command.labels,
    slots: command.slots,
    version: command.version,
  });
}

/** Makes room for one more worker; a lost one that runs nothing goes first, the one lost longest. */
function makeRoom(state: State): boolean {
  if (state.workers.slots.count < state.limits.workersMax) return true;
  let oldest: Worker | undefined;
  for (const worker of state.workers.slots) {
    if (worker.status !== WORKER.lost || worker.emptying !== EMPTYING.no) continue;
    if (oldest === undefined || goesFirst(worker, oldest)) oldest = worker;
  }
  if (oldest === undefined) return false;
  forgetWorker(state, oldest);
  return true;
}

function goesFirst(left: Worker, right: Worker): boolean {
  if (left.awaySinceMs !== right.awaySinceMs) return left.awaySinceMs < right.awaySinceMs;
  return left.registration < right.registration;
}

/** Compares what the worker says with what is known. */
function compare(state: State, worker: Worker, command: Attach): Attached {
  const named = new Map<number, number>();
  for (const { number, fencingToken } of command.held) named.set(fencingToken, number);
  for (const { number, fencingToken } of command.unanswered) named.set(fencingToken, number);
  let row = worker.tail;
  while (row !== NO_ROW) {
    const segment = state.rows.segmentOf(row);
    const at = row & ROW_MASK;
    const previous = segment.previous[at] as number;
    if (named.get(segment.token[at] as number) !== segment.number[at]) {
      handBack(state, row, EVENT.returned, REASON.notDelivered, BY.peer, false);
    }
    row = previous;
  }
  const stale: HeldAttempt[] = [];
  const settled: Attached['settled'][number][] = [];
  worker.lingering.clear();
  for (const attempt of command.held) {
    if (isRunningOn(state, worker, attempt)) continue;
    stale.push({ number: attempt.number, fencingToken: attempt.fencingToken });
    // Its handler runs until it heeds the abort.
    worker.lingering.set(attempt.fencingToken, attempt.number);
  }
  for (const { number, fencingToken } of command.unanswered) {
    if (isRunningOn(state, worker, { number, fencingToken })) continue;
    const isLive = state.memory.pages.rowOf(number) !== NO_ROW;
    settled.push({ number, fencingToken, answer: isLive ? 'STALE_LEASE' : answerOfGone(state, number) });
  }
  return { type: 'attached', stale, settled };
}

function isRunningOn(state: State, worker: Worker, attempt: HeldAttempt): boolean {
  const row = state.memory.pages.rowOf(attempt.number);
  if (row === NO_ROW) return false;
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (segment.state[at] !== STATE.running || segment.token[at] !== attempt.fencingToken) return false;
  return segment.worker[at] === worker.slot;
}

function isFit(state: State, command: Attach): boolean {
  const { limits } = state;
  return (
    isName(command.namespace) &&
    isName(command.worker) &&
    isName(command.instance) &&
    isName(command.version) &&
    command.types.length >= 1 &&
    command.types.length <= limits.typesMax &&
    new Set(command.types).size === command.types.length &&
    command.types.every(isName) &&
    areLabels(command.labels, limits.labelsMax) &&
    command.slots >= 1 &&
    command.slots <= limits.slotsMax &&
    command.held.length + command.unanswered.length <= 2 * limits.slotsMax
  );
}
