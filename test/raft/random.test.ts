import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chaos, happened } from './support/chaos.ts';

const runs = Number(process.env['RAFT_RUNS'] ?? 40);

const scenario = fc.record({
  seed: fc.nat(0x7fff_ffff),
  peers: fc.constantFrom(3, 3, 3, 3, 5, 5, 4, 2, 1),
  steps: fc.constantFrom(3000, 1000, 300),
  tiny: fc.boolean(),
});

describe('any order of loss, repetition, reordering, crashes and stalled disks', () => {
  it('keeps the five properties of figure 3 and the promises of the persist contract, and recovers', () => {
    const property = fc.property(scenario, (drawn) => chaos({ ...drawn, churn: false }));
    fc.assert(property, { numRuns: runs });
  }, 120_000);

  it('keeps them too while members come and go, disks are wiped, logs are damaged and states are lost', () => {
    const property = fc.property(scenario, (drawn) => chaos({ ...drawn, churn: true }));
    fc.assert(property, { numRuns: runs });
    const { onlyCopiesLost: _, ...expected } = happened;
    for (const [name, count] of Object.entries(expected)) expect(count, `${name} happened`).toBeGreaterThan(0);
  }, 120_000);
});
