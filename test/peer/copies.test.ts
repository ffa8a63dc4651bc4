import { describe, expect, test, vi } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import type { Peer } from '../../src/peer/peer.ts';
import { indexOfKey, isEntryKey } from '../../src/storage/keys.ts';
import type { MemoryPlatter } from '../../src/storage/memory-disk.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { copyOf } from '../storage/support/harm.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const P1 = peerId('p1');
const P2 = peerId('p2');

async function begun(size: number, limits = {}): Promise<TestCluster> {
  const cluster = await TestCluster.serving(size, limits);
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  return cluster;
}

async function load(cluster: TestCluster, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 1) {
    expect(await cluster.propose(await cluster.untilServing(), submit(at))).toMatchObject({ type: 'applied' });
    await cluster.time.advance(100);
  }
}

/** Flips a bit in the last entry but two of a peer's log, behind its checkpoint, while it is down. */
async function hurtLog(cluster: TestCluster, id: PeerId): Promise<void> {
  const { durableIndex } = cluster.peer(id).status();
  await cluster.kill(id);
  const row = cluster
    .site(id)
    .platter.rows('log')
    .find(([key]) => isEntryKey(key) && indexOfKey(key) === durableIndex - 2)!;
  row[1] = row[1].slice();
  row[1][row[1].length - 5]! ^= 4;
}

function bytesOf(platter: MemoryPlatter): string {
  return JSON.stringify([...platter.databases]);
}

describe('whether others have a copy', () => {
  test('is known to a peer that was alone and is not any more, though its file still says so: damage is made good', async () => {
    const cluster = await begun(1, { checkpointIntervalMs: 100_000 });
    await cluster.spare('p2');
    await cluster.admit(P2);
    await load(cluster, 1, 5);
    await cluster.untilEqual();
    await hurtLog(cluster, P1);
    const peer = await cluster.start(P1);
    expect(peer.status().damaged).toBe(true);
    await cluster.time.until('the damage to be healed', () => !peer.status().damaged);
    await load(cluster, 6, 2);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(7);
  });

  test('is known to a peer that is the last one with a vote, though its file names three: damage is left as it is', async () => {
    const cluster = await begun(3, { checkpointIntervalMs: 100_000 });
    await cluster.untilEqual();
    while (cluster.leader!.self !== P1) {
      await cluster.time.finish(new Promise((resolve) => cluster.leader!.transfer(P1, resolve)));
      await cluster.untilServing();
    }
    for (const id of ['p3', 'p2'])
      expect(await cluster.change({ type: 'remove', peer: peerId(id) })).toMatchObject({ type: 'done' });
    await load(cluster, 1, 5);
    await hurtLog(cluster, P1);
    const { platter } = cluster.site(P1);
    const before = bytesOf(platter);
    await expect(cluster.start(P1)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
    expect(bytesOf(platter), 'nothing was cut').toBe(before);
  });

  test('is known to be so only once the other one votes: a learner may lack anything', async () => {
    const cluster = await begun(1, { checkpointIntervalMs: 100_000 });
    await cluster.spare('p2');
    await cluster.time.until('the peer to be heard', () => cluster.leader!.membership().joining.length > 0);
    expect(await cluster.change({ type: 'add', peer: P2 })).toMatchObject({ type: 'done' });
    await load(cluster, 1, 5);
    await hurtLog(cluster, P1);
    await expect(cluster.start(P1)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
  });
});

describe('a read that ends after the directory was opened anew', () => {
  test('says nothing of what is there now, whatever it met', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 5);
    await cluster.untilEqual();
    const peer = cluster.followers[0]!;
    const damage = new StorageError('STATE_DAMAGED', 'a record of the state database does not read');
    let fail: (error: StorageError) => void = () => {};
    vi.spyOn(peer.inspect()!.tasks, 'task').mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
    const late = peer.taskView(1).catch((error: unknown) => error);
    vi.spyOn(peer.inspect()!.tasks, 'task').mockRejectedValueOnce(damage);
    await expect(cluster.time.finish(peer.taskView(1))).rejects.toBe(damage);
    await cluster.time.until('another run', () => peer.generation === 2 && peer.status().state === 'serving');
    fail(damage);
    expect(await cluster.time.finish(late)).toBe(damage);
    await load(cluster, 6, 3);
    await cluster.untilEqual();
    expect(peer.generation).toBe(2);
  });
});

