import { describe, expect, it } from 'vitest';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import type { Damage } from '../../../src/raft/types.ts';
import { EntryKind } from '../../../src/raft/types.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

/** n1 holds `log`, and had more before: up to `damage`. */
function damaged(log: readonly number[], damage: Damage, term = damage.lastTerm): Lab {
  const lab = new Lab({ log, term });
  lab.cluster.crash('n1');
  lab.member.disk.damage = damage;
  lab.cluster.restart('n1');
  lab.sent();
  return lab;
}

describe('a peer that lost entries to damage', () => {
  it('never stands for election, whatever happens', () => {
    const lab = damaged([1, 1], { lastIndex: 5, lastTerm: 2 });
    expect(lab.raft.status().damaged).toBe(true);
    expect(lab.tick(100)).toEqual([]);
    lab.hears('n2', { type: 'heartbeat', term: 2, commit: 0, readRound: 0 });
    expect(lab.hears('n2', { type: 'timeout-now', term: 2, lastIndex: 0 })).toEqual([]);
    lab.cluster.with('n1', (raft) => raft.leaderConnectionLost());
    expect(lab.tick(100)).toEqual([]);
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 2, leader: undefined });
  });

  it.each([
    // Candidates by last index and term; what is left here ends in 2/t1, and ended in 5/t2.
    [9, 1, false],
    [2, 1, false],
    [4, 2, false],
    [5, 2, true],
    [1, 3, true],
  ])(
    'gives vote and promise by what it had: a log that ends in %i/t%i gets it: %s',
    (lastLogIndex, lastLogTerm, granted) => {
      const lab = damaged([1, 1], { lastIndex: 5, lastTerm: 2 }, 3);
      const request = { term: 4, lastLogIndex, lastLogTerm };
      expect(lab.hears('n2', { type: 'pre-vote-request', ...request })).toMatchObject([{ granted }]);
      expect(lab.hears('n2', { type: 'vote-request', ...request, transfer: false })).toMatchObject([{ granted }]);
    },
  );

  it('goes by what is left where that is more', () => {
    const lab = damaged([1, 1, 3], { lastIndex: 9, lastTerm: 1 }, 3);
    expect(lab.raft.status().damaged, 'then it is whole').toBe(false);
  });

  it('says that it is damaged where it refuses an append, and acknowledges what it has again', () => {
    const lab = damaged([1, 1], { lastIndex: 5, lastTerm: 1 });
    expect(lab.hears('n2', append(1, 5, 1, []))).toMatchObject([
      { type: 'append-rejected', rejectedIndex: 5, hintIndex: 2, hintTerm: 1, damaged: true },
    ]);
    expect(lab.hears('n2', { type: 'heartbeat', term: 1, commit: 5, readRound: 0 })).toMatchObject([{ damaged: true }]);
    expect(lab.hears('n2', append(1, 2, 1, [1, 1]))).toMatchObject([{ type: 'append-accepted', matchIndex: 4 }]);
  });

  it('takes nothing of what is left for committed before an append has found it right: it may be an older log', () => {
    // It had acknowledged 3/t2, which another leader had put in the place of 2/t1. That batch is lost, and 2/t1 is back.
    const lab = damaged([1, 1], { lastIndex: 3, lastTerm: 2 }, 2);
    lab.hears('n2', { type: 'heartbeat', term: 2, commit: 3, readRound: 0 });
    expect(lab.raft.commitIndex).toBe(0);
    expect(lab.hears('n2', append(2, 1, 1, [2, 2], 3))).toMatchObject([{ type: 'append-accepted', matchIndex: 3 }]);
    expect(lab.raft.commitIndex).toBe(3);
  });

  it('of the term that goes on needs as much as it had: acknowledgements of before may still count', () => {
    const lab = damaged([1, 1], { lastIndex: 5, lastTerm: 1 });
    lab.hears('n2', append(1, 2, 1, [1, 1], 4));
    expect(lab.raft.status().damaged).toBe(true);
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 4, 1, [1], 4));
    expect(lab.raft.status().damaged, 'not before it is durable').toBe(true);
    lab.sync();
    expect(lab.raft.status().damaged).toBe(false);
    expect(lab.member.disk.damage, 'and the host was told').toBeUndefined();
    lab.tick(20);
    expect(lab.raft.role).toBe('pre-candidate');
  });

  it('is whole with the first entry of a later leader, who held all that was committed', () => {
    const lab = damaged([1, 1], { lastIndex: 500, lastTerm: 1 });
    lab.hears('n2', append(2, 2, 1, [1]));
    expect(lab.raft.status().damaged).toBe(true);
    lab.hears('n2', append(2, 3, 1, [2]));
    expect(lab.raft.status().damaged).toBe(false);
  });

  it('stays damaged over a start, and is whole at a start from a checkpoint that holds more', () => {
    const lab = damaged([1, 1], { lastIndex: 5, lastTerm: 1 });
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.raft.status().damaged).toBe(true);
    lab.cluster.crash('n1');
    lab.member.disk.install(7, 1, lab.member.disk.configuration);
    lab.cluster.restart('n1');
    expect(lab.raft.status().damaged).toBe(false);
    expect(lab.member.disk.damage).toBeUndefined();
  });
});

