import { describe, expect, test, vi } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import { FEATURE_LEVEL } from '../../src/peer/features.ts';
import { decodeNews, encodeNews, NEWS_KIND } from '../../src/peer/news.ts';
import type { DatabaseName } from '../../src/storage/disk.ts';
import { indexOfKey, isEntryKey, recordKey } from '../../src/storage/keys.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const NO_TAIL = { logTailBytes: 0, logTailMs: 0, checkpointIntervalMs: 300 };

async function begun(size: number, limits = {}): Promise<TestCluster> {
  const cluster = await TestCluster.serving(size, limits);
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  return cluster;
}

async function load(cluster: TestCluster, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 1) {
    const result = await cluster.propose(await cluster.untilServing(), submit(at));
    expect(result).toMatchObject({ type: 'applied' });
    await cluster.time.advance(100);
  }
}

/** Flips a bit in the last byte of the value of a record of a peer that is down: the first one for which `which` holds. */
function flip(cluster: TestCluster, id: PeerId, name: DatabaseName, which: (key: Uint8Array) => boolean): void {
  const rows = cluster.site(id).platter.rows(name);
  const row = rows.find(([key]) => which(key));
  if (row === undefined) throw new Error('there is no such record');
  row[1] = row[1].slice();
  row[1][row[1].length - 5]! ^= 4;
}

/** Flips a bit in the first entry behind the checkpoint of a peer that runs, and kills it. */
async function hurtLog(cluster: TestCluster, id: PeerId): Promise<void> {
  const { checkpointIndex } = cluster.peer(id).status();
  await cluster.kill(id);
  flip(cluster, id, 'log', (key) => isEntryKey(key) && indexOfKey(key) > checkpointIndex);
}

describe('damage in a log', () => {
  test('is cut, fetched again from the others, and over: meanwhile the peer does not stand for election', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 10);
    const hurt = cluster.followers[0]!.self;
    await cluster.untilEqual();
    await hurtLog(cluster, hurt);
    cluster.network.isolate(hurt);
    const peer = await cluster.start(hurt);
    cluster.network.isolate(hurt);
    await cluster.time.advance(5_000);
    expect(peer.status()).toMatchObject({ damaged: true, role: 'follower' });
    expect(peer.status().alarms.map((alarm) => alarm.code)).toContain('DAMAGED');
    cluster.network.heal();
    await cluster.time.until('the damage to be healed', () => !peer.status().damaged);
    await load(cluster, 11, 2);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(12);
    expect(peer.status().alarms).toEqual([]);
    // It is remembered as whole.
    await cluster.kill(hurt);
    const again = await cluster.start(hurt);
    expect(again.status().damaged).toBe(false);
  });

  test('of all peers at once leaves no intact copy: they say so and stop', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 10);
    await cluster.untilEqual();
    for (const id of cluster.ids) await hurtLog(cluster, id);
    for (const id of cluster.ids) await cluster.start(id);
    await cluster.time.until('every peer to stop', () => cluster.running.every(({ halted }) => halted.length > 0));
    expect(cluster.running[0]!.halted[0]).toMatch(/the logs of p1, p2, p3 are damaged, and no peer has an intact copy/);
  });

  test('of a peer that is alone is left as it is, for a person to look at', async () => {
    const cluster = await begun(1);
    await load(cluster, 1, 13);
    const [id] = cluster.ids;
    await hurtLog(cluster, id!);
    await expect(cluster.start(id!)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });

  test('of a state that a peer has alone does not pass, while a disk that fails does', async () => {
    const cluster = await begun(1);
    const peer = cluster.leader!;
    expect(peer.mends(new StorageError('STATE_DAMAGED', 'a record of the state database does not read'))).toBe(false);
    expect(peer.mends(new StorageError('STORAGE_FAILED', 'writing a checkpoint failed'))).toBe(true);
    expect(peer.mends(new Error('an undefined is no function'))).toBe(false);
  });
});

