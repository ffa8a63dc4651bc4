import { describe, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.ts';
import { bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

const heartbeat = (term: number, commit = 0) => ({ type: 'heartbeat', term, commit, readRound: 0 }) as const;

/** n1 follows n2 in term 1. */
function following(options: ConstructorParameters<typeof Lab>[0] = {}): Lab {
  const lab = new Lab({ log: [1], ...options });
  lab.hears('n2', heartbeat(1));
  lab.sent();
  return lab;
}

function ask(lab: Lab, id: number): { answer: string; round: number | undefined } {
  const answer = lab.cluster.with('n1', (raft) => raft.requestRead(id));
  return { answer, round: only(lab.sent(), 'read-index-request')[0]?.round };
}

describe('reads everywhere (etcd: TestReadOnlyOptionSafe, TestReadOnlyWithLearner)', () => {
  it('at leader, follower and learner name everything that was committed before', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], members: ['n1', 'n2', 'n3', '(n4)'] });
    cluster.elect('n1');
    for (const [at, name] of ['n1', 'n2', 'n3', 'n4'].entries()) {
      for (let count = 0; count < 10; count += 1) cluster.with('n1', (raft) => raft.propose(bytes('x')));
      cluster.run();
      cluster.with(name, (raft) => raft.requestRead(at));
      cluster.run();
      expect(cluster.member(name).reads).toEqual([{ id: at, index: 11 + at * 10 }]);
    }
  });

  it('wait at a follower, too, until the leader has committed in its own term', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(2);
    cluster.with('n1', (raft) => raft.transferLeadership(n(2)));
    for (const name of ['n1', 'n3']) cluster.member(name).diskStalled = true;
    cluster.run();
    for (const name of ['n1', 'n3']) cluster.sync(name);
    cluster.run();
    expect(cluster.raft('n2').status()).toMatchObject({ role: 'leader', commitIndex: 2 });
    cluster.with('n3', (raft) => raft.requestRead(1));
    cluster.pass(1);
    expect(cluster.member('n3').reads).toEqual([]);
    for (const name of ['n1', 'n3']) {
      cluster.member(name).diskStalled = false;
      if (cluster.member(name).disk.pending !== undefined) cluster.sync(name);
    }
    cluster.pass(3);
    expect(cluster.member('n3').reads).toEqual([{ id: 1, index: 3 }]);
  });
});

describe('a read that is asked of a new leader (etcd: TestReadOnlyForNewLeader)', () => {
  it('waits for the first entry of its term, though a majority says that it leads, and names that entry or a later one', () => {
    // What was committed before is in its log, and it does not know how far that is.
    const lab = new Lab({ log: [1, 1] });
    lab.becomeLeader();
    lab.sent();
    expect(lab.raft.status()).toMatchObject({ term: 2, commitIndex: 0, lastIndex: 3 });
    lab.cluster.with('n1', (raft) => raft.requestRead(7));
    const answer = (readRound: number): void => {
      for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'heartbeat-response', term: 2, readRound });
    };
    for (let tick = 0; tick < 5; tick += 1) {
      const [round] = only(lab.tick(), 'heartbeat').map(({ readRound }) => readRound);
      answer(round ?? 0);
    }
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 2, matchIndex: 2 });
    expect(lab.raft.commitIndex, 'entries of other terms commit nothing').toBe(0);
    expect(lab.member.reads).toEqual([]);
    const sent = lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 3 });
    expect(lab.raft.commitIndex).toBe(3);
    answer(only(sent, 'heartbeat')[0]?.readRound ?? 0);
    for (let tick = 0; tick < 2 && lab.member.reads.length === 0; tick += 1) {
      answer(only(lab.tick(), 'heartbeat')[0]?.readRound ?? 0);
    }
    expect(lab.member.reads).toEqual([{ id: 7, index: 3 }]);
  });
});

