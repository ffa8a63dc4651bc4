import { describe, expect, it } from 'vitest';
import { ABORT_REASONS, COMPLETION_ANSWERS, OUTCOME, type OutcomeCode, type TaskRow } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { assignments, attachFrame, Desk, taskRow } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

function tasks(count: number): TaskRow[] {
  return Array.from({ length: count }, () => taskRow());
}

async function report(
  worker: TestClient,
  number: number,
  token: number,
  outcome: OutcomeCode = OUTCOME.done,
): Promise<unknown> {
  const answer = await worker.ask((requestId) => ({
    type: 'complete',
    requestId,
    completions: [[number, token, outcome, 0, null, null]],
  }));
  return answer.type === 'completed' ? answer.codes.map((code) => COMPLETION_ANSWERS[code]) : answer;
}

/** Sends a heartbeat and gives the term in the answer; undefined when there is none. */
async function beat(desk: Desk, client: TestClient): Promise<number | undefined> {
  const before = client.all('heartbeatAck').length;
  client.send({ type: 'heartbeat', beat: before + 1 });
  await desk.time.advance(1);
  return client.all('heartbeatAck')[before]?.term;
}

async function beatFor(desk: Desk, client: TestClient, forMs: number): Promise<void> {
  for (let leftMs = forMs; leftMs > 0; leftMs -= 1_000) {
    await desk.time.advance(999);
    await beat(desk, client);
  }
}

describe('a worker that attaches', () => {
  it('hears that it is attached before it hears what to run, in frames of the term', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client(), tasks(3));
    const worker = await desk.attached({ slots: 2 });
    expect(worker.frames.map((frame) => frame.type)).toEqual(['attached', 'assign']);
    expect(worker.frames).toMatchObject([{ term: 1, stale: [], settled: [] }, { term: 1 }]);
    expect(assignments(worker).map(([number]) => number)).toEqual([1, 2]);
    const [first] = assignments(worker);
    expect(await report(worker, ...first!)).toEqual(['ok']);
    expect(assignments(worker).map(([number]) => number)).toEqual([1, 2, 3]);
  });

  it('is not sent again what it holds, and is sent what never arrived', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client(), tasks(2));
    const first = await desk.attached();
    // Handed back and placed again, so that no token is a number of a task as well.
    for (const [number, token] of assignments(first)) await report(first, number, token, OUTCOME.returned);
    const held = assignments(first).findLast(([number]) => number === 1)!;
    const lost = assignments(first).findLast(([number]) => number === 2)!;
    expect(new Set([held[1], lost[1]])).toEqual(new Set([3, 4]));
    first.close();
    await desk.time.advance(1);
    const second = await desk.attached({ held: [held] });
    // The other one goes back to its line and comes again under a token of its own.
    expect(assignments(second)).toEqual([[2, 5]]);
    expect(await report(second, ...held)).toEqual(['ok']);
    expect(await report(second, ...lost)).toEqual(['STALE_LEASE']);
  });

  it('is told to stop what is no longer its own, and is given that very task anew in the same breath', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const first = await desk.attached();
    const [number, token] = assignments(first)[0]!;
    first.close();
    await desk.time.advance(20_000);
    expect(desk.stateOf('w1')).toBe('lost');
    const second = await desk.attached({ held: [[number, token]] });
    expect(second.all('attached')).toMatchObject([{ stale: [[number, token]] }]);
    expect(assignments(second)).toEqual([[number, expect.any(Number)]]);
    expect(assignments(second)[0]![1]).toBeGreaterThan(token);
    expect(await report(second, number, token)).toEqual(['STALE_LEASE']);
    expect(await report(second, ...assignments(second)[0]!)).toEqual(['ok']);
  });

  it('hears the answers that it still waits for', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const first = await desk.attached();
    const attempt = assignments(first)[0]!;
    first.close();
    await desk.time.advance(1);
    const between = await desk.attached({ held: [attempt] });
    await report(between, ...attempt);
    between.close();
    await desk.time.advance(1);
    const last = await desk.attached({ unanswered: [attempt] });
    expect(last.all('attached')).toMatchObject([
      { settled: [[...attempt, COMPLETION_ANSWERS.indexOf('ALREADY_FINAL')]] },
    ]);
    expect(assignments(last)).toEqual([]);
  });

  it('is told again to stop what was cancelled while it was away', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    const first = await desk.attached();
    const attempt = assignments(first)[0]!;
    first.close();
    await desk.time.advance(1);
    await client.ask((requestId) => ({ type: 'cancel', requestId, tasks: [[0, 0, number]] }));
    const second = await desk.attached({ held: [attempt] });
    expect(second.all('abort')).toMatchObject([
      { term: 1, aborts: [[...attempt, ABORT_REASONS.indexOf('cancelled')]] },
    ]);
  });

  it('again on the same connection keeps it', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    expect(await worker.ask((requestId) => attachFrame(requestId))).toMatchObject({ type: 'attached' });
    await beatFor(desk, worker, 20_000);
    expect(worker.closed).toBeUndefined();
    expect(desk.stateOf('w1')).toBe('online');
  });

  it('as another worker on the same connection is refused, and so is one that said hello as a client', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    const other = await worker.ask((requestId) => attachFrame(requestId, { worker: 'w2' }));
    expect(other).toMatchObject({ code: 'INVALID_TRANSITION' });
    const client = await desk.client();
    expect(await client.ask((requestId) => attachFrame(requestId))).toMatchObject({ code: 'INVALID_TRANSITION' });
  });

  it('as two workers at once on one connection becomes the first of them; the second goes away', async () => {
    const desk = await Desk.open();
    const worker = await desk.worker();
    desk.peer.holding = true;
    worker.request((requestId) => attachFrame(requestId));
    worker.request((requestId) => attachFrame(requestId, { worker: 'w2' }));
    await desk.time.advance(1);
    desk.peer.holding = false;
    desk.peer.apply();
    await desk.time.advance(1);
    expect(desk.stateOf('w1')).toBe('online');
    expect(desk.stateOf('w2')).toBe('offline');
    expect(worker.answersTo(2)).toMatchObject([{ code: 'INVALID_TRANSITION' }]);
  });

  it('whose connection ends before that was applied is away at once, and lost after a while', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const worker = await desk.worker();
    desk.peer.holding = true;
    worker.request((requestId) => attachFrame(requestId));
    await desk.time.advance(1);
    worker.close();
    await desk.time.advance(1);
    desk.peer.holding = false;
    desk.peer.apply();
    await desk.time.advance(1);
    expect(desk.stateOf('w1')).toBe('offline');
    await desk.time.advance(20_000);
    expect(desk.stateOf('w1')).toBe('lost');
  });

  it('is told who leads when the leader changed while it was applied', async () => {
    const desk = await Desk.open();
    const worker = await desk.worker();
    desk.peer.holding = true;
    const id = worker.request((requestId) => attachFrame(requestId));
    await desk.time.advance(1);
    desk.peer.follow(2, 'p2', 'dropped');
    expect(worker.answersTo(id)).toMatchObject([{ code: 'NOT_LEADER' }]);
    expect(await worker.ask((requestId) => attachFrame(requestId))).toMatchObject({ code: 'NOT_LEADER' });
  });
});

