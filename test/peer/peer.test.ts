import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { formatHash } from '../../src/base/hash.ts';
import type { Peer } from '../../src/peer/peer.ts';
import { EnvelopeWriter } from '../../src/peer/envelope.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { BatchWriter } from '../../src/scheduler/batch.ts';
import { MemoryPlatter } from '../../src/storage/memory-disk.ts';

import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const [P1, P2, P3] = [peerId('p1'), peerId('p2'), peerId('p3')];

/** The digest of the newest mark that all running peers know, by peer. */
function commonDigests(cluster: TestCluster): { index: number; digests: string[] } {
  const marks = cluster.running.map((process) => process.peer.status().marks);
  const index = Math.max(
    ...marks[0]!
      .map((mark) => mark.index)
      .filter((at) => marks.every((list) => list.some((mark) => mark.index === at))),
  );
  return { index, digests: marks.map((list) => formatHash(list.find((mark) => mark.index === index)!.digest)) };
}

describe('three peers', () => {
  test('are founded, elect one of them, and apply the same', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    expect(await cluster.propose(leader, OPEN_SESSION)).toMatchObject({ type: 'applied', reply: { type: 'ok' } });
    const result = await cluster.propose(leader, submit(1, 5));
    expect(result).toMatchObject({ type: 'applied', reply: { type: 'submitted', firstNumber: 1, created: 5 } });
    await cluster.untilEqual();
    await cluster.time.advance(1_500);
    await cluster.untilEqual();
    for (const { peer } of cluster.running) expect(peer.scheduler.counters().submitted).toBe(5);
    const { digests } = commonDigests(cluster);
    expect(new Set(digests).size).toBe(1);
    expect(digests).toHaveLength(3);
  });

  test('go on without a leader that was killed, and it catches up when it is started again', async () => {
    const cluster = await TestCluster.serving(3);
    const first = cluster.leader!;
    await cluster.propose(first, OPEN_SESSION);
    await cluster.propose(first, submit(1, 3));
    const killedAt = cluster.time.nowMs;
    await cluster.kill(first.self);
    const second = await cluster.untilServing();
    expect(second.self).not.toBe(first.self);
    expect(cluster.time.nowMs - killedAt).toBeLessThan(200);
    await cluster.propose(second, submit(2, 4));
    const back = await cluster.start(first.self);
    await cluster.untilEqual();
    expect(back.scheduler.counters().submitted).toBe(7);
    expect(back.leader).toBe(second.self);
    await cluster.time.advance(2_000);
    await cluster.untilEqual();
    expect(new Set(commonDigests(cluster).digests).size).toBe(1);
  });

  test('answer what was submitted before all of them were killed', async () => {
    const cluster = await TestCluster.serving(3);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    for (let at = 1; at <= 5; at += 1) await cluster.propose(cluster.leader!, submit(at, 10));
    for (const id of cluster.ids) await cluster.kill(id);
    for (const id of cluster.ids) await cluster.start(id);
    const leader = await cluster.untilServing();
    expect(leader.scheduler.counters().submitted).toBe(50);
    expect(await cluster.propose(leader, submit(3, 10))).toMatchObject({ reply: { repeated: true, firstNumber: 21 } });
  });

  test('put proposals that come together into one entry', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    const proposals = Array.from({ length: 50 }, (_, at) => cluster.proposed(leader, submit(at + 1)));
    const results = await cluster.time.finish(Promise.all(proposals));
    const indexes = results.map((result) => (result.type === 'applied' ? result.index : 0));
    expect(new Set(indexes).size).toBe(1);
    expect(results.map((result) => result.type === 'applied' && result.reply)).toEqual(
      results.map((_, at) => expect.objectContaining({ type: 'submitted', firstNumber: at + 1 })),
    );
  });

  test('hand leadership over when the leader is stopped, within a few heartbeats', async () => {
    const cluster = await TestCluster.serving(3);
    const first = cluster.leader!.self;
    const stoppedAt = cluster.time.nowMs;
    await cluster.stop(first);
    const next = await cluster.untilServing();
    expect(next.self).not.toBe(first);
    expect(cluster.time.nowMs - stoppedAt).toBeLessThan(50);
  });

  test('answer what was proposed before a stop, and take nothing after it', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    const before = Array.from({ length: 20 }, (_, at) => cluster.proposed(leader, submit(at + 1, 200)));
    const stopped = leader.stop();
    await cluster.time.until('the stop to begin', () => leader.state === 'stopping');
    const after = cluster.proposed(leader, submit(21));
    await cluster.time.finish(stopped);
    const results = await cluster.time.finish(Promise.all(before));
    expect(results.map((result) => result.type)).toEqual(results.map(() => 'applied'));
    expect(await after).toEqual({ type: 'dropped' });
  });
});

