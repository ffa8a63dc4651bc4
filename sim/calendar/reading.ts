import { monthDays } from './zones.ts';

/** Wall-clock time in the parts that patterns speak of. */
interface Wall {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly lastDay: number;
}

/** A pattern, read part by part each time it is asked, as a person with a calendar would. */
export interface Reading {
  /** True when the hour is written with a star. */
  readonly wildcardHour: boolean;
  readonly hasSeconds: boolean;
  /** `wallMs` is wall-clock time read as if it were UTC, a whole second. */
  readonly fits: (wallMs: number) => boolean;
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const NAMED: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/**
 * Reads a pattern that is known to be right. It shares no code with the calendar of the product, on purpose, and knows no `H`, which
 * only that calendar can choose.
 */
export function readPattern(text: string, dayMatch: 'or' | 'and'): Reading {
  const fields = (NAMED[text] ?? text).split(' ');
  if (/(?:^|[ ,])H/i.test(text)) throw new Error(`H has no meaning of its own: ${text}`);
  if (fields.length === 5) fields.unshift('0');
  if (fields.length === 6) fields.push('*');
  const [second, minute, hour, day, month, weekday, year] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const seconds = numbers(second, 0, 59, []);
  const minutes = numbers(minute, 0, 59, []);
  const hours = numbers(hour, 0, 23, []);
  const dayFits = readDays(day, month, weekday, year, dayMatch);
  let knownDay = Number.NaN;
  let knownFits = false;
  return {
    wildcardHour: hour.includes('*'),
    hasSeconds: text.split(' ').length > 5,
    fits: (wallMs) => {
      const time = Math.floor(wallMs / 1_000);
      if (!seconds.has(time % 60) || !minutes.has(Math.floor(time / 60) % 60)) return false;
      if (!hours.has(Math.floor(time / 3_600) % 24)) return false;
      const date = Math.floor(time / 86_400);
      if (date !== knownDay) {
        knownDay = date;
        knownFits = dayFits(wallOf(date));
      }
      return knownFits;
    },
  };
}

function readDays(
  day: string,
  month: string,
  weekday: string,
  year: string,
  dayMatch: 'or' | 'and',
): (wall: Wall) => boolean {
  const months = numbers(month, 1, 12, MONTHS);
  const isAny = (field: string): boolean => field === '*' || field === '?';
  return (wall) => {
    if (!months.has(wall.month) || (year !== '*' && !numbers(year, 1970, 2999, []).has(wall.year))) return false;
    const byDay =
      isAny(day) ||
      day
        .toUpperCase()
        .split(',')
        .some((part) => dayOfMonthFits(part, wall));
    const byWeekday =
      isAny(weekday) ||
      weekday
        .toUpperCase()
        .split(',')
        .some((part) => weekdayFits(part, wall));
    if (isAny(day) || isAny(weekday) || dayMatch === 'and') return byDay && byWeekday;
    return byDay || byWeekday;
  };
}

function dayOfMonthFits(part: string, wall: Wall): boolean {
  const { day, lastDay } = wall;
  if (part === 'L') return day === lastDay;
  const isWorkday = (one: number): boolean => ![0, 6].includes(weekdayOf(wall, one));
  if (part === 'LW') {
    let one = lastDay;
    while (!isWorkday(one)) one -= 1;
    return day === one;
  }
  if (!part.endsWith('W')) return numbers(part, 1, 31, []).has(day);
  const wanted = Number(part.slice(0, -1));
  if (wanted > lastDay) return false;
  // The nearest of the same month: a day to either side, and two where that would leave the month.
  const near = [wanted, wanted - 1, wanted + 1, wanted - 2, wanted + 2].filter((one) => one >= 1 && one <= lastDay);
  return day === near.find(isWorkday);
}

function weekdayFits(part: string, wall: Wall): boolean {
  const [, days = '', rule = ''] = /^([^#L]+)(#\d|#L|L)?$/.exec(part) ?? [];
  const named = [...numbers(days, 0, 7, WEEKDAYS, 0, 6)].map((one) => one % 7);
  if (!named.includes(wall.weekday)) return false;
  if (rule.endsWith('L')) return wall.day + 7 > wall.lastDay;
  return rule === '' || Math.ceil(wall.day / 7) === Number(rule.slice(1));
}

/** All that a list of values, ranges and steps names. A star runs from `starMin` to `starMax`. */
function numbers(
  text: string,
  min: number,
  max: number,
  names: readonly string[],
  starMin: number = min,
  starMax: number = max,
): Set<number> {
  const found = new Set<number>();
  const value = (word: string): number => {
    const at = names.indexOf(word.toUpperCase());
    return at < 0 ? Number(word) : at + min;
  };
  for (const part of text.split(',')) {
    const [range = '', step = '1'] = part.split('/');
    const [first = '', last = first] = range.split('-');
    const from = range === '*' || range === '?' ? starMin : value(first);
    let to = range === '*' || range === '?' ? starMax : value(last);
    // A week that ends on Sunday.
    if (names === WEEKDAYS && to === 0 && from > 0) to = 7;
    if (!Number.isInteger(from) || !Number.isInteger(to)) throw new Error(`this reading knows no "${part}"`);
    for (let one = from; one <= to; one += Number(step)) found.add(one);
  }
  return found;
}

/** Counted forward from 1 January 1970, a Thursday, year by year. */
function wallOf(date: number): Wall {
  let year = 1970;
  let rest = date;
  for (; rest >= yearDays(year); year += 1) rest -= yearDays(year);
  let month = 1;
  for (; rest >= monthDays(year, month); month += 1) rest -= monthDays(year, month);
  return { year, month, day: rest + 1, weekday: (date + 4) % 7, lastDay: monthDays(year, month) };
}

function weekdayOf(wall: Wall, day: number): number {
  return (wall.weekday + day - wall.day + 35) % 7;
}

function yearDays(year: number): number {
  return monthDays(year, 2) + 337;
}
