import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const COUNT = path.resolve(import.meta.dirname, '../../.ci/count.mjs');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'taskraft-count-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What the gate says last, and its exit status, for these files of reports. */
function counted(reports: Readonly<Record<string, string>>): { readonly last: string; readonly status: number | null } {
  for (const [name, text] of Object.entries(reports)) writeFileSync(path.join(folder, name), text);
  const { stdout, status } = spawnSync(process.execPath, [COUNT, folder], { encoding: 'utf8' });
  return { last: stdout.trimEnd().split('\n').at(-1) ?? '', status };
}

function vitestReport(statuses: readonly string[], brokenFiles = 0): string {
  const assertionResults = statuses.map((status, at) => ({ status, fullName: `test ${at}` }));
  const broken = { status: 'failed', name: 'broken.test.ts', assertionResults: [] };
  return JSON.stringify({
    numPassedTests: statuses.filter((status) => status === 'passed').length,
    testResults: [
      { status: 'passed', name: 'a.test.ts', assertionResults },
      ...Array.from({ length: brokenFiles }, () => broken),
    ],
  });
}

test('parts without a report count as one, tests as what their report says', () => {
  const reports = { 'parts.txt': '0 install\n0 test\n', 'vitest.json': vitestReport(['passed', 'passed', 'passed']) };
  expect(counted(reports)).toEqual({ last: '4 passed, 0 failed', status: 0 });
});

test('a failed case fails the gate, even when the runner exits with 0', () => {
  const reports = { 'parts.txt': '0 test\n', 'vitest.json': vitestReport(['passed', 'failed']) };
  expect(counted(reports)).toEqual({ last: '1 passed, 1 failed', status: 1 });
});

test('a test file that does not load is a failure', () => {
  const reports = { 'parts.txt': '1 test\n', 'vitest.json': vitestReport(['passed'], 2) };
  expect(counted(reports)).toEqual({ last: '1 passed, 2 failed', status: 1 });
});

test('a part that fails counts, also when it fell before or after its report', () => {
  expect(counted({ 'parts.txt': '0 install\n1 check of all\n' })).toEqual({ last: '1 passed, 1 failed', status: 1 });
  expect(counted({ 'parts.txt': '1 test\n' })).toEqual({ last: '0 passed, 1 failed', status: 1 });
  const reports = { 'parts.txt': '1 test\n', 'vitest.json': vitestReport(['passed']) };
  expect(counted(reports)).toEqual({ last: '1 passed, 1 failed', status: 1 });
});

test('a runner that reports no case at all proved nothing', () => {
  expect(counted({ 'parts.txt': '0 test\n' })).toEqual({ last: '0 passed, 1 failed', status: 1 });
  expect(counted({ 'parts.txt': '0 test\n', 'vitest.json': vitestReport([]) }).status).toBe(1);
});

const DEMO = {
  tasks: 500,
  done: 500,
  lost: 0,
  doubled: 0,
  failoverMs: 80,
  lifecyclesPerSecond: 200,
  digestsEqual: true,
  manifestOk: true,
};

test('each promise of the demo is a case', () => {
  const good = { 'parts.txt': '0 demo\n', 'demo.json': JSON.stringify(DEMO) };
  expect(counted(good)).toEqual({ last: '6 passed, 0 failed', status: 0 });
});

test.each([
  { done: 499 },
  { tasks: 9, done: 9 },
  { lost: 1 },
  { doubled: 1 },
  { failoverMs: null },
  { digestsEqual: false },
])('the demo fails with %o', (change) => {
  const reports = { 'parts.txt': '1 demo\n', 'demo.json': JSON.stringify({ ...DEMO, ...change }) };
  expect(counted(reports)).toEqual({ last: '5 passed, 1 failed', status: 1 });
});

const SIM = {
  seeds: 100,
  failures: [] as unknown[],
  absent: [] as string[],
  rare: { leaderChanges: 7, lostWorkers: 2 },
  comparisons: { 'log-matching': 12 },
};

