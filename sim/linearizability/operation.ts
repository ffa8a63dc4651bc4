/** What one client did to one object, and what it heard. */

/** The end of an operation of which nobody knows whether and when it took effect. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/**
 * One call of one client. `call` and `return` are instants of one clock that saw all clients: numbers of events, lines of a
 * file, simulated microseconds. Operation a is before b where `a.return < b.call`; at equal instants the two overlap.
 *
 * Invariant: `call <= return`; `output` is undefined if and only if `return` is `NEVER`.
 */
export interface Operation<Input, Output> {
  /** Who called, for explanations alone. */
  readonly process: string;
  /** The object that was called. Objects are checked one by one: a history is linearizable if each object's part of it is. */
  readonly key: string;
  readonly input: Input;
  /** What the client heard; undefined where it heard nothing, and the operation took effect at any time after `call` or never. */
  readonly output: Output | undefined;
  readonly call: number;
  readonly return: number;
}
