import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { Configuration, ConfigurationChange } from '../../src/raft/configuration.ts';
import {
  MEMBER_INFO_BYTES_MAX,
  MEMBERS_MAX,
  VOTERS_MAX,
  adjacent,
  changeMembers,
  configurationOf,
  decodeMembers,
  encodeMembers,
} from '../../src/raft/configuration.ts';
import { SeededRandom } from '../../src/base/random.ts';
import { RAFT_DEFAULTS } from '../../src/raft/options.ts';
import { Raft } from '../../src/raft/raft.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { Cluster } from './support/cluster.ts';
import { Lab, append, n, only } from './support/lab.ts';

const NO_INFO = new Uint8Array(0);
const add = (number: number): ConfigurationChange => ({ type: 'add', peer: n(number), info: Uint8Array.of(0) });
const promote = (number: number): ConfigurationChange => ({ type: 'promote', peer: n(number) });
const remove = (number: number): ConfigurationChange => ({ type: 'remove', peer: n(number) });

/** A leader of `members` whose term is open, with everybody up to date. */
function leading(members: readonly string[]): Lab {
  const lab = new Lab({ voters: members.length, members });
  lab.becomeLeader();
  lab.acknowledgeAll();
  for (const { peer } of lab.raft.status().peers) {
    lab.hears(peer, { type: 'heartbeat-response', term: lab.raft.term, readRound: 0 });
  }
  lab.sent();
  return lab;
}

function change(lab: Lab, asked: ConfigurationChange): ReturnType<Raft['changeConfiguration']> {
  return lab.cluster.with('n1', (raft) => raft.changeConfiguration(asked));
}

