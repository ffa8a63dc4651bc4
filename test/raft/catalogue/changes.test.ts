import { describe, expect, it } from 'vitest';
import type { ConfigurationChange } from '../../../src/raft/configuration.ts';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import { EntryKind } from '../../../src/raft/types.ts';
import { Cluster } from '../support/cluster.ts';
import { Disk, bytes } from '../support/disk.ts';
import { Lab, append, n, only } from '../support/lab.ts';

const promote = (number: number): ConfigurationChange => ({ type: 'promote', peer: n(number) });
const remove = (number: number): ConfigurationChange => ({ type: 'remove', peer: n(number) });

/** Makes `name` a member by way of its leader, and waits until that is committed. */
function add(cluster: Cluster, leader: string, name: string): void {
  const info = cluster.info(name);
  const result = cluster.with(leader, (raft) =>
    raft.changeConfiguration({ type: 'add', peer: n(Number(name.slice(1))), info }),
  );
  expect(result).toMatchObject({ accepted: true });
  cluster.pass(12);
}

function change(cluster: Cluster, leader: string, asked: ConfigurationChange): unknown {
  return cluster.with(leader, (raft) => raft.changeConfiguration(asked));
}

function leadersOf(cluster: Cluster): string[] {
  return cluster.members.filter(({ up, raft }) => up && raft.role === 'leader').map(({ id }) => id);
}

describe('a learner that is a voter and does not know it', () => {
  it('must vote, or nobody leads (etcd: campaign_learner_must_vote; etcd #10998)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'], founders: ['n1', 'n2'] });
    cluster.elect('n1');
    cluster.pass(2);
    add(cluster, 'n1', 'n3');
    cluster.cut('n1', 'n3');
    expect(change(cluster, 'n1', promote(3))).toMatchObject({ accepted: true });
    cluster.run();
    expect(cluster.raft('n1').committedConfiguration.voters).toEqual(['n1', 'n2', 'n3']);
    expect(cluster.raft('n3').configuration.voters).toEqual(['n1', 'n2']);
    cluster.crash('n1');
    cluster.pass(60);
    expect(leadersOf(cluster)).toEqual(['n2']);
    expect(cluster.raft('n3').configuration.voters).toEqual(['n1', 'n2', 'n3']);
  });

  it('also when the only voter promoted it, starts anew, and needs it for that very change (scylladb #10618)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2'], members: ['n1', '(n2)'] });
    cluster.pass(12);
    expect(leadersOf(cluster)).toEqual(['n1']);
    cluster.isolate('n2');
    expect(change(cluster, 'n1', promote(2))).toMatchObject({ accepted: true });
    cluster.pass(40);
    // It decides alone no more, and the other does not know that it could help.
    expect(leadersOf(cluster)).toEqual([]);
    cluster.crash('n1');
    cluster.restart('n1');
    cluster.heal();
    cluster.pass(60);
    expect(leadersOf(cluster)).toHaveLength(1);
    for (const { raft } of cluster.members) expect(raft.committedConfiguration.voters).toEqual(['n1', 'n2']);
  });
});

