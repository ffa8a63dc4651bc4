/** Puts each call and what became of it together. */
import { HistoryError, type HistoryEvent } from './history-event.ts';
import type { Model } from './model.ts';
import { NEVER, type Operation } from './operation.ts';

/** What became of an operation: nothing at all, nobody knows, or an answer. */
export type Outcome<Output> = 'no-effect' | 'unknown' | { readonly output: Output };

/** The event is not one that the model knows. The message is a sentence for whoever wrote the file. */
export class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood';
}

/** A model, and how its operations stand in files. */
export interface Vocabulary<State, Input, Output> {
  readonly model: Model<State, Input, Output>;
  /** The object and the input of a call. @throws NotUnderstood */
  call(event: HistoryEvent): { readonly key: string; readonly input: Input };
  /** What an event that ends a call with `input` says. It is of the same `f`. @throws NotUnderstood */
  outcome(event: HistoryEvent, input: Input): Outcome<Output>;
}

/** Operations whose instants are places in the list of events. */
export interface History<Input, Output> {
  readonly operations: readonly Operation<Input, Output>[];
  /** By instant. */
  readonly events: readonly HistoryEvent[];
}

/** A call that goes on. */
interface OpenCall<Input> {
  readonly event: HistoryEvent;
  readonly at: number;
  readonly key: string;
  readonly input: Input;
}

/**
 * The operations of a list of events, in the order of their calls. A process has one open at a time. After `info`, and where no
 * event ends it, an operation never returned; after `fail` it had no effect, unless the model learns something from it.
 *
 * @throws HistoryError at the event that does not fit
 */
export function pairEvents<State, Input, Output>(
  events: readonly HistoryEvent[],
  vocabulary: Vocabulary<State, Input, Output>,
): History<Input, Output> {
  const open = new Map<string, OpenCall<Input>>();
  const operations: Operation<Input, Output>[] = [];
  for (const [at, event] of events.entries()) {
    const { process } = event;
    const call = open.get(process);
    if (event.type === 'invoke') {
      if (call !== undefined) throw notEnded(event, call.event);
      open.set(process, { event, at, ...understood(event, () => vocabulary.call(event)) });
      continue;
    }
    if (call === undefined) throw new HistoryError(event, `process ${process} has no operation open that could end`);
    open.delete(process);
    const operation = end(call, event, at, vocabulary);
    if (operation !== undefined) operations.push(operation);
  }
  for (const call of open.values()) operations.push(operationOf<Input, Output>(call, undefined, NEVER));
  return { operations: operations.sort((left, right) => left.call - right.call), events };
}

function end<State, Input, Output>(
  call: OpenCall<Input>,
  event: HistoryEvent,
  at: number,
  vocabulary: Vocabulary<State, Input, Output>,
): Operation<Input, Output> | undefined {
  const { f, line } = call.event;
  if (event.f !== f)
    throw new HistoryError(event, `process ${event.process} called ${f} in line ${line}, and this ends ${event.f}`);
  const outcome = understood(event, () => vocabulary.outcome(event, call.input));
  if (outcome === 'no-effect') return undefined;
  return outcome === 'unknown'
    ? operationOf<Input, Output>(call, undefined, NEVER)
    : operationOf(call, outcome.output, at);
}

function operationOf<Input, Output>(
  { event, at, key, input }: OpenCall<Input>,
  output: Output | undefined,
  returned: number,
): Operation<Input, Output> {
  return { process: event.process, key, input, output, call: at, return: returned };
}

function notEnded(event: HistoryEvent, before: HistoryEvent): HistoryError {
  const { process, f, line } = before;
  return new HistoryError(event, `process ${process} calls while its ${f} of line ${line} is open`);
}

function understood<Value>(event: HistoryEvent, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotUnderstood) throw new HistoryError(event, error.message);
    throw error;
  }
}
