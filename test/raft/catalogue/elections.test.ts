import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import { RAFT_DEFAULTS } from '../../../src/raft/options.ts';
import { Raft } from '../../../src/raft/raft.ts';
import { RAFT_FRESH } from '../../../src/raft/types.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

const heartbeat = (term: number, commit = 0) => ({ type: 'heartbeat', term, commit, readRound: 0 }) as const;
const voteRequest = (term: number, lastLogIndex: number, lastLogTerm: number, transfer = false) =>
  ({ type: 'vote-request', term, lastLogIndex, lastLogTerm, transfer }) as const;

describe('election timeouts (etcd: TestFollowersElectionTimeoutNonconflict)', () => {
  it('of five followers two are first at the same tick in less than three of ten cases', () => {
    const founding = encodeMembers(
      [1, 2, 3, 4, 5].map((at) => ({ peer: n(at), votes: true, info: new Uint8Array(0) })),
    );
    const restored = { ...RAFT_FRESH, configurations: [{ index: 0, data: founding }] };
    let conflicts = 0;
    for (let round = 0; round < 500; round += 1) {
      const timeouts = [1, 2, 3, 4, 5].map((at) => {
        const random = new SeededRandom(round * 8 + at);
        const raft = new Raft({ ...RAFT_DEFAULTS, self: n(at), isSelf: () => true, random }, restored);
        return raft.inspect().electionTimeoutTicks;
      });
      const first = Math.min(...timeouts);
      if (timeouts.filter((ticks) => ticks === first).length > 1) conflicts += 1;
    }
    expect(conflicts).toBeGreaterThan(0);
    expect(conflicts / 500).toBeLessThan(0.3);
  });
});

describe('a vote asked for in the next term (etcd: TestVoteFromAnyState, TestPreVoteFromAnyState)', () => {
  const roles: Record<string, (lab: Lab) => void> = {
    follower: () => {},
    'pre-candidate': (lab) => lab.cluster.timeout('n1'),
    candidate: (lab) => lab.becomeCandidate(),
    leader: (lab) => lab.becomeLeader(),
  };

  it.each(Object.keys(roles))('is given by a %s to whoever has more, when the leader wants it', (role) => {
    const lab = new Lab();
    roles[role]?.(lab);
    lab.sent();
    expect(lab.raft.role).toBe(role);
    const term = lab.raft.term + 1;
    const [answer] = only(lab.hears('n2', voteRequest(term, 9, term, true)), 'vote-response');
    expect(answer).toMatchObject({ granted: true, term });
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term, votedFor: 'n2' });
  });

  it.each(Object.keys(roles))('changes nothing in a %s when it is only wished for', (role) => {
    const lab = new Lab();
    roles[role]?.(lab);
    lab.sent();
    const before = lab.raft.status();
    const { electionElapsedTicks } = lab.raft.inspect();
    const request = { type: 'pre-vote-request', term: before.term + 1, lastLogIndex: 9, lastLogTerm: 9 } as const;
    const answers = lab.hears('n2', request);
    // Whoever leads is heard by itself, and says nothing.
    if (role === 'leader') expect(answers).toEqual([]);
    else expect(answers).toMatchObject([{ type: 'pre-vote-response', granted: true, term: before.term + 1 }]);
    expect(lab.raft.status()).toEqual(before);
    expect(lab.raft.inspect().electionElapsedTicks).toBe(electionElapsedTicks);
  });
});

describe('one vote a term', () => {
  it('a wish to stand does not take back a vote that was given (canonical/raft 98d8f51, rabbitmq/ra bbd00102)', () => {
    const lab = new Lab({ log: [1] });
    lab.hears('n2', voteRequest(2, 1, 1));
    lab.cluster.timeout('n1');
    lab.sent();
    expect(lab.raft.status()).toMatchObject({ role: 'pre-candidate', term: 2, votedFor: 'n2' });
    expect(lab.hears('n3', voteRequest(2, 9, 2))).toMatchObject([{ granted: false }]);
    expect(lab.raft.status().votedFor).toBe('n2');
  });

  it('an answer of a later term ends the election and is no vote of one’s own (openraft b06cbb37)', () => {
    const lab = new Lab();
    lab.becomeCandidate();
    lab.hears('n2', { type: 'vote-response', term: 7, granted: true });
    expect(lab.raft.status()).toMatchObject({ role: 'follower', term: 7, votedFor: undefined });
  });

  it('the own vote that becomes durable after another peer won changes nothing (etcd: TestCandidateSelfVoteAfterLostElection)', () => {
    const lab = new Lab();
    lab.cluster.timeout('n1');
    lab.member.diskStalled = true;
    lab.hears('n2', { type: 'pre-vote-response', term: 1, granted: true });
    expect(lab.raft.role).toBe('candidate');
    lab.hears('n2', heartbeat(1));
    expect(lab.raft.status()).toMatchObject({ role: 'follower', leader: 'n2' });
    lab.sync();
    lab.hears('n3', { type: 'vote-response', term: 1, granted: true });
    expect(lab.raft.status()).toMatchObject({ role: 'follower', leader: 'n2', term: 1 });
  });

  it('a wish of one’s own counts for nothing once the peer stands in earnest', () => {
    const lab = new Lab({ voters: 5 });
    lab.becomeCandidate();
    for (const peer of ['n2', 'n3', 'n4', 'n5']) lab.hears(peer, { type: 'pre-vote-response', term: 1, granted: true });
    expect(lab.raft.role).toBe('candidate');
  });
});

