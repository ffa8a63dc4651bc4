import { describe, expect, it } from 'vitest';
import type { TaskraftError } from '../../src/client/errors.ts';
import { encodeValue } from '../../src/protocol/codec.ts';
import type { ErrorCode } from '../../src/protocol/error-code.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { FakeCluster, type FakePeer } from './fake-cluster.ts';
import { codeOf, connect } from './harness.ts';

describe('submitting', () => {
  it('puts the calls of one turn into one frame, with one template for tasks alike', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const handles = await cluster.time.finish(
      Promise.all([
        client.submit({ type: 'mail', payload: { to: 'a' } }),
        client.submit({ type: 'mail', payload: { to: 'b' }, key: 'k' }),
        client.submit({ type: 'report', queue: 'slow' }),
      ]),
    );
    const frames = cluster.peer(0).got('submit');
    expect(frames).toHaveLength(1);
    expect(frames[0]?.templates.map((template) => template[0])).toEqual(['mail', 'report']);
    expect(frames[0]?.tasks.map((task) => [task[0], task[3]])).toEqual([
      [0, null],
      [0, ['k', null, null, null]],
      [1, null],
    ]);
    expect(handles.map((handle) => handle.id)).toEqual([1, 2, 3].map((number) => formatTaskId(0, 1, number)));
  });

  it('begins another frame when a batch is full', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const calls = Array.from({ length: 1001 }, () => client.submit({ type: 'mail' }));
    const big = Array.from({ length: 17 }, () => client.submit({ type: 'mail', payload: new Uint8Array(256 * 1024) }));
    await cluster.time.finish(Promise.all([...calls, ...big]));
    expect(
      cluster
        .peer(0)
        .got('submit')
        .map((frame) => frame.tasks.length),
    ).toEqual([1000, 17, 1]);
  });

  it('takes a task as it is when it is given, whatever becomes of the object that told it', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const requires: Record<string, string> = { zone: 'a' };
    const spec = { type: 'mail', priority: 1, requires, timeouts: { run: 1000 } };
    const calls = [client.submit(spec)];
    spec.type = 'report';
    calls.push(client.submit(spec));
    requires['zone'] = 'b';
    calls.push(client.submit(spec));
    spec.timeouts.run = 2000;
    calls.push(client.submit(spec), client.submit({ ...spec, requires: { zone: 'b' }, timeouts: { run: 2000 } }));
    await cluster.time.finish(Promise.all(calls));
    const [frame] = cluster.peer(0).got('submit');
    expect(frame?.tasks.map((task) => task[0])).toEqual([0, 1, 2, 3, 3]);
    expect(frame?.templates.map((of) => [of[0], of[3], of[5]?.[0]])).toEqual([
      ['mail', [['zone', 'a']], 1000],
      ['report', [['zone', 'a']], 1000],
      ['report', [['zone', 'b']], 1000],
      ['report', [['zone', 'b']], 2000],
    ]);
  });

  it('refuses one of the joined tasks and submits the others without it', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    cluster.peer(0).script.submit = (connection, frame) => {
      const at = frame.tasks.findIndex((task) => task[3]?.[0] === 'taken');
      return at >= 0 && connection.refuse(frame.requestId, 'KEY_CONFLICT', { position: at });
    };
    const [first, taken, last] = [
      client.submit({ type: 'mail' }),
      client.submit({ type: 'once', key: 'taken' }),
      client.submit({ type: 'report' }),
    ] as const;
    expect(await codeOf(cluster, taken)).toBe('KEY_CONFLICT');
    expect((await cluster.time.finish(Promise.all([first, last]))).map((handle) => handle.id)).toEqual(
      [1, 2].map((number) => formatTaskId(0, 1, number)),
    );
    expect(
      cluster
        .peer(0)
        .got('submit')[1]
        ?.templates.map((template) => template[0]),
    ).toEqual(['mail', 'report']);
  });

  it('sends no template of a task that it refused', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const fine = client.submit({ type: 'fine' });
    const bad = ['b', 'c'].map((type) => client.submit({ type, payload: new Uint8Array(300_000) }));
    const codes = await Promise.all(bad.map((each) => each.catch((error: unknown) => (error as TaskraftError).code)));
    expect(codes).toEqual(['PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_LARGE']);
    await cluster.time.finish(fine);
    expect(cluster.peer(0).got('submit')[0]?.templates).toHaveLength(1);
  });

  it('gives handles in order when some tasks were there before', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    cluster.peer(0).script.submit = (connection, { requestId }) => {
      connection.send({
        type: 'submitted',
        requestId,
        logIndex: 9,
        group: 0,
        epoch: 1,
        firstNumber: 70,
        created: 2,
        existing: [[1, 5]],
        repeated: false,
      });
      return true;
    };
    const specs = ['a', 'b', 'c'].map((key) => ({ type: 'mail', key }));
    const handles = await cluster.time.finish(client.submitMany(specs));
    expect(handles.map((handle) => [handle.id, handle.deduplicated])).toEqual([
      [formatTaskId(0, 1, 70), false],
      [formatTaskId(0, 1, 5), true],
      [formatTaskId(0, 1, 71), false],
    ]);
  });

  it('sends what a template and its options say', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    await cluster.time.finish(
      client.submit({
        type: 'mail',
        queue: 'out',
        priority: 2,
        requires: { zone: 'a', arch: 'arm64' },
        retry: { maxAttempts: 3, initial: '2s' },
        timeouts: { run: '1m', total: 0 },
        retention: { done: '1d', payload: true },
        delay: '1.5s',
        headers: { traceparent: 'x' },
      }),
    );
    const frame = cluster.peer(0).got('submit')[0];
    expect(frame?.templates).toEqual([
      [
        'mail',
        'out',
        2,
        [
          ['arch', 'arm64'],
          ['zone', 'a'],
        ],
        [3, 2000, null],
        [60_000, null, 0],
        [86_400_000, null, true],
      ],
    ]);
    const options = frame?.tasks[0]?.[3];
    expect(options?.slice(0, 3)).toEqual([null, null, 1500]);
    expect([...(options?.[3]?.[1] ?? [])]).toEqual([...encodeValue({ traceparent: 'x' })]);
  });

  it.each<[string, object, ErrorCode]>([
    ['a type that is no name', { type: 'a b' }, 'INVALID_ARGUMENT'],
    ['no type', {}, 'INVALID_ARGUMENT'],
    ['a priority out of range', { type: 'a', priority: 11 }, 'INVALID_ARGUMENT'],
    ['a fractional priority', { type: 'a', priority: 1.5 }, 'INVALID_ARGUMENT'],
    ['a payload that cannot be sent', { type: 'a', payload: new Map() }, 'INVALID_ARGUMENT'],
    ['a payload over the limit', { type: 'a', payload: new Uint8Array(256 * 1024 + 1) }, 'PAYLOAD_TOO_LARGE'],
    ['headers over the limit', { type: 'a', headers: { h: 'x'.repeat(9000) } }, 'PAYLOAD_TOO_LARGE'],
    ['a header that is no text', { type: 'a', headers: { h: 1 } }, 'INVALID_ARGUMENT'],
    ['a key that is no name', { type: 'a', key: 'ä' }, 'INVALID_ARGUMENT'],
    ['a delay and an instant', { type: 'a', delay: 1, runAt: 1 }, 'INVALID_ARGUMENT'],
    ['an instant that is none', { type: 'a', runAt: new Date(Number.NaN) }, 'INVALID_ARGUMENT'],
    ['a delay that is none', { type: 'a', delay: '1 week' }, 'INVALID_ARGUMENT'],
    ['a label that is no text', { type: 'a', requires: { gpu: true } }, 'INVALID_ARGUMENT'],
  ])('refuses %s before anything is sent', async (_, spec, code) => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    expect(await codeOf(cluster, client.submit(spec as { type: string }))).toBe(code);
    const many = client.submitMany([{ type: 'fine' }, spec as { type: string }]);
    await expect(cluster.time.finish(many)).rejects.toMatchObject({ code });
    expect(cluster.peer(0).got('submit')).toHaveLength(0);
  });

  it('refuses batches that are empty or too large', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const tasks = (count: number, size: number) =>
      Array.from({ length: count }, () => ({ type: 'a', payload: new Uint8Array(size) }));
    expect(await codeOf(cluster, client.submitMany([]))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(cluster, client.submitMany(tasks(1001, 0)))).toBe('BATCH_TOO_LARGE');
    expect(await codeOf(cluster, client.submitMany(tasks(17, 256 * 1024)))).toBe('BATCH_TOO_LARGE');
  });

  it('waits with what is over the window of a session, and refuses what is over that', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster, { timeoutMs: '60s' });
    const held: (() => void)[] = [];
    cluster.peer(0).script.submit = (connection, frame) => {
      held.push(() => cluster.answer(connection, frame));
      return true;
    };
    const calls = Array.from({ length: 2100 }, () => client.submitMany([{ type: 'a' }]));
    const codes: unknown[] = [];
    for (const call of calls) {
      call.catch((error: unknown) => {
        codes.push((error as TaskraftError).code);
      });
    }
    await cluster.time.advance(100);
    expect(held).toHaveLength(1024);
    expect(codes).toEqual(new Array(2100 - 1024).fill('TOO_MANY_REQUESTS'));
    const more = client.submitMany([{ type: 'a' }]);
    // The oldest is unanswered: though others are not, its answer must stay within what the cluster keeps.
    for (const answer of held.splice(1)) answer();
    await cluster.time.advance(100);
    expect(held).toHaveLength(1);
    held[0]?.();
    await cluster.time.until('the one that waited', () => held.length === 2);
    held[1]?.();
    await cluster.time.finish(more);
    const last = cluster.peer(0).got('submit').at(-1);
    expect([last?.sequence, last?.answeredBelow]).toEqual([1025, 1025]);
  });
});

