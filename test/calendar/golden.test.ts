import { describe, expect, test } from 'vitest';
import { referenceInstants } from '../../sim/calendar/calendar.ts';
import { REFERENCE_ZONES, type ReferenceZone, referenceOffsetMs } from '../../sim/calendar/zones.ts';
import { Calendar } from '../../src/calendar/calendar.ts';
import { type CalendarDefinition, parseCalendar } from '../../src/calendar/definition.ts';

/*
 * The tables under golden/ say what fires around each change of clock in ten places. They are written by the reference in
 * sim/calendar, which looks at the clock minute by minute, and never by the calendar of the product. To write them anew after a change
 * of the patterns below: `node_modules/.bin/vitest run test/calendar/golden.test.ts -u`, and read the difference.
 */

const HOUR_MS = 3_600_000;

const FIXED = [
  '30 2 * * *',
  '0 3 * * *',
  '30 1 * * *',
  '0 2 * * *',
  '0 0 * * *',
  '15 0 * * *',
  '30 23 * * *',
  '50 2 * * SUN',
];
const LISTS = ['30 1,2,3 * * *', '0 0-4 * * *', '*/20 2 * * *', '0,30 0,23 * * *', '45 1-3/2 * * *'];
const WILDCARD = ['*/30 * * * *', '0 * * * *', '20 */2 * * *'];
const INTERVALS = [
  { every: '90m', phase: 0 },
  { every: '1h', phase: '10m' },
];

const RULES = [
  { gap: 'after', overlap: 'first' },
  { gap: 'skip', overlap: 'both' },
] as const;

/** Patterns that fire a few times a day are shown for a day and a half around a change, the others for less. */
const WIDE_MS = 30 * HOUR_MS;
const NARROW_MS = 3 * HOUR_MS;

type Instants = (definition: CalendarDefinition, fromMs: number, toMs: number) => readonly number[];

const productInstants: Instants = (definition, fromMs, toMs) =>
  new Calendar(definition, 'golden').between(fromMs, toMs, 10_000).occurrences.map(({ plannedMs }) => plannedMs);

function table(zone: ReferenceZone, instants: Instants): string {
  const lines = [
    `# ${zone.name}: what fires around each change of clock, 2025 to 2027.`,
    '# Written by the reference in sim/calendar; how to write it anew is said in test/calendar/golden.test.ts.',
    '# Each line: the pattern, the rule for times that are missing or doubled, and month-day hour:minute offset of what fires.',
  ];
  const changes = zone.changes.map(({ atMs }) => atMs);
  // Places without a change are looked at where a year ends.
  const middles = changes.length > 0 ? changes : [Date.UTC(2026, 0, 1), Date.UTC(2027, 0, 1)];
  for (const atMs of middles) {
    lines.push('', `## ${show(zone, atMs - 1_000, true)} → ${show(zone, atMs, true)}`);
    const add = (label: string, input: object, aroundMs: number): void => {
      const definition = parseCalendar({ ...input, timeZone: zone.name });
      const fired = instants(definition, atMs - aroundMs, atMs + aroundMs);
      lines.push(`${label}: ${fired.map((ms) => show(zone, ms, false)).join(', ')}`);
    };
    for (const cron of [...FIXED, ...LISTS]) {
      for (const dst of RULES) add(`${cron}  ${dst.gap} ${dst.overlap}`, { cron, dst }, WIDE_MS);
    }
    for (const cron of WILDCARD) add(cron, { cron }, NARROW_MS);
    for (const { every, phase } of INTERVALS) add(`every ${every}, phase ${phase}`, { every, phase }, NARROW_MS);
  }
  return `${lines.join('\n')}\n`;
}

function show(zone: ReferenceZone, ms: number, full: boolean): string {
  const offsetMs = referenceOffsetMs(zone, ms);
  const wall = new Date(ms + offsetMs).toISOString().replace('T', ' ');
  const minutes = Math.abs(offsetMs) / 60_000;
  const offset = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');
  return `${full ? wall.slice(0, 19) : wall.slice(5, 16)}${offsetMs < 0 ? '-' : '+'}${offset}`;
}

describe('around each change of clock', () => {
  test.each(REFERENCE_ZONES)('$name fires as its published rules say', async (zone) => {
    const expected = table(zone, referenceInstants);
    await expect(expected).toMatchFileSnapshot(`golden/${zone.name.replaceAll('/', '-')}.txt`);
    expect(table(zone, productInstants)).toBe(expected);
  });
});