test('one peer is a cluster of one', async () => {
  const cluster = await TestCluster.serving(1);
  const leader = cluster.leader!;
  await cluster.propose(leader, OPEN_SESSION);
  expect(await cluster.propose(leader, submit(1))).toMatchObject({ type: 'applied' });
  await cluster.kill(P1);
  await cluster.start(P1);
  expect((await cluster.untilServing()).scheduler.counters().submitted).toBe(1);
});

describe('a leader', () => {
  test('does not acknowledge what a majority has not got', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    cluster.network.isolate(leader.self);
    const lonely = cluster.proposed(leader, submit(1));
    const result = await cluster.time.finish(lonely);
    expect(result).toEqual({ type: 'unknown' });
    expect(leader.isLeader).toBe(false);
    expect(await cluster.propose(leader, submit(2))).toEqual({ type: 'dropped' });
    await cluster.time.until('another leader', () => cluster.leader !== undefined);
    cluster.network.heal();
    await cluster.untilEqual();
    expect(cluster.leader!.scheduler.counters().submitted).toBe(0);
  });

  test('confirms a read by a round of its own, and none while it is cut off', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    const read = (): Promise<string> => new Promise((resolve) => leader.read((result) => resolve(result)));
    expect(await cluster.time.finish(read())).toBe('ok');
    cluster.network.isolate(leader.self);
    expect(await cluster.time.finish(read())).toBe('not-leader');
    expect(await cluster.time.finish(read())).toBe('not-leader');
  });

  test('knows how long ago a quorum followed, and that it does not know it any more when cut off', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.time.advance(1_000);
    expect(leader.quorumHeardMsAgo()).toBeLessThan(250);
    cluster.network.isolate(leader.self);
    await cluster.time.advance(400);
    expect(leader.quorumHeardMsAgo()).toBeGreaterThanOrEqual(300);
    await cluster.time.advance(2_000);
    expect(leader.quorumHeardMsAgo()).toBe(Number.POSITIVE_INFINITY);
    for (const follower of cluster.followers) {
      if (!follower.isLeader) expect(follower.quorumHeardMsAgo()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  test('makes an entry for a delayed task when it is due, and an empty one every ten seconds otherwise', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    await cluster.propose(leader, submit(1, 1, 16, 3_000));
    const submittedAt = cluster.time.nowMs;
    expect(leader.scheduler.counters()).toMatchObject({ scheduled: 1, pending: 0 });
    await cluster.time.until('the task to be ready', () => leader.scheduler.counters().pending === 1);
    expect(cluster.time.nowMs - submittedAt).toBeGreaterThanOrEqual(2_990);
    expect(cluster.time.nowMs - submittedAt).toBeLessThan(3_050);
    await cluster.time.advance(5_000);
    const idleFrom = leader.appliedIndex;
    await cluster.time.advance(60_000);
    expect(leader.appliedIndex - idleFrom).toBeGreaterThanOrEqual(5);
    expect(leader.appliedIndex - idleFrom).toBeLessThanOrEqual(7);
  });

  test('tells its subscribers of every entry with commands while it serves, and followers tell of none', async () => {
    const cluster = await TestCluster.serving(3);
    const leader = cluster.leader!;
    await cluster.propose(leader, OPEN_SESSION);
    await cluster.propose(leader, submit(1));
    const applied = (id: typeof P1): string[] =>
      cluster.process(id).events.filter((event) => event.startsWith('applied'));
    expect(applied(leader.self)).toEqual(['applied 2', 'applied 4', 'applied 5']);
    for (const follower of cluster.followers) expect(applied(follower.self)).toEqual([]);
    expect(cluster.process(leader.self).events).toContain(`term ${leader.term}: ${leader.self} leads, and that is me`);
  });
});

