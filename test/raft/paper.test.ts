import { describe, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import { Disk } from './support/disk.ts';
import { Lab, append, n, only } from './support/lab.ts';

const heartbeat = (term: number, commit = 0) => ({ type: 'heartbeat', term, commit, readRound: 0 }) as const;

describe('5.1 terms', () => {
  it.each(['follower', 'candidate', 'leader'] as const)('a %s that sees a later term becomes its follower', (role) => {
    const lab = new Lab({ term: 1 });
    if (role === 'candidate') lab.becomeCandidate();
    if (role === 'leader') lab.becomeLeader();
    lab.hears('n2', append(5, 0, 0, []));
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 5, leader: 'n2', votedFor: undefined });
  });

  it('requests of an older term change nothing, and their sender learns of the present one', () => {
    const lab = new Lab({ log: [2], term: 2 });
    const answers = lab.hears('n2', append(1, 1, 2, [1]));
    expect(answers).toMatchObject([{ type: 'append-rejected', to: 'n2', term: 2 }]);
    expect(lab.hears('n2', heartbeat(1))).toMatchObject([{ type: 'append-rejected', term: 2 }]);
    expect(
      lab.hears('n2', { type: 'vote-request', term: 1, lastLogIndex: 9, lastLogTerm: 1, transfer: false }),
    ).toEqual([]);
    expect(lab.raft.status()).toMatchObject({ term: 2, leader: undefined, lastIndex: 1 });
  });

  it('answers of an older term are dropped', () => {
    const lab = new Lab();
    lab.becomeLeader();
    const { term } = lab.raft;
    lab.hears('n2', { type: 'append-accepted', term: term - 1, matchIndex: 1 });
    expect(lab.raft.commitIndex).toBe(0);
  });
});

describe('5.2 leader election', () => {
  it('peers start as followers', () => {
    const lab = new Lab({ log: [1, 2], term: 3, vote: 'n1' });
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 3, leader: undefined, votedFor: 'n1' });
  });

  it('a follower that hears its leader stays one, and one that does not stands for election', () => {
    const lab = new Lab();
    for (let count = 0; count < 50; count += 1) {
      lab.tick(9);
      lab.hears('n2', heartbeat(1));
    }
    expect(lab.raft.role).toBe('follower');
    lab.tick(19);
    expect(lab.raft.role).toBe('pre-candidate');
  });

  it('a candidate enters the next term, votes for itself, and asks all others for their vote', () => {
    const lab = new Lab({ log: [1, 1], term: 4 });
    lab.cluster.timeout('n1');
    lab.sent();
    const requests = only(lab.hears('n2', { type: 'pre-vote-response', term: 5, granted: true }), 'vote-request');
    expect(requests.map(({ to, term, lastLogIndex, lastLogTerm }) => [to, term, lastLogIndex, lastLogTerm])).toEqual([
      ['n2', 5, 2, 1],
      ['n3', 5, 2, 1],
    ]);
    expect(lab.raft.status()).toMatchObject({ role: 'candidate', term: 5, votedFor: 'n1' });
  });

  it('election timeouts are random, every value of [timeout, 2 * timeout) occurring', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 400; seed += 1) {
      const lab = new Lab({ seed });
      let ticks = 0;
      for (; lab.raft.role === 'follower'; ticks += 1) lab.tick();
      seen.add(ticks);
    }
    expect([...seen].toSorted((left, right) => left - right)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it.each([
    [3, [true], 'leader'],
    [3, [true, true], 'leader'],
    [5, [true, true], 'leader'],
    [5, [true, true, false, false], 'leader'],
    [3, [false, false], 'follower'],
    [5, [false, false, false, false], 'follower'],
    [5, [true, false, false, false], 'follower'],
    [3, [], 'candidate'],
    [5, [true], 'candidate'],
    [5, [false, false], 'candidate'],
  ] as const)('of %i voters, the others saying %j, the candidate ends as %s', (voters, votes, role) => {
    const lab = new Lab({ voters });
    lab.becomeCandidate();
    for (const [at, granted] of votes.entries()) {
      // Each says it twice, and counts once.
      for (let time = 0; time < 2; time += 1) lab.hears(`n${at + 2}`, { type: 'vote-response', term: 1, granted });
    }
    expect(lab.raft.role).toBe(role);
    expect(lab.raft.term).toBe(1);
  });

  it.each([
    [undefined, 'n2', true],
    [undefined, 'n3', true],
    ['n2', 'n2', true],
    ['n3', 'n3', true],
    ['n2', 'n3', false],
    ['n3', 'n2', false],
  ])('with its vote given to %s a peer asked by %s grants: %s', (vote, candidate, granted) => {
    const lab = new Lab({ term: 1, ...(vote === undefined ? {} : { vote }) });
    const request = { type: 'vote-request', term: 1, lastLogIndex: 0, lastLogTerm: 0, transfer: false } as const;
    expect(lab.hears(candidate, request)).toMatchObject([{ type: 'vote-response', term: 1, granted }]);
  });

  it.each([0, 3])('a candidate follows whoever leads its term or one %i later', (later) => {
    const lab = new Lab();
    lab.becomeCandidate();
    lab.hears('n3', append(1 + later, 0, 0, []));
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 1 + later, leader: 'n3' });
    expect(lab.hears('n2', { type: 'vote-response', term: 1, granted: true })).toEqual([]);
    expect(lab.raft.role).toBe('follower');
  });

  it('a leader sends heartbeats all the time, which stop elections', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n2');
    cluster.pass(500);
    expect(cluster.members.map(({ raft }) => [raft.term, raft.leader])).toEqual([
      [1, 'n2'],
      [1, 'n2'],
      [1, 'n2'],
    ]);
  });

  it('after a split vote a new term brings a leader', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'] });
    // Both ask for pre-votes of different pairs, which know nothing of each other.
    cluster.cut('n1', 'n2');
    cluster.cut('n2', 'n1');
    cluster.cut('n1', 'n4');
    cluster.cut('n2', 'n3');
    cluster.pass(200);
    cluster.heal();
    cluster.pass(60);
    expect(new Set(cluster.members.map(({ raft }) => raft.leader)).size).toBe(1);
    expect(cluster.raft('n1').leader).toBeDefined();
  });
});

