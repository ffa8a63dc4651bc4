import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { minimize, AllBut } from '../../sim/shrink.ts';

/** Runs `minimize` where a failure needs all of `needed`. */
async function minimized(
  items: readonly number[],
  needed: readonly number[],
): Promise<{ left: readonly number[]; runs: number }> {
  let runs = 0;
  const left = await minimize(
    items,
    (item) => String(item % 5),
    (kept) => {
      runs += 1;
      return Promise.resolve(needed.every((item) => kept.includes(item)));
    },
  );
  return { left, runs };
}

const numbers = fc.uniqueArray(fc.nat(1_000), { minLength: 1, maxLength: 60 });

describe('shrinking', () => {
  test('leaves exactly what a failure needs, in its order', async () => {
    const some = numbers.chain((items) => fc.tuple(fc.constant(items), fc.subarray(items)));
    await fc.assert(
      fc.asyncProperty(some, async ([items, needed]) => {
        expect((await minimized(items, needed)).left).toEqual(needed);
      }),
    );
  });

  test('needs few runs where a failure needs little of much', async () => {
    const items = Array.from({ length: 500 }, (_, at) => at);
    const { left, runs } = await minimized(items, [137, 342]);
    expect(left).toEqual([137, 342]);
    expect(runs).toBeLessThan(60);
  });

  test('leaves nothing where a failure needs no fault at all', async () => {
    expect((await minimized([1, 2, 3], [])).left).toEqual([]);
  });

  test('keeps the rest when leaving any out changes the failure, also where groups could go only together', async () => {
    const either = await minimize(
      [1, 2, 3, 4],
      (item) => String(item % 2),
      (kept) => Promise.resolve(kept.length === 4 || (kept.includes(1) && kept.includes(3) && kept.length === 2)),
    );
    expect(either).toEqual([1, 3]);
  });

  test('masks all faults but those that are kept', () => {
    const only = new AllBut([3, 5]);
    expect([1, 2, 3, 4, 5].filter((number) => only.has(number))).toEqual([1, 2, 4]);
  });
});
