import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { PEER_LIMITS } from '../../src/config/limits.ts';
import { encodeMembers } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/message.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { SCHEDULER_LIMITS } from '../../src/scheduler/limits.ts';
import type { ApplyOutcome, Reply } from '../../src/scheduler/outcome.ts';
import type { Command } from '../../src/scheduler/command.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { Bounds } from '../../sim/checkers/bounds.ts';
import type { WitnessedEntry } from '../../sim/checkers/checker.ts';
import { ClientVisible } from '../../sim/checkers/client-visible.ts';
import { CommitOrder } from '../../sim/checkers/commit-order.ts';
import { ConfigurationAdjacency } from '../../sim/checkers/configuration-adjacency.ts';
import { Linearizability } from '../../sim/checkers/linearizability.ts';
import { ReadFreshness } from '../../sim/checkers/read-freshness.ts';
import { RepairExplained } from '../../sim/checkers/repair-explained.ts';
import { ConfigurationBook } from '../../sim/configuration-book.ts';
import { CommitQuorum } from '../../sim/checkers/commit-quorum.ts';
import { CommittedKept } from '../../sim/checkers/committed-kept.ts';
import { CommittedPrefix } from '../../sim/checkers/committed-prefix.ts';
import { DurableAck } from '../../sim/checkers/durable-ack.ts';
import { DurableTerm } from '../../sim/checkers/durable-term.ts';
import { DurableVote } from '../../sim/checkers/durable-vote.ts';
import { ElectionSafety } from '../../sim/checkers/election-safety.ts';
import { LeaderAppendOnly } from '../../sim/checkers/leader-append-only.ts';
import { LeaderCompleteness } from '../../sim/checkers/leader-completeness.ts';
import { LeaseExclusion } from '../../sim/checkers/lease-exclusion.ts';
import { LogMatching } from '../../sim/checkers/log-matching.ts';
import { MessageSanity } from '../../sim/checkers/message-sanity.ts';
import { ProgressSanity } from '../../sim/checkers/progress-sanity.ts';
import { StateAgreement } from '../../sim/checkers/state-agreement.ts';
import { SubmitOnce } from '../../sim/checkers/submit-once.ts';
import { Ledger, type Wish } from '../../sim/ledger.ts';
import type { TaskStory, Witness } from '../../sim/witness.ts';
import { FakeCluster, FakeLog, entryOf, unchanged } from './support/views.ts';

