import { nearMiss } from '../base/near-miss.ts';
import { parseCron } from './cron-text.ts';
import { namesDays } from './days.ts';
import type { CalendarDefinition, CalendarExclusion, CalendarSpec, DstRule } from './definition.ts';
import { CalendarError } from './error.ts';
import { excludedTimes } from './exclusions.ts';
import {
  CALENDAR_TEXT_BYTES_MAX,
  EVERY_MS_MAX,
  EVERY_MS_MIN,
  EXCLUSIONS_MAX,
  JITTER_MS_MAX,
  SPECS_MAX,
} from './limits.ts';
import { readDuration, readInstant } from './moments.ts';
import { zoneNames, zoneOf } from './zone.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A spec as it was given, and where. */
interface Given {
  readonly value: unknown;
  readonly path: string;
}

/** What a spec must fit into. */
interface Bounds {
  readonly dayMatch: 'or' | 'and';
  readonly startAtMs: number | undefined;
  readonly endAtMs: number | undefined;
}

const SPEC_FIELDS: readonly string[] = ['cron', 'every', 'phase', 'at'];
const LIST_FIELDS: readonly string[] = ['specs', 'exclude'];
const OTHER_FIELDS: readonly string[] = ['timeZone', 'dayMatch', 'dst', 'startAt', 'endAt', 'jitter'];
const KNOWN: readonly string[] = [...SPEC_FIELDS, ...LIST_FIELDS, ...OTHER_FIELDS];

/** Names that are no zones, whose nearest zone is kept. */
const NEAREST_MAX = 64;
const nearest = new Map<string, string | undefined>();

/**
 * The definition that `input` says, with its defaults filled in.
 *
 * `input` is an object as JSON gives it: one of `cron`, `every` (with `phase`) or `at`, or a list of such objects as `specs`; and
 * `exclude` (a list of `{cron}` or `{at}`), `timeZone` (`'UTC'`), `dayMatch` (`'or'`), `dst` (`{gap: 'after', overlap: 'first'}`),
 * `startAt`, `endAt`, `jitter` (0). In both lists a text stands for a pattern. Durations are milliseconds or text such as `'90s'`;
 * instants are ISO 8601 with an offset, or milliseconds. A field that is undefined counts as left out.
 *
 * @throws CalendarError for the first mistake, with a JSON pointer to it
 */
export function parseCalendar(input: unknown): CalendarDefinition {
  const fields = fieldsOf(input, '', KNOWN, 'a schedule');
  const timeZone = readZone(fields['timeZone']);
  const startAtMs = fields['startAt'] === undefined ? undefined : readInstant(fields['startAt'], '/startAt');
  const endAtMs = fields['endAt'] === undefined ? undefined : readInstant(fields['endAt'], '/endAt');
  if (startAtMs !== undefined && endAtMs !== undefined && endAtMs < startAtMs) {
    throw new CalendarError('endAt lies before startAt: the schedule ends before it begins.', { path: '/endAt' });
  }
  const dayMatch = choice(fields['dayMatch'], '/dayMatch', ['or', 'and'] as const);
  const bounds = { dayMatch, startAtMs, endAtMs };
  const given = givenSpecs(fields);
  const specs = given.map(({ value, path }) => readSpec(value, path, bounds));
  const exclude = listOf(fields['exclude'], '/exclude', EXCLUSIONS_MAX).map((one, at) =>
    readExclusion(one, `/exclude/${at}`, dayMatch),
  );
  const definition: CalendarDefinition = {
    specs,
    exclude,
    timeZone,
    dayMatch,
    dst: readDst(fields['dst']),
    ...(startAtMs === undefined ? {} : { startAtMs }),
    ...(endAtMs === undefined ? {} : { endAtMs }),
    jitterMs: fields['jitter'] === undefined ? 0 : readDuration(fields['jitter'], '/jitter', 0, JITTER_MS_MAX),
  };
  refuseDeadSpecs(definition, given);
  // All of it is ASCII: patterns and zones have no other letters.
  if (calendarText(definition).length > CALENDAR_TEXT_BYTES_MAX) {
    throw new CalendarError(`The definition takes more than ${CALENDAR_TEXT_BYTES_MAX / 1024} KiB.`, { path: '' });
  }
  return definition;
}

