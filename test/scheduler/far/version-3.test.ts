import { expect, test } from 'vitest';
import { LOG_VERSION } from '../../../src/scheduler/version.ts';
import { blob, Driver, keyText, template } from '../driver.ts';

const HOUR_MS = 3_600_000;

/**
 * What version 3 added: which tasks are put away, into which blocks, when these are opened, and their records. When this fails,
 * entries that are in logs would be applied otherwise than when they were written: see `codec.test.ts`.
 */
test('the log version has a tripwire for far tasks: nothing of where they are changes unnoticed', async () => {
  const driver = new Driver();
  driver.nowMs = 1_700_000_040_000;
  driver.begin();
  driver.submit({}, { delayMs: 3 * HOUR_MS, text: 'before it is switched on' });
  driver.scheduler.enableFar();
  const { replies } = driver.apply(
    driver.submitCommand(
      [
        { delayMs: 3 * HOUR_MS, text: 'plain' },
        { runAtMs: driver.nowMs + 3 * HOUR_MS, text: 'k', key: 'key', headers: blob('h') },
        { delayMs: 2 * HOUR_MS - 1, text: 'near' },
        { delayMs: 100 * HOUR_MS, text: 'x'.repeat(1_025), template: 1 },
        { delayMs: 3_000 * HOUR_MS, template: 1 },
        { delayMs: 80_000 * HOUR_MS, text: 'six hours', template: 2 },
        { delayMs: 3 * HOUR_MS, text: 'taken back' },
      ],
      [
        template(),
        template({ queue: 'far', priority: 9 }),
        template({ timeouts: { runMs: 0, queueMs: 0, totalMs: 6 * HOUR_MS } }),
      ],
    ),
  );
  expect(replies[0]).toMatchObject({ type: 'submitted', firstNumber: 2, created: 7 });
  const before = driver.checkpoint();
  driver.apply({ type: 'cancel', namespace: 'default', numbers: [8, 99] });
  driver.nowMs += 2.5 * HOUR_MS;
  driver.pass(0);
  driver.submit({}, { delayMs: 5 * HOUR_MS, text: 'later' });
  const mark = driver.checkpoint();
  const records = [...driver.database.values()]
    .map(({ key, value }) => `${keyText(key)} ${keyText(value)}`)
    .sort()
    .join('\n');
  await expect({
    version: LOG_VERSION,
    before: before.digest,
    digest: mark.digest,
    due: driver.scheduler.nextDueMs(),
    records,
  }).toMatchFileSnapshot('../golden/log-version-3.txt');
});
