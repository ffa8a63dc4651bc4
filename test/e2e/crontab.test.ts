import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Program, type Ran, taskraft } from './support/program.ts';

let dev: Program;
let worker: Program;
let directory = '';
let environment: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'taskraft-crontab-'));
  dev = new Program(['dev', '--port', '0', '--peers', '1']);
  await dev.said('Ctrl-C ends it.');
  environment = { TASKRAFT_URL: /TASKRAFT_URL=(\S+)/.exec(dev.stdout)?.[1] ?? '' };
  worker = new Program(['worker', 'run', '--allow-exec', '--label', 'user=root'], { environment });
  await worker.said('attached');
});
afterAll(async () => {
  for (const one of [worker, dev]) if (one.child.exitCode === null) await one.stop();
  rmSync(directory, { recursive: true, force: true });
});

function run(...args: readonly string[]): Promise<Ran> {
  return taskraft(args, { environment });
}

async function imported(text: string): Promise<Ran> {
  const file = path.join(directory, 'night');
  writeFileSync(file, text);
  return run('import', 'crontab', file);
}

/** What there is, by what only a change of it changes: time goes on beside it. */
async function definitions(): Promise<unknown[]> {
  const { stdout } = await run('schedule', 'list', '-o', 'json');
  const { schedules } = JSON.parse(stdout) as {
    schedules: readonly { id: string; version: number; calendar: unknown }[];
  };
  return schedules.map(({ id, version, calendar }) => ({ id, version, calendar }));
}

/** What became of each line, by the last column of the table. */
function changes({ stdout }: Ran): (string | undefined)[] {
  const [, ...lines] = stdout.trim().split('\n');
  return lines.map((line) => line.split(/ {2,}/).at(-1));
}

test('a crontab is imported, changed in place and run by a worker of its user', async () => {
  const line = '30 3 * * * root echo "$PLACE, 100\\%"; cat%dear%all';
  const first = await imported(`PLACE=here\n${line}\n0 4 * * * root true\n`);
  expect(changes(first)).toEqual(['created', 'created']);
  expect(changes(await imported(`PLACE=here\n${line}\n0 4 * * * root true\n`))).toEqual(['unchanged', 'unchanged']);

  // Another time is the same schedule; another command is another one, and the one before it is named.
  const again = await imported(`PLACE=there\n${line.replace('30 3', '45 3')}\n0 4 * * * root false\n`);
  expect(changes(again)).toEqual(['changed', 'created']);
  expect(again.stderr).toMatch(/night\/true-\w+ of crontab:night is in none of these files, and still fires\n/);
  expect(again.stderr).toMatch(/keep what comes from another crontab of the same name.*schedule delete night\/true/);

  const id = /night\/echo\S+/.exec(first.stdout)?.[0] ?? '';
  const { stdout } = await run('schedule', 'trigger', id, '-o', 'json');
  const { taskId } = JSON.parse(stdout) as { taskId: string };
  const { stdout: result } = await run('task', 'wait', taskId, '-o', 'json');
  expect(result).toContain(JSON.stringify('there, 100%\ndear\nall\n'));
  const next = await run('schedule', 'next', id, '1');
  expect(next.stdout).toContain('03:45:00');
});

test('a broken line in the middle changes nothing', async () => {
  const before = await definitions();
  const { status, stdout, stderr } = await imported(
    '1 1 * * * root a\n1 1 * * * root b\n61 * * * * root c\n1 1 * * * root d\n',
  );
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(`${path.join(directory, 'night')}:3:1: 61 is no minute: 0 to 59.`);
  expect(before).not.toEqual([]);
  expect(await definitions()).toEqual(before);
});

test('the examples of the page about schedules are refused as it says', async () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/SCHEDULES.md'), 'utf8');
  const { stderr } = await imported('1 1 * * * root a\n\n0 0 * * Mon-Fry root b\n\n\n\n@reboot root c\n');
  const said = stderr.replaceAll(path.join(directory, 'night'), 'stat').trim();
  expect(page).toContain(said);
});
