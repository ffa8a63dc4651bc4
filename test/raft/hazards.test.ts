import { describe, expect, it } from 'vitest';
import { encodeMembers } from '../../src/raft/configuration.ts';
import { RAFT_DEFAULTS, validateRaftOptions } from '../../src/raft/options.ts';
import { Raft } from '../../src/raft/raft.ts';
import type { FetchRequest } from '../../src/raft/ready.ts';
import { RAFT_FRESH } from '../../src/raft/types.ts';
import { SeededRandom } from '../../src/base/random.ts';
import { Cluster } from './support/cluster.ts';
import { Disk, bytes } from './support/disk.ts';
import { Lab, append, n, only } from './support/lab.ts';

describe('promises and the disk', () => {
  it('a request for votes leaves only when the own term and vote are durable', () => {
    const lab = new Lab();
    lab.member.diskStalled = true;
    lab.becomeCandidate();
    expect(lab.raft.status()).toMatchObject({ role: 'candidate', term: 1 });
    expect(lab.tick(50)).toEqual([]);
    // Its time has not run either: nobody was asked.
    expect(lab.raft.status()).toMatchObject({ role: 'candidate', term: 1 });
    expect(only(lab.sync(), 'vote-request')).toHaveLength(2);
  });

  it('votes of others do not make a leader of a peer whose own term is not durable', () => {
    const lab = new Lab();
    lab.member.diskStalled = true;
    lab.becomeCandidate();
    const vote = { type: 'vote-response', term: 1, granted: true } as const;
    lab.hears('n2', vote);
    // Two grants that answer no request can only come from a life before; the core says so instead of leading.
    expect(() => lab.hears('n3', vote)).toThrow('durable');
  });

  it('a grant leaves only when the vote is durable, and a crash before it leaves the vote free', () => {
    const lab = new Lab();
    lab.member.diskStalled = true;
    const ask = { type: 'vote-request', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false } as const;
    expect(lab.hears('n2', ask)).toEqual([]);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.hears('n3', ask)).toEqual([]);
    expect(lab.sync()).toMatchObject([{ type: 'vote-response', to: 'n3', granted: true }]);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    lab.member.diskStalled = false;
    expect(lab.hears('n2', ask)).toMatchObject([{ granted: false }]);
    expect(lab.hears('n3', ask)).toMatchObject([{ granted: true }]);
  });

  it('an acknowledgement is void once a later leader has overwritten what it vouches for', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 1, 1, [1]));
    lab.hears('n2', append(1, 2, 1, [1]));
    // Entry 2 is being written, entry 3 and its promise wait. Term 2 overwrites both: when the write ends, the disk holds
    // entry 2 of term 1 and the log another one, so the promise that waited for it is not kept any more.
    lab.hears('n3', append(2, 1, 1, [2]));
    expect(lab.sync()).toEqual([]);
    expect(lab.sync()).toMatchObject([{ type: 'append-accepted', to: 'n3', term: 2, matchIndex: 2 }]);
    expect(lab.sent()).toEqual([]);
    expect(lab.member.disk.entries.map(({ term }) => term)).toEqual([1, 2]);
  });

  it('a late write does not make entries durable that took the place of what it wrote', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 1, 1, [1, 1]));
    lab.hears('n3', append(2, 2, 1, [2], 3));
    expect(lab.raft.status()).toMatchObject({ lastIndex: 3, durableIndex: 1, commitIndex: 3 });
    lab.sync();
    // Entry 2 is as it was written; entry 3 is another one, not yet on disk.
    expect(lab.raft.status()).toMatchObject({ durableIndex: 2 });
    expect(lab.member.applied.map(({ index }) => index)).toEqual([1, 2]);
    lab.sync();
    expect(lab.raft.status()).toMatchObject({ durableIndex: 3 });
    expect(lab.member.applied.map(({ term }) => term)).toEqual([1, 1, 2]);
  });

  it('a term that comes back to the same entry writes it again', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 1, 1, [1]));
    lab.hears('n3', append(2, 1, 1, [2]));
    lab.hears('n2', append(3, 1, 1, [3]));
    lab.sync();
    expect(lab.raft.status().durableIndex).toBe(1);
    lab.sync();
    expect(lab.member.disk.entries.map(({ term }) => term)).toEqual([1, 3]);
    expect(lab.raft.status().durableIndex).toBe(2);
  });

  it('cutting the log lowers what counts as durable at once', () => {
    const lab = new Lab({ log: [1, 1, 1, 1], term: 1 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(2, 2, 1, [2]));
    expect(lab.raft.status()).toMatchObject({ lastIndex: 3, durableIndex: 2 });
  });

  it('a batch is acknowledged once, by what it carried', () => {
    const lab = new Lab();
    lab.member.diskStalled = true;
    lab.becomeCandidate();
    const ack = lab.member.disk.pending?.ack ?? { sequence: 0, term: 0, lastIndex: 0, lastTerm: 0 };
    expect(() => lab.raft.persisted({ ...ack, sequence: ack.sequence + 1 })).toThrow('acknowledged, once');
    lab.sync();
    expect(() => lab.raft.persisted(ack)).toThrow('acknowledged, once');
  });

  it('a new leader counts its empty entry only when its own copy is durable', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeCandidate();
    lab.member.diskStalled = true;
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'vote-response', term: 1, granted: true });
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 1 });
    expect(lab.raft.commitIndex).toBe(0);
    lab.sync();
    expect(lab.raft.commitIndex).toBe(1);
  });

  it('a log that grew by more than a batch is written piece by piece, each acknowledged as far as it goes', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(2, 1, 1, [2]));
    lab.hears(
      'n2',
      append(
        2,
        2,
        2,
        Array.from({ length: 2_500 }, () => 2),
      ),
    );
    lab.hears('n2', { type: 'pre-vote-request', term: 3, lastLogIndex: 5_000, lastLogTerm: 2 });
    const acknowledged: number[] = [];
    let written = 1;
    while (lab.member.disk.pending !== undefined) {
      const { entries } = lab.member.disk.pending;
      expect(entries.length).toBeLessThanOrEqual(1_024);
      expect(entries[0]?.index).toBe(written + 1);
      written += entries.length;
      const sent = lab.sync();
      for (const { matchIndex } of only(sent, 'append-accepted')) acknowledged.push(matchIndex);
      // What rests on the whole log waits for the whole log.
      expect(only(sent, 'pre-vote-response')).toHaveLength(written === 2_502 ? 1 : 0);
      expect(lab.raft.status().durableIndex).toBe(written);
    }
    expect(acknowledged).toEqual([2, 1_026, 2_050, 2_502]);
    expect(lab.member.disk.entries).toHaveLength(2_502);
  });

  it('while a disk hangs, what waits for it stays bounded', () => {
    const lab = new Lab({ log: [1], term: 3 });
    lab.member.diskStalled = true;
    for (let count = 0; count < 1_000; count += 1) {
      lab.hears('n2', append(4, 1, 1, []));
      lab.hears('n2', append(4, 9, 4, []));
      lab.hears('n3', append(1, 1, 1, []));
    }
    expect(lab.raft.inspect().persistence.promisesWaiting).toBeLessThanOrEqual(4);
  });

  it('an entry is handed to apply only when it is durable here, however committed it is', () => {
    const lab = new Lab();
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 0, 0, [1, 1], 2));
    lab.hears('n2', { type: 'heartbeat', term: 1, commit: 2, readRound: 0 });
    expect(lab.raft.commitIndex).toBe(2);
    expect(lab.member.applied).toEqual([]);
    lab.sync();
    expect(lab.member.applied).toHaveLength(2);
  });
});

