/** Tasks that leave memory do as the model says, which knows of no such thing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sameHash } from '../../../src/base/hash.ts';
import type { Mark, Scheduler } from '../../../src/scheduler/scheduler.ts';
import { delayedEntry, follow, NOWHERE, Pair } from '../model-pair.ts';

/** A second's spans: what is due in two and more leaves memory. */
const LIMITS = { farSpanMs: 1_000, farBlockTasksMax: 3, offloadBytes: 20 };

describe('a state machine from whose memory far tasks go does what the model does', () => {
  for (const movesMax of [2_000, 2]) {
    test(`with ${movesMax} moves an entry`, () => {
      let most = 0;
      fc.assert(
        fc.property(fc.array(delayedEntry, { minLength: 3, maxLength: 30 }), (entries) => {
          const pair = new Pair({ ...LIMITS, movesMax });
          pair.driver.scheduler.enableFar();
          for (const { happenings, passMs, mark } of entries) {
            pair.catchUp();
            pair.apply(happenings.map((one) => pair.happen(one)));
            if (mark) pair.checkpoint();
            most = Math.max(most, pair.driver.scheduler.counters().farTasks);
            pair.driver.nowMs += passMs;
            pair.compare();
          }
        }),
        { numRuns: 50 },
      );
      expect(most, 'tasks that were out of memory at a time').toBeGreaterThan(5);
    });
  }
});

test('a peer that was restored while tasks were out of memory goes on exactly as the others', () => {
  fc.assert(
    fc.property(fc.array(delayedEntry, { minLength: 4, maxLength: 24 }), fc.nat(), (entries, seed) => {
      const pair = new Pair({ ...LIMITS, movesMax: 3 });
      const { driver } = pair;
      driver.scheduler.enableFar();
      driver.checks = false;
      let copy: { readonly scheduler: Scheduler; readonly mark: Mark } | undefined;
      for (const { happenings, passMs, mark } of entries) {
        pair.catchUp();
        pair.apply(happenings.map((one) => pair.happen(one)));
        if (copy !== undefined) follow(driver, copy.scheduler);
        driver.nowMs += passMs;
        if (!mark) continue;
        pair.catchUp();
        const written = pair.checkpoint();
        if (copy !== undefined) {
          follow(driver, copy.scheduler);
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
      expect(sameHash(copy.scheduler.lastMark!.digest, driver.drain().digest)).toBe(true);
    }),
    { numRuns: 30 },
  );
});
