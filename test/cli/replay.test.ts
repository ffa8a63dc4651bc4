import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { endingOf } from '../../src/cli/exit.ts';
import { makeProgram } from '../../src/cli/program.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'taskraft-replay-'));
afterAll(() => rmSync(directory, { recursive: true }));
const PAGE = path.join(directory, 'run.html');

/** Runs the command as a shell would. */
async function replay(...args: readonly string[]): Promise<{ readonly status: number; readonly said: string }> {
  let said = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => (said += String(text)) !== '');
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => (said += String(text)) !== '');
  try {
    await makeProgram().parseAsync(['node', 'taskraft', 'sim', 'replay', ...args]);
    return { status: Number(process.exitCode ?? 0), said };
  } catch (error) {
    const { exitCode, message } = endingOf(error);
    return { status: exitCode, said: said + message };
  } finally {
    process.exitCode = undefined;
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

test('a run without faults is drawn on a page with a lane for each peer, and tells that it passed', async () => {
  const { status, said } = await replay('--seed', '3', '--faults', '', '--html', PAGE);
  expect(said).toMatch(/^seed 3 passed\n\d+ events, drawn in /);
  expect(status).toBe(0);
  const page = readFileSync(PAGE, 'utf8');
  for (const peer of ['p1', 'p2', 'p3']) expect(page).toContain(peer);
});

test('wrong usage is told before anything runs', async () => {
  expect(await replay('--html', PAGE)).toMatchObject({ status: 2, said: expect.stringContaining('--seed') });
  expect(await replay('--seed', '3')).toMatchObject({ status: 2, said: expect.stringContaining('--html') });
  expect(await replay('--seed', 'three', '--html', PAGE)).toMatchObject({ status: 2 });
});

test('a page that cannot be written is said by name', async () => {
  const { status, said } = await replay(
    '--seed',
    '3',
    '--faults',
    '',
    '--html',
    path.join(directory, 'no', 'run.html'),
  );
  expect(said).toContain('cannot write');
  expect(status).toBe(2);
});
