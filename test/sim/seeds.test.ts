import { describe, expect, test } from 'vitest';
import type { FaultOccurrence } from '../../sim/faults/faults.ts';
import { drawOptions, FAULTS } from '../../sim/options.ts';
import { runSeed } from '../../sim/run-seed.ts';
import { Simulation } from '../../sim/simulation.ts';
import { Trace } from '../../sim/trace.ts';

/** Short runs, so that every `npm test` has some; `npm run sim -- --seeds N` runs whole ones. */
const SHORT = { simulatedMs: 5_000, events: 1_000, requests: 20 };

describe('a simulated cluster keeps its promises', () => {
  test.each([1, 2, 3, 4, 5])('with seed %i', async (seed) => {
    const { failure, totals } = await runSeed(seed, { length: SHORT });
    expect(failure).toBeUndefined();
    expect(totals.requestsUnderFaults).toBeGreaterThanOrEqual(SHORT.requests);
    expect(totals.eventsUnderFaults).toBeGreaterThanOrEqual(SHORT.events);
  });
});

describe('a seed is a whole story', () => {
  test('that is told twice in the same words', async () => {
    const lines: string[][] = [[], []];
    for (const telling of lines) await runSeed(7, { length: SHORT, print: (line) => telling.push(line) });
    expect(lines[1]).toEqual(lines[0]);
    expect(lines[0]?.length).toBeGreaterThan(1_000);
  });

  test('that differs from those of other seeds', async () => {
    const hashes = await Promise.all(
      [8, 9].map(async (seed) => (await runSeed(seed, { length: SHORT })).totals.traceHash),
    );
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  test('whose options are drawn from it', () => {
    expect(drawOptions(11)).toEqual(drawOptions(11));
    const faults = Array.from({ length: 80 }, (_, seed) => drawOptions(seed).faults);
    for (const family of FAULTS) {
      if (family.startsWith('worker') || family.startsWith('client')) continue;
      expect(faults.some(({ rates }) => rates[family] === 0)).toBe(true);
      expect(faults.some(({ rates }) => rates[family] > 0)).toBe(true);
    }
  });
});

describe('a fault', () => {
  /** What happens to a seed without the faults that are `masked`. */
  async function happened(masked: ReadonlySet<number>): Promise<readonly FaultOccurrence[]> {
    const drawn = drawOptions(9);
    const rates = { ...drawn.faults.rates, breaks: 3, stalls: 3, clogs: 2, crashes: 2 };
    const simulation = new Simulation({ ...drawn, faults: { ...drawn.faults, rates } }, new Trace(), {}, masked);
    await simulation.run(SHORT);
    return simulation.happened;
  }

  test('can be left out, and those before and beside it stay as they are', async () => {
    const all = await happened(new Set());
    const left = all[Math.floor(all.length / 2)] as FaultOccurrence;
    const without = await happened(new Set([left.number]));
    const before = (one: FaultOccurrence): boolean => one.number < left.number;
    expect(without.filter(before)).toEqual(all.filter(before));
    expect(without.map(({ number }) => number)).not.toContain(left.number);
    // Chance is drawn for each by its number, so most of what comes later comes all the same.
    const later = new Set(all.filter(({ number }) => number > left.number).map(({ number }) => number));
    const again = without.filter(({ number }) => later.has(number));
    expect(again.length * 2).toBeGreaterThan(later.size);
  });
});