describe('a directory that was put back from an old copy', () => {
  test('is recognised by whoever heard of it since, and its peer stops before it can forget what it promised', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    const id = cluster.followers[0]!.self;
    await cluster.kill(id);
    const copy = copyOf(cluster.site(id).platter);
    await cluster.start(id);
    await load(cluster, 4, 3);
    await cluster.kill(id);
    await cluster.start(id);
    await load(cluster, 7, 3);
    await cluster.kill(id);
    cluster.site(id).platter = copy;
    await cluster.start(id);
    await cluster.time.until('the peer to stop', () => cluster.process(id).halted.length > 0);
    expect(cluster.process(id).halted[0]).toContain('is an old copy of itself');
    await load(cluster, 10, 2);
    await cluster.kill(id);
    cluster.wipe(id);
    const fresh = await cluster.start(id);
    await cluster.time.advance(500);
    await cluster.change({ type: 'remove', peer: id });
    await cluster.admit(id);
    await cluster.untilEqual();
    expect(fresh.scheduler.counters().submitted).toBe(11);
  });

  test('is recognised though everyone who heard of it since was started anew', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    const id = cluster.followers[0]!.self;
    await cluster.kill(id);
    const copy = copyOf(cluster.site(id).platter);
    await cluster.start(id);
    await load(cluster, 4, 3);
    await cluster.kill(id);
    await cluster.start(id);
    await load(cluster, 7, 3);
    for (const one of cluster.ids) await cluster.kill(one);
    cluster.site(id).platter = copy;
    for (const one of cluster.ids) await cluster.start(one);
    await cluster.time.until('the peer to stop', () => cluster.process(id).halted.length > 0);
    expect(cluster.process(id).halted[0]).toContain('is an old copy of itself');
    await load(cluster, 10, 2);
  });

  test('is recognised after a single start since the copy, when it says to have been opened as often as was heard', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    const id = cluster.followers[0]!.self;
    await cluster.kill(id);
    const copy = copyOf(cluster.site(id).platter);
    await cluster.start(id);
    await load(cluster, 4, 3);
    await cluster.kill(id);
    cluster.site(id).platter = copy;
    await cluster.start(id);
    await cluster.time.until('the peer to stop', () => cluster.process(id).halted.length > 0);
    expect(cluster.process(id).halted[0]).toContain('is an old copy of itself');
    await load(cluster, 7, 2);
  });

  test('is recognised by the leader to whom it acknowledged more, though it was copied while its peer ran: it is refilled', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    await cluster.untilEqual();
    const id = cluster.followers[0]!.self;
    const copy = copyOf(cluster.site(id).platter);
    await load(cluster, 4, 3);
    await cluster.untilEqual();
    const { durableIndex, term } = cluster.peer(id).status();
    await cluster.kill(id);
    cluster.site(id).platter = copy;
    const peer = await cluster.start(id);
    expect(peer.status().durableIndex).toBeLessThan(durableIndex);
    await cluster.time.until('the loss to be seen', () => peer.status().damaged);
    await cluster.time.until('another run', () => peer.generation === 2);
    expect(peer.inspect()!.raft.inspect().damage, 'its vote counts as if nothing were lost').toEqual({
      lastIndex: durableIndex,
      lastTerm: term,
    });
    await cluster.time.until('the damage to be healed', () => !peer.status().damaged);
    expect(cluster.process(id).halted).toEqual([]);
    await load(cluster, 7, 2);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(8);
  });

  test('is recognised, too, by what was acknowledged and is not committed', async () => {
    const cluster = await begun(5);
    await load(cluster, 1, 3);
    await cluster.untilEqual();
    const leader = cluster.leader!;
    const [{ self: id } = leader, ...others] = cluster.followers;
    const copy = copyOf(cluster.site(id).platter);
    const { durableIndex, term } = cluster.peer(id).status();
    for (const { self } of others) cluster.pause(self);
    const answer = cluster.proposed(leader, submit(4));
    await cluster.time.until('the other copy', () => cluster.peer(id).status().durableIndex > durableIndex);
    await cluster.time.until('its word', () => followedTo(leader, id) > durableIndex);
    await cluster.kill(id);
    cluster.site(id).platter = copy;
    const peer = await cluster.start(id);
    await cluster.time.until('the loss to be seen', () => peer.status().damaged);
    expect(leader.status()).toMatchObject({ role: 'leader', commitIndex: durableIndex });
    await cluster.time.until('another run', () => peer.generation === 2);
    const lost = { lastIndex: durableIndex + 1, lastTerm: term };
    expect(peer.inspect()!.raft.inspect().damage).toEqual(lost);
    for (const { self } of others) cluster.resume(self);
    await cluster.time.until('the damage to be healed', () => !peer.status().damaged);
    await cluster.time.finish(answer);
    await load(cluster, 5, 2);
    await cluster.untilEqual();
  });
});

/** How far `leader` knows the log of `id` to be as its own. */
function followedTo(leader: Peer, id: PeerId): number {
  return (
    leader
      .inspect()!
      .raft.status()
      .peers.find(({ peer }) => peer === id)?.matchIndex ?? 0
  );
}