describe('a cluster that moves', () => {
  it('from one peer to another finds a leader wherever the old one was killed (redpanda #3055)', () => {
    // Killed with the removal only on its own disk, or after the other one has it.
    for (const reached of [false, true]) {
      const cluster = new Cluster({ peers: ['n1', 'n2'], founders: ['n1'] });
      cluster.pass(3);
      add(cluster, 'n1', 'n2');
      expect(change(cluster, 'n1', promote(2))).toMatchObject({ accepted: true });
      cluster.pass(12);
      if (!reached) cluster.cut('n1', 'n2');
      expect(change(cluster, 'n1', remove(1))).toMatchObject({ accepted: true });
      if (reached) cluster.deliver(0);
      cluster.crash('n1');
      cluster.packets = [];
      cluster.heal();
      cluster.pass(40);
      // With the removal n2 is alone and leads; without it there are two, and n1 has more of the log.
      expect(leadersOf(cluster)).toEqual(reached ? ['n2'] : []);
      cluster.restart('n1');
      cluster.pass(60);
      expect(leadersOf(cluster)).toEqual(['n2']);
      expect(cluster.raft('n2').committedConfiguration).toMatchObject({ voters: ['n2'], learners: [] });
      cluster.with('n2', (raft) => raft.propose(bytes('x')));
      cluster.pass(2);
      expect(cluster.raft('n2').appliedIndex).toBe(cluster.raft('n2').lastIndex);
    }
  });

  it('from its leader to a new peer keeps every entry, and serves after each step (etcd: confchange_v2_replace_leader)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], founders: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    const propose = (): void => {
      const [leader = ''] = leadersOf(cluster);
      expect(cluster.with(leader, (raft) => raft.propose(bytes('x')))).toMatchObject({ accepted: true });
      cluster.pass(12);
    };
    propose();
    add(cluster, 'n1', 'n4');
    propose();
    expect(change(cluster, 'n1', promote(4))).toMatchObject({ accepted: true });
    propose();
    expect(change(cluster, 'n1', remove(1))).toMatchObject({ accepted: true });
    cluster.run();
    cluster.pass(2);
    expect(leadersOf(cluster), 'and nobody waited for an election timeout').toHaveLength(1);
    expect(leadersOf(cluster)).not.toEqual(['n1']);
    cluster.crash('n1');
    propose();
    for (const name of ['n2', 'n3', 'n4']) {
      expect(cluster.raft(name).committedConfiguration.voters).toEqual(['n2', 'n3', 'n4']);
      const commands = cluster.member(name).applied.filter(({ kind }) => kind === EntryKind.command);
      expect(commands).toHaveLength(4);
    }
  });
});

describe('a member that nobody reaches', () => {
  it('is no voter before it answers, and the others commit without it (openraft: t30_replication_1_voter_to_isolated_learner)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2'], founders: ['n1'] });
    cluster.pass(3);
    cluster.crash('n2');
    add(cluster, 'n1', 'n2');
    for (let count = 0; count < 5; count += 1) cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(30);
    expect(cluster.raft('n1').commitIndex).toBe(cluster.raft('n1').lastIndex);
    expect(change(cluster, 'n1', promote(2))).toMatchObject({ accepted: false, reason: 'not-caught-up' });
    expect(change(cluster, 'n1', remove(2))).toMatchObject({ accepted: true });
    cluster.pass(1);
    expect(cluster.raft('n1').committedConfiguration).toMatchObject({ voters: ['n1'], learners: [] });
  });

  it('can be removed by the majority that is left, down to the last two (openraft: t51_remove_unreachable_follower)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4', 'n5'] });
    cluster.elect('n1');
    cluster.pass(2);
    for (const gone of [5, 4, 3]) {
      cluster.crash(`n${gone}`);
      cluster.pass(15);
      expect(change(cluster, 'n1', remove(gone))).toMatchObject({ accepted: true });
      cluster.pass(2);
      expect(cluster.raft('n2').committedConfiguration.voters).toHaveLength(gone - 1);
    }
    cluster.crash('n2');
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(20);
    expect(leadersOf(cluster), 'one of two is no majority').toEqual([]);
    // It asks the last two only: those that were removed are not asked again.
    const asked = new Set<string>();
    cluster.onSend = ({ to }) => asked.add(to);
    cluster.pass(40);
    expect([...asked]).toEqual(['n2']);
  });
});

