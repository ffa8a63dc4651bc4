import { expect, it } from 'vitest';
import { differenceOf } from '../../../src/cli/declared/difference.ts';
import { readDeclarations } from '../../../src/cli/declared/schedules.ts';
import { scheduleDetail, scheduleInfo } from '../../../src/client/schedule-info.ts';
import type { Client } from '../../../src/index.ts';
import type { ScheduleRow } from '../../../src/protocol/rows.ts';
import { parseCalendar } from '../../../src/calendar/definition.ts';
import { storedBytes, storedDefinition } from '../../../src/server/schedule-calendars.ts';
import type { ScheduleView } from '../../../src/scheduler/views.ts';
import { scheduleRow, toPolicy } from '../../../src/server/schedule-rows.ts';
import { toTemplate } from '../../../src/server/requests.ts';
import { putScheduleOf } from '../../../src/client/schedule-spec.ts';
import { DEFAULT_WIRE_LIMITS } from '../../../src/protocol/request-rules.ts';

const FILE = `
kind: schedule
id: a
cron: 0 2 * * *
timeZone: Europe/London
overlap: allow
task: { type: x, queue: q, payload: { n: 1, m: [2] }, headers: { h: v }, requires: { zone: a } }
---
kind: schedule
id: b
every: 90s
task: { type: x }
`;

/** A cluster in which the schedules of `text` were put as they stand. */
function clusterWith(text: string, managedBy: string | undefined): Client {
  const rows = readDeclarations([['f', text]], managedBy).schedules.map(({ spec }, at) =>
    rowOf(spec.id, at, text, managedBy),
  );
  const schedules = {
    list: () => Promise.resolve({ schedules: rows.map(scheduleInfo), cursor: undefined, index: 1 }),
    get: (id: string) => Promise.resolve(scheduleDetail(rows.find((row) => row[0] === id) as ScheduleRow, 1)),
  };
  return { schedules } as unknown as Client;
}

function rowOf(id: string, at: number, text: string, managedBy: string | undefined): ScheduleRow {
  const { spec } = readDeclarations([['f', text]], managedBy).schedules[at]!;
  const frame = putScheduleOf(spec, DEFAULT_WIRE_LIMITS);
  const calendar = storedBytes(parseCalendar(JSON.parse(frame.calendar)), frame.managedBy);
  expect(storedDefinition(calendar).managedBy).toBe(managedBy);
  const [encoding, bytes] = frame.payload;
  const [headerEncoding = 0, headerBytes = new Uint8Array(0)] = frame.headers ?? [];
  const view: ScheduleView = {
    number: at + 1,
    namespace: 'default',
    id,
    version: 3,
    calendar,
    task: {
      template: toTemplate(frame.template),
      payload: { encoding, bytes },
      ...(frame.headers === null ? {} : { headers: { encoding: headerEncoding, bytes: headerBytes } }),
    },
    policy: toPolicy(frame.policy),
    createdAtMs: 1,
    updatedAtMs: 1,
    by: 'anonymous',
    ended: false,
    computedThroughMs: 1,
    settledThroughMs: 1,
    next: [],
    buffered: [],
    unfinished: 0,
    tasks: [],
    slotFreeAtMs: 0,
    runs: 0,
    failures: 0,
    counters: {
      fired: { planned: 0, trigger: 0, backfill: 0 },
      skipped: {} as ScheduleView['counters']['skipped'],
      lateLastMs: 0,
      lateMaxMs: 0,
      lateSumMs: 0,
    },
    recent: [],
  };
  return scheduleRow(view, { problem: undefined, full: true });
}

function difference(before: string, after: string, prune?: string): ReturnType<typeof differenceOf> {
  const { schedules } = readDeclarations([['g', after]], 'apply');
  return differenceOf(clusterWith(before, 'apply'), schedules, prune);
}

it('is nothing where everything is as it is declared, in whatever words', async () => {
  expect(await difference(FILE, FILE, 'apply')).toEqual({ changes: [], unchanged: 2, notPaused: [], mistakes: [] });
  const other = FILE.replace('90s', '90000')
    .replace('{ n: 1, m: [2] }', '{ "m": [2], "n": 1 }')
    .replace('0 2 ', '0  2 ');
  expect(await difference(FILE, other)).toMatchObject({ changes: [], unchanged: 2, mistakes: [] });
});

it('names each field that changes, with what it was', async () => {
  const after = FILE.replace('0 2 * * *', '5 2 * * *')
    .replace('allow', 'skip')
    .replace('n: 1', 'n: 2')
    .replace('zone: a', 'zone: b')
    .replace('headers: { h: v }, ', '');
  const { changes, unchanged } = await difference(FILE, after);
  expect(unchanged).toBe(1);
  expect(changes).toMatchObject([{ change: 'change', id: 'a', version: 3 }]);
  expect(changes[0]?.fields).toEqual([
    { field: 'calendar.specs', from: [{ cron: '0 2 * * *' }], to: [{ cron: '5 2 * * *' }] },
    { field: 'overlap', from: 'allow', to: 'skip' },
    { field: 'task.requires', from: { zone: 'a' }, to: { zone: 'b' } },
    { field: 'task.payload', from: { n: 1, m: [2] }, to: { n: 2, m: [2] } },
    { field: 'task.headers', from: { h: 'v' }, to: null },
  ]);
});

it('creates what is not there, and prunes what the same manager made and declares no more', async () => {
  const [a = '', b = ''] = FILE.split('---');
  const after = `${b}---${a.replace('id: a', 'id: c')}`;
  const kept = await difference(FILE, after);
  expect(kept.changes.map(({ change, id, version }) => [change, id, version])).toEqual([['create', 'c', 0]]);
  const pruned = await difference(FILE, after, 'apply');
  expect(pruned.changes.map(({ change, id, version }) => [change, id, version])).toEqual([
    ['create', 'c', 0],
    ['delete', 'a', 3],
  ]);
  expect((await difference(FILE, after, 'others')).changes.length).toBe(1);
});

it('tells what nobody or another name manages', async () => {
  const { schedules } = readDeclarations(
    [['g', `${FILE}---\n${FILE.split('---')[1]?.replace('id: b', 'id: c')}`]],
    'apply',
  );
  const takenBefore = async (managedBy: string | undefined): Promise<unknown> =>
    (await differenceOf(clusterWith(FILE, managedBy), schedules, undefined)).changes.map((one) => [
      one.id,
      one.takenFrom,
    ]);
  const isNew = ['c', undefined];
  expect(await takenBefore(undefined)).toEqual([['a', null], ['b', null], isNew]);
  expect(await takenBefore('ops')).toEqual([['a', 'ops'], ['b', 'ops'], isNew]);
  expect(await takenBefore('apply')).toEqual([isNew]);
});

it('tells that a schedule which is there is not paused by its file', async () => {
  const after = FILE.replace('every: 90s', 'every: 90s\npaused: true');
  expect(await difference(FILE, after)).toMatchObject({ changes: [], unchanged: 2, notPaused: ['b'] });
  expect(await difference(FILE.split('---')[0] ?? '', after)).toMatchObject({ notPaused: [] });
});

it('takes nothing new that never fires, and leaves alone what has fired for the last time', async () => {
  const once = 'kind: schedule\nid: once\nat: 2001-01-01T00:00:00Z\ntask: { type: x }\n';
  expect(await difference(once, once)).toMatchObject({ changes: [], unchanged: 1, mistakes: [] });
  const { mistakes } = await difference(FILE, `${FILE}---\n${once}`);
  expect(mistakes).toEqual([{ at: 'g:14:1', message: expect.stringContaining('never fires') }]);
});
