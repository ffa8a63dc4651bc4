/** `taskraft task …`: submit, look, wait, cancel. */
import { Command, Option } from 'commander';
import type { Client, TaskInfo, TaskSpec } from '../../index.ts';
import { TASK_STATES, type TaskState } from '../../protocol/rows.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { parseInstant } from '../input.ts';
import { formatAge, formatFields, formatInstant, formatTable, pairsText, print, shorten } from '../output.ts';
import { duration, wholeNumber } from '../parse.ts';
import { given, type TaskFlags, taskOf, withTask } from './task-flags.ts';

/** Nothing makes a task wait for another one yet, so that no task is ever blocked. */
const STATES: readonly string[] = TASK_STATES.filter((state) => state !== 'blocked');

interface SubmitFlags extends ConnectionFlags, TaskFlags {
  readonly key?: string;
  readonly delay?: string;
  readonly runAt?: string;
  readonly wait: boolean;
}

interface ReadFlags extends ConnectionFlags {
  readonly stale: boolean;
}

interface ListFlags extends ReadFlags {
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly type?: string;
  readonly schedule?: string;
  readonly limit: number;
  readonly cursor?: string;
}

interface WaitFlags extends ConnectionFlags {
  readonly waitTimeout?: string;
}

/** The commands under `task`. */
export function taskCommand(): Command {
  const task = new Command('task').description('submit tasks and look at them');
  task.addCommand(submitCommand());
  task.addCommand(
    withConnection(new Command('get'))
      .description('one task')
      .argument('<id>')
      .addOption(staleOption())
      .addHelpText('after', '\nExample:\n  taskraft task get ID -o json')
      .action((id: string, flags: ReadFlags) =>
        withClient(flags, async (client) => show(flags, await client.get(id, { stale: flags.stale }))),
      ),
  );
  task.addCommand(listCommand());
  task.addCommand(
    withConnection(new Command('wait'))
      .description('wait for the end of a task and print its result; exit status 1 when it failed')
      .argument('<id>')
      .option('--wait-timeout <duration>', 'give up after this long; the task goes on', duration)
      .addHelpText('after', '\nExample:\n  taskraft task wait ID --wait-timeout 5m')
      .action((id: string, flags: WaitFlags) => withClient(flags, (client) => waitFor(client, id, flags))),
  );
  task.addCommand(
    withConnection(new Command('cancel'))
      .description('end a task; may be repeated')
      .argument('<id>')
      .addHelpText('after', '\nExample:\n  taskraft task cancel ID')
      .action((id: string, flags: ConnectionFlags) => withClient(flags, (client) => cancel(client, id, flags))),
  );
  task.addCommand(
    withConnection(new Command('history'))
      .description('what happened to a task')
      .argument('<id>')
      .addHelpText('after', '\nExample:\n  taskraft task history ID')
      .action((id: string, flags: ConnectionFlags) =>
        withClient(flags, async (client) => history(flags, await client.get(id))),
      ),
  );
  return task;
}

function staleOption(): Option {
  return new Option('--stale', 'ask any peer, which may be behind; works without a leader').default(false);
}

function submitCommand(): Command {
  return withTask(withConnection(new Command('submit')))
    .description('submit a task; printed once it is durable on a majority of peers')
    .option('--key <key>', 'submitted again with the same key it is the same task')
    .option('--delay <duration>', 'not before this has passed', duration)
    .option('--run-at <instant>', 'not before this instant, ISO 8601 with its offset')
    .option('--wait', 'wait for its end and print the result', false)
    .addHelpText(
      'after',
      '\nExample:\n  taskraft task submit --type email.send --payload \'{"to":"ada@example.org"}\' --wait',
    )
    .action(async (flags: SubmitFlags) => {
      // Read before anybody is called: what is wrong with the options is said at once.
      const spec = await specOf(flags);
      await withClient(flags, (client) => submit(client, spec, flags));
    });
}

function listCommand(): Command {
  return withConnection(new Command('list'))
    .description('tasks, newest first, page by page')
    .addOption(new Option('--state <state...>', 'only these states').choices(STATES))
    .option('--queue <queue>', 'only this queue')
    .option('--type <type>', 'only this type')
    .option('--schedule <id>', 'only what this schedule made')
    .option('--limit <n>', '1 to 1000', wholeNumber, 50)
    .option('--cursor <cursor>', 'from the page before')
    .addOption(staleOption())
    .addHelpText('after', '\nExample:\n  taskraft task list --state failed --queue mail')
    .action((flags: ListFlags) => withClient(flags, (client) => list(client, flags)));
}

async function submit(client: Client, spec: TaskSpec, flags: SubmitFlags): Promise<void> {
  const handle = await client.submit(spec);
  if (flags.wait) {
    // Whoever gives up waiting still has its name.
    process.stderr.write(`${handle.id} is submitted: waiting for its end\n`);
    return waitFor(client, handle.id, flags);
  }
  print(flags.output, { id: handle.id, deduplicated: handle.deduplicated }, () =>
    formatFields([
      ['id', handle.id],
      ['deduplicated', handle.deduplicated ? 'yes: the task was there before' : 'no'],
    ]),
  );
}

