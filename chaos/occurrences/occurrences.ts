/**
 * Occurrences counted on real processes: schedules of many kinds fire while leaders are killed, paused, cut off, asked to end and
 * have their clocks set, just before, at and just after the instants; and while the schedules are changed, paused, deleted and
 * triggered. Then each instant that a definition names has to have one task or one skip with its reason.
 *
 *     start ──▶ put ──▶ faults, changes, looks ──▶ heal ──▶ give all an end ──▶ all ended, no task left ──▶ read back ──▶ judge
 *
 * In: how long, how many kills, a seed. Out: what was counted, and sentences about what should not be. Everything that is judged
 * is in `occurrences.json`. What is due is computed from what was put by arithmetic of its own (`cycle.ts`).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { below, deriveSeed, SeededRandom } from '../../src/base/random.ts';
import { pause, sharedClockMs, until } from '../clock.ts';
import { ChaosCluster, type Status } from '../cluster.ts';
import { type Distribution, distributionOf } from '../distribution.ts';
import { pick, shuffled } from '../faults/fault.ts';
import { ProxyNetwork } from '../proxy-network.ts';
import { accountForOccurrences, type OccurrenceAccount } from './account.ts';
import {
  AIMED_FAULTS,
  type AimContext,
  type AimedFault,
  downtime,
  LONG_FAULTS,
  settableClock,
} from './aimed-faults.ts';
import type { Collected } from './collected.ts';
import { KINDS, LONG_KIND } from './kinds.ts';
import { LIES } from './lies.ts';
import { LogClock } from './log-clock.ts';
import { TreatedSchedule } from './treatments.ts';
import { readTasks, Watch } from './watch.ts';
import { Workers } from './workers.ts';

/** What a run is made with. */
export interface OccurrencesOptions {
  /** An empty directory for everything that is written. */
  readonly directory: string;
  readonly peers: number;
  readonly seed: number;
  /** How long faults happen at least, in s. */
  readonly seconds: number;
  /** How many leaders are killed at least. */
  readonly kills: number;
  /** Whether all peers are gone once for more than a minute, so that occurrences are missed. */
  readonly downtime: boolean;
  readonly say: (line: string) => void;
}

/** What came of a run. */
export interface OccurrencesReport {
  readonly seed: number;
  readonly peers: number;
  readonly tookSeconds: number;
  /** How often what was done. */
  readonly counts: Readonly<Record<string, number>>;
  /** Terms that began after the first. */
  readonly elections: number;
  readonly account: OccurrenceAccount;
  /** From the planned instant to the call of the handler, by the clock of the host; schedules without jitter that start beside others, downtimes left out. */
  readonly startedLateMs: Distribution;
  /** From the planned instant to the entry that made the task, by log time; the same schedules. */
  readonly firedLateMs: Distribution;
  /** The lies that were told to the account, and how many problems it saw in each; -1 where there was nowhere to tell it. */
  readonly tampered: Readonly<Record<string, number>>;
  /** Sentences; empty when all is well. */
  readonly problems: readonly string[];
}

const WORKERS = 2;
const BETWEEN_MS = 600;
/** Runs of so many seconds have time for all faults. */
const LONG_SECONDS = 60;
/** What one fault takes, about, in ms. */
const FAULT_MS = 3_000;
const PATIENCE_MS = 180_000;
/** Until the end that schedules are given, in ms: long enough for an instant of each a second later, also where one is excluded for ten seconds. */
const END_IN_MS = 15_000;
const LOOK_MS = 500;

/** The parts of a run. */
interface Stage {
  readonly options: OccurrencesOptions;
  readonly cluster: ChaosCluster;
  readonly workers: Workers;
  readonly clock: LogClock;
  readonly watch: Watch;
  readonly schedules: readonly TreatedSchedule[];
  /** Spans in which nobody was there, by the wall clock. */
  readonly downtimes: { readonly fromMs: number; readonly toMs: number }[];
}

