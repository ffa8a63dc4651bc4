/** Linearizability by its definition, as slow as that is. */
import type { Model } from '../../../sim/linearizability/model.ts';
import { NEVER, type Operation } from '../../../sim/linearizability/operation.ts';

/**
 * Tries every order of every subset that has all operations that returned by `until`. Those that return later may be left out,
 * but where they take effect they are answered as they were.
 */
export function isLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  until: number = Number.MAX_VALUE,
  state: State = model.initial,
): boolean {
  const returned = operations.filter((one) => one.return <= until && one.return !== NEVER);
  if (returned.length === 0) return true;
  return operations.some((next) => {
    if (next.call > until || operations.some((other) => other !== next && other.return < next.call)) return false;
    const after = model.step(state, next.input, next.output);
    const rest = operations.filter((other) => other !== next);
    return after !== undefined && isLinearizable(model, rest, until, after);
  });
}
