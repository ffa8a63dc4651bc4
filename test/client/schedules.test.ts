import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import type { ScheduleSpec } from '../../src/client/schedule-spec.ts';
import { decodeValue } from '../../src/protocol/codec.ts';
import type { ScheduleRow } from '../../src/protocol/rows.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { FakeCluster } from './fake-cluster.ts';
import { codeOf, connect } from './harness.ts';

async function connected(): Promise<{ cluster: FakeCluster; client: Client }> {
  const cluster = new FakeCluster(3);
  const client = await connect(cluster);
  await cluster.time.until('three connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
  return { cluster, client };
}

const NIGHTLY: ScheduleSpec = { id: 'nightly', cron: '30 2 * * *', task: { type: 'report' } };
const ROW: ScheduleRow = [
  'nightly',
  2,
  1,
  '{"specs":[{"cron":"30 2 * * *"}],"timeZone":"UTC"}',
  ['report', 'default', 5, [['zone', 'a']], [10, 1_000, 3_600_000], [900_000, 0, 0], [1, 2, true]],
  [1, 2, 86_400_000, 7, 3],
  'apply',
  1_000,
  2_000,
  'failures',
  'broken',
  [[9_000, 9_100]],
  8_000,
  [[4, 1, 2], [['overlap', 2]], 12, 40, 90],
  1,
  2,
  3,
  'no such zone',
  [1, Uint8Array.of(0x81, 0xa1, 0x61, 1)],
  null,
  [
    [7_000, 2, 0, 7_012, [0, 1, 9], null, 5],
    [8_000, 2, 1, 8_000, null, 'overlap', null],
  ],
  1_900,
];

describe('a put', () => {
  it('sends what says when as it was given, dates as text, and what its tasks are as a submission would', async () => {
    const { cluster, client } = await connected();
    const spec: ScheduleSpec = {
      id: 'nightly',
      specs: [{ cron: 'H 2 * * *' }, { every: '90s', phase: '5s' }, { at: new Date(0) }],
      exclude: ['* * 25 12 *', { at: 5_000 }],
      timeZone: 'Europe/London',
      dayMatch: 'and',
      dst: { gap: 'skip' },
      startAt: new Date(1_000),
      jitter: '10s',
      overlap: 'cancelOther',
      catchUp: 'all',
      catchUpWindow: '1h',
      maxRuns: 10,
      pauseOnFailure: 3,
      paused: true,
      managedBy: 'me',
      expectedVersion: 0,
      task: {
        type: 'report',
        queue: 'out',
        priority: 2,
        payload: { day: 1 },
        headers: { traceparent: 'x' },
        requires: { zone: 'a' },
        retry: { maxAttempts: 2 },
      },
    };
    const answer = await cluster.time.finish(client.schedules.put(spec));
    expect(answer).toEqual({ version: 1, created: true, unchanged: false });
    const [frame] = cluster.peer(0).got('putSchedule');
    expect(JSON.parse(frame?.calendar ?? '')).toEqual({
      specs: [{ cron: 'H 2 * * *' }, { every: '90s', phase: '5s' }, { at: '1970-01-01T00:00:00.000Z' }],
      exclude: ['* * 25 12 *', { at: 5_000 }],
      timeZone: 'Europe/London',
      dayMatch: 'and',
      dst: { gap: 'skip' },
      startAt: '1970-01-01T00:00:01.000Z',
      jitter: '10s',
    });
    expect(frame).toMatchObject({
      schedule: 'nightly',
      expectedVersion: 0,
      template: ['report', 'out', 2, [['zone', 'a']], [2, null, null], null, null],
      policy: [3, 1, 3_600_000, 10, 3],
      paused: true,
      managedBy: 'me',
    });
    expect(decodeValue(frame?.payload[1] ?? new Uint8Array())).toEqual({ day: 1 });
    expect(decodeValue(frame?.headers?.[1] ?? new Uint8Array())).toEqual({ traceparent: 'x' });
  });

  it('leaves everything to its default that is not said', async () => {
    const { cluster, client } = await connected();
    await cluster.time.finish(client.schedules.put(NIGHTLY));
    expect(cluster.peer(0).got('putSchedule')[0]).toMatchObject({
      expectedVersion: 0,
      calendar: '{"cron":"30 2 * * *"}',
      payload: [0, expect.anything()],
      headers: null,
      policy: [null, null, null, null, null],
      paused: false,
      managedBy: null,
    });
  });

  it.each<readonly [string, object, string]>([
    ['a field that is none', { cronn: '* * * * *' }, 'Did you mean "cron"?'],
    ['a field of its task that is none', { task: { type: 'x', queu: 'y' } }, 'Did you mean "queue"?'],
    ['an id that is none', { id: 'a b' }, 'id of a schedule'],
    ['an id that is no text', { id: 7 }, 'id names'],
    ['no task', { task: undefined }, 'task says'],
    ['a task with a time of its own', { task: { type: 'x', delay: 5 } }, 'no delay: the schedule says when'],
    ['a task with an instant of its own', { task: { type: 'x', runAt: 5 } }, 'no runAt'],
    ['a task with a key', { task: { type: 'x', key: 'k' } }, 'no key: each occurrence'],
    ['an overlap that is none', { overlap: 'queue' }, 'overlap is one of skip, bufferOne'],
    ['a catch-up that is none', { catchUp: 'some' }, 'catchUp is one of latest, all, none'],
    ['a window that is no duration', { catchUpWindow: 'long' }, 'catchUpWindow is a duration'],
    ['a window of nothing that is caught up', { catchUp: 'none', catchUpWindow: '1h' }, 'leave one of them out'],
    ['half a run', { maxRuns: 1.5 }, 'maxRuns is a whole number'],
    ['runs below none', { pauseOnFailure: -1 }, 'pauseOnFailure is a whole number'],
    ['a pause that is no truth', { paused: 'yes' }, 'paused is true or false'],
    ['a payload that cannot be sent', { task: { type: 'x', payload: () => 1 } }, 'The payload cannot be sent'],
    ['an instant that loops', { startAt: { getTime: 1n } }, 'is no JSON'],
  ])('of %s is refused before anything is sent', async (_, changes, words) => {
    const { cluster, client } = await connected();
    const putting = client.schedules.put({ ...NIGHTLY, ...changes });
    await expect(cluster.time.finish(putting)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(words),
    });
    expect(cluster.peer(0).got('putSchedule')).toEqual([]);
  });

  it('waits while the cluster has not switched schedules on, and says so when that takes too long', async () => {
    const { cluster, client } = await connected();
    let refusals = 0;
    cluster.peer(0).script.putSchedule = (connection, { requestId }) => {
      refusals += 1;
      return refusals <= 3 && connection.refuse(requestId, 'FEATURE_OFF', { retryAfterMs: 250 });
    };
    expect(await cluster.time.finish(client.schedules.put(NIGHTLY))).toMatchObject({ created: true });
    expect(refusals).toBe(4);
    cluster.peer(0).script.putSchedule = (connection, { requestId }) =>
      connection.refuse(requestId, 'FEATURE_OFF', { retryAfterMs: 250 });
    expect(await codeOf(cluster, client.schedules.put(NIGHTLY))).toBe('FEATURE_OFF');
  });

  it('of thousands goes in turn, few at a time, and each is answered', async () => {
    const { cluster, client } = await connected();
    const held: (() => void)[] = [];
    let most = 0;
    cluster.peer(0).script.putSchedule = (connection, { requestId }) => {
      held.push(() => {
        connection.send({ type: 'schedulePut', requestId, version: 1, created: true, unchanged: false, index: 1 });
      });
      most = Math.max(most, held.length);
      return true;
    };
    const all = Promise.all(
      Array.from({ length: 1_000 }, (_, at) => client.schedules.put({ ...NIGHTLY, id: `s${at}` })),
    );
    let answered = 0;
    while (answered < 1_000) {
      await cluster.time.until('puts', () => held.length > 0);
      await cluster.time.advance(5);
      for (const answer of held.splice(0)) {
        answer();
        answered += 1;
      }
    }
    expect((await cluster.time.finish(all)).length).toBe(1_000);
    expect(most).toBe(256);
  });

  it('that is refused passes its turn on', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.putSchedule = (connection, { requestId }) => connection.refuse(requestId, 'LIMIT');
    const codes = await Promise.all(
      Array.from({ length: 600 }, (_, at) => codeOf(cluster, client.schedules.put({ ...NIGHTLY, id: `s${at}` }))),
    );
    expect(new Set(codes)).toEqual(new Set(['LIMIT']));
  });
});

