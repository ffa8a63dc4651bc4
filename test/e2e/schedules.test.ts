import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client, type TaskInfo } from '../../src/index.ts';
import { leaderOf, TestCluster } from './support/cluster.ts';
import { CountingWorker } from './support/load.ts';

const SECOND_MS = 1_000;

let cluster: TestCluster;
let client: Client;
let worker: CountingWorker;

beforeEach(async () => {
  cluster = await TestCluster.make();
  await cluster.start();
  client = await Client.connect({ urls: cluster.urls, timeoutMs: '30s' });
  worker = new CountingWorker(cluster.urls);
});
afterEach(async () => {
  await client.close();
  await worker.stop();
  await cluster.end();
});

async function allTasks(): Promise<TaskInfo[]> {
  const tasks: TaskInfo[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    tasks.push(...page.tasks);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return tasks;
}

test('a schedule of every second over leaders that are killed: each second has one task, and none is missing', async () => {
  const tick = { id: 'tick', every: '1s', overlap: 'allow', task: { type: 'e2e.count' } } as const;
  expect(await client.schedules.put(tick)).toMatchObject({ version: 1, created: true });
  expect(await client.schedules.put(tick)).toMatchObject({ version: 1, unchanged: true });
  await worker.until(() => worker.settled.size >= 2);
  for (let round = 0; round < 3; round += 1) {
    const before = await leaderOf(client);
    const seen = worker.settled.size;
    await cluster.kill([before.peer]);
    await worker.until(() => worker.settled.size >= seen + 2);
    await cluster.start([before.peer]);
  }
  await client.schedules.pause('tick', 'counting');
  const { settledThroughMs, fired, skipped, createdAtMs, state } = await client.schedules.get('tick');
  expect(state).toBe('paused');
  await worker.until(() => worker.settled.size >= fired.planned);
  const planned = (await allTasks()).map(({ occurrence }) => occurrence?.plannedMs ?? 0).sort((a, b) => a - b);
  const first = (Math.floor(createdAtMs / SECOND_MS) + 1) * SECOND_MS;
  const due: number[] = [];
  for (let ms = first; ms <= settledThroughMs; ms += SECOND_MS) due.push(ms);
  // What falls due once it is paused is skipped, and says so.
  expect(planned).toEqual(due.slice(0, fired.planned));
  expect(due.length - fired.planned).toBe(skipped['paused'] ?? 0);
  expect(new Set(worker.starts.values())).toEqual(new Set([1]));
});

test('schedules are put ten thousand at once, each once, and the one over the limit is refused', async () => {
  const count = 10_000;
  const puts = Array.from({ length: count }, (_, at) =>
    client.schedules.put({ id: `s${at}`, cron: 'H H * * *', timeZone: 'Europe/Paris', task: { type: 'e2e.count' } }),
  );
  const answers = await Promise.all(puts);
  expect(answers.filter(({ created }) => created).length).toBe(count);
  await expect(client.schedules.put({ id: 'more', every: '1h', task: { type: 'x' } })).rejects.toMatchObject({
    code: 'LIMIT',
  });
  const seen = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await client.schedules.list(cursor === undefined ? {} : { cursor });
    for (const { id } of page.schedules) seen.add(id);
    ({ cursor } = page);
  } while (cursor !== undefined);
  expect(seen.size).toBe(count);
});
