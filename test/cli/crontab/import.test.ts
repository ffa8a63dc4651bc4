import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endingOf } from '../../../src/cli/exit.ts';
import { makeProgram } from '../../../src/cli/program.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'taskraft-crontab-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(directory, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const file = path.join(directory, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A dry run with these arguments. */
async function dryRun(...args: readonly string[]): Promise<Run> {
  let stdout = '';
  let stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text).replaceAll(directory, 'DIR');
    return true;
  });
  try {
    await makeProgram().parseAsync(['node', 'taskraft', 'import', 'crontab', '--dry-run', ...args]);
    return { exitCode: Number(process.exitCode ?? 0), stdout, stderr };
  } catch (error) {
    const { exitCode, code, message } = endingOf(error);
    return { exitCode, stdout, stderr: `${stderr}${message.replaceAll(directory, 'DIR')} (${code})` };
  } finally {
    vi.restoreAllMocks();
  }
}

test('a dry run shows what would be made, asks no cluster, and says by its status that there is something', async () => {
  const files = [write('stat', 'MAILTO=root\n*/10 * * * * root stat\n'), write('own', '0 9 * * 1 ada report\n')];
  const { exitCode, stdout, stderr } = await dryRun(...files);
  expect(stdout).toBe(
    [
      'SCHEDULE           WHEN          ZONE  REQUIRES   CHANGE',
      'stat/stat-b1dfd8   */10 * * * *  UTC   user=root  would be put',
      'own/report-1478a9  0 9 * * 1     UTC   user=ada   would be put',
      '',
    ].join('\n'),
  );
  expect(stderr).toBe(
    'DIR/stat: line 1: MAILTO: nobody gets mail\nnothing is mailed: the output of each run is in the result of its task\n',
  );
  expect(exitCode).toBe(10);
});

test('as JSON it is an array of schedules', async () => {
  const { stdout } = await dryRun(write('f', '0 9 * * 1 ada report\n'), '-o', 'json', '--time-zone', 'Asia/Beirut');
  expect(JSON.parse(stdout)).toEqual([
    {
      id: 'f/report-1478a9',
      cron: '0 9 * * 1',
      timeZone: 'Asia/Beirut',
      dayMatch: 'and',
      managedBy: 'crontab:f',
      task: {
        type: 'shell',
        payload: { shell: 'report', env: { LOGNAME: 'ada' } },
        requires: { user: 'ada' },
        retry: { maxAttempts: 1 },
        timeouts: { run: '24h' },
      },
    },
  ]);
});

test('a file without entries makes nothing', async () => {
  expect(await dryRun(write('f', '# nothing\n'), '-o', 'json')).toMatchObject({ exitCode: 0, stdout: '[]\n' });
});

test('the crontab of one person is read with --user', async () => {
  const file = write('f', '0 9 * * 1 report --all\n');
  expect((await dryRun('--user', '--user-name', 'ada', file)).stdout).toContain('user=ada');
  const bob = await dryRun('--user', '--user-name', 'bob', file, '-o', 'json');
  // Everybody's crontab may have the same name: what is made of it says whose it is.
  expect(JSON.parse(bob.stdout)).toMatchObject([
    { id: expect.stringMatching(/^f\/bob\/report-all-/) as unknown, managedBy: 'crontab:f/bob' },
  ]);
  expect((await dryRun('--user', file)).stdout).not.toContain('user=');
  expect(await dryRun('--user-name', 'ada', file)).toMatchObject({ exitCode: 2 });
});

test('mistakes of all files are told together, and nothing is made', async () => {
  const files = [
    write('good', '* * * * * root x\n'),
    write('bad', '* * * * * root x\n\n99 * * * * root x\n@reboot root y\n'),
  ];
  expect(await dryRun(...files)).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: [
      'DIR/bad:3:1: 99 is no minute: 0 to 59.',
      'DIR/bad:4:1: @reboot names no time: a cluster does not boot. Submit a task at the start of the host instead.',
      'nothing is imported before these 2 lines can be taken (INVALID_CRONTAB)',
    ].join('\n'),
  });
});

test('what cannot be read or told apart is wrong usage', async () => {
  expect(await dryRun(path.join(directory, 'none'))).toMatchObject({ exitCode: 2 });
  expect(await dryRun('--time-zone', 'Mars', write('f', '* * * * * root x\n'))).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--time-zone: "Mars" is no known time zone') as unknown,
  });
  const files = [write('a/f', '* * * * * root x\n'), write('b/f', '1 * * * * root x\n')];
  expect((await dryRun(...files)).stderr).toContain('two files with the same name both make');
});
