import { invalidArgument } from './errors.ts';
import type { Instant } from './task-spec.ts';

/** An instant: ms since 1970, a date, or ISO 8601 text with its offset such as `'2026-11-23T10:00:00Z'`. */
export type InstantLike = number | string | Instant;

const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})\d*)?)?(?:Z|([+-])(\d\d):?(\d\d))$/;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const DAYS_OF_MONTHS: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `instant` in ms since 1970. `name` is what the caller's option is called. @throws TaskraftError INVALID_ARGUMENT */
export function instantLikeMs(instant: InstantLike, name: string): number {
  const ms = typeof instant === 'number' ? instant : typeof instant === 'string' ? isoMs(instant) : instant.getTime();
  if (ms !== undefined && Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw invalidArgument(`${name} is a date, ms since 1970, or text such as '2026-11-23T10:00:00Z'.`);
}

/** Text without an offset would mean another instant on every computer, and is none. */
function isoMs(text: string): number | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const part = (at: number): number => Number(match[at] ?? 0);
  const days = daysOf(part(1), part(2), part(3));
  const [hour, minute, second, offsetMinute] = [part(4), part(5), part(6), part(10)];
  if (days === undefined || hour > 23 || minute > 59 || second > 59 || offsetMinute > 59) return undefined;
  const ms = Number((match[7] ?? '').padEnd(3, '0'));
  const offsetMs = part(9) * HOUR_MS + offsetMinute * MINUTE_MS;
  const wallMs = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * 1_000 + ms;
  return match[8] === '-' ? wallMs + offsetMs : wallMs - offsetMs;
}

/** Days from 1970-01-01 to a date of the Gregorian calendar; undefined when there is no such date. */
function daysOf(year: number, month: number, day: number): number | undefined {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const lengths = DAYS_OF_MONTHS.map((length, at) => (at === 1 && isLeap ? 29 : length));
  const length = lengths[month - 1];
  if (length === undefined || day < 1 || day > length) return undefined;
  const before = year - 1;
  const leapDays = (until: number): number => Math.floor(until / 4) - Math.floor(until / 100) + Math.floor(until / 400);
  const years = (year - 1970) * 365 + leapDays(before) - leapDays(1969);
  return years + lengths.slice(0, month - 1).reduce((sum, days) => sum + days, 0) + day - 1;
}
