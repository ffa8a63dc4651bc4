import { expect, it } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { Damage } from '../../src/raft/types.ts';
import { Lab } from './support/lab.ts';

/** What a message of n2 shows to be lost. */
function loss(lab: Lab, said: Partial<Message>): Damage | undefined {
  return lab.raft.lossIn({ readRound: 0, snapshotNeeded: 0, ...said, from: peerId('n2'), to: peerId('n1') } as Message);
}

it('a leader names at most what was acknowledged to it: more than the log holds was lost, and votes count as if it were here', () => {
  const lab = new Lab({ log: [1, 1], term: 2 });
  expect(loss(lab, { type: 'heartbeat', term: 2, commit: 3 })).toEqual({ lastIndex: 3, lastTerm: 2 });
  expect(loss(lab, { type: 'heartbeat', term: 5, commit: 4 }), 'a term that was forgotten, too').toEqual({
    lastIndex: 4,
    lastTerm: 5,
  });
});

it('nothing is lost by what the log holds, nor by what an earlier leader says, nor by a commit that an append carries', () => {
  const lab = new Lab({ log: [1, 1], term: 2 });
  expect(loss(lab, { type: 'heartbeat', term: 2, commit: 2 })).toBeUndefined();
  expect(loss(lab, { type: 'heartbeat', term: 1, commit: 9 })).toBeUndefined();
  const append = { prevLogIndex: 1, prevLogTerm: 1, entries: [], leaderCommit: 9 };
  expect(loss(lab, { type: 'append-entries', term: 2, ...append })).toBeUndefined();
});

it('a peer that knows of damage is told nothing new', () => {
  const lab = new Lab({ log: [1, 1, 2] });
  lab.cluster.damage('n1', 2);
  lab.cluster.restart('n1');
  expect(lab.raft.inspect().damage).toEqual({ lastIndex: 3, lastTerm: 2 });
  expect(loss(lab, { type: 'heartbeat', term: 2, commit: 3 })).toBeUndefined();
});