async function specOf(flags: SubmitFlags): Promise<TaskSpec> {
  return {
    ...(await taskOf(flags)),
    ...given('key', flags.key),
    ...given('delay', flags.delay),
    ...(flags.runAt === undefined ? {} : { runAt: parseInstant(flags.runAt, '--run-at') }),
  };
}

async function waitFor(client: Client, id: string, flags: ConnectionFlags & { waitTimeout?: string }): Promise<void> {
  const options = flags.waitTimeout === undefined ? {} : { timeoutMs: flags.waitTimeout };
  const result = await client.handle(id).result(options);
  print(flags.output, { id, state: 'done', result: result ?? null }, () => `${JSON.stringify(result ?? null)}\n`);
}

async function cancel(client: Client, id: string, flags: ConnectionFlags): Promise<void> {
  const outcome = await client.handle(id).cancel();
  print(flags.output, { id, outcome }, () =>
    formatFields([
      ['id', id],
      ['outcome', outcome],
    ]),
  );
  if (outcome === 'ALREADY_FINAL') process.exitCode = EXIT.conflict;
}

async function list(client: Client, flags: ListFlags): Promise<void> {
  const page = await client.list({
    limit: flags.limit,
    stale: flags.stale,
    ...(flags.state === undefined ? {} : { states: flags.state as readonly TaskState[] }),
    ...(flags.queue === undefined ? {} : { queue: flags.queue }),
    ...(flags.type === undefined ? {} : { type: flags.type }),
    ...(flags.schedule === undefined ? {} : { schedule: flags.schedule }),
    ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
  });
  const tasks = page.tasks.map(summaryOf);
  print(
    flags.output,
    { tasks, cursor: page.cursor ?? null, index: page.index },
    () =>
      formatTable<TaskInfo>(
        [
          { title: 'ID', of: (one) => one.id },
          { title: 'TYPE', of: (one) => one.type },
          { title: 'QUEUE', of: (one) => one.queue },
          { title: 'STATE', of: (one) => one.state },
          { title: 'PRI', of: (one) => one.priority, align: 'right' },
          { title: 'STARTS', of: (one) => one.deliveries, align: 'right' },
          { title: 'WORKER', of: (one) => one.worker },
          { title: 'REASON', of: (one) => one.reason },
          { title: 'CREATED', of: (one) => formatInstant(one.createdAtMs) },
          { title: 'RUNS AT', of: (one) => formatInstant(one.runAtMs) },
        ],
        page.tasks,
      ),
    tasks,
  );
  if (page.cursor !== undefined) process.stderr.write(`more: --cursor ${page.cursor}\n`);
}

/** A task of a list: without bytes and history, which lists do not carry. */
function summaryOf(task: TaskInfo): Partial<TaskInfo> {
  const { payload: _p, headers: _h, result: _r, error: _e, lastCheckpoint: _c, history: _i, ...summary } = task;
  return summary;
}

function show(flags: ConnectionFlags, task: TaskInfo): void {
  print(flags.output, task, () =>
    formatFields([
      ['id', task.id],
      ['type', task.type],
      ['queue', task.queue],
      ['state', task.state],
      ['reason', task.reason],
      ['priority', task.priority],
      ['key', task.key],
      ['requires', pairsText(task.requires)],
      ...(task.occurrence === undefined ? [] : [['occurrence', occurrenceText(task.occurrence)] as const]),
      ['created', formatInstant(task.createdAtMs)],
      ['runs at', formatInstant(task.runAtMs)],
      ['started', formatInstant(task.startedAtMs)],
      ['finished', formatInstant(task.finishedAtMs)],
      ['failures', task.failures],
      ['crashes', task.crashes],
      ['starts', task.deliveries],
      ['fencing token', task.fencingToken],
      ['worker', task.worker],
      ['progress', task.progress && `${Math.round(task.progress.fraction * 100)} % ${task.progress.note}`],
      ['payload', shorten(task.payload)],
      ['headers', shorten(task.headers)],
      ['result', shorten(task.result)],
      ['error', shorten(task.error)],
      ['last checkpoint', shorten(task.lastCheckpoint)],
    ]),
  );
}

/** Which occurrence of which schedule made the task. */
function occurrenceText({ schedule, version, plannedMs, kind }: NonNullable<TaskInfo['occurrence']>): string {
  const how = kind === 'planned' ? '' : kind === 'trigger' ? ', triggered' : ', backfilled';
  return `${schedule} v${version}, ${formatInstant(plannedMs) ?? ''}${how}`;
}

function history(flags: ConnectionFlags, task: TaskInfo): void {
  const { history: events, historyDropped } = task;
  print(
    flags.output,
    { id: task.id, history: events, dropped: historyDropped },
    () => {
      const first = events[0]?.atMs ?? 0;
      return formatTable(
        [
          { title: 'WHEN', of: (event) => formatInstant(event.atMs) },
          { title: 'AFTER', of: (event) => formatAge(event.atMs - first), align: 'right' },
          { title: 'EVENT', of: (event) => event.event },
          { title: 'ATTEMPT', of: (event) => event.attempt, align: 'right' },
          { title: 'BY', of: (event) => event.by },
          { title: 'REASON', of: (event) => event.reason },
        ],
        events,
      );
    },
    events,
  );
  if (historyDropped > 0) process.stderr.write(`${historyDropped} events behind the first ten are not kept\n`);
}
