/** Long work of a load in small steps: whoever drives it lets others in between two of them. */
import { assert } from '../base/assert.ts';

/** Small records handled between two yields; about a third of a millisecond. */
export const LOAD_STEP = 512;

/** Longest list that is sorted in one go. */
const RUN = 1_024;

/** `items` in ascending order of what `keyOf` says, in a list of their own where they were not in order. Yields now and then. */
export function* sortSlowly(items: number[], keyOf: (item: number) => number): Generator<void, number[]> {
  if (yield* isSorted(items, keyOf)) return items;
  const compare = (left: number, right: number): number => keyOf(left) - keyOf(right);
  let from: number[] = [];
  for (let at = 0; at < items.length; at += RUN) {
    for (const item of items.slice(at, at + RUN).sort(compare)) from.push(item);
    yield;
  }
  for (let width = RUN; width < from.length; width *= 2) from = yield* mergePass(from, width, compare);
  assert(from.length === items.length, 'sorting loses nothing');
  return from;
}

/** Merges neighbouring runs of `width` items, each in order, into runs of twice as many. */
function* mergePass(
  from: readonly number[],
  width: number,
  compare: (left: number, right: number) => number,
): Generator<void, number[]> {
  const into: number[] = [];
  for (let start = 0; start < from.length; start += 2 * width) {
    const middle = Math.min(start + width, from.length);
    const end = Math.min(middle + width, from.length);
    let left = start;
    let right = middle;
    while (left < middle || right < end) {
      const takeLeft = right >= end || (left < middle && compare(from[left] as number, from[right] as number) <= 0);
      into.push((takeLeft ? from[left] : from[right]) as number);
      if (takeLeft) left += 1;
      else right += 1;
      if (into.length % LOAD_STEP === 0) yield;
    }
  }
  return into;
}

function* isSorted(items: readonly number[], keyOf: (item: number) => number): Generator<void, boolean> {
  for (let at = 1; at < items.length; at += 1) {
    if (keyOf(items[at - 1] as number) > keyOf(items[at] as number)) return false;
    if (at % (4 * LOAD_STEP) === 0) yield;
  }
  return true;
}
