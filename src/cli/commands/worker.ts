/** `taskraft worker …`: run one, look at all, empty one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { Operator } from '../../client/operator.ts';
import { durationMs } from '../../client/duration.ts';
import { Worker } from '../../index.ts';
import { pinoLogger } from '../../system/pino-logger.ts';
import { onStopSignals } from '../../system/signals.ts';
import {
  type ClusterFlags,
  type ConnectionFlags,
  connectionOptions,
  withClient,
  withCluster,
  withConnection,
} from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { formatAge, formatTable, pairsText, print } from '../output.ts';
import { duration, pair, wholeNumber, words } from '../parse.ts';
import { ShellHandler } from '../shell-handler.ts';

interface RunFlags extends ClusterFlags {
  readonly allowExec: boolean;
  readonly id?: string;
  readonly slots: number;
  readonly types: readonly string[];
  readonly label?: Readonly<Record<string, string>>;
  readonly env: readonly string[];
  readonly workDir?: string;
  readonly outputLimit: number;
  readonly drain: string;
}

interface WorkerLine {
  readonly worker: string;
  readonly state: string;
  readonly types: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly running: number;
  /** Slots of handlers that ignore their signal. */
  readonly lingering: number;
  readonly version: string;
  readonly instance: string;
  readonly attachedAtMs: number;
  readonly heartbeatAgeMs: number | null;
}

const TYPES_DEFAULT: readonly string[] = ['shell'];
/** What a command sees of the worker's environment unless more is allowed: nothing that could be a secret. */
const ENVIRONMENT_DEFAULT: readonly string[] = ['PATH', 'LANG', 'LC_ALL', 'TZ'];

/** The commands under `worker`. */
export function workerCommand(): Command {
  const worker = new Command('worker').description('run a worker, look at workers, empty one');
  worker.addCommand(runCommand());
  worker.addCommand(
    withConnection(new Command('list'))
      .description('all workers of the namespace and what they do')
      .addHelpText('after', '\nExample:\n  taskraft worker list -o json')
      .action((flags: ConnectionFlags) => withClient(flags, (client) => list(new Operator(client), flags))),
  );
  worker.addCommand(
    withConnection(new Command('drain'))
      .description('let a worker finish: it gets nothing new, and hands back what still runs after the deadline')
      .argument('<worker>')
      .option('--deadline <duration>', 'how long running tasks may still take', duration, '30s')
      .addHelpText('after', '\nExample:\n  taskraft worker drain build-7 --deadline 5m')
      .action((id: string, flags: ConnectionFlags & { readonly deadline: string }) => drain(id, flags)),
  );
  worker.addCommand(
    withConnection(new Command('resume'))
      .description('end a drain')
      .argument('<worker>')
      .addHelpText('after', '\nExample:\n  taskraft worker resume build-7')
      .action((id: string, flags: ConnectionFlags) =>
        withClient(flags, async (client) => {
          await new Operator(client).resumeWorker(id);
          print(flags.output, { worker: id, state: 'online' }, () => `${id} takes tasks again\n`);
        }),
      ),
  );
  return worker;
}

function runCommand(): Command {
  return withCluster(new Command('run'))
    .description('run tasks of type shell, each as a process of its own, until SIGTERM or Ctrl-C')
    .option('--allow-exec', 'yes, whoever may submit tasks may run commands on this computer', false)
    .option('--id <name>', 'name of this worker, unique among live ones (default: a random one)')
    .option('--slots <n>', 'tasks at a time', wholeNumber, 4)
    .addOption(
      new Option('--types <type>', 'task types that are run as commands; may be repeated')
        .default(TYPES_DEFAULT, TYPES_DEFAULT.join(','))
        .argParser(words(TYPES_DEFAULT)),
    )
    .addOption(new Option('--label <name=value>', 'what tasks may require; may be repeated').argParser(pair))
    .addOption(
      new Option('--env <name>', `variable that commands see beside ${ENVIRONMENT_DEFAULT.join(', ')}; may be repeated`)
        .default(ENVIRONMENT_DEFAULT, 'none')
        .argParser(words(ENVIRONMENT_DEFAULT)),
    )
    .option('--work-dir <dir>', 'where commands get their directories (default: a temporary one)')
    .option(
      '--output-limit <bytes>',
      'most that is kept of standard output, and of standard error',
      wholeNumber,
      65_536,
    )
    .option('--drain <duration>', 'how long running tasks may still take when it is stopped', duration, '30s')
    .addHelpText(
      'after',
      `
The payload is {"argv": ["program", "argument", …]}, or {"shell": "text"} for sh -c; either may have
"env", variables of the command, and "stdin", its standard input. The result is {exitCode, stdout,
stderr, truncated}; any other status than 0 is a failure and is tried again.

Example:
  taskraft worker run --allow-exec --label zone=a --slots 8`,
    )
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  if (!flags.allowExec) {
    const message =
      'the only handler is shell, which lets everyone who may submit tasks run commands here: say --allow-exec';
    throw new CliError('USAGE', message, EXIT.usage);
  }
  const drainMs = durationMs(flags.drain, 'drain');
  const environment = allowedEnvironment(flags.env);
  if (flags.workDir !== undefined) return runIn(path.resolve(flags.workDir), flags, environment, drainMs);
  const temporary = mkdtempSync(path.join(tmpdir(), 'taskraft-worker-'));
  // Also when it is asked twice to stop, and ends at once.
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', remove);
  await runIn(temporary, flags, environment, drainMs);
}