describe('the leader of a peer that lost what it had acknowledged', () => {
  it('counts it back to what is left, sends the rest again, and takes nothing back that is committed', () => {
    const lab = new Lab();
    lab.becomeLeader();
    for (const text of ['a', 'b', 'c']) lab.propose(text);
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 4 });
    expect(lab.raft.commitIndex).toBe(4);
    lab.propose('d');
    lab.sent();
    const rejected = { type: 'append-rejected', term: 1, rejectedIndex: 4, hintIndex: 2, hintTerm: 1 } as const;
    const sent = lab.hears('n2', { ...rejected, damaged: true });
    expect(lab.raft.status()).toMatchObject({ commitIndex: 4, peers: [{ matchIndex: 2, damaged: true }, {}] });
    expect(only(sent, 'append-entries')).toMatchObject([{ to: 'n2', prevLogIndex: 2 }]);
    // What is not damaged does not forget: such an answer is an old one.
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 5 });
    lab.hears('n2', { ...rejected, damaged: false });
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 5, state: 'replicate' });
  });

  it('counts it back to where the two logs can agree: what is left may be older entries of the same indices', () => {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 3 });
    lab.propose('d');
    lab.sent();
    // It had another 3/t1, which the leader's 3/t2 had taken the place of, and which is back.
    const rejected = { type: 'append-rejected', term: 2, rejectedIndex: 3, hintIndex: 3, hintTerm: 1 } as const;
    const sent = lab.hears('n2', { ...rejected, damaged: true });
    expect(lab.raft.status().peers[0]).toMatchObject({ matchIndex: 2, damaged: true });
    expect(only(sent, 'append-entries')).toMatchObject([{ to: 'n2', prevLogIndex: 2 }]);
  });

  it('counts it back behind its own log where that begins with what is lost, so that a snapshot is fetched', () => {
    const lab = new Lab({ log: [1, 1], term: 1 });
    lab.becomeLeader();
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 2, matchIndex: 3 });
    lab.cluster.compact('n1', 4);
    lab.sent();
    const rejected = { type: 'append-rejected', term: 2, rejectedIndex: 3, hintIndex: 3, hintTerm: 1 } as const;
    lab.hears('n2', { ...rejected, damaged: true });
    expect(lab.raft.status().peers[0]).toMatchObject({ state: 'snapshot', matchIndex: 2, damaged: true });
  });

  it('hands leadership to another one', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0, damaged: true });
    expect(lab.raft.transferLeadership('best')).toEqual({ started: true, to: 'n3' });
  });

  it('is told at once that it cannot hand leadership to that one, and takes proposals all the while', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0, damaged: true });
    lab.sent();
    expect(lab.raft.transferLeadership(n(2))).toEqual({ started: false, reason: 'damaged' });
    expect(lab.sent()).toEqual([]);
    expect(lab.raft.propose(bytes('x'))).toMatchObject({ accepted: true });
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0, damaged: false });
    expect(lab.raft.transferLeadership(n(2))).toEqual({ started: true, to: 'n2' });
  });
});

