/** Runs a seed again and draws what happened. */
import { drawOptions } from '../options.ts';
import { type Failure, runSeed } from '../run-seed.ts';
import { FULL_LENGTH, type RunLength } from '../simulation.ts';
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
 * @param length Default `FULL_LENGTH`.
 */
export async function replaySeed(
  seed: number,
  faults?: readonly number[],
  length: RunLength = FULL_LENGTH,
): Promise<Replay> {
  const reader = new TimelineReader();
  const { failure, totals } = await runSeed(seed, {
    length,
    print: (line) => reader.add(line),
    ...(faults === undefined ? {} : { maskedFaults: new AllBut(faults) }),
  });
  const html = replayPage({ seed, failure, options: drawOptions(seed), timeline: reader.finish() });
  return { html, failure, events: totals.events };
}
