import { describe, expect, test } from 'vitest';
import { drawOptions, FAULTS } from '../../sim/options.ts';
import { runSeed } from '../../sim/run-seed.ts';

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
