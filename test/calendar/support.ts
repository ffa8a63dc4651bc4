import fc from 'fast-check';
import { REFERENCE_ZONES } from '../../sim/calendar/zones.ts';
import { Calendar } from '../../src/calendar/calendar.ts';
import { type CalendarDefinition, CalendarError, parseCalendar } from '../../src/calendar/definition.ts';

/** Instants as text, which say in a failure what they mean. */
export function iso(instants: readonly number[]): string[] {
  return instants.map((ms) => new Date(ms).toISOString().replace(/(?::00)?\.000Z$/, 'Z'));
}

/** The next `max` planned after a moment, as text. */
export function planned(input: object, after: string, max: number, id: string = 'nightly'): string[] {
  const { occurrences } = new Calendar(parseCalendar(input), id).next(Date.parse(after), max);
  return iso(occurrences.map(({ plannedMs }) => plannedMs));
}

/** What a mistake is called: `pointer line:column message`. */
export function refusal(input: unknown): string {
  try {
    parseCalendar(input);
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    const place = error.column === undefined ? '' : ` ${error.line}:${error.column}`;
    return `${error.path}${place} ${error.message}`;
  }
  return 'accepted';
}

function listOf(one: fc.Arbitrary<string>, max: number): fc.Arbitrary<string> {
  return fc.array(one, { minLength: 1, maxLength: max }).map((parts) => parts.join(','));
}

function rangeOf(min: number, max: number): fc.Arbitrary<string> {
  return fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 4 }))
    .map(([left, right, step]) => {
      const [from, to] = [Math.min(left, right), Math.max(left, right)];
      return step > 1 && step <= to - from + 1 ? `${from}-${to}/${step}` : `${from}-${to}`;
    });
}

function fieldOf(min: number, max: number, stars: readonly string[]): fc.Arbitrary<string> {
  const value = fc.integer({ min, max }).map(String);
  return fc.oneof(fc.constantFrom(...stars), value, listOf(fc.oneof(value, rangeOf(min, max)), 3));
}

const MONTHS = ['JAN', 'feb', 'Mar', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'mon', 'Tue', 'WED', 'THU', 'FRI', 'SAT'];

const minute = fieldOf(0, 59, ['*', '*/15', '*/7', '0', '30']);
const hour = fieldOf(0, 23, ['*', '*/2', '*/5', '0', '1', '2', '3']);
const dayOfMonth = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('*', '*', '?', '*/2', '*/10') },
  fieldOf(1, 31, ['1', '31', '29']),
  listOf(fc.oneof(fc.constantFrom('L', '1W', '15W', '31W'), fc.integer({ min: 1, max: 31 }).map(String)), 2),
  fc.constant('LW'),
);
const month = fc.oneof(
  { weight: 3, arbitrary: fc.constant('*') },
  fieldOf(1, 12, ['*/3', '2', '2-4']),
  fc.constantFrom(...MONTHS),
);
const dayOfWeek = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('*', '*', '?', '*/2') },
  fieldOf(0, 7, ['MON-FRI', 'SAT-SUN', '5-0']),
  fc.constantFrom(...WEEKDAYS),
  listOf(fc.constantFrom('1#1', 'FRI#2', '0#5', '5L', 'sunL', '7#3', '2#L', '1-5#1'), 2),
);

/** Patterns of five fields in every form that the grammar has, without `H`. */
export const cronPattern: fc.Arbitrary<string> = fc
  .tuple(minute, hour, dayOfMonth, month, dayOfWeek)
  .map((fields) => fields.join(' '));

/** Patterns of six fields. */
export const secondsPattern: fc.Arbitrary<string> = fc
  .tuple(fieldOf(0, 59, ['*', '0', '*/20']), minute, hour)
  .map((fields) => `${fields.join(' ')} * * *`);

const rules = {
  timeZone: fc.constantFrom(...REFERENCE_ZONES.map(({ name }) => name)),
  dayMatch: fc.constantFrom('or', 'and'),
  dst: fc.record({ gap: fc.constantFrom('after', 'skip'), overlap: fc.constantFrom('first', 'both') }),
};

/** A definition of one of `patterns`; undefined when it names no date. */
export function definitionOf(patterns: fc.Arbitrary<string>): fc.Arbitrary<CalendarDefinition | undefined> {
  return fc.record({ cron: patterns, ...rules }).map(parsed);
}

/** Definitions of several specs and exclusions, with a start and an end; undefined when they name no instant at all. */
export function mixedDefinition(fromMs: number, toMs: number): fc.Arbitrary<CalendarDefinition | undefined> {
  const instant = fc
    .integer({ min: Math.floor(fromMs / 60_000), max: Math.floor(toMs / 60_000) })
    .map((one) => one * 60_000);
  const spec = fc.oneof(
    cronPattern,
    fc.record({
      every: fc.integer({ min: 1_800, max: 90_000 }).map((seconds) => seconds * 1_000),
      phase: fc.integer({ min: 0, max: 99 }),
    }),
    fc.record({ at: instant }),
  );
  const exclusion = fc.oneof(cronPattern, fc.record({ at: instant }));
  return fc
    .record(
      {
        specs: fc.array(spec, { minLength: 1, maxLength: 3 }),
        exclude: fc.array(exclusion, { maxLength: 3 }),
        startAt: instant,
        endAt: instant,
        ...rules,
      },
      { requiredKeys: ['specs', 'exclude', 'timeZone', 'dayMatch', 'dst'] },
    )
    .map(parsed);
}

function parsed(input: object): CalendarDefinition | undefined {
  try {
    return parseCalendar(input);
  } catch (error) {
    // What never fires is refused; the reference is not asked about it.
    if (error instanceof CalendarError && /never fires|before it begins/.test(error.message)) return undefined;
    throw error;
  }
}
