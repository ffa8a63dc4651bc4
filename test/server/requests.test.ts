import { describe, expect, it } from 'vitest';
import type { SubmitFrame } from '../../src/protocol/client-frame.ts';
import type { TaskRow, TemplateRow } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { attachFrame, Desk, submitFrame, taskRow } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

const KIB = 1024;

async function session(client: TestClient): Promise<string> {
  const opened = await client.ask((requestId) => ({ type: 'openSession', requestId }));
  return opened.type === 'sessionOpened' ? opened.session : '';
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
    expect(client.all('leader')).toMatchObject([
      { type: 'leader', term: 2, leader },
      { type: 'leader', term: 3, leader: null },
    ]);
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
