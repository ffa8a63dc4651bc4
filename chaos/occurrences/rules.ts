/** What holds of occurrences besides that each has one end: reasons are true, and what may not run beside another does not. Pure. */
import type { Collected, Life, MadeTask, Pause, SeenOccurrence } from './collected.ts';

/** What is later than this after it was due was missed. */
const MISSED_AFTER_MS = 60_000;

/** Reasons that are none: of another policy, of a pause that was not, of tasks in the way that were not there. */
export function reasonProblems({ lives, tasks, seen, pauses }: Collected): readonly string[] {
  const found: string[] = [];
  const tasksOf = groupBy(tasks, (task) => task.schedule);
  for (const life of lives) {
    const { schedule, createdAtMs } = life;
    const own = seen.filter((one) => one.schedule === schedule && one.createdAtMs === createdAtMs);
    const paused = pauses.filter((one) => one.schedule === schedule);
    for (const one of own) {
      const why = whyNot(life, one, tasksOf.get(schedule) ?? [], paused);
      if (why === undefined) continue;
      found.push(`${schedule} version ${one.version} at ${new Date(one.plannedMs).toISOString()}: ${why}`);
    }
  }
  return found;
}

/** What is wrong with how an occurrence was settled; undefined when nothing is. */
function whyNot(
  life: Life,
  one: SeenOccurrence,
  tasks: readonly MadeTask[],
  pauses: readonly Pause[],
): string | undefined {
  const { plannedMs, settledAtMs, skipped, kind } = one;
  if (settledAtMs < plannedMs) return `it was settled ${plannedMs - settledAtMs} ms before it was due`;
  if (skipped === null || kind !== 'planned') return undefined;
  const isMissed = settledAtMs - plannedMs - life.jitterMs > MISSED_AFTER_MS;
  switch (skipped) {
    case 'paused':
      return pauses.some(({ spanMs }) => plannedMs > spanMs[0] && plannedMs <= spanMs[3])
        ? undefined
        : 'it was skipped as paused, and nobody had paused it';
    case 'missed':
      return life.catchUp === 'none' && isMissed ? undefined : 'it was skipped as missed, and was not';
    case 'superseded':
      return life.overlap === 'cancelOther' || (life.catchUp === 'latest' && isMissed)
        ? undefined
        : 'it was skipped for a later one, and there was no need';
    case 'overlap':
      if (life.overlap !== 'skip') return 'it was skipped for an overlap that is allowed';
      return tasks.some(
        ({ createdAtMs, finishedAtMs }) => createdAtMs <= settledAtMs && (finishedAtMs ?? settledAtMs) >= settledAtMs,
      )
        ? undefined
        : 'it was skipped for a task that was not there';
    case 'bufferFull':
      return life.overlap === 'bufferOne' || life.overlap === 'bufferAll' ? undefined : 'it has no buffer to be full';
    default:
      return `it was skipped with ${skipped}, for which there was no reason`;
  }
}

/** Tasks that were planned, and made, while the schedule was certain to be paused. */
export function pauseProblems({ tasks, pauses }: Collected): readonly string[] {
  const tasksOf = groupBy(tasks, (task) => task.schedule);
  return pauses.flatMap(({ schedule, spanMs: [, begunMs, resumingMs] }) =>
    (tasksOf.get(schedule) ?? [])
      .filter(({ kind, plannedMs, createdAtMs }) => {
        return kind === 'planned' && plannedMs > begunMs && plannedMs <= resumingMs && createdAtMs <= resumingMs;
      })
      .map(({ id, plannedMs }) => `${schedule} was paused, and made ${id} for ${new Date(plannedMs).toISOString()}`),
  );
}

/** Tasks of one schedule side by side where its policy lets no two be: by the word of the cluster, and by that of the workers. */
export function concurrencyProblems({ lives, tasks, runs }: Collected): readonly string[] {
  const strict = new Set(lives.filter((life) => life.overlap !== 'allow').map((life) => life.schedule));
  const spans = tasks.map(({ schedule, id, createdAtMs, finishedAtMs }) => {
    return { schedule, name: id, began: createdAtMs, ended: finishedAtMs ?? Number.POSITIVE_INFINITY };
  });
  const handlers = runs.map(({ schedule, task, token, beganUs, endedUs }) => {
    return { schedule, name: `attempt ${token} of ${task}`, began: beganUs, ended: endedUs };
  });
  return [...spansThatMeet(spans, strict), ...spansThatMeet(handlers, strict)];
}

interface Span {
  readonly schedule: string;
  readonly name: string;
  readonly began: number;
  readonly ended: number;
}

function spansThatMeet(spans: readonly Span[], strict: ReadonlySet<string>): readonly string[] {
  const found: string[] = [];
  for (const [schedule, all] of groupBy(spans, (span) => span.schedule)) {
    if (!strict.has(schedule)) continue;
    const sorted = [...all].sort((left, right) => left.began - right.began || left.ended - right.ended);
    let longest = sorted[0];
    for (const span of sorted.slice(1)) {
      if (longest !== undefined && span.began < longest.ended)
        found.push(`${schedule} lets no two run: ${longest.name} and ${span.name} did`);
      if (longest === undefined || span.ended > longest.ended) longest = span;
    }
  }
  return found;
}

/** Triggers that were answered and made another number of tasks than one each. */
export function triggerProblems({ tasks, triggers }: Collected): readonly string[] {
  const found: string[] = [];
  const made = tasks.filter(({ kind }) => kind === 'trigger');
  const answered = groupBy(triggers, (one) => one.task ?? '');
  for (const { id, schedule } of made) {
    if (!answered.has(id)) found.push(`${schedule}: nobody was told of ${id}, which a trigger made`);
  }
  const ids = new Set(made.map((task) => task.id));
  for (const [task, all] of answered) {
    if (task !== '' && !ids.has(task))
      found.push(`${all[0]?.schedule}: the trigger ${all[0]?.request} made ${task}, which is not there`);
    if (task !== '' && all.length > 1) found.push(`${all[0]?.schedule}: ${all.length} triggers were given ${task}`);
  }
  return found;
}

/** `items` by what `keyOf` says of each, in their order. */
export function groupBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
