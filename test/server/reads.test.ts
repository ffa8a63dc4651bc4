import { describe, expect, it } from 'vitest';
import { CANCEL_ANSWERS, OUTCOME, TASK_STATES, type TaskRow } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { assignments, Desk, submitFrame, taskRow } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

const DONE = TASK_STATES.indexOf('done');

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

  it('is one wait when it is asked again, as clients do that lost sight of the leader for a moment', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    for (let asked = 0; asked < 3; asked += 1) {
      client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number] });
      await desk.time.advance(1);
    }
    await desk.time.until('an assignment', () => assignments(worker).length > 0);
    await complete(worker, number, assignments(worker)[0]![1]);
    await desk.time.advance(10);
    expect(client.answersTo(50)).toMatchObject([{ type: 'result' }]);
  });

  it('is not answered after it was abandoned, and its id may be used again', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const client = await desk.client();
    const number = await desk.submit(client);
    desk.peer.holdingReads = true;
    client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number] });
    client.send({ type: 'awaitResult', requestId: 50, task: [0, 0, number + 1] });
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
    expect(
      await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale: null })),
    ).toMatchObject({
      code: 'INTERNAL',
    });
    expect(desk.notes).toHaveLength(2);
  });

  it('is told to come again, like every read, while the peer mends what it could not read', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    const task = [0, 0, number] as const;
    const early = client.request((requestId) => ({ type: 'awaitResult', requestId, task }));
    await desk.time.advance(1);
    desk.peer.broken = new Error('the directory is opened anew');
    desk.peer.passing = desk.peer.broken;
    await client.ask((requestId) => ({ type: 'cancel', requestId, tasks: [task] }));
    const again = { code: 'NOT_READY', retryable: true, retryAfterMs: 200 };
    expect(await client.answerTo(early)).toMatchObject(again);
    expect(await client.ask((requestId) => ({ type: 'awaitResult', requestId, task }))).toMatchObject(again);
    for (const stale of [null, true]) {
      expect(await client.ask((requestId) => ({ type: 'get', requestId, task, stale }))).toMatchObject(again);
    }
    desk.peer.broken = undefined;
    expect(await client.ask((requestId) => ({ type: 'awaitResult', requestId, task }))).toMatchObject({
      type: 'result',
    });
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
    const answer = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale: null }));
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
      one.ask((requestId) => ({ type: 'get', requestId, task, stale: null }));
    expect(await get(stranger, [0, 0, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [0, 1, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [1, 0, number])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await get(client, [0, 0, 0])).toMatchObject({ code: 'NOT_FOUND' });
    const page = await stranger.ask((requestId) => ({
      type: 'list',
      requestId,
      stale: null,
      states: null,
      queue: null,
      taskType: null,
      cursor: null,
      limit: 10,
      schedule: null,
    }));
    expect(page).toMatchObject({ type: 'taskPage', tasks: [], cursor: null });
    expect(await stranger.ask((requestId) => ({ type: 'listQueues', requestId, stale: null }))).toMatchObject({
      queues: [],
    });
    const queues = await client.ask((requestId) => ({ type: 'listQueues', requestId, stale: null }));
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
        stale: null,
        schedule: null,
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
        stale: null,
        schedule: null,
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
    ['a schedule that is no name', { cursor: null, limit: 1, schedule: 'a b' }],
  ])('refuses %s', async (_, fields) => {
    const desk = await Desk.open();
    const client = await desk.client();
    const answer = await client.ask((requestId) => ({
      type: 'list',
      requestId,
      stale: null,
      states: null,
      queue: null,
      taskType: null,
      schedule: null,
      ...fields,
    }));
    expect(answer).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('is refused by who does not lead, and by a leader that cannot confirm it', async () => {
    const desk = await Desk.open({}, { follows: true });
    const client = await desk.client();
    const get = (): number => client.request((requestId) => ({ type: 'get', requestId, task: [0, 0, 1], stale: null }));
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

  it('is proposed once what it needs was read, and refused where that cannot be', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await desk.submit(client, [taskRow()]);
    const cancel = (): number => client.request((requestId) => ({ type: 'cancel', requestId, tasks: [[0, 0, 1]] }));
    let read = (): void => {};
    desk.peer.preparing = new Promise((resolve) => {
      read = resolve;
    });
    const waiting = cancel();
    await desk.time.advance(1_000);
    expect(desk.peer.scheduler.counters().cancelled).toBe(0);
    read();
    expect(codes(await client.answerTo(waiting))).toEqual(['cancelled']);
    let fail = (_error: Error): void => {};
    desk.peer.preparing = new Promise((_, reject) => {
      fail = reject;
    });
    const refused = cancel();
    await desk.time.advance(1_000);
    fail(new Error('the disk is gone'));
    expect(await client.answerTo(refused)).toMatchObject({ type: 'error', code: 'INTERNAL' });
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
