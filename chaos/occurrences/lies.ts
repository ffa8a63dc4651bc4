/** Copies of what was collected in which one thing could not have been. An account that lets one pass proves nothing by what it lets pass. */
import type { Collected, Ended, Life, MadeTask } from './collected.ts';

/** One way to lie; undefined where it fits nowhere. */
export interface Lie {
  readonly name: string;
  tell(collected: Collected): Collected | undefined;
}

/** All lies that are told. */
export const LIES: readonly Lie[] = [
  {
    name: 'a second task of an occurrence',
    tell: (collected) => {
      const found = taskOfEnded(collected, () => true);
      if (found === undefined) return undefined;
      const copy = recount(collected, found.life, { fired: 1 });
      return { ...copy, tasks: [...copy.tasks, { ...found.task, id: `${found.task.id}again` }] };
    },
  },
  {
    name: 'an occurrence of which nothing came',
    tell: (collected) => {
      const found = taskOfEnded(collected, (_, task) => !isFirstOrLast(collected, task));
      if (found === undefined) return undefined;
      const copy = recount(collected, found.life, { fired: -1 });
      const isOther = ({ task }: { readonly task: string | null }): boolean => task !== found.task.id;
      return {
        ...copy,
        tasks: copy.tasks.filter((task) => task !== found.task),
        seen: copy.seen.filter(isOther),
        runs: copy.runs.filter(isOther),
      };
    },
  },
  {
    name: 'a skip that is told nowhere',
    tell: (collected) => {
      const skip = collected.seen.find((one) => one.skipped !== null && one.kind === 'planned');
      const life = collected.lives.find((one) => {
        return one.schedule === skip?.schedule && one.createdAtMs === skip.createdAtMs && one.end.how === 'ended';
      });
      if (skip === undefined || life === undefined) return undefined;
      const copy = recount(collected, life, { skip: skip.skipped ?? '', by: -1 });
      return { ...copy, seen: copy.seen.filter((one) => one !== skip) };
    },
  },
  {
    name: 'a task and a skip of one occurrence',
    tell: (collected) => {
      const found = taskOfEnded(collected, (life) => life.overlap === 'skip');
      if (found === undefined) return undefined;
      const { life, task } = found;
      const { schedule, createdAtMs } = life;
      const { version, plannedMs, kind, createdAtMs: settledAtMs } = task;
      const skip = { schedule, createdAtMs, version, plannedMs, kind, settledAtMs, task: null, skipped: 'overlap' };
      const copy = recount(collected, life, { skip: 'overlap', by: 1 });
      return { ...copy, seen: [...copy.seen, skip] };
    },
  },
  {
    name: 'a task between two instants',
    tell: (collected) => {
      const found = taskOfEnded(collected, () => true);
      if (found === undefined) return undefined;
      const moved = { ...found.task, plannedMs: found.task.plannedMs + 1 };
      return {
        ...collected,
        tasks: collected.tasks.map((task) => (task === found.task ? moved : task)),
        seen: collected.seen.filter((one) => one.task !== found.task.id),
      };
    },
  },
  {
    name: 'a skip for another reason than there was',
    tell: (collected) => {
      const at = collected.seen.findIndex((one) => one.skipped !== null && one.skipped !== 'missed');
      const skip = collected.seen[at];
      return skip && { ...collected, seen: collected.seen.with(at, { ...skip, skipped: 'missed' }) };
    },
  },
  {
    name: 'two that ran side by side where none may',
    tell: (collected) => {
      const strict = new Set(collected.lives.filter((one) => one.overlap !== 'allow').map((one) => one.schedule));
      const own = collected.runs
        .filter((run) => strict.has(run.schedule))
        .sort((left, right) => left.schedule.localeCompare(right.schedule) || left.beganUs - right.beganUs);
      const at = own.findIndex((run, index) => run.schedule === own[index + 1]?.schedule);
      const [run, next] = [own[at], own[at + 1]];
      if (run === undefined || next === undefined) return undefined;
      const long = { ...run, endedUs: next.beganUs + 1 };
      return { ...collected, runs: collected.runs.map((one) => (one === run ? long : one)) };
    },
  },
  {
    name: 'a trigger that was executed twice',
    tell: (collected) => {
      const task = collected.tasks.find(({ kind }) => kind === 'trigger');
      return task && { ...collected, tasks: [...collected.tasks, { ...task, id: `${task.id}again` }] };
    },
  },
  {
    name: 'a task of a schedule that was deleted before',
    tell: (collected) => {
      const life = collected.lives.find((one) => one.end.how === 'deleted');
      const version = life?.versions.at(-1);
      const task = collected.tasks.find((one) => one.schedule === life?.schedule && one.version === version?.version);
      if (life?.end.how !== 'deleted' || version === undefined || task === undefined) return undefined;
      const { periodMs } = version.cycle;
      const laterMs = (Math.floor(life.end.deletedByMs / periodMs) + 1) * periodMs + (version.cycle.offsetsMs[0] ?? 0);
      return { ...collected, tasks: [...collected.tasks, { ...task, id: `${task.id}late`, plannedMs: laterMs }] };
    },
  },
];

/** A task by plan of a schedule that came to its end, from the middle of those that fit. */
function taskOfEnded(
  { lives, tasks }: Collected,
  fits: (life: Life, task: MadeTask) => boolean,
): { readonly life: Life; readonly task: MadeTask } | undefined {
  const ended = new Map(lives.filter((one) => one.end.how === 'ended').map((one) => [one.schedule, one]));
  const all = tasks.flatMap((task) => {
    const life = ended.get(task.schedule);
    const { kind, plannedMs } = task;
    const isOfIt = life !== undefined && kind === 'planned' && plannedMs > life.createdAtMs;
    return isOfIt && life.versions.length === 2 && fits(life, task) ? [{ life, task }] : [];
  });
  return all[Math.floor(all.length / 2)];
}

/** At the edge between two versions an instant more or less may be of either. */
function isFirstOrLast({ tasks }: Collected, task: MadeTask): boolean {
  const same = tasks.filter((one) => one.schedule === task.schedule && one.version === task.version);
  const instants = same.map((one) => one.plannedMs);
  return task.plannedMs === Math.min(...instants) || task.plannedMs === Math.max(...instants);
}

/** The cluster tells the same lie in its counters. */
function recount(
  collected: Collected,
  life: Life,
  change: { readonly fired: number } | { readonly skip: string; readonly by: number },
): Collected {
  const { end } = life;
  if (end.how === 'deleted') return collected;
  const changed: Ended =
    'fired' in change
      ? { ...end, fired: end.fired + change.fired }
      : { ...end, skipped: { ...end.skipped, [change.skip]: (end.skipped[change.skip] ?? 0) + change.by } };
  return { ...collected, lives: collected.lives.map((one) => (one === life ? { ...life, end: changed } : one)) };
}
