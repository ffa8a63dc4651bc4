import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Program, taskraft } from './support/program.ts';

const FILES = 120;

let directory = '';
let files = '';
let environment: Readonly<Record<string, string>> = {};

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'taskraft-tour-'));
  files = path.join(directory, 'files');
  for (let at = 0; at < FILES; at += 1) {
    const below = path.join(files, `d${at % 7}`);
    mkdirSync(below, { recursive: true });
    writeFileSync(path.join(below, `f${at}`), `file ${at} `.repeat(at));
  }
  const temporary = path.join(directory, 'tmp');
  mkdirSync(temporary);
  environment = { TMPDIR: temporary };
});
afterEach(() => {
  for (const { pid } of processes()) process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** Processes that have a path below the directory of this test among their arguments. */
function processes(): readonly { readonly pid: number; readonly args: string }[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines
    .filter((line) => line.includes(directory))
    .map((line) => ({ pid: Number.parseInt(line, 10), args: line }));
}

function expectNothingLeft(): void {
  expect(processes()).toEqual([]);
  expect(readdirSync(environment['TMPDIR'] ?? '')).toEqual([]);
}

test('the tour ends well, prints one object, and leaves nothing behind', async () => {
  const { status, stdout, stderr } = await taskraft(['demo', '--json', '--dir', files], { environment });
  const lines = stdout.split('\n');
  expect(lines).toEqual([expect.stringMatching(/^\{.*\}$/), '']);
  const summary: unknown = JSON.parse(stdout);
  expect(summary).toEqual({
    tasks: FILES,
    done: FILES,
    lost: 0,
    doubled: 0,
    failoverMs: expect.any(Number),
    lifecyclesPerSecond: expect.any(Number),
    digestsEqual: true,
    manifestOk: true,
  });
  expect(Object.keys(summary as object)).toEqual([
    'tasks',
    'done',
    'lost',
    'doubled',
    'failoverMs',
    'lifecyclesPerSecond',
    'digestsEqual',
    'manifestOk',
  ]);
  expect(status).toBe(0);
  expect(stderr).toMatch(
    /of 120 tasks done\n(.*\n)*.*leader of term \d+, is killed \(SIGKILL\)\n(.*\n)*.*is started again\n/,
  );
  expectNothingLeft();
});

test('interrupted in the middle it stops and removes everything', async () => {
  const tour = new Program(['demo', '--dir', files], { environment });
  await tour.said('is killed (SIGKILL)');
  tour.kill('SIGINT');
  expect(await tour.ended).toEqual({ status: 1, signal: null });
  expect([tour.stdout, tour.stderr]).toEqual(['', expect.stringContaining('(INTERRUPTED)')]);
  expectNothingLeft();
});

test('a process that breaks ends the tour as failed, and nothing stays', async () => {
  const tour = new Program(['demo', '--dir', files], { environment });
  await tour.said('submitting');
  const worker = processes().find(({ args }) => args.includes(' demo-worker '));
  process.kill(worker?.pid ?? 0, 'SIGKILL');
  expect(await tour.ended).toEqual({ status: 1, signal: null });
  expect(tour.stderr).toMatch(/error: worker \d was ended by SIGKILL.*\(PROCESS_FAILED\)/);
  expectNothingLeft();
});

test('killed itself, its processes notice and end', async () => {
  const tour = new Program(['demo', '--dir', files], { environment });
  await tour.said('submitting');
  expect(processes().length).toBe(6);
  tour.kill('SIGKILL');
  await tour.ended;
  while (processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
});
