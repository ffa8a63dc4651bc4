/**
 * Linearizability of what clients saw: is there one order of all operations that a single object, doing them one by one, could
 * have answered in the same way, and in which nothing comes before what had ended before it was called (Herlihy and Wing 1990)?
 *
 * What comes in: operations with the instants of their calls and returns, of any number of clients and objects (`operation.ts`),
 * and a model of the object (`model.ts`): a register (`register.ts`) or a task with its life cycle (`task.ts`). Histories in
 * files become operations by `read-history.ts` and `pair-events.ts`. What goes out: a verdict, and for a refused history the
 * first operation that fits nowhere, with an order of everything before it.
 *
 *     file ──▶ read-history ──▶ events ──▶ pair-events ──▶ operations ──▶ here, object by object ──▶ search ──▶ verdict
 *
 * Invariants: "linearizable" and "not linearizable" are certain; where the search would take more than it was given the verdict
 * is "undecided", never the one or the other. An operation that nobody heard the end of may have taken effect at any time after
 * its call, or never. The verdict does not depend on the order in which operations are given.
 *
 * What it does not do: it knows nothing of clusters, and neither records histories nor judges whether they tell the truth.
 */
import { assert } from '../../src/base/assert.ts';
import type { Model } from './model.ts';
import { NEVER, type Operation } from './operation.ts';
import { type Refutation, Search } from './search.ts';

/** How much a check may take. */
export interface CheckOptions {
  /**
   * Configurations that may be tried for each object, 1 or more; each takes some 300 bytes and a few microseconds. Default
   * 1,000,000. Where they do not suffice the verdict is `undecided`.
   */
  readonly configurationsMax?: number;
}

/** What a check found. */
export type Verdict<Input, Output> = {
  /** Configurations that were tried, over all objects. */
  readonly configurations: number;
  readonly objects: number;
} & (
  | { readonly verdict: 'linearizable' }
  /** `refutation` is the one whose operation returned first, where several objects have one. */
  | { readonly verdict: 'not-linearizable'; readonly refutation: Refutation<Input, Output> }
  /** `key` names an object for which the search came to its bound. */
  | { readonly verdict: 'undecided'; readonly key: string }
);

const CONFIGURATIONS_MAX = 1_000_000;

/** See the head of this file. */
export function checkLinearizability<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  { configurationsMax = CONFIGURATIONS_MAX }: CheckOptions = {},
): Verdict<Input, Output> {
  assert(configurationsMax >= 1, 'nothing can be checked without trying a configuration');
  const byKey = partition(operations);
  let configurations = 0;
  let refutation: Refutation<Input, Output> | undefined;
  let undecided: string | undefined;
  for (const [key, ofKey] of byKey) {
    const search = new Search(model, ofKey, configurationsMax);
    const found = search.run();
    configurations += search.configurations;
    if (found === 'undecided') undecided ??= key;
    else if (found !== 'linearizable' && (refutation === undefined || returnsBefore(found, refutation)))
      refutation = found;
  }
  const counts = { configurations, objects: byKey.size };
  if (refutation !== undefined) return { ...counts, verdict: 'not-linearizable', refutation };
  return undecided === undefined
    ? { ...counts, verdict: 'linearizable' }
    : { ...counts, verdict: 'undecided', key: undecided };
}

/** The operations of each object, in the order in which they were called. */
function partition<Input, Output>(
  operations: readonly Operation<Input, Output>[],
): Map<string, Operation<Input, Output>[]> {
  const byKey = new Map<string, Operation<Input, Output>[]>();
  for (const operation of [...operations].sort((left, right) => left.call - right.call)) {
    assert(operation.call <= operation.return, 'an operation returns after it was called');
    assert((operation.output === undefined) === (operation.return === NEVER), 'what returned has an output');
    const ofKey = byKey.get(operation.key);
    if (ofKey === undefined) byKey.set(operation.key, [operation]);
    else ofKey.push(operation);
  }
  return byKey;
}

function returnsBefore<Input, Output>(left: Refutation<Input, Output>, right: Refutation<Input, Output>): boolean {
  return left.operation.return < right.operation.return;
}