/** Every checker lets what is right pass and stops what is not; a checker that cannot fail proves nothing. */
describe('a checker stops', () => {
  test('a second leader of a term, and a leadership that begins twice', () => {
    const { p1, p2, view } = cluster();
    const checker = new ElectionSafety(view);
    p1.role = 'leader';
    p1.term = 4;
    checker.moved(p1.view, unchanged(p1));
    checker.sent(p1.view, message({ type: 'heartbeat', from: 'p1', term: 4 }));
    p2.role = 'leader';
    p2.term = 4;
    expect(() => checker.moved(p2.view, unchanged(p2))).toThrow('p2 leads in term 4, which p1 led');
    expect(() => checker.sent(p2.view, message({ type: 'heartbeat', from: 'p2', term: 4 }))).toThrow('which p1 led');
    p1.start = 2;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('a second time');
  });

  test('two logs that differ before an entry of the same index and term', () => {
    const { p1, p2, view } = cluster();
    const checker = new LogMatching(view);
    p1.holds(1, 1, 2);
    checker.moved(p1.view, { cutFrom: 1, oldLast: 0, newLast: 3 });
    p2.holds(1, 2, 2);
    expect(() => checker.moved(p2.view, { cutFrom: 1, oldLast: 0, newLast: 3 })).toThrow('entry 3 of term 2 on p2');
  });

  test('a leader without a committed entry', () => {
    const all = cluster();
    const checker = new LeaderCompleteness(all.view);
    all.commit(FakeLog.of(1, 1, 1), 3, 1);
    all.p1.holds(1, 1, 1, 2);
    all.p1.role = 'leader';
    all.p1.term = 2;
    checker.moved(all.p1.view, unchanged(all.p1));
    all.p2.holds(1, 1, 3);
    all.p2.role = 'leader';
    all.p2.term = 3;
    expect(() => checker.moved(all.p2.view, unchanged(all.p2))).toThrow('without the committed entries up to 3');
  });

  test('a peer that takes something else for committed', () => {
    const all = cluster();
    const checker = new CommittedPrefix(all.view);
    all.commit(FakeLog.of(1, 1), 2);
    all.p1.holds(1, 1);
    all.p1.commitIndex = 2;
    checker.moved(all.p1.view, unchanged(all.p1));
    all.p2.holds(1, 2);
    all.p2.commitIndex = 2;
    expect(() => checker.moved(all.p2.view, unchanged(all.p2))).toThrow('p2 has other entries');
  });

  test('a leader that cuts its log', () => {
    const { p1, view } = cluster();
    const checker = new LeaderAppendOnly(view);
    p1.role = 'leader';
    checker.moved(p1.view, { cutFrom: 2, oldLast: 3, newLast: 2 });
    checker.moved(p1.view, { cutFrom: 4, oldLast: 3, newLast: 5 });
    expect(() => checker.moved(p1.view, { cutFrom: 4, oldLast: 5, newLast: 6 })).toThrow('cut its log from 4');
  });

  test('a term that falls, within a run and over a crash', () => {
    const { p1, view } = cluster();
    const checker = new DurableTerm(view);
    p1.term = 5;
    checker.moved(p1.view, unchanged(p1));
    checker.sent(p1.view, message({ type: 'vote-request', from: 'p1', term: 5 }));
    p1.term = 4;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('back to 4');
    p1.start = 2;
    expect(() => checker.restarted(p1.view)).toThrow('starts in term 4 and had promised in term 5');
  });

  test('a vote that is not on the disk, and a second one', () => {
    const { p1, view } = cluster();
    const checker = new DurableVote(view);
    const grant = message({ type: 'vote-response', from: 'p1', to: 'p2', term: 3, granted: true });
    p1.durable.term = 2;
    expect(() => checker.sent(p1.view, grant)).toThrow('its disk says nobody in term 2');
    p1.durable.term = 3;
    p1.durable.votedFor = grant.to;
    checker.sent(p1.view, grant);
    p1.durable.votedFor = p1.id;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 voted for p2 and for p1 in term 3');
  });

  test('a vote that is taken back, although nobody asks for another one', () => {
    const { p1, view } = cluster();
    const checker = new DurableVote(view);
    p1.durable.term = 3;
    p1.durable.votedFor = p1.id;
    checker.moved(p1.view, unchanged(p1));
    p1.durable.votedFor = undefined;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 took its vote in term 3 back');
    p1.durable.term = 4;
    checker.moved(p1.view, unchanged(p1));
  });

  test('an acknowledgement of what is not on the disk, or is not the leader’s', () => {
    const { p1, p2, view } = cluster();
    const checker = new DurableAck(view);
    const ack = message({ type: 'append-accepted', from: 'p2', to: 'p1', term: 1, matchIndex: 2 });
    p2.log = FakeLog.of(1, 1);
    p2.durable = FakeLog.of(1);
    expect(() => checker.sent(p2.view, ack)).toThrow('its disk ends at 1');
    p2.holds(1, 1);
    checker.sent(p2.view, ack);
    p1.holds(1, 2);
    p1.role = 'leader';
    expect(() => checker.sent(p2.view, ack)).toThrow('whose log differs up to there');
  });

  test('a commit without a quorum, and one of an older term', () => {
    const { p1, p2, view } = cluster();
    const checker = new CommitQuorum(view);
    p1.holds(1, 2);
    p1.role = 'leader';
    p1.term = 2;
    checker.moved(p1.view, unchanged(p1));
    p1.commitIndex = 2;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('only p1 hold durably');
    p2.holds(1, 2);
    p1.commitIndex = 1;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('commits 1 of term 1 directly');
  });

  test('a commit index that falls, and an apply beyond commit or disk', () => {
    const { p1, view } = cluster();
    const checker = new CommitOrder(view);
    p1.holds(1, 1, 1);
    p1.commitIndex = 3;
    checker.moved(p1.view, unchanged(p1));
    p1.commitIndex = 2;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('back from 3 to 2');
    p1.start = 2;
    p1.appliedIndex = 3;
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('beyond its commit index 2');
    p1.start = 3;
    p1.commitIndex = 3;
    p1.durable = FakeLog.of(1);
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('has 1 on its disk');
    p1.checkpointIndex = 9;
    expect(() => checker.restarted(p1.view)).toThrow('a checkpoint at 9');
  });

  test('a committed entry that a quorum has no more', () => {
    const all = cluster();
    const checker = new CommittedKept(all.view);
    all.p1.holds(1, 1);
    all.p2.holds(1, 1);
    all.commit(all.p1.log, 2);
    checker.whole();
    all.p2.holds(1);
    expect(() => checker.whole()).toThrow('only 1 of 3 voters');
  });

  test('a log that is damaged though nobody damaged it', () => {
    const { p1, view } = cluster();
    const checker = new RepairExplained(view);
    checker.restarted(p1.view);
    p1.damage = { lastIndex: 5, lastTerm: 2 };
    p1.durable.isWounded = true;
    checker.restarted(p1.view);
    p1.durable.isWounded = false;
    expect(() => checker.restarted(p1.view)).toThrow('lost entries up to 5/t2');
  });

  test('a leader that believes too much of a follower', () => {
    const { p1, p2, view } = cluster();
    const checker = new ProgressSanity(view);
    p1.holds(1, 1, 1);
    p2.holds(1, 1);
    p1.role = 'leader';
    p1.followers = [{ peer: p2.id, match: 2, next: 4 }];
    checker.changed(p1.view);
    p1.followers = [{ peer: p2.id, match: 3, next: 4 }];
    expect(() => checker.changed(p1.view)).toThrow('holds its log up to 3, and it does not');
    p1.followers = [{ peer: p2.id, match: 1, next: 4 }];
    expect(() => checker.changed(p1.view)).toThrow('back to 1');
    p1.term = 2;
    p1.followers = [{ peer: p2.id, match: 2, next: 2 }];
    expect(() => checker.changed(p1.view)).toThrow('match 2 and next 2');
  });

  test('but not a leader that hears late what its follower acknowledged, and cut for the next leader', () => {
    const { p1, p2, view } = cluster();
    const checker = new ProgressSanity(view);
    p1.holds(1, 1, 1);
    p2.holds(1, 1);
    p2.durable.term = 2;
    p1.role = 'leader';
    p1.followers = [{ peer: p2.id, match: 3, next: 4 }];
    checker.changed(p1.view);
    p1.term = 2;
    expect(() => checker.changed(p1.view)).toThrow('holds its log up to 3, and it does not');
  });

  test('messages that make no sense', () => {
    const { p1, p2, view } = cluster();
    const checker = new MessageSanity(view);
    p1.role = 'leader';
    p1.term = 2;
    p1.followers = [{ peer: p2.id, match: 4, next: 5 }];
    const beat = { type: 'heartbeat', from: 'p1', to: 'p2', term: 2 } as const;
    checker.sent(p1.view, message({ ...beat, commit: 4 }));
    expect(() => checker.sent(p1.view, message({ ...beat, commit: 5 }))).toThrow('knows its log up to 4 only');
    const append = { type: 'append-entries', from: 'p1', to: 'p2', term: 2, prevLogIndex: 4, prevLogTerm: 1 } as const;
    checker.sent(p1.view, message({ ...append, entries: [entryOf(5, 1), entryOf(6, 2)] }));
    expect(() => checker.sent(p1.view, message({ ...append, entries: [entryOf(6, 1)] }))).toThrow('sends entry 6/t1');
    expect(() => checker.sent(p1.view, message({ ...append, entries: [entryOf(5, 3)] }))).toThrow('sends entry 5/t3');
    // It was written to a member that the same turn removed: nothing is known of its log any more.
    p1.followers = [];
    checker.sent(p1.view, message({ ...beat, commit: 5 }));
  });

  test('a read of a state that is older than what was committed before it', () => {
    const { p1, view } = cluster();
    const checker = new ReadFreshness(view);
    checker.read(p1.view, 7, 7);
    expect(() => checker.read(p1.view, 7, 6)).toThrow('reads at 6, and 7 was committed');
  });

  test('a configuration that shares no voter with the one before, by some majorities', () => {
    const { p1, view } = cluster();
    const checker = new ConfigurationAdjacency(view, new ConfigurationBook(view.voters));
    const look = (index: number, ...voters: string[]): void => {
      const members = voters.map((id) => ({ peer: peerId(id), votes: true, info: new Uint8Array(0) }));
      const made = { ...entryOf(index, 1), kind: EntryKind.configuration, data: encodeMembers(members) };
      const { view: peer } = p1.holds(1, 1, 1);
      Object.assign(peer.log, { entryAt: (at: number) => (at === index ? made : entryOf(at, 1)) });
      checker.moved(peer, { cutFrom: index, oldLast: 3, newLast: 3 });
    };
    look(2, 'p1', 'p2', 'p3', 'p4');
    expect(() => look(3, 'p1', 'p2')).toThrow('makes p1 p2 of p1 p2 p3 p4');
  });

  test('a task that is seen done and then running', () => {
    const ledger = new Ledger();
    const { stories, storyOfMark, witness } = witnessOf();
    expect(stories.size + storyOfMark.size).toBe(0);
    const checker = new Linearizability(cluster().view, ledger, witness);
    ledger.wishes.set('a', { ...wish('a', 1), id: 't-1', answeredUs: 5 });
    ledger.mayHappen('w1', 1, 6, { f: 'complete', state: 'done', result: '1' });
    ledger.shown('c1', 1, 7, 8, { id: 't-1', state: 'done', result: '1' });
    checker.settled();
    ledger.shown('c1', 1, 9, 10, { id: 't-1', state: 'running', result: undefined });
    expect(() => checker.settled()).toThrow('no order explains');
  });

  test('one task of a key that is shown done before anybody can have ended it, to whichever submission', () => {
    const ledger = new Ledger();
    const checker = new Linearizability(cluster().view, ledger, witnessOf().witness);
    const keyed = { ...wish('', 1), key: 'k' };
    ledger.wishes.set('a', { ...keyed, mark: 'a', id: 't-1', askedUs: 2, answeredUs: 5 });
    ledger.wishes.set('b', { ...keyed, mark: 'b', id: 't-1', askedUs: 6, answeredUs: 7, deduplicated: true });
    ledger.shown('c1', 1, 8, 9, { id: 't-1', state: 'running', result: undefined });
    checker.settled();
    ledger.shown('c1', 1, 10, 11, { id: 't-1', state: 'done', result: '1' });
    ledger.mayHappen('w1', 1, 12, { f: 'complete', state: 'done', result: '1' });
    expect(() => checker.settled()).toThrow('no order explains that c1 saw of task 1');
  });

  test('a submission under a key that is told of a task which nobody can have made before', () => {
    const ledger = new Ledger();
    const checker = new Linearizability(cluster().view, ledger, witnessOf().witness);
    const keyed = { ...wish('', 1), key: 'k', id: 't-1' };
    ledger.wishes.set('b', { ...keyed, mark: 'b', askedUs: 6, answeredUs: 7, deduplicated: true });
    expect(() => checker.settled()).toThrow('no order explains that b saw of task 1');
    // Unless it was one of which nobody knows what became.
    ledger.wishes.set('a', { ...keyed, mark: 'a', number: undefined, id: undefined, askedUs: 1, outcome: 'unknown' });
    checker.settled();
  });

  test('an answer that may be old, and is no moment of the one history, or one before the last', () => {
    const { stories, witness } = witnessOf();
    const checker = new ClientVisible(cluster().view, new Ledger(), witness);
    const one = story(1, {});
    stories.set(1, one);
    checker.shownAt(1, 'running', 5, 4);
    expect(() => checker.shownAt(1, 'running', 3, 5)).toThrow('after one at 5 on the same connection');
    expect(() => checker.shownAt(1, 'done', 5, 5)).toThrow('ends as undefined');
    expect(() => checker.shownAt(2, 'running', 5, 5)).toThrow('which nobody committed');
    expect(() => checker.notShown(1)).toThrow('has not ended');
    one.end = { state: 'done', reason: undefined, index: 7, token: 1, result: undefined };
    checker.shownAt(1, 'running', 6, 5);
    checker.shownAt(1, 'done', 6, 5);
    checker.notShown(1);
    expect(() => checker.shownAt(1, 'running', 7, 5)).toThrow('ended as done at 7');
  });

  test('a digest that is not the witness’s', () => {
    const { p1, view } = cluster();
    const checker = new StateAgreement(view);
    const digest = { high: 1, low: 2 };
    const scheduler = { lastMark: { index: 7, logTimeMs: 0, digest } } as unknown as Scheduler;
    checker.witnessed({ ...entry(7, []), scheduler, outcome: { ...outcome([]), marked: true } });
    p1.marks = [{ index: 7, digest }];
    checker.moved(p1.view, unchanged(p1));
    p1.start = 2;
    p1.marks = [{ index: 7, digest: { high: 1, low: 3 } }];
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('p1 has digest');
    p1.marks = [{ index: 8, digest }];
    expect(() => checker.moved(p1.view, unchanged(p1))).toThrow('the witness none');
  });

  test('what grows beyond its bound', () => {
    const { p1, view } = cluster();
    const checker = new Bounds(view, PEER_LIMITS, SCHEDULER_LIMITS);
    checker.changed(p1.view);
    p1.queuedBytes = PEER_LIMITS.queueBytesMax + 1;
    expect(() => checker.changed(p1.view)).toThrow('bytes queued, over the bound');
    p1.queuedBytes = 0;
    p1.forwardedReads = PEER_LIMITS.readsMax + 1;
    expect(() => checker.changed(p1.view)).toThrow('reads asked of the leader');
    p1.forwardedReads = 0;
    p1.stateCount = 3;
    expect(() => checker.whole()).toThrow('databases of states');
    p1.role = 'leader';
    p1.handOverTicks = 11;
    expect(() => checker.changed(p1.view)).toThrow('ticks of a hand-over');
    p1.uncommittedBytes = 2 * PEER_LIMITS.uncommittedBytesMax;
    expect(() => checker.changed(p1.view)).toThrow('uncommitted bytes');
  });

  test('a submission that takes effect twice, or is answered otherwise the second time', () => {
    const checker = new SubmitOnce(cluster().view);
    const first: Reply = { type: 'submitted', firstNumber: 1, created: 2, existing: [], repeated: false };
    checker.witnessed(entry(1, [submit(1)], [first]));
    checker.witnessed(entry(2, [submit(1)], [{ ...first, repeated: true }]));
    checker.witnessed(entry(3, [submit(1)], [{ type: 'refused', code: 'SESSION_EXPIRED', position: -1 }]));
    expect(checker.repeated).toBe(1);
    expect(() => checker.witnessed(entry(4, [submit(1)], [{ ...first, firstNumber: 3 }]))).toThrow(
      'its first answer was',
    );
    expect(() => checker.witnessed(entry(5, [submit(2)], [{ ...first, repeated: true }]))).toThrow(
      'never answered before',
    );
    expect(() => checker.witnessed(entry(6, [submit(3)], [{ ...first, firstNumber: 2 }]))).toThrow(
      'makes task 2 after 2',
    );
  });

  test('a token that is started twice, or placed elsewhere', () => {
    const { stories, witness } = witnessOf();
    const checker = new LeaseExclusion(cluster().view, witness);
    stories.set(1, story(1, { placements: [{ token: 5, worker: 'w1', index: 2, atMs: 10 }] }));
    checker.started({ number: 1, token: 5, term: 1, worker: 'w1' });
    checker.whole();
    expect(() => checker.started({ number: 1, token: 5, term: 1, worker: 'w2' })).toThrow('which w1 started before');
    checker.started({ number: 1, token: 6, term: 1, worker: 'w2' });
    expect(() => checker.whole()).toThrow('w2 started token');
  });

  test('reports that count although they are late or repeated, and placements that are early or too late', () => {
    const { stories, witness } = witnessOf();
    const checker = new LeaseExclusion(cluster().view, witness);
    const one = story(1, { placements: [{ token: 5, worker: 'w1', index: 1, atMs: 0 }] });
    stories.set(1, one);
    checker.witnessed({ ...entry(1, []), outcome: { ...outcome([]), assigned: [1] } });
    one.accepted.push({ token: 4, type: 'done', index: 2 });
    expect(() => checker.witnessed(entry(2, [complete(1, 4)]))).toThrow('a report under token 4');
    const two = story(2, { placements: [{ token: 9, worker: 'w1', index: 3, atMs: 0 }], notBeforeMs: 100 });
    stories.set(2, two);
    expect(() => checker.witnessed({ ...entry(3, [], [], 99), outcome: { ...outcome([]), assigned: [2] } })).toThrow(
      'before it is due at 100',
    );
    const three = story(3, { placements: [{ token: 3, worker: 'w1', index: 4, atMs: 0 }] });
    stories.set(3, three);
    expect(() => checker.witnessed({ ...entry(4, []), outcome: { ...outcome([]), assigned: [3] } })).toThrow(
      'token 3 at 4 is not above 5',
    );
    const four = story(4, { placements: [{ token: 20, worker: 'w1', index: 6, atMs: 0 }] });
    four.end = { state: 'done', reason: undefined, index: 5, token: 10, result: undefined };
    stories.set(4, four);
    expect(() => checker.witnessed({ ...entry(6, []), outcome: { ...outcome([]), assigned: [4] } })).toThrow(
      'although it is final since 5',
    );
  });

  test('what clients are told and is not so', () => {
    const { stories, storyOfMark, witness } = witnessOf();
    const ledger = new Ledger();
    const checker = new ClientVisible(cluster().view, ledger, witness);
    const one = story(1, { mark: 'c1-1', createdIndex: 4 });
    stories.set(1, one);
    storyOfMark.set('c1-1', one);
    checker.acknowledged(wish('c1-1', 1));
    expect(checker.frontier).toBe(4);
    expect(() => checker.acknowledged(wish('c1-2', 2))).toThrow('which nobody committed');
    expect(() => checker.acknowledged(wish('c1-2', 1))).toThrow('which is c1-1');
    expect(() => checker.acknowledged({ ...wish('c1-1', 1), after: 4 })).toThrow('asked after 4 was acknowledged');
    expect(() => checker.shown(7, 'pending', false)).toThrow('was shown');
    ledger.wishes.set('c1-1', wish('c1-1', 1));
    expect(() => checker.settled()).toThrow('has not ended');
    one.end = { state: 'done', reason: undefined, index: 9, token: 6, result: undefined };
    checker.settled();
    expect(() => checker.shown(1, 'running', true)).toThrow('is shown as running, and had ended as done');
    ledger.ends.push({ number: 1, state: 'failed', result: undefined });
    expect(() => checker.whole()).toThrow('heard to be failed');
    ledger.ends.splice(0, 1, { number: 1, state: 'done', result: { token: 5 } });
    expect(() => checker.whole()).toThrow('is of token 5, and token 6 ended it');
    ledger.ends.length = 0;
    ledger.wishes.set('c1-1', { ...wish('c1-1', 1), outcome: 'refused', code: 'KEY_CONFLICT' });
    expect(() => checker.settled()).toThrow('was refused with KEY_CONFLICT and is task 1');
  });
});

