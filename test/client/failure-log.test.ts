/** What a worker says on its own log of handlers that fail. */
import { expect, it } from 'vitest';
import { type Logger, SILENT_LOGGER } from '../../src/base/logger.ts';
import { encodeValue } from '../../src/protocol/codec.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { attached } from './desk.ts';
import { assignRow } from './fake-cluster.ts';

it('is a line a second and type, with type, task and error, a count of the others, and never the payload', async () => {
  const lines: unknown[] = [];
  const logger: Logger = { ...SILENT_LOGGER, warn: (message, fields) => lines.push([message, fields]) };
  const { cluster } = await attached(1, {
    logger,
    handlers: {
      mail: () => {
        throw new TypeError('no\r\nroute \u001b[31mto\u202e host');
      },
      odd: () => new Map(),
      snoozes: (_, context) => context.snooze('2s'),
      works: () => 1,
    },
  });
  const payload = encodeValue('the secret of the payload');
  const assign = (numbers: readonly number[], type: number): Promise<void> => {
    cluster.assign(numbers.map((number) => assignRow(number, number, type, payload)));
    return cluster.time.advance(10);
  };
  await assign([1, 2, 3], 0);
  await assign([4, 5], 1);
  await assign([6], 2);
  await assign([7], 3);
  await cluster.time.advance(1000);
  await assign([8, 9], 0);
  await cluster.time.advance(1000);
  await assign([10], 1);
  const about = (number: number): object => ({ taskId: formatTaskId(0, 1, number) });
  const mail = { taskType: 'mail', error: 'TypeError: no route  [31mto  host' };
  const odd = { taskType: 'odd', error: expect.stringMatching(/^NonRetryable: The result cannot be sent: /) };
  expect(lines).toEqual([
    ['an attempt failed', { ...mail, ...about(1) }],
    ['an attempt failed', { ...odd, ...about(4) }],
    ['an attempt failed', { ...mail, ...about(8), failuresLeftOut: 2 }],
    ['an attempt failed', { ...odd, ...about(10), failuresLeftOut: 1 }],
  ]);
  expect(JSON.stringify(lines)).not.toContain('secret');
});

it('is a line also for an assignment whose type the worker does not have', async () => {
  const lines: unknown[] = [];
  const logger: Logger = { ...SILENT_LOGGER, warn: (_, fields) => lines.push(fields) };
  const { cluster } = await attached(1, { logger });
  cluster.assign([assignRow(1, 1, 9), assignRow(2, 2, 8)]);
  await cluster.time.until('the report', () => cluster.completed.size === 2);
  expect(lines).toEqual([expect.objectContaining({ taskType: '(unknown)' })]);
});