describe('a wall clock that is wrong', () => {
  test('on the leader never gets into a stamp, and the leader hands over to one whose clock is right', async () => {
    const cluster = await TestCluster.serving(3);
    const first = cluster.leader!;
    await cluster.propose(first, OPEN_SESSION);
    await cluster.time.advance(2_000);
    const before = first.scheduler.logTimeMs;
    const beforeAt = cluster.time.nowMs;
    cluster.site(first.self).clock.jump(3_600_000);
    await cluster.time.until('a hand-over', () => cluster.leader !== undefined && cluster.leader !== first);
    expect(cluster.logs.join('\n')).toContain('handing leadership to');
    expect(first.status().alarms.map((alarm) => alarm.code)).toEqual(['CLOCK_OFF']);
    await cluster.propose(cluster.leader!, submit(1));
    await cluster.untilEqual();
    const passed = cluster.time.nowMs - beforeAt;
    expect(first.scheduler.logTimeMs - before).toBeLessThanOrEqual(passed + 10_100);
    expect(Math.abs(first.scheduler.logTimeMs - cluster.site(cluster.leader!.self).clock.wallMs())).toBeLessThan(100);
  });

  test('on a leader that nobody can take over from costs its availability only now and then', async () => {
    const cluster = await TestCluster.serving(5);
    const middle = cluster.leader!;
    for (const from of cluster.ids)
      for (const to of cluster.ids)
        if (from !== to && from !== middle.self && to !== middle.self) cluster.network.cut(from, to);
    await cluster.time.advance(1_000);
    const { term } = middle;
    cluster.site(middle.self).clock.jump(3_600_000);
    await cluster.time.advance(20_000);
    expect(cluster.logs.join('\n')).toContain('handing leadership to');
    expect(middle.term - term).toBeLessThan(10);
    expect(middle.status().alarms.map((alarm) => alarm.code)).toEqual(['CLOCK_OFF']);
    await cluster.time.until('the same leader', () => cluster.leader === middle);
  });

  test('among the followers moves nothing, however wrong it is: the median is right', async () => {
    const cluster = await TestCluster.serving(3);
    await cluster.time.advance(1_000);
    const [low, high] = cluster.followers;
    cluster.site(low!.self).clock.jump(-3_600_000);
    cluster.site(high!.self).clock.jump(3_600_000);
    await cluster.time.advance(3_000);
    expect(cluster.leader!.status().alarms).toEqual([]);
    const offsets = cluster.leader!.status().voters.map((voter) => Math.round((voter.clockOffsetMs ?? 0) / 1_000));
    expect(new Set(offsets)).toEqual(new Set([-3_600, 3_600]));
  });
});

test('the stamps of an earlier term that come with the first entry of the next one do not set log time back', async () => {
  const cluster = await TestCluster.serving(3);
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  await cluster.untilEqual();
  const [follower, sender] = cluster.followers;
  const stampMs = follower!.scheduler.logTimeMs + 1;
  const { lastIndex, lastTerm, term } = follower!.inspect()!.raft.status();
  for (const id of cluster.ids) cluster.network.isolate(id);
  await cluster.time.advance(30_000);
  const batch = new BatchWriter();
  batch.begin();
  const frame = new EnvelopeWriter().frame(
    {
      type: 'append-entries',
      from: sender!.self,
      to: follower!.self,
      term: term + 1,
      prevLogIndex: lastIndex,
      prevLogTerm: lastTerm,
      leaderCommit: 0,
      entries: [
        { index: lastIndex + 1, term, kind: EntryKind.command, data: batch.finish(stampMs) },
        { index: lastIndex + 2, term: term + 1, kind: EntryKind.noop, data: new Uint8Array(0) },
      ],
    },
    cluster.site(sender!.self).clock.wallMs(),
  );
  cluster.process(follower!.self).transport.receive(sender!.self, 'bulk', frame);
  await cluster.time.until('a durable entry', () => follower!.status().durableIndex === lastIndex + 2);
  expect(follower!.logTimeNowMs() - stampMs).toBeGreaterThan(29_000);
});

