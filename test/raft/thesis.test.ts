import { describe, expect, it } from 'vitest';
import { Lab, append, n, only } from './support/lab.ts';

const heartbeat = (term: number, commit = 0) => ({ type: 'heartbeat', term, commit, readRound: 0 }) as const;

describe('thesis 3.10, leadership transfer', () => {
  it('a peer told to campaign skips the pre-vote and says that it was told', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.hears('n2', heartbeat(1));
    const sent = lab.hears('n2', { type: 'timeout-now', term: 1 });
    expect(only(sent, 'vote-request').map(({ term, transfer }) => [term, transfer])).toEqual([
      [2, true],
      [2, true],
    ]);
    expect(only(sent, 'pre-vote-request')).toEqual([]);
  });

  it('only the leader of the term may say so', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.hears('n2', heartbeat(1));
    expect(lab.hears('n3', { type: 'timeout-now', term: 1 })).toEqual([]);
    expect(lab.raft.role).toBe('follower');
  });

  it('the leader refuses what it cannot do, another target replaces the first, and itself calls it off', () => {
    const lab = new Lab();
    expect(lab.raft.transferLeadership(n(2))).toEqual({ started: false, reason: 'not-leader' });
    lab.becomeLeader();
    expect(lab.raft.transferLeadership('best')).toEqual({ started: false, reason: 'no-successor' });
    lab.acknowledgeAll();
    expect(lab.raft.transferLeadership(n(9))).toEqual({ started: false, reason: 'unknown-peer' });
    lab.propose('x');
    expect(lab.raft.transferLeadership(n(2))).toEqual({ started: true, to: 'n2' });
    expect(lab.raft.transferLeadership(n(3))).toEqual({ started: true, to: 'n3' });
    expect(lab.raft.status().transferTo).toBe('n3');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(only(lab.sent(), 'timeout-now')).toEqual([]);
    expect(lab.raft.transferLeadership(n(1))).toEqual({ started: false, reason: 'self' });
    expect(lab.raft.propose(new Uint8Array(1)).accepted).toBe(true);
  });

  it('asking again for the same target does not make it take longer', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.raft.transferLeadership(n(2));
    for (let count = 0; count < 10; count += 1) {
      expect(lab.raft.propose(new Uint8Array(1))).toMatchObject({ accepted: false, reason: 'transferring' });
      lab.raft.transferLeadership(n(2));
      lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 0 });
      lab.tick();
    }
    expect(lab.raft.propose(new Uint8Array(1)).accepted).toBe(true);
  });

  it('the best successor has the most of the log and was heard of late', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('x');
    lab.hears('n4', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(lab.raft.transferLeadership('best')).toEqual({ started: true, to: 'n4' });
  });
});

describe('thesis 6.2 and 4.2.3, check-quorum and stickiness', () => {
  it.each([
    [9, 'leader'],
    [10, 'follower'],
  ] as const)('a leader that heard nobody for %i ticks is a %s', (ticks, role) => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.tick(ticks);
    expect(lab.raft.status()).toMatchObject({ role, term: 1 });
  });

  it('one of two others is a quorum of three', () => {
    const lab = new Lab();
    lab.becomeLeader();
    for (let count = 0; count < 50; count += 1) {
      lab.tick();
      lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 0 });
    }
    expect(lab.raft.role).toBe('leader');
  });

  it('a voter that hears a leader ignores votes of a later term, unless the leader wants them or asks itself', () => {
    const request = { type: 'vote-request', term: 9, lastLogIndex: 9, lastLogTerm: 9 } as const;
    const sticky = new Lab();
    sticky.hears('n2', heartbeat(1));
    sticky.tick(9);
    expect(sticky.hears('n3', { ...request, transfer: false })).toEqual([]);
    expect(sticky.raft.term).toBe(1);
    expect(sticky.hears('n3', { ...request, transfer: true })).toMatchObject([{ granted: true, term: 9 }]);

    const own = new Lab();
    own.hears('n2', heartbeat(1));
    expect(own.hears('n2', { ...request, transfer: false })).toMatchObject([{ granted: true }]);
  });

  it('after an election timeout without the leader a voter is free', () => {
    const lab = new Lab({ seed: 4 });
    lab.hears('n2', heartbeat(1));
    lab.tick(10);
    expect(lab.raft.role).toBe('follower');
    expect(
      lab.hears('n3', { type: 'vote-request', term: 2, lastLogIndex: 0, lastLogTerm: 0, transfer: false }),
    ).toMatchObject([{ granted: true }]);
  });
});