describe('a schedule', () => {
  it('is shown with names in place of numbers, its bytes decoded', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.getSchedule = (connection, { requestId }) => {
      connection.send({ type: 'schedule', requestId, schedule: ROW, index: 17 });
      return true;
    };
    expect(await cluster.time.finish(client.schedules.get('nightly'))).toEqual({
      id: 'nightly',
      version: 2,
      state: 'paused',
      calendar: { specs: [{ cron: '30 2 * * *' }], timeZone: 'UTC' },
      task: {
        type: 'report',
        queue: 'default',
        priority: 5,
        requires: { zone: 'a' },
        retry: { maxAttempts: 10, initialMs: 1_000, maxMs: 3_600_000 },
        timeouts: { runMs: 900_000, queueMs: 0, totalMs: 0 },
        retention: { doneMs: 1, failedMs: 2, payload: true },
      },
      overlap: 'bufferOne',
      catchUp: 'none',
      catchUpWindowMs: 86_400_000,
      maxRuns: 7,
      pauseOnFailure: 3,
      managedBy: 'apply',
      createdAtMs: 1_000,
      changedAtMs: 2_000,
      pauseReason: 'failures',
      note: 'broken',
      pauseChangedAtMs: 1_900,
      next: [{ plannedMs: 9_000, fireAtMs: 9_100 }],
      settledThroughMs: 8_000,
      fired: { planned: 4, trigger: 1, backfill: 2 },
      skipped: { overlap: 2 },
      lateness: { lastMs: 12, maxMs: 40, sumMs: 90 },
      unfinished: 1,
      buffered: 2,
      consecutiveFailures: 3,
      problem: 'no such zone',
      payload: { a: 1 },
      headers: undefined,
      occurrences: [
        {
          plannedMs: 7_000,
          version: 2,
          kind: 'planned',
          settledAtMs: 7_012,
          taskId: formatTaskId(0, 1, 9),
          skipped: undefined,
          ended: 'done',
        },
        {
          plannedMs: 8_000,
          version: 2,
          kind: 'trigger',
          settledAtMs: 8_000,
          taskId: undefined,
          skipped: 'overlap',
          ended: undefined,
        },
      ],
      index: 17,
    });
  });

  it('is listed page by page', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.listSchedules = (connection, { requestId, cursor }) => {
      const next = cursor === null ? 'nightly' : null;
      connection.send({ type: 'schedulePage', requestId, schedules: [ROW], cursor: next, index: 17 });
      return true;
    };
    const first = await cluster.time.finish(client.schedules.list({ limit: 1 }));
    expect([first.schedules.map(({ id }) => id), first.cursor]).toEqual([['nightly'], 'nightly']);
    const second = await cluster.time.finish(client.schedules.list({ cursor: 'nightly' }));
    expect(second.cursor).toBeUndefined();
    expect(cluster.peer(0).got('listSchedules')).toMatchObject([
      { cursor: null, limit: 1, stale: false },
      { cursor: 'nightly', limit: 100 },
    ]);
    for (const limit of [0, 101, 1.5])
      expect(await codeOf(cluster, client.schedules.list({ limit }))).toBe('INVALID_ARGUMENT');
  });

  it('is paused, resumed, deleted', async () => {
    const { cluster, client } = await connected();
    const { schedules } = client;
    await cluster.time.finish(schedules.put(NIGHTLY));
    await cluster.time.finish(schedules.pause('nightly', 'why'));
    await cluster.time.finish(schedules.resume('nightly'));
    await cluster.time.finish(schedules.delete('nightly', { expectedVersion: 1 }));
    // Each looks at it first.
    const [pause, resume, end] = cluster
      .peer(0)
      .received.slice(-6)
      .filter(({ type }) => type !== 'getSchedule');
    expect([pause, resume, end]).toMatchObject([
      { type: 'pauseSchedule', schedule: 'nightly', note: 'why' },
      { type: 'resumeSchedule', schedule: 'nightly', note: '' },
      { type: 'deleteSchedule', schedule: 'nightly', expectedVersion: 1 },
    ]);
    expect(await codeOf(cluster, schedules.pause('nightly', 'x'.repeat(501)))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(cluster, schedules.pause('a b'))).toBe('INVALID_ARGUMENT');
  });

  it('is asked of the next leader when the last one says that it did nothing, and waits for the old one until then', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.pauseSchedule = () => true;
    await cluster.time.finish(client.schedules.put(NIGHTLY));
    const pause = client.schedules.pause('nightly');
    await cluster.time.until('it to arrive', () => cluster.peer(0).got('pauseSchedule').length === 1);
    cluster.elect(cluster.peer(1));
    await cluster.time.advance(1_000);
    expect(cluster.peer(1).got('pauseSchedule')).toEqual([]);
    const [{ requestId } = { requestId: 0 }] = cluster.peer(0).got('pauseSchedule');
    cluster.peer(0).connections[0]?.refuse(requestId, 'NOT_LEADER', { leader: cluster.peer(1).row });
    await cluster.time.finish(pause);
    expect(cluster.peer(1).got('pauseSchedule').length).toBe(1);
  });

  it('is triggered under a name that is kept when the request is sent again', async () => {
    const { cluster, client } = await connected();
    const names: string[] = [];
    cluster.peer(0).script.triggerSchedule = (connection, { requestId, request }) => {
      names.push(request);
      // The first answer is lost with its leader.
      if (names.length === 1) return connection.refuse(requestId, 'OUTCOME_UNKNOWN');
      connection.send({ type: 'scheduleTriggered', requestId, task: [0, 1, 9], buffered: false, skipped: null });
      return true;
    };
    const triggered = await cluster.time.finish(client.schedules.trigger('nightly', { overlap: 'allow' }));
    expect(triggered).toEqual({ taskId: formatTaskId(0, 1, 9), buffered: false, skipped: undefined });
    await cluster.time.finish(client.schedules.trigger('nightly'));
    await cluster.time.finish(client.schedules.trigger('nightly', { request: 'mine' }));
    expect(names[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(names[1]).toBe(names[0]);
    expect(names[2]).not.toBe(names[0]);
    expect(names[3]).toBe('mine');
    expect(
      cluster
        .peer(0)
        .got('triggerSchedule')
        .map(({ overlap }) => overlap),
    ).toEqual([4, 4, null, null]);
    expect(await codeOf(cluster, client.schedules.trigger('nightly', { request: 'a b' }))).toBe('INVALID_ARGUMENT');
  });

  it('is filled in over a range that is one', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.backfillSchedule = (connection, { requestId }) => {
      connection.send({ type: 'scheduleBackfilled', requestId, planned: 3, accepted: 2 });
      return true;
    };
    const { schedules } = client;
    const range = { from: '1970-01-01T00:00:01Z', to: new Date(5_000) };
    expect(await cluster.time.finish(schedules.backfill('nightly', range))).toEqual({ planned: 3, accepted: 2 });
    expect(cluster.peer(0).got('backfillSchedule')).toMatchObject([{ fromMs: 1_000, toMs: 5_000, overlap: null }]);
    for (const wrong of [
      { from: 5, to: 4 },
      { from: '1970-01-01 00:00', to: 4 },
      { from: '1970-01-01T00:00:01', to: 4_000 },
      { from: -1, to: 4 },
    ]) {
      expect(await codeOf(cluster, schedules.backfill('nightly', wrong))).toBe('INVALID_ARGUMENT');
    }
  });

  it('tells when it fires next, or would', async () => {
    const { cluster, client } = await connected();
    cluster.peer(0).script.nextOccurrences = (connection, { requestId }) => {
      const row = [9_000, 9_100, '1970-01-01 00:00:09', '+00:00', 'gap'] as const;
      connection.send({
        type: 'occurrences',
        requestId,
        timeZone: 'UTC',
        occurrences: [row, [10, 10, 'x', 'y', null]],
      });
      return true;
    };
    const next = await cluster.time.finish(client.schedules.next('nightly', 2, { after: 5 }));
    expect(next).toEqual({
      timeZone: 'UTC',
      occurrences: [
        {
          plannedMs: 9_000,
          fireAtMs: 9_100,
          wallClock: '1970-01-01 00:00:09',
          utcOffset: '+00:00',
          clockChange: 'gap',
        },
        { plannedMs: 10, fireAtMs: 10, wallClock: 'x', utcOffset: 'y', clockChange: undefined },
      ],
    });
    await cluster.time.finish(client.schedules.preview('new', { every: '1h' }));
    expect(cluster.peer(0).got('nextOccurrences')).toMatchObject([
      { schedule: 'nightly', calendar: null, afterMs: 5, count: 2 },
      { schedule: 'new', calendar: '{"every":"1h"}', afterMs: null, count: 10 },
    ]);
    for (const count of [0, 1_001]) {
      expect(await codeOf(cluster, client.schedules.next('nightly', count))).toBe('INVALID_ARGUMENT');
    }
    const misspelt = client.schedules.preview('new', { evry: '1h' } as object);
    await expect(cluster.time.finish(misspelt)).rejects.toThrow('Did you mean "every"?');
  });
});
