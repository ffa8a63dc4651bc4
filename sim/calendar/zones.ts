/**
 * The clocks of ten places from 2025 to 2027, by their published rules, for whoever computes instants without `Intl`.
 *
 * The rules, with the place where each is published (all are in the IANA time zone database, too):
 *
 * - America/New_York: forward on the second Sunday of March at 02:00, back on the first Sunday of November at 02:00 (15 USC 260a).
 * - Europe/London: forward on the last Sunday of March, back on the last Sunday of October, both at 01:00 UTC (2000/84/EC, SI 2002/262).
 * - Australia/Lord_Howe: half an hour; back on the first Sunday of April, forward on the first Sunday of October, both at 02:00.
 * - Africa/Casablanca: an hour back for Ramadan, from 03:00 to 02:00 and from 02:00 to 03:00, on the Sundays that the database foresees.
 * - Pacific/Apia: +13:00 since the Parliament ended daylight saving in 2021. Asia/Kathmandu: +05:45.
 * - Antarctica/Troll: two hours, at 01:00 UTC on the days of London.
 * - Pacific/Chatham: back on the first Sunday of April at 03:45, forward on the last Sunday of September at 02:45.
 * - Asia/Beirut: forward on the last Sunday of March at 00:00, back on the last Sunday of October at 00:00.
 *
 * The changes below were worked out by hand from these rules. Each was then checked against the compiled database of a computer:
 * `zdump -v -c 2025,2028 ZONE` (tzdata 2025b) prints for each change the last second before and the first second after it, and
 * every line of it with a date from 2025 to 2027 agrees with a line here, and the other way round.
 */

/** The clocks of one place. */
export interface ReferenceZone {
  readonly name: string;
  /** Minutes that wall-clock time is ahead of UTC at the beginning of 2025. */
  readonly startMinutes: number;
  /** Increasing. */
  readonly changes: readonly ReferenceChange[];
}

/** A change of clock. */
export interface ReferenceChange {
  /** The first instant of the new offset. */
  readonly atMs: number;
  /** The new offset. */
  readonly minutes: number;
}

/** Instants from here are known. */
export const REFERENCE_FROM_MS: number = utc('2025-01-01T00:00');

/** Instants before this are known. */
export const REFERENCE_UNTIL_MS: number = utc('2028-01-01T00:00');

