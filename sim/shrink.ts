/**
 * Makes a failure smaller: which of the faults of a run does it need? The run is repeated with fewer and fewer of them, first
 * without whole families, then without halves, quarters and so on of what is left (Zeller and Hildebrandt, "Simplifying and
 * Isolating Failure-Inducing Input", 2002). Each fault has random numbers of its own, so that those which are left come as they did.
 */
import type { FaultOccurrence } from './faults/faults.ts';
import { type RunOptions, runSeed, type Failure } from './run-seed.ts';
import { FULL_LENGTH } from './simulation.ts';

/** Runs after which it is left at what was found. */
const RUNS_MAX = 400;
/** A run with fewer faults may fail later than the whole one; for so much longer it is watched, in parts of the time of that. */
const LATER = 1.5;

/** What is left of a failure. */
export interface Shrunk {
  /** As the smallest run told it. */
  readonly failure: Failure;
  /** The faults without which it passes, and without any of which it fails otherwise or not at all. */
  readonly faults: readonly FaultOccurrence[];
  /** How many there were at first. */
  readonly before: number;
  readonly runs: number;
}

/** A mask that lets these faults happen and no others. */
export class AllBut extends Set<number> {
  override has(number: number): boolean {
    return !super.has(number);
  }
}

/** Shrinks the failure of `seed`; undefined when it passes. */
export async function shrinkSeed(
  seed: number,
  options: Omit<RunOptions, 'maskedFaults'> = {},
  told: (line: string) => void = () => {},
): Promise<Shrunk | undefined> {
  const first = await runSeed(seed, { ...options, briefly: true });
  if (first.failure === undefined) return undefined;
  const { checker, faults } = first.failure;
  // Where faults were still under way nothing after them matters, and the runs that pass need not go on for long.
  const length = options.length ?? FULL_LENGTH;
  const early = first.totals.eventsUnderFaults === 0;
  const shorter = early ? { simulatedMs: first.totals.simulatedMs * LATER, events: 0, requests: 0 } : length;
  told(`seed ${seed} breaks ${checker} with ${faults.length} faults`);
  let runs = 1;
  let smallest = first.failure;
  const fails = async (kept: readonly FaultOccurrence[]): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs += 1;
    const maskedFaults = new AllBut(kept.map(({ number }) => number));
    const { failure } = await runSeed(seed, { ...options, length: shorter, briefly: true, maskedFaults });
    if (failure?.checker !== checker) return false;
    smallest = failure;
    told(`${kept.length} faults still break it`);
    return true;
  };
  const kept = await minimize(faults, ({ family }) => family, fails);
  return { failure: smallest, faults: kept, before: faults.length, runs };
}

/**
 * The fewest of `items` for which `fails` still holds, in their order: without any one of them it does not hold.
 * @param groupOf Items of one group are tried to be left out together first.
 */
export async function minimize<Item>(
  items: readonly Item[],
  groupOf: (item: Item) => string,
  fails: (items: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  if (items.length > 0 && (await fails([]))) return [];
  let kept = items;
  for (const group of new Set(items.map(groupOf))) {
    const without = kept.filter((item) => groupOf(item) !== group);
    if (without.length > 0 && without.length < kept.length && (await fails(without))) kept = without;
  }
  let parts = 2;
  while (kept.length > 1) {
    const size = Math.ceil(kept.length / parts);
    const without = await firstWithout(kept, size, fails);
    if (without !== undefined) {
      kept = without;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return kept;
}

/** `kept` without one of its parts of `size`, where that still fails; undefined when every part is needed. */
async function firstWithout<Item>(
  kept: readonly Item[],
  size: number,
  fails: (items: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[] | undefined> {
  for (let from = 0; from < kept.length; from += size) {
    const without = kept.toSpliced(from, size);
    if (without.length > 0 && (await fails(without))) return without;
  }
  return undefined;
}
