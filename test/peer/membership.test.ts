import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import { FEATURE_MEMBERSHIP } from '../../src/peer/features.ts';
import type { Peer } from '../../src/peer/peer.ts';
import type { TransferOutcome } from '../../src/peer/types.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const [P1, P2, P3, P4] = [peerId('p1'), peerId('p2'), peerId('p3'), peerId('p4')];
const NO_TAIL = { logTailBytes: 0, logTailMs: 0 };

/** A founded cluster that has a session, and room to submit from `sequence` 1 on. */
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

function votersOf(peer: Peer): string[] {
  return peer.membership().members.flatMap((member) => (member.votes ? [member.peer] : []));
}

async function transfer(cluster: TestCluster, to?: PeerId): Promise<TransferOutcome> {
  return cluster.time.finish(new Promise((resolve) => cluster.leader!.transfer(to, resolve)));
}

describe('a peer that is added', () => {
  test('waits, with a sentence that says how, and is seen by the leader with its incarnation and addresses', async () => {
    const cluster = await begun(3);
    const spare = await cluster.spare('p4');
    await cluster.time.advance(1_000);
    expect(spare.status()).toMatchObject({
      state: 'founding',
      reason: expect.stringContaining('Run "taskraft cluster add p4"'),
    });
    const [joining] = cluster.leader!.membership().joining;
    expect(joining).toMatchObject({ peer: P4, replaces: false, addresses: { client: { port: 7_840 } } });
    expect(joining!.incarnation).toBe(spare.status().identity!.incarnation);
  });

  test('gets everything, is promoted once it has caught up, and counts from then on', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 5);
    const spare = await cluster.spare('p4');
    await cluster.admit(P4);
    await cluster.untilEqual();
    expect(spare.scheduler.counters().submitted).toBe(5);
    for (const { peer } of cluster.running) expect(votersOf(peer)).toEqual(['p1', 'p2', 'p3', 'p4']);
    // Three of four are a majority, two are none.
    await cluster.kill(cluster.followers.find((peer) => peer !== spare)!.self);
    await load(cluster, 6, 2);
    await cluster.kill(cluster.followers.find((peer) => peer !== spare)!.self);
    const alone = cluster.proposed(cluster.leader!, submit(8));
    await cluster.time.advance(5_000);
    expect(cluster.leader).toBeUndefined();
    expect(await alone).toEqual({ type: 'unknown' });
  });

  test('is a member after a restart of everyone, whatever their files say', async () => {
    const cluster = await begun(3);
    await cluster.spare('p4');
    await cluster.admit(P4);
    await cluster.untilEqual();
    const all = cluster.running.map(({ peer }) => peer.self);
    for (const id of all) await cluster.kill(id);
    for (const id of all) await cluster.start(id);
    await cluster.untilServing();
    for (const { peer } of cluster.running) expect(votersOf(peer)).toEqual(['p1', 'p2', 'p3', 'p4']);
  });

  test('gets a snapshot where the log was cut long ago', async () => {
    const cluster = await begun(3, NO_TAIL);
    await load(cluster, 1, 40);
    expect(cluster.leader!.status().firstIndex).toBeGreaterThan(10);
    const spare = await cluster.spare('p4');
    await cluster.admit(P4);
    await cluster.untilEqual();
    expect(spare.status().checkpointIndex).toBeGreaterThan(0);
    expect(spare.scheduler.counters().submitted).toBe(40);
    spare.scheduler.checkInvariants();
  });

  test('is not added when nobody heard it, nor under another incarnation, nor twice', async () => {
    const cluster = await begun(3);
    expect(await cluster.change({ type: 'add', peer: P4 })).toMatchObject({ type: 'refused', reason: 'not-heard' });
    await cluster.spare('p4');
    await cluster.time.advance(1_000);
    const wrong = 'f'.repeat(32);
    const other = await cluster.change({ type: 'add', peer: P4, incarnation: wrong });
    expect(other).toMatchObject({ type: 'refused', reason: 'not-heard' });
    expect(await cluster.change({ type: 'add', peer: P4 })).toMatchObject({ type: 'done' });
    expect(await cluster.change({ type: 'add', peer: P4 })).toMatchObject({
      type: 'refused',
      reason: 'already-member',
    });
    expect(await cluster.change({ type: 'promote', peer: P1 })).toMatchObject({
      type: 'refused',
      reason: 'already-votes',
    });
  });

  test('makes three of one, and each can lead', async () => {
    const cluster = await begun(1);
    await load(cluster, 1, 3);
    await cluster.spare('p2');
    await cluster.admit(P2);
    await cluster.spare('p3');
    await cluster.admit(P3);
    await cluster.kill(P1);
    await cluster.untilServing();
    await load(cluster, 4, 3);
    await cluster.start(P1);
    await cluster.untilEqual();
    expect(cluster.peer(P1).scheduler.counters().submitted).toBe(6);
  });
});

