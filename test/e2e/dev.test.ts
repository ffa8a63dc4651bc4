import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePorts } from '../system/free-ports.ts';
import { Program, taskraft } from './support/program.ts';

let directory = '';
let started: Program[] = [];
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'taskraft-dev-test-'));
  started = [];
});
afterEach(async () => {
  for (const one of started) if (one.child.exitCode === null) await one.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** `taskraft dev`, up and running. */
async function dev(...args: readonly string[]): Promise<Program> {
  const program = new Program(['dev', ...args], { environment: { TMPDIR: directory } });
  started.push(program);
  await program.said('Ctrl-C ends it.');
  return program;
}

function urlOf(program: Program): string {
  return /TASKRAFT_URL=(\S+)/.exec(program.stdout)?.[1] ?? '';
}

test('data that is kept is there again after a restart, in the same cluster', async () => {
  const data = path.join(directory, 'kept');
  // Three peers have to find each other again: they know each other by their ports.
  const first = await dev('--data', data, '--peers', '3', '--port', '0');
  const submit = ['task', 'submit', '--type', 'later', '-o', 'json', '--url', urlOf(first)];
  const { id } = JSON.parse((await taskraft(submit)).stdout) as { id: string };
  expect(await first.stop()).toBe(0);
  const second = await dev('--data', data, '--port', '0');
  const got = await taskraft(['task', 'get', id, '-o', 'json', '--url', urlOf(second)]);
  expect(JSON.parse(got.stdout)).toMatchObject({ id, type: 'later', state: 'pending' });
  expect(urlOf(second)).toBe(urlOf(first));
  expect(await second.stop()).toBe(0);
  for (const [flags, words] of [
    [['--peers', '1'], 'holds a cluster of 3: start it with --peers 3'],
    [['--port', '1024'], 'leave --port away'],
  ] as const) {
    const { status, stderr } = await taskraft(['dev', '--data', data, ...flags]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  }
});

test('a directory that holds something else is left alone', async () => {
  writeFileSync(path.join(directory, 'letter.txt'), 'dear');
  const { status, stderr } = await taskraft(['dev', '--data', directory]);
  expect([status, stderr]).toEqual([2, expect.stringContaining('is not empty')]);
  expect(readdirSync(directory)).toEqual(['letter.txt']);
});

test('a port in use ends it with a clear word, and nothing stays', async () => {
  // Of the two ports that the peer asks for, the second is taken.
  const [port = 0] = await freePorts(1);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  const { status, stdout, stderr } = await taskraft(['dev', '--peers', '1', '--port', String(port - 1)], {
    environment: { TMPDIR: directory },
  });
  await new Promise((resolve) => other.close(resolve));
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(new RegExp(`error: p1 .*127.0.0.1:${port} is in use by another process.*\\(PEER_FAILED\\)`));
  expect(readdirSync(directory)).toEqual([]);
});

test('a peer that ends is told of, with the command that starts it again, and that works', async () => {
  const program = await dev('--port', '0');
  const [, pid = '', data = ''] = /^p2 +ws:\S+ +(\d+) +(\S+)$/m.exec(program.stdout) ?? [];
  process.kill(Number(pid), 'SIGKILL');
  await program.said(/p2 was ended by SIGKILL\. To start it again.*\n.*server --config/);
  const command = /^ {2}node \S+ (server --config .*)$/m.exec(program.stderr)?.[1] ?? '';
  expect(command).toContain(data);
  const again = new Program(command.split(' '));
  started.unshift(again);
  await again.said('"msg":"listening"');
  await again.said('"msg":"peer connected"');
  expect(await again.stop()).toBe(0);
  expect(await program.stop()).toBe(0);
  expect(existsSync(data)).toBe(false);
});
