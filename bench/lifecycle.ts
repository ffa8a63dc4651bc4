/**
 * Whole life cycles a second: submitted, durable on a majority, placed, started, completed, counted. Three peers, one client
 * and one worker, each a process of its own, default configuration, every log write synced to the disk.
 */
import { BenchProcess, type BenchCluster, startCluster } from './processes/cluster.ts';
import type { FromProcess, Usage } from './processes/messages.ts';

/** What to run, and for how long. */
export interface LifecycleOptions {
  /** Measured time, after the warm-up. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Where the data directories go. */
  readonly directory: string;
  /** Tasks in one submission, and submissions under way. */
  readonly batchTasks: number;
  readonly inFlight: number;
  readonly slots: number;
  /** Tasks submitted one at a time for the latency at low load. */
  readonly singles: number;
  readonly progress: (line: string) => void;
}

/** What was measured; `docs/BENCHMARKS.md` tells how to read it. */
export interface LifecycleReport {
  readonly lifecyclesPerSecond: number;
  /** Longest hold of an event loop during the measured time, by process, in ms. */
  readonly longestHoldMs: number;
  readonly longestHoldMsOf: Readonly<Record<string, number>>;
  /** Most CPU time used within one hold, by process, in ms: waits for a core taken off. */
  readonly longestHoldCpuMs: number;
  readonly longestHoldCpuMsOf: Readonly<Record<string, number>>;
  /** CPU a task by process, in µs. */
  readonly cpuUsPerTask: Readonly<Record<string, number>>;
  readonly cpuUsPerTaskTotal: number;
  readonly seconds: number;
  readonly tasks: number;
  readonly fileSystem: string;
  /** Calls of fdatasync during the measured time, by peer, and tasks for each of them. */
  readonly fdatasyncs: Readonly<Record<string, number>>;
  readonly tasksPerFdatasync: number;
  /** From the call of `submit` to the start of the handler at low load, in ms. */
  readonly submitToStartMs: { readonly p50: number; readonly p99: number };
  /** From the worker's own record: tasks that were acknowledged and never started, and starts beyond the first. */
  readonly neverStarted: number;
  readonly startedAgain: number;
}

/** Runs the bench. @throws when a process fails */
export async function benchLifecycle(options: LifecycleOptions): Promise<LifecycleReport> {
  options.progress('starting three peers, a client and a worker');
  const cluster = await startCluster(options.directory);
  const worker = new BenchProcess('worker', 'worker', [cluster.urls, String(options.slots)]);
  const client = new BenchProcess('client', 'client', [cluster.urls]);
  try {
    await Promise.all([worker.next('ready'), client.next('ready')]);
    const load = await measureLoad(options, cluster, client, worker);
    options.progress(`measuring ${options.singles} tasks one at a time`);
    const latencies = await measureSingles(options.singles, client, worker);
    return { ...load, submitToStartMs: latencies, fileSystem: cluster.fileSystem };
  } finally {
    await client.stop();
    await worker.stop();
    await cluster.stop();
  }
}

type LoadReport = Omit<LifecycleReport, 'submitToStartMs' | 'fileSystem'>;

async function measureLoad(
  options: LifecycleOptions,
  cluster: BenchCluster,
  client: BenchProcess,
  worker: BenchProcess,
): Promise<LoadReport> {
  const all = [...cluster.peers, client, worker];
  client.send({ type: 'load', batchTasks: options.batchTasks, inFlight: options.inFlight });
  options.progress(`warming up for ${options.warmupSeconds} s`);
  await pause(options.warmupSeconds);
  const before = await usageOf(worker);
  for (const one of all) one.send({ type: 'count' });
  options.progress(`measuring for ${options.seconds} s`);
  await pause(options.seconds);
  const used = new Map<string, FromUsage>();
  for (const one of all) used.set(one.name, await usageOf(one));
  const after = used.get('worker') as FromUsage;
  client.send({ type: 'stopLoad' });
  const { acknowledged } = await client.next('stopped');
  const record = await settled(worker, acknowledged);
  const tasks = after.done - before.done;
  const seconds = (after.atMs - before.atMs) / 1_000;
  const perProcess = [...used].map(([name, { usage }]) => [name, usage] as const);
  const onDisk = perProcess.filter(([, usage]) => usage.syncs > 0);
  return {
    lifecyclesPerSecond: Math.round(tasks / seconds),
    longestHoldMs: round(Math.max(...perProcess.map(([, usage]) => usage.longestHoldMs))),
    longestHoldMsOf: Object.fromEntries(perProcess.map(([name, usage]) => [name, round(usage.longestHoldMs)])),
    longestHoldCpuMs: round(Math.max(...perProcess.map(([, usage]) => usage.longestHoldCpuMs))),
    longestHoldCpuMsOf: Object.fromEntries(perProcess.map(([name, usage]) => [name, round(usage.longestHoldCpuMs)])),
    cpuUsPerTask: Object.fromEntries(perProcess.map(([name, usage]) => [name, round(usage.cpuUs / tasks)])),
    cpuUsPerTaskTotal: round(perProcess.reduce((sum, [, usage]) => sum + usage.cpuUs, 0) / tasks),
    seconds: round(seconds),
    tasks,
    fdatasyncs: Object.fromEntries(onDisk.map(([name, usage]) => [name, usage.syncs])),
    tasksPerFdatasync: Math.round((tasks * onDisk.length) / onDisk.reduce((sum, [, usage]) => sum + usage.syncs, 0)),
    neverStarted: acknowledged - record.distinct,
    startedAgain: record.repeated,
  };
}

interface FromUsage {
  readonly usage: Usage;
  readonly done: number;
  readonly atMs: number;
}

async function usageOf(one: BenchProcess): Promise<FromUsage> {
  const answer = one.next('usage');
  one.send({ type: 'usage' });
  return answer;
}

/** The worker's record once everything acknowledged was started, or nothing more happens for 10 s. */
async function settled(worker: BenchProcess, acknowledged: number): Promise<Extract<FromProcess, { type: 'record' }>> {
  for (let quietSeconds = 0, last = -1; ;) {
    const answer = worker.next('record');
    worker.send({ type: 'record' });
    const record = await answer;
    if (record.distinct >= acknowledged || quietSeconds >= 10) return record;
    quietSeconds = record.distinct === last ? quietSeconds + 0.1 : 0;
    last = record.distinct;
    await pause(0.1);
  }
}

async function measureSingles(
  count: number,
  client: BenchProcess,
  worker: BenchProcess,
): Promise<{ p50: number; p99: number }> {
  const latencies: number[] = [];
  worker.send({ type: 'single' });
  for (let at = 0; at < count; at += 1) {
    const started = worker.next('started');
    const submitted = client.next('submitted');
    client.send({ type: 'single' });
    latencies.push((await started).atMs - (await submitted).atMs);
  }
  latencies.sort((left, right) => left - right);
  const at = (share: number): number => round(latencies[Math.min(count - 1, Math.floor(share * count))] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
