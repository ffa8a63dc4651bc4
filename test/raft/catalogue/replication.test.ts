import { describe, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

/** Terms of what a disk holds. */
const terms = (disk: Disk): number[] => disk.entries.map(({ term }) => term);

describe('what a leader may call committed (etcd: TestCommit)', () => {
  // Matches of all voters, the leader's first; its log; the index that is committed.
  it.each([
    [[2, 1, 1], [1, 2], 0],
    [[2, 1, 2], [1, 2], 2],
    [[2, 1, 2], [1, 1], 0],
    [[2, 1, 1, 1], [1, 2], 0],
    [[2, 1, 1, 2], [1, 2], 0],
    [[2, 1, 2, 2], [1, 2], 2],
    [[2, 1, 2, 2], [1, 1], 0],
    [[2, 2, 2, 1, 1], [1, 2], 2],
    [[2, 2, 1, 1, 1], [1, 2], 0],
  ] as const)('matches %j of a log %j: %i', (matches, log, committed) => {
    // Term 2 is that of the leader. Where its log ends before, it has opened no term that counts.
    const lab = new Lab({ voters: matches.length, log: log.slice(0, 1), term: 1 });
    lab.becomeLeader();
    expect(lab.terms).toEqual([1, 2]);
    const { role } = lab.raft.inspect();
    if (role.name !== 'leader') throw new Error('n1 leads');
    for (const [at, progress] of role.peers.entries()) {
      // An entry of term 1 at 2 stands for a commit that the rule forbids: nobody acknowledged the one of term 2.
      const matchIndex = Math.min(matches[at + 1] ?? 0, log[1] === 2 ? 2 : 1);
      lab.hears(progress.peer, { type: 'append-accepted', term: 2, matchIndex });
    }
    expect(lab.raft.commitIndex).toBe(committed);
  });

  it('not without an entry of its own term on a majority, whatever else is there (etcd: TestCannotCommitWithoutNewTermEntry)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'] });
    cluster.elect('n1');
    cluster.pass(1);
    for (const name of ['n3', 'n4', 'n5']) cluster.cut('n1', name);
    for (const letter of 'ab') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.run();
    expect(cluster.raft('n1').commitIndex).toBe(1);
    cluster.heal();
    cluster.with('n1', (raft) => raft.transferLeadership('best'));
    // n2 leads with both entries, and its own does not get out.
    for (const name of ['n3', 'n4', 'n5']) cluster.cut('n1', name);
    for (let step = 0; step < 50 && cluster.raft('n2').role !== 'leader'; step += 1) cluster.deliver(0);
    cluster.packets = cluster.packets.filter((packet) => packet.from !== 'n2');
    expect(cluster.raft('n2').status()).toMatchObject({ role: 'leader', commitIndex: 1 });
    cluster.heal();
    cluster.pass(3);
    expect(cluster.raft('n2').commitIndex).toBe(4);
  });
});

describe('logs that differ', () => {
  it('a minority with a later term loses to the first leader that a majority can follow (etcd: TestLeaderElectionOverwriteNewerLogs)', () => {
    const disks = {
      n1: Disk.withLog([1]),
      n2: Disk.withLog([1]),
      n3: Disk.withLog([2]),
      n4: Disk.withLog([], 2, n(3)),
      n5: Disk.withLog([], 2, n(3)),
    };
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'], disks });
    cluster.isolate('n3');
    cluster.elect('n1');
    cluster.heal();
    cluster.pass(5);
    // n1 began in term 1 and had to learn of the one that its voters knew.
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 3 });
    for (const { disk } of cluster.members) expect(terms(disk)).toEqual([1, 3]);
  });

  it('what a leader of an older term sent stays without effect (etcd: TestOldMessages)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    for (const name of ['n1', 'n2', 'n1']) {
      cluster.elect(name);
      cluster.pass(12);
      const leader = cluster.members.find(({ raft }) => raft.role === 'leader');
      if (name === 'n2' || leader?.id !== 'n1') cluster.isolate(leader?.id ?? 'n1');
      else cluster.isolate('n1');
      cluster.pass(30);
      cluster.heal();
      cluster.pass(5);
    }
    const leader = cluster.members.find(({ raft }) => raft.role === 'leader');
    if (leader === undefined) throw new Error('somebody leads');
    const other = leader.id === 'n1' ? 'n2' : 'n1';
    const before = terms(leader.disk);
    const { from, to, ...old } = { from: cluster.member(other).id, to: leader.id, ...append(2, 0, 0, [2]) };
    cluster.with(leader.id, (raft) => raft.step({ from, to, ...old }));
    cluster.run();
    cluster.with(leader.id, (raft) => raft.propose(bytes('x')));
    cluster.pass(3);
    for (const { disk } of cluster.members) expect(terms(disk)).toEqual([...before, leader.raft.term]);
  });

  it('an append from before where the follower’s log begins takes nothing away (openraft 71a290cd)', () => {
    const lab = new Lab({ log: [1, 1, 1, 1] });
    lab.hears('n2', append(1, 4, 1, [], 4));
    lab.cluster.compact('n1', 4);
    expect(lab.hears('n2', append(1, 0, 0, [1, 1]))).toMatchObject([{ type: 'append-accepted', matchIndex: 4 }]);
    expect(lab.raft.status()).toMatchObject({ firstIndex: 4, lastIndex: 4, commitIndex: 4 });
  });
});

