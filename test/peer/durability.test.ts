import { describe, expect, test } from 'vitest';
import { formatHash } from '../../src/base/hash.ts';
import { peerId } from '../../src/base/ids.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';
import { FailingDisk } from './support/failing-disk.ts';

const [P1, P3] = [peerId('p1'), peerId('p3')];

/** Submits `count` times one task, a while apart, so that marks come between. */
async function load(cluster: TestCluster, from: number, count: number, payloadBytes = 16): Promise<void> {
  for (let at = from; at < from + count; at += 1) {
    const result = await cluster.propose(cluster.leader!, submit(at, 1, payloadBytes));
    expect(result).toMatchObject({ type: 'applied', reply: { type: 'submitted' } });
    await cluster.time.advance(300);
  }
}

describe('checkpoints', () => {
  test('have equal digests on all peers, the ones that restart from them among them', async () => {
    const cluster = await TestCluster.serving(3);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await load(cluster, 1, 12);
    await cluster.time.advance(1_500);
    const restarted = cluster.followers[0]!.self;
    expect(cluster.peer(restarted).status().checkpointIndex).toBeGreaterThan(5);
    await cluster.kill(restarted);
    await load(cluster, 13, 3, 5_000);
    await cluster.start(restarted);
    expect(cluster.logs.join('\n')).toContain(`${restarted} info checkpoint loaded`);
    await load(cluster, 16, 12, 2_000);
    await cluster.time.advance(1_500);
    await cluster.untilEqual();
    const marks = cluster.running.map(({ peer }) => peer.status().marks);
    const common = marks[0]!.filter((mark) => marks.every((list) => list.some((other) => other.index === mark.index)));
    expect(common.length).toBeGreaterThan(2);
    for (const { index } of common) {
      const digests = marks.map((list) => formatHash(list.find((mark) => mark.index === index)!.digest));
      expect(new Set(digests).size).toBe(1);
    }
  });

  test('come about once a second while there is something to write, and not at all when only time passes', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    await cluster.time.advance(2_000);
    const quietIndexes = leader.status().marks.length;
    await cluster.time.advance(60_000);
    expect(leader.status().marks.length).toBe(quietIndexes);
    await load(cluster, 1, 20);
    expect(leader.status().marks.length - quietIndexes).toBeGreaterThanOrEqual(4);
    expect(leader.status().marks.length - quietIndexes).toBeLessThanOrEqual(7);
  });

  test('give tasks back from the disk: waiting ones with large payloads that have left memory', async () => {
    const cluster = await TestCluster.serving(1);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await cluster.propose(cluster.leader!, submit(1, 1, 9_000));
    await cluster.time.advance(3_000);
    await cluster.kill(P1);
    const peer = await cluster.start(P1);
    await cluster.untilServing();
    const view = await cluster.time.finish(peer.taskView(1));
    expect(view).toMatchObject({ number: 1, state: 'pending', payload: { offloaded: true, sizeBytes: 9_000 } });
    const [payload] = await cluster.time.finish(peer.payloads([1]));
    expect(payload).toEqual(new Uint8Array(9_000).fill(1));
    const page = await cluster.time.finish(peer.listTasks({ namespace: 'default' }, undefined, 10));
    expect(page.tasks.map((task) => task.number)).toEqual([1]);
    expect(await cluster.time.finish(peer.taskView(99))).toBeUndefined();
  });
});

describe('the log', () => {
  const NO_TAIL = { logTailBytes: 0, logTailMs: 0 };

  test('is cut behind the checkpoint where every peer has got it', async () => {
    const cluster = await TestCluster.serving(3, NO_TAIL);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await load(cluster, 1, 30);
    await cluster.time.advance(3_000);
    for (const { peer } of cluster.running) {
      const status = peer.status();
      expect(status.firstIndex).toBeGreaterThan(20);
      expect(status.firstIndex).toBeLessThanOrEqual(status.checkpointIndex + 1);
    }
  });

  test('is cut while a peer is down, which gets a snapshot when it comes back', async () => {
    const cluster = await TestCluster.serving(3, NO_TAIL);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await load(cluster, 1, 10);
    const down = cluster.followers[0]!.self;
    const upTo = cluster.peer(down).status().durableIndex;
    await cluster.kill(down);
    await load(cluster, 11, 20, 20_000);
    await cluster.time.advance(3_000);
    const leader = cluster.leader!;
    expect(leader.status().firstIndex).toBeGreaterThan(upTo + 1);
    const back = await cluster.start(down);
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex > upTo);
    expect(cluster.logs.join('\n')).toContain(`${down} info a snapshot is installed`);
    await cluster.untilEqual();
    expect(back.scheduler.counters().submitted).toBe(30);
    expect(back.status().snapshot).toBeUndefined();
    await load(cluster, 31, 8);
    await cluster.untilEqual();
    for (const { peer } of cluster.running) peer.scheduler.checkInvariants();
  });
});