describe('leaders and those who would be (etcd: TestDuelingPreCandidates, TestDisruptiveFollower, TestPreVoteWithCheckQuorum)', () => {
  it('cut off from the leader alone, a peer wins nobody, and finds the same leader when it is back', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.cut('n1', 'n3');
    cluster.cut('n3', 'n1');
    cluster.pass(60);
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1 });
    cluster.heal();
    cluster.pass(5);
    expect(cluster.members.map(({ raft }) => [raft.role, raft.term])).toEqual([
      ['leader', 1],
      ['follower', 1],
      ['follower', 1],
    ]);
  });

  it('heartbeats that come too late find a peer that only asked, and it follows again', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.tick('n1');
    cluster.timeout('n3');
    expect(cluster.raft('n3').role).toBe('pre-candidate');
    cluster.run();
    cluster.pass(3);
    expect(cluster.members.map(({ raft }) => [raft.role, raft.term])).toEqual([
      ['leader', 1],
      ['follower', 1],
      ['follower', 1],
    ]);
  });

  it('a leader that is gone is replaced as soon as a majority noticed, not by the first that does', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.isolate('n1');
    cluster.timeout('n3');
    cluster.run();
    // n2 heard the leader a moment ago, and says nothing.
    expect(cluster.raft('n3').role).toBe('pre-candidate');
    cluster.timeout('n2');
    cluster.run();
    expect(cluster.members.some(({ id, raft }) => id !== 'n1' && raft.role === 'candidate')).toBe(false);
    cluster.pass(20);
    expect(cluster.members.filter(({ id, raft }) => id !== 'n1' && raft.role === 'leader')).toHaveLength(1);
  });

  it('each can lead after the other (etcd: TestLeaderCycle)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    for (const name of ['n1', 'n2', 'n3', 'n1']) {
      const leader = cluster.members.find(({ raft }) => raft.role === 'leader');
      if (leader === undefined) cluster.elect(name);
      else cluster.with(leader.id, (raft) => raft.transferLeadership(n(Number(name.slice(1)))));
      cluster.run();
      cluster.pass(2);
      expect(cluster.members.filter(({ raft }) => raft.role === 'leader').map(({ id }) => id)).toEqual([name]);
    }
    expect(cluster.raft('n1').term).toBe(4);
  });

  it('one whose own configuration does not know it votes and follows (etcd: TestNonPromotableVoterWithCheckQuorum)', () => {
    const lab = new Lab({ members: ['n2', 'n3'], log: [1] });
    expect(lab.hears('n2', voteRequest(2, 1, 1))).toMatchObject([{ granted: true }]);
    lab.hears('n2', append(2, 1, 1, [2]));
    expect(lab.raft.status()).toMatchObject({ leader: 'n2', lastIndex: 2 });
    lab.tick(100);
    expect(lab.raft.role).toBe('follower');
  });

  it('a learner of a later term costs one election and no more (hashicorp/raft #526)', () => {
    const disks = { n4: Disk.withLog([], 50) };
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], members: ['n1', 'n2', 'n3', '(n4)'], disks });
    cluster.pass(100);
    const { term } = cluster.raft('n1');
    expect(term).toBeGreaterThan(50);
    expect(cluster.members.filter(({ raft }) => raft.role === 'leader')).toHaveLength(1);
    cluster.pass(100);
    expect(cluster.members.map(({ raft }) => raft.term)).toEqual([term, term, term, term]);
  });
});
