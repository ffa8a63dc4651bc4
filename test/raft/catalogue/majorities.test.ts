import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/base/ids.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, n, only } from '../support/lab.ts';

/** Who leads, of the peers that are up and not in `but`. */
function leaders(cluster: Cluster, but: readonly string[] = []): PeerId[] {
  const all = cluster.members.filter(({ id, up, raft }) => up && !but.includes(id) && raft.role === 'leader');
  return all.map(({ id }) => id);
}

/** Lets time pass until somebody leads, at most ten election timeouts. */
function untilLeader(cluster: Cluster, but: readonly string[] = []): PeerId {
  for (let tick = 0; tick < 200 && leaders(cluster, but).length === 0; tick += 1) cluster.pass(1);
  const [leader] = leaders(cluster, but);
  if (leader === undefined) throw new Error('nobody leads');
  return leader;
}

/** Cuts every link between `left` and the others, both ways. */
function split(cluster: Cluster, left: readonly string[]): void {
  for (const inside of left)
    for (const { id } of cluster.members) {
      if (left.includes(id)) continue;
      cluster.cut(inside, id);
      cluster.cut(id, inside);
    }
}

describe('a majority that can talk finds a leader', () => {
  it('when one stands in a later term with a shorter log, and the other one only asks, with a longer (rabbitmq/ra #439)', () => {
    const disks = { n1: Disk.withLog([1]), n2: Disk.withLog([1, 1, 1]), n3: Disk.withLog([1, 1, 1]) };
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks });
    // n3 let n1 stand, and is gone; n2 never heard of the term that n1 is in.
    cluster.isolate('n2');
    cluster.timeout('n1');
    cluster.with('n1', (raft) =>
      raft.step({ type: 'pre-vote-response', from: n(3), to: n(1), term: 2, granted: true }),
    );
    cluster.crash('n3');
    cluster.run();
    cluster.timeout('n2');
    expect([cluster.raft('n1').status(), cluster.raft('n2').status()]).toMatchObject([
      { role: 'candidate', term: 2 },
      { role: 'pre-candidate', term: 1 },
    ]);
    cluster.packets = [];
    cluster.heal();
    expect(untilLeader(cluster)).toBe('n2');
  });

  it.each([3, 4, 5])(
    'of %i, when one comes back from a term of long ago to those that wait (canonical/raft #279)',
    (count) => {
      const peers = Array.from({ length: count }, (_, at) => `n${at + 1}`);
      const cluster = new Cluster({ peers });
      cluster.elect('n1');
      cluster.pass(2);
      cluster.crash('n2');
      // Terms go on without it.
      for (const [from, to] of [
        ['n1', 3],
        ['n3', 1],
      ] as const) {
        cluster.with(from, (raft) => raft.transferLeadership(n(to)));
        cluster.pass(2);
      }
      expect(leaders(cluster)).toEqual(['n1']);
      cluster.crash('n1');
      if (count === 5) cluster.crash('n5');
      cluster.pass(100);
      expect(leaders(cluster)).toEqual([]);
      const waited = cluster.raft('n3').term;
      expect(cluster.member('n2').disk.hardState.term).toBeLessThan(waited);
      cluster.restart('n2');
      expect(untilLeader(cluster)).not.toBe('n2');
    },
  );

  it('when a leader gave up on its own and its last follower still believes in it (hashicorp/raft #606)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.crash('n3');
    // Its own disk hangs until it steps down; it goes on answering, and nobody told n2.
    const { id, raft } = cluster.member('n1');
    cluster.member('n1').diskStalled = true;
    cluster.with('n1', (core) => core.propose(bytes('x')));
    cluster.run();
    while (raft.role === 'leader') {
      cluster.tick('n1');
      cluster.run();
    }
    expect(cluster.raft('n2').leader).toBe(id);
    cluster.member('n1').diskStalled = false;
    cluster.sync('n1');
    // It asks before n2 has noticed anything.
    for (let tick = 0; tick < 40 && leaders(cluster).length === 0; tick += 1) {
      cluster.tick('n1');
      cluster.run();
    }
    expect(leaders(cluster)).toEqual(['n1']);
    expect(cluster.raft('n2').commitIndex).toBe(raft.commitIndex);
  });

  it('after all of them were gone at once, and with the newest log of that majority (openraft: t10_elect_compare_last_log)', () => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const disks = { n1: Disk.withLog([1, 1, 1], 2), n2: Disk.withLog([1, 1, 2], 2), n3: Disk.withLog([1, 1], 4) };
      const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], disks, seed });
      const leader = untilLeader(cluster);
      expect(leader).not.toBe('n3');
      cluster.pass(10);
      for (const { disk } of cluster.members) {
        expect(disk.entries.slice(0, 3).map(({ term }) => term)).toEqual(leader === 'n1' ? [1, 1, 1] : [1, 1, 2]);
      }
    }
  });

  it('on whichever side of a split it is, and one leader after it is healed (MicroRaft, hashicorp/raft integration tests)', () => {
    const peers = ['n1', 'n2', 'n3', 'n4', 'n5'];
    for (let seed = 1; seed <= 8; seed += 1) {
      const cluster = new Cluster({ peers, seed });
      cluster.elect('n1');
      cluster.pass(2);
      const minority = seed % 2 === 0 ? ['n1', 'n2'] : ['n4', 'n5'];
      split(cluster, minority);
      cluster.pass(60);
      const [leader, ...more] = leaders(cluster);
      expect(more).toEqual([]);
      expect(minority).not.toContain(leader);
      const { term } = cluster.raft(leader ?? '');
      cluster.heal();
      cluster.pass(30);
      // Those of the minority only asked: nobody had to be elected again.
      expect(leaders(cluster)).toEqual([leader]);
      expect(cluster.raft(leader ?? '').term).toBe(term);
    }
  });
});

