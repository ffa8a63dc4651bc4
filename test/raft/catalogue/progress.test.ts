import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryKind } from '../../../src/raft/types.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

const alive = (term: number) => ({ type: 'heartbeat-response', term, readRound: 0 }) as const;

/** How n1, which leads, sees `name`. */
function seen(cluster: Cluster, name: string): unknown {
  return cluster
    .raft('n1')
    .status()
    .peers.find(({ peer }) => peer === name);
}

function propose(cluster: Cluster, name: string, words: string): void {
  for (const word of words.split(' ')) cluster.with(name, (raft) => raft.propose(bytes(word)));
}

describe('a follower whose window is full', () => {
  it('is told to fetch a state when what was lost is compacted meanwhile (etcd: slow_follower_after_compaction)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], options: { maxInflightMessages: 2 } });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.cut('n1', 'n3');
    propose(cluster, 'n1', 'a b c d');
    cluster.run();
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'replicate', matchIndex: 1, inflightMessages: 2 });
    cluster.compact('n1', 5);
    cluster.heal();
    // The heartbeat is answered, the empty append that follows is refused, and what it would need is gone.
    cluster.tick('n1');
    cluster.run();
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'snapshot', inflightMessages: 0 });
    cluster.pass(2);
    expect(cluster.member('n3').snapshotNeeded).toBe(4);
    cluster.install('n3', 'n1');
    cluster.pass(2);
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'replicate', matchIndex: 5 });
  });

  it('goes on without a state when what it holds reaches that far after all (etcd-io/raft #31)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], options: { maxInflightMessages: 2 } });
    cluster.elect('n1');
    cluster.pass(2);
    // It gets everything, and its acknowledgements are lost.
    cluster.cut('n3', 'n1');
    propose(cluster, 'n1', 'a b');
    cluster.run();
    expect(cluster.raft('n3').lastIndex).toBe(3);
    cluster.compact('n1', 4);
    propose(cluster, 'n1', 'c');
    cluster.run();
    cluster.heal();
    cluster.pass(3);
    expect(cluster.member('n3').snapshotNeeded).toBeUndefined();
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'replicate', matchIndex: 4 });
  });
});

describe('a follower that has everything', () => {
  it('replicates again after its connection broke, without a new entry (etcd: heartbeat_resp_recovers_from_probing)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.cut('n1', 'n2');
    cluster.with('n1', (raft) => raft.peerUnreachable(n(2)));
    cluster.run();
    expect(seen(cluster, 'n2')).toMatchObject({ state: 'probe', matchIndex: 1, nextIndex: 2 });
    cluster.heal();
    cluster.tick('n1');
    cluster.run();
    expect(seen(cluster, 'n2')).toMatchObject({ state: 'replicate', matchIndex: 1, nextIndex: 2 });
  });

  it('is sent nothing for its answers to heartbeats (etcd: TestHandleHeartbeatResp)', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.sent();
    for (let count = 0; count < 3; count += 1) {
      lab.tick();
      expect(lab.hears('n2', alive(1))).toEqual([]);
    }
    lab.propose('x');
    // Now it lacks something, and each answer brings an append until it has it.
    expect(only(lab.hears('n2', alive(1)), 'append-entries')).toHaveLength(1);
    expect(only(lab.hears('n2', alive(1)), 'append-entries')).toHaveLength(1);
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.sent();
    expect(lab.hears('n2', alive(1))).toEqual([]);
  });
});