describe('two connections of one worker', () => {
  it('with one instance: the newer one stands, and the end of the older one means nothing', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client(), tasks(2));
    const older = await desk.attached({ slots: 1 });
    const newer = await desk.attached({ slots: 1, held: assignments(older) });
    expect(older.closed).toEqual({ code: 1013, reason: 'another connection of this worker attached' });
    await desk.time.advance(1_000);
    expect(desk.stateOf('w1')).toBe('online');
    expect(desk.commands.filter((type) => type === 'workerAway')).toEqual([]);
    expect(await report(newer, ...assignments(older)[0]!)).toEqual(['ok']);
    expect(assignments(newer).map(([number]) => number)).toEqual([2]);
  });

  it('with one instance, where the older ends while the newer attaches: the worker is not left away', async () => {
    const desk = await Desk.open();
    const older = await desk.attached();
    const newer = await desk.worker();
    desk.peer.holding = true;
    newer.request((requestId) => attachFrame(requestId));
    await desk.time.advance(1);
    older.close();
    await desk.time.advance(1);
    // Both verdicts lie in one entry, the attachment first, so that the state ends with a worker that is away.
    expect(desk.commands.slice(-2)).toEqual(['workerAttached', 'workerAway']);
    desk.peer.holding = false;
    desk.peer.apply();
    await desk.time.advance(10);
    expect(newer.closed?.code).toBe(1013);
    expect(desk.stateOf('w1')).toBe('offline');
    await desk.attached();
    expect(desk.stateOf('w1')).toBe('online');
    await desk.time.advance(100);
    expect(desk.stateOf('w1')).toBe('online');
  });

  it('with two instances: the second is refused while the first lives, and takes over when it is gone', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const first = await desk.attached();
    const second = await desk.worker();
    const attach = (): Promise<AnswerFrame> => second.ask((requestId) => attachFrame(requestId, { instance: 'i2' }));
    expect(await attach()).toMatchObject({ code: 'WORKER_ID_IN_USE', retryable: false });
    expect(first.closed).toBeUndefined();
    first.close();
    await desk.time.advance(1);
    expect(await attach()).toMatchObject({ type: 'attached' });
    await desk.time.advance(1);
    // What the first one ran begins anew, at once.
    expect(assignments(second)).toEqual([[1, expect.any(Number)]]);
    expect(assignments(second)[0]![1]).toBeGreaterThan(assignments(first)[0]![1]);
  });

  it('in two namespaces: the second is refused, even while the first is away', async () => {
    const desk = await Desk.open();
    const first = await desk.attached();
    first.close();
    await desk.time.advance(1);
    const stranger = await desk.worker('elsewhere');
    expect(await stranger.ask((requestId) => attachFrame(requestId))).toMatchObject({ code: 'WORKER_ID_IN_USE' });
    await desk.attached();
    expect(desk.stateOf('w1')).toBe('online');
  });
});