/** Makes one run. @throws when the cluster does not come back after a fault, or a worker ends by itself */
export async function runOccurrences(options: OccurrencesOptions): Promise<OccurrencesReport> {
  const { directory, seed, say } = options;
  const beganMs = sharedClockMs();
  mkdirSync(directory, { recursive: true });
  const ids = Array.from({ length: options.peers }, (_, at) => `p${at + 1}`);
  const network = new ProxyNetwork();
  const cluster = new ChaosCluster({ directory, network, ids, environment: {}, arguments: [] });
  const random = new SeededRandom(deriveSeed(seed, 'clocks'));
  for (const id of ids) cluster.set(id, settableClock(random));
  const workers = new Workers(cluster);
  const clock = new LogClock(cluster);
  const isLong = options.seconds >= LONG_SECONDS;
  const kinds = isLong ? [...KINDS, LONG_KIND] : KINDS;
  const watch = new Watch(
    cluster,
    kinds.map((kind) => kind.id),
  );
  const schedules = kinds.map((kind) => new TreatedSchedule(kind, seed, cluster, watch, clock));
  let isOver = false;
  try {
    await cluster.start();
    for (let count = 0; count < WORKERS; count += 1) await workers.add();
    say(`${ids.length} peers and ${WORKERS} workers are up`);
    const stage = { options, cluster, workers, clock, watch, schedules, downtimes: [] };
    const report = await Promise.race([drive(stage, beganMs), workers.broken]);
    isOver = true;
    return report;
  } catch (error) {
    say(cluster.lastWords());
    throw error;
  } finally {
    watch.stop();
    for (const schedule of schedules) schedule.stop();
    if (isOver) await workers.end();
    await cluster.end(isOver ? 'stop' : 'kill');
    if (!isOver) await workers.end();
  }
}

async function drive(stage: Stage, beganMs: number): Promise<OccurrencesReport> {
  const { options, cluster, clock, watch, schedules } = stage;
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const { term } = await cluster.untilLeader();
  await clock.look();
  await Promise.all(schedules.map((schedule) => schedule.put(schedule.kind.whens[0])));
  options.say(`${schedules.length} schedules fire`);
  const looks = watch.run();
  const treatments = Promise.all(schedules.map((schedule) => schedule.run()));
  await Promise.race([happen(stage, count), treatments, looks]);
  options.say('all is healed; giving all schedules an end');
  await cluster.network.heal();
  for (const id of cluster.ids) await cluster.ensureRunning(id);
  await cluster.untilWhole();
  for (const schedule of schedules) schedule.stop();
  await treatments;
  const { term: lastTerm } = await endAll(stage);
  watch.stop();
  await looks;
  const collected = await collect(stage);
  options.say('judging');
  return {
    seed: options.seed,
    peers: options.peers,
    tookSeconds: Math.round((sharedClockMs() - beganMs) / 100) / 10,
    counts: { ...counts, ...treatmentCounts(collected) },
    elections: lastTerm - term,
    ...judge(stage, counts, collected),
  };
}

/** Lets faults happen: so many kills, one of each other kind, and then by lot until the time is up. */
async function happen(
  { options, cluster, workers, clock, downtimes }: Stage,
  count: (what: string) => void,
): Promise<void> {
  const { kills, seconds, seed, say } = options;
  const random = new SeededRandom(deriveSeed(seed, 'faults'));
  const cycles = KINDS.flatMap((kind) => kind.whens.map((when) => when.cycle));
  const noteDowntime = (fromMs: number, toMs: number): void => void downtimes.push({ fromMs, toMs });
  const context: AimContext = { cluster, workers, clock, random, cycles, say, count, noteDowntime };
  const faults = seconds < LONG_SECONDS ? AIMED_FAULTS : [...AIMED_FAULTS, ...LONG_FAULTS];
  const killed = AIMED_FAULTS.filter((fault) => fault.name === 'kill');
  const counted = Array.from({ length: Math.max(0, kills - killed.length) }, () => killed).flat();
  const waiting = shuffled(random, [...faults, ...counted]);
  // In the middle, so that what it leaves behind goes on under other faults.
  if (options.downtime) waiting.splice(Math.floor(waiting.length / 2), 0, downtime);
  const untilMs = sharedClockMs() + seconds * 1_000;
  for (;;) {
    const fault = waiting.shift() ?? (sharedClockMs() < untilMs ? pick(random, faults) : undefined);
    if (fault === undefined) return;
    await runFault(fault, context);
    // Counted faults are spread over the time that there is.
    const spareMs = (untilMs - sharedClockMs()) / (waiting.length + 1) - FAULT_MS;
    await pause(below(random, BETWEEN_MS) + Math.max(0, waiting.length > 0 ? spareMs / 2 : 0));
  }
}

