/** Schedules as people read them. */
import type { NextOccurrence, NextOccurrences, ScheduleDetail, ScheduleInfo } from '../index.ts';
import type { ScheduleRun } from './schedule-runs.ts';
import { formatAge, formatFields, formatInstant, formatTable, pairsText, shorten } from './output.ts';

const CLOCK_WORDS: Readonly<Record<string, string>> = {
  gap: 'moved: the clock skips this time',
  overlap: 'the clock shows this time twice',
  offset: 'the clock has changed',
};

/** Schedules, one a line. */
export function scheduleTable(schedules: readonly ScheduleInfo[]): string {
  return formatTable(
    [
      { title: 'ID', of: (one) => one.id },
      { title: 'STATE', of: (one) => (one.problem === undefined ? one.state : 'problem') },
      { title: 'WHEN', of: (one) => whenText(one.calendar) },
      { title: 'ZONE', of: (one) => fieldsOf(one.calendar)['timeZone'] as string | undefined },
      { title: 'TYPE', of: (one) => one.task.type },
      // While it is paused it leaves its instants out.
      { title: 'NEXT', of: (one) => formatInstant(one.state === 'paused' ? undefined : one.next[0]?.plannedMs) },
      { title: 'FIRED', of: (one) => firedTotal(one), align: 'right' },
      { title: 'SKIPPED', of: (one) => skippedTotal(one), align: 'right' },
      {
        title: 'LAST LATE',
        of: (one) => (one.fired.planned === 0 ? undefined : formatAge(one.lateness.lastMs)),
        align: 'right',
      },
      { title: 'UNFINISHED', of: (one) => one.unfinished, align: 'right' },
    ],
    schedules,
  );
}

/** One schedule with what it did last, `runs`, and will do next. */
export function scheduleText(
  one: ScheduleDetail,
  runs: readonly ScheduleRun[],
  upcoming: NextOccurrences | undefined,
): string {
  const parts = [formatFields(scheduleFields(one))];
  if (runs.length > 0) parts.push(`\nLast occurrences:\n${runTable(runs)}`);
  if (upcoming !== undefined && upcoming.occurrences.length > 0) {
    const title = one.state === 'paused' ? 'Next, if it is resumed before' : 'Next';
    parts.push(`\n${title}:\n${nextTable(upcoming)}`);
  }
  return parts.join('');
}

/** Instants to come, with changes of the clock marked. */
export function nextTable({ timeZone, occurrences }: NextOccurrences): string {
  const hasJitter = occurrences.some(({ plannedMs, fireAtMs }) => fireAtMs !== plannedMs);
  return formatTable<NextOccurrence>(
    [
      { title: 'PLANNED', of: (one) => formatInstant(one.plannedMs) },
      { title: timeZone.toUpperCase(), of: (one) => `${one.wallClock} ${one.utcOffset}` },
      ...(hasJitter ? [{ title: 'FIRES', of: (one: NextOccurrence) => formatInstant(one.fireAtMs) }] : []),
      {
        title: 'CLOCK',
        of: (one) => (one.clockChange === undefined ? '' : (CLOCK_WORDS[one.clockChange] ?? one.clockChange)),
      },
    ],
    occurrences,
  );
}

