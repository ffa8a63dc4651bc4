/** `taskraft schedule …`: what makes tasks by the clock. */
import { Command, Option } from 'commander';
import type { Client, NextOccurrences, OverlapPolicy, ScheduleDetail, ScheduleInfo } from '../../index.ts';
import { TaskraftError } from '../../client/errors.ts';
import { OVERLAP_POLICIES } from '../../protocol/rows.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { parseInstant } from '../input.ts';
import { formatFields, print } from '../output.ts';
import { wholeNumber } from '../parse.ts';
import { runsOf } from '../schedule-runs.ts';
import { nextTable, scheduleTable, scheduleText } from '../schedule-view.ts';
import { hasWhen, isWhenOption, refuseOthers, type WhenFlags, whenOf, withWhen } from './schedule-flags.ts';
import { putCommand } from './schedule-put.ts';

interface ReadFlags extends ConnectionFlags {
  readonly stale: boolean;
}

interface ListFlags extends ReadFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

interface NoteFlags extends ConnectionFlags {
  readonly note?: string;
}

interface VersionFlags extends ConnectionFlags {
  readonly expectedVersion?: number;
}

interface TriggerFlags extends ConnectionFlags {
  readonly overlap?: OverlapPolicy;
}

interface BackfillFlags extends TriggerFlags {
  readonly from?: string;
  readonly to?: string;
}

interface NextFlags extends ConnectionFlags, WhenFlags {
  readonly after?: string;
}

/** Instants that `get` and `next` show. */
const NEXT_COUNT = 10;

/** The commands under `schedule`. */
export function scheduleCommand(): Command {
  return new Command('schedule')
    .description('tasks by the clock: put schedules, look at them, pause and trigger them')
    .addCommand(listCommand())
    .addCommand(getCommand())
    .addCommand(putCommand())
    .addCommand(deleteCommand())
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addCommand(triggerCommand())
    .addCommand(backfillCommand())
    .addCommand(nextCommand());
}

function listCommand(): Command {
  return withConnection(new Command('list'))
    .description('all schedules of the namespace, or a page of them')
    .option('--limit <n>', 'a page of 1 to 100; all without it', wholeNumber)
    .option('--cursor <cursor>', 'from the page before')
    .addOption(staleOption())
    .addHelpText('after', '\nExample:\n  taskraft schedule list -o jsonl')
    .action((flags: ListFlags) => withClient(flags, (client) => list(client, flags)));
}

function getCommand(): Command {
  return withConnection(new Command('get'))
    .description(
      'one schedule: its rules, what it did last, and the next ten instants with changes of the clock marked',
    )
    .argument('<id>')
    .addOption(staleOption())
    .addHelpText('after', '\nExample:\n  taskraft schedule get nightly-report')
    .action((id: string, flags: ReadFlags) => withClient(flags, (client) => get(client, id, flags)));
}

function deleteCommand(): Command {
  return withConnection(new Command('delete'))
    .description('end a schedule for good; its tasks go on')
    .argument('<id>')
    .option('--expected-version <n>', 'only if it has this version', wholeNumber)
    .addHelpText('after', '\nExample:\n  taskraft schedule delete nightly-report')
    .action((id: string, flags: VersionFlags) =>
      withClient(flags, async (client) => {
        const { expectedVersion } = flags;
        await client.schedules.delete(id, expectedVersion === undefined ? {} : { expectedVersion });
        tell(flags, { id, deleted: true }, 'deleted');
      }),
    );
}

function pauseCommand(): Command {
  return withConnection(new Command('pause'))
    .description('let its instants pass without a task')
    .argument('<id>')
    .option('--note <text>', 'why, for people')
    .addHelpText('after', "\nExample:\n  taskraft schedule pause nightly --note 'the disk is full'")
    .action((id: string, flags: NoteFlags) =>
      withClient(flags, async (client) => {
        // Without a note there is nothing to say again, and the note of the pause that there is stays.
        const isPaused = flags.note === undefined && (await client.schedules.get(id)).state === 'paused';
        if (!isPaused) await client.schedules.pause(id, flags.note);
        tell(flags, { id, paused: true }, isPaused ? 'was paused already' : 'paused');
      }),
    );
}

function resumeCommand(): Command {
  return withConnection(new Command('resume'))
    .description('end its pause; what passed meanwhile stays skipped')
    .argument('<id>')
    .option('--note <text>', 'why, for people')
    .addHelpText('after', '\nExample:\n  taskraft schedule resume nightly')
    .action((id: string, flags: NoteFlags) =>
      withClient(flags, async (client) => {
        const wasPaused = (await client.schedules.get(id)).state === 'paused';
        await client.schedules.resume(id, flags.note);
        tell(flags, { id, paused: false }, wasPaused ? 'resumed' : 'was not paused');
      }),
    );
}

function triggerCommand(): Command {
  return withConnection(new Command('trigger'))
    .description('fire it now, besides its plan; exit status 5 when that was skipped')
    .argument('<id>')
    .addOption(new Option('--overlap <policy>', 'in place of its own').choices(OVERLAP_POLICIES))
    .addHelpText('after', '\nExample:\n  taskraft schedule trigger nightly --overlap allow')
    .action((id: string, flags: TriggerFlags) => withClient(flags, (client) => trigger(client, id, flags)));
}

