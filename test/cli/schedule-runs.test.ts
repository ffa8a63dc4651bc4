import { expect, test } from 'vitest';
import { TaskraftError } from '../../src/client/errors.ts';
import { runsOf } from '../../src/cli/schedule-runs.ts';
import type { Client, ScheduleDetail, SettledOccurrence, TaskInfo } from '../../src/index.ts';

function settled(plannedMs: number, more: Partial<SettledOccurrence> = {}): SettledOccurrence {
  const taskId = `t${plannedMs}`;
  return {
    plannedMs,
    version: 2,
    kind: 'planned',
    settledAtMs: plannedMs + 70,
    taskId,
    skipped: undefined,
    ended: 'done',
    ...more,
  };
}

function detail(occurrences: readonly SettledOccurrence[], jitter: number): ScheduleDetail {
  return { id: 'often', version: 2, calendar: { jitter }, occurrences } as unknown as ScheduleDetail;
}

/** Knows tasks, and that jitter is 50 ms, always. */
function clientOf(tasks: Readonly<Record<string, Partial<TaskInfo>>>, asked: unknown[] = []): Client {
  const get = (id: string): Promise<Partial<TaskInfo>> => {
    const task = tasks[id];
    return task === undefined ? Promise.reject(new TaskraftError('NOT_FOUND', id)) : Promise.resolve(task);
  };
  const next = (id: string, count: number, { after }: { readonly after: number }): Promise<unknown> => {
    asked.push([id, count, after]);
    const occurrences = Array.from({ length: count }, (_, at) => after + 1 + 1_000 * at);
    return Promise.resolve({ occurrences: occurrences.map((plannedMs) => ({ plannedMs, fireAtMs: plannedMs + 50 })) });
  };
  return { get, schedules: { next } } as unknown as Client;
}

test('an occurrence is late by what has passed since it was due, jitter left out', async () => {
  const asked: unknown[] = [];
  const occurrences = [
    settled(1_000, { version: 1 }),
    settled(2_000),
    settled(3_000),
    settled(3_010, { kind: 'trigger' }),
  ];
  const runs = await runsOf(clientOf({}, asked), detail(occurrences, 100), false);
  expect(runs.map(({ dueMs, lateMs }) => [dueMs, lateMs])).toEqual([
    [undefined, undefined],
    [2_050, 20],
    [3_050, 20],
    [undefined, undefined],
  ]);
  expect(asked).toEqual([['often', 64, 1_999]]);
  const plain = await runsOf(clientOf({}, asked), detail(occurrences, 0), false);
  expect(plain.map(({ lateMs }) => lateMs)).toEqual([undefined, 70, 70, undefined]);
  expect(asked.length).toBe(1);
  const [, stale] = await runsOf(clientOf({}, asked), detail(occurrences, 100), true);
  expect(stale).toMatchObject({ dueMs: undefined, lateMs: undefined });
  expect(asked.length).toBe(1);
});

test('its task tells when it was first started, and what it waits for while it is not final', async () => {
  const tasks = {
    t1: { state: 'done', deliveries: 2, startedAtMs: 900, history: [{ event: 'started', atMs: 500 }] },
    t2: { state: 'retrying', reason: 'handler', deliveries: 1, startedAtMs: 700, history: [] },
    t3: { state: 'pending', reason: 'NO_WORKER_MATCHES', deliveries: 0, history: [] },
  } as unknown as Readonly<Record<string, Partial<TaskInfo>>>;
  const open = { ended: undefined };
  const occurrences = [
    settled(1),
    settled(2, open),
    settled(3, open),
    settled(4),
    settled(5, { ...open, taskId: undefined }),
  ];
  const runs = await runsOf(clientOf(tasks), detail(occurrences, 0), false);
  expect(runs.map(({ startedAtMs, state, reason }) => [startedAtMs, state, reason])).toEqual([
    [500, undefined, undefined],
    [700, 'retrying', 'handler'],
    [undefined, 'pending', 'NO_WORKER_MATCHES'],
    [undefined, undefined, undefined],
    [undefined, undefined, undefined],
  ]);
});