describe('when the leader changes', () => {
  it('moves what waits to the new leader at once, and what was applied is not applied again', async () => {
    const cluster = new FakeCluster(3);
    const client = await connect(cluster);
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    // The old leader applies the submission and dies before its answer leaves.
    cluster.peer(0).script.submit = (_, frame) => {
      cluster.sessions.get(frame.session)?.set(frame.sequence, {
        type: 'submitted',
        requestId: 0,
        logIndex: 5,
        group: 0,
        epoch: 1,
        firstNumber: 41,
        created: 1,
        existing: [],
        repeated: false,
      });
      return true;
    };
    const submitted = client.submit({ type: 'mail' });
    await cluster.time.until('the submission', () => cluster.peer(0).got('submit').length === 1);
    cluster.peer(0).kill();
    await cluster.time.advance(5);
    const before = cluster.time.nowMs;
    cluster.elect(cluster.peer(1));
    expect((await cluster.time.finish(submitted)).id).toBe(formatTaskId(0, 1, 41));
    expect(cluster.time.nowMs - before).toBeLessThan(5);
    expect(cluster.tasks).toHaveLength(0);
    expect(cluster.peer(1).got('useSession')).toHaveLength(1);
    const [first] = cluster.peer(0).got('submit');
    expect(cluster.peer(1).got('submit')).toEqual([first]);
  });

  it('follows the hint of a peer that does not lead', async () => {
    const cluster = new FakeCluster(2);
    const client = await connect(cluster);
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    // Nobody told the client that the second one leads now.
    cluster.leader = cluster.peer(1);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(cluster.peer(0).got('openSession')).toHaveLength(1);
    expect(cluster.peer(1).got('submit')).toHaveLength(1);
  });

  it('asks on when the leader does not serve yet and nobody else is named', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    let refusals = 0;
    cluster.peer(0).script.openSession = (connection, { requestId }) => {
      refusals += 1;
      return refusals < 4 && connection.refuse(requestId, refusals % 2 === 0 ? 'NOT_LEADER' : 'NO_LEADER');
    };
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(refusals).toBe(4);
    expect(cluster.time.nowMs).toBeLessThan(500);
  });

  it('believes no news of an older term', async () => {
    const cluster = new FakeCluster(2);
    const client = await connect(cluster);
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    cluster.elect(cluster.peer(1), 7);
    await cluster.time.advance(5);
    cluster.peer(0).push({ type: 'leader', term: 6, leader: cluster.peer(0).row, peers: null });
    await cluster.time.advance(5);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(cluster.peer(0).received.map((frame) => frame.type)).toEqual(['hello']);
  });

  it('waits for a leader while there is none, and says that nothing was sent when none comes', async () => {
    const cluster = new FakeCluster(2);
    cluster.leader = undefined;
    const client = await connect(cluster, { timeoutMs: '5s' });
    const early = client.submit({ type: 'mail' });
    await cluster.time.advance(1000);
    cluster.elect(cluster.peer(1));
    await cluster.time.finish(early);
    cluster.elect(undefined);
    await cluster.time.advance(10);
    expect(await codeOf(cluster, client.submit({ type: 'mail' }))).toBe('UNAVAILABLE');
  });

  it('says that the outcome is unknown when a submission was sent and not answered', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster, { timeoutMs: '5s' });
    cluster.peer(0).script.submit = () => true;
    expect(await codeOf(cluster, client.submit({ type: 'mail' }))).toBe('OUTCOME_UNKNOWN');
    cluster.peer(0).script = {};
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(cluster.peer(0).got('submit').at(-1)).toMatchObject({ sequence: 2, answeredBelow: 2 });
  });

  it('hears that there is no room at once, and where a sending may have been executed only once that is known', async () => {
    const cluster = new FakeCluster(3);
    const client = await connect(cluster, { timeoutMs: '5s' });
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    const refuse: FakePeer['script']['submit'] = (connection, { requestId }) =>
      connection.refuse(requestId, 'NO_SPACE');
    cluster.peer(0).script.submit = refuse;
    expect(await codeOf(cluster, client.submit({ type: 'mail' }))).toBe('NO_SPACE');
    // Executed or not, the leader dies before it answers, and the next one has no room.
    cluster.peer(0).script.submit = (connection) => {
      connection.peer.kill();
      cluster.elect(cluster.peer(1));
      return true;
    };
    let refusals = 0;
    cluster.peer(1).script.submit = (connection, frame) => {
      refusals += 1;
      return refusals < 4 && connection.refuse(frame.requestId, 'NO_SPACE');
    };
    const early = client.submit({ type: 'mail' });
    await cluster.time.finish(early);
    expect(refusals).toBe(4);
    cluster.peer(1).script.submit = (connection) => {
      connection.peer.kill();
      cluster.elect(cluster.peer(2));
      return true;
    };
    cluster.peer(2).script.submit = refuse;
    expect(await codeOf(cluster, client.submit({ type: 'mail' }))).toBe('OUTCOME_UNKNOWN');
  });

  it('asks again after as long as an overloaded peer says', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const atMs: number[] = [];
    cluster.peer(0).script.submit = (connection, frame) => {
      atMs.push(cluster.time.nowMs);
      return atMs.length < 3 && connection.refuse(frame.requestId, 'OVERLOADED', { retryAfterMs: 400 });
    };
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect([atMs[1]! - atMs[0]!, atMs[2]! - atMs[1]!]).toEqual([402, 402]);
  });
});