function scheduleFields(one: ScheduleDetail): (readonly [string, string | number | undefined])[] {
  const averageMs = one.fired.planned === 0 ? 0 : one.lateness.sumMs / one.fired.planned;
  const skipped = Object.entries(one.skipped).map(([reason, count]) => `${count} ${reason}`);
  return [
    ['id', one.id],
    ['version', one.version],
    ['state', one.state],
    ...(one.problem === undefined ? [] : [['problem', one.problem] as const]),
    ...(one.pauseReason === undefined ? [] : [['paused by', one.pauseReason] as const]),
    ...(one.note === undefined ? [] : [['note', one.note] as const]),
    ['when', whenText(one.calendar)],
    ['calendar', JSON.stringify(one.calendar)],
    ['overlap', one.overlap],
    ['catch up', one.catchUp === 'none' ? 'none' : `${one.catchUp}, within ${formatAge(one.catchUpWindowMs) ?? ''}`],
    ['max runs', one.maxRuns === 0 ? undefined : one.maxRuns],
    ['pause on failure', one.pauseOnFailure === 0 ? undefined : `after ${one.pauseOnFailure} in a row`],
    ['managed by', one.managedBy],
    ['task type', one.task.type],
    ['queue', one.task.queue],
    ['priority', one.task.priority],
    ['requires', pairsText(one.task.requires)],
    ['payload', shorten(one.payload)],
    ['headers', shorten(one.headers)],
    ['created', formatInstant(one.createdAtMs)],
    ['changed', formatInstant(one.changedAtMs)],
    ['settled through', formatInstant(one.settledThroughMs)],
    [
      'fired',
      `${firedTotal(one)}: ${one.fired.planned} planned, ${one.fired.trigger} triggered, ${one.fired.backfill} backfilled`,
    ],
    ['skipped', skipped.length === 0 ? '0' : `${skippedTotal(one)}: ${skipped.join(', ')}`],
    [
      'lateness',
      one.fired.planned === 0
        ? undefined
        : `last ${formatAge(one.lateness.lastMs)}, mean ${formatAge(averageMs)}, worst ${formatAge(one.lateness.maxMs)}`,
    ],
    ['unfinished', one.unfinished],
    ['waiting', one.buffered],
    ['failed in a row', one.consecutiveFailures],
  ];
}

function runTable(runs: readonly ScheduleRun[]): string {
  const hasJitter = runs.some(({ dueMs, plannedMs }) => dueMs !== undefined && dueMs !== plannedMs);
  return formatTable<ScheduleRun>(
    [
      { title: 'PLANNED', of: (one) => formatInstant(one.plannedMs) },
      ...(hasJitter ? [{ title: 'DUE', of: (one: ScheduleRun) => formatInstant(one.dueMs) }] : []),
      { title: 'KIND', of: (one) => one.kind },
      { title: 'SETTLED', of: (one) => formatInstant(one.settledAtMs) },
      { title: 'LATE', of: (one) => formatAge(one.lateMs), align: 'right' },
      {
        title: 'WAITED',
        of: (one) => formatAge(one.startedAtMs === undefined ? undefined : one.startedAtMs - one.settledAtMs),
        align: 'right',
      },
      { title: 'TASK', of: (one) => one.taskId },
      { title: 'OUTCOME', of: outcomeText },
    ],
    runs,
  );
}

/** Where the task is not kept any more, no more is known than that it is not final. */
function outcomeText({ skipped, ended, state, reason }: ScheduleRun): string {
  if (skipped !== undefined) return `skipped: ${skipped}`;
  if (ended !== undefined || state === undefined) return ended ?? 'unfinished';
  return reason === undefined ? state : `${state}: ${reason}`;
}

function firedTotal({ fired }: ScheduleInfo): number {
  return fired.planned + fired.trigger + fired.backfill;
}

function skippedTotal({ skipped }: ScheduleInfo): number {
  return Object.values(skipped).reduce((sum, count) => sum + count, 0);
}

function fieldsOf(calendar: unknown): Readonly<Record<string, unknown>> {
  return typeof calendar === 'object' && calendar !== null ? (calendar as Record<string, unknown>) : {};
}

/** The specs of a calendar in a few words. */
function whenText(calendar: unknown): string | undefined {
  const { specs } = fieldsOf(calendar);
  if (!Array.isArray(specs)) return undefined;
  const texts = specs.map((spec: unknown) => {
    const { cron, every, at } = fieldsOf(spec);
    if (typeof cron === 'string') return cron;
    if (typeof every === 'number') return `every ${everyText(every)}`;
    return typeof at === 'number' ? `at ${formatInstant(at) ?? ''}` : '?';
  });
  return texts.join(' | ');
}

function everyText(ms: number): string {
  for (const [unit, unitMs] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}
