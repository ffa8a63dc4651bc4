/**
 * Which instants a schedule names, worked out the slow way.
 *
 * This is the second opinion on `src/calendar`. It walks through time minute by minute (second by second where a pattern asks for
 * seconds), looks at the clock on the wall of the place, and writes down when that clock shows what the pattern says. It has its own
 * reading of patterns (`reading.ts`) and its own tables of clocks (`zones.ts`), and shares with the product the types alone. Whoever
 * judges the product by it cannot be fooled by a mistake that both make in the same line.
 *
 * It is for ten places and the years 2025 to 2027; UTC and whatever has neither pattern nor zone is bounded by them, too. It knows
 * neither `H` nor jitter: the first is replaced before, the second comes after.
 */
import type { CalendarDefinition, CalendarSpec } from '../../src/calendar/definition.ts';
import { type Reading, readPattern } from './reading.ts';
import { REFERENCE_FROM_MS, type ReferenceZone, referenceOffsetMs, referenceZone } from './zones.ts';

/**
 * Before the first instant that is asked for the walk begins this much earlier, so that it knows which clock times are repeats. Where
 * no clock changes meanwhile none is, and a step will do.
 */
const LEAD_MS = 6 * 3_600_000;

/** Every instant of `definition` from `fromMs` to `toMs`, both inclusive, increasing. */
export function referenceInstants(definition: CalendarDefinition, fromMs: number, toMs: number): number[] {
  const zone = referenceZone(definition.timeZone);
  const { startAtMs = fromMs, endAtMs = toMs } = definition;
  const named = new Set<number>();
  for (const spec of definition.specs) {
    for (const ms of instantsOf(spec, definition, zone, Math.max(fromMs, startAtMs), Math.min(toMs, endAtMs)))
      named.add(ms);
  }
  const excluded = definition.exclude.map((one) => {
    if ('atMs' in one) return (ms: number): boolean => ms === one.atMs;
    const reading = readPattern(one.cron, definition.dayMatch);
    const unitMs = reading.hasSeconds ? 1_000 : 60_000;
    return (ms: number): boolean => reading.fits(Math.floor((ms + referenceOffsetMs(zone, ms)) / unitMs) * unitMs);
  });
  return [...named].filter((ms) => !excluded.some((rule) => rule(ms))).sort((left, right) => left - right);
}

function instantsOf(
  spec: CalendarSpec,
  definition: CalendarDefinition,
  zone: ReferenceZone,
  fromMs: number,
  toMs: number,
): number[] {
  if ('atMs' in spec) return spec.atMs >= fromMs && spec.atMs <= toMs ? [spec.atMs] : [];
  if ('cron' in spec) return walk(readPattern(spec.cron, definition.dayMatch), definition.dst, zone, fromMs, toMs);
  const found: number[] = [];
  for (let ms = spec.phaseMs; ms <= toMs; ms += spec.everyMs) if (ms >= fromMs) found.push(ms);
  return found;
}

/** Looks at the clock once a minute, or once a second. */
function walk(
  reading: Reading,
  dst: CalendarDefinition['dst'],
  zone: ReferenceZone,
  fromMs: number,
  toMs: number,
): number[] {
  const stepMs = reading.hasSeconds ? 1_000 : 60_000;
  const found: number[] = [];
  const leadMs = zone.changes.some(({ atMs }) => atMs > fromMs - LEAD_MS - stepMs && atMs <= toMs) ? LEAD_MS : stepMs;
  const beginMs = Math.max(REFERENCE_FROM_MS, fromMs - leadMs);
  let shownBefore: number | undefined;
  let latestShown = -Infinity;
  for (let ms = Math.ceil(beginMs / stepMs) * stepMs; ms <= toMs; ms += stepMs) {
    const shown = ms + referenceOffsetMs(zone, ms);
    let due = reading.fits(shown);
    if (!reading.wildcardHour) {
      if (shown <= latestShown && dst.overlap === 'first') due = false;
      for (let skipped = (shownBefore ?? shown) + stepMs; skipped < shown; skipped += stepMs) {
        if (dst.gap === 'after' && reading.fits(skipped)) due = true;
      }
    }
    shownBefore = shown;
    latestShown = Math.max(latestShown, shown);
    if (due && ms >= fromMs) found.push(ms);
  }
  return found;
}
