/** One seed from its number to its verdict. */
import { drawOptions, type SimOptions } from './options.ts';
import type { FaultOccurrence } from './faults/faults.ts';
import type { Plants } from './plants.ts';
import { FULL_LENGTH, type RunLength, Simulation } from './simulation.ts';
import type { RunTotals } from './totals.ts';
import { Trace } from './trace.ts';
import { asViolation, Violation } from './world.ts';

/** A property that broke. */
export interface Failure {
  readonly seed: number;
  readonly checker: string;
  readonly message: string;
  /** The last lines of the trace. */
  readonly trace: readonly string[];
  /** The faults that happened up to then, in their order. */
  readonly faults: readonly FaultOccurrence[];
}

/** What became of a seed. */
export interface Verdict {
  readonly totals: RunTotals;
  readonly failure: Failure | undefined;
}

/** How to run a seed. */
export interface RunOptions {
  /** Run it a second time and compare the traces. Default false. */
  readonly twice?: boolean;
  /** Default `FULL_LENGTH`. */
  readonly length?: RunLength;
  /** Changes what the seed has drawn. */
  readonly adjust?: (options: SimOptions) => SimOptions;
  /** Mistakes of the product; default none. */
  readonly plants?: Plants;
  /** Leave a failure without the lines that lead to it, which cost another run. Default false. */
  readonly briefly?: boolean;
  /** Numbers of faults that do not happen, see `FaultOccurrence`. Default none. */
  readonly maskedFaults?: ReadonlySet<number>;
  /** Gets every line of the first run's trace. */
  readonly print?: (line: string) => void;
}

/** Lines of the trace that go with a failure. */
const TRACE_LINES = 60;
/** Lines of a stack that are told. */
const STACK_LINES = 20;

/**
 * The run that ended last. Nobody reads it: as long as objects of each shape are there the engine keeps what it has learned of them,
 * and code that it has optimised for them. What is collected between two runs would cost the next one a multiple of its time.
 */
const lastRun = new Set<Simulation>();

/** Lets go of the run that ended last, and so of functions that wait in it. */
export function forgetLastRun(): void {
  lastRun.clear();
}

/** Runs one seed. Never rejects. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Verdict> {
  const first = await runOnce(
    seed,
    options,
    options.print === undefined ? {} : { print: options.print, remember: true },
  );
  if (first.failure !== undefined && options.print === undefined && options.briefly !== true) {
    return retell(seed, options, first);
  }
  if (first.failure !== undefined || options.twice !== true) return first;
  const second = await runOnce(seed, options);
  if (second.failure !== undefined) return second;
  const [was, is] = [first.totals.traceHash, second.totals.traceHash];
  if (was === is) return first;
  const message = `the same seed gave the trace ${was} and then ${is}: something depends on what it must not`;
  return { totals: first.totals, failure: { seed, checker: 'determinism', message, trace: [], faults: [] } };
}

/** Runs a seed that has failed again, for the lines that lead to it and for the stack: a run goes without both. */
async function retell(seed: number, options: RunOptions, first: Verdict): Promise<Verdict> {
  const stackTraceLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_LINES;
  const again = await runOnce(seed, options, { remember: true });
  Error.stackTraceLimit = stackTraceLimit;
  // What fails once only is told as it was: a mistake in a test's plants, which may count over runs, or in the simulator.
  return again.failure?.checker === first.failure?.checker ? again : first;
}

async function runOnce(
  seed: number,
  options: RunOptions,
  telling: { readonly print?: (line: string) => void; readonly remember?: boolean } = {},
): Promise<Verdict> {
  const trace = new Trace(telling);
  const drawn = drawOptions(seed);
  const simulation = new Simulation(options.adjust?.(drawn) ?? drawn, trace, options.plants, options.maskedFaults);
  try {
    await simulation.run(options.length ?? FULL_LENGTH);
    return { totals: simulation.totals(), failure: undefined };
  } catch (error) {
    const { checker, message } = error instanceof Violation ? error : asViolation(error, undefined);
    return {
      totals: simulation.totals(),
      failure: { seed, checker, message, trace: trace.last(TRACE_LINES), faults: simulation.happened },
    };
  } finally {
    lastRun.clear();
    lastRun.add(simulation);
  }
}
