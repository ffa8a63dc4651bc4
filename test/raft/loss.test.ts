import { describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../src/raft/message.ts';
import type { Damage } from '../../src/raft/types.ts';
import { Cluster } from './support/cluster.ts';
import { bytes } from './support/disk.ts';
import { Lab, append, n, only } from './support/lab.ts';

const SILENT = { type: 'heartbeat', commit: 0, readRound: 0, snapshotNeeded: 0 } as const;

/** What a heartbeat of n2 shows to be lost, which leads `term` and knows n1 to hold the entry at `matchIndex`. */
function loss(lab: Lab, term: number, matchIndex: number, matchTerm: number): Damage | undefined {
  const said: Heartbeat = { ...SILENT, from: n(2), to: n(1), term, matchIndex, matchTerm };
  return lab.raft.lossIn(said);
}

describe('what a leader knows to be acknowledged', () => {
  it('is lost where the log ends before it, committed or not, and votes count as if it were here', () => {
    const lab = new Lab({ log: [1, 1], term: 2 });
    expect(loss(lab, 2, 3, 2)).toEqual({ lastIndex: 3, lastTerm: 2 });
    expect(loss(lab, 5, 4, 5), 'a term that was forgotten, too').toEqual({ lastIndex: 4, lastTerm: 5 });
  });

  it('is lost where another entry stands in its place: the copy is from before it was overwritten', () => {
    const lab = new Lab({ log: [1, 1, 1, 1], term: 2 });
    expect(loss(lab, 2, 3, 2)).toEqual({ lastIndex: 3, lastTerm: 2 });
    expect(loss(lab, 2, 3, 1)).toBeUndefined();
  });

  it('counts by its own term: who holds that entry and is of an older term than the leader may be voted for', () => {
    const lab = new Lab({ log: [1], term: 3 });
    const lost = loss(lab, 3, 2, 1);
    expect(lost).toEqual({ lastIndex: 2, lastTerm: 1 });
    lab.cluster.crash('n1');
    lab.member.disk.damage = lost;
    lab.cluster.restart('n1');
    const request = { type: 'pre-vote-request', term: 4, lastLogTerm: 1 } as const;
    expect(lab.hears('n3', { ...request, lastLogIndex: 1 })).toMatchObject([{ granted: false }]);
    expect(lab.hears('n3', { ...request, lastLogIndex: 2 })).toMatchObject([{ granted: true }]);
  });

  it('counts by the term of the leader where that has compacted the entry and knows no more', () => {
    expect(loss(new Lab({ log: [1, 1], term: 3 }), 3, 4, 0)).toEqual({ lastIndex: 4, lastTerm: 3 });
  });

  it('is not lost where the log holds it, or once held it, nor by what an earlier leader or an append says', () => {
    const lab = new Lab({ log: [1, 1], term: 2 });
    expect(loss(lab, 2, 2, 1)).toBeUndefined();
    expect(loss(lab, 2, 2, 0)).toBeUndefined();
    expect(loss(lab, 1, 9, 1)).toBeUndefined();
    expect(lab.raft.lossIn({ ...append(2, 1, 1, [], 9), from: n(2), to: n(1) })).toBeUndefined();
    lab.hears('n2', append(2, 2, 1, [2], 3));
    lab.cluster.compact('n1', 4);
    expect(loss(lab, 2, 1, 1)).toBeUndefined();
  });

  it('is news to a peer that knows of damage only where it is more: an acknowledgement came late', () => {
    const lab = new Lab({ log: [1, 1, 2] });
    lab.cluster.damage('n1', 2);
    lab.cluster.restart('n1');
    expect(lab.raft.inspect().damage).toEqual({ lastIndex: 3, lastTerm: 2 });
    expect(loss(lab, 2, 3, 2)).toBeUndefined();
    expect(loss(lab, 3, 2, 2)).toBeUndefined();
    expect(loss(lab, 2, 4, 2)).toEqual({ lastIndex: 4, lastTerm: 2 });
    expect(loss(lab, 3, 4, 3)).toEqual({ lastIndex: 4, lastTerm: 3 });
  });

  it('is named in its heartbeats, with its term as long as that is known', () => {
    const lab = new Lab({ log: [1, 1] });
    lab.becomeLeader();
    lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 2 });
    lab.hears('n3', { type: 'append-accepted', term: 2, matchIndex: 1 });
    lab.sent();
    const named = { commit: 0, matchIndex: 2, matchTerm: 1 };
    expect(only(lab.tick(), 'heartbeat')).toMatchObject([named, { matchIndex: 1, matchTerm: 1 }]);
    lab.hears('n2', { type: 'append-accepted', term: 2, matchIndex: 3 });
    lab.cluster.compact('n1', 4);
    lab.sent();
    expect(only(lab.tick(), 'heartbeat')).toMatchObject([
      { commit: 3, matchIndex: 3, matchTerm: 2 },
      { commit: 1, matchIndex: 1, matchTerm: 0 },
    ]);
  });
});

