/**
 * A task as clients of Taskraft see it: submitted once under its key, looked at, cancelled, ended by one attempt, and final then.
 *
 *     absent ──submit──▶ waits or runs ──complete──▶ done or failed
 *                              └─────────cancel────▶ cancelled
 *
 * In files an operation has the task's `key`, and these values:
 *
 * | f          | value of the call                         | value of the answer                                        |
 * | ---------- | ----------------------------------------- | ---------------------------------------------------------- |
 * | `submit`   | none                                      | `{"id": …, "deduplicated": true or false}`                 |
 * | `get`      | none                                      | `{"id": …, "state": …, "result": …}`, or none: no such task |
 * | `cancel`   | none                                      | the same                                                   |
 * | `complete` | `{"state": "done" or "failed", "result"}` | none                                                       |
 *
 * `complete` is an attempt that ends: the call stands where its handler ends, and `info` (or nothing) where the worker does not
 * hear whether the end counted. What a worker reports has to stand in the file, since no task ends by itself; the result of
 * each attempt should be its own, so that a second end is seen. A wait for a result is a `get`. States that are not final come
 * and go; clients cannot tell whether rightly. `fail` says that nothing was done, for whichever reason.
 */
import { isPlainMap, type HistoryEvent, type Plain, type PlainMap, plainText } from './history-event.ts';
import type { Model } from './model.ts';
import { NotUnderstood, type Outcome, type Vocabulary } from './pair-events.ts';

const ENDS: readonly string[] = ['done', 'failed'];
const FINAL: readonly string[] = [...ENDS, 'cancelled'];
const STATES: readonly string[] = ['scheduled', 'blocked', 'pending', 'running', 'retrying', ...FINAL];

/** What a client or a worker asks. `result` is JSON. */
export type TaskInput =
  | { readonly f: 'submit' | 'get' | 'cancel' }
  | { readonly f: 'complete'; readonly state: string; readonly result: string };

/** A task as it is shown. `result` is JSON, undefined where it is not shown. */
export interface ShownTask {
  readonly id: string | undefined;
  readonly state: string;
  readonly result: string | undefined;
}

/** What is answered: for `get` and `cancel` the task as it is then, undefined where there is none. */
export type TaskOutput =
  | { readonly f: 'submit'; readonly id: string; readonly deduplicated: boolean }
  | { readonly f: 'get' | 'cancel'; readonly task: ShownTask | undefined }
  | { readonly f: 'complete' };

/** The task under a key. */
export interface TaskModelState {
  readonly exists: boolean;
  /** Undefined until somebody hears it. */
  readonly id: string | undefined;
  /** A final state, or undefined while it can change. */
  readonly end: string | undefined;
  /** Of the attempt that ended it, as JSON. */
  readonly result: string | undefined;
  /** Somebody asked to cancel it, so that it may be seen cancelled at any time. */
  readonly isCancelAsked: boolean;
}

/** See the head of this file. */
export const taskModel: Model<TaskModelState, TaskInput, TaskOutput> = {
  name: 'task',
  initial: { exists: false, id: undefined, end: undefined, result: undefined, isCancelAsked: false },
  step(state, input, output) {
    switch (input.f) {
      case 'submit':
        return submitted(state, output?.f === 'submit' ? output : undefined);
      case 'get':
        return output?.f === 'get' ? shown(state, output.task) : state;
      case 'cancel': {
        const asked = state.exists && state.end === undefined ? { ...state, isCancelAsked: true } : state;
        return output?.f === 'cancel' ? shown(asked, output.task) : asked;
      }
      case 'complete':
        return state.exists && state.end === undefined
          ? { ...state, end: input.state, result: input.result }
          : undefined;
    }
  },
  isObservation(input, output) {
    if (input.f !== 'get' || output.f !== 'get') return false;
    // An id may be heard for the first time, and what is seen cancelled stays so.
    return output.task === undefined || (output.task.id === undefined && output.task.state !== 'cancelled');
  },
  stateKey: ({ exists, id, end, result, isCancelAsked }) =>
    JSON.stringify([exists, id ?? null, end ?? null, result ?? null, isCancelAsked]),
  inputKey: (input) => (input.f === 'complete' ? `complete ${input.state} ${input.result}` : input.f),
  describeState({ exists, end, result, isCancelAsked }) {
    if (!exists) return 'absent';
    if (end === undefined) return isCancelAsked ? 'not final, asked to cancel' : 'not final';
    return end === 'cancelled' ? end : `${end} with ${result}`;
  },
  describe(input, output) {
    if (input.f === 'complete')
      return `complete ${input.state} with ${input.result}${output === undefined ? ' -> ?' : ''}`;
    return `${input.f} -> ${output === undefined ? '?' : answerText(output)}`;
  },
};