describe('a configuration as bytes', () => {
  const member = fc.record({
    peer: fc.nat(40).map(n),
    votes: fc.boolean(),
    info: fc.uint8Array({ maxLength: MEMBER_INFO_BYTES_MAX }),
  });

  it('reads what it wrote, in the order of the ids', () => {
    const members = fc
      .uniqueArray(member, { selector: ({ peer }) => peer, maxLength: MEMBERS_MAX })
      .filter((all) => all.filter(({ votes }) => votes).length <= VOTERS_MAX);
    fc.assert(
      fc.property(members, (all) => {
        const read = decodeMembers(encodeMembers(all));
        expect(read).toEqual(all.toSorted((left, right) => (left.peer < right.peer ? -1 : 1)));
        expect(encodeMembers(read)).toEqual(encodeMembers(all));
      }),
    );
  });

  it('refuses what could not have been written, and garbage', () => {
    const three = encodeMembers([1, 2, 3].map((at) => ({ peer: n(at), votes: true, info: NO_INFO })));
    const twice = Uint8Array.of(1, 1, 2, ...three.subarray(3, 8), ...three.subarray(3, 8));
    for (const bad of [
      three.subarray(0, 9),
      Uint8Array.of(...three, 0),
      Uint8Array.of(2, ...three.subarray(1)),
      twice,
    ]) {
      expect(() => decodeMembers(bad)).toThrow(DecodeError);
    }
    expect(() => decodeMembers(Uint8Array.of(1, 1, MEMBERS_MAX + 1))).toThrow(/17 members are too many/);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeMembers(Uint8Array.of(1, 1, ...bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});

describe('changes, one after the other', () => {
  const asked = fc.array(
    fc.record({
      type: fc.constantFrom('add', 'promote', 'remove'),
      peer: fc.nat(20).map(n),
      info: fc.constant(NO_INFO),
    }),
    { maxLength: 80 },
  );

  it('never differ by two voters, never leave none, and stay within their bounds', () => {
    fc.assert(
      fc.property(asked, (changes) => {
        let now: Configuration = configurationOf(0, [{ peer: n(1), votes: true, info: NO_INFO }]);
        // What they should come to, kept in another way.
        const voters = new Set<string>(['n1']);
        const learners = new Set<string>();
        for (const one of changes) {
          const next = changeMembers(now, one);
          if (typeof next !== 'string') {
            if (one.type === 'add') learners.add(one.peer);
            else learners.delete(one.peer);
            if (one.type === 'promote') voters.add(one.peer);
            if (one.type === 'remove') voters.delete(one.peer);
            const after = configurationOf(now.index + 1, next);
            expect(adjacent(now.voters, after.voters)).toBe(true);
            now = after;
          }
          expect([...voters].toSorted()).toEqual([...now.voters].toSorted());
          expect([...learners].toSorted()).toEqual([...now.learners].toSorted());
          expect(now.voters.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it('by one voter leave no two majorities without a common member; by two they can', () => {
    const majorities = (voters: readonly number[]): number[][] =>
      Array.from({ length: 2 ** voters.length }, (_, bits) => voters.filter((_voter, at) => bits & (1 << at))).filter(
        (chosen) => chosen.length * 2 > voters.length,
      );
    const meet = (left: readonly number[], right: readonly number[]): boolean =>
      majorities(left).every((one) => majorities(right).every((other) => one.some((voter) => other.includes(voter))));
    for (let count = 1; count <= 6; count += 1) {
      const voters = Array.from({ length: count }, (_, at) => at);
      expect(adjacent(voters.map(n), [...voters, 9].map(n))).toBe(true);
      expect(meet(voters, [...voters, 9])).toBe(true);
    }
    expect(adjacent([1, 2, 3].map(n), [1, 2, 4].map(n))).toBe(false);
    expect(adjacent([1, 2, 3].map(n), [3, 4, 5].map(n))).toBe(false);
    expect(meet([1, 2, 3], [3, 4, 5])).toBe(false);
  });
});

describe('a leader that is asked to change the members', () => {
  it('refuses by name what it cannot do', () => {
    const follower = new Lab();
    expect(change(follower, remove(2))).toMatchObject({ accepted: false, reason: 'not-leader' });
    const fresh = new Lab();
    fresh.becomeLeader();
    expect(change(fresh, remove(2))).toMatchObject({ accepted: false, reason: 'term-not-open', leader: 'n1' });

    const lab = leading(['n1', 'n2', 'n3', '(n4)']);
    expect(change(lab, add(2))).toMatchObject({ reason: 'already-member' });
    expect(change(lab, add(4))).toMatchObject({ reason: 'already-member' });
    expect(change(lab, promote(2))).toMatchObject({ reason: 'already-votes' });
    expect(change(lab, promote(9))).toMatchObject({ reason: 'unknown-peer' });
    expect(change(lab, remove(9))).toMatchObject({ reason: 'unknown-peer' });
    expect(change(leading(['n1', '(n2)']), remove(1))).toMatchObject({ reason: 'last-voter' });
    lab.cluster.with('n1', (raft) => raft.transferLeadership(n(2)));
    expect(change(lab, remove(3))).toMatchObject({ reason: 'transferring' });
  });

  it('makes one change at a time: the next waits until the last is committed', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    expect(change(lab, add(4))).toEqual({ accepted: true, index: 2, term: 1 });
    expect(change(lab, remove(3))).toMatchObject({ accepted: false, reason: 'change-pending' });
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(lab.raft.committedConfiguration.index).toBe(2);
    expect(change(lab, remove(3))).toEqual({ accepted: true, index: 3, term: 1 });
    expect(lab.raft.configuration).toMatchObject({ index: 3, voters: ['n1', 'n2'], learners: ['n4'] });
    expect(lab.raft.committedConfiguration).toMatchObject({ index: 2, voters: ['n1', 'n2', 'n3'] });
    expect(lab.raft.configurationAt(2).voters).toHaveLength(3);
  });

  it('counts the bytes of a change like any others', () => {
    const lab = new Lab({ options: { maxUncommittedBytes: 10 } });
    lab.becomeLeader();
    lab.acknowledgeAll();
    lab.propose('123456');
    expect(change(lab, remove(3))).toMatchObject({ accepted: false, reason: 'uncommitted-limit' });
    lab.acknowledgeAll();
    expect(change(lab, remove(3))).toMatchObject({ accepted: true });
  });

  it('promotes a learner that keeps pace: heard of late, and with all that was committed half an election timeout ago', () => {
    const lab = leading(['n1', 'n2', 'n3', '(n4)']);
    const hear = (peer: string): unknown => lab.hears(peer, { type: 'heartbeat-response', term: 1, readRound: 0 });
    lab.propose('a');
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 2 });
    // Behind by what was committed just now is not behind.
    expect(lab.raft.commitIndex).toBe(2);
    for (let tick = 0; tick < 10; tick += 1) {
      for (const peer of ['n2', 'n3', 'n4']) hear(peer);
      lab.tick();
    }
    expect(change(lab, promote(4))).toMatchObject({ reason: 'not-caught-up' });
    lab.hears('n4', { type: 'append-accepted', term: 1, matchIndex: 2 });
    for (let tick = 0; tick < 10; tick += 1) {
      for (const peer of ['n2', 'n3']) hear(peer);
      lab.tick();
    }
    expect(change(lab, promote(4))).toMatchObject({ reason: 'not-caught-up' });
    hear('n4');
    // A connection that broke: where the learner is must be found out again first.
    lab.raft.peerUnreachable(n(4));
    expect(change(lab, promote(4))).toMatchObject({ reason: 'not-caught-up' });
    lab.hears('n4', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.propose('b');
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 3 });
    expect(change(lab, promote(4))).toMatchObject({ accepted: true });
    expect(lab.raft.configuration.voters).toEqual(['n1', 'n2', 'n3', 'n4']);
  });

  it('removing the target calls a transfer off; anything else waits for its end', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    lab.propose('a');
    lab.cluster.with('n1', (raft) => raft.transferLeadership(n(2)));
    expect(change(lab, remove(2))).toMatchObject({ accepted: true });
    expect(lab.raft.status().transferTo).toBeUndefined();
    expect(lab.raft.propose(NO_INFO)).toMatchObject({ accepted: true });
    expect(lab.raft.transferLeadership(n(2))).toEqual({ started: false, reason: 'unknown-peer' });
  });

  it('hands nothing to a learner, asked by name or as the best', () => {
    const lab = leading(['n1', 'n2', '(n3)']);
    lab.propose('a');
    lab.hears('n3', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(lab.raft.transferLeadership(n(3))).toEqual({ started: false, reason: 'unknown-peer' });
    expect(lab.raft.transferLeadership('best')).toEqual({ started: true, to: 'n2' });
  });
});

describe('learners', () => {
  it('count neither for a commit, nor for a read, nor for the quorum that a leader must hear', () => {
    const lab = leading(['n1', 'n2', 'n3', '(n4)', '(n5)']);
    lab.propose('a');
    for (const peer of ['n4', 'n5']) lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(lab.raft.commitIndex).toBe(1);
    lab.cluster.with('n1', (raft) => raft.requestRead(1));
    for (const peer of ['n4', 'n5']) lab.hears(peer, { type: 'heartbeat-response', term: 1, readRound: 1 });
    expect(lab.member.reads).toEqual([]);
    for (let tick = 0; tick < 10; tick += 1) {
      for (const peer of ['n4', 'n5']) lab.hears(peer, { type: 'heartbeat-response', term: 1, readRound: 1 });
      lab.tick();
    }
    expect(lab.raft.role).toBe('follower');
    expect(lab.member.readsLost).toEqual([1]);
  });

  it('never stand for election, not even when they are told to, and know when nobody leads', () => {
    const lab = new Lab({ members: ['(n1)', 'n2', 'n3'], log: [1] });
    lab.hears('n2', { type: 'heartbeat', term: 1, commit: 0, readRound: 0 });
    expect(lab.hears('n2', { type: 'timeout-now', term: 1, lastIndex: 1 })).toEqual([]);
    expect(lab.tick(60)).toEqual([]);
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 1, leader: undefined });
  });

  it('answer votes: they may be voters and not know it yet', () => {
    const lab = new Lab({ members: ['(n1)', 'n2', 'n3'], log: [1] });
    const request = { term: 2, lastLogIndex: 1, lastLogTerm: 1 };
    expect(lab.hears('n2', { type: 'pre-vote-request', ...request })).toMatchObject([{ granted: true }]);
    const [vote] = only(lab.hears('n2', { type: 'vote-request', ...request, transfer: false }), 'vote-response');
    expect(vote).toMatchObject({ granted: true, term: 2 });
    expect(lab.raft.status()).toMatchObject({ votedFor: 'n2', term: 2 });
  });

  it('that are promoted stand for election from the moment at which they know', () => {
    const lab = new Lab({ members: ['(n1)', 'n2'] });
    const members = encodeMembers([1, 2].map((at) => ({ peer: n(at), votes: true, info: Uint8Array.of(0) })));
    const entry = { index: 1, term: 1, kind: EntryKind.configuration, data: members };
    lab.hears('n2', { ...append(1, 0, 0, []), entries: [entry] });
    expect(lab.raft.configuration).toMatchObject({ index: 1, voters: ['n1', 'n2'] });
    lab.tick(20);
    expect(lab.raft.role).toBe('pre-candidate');
  });

  it('of which nobody counts the votes, whatever they answer', () => {
    const lab = new Lab({ members: ['n1', 'n2', 'n3', '(n4)'], voters: 4 });
    lab.cluster.timeout('n1');
    lab.hears('n4', { type: 'pre-vote-response', term: 1, granted: true });
    lab.hears('n9', { type: 'pre-vote-response', term: 1, granted: true });
    expect(lab.raft.role).toBe('pre-candidate');
    lab.hears('n3', { type: 'pre-vote-response', term: 1, granted: true });
    expect(lab.raft.role).toBe('candidate');
  });
});

describe('a peer that its newest configuration leaves out', () => {
  it('stands for election as long as that may not be committed, for a majority of the others', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, remove(1));
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    lab.sent();
    lab.becomeCandidate();
    lab.hears('n2', { type: 'vote-response', term: 2, granted: true });
    expect(lab.raft.role, 'its own vote does not count').toBe('candidate');
    lab.hears('n3', { type: 'vote-response', term: 2, granted: true });
    expect(lab.raft.role).toBe('leader');
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 2, matchIndex: 3 });
    expect(lab.raft.role, 'and it leaves when its removal is committed').toBe('follower');
    lab.tick(100);
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 2 });
  });

  it('hands over when it led, to whoever has most, naming what that one holds', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, remove(1));
    lab.propose('late');
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 3 });
    lab.sent();
    const sent = lab.hears('n3', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(only(sent, 'timeout-now')).toMatchObject([{ to: 'n2', lastIndex: 3 }]);
    expect(lab.raft.status()).toMatchObject({ role: 'follower', leader: undefined });
    expect(lab.raft.propose(NO_INFO)).toMatchObject({ accepted: false, reason: 'not-leader' });
  });

  it('hands over to one that has not heard of the commit: whoever has lets a removed peer say nothing more', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, remove(1));
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    lab.sent();
    const sent = lab.hears('n3', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(only(sent, 'timeout-now')).toMatchObject([{ to: 'n2' }]);
    expect(only(sent, 'append-entries')).toMatchObject([{ to: 'n3', leaderCommit: 2 }]);
  });

  it('does not count what it holds itself while it still leads', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, remove(1));
    lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: 2 });
    expect(lab.raft.commitIndex).toBe(1);
    expect(lab.raft.role).toBe('leader');
  });

  it('disturbs nobody: cut off, removed and back, it finds the same leader in the same term', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.isolate('n5');
    cluster.with('n1', (raft) => raft.changeConfiguration(remove(5)));
    cluster.pass(30);
    cluster.heal();
    cluster.pass(100);
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1 });
    expect(cluster.raft('n5').status()).toMatchObject({ term: 1, commitIndex: 1 });
  });
});

