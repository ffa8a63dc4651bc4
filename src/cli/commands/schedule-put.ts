/** `taskraft schedule put`: schedules by hand, one by options or those of files. */
import { Command, Option } from 'commander';
import { TaskraftError } from '../../client/errors.ts';
import type { Client, OverlapPolicy, ScheduleSpec } from '../../index.ts';
import { CATCH_UP_POLICIES, OVERLAP_POLICIES } from '../../protocol/rows.ts';
import { type ConnectionFlags, isConnectionOption, withClient, withConnection } from '../connection.ts';
import { allSchedules } from '../declared/difference.ts';
import { CliError, EXIT } from '../exit.ts';
import { formatFields, print, remark } from '../output.ts';
import { wholeNumber } from '../parse.ts';
import { declarationsOf, tellNotPaused } from './apply.ts';
import { refuseOthers, scheduleOf, type WhenFlags, withWhen } from './schedule-flags.ts';
import { type TaskFlags, withTask } from './task-flags.ts';

interface PutFlags extends ConnectionFlags, WhenFlags, TaskFlags {
  readonly file?: readonly string[];
  readonly overlap?: OverlapPolicy;
  readonly catchUp?: (typeof CATCH_UP_POLICIES)[number];
  readonly catchUpWindow?: string;
  readonly maxRuns?: number;
  readonly pauseOnFailure?: number;
  readonly paused: boolean;
  readonly expectedVersion?: number;
}

/** The command `put` under `schedule`. */
export function putCommand(): Command {
  const command = withTask(withWhen(withConnection(new Command('put'))), 'Its tasks:')
    .description('make a schedule or change it; what is there already is left as it is')
    .argument('[id]', 'its own name within the namespace')
    .option('-f, --file <file...>', 'YAML or JSON in place of all other options, - for standard input')
    .addOption(new Option('--overlap <policy>', 'while a task of it runs (default skip)').choices(OVERLAP_POLICIES))
    .addOption(new Option('--catch-up <policy>', 'of what was missed (default latest)').choices(CATCH_UP_POLICIES))
    .option('--catch-up-window <duration>', 'nothing older is caught up (default 24h)')
    .option('--max-runs <n>', 'end after so many tasks (default 0: never)', wholeNumber)
    .option('--pause-on-failure <n>', 'pause after so many failed tasks in a row', wholeNumber)
    .option('--paused', 'begin paused', false)
    .option('--expected-version <n>', 'only if it has this version, 0 for none yet', wholeNumber)
    .addHelpText(
      'after',
      "\nExample:\n  taskraft schedule put nightly --cron '30 2 * * *' --tz Europe/London --type report",
    );
  return command.action(async (id: string | undefined, flags: PutFlags) => {
    if (flags.file !== undefined) refuseBesideFiles(id, command);
    const specs = await specsOf(id, flags);
    await withClient(flags, (client) => put(client, specs, flags));
  });
}

/** Files say everything about their schedules. @throws CliError USAGE */
function refuseBesideFiles(id: string | undefined, command: Command): void {
  const why = 'files say everything about their schedules';
  if (id !== undefined) throw new CliError('USAGE', `"${id}" has no effect beside --file: ${why}`, EXIT.usage);
  refuseOthers(command, (option) => option.attributeName() === 'file' || isConnectionOption(option), why);
}

async function specsOf(id: string | undefined, flags: PutFlags): Promise<readonly ScheduleSpec[]> {
  if (flags.file !== undefined) {
    const declared = await declarationsOf(flags.file, undefined);
    return declared.map(({ spec }) => spec);
  }
  const spec = await scheduleOf(id, flags);
  return [
    {
      ...spec,
      ...(flags.overlap === undefined ? {} : { overlap: flags.overlap }),
      ...(flags.catchUp === undefined ? {} : { catchUp: flags.catchUp }),
      ...(flags.catchUpWindow === undefined ? {} : { catchUpWindow: flags.catchUpWindow }),
      ...(flags.maxRuns === undefined ? {} : { maxRuns: flags.maxRuns }),
      ...(flags.pauseOnFailure === undefined ? {} : { pauseOnFailure: flags.pauseOnFailure }),
      ...(flags.expectedVersion === undefined ? {} : { expectedVersion: flags.expectedVersion }),
      paused: flags.paused,
    },
  ];
}

async function put(client: Client, given: readonly ScheduleSpec[], flags: PutFlags): Promise<void> {
  const specs = await keepingManagers(client, given);
  const answers = await Promise.all(
    specs.map(async (spec) => ({ id: spec.id, ...(await client.schedules.put(spec)) })),
  );
  const [only] = answers;
  print(
    flags.output,
    answers.length === 1 ? only : { schedules: answers },
    () =>
      answers
        .map(({ id, version, created, unchanged }) =>
          formatFields([
            ['id', id],
            ['version', version],
            ['outcome', created ? 'created' : unchanged ? 'unchanged' : 'changed'],
          ]),
        )
        .join('\n'),
    answers,
  );
  await tellOfPaused(client, specs, answers);
}

/** `paused` says how a new schedule begins: of those that were there and are not paused it is told that nothing came of it. */
async function tellOfPaused(
  client: Client,
  specs: readonly ScheduleSpec[],
  answers: readonly { readonly created: boolean }[],
): Promise<void> {
  const old = specs.filter(({ paused }, at) => paused === true && answers[at]?.created === false);
  for (const { id } of old) {
    const { state } = await client.schedules.get(id);
    if (state === 'active') tellNotPaused([id]);
  }
}

/**
 * What `apply` or an import made stays theirs when it is put by hand: else `apply` would not know it any more, and `--prune` leave it
 * behind for ever.
 */
async function keepingManagers(client: Client, specs: readonly ScheduleSpec[]): Promise<readonly ScheduleSpec[]> {
  const managers = await managersOf(
    client,
    specs.filter(({ managedBy }) => managedBy === undefined).map(({ id }) => id),
  );
  return specs.map((spec) => {
    const managedBy = spec.managedBy ?? managers.get(spec.id);
    if (managedBy === undefined || managedBy === spec.managedBy) return spec;
    remark(`${spec.id} stays managed by ${managedBy}, which puts back what it declares when it is used again`);
    return { ...spec, managedBy };
  });
}

/** Who manages which of the schedules `ids`. */
async function managersOf(client: Client, ids: readonly string[]): Promise<ReadonlyMap<string, string | undefined>> {
  const [only] = ids;
  if (only === undefined) return new Map();
  if (ids.length > 1) {
    return new Map(Array.from(await allSchedules(client), ([id, { managedBy }]) => [id, managedBy] as const));
  }
  try {
    return new Map([[only, (await client.schedules.get(only)).managedBy]]);
  } catch (error) {
    if (error instanceof TaskraftError && error.code === 'NOT_FOUND') return new Map();
    throw error;
  }
}