test('seeds, rare things and checkers of the simulator are cases', () => {
  const good = { 'parts.txt': '0 seeds\n', 'sim.json': JSON.stringify(SIM) };
  expect(counted(good)).toEqual({ last: '103 passed, 0 failed', status: 0 });
  const bad = { ...SIM, failures: [{ seed: 4 }], absent: ['lostWorkers'] };
  expect(counted({ 'parts.txt': '1 seeds\n', 'sim.json': JSON.stringify(bad) })).toEqual({
    last: '101 passed, 2 failed',
    status: 1,
  });
});

test('the bench fails when a task was not started, or twice', () => {
  const bench = { tasks: 1_000, neverStarted: 0, startedAgain: 0 };
  const good = { 'parts.txt': '0 bench\n', 'bench.json': JSON.stringify(bench) };
  expect(counted(good)).toEqual({ last: '3 passed, 0 failed', status: 0 });
  const bad = JSON.stringify({ ...bench, neverStarted: 2, startedAgain: 1 });
  expect(counted({ 'parts.txt': '1 bench\n', 'bench.json': bad })).toEqual({ last: '1 passed, 2 failed', status: 1 });
});

test('a report that was cut off is a failure', () => {
  const reports = { 'parts.txt': '1 demo\n', 'demo.json': '{"tasks":' };
  expect(counted(reports)).toEqual({ last: '0 passed, 1 failed', status: 1 });
});

test('a chaos run counts what it promises, and everything else that it found off', () => {
  const report = {
    counts: { 'kill faults': 20, 'partition faults': 3, 'full disks': 1 },
    skipped: {},
    operations: 5_000,
    account: { acknowledged: 900, lost: [], unfinished: [], doubled: [], contradicted: [] },
    history: { verdict: 'linearizable', unknown: 30 },
    tampered: { lie: 'not-linearizable' },
    digests: { equal: true },
    occurrences: {
      counts: { 'leaders killed': 3 },
      account: { planned: 50, withTask: 40, skipped: { overlap: 7, missed: 3 }, problems: [] },
      tampered: { lie: 1 },
    },
    problems: [],
  };
  const run = (more: object, status = 0): ReturnType<typeof counted> =>
    counted({ 'parts.txt': `${status} chaos\n`, 'chaos.json': JSON.stringify({ ...report, ...more }) });
  expect(run({})).toEqual({ last: '11 passed, 0 failed', status: 0 });
  const account = { ...report.account, lost: ['t1'] };
  expect(run({ account, problems: ['1 acknowledged tasks are lost'] }, 1).last).toBe('10 passed, 1 failed');
  expect(run({ tampered: { lie: 'linearizable' } }, 1).last).toBe('10 passed, 1 failed');
  expect(run({ problems: ['something else'] }, 1).last).toBe('11 passed, 1 failed');
  expect(run({ counts: { 'kill faults': 20, 'partition faults': 3 } }).last).toBe('10 passed, 1 failed');
  const skipped = { 'full-disk': 'a tmpfs cannot be mounted here' };
  expect(run({ counts: { 'kill faults': 20, 'partition faults': 3 }, skipped }).last).toBe('11 passed, 0 failed');
  const occurrences = { ...report.occurrences, tampered: { lie: 0 } };
  expect(run({ occurrences }, 1).last).toBe('10 passed, 1 failed');
  const untold = { ...report.occurrences.account, withTask: 39 };
  expect(run({ occurrences: { ...report.occurrences, account: untold } }, 1).last).toBe('10 passed, 1 failed');
});

test('each planted bug is a case', () => {
  const mutants = [
    { name: 'a', found: true },
    { name: 'b', found: false },
  ];
  const reports = { 'parts.txt': '1 mutants\n', 'mutants.json': JSON.stringify({ found: 1, total: 2, mutants }) };
  expect(counted(reports)).toEqual({ last: '1 passed, 1 failed', status: 1 });
});