describe('another disk under an old name', () => {
  it('is not elected by a configuration of long ago in which its name decides alone', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2'], founders: ['n1'] });
    cluster.elect('n1');
    cluster.with('n1', (raft) => raft.changeConfiguration(add(2)));
    cluster.pass(12);
    cluster.with('n1', (raft) => raft.changeConfiguration(promote(2)));
    cluster.pass(12);
    cluster.with('n1', (raft) => raft.changeConfiguration(remove(1)));
    cluster.pass(12);
    expect(cluster.raft('n2').role).toBe('leader');
    cluster.wipe('n1');
    const info = cluster.info('n1');
    cluster.with('n2', (raft) => raft.changeConfiguration({ type: 'add', peer: n(1), info }));
    // It gets the log from the begin, piece by piece, and its old name votes in the first pieces.
    cluster.tick('n2');
    cluster.run();
    const { log } = cluster.raft('n2').inspect();
    const lab = new Cluster({ peers: ['n1', 'n2'], founders: ['n2'] });
    lab.wipe('n1');
    for (let index = 1; index <= log.lastIndex; index += 1) {
      const ends = { from: n(2), to: n(1), term: cluster.raft('n2').term };
      const prev = { prevLogIndex: index - 1, prevLogTerm: log.term(index - 1), leaderCommit: 0 };
      lab.with('n1', (raft) => raft.step({ type: 'append-entries', ...ends, ...prev, entries: [log.entry(index)] }));
      lab.tick('n1', 40);
      expect(lab.raft('n1').role).toBe('follower');
    }
    expect(lab.raft('n1').configuration).toMatchObject({ voters: ['n2'], learners: ['n1'] });
  });
});