describe('a follower that asks for its readers', () => {
  it('puts one question for all that wait, and the next when that is answered', () => {
    const lab = following();
    const { round } = ask(lab, 1);
    expect(ask(lab, 2)).toEqual({ answer: 'queued', round: undefined });
    expect(ask(lab, 3)).toEqual({ answer: 'queued', round: undefined });
    const sent = lab.hears('n2', { type: 'read-index-response', term: 1, round: round ?? 0, index: 9 });
    expect(only(sent, 'read-index-request')).toMatchObject([{ to: 'n2', round: (round ?? 0) + 1 }]);
    expect(lab.member.reads).toEqual([{ id: 1, index: 9 }]);
    lab.hears('n2', { type: 'read-index-response', term: 1, round: (round ?? 0) + 1, index: 10 });
    expect(lab.member.reads.slice(1)).toEqual([
      { id: 2, index: 10 },
      { id: 3, index: 10 },
    ]);
  });

  it('takes an answer to what it asked, from its leader, once, and no other', () => {
    const lab = following();
    const { round = 0 } = ask(lab, 1);
    const answer = (said: number, from = 'n2', term = 1): unknown =>
      lab.hears(from, { type: 'read-index-response', term, round: said, index: 9 });
    answer(round - 1);
    answer(round + 1);
    answer(round, 'n3');
    answer(round, 'n2', 0);
    expect(lab.member.reads).toEqual([]);
    answer(round);
    answer(round);
    expect(lab.member.reads).toEqual([{ id: 1, index: 9 }]);
  });

  it('does not take the answer to a question of its former life for one to its own', () => {
    const lab = following();
    const { round = 0 } = ask(lab, 1);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    lab.hears('n2', heartbeat(1));
    lab.sent();
    expect(ask(lab, 2).round).not.toBe(round);
    lab.hears('n2', { type: 'read-index-response', term: 1, round, index: 1 });
    expect(lab.member.reads).toEqual([]);
  });

  it('holds as many as it may, and says when there are more', () => {
    const lab = following({ options: { maxPendingReads: 2 } });
    expect([1, 2, 3].map((id) => ask(lab, id).answer)).toEqual(['queued', 'queued', 'overloaded']);
  });

  it.each([
    ['the leader changes', (lab: Lab) => lab.hears('n3', heartbeat(2))],
    [
      'a later term begins',
      (lab: Lab) => lab.hears('n3', { type: 'vote-request', term: 2, lastLogIndex: 9, lastLogTerm: 1, transfer: true }),
    ],
    ['the process of the leader is gone', (lab: Lab) => lab.cluster.with('n1', (raft) => raft.leaderConnectionLost())],
    [
      'the leader does not answer for an election timeout',
      (lab: Lab) => {
        for (let tick = 0; tick < 10; tick += 1) {
          lab.hears('n2', heartbeat(1));
          lab.tick();
        }
      },
    ],
  ])('gives up when %s', (_why, happens) => {
    const lab = following();
    ask(lab, 1);
    happens(lab);
    expect(lab.member.readsLost).toEqual([1]);
  });

  it('refuses at once when nobody is known to lead', () => {
    expect(ask(new Lab(), 1).answer).toBe('not-leader');
    const lab = following();
    lab.cluster.timeout('n1');
    expect(ask(lab, 1).answer).toBe('not-leader');
  });
});