describe('configurations that are cut', () => {
  const members = (...names: readonly string[]): Uint8Array =>
    encodeMembers(
      names.map((name) => ({
        peer: n(Number(name.replace(/\D/g, ''))),
        votes: !name.startsWith('('),
        info: Uint8Array.of(0),
      })),
    );
  const configuration = (index: number, term: number, ...names: readonly string[]) => ({
    index,
    term,
    kind: EntryKind.configuration,
    data: members(...names),
  });

  it('two at once leave the one before both in force, wherever the cut is (canonical/raft #250)', () => {
    for (const [from, voters] of [
      [2, 3],
      [4, 4],
      [6, 5],
    ] as const) {
      const lab = new Lab({ log: [1], term: 1 });
      // A follower need not know that the first one is committed.
      const first = configuration(3, 1, 'n1', 'n2', 'n3', 'n4');
      const second = configuration(5, 1, 'n1', 'n2', 'n3', 'n4', 'n5');
      lab.hears('n2', append(1, 1, 1, [1]));
      lab.hears('n2', { ...append(1, 2, 1, []), entries: [first] });
      lab.hears('n2', append(1, 3, 1, [1]));
      lab.hears('n2', { ...append(1, 4, 1, []), entries: [second] });
      lab.hears('n2', append(1, 5, 1, [1]));
      expect(lab.raft.configuration.voters).toHaveLength(5);
      lab.hears('n3', append(2, from - 1, 1, [2]));
      expect(lab.raft.configuration.voters).toHaveLength(voters);
      lab.cluster.crash('n1');
      lab.cluster.restart('n1');
      expect(lab.raft.configuration.voters).toHaveLength(voters);
    }
  });

  it('and replaced by another in one message leave that one in force (openraft: t11_append_updates_membership)', () => {
    const lab = new Lab({ log: [1], term: 1 });
    lab.hears('n2', { ...append(1, 1, 1, []), entries: [configuration(2, 1, 'n1', 'n2', 'n3', '(n4)')] });
    const [one, other] = append(2, 1, 1, [2, 2]).entries;
    const entries = [one, configuration(3, 2, 'n1', 'n3'), { ...other, index: 4 }] as never;
    lab.hears('n3', { ...append(2, 1, 1, []), entries });
    expect(lab.raft.configuration).toMatchObject({ index: 3, voters: ['n1', 'n3'], learners: [] });
    expect(lab.terms).toEqual([1, 2, 2, 2]);
    // Who asks for votes now asks by the new one.
    lab.cluster.timeout('n1');
    expect(only(lab.sent(), 'pre-vote-request').map(({ to }) => to)).toEqual(['n3']);
  });

  it('are not brought back by what a leader of an older term still had on the way', () => {
    const lab = new Lab({ log: [1], term: 1 });
    const old = { ...append(1, 1, 1, []), entries: [configuration(2, 1, 'n1', 'n2', 'n3', 'n4')] };
    lab.hears('n2', old);
    lab.hears('n3', append(2, 1, 1, [2]));
    expect(lab.raft.configuration.voters).toHaveLength(3);
    lab.hears('n2', old);
    expect(lab.raft.configuration.voters).toHaveLength(3);
    expect(lab.terms).toEqual([1, 2]);
  });
});

