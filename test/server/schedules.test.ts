import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import type { PutScheduleFrame } from '../../src/protocol/client-frame.ts';
import type { ScheduleRow, TemplateRow } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { encodeCommand } from '../../src/scheduler/batch.ts';
import type { Command } from '../../src/scheduler/command.ts';
import { TASK_DEFAULTS } from '../../src/scheduler/limits.ts';
import { Desk } from './support/desk.ts';
import type { TestClient } from './support/sockets.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const TEMPLATE: TemplateRow = ['report', null, null, [], null, null, null];

function putFrame(requestId: number, changes: Partial<PutScheduleFrame> = {}): PutScheduleFrame {
  return {
    type: 'putSchedule',
    requestId,
    schedule: 'nightly',
    expectedVersion: null,
    calendar: JSON.stringify({ every: '1h' }),
    template: TEMPLATE,
    payload: [3, new Uint8Array([1])],
    headers: null,
    policy: [null, null, null, null, null],
    paused: false,
    managedBy: null,
    ...changes,
  };
}

function put(client: TestClient, changes: Partial<PutScheduleFrame> = {}): Promise<AnswerFrame> {
  return client.ask((requestId) => putFrame(requestId, changes));
}

async function shown(client: TestClient, schedule = 'nightly'): Promise<ScheduleRow> {
  const answer = await client.ask((requestId) => ({ type: 'getSchedule', requestId, schedule, stale: null }));
  if (answer.type !== 'schedule') throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer.schedule;
}

/** Log time goes on, and entries with it: what is due fires. */
async function pass(desk: Desk, ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await desk.time.advance(stepMs);
    desk.peer.apply();
    await desk.time.advance(0);
  }
}