describe('damage in a state', () => {
  test('is made good by the log where that is whole', async () => {
    const cluster = await begun(3, { checkpointIntervalMs: 300 });
    await load(cluster, 1, 20);
    const hurt = cluster.followers[0]!.self;
    await cluster.untilEqual();
    await cluster.kill(hurt);
    flip(cluster, hurt, 'state', (key) => key[0] === recordKey(Uint8Array.of(1))[0]);
    const peer = await cluster.start(hurt);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(20);
    expect(peer.status().damaged).toBe(false);
  });

  test('is made good by a snapshot where the log was cut, and meanwhile the peer votes and does not lead', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 30);
    const hurt = cluster.followers[0]!.self;
    await cluster.untilEqual();
    expect(cluster.peer(hurt).status().firstIndex).toBeGreaterThan(5);
    await cluster.kill(hurt);
    flip(cluster, hurt, 'state', (key) => key[0] === recordKey(Uint8Array.of(1))[0]);
    cluster.network.passes = (_, to, bytes) => to !== hurt || bytes[0] !== 2;
    const peer = await cluster.start(hurt);
    await cluster.time.advance(1_000);
    expect(peer.status().damaged).toBe(true);
    expect(peer.staleRead()).toBeUndefined();
    // Two of three are a majority only with its vote.
    await cluster.kill(cluster.leader!.self);
    await cluster.untilServing();
    expect(cluster.leader).not.toBe(peer);
    cluster.network.passes = () => true;
    await cluster.time.until('the snapshot to be installed', () => !peer.status().damaged);
    await load(cluster, 31, 3);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(33);
  });

  test('is made good by an older snapshot than the last leader asked for, once another one leads that does not', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 30);
    const hurt = cluster.followers[0]!.self;
    await cluster.untilEqual();
    await cluster.kill(hurt);
    flip(cluster, hurt, 'state', (key) => key[0] === recordKey(Uint8Array.of(1))[0]);
    cluster.network.passes = (_, to, bytes) => to !== hurt || bytes[0] !== 2;
    const peer = await cluster.start(hurt);
    await cluster.time.until(
      'the loss to be known',
      () => peer.status().damaged && peer.status().snapshot !== undefined,
    );
    peer.inspect()!.snapshots.needed(1_000);
    await cluster.kill(cluster.leader!.self);
    await cluster.untilServing();
    cluster.network.passes = () => true;
    await cluster.time.until('the snapshot to be installed', () => !peer.status().damaged);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(30);
  });

  test('that a read meets is repaired in place, though the read fails', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 3);
    const result = await cluster.propose(
      cluster.leader!,
      { type: 'cancel', namespace: 'default', numbers: [1] },
      'dispatch',
    );
    expect(result).toMatchObject({ type: 'applied' });
    await load(cluster, 4, 15);
    await cluster.untilEqual();
    const hurt = cluster.followers[0]!;
    const peer = cluster.peer(hurt.self);
    const damage = new StorageError('STATE_DAMAGED', 'a record of the state database does not read');
    vi.spyOn(peer.inspect()!.tasks, 'task').mockRejectedValueOnce(damage);
    await expect(cluster.time.finish(peer.taskView(1))).rejects.toBe(damage);
    expect(peer.mends(damage)).toBe(true);
    // Once to drop the state, once more with that of the others.
    await cluster.time.until('another run', () => peer.generation === 3 && !peer.status().damaged);
    await cluster.untilEqual();
    expect(peer.status().state).toBe('serving');
  });
});

describe('damage that nobody has met', () => {
  test('is found by the slow reading of everything, and repaired', async () => {
    const cluster = await begun(3, { ...NO_TAIL, scrubBytesPerSecond: 2_000 });
    await load(cluster, 1, 10);
    await cluster.untilEqual();
    const peer = cluster.followers[0]!;
    await cluster.time.until('a whole round', () => peer.inspect()!.scrubber.rounds > 0);
    const { generation } = peer;
    // Where nothing is written any more nothing else looks at it.
    const rows = cluster.site(peer.self).platter.rows('state');
    const row = rows.findLast(([key]) => key[0] === recordKey(Uint8Array.of(1))[0])!;
    row[1] = row[1].slice();
    row[1][row[1].length - 5]! ^= 4;
    await cluster.time.until('another run', () => peer.generation === generation + 2 && !peer.status().damaged);
    await load(cluster, 11, 2);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(12);
  });
});