function cluster(): FakeCluster {
  return new FakeCluster();
}

function message(fields: Record<string, unknown>): Message {
  return { to: 'p2', ...fields } as unknown as Message;
}

function outcome(replies: Reply[]): ApplyOutcome {
  const nothing = { assigned: [], aborts: [], finished: [], occurrences: [] };
  return { replies, ...nothing, schedulesWant: false, marked: false };
}

function entry(index: number, commands: Command[], replies: Reply[] = [], logTimeMs = 1_000): WitnessedEntry {
  return {
    index,
    logTimeMs,
    commands: commands.map((command) => ({ principal: 'anonymous', command })),
    outcome: outcome(replies),
    scheduler: {} as unknown as Scheduler,
  };
}

function submit(sequence: number): Command {
  return { type: 'submit', session: 's', sequence, answeredBelow: 1, namespace: 'default', templates: [], tasks: [] };
}

function complete(number: number, fencingToken: number): Command {
  return { type: 'complete', worker: 'w1', completions: [{ number, fencingToken, outcome: { type: 'returned' } }] };
}

function story(number: number, fields: Partial<TaskStory>): TaskStory {
  return { number, mark: '', createdIndex: 1, notBeforeMs: 0, placements: [], accepted: [], end: undefined, ...fields };
}

function witnessOf(): { stories: Map<number, TaskStory>; storyOfMark: Map<string, TaskStory>; witness: Witness } {
  const stories = new Map<number, TaskStory>();
  const storyOfMark = new Map<string, TaskStory>();
  return { stories, storyOfMark, witness: { stories, storyOfMark } as unknown as Witness };
}

function wish(mark: string, number: number): Wish {
  return {
    mark,
    key: undefined,
    askedUs: 0,
    answeredUs: undefined,
    after: 0,
    outcome: 'acknowledged',
    code: undefined,
    id: undefined,
    number,
    deduplicated: false,
  };
}
