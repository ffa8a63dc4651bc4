import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueRows } from '../../../src/scheduler/memory/due-rows.ts';

const row = fc.integer({ min: 0, max: 200 });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('set' as const), row, inMs: fc.integer({ min: 0, max: 6_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), row }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance' as const), byMs: fc.integer({ min: 0, max: 2_500 }) }),
  },
);

/** The tie-break of a row: unique, and not in the order of rows. */
const tieOf = (of: number): number => (of * 73) % 211;

/** Rows of `model` in the order in which they fall due. */
function inOrder(model: ReadonlyMap<number, number>): readonly (readonly [row: number, dueMs: number])[] {
  return [...model].sort(([a, dueA], [b, dueB]) => dueA - dueB || tieOf(a) - tieOf(b));
}

test('what is due comes out in order, near or far, whatever was set and removed before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const rows = new DueRows();
      const model = new Map<number, number>();
      let nowMs = 1_700_000_000_000;
      rows.advance(nowMs);
      for (const one of steps) {
        if (one.do === 'set') {
          rows.set(one.row, nowMs + one.inMs, tieOf(one.row));
          model.set(one.row, nowMs + one.inMs);
        } else if (one.do === 'remove') {
          rows.remove(one.row);
          model.delete(one.row);
        } else {
          nowMs += one.byMs;
          rows.advance(nowMs);
          for (const [due, dueMs] of inOrder(model)) {
            if (dueMs > nowMs) break;
            expect([rows.first, rows.firstDueMs]).toEqual([due, dueMs]);
            rows.remove(due);
            model.delete(due);
          }
        }
        expect(rows.length).toBe(model.size);
        const earliest = inOrder(model)[0]?.[1];
        const told = rows.firstDueMs;
        if (earliest === undefined) expect(told).toBe(undefined);
        else {
          // Never late, and early by less than a second.
          expect(told).toBeLessThanOrEqual(earliest);
          expect(told).toBeGreaterThan(earliest - 1_000);
          if (earliest <= nowMs) expect(told).toBe(earliest);
        }
      }
      for (let of = 0; of <= 200; of += 1) expect(rows.dueMsOf(of)).toBe(model.get(of));
    }),
    { numRuns: 80 },
  );
});

test('a row that moves from far to near and back is there once', () => {
  const rows = new DueRows();
  rows.advance(10_000);
  rows.set(1, 900_000, 1);
  rows.set(1, 10_500, 1);
  expect([rows.length, rows.dueMsOf(1)]).toEqual([1, 10_500]);
  rows.set(1, 800_000, 1);
  expect([rows.length, rows.dueMsOf(1), rows.first]).toEqual([1, 800_000, -1]);
  rows.remove(1);
  expect([rows.length, rows.firstDueMs]).toEqual([0, undefined]);
});
