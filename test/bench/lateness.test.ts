import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpuUsOver, instantAt, latenessOf } from '../../bench/lateness.ts';

const COUNTS = fc.integer({ min: 1, max: 5_000 });

test('instants are spread evenly, each place once, within the time given', () => {
  fc.assert(
    fc.property(COUNTS, fc.integer({ min: 0, max: 2 ** 41 }), (count, fromMs) => {
      const stepMs = 3;
      const instants = Array.from({ length: count }, (_, at) => instantAt(at, count, fromMs, fromMs + count * stepMs));
      const ascending = instants.toSorted((left, right) => left - right);
      expect(ascending).toEqual(Array.from({ length: count }, (_, at) => fromMs + at * stepMs));
    }),
    { numRuns: 50 },
  );
});

test('a thousand a second are one in each millisecond', () => {
  const instants = Array.from({ length: 2_000 }, (_, at) => instantAt(at, 2_000, 10_000, 12_000));
  expect(new Set(instants).size).toBe(2_000);
});

test('tasks are not submitted in the order in which they are due', () => {
  const instants = Array.from({ length: 1_000_000 }, (_, at) => instantAt(at, 1_000_000, 0, 86_400_000));
  let rising = 0;
  for (let at = 1; at < instants.length; at += 1)
    if ((instants[at] as number) > (instants[at - 1] as number)) rising += 1;
  expect(rising).toBeGreaterThan(400_000);
  expect(rising).toBeLessThan(600_000);
});

test('a quantile is a lateness that was measured', () => {
  const lateMs = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(latenessOf(lateMs)).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 100, early: 0 });
  expect(latenessOf([7])).toEqual({ count: 1, p50: 7, p90: 7, p99: 7, max: 7, early: 0 });
});

test('what is before its instant is early, and what is at its instant is not', () => {
  expect(latenessOf([0, -1, 5, -0.5]).early).toBe(2);
  expect(latenessOf([]).early).toBe(0);
});

test('nothing measured is no lateness', () => {
  expect(latenessOf([])).toEqual({ count: 0, p50: 0, p90: 0, p99: 0, max: 0, early: 0 });
});

test('what the other tasks take by their rate is taken off', () => {
  const baseline = { cpuUs: 4_000_000, seconds: 10 };
  expect(cpuUsOver(baseline, { cpuUs: 30_000_000, seconds: 60 }, 60_000)).toBe(100);
  expect(cpuUsOver(baseline, { cpuUs: 24_000_000, seconds: 60 }, 60_000)).toBe(0);
  expect(cpuUsOver(baseline, { cpuUs: 24_000_000, seconds: 60 }, 0)).toBe(0);
});
