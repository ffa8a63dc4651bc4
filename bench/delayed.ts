/**
 * What delayed tasks cost, and how late they are: a large number of them wait on the disks, due far beyond the run; then many fall
 * due each second while the cluster carries other tasks. Three peers, one client and one worker, each a process of its own, default
 * configuration, every log write synced to the disk.
 */
import { cpuUsOver, type Lateness, latenessOf } from './lateness.ts';
import { BenchProcess, type BenchCluster, startCluster } from './processes/cluster.ts';
import type { FromProcess, Usage } from './processes/messages.ts';

/** What to run, and for how long. */
export interface DelayedOptions {
  /** Tasks that wait all the time. */
  readonly tasks: number;
  /** How long tasks fall due. */
  readonly seconds: number;
  /** How long the other tasks are alone before that. */
  readonly baselineSeconds: number;
  /** Tasks leave memory that are due in twice so many seconds and more; with a few, those that fall due meanwhile do too. */
  readonly farSpanSeconds: number;
  /** Tasks that fall due, and other tasks that are submitted, a second. */
  readonly dueRate: number;
  readonly rate: number;
  /** Where the data directories go. */
  readonly directory: string;
  readonly batchTasks: number;
  readonly inFlight: number;
  readonly progress: (line: string) => void;
}

/** Figures by process. */
type ByProcess = Readonly<Record<string, number>>;

/** What was measured; `docs/BENCHMARKS.md` tells how to read it. */
export interface DelayedReport {
  readonly tasks: number;
  readonly fileSystem: string;
  readonly insertion: {
    readonly tasksPerSecond: number;
    /** Over what the same processes take while nothing is submitted. */
    readonly cpuUsPerTask: ByProcess;
    readonly cpuUsPerTaskTotal: number;
    readonly longestHoldMsOf: ByProcess;
    readonly longestHoldCpuMsOf: ByProcess;
  };
  readonly memory: {
    /** What the operating system counts, in MiB, before and after the tasks. */
    readonly residentMiBBefore: ByProcess;
    readonly residentMiBAfter: ByProcess;
    /** What a task added to the heap and to the buffers outside it, in bytes. */
    readonly bytesPerTask: ByProcess;
  };
  readonly firing: {
    readonly duePerSecond: number;
    readonly othersPerSecond: number;
    /** CPU a second of all processes with the other tasks alone, and while tasks fell due, in ms. */
    readonly cpuMsPerSecondBefore: number;
    readonly cpuMsPerSecond: number;
    /** From these two: what a task that falls due takes until it is completed, in µs. */
    readonly cpuUsPerDueTask: number;
    /** Forced writes a second of each peer while tasks fell due. */
    readonly fdatasyncsPerSecond: ByProcess;
    /** Changes of leader while tasks fell due: with one of these, lateness is that of an election. */
    readonly termChanges: number;
    readonly longestHoldMsOf: ByProcess;
    readonly longestHoldCpuMsOf: ByProcess;
  };
  /** From its instant to its placement, by log time, in ms. */
  readonly lateToPlacementMs: Lateness;
  /** From its instant to the start of its handler, by the wall clock, in ms. */
  readonly lateToStartMs: Lateness;
  /** A peer that is stopped and started with all these tasks in its checkpoint. */
  readonly restart: { readonly seconds: number; readonly longestHoldMs: number; readonly longestHoldCpuMs: number };
  /** From the worker's own record, of the tasks that were due. */
  readonly neverStarted: number;
  readonly startedAgain: number;
}

const HOUR_MS = 3_600_000;
/** Far enough that nothing of it falls due during a run. */
const FAR_FROM_HOURS = 2;
const FAR_UNTIL_HOURS = 26;
/** For checkpoints, compaction and garbage of what came before. */
const SETTLE_SECONDS = 3;
/** No slower than this, tasks that will fall due are submitted: a second. */
const SUBMITTED_PER_SECOND = 5_000;
const MIB = 1024 * 1024;
const SLOTS = 4_000;
const RESTARTED = 2;

/** What runs, and how. */
interface Bench {
  readonly options: DelayedOptions;
  readonly cluster: BenchCluster;
  readonly client: BenchProcess;
  readonly worker: BenchProcess;
  readonly all: readonly BenchProcess[];
}

