import { nearMiss } from '../base/near-miss.ts';
import { CRON_FIELDS, type CronField, type CronItem, DAY_OF_MONTH, DAY_OF_WEEK, NICKNAMES } from './cron-fields.ts';
import { parseItem } from './cron-item.ts';
import { CalendarError } from './error.ts';
import { CRON_CHARS_MAX } from './limits.ts';
import { TimesOfDay } from './time-of-day.ts';

/** A pattern in the parts that are asked for separately. */
export interface CronPattern {
  readonly times: TimesOfDay;
  /** Day of month, month, day of week and year, numbers only, in the grammar of croner. */
  readonly days: string;
  /** True when the hour is `*` or steps through all hours: such a pattern follows elapsed time over changes of clock. */
  readonly wildcardHour: boolean;
  /** True for six and seven fields. */
  readonly hasSeconds: boolean;
  /** Where the day of month stands in the text, to point at dates that do not exist. */
  readonly dayPlace: { readonly line: number; readonly column: number };
}

/** Gives a number in [0, 2^32) for the `item`-th part of field `field`, where it is an `H`. */
export type FieldSpread = (field: number, item: number) => number;

interface Word {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

const HOUR = 2;

/**
 * Reads a pattern of 5 fields (minute first), 6 (second first) or 7 (second first, year last), or a name such as `@daily`.
 *
 * @param path JSON pointer of the text, for errors
 * @throws CalendarError with the line and column of the part that is wrong
 */
export function parseCron(text: string, path: string, spread: FieldSpread): CronPattern {
  if (text.length > CRON_CHARS_MAX) {
    throw new CalendarError(`A pattern has at most ${CRON_CHARS_MAX} characters, this one ${text.length}.`, { path });
  }
  const written = wordsOf(text);
  const words = written[0]?.text.startsWith('@') === true ? nickname(written, path) : written;
  if (words.length < 5 || words.length > 7) throw wrongCount(text, words, path);
  const hasSeconds = words.length > 5;
  const places = [hasSeconds ? words[0] : undefined, ...words.slice(hasSeconds ? 1 : 0)];
  const fields = CRON_FIELDS.map((_, at) => itemsOf(places[at], at, path, spread));
  const valuesOf = (at: number): number[] => values(fields[at] as readonly CronItem[], CRON_FIELDS[at] as CronField);
  const day = places[DAY_OF_MONTH] as Word;
  return {
    times: new TimesOfDay(valuesOf(HOUR), valuesOf(1), hasSeconds ? valuesOf(0) : [0]),
    days: [DAY_OF_MONTH, 4, DAY_OF_WEEK, 6].map((at) => render(fields[at] as readonly CronItem[], at)).join(' '),
    wildcardHour: (fields[HOUR] as readonly CronItem[]).some((item) => item.type === 'any'),
    hasSeconds,
    dayPlace: { line: day.line, column: day.column },
  };
}

function wordsOf(text: string): Word[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      [...line.matchAll(/\S+/g)].map((match) => ({ text: match[0], line: at + 1, column: match.index + 1 })),
    );
}

/** The fields that a name stands for, each at the place of the name. */
function nickname(words: readonly Word[], path: string): Word[] {
  const [{ text, line, column }, next] = words as [Word, Word | undefined];
  const name = text.toLowerCase();
  const place = { path, line, column };
  if (name === '@reboot') {
    throw new CalendarError(
      '@reboot names no time: a cluster does not boot. Submit a task at the start of the host instead.',
      place,
    );
  }
  if (name === '@every') {
    throw new CalendarError('@every is no pattern: give the period as `every` instead of `cron`.', place);
  }
  const pattern = Object.hasOwn(NICKNAMES, name) ? NICKNAMES[name] : undefined;
  if (pattern === undefined) {
    const names = Object.keys(NICKNAMES);
    const meant = nearMiss(name, names);
    throw new CalendarError(
      `"${text}" is no name of a pattern: ${meant === undefined ? `known are ${names.join(', ')}` : `did you mean ${meant}?`}`,
      place,
    );
  }
  if (next !== undefined) {
    throw new CalendarError(`${text} is a whole pattern: nothing may follow it.`, {
      path,
      line: next.line,
      column: next.column,
    });
  }
  return pattern.split(' ').map((field) => ({ text: field, line, column }));
}

function wrongCount(text: string, words: readonly Word[], path: string): CalendarError {
  const message = `A pattern has 5 fields (minute first), 6 (second first) or 7 (second first, year last), this one ${words.length}.`;
  const extra = words[7];
  // Where the eighth stands, or behind the last one.
  const lines = text.split('\n');
  const place = extra ?? { line: lines.length, column: (lines.at(-1) as string).trimEnd().length + 1 };
  return new CalendarError(message, { path, line: place.line, column: place.column });
}

/** The parts of one field; a field that was not written is `*`. */
function itemsOf(word: Word | undefined, field: number, path: string, spread: FieldSpread): CronItem[] {
  if (word === undefined) return [{ type: 'any', step: 1 }];
  const { text, line, column } = word;
  const parts = text.split(',');
  let offset = 0;
  return parts.map((part, item) => {
    const begin = column + offset;
    offset += part.length + 1;
    return parseItem({
      text: part,
      field,
      siblings: parts.length,
      spread: () => spread(field, item),
      refuse: (message, at) => {
        throw new CalendarError(`${message}.`.replace(/\?\.$/, '?'), { path, line, column: begin + at });
      },
    });
  });
}

/** The numbers that a field of the time of day names, increasing. */
function values(items: readonly CronItem[], field: CronField): number[] {
  const named = new Set<number>();
  for (const item of items) {
    const from = item.type === 'range' ? item.from : field.min;
    const to = item.type === 'range' ? item.to : field.max;
    const step = item.type === 'range' || item.type === 'any' ? item.step : 1;
    for (let value = from; value <= to; value += step) named.add(value);
  }
  return [...named].sort((left, right) => left - right);
}

/** A field of days as croner reads it. A part that names everything is the whole field, whatever stands beside it. */
function render(items: readonly CronItem[], at: number): string {
  if (items.some((item) => item.type === 'any' && item.step === 1)) return '*';
  const { min, max, anyMax = max } = CRON_FIELDS[at] as CronField;
  return items.map((item) => renderItem(item, min, anyMax)).join(',');
}

function renderItem(item: CronItem, min: number, max: number): string {
  switch (item.type) {
    case 'any':
      return `${min}-${max}/${item.step}`;
    case 'range':
      if (item.from === item.to) return String(item.from);
      return `${item.from}-${item.to}${item.step > 1 ? `/${item.step}` : ''}`;
    case 'last':
      return 'L';
    case 'lastWeekday':
      return 'LW';
    case 'nearestWeekday':
      return `${item.day}W`;
    case 'nth':
      return `${item.from === item.to ? item.from : `${item.from}-${item.to}`}${item.nth === 'L' ? 'L' : `#${item.nth}`}`;
  }
}
