import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Program, type Ran, taskraft } from './support/program.ts';

/** What these tests look at of what commands print. */
interface Value {
  readonly changes: readonly { readonly change: string; readonly id: string }[];
  readonly schedules: readonly { readonly id: string; readonly version: number; readonly managedBy?: string }[];
  readonly tasks: readonly { readonly occurrence?: unknown }[];
  readonly upcoming: readonly unknown[];
}

const folder = mkdtempSync(path.join(tmpdir(), 'taskraft-schedules-'));
let dev: Program;
let environment: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  dev = new Program(['dev', '--port', '0', '--peers', '1']);
  await dev.said('Ctrl-C ends it.');
  environment = { TASKRAFT_URL: /TASKRAFT_URL=(\S+)/.exec(dev.stdout)?.[1] ?? '' };
});
afterAll(async () => {
  if (dev.child.exitCode === null) await dev.stop();
  rmSync(folder, { recursive: true });
});

function run(...args: readonly string[]): Promise<Ran> {
  return taskraft(args, { environment });
}

/** Runs with `-o json`: the status, and the value on standard output, which holds nothing else. */
async function json(...args: readonly string[]): Promise<{ readonly status: number | null; readonly value: Value }> {
  const { status, stdout } = await run(...args, '-o', 'json');
  return { status, value: JSON.parse(stdout) as Value };
}

function file(name: string, text: string): string {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
}

test('a schedule is put, looked at, paused, triggered, filled in and deleted', async () => {
  const put = ['schedule', 'put', 'nightly', '--cron', '30 1 * * *', '--tz', 'Europe/London', '--type', 'report'];
  expect(await json(...put)).toEqual({
    status: 0,
    value: { id: 'nightly', version: 1, created: true, unchanged: false },
  });
  expect((await json(...put)).value).toMatchObject({ version: 1, unchanged: true });
  expect((await run(...put.slice(0, 3), '--cron', '0 0 30 2 *', '--type', 'x')).stderr).toMatch(
    /\/cron:1:\d+: It never/,
  );
  expect((await run(...put, '--every', '5s')).status).toBe(2);
  expect((await run(...put, '--jitter', '1m', '--expected-version', '7')).status).toBe(5);

  const { value } = await json('schedule', 'get', 'nightly');
  expect(value).toMatchObject({
    id: 'nightly',
    state: 'active',
    overlap: 'skip',
    calendar: { timeZone: 'Europe/London' },
  });
  expect(value.upcoming.length).toBe(10);
  const { stdout } = await run('schedule', 'next', 'nightly', '3', '--after', '2026-10-24T12:00:00Z');
  expect(stdout).toMatch(/2026-10-25 01:30:00 \+01:00 {2}the clock shows this time twice\n/);

  expect((await run('schedule', 'pause', 'nightly', '--note', 'the disk is full')).status).toBe(0);
  expect((await run('schedule', 'pause', 'nightly')).stdout).toMatch(/outcome +was paused already/);
  expect((await run('schedule', 'get', 'nightly')).stdout).toMatch(/note +the disk is full/);
  const putPaused = await run(...put, '--paused');
  expect([putPaused.status, putPaused.stderr]).toEqual([0, '']);
  expect((await json('schedule', 'trigger', 'nightly')).value).toMatchObject({ buffered: false, skipped: null });
  expect(await json('schedule', 'trigger', 'nightly')).toMatchObject({ status: 5, value: { skipped: 'overlap' } });
  const range = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-08T00:00:00Z'];
  const filled = await json('schedule', 'backfill', 'nightly', ...range, '--overlap', 'bufferAll');
  expect(filled.value).toEqual({ id: 'nightly', planned: 7, accepted: 7 });
  const years = ['--from', '2020-01-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z'];
  const tooMany = await run('schedule', 'backfill', 'nightly', ...years);
  expect([tooMany.status, tooMany.stderr]).toEqual([2, expect.stringContaining('more than 1000 occurrences')]);
  // Its task is not final, and nobody takes tasks here: that is not "running".
  expect((await run('schedule', 'get', 'nightly')).stdout).toMatch(/trigger .* pending: NO_WORKER_MATCHES\n/);
  expect((await run('schedule', 'resume', 'nightly')).status).toBe(0);
  expect((await run(...put, '--paused')).stderr).toContain('nightly: "paused" is for a new schedule');
  const listed = await run('schedule', 'list', '-o', 'jsonl');
  expect(
    listed.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id),
  ).toEqual(['nightly']);

  const tasks = await json('task', 'list');
  expect(tasks.value.tasks[0]?.occurrence).toMatchObject({ schedule: 'nightly', version: 1, kind: 'trigger' });

  const made = await json('task', 'list', '--schedule', 'nightly');
  expect(made.value.tasks.length).toBe(tasks.value.tasks.length);
  expect((await json('task', 'list', '--schedule', 'weekly')).value.tasks).toEqual([]);

  expect((await run('schedule', 'delete', 'nightly')).status).toBe(0);
  for (const verb of ['get', 'next']) {
    expect([verb, (await run('schedule', verb, 'nightly')).status]).toEqual([verb, 3]);
  }
});

