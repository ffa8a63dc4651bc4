import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/raft/message.ts';
import { Cluster } from '../support/cluster.ts';
import { bytes } from '../support/disk.ts';
import { Lab } from '../support/lab.ts';

const PATIENCE = { progressTimeoutTicks: 60 };

/** True for what carries entries from n1: a path that takes small packets and drops large ones looks like that. */
function entriesOfN1(message: Message): boolean {
  return message.type === 'append-entries' && message.from === 'n1' && message.entries.length > 0;
}

function leading(names: readonly string[]): Cluster {
  const cluster = new Cluster({ peers: names, options: PATIENCE });
  cluster.elect('n1');
  cluster.with('n1', (raft) => raft.propose(bytes('a')));
  cluster.pass(2);
  return cluster;
}

function leaders(cluster: Cluster): string[] {
  return cluster.members.filter(({ up, raft }) => up && raft.role === 'leader').map(({ id }) => id);
}

describe('a leader whose heartbeats arrive and whose entries do not', () => {
  it('makes room for one whose entries do', () => {
    const cluster = leading(['n1', 'n2', 'n3']);
    cluster.loses = entriesOfN1;
    cluster.with('n1', (raft) => raft.propose(bytes('b')));
    cluster.pass(59);
    expect(leaders(cluster)).toEqual(['n1']);
    cluster.pass(41);
    const [leader = 'none'] = leaders(cluster);
    expect(['n2', 'n3']).toContain(leader);
    cluster.with(leader, (raft) => raft.propose(bytes('c')));
    cluster.pass(3);
    expect(cluster.raft('n1').commitIndex).toBe(cluster.raft(leader).lastIndex);
    const { term } = cluster.raft(leader);
    cluster.pass(300);
    expect(cluster.raft(leader).term, 'and that one stays').toBe(term);
  });

  it('leads on while it has nothing to send, and while a majority gets its entries', () => {
    const cluster = leading(['n1', 'n2', 'n3']);
    cluster.loses = entriesOfN1;
    cluster.pass(200);
    cluster.loses = (message) => entriesOfN1(message) && message.to === 'n3';
    for (let count = 0; count < 20; count += 1) {
      cluster.with('n1', (raft) => raft.propose(bytes('b')));
      cluster.pass(10);
    }
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1, commitIndex: 22 });
    expect(cluster.raft('n3').lastIndex).toBe(2);
  });

  it('leads on while the disks of its followers are slow, however long each takes in turn', () => {
    const cluster = leading(['n1', 'n2', 'n3']);
    for (let count = 0; count < 6; count += 1) {
      for (const name of ['n2', 'n3']) cluster.member(name).diskStalled = true;
      cluster.with('n1', (raft) => raft.propose(bytes('b')));
      cluster.pass(50);
      for (const name of ['n2', 'n3']) {
        cluster.sync(name);
        cluster.member(name).diskStalled = false;
      }
      cluster.run();
    }
    expect(cluster.raft('n1').status()).toMatchObject({ role: 'leader', term: 1, commitIndex: 8 });
  });

  it('leads on while those that it lacks fetch a state, and while one after the other gets further', () => {
    const lab = new Lab({ voters: 5, options: PATIENCE });
    lab.becomeLeader();
    for (const letter of 'abcdefgh') lab.propose(letter);
    let said = 1;
    const live = (ticks: number): void => {
      for (let tick = 0; tick < ticks; tick += 1) {
        for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'heartbeat-response', term: 1, readRound: 0 });
        lab.tick();
      }
    };
    // Of five two others are enough, and these two are behind each other.
    for (; said < 8; said += 1) {
      live(29);
      lab.hears('n2', { type: 'append-accepted', term: 1, matchIndex: said });
      live(29);
      lab.hears('n3', { type: 'append-accepted', term: 1, matchIndex: said });
    }
    expect(lab.raft.status()).toMatchObject({ role: 'leader', commitIndex: 7 });
    for (const peer of ['n2', 'n3']) lab.hears(peer, { type: 'append-accepted', term: 1, matchIndex: 9 });
    lab.propose('i');
    for (let tick = 0; tick < 60; tick += 1) {
      expect(lab.raft.role).toBe('leader');
      live(1);
    }
    expect(lab.raft.role, 'and no longer').toBe('follower');
  });

  it('lets the others go first, and stands again when none of them could', () => {
    const cluster = leading(['n1', 'n2', 'n3']);
    cluster.loses = entriesOfN1;
    // What it alone has makes it win against anybody who needs its vote; n3 is gone.
    cluster.crash('n3');
    cluster.with('n1', (raft) => raft.propose(bytes('b')));
    for (let tick = 0; cluster.raft('n1').role === 'leader'; tick += 1) {
      expect(tick).toBeLessThan(100);
      cluster.pass(1);
    }
    let asked = 0;
    cluster.onSend = ({ type, from }) => {
      if (type === 'pre-vote-request') asked = asked === 0 && from === 'n2' ? 1 : asked;
    };
    cluster.pass(60);
    expect(asked, 'n2 asked first').toBe(1);
    expect(leaders(cluster)).toEqual(['n1']);
    cluster.loses = undefined;
    cluster.pass(3);
    expect(cluster.raft('n2').commitIndex).toBe(cluster.raft('n1').lastIndex);
  });
});
