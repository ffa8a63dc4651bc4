/**
 * Every instant that a definition names has one task or one skip with its reason, recomputed from what was put and compared with
 * what was collected. Pure, so that it can be tried, and so that copies with a lie in them can be put before it.
 *
 * A change begins behind what the version before has settled. Where that was is not told: it is taken to be as late as what was
 * collected allows, which never blames a cluster that keeps its promise.
 */
import type { Collected, DeclaredVersion, Life, MadeTask, SeenOccurrence } from './collected.ts';
import { instantsOf, nextInstant } from './cycle.ts';
import { concurrencyProblems, groupBy, pauseProblems, reasonProblems, triggerProblems } from './rules.ts';

/** What was counted. The list names what should not be, and is empty when all is well. */
export interface OccurrenceAccount {
  readonly schedules: number;
  readonly versions: number;
  /** Instants that the definitions name. */
  readonly planned: number;
  /** Of these, those with exactly one task. */
  readonly withTask: number;
  /** Those with exactly one skip, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Of these, those that only the counters of the cluster tell of: they went by between two looks. */
  readonly skippedUnseen: number;
  readonly triggered: number;
  readonly runs: number;
  readonly problems: readonly string[];
}

/** An instant that a version names. */
interface Instant {
  readonly version: number;
  readonly plannedMs: number;
}

interface LifeAccount {
  readonly planned: number;
  readonly withTask: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly unseen: number;
  readonly problems: readonly string[];
}

/** What was seen of one life. */
interface Evidence {
  readonly tasks: readonly MadeTask[];
  readonly skips: readonly SeenOccurrence[];
}

/** Counts. */
export function accountForOccurrences(collected: Collected): OccurrenceAccount {
  const { lives, tasks, seen } = collected;
  const accounts = lives.map((life) => {
    const nextMs = Math.min(
      ...lives
        .filter((one) => one.schedule === life.schedule && one.createdAtMs > life.createdAtMs)
        .map((one) => one.createdAtMs),
    );
    const evidence: Evidence = {
      tasks: tasks.filter(
        (one) =>
          one.kind === 'planned' &&
          one.schedule === life.schedule &&
          one.plannedMs > life.createdAtMs &&
          one.plannedMs <= nextMs,
      ),
      skips: seen.filter(
        (one) =>
          one.kind === 'planned' &&
          one.schedule === life.schedule &&
          one.createdAtMs === life.createdAtMs &&
          one.skipped !== null,
      ),
    };
    return accountForLife(life, evidence);
  });
  const sum = (of: (account: LifeAccount) => number): number => accounts.reduce((total, one) => total + of(one), 0);
  return {
    schedules: lives.length,
    versions: lives.reduce((total, life) => total + life.versions.length, 0),
    planned: sum((one) => one.planned),
    withTask: sum((one) => one.withTask),
    skipped: total(accounts.map((one) => one.skipped)),
    skippedUnseen: sum((one) => one.unseen),
    triggered: tasks.filter((one) => one.kind === 'trigger').length,
    runs: collected.runs.length,
    problems: [
      ...accounts.flatMap((one) => one.problems),
      ...strangers(collected),
      ...reasonProblems(collected),
      ...pauseProblems(collected),
      ...concurrencyProblems(collected),
      ...triggerProblems(collected),
    ],
  };
}

function accountForLife(life: Life, { tasks, skips }: Evidence): LifeAccount {
  const problems: string[] = [];
  const say = (what: string, { version, plannedMs }: Instant): void => {
    problems.push(`${life.schedule} version ${version} at ${new Date(plannedMs).toISOString()}: ${what}`);
  };
  const tasksOf = groupBy(tasks, keyOf);
  const skipOf = new Map(skips.map((one) => [keyOf(one), one]));
  const due = dueOf(life, [...tasks, ...skips], say);
  const isDue = new Set(due.map(keyOf));
  const neither: Instant[] = [];
  let withTask = 0;
  for (const instant of due) {
    const made = tasksOf.get(keyOf(instant)) ?? [];
    const isSkipped = skipOf.has(keyOf(instant));
    if (made.length > 1) say(`${made.length} tasks: ${made.map(({ id }) => id).join(', ')}`, instant);
    else if (made.length === 1 && isSkipped) say('a task and a skip', instant);
    else if (made.length === 1) withTask += 1;
    else if (!isSkipped) neither.push(instant);
  }
  const lastMs = life.end.how === 'deleted' ? life.end.settledThroughMs : Number.POSITIVE_INFINITY;
  for (const one of [...tasks, ...skips]) {
    if (isDue.has(keyOf(one)) || isAllowedAtItsEnd(life, one, lastMs)) continue;
    say('the definition names no such instant, or it was another version that had it', one);
  }
  const { end } = life;
  const told = end.how === 'ended' ? sumOf(end.skipped) : skips.length;
  // What went by between two looks is in the counters of the cluster, and there as often as something is missing here.
  if (neither.length !== told - skips.length) {
    for (const instant of neither.slice(0, 3)) say('neither a task nor a skip', instant);
    problems.push(
      `${life.schedule}: ${due.length} instants, ${withTask} with a task, ${skips.length} skips seen, and the cluster counts ${told}`,
    );
  }
  if (end.how === 'ended' && end.fired !== tasks.length)
    problems.push(`${life.schedule}: the cluster counts ${end.fired} tasks by plan, and there are ${tasks.length}`);
  const skipped = end.how === 'ended' ? end.skipped : countBy(skips.map((one) => one.skipped ?? ''));
  return { planned: due.length, withTask, skipped, unseen: told - skips.length, problems };
}