describe('a leader that is asked by others', () => {
  function leading(): Lab {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.sent();
    return lab;
  }

  it('answers what a quorum confirmed, and a question that was put twice like one', () => {
    const lab = leading();
    const asked = { type: 'read-index-request', term: 1, round: 77 } as const;
    for (let time = 0; time < 5; time += 1) lab.hears('n2', asked);
    const { role } = lab.raft.inspect();
    expect(role.name === 'leader' && role.reads.pending).toBe(1);
    const sent = lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 1 });
    expect(only(sent, 'read-index-response')).toMatchObject([{ to: 'n2', round: 77, index: 1 }]);
    // It is not a read of its own.
    expect(lab.member.reads).toEqual([]);
    lab.hears('n2', asked);
    const again = lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 2 });
    expect(only(again, 'read-index-response')).toMatchObject([{ to: 'n2', round: 77, index: 1 }]);
  });

  it('tells nobody anything once it was deposed, and gives up only reads of its own (etcd #7571)', () => {
    const lab = leading();
    lab.hears('n2', { type: 'read-index-request', term: 1, round: 77 });
    lab.cluster.with('n1', (raft) => raft.requestRead(5));
    const sent = lab.hears('n3', append(2, 1, 1, [2]));
    expect(only(sent, 'read-index-response')).toEqual([]);
    expect(lab.member.readsLost).toEqual([5]);
  });

  it('hears no questions of peers that are no members', () => {
    const lab = leading();
    expect(lab.hears('n9', { type: 'read-index-request', term: 1, round: 1 })).toEqual([]);
  });
});

describe('a peer that is told to campaign (etcd: TestLeaderTransfer…, rabbitmq/ra 114d1d37, openraft #1805)', () => {
  const told = { type: 'timeout-now', term: 1, lastIndex: 1 } as const;

  it('does when it holds durably what the leader saw', () => {
    expect(only(following().hears('n2', told), 'vote-request')).toHaveLength(2);
  });

  it.each([
    ['it belongs to the cluster no more', { members: ['n2', 'n3'] }],
    ['it is a learner', { members: ['(n1)', 'n2', 'n3'] }],
  ])('does not when %s, and votes for it change nothing', (_why, options) => {
    const lab = following(options);
    expect(lab.hears('n2', told)).toEqual([]);
    lab.hears('n3', { type: 'vote-response', term: 1, granted: true });
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 1 });
  });

  it('does not when its disk has less than the leader saw', () => {
    const lab = following();
    expect(lab.hears('n2', { ...told, lastIndex: 2 })).toEqual([]);
    lab.member.diskStalled = true;
    lab.hears('n2', append(1, 1, 1, [1]));
    expect(lab.hears('n2', { ...told, lastIndex: 2 })).toEqual([]);
    expect(lab.raft.role).toBe('follower');
    lab.sync();
    lab.hears('n2', { ...told, lastIndex: 2 });
    expect(lab.raft.role).toBe('candidate');
  });
});

describe('a transfer (hashicorp/raft #581, #493)', () => {
  it('keeps proposals out for an election timeout from when the target was told, however long it took to catch up', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('x');
    const propose = (): unknown => lab.cluster.with('n1', (raft) => raft.propose(bytes('y')));
    const live = (ticks: number): void => {
      for (let tick = 0; tick < ticks; tick += 1) {
        lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 0 });
        lab.tick();
      }
    };
    lab.raft.transferLeadership(n(2));
    live(9);
    const sent = lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(only(sent, 'timeout-now')).toMatchObject([{ to: 'n2', lastIndex: 2 }]);
    live(9);
    expect(propose()).toMatchObject({ accepted: false, reason: 'transferring' });
    live(1);
    expect(propose()).toMatchObject({ accepted: true });
  });

  it('ends with the leadership, however that ends', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.raft.transferLeadership(n(2));
    lab.tick(10);
    expect(lab.raft.role).toBe('follower');
    lab.becomeLeader();
    expect(lab.raft.status().transferTo).toBeUndefined();
    expect(lab.raft.propose(bytes('x'))).toMatchObject({ accepted: true });
  });

  it('does not keep reads from showing that the leader was replaced (openraft #1747)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.with('n1', (raft) => raft.transferLeadership(n(2)));
    cluster.with('n1', (raft) => raft.requestRead(1));
    cluster.run();
    expect(cluster.raft('n2').role).toBe('leader');
    const { reads, readsLost } = cluster.member('n1');
    expect([...reads.map(({ id }) => id), ...readsLost]).toEqual([1]);
  });
});
