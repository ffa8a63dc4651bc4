import { describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { TaskraftError } from '../../src/client/errors.ts';
import { Operator } from '../../src/client/operator.ts';
import type { TaskHandle } from '../../src/client/task-handle.ts';
import { encodeValue } from '../../src/protocol/codec.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { FakeCluster } from './fake-cluster.ts';
import { codeOf, connect } from './harness.ts';

describe('connecting', () => {
  it('learns all peers from the first and keeps a connection to each', async () => {
    const cluster = new FakeCluster(3);
    await connect(cluster);
    await cluster.time.until('three connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    await cluster.time.advance(10_000);
    expect(cluster.peers.map((peer) => peer.dials)).toEqual([1, 1, 1]);
    expect(cluster.dialOptions[0]?.protocol).toBe('taskraft.v1');
  });

  it('keeps one connection to a peer that it was given under another name', async () => {
    const cluster = new FakeCluster(1);
    const alias = cluster.peer(0);
    alias.aliases.push('ws://alias:7400/v1/connect');
    await connect(cluster, { urls: ['ws://alias:7400', alias.url] });
    await cluster.time.advance(5000);
    expect(alias.connections.filter((connection) => connection.isOpen)).toHaveLength(1);
  });

  it('sends the token, and says so when no peer accepts it', async () => {
    const cluster = new FakeCluster(1);
    cluster.peer(0).dialStatus = 401;
    expect(await codeOf(cluster, Client.connect({ urls: cluster.peer(0).url, token: 'wrong' }, cluster.ports()))).toBe(
      'UNAUTHORIZED',
    );
    expect(cluster.dialOptions[0]?.token).toBe('wrong');
  });

  it('gives up with UNAVAILABLE and the reason when nobody answers in time, and stops dialling', async () => {
    const cluster = new FakeCluster(1);
    cluster.peer(0).dialStatus = 'refused';
    const connecting = Client.connect({ urls: cluster.peer(0).url, timeoutMs: '2s' }, cluster.ports());
    expect(await codeOf(cluster, connecting)).toBe('UNAVAILABLE');
    await expect(connecting).rejects.toThrow(/^No peer answered within 2000 ms at .*: nobody listens$/);
    const { dials } = cluster.peer(0);
    expect(dials).toBeGreaterThan(3);
    await cluster.time.advance(60_000);
    expect(cluster.peer(0).dials).toBe(dials);
  });

  it('drops a connection on which three beats were not answered, and dials again', async () => {
    const cluster = new FakeCluster(1);
    await connect(cluster);
    cluster.peer(0).answersBeats = false;
    await cluster.time.advance(13_000);
    expect(cluster.peer(0).dials).toBe(2);
  });

  it('closes a connection that says what is no frame, and the client lives', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    cluster.peer(0).connections[0]?.socket.send(Uint8Array.of(0xc1, 1, 2, 3));
    await cluster.time.until('another dial', () => cluster.peer(0).dials === 2);
    expect((await cluster.time.finish(client.submit({ type: 'mail' }))).deduplicated).toBe(false);
  });

  it.each([
    ['no URL', { urls: [] }],
    ['a URL of another kind', { urls: 'ftp://host' }],
    ['a port that is none', { urls: 'ws://host:0' }],
    ['a namespace that is no name', { namespace: 'a b' }],
    ['a duration that is none', { timeoutMs: 'soon' }],
  ])('refuses %s before it dials', async (_, options) => {
    const cluster = new FakeCluster(1);
    expect(await codeOf(cluster, Client.connect(options, cluster.ports()))).toBe('INVALID_ARGUMENT');
    expect(cluster.dialOptions).toHaveLength(0);
  });
});

describe('a handle', () => {
  async function submitted(cluster: FakeCluster): Promise<[Client, TaskHandle]> {
    const client = await connect(cluster);
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    return [client, await cluster.time.finish(client.submit({ type: 'mail' }))];
  }

  it('waits on the cluster for the result, across a new leader', async () => {
    const cluster = new FakeCluster(2);
    const [, handle] = await submitted(cluster);
    const result = handle.result();
    await cluster.time.advance(600_000);
    cluster.peer(0).kill();
    cluster.peer(1).script.awaitResult = (connection, { requestId, task }) => {
      expect(task).toEqual([0, 1, 1]);
      connection.send({
        type: 'result',
        requestId,
        state: 5,
        reason: null,
        result: [1, encodeValue({ n: 7 })],
        error: null,
      });
      return true;
    };
    cluster.elect(cluster.peer(1));
    expect(await cluster.time.finish(result)).toEqual({ n: 7 });
    expect(cluster.peer(0).got('awaitResult')).toHaveLength(1);
  });

  it('tells why a task failed or was cancelled', async () => {
    const cluster = new FakeCluster(1);
    const [, handle] = await submitted(cluster);
    let state = 6;
    cluster.peer(0).script.awaitResult = (connection, { requestId }) => {
      const error = [1, encodeValue({ name: 'Error', message: 'no route', stack: '' })] as const;
      connection.send({
        type: 'result',
        requestId,
        state,
        reason: 'poison',
        result: null,
        error: state === 6 ? error : null,
      });
      return true;
    };
    await expect(cluster.time.finish(handle.result())).rejects.toMatchObject({
      code: 'TASK_FAILED',
      reason: 'poison',
      message: 'The task failed: poison (no route).',
      cause: { message: 'no route' },
    });
    state = 7;
    await expect(cluster.time.finish(handle.result())).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
  });

  it('stops waiting when time is up or the signal says so, and tells the peer', async () => {
    const cluster = new FakeCluster(1);
    const [, handle] = await submitted(cluster);
    expect(await codeOf(cluster, handle.result({ timeoutMs: 500 }))).toBe('TIMEOUT');
    const stop = new AbortController();
    const waiting = handle.result({ signal: stop.signal });
    await cluster.time.advance(10);
    stop.abort();
    expect(await codeOf(cluster, waiting)).toBe('ABORTED');
    expect(await codeOf(cluster, handle.result({ signal: stop.signal }))).toBe('ABORTED');
    await cluster.time.advance(10);
    const [first, second] = cluster.peer(0).got('awaitResult');
    expect(
      cluster
        .peer(0)
        .got('abandon')
        .map((frame) => frame.requestId),
    ).toEqual([first?.requestId, second?.requestId]);
  });

  it('cancels, and may do so again', async () => {
    const cluster = new FakeCluster(1);
    const [client, handle] = await submitted(cluster);
    expect(await cluster.time.finish(handle.cancel())).toBe('cancelled');
    cluster.peer(0).script.cancel = (connection, { requestId }) => {
      connection.send({ type: 'cancelled', requestId, codes: [3] });
      return true;
    };
    expect(await codeOf(cluster, handle.cancel())).toBe('NOT_FOUND');
    expect(() => client.handle('t1-nonsense')).toThrow(TaskraftError);
    expect(client.handle(handle.id).id).toBe(handle.id);
  });
});

describe('asking', () => {
  it('shows a task with its values', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    cluster.peer(0).script.get = (connection, { requestId }) => {
      connection.send({
        type: 'task',
        requestId,
        task: [
          [0, 1, 9],
          'mail',
          'default',
          3,
          5,
          null,
          [['zone', 'a']],
          1000,
          null,
          1200,
          null,
          1,
          0,
          2,
          77,
          'w1',
          null,
          [1, encodeValue({ to: 'x' })],
          null,
          null,
          null,
          [2, new TextEncoder().encode('{"at":3}')],
          [2500, 'quarter'],
          [
            ['submitted', 1000, 0, 'anonymous', null],
            ['started', 1200, 2, 'w1', 'retry'],
          ],
          0,
          [
            [1, 'begun'],
            [3, 'the disk is full'],
          ],
        ],
        index: 17,
      });
      return true;
    };
    const id = formatTaskId(0, 1, 9);
    const task = await cluster.time.finish(client.get(id));
    expect(task).toMatchObject({
      id,
      state: 'running',
      requires: { zone: 'a' },
      payload: { to: 'x' },
      lastCheckpoint: { at: 3 },
      progress: { fraction: 0.25, note: 'quarter' },
      log: [
        { level: 'info', text: 'begun' },
        { level: 'error', text: 'the disk is full' },
      ],
      deliveries: 2,
      result: undefined,
    });
    expect(task.history[1]).toEqual({ event: 'started', atMs: 1200, attempt: 2, by: 'w1', reason: 'retry' });
  });

  it('lists by what is asked for, and refuses what is no state', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const page = await cluster.time.finish(client.list({ states: ['pending', 'running'], type: 'mail', cursor: 'c' }));
    expect(page).toEqual({ tasks: [], cursor: undefined, index: 17 });
    expect(cluster.peer(0).got('list')[0]).toMatchObject({
      states: [2, 3],
      queue: null,
      taskType: 'mail',
      cursor: 'c',
      limit: 100,
    });
    await cluster.time.finish(client.list({ schedule: 'nightly' }));
    expect(cluster.peer(0).got('list')[1]).toMatchObject({ schedule: 'nightly', taskType: null });
    expect(await codeOf(cluster, client.list({ states: ['asleep' as 'pending'] }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(cluster, client.list({ limit: 0 }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(cluster, client.get('nonsense'))).toBe('INVALID_ARGUMENT');
  });

  it('asks every peer how it is, and shows one that is down as such', async () => {
    const cluster = new FakeCluster(3);
    cluster.peer(2).dialStatus = 'refused';
    for (const peer of cluster.peers) {
      peer.script.status = (connection, { requestId }) => {
        connection.send({
          type: 'statusAnswer',
          requestId,
          peer: peer.name,
          cluster: 'c1',
          version: '0.1.0',
          role: 'follower',
          state: 'serving',
          term: 1,
          leader: 'p1',
          commitIndex: 1,
          appliedIndex: 1,
          durableIndex: 1,
          firstIndex: 1,
          logBytes: 0,
          logTimeMs: 0,
          marks: [],
          members: [],
          clockOffsetMs: -3,
          connections: 1,
          alarms: [],
          membership: null,
          damaged: false,
          spaceLow: false,
          snapshot: null,
          featureLevel: 1,
        });
        return true;
      };
    }
    const client = await connect(cluster);
    const answers = await cluster.time.finish(new Operator(client).status());
    expect(answers.map((each) => ('status' in each ? each.status.peer : each.error.code))).toEqual([
      'p1',
      'p2',
      'UNAVAILABLE',
    ]);
  });

  it('ends what waits when it is closed', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    cluster.peer(0).script.submit = () => true;
    const waiting = client.submit({ type: 'mail' });
    await cluster.time.advance(10);
    await client.close();
    expect(await codeOf(cluster, waiting)).toBe('CLOSED');
    expect(await codeOf(cluster, client.list())).toBe('CLOSED');
    await cluster.time.advance(10);
    expect(cluster.peer(0).connections).toHaveLength(0);
  });
});
