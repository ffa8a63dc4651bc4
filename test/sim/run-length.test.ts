import { describe, expect, test } from 'vitest';
import { drawLength } from '../../sim/run-length.ts';
import { FULL_LENGTH } from '../../sim/simulation.ts';

describe('a length that is drawn', () => {
  const lengths = Array.from({ length: 500 }, (_, seed) => drawLength(seed + 1));
  const parts = lengths.map(({ simulatedMs }) => simulatedMs / FULL_LENGTH.simulatedMs);

  test('is the same each time', () => {
    expect(drawLength(17)).toEqual(drawLength(17));
  });

  test('is a sixth of a whole run at least and three halves at most, both nearly reached', () => {
    expect(Math.min(...parts)).toBeGreaterThan(0.166);
    expect(Math.min(...parts)).toBeLessThan(0.172);
    expect(Math.max(...parts)).toBeLessThanOrEqual(1.5);
    expect(Math.max(...parts)).toBeGreaterThan(1.45);
  });

  test('is six tenths of a whole run on average, and more than a whole one now and then', () => {
    const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length;
    expect(mean).toBeGreaterThan(0.55);
    expect(mean).toBeLessThan(0.65);
    expect(parts.filter((part) => part > 1).length).toBeGreaterThan(60);
  });

  test('asks for as much of everything', () => {
    for (const { simulatedMs, events, requests } of lengths) {
      expect(events / FULL_LENGTH.events).toBeCloseTo(simulatedMs / FULL_LENGTH.simulatedMs, 3);
      expect(requests / FULL_LENGTH.requests).toBeCloseTo(simulatedMs / FULL_LENGTH.simulatedMs, 2);
    }
  });
});
