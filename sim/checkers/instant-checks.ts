/** What an entry did to a schedule, and what must hold of single instants: of one that fired, and of those that are ahead. */
import type { OccurrenceKind, SettledOccurrence } from '../../src/scheduler/outcome.ts';
import type { ScheduleView } from '../../src/scheduler/views.ts';
import type { ExpectedInstants } from '../schedules/expected-instants.ts';

/** What an entry did to one schedule. */
export interface ScheduleEntry {
  readonly index: number;
  readonly term: number;
  readonly logTimeMs: number;
  /** Settled occurrences of this schedule, in order. */
  readonly settled: readonly SettledOccurrence[];
  /** Tasks of it that became final, with how, in order. */
  readonly finished: readonly { readonly number: number; readonly state: string }[];
  /** After the entry; undefined when it was deleted. */
  readonly view: ScheduleView | undefined;
  /** It has another version after this entry. */
  readonly changed: boolean;
}

/** An occurrence that waits for tasks to be final. */
export interface Waiting {
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
  readonly judgedMs: number;
}

/** True when `settled` is that occurrence. */
export function isSame(settled: SettledOccurrence | undefined, one: Omit<Waiting, 'judgedMs'>): boolean {
  return settled?.kind === one.kind && settled.version === one.version && settled.plannedMs === one.plannedMs;
}

/** Up to where everything that was planned was taken up at the head of the entry; up to `takenMs` it was before. */
export function takenUpTo({ view, settled, changed }: ScheduleEntry, newest: number, takenMs: number): number {
  // Of several changes each begins behind the one before, which may have ended at once and then names nothing any more.
  const isOver = changed && (view?.ended === true || (view?.version ?? newest) > newest + 1);
  if (view !== undefined && !isOver) return view.settledThroughMs;
  // After the end of a schedule nobody says it: what is told by itself must do.
  const told = [...settled, ...(view?.buffered ?? [])].filter(
    ({ kind, version }) => kind === 'planned' && version === newest,
  );
  return Math.max(takenMs, ...told.map(({ plannedMs }) => plannedMs));
}

/** Says what does not fit. @throws Violation unless `holds` */
export type Compare = (holds: boolean, words: () => string) => void;

/** Instants further ahead than this are not compared before they come nearer, in ms. */
const HORIZON_MS = 120_000;

/** A planned occurrence was judged: within its spread, before the next one is planned, not before the last one, not early. */
export function compareFired(
  compare: Compare,
  named: string,
  fired: {
    readonly settled: SettledOccurrence;
    readonly judgedMs: number;
    readonly jitterMs: number;
    /** An instant after it that is planned up to when it fires. */
    readonly following: number | undefined;
    /** When the one before it fired. */
    readonly afterMs: number;
  },
): void {
  const { settled, judgedMs, jitterMs, following, afterMs } = fired;
  const { plannedMs, fireAtMs, lateMs } = settled;
  compare(
    fireAtMs >= plannedMs && fireAtMs <= plannedMs + jitterMs,
    () => `${named} fires at ${timeOf(fireAtMs)}, and is spread over ${jitterMs} ms`,
  );
  compare(following === undefined, () => `${named} fires at ${timeOf(fireAtMs)}, when the next one is planned`);
  compare(fireAtMs >= afterMs, () => `${named} fires at ${timeOf(fireAtMs)}, before the one before it`);
  compare(judgedMs >= fireAtMs, () => `${named} is judged at ${timeOf(judgedMs)}, before ${timeOf(fireAtMs)}`);
  compare(
    lateMs === judgedMs - fireAtMs,
    () => `${named} is said to be ${lateMs} ms late, and is ${judgedMs - fireAtMs}`,
  );
}

/** What a schedule has ahead of it is what the calendar names, without a gap. */
export function compareNext(
  compare: Compare,
  named: string,
  view: ScheduleView,
  instants: ExpectedInstants,
  logTimeMs: number,
): void {
  const horizonMs = logTimeMs + HORIZON_MS;
  for (const [place, { plannedMs, fireAtMs }] of view.next.entries()) {
    if (plannedMs > horizonMs) return;
    const expected = instants.ahead(place, horizonMs);
    compare(expected === plannedMs && fireAtMs >= plannedMs, () => {
      const said = expected === undefined ? 'none' : timeOf(expected);
      return `${named} has ${timeOf(plannedMs)} ahead; the calendar says ${said}`;
    });
  }
  if (view.ended) return;
  const after = instants.ahead(view.next.length, Math.min(view.computedThroughMs, horizonMs));
  compare(
    after === undefined,
    () => `${named} is computed up to ${timeOf(view.computedThroughMs)}, without ${timeOf(after ?? 0)}`,
  );
}

/** What is shown of a schedule is what came of what was told: its version, its counts, and what waits, in order. */
export function compareShown(
  compare: Compare,
  named: string,
  view: ScheduleView,
  expected: {
    readonly version: number;
    readonly paused: boolean;
    readonly failures: number;
    readonly unfinished: ReadonlySet<number>;
    readonly runs: number;
    readonly waiting: readonly Waiting[];
  },
): void {
  const { version: newest, paused, failures, unfinished, runs, waiting } = expected;
  compare(view.version === newest, () => `${named} is shown as version ${view.version}`);
  compare(
    (view.pause !== undefined) === paused,
    () => `${named} should ${paused ? '' : 'not '}be paused after ${failures} failures`,
  );
  compare(view.failures === failures, () => `${named} counts ${view.failures} failures, not ${failures}`);
  compare(
    view.unfinished === unfinished.size,
    () => `${named} counts ${view.unfinished} unfinished tasks; they are ${[...unfinished].join(', ')}`,
  );
  compare(view.runs === runs, () => `${named} counts ${view.runs} runs, not ${runs}`);
  const same =
    view.buffered.length === waiting.length &&
    view.buffered.every(({ plannedMs, kind, version }, at) => {
      const one = waiting[at];
      return one?.plannedMs === plannedMs && one.kind === kind && one.version === version;
    });
  compare(same, () => `${named} has ${view.buffered.length} waiting; ${waiting.length} should`);
}

/** A settled occurrence in words. */
export function describe({ kind, version, plannedMs, task, skipped }: SettledOccurrence): string {
  const what = skipped === undefined ? `task ${task}` : `skipped as ${skipped}`;
  return `${kind} ${timeOf(plannedMs)} of version ${version} (${what})`;
}

/** An instant as text: the time of day in UTC. */
export function timeOf(ms: number): string {
  const digits = (value: number, count: number): string => String(value).padStart(count, '0');
  const [hour, minute] = [Math.floor(ms / 3_600_000) % 24, Math.floor(ms / 60_000) % 60];
  return `${digits(hour, 2)}:${digits(minute, 2)}:${digits(Math.floor(ms / 1_000) % 60, 2)}.${digits(ms % 1_000, 3)}`;
}
