/** One seed from its number to its verdict. */
import { drawOptions, type SimOptions } from './options.ts';
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
  /** Gets every line of the first run's trace. */
  readonly print?: (line: string) => void;
}

/** Lines of the trace that go with a failure. */
const TRACE_LINES = 60;

/** Runs one seed. Never rejects. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Verdict> {
  const first = await runOnce(seed, options, options.print);
  if (first.failure !== undefined || options.twice !== true) return first;
  const second = await runOnce(seed, options);
  if (second.failure !== undefined) return second;
  const [was, is] = [first.totals.traceHash, second.totals.traceHash];
  if (was === is) return first;
  const message = `the same seed gave the trace ${was} and then ${is}: something depends on what it must not`;
  return { totals: first.totals, failure: { seed, checker: 'determinism', message, trace: [] } };
}

async function runOnce(seed: number, options: RunOptions, print?: (line: string) => void): Promise<Verdict> {
  const trace = new Trace(print);
  const drawn = drawOptions(seed);
  const simulation = new Simulation(options.adjust?.(drawn) ?? drawn, trace, options.plants);
  try {
    await simulation.run(options.length ?? FULL_LENGTH);
    return { totals: simulation.totals(), failure: undefined };
  } catch (error) {
    const { checker, message } = error instanceof Violation ? error : asViolation(error, undefined);
    return { totals: simulation.totals(), failure: { seed, checker, message, trace: trace.last(TRACE_LINES) } };
  }
}