describe('a session that the cluster has ended', () => {
  it('is replaced when the submission was sent only once, since that sending was not executed', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    cluster.sessions.clear();
    await cluster.time.finish(client.submit({ type: 'mail' }));
    expect(
      cluster
        .peer(0)
        .got('submit')
        .map((frame) => [frame.session, frame.sequence]),
    ).toEqual([
      ['s1', 1],
      ['s1', 2],
      ['s2', 1],
    ]);
    expect(cluster.tasks).toHaveLength(2);
  });

  it('is replaced for all that was under way, which keeps its order', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    await cluster.time.finish(client.submit({ type: 'mail' }));
    cluster.sessions.clear();
    const calls = [1, 2, 3, 4].map((at) => client.submitMany([{ type: 'mail', payload: Uint8Array.of(at) }]));
    await cluster.time.finish(Promise.all(calls));
    expect(cluster.tasks.slice(1).map((task) => task.payload[0])).toEqual([1, 2, 3, 4]);
  });

  it('is told to the caller when the submission was sent before, and nothing is executed', async () => {
    const cluster = new FakeCluster(2);
    const client = await connect(cluster);
    await cluster.time.until('connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
    cluster.peer(0).script.submit = () => true;
    const lost = client.submit({ type: 'mail' });
    await cluster.time.until('the submission', () => cluster.peer(0).got('submit').length === 1);
    cluster.sessions.clear();
    cluster.elect(cluster.peer(1));
    expect(await codeOf(cluster, lost)).toBe('SESSION_EXPIRED');
    expect(cluster.tasks).toHaveLength(0);
  });
});
