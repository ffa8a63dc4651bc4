import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SortedStore } from '../../sim/sorted-store.ts';
import { takeSteps } from '../../sim/turns.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

describe('the simulated world', () => {
  test('runs events by their instant, and those of one instant in the order in which they were scheduled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(20), fc.nat(3)), { maxLength: 60 }), async (plans) => {
        const world = new World(1, new Trace());
        const ran: { readonly atUs: number; readonly order: number }[] = [];
        let order = 0;
        const plan = (atUs: number, follows: number): void => {
          const own = order;
          order += 1;
          world.schedule(atUs, 'plan', undefined, () => {
            expect(world.nowUs).toBe(atUs);
            ran.push({ atUs, order: own });
            // What is scheduled from within: for this very instant, and for a later one.
            for (let at = 0; at < follows; at += 1) plan(world.nowUs + (at % 2), 0);
          });
        };
        for (const [atUs, follows] of plans) plan(atUs, follows);
        await world.run(100);
        expect(ran.length).toBe(order);
        const sorted = ran.toSorted((left, right) => left.atUs - right.atUs || left.order - right.order);
        expect(ran).toEqual(sorted);
      }),
      { numRuns: 50 },
    );
  });

  for (const how of ['steps', 'turns'] as const) {
    test(`follows every promise to its end before the next event, in ${how} of the event loop`, async () => {
      const told: string[] = [];
      await new Promise<void>((resolve) => {
        let step = 0;
        const take = (): boolean => {
          told.push(`step ${step}`);
          const own = step;
          step += 1;
          void (async () => {
            for (let hop = 0; hop < 10; hop += 1) await Promise.resolve();
            told.push(`settled ${own}`);
            if (own === 3) resolve();
          })();
          return step < 4;
        };
        takeSteps(take, how);
      });
      expect(told).toEqual([0, 1, 2, 3].flatMap((step) => [`step ${step}`, `settled ${step}`]));
    });
  }

  test('keeps what is written in the order of its keys, and drops what is deleted in a row', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(fc.nat(30), fc.option(fc.nat(9), { nil: undefined })), { maxLength: 20 }), {
          maxLength: 10,
        }),
        (batches) => {
          const store = new SortedStore();
          const model = new Map<number, number>();
          for (const batch of batches) {
            store.apply(
              batch.map(([key, value]) => [Uint8Array.of(key), value === undefined ? undefined : Uint8Array.of(value)]),
            );
            for (const [key, value] of batch) {
              if (value === undefined) model.delete(key);
              else model.set(key, value);
            }
          }
          const found = store.range({ gte: Uint8Array.of(), lt: Uint8Array.of(255), limit: 1_000 });
          const expected = [...model].toSorted(([left], [right]) => left - right);
          expect(found.map(([key, value]) => [key[0], value[0]])).toEqual(expected);
          for (const [key, value] of expected) expect(store.get(Uint8Array.of(key))?.[0]).toBe(value);
        },
      ),
      { numRuns: 100 },
    );
  });
});
