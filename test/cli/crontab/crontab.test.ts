import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Calendar } from '../../../src/calendar/calendar.ts';
import { parseCalendar } from '../../../src/calendar/definition.ts';
import { type Crontab, parseCrontab } from '../../../src/cli/crontab/crontab.ts';
import { schedulesOf } from '../../../src/cli/crontab/schedules.ts';
import { startsOf } from './reading.ts';

const FILES = ['monitor', 'weekly'];

function read(text: string, hasUser: boolean = true): Crontab {
  return parseCrontab(text, { hasUser, timeZone: 'UTC' });
}

function file(name: string): string {
  return readFileSync(path.join(import.meta.dirname, 'files', name), 'utf8');
}

test.each(FILES)('the schedules of %s', async (name) => {
  const { entries, problems, notes } = read(file(name));
  expect(problems).toEqual([]);
  const told = { notes, schedules: schedulesOf(name, entries) };
  await expect(`${JSON.stringify(told, undefined, 2)}\n`).toMatchFileSnapshot(`golden/${name}.json`);
});

describe('for the next 400 days a schedule fires when crontab(5) says', () => {
  const fromMs = Date.parse('2026-11-23T12:34:00Z');
  const toMs = fromMs + 400 * 86_400_000;
  const entries = FILES.flatMap((name) => read(file(name)).entries);

  test.each(entries)('$cron $command', ({ cron, dayMatch, timeZone }) => {
    const calendar = new Calendar(parseCalendar({ cron, dayMatch, timeZone }), 'any');
    const { occurrences } = calendar.between(fromMs, toMs - 1, 1_000_000);
    expect(occurrences.map(({ plannedMs }) => plannedMs)).toEqual(startsOf(cron, fromMs, toMs));
  });
});

describe('a line that cannot be taken', () => {
  test.each([
    [
      '0 0 * * * root',
      '1:15 the command is missing, or the user: a crontab of one person has none and is read with --user',
    ],
    ['0 0 * * *', '1:10 the user and the command are missing'],
    ['0 0 * *', '1:8 the day of week is missing'],
    ['0', '1:2 the hour is missing'],
    ['0 0 * * * /bin/true x', '1:11 "/bin/true" is no user: a crontab of one person has none and is read with --user'],
    ['  61 0 * * * root x', '1:3 61 is no minute: 0 to 59.'],
    ['0\t24 * * * root x', '1:3 24 is no hour: 0 to 23.'],
    ['0 0 * * Mon-Fry root x', '1:13 "Fry" is no day of week: did you mean FRI?'],
    ['0 0 30 2 * root x', '1:5 It never fires: no calendar has such a date.'],
    ['5/15 * * * * root x', '1:2 a step needs * or a range: write 5-59/15.'],
    ['*/0 * * * * root x', '1:3 "0" is no step: a whole number from 1.'],
    ['0 22-2 * * * root x', '1:3 "22-2" runs backwards: write 22-23,0-2.'],
    ['0 0 L * * root x', '1:5 "L" is nothing that cron knows: put the schedule itself to use it'],
    ['0 0 1,15W * * root x', '1:5 "1,15W" is nothing that cron knows: put the schedule itself to use it'],
    ['0 0 * * friL root x', '1:9 "friL" is nothing that cron knows: put the schedule itself to use it'],
    ['0 0 * * MON#2 root x', '1:9 "MON#2" is nothing that cron knows: put the schedule itself to use it'],
    ['0 0 ? * 1 root x', '1:5 "?" is nothing that cron knows: put the schedule itself to use it'],
    ['H 5,H * * * root x', '1:1 "H" is nothing that cron knows: put the schedule itself to use it'],
    ['0~9 * * * * root x', '1:1 "0~9" is no minute: 0 to 59.'],
    [
      '@reboot root x',
      '1:1 @reboot names no time: a cluster does not boot. Submit a task at the start of the host instead.',
    ],
    [' @dialy root x', '1:2 "@dialy" is no name of a pattern: did you mean @daily?'],
    [
      '@daily root',
      '1:12 the command is missing, or the user: a crontab of one person has none and is read with --user',
    ],
    ['0 0 * * * root %input', '1:16 a command is missing before the %'],
    ['A B=c', '1:6 the day of month is missing'],
    ['2A=c', '1:1 "2A" is no name of a variable'],
    ['PATH="/bin', '1:6 the closing quote of the value is missing, or something follows it'],
    ["PATH = '/bin' x", '1:8 the closing quote of the value is missing, or something follows it'],
    ['SHELL=bash', '1:7 SHELL is a whole path such as /bin/bash'],
    ['CRON_TZ = Europe/Lodnon', '1:11 "Europe/Lodnon" is no known time zone: did you mean Europe/London?'],
    ['TASKRAFT_TASK_ID=7', '1:1 TASKRAFT_TASK_ID is told to commands by their worker'],
  ])('%j', (line, said) => {
    const { entries, problems } = read(line);
    expect(entries).toEqual([]);
    expect(problems.map(({ line: at, column, message }) => `${at}:${column} ${message}`)).toEqual([said]);
  });

  test('in the middle of a file leaves nothing of it, and all of them are told', () => {
    const { entries, problems } = read(
      '* * * * * root fine\n\n# no line\nx * * * * root y\n* * * * * root fine\n@noon root z\n',
    );
    expect(entries).toEqual([]);
    expect(problems.map(({ line, column }) => `${line}:${column}`)).toEqual(['4:1', '6:1']);
  });

  test('more entries than anybody has are refused', () => {
    expect(read('* * * * * root x\n'.repeat(1_000)).problems).toEqual([]);
    expect(read('* * * * * root x\n'.repeat(1_001)).problems).toHaveLength(1);
  });
});