/** Runs the bench. @throws when a process fails */
export async function benchDelayed(options: DelayedOptions): Promise<DelayedReport> {
  options.progress('starting three peers, a client and a worker');
  const cluster = await startCluster(options.directory, {}, { farSpanMs: 1_000 * options.farSpanSeconds });
  const worker = new BenchProcess('worker', 'worker', [cluster.urls, String(SLOTS)]);
  const client = new BenchProcess('client', 'client', [cluster.urls]);
  const bench: Bench = { options, cluster, client, worker, all: [...cluster.peers, client, worker] };
  try {
    await Promise.all([worker.next('ready'), client.next('ready')]);
    const load = await measureInsertion(bench);
    const { firing, ...late } = await measureFiring(bench);
    const restart = await measureRestart(bench);
    return { tasks: options.tasks, fileSystem: cluster.fileSystem, ...load, firing, ...late, restart };
  } finally {
    await client.stop();
    await worker.stop();
    await cluster.stop();
  }
}

async function measureInsertion(bench: Bench): Promise<Pick<DelayedReport, 'insertion' | 'memory'>> {
  const { options, cluster } = bench;
  await pause(SETTLE_SECONDS);
  const before = await memoryOf(cluster.peers);
  const idle = await measured(bench, SETTLE_SECONDS);
  options.progress(`submitting ${options.tasks} tasks that are due in hours`);
  for (const one of bench.all) one.send({ type: 'count' });
  const beganMs = performance.now();
  const nowMs = Date.now();
  await delay(bench, options.tasks, nowMs + FAR_FROM_HOURS * HOUR_MS, nowMs + FAR_UNTIL_HOURS * HOUR_MS, false);
  const seconds = (performance.now() - beganMs) / 1_000;
  const used = await usagesOf(bench.all);
  await pause(SETTLE_SECONDS);
  const after = await memoryOf(cluster.peers);
  const { tasks } = options;
  const over = (idleUs: number, cpuUs: number): number =>
    cpuUsOver({ cpuUs: idleUs, seconds: idle.seconds }, { cpuUs, seconds }, tasks);
  return {
    insertion: {
      tasksPerSecond: Math.round(tasks / seconds),
      cpuUsPerTask: mapped(used, (usage, name) => over(idle.used.get(name)?.cpuUs ?? 0, usage.cpuUs)),
      cpuUsPerTaskTotal: round(over(cpuUsOf(idle.used), cpuUsOf(used))),
      ...holdsOf(used),
    },
    memory: {
      residentMiBBefore: mapped(before, (memory) => memory.residentBytes / MIB),
      residentMiBAfter: mapped(after, (memory) => memory.residentBytes / MIB),
      bytesPerTask: mapped(after, (memory, name) => (memory.usedBytes - (before.get(name)?.usedBytes ?? 0)) / tasks),
    },
  };
}

type FiringReport = Pick<
  DelayedReport,
  'firing' | 'lateToPlacementMs' | 'lateToStartMs' | 'neverStarted' | 'startedAgain'
>;

async function measureFiring(bench: Bench): Promise<FiringReport> {
  const { options, client, worker } = bench;
  const due = options.dueRate * options.seconds;
  const leadSeconds = due / SUBMITTED_PER_SECOND + 2 * SETTLE_SECONDS + options.baselineSeconds;
  const fromMs = Date.now() + leadSeconds * 1_000;
  options.progress(`submitting ${due} tasks that are due in ${Math.round(leadSeconds)} s and later`);
  await delay(bench, due, fromMs, fromMs + options.seconds * 1_000, true);
  client.send({ type: 'pace', perSecond: options.rate });
  await pause(Math.max(SETTLE_SECONDS, (fromMs - Date.now()) / 1_000 - options.baselineSeconds));
  options.progress('measuring other tasks alone');
  const alone = await measured(bench, (fromMs - Date.now()) / 1_000);
  options.progress(`measuring ${options.seconds} s with ${options.dueRate} tasks a second that fall due`);
  const [first] = bench.cluster.peers as readonly [BenchProcess];
  const { term } = await answered(first, 'progress');
  const firing = await measured(bench, options.seconds);
  const termChanges = (await answered(first, 'progress')).term - term;
  client.send({ type: 'stopLoad' });
  const { acknowledged } = await client.next('stopped');
  await pause(SETTLE_SECONDS);
  const record = await answered(worker, 'record');
  options.progress('asking when they were placed');
  const toPlacement = latenessOf((await answered(client, 'lateness')).lateMs);
  const toStart = latenessOf((await answered(worker, 'lateness')).lateMs);
  return {
    firing: {
      duePerSecond: Math.round(due / firing.seconds),
      othersPerSecond: Math.round((firing.done - due) / firing.seconds),
      cpuMsPerSecondBefore: round(cpuUsOf(alone.used) / alone.seconds / 1_000),
      cpuMsPerSecond: round(cpuUsOf(firing.used) / firing.seconds / 1_000),
      cpuUsPerDueTask: round(
        cpuUsOver(
          { cpuUs: cpuUsOf(alone.used), seconds: alone.seconds },
          { cpuUs: cpuUsOf(firing.used), seconds: firing.seconds },
          due,
        ),
      ),
      fdatasyncsPerSecond: mapped(firing.used, (usage) => usage.syncs / firing.seconds),
      termChanges,
      ...holdsOf(firing.used),
    },
    lateToPlacementMs: toPlacement,
    lateToStartMs: toStart,
    neverStarted: acknowledged - record.distinct,
    startedAgain: record.repeated,
  };
}