async function runFault(fault: AimedFault, context: AimContext): Promise<void> {
  try {
    await fault.run(context);
    await context.cluster.untilLeader();
  } catch (error) {
    throw new Error(`after "${fault.name}": ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** Gives all schedules an end, and waits until they have come to it with all their tasks. */
async function endAll({ cluster, clock, schedules }: Stage): Promise<Status> {
  await clock.look();
  const endAtMs = Math.floor(clock.nowMs) + END_IN_MS;
  await Promise.all(schedules.map((schedule) => schedule.end(endAtMs)));
  for (const schedule of schedules) {
    await until(`${schedule.kind.id} has ended`, PATIENCE_MS, () => schedule.hasEnded(), LOOK_MS);
  }
  const leader = await cluster.untilWhole();
  // Tasks of a schedule that was deleted count for none of these.
  await until(
    'every task is over',
    PATIENCE_MS,
    async () => {
      const tasks = await readTasks(cluster);
      return tasks.every((task) => task.finishedAtMs !== null);
    },
    LOOK_MS,
  );
  return leader;
}

async function collect({ options, cluster, workers, watch, schedules }: Stage): Promise<Collected> {
  const tasks = await readTasks(cluster);
  await workers.stop();
  const collected: Collected = {
    lives: schedules.flatMap((schedule) => schedule.lives),
    tasks,
    seen: watch.seen,
    runs: workers.runs(),
    triggers: schedules.flatMap((schedule) => schedule.triggers),
    pauses: schedules.flatMap((schedule) => schedule.pauses),
  };
  writeFileSync(path.join(options.directory, 'occurrences.json'), `${JSON.stringify(collected)}\n`);
  return collected;
}

function treatmentCounts({ lives, pauses }: Collected): Readonly<Record<string, number>> {
  return {
    'changes of schedules': lives.reduce((sum, life) => sum + life.versions.length - 1, 0),
    'pauses of schedules': pauses.length,
    'deletions of schedules': lives.filter((life) => life.end.how === 'deleted').length,
  };
}

function judge(
  { options: { kills }, downtimes }: Stage,
  counts: Readonly<Record<string, number>>,
  collected: Collected,
): Pick<OccurrencesReport, 'account' | 'startedLateMs' | 'firedLateMs' | 'tampered' | 'problems'> {
  const account = accountForOccurrences(collected);
  const tampered: Record<string, number> = {};
  for (const lie of LIES) {
    const copy = lie.tell(collected);
    tampered[lie.name] = copy === undefined ? -1 : accountForOccurrences(copy).problems.length;
  }
  const problems = [...account.problems];
  for (const [lie, found] of Object.entries(tampered)) {
    // A cluster that is at fault itself makes every copy be refused.
    if (found <= account.problems.length) problems.push(`${lie} was not refused (${found})`);
  }
  const killed = counts['leaders killed'] ?? 0;
  if (killed < kills) problems.push(`${killed} leaders were killed, and ${kills} were wanted`);
  if (account.planned === 0) problems.push('nothing was planned');
  return { account, tampered, problems, ...lateness(collected, downtimes) };
}

/** How late tasks were that wait for nothing, and that somebody was there to make. */
function lateness(
  { tasks, runs }: Collected,
  downtimes: Stage['downtimes'],
): Pick<OccurrencesReport, 'startedLateMs' | 'firedLateMs'> {
  const free = new Set(KINDS.filter((kind) => kind.overlap === 'allow' && kind.jitterMs === 0).map((kind) => kind.id));
  const planned = tasks.filter(({ kind, schedule, plannedMs }) => {
    const isDown = downtimes.some(({ fromMs, toMs }) => plannedMs >= fromMs && plannedMs <= toMs);
    return kind === 'planned' && free.has(schedule) && !isDown;
  });
  const firstWallMs = new Map<string, number>();
  for (const { task, beganWallMs } of runs) {
    firstWallMs.set(task, Math.min(beganWallMs, firstWallMs.get(task) ?? beganWallMs));
  }
  return {
    firedLateMs: distributionOf(planned.map((task) => task.createdAtMs - task.plannedMs)),
    startedLateMs: distributionOf(
      planned.flatMap(({ id, plannedMs }) => {
        const wallMs = firstWallMs.get(id);
        return wallMs === undefined ? [] : [wallMs - plannedMs];
      }),
    ),
  };
}