describe('5.3 log replication', () => {
  it('a leader appends a command and sends it to all in parallel with its own write', () => {
    const lab = new Lab({ log: [1] });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.sent();
    lab.member.diskStalled = true;
    const appends = only(lab.propose('x'), 'append-entries');
    expect(
      appends.map(({ to, prevLogIndex, prevLogTerm, leaderCommit, entries }) => [
        to,
        prevLogIndex,
        prevLogTerm,
        leaderCommit,
        entries.length,
      ]),
    ).toEqual([
      ['n2', 2, 2, 2, 1],
      ['n3', 2, 2, 2, 1],
    ]);
    expect(lab.raft.status()).toMatchObject({ lastIndex: 3, durableIndex: 2, commitIndex: 2 });
  });

  it.each([
    [1, 0, true],
    [3, 0, false],
    [3, 1, true],
    [3, 2, true],
    [5, 1, false],
    [5, 2, true],
    [5, 4, true],
  ])('of %i voters, with %i others acknowledging, an entry is committed: %s', (voters, acknowledged, committed) => {
    const lab = new Lab({ voters });
    if (voters === 1) lab.tick();
    else lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('x');
    const index = lab.raft.lastIndex;
    for (let peer = 2; peer < 2 + acknowledged; peer += 1) {
      lab.hears(`n${peer}`, { type: 'append-accepted', term: lab.raft.term, matchIndex: index });
    }
    expect(lab.raft.commitIndex).toBe(committed ? index : index - 1);
  });

  it.each([[[]], [[2]], [[1, 2]], [[1]]])('a commit takes everything before it along, here %j', (log) => {
    const lab = new Lab({ log, term: 2 });
    lab.becomeLeader();
    lab.propose('x');
    lab.acknowledgeAll();
    expect(lab.member.applied.map(({ index, term }) => [index, term])).toEqual([
      ...log.map((term, at) => [at + 1, term]),
      [log.length + 1, 3],
      [log.length + 2, 3],
    ]);
  });

  it.each([
    // prev, its term, entries, leader commit; then: last index, commit, accepted up to (or undefined)
    [2, 3, [], 3, 2, 0, undefined],
    [3, 3, [], 3, 2, 0, undefined],
    [1, 1, [], 1, 2, 1, 1],
    [0, 0, [2], 1, 1, 1, 1],
    [2, 2, [2, 2], 3, 4, 3, 4],
    [2, 2, [2], 4, 3, 3, 3],
    [1, 1, [2], 4, 2, 2, 2],
    [1, 1, [], 3, 2, 1, 1],
    [1, 1, [2], 3, 2, 2, 2],
    [2, 2, [], 3, 2, 2, 2],
    [2, 2, [], 4, 2, 2, 2],
  ] as const)(
    'log [1,2] given prev %i/t%i entries %j commit %i ends at %i, committed to %i',
    (prev, prevTerm, terms, commit, last, committed, match) => {
      const lab = new Lab({ log: [1, 2], term: 3 });
      const answers = lab.hears('n2', append(3, prev, prevTerm, terms, commit));
      expect(lab.raft.status()).toMatchObject({ lastIndex: last, commitIndex: committed });
      if (match === undefined) expect(answers).toMatchObject([{ type: 'append-rejected', rejectedIndex: prev }]);
      else expect(answers).toMatchObject([{ type: 'append-accepted', matchIndex: match }]);
    },
  );

  it('an old or repeated append takes nothing away and writes nothing anew', () => {
    const lab = new Lab({ log: [1, 2], term: 2 });
    lab.member.diskStalled = true;
    lab.hears('n2', append(2, 0, 0, [1]));
    expect(lab.terms).toEqual([1, 2]);
    expect(lab.member.disk.pending).toBeUndefined();
    lab.hears('n2', append(3, 0, 0, [3]));
    expect(lab.terms).toEqual([3]);
  });

  it.each([
    [[1, 1, 1, 4, 4, 5, 5, 6, 6]],
    [[1, 1, 1, 4]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    [[1, 1, 1, 4, 4, 4, 4]],
    [[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('figure 7: a follower with %j ends with the log of its leader', (log) => {
    const leader = Disk.withLog([1, 1, 1, 4, 4, 5, 5, 6, 6, 6], 8);
    // The third peer votes for n1 and holds nothing.
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks: { n1: leader, n2: Disk.withLog(log, 8) } });
    let probes = 0;
    cluster.isolate('n2');
    cluster.elect('n1');
    cluster.heal();
    cluster.onSend = (message) => {
      if (message.type === 'append-rejected' && message.from === n(2)) probes += 1;
    };
    cluster.pass(2);
    cluster.with('n1', (raft) => raft.propose(Uint8Array.of(120)));
    cluster.run();
    cluster.pass(1);
    expect(cluster.member('n2').disk.entries).toEqual(cluster.member('n1').disk.entries);
    expect(cluster.raft('n2').commitIndex).toBe(12);
    // One probe for each distinct term that is in the way, not one an entry.
    expect(probes).toBeLessThanOrEqual(4);
  });
});

describe('5.4.1 election restriction', () => {
  it.each([
    [[1], 1, 1, true],
    [[1], 1, 2, true],
    [[1, 1], 1, 1, false],
    [[1], 2, 1, true],
    [[1], 2, 2, true],
    [[1, 1], 2, 1, true],
    [[2], 1, 1, false],
    [[2], 1, 2, false],
    [[2, 2], 2, 1, false],
  ] as const)(
    'a voter with log %j grants a candidate whose log ends in term %i at %i: %s',
    (log, lastLogTerm, lastLogIndex, granted) => {
      const voter = (): Lab => new Lab({ log, term: 2 });
      const request = { term: 3, lastLogIndex, lastLogTerm };
      expect(voter().hears('n2', { type: 'vote-request', transfer: false, ...request })).toMatchObject([
        { granted, term: 3 },
      ]);
      expect(voter().hears('n2', { type: 'pre-vote-request', ...request })).toMatchObject([
        { granted, term: granted ? 3 : 2 },
      ]);
    },
  );
});

describe('5.4.2 committing entries from previous terms', () => {
  it('only entries of the own term are counted', () => {
    const lab = new Lab({ log: [1, 2], term: 2 });
    lab.becomeLeader();
    const commits = [1, 2, 3].map((matchIndex) => {
      lab.hears('n2', { type: 'append-accepted', term: 3, matchIndex });
      return lab.raft.commitIndex;
    });
    expect(commits).toEqual([0, 0, 3]);
  });

  it('a new leader opens its term with an empty entry, by which the old ones commit', () => {
    const cluster = new Cluster({
      peers: ['n1', 'n2', 'n3'],
      disks: { n1: Disk.withLog([1, 2]), n2: Disk.withLog([1, 2]), n3: Disk.withLog([1], 2) },
    });
    cluster.elect('n1');
    cluster.pass(1);
    expect(cluster.members.map(({ raft }) => raft.commitIndex)).toEqual([3, 3, 3]);
  });
});

describe('5.5 crashes', () => {
  it('a peer comes back with its log, term and vote, and is brought up to date', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.crash('n3');
    for (const letter of 'abcdef') cluster.with('n1', (raft) => raft.propose(Uint8Array.of(letter.charCodeAt(0))));
    cluster.run();
    cluster.restart('n3');
    expect(cluster.raft('n3').status()).toMatchObject({ role: 'follower', term: 1, votedFor: 'n1', lastIndex: 1 });
    cluster.pass(3);
    expect(cluster.raft('n3').appliedIndex).toBe(7);
    expect(cluster.raft('n1').status().peers).toMatchObject([{ matchIndex: 7 }, { matchIndex: 7 }]);
  });
});