/** `definition` as JSON that `readCalendar` reads. Equal definitions make equal text. */
export function calendarText(definition: CalendarDefinition): string {
  const { specs, exclude, timeZone, dayMatch, dst, startAtMs, endAtMs, jitterMs } = definition;
  return JSON.stringify({
    specs: specs.map((spec) =>
      'everyMs' in spec
        ? { every: spec.everyMs, phase: spec.phaseMs }
        : 'atMs' in spec
          ? { at: spec.atMs }
          : { cron: spec.cron },
    ),
    exclude: exclude.map((one) => ('atMs' in one ? { at: one.atMs } : { cron: one.cron })),
    timeZone,
    dayMatch,
    dst: { gap: dst.gap, overlap: dst.overlap },
    startAt: startAtMs,
    endAt: endAtMs,
    jitter: jitterMs,
  });
}

/** The definition of a canonical text. @throws CalendarError when this build cannot read it, or does not know its zone */
export function readCalendar(text: string): CalendarDefinition {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    throw new CalendarError('The definition is no JSON.', { path: '' });
  }
  return parseCalendar(input);
}

function givenSpecs(fields: Fields): Given[] {
  const single = SPEC_FIELDS.filter((name) => fields[name] !== undefined);
  if (fields['specs'] === undefined) {
    if (single.length === 0) throw new CalendarError('It says no time: give cron, every, at or specs.', { path: '' });
    return [{ value: Object.fromEntries(single.map((name) => [name, fields[name]])), path: '' }];
  }
  const [first] = single;
  if (first !== undefined) {
    throw new CalendarError(`${first} and specs exclude each other: move ${first} into the list.`, {
      path: `/${first}`,
    });
  }
  const specs = listOf(fields['specs'], '/specs', SPECS_MAX);
  if (specs.length === 0) throw new CalendarError('specs is empty: it says no time.', { path: '/specs' });
  return specs.map((value, at) => ({ value, path: `/specs/${at}` }));
}

function readSpec(given: unknown, path: string, { dayMatch, startAtMs, endAtMs }: Bounds): CalendarSpec {
  const fields = typeof given === 'string' ? { cron: given } : fieldsOf(given, path, SPEC_FIELDS, 'a spec');
  const named = ['cron', 'every', 'at'].filter((name) => fields[name] !== undefined);
  const [first, second] = named;
  if (first === undefined) throw new CalendarError('A spec says cron, every or at.', { path });
  if (second !== undefined) {
    throw new CalendarError(`${first} and ${second} exclude each other: give each a spec of its own in specs.`, {
      path: `${path}/${second}`,
    });
  }
  if (fields['phase'] !== undefined && first !== 'every') {
    throw new CalendarError(`phase belongs to every, and ${first} has none.`, { path: `${path}/phase` });
  }
  if (first === 'cron') return { cron: cronTextOf(fields['cron'], cronPath(given, path), dayMatch) };
  if (first === 'every') {
    const everyMs = readDuration(fields['every'], `${path}/every`, EVERY_MS_MIN, EVERY_MS_MAX);
    return {
      everyMs,
      phaseMs: fields['phase'] === undefined ? 0 : readPhase(fields['phase'], `${path}/phase`) % everyMs,
    };
  }
  const atMs = readInstant(fields['at'], `${path}/at`);
  if (startAtMs !== undefined && atMs < startAtMs) {
    throw new CalendarError('at lies before startAt: it never fires.', { path: `${path}/at` });
  }
  if (endAtMs !== undefined && atMs > endAtMs)
    throw new CalendarError('at lies after endAt: it never fires.', { path: `${path}/at` });
  return { atMs };
}

function readPhase(value: unknown, path: string): number {
  const isDuration = typeof value === 'string' && /^[\d.]+(?:ms|s|m|h|d)$/.test(value);
  return isDuration ? readDuration(value, path, 0, EVERY_MS_MAX) : readInstant(value, path);
}

function readExclusion(given: unknown, path: string, dayMatch: 'or' | 'and'): CalendarExclusion {
  const fields = typeof given === 'string' ? { cron: given } : fieldsOf(given, path, ['cron', 'at'], 'an exclusion');
  if ((fields['cron'] === undefined) === (fields['at'] === undefined)) {
    throw new CalendarError('An exclusion says either cron or at.', { path });
  }
  if (fields['at'] !== undefined) return { atMs: readInstant(fields['at'], `${path}/at`) };
  return { cron: cronTextOf(fields['cron'], cronPath(given, path), dayMatch) };
}

/** Where the pattern of a spec stands: a text is a pattern itself. */
function cronPath(given: unknown, path: string): string {
  return typeof given === 'string' ? path : `${path}/cron`;
}

