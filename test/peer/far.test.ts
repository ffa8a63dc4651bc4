/** Tasks that are due far ahead are on the disks of a cluster, and whatever happens to it they are back in time. */
import { expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import type { PeerLimits } from '../../src/config/limits.ts';
import { farBlockKey } from '../../src/scheduler/scheduler.ts';
import { recordKey } from '../../src/storage/keys.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const LIMITS: Partial<PeerLimits> = {
  checkpointIntervalMs: 300,
  logTailBytes: 0,
  logTailMs: 0,
  scrubBytesPerSecond: 0,
};
const TASKS = 40;
/** Far, where a span is ten seconds; it is opened some time in the five seconds before the span begins. */
const DELAY_MS = 60_000;
const BODY_KEYS = recordKey(farBlockKey(1)).subarray(0, 2);

/** A cluster whose checkpoints hold `TASKS` far tasks, the first of which is cancelled. */
async function waiting(size: number): Promise<TestCluster> {
  const cluster = new TestCluster(size, LIMITS);
  cluster.schedulerLimits = { farSpanMs: 10_000 };
  for (const id of cluster.ids) await cluster.start(id);
  await cluster.untilServing();
  await cluster.time.until('the feature', () => cluster.running.every(({ peer }) => peer.featureLevel >= 3));
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  await cluster.propose(cluster.leader!, submit(1, TASKS, 16, DELAY_MS));
  // Another block begins with another span, and the first one is sealed by nothing but the tasks that fill it.
  await cluster.propose(cluster.leader!, submit(2, 513, 0, DELAY_MS + 40_000));
  await cluster.time.until('the bodies to have left memory', () => {
    return cluster.running.every(({ peer }) => peer.scheduler.counters().farTasks === TASKS + 513);
  });
  await load(cluster, 3);
  return cluster;
}

/** Something happens for two checkpoints. */
async function load(cluster: TestCluster, from: number): Promise<void> {
  for (let at = from; at < from + 8; at += 1) {
    await cluster.propose(await cluster.untilServing(), submit(at));
    await cluster.time.advance(100);
  }
  await cluster.untilEqual();
}

async function cancel(cluster: TestCluster, ...numbers: number[]): Promise<unknown> {
  const command = { type: 'cancel', namespace: 'default', numbers } as const;
  const result = await cluster.propose(await cluster.untilServing(), command, 'dispatch');
  return 'reply' in result ? result.reply : result;
}

/** Numbers whose bodies are not in the memory of `id`, among the tasks of the block that is full. */
function sealed(cluster: TestCluster, id: PeerId): number[] {
  const { scheduler } = cluster.peer(id);
  const first = TASKS + 1;
  return [first, first + 1, first + 2].filter((number) => {
    const found = scheduler.task(number);
    return found !== undefined && 'farBlock' in found && scheduler.farBlock(found.farBlock) === undefined;
  });
}

function hurtBodies(cluster: TestCluster, id: PeerId): void {
  const rows = cluster.site(id).platter.rows('state');
  const bodies = rows.filter(([key]) => key[0] === BODY_KEYS[0] && key[1] === BODY_KEYS[1]);
  expect(bodies.length).toBeGreaterThan(1);
  for (const row of bodies) {
    row[1] = row[1].slice();
    row[1][row[1].length - 5]! ^= 4;
  }
}

async function untilReady(cluster: TestCluster, pending: number): Promise<void> {
  await cluster.time.until(
    'the tasks to be ready',
    () => {
      return cluster.running.every(({ peer }) => peer.scheduler.counters().pending === pending);
    },
    2 * DELAY_MS,
  );
}

test('they are read where they are, cancelled where they are, and ready in time on every peer', async () => {
  const cluster = await waiting(3);
  const peer = cluster.leader!;
  expect(sealed(cluster, peer.self)).toHaveLength(3);
  const before = await cluster.time.finish(peer.taskView(TASKS + 1));
  expect(before).toMatchObject({ state: 'scheduled', number: TASKS + 1, type: 'hash' });
  expect(await cancel(cluster, TASKS + 1, 1)).toEqual({ type: 'cancelled', answers: ['cancelled', 'cancelled'] });
  expect(await cluster.time.finish(peer.taskView(TASKS + 1))).toMatchObject({ state: 'cancelled' });
  const page = await cluster.time.finish(
    peer.listTasks({ namespace: 'default', states: ['scheduled'] }, undefined, 999),
  );
  expect(page.tasks).toHaveLength(TASKS + 513 - 2);
  await untilReady(cluster, TASKS + 513 - 2 + 8);
  await cluster.untilEqual();
  for (const { peer: one } of cluster.running) one.scheduler.checkInvariants();
  expect(peer.scheduler.counters()).toMatchObject({ farTasks: 0, farBytes: 0, scheduled: 0 });
});

test('a peer that starts again, and one that joins by a snapshot, have them too', async () => {
  const cluster = await waiting(3);
  const [first] = cluster.ids as [PeerId];
  await cluster.kill(first);
  await cluster.start(first);
  expect(sealed(cluster, first)).toHaveLength(3);
  const joined = await cluster.spare('p4');
  await cluster.admit(joined.self);
  expect(sealed(cluster, joined.self)).toHaveLength(3);
  expect(await cancel(cluster, TASKS + 2)).toEqual({ type: 'cancelled', answers: ['cancelled'] });
  await untilReady(cluster, TASKS + 513 - 1 + 8);
  await cluster.untilEqual();
  for (const peer of [cluster.peer(first), joined])
    expect(peer.scheduler.counters()).toMatchObject({ farTasks: 0, cancelled: 1 });
});

test('a body that rots is fetched from the others before its tasks are due', async () => {
  const cluster = await waiting(3);
  const hurt = cluster.followers[0]!.self;
  const peer = cluster.peer(hurt);
  const { generation } = peer;
  expect(sealed(cluster, hurt)).toHaveLength(3);
  hurtBodies(cluster, hurt);
  await cluster.time.until(
    'a new beginning',
    () => peer.generation > generation && !peer.status().damaged,
    2 * DELAY_MS,
  );
  await untilReady(cluster, TASKS + 513 + 8);
  await cluster.untilEqual();
});

test('a peer that is alone stops where a body rots, and says which', async () => {
  const cluster = await waiting(1);
  const [only] = cluster.ids as [PeerId];
  hurtBodies(cluster, only);
  await cluster.time.until('the peer to stop', () => cluster.process(only).halted.length > 0, 2 * DELAY_MS);
  expect(cluster.process(only).halted[0]).toMatch(/state/);
});
