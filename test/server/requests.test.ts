import { describe, expect, it } from 'vitest';
import type { SubmitFrame } from '../../src/protocol/client-frame.ts';
import { CANCEL_ANSWERS, OUTCOME, type TaskRow, TASK_STATES, type TemplateRow } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { assignments, attachFrame, Desk, submitFrame, taskRow } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

const DONE = TASK_STATES.indexOf('done');
const KIB = 1024;

async function session(client: TestClient): Promise<string> {
  const opened = await client.ask((requestId) => ({ type: 'openSession', requestId }));
  return opened.type === 'sessionOpened' ? opened.session : '';
}

/** Ends an attempt well. */
function complete(worker: TestClient, number: number, token: number): Promise<AnswerFrame> {
  const result = new Uint8Array([42]);
  return worker.ask((requestId) => ({
    type: 'complete',
    requestId,
    completions: [[number, token, OUTCOME.done, 3, result, null]],
  }));
}

describe('a submission', () => {
  const good = taskRow();
  const template: TemplateRow = ['hash', null, null, [], null, null, null];
  const labels = Array.from({ length: 65 }, (_, at) => [`l${String(at).padStart(3, '0')}`, 'v'] as const);

  it('is answered with its numbers and its place in the log, and the same when it is repeated', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    const first = await client.ask((requestId) => submitFrame(requestId, id, [good, good]));
    expect(first).toMatchObject({ type: 'submitted', firstNumber: 1, created: 2, existing: [], repeated: false });
    expect(first).toMatchObject({ logIndex: desk.peer.appliedIndex, group: 0, epoch: 0 });
    const again = await client.ask((requestId) => submitFrame(requestId, id, [good, good]));
    expect(again).toMatchObject({ firstNumber: 1, created: 2, repeated: true });
  });

  it.each<readonly [string, Partial<SubmitFrame>, object]>([
    ['without tasks', { tasks: [] }, { code: 'INVALID_ARGUMENT', position: null }],
    ['of too many tasks', { tasks: Array(1_001).fill(good) as TaskRow[] }, { code: 'BATCH_TOO_LARGE', position: null }],
    [
      'of too many bytes',
      { tasks: Array(17).fill(taskRow(new Uint8Array(256 * KIB))) as TaskRow[] },
      { code: 'BATCH_TOO_LARGE', position: null },
    ],
    [
      'with one payload over the limit',
      { tasks: [good, good, taskRow(new Uint8Array(256 * KIB + 1))] },
      { code: 'PAYLOAD_TOO_LARGE', position: 2 },
    ],
    [
      'with headers over the limit',
      { tasks: [good, taskRow(good[2], [null, null, null, [3, new Uint8Array(8 * KIB + 1)]])] },
      { code: 'PAYLOAD_TOO_LARGE', position: 1 },
    ],
    [
      'with one bad key',
      { tasks: [good, taskRow(good[2], ['a b', null, null, null])] },
      { code: 'INVALID_ARGUMENT', position: 1 },
    ],
    ['due twice', { tasks: [taskRow(good[2], [null, 1, 1, null])] }, { code: 'INVALID_ARGUMENT', position: 0 }],
    [
      'due in eleven years',
      { tasks: [taskRow(good[2], [null, null, 11 * 366 * 86_400_000, null])] },
      { code: 'INVALID_ARGUMENT', position: 0 },
    ],
    [
      'due at the end of days',
      { tasks: [good, taskRow(good[2], [null, 9e15, null, null])] },
      { code: 'INVALID_ARGUMENT', position: 1 },
    ],
    [
      'of a template that is not there',
      { tasks: [good, [1, 3, good[2], null]] },
      { code: 'INVALID_ARGUMENT', position: 1 },
    ],
    [
      'of a type that is no name',
      { templates: [['sp ace', null, null, [], null, null, null]] },
      { code: 'INVALID_ARGUMENT', position: 0 },
    ],
    [
      'of a priority that there is not',
      { templates: [['hash', null, 11, [], null, null, null]] },
      { code: 'INVALID_ARGUMENT' },
    ],
    [
      'with too many labels',
      { templates: [['hash', null, null, labels, null, null, null]] },
      { code: 'INVALID_ARGUMENT' },
    ],
    [
      'with labels out of order',
      {
        templates: [
          [
            'hash',
            null,
            null,
            [
              ['b', '1'],
              ['a', '1'],
            ],
            null,
            null,
            null,
          ],
        ],
      },
      { code: 'INVALID_ARGUMENT' },
    ],
    [
      'whose backoff ends before it begins',
      { templates: [['hash', null, null, [], [3, 5_000, 1_000], null, null]] },
      { code: 'INVALID_ARGUMENT' },
    ],
    ['of a session that is none', { session: 'never-opened' }, { code: 'SESSION_EXPIRED', retryable: false }],
    ['without a sequence', { sequence: 0 }, { code: 'INVALID_ARGUMENT' }],
  ])('%s is refused as a whole, with the task to blame', async (_, overrides, error) => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    const frame = { ...submitFrame(1, id, [good]), templates: [template], ...overrides };
    expect(await client.ask((requestId) => ({ ...frame, requestId }))).toMatchObject({ type: 'error', ...error });
    expect(desk.peer.scheduler.counters().submitted).toBe(0);
    expect(client.closed).toBeUndefined();
  });

  it('under a key that is taken gives the first task, or says that the content differs', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    const keyed = (byte: number): TaskRow => taskRow(new Uint8Array([byte]), ['key', null, null, null]);
    await client.ask((requestId) => submitFrame(requestId, id, [keyed(1)], 1));
    const same = await client.ask((requestId) => submitFrame(requestId, id, [good, keyed(1)], 2));
    expect(same).toMatchObject({ created: 1, firstNumber: 2, existing: [[1, 1]] });
    const other = await client.ask((requestId) => submitFrame(requestId, id, [good, keyed(2)], 3));
    expect(other).toMatchObject({ code: 'KEY_CONFLICT', position: 1 });
  });

  it('is told that there is no room, and nothing of it was done', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    desk.peer.full = true;
    const answer = await client.ask((requestId) => submitFrame(requestId, id));
    expect(answer).toMatchObject({ code: 'OVERLOADED', retryable: true, retryAfterMs: 100 });
    expect(desk.commands).toEqual(['openSession']);
  });

  it('is told who leads, that nobody does, or that nobody knows what became of it', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    desk.peer.holding = true;
    const first = client.request((requestId) => submitFrame(requestId, id));
    await desk.time.advance(1);
    desk.peer.follow(2, 'p2');
    const leader = ['p2', 'ws://127.0.0.1:7410/v1/connect'];
    expect(await client.answerTo(first)).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true });
    expect(await client.ask((requestId) => submitFrame(requestId, id))).toMatchObject({ code: 'NOT_LEADER', leader });
    desk.peer.follow(3);
    expect(await client.ask((requestId) => submitFrame(requestId, id))).toMatchObject({
      code: 'NO_LEADER',
      leader: null,
      retryAfterMs: 50,
    });
    expect(client.all('leader')).toEqual([
      { type: 'leader', term: 2, leader },
      { type: 'leader', term: 3, leader: null },
    ]);
  });
});

