/**
 * One run: a cluster and its load are started, faults happen, all is healed, and it is judged by what was written down.
 *
 *     start ──▶ load ──▶ faults ──▶ heal ──▶ stop the clients ──▶ all tasks over ──▶ stop the workers ──▶ read back ──▶ judge
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Operator } from '../src/client/operator.ts';
import { type Account, accountFor, type ReadBackTask } from './accounting.ts';
import { sharedClockMs, until } from './clock.ts';
import { ChaosCluster, type Status } from './cluster.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import type { Fault } from './faults/fault.ts';
import { mountDisk, unmountDisks } from './faults/full-disk.ts';
import { checkHistory, type HistoryVerdict, historyLines } from './history.ts';
import { Load } from './load.ts';
import type { CallRecord, LoadRecord } from './load/recorder.ts';
import type { Network } from './network.ts';
import { runPlan } from './schedule.ts';
import { TAMPERINGS, tampered } from './tamper.ts';

/** What a run is made with. */
export interface RunOptions {
  /** An empty directory for everything that is written. */
  readonly directory: string;
  readonly network: Network;
  readonly peers: number;
  readonly seed: number;
  /** Faults that happen so often. */
  readonly counts: ReadonlyMap<Fault, number>;
  /** Faults that are drawn until the time is up. */
  readonly drawn: readonly Fault[];
  /** How long faults are drawn, in s. */
  readonly seconds: number;
  /** Operations of clients that there are to be at least. */
  readonly operations: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly arguments: readonly string[];
  readonly say: (line: string) => void;
}

/** What came of a run. */
export interface RunReport {
  readonly seed: number;
  readonly peers: number;
  readonly tookSeconds: number;
  /** How often what was done. */
  readonly counts: Readonly<Record<string, number>>;
  /** Faults that could not happen here, with the reason. */
  readonly skipped: Readonly<Record<string, string>>;
  readonly operations: number;
  readonly completions: number;
  readonly account: Account;
  readonly history: HistoryVerdict;
  /** The lies that were told to the checker, and what it said of each. */
  readonly tampered: Readonly<Record<string, string>>;
  readonly digests: DigestVerdict;
  /** From the end of a leader to the next start of an attempt, while no link was spoiled. */
  readonly killMs: Distribution;
  readonly stopMs: Distribution;
  /** Sentences; empty when all is well. */
  readonly problems: readonly string[];
}

/** The digests of all peers at the newest mark that all of them have. */
export interface DigestVerdict {
  readonly index: number;
  readonly peers: number;
  readonly equal: boolean;
}

const CLIENTS = 8;
const CLIENTS_TOGETHER = 4;
const WORKERS = 2;
const SLOTS = 32;
const PACE_MS = 8;
/** How long what is left may take to come to an end, in ms. */
const SETTLE_MS = 120_000;
/** Between two lines about how far it is, in ms. */
const PROGRESS_MS = 5_000;
/** Between two faults, at most, in ms. */
const BETWEEN_MS = 600;
const PAGE = 1_000;

/** Makes one run. @throws when the cluster does not come back after a fault, or a process of the load breaks */
export async function runChaos(options: RunOptions): Promise<RunReport> {
  const began = sharedClockMs();
  const { directory, network, seed, say } = options;
  mkdirSync(directory, { recursive: true });
  const ids = Array.from({ length: options.peers }, (_, at) => `p${at + 1}`);
  const { environment, arguments: more } = options;
  const cluster = new ChaosCluster({ directory, network, ids, environment, arguments: more });
  let load: Load | undefined;
  let isOver = false;
  try {
    mountDisk(cluster, ids.at(-1) ?? '');
    await cluster.start();
    say(`${ids.length} peers are up, started in ${Math.round(sharedClockMs() - began)} ms`);
    const token = environment['TASKRAFT_CLIENT_TOKEN'];
    const clients = { clients: CLIENTS, clientsTogether: CLIENTS_TOGETHER, paceMs: PACE_MS };
    load = new Load(cluster, { kind: 'mixed', seed, token, ...clients, workers: WORKERS, slots: SLOTS });
    await load.ready();
    say(`${CLIENTS} clients and ${WORKERS} workers are up`);
    const report = await Promise.race([drive(options, cluster, load, began), load.broken]);
    isOver = true;
    return report;
  } catch (error) {
    say(cluster.lastWords());
    throw error;
  } finally {
    if (isOver) await load?.end();
    await cluster.end(isOver ? 'stop' : 'kill');
    if (!isOver) await load?.end();
    unmountDisks(cluster);
  }
}

async function drive(options: RunOptions, cluster: ChaosCluster, load: Load, beganMs: number): Promise<RunReport> {
  const { say } = options;
  const counts: Record<string, number> = {};
  const times: { readonly kill: number[]; readonly stop: number[] } = { kill: [], stop: [] };
  const { possible, skipped } = sortOut(options, cluster);
  const timer = setInterval(() => {
    say(`${load.operations} operations, ${load.completions} completions`);
  }, PROGRESS_MS);
  const faultsBeganMs = sharedClockMs();
  try {
    await runPlan(
      {
        counts: possible,
        drawn: options.drawn.filter((fault) => skipped[fault.name] === undefined),
        untilMs: faultsBeganMs + options.seconds * 1_000,
        nowMs: sharedClockMs,
        seed: options.seed,
        betweenMs: BETWEEN_MS,
      },
      {
        cluster,
        say,
        startAfter: (term) => load.startAfter(term),
        noteFailover: (how, ms) => {
          times[how].push(ms);
          say(`  ${Math.round(ms)} ms until the next task was placed`);
        },
        count: (what) => {
          counts[what] = (counts[what] ?? 0) + 1;
        },
      },
    );
    await until('there were enough operations', SETTLE_MS, () => load.operations >= options.operations);
    await cluster.network.heal();
    for (const id of cluster.ids) await cluster.ensureRunning(id);
    await cluster.untilWhole();
  } finally {
    clearInterval(timer);
  }
  say('all is healed; waiting until every task is over');
  await load.stopClients();
  const tasks = await settle(cluster);
  await load.stopWorkers();
  const digests = await compareDigests(cluster, tasks);
  say('judging');
  const verdict = judge(options.directory, load.records(), tasks);
  const report = {
    seed: options.seed,
    peers: options.peers,
    tookSeconds: Math.round((sharedClockMs() - beganMs) / 100) / 10,
    counts,
    skipped,
    operations: load.operations,
    completions: load.completions,
    ...verdict,
    digests,
    killMs: distributionOf(times.kill),
    stopMs: distributionOf(times.stop),
  };
  return { ...report, problems: problemsOf(report, options.operations) };
}