describe('a state that differs from the others', () => {
  /** Changes the digests that `of` hears from the others. */
  function deceive(cluster: TestCluster, of: (to: PeerId) => boolean, by: (from: PeerId) => number): void {
    cluster.network.passes = (from, to, bytes) => {
      if (bytes[0] !== NEWS_KIND || !of(to)) return true;
      const news = decodeNews(bytes);
      const marks = news.marks.map(({ index, digest }) => ({
        index,
        digest: { ...digest, low: (digest.low ^ by(from)) >>> 0 },
      }));
      bytes.set(encodeNews({ ...news, marks }));
      return true;
    };
  }

  test('takes its peer out; started again it fetches the state of the others', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 10);
    const wrong = cluster.followers[0]!.self;
    deceive(
      cluster,
      (to) => to === wrong,
      () => 1,
    );
    const loading = load(cluster, 11, 10);
    await cluster.time.until('the peer to stop', () => cluster.process(wrong).halted.length > 0);
    await loading;
    expect(cluster.process(wrong).halted[0]).toMatch(
      /the state of this peer is wrong: its digest after entry \d+ differs/,
    );
    cluster.network.passes = () => true;
    await cluster.kill(wrong);
    const again = await cluster.start(wrong);
    await cluster.time.until('the state to be fetched', () => !again.status().damaged);
    await cluster.untilEqual();
    expect(again.scheduler.counters().submitted).toBe(20);
  });

  test('from every other one stops the cluster, since nobody can tell who is right', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 5);
    deceive(
      cluster,
      () => true,
      (from) => 1 + Number(from.slice(1)),
    );
    void load(cluster, 6, 10).catch(() => undefined);
    await cluster.time.until('every peer to stop', () => cluster.running.every(({ halted }) => halted.length > 0));
    expect(cluster.running[1]!.halted[0]).toContain('no majority has the same one');
  });
});

describe('a disk that gets full', () => {
  const LOW = 1_000_000;

  test('of the leader: submissions are refused, everything that ends tasks goes on, and room ends it', async () => {
    const cluster = await begun(3, { spaceLowBytes: LOW });
    await load(cluster, 1, 3);
    const leader = cluster.leader!;
    cluster.site(leader.self).platter.freeBytes = LOW - 1;
    await cluster.time.advance(1_500);
    expect(leader.status()).toMatchObject({ spaceLow: true });
    expect(leader.status().alarms.map((alarm) => alarm.code)).toEqual(['SPACE_LOW']);
    expect(await cluster.propose(leader, submit(4))).toEqual({ type: 'no-space' });
    const cancel = await cluster.propose(leader, { type: 'cancel', namespace: 'default', numbers: [1] }, 'dispatch');
    expect(cancel).toMatchObject({ type: 'applied' });
    cluster.site(leader.self).platter.freeBytes = LOW + 1;
    await cluster.time.advance(1_500);
    expect(await cluster.propose(leader, submit(4))).toEqual({ type: 'no-space' });
    cluster.site(leader.self).platter.freeBytes = 2 * LOW;
    await cluster.time.advance(1_500);
    expect(leader.status().alarms).toEqual([]);
    expect(await cluster.propose(leader, submit(4))).toMatchObject({ type: 'applied' });
  });

  test('of a minority is said and hinders nobody; of a majority it does', async () => {
    const cluster = await begun(3, { spaceLowBytes: LOW });
    const [one, two] = cluster.followers;
    cluster.site(one!.self).platter.freeBytes = 0;
    await cluster.time.advance(2_500);
    const seen = cluster.leader!.membership().members.find(({ peer }) => peer === one!.self);
    expect(seen).toMatchObject({ spaceLow: true });
    await load(cluster, 1, 1);
    cluster.site(two!.self).platter.freeBytes = 0;
    await cluster.time.advance(2_500);
    expect(await cluster.propose(cluster.leader!, submit(2))).toEqual({ type: 'no-space' });
    await cluster.kill(two!.self);
    await cluster.time.advance(10_000);
    await load(cluster, 2, 1);
  });
});

test('features are switched on once every voter is heard to know them, and stay on', async () => {
  const cluster = await begun(3);
  await cluster.time.advance(1_500);
  for (const { peer } of cluster.running) expect(peer.status().featureLevel).toBe(FEATURE_LEVEL);
  for (const id of cluster.ids) await cluster.kill(id);
  for (const id of cluster.ids) await cluster.start(id);
  await cluster.untilServing();
  await cluster.untilEqual();
  expect(cluster.peer(peerId('p1')).status().featureLevel).toBe(FEATURE_LEVEL);
});