describe('a leader and stale or lost messages', () => {
  it('a rejection counts once: an old one moves nothing', () => {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.becomeLeader();
    const reject = (rejectedIndex: number, hintIndex: number) =>
      lab.hears('n2', { type: 'append-rejected', term: 2, rejectedIndex, hintIndex, hintTerm: 1 });
    expect(reject(3, 3)).toEqual([]);
    expect(reject(2, 1)).toMatchObject([{ type: 'append-entries', to: 'n2', prevLogIndex: 1 }]);
    expect(reject(2, 1)).toEqual([]);
    lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 3 });
    lab.sent();
    expect(reject(3, 1)).toEqual([]);
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 3, nextIndex: 4, state: 'replicate' });
  });

  it('what was acknowledged never falls, whatever comes late', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.propose('a');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 1 });
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 99 });
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 2, nextIndex: 3 });
    expect(lab.raft.commitIndex).toBe(2);
  });

  it('a full window stops; each acknowledgement lets the next message go, an old one none', () => {
    const lab = new Lab({ options: { maxInflightMessages: 3 } });
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 1 });
    lab.sent();
    const toN2 = (messages: ReturnType<Lab['sent']>): number[] =>
      only(messages, 'append-entries')
        .filter(({ to, entries }) => to === 'n2' && entries.length > 0)
        .map(({ prevLogIndex }) => prevLogIndex);
    expect(['a', 'b', 'c', 'd', 'e'].flatMap((text) => toN2(lab.propose(text)))).toEqual([1, 2, 3]);
    expect(toN2(lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 1 }))).toEqual([]);
    expect(toN2(lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 }))).toEqual([4]);
    expect(lab.raft.status().peers[0]).toMatchObject({ inflightMessages: 3, inflightBytes: 4 });
  });

  it('the window is bounded in bytes, too, and one message may go over', () => {
    const lab = new Lab({ options: { maxAppendBytes: 4, maxInflightBytes: 10 } });
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 1 });
    for (let count = 0; count < 6; count += 1) lab.propose('1234567');
    expect(lab.raft.status().peers[0]).toMatchObject({ inflightMessages: 2, inflightBytes: 14 });
  });

  it('an answer to a heartbeat lets exactly one empty append through a full window', () => {
    const lab = new Lab({ options: { maxInflightMessages: 1 } });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('a');
    lab.propose('b');
    lab.sent();
    const [probe, ...more] = only(
      lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0 }),
      'append-entries',
    );
    expect(probe).toMatchObject({ prevLogIndex: 2, entries: [] });
    expect(more).toEqual([]);
    expect(lab.propose('c')).toEqual([]);
  });

  it('a probe is sent once, and again only after a sign of life', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.sent();
    for (let count = 0; count < 10; count += 1) expect(lab.propose('x')).toEqual([]);
    expect(
      only(lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0 }), 'append-entries'),
    ).toMatchObject([{ prevLogIndex: 0 }]);
    expect(lab.propose('x')).toEqual([]);
  });

  it('a lost connection starts again from what was acknowledged, without waiting for a heartbeat', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    for (const letter of 'abc') lab.propose(letter);
    lab.sent();
    lab.cluster.with('n1', (raft) => raft.peerUnreachable(n(2)));
    const [again, ...more] = only(lab.sent(), 'append-entries');
    expect(again).toMatchObject({ to: 'n2', prevLogIndex: 1 });
    expect(again?.entries).toHaveLength(3);
    expect(more).toEqual([]);
  });

  it('what was read for a follower in an earlier leadership is not sent once it was overwritten', () => {
    const lab = new Lab({ log: [1, 1, 1, 1, 1, 1], term: 1 });
    lab.member.fetchStalled = true;
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-rejected', term: 2, rejectedIndex: 6, hintIndex: 1, hintTerm: 1 });
    const request = lab.member.fetch;
    expect(request).toMatchObject({ from: 2, to: 3, forPeer: 'n2' });
    const read = lab.member.disk.read(2, 3, 100);
    // Term 3 writes another log; then n1 leads term 4 and n2 needs the same place again.
    lab.hears('n3', append(3, 1, 1, [3, 3, 3]));
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-rejected', term: 4, rejectedIndex: 4, hintIndex: 1, hintTerm: 1 });
    lab.sent();
    lab.cluster.with('n1', (raft) => raft.fetched(request as FetchRequest, read));
    for (const { entries } of only(lab.sent(), 'append-entries')) {
      for (const entry of entries) expect(entry.term).toBe(lab.terms[entry.index - 1]);
    }
  });

  it('a heartbeat names at most what its receiver acknowledged', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.propose('a');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(only(lab.tick(), 'heartbeat').map(({ to, commit }) => [to, commit])).toEqual([
      ['n2', 2],
      ['n3', 0],
    ]);
  });

  it('a second leader of its term is a broken promise, and stops the peer', () => {
    const lab = new Lab();
    lab.becomeLeader();
    expect(() => lab.hears('n2', append(1, 0, 0, []))).toThrow('n2 leads term 1 too');
  });
});

