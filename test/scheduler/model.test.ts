import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sameHash } from '../../src/base/hash.ts';
import type { Mark, Scheduler } from '../../src/scheduler/scheduler.ts';
import { entry, follow, NOWHERE, Pair } from './model-pair.ts';

describe('the state machine does what the model does', () => {
  for (const movesMax of [2_000, 2]) {
    test(`with ${movesMax} moves an entry`, () => {
      fc.assert(
        fc.property(fc.array(entry, { minLength: 3, maxLength: 30 }), (entries) => {
          const pair = new Pair({ movesMax });
          for (const { happenings, passMs, mark } of entries) {
            const commands = happenings.map((one) => pair.happen(one));
            pair.apply(mark ? [...commands, { type: 'checkpointMark' }] : commands);
            pair.driver.nowMs += passMs;
            pair.compare();
          }
        }),
        { numRuns: 120 },
      );
    });
  }
});

describe('a state that was restored from a checkpoint', () => {
  test('goes on exactly as the one that wrote it', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 4, maxLength: 24 }), fc.nat(), (entries, seed) => {
        const pair = new Pair({ movesMax: 3, offloadBytes: 20 });
        const { driver } = pair;
        driver.checks = false;
        let copy: { readonly scheduler: Scheduler; readonly mark: Mark } | undefined;
        for (const [at, { happenings, passMs, mark }] of entries.entries()) {
          pair.apply(happenings.map((one) => pair.happen(one)));
          if (copy !== undefined) follow(driver, copy.scheduler);
          driver.nowMs += passMs;
          if (!mark) continue;
          driver.apply({ type: 'checkpointMark' });
          const written = driver.drain(1 + (at % 5));
          driver.scheduler.checkpointWritten(written.index);
          pair.model.apply(driver.nowMs, []);
          if (copy !== undefined) follow(driver, copy.scheduler);
          // The one that was restored before hashes this mark too, and must come to the same.
          if (copy !== undefined) {
            while (!copy.scheduler.drain(3, NOWHERE));
            expect(copy.scheduler.lastMark?.digest).toEqual(written.digest);
            copy.scheduler.checkpointWritten(written.index);
          }
          copy = { scheduler: driver.restore(written, seed), mark: written };
          copy.scheduler.checkInvariants();
          expect(copy.scheduler.counters()).toEqual(driver.scheduler.counters());
        }
        if (copy === undefined) return;
        driver.apply({ type: 'checkpointMark' });
        follow(driver, copy.scheduler);
        while (!copy.scheduler.drain(1_000, NOWHERE));
        const last = driver.drain();
        expect(sameHash(copy.scheduler.lastMark!.digest, last.digest)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
