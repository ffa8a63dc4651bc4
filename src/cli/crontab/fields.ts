/**
 * The five fields of times, as Debian's cron (3.0pl1) reads them, in words that mean the same to the calendar.
 *
 * Both read values, names, `*`, ranges, lists and steps. They differ in what is a mistake: cron takes a step that is larger than what it
 * steps through, which leaves the first value, and the calendar refuses it; cron never runs what has a range that runs backwards, and
 * the calendar takes one that ends on Sunday; cron takes the beginning of `5;x` and leaves the rest out, which nobody should.
 */
import { CrontabMistake } from './mistake.ts';

/** A word of a line, and its first column from 1. */
export interface Word {
  readonly text: string;
  readonly column: number;
}

/** The times of an entry in both spellings. */
export interface Times {
  /** What the calendar is asked about, every part in the columns where it was written. */
  readonly checked: string;
  /** What the schedule gets. */
  readonly taken: string;
  /** The first field that cron does not read so; the calendar may know it, or know better what is wrong. */
  readonly foreign: Word | undefined;
  /** Parts whose step leaves their first value alone, as they were written. */
  readonly pointless: readonly string[];
  /** True when day of month or day of week begins with `*`: both must fit then. */
  readonly starDay: boolean;
}

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const DAY_OF_MONTH = 2;
const DAY_OF_WEEK = 4;

const FIELDS: readonly Field[] = [
  { name: 'minute', low: 0, high: 59, names: [] },
  { name: 'hour', low: 0, high: 23, names: [] },
  { name: 'day of month', low: 1, high: 31, names: [] },
  { name: 'month', low: 1, high: 12, names: MONTHS },
  { name: 'day of week', low: 0, high: 7, names: WEEKDAYS },
];

/** `*`, a value or a range, and a step behind it. */
const PART = /^(?:\*|([A-Za-z]{3}|\d+)(?:-([A-Za-z]{3}|\d+))?)(?:\/(\d+))?$/;

/** Their names in the order of a line. */
export const FIELD_NAMES: readonly string[] = FIELDS.map(({ name }) => name);

/**
 * What five `words` say to cron. Values out of bounds are left to the calendar, which tells of them to the letter.
 *
 * @throws CrontabMistake for what cron takes and never runs
 */
export function timesOf(words: readonly Word[]): Times {
  const starDay = [DAY_OF_MONTH, DAY_OF_WEEK].some((at) => words[at]?.text.startsWith('*') === true);
  const pointless: string[] = [];
  let foreign: Word | undefined;
  let checked = '';
  const taken = words.map((word, at) => {
    const parts = word.text.split(',').map((text) => ({ text, is: partOf(text, FIELDS[at] as Field) }));
    if (parts.some(({ is }) => is === undefined)) foreign ??= word;
    checked += ' '.repeat(word.column - (words[0]?.column ?? 1) - checked.length);
    let { column } = word;
    const texts = parts.map(({ text, is }) => {
      const isBackwards = is !== undefined && is.from > is.to && is.to === 0 && at === DAY_OF_WEEK;
      if (isBackwards) throw backwards(text, is.from, column);
      column += text.length + 1;
      if (is?.stepsOut !== true) return { checked: text, taken: starIn(text, at, starDay) };
      pointless.push(text);
      return { checked: String(is.from).padStart(text.length, '0'), taken: String(is.from) };
    });
    checked += texts.map((one) => one.checked).join(',');
    return texts.map((one) => one.taken).join(',');
  });
  return { checked, taken: taken.join(' '), foreign, pointless, starDay };
}

/** What cron makes of one part; undefined when it is nothing that it should read. */
function partOf(text: string, field: Field): { from: number; to: number; stepsOut: boolean } | undefined {
  const match = PART.exec(text);
  if (match === null) return undefined;
  const [, first, last = first, step = '1'] = match;
  const from = first === undefined ? field.low : valueOf(first, field);
  const to = last === undefined ? field.high : valueOf(last, field);
  if (from === undefined || to === undefined) return undefined;
  const isRange = first === undefined || text.includes('-');
  return {
    from,
    to,
    stepsOut: isRange && from >= field.low && to <= field.high && from <= to && Number(step) > to - from,
  };
}

function valueOf(text: string, { low, names }: Field): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const at = names.indexOf(text.toLowerCase());
  return at < 0 ? undefined : low + at;
}

/** cron counts a field as free only where it begins with a star; to the calendar, one anywhere in a list frees it. */
function starIn(text: string, at: number, starDay: boolean): string {
  if (starDay || !/^\*(?:\/0*1)?$/.test(text)) return text;
  if (at === DAY_OF_MONTH) return '1-31';
  return at === DAY_OF_WEEK ? '0-6' : text;
}

function backwards(text: string, from: number, column: number): CrontabMistake {
  return new CrontabMistake(
    `"${text}" runs backwards, and cron never runs it: write ${from === 7 ? from : `${from}-7`}`,
    column,
  );
}