function submitted(
  state: TaskModelState,
  output: { id: string; deduplicated: boolean } | undefined,
): TaskModelState | undefined {
  if (output === undefined) return state.exists ? state : { ...state, exists: true };
  if (output.deduplicated !== state.exists) return undefined;
  return known({ ...state, exists: true }, output.id);
}

/** The state once a task was shown so; undefined where it could not be. */
function shown(state: TaskModelState, task: ShownTask | undefined): TaskModelState | undefined {
  if (task === undefined || !state.exists) return task === undefined && !state.exists ? state : undefined;
  const learned = task.id === undefined ? state : known(state, task.id);
  if (learned === undefined || !FINAL.includes(task.state)) return learned?.end === undefined ? learned : undefined;
  if (task.state === 'cancelled' && learned.end === undefined)
    return learned.isCancelAsked ? { ...learned, end: 'cancelled' } : undefined;
  const isSameResult = task.result === undefined || task.result === learned.result;
  return task.state === learned.end && isSameResult ? learned : undefined;
}

function known(state: TaskModelState, id: string): TaskModelState | undefined {
  if (state.id === undefined) return { ...state, id };
  return state.id === id ? state : undefined;
}

function answerText(output: TaskOutput): string {
  if (output.f === 'submit') return output.deduplicated ? `${output.id}, deduplicated` : output.id;
  if (output.f === 'complete') return 'counted';
  if (output.task === undefined) return 'no such task';
  const { state, result } = output.task;
  return result === undefined ? state : `${state} with ${result}`;
}

/** How operations on tasks stand in files. */
export const taskVocabulary: Vocabulary<TaskModelState, TaskInput, TaskOutput> = {
  model: taskModel,
  call({ f, key, value }) {
    if (key === undefined) throw new NotUnderstood('an operation on a task has its key');
    if (f === 'submit' || f === 'get' || f === 'cancel') return { key, input: { f } };
    if (f !== 'complete') throw new NotUnderstood(`a task knows submit, get, cancel and complete, and not ${f}`);
    const { state, result = null } = mapOf(value);
    if (typeof state !== 'string' || !ENDS.includes(state))
      throw new NotUnderstood(`an attempt ends as ${ENDS.join(' or ')}, and not as ${plainText(state ?? null)}`);
    return { key, input: { f, state, result: JSON.stringify(result) } };
  },
  outcome(event, input): Outcome<TaskOutput> {
    if (event.type === 'info') return 'unknown';
    if (event.type === 'fail') return 'no-effect';
    switch (input.f) {
      case 'submit': {
        const { id, deduplicated } = mapOf(event.value);
        if (typeof id !== 'string' || typeof deduplicated !== 'boolean')
          throw new NotUnderstood('submit answers {"id": text, "deduplicated": true or false}');
        return { output: { f: 'submit', id, deduplicated } };
      }
      case 'get':
      case 'cancel':
        return { output: { f: input.f, task: event.value === null ? undefined : shownTask(event) } };
      case 'complete':
        return { output: { f: 'complete' } };
    }
  },
};

function shownTask({ value }: HistoryEvent): ShownTask {
  const { id, state, result } = mapOf(value);
  if (typeof state !== 'string' || !STATES.includes(state))
    throw new NotUnderstood(`a task is ${STATES.join(', ')}, and not ${plainText(state ?? null)}`);
  if (id !== undefined && typeof id !== 'string') throw new NotUnderstood('the id of a task is a text');
  return { id, state, result: result === undefined ? undefined : JSON.stringify(result) };
}

function mapOf(value: Plain): PlainMap {
  if (!isPlainMap(value)) throw new NotUnderstood(`names and values are needed, and not ${plainText(value)}`);
  return value;
}