describe('waiting for a result', () => {
  it('is answered when the task ends, once to everyone who waits, and at once when it has ended', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    const other = await desk.client();
    const waits = [client, client, other].map((one) => ({
      one,
      id: one.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] })),
    }));
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    expect(waits.map(({ one, id }) => one.answersTo(id))).toEqual([[], [], []]);
    const [, token] = assignments(worker)[0]!;
    expect(await complete(worker, number, token)).toMatchObject({ type: 'completed', codes: [0] });
    await desk.time.advance(10);
    for (const { one, id } of waits) {
      expect(one.answersTo(id)).toMatchObject([
        { type: 'result', state: DONE, result: [3, Buffer.from([42])], error: null },
      ]);
    }
    const late = await client.ask((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
    expect(late).toMatchObject({ type: 'result', state: DONE });
  });

  it('is not missed when the task ends while the state is being looked at', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    desk.peer.holdingReads = true;
    const wait = client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
    await desk.time.advance(1);
    await complete(worker, number, assignments(worker)[0]![1]);
    await desk.time.advance(10);
    expect(client.answersTo(wait)).toHaveLength(1);
  });

  it('of another namespace is told that there is no such task, even when it ends in that moment', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    const stranger = await desk.client('elsewhere');
    const task = [0, 0, number] as const;
    expect(await stranger.ask((requestId) => ({ type: 'awaitResult', requestId, task }))).toMatchObject({
      code: 'NOT_FOUND',
    });
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    desk.peer.holdingReads = true;
    const wait = stranger.request((requestId) => ({ type: 'awaitResult', requestId, task }));
    await desk.time.advance(1);
    await complete(worker, number, assignments(worker)[0]![1]);
    await desk.time.advance(10);
    expect(stranger.answersTo(wait)).toMatchObject([{ type: 'error', code: 'NOT_FOUND' }]);
  });

  it('is not answered after it was abandoned, and its id may be used again', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    desk.peer.holdingReads = true;
    client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number] });
    client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number] });
    await desk.time.advance(1);
    expect(client.answersTo(50)).toMatchObject([{ code: 'INVALID_ARGUMENT' }]);
    client.take();
    client.send({ type: 'abandon', requestId: 50 });
    client.send({ type: 'abandon', requestId: 50 });
    client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number] });
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    await complete(worker, number, assignments(worker)[0]![1]);
    await desk.time.advance(10);
    expect(client.answersTo(50)).toMatchObject([{ type: 'result' }]);
  });

  it('is bounded, on a connection and altogether', async () => {
    const desk = await Desk.open({ connectionWaitsMax: 2, waitsMax: 3 });
    const client = await desk.client();
    const number = await desk.submit(client);
    const wait = (one: TestClient): number =>
      one.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
    const other = await desk.client();
    const ids = [wait(client), wait(client), wait(client)];
    const others = [wait(other), wait(other)];
    await desk.time.advance(1);
    const refused = [{ code: 'TOO_MANY_REQUESTS', retryable: true, retryAfterMs: 1_000 }];
    expect(ids.map((id) => client.answersTo(id))).toMatchObject([[], [], refused]);
    expect(others.map((id) => other.answersTo(id))).toMatchObject([[], refused]);
    client.close();
    await desk.time.advance(1);
    const freed = wait(other);
    await desk.time.advance(1);
    expect(other.answersTo(freed)).toEqual([]);
  });

  it('is sent away when the leader is one no more, however many wait', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    const ids = Array.from({ length: 1_300 }, () =>
      client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] })),
    );
    await desk.time.advance(5);
    desk.peer.follow(2, 'p3');
    await desk.time.advance(5);
    const codes = ids.flatMap((id) => client.answersTo(id).map((frame) => (frame.type === 'error' ? frame.code : '')));
    expect(codes).toEqual(ids.map(() => 'NOT_LEADER'));
  });

  it('is told when the peer cannot read how the task ended', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    const wait = client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
    await desk.time.advance(1);
    desk.peer.broken = new Error('a block is damaged');
    await client.ask((requestId) => ({ type: 'cancel', requestId, tasks: [[0, 0, number]] }));
    expect(await client.answerTo(wait)).toMatchObject({ code: 'INTERNAL' });
    expect(await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number] }))).toMatchObject({
      code: 'INTERNAL',
    });
    expect(desk.notes).toHaveLength(2);
  });
});