describe('limits', () => {
  it('proposals are refused beyond the uncommitted bytes, one too large is taken alone, and applying makes room', () => {
    const lab = new Lab({ options: { maxUncommittedBytes: 16 } });
    lab.becomeLeader();
    lab.acknowledgeAll();
    const propose = (size: number): boolean =>
      lab.cluster.with('n1', (raft) => raft.propose(new Uint8Array(size)).accepted);
    expect([propose(8), propose(8), propose(1), propose(0)]).toEqual([true, true, false, true]);
    lab.acknowledgeAll();
    expect(lab.raft.status().uncommittedBytes).toBe(0);
    expect([propose(2048), propose(1)]).toEqual([true, false]);
    expect(lab.raft.propose(new Uint8Array(1))).toEqual({ accepted: false, reason: 'uncommitted-limit', leader: 'n1' });
    lab.acknowledgeAll();
    expect(propose(1)).toBe(true);
  });

  it('entries of older leaderships do not count against this one when they are applied', () => {
    const lab = new Lab({ log: [1, 1, 1], term: 1, options: { maxUncommittedBytes: 100 } });
    lab.becomeLeader();
    lab.propose('12345');
    lab.member.applyStalled = true;
    lab.acknowledgeAll();
    expect(lab.raft.status().uncommittedBytes).toBe(5);
    lab.cluster.apply('n1');
    expect(lab.raft.status().uncommittedBytes).toBe(0);
  });

  it('what is handed out to apply is bounded in bytes, goes on with each acknowledgement, and skips nothing', () => {
    const lab = new Lab({ options: { maxApplyBytes: 8 } });
    lab.member.applyStalled = true;
    lab.hears('n2', { ...append(1, 0, 0, [1, 1, 1, 1, 1, 1]), leaderCommit: 6 });
    const sizes: number[] = [];
    while (lab.member.unapplied.length > 0) {
      sizes.push(lab.member.unapplied.length);
      lab.cluster.apply('n1');
    }
    // Entries of three bytes; the third goes over the eight.
    expect(sizes).toEqual([3, 3]);
    expect(lab.member.applied.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('entries leave memory by budget, never before they are durable, and their terms stay known', () => {
    const lab = new Lab({ options: { maxEntriesInMemoryBytes: 300 } });
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 0, 0, [1, 1, 1, 1, 1, 1]));
    expect(lab.raft.inspect().log.memoryFirst).toBe(1);
    lab.sync();
    expect(lab.raft.inspect().log.memoryFirst).toBe(5);
    expect(lab.terms).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('options are refused with every problem named', () => {
    const bad = {
      ...RAFT_DEFAULTS,
      self: n(9),
      isSelf: () => true,
      heartbeatIntervalTicks: 40,
      persistTimeoutTicks: 10,
      maxInflightBytes: 5,
      maxApplyBytes: 0.5,
      random: new SeededRandom(1),
    };
    expect(validateRaftOptions(bad)).toHaveLength(4);
    const restored = { ...RAFT_FRESH, configurations: [{ index: 0, data: encodeMembers([]) }] };
    expect(() => new Raft(bad, restored)).toThrow(/maxApplyBytes is 0.5/);
    expect(validateRaftOptions({ ...bad, ...RAFT_DEFAULTS })).toEqual([]);
  });
});

describe('the leader is gone', () => {
  it('forgetting it is for followers that have one, and keeps term and vote', () => {
    const lab = new Lab({ options: { earlyElectionTicks: 5 } });
    const leave = (): void => lab.cluster.with('n1', (raft) => raft.leaderConnectionLost());
    leave();
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 0 });
    lab.hears('n2', { type: 'heartbeat', term: 3, commit: 0, readRound: 0 });
    leave();
    expect(lab.raft.status()).toMatchObject({ leader: undefined, term: 3 });
    leave();
    lab.tick(5);
    expect(lab.raft.role).toBe('pre-candidate');
    lab.becomeLeader();
    leave();
    expect(lab.raft.role).toBe('leader');
  });

  it('however both followers time it, one leads within a fraction of the election timeout', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const cluster = new Cluster({
        peers: ['n1', 'n2', 'n3'],
        seed,
        options: { electionTimeoutTicks: 50, persistTimeoutTicks: 200, earlyElectionTicks: 3 },
      });
      cluster.elect('n1');
      cluster.pass(2);
      cluster.crash('n1');
      for (const name of ['n2', 'n3']) cluster.with(name, (raft) => raft.leaderConnectionLost());
      cluster.run();
      cluster.pass(4);
      expect(
        ['n2', 'n3'].filter((name) => cluster.raft(name).role === 'leader'),
        `seed ${seed}`,
      ).toHaveLength(1);
      expect(cluster.raft('n2').term).toBe(2);
    }
  });

  it('the one with more of the log asks anew whoever noticed later, whose ear it did not have before', () => {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.cluster.timeout('n1');
    // n3 still heard the leader, so that it let this request pass without a word.
    expect(only(lab.sent(), 'pre-vote-request')).toHaveLength(2);
    const said = lab.hears('n3', { type: 'pre-vote-request', term: 2, lastLogIndex: 1, lastLogTerm: 1 });
    expect(only(said, 'pre-vote-response')).toMatchObject([{ to: 'n3', granted: false }]);
    expect(only(said, 'pre-vote-request')).toMatchObject([{ to: 'n3', term: 2, lastLogIndex: 2 }]);
    lab.hears('n3', { type: 'pre-vote-response', term: 2, granted: true });
    expect(lab.raft.role).toBe('candidate');
  });
});

