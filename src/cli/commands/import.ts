/** `taskraft import crontab FILE…`: schedules out of crontabs. */
import path from 'node:path';
import { Command } from 'commander';
import { CalendarError, parseCalendar } from '../../calendar/definition.ts';
import type { Client } from '../../index.ts';
import type { ScheduleSpec } from '../../client/schedule-spec.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { type Crontab, CRONTAB_BYTES_MAX, type CrontabProblem, parseCrontab } from '../crontab/crontab.ts';
import { managedByOf, schedulesOf } from '../crontab/schedules.ts';
import { CliError, EXIT } from '../exit.ts';
import { readText } from '../input.ts';
import { formatTable, pairsText, print, remark } from '../output.ts';

interface ImportFlags extends ConnectionFlags {
  readonly user: boolean;
  readonly userName?: string;
  readonly timeZone: string;
  readonly dryRun: boolean;
}

interface ImportedFile {
  /** As it was named on the command line. */
  readonly file: string;
  /** What its schedules carry. */
  readonly managedBy: string;
  readonly crontab: Crontab;
  readonly schedules: readonly ScheduleSpec[];
}

/** What became of one schedule. */
type Change = 'would be put' | 'created' | 'changed' | 'unchanged';

interface ImportedLine {
  readonly schedule: ScheduleSpec;
  readonly change: Change;
}

/** Schedules of one page when those of earlier imports are looked for. */
const PAGE = 100;

/** The commands under `import`. */
export function importCommand(): Command {
  const command = new Command('import').description('take what other schedulers have');
  command.addCommand(
    withConnection(new Command('crontab'))
      .description('make schedules of crontabs; a file with a mistake changes nothing')
      .argument('<file...>', 'crontabs in the format of /etc/cron.d, - for standard input')
      .option('--user', 'each is the crontab of one person: no user stands before its commands', false)
      .option('--user-name <name>', 'with --user: whose they are, as a label user=NAME that the worker must have')
      .option('--time-zone <name>', 'where the times are meant, unless a CRON_TZ line says another place', 'UTC')
      .option('--dry-run', 'ask no cluster: show what would be made, and end with 10 when that is anything', false)
      .addHelpText(
        'after',
        `
The commands run on a worker for the user of the line, one for each user, started as that user with
worker run --allow-exec --label user=NAME.

Example:
  taskraft import crontab /etc/cron.d/sysstat --dry-run`,
      )
      .action(importCrontabs),
  );
  return command;
}

async function importCrontabs(files: readonly string[], flags: ImportFlags): Promise<void> {
  if (flags.userName !== undefined && !flags.user) {
    throw new CliError('USAGE', '--user-name goes with --user: other crontabs name the user in each line', EXIT.usage);
  }
  requireZone(flags.timeZone);
  const read: ImportedFile[] = [];
  for (const file of files) read.push(await readFile(file, flags));
  refuseProblems(read);
  const schedules = read.flatMap((one) => one.schedules);
  refuseSameIds(schedules);
  for (const { file, crontab } of read) for (const note of crontab.notes) remark(`${file}: ${note}`);
  if (schedules.length > 0) remark('nothing is mailed: the output of each run is in the result of its task');
  if (flags.dryRun) {
    show(
      flags,
      schedules.map((schedule) => ({ schedule, change: 'would be put' })),
    );
    if (schedules.length > 0) process.exitCode = EXIT.wouldChange;
    return;
  }
  await withClient(flags, async (client) => {
    show(flags, await putAll(client, schedules));
    await tellOfOthers(client, read);
  });
}

/** Said once, and not again for each line. */
function requireZone(timeZone: string): void {
  try {
    parseCalendar({ every: 1_000, timeZone });
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    throw new CliError('USAGE', `--time-zone: ${error.message}`, EXIT.usage);
  }
}

async function readFile(file: string, flags: ImportFlags): Promise<ImportedFile> {
  const text = await readText(file);
  if (Buffer.byteLength(text) > CRONTAB_BYTES_MAX) {
    throw new CliError('INVALID_CRONTAB', `${file} is larger than ${CRONTAB_BYTES_MAX / 1024} KiB`, EXIT.usage);
  }
  const crontab = parseCrontab(text, { hasUser: !flags.user, timeZone: flags.timeZone });
  const name = file === '-' ? 'stdin' : path.basename(file);
  const managedBy = managedByOf(name, flags.userName);
  return { file, managedBy, crontab, schedules: schedulesOf(name, crontab.entries, flags.userName) };
}

/** @throws CliError with every problem of every file */
function refuseProblems(read: readonly ImportedFile[]): void {
  const lines = read.flatMap(({ file, crontab }) =>
    crontab.problems.map(({ line, column, message }: CrontabProblem) => `${file}:${line}:${column}: ${message}`),
  );
  if (lines.length === 0) return;
  const count = lines.length === 1 ? 'this line' : `these ${lines.length} lines`;
  throw new CliError(
    'INVALID_CRONTAB',
    `${lines.join('\n')}\nnothing is imported before ${count} can be taken`,
    EXIT.usage,
  );
}

/** Two files of the same name in different directories would put each other's schedules. */
function refuseSameIds(schedules: readonly ScheduleSpec[]): void {
  const seen = new Set<string>();
  for (const { id } of schedules) {
    if (seen.has(id)) {
      throw new CliError(
        'USAGE',
        `two files with the same name both make "${id}": import them under different names`,
        EXIT.usage,
      );
    }
    seen.add(id);
  }
}

async function putAll(client: Client, schedules: readonly ScheduleSpec[]): Promise<ImportedLine[]> {
  const lines: ImportedLine[] = [];
  for (const schedule of schedules) {
    try {
      const { created, unchanged } = await client.schedules.put(schedule);
      lines.push({ schedule, change: created ? 'created' : unchanged ? 'unchanged' : 'changed' });
    } catch (error) {
      remark(
        `${lines.length} of ${schedules.length} schedules are put; import again to go on, what is there stays as it is`,
      );
      throw error;
    }
  }
  return lines;
}

/** Schedules of earlier imports of the same files go on firing, though their lines are gone. */
async function tellOfOthers(client: Client, read: readonly ImportedFile[]): Promise<void> {
  const made = new Set(read.flatMap(({ schedules }) => schedules.map(({ id }) => id)));
  const marks = new Set(read.map(({ managedBy }) => managedBy));
  const left: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.schedules.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id, managedBy } of page.schedules) {
      if (managedBy === undefined || !marks.has(managedBy) || made.has(id)) continue;
      remark(`${id} of ${managedBy} is in none of these files, and still fires`);
      left.push(id);
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  const [first] = left;
  if (first === undefined) return;
  // Only the name of a file tells one crontab from another.
  const other = 'keep what comes from another crontab of the same name, of another host perhaps';
  remark(`${other}; what is of no use any more is deleted with: taskraft schedule delete ${first}`);
}

function show(flags: ImportFlags, lines: readonly ImportedLine[]): void {
  const schedules = lines.map(({ schedule }) => schedule);
  const table = (): string =>
    formatTable(
      [
        { title: 'SCHEDULE', of: ({ schedule }: ImportedLine) => schedule.id },
        { title: 'WHEN', of: ({ schedule }) => schedule.cron },
        { title: 'ZONE', of: ({ schedule }) => schedule.timeZone },
        { title: 'REQUIRES', of: ({ schedule }) => pairsText(schedule.task.requires ?? {}) },
        { title: 'CHANGE', of: ({ change }) => change },
      ],
      lines,
    );
  print(flags.output, schedules, table, schedules);
}