describe('what a disk or an entry does to a peer', () => {
  /** A cluster whose disks can be made to fail. */
  async function failing(size: number): Promise<{ cluster: TestCluster; disks: Map<string, FailingDisk> }> {
    const cluster = new TestCluster(size);
    const disks = new Map<string, FailingDisk>();
    cluster.wrapDisk = (disk, id) => {
      const wrapped = new FailingDisk(disk);
      disks.set(id, wrapped);
      return wrapped;
    };
    for (const id of cluster.ids) await cluster.start(id);
    await cluster.untilServing();
    return { cluster, disks };
  }

  test('a failed write of the log: nothing is acknowledged, another leads at once, and the directory is opened anew', async () => {
    const { cluster, disks } = await failing(3);
    const first = cluster.leader!;
    await cluster.propose(first, OPEN_SESSION);
    disks.get(first.self)!.failing = 'log';
    const failedAt = cluster.time.nowMs;
    const result = await cluster.propose(first, submit(1));
    expect(result).toEqual({ type: 'unknown' });
    expect(cluster.time.nowMs - failedAt).toBeLessThan(10);
    expect(first.isLeader).toBe(false);
    const second = await cluster.untilServing();
    expect(second.self).not.toBe(first.self);
    expect(cluster.time.nowMs - failedAt).toBeLessThan(100);
    expect(await cluster.propose(second, submit(2))).toMatchObject({ type: 'applied' });
    await cluster.time.until('the peer to take part again', () => first.status().state === 'serving');
    await cluster.untilEqual();
    expect(cluster.process(first.self).halted).toEqual([]);
  });

  test('a checkpoint that cannot be written: the directory is opened anew', async () => {
    const { cluster, disks } = await failing(3);
    const victim = cluster.followers[0]!.self;
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    const broken = disks.get(victim)!;
    broken.failing = 'state';
    await load(cluster, 1, 5);
    await cluster.time.until('another disk to be opened', () => disks.get(victim) !== broken);
    await load(cluster, 6, 5);
    await cluster.untilEqual();
    expect(cluster.peer(victim).status()).toMatchObject({ state: 'serving' });
    expect(cluster.peer(victim).status().checkpointIndex).toBeGreaterThan(0);
  });

  test('a disk that fails again and again: the peer halts', async () => {
    const cluster = new TestCluster(3);
    const dying = new Set<string>();
    cluster.wrapDisk = (disk, id) => {
      const wrapped = new FailingDisk(disk);
      if (dying.has(id)) wrapped.failing = 'log';
      return wrapped;
    };
    for (const id of cluster.ids) await cluster.start(id);
    await cluster.untilServing();
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    const victim = cluster.followers[0]!.self;
    await cluster.kill(victim);
    dying.add(victim);
    const started = cluster.start(victim).catch(() => undefined);
    await started;
    await load(cluster, 1, 10);
    await cluster.time.until(
      'the peer to halt',
      () => cluster.process(victim).halted.length > 0 || cluster.peer(victim).status().state === 'halted',
    );
    expect(cluster.peer(victim).status().reason).toContain('input/output error');
    expect(await cluster.propose(cluster.leader!, submit(11))).toMatchObject({ type: 'applied' });
  });

  test('an entry that cannot be read: the peer halts, and again after a restart, rather than skip it', async () => {
    const cluster = await TestCluster.serving(1);
    cluster.leader!.propose('submission', Uint8Array.of(255, 255, 255), 1, () => {});
    await cluster.time.until('the peer to halt', () => cluster.process(P1).halted.length > 0);
    await cluster.kill(P1);
    await cluster.start(P1);
    await cluster.time.until('the peer to halt again', () => cluster.process(P1).halted.length > 0);
    expect(cluster.peer(P1).isLeader).toBe(false);
  });
});

test('a leader that stood still for twenty seconds does not count as followed, and steps down', async () => {
  const cluster = await TestCluster.serving(3);
  await cluster.time.advance(1_000);
  const paused = cluster.leader!;
  cluster.pause(paused.self);
  await cluster.time.until('another leader', () => cluster.leader !== undefined && cluster.leader !== paused);
  await cluster.time.advance(20_000);
  const next = cluster.leader!;
  cluster.resume(paused.self);
  expect(paused.quorumHeardMsAgo()).toBeGreaterThan(20_000);
  for (let step = 0; step < 50; step += 1) {
    expect(paused.quorumHeardMsAgo()).toBeGreaterThan(20_000);
    await cluster.time.advance(10);
  }
  expect(paused.isLeader).toBe(false);
  expect(cluster.leader).toBe(next);
});

test('a follower that stood still disturbs nobody when it goes on', async () => {
  const cluster = await TestCluster.serving(3);
  const leader = cluster.leader!;
  const { term } = leader;
  const paused = cluster.followers[0]!.self;
  for (let round = 0; round < 5; round += 1) {
    cluster.pause(paused);
    await cluster.time.advance(5_000);
    cluster.resume(paused);
    await cluster.time.advance(1_000);
  }
  expect(leader.term).toBe(term);
  expect(leader.isLeader).toBe(true);
});

test('stopping before the start, twice, or while the founding is waited for is harmless', async () => {
  const cluster = new TestCluster(3);
  const peer = await cluster.start(P3);
  expect(peer.status().state).toBe('founding');
  await cluster.time.finish(Promise.all([peer.stop(), peer.stop()]));
  expect(peer.status().state).toBe('stopped');
  await cluster.time.advance(1_000);
  expect(await cluster.propose(peer, submit(1))).toEqual({ type: 'dropped' });
});