describe('answers to a leader (etcd: TestLeaderAppResp)', () => {
  function leader(): Lab {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.becomeLeader();
    return lab;
  }
  const rejected = (rejectedIndex: number, hintIndex: number) =>
    ({ type: 'append-rejected', term: 2, rejectedIndex, hintIndex, hintTerm: 0 }) as const;

  it('a refusal of something that was not asked last moves nothing', () => {
    const lab = leader();
    expect(lab.hears('n2', rejected(3, 3))).toEqual([]);
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 0, nextIndex: 3, state: 'probe' });
  });

  it('a refusal of the probe goes back to where the follower says, and asks once', () => {
    const lab = leader();
    expect(lab.hears('n2', rejected(2, 1))).toMatchObject([{ to: 'n2', prevLogIndex: 1 }]);
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 0, nextIndex: 2, state: 'probe' });
  });

  it('an acknowledgement that makes a commit is told to all that replicate', () => {
    const lab = leader();
    lab.hears('n3', { type: 'append-accepted', term: 2, matchIndex: 2 });
    const sent = lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 3 });
    expect(lab.raft.commitIndex).toBe(3);
    expect(only(sent, 'append-entries').map(({ to, leaderCommit }) => [to, leaderCommit])).toEqual([
      ['n2', 3],
      ['n3', 3],
    ]);
  });

  it('an acknowledgement of nothing still shows that nothing agrees, and the entries follow', () => {
    const lab = leader();
    const [probe] = lab.hears('n2', rejected(2, 0));
    expect(probe).toMatchObject({ prevLogIndex: 0 });
    lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 0 });
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 0, state: 'replicate' });
  });
});

describe('how a follower learns of a commit', () => {
  it('by a heartbeat, which never takes one back (etcd: TestHandleHeartbeat)', () => {
    const lab = new Lab({ log: [1, 2, 3] });
    const heartbeat = (commit: number): unknown =>
      lab.hears('n2', { type: 'heartbeat', term: 3, commit, readRound: 0 });
    heartbeat(2);
    heartbeat(3);
    expect(lab.raft.commitIndex).toBe(3);
    heartbeat(1);
    expect(lab.raft.commitIndex).toBe(3);
  });

  it('by a heartbeat, when its acknowledgements and the news were lost (etcd: lagging_commit)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(1);
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.cut('n3', 'n1');
    // The entry reaches n3, and what would tell it of the commit does not.
    cluster.onSend = (message) => {
      if (message.type === 'append-accepted' && message.from === 'n2') cluster.cut('n1', 'n3');
    };
    cluster.deliver(1);
    cluster.run();
    cluster.onSend = undefined;
    expect([cluster.raft('n1').commitIndex, cluster.raft('n3').commitIndex]).toEqual([2, 1]);
    expect(cluster.raft('n3').lastIndex).toBe(2);
    cluster.heal();
    // A heartbeat may not say it yet: n3 acknowledged nothing. Its answer brings an append, and that is acknowledged.
    cluster.tick('n1');
    cluster.run();
    expect(cluster.raft('n3').commitIndex).toBe(2);
  });

  it('by one message, not by one for each acknowledgement (etcd-io/raft #171)', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('x');
    let told = 0;
    for (const peer of ['n2', 'n3', 'n4', 'n5']) {
      const sent = only(lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 2 }), 'append-entries');
      told += sent.filter(({ to }) => to === 'n2').length;
    }
    expect(told).toBe(1);
    expect(lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 })).toEqual([]);
  });
});

describe('a leader’s own disk', () => {
  it('that finishes after the leader was deposed acknowledges nothing to the old term (etcd: async_storage_writes)', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.member.diskStalled = true;
    lab.propose('x');
    lab.hears('n2', append(2, 1, 1, [2]));
    lab.sync();
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 2, commitIndex: 1 });
    expect(lab.terms).toEqual([1, 2]);
    lab.sync();
    expect(lab.member.disk.entries.map(({ term }) => term)).toEqual([1, 2]);
  });

  it('refused proposals are always told, and why', () => {
    const lab = new Lab({ options: { maxUncommittedBytes: 4 } });
    const propose = () => lab.cluster.with('n1', (raft) => raft.propose(bytes('12345')));
    expect(propose()).toEqual({ accepted: false, reason: 'not-leader', leader: undefined });
    lab.cluster.timeout('n1');
    expect(propose()).toMatchObject({ reason: 'not-leader' });
    lab.becomeLeader();
    expect(propose()).toMatchObject({ accepted: true });
    expect(propose()).toEqual({ accepted: false, reason: 'uncommitted-limit', leader: 'n1' });
    lab.acknowledgeAll();
    lab.cluster.with('n1', (raft) => raft.transferLeadership('best'));
    expect(propose()).toMatchObject({ reason: 'transferring' });
    lab.hears('n2', append(2, 0, 0, []));
    expect(propose()).toEqual({ accepted: false, reason: 'not-leader', leader: 'n2' });
  });
});