test('a peer that only followers know is added all the same: they tell the leader', async () => {
  const cluster = await begun(1);
  const grown = await cluster.spare('p2');
  await cluster.admit(P2);
  await cluster.untilEqual();
  expect(await transfer(cluster, P2)).toEqual({ type: 'done', leader: P2 });
  await cluster.untilServing();
  // The file of the third one names the founder alone.
  cluster.network.cut(P2, P3);
  cluster.network.cut(P3, P2);
  await cluster.spare('p3');
  await cluster.time.advance(2_000);
  expect(grown.membership().joining).toMatchObject([{ peer: P3 }]);
  expect(await cluster.change({ type: 'add', peer: P3 })).toMatchObject({ type: 'done' });
  cluster.network.heal();
  await cluster.untilEqual();
  expect(cluster.peer(P3).status().state).toBe('serving');
});

describe('a peer that lost its directory', () => {
  test('is replaced: removed, added with its new incarnation, promoted', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 5);
    const lost = cluster.followers[0]!.self;
    await cluster.kill(lost);
    cluster.wipe(lost);
    const fresh = await cluster.start(lost);
    await cluster.time.advance(1_000);
    expect(cluster.leader!.membership().joining).toMatchObject([{ peer: lost, replaces: true }]);
    expect(await cluster.change({ type: 'add', peer: lost })).toMatchObject({ reason: 'already-member' });
    expect(await cluster.change({ type: 'remove', peer: lost })).toMatchObject({ type: 'done' });
    await cluster.admit(lost);
    await cluster.untilEqual();
    expect(fresh.status().state).toBe('serving');
    expect(fresh.scheduler.counters().submitted).toBe(5);
    // It counts again: with one of the others gone there is still a majority.
    await cluster.kill(cluster.followers.find((peer) => peer !== fresh)!.self);
    await load(cluster, 6, 2);
  });

  test('is replaced after another one was, and sends nobody away while it learns what happened', async () => {
    const cluster = await begun(3);
    // Each one that comes later goes through the whole log, in which the other is replaced.
    for (const { self } of cluster.followers) {
      await cluster.kill(self);
      cluster.wipe(self);
      await cluster.start(self);
      await cluster.time.advance(1_000);
      expect(await cluster.change({ type: 'remove', peer: self })).toMatchObject({ type: 'done' });
      await cluster.admit(self);
      await cluster.untilEqual();
    }
    await cluster.time.advance(5_000);
    expect(cluster.running.flatMap((process) => process.halted)).toEqual([]);
    for (const { peer } of cluster.running) {
      expect(peer.membership().members.map((member) => member.connected)).toEqual([true, true, true]);
    }
  });

  test('finds its old directory again after it was replaced: that one is sent away and stops', async () => {
    const cluster = await begun(3);
    const id = cluster.followers[0]!.self;
    const { platter: old } = cluster.site(id);
    await cluster.kill(id);
    cluster.wipe(id);
    await cluster.start(id);
    await cluster.time.advance(500);
    await cluster.change({ type: 'remove', peer: id });
    await cluster.admit(id);
    await cluster.untilEqual();
    await cluster.kill(id);
    old.locked = false;
    cluster.site(id).platter = old;
    await cluster.start(id);
    await cluster.time.until('the old one to stop', () => cluster.process(id).halted.length > 0);
    expect(cluster.process(id).halted[0]).toContain('was removed from the cluster');
  });
});