describe('two logs that differ', () => {
  /** Terms of a log: never falling. */
  const log = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 })), { maxLength: 6 })
    .map((runs) =>
      runs
        .toSorted(([left], [right]) => left - right)
        .flatMap(([term, count]) => Array.from({ length: count }, () => term)),
    );

  it('are brought together in at most one question for each term of either (etcd: TestFastLogRejection, thesis §3.5)', () => {
    fc.assert(
      fc.property(log, log, (ours, theirs) => {
        // Logs of one history: an entry of the same term at the same index has the same before it.
        let same = 0;
        while (same < Math.min(ours.length, theirs.length) && ours[same] === theirs[same]) same += 1;
        for (let at = same; at < Math.min(ours.length, theirs.length); at += 1) fc.pre(ours[at] !== theirs[at]);
        const disks = { n1: Disk.withLog(ours, 9), n2: Disk.withLog(theirs, 9), n3: Disk.withLog([], 9) };
        const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks });
        cluster.isolate('n2');
        cluster.elect('n1');
        cluster.pass(1);
        cluster.heal();
        let refused = 0;
        cluster.onSend = (message) => {
          if (message.type === 'append-rejected') refused += 1;
        };
        cluster.tick('n1');
        cluster.run();
        cluster.onSend = undefined;
        expect(refused).toBeLessThanOrEqual(Math.min(new Set(ours).size, new Set(theirs).size) + 2);
        expect(cluster.member('n2').disk.entries).toEqual(cluster.member('n1').disk.entries);
      }),
      { numRuns: 60 },
    );
  });

  it('agree nowhere by an index alone: the term of what was compacted is sent along (atomix #1036, #1040)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    // n1 appends what nobody gets; n2 leads, commits as many entries, and compacts right behind them.
    cluster.isolate('n1');
    propose(cluster, 'n1', 'x y');
    cluster.crash('n1');
    cluster.elect('n2');
    propose(cluster, 'n2', 'a');
    cluster.pass(2);
    expect([cluster.member('n1').disk.lastIndex, cluster.raft('n2').commitIndex]).toEqual([3, 3]);
    cluster.compact('n2', 4);
    cluster.heal();
    cluster.restart('n1');
    cluster.pass(3);
    expect(cluster.raft('n1').commitIndex, 'nothing of its own').toBe(0);
    expect(cluster.member('n1').snapshotNeeded).toBe(3);
    cluster.install('n1', 'n2');
    cluster.pass(2);
    expect(cluster.raft('n1').commitIndex).toBe(3);
  });
});

describe('what counts for a commit', () => {
  it('is no refusal, however much its sender says to hold (CCF: commit on a negative answer)', () => {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.becomeLeader();
    lab.propose('x');
    for (const peer of ['n2', 'n3'])
      for (const hintIndex of [0, 1, 2])
        lab.hears(peer, { type: 'append-rejected', term: 2, rejectedIndex: 2, hintIndex, hintTerm: 1 });
    expect(lab.raft.commitIndex).toBe(0);
    expect(lab.raft.status().peers.map(({ matchIndex }) => matchIndex)).toEqual([0, 0]);
  });

  it('is no old entry that a follower got in a later term, though a majority has it (nats-server #6944)', () => {
    // n1 led term 1 and n2 term 2, neither to the end; n3 voted for both. n1 leads again and brings n3 what it lacks, entry by entry.
    for (const whole of [false, true]) {
      const n3 = Disk.withLog([1, 1], 2, n(2));
      const disks = { n1: Disk.withLog([1, 1, 1, 1]), n2: Disk.withLog([1, 1, 2], 2, n(2)), n3 };
      const options = { maxAppendBytes: 1, maxInflightMessages: 1 };
      const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks, options });
      cluster.crash('n2');
      cluster.onSend = ({ type }) => {
        // Up to the last entry of term 1 and no further, or to the end.
        if (!whole && type === 'append-accepted' && n3.lastIndex >= 4) cluster.cut('n3', 'n1');
      };
      cluster.elect('n1');
      cluster.pass(3);
      const { commitIndex } = cluster.raft('n1');
      expect([n3.lastIndex, commitIndex]).toEqual(whole ? [5, 5] : [4, 0]);
      cluster.crash('n1');
      cluster.heal();
      cluster.restart('n2');
      cluster.pass(80);
      // What was committed stays; what was not may go, though a majority had it.
      const leader = whole ? 'n3' : 'n2';
      expect(cluster.raft(leader).role).toBe('leader');
      expect(cluster.member('n2').disk.entries).toEqual(n3.entries);
      expect(n3.entries.slice(0, 4).map(({ term }) => term)).toEqual(
        whole ? [1, 1, 1, 1] : [1, 1, 2, n3.entries[3]?.term],
      );
    }
  });

  it('is nothing that a leader of an older term sent after the vote (nats-server #6951, redpanda: protect from stale appends)', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.hears('n3', { type: 'vote-request', term: 2, lastLogIndex: 1, lastLogTerm: 1, transfer: false });
    const answers = lab.hears('n2', append(1, 1, 1, [1, 1], 3));
    expect(answers).toMatchObject([{ type: 'append-rejected', term: 2, rejectedIndex: 0 }]);
    expect(lab.raft.status()).toMatchObject({ lastIndex: 1, commitIndex: 0, term: 2, votedFor: 'n3' });
  });
});

