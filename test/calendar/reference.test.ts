import { expect, test } from 'vitest';
import { referenceInstants } from '../../sim/calendar/calendar.ts';
import { REFERENCE_FROM_MS, REFERENCE_UNTIL_MS, REFERENCE_ZONES, referenceOffsetMs } from '../../sim/calendar/zones.ts';
import { parseCalendar } from '../../src/calendar/definition.ts';
import { zoneOf } from '../../src/calendar/zone.ts';
import { iso } from './support.ts';

const HOUR_MS = 3_600_000;

/* When this fails and nothing was changed here, Node came with new rules for a place: mend its table as the head of zones.ts says. */
test.each(REFERENCE_ZONES)('the clocks of $name are those of this Node', (zone) => {
  const edges = zone.changes.flatMap(({ atMs }) => [atMs - 1_000, atMs]);
  const hours: number[] = [];
  for (let ms = REFERENCE_FROM_MS; ms < REFERENCE_UNTIL_MS; ms += 5 * HOUR_MS) hours.push(ms);
  const differ = [...edges, ...hours].filter((ms) => zoneOf(zone.name).at(ms).offsetMs !== referenceOffsetMs(zone, ms));
  expect(iso(differ)).toEqual([]);
});

/* Worked out with a calendar on paper, so that the reference itself is not taken on trust. */
test.each([
  ['30 2 * * *', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:30Z']],
  ['30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
  ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00Z', ['2026-10-03T15:30Z', '2026-10-04T15:15Z']],
  ['0 0 * * *', 'Asia/Beirut', '2026-03-28T12:00Z', ['2026-03-28T22:00Z', '2026-03-29T21:00Z']],
  ['0 0 15W 8 *', 'UTC', '2026-08-01T00:00Z', ['2026-08-14T00:00Z']],
  ['0 0 LW 5 *', 'UTC', '2026-05-01T00:00Z', ['2026-05-29T00:00Z']],
  ['0 0 * 11 MON#2', 'UTC', '2026-11-01T00:00Z', ['2026-11-09T00:00Z']],
  ['0 0 * 2 6L', 'UTC', '2026-02-01T00:00Z', ['2026-02-28T00:00Z']],
  ['0 0 13 * FRI', 'UTC', '2026-11-08T00:00Z', ['2026-11-13T00:00Z', '2026-11-20T00:00Z']],
])('the reference reads %s in %s', (cron, timeZone, from, expected) => {
  const fromMs = Date.parse(from);
  const found = referenceInstants(parseCalendar({ cron, timeZone }), fromMs, fromMs + 40 * 24 * HOUR_MS);
  expect(iso(found.slice(0, expected.length))).toEqual(expected);
});
