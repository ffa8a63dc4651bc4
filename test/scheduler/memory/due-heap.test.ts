import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap } from '../../../src/scheduler/memory/due-heap.ts';

const row = fc.integer({ min: 0, max: 200 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), row, dueMs: fc.integer({ min: 0, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), row }) },
  { weight: 2, arbitrary: fc.constant({ do: 'pop' as const }) },
);

/** The tie-break of a row: unique, and not in the order of rows. */
const tieOf = (row: number): number => (row * 73) % 211;

test('the first row is always the one that is due first, ties by number', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const heap = new DueHeap();
      const model = new Map<number, number>();
      const first = (): number =>
        [...model].sort(([a, dueA], [b, dueB]) => dueA - dueB || tieOf(a) - tieOf(b))[0]?.[0] ?? -1;
      for (const step of steps) {
        if (step.do === 'set') {
          heap.set(step.row, step.dueMs, tieOf(step.row));
          model.set(step.row, step.dueMs);
        } else if (step.do === 'remove') {
          heap.remove(step.row);
          model.delete(step.row);
        } else {
          const expected = first();
          expect(heap.pop()).toBe(expected);
          model.delete(expected);
        }
        expect(heap.length).toBe(model.size);
        expect(heap.first).toBe(first());
        expect(heap.firstDueMs).toBe(model.get(heap.first));
      }
      for (let row = 0; row <= 200; row += 1) expect(heap.dueMsOf(row)).toBe(model.get(row));
    }),
    { numRuns: 60 },
  );
});

test('rows come out in the same order whatever the order in which they went in', () => {
  const drain = (rows: readonly number[]): number[] => {
    const heap = new DueHeap();
    for (const row of rows) heap.set(row, row % 7, tieOf(row));
    return rows.map(() => heap.pop());
  };
  const rows = Array.from({ length: 200 }, (_, row) => row);
  fc.assert(
    fc.property(fc.shuffledSubarray(rows, { minLength: 200 }), (shuffled) => {
      expect(drain(shuffled)).toEqual(drain(rows));
    }),
    { numRuns: 20 },
  );
});
