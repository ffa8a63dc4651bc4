/** `npm run bench -- lifecycle [options]`: figures of this machine, for people or, with `--json`, for programs. */
import { Command, InvalidArgumentError } from 'commander';
import { benchDelayed } from './delayed.ts';
import { describeDelayed } from './describe-delayed.ts';
import { benchLifecycle, type LifecycleReport } from './lifecycle.ts';
import { benchSnapshot, type SnapshotReport } from './snapshot.ts';

interface CliOptions {
  readonly seconds: number;
  readonly warmup: number;
  readonly dir: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly slots: number;
  readonly singles: number;
  readonly json: boolean;
}

interface SnapshotCliOptions {
  readonly tasks: number;
  readonly dir: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly mibPerSecond?: number;
  readonly json: boolean;
}

interface DelayedCliOptions {
  readonly tasks: number;
  readonly seconds: number;
  readonly baseline: number;
  readonly farSpan: number;
  readonly dueRate: number;
  readonly rate: number;
  readonly dir: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly json: boolean;
}

const program = new Command('bench')
  .description('measures Taskraft on this machine')
  // 2 for wrong usage: commander's own 1 here means that tasks were not started, or started again or early.
  .exitOverride(({ exitCode, code }) => process.exit(exitCode === 0 && code !== 'commander.help' ? 0 : 2));

program
  .command('lifecycle')
  .description('whole task life cycles a second on three durable peers, and the latency at low load')
  .option('--seconds <n>', 'how long to measure', positive, 20)
  .option('--warmup <n>', 'how long to run before', positive, 5)
  .option('--dir <path>', 'where the data directories go; on a disk that is real', '.')
  .option('--batch <n>', 'tasks in one submission', positive, 256)
  .option('--in-flight <n>', 'submissions under way', positive, 16)
  .option('--slots <n>', 'slots of the worker', positive, 4_000)
  .option('--singles <n>', 'tasks submitted one at a time', positive, 200)
  .option('--json', 'one object on standard output', false)
  .action(async (options: CliOptions) => {
    const report = await benchLifecycle({
      seconds: options.seconds,
      warmupSeconds: options.warmup,
      directory: options.dir,
      batchTasks: options.batch,
      inFlight: options.inFlight,
      slots: options.slots,
      singles: options.singles,
      progress: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(report));
    if (report.neverStarted !== 0 || report.startedAgain !== 0) process.exitCode = 1;
  });

program
  .command('snapshot')
  .description('bringing up a peer by a snapshot: how long, how fast, and how long the event loops are held')
  .option('--tasks <n>', 'tasks that wait in the state', positive, 1_000_000)
  .option('--dir <path>', 'where the data directories go; on a disk that is real', '.')
  .option('--batch <n>', 'tasks in one submission', positive, 256)
  .option('--in-flight <n>', 'submissions under way', positive, 16)
  .option(
    '--mib-per-second <n>',
    'how fast a snapshot is sent at most; the default of the product when absent',
    positive,
  )
  .option('--json', 'one object on standard output', false)
  .action(async (options: SnapshotCliOptions) => {
    const report = await benchSnapshot({
      tasks: options.tasks,
      directory: options.dir,
      batchTasks: options.batch,
      inFlight: options.inFlight,
      bytesPerSecond: (options.mibPerSecond ?? 0) * 1024 * 1024,
      progress: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describeSnapshot(report));
  });

program
  .command('delayed')
  .description('what delayed tasks cost, and how late they are while others are carried')
  .option('--tasks <n>', 'tasks that wait all the time', positive, 1_000_000)
  .option('--seconds <n>', 'how long tasks fall due', positive, 60)
  .option('--baseline <n>', 'how long, in seconds, the other tasks are measured alone', positive, 15)
  .option('--far-span <n>', 'tasks leave memory that are due in twice so many seconds and more', positive, 3_600)
  .option('--due-rate <n>', 'tasks that fall due a second', positive, 1_000)
  .option('--rate <n>', 'other tasks a second', positive, 5_000)
  .option('--dir <path>', 'where the data directories go; on a disk that is real', '.')
  .option('--batch <n>', 'tasks in one submission of delayed tasks', positive, 256)
  .option('--in-flight <n>', 'submissions of delayed tasks under way', positive, 16)
  .option('--json', 'one object on standard output', false)
  .action(async (options: DelayedCliOptions) => {
    const report = await benchDelayed({
      tasks: options.tasks,
      seconds: options.seconds,
      baselineSeconds: options.baseline,
      farSpanSeconds: options.farSpan,
      dueRate: options.dueRate,
      rate: options.rate,
      directory: options.dir,
      batchTasks: options.batch,
      inFlight: options.inFlight,
      progress: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describeDelayed(report));
    if (report.neverStarted !== 0 || report.startedAgain !== 0 || report.lateToPlacementMs.early !== 0) {
      process.exitCode = 1;
    }
  });

await program.parseAsync();

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isInteger(value)) throw new InvalidArgumentError('a whole number of 1 and more');
  return value;
}

function describeSnapshot(report: SnapshotReport): string {
  const holds = Object.keys(report.longestHoldMsOf).map(
    (name) =>
      `  ${name.padEnd(9)} ${report.longestHoldMsOf[name]} ms, of it ${report.longestHoldCpuMsOf[name]} ms of CPU`,
  );
  return [
    `tasks              ${report.tasks} on ${report.fileSystem}`,
    `snapshot           ${Math.round(report.snapshotBytes / 1e6)} MB in ${report.transferSeconds} s, ${report.megabytesPerSecond} MB/s`,
    `until up to date   ${report.seconds} s after its start`,
    'longest hold of an event loop (p3 is brought up)',
    ...holds,
    '',
  ].join('\n');
}

function describe(report: LifecycleReport): string {
  const names = Object.keys(report.cpuUsPerTask);
  const rows = names.map((name) =>
    line(name, report.cpuUsPerTask[name], report.longestHoldMsOf[name], report.longestHoldCpuMsOf[name]),
  );
  return [
    `life cycles a second     ${report.lifecyclesPerSecond}`,
    `tasks                    ${report.tasks} in ${report.seconds} s on ${report.fileSystem}`,
    `fdatasync                ${Object.values(report.fdatasyncs).join(' + ')} calls, ${report.tasksPerFdatasync} tasks each`,
    `submit to start, alone   p50 ${report.submitToStartMs.p50} ms, p99 ${report.submitToStartMs.p99} ms`,
    `never started            ${report.neverStarted}`,
    `started again            ${report.startedAgain}`,
    '',
    `  process  CPU µs/task  longest hold ms  of it CPU ms`,
    ...rows,
    line('all', report.cpuUsPerTaskTotal, report.longestHoldMs, report.longestHoldCpuMs),
    '',
  ].join('\n');
}

function line(name: string, cpuUs = 0, holdMs = 0, holdCpuMs = 0): string {
  return `  ${name.padEnd(7)}${[cpuUs, holdMs, holdCpuMs].map((value, at) => String(value).padStart([13, 17, 14][at] ?? 0)).join('')}`;
}