describe('thesis 6.4, reads', () => {
  it('only a leader takes them, and not more than it may hold', () => {
    const lab = new Lab({ options: { maxPendingReads: 2 } });
    expect(lab.raft.requestRead(1)).toBe('not-leader');
    lab.becomeLeader();
    expect([1, 2, 3].map((id) => lab.raft.requestRead(id))).toEqual(['queued', 'queued', 'overloaded']);
  });

  it('a minority does not confirm a round, and an answer to an earlier one does not either', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 1 });
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 1 });
    lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 0 });
    lab.hears('n4', { type: 'heartbeat-response', term: 1, readRound: 7 });
    expect(lab.member.reads).toEqual([]);
    lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 1 });
    expect(lab.member.reads).toEqual([{ id: 1, index: 1 }]);
  });

  it('an id asked again after a round began waits for the next round', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    lab.propose('x');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 1 });
    expect(lab.member.reads).toEqual([{ id: 1, index: 1 }]);
    lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 2 });
    expect(lab.member.reads).toEqual([
      { id: 1, index: 1 },
      { id: 1, index: 2 },
    ]);
  });

  it('a lost round is begun again with the next heartbeat', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    lab.sent();
    const [first] = only(lab.tick(), 'heartbeat');
    expect(first?.readRound).toBe(1);
    lab.cluster.with('n1', (raft) => raft.requestRead(2));
    expect(only(lab.sent(), 'heartbeat')).toEqual([]);
    const [second] = only(lab.tick(), 'heartbeat');
    expect(second?.readRound).toBe(2);
    lab.hears('n3', { type: 'heartbeat-response', term: 1, readRound: 2 });
    expect(lab.member.reads.map(({ id }) => id)).toEqual([1, 2]);
  });

  it('are given up when leadership is lost', () => {
    const lab = new Lab();
    lab.becomeLeader();
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    lab.acknowledgeAll();
    lab.cluster.with('n1', (raft) => raft.requestRead(2));
    lab.hears('n2', append(5, 0, 0, []));
    expect(lab.member.reads).toEqual([]);
    expect(lab.member.readsLost).toEqual([1, 2]);
  });
});

describe('thesis 9.6, pre-vote', () => {
  it('asking changes nothing in the one asked: no term, no vote, no timer', () => {
    const lab = new Lab({ log: [1], term: 1, vote: 'n1' });
    const before = lab.raft.status();
    const ticks = lab.raft.inspect().electionElapsedTicks;
    for (let count = 0; count < 5; count += 1) {
      expect(lab.hears('n2', { type: 'pre-vote-request', term: 2, lastLogIndex: 1, lastLogTerm: 1 })).toMatchObject([
        { granted: true, term: 2 },
      ]);
    }
    expect(lab.raft.status()).toEqual(before);
    expect(lab.raft.inspect().electionElapsedTicks).toBe(ticks);
  });

  it('asking again and again does not keep others from noticing that the leader is dead', () => {
    const lab = new Lab();
    lab.hears('n2', heartbeat(1));
    let ticks = 0;
    for (; lab.raft.role === 'follower' && ticks < 100; ticks += 1) {
      lab.tick();
      lab.hears('n3', { type: 'pre-vote-request', term: 2, lastLogIndex: 0, lastLogTerm: 0 });
    }
    expect(ticks).toBeLessThan(20);
  });

  it('a refusal of a later term is adopted, a refusal by a quorum ends the wish in the own term', () => {
    const later = new Lab();
    later.cluster.timeout('n1');
    later.hears('n2', { type: 'pre-vote-response', term: 6, granted: false });
    expect(later.raft.status()).toMatchObject({ role: 'follower', term: 6 });
    const refused = new Lab();
    refused.cluster.timeout('n1');
    for (const peer of ['n2', 'n3']) refused.hears(peer, { type: 'pre-vote-response', term: 0, granted: false });
    expect(refused.raft.status()).toMatchObject({ role: 'follower', term: 0 });
  });

  it('a peer of an older term is told the present one', () => {
    const lab = new Lab({ term: 5 });
    lab.hears('n2', heartbeat(5));
    expect(lab.hears('n3', { type: 'pre-vote-request', term: 3, lastLogIndex: 9, lastLogTerm: 2 })).toMatchObject([
      { granted: false, term: 5 },
    ]);
  });

  it('a grant of an earlier round is not counted', () => {
    const lab = new Lab();
    lab.cluster.timeout('n1');
    lab.hears('n2', { type: 'pre-vote-response', term: 9, granted: true });
    expect(lab.raft.role).toBe('pre-candidate');
  });
});
