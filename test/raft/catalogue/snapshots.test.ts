import { describe, expect, it } from 'vitest';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

/** n1 leads; its log begins at 5, and n3 has nothing behind 1. */
function behind(): Cluster {
  const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
  cluster.elect('n1');
  cluster.pass(1);
  cluster.isolate('n3');
  for (const letter of 'abcd') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
  cluster.pass(2);
  cluster.compact('n1', 5);
  cluster.heal();
  return cluster;
}

/** How n1, which leads, sees `name`. */
function seen(cluster: Cluster, name: string): unknown {
  return cluster
    .raft('n1')
    .status()
    .peers.find(({ peer }) => peer === name);
}

describe('a follower that needs what is compacted', () => {
  it('is told by heartbeats, told again, and gets nothing else but a question after each sign of life', () => {
    const cluster = behind();
    cluster.pass(3);
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'snapshot', matchIndex: 1, inflightMessages: 0 });
    expect(cluster.member('n3').snapshotNeeded).toBe(4);
    cluster.member('n3').snapshotNeeded = undefined;
    const kinds = new Set<string>();
    cluster.onSend = (message) => {
      if (message.to === 'n3')
        kinds.add(message.type === 'append-entries' ? `${message.entries.length} entries` : message.type);
    };
    for (const letter of 'ef') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.pass(2);
    expect([...kinds].toSorted()).toEqual(['0 entries', 'heartbeat']);
    expect(cluster.member('n3').snapshotNeeded).toBe(4);
  });

  it('replicates at once when its checkpoint ends where the log does (etcd #10308)', () => {
    const cluster = behind();
    cluster.pass(3);
    cluster.install('n3', 'n2');
    expect(cluster.raft('n3').status()).toMatchObject({ firstIndex: 6, lastIndex: 5, appliedIndex: 5 });
    cluster.tick('n1');
    cluster.run();
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'replicate', matchIndex: 5, nextIndex: 6 });
  });

  it('goes on from a checkpoint that is newer than what the leader asked for, or older than its last entry', () => {
    for (const at of [4, 5]) {
      const cluster = behind();
      cluster.pass(3);
      cluster.crash('n3');
      cluster.member('n3').disk.install(at, 1, cluster.member('n3').disk.configuration);
      cluster.restart('n3');
      cluster.pass(2);
      expect(seen(cluster, 'n3')).toMatchObject({ state: 'replicate', matchIndex: 5 });
      expect(cluster.raft('n3').appliedIndex).toBe(5);
    }
  });

  it('is asked for a newer one when the leader compacted further meanwhile', () => {
    const cluster = behind();
    cluster.pass(3);
    cluster.with('n1', (raft) => raft.propose(bytes('e')));
    cluster.pass(2);
    cluster.compact('n1', 7);
    cluster.crash('n3');
    cluster.member('n3').disk.install(4, 1, cluster.member('n3').disk.configuration);
    cluster.restart('n3');
    cluster.pass(3);
    expect(seen(cluster, 'n3')).toMatchObject({ state: 'snapshot' });
    expect(cluster.member('n3').snapshotNeeded).toBe(6);
  });

  it('needs none where its own log reaches so far and agrees, committed or not (raft-rs: restore ignore)', () => {
    const lab = new Lab({ log: [1, 1, 1] });
    lab.hears('n2', { type: 'heartbeat', term: 2, commit: 0, readRound: 0, snapshotNeeded: 3 });
    expect(lab.member.snapshotNeeded).toBeUndefined();
    expect(lab.hears('n2', append(2, 3, 1, []))).toMatchObject([{ type: 'append-accepted', matchIndex: 3 }]);
    expect(lab.member.snapshotNeeded).toBeUndefined();
  });

  it('needs one where its log reaches so far and is another', () => {
    const lab = new Lab({ log: [1, 1, 1] });
    lab.hears('n2', { type: 'heartbeat', term: 3, commit: 0, readRound: 0, snapshotNeeded: 3 });
    expect(lab.hears('n2', append(3, 3, 2, []))).toMatchObject([{ type: 'append-rejected' }]);
    expect(lab.member.snapshotNeeded).toBe(3);
  });

  it('needs none of a leader that is none any more', () => {
    const lab = new Lab({ log: [1] });
    lab.hears('n2', { type: 'heartbeat', term: 2, commit: 0, readRound: 0, snapshotNeeded: 3 });
    expect(lab.member.snapshotNeeded).toBe(3);
    lab.member.snapshotNeeded = undefined;
    lab.hears('n3', append(3, 3, 2, []));
    expect(lab.member.snapshotNeeded).toBeUndefined();
  });

  it('that never answers is asked nothing but heartbeats, however long', () => {
    const lab = new Lab({ log: [1, 1, 1] });
    lab.hears('n2', append(1, 3, 1, [], 3));
    lab.cluster.compact('n1', 4);
    lab.becomeLeader();
    lab.hears('n3', { type: 'append-rejected', term: 2, rejectedIndex: 3, hintIndex: 0, hintTerm: 0 });
    lab.sent();
    for (let tick = 0; tick < 5; tick += 1) {
      lab.hears('n2', { type: 'heartbeat-response', term: 2, readRound: 0 });
      const sent = lab.tick().filter(({ to }) => to === 'n3');
      expect(sent).toMatchObject([{ type: 'heartbeat', snapshotNeeded: 3 }]);
    }
  });

  it('may be a learner that is new to a leader which purged everything (openraft afd6508b)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2'], founders: ['n1'] });
    cluster.elect('n1');
    for (const letter of 'abc') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.pass(2);
    cluster.with('n1', (raft) => raft.changeConfiguration({ type: 'add', peer: n(2), info: cluster.info('n2') }));
    cluster.compact('n1', cluster.raft('n1').lastIndex + 1);
    cluster.pass(3);
    expect(cluster.raft('n1').status()).toMatchObject({ firstIndex: 6, lastIndex: 5 });
    expect(cluster.member('n2').snapshotNeeded).toBe(5);
    cluster.install('n2', 'n1');
    cluster.pass(2);
    expect(seen(cluster, 'n2')).toMatchObject({ state: 'replicate', matchIndex: 5, votes: false });
    expect(cluster.raft('n2').configuration).toMatchObject({ voters: ['n1'], learners: ['n2'] });
  });
});