describe('a term', () => {
  it('never goes back: not with a log that is cut, nor at a start after that (nats-server #5684, #5975)', () => {
    const lab = new Lab({ log: [1, 3, 3, 3], term: 7, vote: 'n3' });
    lab.hears('n2', append(8, 1, 1, [4]));
    expect(lab.terms).toEqual([1, 4]);
    expect(lab.raft.term).toBe(8);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.raft.status()).toMatchObject({ term: 8, votedFor: undefined });
    const [answer] = only(
      lab.hears('n3', { type: 'vote-request', term: 7, lastLogIndex: 9, lastLogTerm: 7, transfer: false }),
      'vote-response',
    );
    expect(answer, 'nobody votes in a term that is over').toBeUndefined();
    expect(lab.raft.status()).toMatchObject({ term: 8, votedFor: undefined });
  });

  it('that was only heard of is kept, too, before anybody is answered in it', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.member.diskStalled = true;
    expect(lab.hears('n2', append(5, 1, 1, []))).toEqual([]);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.raft.term).toBe(1);
    lab.hears('n2', append(5, 1, 1, []));
    expect(lab.sync()).toMatchObject([{ type: 'append-accepted', term: 5 }]);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.raft.term).toBe(5);
  });
});

describe('leadership that is handed to a follower', () => {
  it('that needs a state first waits for it, and goes on when that takes too long (etcd: TestLeaderTransferAfterSnapshot)', () => {
    for (const inTime of [true, false]) {
      const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
      cluster.elect('n1');
      cluster.pass(2);
      cluster.isolate('n3');
      propose(cluster, 'n1', 'a b');
      cluster.pass(2);
      cluster.compact('n1', 4);
      cluster.heal();
      cluster.pass(2);
      expect(seen(cluster, 'n3')).toMatchObject({ state: 'snapshot' });
      expect(cluster.with('n1', (raft) => raft.transferLeadership(n(3)))).toEqual({ started: true, to: 'n3' });
      cluster.pass(inTime ? 2 : 12);
      cluster.install('n3', 'n1');
      cluster.pass(3);
      expect(cluster.raft('n3').role).toBe(inTime ? 'leader' : 'follower');
      expect(cluster.raft('n3').leader).toBe(inTime ? 'n3' : 'n1');
      expect(cluster.with('n1', (raft) => raft.propose(bytes('x'))).accepted).toBe(!inTime);
    }
  });

  it('of seven is told once, and no other one stands (hashicorp/raft: LeadershipTransferWithSevenNodes)', () => {
    const peers = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'];
    const cluster = new Cluster({ peers });
    cluster.elect('n1');
    cluster.pass(2);
    const told: string[] = [];
    cluster.onSend = ({ type, to }) => {
      if (type === 'timeout-now') told.push(to);
    };
    for (const to of [5, 2, 7]) {
      const [{ id } = { id: '' }] = cluster.members.filter(({ raft }) => raft.role === 'leader');
      cluster.with(id, (raft) => raft.transferLeadership(n(to)));
      cluster.pass(2);
      expect(cluster.members.filter(({ raft }) => raft.role === 'leader').map((member) => member.id)).toEqual([
        `n${to}`,
      ]);
    }
    expect(told).toEqual(['n5', 'n2', 'n7']);
    expect(cluster.raft('n7').term).toBe(4);
  });
});

describe('a leader that a majority cannot answer', () => {
  it('takes no more than it may hold, and the rest is refused, not kept (etcd: TestRawNodeBoundedLogGrowthWithPartition)', () => {
    const cluster = new Cluster({
      peers: ['n1', 'n2', 'n3'],
      options: { maxUncommittedBytes: 64 },
    });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.isolate('n1');
    let taken = 0;
    for (let count = 0; count < 1_000; count += 1) {
      if (cluster.with('n1', (raft) => raft.propose(bytes('12345678'))).accepted) taken += 1;
    }
    expect(taken).toBe(8);
    expect(cluster.raft('n1').lastIndex).toBe(9);
    cluster.heal();
    cluster.pass(3);
    expect(cluster.raft('n1').status()).toMatchObject({ commitIndex: 9, uncommittedBytes: 0 });
    for (const { applied } of cluster.members)
      expect(applied.filter(({ kind }) => kind === EntryKind.command)).toHaveLength(8);
  });

  it('sends what it took in pieces when it can again (etcd: TestAppendPagination)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], options: { maxAppendBytes: 64, maxInflightBytes: 256 } });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.cut('n1', 'n3');
    propose(cluster, 'n1', Array.from({ length: 40 }, () => '0123456789abcdef').join(' '));
    cluster.run();
    let largest = 0;
    let full = 0;
    cluster.onSend = (message) => {
      if (message.type !== 'append-entries' || message.to !== n(3)) return;
      const size = message.entries.reduce((sum, { data }) => sum + data.length, 0);
      largest = Math.max(largest, size);
      if (size === 64) full += 1;
    };
    cluster.heal();
    cluster.pass(2);
    expect(largest).toBe(64);
    expect(full).toBeGreaterThanOrEqual(9);
    expect(cluster.raft('n3').commitIndex).toBe(41);
  });
});
