import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client, type TaskHandle } from '../../src/index.ts';
import { leaderOf, TestCluster, untilEqual, untilStatus } from './support/cluster.ts';
import { CountingWorker, Load } from './support/load.ts';

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

/** Every acknowledged task is done, was started once, and one completion of it counted. */
async function expectEachOnce(handles: readonly TaskHandle[]): Promise<void> {
  expect(handles.length).toBeGreaterThan(0);
  const ids = handles.map((handle) => handle.id);
  expect(new Set(ids).size).toBe(ids.length);
  await worker.until(() => worker.settled.size >= ids.length);
  expect(ids.filter((id) => !worker.settled.has(id))).toEqual([]);
  for (const [at, handle] of handles.entries()) expect(await handle.result({ timeoutMs: '30s' })).toBe(at);
  const moreThanOnce = (counts: ReadonlyMap<string, number>): unknown => [...counts].filter(([, count]) => count !== 1);
  expect(moreThanOnce(worker.accepted)).toEqual([]);
  expect(moreThanOnce(worker.starts)).toEqual([]);
}

test('a leader killed under load: nothing acknowledged is lost, nothing done twice, and it catches up', async () => {
  const load = new Load(client);
  await worker.until(() => worker.settled.size >= 200);
  const before = await leaderOf(client);
  await cluster.kill([before.peer]);
  await worker.until(() => Math.max(...worker.terms) > before.term);
  const marked = worker.settled.size;
  await worker.until(() => worker.settled.size >= marked + 200);
  await expectEachOnce(await load.stop());
  await cluster.start([before.peer]);
  await untilEqual(client, 3, load.acknowledged[0]);
});

test('a leader that is stopped and goes on later: another leads meanwhile, and what it still says is dropped', async () => {
  const load = new Load(client);
  await worker.until(() => worker.settled.size >= 200);
  const before = await leaderOf(client);
  cluster.program(before.peer).kill('SIGSTOP');
  await worker.until(() => Math.max(...worker.terms) > before.term);
  const marked = worker.settled.size;
  await worker.until(() => worker.settled.size >= marked + 100);
  cluster.program(before.peer).kill('SIGCONT');
  await untilStatus(client, (peers) => peers.some((peer) => peer.peer === before.peer && peer.term > before.term));
  await expectEachOnce(await load.stop());
  await untilEqual(client, 3, load.acknowledged[0]);
});

test('all peers killed at once under load: what was acknowledged is there when they come back', async () => {
  const load = new Load(client);
  await worker.until(() => worker.settled.size >= 200);
  await cluster.kill(cluster.ids);
  await cluster.start();
  const marked = worker.settled.size;
  await worker.until(() => worker.settled.size >= marked + 100);
  await expectEachOnce(await load.stop());
  await untilEqual(client, 3, load.acknowledged[0]);
});

test('all peers stopped in order and started again: tasks, results and the worker go on', async () => {
  const load = new Load(client);
  await worker.until(() => worker.settled.size >= 100);
  const handles = await load.stop();
  expect(await cluster.stop()).toEqual([0, 0, 0]);
  await cluster.start();
  const more = await client.submitMany([{ type: 'e2e.count', payload: handles.length }]);
  await expectEachOnce([...handles, ...more]);
  await untilEqual(client, 3, load.acknowledged[0]);
});

test('peers stopped and started one after the other under load: nobody notices', async () => {
  const load = new Load(client);
  for (const id of cluster.ids) {
    const marked = worker.settled.size;
    await worker.until(() => worker.settled.size >= marked + 100);
    expect(await cluster.program(id).stop()).toBe(0);
    await cluster.start([id]);
    await untilStatus(client, (peers) => peers.length === 3 && peers.every((peer) => peer.state === 'serving'));
  }
  await expectEachOnce(await load.stop());
  await untilEqual(client, 3, load.acknowledged[0]);
});
