import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InvariantError } from '../../../src/base/assert.ts';
import { NO_REF, Slab, type SlabRef } from '../../../src/scheduler/memory/slab.ts';
import { patternBytes } from './support.ts';

interface Kept {
  ref: SlabRef;
  bytes: Uint8Array;
}

/** `toEqual` looks at arrays element by element, which is slow for long ones. */
function equal(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 0, max: 70_000 }),
  fc.constantFrom(0, 1, 16, 17, 24, 25, 48, 49, 1024, 3072, 3073, 4095, 4096, 4097, 65_536),
);

test('values stay as they were stored, whatever is stored, resized and freed around them', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('store' as const), size }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('free' as const), pick: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('resize' as const), pick: fc.nat(), size }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const slab = new Slab();
      const kept: Kept[] = [];
      let seed = 0;
      for (const step of steps) {
        seed += 1;
        if (step.do === 'store') {
          const bytes = patternBytes(step.size, seed);
          kept.push({ ref: slab.store(bytes), bytes });
          continue;
        }
        const at = step.pick % Math.max(1, kept.length);
        const value = kept[at];
        if (value === undefined) continue;
        if (step.do === 'free') {
          slab.free(value.ref, value.bytes.length);
          kept.splice(at, 1);
        } else {
          value.ref = slab.resize(value.ref, value.bytes.length, step.size);
          const stays = Math.min(value.bytes.length, step.size);
          expect(equal(slab.view(value.ref, step.size).subarray(0, stays), value.bytes.subarray(0, stays))).toBe(true);
          value.bytes = patternBytes(step.size, seed);
          slab.write(value.ref, value.bytes);
        }
      }
      for (const { ref, bytes } of kept) expect(equal(slab.view(ref, bytes.length), bytes)).toBe(true);
      expect(slab.usedBytes).toBeGreaterThanOrEqual(kept.reduce((sum, { bytes }) => sum + bytes.length, 0));
      for (const { ref, bytes } of kept) slab.free(ref, bytes.length);
      expect(slab.usedBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('space of one size serves another size once it is free', () => {
  const slab = new Slab();
  const fill = (sizeBytes: number): SlabRef[] =>
    Array.from({ length: Math.floor(900_000 / sizeBytes) }, () => slab.allocate(sizeBytes));
  for (const ref of fill(64)) slab.free(ref, 64);
  const { reservedBytes } = slab;
  for (const sizeBytes of [1024, 16, 3000, 96]) {
    for (const ref of fill(sizeBytes)) slab.free(ref, sizeBytes);
  }
  expect(slab.reservedBytes).toBeLessThanOrEqual(reservedBytes + 2 ** 20);
  expect(slab.usedBytes).toBe(0);
});

test('a small value takes no more than half as much again, a word and a place', () => {
  const slab = new Slab();
  for (const sizeBytes of [16, 100, 128, 1000, 5000, 40_000]) {
    const before = slab.usedBytes;
    slab.allocate(sizeBytes);
    expect(slab.usedBytes - before).toBeLessThanOrEqual(Math.max(16, sizeBytes * 1.5));
  }
});

test('nothing is kept for nothing', () => {
  const slab = new Slab();
  expect(slab.store(new Uint8Array(0))).toBe(NO_REF);
  expect(slab.view(NO_REF, 0)).toHaveLength(0);
  slab.free(NO_REF, 0);
  expect(slab.reservedBytes).toBe(0);
});

test('freeing with another size, or a big value twice, stops the caller', () => {
  const slab = new Slab();
  const ref = slab.store(patternBytes(100, 1));
  expect(() => slab.free(ref, 10)).toThrow(InvariantError);
  const big = slab.store(patternBytes(70_000, 1));
  slab.free(big, 70_000);
  expect(() => slab.free(big, 70_000)).toThrow(InvariantError);
});

test('refs fit an unsigned 32-bit column', () => {
  const slab = new Slab();
  const column = new Uint32Array(2);
  column[0] = slab.store(patternBytes(100, 1));
  column[1] = slab.store(patternBytes(100_000, 2));
  expect(slab.view(column[0], 100)).toEqual(patternBytes(100, 1));
  expect(equal(slab.view(column[1], 100_000), patternBytes(100_000, 2))).toBe(true);
});