function backfillCommand(): Command {
  return withConnection(new Command('backfill'))
    .description('fire what a range of the past would have had, at most 1,000 instants')
    .argument('<id>')
    .option('--from <instant>', 'ISO 8601 with its offset; belongs to the range (required)')
    .option('--to <instant>', 'likewise (required)')
    .addOption(new Option('--overlap <policy>', 'in place of its own').choices(OVERLAP_POLICIES))
    .addHelpText(
      'after',
      '\nExample:\n  taskraft schedule backfill nightly --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --overlap bufferAll',
    )
    .action(async (id: string, flags: BackfillFlags) => {
      const from = parseInstant(required(flags.from, '--from <instant>'), '--from');
      const to = parseInstant(required(flags.to, '--to <instant>'), '--to');
      await withClient(flags, (client) => backfill(client, id, { from, to }, flags));
    });
}

function nextCommand(): Command {
  const command = withWhen(withConnection(new Command('next')));
  return command
    .description('when it fires next, with changes of the clock marked; with --cron, --every or --at, when it would')
    .argument('<id>')
    .argument('[count]', '1 to 1000', wholeNumber, NEXT_COUNT)
    .option('--after <instant>', 'only later ones: ISO 8601 with its offset, or ms since 1970; default now')
    .addHelpText('after', '\nExample:\n  taskraft schedule next nightly 20 --after 2027-03-01T00:00:00Z')
    .action(async (id: string, count: number, flags: NextFlags) => {
      const why = 'what is stored says when it fires; with --cron, --every or --at "next" looks at those instead';
      if (!hasWhen(flags)) refuseOthers(command, (option) => !isWhenOption(option), why);
      const options = flags.after === undefined ? {} : { after: parseInstant(flags.after, '--after') };
      await withClient(flags, async (client) => {
        const next = hasWhen(flags)
          ? await client.schedules.preview(id, whenOf(flags), count, options)
          : await client.schedules.next(id, count, options);
        print(flags.output, { id, ...next }, () => nextTable(next), next.occurrences);
      });
    });
}

function staleOption(): Option {
  return new Option('--stale', 'ask any peer, which may be behind; works without a leader').default(false);
}

async function list(client: Client, flags: ListFlags): Promise<void> {
  const schedules: ScheduleInfo[] = [];
  let { cursor } = flags;
  do {
    const page = await client.schedules.list({
      stale: flags.stale,
      ...(flags.limit === undefined ? {} : { limit: flags.limit }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    schedules.push(...page.schedules);
    ({ cursor } = page);
  } while (cursor !== undefined && flags.limit === undefined);
  print(flags.output, { schedules, cursor: cursor ?? null }, () => scheduleTable(schedules), schedules);
  if (cursor !== undefined) process.stderr.write(`more: --cursor ${cursor}\n`);
}

async function get(client: Client, id: string, flags: ReadFlags): Promise<void> {
  const detail = await client.schedules.get(id, { stale: flags.stale });
  const upcoming = await upcomingOf(client, detail, flags);
  const runs = await runsOf(client, detail, flags.stale);
  print(flags.output, { ...detail, occurrences: runs, upcoming: upcoming?.occurrences ?? [] }, () =>
    scheduleText(detail, runs, upcoming),
  );
}

/** What a schedule will do; nothing for one that has ended, or that the peer cannot compute, and what is shown instead says why. */
async function upcomingOf(
  client: Client,
  { id, state }: ScheduleDetail,
  { stale }: ReadFlags,
): Promise<NextOccurrences | undefined> {
  if (state === 'ended' || stale) return undefined;
  try {
    return await client.schedules.next(id, NEXT_COUNT);
  } catch (error) {
    if (error instanceof TaskraftError && (error.code === 'INVALID_SCHEDULE' || error.code === 'NOT_FOUND')) {
      return undefined;
    }
    throw error;
  }
}

async function trigger(client: Client, id: string, flags: TriggerFlags): Promise<void> {
  const outcome = await client.schedules.trigger(id, flags.overlap === undefined ? {} : { overlap: flags.overlap });
  const { taskId, buffered, skipped } = outcome;
  print(flags.output, { id, taskId: taskId ?? null, buffered, skipped: skipped ?? null }, () =>
    formatFields([
      ['id', id],
      ['task', taskId],
      [
        'outcome',
        skipped === undefined ? (buffered ? 'waits for a task that runs' : 'started') : `skipped: ${skipped}`,
      ],
    ]),
  );
  if (skipped !== undefined) process.exitCode = EXIT.conflict;
}

async function backfill(
  client: Client,
  id: string,
  range: { readonly from: number; readonly to: number },
  flags: BackfillFlags,
): Promise<void> {
  const overlap = flags.overlap === undefined ? {} : { overlap: flags.overlap };
  const { planned, accepted } = await client.schedules
    .backfill(id, { ...range, ...overlap })
    .catch((error: unknown) => {
      // The range has too many instants, today and tomorrow: nothing that comes with time.
      if (!(error instanceof TaskraftError && error.code === 'LIMIT')) throw error;
      throw new CliError(error.code, error.message, EXIT.usage);
    });
  print(flags.output, { id, planned, accepted }, () =>
    formatFields([
      ['id', id],
      ['in the range', planned],
      ['accepted', accepted],
      ['skipped', planned - accepted],
    ]),
  );
  // As for a trigger: a script has to see that nothing came of it.
  if (accepted === 0) process.exitCode = EXIT.conflict;
}

function tell(
  flags: ConnectionFlags,
  value: { readonly id: string; readonly deleted?: boolean; readonly paused?: boolean },
  outcome: string,
): void {
  print(flags.output, value, () =>
    formatFields([
      ['id', value.id],
      ['outcome', outcome],
    ]),
  );
}