async function runIn(
  workDirectory: string,
  flags: RunFlags,
  environment: Readonly<Record<string, string>>,
  drainMs: number,
): Promise<void> {
  const logger = pinoLogger({ level: 'info', fields: {} });
  const shell = new ShellHandler({ workDirectory, environment, outputBytesMax: flags.outputLimit });
  const worker = new Worker({
    ...connectionOptions(flags),
    logger,
    handlers: Object.fromEntries(flags.types.map((type) => [type, shell.handle])),
    slots: flags.slots,
    ...(flags.label === undefined ? {} : { labels: flags.label }),
    ...(flags.id === undefined ? {} : { workerId: flags.id }),
  });
  onStopSignals({
    stop: (signal) => {
      logger.info('finishing what runs', { signal });
      void worker.stop({ drainMs });
    },
    force: () => {
      shell.killAll();
      process.exit(EXIT.failed);
    },
  });
  logger.info('the worker runs', { worker: worker.workerId, types: flags.types.join(','), slots: flags.slots });
  await worker.run();
}

function allowedEnvironment(names: readonly string[]): Record<string, string> {
  const secret = names.find((name) => name.startsWith('TASKRAFT_'));
  if (secret !== undefined) {
    throw new CliError('USAGE', `${secret} is the worker's own and is not handed to commands`, EXIT.usage);
  }
  const allowed: Record<string, string> = {};
  for (const name of [...ENVIRONMENT_DEFAULT, ...names]) {
    const value = process.env[name];
    if (value !== undefined) allowed[name] = value;
  }
  return allowed;
}

async function list(operator: Operator, flags: ConnectionFlags): Promise<void> {
  const rows = await operator.workers();
  const workers = rows.map(
    ([
      worker,
      instance,
      state,
      types,
      labels,
      slots,
      running,
      version,
      attachedAtMs,
      heartbeatAgeMs,
      lingering,
    ]): WorkerLine => ({
      worker,
      state,
      types,
      labels: Object.fromEntries(labels),
      slots,
      running,
      lingering,
      version,
      instance,
      attachedAtMs,
      heartbeatAgeMs,
    }),
  );
  print(
    flags.output,
    { workers },
    () =>
      formatTable(
        [
          { title: 'WORKER', of: (one) => one.worker },
          { title: 'STATE', of: (one) => one.state },
          { title: 'RUNNING', of: (one) => `${one.running}/${one.slots}`, align: 'right' },
          { title: 'LINGERING', of: (one) => one.lingering, align: 'right' },
          { title: 'TYPES', of: (one) => one.types.join(',') },
          { title: 'LABELS', of: (one) => pairsText(one.labels) },
          { title: 'VERSION', of: (one) => one.version },
          { title: 'HEARD', of: (one) => formatAge(one.heartbeatAgeMs ?? undefined), align: 'right' },
        ],
        workers,
      ),
    workers,
  );
}

async function drain(id: string, flags: ConnectionFlags & { readonly deadline: string }): Promise<void> {
  const deadlineMs = durationMs(flags.deadline, 'deadline');
  await withClient(flags, async (client) => {
    await new Operator(client).drainWorker(id, deadlineMs);
    print(flags.output, { worker: id, state: 'draining', deadlineMs }, () => `${id} takes nothing new\n`);
  });
}