describe('looking at tasks', () => {
  it('shows one with its payload, its history, its progress and what its attempt logged last', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client, [taskRow(new Uint8Array([7, 8]))]);
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    const [, fencingToken] = assignments(worker)[0]!;
    worker.send({ type: 'progress', number, fencingToken, fraction: 2_500, note: 'a quarter' });
    for (let line = 0; line < 103; line += 1) {
      worker.send({ type: 'log', number, fencingToken, level: 1, text: `line ${line}` });
    }
    await desk.time.advance(1);
    const answer = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number] }));
    if (answer.type !== 'task') throw new Error(JSON.stringify(answer));
    expect(answer.task[17]).toEqual([3, Buffer.from([7, 8])]);
    expect(answer.task[22]).toEqual([2_500, 'a quarter']);
    expect(answer.task[23].map(([event]) => event)).toEqual(['submitted', 'started']);
    const log = answer.task[25];
    expect([log.length, log[0], log.at(-1)]).toEqual([100, [1, 'line 3'], [1, 'line 102']]);
  });

  it('shows nothing of another namespace, nor of another cluster', async () => {
    const desk = await Desk.open();
    const number = await desk.submit(await desk.client());
    const stranger = await desk.client('elsewhere');
    const client = await desk.client();
    const get = (one: TestClient, task: readonly [number, number, number]): Promise<AnswerFrame> =>
      one.ask((requestId) => ({ type: 'get', requestId, task }));
    expect(await get(stranger, [0, 0, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [0, 1, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [1, 0, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [0, 0, 0])).toMatchObject({ code: 'NOT_FOUND' });
    const page = await stranger.ask((requestId) => ({
      type: 'list',
      requestId,
      states: null,
      queue: null,
      taskType: null,
      cursor: null,
      limit: 10,
    }));
    expect(page).toMatchObject({ type: 'taskPage', tasks: [], cursor: null });
    expect(await stranger.ask((requestId) => ({ type: 'listQueues', requestId }))).toMatchObject({ queues: [] });
    const queues = await client.ask((requestId) => ({ type: 'listQueues', requestId }));
    expect(queues).toMatchObject({ queues: [['default', [0, 0, 1, 0, 0, 0, 0, 0], expect.any(Number), 1, 0]] });
  });

  it('lists pages, newest first, that lead to all of them', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await desk.submit(client, Array(25).fill(taskRow()) as TaskRow[]);
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const from: string | null = cursor;
      const page: AnswerFrame = await client.ask((requestId) => ({
        type: 'list',
        requestId,
        states: [2],
        queue: 'default',
        taskType: 'hash',
        cursor: from,
        limit: 10,
      }));
      if (page.type !== 'taskPage') throw new Error(JSON.stringify(page));
      seen.push(...page.tasks.map((task) => task[0][2]));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, at) => 25 - at));
  });

  it('ends a page early that would be larger than a frame, and goes on behind it', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const id = await session(client);
    const long = (at: number): string => `${String(at).padStart(3, '0')}-${'x'.repeat(190)}`;
    const requires = Array.from({ length: 64 }, (_, at) => [long(at), long(at)] as const);
    const frame = {
      ...submitFrame(1, id, Array(300).fill(taskRow()) as TaskRow[]),
      templates: [['hash', null, null, requires, null, null, null]] as const,
    };
    await client.ask((requestId) => ({ ...frame, requestId }));
    const list = (cursor: string | null): Promise<AnswerFrame> =>
      client.ask((requestId) => ({
        type: 'list',
        requestId,
        states: null,
        queue: null,
        taskType: null,
        cursor,
        limit: 1_000,
      }));
    const first = await list(null);
    if (first.type !== 'taskPage') throw new Error(JSON.stringify(first));
    expect(first.tasks.length).toBeGreaterThan(100);
    expect(first.tasks.length).toBeLessThan(300);
    const second = await list(first.cursor);
    if (second.type !== 'taskPage') throw new Error(JSON.stringify(second));
    const numbers = [...first.tasks, ...second.tasks].map((task) => task[0][2]);
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, at) => 300 - at));
    expect(second.cursor).toBeNull();
  });

  it.each([
    ['a cursor that no page gave', { cursor: 'x1', limit: 10 }],
    ['a limit of none', { cursor: null, limit: 0 }],
    ['a limit over the limit', { cursor: null, limit: 1_001 }],
    ['a queue that is no name', { cursor: null, limit: 1, queue: 'a b' }],
  ])('refuses %s', async (_, fields) => {
    const desk = await Desk.open();
    const client = await desk.client();
    const answer = await client.ask((requestId) => ({
      type: 'list',
      requestId,
      states: null,
      queue: null,
      taskType: null,
      ...fields,
    }));
    expect(answer).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is refused by who does not lead, and by a leader that cannot confirm it', async () => {
    const desk = await Desk.open({}, { follows: true });
    const client = await desk.client();
    const get = (): number => client.request((requestId) => ({ type: 'get', requestId, task: [0, 0, 1] }));
    expect(await client.answerTo(get())).toMatchObject({ code: 'NO_LEADER' });
    desk.peer.lead(1);
    desk.peer.holdingReads = true;
    const held = get();
    await desk.time.advance(1);
    desk.peer.follow(2, 'p2');
    expect(await client.answerTo(held)).toMatchObject({ code: 'NOT_LEADER' });
  });
});

