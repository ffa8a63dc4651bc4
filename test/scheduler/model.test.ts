import fc from 'fast-check';
import { describe, test } from 'vitest';
import { entry, Pair, Restored } from './model-pair.ts';

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
        const restored = new Restored(driver);
        for (const [at, { happenings, passMs, mark }] of entries.entries()) {
          pair.apply(happenings.map((one) => pair.happen(one)));
          restored.follow();
          driver.nowMs += passMs;
          if (!mark) continue;
          driver.apply({ type: 'checkpointMark' });
          const written = driver.drain(1 + (at % 5));
          driver.scheduler.checkpointWritten(written.index);
          pair.model.apply(driver.nowMs, []);
          restored.restore(written, seed);
        }
        restored.end();
      }),
      { numRuns: 60 },
    );
  });
});