describe('a schedule', () => {
  it('is made, shown with every default said, and left alone by a put of the same', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    expect(await put(client, { managedBy: 'apply' })).toMatchObject({ version: 1, created: true, unchanged: false });
    const again = await put(client, { managedBy: 'apply', calendar: '{"specs": [{"every": 3600000}]}' });
    expect(again).toMatchObject({ type: 'schedulePut', version: 1, created: false, unchanged: true });
    const row = await shown(client);
    expect(row.slice(0, 3)).toEqual(['nightly', 1, 0]);
    expect(JSON.parse(row[3])).toMatchObject({ specs: [{ every: HOUR_MS, phase: 0 }], timeZone: 'UTC' });
    expect(row[4]).toEqual([
      'report',
      'default',
      5,
      [],
      [10, 1_000, HOUR_MS],
      [900_000, 0, 0],
      [7 * 24 * HOUR_MS, 14 * 24 * HOUR_MS, false],
    ]);
    expect(row.slice(5, 7)).toEqual([[0, 0, 24 * HOUR_MS, 0, 0], 'apply']);
    expect(row[11].length).toBeGreaterThanOrEqual(2);
    expect(row[18]).toEqual([3, Buffer.of(1)]);
    expect(row[21]).toBe(0);
  });

  it('makes a task at each of its instants, and the task names the occurrence', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await put(client, { calendar: JSON.stringify({ every: '10s' }), policy: [4, null, null, null, null] });
    await pass(desk, 60 * SECOND_MS, SECOND_MS);
    const row = await shown(client);
    expect(row[13][0]).toEqual([6, 0, 0]);
    const tasks = row[20].map(([plannedMs, , , , task]) => [plannedMs, task?.[2]] as const);
    expect(tasks.map(([plannedMs]) => plannedMs % 10_000)).toEqual(tasks.map(() => 0));
    for (const [plannedMs, number] of tasks) {
      const answer = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number!], stale: null }));
      expect(answer.type === 'task' && answer.task.at(-1)).toEqual(['nightly', 1, plannedMs, 0]);
    }
    await put(client, { schedule: 'other', calendar: JSON.stringify({ every: '10s' }) });
    await pass(desk, 11 * SECOND_MS, SECOND_MS);
    const list = async (schedule: string | null): Promise<unknown> => {
      const filter = { states: null, queue: null, taskType: null, cursor: null, limit: 100, stale: null, schedule };
      const answer = await client.ask((requestId) => ({ type: 'list', requestId, ...filter }));
      return answer.type === 'taskPage' && answer.tasks.map((task) => (task.at(-1) as readonly unknown[] | null)?.[0]);
    };
    expect(await list('other')).toEqual(['other']);
    expect(await list('none')).toEqual([]);
    expect(await list(null)).toEqual(expect.arrayContaining(['other', 'nightly']));
  });

  it('is changed under a new version, unless somebody else changed it before', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await put(client, { expectedVersion: 0 });
    // It may be the same request again, whose answer was lost.
    expect(await put(client, { expectedVersion: 0 })).toMatchObject({ version: 1, unchanged: true });
    const hours = { calendar: JSON.stringify({ every: '2h' }) };
    expect(await put(client, { ...hours, expectedVersion: 0 })).toMatchObject({ code: 'VERSION_CONFLICT' });
    const changed = { calendar: JSON.stringify({ cron: '0 4 * * *', timeZone: 'Europe/London' }) };
    expect(await put(client, { ...changed, expectedVersion: 1 })).toMatchObject({ version: 2, created: false });
    expect(await put(client, { expectedVersion: 1 })).toMatchObject({ code: 'VERSION_CONFLICT' });
    expect(await put(client, { schedule: 'other', expectedVersion: 3 })).toMatchObject({ type: 'error' });
  });

  it('is paused with a note, resumed, triggered and deleted', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await put(client);
    const ask = (frame: object): Promise<AnswerFrame> =>
      client.ask((requestId) => ({ schedule: 'nightly', ...frame, requestId }) as never);
    expect(await ask({ type: 'pauseSchedule', note: 'the disk is full – ä' })).toMatchObject({ type: 'ok' });
    const row = await shown(client);
    expect([row[2], row[9], row[10]]).toEqual([1, 'request', 'the disk is full – ä']);
    expect(row[21]).toBeGreaterThanOrEqual(row[7]);
    const trigger = { type: 'triggerSchedule', request: 'r1', overlap: null };
    const first = await ask(trigger);
    expect(first).toMatchObject({ type: 'scheduleTriggered', task: [0, 0, 1], buffered: false, skipped: null });
    expect(await ask(trigger)).toMatchObject({ task: [0, 0, 1] });
    expect(await ask({ ...trigger, request: 'r2' })).toMatchObject({ task: null, skipped: 'overlap' });
    expect(await ask({ ...trigger, request: 'r3', overlap: 1 })).toMatchObject({ task: null, buffered: true });
    await desk.time.advance(SECOND_MS);
    expect(await ask({ type: 'resumeSchedule', note: '' })).toMatchObject({ type: 'ok' });
    const resumed = await shown(client);
    expect(resumed[2]).toBe(0);
    expect(resumed[21]).toBeGreaterThan(row[21] ?? 0);
    expect(await ask({ type: 'deleteSchedule', expectedVersion: 7 })).toMatchObject({ code: 'VERSION_CONFLICT' });
    expect(await ask({ type: 'deleteSchedule', expectedVersion: null })).toMatchObject({ type: 'ok' });
    expect(await ask({ type: 'getSchedule', stale: null })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await ask({ type: 'deleteSchedule', expectedVersion: null })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is filled in over a range of the past, of which there is not too much', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await put(client, { policy: [4, null, null, null, null] });
    const nowMs = desk.peer.logTimeNowMs();
    const backfill = (fromMs: number, toMs: number, request: string): Promise<AnswerFrame> =>
      client.ask((requestId) => ({
        type: 'backfillSchedule',
        requestId,
        schedule: 'nightly',
        request,
        fromMs,
        toMs,
        overlap: null,
      }));
    const day = await backfill(nowMs - 24 * HOUR_MS, nowMs, 'r1');
    expect(day).toMatchObject({ type: 'scheduleBackfilled', planned: 24, accepted: 24 });
    expect(await backfill(nowMs - 24 * HOUR_MS, nowMs, 'r1')).toMatchObject({ accepted: 24 });
    expect((await shown(client))[13][0]).toEqual([0, 0, 24]);
    expect(await backfill(0, nowMs, 'r2')).toMatchObject({
      code: 'LIMIT',
      message: expect.stringContaining('shorter'),
    });
    expect(await backfill(nowMs, nowMs - 1, 'r3')).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await backfill(nowMs, nowMs + 1, 'r3')).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await put(client, { schedule: 'rare', calendar: '{"cron":"0 * * * *","exclude":["0 0 * * * * 1970-2023"]}' });
    const years = await client.ask((requestId) => ({
      type: 'backfillSchedule',
      requestId,
      schedule: 'rare',
      request: 'r4',
      fromMs: 0,
      toMs: Date.UTC(2023, 0),
      overlap: null,
    }));
    expect(years).toMatchObject({ code: 'LIMIT', message: expect.stringContaining('hardly anything') });
    const between = Math.floor(nowMs / HOUR_MS) * HOUR_MS - HOUR_MS;
    expect(await backfill(between + 1, between + 2, 'r3')).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('tells its next instants, and those of a definition that nobody has put', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    await put(client);
    const next = (more: object): Promise<AnswerFrame> =>
      client.ask((requestId) => ({
        type: 'nextOccurrences',
        requestId,
        schedule: 'nightly',
        calendar: null,
        afterMs: null,
        count: 3,
        ...more,
      }));
    const own = await next({});
    expect(own.type === 'occurrences' && own.occurrences.map(([plannedMs]) => plannedMs % HOUR_MS)).toEqual([0, 0, 0]);
    const london = { calendar: JSON.stringify({ cron: '30 1 * * *', timeZone: 'Europe/London' }) };
    const spring = await next({ ...london, schedule: 'none', afterMs: Date.UTC(2026, 2, 28, 2) });
    expect(spring).toMatchObject({
      timeZone: 'Europe/London',
      occurrences: [
        [Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 2, 29, 1), '2026-03-29 02:00:00', '+01:00', 'gap'],
        [Date.UTC(2026, 2, 30, 0, 30), expect.anything(), '2026-03-30 01:30:00', '+01:00', null],
        [Date.UTC(2026, 2, 31, 0, 30), expect.anything(), '2026-03-31 01:30:00', '+01:00', null],
      ],
    });
    expect(await next({ schedule: 'none' })).toMatchObject({
      code: 'NOT_FOUND',
      message: 'there is no schedule "none" in this namespace',
    });
    expect(await next({ calendar: '{"cron":"* * *"}' })).toMatchObject({ code: 'INVALID_SCHEDULE' });
    expect(await next({ count: 0 })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await next({ count: 1_001 })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    for (const afterMs of [Date.UTC(3000, 0), 8.65e15]) {
      expect(await next({ ...london, afterMs })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(await next({ ...london, afterMs: Date.UTC(3000, 0) - 1 })).toMatchObject({ occurrences: [] });
  });

  it('is listed on a shorter page when it is large, with a cursor for the rest', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const exclude = Array.from({ length: 16 }, (_, at) => ({
      cron: `${Array.from({ length: 59 }, (_, minute) => minute).join(',')} ${at} 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18 * *`,
    }));
    const calendar = JSON.stringify({ every: '1h', exclude });
    for (let at = 0; at < 100; at += 1) {
      const labels = Array.from(
        { length: 64 },
        (_, label) => [`${'l'.repeat(150)}${100 + label}`, 'v'.repeat(190)] as const,
      );
      await put(client, { schedule: `s${100 + at}`, calendar, template: ['x', null, null, labels, null, null, null] });
    }
    const page = await client.ask((requestId) => ({
      type: 'listSchedules',
      requestId,
      cursor: null,
      limit: 100,
      stale: null,
    }));
    if (page.type !== 'schedulePage') throw new Error(`refused: ${JSON.stringify(page)}`);
    expect(page.schedules.length).toBeGreaterThan(10);
    expect(page.schedules.length).toBeLessThan(100);
    expect(page.cursor).toBe(page.schedules.at(-1)?.[0]);
  });

  it('is listed by id, page by page, in its own namespace alone', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    for (const schedule of ['c', 'a', 'b', 'd', 'e']) await put(client, { schedule });
    await put(await desk.client('other'), { schedule: 'elsewhere' });
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const from: string | null = cursor;
      const page = await client.ask((requestId) => ({
        type: 'listSchedules',
        requestId,
        cursor: from,
        limit: 2,
        stale: null,
      }));
      if (page.type !== 'schedulePage') throw new Error('no page');
      ids.push(...page.schedules.map(([id]) => id));
      expect(page.schedules.every((row) => row[18] === null && row[20].length === 0 && row[11].length === 1)).toBe(
        true,
      );
      ({ cursor } = page);
    } while (cursor !== null);
    expect(ids).toEqual(['a', 'b', 'c', 'd', 'e']);
    for (const limit of [0, 101]) {
      const refused = await client.ask((requestId) => ({
        type: 'listSchedules',
        requestId,
        cursor: null,
        limit,
        stale: null,
      }));
      expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

it('whose instants cannot be computed here is shown with the problem, and the alarms tell of it', async () => {
  const desk = await Desk.open();
  const client = await desk.client();
  await put(client);
  const command: Command = {
    type: 'putSchedule',
    namespace: 'default',
    schedule: 'martian',
    expectedVersion: -1,
    calendar: new TextEncoder().encode('{"specs":[{"cron":"0 4 * * *"}],"timeZone":"Mars/Olympus"}'),
    task: {
      template: { type: 'report', ...TASK_DEFAULTS },
      payload: { encoding: 0, bytes: new Uint8Array(0) },
    },
    policy: { overlap: 'skip', catchUp: 'latest', catchUpWindowMs: 1, maxRuns: 0, pauseOnFailure: 0 },
    paused: false,
  };
  const writer = new ByteWriter(256);
  encodeCommand(writer, 'anonymous', command);
  desk.peer.propose('dispatch', writer.take(), 1, () => {});
  await desk.time.advance(10);
  expect((await shown(client, 'martian'))[17]).toContain('Mars/Olympus');
  expect((await shown(client))[17]).toBeNull();
  const status = await client.ask((requestId) => ({ type: 'status', requestId }));
  expect(status.type === 'statusAnswer' && status.alarms.at(-1)).toContain('one schedule cannot be computed');
  const next = await client.ask((requestId) => ({
    type: 'nextOccurrences',
    requestId,
    schedule: 'martian',
    calendar: null,
    afterMs: null,
    count: 3,
  }));
  expect(next).toMatchObject({ code: 'INVALID_SCHEDULE' });
});

describe('a put', () => {
  it.each<readonly [string, Partial<PutScheduleFrame>, string, string | RegExp]>([
    ['of no JSON', { calendar: '{' }, 'INVALID_SCHEDULE', 'no JSON'],
    ['of no time', { calendar: '{}' }, 'INVALID_SCHEDULE', 'says no time'],
    ['of an impossible date', { calendar: '{"cron":"0 0 30 2 *"}' }, 'INVALID_SCHEDULE', /^\/cron:1:\d+: It never/],
    ['of a zone that is none', { calendar: '{"every":"1h","timeZone":"Mars/X"}' }, 'INVALID_SCHEDULE', /^\/timeZone: /],
    ['of two ways at once', { calendar: '{"cron":"* * * * *","every":"1h"}' }, 'INVALID_SCHEDULE', /^\/every: /],
    ['that ended before', { calendar: '{"at":"2001-01-01T00:00:00Z"}' }, 'INVALID_SCHEDULE', 'never fires'],
    ['of a short period', { calendar: '{"every":"10ms"}' }, 'INVALID_SCHEDULE', /^\/every: /],
    ['of an id that is none', { schedule: 'a b' }, 'INVALID_ARGUMENT', 'id of a schedule'],
    ['of a manager that is none', { managedBy: '' }, 'INVALID_ARGUMENT', 'managedBy'],
    ['of a type that is none', { template: ['', null, null, [], null, null, null] }, 'INVALID_ARGUMENT', 'task type'],
    ['of a large payload', { payload: [3, new Uint8Array(300_000)] }, 'PAYLOAD_TOO_LARGE', 'payload'],
    ['of large headers', { headers: [3, new Uint8Array(9_000)] }, 'PAYLOAD_TOO_LARGE', 'Headers'],
    ['of a long definition', { calendar: `{"x":"${'x'.repeat(17_000)}"}` }, 'INVALID_ARGUMENT', 'characters'],
    [
      'that catches up nothing within a window',
      { policy: [null, 2, 5, null, null] },
      'INVALID_ARGUMENT',
      'catchUpWindow',
    ],
    ['of a window of nothing', { policy: [null, null, 0, null, null] }, 'INVALID_ARGUMENT', 'catchUpWindow'],
    ['of a window for ever', { policy: [null, null, 2 ** 50, null, null] }, 'INVALID_ARGUMENT', 'ten years'],
    ['of too many runs', { policy: [null, null, null, 2 ** 40, null] }, 'INVALID_ARGUMENT', 'maxRuns'],
    ['of too many failures', { policy: [null, null, null, null, 2 ** 40] }, 'INVALID_ARGUMENT', 'pauseOnFailure'],
  ])('%s is refused, and nothing is proposed', async (_, changes, code, words) => {
    const desk = await Desk.open();
    const before = desk.peer.proposals;
    const answer = await put(await desk.client(), changes);
    expect(answer).toMatchObject({ type: 'error', code });
    expect(answer.type === 'error' && answer.message).toMatch(words);
    expect(desk.peer.proposals).toBe(before);
  });

  it('of one that has fired for the last time is no mistake when it changes nothing, or something else', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const atMs = desk.peer.logTimeNowMs() + 5_000;
    const once = { calendar: JSON.stringify({ at: atMs }) };
    await put(client, once);
    await pass(desk, 10 * SECOND_MS, SECOND_MS);
    expect((await shown(client))[2]).toBe(2);
    expect(await put(client, once)).toMatchObject({ type: 'schedulePut', unchanged: true });
    expect(await put(client, { ...once, managedBy: 'apply' })).toMatchObject({ type: 'schedulePut', version: 2 });
    expect(await put(client, { ...once, schedule: 'another' })).toMatchObject({ code: 'INVALID_SCHEDULE' });
  });

  it('of instants so near that they may have passed when it is applied is refused, not lost', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const nowMs = desk.peer.logTimeNowMs();
    const at = (ms: number): Partial<PutScheduleFrame> => ({ calendar: JSON.stringify({ at: nowMs + ms }) });
    const soon = await put(client, at(900));
    expect(soon).toMatchObject({ code: 'INVALID_SCHEDULE', message: expect.stringContaining('submit a task') });
    expect(await put(client, at(1_500))).toMatchObject({ created: true });
    expect((await shown(client))[2]).toBe(0);
    expect(await put(client, { schedule: 'often', calendar: '{"every":"1s"}' })).toMatchObject({ created: true });
  });

  it('waits until all voters know schedules, with the word when to ask again', async () => {
    const desk = await Desk.open();
    desk.peer.featureLevel = 1;
    const client = await desk.client();
    expect(await put(client)).toMatchObject({ code: 'FEATURE_OFF', retryable: true, retryAfterMs: 250 });
    desk.peer.featureLevel = 2;
    expect(await put(client)).toMatchObject({ type: 'schedulePut' });
  });

  it('goes to the leader, and so does every other change', async () => {
    const desk = await Desk.open({}, { follows: true });
    desk.peer.follow(3, 'p2');
    const client = await desk.client();
    expect(await put(client)).toMatchObject({ code: 'NOT_LEADER' });
    const pause = await client.ask((requestId) => ({
      type: 'pauseSchedule',
      requestId,
      schedule: 'nightly',
      note: '',
    }));
    expect(pause).toMatchObject({ code: 'NOT_LEADER' });
  });

  it('of thousands at once is answered for each, in their order, and other requests come between', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const other = await desk.client();
    for (let at = 0; at < 1_000; at += 1) client.send(putFrame(at + 1, { schedule: `s${at}` }));
    const status = await other.ask((requestId) => ({ type: 'status', requestId }));
    expect(status).toMatchObject({ type: 'statusAnswer' });
    await desk.time.until('all answers', () => client.all('schedulePut').length === 1_000);
    expect(client.all('schedulePut').map(({ requestId }) => requestId)).toEqual(
      Array.from({ length: 1_000 }, (_, at) => at + 1),
    );
  });

  it('over the limit gets LIMIT', async () => {
    const desk = await Desk.open({}, { scheduler: { schedulesMax: 2 } });
    const client = await desk.client();
    for (const schedule of ['a', 'b']) expect(await put(client, { schedule })).toMatchObject({ type: 'schedulePut' });
    expect(await put(client, { schedule: 'c' })).toMatchObject({ code: 'LIMIT', retryable: false });
    expect(await put(client, { schedule: 'b', calendar: '{"every":"2h"}' })).toMatchObject({ version: 2 });
  });
});