describe('the configuration that comes with a checkpoint (etcd: TestRestore…, openraft #1808)', () => {
  const members = (...names: readonly string[]): Uint8Array =>
    encodeMembers(
      names.map((name) => ({
        peer: n(Number(name.replace(/\D/g, ''))),
        votes: !name.startsWith('('),
        info: Uint8Array.of(0),
      })),
    );

  it.each([
    ['makes a voter of a learner', ['n1', 'n2'], true],
    ['makes a learner of a voter', ['(n1)', 'n2', 'n3'], false],
    ['leaves the peer out', ['n2', 'n3'], false],
  ] as const)('%s', (_what, names, stands) => {
    const disk = Disk.withLog([], 1);
    disk.install(9, 1, { index: 7, data: members(...names) });
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], founders: ['n2', 'n3'], disks: { n1: disk } });
    expect(cluster.raft('n1').configuration.index).toBe(7);
    cluster.tick('n1', 30);
    expect(cluster.raft('n1').role).toBe(stands ? 'pre-candidate' : 'follower');
  });

  it('takes the place of an uncommitted one that was in the log before, though that one’s index is higher', () => {
    const lab = new Lab();
    const entry = { index: 4, term: 1, kind: 2 as const, data: members('n1', 'n2', 'n3', 'n9') };
    lab.hears('n2', append(1, 0, 0, [1, 1, 1]));
    lab.hears('n2', { ...append(1, 3, 1, []), entries: [entry] });
    expect(lab.raft.configuration.voters).toContain('n9');
    lab.cluster.crash('n1');
    lab.member.disk.install(3, 2, { index: 2, data: members('n1', 'n2') });
    lab.cluster.restart('n1');
    expect(lab.raft.configuration).toMatchObject({ index: 2, voters: ['n1', 'n2'] });
  });
});

describe('added to a leader that was alone (etcd: TestAddNodeCheckQuorum)', () => {
  it('a voter is no reason to step down at once, only when it stays silent', () => {
    const lab = new Lab({ voters: 2, members: ['n1', '(n2)'] });
    lab.tick();
    expect(lab.raft.role).toBe('leader');
    lab.acknowledgeAll();
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0 });
    lab.tick(9);
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0 });
    const result = lab.cluster.with('n1', (raft) => raft.changeConfiguration({ type: 'promote', peer: n(2) }));
    expect(result).toMatchObject({ accepted: true });
    lab.tick();
    expect(lab.raft.role).toBe('leader');
    expect(lab.raft.commitIndex, 'and it decides alone no more (openraft a5064712)').toBe(1);
    expect(only(lab.tick(10), 'vote-request')).toEqual([]);
    expect(lab.raft.role).toBe('follower');
  });
});
