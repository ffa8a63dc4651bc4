/**
 * What it costs to bring up a peer by a snapshot: three peers, each a process of its own on a real disk; one stops, the others get a
 * number of tasks that wait and cut their logs, and the one comes back. Told are the longest holds of the event loops meanwhile.
 */
import { BenchProcess, startCluster } from './processes/cluster.ts';
import type { FromProcess, Usage } from './processes/messages.ts';

/** What to run. */
export interface SnapshotOptions {
  /** Tasks that wait in the state. */
  readonly tasks: number;
  /** Where the data directories go. */
  readonly directory: string;
  readonly batchTasks: number;
  readonly inFlight: number;
  /** Bytes a second at most; 0 for the default. */
  readonly bytesPerSecond: number;
  readonly progress: (line: string) => void;
}

/** What was measured. */
export interface SnapshotReport {
  readonly tasks: number;
  readonly snapshotBytes: number;
  /** From the first page to the last. */
  readonly transferSeconds: number;
  readonly megabytesPerSecond: number;
  /** From the start of the process until it had applied all that the others had by then. */
  readonly seconds: number;
  /** From the first page on, by process; `p3` is the receiver. In ms. */
  readonly longestHoldMsOf: Readonly<Record<string, number>>;
  /** The same without waits for a core. */
  readonly longestHoldCpuMsOf: Readonly<Record<string, number>>;
  readonly fileSystem: string;
}

type Progress = Extract<FromProcess, { type: 'progress' }>;

const RECEIVER = 2;
const LOOK_MS = 20;
/** A peer that is not up to date after so long never will be. */
const GIVE_UP_MS = 600_000;

/** Runs the bench. @throws when a process fails, or the peer does not catch up */
export async function benchSnapshot(options: SnapshotOptions): Promise<SnapshotReport> {
  const limits = { logTailBytes: 0, logTailMs: 0, logHoldBytes: 0 };
  const rate = options.bytesPerSecond === 0 ? {} : { snapshotBytesPerSecond: options.bytesPerSecond };
  options.progress('starting three peers, and stopping one');
  const cluster = await startCluster(options.directory, { ...limits, ...rate });
  const client = new BenchProcess('client', 'client', [cluster.urls]);
  try {
    await client.next('ready');
    await pause(2_000);
    await cluster.peers[RECEIVER]?.stop();
    await fill(options, client);
    await untilCut(cluster.peers[0] as BenchProcess);
    return { ...(await bringUp(options, cluster)), tasks: options.tasks, fileSystem: cluster.fileSystem };
  } finally {
    await client.stop();
    await cluster.stop();
  }
}

async function fill(options: SnapshotOptions, client: BenchProcess): Promise<void> {
  options.progress(`submitting ${options.tasks} tasks`);
  client.send({ type: 'load', batchTasks: options.batchTasks, inFlight: options.inFlight });
  for (let done = 0; done < options.tasks;) {
    await pause(LOOK_MS);
    const answer = client.next('usage');
    client.send({ type: 'usage' });
    ({ done } = await answer);
  }
  client.send({ type: 'stopLoad' });
  await client.next('stopped');
}

/** Waits until the log begins behind what the stopped peer has. */
async function untilCut(peer: BenchProcess): Promise<void> {
  for (;;) {
    const { firstIndex, checkpointIndex, appliedIndex } = await progressOf(peer);
    if (firstIndex > 100 && checkpointIndex > appliedIndex - 100) return;
    await pause(LOOK_MS);
  }
}

async function bringUp(
  options: SnapshotOptions,
  cluster: Awaited<ReturnType<typeof startCluster>>,
): Promise<Omit<SnapshotReport, 'tasks' | 'fileSystem'>> {
  options.progress('starting it again');
  const beginMs = performance.now();
  const receiver = await cluster.restart(RECEIVER);
  const all = cluster.peers;
  const goal = (await progressOf(cluster.peers[0] as BenchProcess)).appliedIndex;
  let first: Progress | undefined;
  let last: Progress | undefined;
  for (;;) {
    const now = await progressOf(receiver);
    if (now.phase === 'fetching') {
      // From here on: how a process starts is another matter.
      if (first === undefined) for (const peer of all) peer.send({ type: 'count' });
      first ??= now;
      last = now;
    }
    if (now.appliedIndex >= goal) break;
    if (performance.now() - beginMs > GIVE_UP_MS) throw new Error('the peer does not catch up');
    await pause(LOOK_MS);
  }
  const seconds = (performance.now() - beginMs) / 1_000;
  if (first === undefined || last === undefined) throw new Error('the peer caught up without a snapshot');
  const usages = new Map<string, Usage>();
  for (const peer of all) usages.set(peer.name, await usageOf(peer));
  const transferSeconds = (last.atMs - first.atMs) / 1_000;
  const snapshotBytes = last.snapshotBytes;
  return {
    snapshotBytes,
    transferSeconds: round(transferSeconds),
    megabytesPerSecond: round((snapshotBytes - first.snapshotBytes) / 1e6 / Math.max(0.001, transferSeconds)),
    seconds: round(seconds),
    longestHoldMsOf: Object.fromEntries([...usages].map(([name, usage]) => [name, round(usage.longestHoldMs)])),
    longestHoldCpuMsOf: Object.fromEntries([...usages].map(([name, usage]) => [name, round(usage.longestHoldCpuMs)])),
  };
}

async function progressOf(peer: BenchProcess): Promise<Progress> {
  const answer = peer.next('progress');
  peer.send({ type: 'progress' });
  return answer;
}

async function usageOf(peer: BenchProcess): Promise<Usage> {
  const answer = peer.next('usage');
  peer.send({ type: 'usage' });
  return (await answer).usage;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