describe('cancelling', () => {
  const codes = (answer: AnswerFrame): unknown =>
    answer.type === 'cancelled' ? answer.codes.map((code) => CANCEL_ANSWERS[code]) : answer;

  it('answers for each task, and not for those of another namespace', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached({ slots: 1 });
    const client = await desk.client();
    await desk.submit(client, [taskRow(), taskRow()]);
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    const tasks = [1, 2, 3].map((number) => [0, 0, number] as const);
    const cancel = (one: TestClient): Promise<AnswerFrame> =>
      one.ask((requestId) => ({ type: 'cancel', requestId, tasks }));
    expect(codes(await cancel(await desk.client('elsewhere')))).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND']);
    expect(codes(await cancel(client))).toEqual(['cancelling', 'cancelled', 'NOT_FOUND']);
    expect(codes(await cancel(client))).toEqual(['cancelling', 'ALREADY_FINAL', 'NOT_FOUND']);
    expect(worker.all('abort')).toMatchObject([{ term: 1, aborts: [[1, assignments(worker)[0]![1], 0]] }]);
  });

  it('of an id of another cluster says which one it is', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const tasks = [
      [0, 0, 1],
      [7, 0, 1],
    ] as const;
    expect(await client.ask((requestId) => ({ type: 'cancel', requestId, tasks }))).toMatchObject({
      code: 'NOT_FOUND',
      position: 1,
    });
  });
});