describe('a feature that is switched on', () => {
  it('is an entry like another: in order, on a majority, and given to apply', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    const [sent] = only((lab.cluster.with('n1', (raft) => raft.proposeFeature(7)), lab.sent()), 'append-entries');
    expect(sent?.entries).toMatchObject([{ index: 2, kind: EntryKind.feature, data: Uint8Array.of(7, 0, 0, 0) }]);
    expect(lab.member.applied).toHaveLength(1);
    lab.acknowledgeAll();
    expect(lab.member.applied[1]).toMatchObject({ index: 2, kind: EntryKind.feature });
    expect(new Lab().raft.proposeFeature(7)).toMatchObject({ accepted: false, reason: 'not-leader' });
  });
});

describe('what a start finds', () => {
  it('is in force at once, committed or not', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, add(4));
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(lab.raft.configuration).toMatchObject({ index: 2, learners: ['n4'] });
    expect(lab.raft.committedConfiguration).toMatchObject({ index: 0, learners: [] });
  });

  it('must be in order, in the log, and of one voter more or less each time', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    change(lab, add(4));
    const { disk } = lab.member;
    const members = (ids: readonly number[]): Uint8Array =>
      encodeMembers(ids.map((id) => ({ peer: n(id), votes: true, info: NO_INFO })));
    const first = { index: 0, data: members([1, 2, 3]) };
    const options = { ...RAFT_DEFAULTS, self: n(1), isSelf: () => true, random: new SeededRandom(1) };
    const start = (...records: readonly { index: number; data: Uint8Array }[]): Raft =>
      new Raft(options, { ...disk.restore(), configurations: [first, ...records] });
    expect(() => start({ index: 1, data: members([1, 2]) })).not.toThrow();
    const whole = { index: 1, data: members([1, 2, 3]) };
    expect(() => start(whole, { index: 2, data: members([1, 2]) })).not.toThrow();
    expect(() => start(whole, { index: 2, data: members([1]) })).toThrow(/changes one voter at most/);
    expect(() => start({ index: 9, data: members([1, 2]) })).toThrow(/is in the log/);
    expect(() => start({ index: 1, data: members([]) })).toThrow(/could commit alone/);
  });

  it('may be further from the founders than one voter: whoever came later knows these by hearsay', () => {
    const lab = leading(['n1', 'n2', 'n3']);
    const { disk } = lab.member;
    const members = (ids: readonly number[]): Uint8Array =>
      encodeMembers(ids.map((id) => ({ peer: n(id), votes: true, info: NO_INFO })));
    const options = { ...RAFT_DEFAULTS, self: n(3), isSelf: () => true, random: new SeededRandom(1) };
    const configurations = [
      { index: 0, data: members([1, 3]) },
      { index: 1, data: members([1, 2]) },
    ];
    expect(new Raft(options, { ...disk.restore(), configurations }).configuration.voters).toEqual(['n1', 'n2']);
  });
});
