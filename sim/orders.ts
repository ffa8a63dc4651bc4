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

/** What a process that runs seeds is told between two of them: give a loaded module these functions. It answers whether it did. */
export interface Change {
  /** Of the module. */
  readonly url: string;
  readonly source: string;
}

/** What became of one seed, and what it cost. */
export interface Answer extends Verdict {
  /** Events of all its runs: of the second one too. */
  readonly eventsRun: number;
  /** CPU time of the process meanwhile, all its threads together, in ms. */
  readonly cpuMs: number;
}

/**
 * How Node is started for seeds. The code of a seed is wide and flat: thousands of small functions of which none stands out, so most
 * of what the first dozens of seeds of a process cost is code that is not optimised yet, and optimising it. Each is compiled when it
 * is called first, has to earn its optimisation half as long again as by default, and gets little put into it, which takes long.
 *
 * Helpers of the collector only take turns with it where seeds keep every core busy. Nearly everything dies young, so there is room
 * for that from the begin, in MiB: with four times the room it is looked through a fourth as often, and less of it lives. The old ones
 * are marked in steps, though that makes each mark dearer: only then do shapes outlive a time in which nothing has them, and the engine
 * drops what it optimised for each shape that it loses.
 */
export const SEED_RUNNER_FLAGS: readonly string[] = [
  '--always-sparkplug',
  '--interrupt-budget=100000',
  '--max-inlined-bytecode-size-cumulative=300',
  '--single-threaded-gc',
  '--min-semi-space-size=128',
  '--max-semi-space-size=128',
];

/** Put into the environment of a process that takes orders. */
export const TAKES_ORDERS = 'TASKRAFT_SIM_TAKES_ORDERS';