describe('status', () => {
  it('is answered by every peer, with its alarms', async () => {
    const desk = await Desk.open({}, { follows: true });
    const client = await desk.client();
    expect(await client.ask((requestId) => ({ type: 'status', requestId }))).toMatchObject({
      type: 'statusAnswer',
      peer: 'p1',
      role: 'follower',
      connections: 1,
      alarms: ['The wall clock is off.'],
    });
  });
});

describe('requests of workers', () => {
  it.each([
    ['complete', { type: 'complete', completions: [[1, 1, 0, 0, null, null]] }],
    ['checkpoint', { type: 'checkpoint', number: 1, fencingToken: 1, encoding: 0, bytes: new Uint8Array(0) }],
    ['extend', { type: 'extend', number: 1, fencingToken: 1, runMs: 1 }],
    ['detach', { type: 'detach' }],
  ] as const)('of one that has not attached are refused for now: %s', async (_, frame) => {
    const desk = await Desk.open();
    const worker = await desk.worker();
    expect(await worker.ask((requestId) => ({ ...frame, requestId }))).toMatchObject({
      code: 'NOT_ATTACHED',
      retryable: true,
    });
    desk.peer.follow(2, 'p2');
    expect(await worker.ask((requestId) => ({ ...frame, requestId }))).toMatchObject({
      code: 'NOT_LEADER',
      retryable: true,
    });
  });

  it.each([
    ['a report of nothing', { type: 'complete', completions: [] }, 'INVALID_ARGUMENT', null],
    [
      'a result over the limit',
      {
        type: 'complete',
        completions: [
          [1, 1, 4, 0, null, null],
          [1, 1, 0, 3, new Uint8Array(256 * KIB + 1), null],
        ],
      },
      'PAYLOAD_TOO_LARGE',
      1,
    ],
    [
      'an error over the limit',
      { type: 'complete', completions: [[1, 1, 1, 3, new Uint8Array(16 * KIB + 1), null]] },
      'PAYLOAD_TOO_LARGE',
      0,
    ],
    ['a snooze without an end', { type: 'complete', completions: [[1, 1, 3, 0, null, null]] }, 'INVALID_ARGUMENT', 0],
    ['a snooze of ages', { type: 'complete', completions: [[1, 1, 3, 0, null, 9e14]] }, 'INVALID_ARGUMENT', 0],
    [
      'a checkpoint over the limit',
      { type: 'checkpoint', number: 1, fencingToken: 1, encoding: 3, bytes: new Uint8Array(256 * KIB + 1) },
      'PAYLOAD_TOO_LARGE',
      null,
    ],
    [
      'an old token of a checkpoint',
      { type: 'checkpoint', number: 1, fencingToken: 99, encoding: 3, bytes: new Uint8Array(1) },
      'NOT_FOUND',
      null,
    ],
    ['a run timeout of ages', { type: 'extend', number: 1, fencingToken: 1, runMs: 9e14 }, 'INVALID_ARGUMENT', null],
  ] as const)('refuse %s', async (_, frame, code, position) => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    expect(await worker.ask((requestId) => ({ ...frame, requestId }))).toMatchObject({ type: 'error', code, position });
  });

  it.each([
    ['no slots', { slots: 0 }],
    ['too many slots', { slots: 10_001 }],
    ['no types', { types: [] }],
    ['too many types', { types: Array.from({ length: 257 }, (_, at) => `t${at}`) }],
    ['a type twice', { types: ['a', 'a'] }],
    ['an id that is no name', { worker: 'ü' }],
    [
      'labels out of order',
      {
        labels: [
          ['b', '1'],
          ['a', '1'],
        ] as const,
      },
    ],
  ])('refuse to attach with %s', async (_, overrides) => {
    const desk = await Desk.open();
    const worker = await desk.worker();
    const answer = await worker.ask((requestId) => attachFrame(requestId, overrides));
    expect(answer).toMatchObject({ type: 'error', code: 'INVALID_ARGUMENT', retryable: false });
  });

  it('refuse to drain who is not there, or belongs to others', async () => {
    const desk = await Desk.open();
    await desk.attached();
    const drain = (one: TestClient, worker: string): Promise<AnswerFrame> =>
      one.ask((requestId) => ({ type: 'drainWorker', requestId, worker, deadlineMs: 1_000 }));
    const client = await desk.client();
    expect(await drain(client, 'w9')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await drain(await desk.client('elsewhere'), 'w1')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await drain(client, 'w1')).toMatchObject({ type: 'ok' });
    expect(desk.stateOf('w1')).toBe('draining');
    expect(await client.ask((requestId) => ({ type: 'resumeWorker', requestId, worker: 'w1' }))).toMatchObject({
      type: 'ok',
    });
    expect(desk.stateOf('w1')).toBe('online');
  });
});