test('files are applied as a whole, again without a change, and pruned', async () => {
  const one = 'kind: schedule\nid: one\ncron: 0 4 * * *\ntask: { type: x, payload: { n: 1 } }\n';
  const two = 'kind: schedule\nid: two\nevery: 90s\ntask: { type: x }\n';
  const both = file('both.yaml', `${one}---\n${two}`);
  await run('schedule', 'put', 'mine', '--every', '1h', '--type', 'x');

  const broken = file('broken.yaml', `${one}---\n${two.replace('90s', '10ms')}`);
  const refused = await run('apply', '-f', broken);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain(`${broken}:8:8: document 2: `);
  expect((await json('schedule', 'list')).value.schedules.length).toBe(1);

  const changes = (value: Value): unknown => value.changes.map(({ change, id }) => [change, id]);
  const created = [
    ['create', 'one'],
    ['create', 'two'],
  ];
  for (const command of [['diff'], ['apply', '--dry-run']]) {
    const { status, value } = await json(...command, '-f', both);
    expect([status, changes(value)]).toEqual([10, created]);
  }
  const applied = await json('apply', '-f', both);
  expect([applied.status, changes(applied.value)]).toEqual([0, created]);
  expect(await json('diff', '-f', both)).toEqual({ status: 0, value: { changes: [], unchanged: 2 } });
  expect((await json('apply', '-f', both)).value).toEqual({ changes: [], unchanged: 2 });

  const changed = { kind: 'schedule', id: 'one', cron: '5 4 * * *', task: { type: 'x', payload: { n: 1 } } };
  const asJson = file('one.json', JSON.stringify([changed]));
  const pruned = await json('apply', '-f', asJson, '--prune');
  expect(changes(pruned.value)).toEqual([
    ['change', 'one'],
    ['delete', 'two'],
  ]);
  const { schedules } = (await json('schedule', 'list')).value;
  expect(schedules.map(({ id, version, managedBy }) => [id, version, managedBy ?? null])).toEqual([
    ['mine', 1, null],
    ['one', 2, 'apply'],
  ]);

  const byHand = await run('schedule', 'put', 'one', '--every', '2h', '--type', 'x');
  expect([byHand.status, byHand.stderr]).toEqual([0, expect.stringContaining('one stays managed by apply')]);
  expect(changes((await json('apply', '-f', asJson, '--prune')).value)).toEqual([['change', 'one']]);
  expect((await run('schedule', 'put', 'mine', '--every', '2h', '--type', 'x')).stderr).toBe('');
});

test('what somebody else put is changed only when that is asked for', async () => {
  await run('schedule', 'put', 'theirs', '--every', '1h', '--type', 'x');
  const text = 'kind: schedule\nid: theirs\nevery: 1h\npaused: true\ntask: { type: x }\n';
  const theirs = file('theirs.yaml', text);
  const seen = await run('diff', '-f', theirs, '--managed-by', 'me');
  expect([seen.status, seen.stderr]).toEqual([10, expect.stringContaining('theirs is there, and nobody manages it')]);
  const refused = await run('apply', '-f', theirs, '--managed-by', 'me');
  expect([refused.status, refused.stdout]).toEqual([5, '']);
  expect(refused.stderr).toContain('nothing was changed: theirs is there');
  const taken = await run('apply', '-f', theirs, '--managed-by', 'me', '--take-over');
  expect([taken.status, taken.stderr]).toEqual([0, expect.stringContaining('theirs: "paused" is for a new schedule')]);
  expect((await json('apply', '-f', theirs, '--managed-by', 'me')).value).toEqual({ changes: [], unchanged: 1 });
  const others = await run('apply', '-f', theirs);
  expect([others.status, others.stderr]).toEqual([5, expect.stringContaining('"me" manages it')]);
});