describe('a file whose members were edited after the founding', () => {
  async function startWith(cluster: TestCluster, members: readonly string[]): Promise<Peer> {
    for (const { peer } of cluster.running) await cluster.kill(peer.self);
    const [first] = cluster.config.members;
    cluster.config = { ...cluster.config, members: members.map((id) => ({ ...first!, id: peerId(id) })) };
    return cluster.start(P1);
  }

  const idsOf = (peer: Peer): string[] => peer.membership().members.map((member) => member.peer);

  test('lets no peer become a cluster of its own that forgets what the others hold', async () => {
    const cluster = await TestCluster.serving(3);
    const alone = await startWith(cluster, ['p1']);
    await cluster.time.advance(20_000);
    expect(alone.isLeader).toBe(false);
    expect(idsOf(alone)).toEqual(['p1', 'p2', 'p3']);
  });

  test('changes nothing about who votes once there is a checkpoint either', async () => {
    const cluster = await TestCluster.serving(3);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await cluster.time.advance(3_000);
    expect(cluster.peer(P1).status().checkpointIndex).toBeGreaterThan(0);
    const edited = await startWith(cluster, ['p1', 'p2', 'p4', 'p5']);
    expect(idsOf(edited)).toEqual(['p1', 'p2', 'p3']);
  });
});

describe('a first start', () => {
  test('waits for the member that is missing, and says for which', async () => {
    const cluster = new TestCluster(3);
    const p1 = await cluster.start(P1);
    await cluster.start(P2);
    await cluster.time.advance(10_000);
    expect(p1.status()).toMatchObject({
      state: 'founding',
      term: 0,
      reason: expect.stringContaining('waiting for p3'),
    });
    await cluster.start(P3);
    await cluster.untilServing();
    expect(p1.status()).toMatchObject({ state: 'serving', reason: undefined });
  });

  test('with a wiped directory keeps the peer out, with the sentence that says how to rejoin', async () => {
    const cluster = await TestCluster.serving(3);
    const wiped = cluster.followers[0]!.self;
    await cluster.kill(wiped);
    cluster.site(wiped).platter = new MemoryPlatter();
    const peer = await cluster.start(wiped);
    await cluster.time.advance(5_000);
    expect(peer.status()).toMatchObject({
      state: 'founding',
      reason: expect.stringContaining(`taskraft cluster replace ${wiped}`),
    });
    expect(cluster.leader?.status().membership.joining).toMatchObject([{ peer: wiped, replaces: true }]);
  });

  test('needs no founding again: two of three begin by themselves after all were down', async () => {
    const cluster = await TestCluster.serving(3);
    for (const id of cluster.ids) await cluster.kill(id);
    await cluster.start(P1);
    await cluster.start(P3);
    expect(await cluster.untilServing()).toBeDefined();
  });
});

test('all peers have the log time of the leader, and it never goes back, whoever leads', async () => {
  const cluster = await TestCluster.serving(3);
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  for (let round = 0; round < 3; round += 1) {
    const stamps = new Set<number>();
    const leader = cluster.leader!;
    const before = leader.scheduler.logTimeMs;
    await cluster.propose(leader, submit(round + 1));
    stamps.add(leader.scheduler.logTimeMs);
    await cluster.untilEqual();
    for (const { peer } of cluster.running) stamps.add(peer.scheduler.logTimeMs);
    expect(stamps.size).toBe(1);
    expect(leader.scheduler.logTimeMs).toBeGreaterThanOrEqual(before);
    await cluster.kill(leader.self);
    await cluster.untilServing();
    await cluster.start(leader.self);
  }
});