/** The instants that have to be settled, by the version that has to have settled them. */
function dueOf(
  life: Life,
  settled: readonly Instant[],
  say: (what: string, instant: Instant) => void,
): readonly Instant[] {
  const due: Instant[] = [];
  let fromMs = life.createdAtMs;
  for (const [at, declared] of life.versions.entries()) {
    const { version, cycle, endAtMs } = declared;
    const throughMs = throughOf(life, at, fromMs, settled);
    if (throughMs < fromMs) say('it settled what the next version has', { version, plannedMs: throughMs });
    const instants = instantsOf(cycle, fromMs, Math.min(throughMs, endAtMs ?? Number.POSITIVE_INFINITY));
    due.push(...instants.map((plannedMs) => ({ version, plannedMs })));
    fromMs = Math.max(fromMs, throughMs);
  }
  return life.maxRuns === 0 ? due : due.slice(0, life.maxRuns);
}

/** Up to where a version has to have settled: as late as may be. */
function throughOf(life: Life, at: number, fromMs: number, settled: readonly Instant[]): number {
  const { version, cycle, endAtMs } = life.versions[at] as DeclaredVersion;
  const next = life.versions[at + 1];
  if (next === undefined) {
    if (life.end.how === 'deleted') return life.end.settledThroughMs;
    const ownMs = settled.filter((one) => one.version === version).map((one) => one.plannedMs);
    // Without an end in its definition it ends by the number of its runs.
    return endAtMs ?? Math.max(fromMs, ...ownMs);
  }
  const lastMs = Math.max(fromMs, ...settled.filter((one) => one.version === version).map((one) => one.plannedMs));
  const laterMs = Math.min(...settled.filter((one) => one.version > version).map((one) => one.plannedMs));
  const throughMs = Math.min(nextInstant(cycle, lastMs) - 1, next.changedAtMs, laterMs - 1);
  return throughMs < lastMs ? fromMs - 1 : throughMs;
}

/** Between the last look at a schedule and its deletion an occurrence may have been settled, or not. */
function isAllowedAtItsEnd(life: Life, { version, plannedMs }: Instant, lastMs: number): boolean {
  const last = life.versions.at(-1);
  if (life.end.how !== 'deleted' || last?.version !== version) return false;
  const isNamed = nextInstant(last.cycle, plannedMs - 1) === plannedMs;
  return isNamed && plannedMs > lastMs && plannedMs <= life.end.deletedByMs;
}

/** Tasks of no schedule that was put, and occurrences that name tasks which do not exist, or another one. */
function strangers({ lives, tasks, seen }: Collected): readonly string[] {
  const beganMs = new Map<string, number>();
  for (const { schedule, createdAtMs } of lives)
    beganMs.set(schedule, Math.min(createdAtMs, beganMs.get(schedule) ?? createdAtMs));
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const found: string[] = [];
  for (const { id, schedule, state, plannedMs } of tasks) {
    if (!(plannedMs > (beganMs.get(schedule) ?? Number.POSITIVE_INFINITY)))
      found.push(`${id} was made by ${schedule}, which nobody had put then`);
    if (state !== 'done' && state !== 'cancelled') found.push(`${id} of ${schedule} is ${state}`);
  }
  for (const { schedule, version, plannedMs, kind, task } of seen) {
    if (task === null) continue;
    const made = byId.get(task);
    const isIt =
      made?.schedule === schedule && made.version === version && made.plannedMs === plannedMs && made.kind === kind;
    if (!isIt) found.push(`${schedule} has ${task} for ${plannedMs}, which is not the task of that occurrence`);
  }
  return found;
}

function keyOf({ version, plannedMs }: Instant): string {
  return `${version} ${plannedMs}`;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function total(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [reason, count] of all.flatMap((one) => Object.entries(one))) {
    if (count > 0) sums[reason] = (sums[reason] ?? 0) + count;
  }
  return sums;
}

function countBy(words: readonly string[]): Readonly<Record<string, number>> {
  return total(words.map((word) => ({ [word]: 1 })));
}
