import { describe, expect, test } from 'vitest';
import { CountedAnswers } from '../../sim/checkers/counted-answers.ts';
import { DurableVote } from '../../sim/checkers/durable-vote.ts';
import { ElectionSafety } from '../../sim/checkers/election-safety.ts';
import { FoundAgain, type OwnWords } from '../../sim/checkers/found-again.ts';
import { ByteWriter } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { encodeMemberInfo } from '../../src/peer/member-info.ts';
import { encodeMembers, type Member } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/message.ts';
import { type Entry, EntryKind } from '../../src/raft/types.ts';
import { BatchWriter } from '../../src/scheduler/batch.ts';
import { FakeCluster, type FakePeer, unchanged } from './support/views.ts';

const THIS = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

/** Checkers of who is counted, and of what a start finds again. */
describe('a checker stops', () => {
  test('a leader that was elected by itself, by a vote of another term, or by another directory of that name', () => {
    const { p1, p2, p3, view } = members(new FakeCluster());
    const incarnations = new Map([
      ['p2', THIS],
      ['p3', OTHER],
    ]);
    const checker = new CountedAnswers(view, ({ life }) => incarnations.get(life));
    checker.moved(p2.view, unchanged(p2));
    checker.moved(p3.view, unchanged(p3));
    checker.sent(p2.view, message({ type: 'vote-response', to: 'p1', term: 3, granted: true }));
    p1.lead(3);
    checker.moved(p1.view, unchanged(p1));
    p1.lead(4);
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 leads term 4 by 1 votes of p1 p2 p3');
    p1.lead(5);
    const stranger = { ...p2.view, life: 'p2/2' };
    checker.sent(stranger, message({ type: 'vote-response', to: 'p1', term: 5, granted: true }));
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 leads term 5 by 1 votes');
  });

  test('entries and rounds that are counted for somebody who has not said so in this term', () => {
    const { p1, p2, view } = members(new FakeCluster());
    const checker = new CountedAnswers(view, (peer) => (peer.life === 'p2' ? THIS : undefined));
    checker.moved(p2.view, unchanged(p2));
    p1.lead(3);
    const counts = (match: number, readRound: number): void => {
      p1.followers = [{ peer: p2.id, match, next: 9, readRound }];
      checker.changed(p1.view);
    };
    counts(0, 0);
    checker.sent(p2.view, message({ type: 'append-accepted', to: 'p1', term: 3, matchIndex: 4 }));
    counts(4, 0);
    expect(() => counts(5, 0)).toThrow('p1 counts p2 for 5 entries and round 0 in term 3, and it has said 4 and 0');
    expect(() => counts(4, 1)).toThrow('for 4 entries and round 1');
    checker.sent(p2.view, message({ type: 'heartbeat-response', to: 'p1', term: 3, readRound: 2 }));
    counts(4, 2);
    p1.lead(4);
    counts(0, 0);
    expect(() => counts(4, 0)).toThrow('in term 4, and it has said nothing');
  });

  test('a peer that follows somebody who does not lead its term', () => {
    const { p1, p2, p3, view } = new FakeCluster();
    const checker = new ElectionSafety(view);
    p1.lead(4);
    checker.moved(p1.view, unchanged(p1));
    p2.term = 4;
    p2.leader = p1.id;
    checker.changed(p2.view);
    p3.term = 4;
    p3.leader = p2.id;
    expect(() => checker.changed(p3.view)).toThrow('p3 follows p2 in term 4, which p1 led');
  });

  test('a vote that is told while HEAD does not know of it', () => {
    const { p1, view } = new FakeCluster();
    let head = { term: 3, votedFor: peerId('p2') };
    const checker = new DurableVote(view, () => head);
    p1.durable.term = 3;
    p1.durable.votedFor = peerId('p2');
    const vote = message({ type: 'vote-response', to: 'p2', term: 3, granted: true });
    checker.sent(p1.view, vote);
    head = { term: 2, votedFor: peerId('p2') };
    expect(() => checker.sent(p1.view, vote)).toThrow('of which HEAD on its disk does not know');
  });

  test('a start that takes what its log holds for committed, or forgets a term or a vote on its disk', () => {
    const { p1, view } = new FakeCluster();
    const checker = new FoundAgain(view, () => undefined);
    p1.durable.term = 3;
    p1.durable.votedFor = peerId('p2');
    p1.term = 3;
    p1.votedFor = peerId('p2');
    checker.restarted(p1.view);
    p1.votedFor = undefined;
    expect(() => checker.restarted(p1.view)).toThrow(
      'p1 starts in term 3 with a vote for nobody, and its disk says p2',
    );
    p1.term = 2;
    expect(() => checker.restarted(p1.view)).toThrow('p1 starts in term 2');
    p1.term = 4;
    checker.restarted(p1.view);
    p1.commitIndex = 2;
    expect(() => checker.restarted(p1.view)).toThrow('takes what is behind it, up to 2, for committed');
  });

  test('a start without all of its log that may end in an election', () => {
    const { p1, view } = new FakeCluster();
    const checker = new FoundAgain(view, () => undefined);
    checker.restarted(p1.view);
    p1.damage = { lastIndex: 7, lastTerm: 2 };
    expect(() => checker.restarted(p1.view)).toThrow('p1 may stand for election, and lacks entries up to 7');
    p1.mayCampaign = false;
    checker.restarted(p1.view);
  });

  test('a start that forgets which features are on, or who was removed', () => {
    const all = new FakeCluster();
    const { p1, view } = all;
    let own = ownWords();
    const checker = new FoundAgain(view, () => own);
    commits(all, EntryKind.configuration, encodeMembers([member('p1', THIS), member('p2', OTHER)]));
    commits(all, EntryKind.configuration, encodeMembers([member('p1', THIS)]));
    const level = new ByteWriter(4);
    level.u32(2);
    commits(all, EntryKind.feature, level.take());
    p1.appliedIndex = 3;
    p1.commitIndex = 3;
    own = { ...own, featureLevel: 2, removed: [{ peer: peerId('p2'), incarnation: OTHER }] };
    checker.restarted(p1.view);
    const { removed } = own;
    own = { ...own, removed: [] };
    expect(() => checker.restarted(p1.view)).toThrow('does not know that p2 was removed by 2');
    own = { ...own, removed, featureLevel: 0 };
    expect(() => checker.restarted(p1.view)).toThrow('with features of level 0, and those of 2 were on');
  });

  test('a peer that may go behind the stamps of its log, or judges others by a configuration that is not in force', () => {
    const all = new FakeCluster();
    const { p1, view } = all;
    let own = ownWords();
    const checker = new FoundAgain(view, () => own);
    const batch = new BatchWriter();
    batch.begin();
    commits(all, EntryKind.command, batch.finish(5_000));
    p1.holds(1);
    p1.durable.links[0] = p1.log.links[0] = { term: 1, chain: 1 };
    own = { ...own, floorMs: 5_000 };
    checker.moved(p1.view, unchanged(p1));
    own = { ...own, floorMs: 4_999 };
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('may stamp what comes next with 4999');
    own = { ...own, floorMs: 5_000, configurationIndex: 7 };
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow(
      'judges others by the configuration of 7, and that of 0',
    );
  });

  test('a directory that votes for another one of its name', () => {
    const { p1, view } = members(new FakeCluster());
    let own = ownWords();
    const checker = new FoundAgain(view, () => own);
    checker.moved(p1.view, unchanged(p1));
    own = { ...own, incarnation: OTHER };
    p1.votes = false;
    checker.moved(p1.view, unchanged(p1));
    p1.votes = true;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('means another data directory of that name');
  });
});

function ownWords(): OwnWords {
  return { floorMs: 0, configurationIndex: 0, featureLevel: 0, removed: [], incarnation: THIS };
}

function member(id: string, incarnation: string): Member {
  return { peer: peerId(id), votes: true, info: encodeMemberInfo({ incarnation, addresses: undefined }) };
}

/** All three vote, and the directories of the first two are known. */
function members(all: FakeCluster): FakeCluster {
  const each: FakePeer[] = [all.p1, all.p2, all.p3];
  for (const peer of each) peer.members = [member('p1', THIS), member('p2', THIS), member('p3', OTHER)];
  return all;
}

function commits({ committed, p1 }: FakeCluster, kind: EntryKind, data: Uint8Array): void {
  const index = committed.lastIndex + 1;
  const entry: Entry = { index, term: 1, kind, data };
  committed.add({ entry, term: 1, chain: index, byTerm: 1, by: p1.id, atUs: 0 });
}

function message(fields: Record<string, unknown>): Message {
  return { ...fields } as unknown as Message;
}
