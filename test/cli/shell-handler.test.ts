import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ShellHandler, type ShellResult } from '../../src/cli/shell-handler.ts';
import { type HandlerContext, NonRetryable } from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/base/logger.ts';

let workDirectory = '';
let handler: ShellHandler;
beforeEach(() => {
  workDirectory = mkdtempSync(path.join(tmpdir(), 'taskraft-shell-'));
  const environment = { PATH: process.env['PATH'] ?? '', GREETING: 'hello' };
  handler = new ShellHandler({ workDirectory, environment, outputBytesMax: 1_000 });
});
afterEach(() => {
  handler.killAll();
  rmSync(workDirectory, { recursive: true, force: true });
});

function contextOf(controller: AbortController): HandlerContext {
  return {
    taskId: 't1',
    attempt: 2,
    fencingToken: 77,
    term: 1,
    signal: controller.signal,
    headers: {},
    lastCheckpoint: undefined,
    log: SILENT_LOGGER,
    checkpoint: () => Promise.resolve(),
    progress: () => {},
    extend: () => Promise.resolve(),
    snooze: () => {
      throw new Error('not used');
    },
  };
}

function run(payload: unknown, controller: AbortController = new AbortController()): Promise<ShellResult> {
  return handler.handle(payload, contextOf(controller));
}

test('a program gets its arguments as they are, without a shell', async () => {
  const result = await run({ argv: ['printf', '%s|', '$HOME', 'a b', '*'] });
  expect(result).toEqual({ exitCode: 0, stdout: '$HOME|a b|*|', stderr: '', truncated: false });
});

test('a shell is used by explicit choice', async () => {
  expect(await run({ shell: 'echo out; echo err >&2' })).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
});

test('a command sees only what is allowed, and the facts of its task', async () => {
  process.env['TASKRAFT_TOKEN'] = 'a-secret-of-the-worker';
  const { stdout } = await run({ argv: ['env'] });
  delete process.env['TASKRAFT_TOKEN'];
  const names = stdout.split('\n').map((each) => each.split('=')[0]);
  // Shells add these three by themselves.
  const own = new Set(names.filter((name) => !['', '_', 'PWD', 'SHLVL'].includes(name ?? '')));
  expect(own).toEqual(
    new Set(['GREETING', 'HOME', 'PATH', 'TASKRAFT_ATTEMPT', 'TASKRAFT_FENCING_TOKEN', 'TASKRAFT_TASK_ID', 'TMPDIR']),
  );
  expect(stdout).toContain('TASKRAFT_ATTEMPT=2\n');
  expect(stdout).toContain('TASKRAFT_FENCING_TOKEN=77\n');
});

test('a command gets the variables and the standard input of its payload', async () => {
  const env = { GREETING: 'goodbye', HOME: '/srv' };
  expect((await run({ shell: 'echo $GREETING $HOME; cat', env, stdin: 'one\ntwo\n' })).stdout).toBe(
    'goodbye /srv\none\ntwo\n',
  );
  // One that reads nothing of it ends as it likes.
  expect(await run({ argv: ['true'], stdin: 'x'.repeat(1_000_000) })).toMatchObject({ exitCode: 0 });
});

test.each([
  [{ env: 'X=1' }, 'env is an object of texts'],
  [{ env: { X: 1 } }, 'env.X is text'],
  [{ env: { 'X Y': '1' } }, '"X Y" is no name of a variable'],
  [{ env: { TASKRAFT_TASK_ID: '1' } }, 'TASKRAFT_TASK_ID is told by the worker'],
  [
    { env: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`X${at}`, ''])) },
    'env has at most 100 variables',
  ],
  [{ stdin: 5 }, 'stdin is text'],
  [{ argv: ['true'] }, 'the payload is'],
])('a command is not run with %j', async (more, words) => {
  const failed = run({ shell: 'true', ...more });
  await expect(failed).rejects.toThrow(words);
  await expect(failed).rejects.toBeInstanceOf(NonRetryable);
});

test('each attempt has an empty directory of its own, which goes with it', async () => {
  const [one, other] = await Promise.all([run({ shell: 'pwd; ls; touch f' }), run({ shell: 'pwd; ls; touch f' })]);
  expect(one.stdout).toMatch(/^\/.*attempt-\w+\n$/);
  expect(other.stdout).not.toBe(one.stdout);
  expect(readdirSync(workDirectory)).toEqual([]);
});

test('output is read to its end and kept up to the bound', async () => {
  const result = await run({ shell: 'yes 0123456789 | head -c 1000000; printf short >&2' });
  expect(result.stdout).toHaveLength(1_000);
  expect(result).toMatchObject({ stderr: 'short', truncated: true });
});

test('another exit status than 0 fails with the end of what was said', async () => {
  await expect(run({ shell: 'echo out; echo the reason >&2; exit 3' })).rejects.toThrow('exit status 3: the reason');
  await expect(run({ shell: 'kill -9 $$' })).rejects.toThrow('ended by SIGKILL');
});

test('a program that is not there fails', async () => {
  await expect(run({ argv: ['/no/such/program'] })).rejects.toThrow('ENOENT');
  expect(readdirSync(workDirectory)).toEqual([]);
});

test('a payload that is no command fails for good', async () => {
  const bad = [
    undefined,
    null,
    'echo hello',
    ['echo'],
    {},
    { argv: [] },
    { argv: [''] },
    { argv: 'echo' },
    { argv: ['echo', 1] },
    { argv: ['echo', 'a\0b'] },
    { shell: 1 },
    { argv: ['echo'], shell: 'echo' },
    { argv: ['echo'], cwd: '/' },
    { script: 'echo' },
  ];
  for (const payload of bad) await expect(run(payload)).rejects.toThrow(NonRetryable);
});

test('an abort ends the command and everything that it started', async () => {
  const controller = new AbortController();
  const pipe = openPipe();
  // The shell and its child both ignore the request to end, and both hold the pipe open.
  const running = run(
    { shell: `exec 9> ${pipe.file}; trap "" TERM; sleep 60 & echo up >&9; wait; sleep 60` },
    controller,
  );
  await pipe.written;
  controller.abort('cancelled');
  await expect(running).rejects.toThrow('stopped: cancelled');
  await pipe.closed;
});

test('a command whose task was taken away before it began is ended', async () => {
  const controller = new AbortController();
  controller.abort('lease-lost');
  await expect(run({ argv: ['sleep', '30'] }, controller)).rejects.toThrow('stopped: lease-lost');
});

test('what a command leaves in the background ends with it', async () => {
  const pipe = openPipe();
  expect(await run({ shell: `exec 9> ${pipe.file}; sleep 60 & echo up >&9; echo done` })).toMatchObject({
    stdout: 'done\n',
  });
  await pipe.closed;
});

/** A named pipe: `closed` once every process that had it open for writing is gone. */
function openPipe(): { readonly file: string; readonly written: Promise<unknown>; readonly closed: Promise<unknown> } {
  const file = path.join(workDirectory, 'pipe');
  execFileSync('mkfifo', [file]);
  const reader = createReadStream(file);
  const written = once(reader, 'data');
  return { file, written, closed: once(reader, 'end') };
}