describe('a committed entry of which one copy rots (Jepsen: NATS 2.12.1; protocol-aware recovery)', () => {
  it.each([false, true])('is not lost, with other entries committed behind it: %s', (later) => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(1);
    cluster.isolate('n3');
    for (const letter of later ? 'abc' : 'a') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.pass(1);
    cluster.damage('n2', 2);
    cluster.crash('n1');
    cluster.restart('n2');
    cluster.heal();
    cluster.pass(200);
    expect(cluster.members.filter(({ up, raft }) => up && raft.role === 'leader')).toEqual([]);
    cluster.restart('n1');
    cluster.pass(60);
    const [leader] = cluster.members.filter(({ raft }) => raft.role === 'leader');
    expect(leader?.id).toBe('n1');
    for (const { disk } of cluster.members) {
      expect(disk.entries).toEqual(cluster.member('n1').disk.entries);
      expect(disk.damage).toBeUndefined();
    }
  });

  it('is missed by all when every copy is gone: nobody leads, and nothing is made up', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(2);
    for (const { id } of cluster.members) cluster.damage(id, 2);
    for (const { id } of cluster.members) cluster.restart(id);
    cluster.pass(200);
    expect(cluster.members.map(({ raft }) => raft.role)).toEqual(['follower', 'follower', 'follower']);
    expect(cluster.members.map(({ raft }) => raft.term)).toEqual([1, 1, 1]);
  });
});

describe('a peer whose state is lost while its log is whole', () => {
  function stateless(): Cluster {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    for (const letter of 'abc') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.pass(2);
    cluster.compact('n3', 3);
    cluster.loseState('n3');
    cluster.restart('n3');
    return cluster;
  }

  it('votes and acknowledges, which commits, and applies and leads nothing', () => {
    const cluster = stateless();
    expect(cluster.raft('n3').status()).toMatchObject({ stateMissing: true, appliedIndex: 2, lastIndex: 4 });
    cluster.isolate('n2');
    cluster.with('n1', (raft) => raft.propose(bytes('d')));
    cluster.pass(3);
    expect(cluster.raft('n1').commitIndex).toBe(5);
    expect(cluster.raft('n3').status()).toMatchObject({ commitIndex: 5, appliedIndex: 2 });
    expect(cluster.member('n3').applied).toEqual([]);
    cluster.heal();
    cluster.pass(2);
    cluster.crash('n1');
    cluster.tick('n3', 60);
    expect(cluster.raft('n3').role).toBe('follower');
    cluster.pass(60);
    expect(cluster.raft('n2').role, 'n3 is the other vote').toBe('leader');
  });

  it('goes on where its log begins once a checkpoint is there, and keeps the log', () => {
    const cluster = stateless();
    cluster.install('n3', 'n2');
    cluster.pass(2);
    expect(cluster.raft('n3').status()).toMatchObject({ stateMissing: false, appliedIndex: 4, lastIndex: 4 });
    expect(cluster.raft('n3').configuration.voters).toEqual(['n1', 'n2', 'n3']);
  });

  it('goes by the newest configuration of its log, however far that is from the last one that it can guess', () => {
    const disk = Disk.withLog([1, 1, 1, 1, 1]);
    const members = (...ids: readonly number[]): Uint8Array =>
      encodeMembers(ids.map((id) => ({ peer: n(id), votes: true, info: Uint8Array.of(0) })));
    disk.entries[3] = { index: 4, term: 1, kind: EntryKind.configuration, data: members(3, 4, 5) };
    disk.compact(3);
    Object.assign(disk, { stateMissing: true, applied: 2 });
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks: { n1: disk } });
    expect(disk.configuration).toMatchObject({ index: 0 });
    expect(cluster.raft('n1').configuration.voters).toEqual(['n3', 'n4', 'n5']);
  });

  it('writes down a term that a checkpoint came from, before anything else', () => {
    const disk = Disk.withLog([], 1, n(2));
    disk.install(9, 4, disk.configuration);
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks: { n1: disk } });
    expect(cluster.raft('n1').status()).toMatchObject({ term: 4, votedFor: undefined, lastIndex: 9, lastTerm: 4 });
    expect(disk.hardState).toEqual({ term: 4, votedFor: undefined });
  });
});
