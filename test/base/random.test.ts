import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { below, deriveSeed, randomBytes, type Random, SeededRandom } from '../../src/base/random.ts';

function draws(seed: number, count: number): number[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => random.uint32());
}

describe('SeededRandom', () => {
  test('the numbers of a seed never change, or recorded seeds would tell other stories', () => {
    expect(draws(1, 4)).toMatchInlineSnapshot(`
      [
        2442144158,
        3238099751,
        3819917871,
        2104621829,
      ]
    `);
    expect(draws(0xffff_ffff, 4)).toMatchInlineSnapshot(`
      [
        835879718,
        1921286648,
        2356199249,
        1873990004,
      ]
    `);
  });

  test('a seed gives its numbers again, and its neighbour gives others', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_fffe), (seed) => {
        expect(draws(seed, 8)).toEqual(draws(seed, 8));
        expect(draws(seed, 8)).not.toEqual(draws(seed + 1, 8));
      }),
    );
  });

  test('every number is a whole one of 32 bits, and each bit is set about half of the time', () => {
    const numbers = draws(42, 4096);
    expect(numbers.every((value) => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)).toBe(true);
    for (let bit = 0; bit < 32; bit += 1) {
      const set = numbers.filter((value) => ((value >>> bit) & 1) === 1).length;
      expect(Math.abs(set - 2048)).toBeLessThan(200);
    }
  });
});

describe('below', () => {
  test('stays in its bounds at both ends of the source', () => {
    const ends: readonly Random[] = [{ uint32: () => 0 }, { uint32: () => 0xffff_ffff }];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x1_0000_0000 }), (bound) => {
        expect(ends.map((random) => below(random, bound))).toEqual([0, bound - 1]);
      }),
    );
  });

  test('reaches every value of a small range about equally often', () => {
    const random = new SeededRandom(7);
    const counts = [0, 0, 0, 0, 0];
    for (let drawn = 0; drawn < 5000; drawn += 1) {
      const value = below(random, 5);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    expect(counts.every((count) => count > 850 && count < 1150)).toBe(true);
  });
});

describe('deriveSeed', () => {
  test('gives streams of their own: drawing from one shifts no other', () => {
    const seeds = ['network', 'disk', 'workload', 'disk2', ''].map((label) => deriveSeed(9, label));
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(deriveSeed(9, 'disk')).toBe(deriveSeed(9, 'disk'));
    expect(deriveSeed(10, 'disk')).not.toBe(deriveSeed(9, 'disk'));
  });
});

describe('randomBytes', () => {
  test('gives as many bytes as asked for, drawn one by one', () => {
    expect([...randomBytes({ uint32: () => 0x1ff }, 3)]).toEqual([255, 255, 255]);
    expect(randomBytes(new SeededRandom(1), 0).length).toBe(0);
  });
});