/** Stops a peer and starts it; over when it has applied what another one had when it came back. */
async function measureRestart({ options, cluster }: Bench): Promise<DelayedReport['restart']> {
  options.progress('starting a peer anew');
  await (cluster.peers[RESTARTED] as BenchProcess).stop();
  const beganMs = performance.now();
  const peer = await cluster.restart(RESTARTED);
  const goal = (await answered(cluster.peers[0] as BenchProcess, 'progress')).appliedIndex;
  while ((await answered(peer, 'progress')).appliedIndex < goal) await pause(0.02);
  const seconds = round((performance.now() - beganMs) / 1_000);
  const { usage } = await answered(peer, 'usage');
  return { seconds, longestHoldMs: round(usage.longestHoldMs), longestHoldCpuMs: round(usage.longestHoldCpuMs) };
}

async function delay(
  { options, client }: Bench,
  tasks: number,
  fromMs: number,
  untilMs: number,
  remember: boolean,
): Promise<void> {
  const { batchTasks, inFlight } = options;
  const done = client.next('delayed');
  client.send({ type: 'delay', tasks, fromMs, untilMs, batchTasks, inFlight, remember });
  await done;
}

/** What every process used, and the starts of the worker, within `seconds` from now. */
async function measured(
  { all, worker }: Bench,
  seconds: number,
): Promise<{ readonly used: Map<string, Usage>; readonly seconds: number; readonly done: number }> {
  const before = await answered(worker, 'usage');
  for (const one of all) one.send({ type: 'count' });
  await pause(seconds);
  const after = await answered(worker, 'usage');
  const used = await usagesOf(all);
  return { used, seconds: (after.atMs - before.atMs) / 1_000, done: after.done - before.done };
}

type Question = 'usage' | 'record' | 'memory' | 'lateness' | 'progress';

async function answered<Type extends Question>(
  one: BenchProcess,
  type: Type,
): Promise<Extract<FromProcess, { type: Type }>> {
  const answer = one.next(type);
  one.send({ type });
  return answer;
}

async function usagesOf(all: readonly BenchProcess[]): Promise<Map<string, Usage>> {
  const used = new Map<string, Usage>();
  for (const one of all) used.set(one.name, (await answered(one, 'usage')).usage);
  return used;
}

async function memoryOf(
  peers: readonly BenchProcess[],
): Promise<Map<string, Extract<FromProcess, { type: 'memory' }>>> {
  const memory = new Map<string, Extract<FromProcess, { type: 'memory' }>>();
  for (const peer of peers) memory.set(peer.name, await answered(peer, 'memory'));
  return memory;
}

function cpuUsOf(used: ReadonlyMap<string, Usage>): number {
  return [...used.values()].reduce((sum, usage) => sum + usage.cpuUs, 0);
}

function holdsOf(used: ReadonlyMap<string, Usage>): { longestHoldMsOf: ByProcess; longestHoldCpuMsOf: ByProcess } {
  return {
    longestHoldMsOf: mapped(used, (usage) => usage.longestHoldMs),
    longestHoldCpuMsOf: mapped(used, (usage) => usage.longestHoldCpuMs),
  };
}

function mapped<Item>(items: ReadonlyMap<string, Item>, figure: (item: Item, name: string) => number): ByProcess {
  return Object.fromEntries([...items].map(([name, item]) => [name, round(figure(item, name))]));
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, seconds) * 1_000));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