describe('a copy of a directory that is put back while the leader leads on', () => {
  /** n1 leads five peers of which two are gone; n3 acknowledged "a" and "b", of which none can be committed, and comes back without "b". */
  function putBack(): Cluster {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'] });
    cluster.elect('n1');
    cluster.pass(1);
    for (const name of ['n2', 'n4', 'n5']) cluster.cut('n1', name);
    for (const letter of 'ab') cluster.with('n1', (raft) => raft.propose(bytes(letter)));
    cluster.run();
    expect(cluster.raft('n1').status()).toMatchObject({ commitIndex: 1, lastIndex: 3 });
    cluster.crash('n3');
    cluster.member('n3').disk.entries.length = 2;
    cluster.with('n1', (raft) => raft.peerUnreachable(n(3)));
    cluster.restart('n3');
    return cluster;
  }

  it('behind what is committed is known to be old by the first heartbeat, counts as damaged, and is filled up', () => {
    const cluster = putBack();
    const losses: Damage[] = [];
    cluster.onLoss = ({ id, disk }, lost) => {
      losses.push(lost);
      cluster.crash(id);
      disk.damage = lost;
      cluster.restart(id);
    };
    cluster.run();
    cluster.tick('n1');
    cluster.run();
    expect(losses).toEqual([{ lastIndex: 3, lastTerm: 1 }]);
    expect(cluster.raft('n3').status().damaged).toBe(true);
    cluster.heal();
    cluster.pass(3);
    expect(cluster.raft('n3').status()).toMatchObject({ damaged: false, lastIndex: 3, commitIndex: 3 });
    expect(losses).toHaveLength(1);
  });

  it('is asked once a heartbeat where it stands, and not without end', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeLeader();
    lab.propose('a');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.propose('b');
    lab.sent();
    lab.cluster.with('n1', (raft) => raft.peerUnreachable(n(2)));
    expect(only(lab.sent(), 'append-entries')).toMatchObject([{ to: 'n2', prevLogIndex: 2 }]);
    const refusal = { type: 'append-rejected', term: 1, rejectedIndex: 2, hintIndex: 1, hintTerm: 1 } as const;
    for (let time = 0; time < 3; time += 1) {
      expect(lab.hears('n2', refusal)).toEqual([]);
      const sent = lab.hears('n2', { type: 'heartbeat-response', term: 1, readRound: 0 });
      expect(only(sent, 'append-entries')).toMatchObject([{ to: 'n2', prevLogIndex: 2 }]);
    }
    // What it is told by heartbeats makes it say so; then it is counted back.
    const sent = lab.hears('n2', { ...refusal, damaged: true });
    expect(only(sent, 'append-entries')).toMatchObject([{ to: 'n2', prevLogIndex: 1 }]);
  });
});
