import type { Verdict } from './run-seed.ts';

/** What a process that runs seeds is told: run these, one after the other. It answers each with an `Answer`. */
export interface Order {
  readonly seeds: readonly number[];
  readonly twice: boolean;
  /** Runs are as long as their seeds draw it. Default false: whole runs. */
  readonly drawnLengths?: boolean;
  /** True when nobody reads the lines that lead to a failure. Default false. */
  readonly briefly?: boolean;
}

/** What became of one seed, and what it cost. */
export interface Answer extends Verdict {
  /** Events of all its runs: of the second one too. */
  readonly eventsRun: number;
  /** CPU time of the process meanwhile, all its threads together, in ms. */
  readonly cpuMs: number;
}

/** For every process that runs seeds. Helpers of the collector only take turns with it where seeds keep every core busy. */
const FLAGS: readonly string[] = ['--single-threaded-gc', '--min-semi-space-size=16', '--interrupt-budget=600000'];

/**
 * How Node is started for seeds. The code of a seed is wide and flat, thousands of small functions of which none stands out, so more
 * of them are put into those that call them. Optimising them is a third of what the first ten seeds of a process cost, so a function
 * has to earn it four times as long as by default. Nearly everything dies young, so there is room for that from the begin, in MiB.
 */
export const SEED_RUNNER_FLAGS: readonly string[] = [
  ...FLAGS,
  '--max-inlined-bytecode-size=1000',
  '--max-inlined-bytecode-size-cumulative=2000',
];

/** How Node is started for a few seeds: what is made larger by putting functions into each other takes longer to optimise. */
export const FEW_SEEDS_FLAGS: readonly string[] = [...FLAGS, '--max-inlined-bytecode-size-cumulative=300'];

/** Put into the environment of a process that takes orders. */
export const TAKES_ORDERS = 'TASKRAFT_SIM_TAKES_ORDERS';
