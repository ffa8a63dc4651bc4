/** `taskraft apply` and `taskraft diff`: makes the cluster what files say, or shows what that would take. */
import { Command } from 'commander';
import type { Client } from '../../index.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { type Difference, differenceOf, type ScheduleChange } from '../declared/difference.ts';
import type { Mistake } from '../declared/documents.ts';
import { type DeclaredSchedule, readDeclarations } from '../declared/schedules.ts';
import { CliError, EXIT } from '../exit.ts';
import { readText } from '../input.ts';
import { formatTable, print, remark, shorten } from '../output.ts';
import { name } from '../parse.ts';

/** What `apply` says that it manages, unless it is told another name. */
const MANAGED_BY_DEFAULT = 'apply';
/** Mistakes that are told of; who has more has the same one again and again. */
const MISTAKES_SHOWN = 50;

interface ApplyFlags extends ConnectionFlags {
  readonly file?: readonly string[];
  readonly prune: boolean;
  readonly dryRun?: boolean;
  readonly managedBy: string;
  readonly takeOver: boolean;
}

/** `apply`. */
export function applyCommand(): Command {
  return withFiles(new Command('apply'))
    .description('make the schedules of the cluster what files declare; nothing is done when there is a mistake in any')
    .option('--dry-run', 'show what would change; exit status 10 when something would', false)
    .addHelpText('after', '\nExample:\n  taskraft apply -f schedules.yaml --prune')
    .action((flags: ApplyFlags) => run(flags, flags.dryRun === true));
}

/** `diff`. */
export function diffCommand(): Command {
  return withFiles(new Command('diff'))
    .description('show what apply would change; exit status 10 when something would')
    .addHelpText('after', '\nExample:\n  taskraft diff -f schedules.yaml --prune')
    .action((flags: ApplyFlags) => run(flags, true));
}

function withFiles(command: Command): Command {
  return withConnection(command)
    .option('-f, --file <file...>', 'YAML or JSON with one or more documents, - for standard input; may be repeated')
    .option('--prune', 'delete schedules that an earlier apply made and no file declares any more', false)
    .option('--managed-by <name>', 'whose schedules these are: prune deletes no others', name, MANAGED_BY_DEFAULT)
    .option(
      '--take-over',
      'change also schedules that nobody or another name manages, and manage them from now on',
      false,
    );
}

async function run(flags: ApplyFlags, isDry: boolean): Promise<void> {
  const declared = await declarationsOf(flags.file ?? [], flags.managedBy);
  if (flags.prune && declared.length === 0) refuseNothing(flags.managedBy);
  await withClient(flags, async (client) => {
    const difference = await differenceOf(client, declared, flags.prune ? flags.managedBy : undefined);
    refuseMistakes(difference.mistakes);
    if (!flags.takeOver) lookAtTaken(difference, isDry);
    if (!isDry) await make(client, difference);
    show(flags, difference);
    tellNotPaused(difference.notPaused);
    if (isDry && difference.changes.length > 0) process.exitCode = EXIT.wouldChange;
  });
}

/** The schedules that files declare. @throws CliError with every mistake in them */
export async function declarationsOf(
  files: readonly string[],
  managedBy: string | undefined,
): Promise<readonly DeclaredSchedule[]> {
  if (files.length === 0)
    throw new CliError('USAGE', "required option '-f, --file <file...>' not specified", EXIT.usage);
  const texts: (readonly [file: string, text: string])[] = [];
  for (const file of files) texts.push([file === '-' ? 'standard input' : file, await readText(file)]);
  const { schedules, mistakes } = readDeclarations(texts, managedBy);
  refuseMistakes(mistakes);
  return schedules;
}

function refuseMistakes(mistakes: readonly Mistake[]): void {
  if (mistakes.length === 0) return;
  const lines = mistakes.slice(0, MISTAKES_SHOWN).map(({ at, message }) => `${at}: ${message}`);
  const more = mistakes.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  throw new CliError('INVALID_SCHEDULE', `nothing was changed:\n${lines.join('\n')}`, EXIT.usage);
}

/** A file that is empty by mistake must not delete everything. */
function refuseNothing(managedBy: string): never {
  const words = `the files declare nothing, and --prune would delete every schedule that "${managedBy}" manages`;
  throw new CliError('USAGE', `${words}: nothing was changed; "schedule delete" deletes one`, EXIT.usage);
}

/** Schedules that somebody else put are told of, and left alone. @throws CliError NOT_MANAGED */
function lookAtTaken({ changes }: Difference, isDry: boolean): void {
  const lines = changes
    .filter(({ takenFrom }) => takenFrom !== undefined)
    .map(({ id, takenFrom }) => `${id} is there, and ${takenFrom ? `"${takenFrom}"` : 'nobody'} manages it`);
  const [first] = lines;
  if (first === undefined) return;
  const more = lines.length === 1 ? '' : `, and ${lines.length - 1} more are not managed by this name either`;
  const words = `${first}${more}: apply changes such schedules with --take-over only`;
  if (!isDry) throw new CliError('NOT_MANAGED', `nothing was changed: ${words}`, EXIT.conflict);
  remark(words);
}

/** Says of schedules that are there already that `paused` of what was put did nothing. */
export function tellNotPaused(ids: readonly string[]): void {
  for (const id of ids) {
    remark(
      `${id}: "paused" is for a new schedule; this one was there and goes on. To pause it: taskraft schedule pause ${id}`,
    );
  }
}

/** Guards each change by the version that was compared with, so that nothing that somebody else did meanwhile is undone. */
async function make(client: Client, { changes }: Difference): Promise<void> {
  const results = await Promise.allSettled(changes.map((change) => makeOne(client, change)));
  const failed = results.flatMap((result, at) =>
    result.status === 'rejected' ? [{ id: changes[at]?.id ?? '', error: result.reason as unknown }] : [],
  );
  const [first] = failed;
  if (first === undefined) return;
  const done = changes.length - failed.length;
  process.stderr.write(
    `${done} of ${changes.length} changes were made; ${first.id} was not. Apply again for the rest.\n`,
  );
  throw first.error;
}

async function makeOne(client: Client, { id, version, declared }: ScheduleChange): Promise<void> {
  if (declared === undefined) await client.schedules.delete(id, { expectedVersion: version });
  else await client.schedules.put({ ...declared.spec, expectedVersion: version });
}

function show(flags: ConnectionFlags, { changes, unchanged }: Difference): void {
  const rows = changes.map(({ change, id, fields }) => ({ change, kind: 'schedule', id, fields }));
  print(
    flags.output,
    { changes: rows, unchanged },
    () => {
      const table = formatTable(
        [
          { title: 'CHANGE', of: (one) => one.change },
          { title: 'SCHEDULE', of: (one) => one.id },
          { title: 'FIELD', of: (one) => one.field },
          { title: 'FROM', of: (one) => one.from },
          { title: 'TO', of: (one) => one.to },
        ],
        changes.flatMap(linesOf),
      );
      return `${changes.length === 0 ? '' : table}${unchanged} unchanged\n`;
    },
    rows,
  );
}

interface ChangeLine {
  readonly change: string;
  readonly id: string;
  readonly field: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** One line a field; a schedule as a whole has one. */
function linesOf({ change, id, fields }: ScheduleChange): ChangeLine[] {
  if (fields.length === 0) return [{ change, id, field: undefined, from: undefined, to: undefined }];
  return fields.map(({ field, from, to }) => ({ change, id, field, from: shorten(from), to: shorten(to) }));
}