describe('a peer that is removed', () => {
  test('stops with a sentence, and the others go on with a smaller majority', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    const gone = cluster.followers[0]!.self;
    expect(await cluster.change({ type: 'remove', peer: gone })).toMatchObject({ type: 'done' });
    await cluster.time.until('the removed peer to stop', () => cluster.process(gone).halted.length > 0);
    expect(cluster.process(gone).halted[0]).toContain(`${gone} was removed from the cluster`);
    await load(cluster, 4, 3);
    expect(votersOf(cluster.leader!)).toHaveLength(2);
  });

  test('while it was down, is told so when it comes back', async () => {
    const cluster = await begun(3);
    const gone = cluster.followers[0]!.self;
    await cluster.kill(gone);
    expect(await cluster.change({ type: 'remove', peer: gone })).toMatchObject({ type: 'done' });
    await cluster.start(gone);
    await cluster.time.until('the removed peer to stop', () => cluster.process(gone).halted.length > 0);
    const { term } = cluster.leader!;
    await cluster.time.advance(3_000);
    expect(cluster.leader!.term).toBe(term);
  });

  test('is told so by one that had never heard it', async () => {
    const cluster = new TestCluster(3);
    const { network, time } = cluster;
    const part = (one: PeerId, other: PeerId): void => {
      network.cut(one, other);
      network.cut(other, one);
    };
    // p2 alone hears both: p1 and p3 take part by its word.
    part(P1, P3);
    for (const id of cluster.ids) await cluster.start(id);
    const lead = async (id: PeerId): Promise<void> => {
      const isLeader = (): boolean => cluster.leader?.self === id;
      while (!isLeader()) {
        await cluster.untilServing();
        await transfer(cluster, id);
      }
    };
    await lead(P2);
    await time.until('p3 to take changes', () => cluster.peer(P3).featureLevel >= FEATURE_MEMBERSHIP);
    await lead(P3);
    await cluster.kill(P1);
    expect(await cluster.change({ type: 'remove', peer: P1 })).toMatchObject({ type: 'done' });
    await cluster.kill(P2);
    network.heal();
    await cluster.start(P1);
    await time.until('the removed peer to stop', () => cluster.process(P1).halted.length > 0);
    expect(cluster.process(P1).halted[0]).toContain('p1 was removed from the cluster');
  });

  test('may be the leader: it leads until that is committed, another takes over at once, and it stops', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 3);
    const leader = cluster.leader!;
    const atMs = cluster.time.nowMs;
    expect(await cluster.change({ type: 'remove', peer: leader.self })).toMatchObject({ type: 'done' });
    await cluster.time.until('another leader', () => cluster.leader !== undefined && cluster.leader !== leader);
    expect(cluster.time.nowMs - atMs).toBeLessThan(100);
    await cluster.time.until('the removed peer to stop', () => cluster.process(leader.self).halted.length > 0);
    await load(cluster, 4, 3);
  });

  test('may be all but one, and never the last', async () => {
    const cluster = await begun(3);
    await cluster.change({ type: 'remove', peer: cluster.followers[0]!.self });
    await cluster.change({ type: 'remove', peer: cluster.followers.find(({ state }) => state === 'serving')!.self });
    await load(cluster, 1, 3);
    const last = cluster.leader!.self;
    expect(await cluster.change({ type: 'remove', peer: last })).toMatchObject({
      type: 'refused',
      reason: 'last-voter',
    });
  });
});

describe('leadership', () => {
  test('goes to whom it is handed, and to whoever can take it where nobody is named', async () => {
    const cluster = await begun(3);
    const to = cluster.followers[0]!.self;
    expect(await transfer(cluster, to)).toEqual({ type: 'done', leader: to });
    await cluster.untilServing();
    const outcome = await transfer(cluster);
    expect(outcome.type === 'done' && outcome.leader !== to).toBe(true);
  });

  test('stays where the other does not take it, and that is told', async () => {
    const cluster = await begun(3);
    const leader = cluster.leader!;
    const to = cluster.followers[0]!.self;
    cluster.pause(to);
    expect(await transfer(cluster, to)).toEqual({ type: 'refused', reason: 'timeout', leader: leader.self });
    expect(leader.isLeader).toBe(true);
    expect(await transfer(cluster, leader.self)).toMatchObject({ type: 'refused', reason: 'self' });
    expect(await transfer(cluster, peerId('p9'))).toMatchObject({ type: 'refused', reason: 'unknown-peer' });
  });
});

describe('a read', () => {
  test('on a follower sees everything that was acknowledged before it', async () => {
    const cluster = await begun(3);
    for (let at = 1; at <= 5; at += 1) {
      await cluster.propose(cluster.leader!, submit(at));
      for (const follower of cluster.followers) {
        const [result] = await cluster.time.finish(
          new Promise<[string, number]>((resolve) => follower.read((outcome, index) => resolve([outcome, index]))),
        );
        expect(result).toBe('ok');
        expect(follower.scheduler.counters().submitted).toBe(at);
      }
    }
  });

  test('that may be stale is answered by a peer that is cut off, one that must be fresh is not', async () => {
    const cluster = await begun(3);
    await load(cluster, 1, 2);
    await cluster.untilEqual();
    const cut = cluster.followers[0]!;
    cluster.network.isolate(cut.self);
    await load(cluster, 3, 2);
    const fresh = cluster.time.finish(new Promise<string>((resolve) => cut.read(resolve)));
    expect(await fresh).toBe('not-leader');
    expect(cut.staleRead()?.appliedIndex).toBeLessThan(cluster.leader!.appliedIndex);
    expect(cut.scheduler.counters().submitted).toBe(2);
  });
});

test('another data directory under the name of a member is not counted for it, whether it is heard or refused', async () => {
  const cluster = await begun(3);
  const one = cluster.leader!;
  const [other] = cluster.followers.map(({ self }) => self);
  const book = one.inspect()!.membership;
  const facts = book.factsOf(other!)!;
  const foreign = { ...facts, incarnation: 'ab'.repeat(16) };
  expect(book.hears(other!, { ...foreign, knowsMe: 'as-this' }).type).toBe('foreign');
  expect(book.isForeign(other!)).toBe(true);
  expect(book.hears(other!, facts).type).toBe('accept');
  expect(book.isForeign(other!)).toBe(false);
  expect(book.hears(other!, { ...foreign, knowsMe: 'not' }).type).toBe('refuse');
  expect(book.isForeign(other!)).toBe(true);
});
