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

/** In ways in which few people write it. */
const ODD = [
  '*/90 * * * *',
  '7 */25 * * *',
  '*/7 */5 * * *',
  '*/59 1-23/22 * * *',
  '5-10/20,50-59/9 0-23/23 * * *',
  '09,039 000-8/04 * * *',
  '0-0 12-12/1 1-1 1-12/11 *',
  '0 0 */40 * *',
  '0 0 */2 * 1',
  '0 0 */40 * */40',
  '0 0 1-31 * 1',
  '0 0 1,* * 1',
  '0 0 1 * 1,*',
  '0 0 13,*/1 2 mon',
  '0 0 *,13 * fri',
  '0 0 13 * *,fri',
  '0 0 13 * fri',
  '0 0 13 * 0-7',
  '0 0 13 * 0-6/6',
  '0 0 * * */7',
  '0 0 * * */8',
  '0 0 * * 7',
  '0 0 * * 0,7',
  '0 0 * * 6-7',
  '0 0 1 * 7,1-2',
  '0 0 * * 5-7',
  '0 0 * * 1-7/2',
  '0 0 * * Mon-fri/3,SAT',
  '0 0 * jan-Mar/2,DEC Sun',
  '0 0 31 */2 *',
  '0 0 31 2 5',
  '0 0 29 2 *',
  '0 0 30,31 2,4 *',
  '@annually',
  '@midnight',
  '@weekly',
  '@hourly',
];

describe('for the next 400 days a schedule fires when crontab(5) says', () => {
  const fromMs = Date.parse('2026-11-23T12:34:00Z');
  const toMs = fromMs + 400 * 86_400_000;

  test.each(ODD)('%s', (times) => {
    const [entry] = read(`${times} root x\n`).entries;
    const { cron, dayMatch, timeZone } = entry as Crontab['entries'][number];
    const calendar = new Calendar(parseCalendar({ cron, dayMatch, timeZone }), 'any');
    const found = calendar.between(fromMs, toMs - 1, 1_000_000).occurrences.map(({ plannedMs }) => plannedMs);
    expect(found).toEqual(startsOf(times, fromMs, toMs));
  });

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
    ['0 0 * * fri-Sun root x', '1:9 "fri-Sun" runs backwards, and cron never runs it: write 5-7'],
    ['0 0 * * 1,5-0/2 root x', '1:11 "5-0/2" runs backwards, and cron never runs it: write 5-7'],
    ['0 0 31 2,4 * root x', '1:5 It never fires: no calendar has such a date.'],
    ['*/90,60 * * * * root x', '1:6 60 is no minute: 0 to 59.'],
    ['5-10/20 24 * * * root x', '1:9 24 is no hour: 0 to 23.'],
    ['*/5;x * * * * root x', '1:3 "5;x" is no step: a whole number from 1.'],
    ['*x * * * * root x', '1:1 "*x" is no minute: 0 to 59.'],
    ['1, * * * * root x', '1:3 a value is missing here.'],
    ['0 0 0 * * root x', '1:5 0 is no day of month: 1 to 31.'],
    ['-*/5 * * * * root x', '1:1 a minute cannot begin with -: it keeps other crons from logging; leave it out'],
    ['@Daily root x', '1:1 cron knows no "@Daily": write @daily'],
    ['* * * * * root \uFFFD', '1:16 this is no text in UTF-8'],
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

  test('with six fields is told of, where a command follows at once', () => {
    expect(read('* * * * * * x\n', false).problems).toEqual([
      { line: 1, column: 11, message: 'the command begins with *: cron has five fields of times' },
    ]);
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
    ['cat%a\\\\%b\\c', 'cat', 'a\\%b\\c\n'],
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
    expect(made?.task.payload).toEqual({
      argv: ['/bin/bash', '-c', 'echo {1..3}'],
      env: { SHELL: '/bin/bash', LOGNAME: 'root' },
    });
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

  test('what is taken otherwise than by cron is noted', () => {
    const { entries, notes } = read(
      'LOGNAME=eve\nTZ=Asia/Tokyo\n*/90 5-6/9 * * * root x\n* * * * * root sed s,\\\\,/,\r\n@daily root y',
    );
    expect(notes).toEqual([
      'line 5: it has no newline at its end, for which cron leaves out the whole file',
      'lines end as on Windows: each is taken without its last character',
      'line 1: LOGNAME: not taken, cron sets it itself',
      'line 2: TZ: commands get the variable, but times follow CRON_TZ or --time-zone',
      'line 3: */90 steps past the end and means its first value alone, as under cron',
      'line 3: 5-6/9 steps past the end and means its first value alone, as under cron',
      'line 4: two backslashes stay two; Debian’s cron hands the shell one of them',
    ]);
    expect(entries.map(({ cron, environment, timeZone }) => ({ cron, environment, timeZone }))).toEqual(
      ['0 5 * * *', '* * * * *', '@daily'].map((cron) => ({
        cron,
        environment: { TZ: 'Asia/Tokyo' },
        timeZone: 'UTC',
      })),
    );
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