describe('a leader that was elected in the middle of a change', () => {
  it('goes by it, finishes it with an entry of its own, and takes the next one only then (etcd: TestNewLeaderPendingConfig)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], founders: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    add(cluster, 'n1', 'n4');
    // The promotion reaches n2 alone, and n1 is gone before it could commit.
    for (const name of ['n3', 'n4']) cluster.cut('n1', name);
    expect(change(cluster, 'n1', promote(4))).toMatchObject({ accepted: true });
    cluster.deliver(0);
    cluster.crash('n1');
    cluster.packets = [];
    for (let tick = 0; tick < 100 && leadersOf(cluster).length === 0; tick += 1) {
      for (const name of ['n2', 'n3', 'n4']) cluster.tick(name);
      // Nothing of the new leader's term gets out yet.
      while (cluster.packets.length > 0 && leadersOf(cluster).length === 0) cluster.deliver(0);
    }
    expect(leadersOf(cluster)).toEqual(['n2']);
    const { raft } = cluster.member('n2');
    expect(raft.configuration.voters).toHaveLength(4);
    expect(raft.committedConfiguration.voters).toHaveLength(3);
    expect(change(cluster, 'n2', remove(1))).toMatchObject({ accepted: false, reason: 'term-not-open' });
    cluster.pass(2);
    expect(raft.committedConfiguration.voters).toHaveLength(4);
    expect(change(cluster, 'n2', remove(1))).toMatchObject({ accepted: true });
    cluster.pass(2);
    expect(cluster.raft('n4').committedConfiguration.voters).toEqual(['n2', 'n3', 'n4']);
  });

  it('may have less of it than the one that began it, whose entries are cut then (canonical/raft: membership rollback)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], founders: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.isolate('n1');
    const info = cluster.info('n4');
    change(cluster, 'n1', { type: 'add', peer: n(4), info });
    cluster.with('n1', (raft) => raft.propose(bytes('lost')));
    cluster.pass(60);
    const [leader = ''] = leadersOf(cluster);
    cluster.with(leader, (raft) => raft.propose(bytes('kept')));
    expect(change(cluster, leader, remove(leader === 'n2' ? 3 : 2))).toMatchObject({ accepted: true });
    cluster.heal();
    cluster.pass(20);
    expect(cluster.raft('n1').configuration).toMatchObject({ voters: ['n1', leader], learners: [] });
    expect(cluster.raft('n4').lastIndex, 'n4 never was a member').toBe(0);
    expect(cluster.member('n1').disk.entries).toEqual(cluster.member(leader).disk.entries);
  });
});

describe('a peer that was removed and starts anew', () => {
  it('wins no election of those that removed it, whom it may ask (hashicorp/raft: VoteNotGranted_WhenNodeNotInCluster)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'] });
    cluster.elect('n1');
    cluster.pass(2);
    cluster.isolate('n4');
    change(cluster, 'n1', remove(4));
    cluster.pass(2);
    // All of them start at once: nobody hears a leader, and the removed one is the first to ask.
    for (const { id } of cluster.members) cluster.crash(id);
    for (const { id } of cluster.members) cluster.restart(id);
    cluster.heal();
    for (let round = 0; round < 20; round += 1) {
      cluster.timeout('n4');
      cluster.run();
      // Who is left has more of the log, and refuses.
      expect(cluster.raft('n4').role).toBe('follower');
    }
    expect(cluster.members.map(({ raft }) => raft.term)).toEqual([1, 1, 1, 1]);
    cluster.pass(60);
    expect(leadersOf(cluster)).toHaveLength(1);
    expect(leadersOf(cluster)).not.toEqual(['n4']);
  });

  it('can come back under its id, with another disk, and counts again (openraft: t31_removed_follower)', () => {
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3'] });
    cluster.elect('n1');
    cluster.pass(2);
    change(cluster, 'n1', remove(3));
    cluster.pass(2);
    cluster.wipe('n3');
    cluster.pass(30);
    expect(cluster.raft('n3').lastIndex).toBe(0);
    add(cluster, 'n1', 'n3');
    expect(change(cluster, 'n1', promote(3))).toMatchObject({ accepted: true });
    cluster.pass(5);
    expect(cluster.raft('n3').committedConfiguration.voters).toEqual(['n1', 'n2', 'n3']);
    cluster.crash('n2');
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(2);
    expect(cluster.raft('n1').commitIndex, 'and it counts').toBe(cluster.raft('n1').lastIndex);
  });

  it('learns nothing of a log that it has no part in, unless it is told', () => {
    const disks = { n4: Disk.withLog([1, 1]) };
    const cluster = new Cluster({ peers: ['n1', 'n2', 'n3', 'n4'], founders: ['n1', 'n2', 'n3'], disks });
    cluster.elect('n1');
    const heard: string[] = [];
    cluster.onSend = ({ to, type }) => {
      if (to === 'n4') heard.push(type);
    };
    cluster.with('n1', (raft) => raft.propose(bytes('x')));
    cluster.pass(20);
    expect(heard).toEqual([]);
  });
});
