/**
 * A register with compare-and-set, which Jepsen tests databases with: `read`, `write v`, `cas [from to]`. Before the first write
 * it holds nothing.
 *
 * In files the values are any scalar; `nil` and `null` are nothing. With several registers in one file, a key stands beside the
 * value in JSON, and around it in Jepsen's tuples: `[key value]`, `[key [from to]]`. A `cas` that failed without another reason
 * given found another value than `from`; so it does in the logs of etcd, whose client tells this apart from errors. In EDN it
 * says nothing.
 */
import { type HistoryEvent, isList, isPlainMap, type Plain, plainText } from './history-event.ts';
import type { Model } from './model.ts';
import { NotUnderstood, type Outcome, type Vocabulary } from './pair-events.ts';

/** What a register is asked. Values are their JSON. */
export type RegisterInput =
  | { readonly f: 'read' }
  | { readonly f: 'write'; readonly value: string }
  | { readonly f: 'cas'; readonly from: string; readonly to: string };

/** What it answers: the value that was read; for `cas` whether it was set; for `write` nothing. */
export type RegisterOutput =
  | { readonly f: 'read'; readonly value: string }
  | { readonly f: 'write' }
  | { readonly f: 'cas'; readonly isSet: boolean };

/** The JSON of nothing. */
const NOTHING = 'null';

/** See the head of this file. */
export const registerModel: Model<string, RegisterInput, RegisterOutput> = {
  name: 'register',
  initial: NOTHING,
  step(state, input, output) {
    switch (input.f) {
      case 'read':
        return output === undefined || (output.f === 'read' && output.value === state) ? state : undefined;
      case 'write':
        return input.value;
      case 'cas': {
        const isSet = input.from === state;
        if (output !== undefined && (output.f !== 'cas' || output.isSet !== isSet)) return undefined;
        return isSet ? input.to : state;
      }
    }
  },
  isObservation(input, output) {
    if (input.f === 'cas') return output.f === 'cas' && (!output.isSet || input.from === input.to);
    return input.f === 'read';
  },
  stateKey: (state) => state,
  inputKey(input) {
    if (input.f === 'read') return 'r';
    return input.f === 'write' ? `w${input.value}` : `c${JSON.stringify([input.from, input.to])}`;
  },
  describeState: shown,
  describe(input, output) {
    switch (input.f) {
      case 'read':
        return `read -> ${output?.f === 'read' ? shown(output.value) : '?'}`;
      case 'write':
        return `write ${shown(input.value)}${output === undefined ? ' -> ?' : ''}`;
      case 'cas': {
        const answer = output?.f !== 'cas' ? ' -> ?' : output.isSet ? '' : ' -> another value';
        return `cas ${shown(input.from)} to ${shown(input.to)}${answer}`;
      }
    }
  },
};

/** How operations on registers stand in files. */
export const registerVocabulary: Vocabulary<string, RegisterInput, RegisterOutput> = {
  model: registerModel,
  call(event) {
    const { key, value } = keyed(event);
    switch (event.f) {
      case 'read':
        return { key, input: { f: 'read' } };
      case 'write':
        return { key, input: { f: 'write', value: scalar(value) } };
      case 'cas': {
        const pair = pairOf(value);
        if (pair === undefined) throw new NotUnderstood(`cas takes two values, [from to], and not ${plainText(value)}`);
        return { key, input: { f: 'cas', from: pair[0], to: pair[1] } };
      }
      default:
        throw new NotUnderstood(`a register knows read, write and cas, and not ${event.f}`);
    }
  },
  outcome(event, input): Outcome<RegisterOutput> {
    if (event.type === 'info') return 'unknown';
    const { value } = keyed(event);
    switch (input.f) {
      case 'read':
        return event.type === 'fail' ? 'no-effect' : { output: { f: 'read', value: scalar(value) } };
      case 'write':
        if (event.type === 'fail') return 'no-effect';
        checkRepeated(value, isScalar(value) ? scalar(value) === input.value : false);
        return { output: { f: 'write' } };
      case 'cas': {
        const pair = pairOf(value);
        checkRepeated(value, isScalar(value) || (pair?.[0] === input.from && pair[1] === input.to));
        if (event.type === 'ok') return { output: { f: 'cas', isSet: true } };
        // Where the values do not stand again something else does: the reason for which nothing was done.
        const hasReason = event.hasError || typeof value === 'string';
        return hasReason ? 'no-effect' : { output: { f: 'cas', isSet: false } };
      }
    }
  },
};

/** The answer may repeat what was asked. Where it repeats something else, lines were mixed up. */
function checkRepeated(value: Plain, isSame: boolean): void {
  if (value !== null && !isSame)
    throw new NotUnderstood(`${plainText(value)} is not what the call of this process had`);
}

/** The key and what is behind it. */
function keyed({ f, key, value }: HistoryEvent): { readonly key: string; readonly value: Plain } {
  if (key !== undefined || !isList(value) || value.length !== 2) return { key: key ?? '', value };
  const [first = null, second = null] = value;
  return f !== 'cas' || isList(second) ? { key: plainText(first), value: second } : { key: '', value };
}

function pairOf(value: Plain): readonly [from: string, to: string] | undefined {
  if (!isList(value) || value.length !== 2) return undefined;
  const [from = null, to = null] = value;
  return [scalar(from), scalar(to)];
}

function isScalar(value: Plain): boolean {
  return !isList(value) && !isPlainMap(value);
}

function scalar(value: Plain): string {
  if (!isScalar(value)) throw new NotUnderstood(`a register holds a single value, and not ${plainText(value)}`);
  return JSON.stringify(value);
}

/** A value for people. */
function shown(value: string): string {
  return value === NOTHING ? 'nothing' : value;
}
