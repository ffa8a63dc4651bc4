/** Runs a seed again and draws what happened. */
import { drawOptions } from '../options.ts';
import { type Failure, runSeed } from '../run-seed.ts';
import { AllBut } from '../shrink.ts';
import { replayPage } from './page.ts';
import { TimelineReader } from './timeline.ts';

/** A run that was drawn. */
export interface Replay {
  readonly html: string;
  readonly failure: Failure | undefined;
  readonly events: number;
}

/**
 * Runs `seed` with every line of its trace read. The page has the last `EVENTS_MAX` of them.
 * @param faults Numbers of the faults that happen; default all that the seed draws.
 */
export async function replaySeed(seed: number, faults?: readonly number[]): Promise<Replay> {
  const reader = new TimelineReader();
  const { failure, totals } = await runSeed(seed, {
    print: (line) => reader.add(line),
    ...(faults === undefined ? {} : { maskedFaults: new AllBut(faults) }),
  });
  const html = replayPage({ seed, failure, options: drawOptions(seed), timeline: reader.finish() });
  return { html, failure, events: totals.events };
}