function sortOut(
  options: RunOptions,
  cluster: ChaosCluster,
): { readonly possible: Map<Fault, number>; readonly skipped: Record<string, string> } {
  const skipped: Record<string, string> = {};
  for (const fault of [...options.counts.keys(), ...options.drawn]) {
    const reason = fault.unavailable(cluster);
    if (reason === undefined) continue;
    skipped[fault.name] = reason;
    options.say(`no "${fault.name}" here: ${reason}`);
  }
  return { possible: new Map([...options.counts].filter(([fault]) => skipped[fault.name] === undefined)), skipped };
}

/** Waits until every task is over; gives all tasks. */
async function settle(cluster: ChaosCluster): Promise<readonly ReadBackTask[]> {
  const client = await cluster.client();
  const operator = new Operator(client);
  await until('every task is over', SETTLE_MS, async () => {
    const rows = await operator.queues();
    return rows.every((row) => row[1].slice(0, 5).every((count) => count === 0));
  });
  const tasks: ReadBackTask[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    tasks.push(...page.tasks.map(({ id, state, fencingToken }) => ({ id, state, fencingToken })));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}

/** Waits until all peers have one mark behind everything, and compares what they say of it. */
async function compareDigests(cluster: ChaosCluster, tasks: readonly ReadBackTask[]): Promise<DigestVerdict> {
  const endIndex = Math.max(...(await cluster.statuses()).map((status) => status.commitIndex));
  const client = await cluster.client();
  // To cancel what is over changes nothing, but is an entry, behind which all peers make a mark.
  if (tasks[0] !== undefined) await client.handle(tasks[0].id).cancel();
  let verdict: DigestVerdict = { index: 0, peers: 0, equal: false };
  await until('all peers have one mark behind everything', SETTLE_MS, async () => {
    const statuses = (await cluster.statuses()).filter(({ peer }) => cluster.members.has(peer));
    verdict = digestsAtOneMark(statuses, endIndex);
    return verdict.peers === cluster.members.size;
  });
  return verdict;
}

function digestsAtOneMark(statuses: readonly Status[], endIndex: number): DigestVerdict {
  const [first] = statuses;
  const indices = (first?.marks ?? []).map(([index]) => index).filter((index) => index >= endIndex);
  const none: DigestVerdict = { index: 0, peers: 0, equal: false };
  return indices.reduce((best, index) => {
    const digests = statuses.flatMap(({ marks }) => marks.filter((mark) => mark[0] === index).map((mark) => mark[1]));
    const equal = digests.every((digest) => digest === digests[0]);
    return digests.length >= best.peers ? { index, peers: digests.length, equal } : best;
  }, none);
}

function judge(
  directory: string,
  records: readonly LoadRecord[],
  tasks: readonly ReadBackTask[],
): Pick<RunReport, 'account' | 'history' | 'tampered'> {
  const calls = records.filter((record): record is CallRecord => record.record === 'call');
  const lines = historyLines(calls);
  writeFileSync(path.join(directory, 'history.jsonl'), `${lines.join('\n')}\n`);
  const lies: Record<string, string> = {};
  for (const tampering of TAMPERINGS) {
    const copy = tampered(lines, tampering);
    lies[tampering.name] = copy === undefined ? 'nowhere to tell it' : checkHistory(copy).verdict;
  }
  return { account: accountFor(records, tasks), history: checkHistory(lines), tampered: lies };
}

function problemsOf(report: Omit<RunReport, 'problems'>, operationsMin: number): readonly string[] {
  const { account, history, digests, operations } = report;
  const problems: string[] = [];
  const list = (what: string, items: readonly string[]): void => {
    if (items.length > 0) problems.push(`${items.length} ${what}: ${items.slice(0, 5).join('; ')}`);
  };
  if (account.acknowledged === 0) problems.push('nothing was acknowledged');
  if (operations < operationsMin) problems.push(`${operations} operations, and ${operationsMin} were wanted`);
  list('acknowledged tasks are lost', account.lost);
  list('acknowledged tasks are not over', account.unfinished);
  list('tasks were completed twice', account.doubled);
  list('outcomes contradict what workers saw', account.contradicted);
  list('fencing tokens were given twice', account.tokensTwice);
  if (history.verdict !== 'linearizable') problems.push(`the history is ${history.verdict}: look at ${history.key}`);
  for (const [lie, verdict] of Object.entries(report.tampered)) {
    if (verdict !== 'not-linearizable') problems.push(`a history with ${lie} was not refused: ${verdict}`);
  }
  if (!digests.equal) problems.push(`the digests at entry ${digests.index} differ`);
  return problems;
}