describe('a peer that alone reaches a majority, as the others do not reach each other (Ng, Haridi and Carbone, Omni-Paxos, EuroSys 2023)', () => {
  const peers = ['n1', 'n2', 'n3', 'n4', 'n5'];
  const star = (cluster: Cluster, hub: string): void => {
    for (const from of peers) for (const to of peers) if (from !== hub && to !== hub) cluster.cut(from, to);
  };

  it.each([1, 2, 3, 4, 5, 6])('takes over from a leader that it still hears, and keeps the lead (seed %i)', (seed) => {
    const cluster = new Cluster({ peers, seed });
    cluster.elect('n3');
    cluster.pass(3);
    star(cluster, 'n1');
    // Nobody but the old leader has this: it makes its log the longest of all.
    cluster.with('n3', (raft) => raft.propose(bytes('x')));
    expect(untilLeader(cluster, ['n3'])).toBe('n1');
    const { term } = cluster.raft('n1');
    cluster.pass(100);
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term });
    expect(cluster.raft('n5').commitIndex).toBe(cluster.raft('n1').lastIndex);
  });

  it('and lacks what is committed leads nobody, as no peer may; terms stand still, and who comes back ends it', () => {
    const cluster = new Cluster({ peers });
    cluster.elect('n3');
    cluster.pass(3);
    cluster.isolate('n1');
    cluster.with('n3', (raft) => raft.propose(bytes('x')));
    cluster.pass(3);
    cluster.heal();
    cluster.packets = [];
    star(cluster, 'n1');
    for (const name of ['n2', 'n4', 'n5']) cluster.cut('n3', name);
    cluster.cut('n3', 'n1');
    cluster.pass(200);
    expect(leaders(cluster)).toEqual([]);
    expect(Math.max(...cluster.members.map(({ raft }) => raft.term))).toBe(1);
    cluster.heal();
    untilLeader(cluster);
    cluster.pass(10);
    expect(cluster.raft('n1').commitIndex).toBeGreaterThanOrEqual(2);
  });

  it('in a chain: the end that does not hear the leader disturbs nobody, and the middle can take over', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(3);
    cluster.cut('n1', 'n3');
    cluster.cut('n3', 'n1');
    cluster.pass(100);
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1 });
    cluster.with('n1', (raft) => raft.transferLeadership(n(2)));
    cluster.pass(20);
    expect(cluster.raft('n2').status()).toMatchObject({ role: 'leader', term: 2 });
    expect(cluster.raft('n3').leader).toBe('n2');
  });
});

