import { describe, expect, it } from 'vitest';
import { Operator } from '../../src/client/operator.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { FakeCluster, FakePeer } from './fake-cluster.ts';
import { codeOf, connect } from './harness.ts';

/** A cluster of three whose client is connected to all. */
async function connected(): Promise<{ cluster: FakeCluster; client: Awaited<ReturnType<typeof connect>> }> {
  const cluster = new FakeCluster(3);
  const client = await connect(cluster);
  await cluster.time.until('three connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
  await cluster.time.advance(10);
  return { cluster, client };
}

/** A peer more, which runs and is not named by the others yet. */
function newcomer(cluster: FakeCluster): FakePeer {
  const peer = new FakePeer(cluster, 'p4', 'ws://peer4:7400/v1/connect');
  cluster.peers.push(peer);
  return peer;
}

function tell(cluster: FakeCluster, by: FakePeer, peers: readonly FakePeer[]): void {
  by.push({
    type: 'leader',
    term: cluster.term,
    leader: cluster.leader?.row ?? null,
    peers: peers.map((one) => one.row),
  });
}

describe('a change of members', () => {
  it('that the leader tells is followed: a new peer is dialed, one that is none any more is let go', async () => {
    const { cluster } = await connected();
    const [p1, p2, p3] = cluster.peers as [FakePeer, FakePeer, FakePeer];
    const p4 = newcomer(cluster);
    tell(cluster, p1, [p1, p2, p4]);
    await cluster.time.until('a connection to p4', () => p4.connections.length === 1);
    await cluster.time.until('no connection to p3', () => p3.connections.length === 0);
    await cluster.time.advance(30_000);
    expect([p1, p2, p3, p4].map((peer) => [peer.dials, peer.connections.length])).toEqual([
      [1, 1],
      [1, 1],
      [1, 0],
      [1, 1],
    ]);
  });

  it('that anybody else tells counts for nothing while there is a leader', async () => {
    const { cluster } = await connected();
    const [, p2] = cluster.peers as [FakePeer, FakePeer];
    const p4 = newcomer(cluster);
    tell(cluster, p2, [p2, p4]);
    await cluster.time.advance(1_000);
    expect(cluster.peers.map((peer) => peer.connections.length)).toEqual([1, 1, 1, 0]);
    // Without one, whoever may lead next is found by whoever knows it.
    cluster.peer(0).kill();
    await cluster.time.advance(100);
    tell(cluster, p2, [p2, p4]);
    await cluster.time.until('a connection to p4', () => p4.connections.length === 1);
  });

  it('by which the leader is removed leaves it connected until another one leads', async () => {
    const { cluster, client } = await connected();
    const [p1, p2, p3] = cluster.peers as [FakePeer, FakePeer, FakePeer];
    tell(cluster, p1, [p2, p3]);
    await cluster.time.advance(10);
    expect(p1.connections.length).toBe(1);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    cluster.elect(p2);
    tell(cluster, p2, [p2, p3]);
    await cluster.time.until('no connection to p1', () => p1.connections.length === 0);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(p2.got('submit').length).toBe(1);
  });
});

describe('a read that may be stale', () => {
  const page = { type: 'taskPage', tasks: [], cursor: null, index: 9 } as const;

  it('goes to each peer in turn', async () => {
    const { cluster, client } = await connected();
    for (const peer of cluster.peers) {
      peer.script.list = (connection, { requestId }) => {
        connection.send({ ...page, requestId });
        return true;
      };
    }
    for (let count = 0; count < 6; count += 1) {
      expect(await cluster.time.finish(client.list({ stale: true }))).toMatchObject({ index: 9 });
    }
    expect(cluster.peers.map((peer) => peer.got('list').length)).toEqual([2, 2, 2]);
    expect(cluster.peer(0).got('list')[0]?.stale).toBe(true);
  });

  it('works without a leader, and goes on to another peer when one ends or has no state', async () => {
    const { cluster, client } = await connected();
    cluster.elect(undefined);
    await cluster.time.advance(10);
    const [p1, p2, p3] = cluster.peers as [FakePeer, FakePeer, FakePeer];
    p1.script.list = (connection) => {
      connection.peer.kill();
      return true;
    };
    p2.script.list = (connection, { requestId }) => connection.refuse(requestId, 'NOT_READY');
    p3.script.list = (connection, { requestId }) => {
      connection.send({ ...page, requestId });
      return true;
    };
    for (let count = 0; count < 3; count += 1) await cluster.time.finish(client.list({ stale: true }));
    expect(p3.got('list').length).toBe(3);
    expect(p1.got('list').length).toBe(1);
    expect(p2.got('list').length).toBeGreaterThan(0);
  });

  it('waits for a peer when none is connected, and says in the end that there was none', async () => {
    const { cluster, client } = await connected();
    for (const peer of cluster.peers) peer.kill();
    await cluster.time.advance(100);
    const reading = client.get(formatTaskId(0, 1, 4), { stale: true });
    expect(await codeOf(cluster, reading)).toBe('UNAVAILABLE');
    await expect(reading).rejects.toThrow('No peer could be reached');
  });
});

describe('an operator', () => {
  it('changes members and hands over through the leader, and asks again what came too early', async () => {
    const { cluster, client } = await connected();
    const p1 = cluster.peer(0);
    let refusals = 2;
    p1.script.changeMember = (connection, { requestId }) => {
      refusals -= 1;
      if (refusals >= 0) return connection.refuse(requestId, 'CHANGE_PENDING');
      connection.send({ type: 'memberChanged', requestId, index: 12 });
      return true;
    };
    p1.script.transferLeadership = (connection, { requestId }) => {
      connection.send({ type: 'transferred', requestId, leader: 'p3' });
      return true;
    };
    const operator = new Operator(client);
    expect(await cluster.time.finish(operator.changeMember('add', 'p4', 'c4'))).toBe(12);
    expect(p1.got('changeMember').at(-1)).toMatchObject({ change: 0, peer: 'p4', incarnation: 'c4' });
    expect(await cluster.time.finish(operator.transferLeadership())).toBe('p3');
    expect(p1.got('transferLeadership')).toMatchObject([{ peer: null }]);
  });

  it('hears of a change that others kept from beginning that nothing was changed', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.changeMember = (connection, { requestId }) => connection.refuse(requestId, 'CHANGE_PENDING');
    expect(await codeOf(cluster, new Operator(client).changeMember('remove', 'p2'))).toBe('CHANGE_PENDING');
    expect(cluster.peer(0).got('changeMember').length).toBeGreaterThan(10);
  });

  it.each([
    ['is not answered', undefined],
    ['may have been begun', 'OUTCOME_UNKNOWN'],
  ] as const)('hears that nothing is known as soon as one sending %s', async (_, code) => {
    const { cluster, client } = await connected();
    let sendings = 0;
    const changeMember: FakePeer['script']['changeMember'] = (connection, { requestId }) => {
      sendings += 1;
      if (sendings !== 2) return connection.refuse(requestId, 'CHANGE_PENDING');
      if (code !== undefined) return connection.refuse(requestId, code);
      connection.peer.kill();
      cluster.elect(cluster.peer(1));
      return true;
    };
    for (const peer of cluster.peers) peer.script.changeMember = changeMember;
    expect(await codeOf(cluster, new Operator(client).changeMember('remove', 'p2'))).toBe('OUTCOME_UNKNOWN');
    expect(sendings).toBeGreaterThan(2);
  });

  it('hears why not', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.changeMember = (connection, { requestId }) => connection.refuse(requestId, 'QUORUM_AT_RISK');
    expect(await codeOf(cluster, new Operator(client).changeMember('remove', 'p2'))).toBe('QUORUM_AT_RISK');
  });
});
