import { describe, expect, test } from 'vitest';
import { murmur3 } from '../../../src/base/hash.ts';
import { decodeBatch } from '../../../src/scheduler/batch.ts';
import type { Command } from '../../../src/scheduler/command.ts';
import { COMMAND_CODES } from '../../../src/scheduler/version.ts';
import { blob, Driver, keyText } from '../driver.ts';
import { put } from './schedule-story.ts';

describe('the log version', () => {
  /**
   * What version 2 added: commands about schedules, their records, and tasks that name the occurrence that made them. When this
   * fails, entries that are in logs would be read or applied otherwise than when they were written: see `codec.test.ts`.
   */
  test('has a tripwire for schedules: no byte of an entry and no record of the state changes unnoticed', async () => {
    const driver = new Driver();
    driver.nowMs = 1_700_000_040_000;
    const of = { namespace: 'default', schedule: 'report' };
    const fromMs = driver.nowMs;
    const minutes = [1, 2, 3, 4].map((count) => {
      const plannedMs = fromMs + count * 60_000;
      return { plannedMs, fireAtMs: plannedMs + count * 10 };
    });
    const jittered = put('report', { policy: { overlap: 'bufferAll', pauseOnFailure: 3 } });
    const first: Command[] = [
      { type: 'termStarted', term: 1 },
      driver.attachCommand('w1', { slots: 3 }),
      { ...jittered, task: { ...jittered.task, headers: blob('h') } },
      put('gone', { policy: { overlap: 'cancelOther', catchUp: 'all', maxRuns: 9 } }),
      put('still', { paused: true, policy: { catchUp: 'none' } }),
    ];
    driver.apply(...first);
    const throughMs = fromMs + 240_000;
    for (const number of [1, 2, 3]) {
      driver.apply({
        type: 'advanceSchedule',
        number,
        version: 1,
        fromMs,
        occurrences: minutes,
        throughMs,
        exhausted: number === 3,
      });
    }
    driver.nowMs += 130_000;
    driver.apply({ type: 'triggerSchedule', ...of, request: 'r1', overlap: 'allow' });
    driver.apply(
      {
        type: 'backfillSchedule',
        ...of,
        version: 1,
        number: 1,
        request: 'b1',
        plannedMs: [fromMs - 60_000, fromMs],
        overlap: 'bufferOne',
      },
      { type: 'deleteSchedule', namespace: 'default', schedule: 'gone', expectedVersion: 1 },
      { type: 'pauseSchedule', namespace: 'default', schedule: 'still', note: blob('why') },
    );
    driver.done(1);
    driver.nowMs += 16_000;
    driver.apply({ type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: driver.nowMs + 9_000 });
    driver.apply(
      { type: 'pauseSchedule', ...of, note: blob('a moment') },
      { type: 'resumeSchedule', ...of, note: blob('go') },
    );
    driver.apply(put('report', { policy: { overlap: 'bufferOne' } }));
    const mark = driver.checkpoint();
    const used = driver.log.flatMap(({ bytes }) => decodeBatch(bytes).commands.map((one) => one.command.type));
    const added = Object.entries(COMMAND_CODES).filter(([, code]) => code > COMMAND_CODES.resumeWorker);
    expect([...new Set(used)]).toEqual(expect.arrayContaining(added.map(([name]) => name)));
    const log = driver.log.map(({ bytes: entry }) => murmur3(entry, 0).toString(16)).join(' ');
    const records = [...driver.database.values()]
      .map(({ key, value }) => `${keyText(key)} ${keyText(value)}`)
      .sort()
      .join('\n');
    await expect({ version: 2, log, digest: mark.digest, records }).toMatchFileSnapshot('../golden/log-version-2.txt');
  });
});