describe('an old token', () => {
  it('is refused once the task was given to another, and by its name once it is final', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const first = await desk.attached();
    const attempt = assignments(first)[0]!;
    first.close();
    await desk.time.advance(20_000);
    const second = await desk.attached({ worker: 'w2', instance: 'j1' });
    const back = await desk.attached({ held: [attempt] });
    expect(await report(back, ...attempt)).toEqual(['STALE_LEASE']);
    // A token of another worker is as good as none.
    expect(await report(back, ...assignments(second)[0]!)).toEqual(['STALE_LEASE']);
    expect(await report(second, ...assignments(second)[0]!)).toEqual(['ok']);
    expect(await report(back, ...attempt)).toEqual(['ALREADY_FINAL']);
    expect(await report(back, 99, 1)).toEqual(['NOT_FOUND']);
  });
});

describe('heartbeats', () => {
  it('renew the lease of who is attached, and nothing for anybody else', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    expect(await beat(desk, worker)).toBe(1);
    expect(await beat(desk, await desk.worker())).toBe(0);
    expect(await beat(desk, await desk.client())).toBe(0);
  });

  it('are answered by followers, who renew nothing, so that the connection stays', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    desk.peer.follow(1, 'p2');
    expect(await beat(desk, worker)).toBe(0);
  });

  it('are not answered by a leader that has not heard a quorum lately', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    desk.peer.quorumMsAgo = 501;
    expect(await beat(desk, worker)).toBeUndefined();
    expect(await beat(desk, await desk.client())).toBeUndefined();
    desk.peer.quorumMsAgo = 500;
    expect(await beat(desk, worker)).toBe(1);
  });

  it('that are missed three times make a worker lost, and its tasks go to another at once', async () => {
    const desk = await Desk.open();
    await desk.submit(await desk.client());
    const dead = await desk.attached();
    await desk.time.advance(8_000);
    const alive = await desk.attached({ worker: 'w2', instance: 'j1' });
    expect(assignments(alive)).toEqual([]);
    // No verdict falls within the first lease of a term.
    await beatFor(desk, alive, 4_000);
    expect(desk.stateOf('w1')).toBe('online');
    await beatFor(desk, alive, 8_000);
    expect(desk.stateOf('w1')).toBe('lost');
    expect(dead.closed).toEqual({ code: 1013, reason: 'declared lost' });
    expect(assignments(alive).map(([number]) => number)).toEqual([1]);
    expect(desk.stateOf('w2')).toBe('online');
  });

  it('are not answered from when a loss is proposed', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    await beatFor(desk, worker, 16_000);
    await desk.time.advance(9_000);
    desk.peer.holding = true;
    await desk.time.advance(500);
    expect(desk.commands.at(-1)).toBe('workerLost');
    expect(await beat(desk, worker)).toBeUndefined();
    desk.peer.apply();
    expect(worker.closed?.reason).toBe('declared lost');
  });
});