/** The ten. */
export const REFERENCE_ZONES: readonly ReferenceZone[] = [
  {
    name: 'America/New_York',
    startMinutes: -300,
    changes: [
      { atMs: utc('2025-03-09T07:00'), minutes: -240 },
      { atMs: utc('2025-11-02T06:00'), minutes: -300 },
      { atMs: utc('2026-03-08T07:00'), minutes: -240 },
      { atMs: utc('2026-11-01T06:00'), minutes: -300 },
      { atMs: utc('2027-03-14T07:00'), minutes: -240 },
      { atMs: utc('2027-11-07T06:00'), minutes: -300 },
    ],
  },
  {
    name: 'Europe/London',
    startMinutes: 0,
    changes: [
      { atMs: utc('2025-03-30T01:00'), minutes: 60 },
      { atMs: utc('2025-10-26T01:00'), minutes: 0 },
      { atMs: utc('2026-03-29T01:00'), minutes: 60 },
      { atMs: utc('2026-10-25T01:00'), minutes: 0 },
      { atMs: utc('2027-03-28T01:00'), minutes: 60 },
      { atMs: utc('2027-10-31T01:00'), minutes: 0 },
    ],
  },
  {
    name: 'Australia/Lord_Howe',
    startMinutes: 660,
    changes: [
      { atMs: utc('2025-04-05T15:00'), minutes: 630 },
      { atMs: utc('2025-10-04T15:30'), minutes: 660 },
      { atMs: utc('2026-04-04T15:00'), minutes: 630 },
      { atMs: utc('2026-10-03T15:30'), minutes: 660 },
      { atMs: utc('2027-04-03T15:00'), minutes: 630 },
      { atMs: utc('2027-10-02T15:30'), minutes: 660 },
    ],
  },
  {
    name: 'Africa/Casablanca',
    startMinutes: 60,
    changes: [
      { atMs: utc('2025-02-23T02:00'), minutes: 0 },
      { atMs: utc('2025-04-06T02:00'), minutes: 60 },
      { atMs: utc('2026-02-15T02:00'), minutes: 0 },
      { atMs: utc('2026-03-22T02:00'), minutes: 60 },
      { atMs: utc('2027-02-07T02:00'), minutes: 0 },
      { atMs: utc('2027-03-14T02:00'), minutes: 60 },
    ],
  },
  { name: 'Pacific/Apia', startMinutes: 780, changes: [] },
  { name: 'Asia/Kathmandu', startMinutes: 345, changes: [] },
  {
    name: 'Antarctica/Troll',
    startMinutes: 0,
    changes: [
      { atMs: utc('2025-03-30T01:00'), minutes: 120 },
      { atMs: utc('2025-10-26T01:00'), minutes: 0 },
      { atMs: utc('2026-03-29T01:00'), minutes: 120 },
      { atMs: utc('2026-10-25T01:00'), minutes: 0 },
      { atMs: utc('2027-03-28T01:00'), minutes: 120 },
      { atMs: utc('2027-10-31T01:00'), minutes: 0 },
    ],
  },
  {
    name: 'Pacific/Chatham',
    startMinutes: 825,
    changes: [
      { atMs: utc('2025-04-05T14:00'), minutes: 765 },
      { atMs: utc('2025-09-27T14:00'), minutes: 825 },
      { atMs: utc('2026-04-04T14:00'), minutes: 765 },
      { atMs: utc('2026-09-26T14:00'), minutes: 825 },
      { atMs: utc('2027-04-03T14:00'), minutes: 765 },
      { atMs: utc('2027-09-25T14:00'), minutes: 825 },
    ],
  },
  {
    name: 'Asia/Beirut',
    startMinutes: 120,
    changes: [
      { atMs: utc('2025-03-29T22:00'), minutes: 180 },
      { atMs: utc('2025-10-25T21:00'), minutes: 120 },
      { atMs: utc('2026-03-28T22:00'), minutes: 180 },
      { atMs: utc('2026-10-24T21:00'), minutes: 120 },
      { atMs: utc('2027-03-27T22:00'), minutes: 180 },
      { atMs: utc('2027-10-30T21:00'), minutes: 120 },
    ],
  },
  { name: 'UTC', startMinutes: 0, changes: [] },
];

/** Milliseconds that wall-clock time is ahead of UTC. @throws Error for a place or a year that is not in the table */
export function referenceOffsetMs(zone: ReferenceZone, ms: number): number {
  if (ms < REFERENCE_FROM_MS || ms >= REFERENCE_UNTIL_MS) throw new Error('the tables are of 2025 to 2027');
  let minutes = zone.startMinutes;
  for (const change of zone.changes) if (change.atMs <= ms) minutes = change.minutes;
  return minutes * 60_000;
}

/** The table of a place. UTC is known for ever. @throws Error for one that is not among the ten */
export function referenceZone(name: string): ReferenceZone {
  const zone = REFERENCE_ZONES.find((one) => one.name === name);
  if (zone === undefined) throw new Error(`no table of ${name}`);
  return zone;
}

/** `2025-03-09T07:00` in UTC, counted day by day. */
function utc(text: string): number {
  const [year, month, day, hour, minute] = text.split(/[-T:]/).map(Number) as [number, number, number, number, number];
  let days = day - 1;
  for (let one = 1970; one < year; one += 1) days += monthDays(one, 2) + 337;
  for (let one = 1; one < month; one += 1) days += monthDays(year, one);
  return ((days * 24 + hour) * 60 + minute) * 60_000;
}

/** Days of a month, 1 to 12. */
export function monthDays(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