describe('an even split', () => {
  it('of four has no leader, takes nothing back, and changes no members (hashicorp/raft: TestRaft_RemoveFollower_SplitCluster)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'] });
    cluster.elect('n1');
    cluster.with('n1', (raft) => raft.propose(bytes('kept')));
    cluster.pass(2);
    split(cluster, ['n1', 'n2']);
    const removed = cluster.with('n1', (raft) => raft.changeConfiguration({ type: 'remove', peer: n(3) }));
    // Two of the three that are left are a majority: with n2 this is committed, as it should be.
    expect(removed).toMatchObject({ accepted: true });
    cluster.pass(2);
    expect(cluster.raft('n1').committedConfiguration.voters).toEqual(['n1', 'n2', 'n4']);
    cluster.pass(60);
    expect(leaders(cluster)).toEqual(['n1']);
    // The other half has two of the four that it knows, and never leads.
    expect(cluster.raft('n4').configuration.voters).toHaveLength(4);
    cluster.heal();
    cluster.pass(10);
    expect(cluster.raft('n4').configuration.voters).toEqual(['n1', 'n2', 'n4']);
    expect(leaders(cluster)).toEqual(['n1']);
  });

  it('of which a member of the other half is added finds no majority for it, and the addition is cut', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'], founders: ['n1', 'n2', 'n3', 'n4'] });
    cluster.elect('n1');
    cluster.pass(2);
    split(cluster, ['n1', 'n2']);
    const info = cluster.info('n5');
    cluster.with('n1', (raft) => raft.changeConfiguration({ type: 'add', peer: n(5), info }));
    cluster.pass(60);
    expect(leaders(cluster)).toEqual([]);
    expect(cluster.raft('n2').configuration.learners).toEqual(['n5']);
    expect(cluster.raft('n2').committedConfiguration.learners).toEqual([]);
    cluster.heal();
    untilLeader(cluster);
    cluster.pass(20);
    const known = cluster.members.slice(0, 4).map(({ raft }) => raft.committedConfiguration);
    expect(new Set(known.map(({ index }) => index)).size).toBe(1);
  });
});

describe('peers that do not wait alike (hashicorp/raft #609, a member with another configuration)', () => {
  const slow = { electionTimeoutTicks: 40, heartbeatIntervalTicks: 10, persistTimeoutTicks: 100 };
  const hasty = { electionTimeoutTicks: 4, heartbeatIntervalTicks: 1, persistTimeoutTicks: 100 };

  it('one that gives its leader up between two heartbeats takes part, and disturbs nobody', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], options: slow, optionsOf: { n3: hasty } });
    cluster.elect('n1');
    let asked = 0;
    cluster.onSend = ({ type, from }) => {
      if (type === 'pre-vote-request' && from === 'n3') asked += 1;
    };
    for (let round = 0; round < 10; round += 1) {
      cluster.with('n1', (raft) => raft.propose(bytes('x')));
      cluster.pass(40);
    }
    expect(asked).toBeGreaterThan(0);
    expect(cluster.members.map(({ raft }) => [raft.term, raft.commitIndex])).toEqual([
      [1, 11],
      [1, 11],
      [1, 11],
    ]);
  });

  it('and does not keep the others from finding a leader when theirs is gone', () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const options = { options: slow, optionsOf: { n3: hasty }, seed };
      const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], ...options });
      cluster.elect('n1');
      cluster.pass(15);
      // n2 alone has the newest entry, so that n3 asks in vain for as long as n2 waits.
      cluster.cut('n1', 'n3');
      cluster.with('n1', (raft) => raft.propose(bytes('x')));
      cluster.run();
      cluster.crash('n1');
      expect(untilLeader(cluster)).toBe('n2');
    }
  });
});

describe('a start', () => {
  it('of a follower does not disturb the leader (openraft: t50_follower_restart_does_not_interrupt)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    for (const name of ['n2', 'n3', 'n2']) {
      cluster.crash(name);
      cluster.restart(name);
      // It knows no leader yet, and waits for one.
      expect(cluster.raft(name).leader).toBeUndefined();
      cluster.pass(30);
    }
    expect(cluster.members.map(({ raft }) => [raft.leader, raft.term])).toEqual([
      ['n1', 1],
      ['n1', 1],
      ['n1', 1],
    ]);
  });

  it('of the only learner leads nowhere, and of the only voter at once (openraft #920, #607)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2'], members: ['n1', '(n2)'] });
    untilLeader(cluster);
    cluster.pass(3);
    for (const name of ['n1', 'n2']) cluster.crash(name);
    cluster.restart('n2');
    cluster.pass(60);
    expect(leaders(cluster)).toEqual([]);
    cluster.restart('n1');
    cluster.pass(2);
    expect(leaders(cluster)).toEqual(['n1']);
    expect(cluster.raft('n2').leader).toBe('n1');
  });

  it('of one that voted and forgot nothing gives the same vote again, and no other (nebula #2419)', () => {
    const lab = new Lab({ log: [1] });
    const ask = { type: 'vote-request', term: 2, lastLogIndex: 1, lastLogTerm: 1, transfer: false } as const;
    expect(only(lab.hears('n2', ask), 'vote-response')).toMatchObject([{ granted: true }]);
    // The answer was lost; the candidate asks again, before and after a start.
    expect(only(lab.hears('n2', ask), 'vote-response')).toMatchObject([{ granted: true }]);
    lab.cluster.crash('n1');
    lab.cluster.restart('n1');
    expect(only(lab.hears('n2', ask), 'vote-response')).toMatchObject([{ to: 'n2', granted: true }]);
    expect(only(lab.hears('n3', ask), 'vote-response')).toMatchObject([{ to: 'n3', granted: false }]);
  });
});