describe('the end of a worker', () => {
  it('with its connection: away at once, lost after five seconds, once a lease of the term is over', async () => {
    const desk = await Desk.open();
    await desk.time.advance(16_000);
    const worker = await desk.attached();
    worker.close();
    await desk.time.advance(1);
    expect(desk.stateOf('w1')).toBe('offline');
    await desk.time.advance(4_900);
    expect(desk.stateOf('w1')).toBe('offline');
    await desk.time.advance(600);
    expect(desk.stateOf('w1')).toBe('lost');
  });

  it('is told to the state although there was no room at first', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    desk.peer.full = true;
    worker.close();
    await desk.time.advance(100);
    expect(desk.stateOf('w1')).toBe('online');
    desk.peer.full = false;
    await desk.time.advance(300);
    expect(desk.stateOf('w1')).toBe('offline');
  });

  it('in good order leaves nobody behind', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    expect(await worker.ask((requestId) => ({ type: 'detach', requestId }))).toMatchObject({ type: 'ok' });
    expect(desk.stateOf('w1')).toBeUndefined();
    worker.close();
    await desk.time.advance(30_000);
    expect(desk.commands).toEqual(['workerAttached', 'workerLeft']);
  });

  it('by bytes that are no frame is an end like any other', async () => {
    const desk = await Desk.open();
    const worker = await desk.attached();
    worker.sendBytes(new Uint8Array([1]));
    await desk.time.advance(0);
    expect(worker.closed?.code).toBe(1007);
    // The other end has not closed yet; nothing more is placed there all the same.
    expect(desk.stateOf('w1')).toBe('offline');
  });
});

describe('a new term', () => {
  it('of the same leader: workers attach anew, and what they said before does not count for it', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await desk.submit(client, tasks(2));
    const worker = await desk.attached({ slots: 1 });
    const attempt = assignments(worker)[0]!;
    desk.peer.lead(3);
    await desk.time.advance(1);
    expect(client.all('leader').at(-1)).toMatchObject({
      type: 'leader',
      term: 3,
      leader: ['p1', 'ws://127.0.0.1:7400/v1/connect'],
    });
    expect(desk.stateOf('w1')).toBe('offline');
    expect(await beat(desk, worker)).toBe(0);
    expect(await report(worker, ...attempt)).toMatchObject({ code: 'NOT_ATTACHED', retryable: true });
    expect(await worker.ask((requestId) => attachFrame(requestId, { slots: 1, held: [attempt] }))).toMatchObject({
      term: 3,
      stale: [],
    });
    expect(await beat(desk, worker)).toBe(3);
    expect(await report(worker, ...attempt)).toEqual(['ok']);
    expect(worker.all('assign').map((frame) => frame.term)).toEqual([1, 3]);
  });

  it('owes every worker one lease; who does not come back by then is lost', async () => {
    const desk = await Desk.open();
    await desk.attached();
    await desk.attached({ worker: 'w2', instance: 'j1' });
    desk.peer.lead(2);
    await desk.time.advance(14_900);
    const back = await desk.attached({ worker: 'w2', instance: 'j1' });
    await beatFor(desk, back, 1_000);
    expect(desk.stateOf('w1')).toBe('lost');
    expect(desk.stateOf('w2')).toBe('online');
  });
});

describe('what attempts say of themselves', () => {
  async function shown(client: TestClient, number: number): Promise<readonly unknown[]> {
    const answer = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale: null }));
    return answer.type === 'task' ? [answer.task[22], answer.task[25]] : [];
  }

  it('is taken from the worker that runs them and from nobody else', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    const worker = await desk.attached();
    const [, fencingToken] = assignments(worker)[0]!;
    const other = await desk.attached({ worker: 'w2', instance: 'j1' });
    const unattached = await desk.worker();
    const say = async (one: TestClient, note: string, token = fencingToken): Promise<void> => {
      one.send({ type: 'progress', number, fencingToken: token, fraction: 1, note });
      one.send({ type: 'log', number, fencingToken: token, level: 0, text: note });
      await desk.time.advance(1);
    };
    for (const one of [client, other, unattached]) await say(one, 'not mine');
    await say(worker, 'an old attempt', fencingToken - 1);
    expect(await shown(client, number)).toEqual([null, []]);
    await say(worker, 'mine');
    await say(other, 'not mine');
    expect(await shown(client, number)).toEqual([[1, 'mine'], [[0, 'mine']]]);
    await report(worker, number, fencingToken);
    expect(await shown(client, number)).toEqual([null, []]);
  });
});