describe('what a line says', () => {
  const only = (text: string, hasUser = true): Crontab['entries'][number] => {
    const { entries, problems } = read(text, hasUser);
    expect(problems).toEqual([]);
    expect(entries).toHaveLength(1);
    return entries[0] as Crontab['entries'][number];
  };

  test.each([
    ['date +\\%d', 'date +%d', undefined],
    ['mail -s hi%dear all,%%bye', 'mail -s hi', 'dear all,\n\nbye\n'],
    ['cat%100\\%% ', 'cat', '100%\n \n'],
    ['cat%a%', 'cat', 'a\n'],
    ['cat%', 'cat', ''],
    ['echo a\\\\%b', 'echo a\\\\', 'b\n'],
    ['grep \\$x \\\\y', 'grep \\$x \\\\y', undefined],
    ['end \\', 'end \\', undefined],
  ])('%j: a percent sign ends the command', (text, command, stdin) => {
    expect(only(`* * * * * root ${text}`)).toMatchObject({ command, stdin });
  });

  test('variables hold below the line that sets them, and what speaks to cron stays with it', () => {
    const { entries } = read(
      '* * * * * root a\nX=1\nMAILTO=me\n* * * * * root b\nX="  2 "\nEMPTY=\nCRON_TZ=Asia/Kathmandu\nTZ=UTC\n@daily root c',
    );
    expect(entries.map(({ environment }) => environment)).toEqual([
      {},
      { X: '1' },
      { X: '  2 ', EMPTY: '', TZ: 'UTC' },
    ]);
    expect(entries.map(({ timeZone }) => timeZone)).toEqual(['UTC', 'UTC', 'Asia/Kathmandu']);
  });

  test('another shell runs the command', () => {
    const [made] = schedulesOf('f', [only('SHELL=/bin/bash\n* * * * * root echo {1..3}')]);
    expect(made?.task.payload).toEqual({ argv: ['/bin/bash', '-c', 'echo {1..3}'], env: { SHELL: '/bin/bash' } });
  });

  test('the crontab of one person has no user, and may say whose it is', () => {
    const entry = only('* * * * * root x', false);
    expect(entry).toMatchObject({ user: undefined, command: 'root x' });
    expect(schedulesOf('f', [entry])[0]?.task.requires).toBeUndefined();
    expect(schedulesOf('f', [entry], 'ada')[0]?.task.requires).toEqual({ user: 'ada' });
  });

  test('both day fields must fit where one begins with a star, else one is enough', () => {
    const dayMatch = (times: string): string => only(`${times} root x`).dayMatch;
    expect(dayMatch('0 0 1 * 1')).toBe('or');
    expect(dayMatch('0 0 */2 * 1')).toBe('and');
    expect(dayMatch('0 0 1 * */2')).toBe('and');
    expect(dayMatch('0 0 * * 1')).toBe('and');
    expect(dayMatch('@daily')).toBe('and');
  });

  test('lines may end as on Windows, and the last one without an end', () => {
    expect(read('# x\r\n0 0 * * * root a\r\n0 0 * * * root b').entries.map(({ command }) => command)).toEqual([
      'a',
      'b',
    ]);
  });
});

describe('the id of a schedule', () => {
  const ids = (text: string): string[] => schedulesOf('daily.cron', read(text).entries).map(({ id }) => id);

  test('stays when times, variables and other lines change', () => {
    const before = ids('1 1 * * * root backup /srv\n2 2 * * * ada report');
    expect(before).toEqual(['daily.cron/backup-srv-c552b1', 'daily.cron/report-1478a9']);
    expect(ids('X=1\n* * * * * root other\n5 5 * * * root backup /srv\n@daily ada report').slice(1)).toEqual(before);
  });

  test('is another one for another command and another user', () => {
    const made = ids('* * * * * root a\n* * * * * root a b\n* * * * * ada a\n* * * * * root a%x');
    expect(new Set(made).size).toBe(4);
  });

  test('gets a number where user and command stand there twice', () => {
    const [first, second, third] = ids('1 * * * * root a\n2 * * * * root a\n3 * * * * root a');
    expect(second).toBe(`${first}-2`);
    expect(third).toBe(`${first}-3`);
  });

  test('has only letters of names, whatever the command and the file', () => {
    const [made] = schedulesOf('täglich (alt)', read('* * * * * root ~/"ü" && ./x').entries);
    expect(made?.id).toMatch(/^t-glich--alt-\/x-[0-9a-f]{6}$/);
    expect(ids('* * * * * root ""')[0]).toMatch(/^daily\.cron\/[0-9a-f]{6}$/);
  });
});
