/** What an object does when its operations come one after the other. */

/**
 * The sequential object that a history is held against. States are values: `step` makes a new one and never changes what it is
 * given.
 *
 * Invariants: `step` is a function of its arguments; states are equal where their `stateKey` is, and inputs where their
 * `inputKey` is; an operation with `output` undefined is applied wherever the object would apply it.
 */
export interface Model<State, Input, Output> {
  /** What the object is called in explanations. */
  readonly name: string;
  /** The state of every object before the first operation on it. */
  readonly initial: State;
  /**
   * The state after `input` was answered with `output` in `state`; undefined where the object would not have answered so. For
   * an `output` of undefined (nobody heard it): the state once the operation took effect; undefined where it cannot.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /**
   * Whether `step` with these leaves every state as it is in which it is defined, as reads do. The search needs it to be quick,
   * and to be true: a write of the value that is there already is none, since elsewhere it changes something.
   */
  isObservation(input: Input, output: Output): boolean;
  /** A text that is the same for equal states alone. */
  stateKey(state: State): string;
  /** A text that is the same for equal inputs alone. */
  inputKey(input: Input): string;
  /** The state in words, to stand behind "is". */
  describeState(state: State): string;
  /** The operation in words, as in `read -> 3`. */
  describe(input: Input, output: Output | undefined): string;
}