/** The text with single blanks, once it was read as it was written, so that columns are those of the writer. */
function cronTextOf(value: unknown, path: string, dayMatch: 'or' | 'and'): string {
  if (typeof value !== 'string') throw new CalendarError('cron is a text such as "30 2 * * MON-FRI".', { path });
  const pattern = parseCron(value, path, lowest);
  if (!namesDays(pattern, dayMatch)) {
    throw new CalendarError('It never fires: no calendar has such a date.', { path, ...pattern.dayPlace });
  }
  return value.trim().split(/\s+/).join(' ');
}

/** Stands in for a schedule's id: the first value of every `H`. */
function lowest(): number {
  return 0;
}

/** Refuses a spec of which one exclusion leaves out every instant. What an `H` stands for is not known here. */
function refuseDeadSpecs({ specs, exclude }: CalendarDefinition, given: readonly Given[]): void {
  const fixed = exclude.flatMap((one) =>
    'cron' in one && !hasSpread(one.cron) ? [parseCron(one.cron, '', lowest)] : [],
  );
  if (fixed.length === 0) return;
  specs.forEach((spec, at) => {
    if (!('cron' in spec) || hasSpread(spec.cron)) return;
    const { days, times } = parseCron(spec.cron, '', lowest);
    const dead = fixed.some((one) => (one.days === days || one.days === '* * * *') && excludedTimes(one).covers(times));
    const { value, path } = given[at] as Given;
    if (dead) throw new CalendarError('It never fires: exclude leaves out all of it.', { path: cronPath(value, path) });
  });
}

function hasSpread(cron: string): boolean {
  return /(?:^|[\s,])h/i.test(cron);
}

function readDst(value: unknown): DstRule {
  if (value === undefined) return { gap: 'after', overlap: 'first' };
  const fields = fieldsOf(value, '/dst', ['gap', 'overlap'], 'dst');
  return {
    gap: choice(fields['gap'], '/dst/gap', ['after', 'skip'] as const),
    overlap: choice(fields['overlap'], '/dst/overlap', ['first', 'both'] as const),
  };
}

function readZone(value: unknown): string {
  if (value === undefined) return 'UTC';
  const path = '/timeZone';
  const usage = 'timeZone is a name of the IANA database such as Europe/London';
  if (typeof value !== 'string' || !/^[A-Za-z][\w+/-]{0,63}$/.test(value))
    throw new CalendarError(`${usage}.`, { path });
  try {
    zoneOf(value);
  } catch {
    const meant = nearestZone(value);
    throw new CalendarError(
      `"${value}" is no known time zone: ${meant === undefined ? `${usage}.` : `did you mean ${meant}?`}`,
      { path },
    );
  }
  return value;
}

/** The zone that was meant. Comparing with all names takes milliseconds, and thousands of schedules may have the same zone. */
function nearestZone(value: string): string | undefined {
  const known = nearest.get(value);
  if (known !== undefined || nearest.has(value)) return known;
  if (nearest.size >= NEAREST_MAX) nearest.clear();
  const meant = nearMiss(value, zoneNames()) ?? nearMiss(value.replaceAll(' ', '_'), zoneNames());
  nearest.set(value, meant);
  return meant;
}

function listOf(value: unknown, path: string, max: number): readonly unknown[] {
  if (value === undefined) return [];
  const name = path.slice(1);
  if (!Array.isArray(value)) throw new CalendarError(`${name} is a list.`, { path });
  if (value.length > max)
    throw new CalendarError(`${name} has at most ${max} members, this one ${value.length}.`, { path });
  return value;
}

/** One of `allowed`; the first is the default. */
function choice<const Choice extends string>(
  value: unknown,
  path: string,
  allowed: readonly [Choice, ...Choice[]],
): Choice {
  if (value === undefined) return allowed[0];
  const found = allowed.find((one) => one === value);
  if (found === undefined) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    throw new CalendarError(
      `${name} is ${allowed.map((one) => `"${one}"`).join(' or ')}, not ${JSON.stringify(value)}.`,
      { path },
    );
  }
  return found;
}

function fieldsOf(value: unknown, path: string, known: readonly string[], what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CalendarError(`${what} is an object with ${known.join(', ')}.`, { path });
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    const meant = nearMiss(name, known);
    const hint = meant === undefined ? `Known are ${known.join(', ')}.` : `Did you mean "${meant}"?`;
    const pointer = name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');
    throw new CalendarError(`"${name.slice(0, 100)}" is no field of ${what}. ${hint}`, { path: `${path}/${pointer}` });
  }
  return value as Fields;
}
