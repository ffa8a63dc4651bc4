/** The seven fields in the order in which a full pattern has them. */
export const CRON_FIELDS: readonly CronField[] = [
  { name: 'second', min: 0, max: 59, names: [], firstName: 0 },
  { name: 'minute', min: 0, max: 59, names: [], firstName: 0 },
  { name: 'hour', min: 0, max: 23, names: [], firstName: 0 },
  // H stops at 28, so that it names a day that every month has.
  { name: 'day of month', min: 1, max: 31, names: [], firstName: 0, spreadMax: 28 },
  {
    name: 'month',
    min: 1,
    max: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
    firstName: 1,
  },
  // 0 and 7 are both Sunday. `*` and H stop at 6, so that no day counts twice.
  {
    name: 'day of week',
    min: 0,
    max: 7,
    names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'],
    firstName: 0,
    anyMax: 6,
    spreadMax: 6,
  },
  { name: 'year', min: 1970, max: 2999, names: [], firstName: 0 },
];

/** Its position in `CRON_FIELDS`. */
export const DAY_OF_MONTH = 3;

/** Its position in `CRON_FIELDS`. */
export const DAY_OF_WEEK = 5;

/** One field of a pattern. */
export interface CronField {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Three letters each, in any case. */
  readonly names: readonly string[];
  /** What the first name stands for. */
  readonly firstName: number;
  /** Where `*` ends, when that is before `max`. */
  readonly anyMax?: number;
  /** Where `H` ends, when that is before `max`. */
  readonly spreadMax?: number;
}

/** What `@daily` and its kin stand for. */
export const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** One part of a field between commas. */
export type CronItem =
  /** `*` or `?`, every `step`-th from the field's first. */
  | { readonly type: 'any'; readonly step: number }
  /** A value (from = to), a range, or what an `H` became. */
  | { readonly type: 'range'; readonly from: number; readonly to: number; readonly step: number }
  /** `L` in the day of month: its last day. */
  | { readonly type: 'last' }
  /** `LW`: the last day from Monday to Friday. */
  | { readonly type: 'lastWeekday' }
  /** `15W`: the day from Monday to Friday nearest to that day, within its month. */
  | { readonly type: 'nearestWeekday'; readonly day: number }
  /** `5#3` and `5L`: only the n-th such weekday of a month, `L` for the last. */
  | { readonly type: 'nth'; readonly from: number; readonly to: number; readonly nth: number | 'L' };
