import { Cron } from 'croner';
import { assert } from '../base/assert.ts';
import type { CronPattern } from './cron-text.ts';

/** Milliseconds of a day. */
export const DAY_MS = 86_400_000;

/**
 * Searches that are kept. One holds a table of ten thousand years (80 KB), so schedules with the same days share it; most
 * patterns of a house name one of a handful.
 */
const KEPT_MAX = 128;

const kept = new Map<string, Cron>();

/**
 * The calendar days that a pattern names, as days since 1970-01-01.
 *
 * croner is asked for dates alone, as midnights of UTC: it knows months, leap years, nearest weekdays and n-th weekdays. It is not
 * asked for instants of a zone, see docs/decisions/0050-zones-are-ours.md.
 */
export class Days {
  readonly #text: string;
  readonly #dayMatch: 'or' | 'and';
  /** The last answer: no day from `#from` to before `#found` fits, and `#found` does. */
  #from = 0;
  #found = -1;

  constructor(pattern: Pick<CronPattern, 'days'>, dayMatch: 'or' | 'and') {
    this.#text = pattern.days;
    this.#dayMatch = dayMatch;
  }

  /** The first day at or after `day`, or undefined when there is none before the year 3000. */
  next(day: number): number | undefined {
    if (day >= this.#from && day <= this.#found) return this.#found === Infinity ? undefined : this.#found;
    // croner answers with what comes after an instant, in whole seconds.
    const found = searchOf(this.#text, this.#dayMatch).nextRun(new Date(day * DAY_MS - 1_000));
    this.#from = day;
    // Every day after the last one is answered from memory, too.
    this.#found = found === null ? Infinity : Math.floor(found.getTime() / DAY_MS);
    assert(this.#found >= day, 'a search finds nothing before its start');
    return found === null ? undefined : this.#found;
  }

  has(day: number): boolean {
    return this.next(day) === day;
  }
}

/** False when no calendar has a day that `pattern` names, such as 30 February. */
export function namesDays(pattern: CronPattern, dayMatch: 'or' | 'and'): boolean {
  const [dayOfMonth, month, dayOfWeek, year] = pattern.days.split(' ') as [string, string, string, string];
  // Every month has every weekday, and some February a fifth of each.
  if (dayOfMonth === '*' && year === '*') return true;
  // 28 years in a row without a skipped leap year hold every shape of a year; searching all 400 takes fourteen times as long.
  const anyYear = new Days({ days: [dayOfMonth, month, dayOfWeek, '2000-2027'].join(' ') }, dayMatch);
  return anyYear.next(0) !== undefined && (year === '*' || new Days(pattern, dayMatch).next(0) !== undefined);
}

function searchOf(text: string, dayMatch: 'or' | 'and'): Cron {
  const key = `${dayMatch} ${text}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value as string);
  const made = new Cron(`0 0 0 ${text}`, {
    mode: '7-part',
    utcOffset: 0,
    fixedTimeRule: 'no-wildcard',
    domAndDow: dayMatch === 'and',
  });
  kept.set(key, made);
  return made;
}
