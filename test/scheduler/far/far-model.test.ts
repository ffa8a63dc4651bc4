/** Tasks that leave memory do as the model says, which knows of no such thing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { delayedEntry, Pair, Restored } from '../model-pair.ts';

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
      const restored = new Restored(driver);
      for (const { happenings, passMs, mark } of entries) {
        pair.catchUp();
        pair.apply(happenings.map((one) => pair.happen(one)));
        restored.follow();
        driver.nowMs += passMs;
        if (!mark) continue;
        pair.catchUp();
        restored.restore(pair.checkpoint(), seed);
      }
      restored.end();
    }),
    { numRuns: 30 },
  );
});
