import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DueHeap } from '../../../src/scheduler/memory/due-heap.ts';
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
    fc.property(
      fc.array(step, { maxLength: 300, size: 'max' }),
      fc.integer({ min: 1, max: 40 }),
      (steps, listRowsMax) => {
        const rows = new DueRows(listRowsMax);
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
      },
    ),
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

test.each([
  ['of one instant', 0],
  ['spread over an hour that passes at once', 180],
])('of very many rows %s only some come near at a time', (_, everyMs) => {
  const rows = new DueRows(100);
  rows.advance(10_000);
  for (let at = 0; at < 20_000; at += 1) rows.set(at, 60_000 + at * everyMs, at + 1);
  const set = vi.spyOn(DueHeap.prototype, 'set');
  onTestFinished(() => set.mockRestore());
  rows.advance(5_000_000);
  expect(rows.first).toBe(0);
  for (let at = 0; at < 50; at += 1) {
    expect(rows.first).toBe(at);
    rows.remove(at);
  }
  expect(set.mock.calls.length).toBeGreaterThan(0);
  expect(set.mock.calls.length).toBeLessThan(300);
  expect(rows.length).toBe(20_000 - 50);
});