describe('one-way partitions', () => {
  it('a leader that nobody hears is replaced, and follows', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.cut('n1', 'n2');
    cluster.cut('n1', 'n3');
    cluster.pass(100);
    expect(cluster.raft('n1').role).not.toBe('leader');
    const [leader] = ['n2', 'n3'].filter((name) => cluster.raft(name).role === 'leader');
    cluster.with(leader as string, (raft) => raft.propose(bytes('a')));
    cluster.heal();
    cluster.pass(20);
    expect(cluster.raft('n1').commitIndex).toBe(cluster.raft(leader as string).commitIndex);
  });

  it('a follower that hears nobody disturbs nobody', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.cut('n1', 'n3');
    cluster.cut('n2', 'n3');
    cluster.pass(300);
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1 });
  });

  it('the only peer that a majority can reach is elected, though others with as much of the log stand too', () => {
    const peers = ['n1', 'n2', 'n3', 'n4', 'n5'];
    for (let seed = 1; seed <= 20; seed += 1) {
      const cluster = new Cluster({ peers, seed });
      for (const from of peers) for (const to of peers) if (from !== 'n1' && to !== 'n1') cluster.cut(from, to);
      let ticks = 0;
      for (; cluster.raft('n1').role !== 'leader' && ticks < 300; ticks += 1) cluster.pass(1);
      expect(cluster.raft('n1').role).toBe('leader');
      cluster.pass(100);
      expect(cluster.raft('n1').role).toBe('leader');
    }
  });

  it('a leader cut off with one follower of five steps down, and its entries never commit', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'], disks: { n3: Disk.withLog([]) } });
    cluster.elect('n1');
    for (const inside of ['n1', 'n2'])
      for (const outside of ['n3', 'n4', 'n5']) {
        cluster.cut(inside, outside);
        cluster.cut(outside, inside);
      }
    cluster.with('n1', (raft) => raft.propose(bytes('lost')));
    cluster.pass(100);
    expect(cluster.raft('n1').role).not.toBe('leader');
    cluster.heal();
    cluster.pass(100);
    const logs = cluster.members.map(({ disk }) => disk.entries.filter(({ data }) => data.length > 0).length);
    expect(logs).toEqual([0, 0, 0, 0, 0]);
  });
});
