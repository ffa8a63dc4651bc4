import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { referenceInstants } from '../../sim/calendar/calendar.ts';
import { REFERENCE_FROM_MS, REFERENCE_UNTIL_MS, REFERENCE_ZONES } from '../../sim/calendar/zones.ts';
import { Calendar } from '../../src/calendar/calendar.ts';
import { calendarText, readCalendar } from '../../src/calendar/definition.ts';
import { cronPattern, definitionOf, iso, mixedDefinition, secondsPattern } from './support.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Half of all windows lie around a change of clock, where mistakes are. */
function windowOf(lengthMs: number): fc.Arbitrary<{ fromMs: number; toMs: number }> {
  const changes = REFERENCE_ZONES.flatMap(({ changes }) => changes.map(({ atMs }) => atMs));
  const anywhere = fc.integer({ min: REFERENCE_FROM_MS + DAY_MS, max: REFERENCE_UNTIL_MS - lengthMs - DAY_MS });
  const near = fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: 0, max: Math.min(lengthMs, 2 * DAY_MS) }))
    .map(([atMs, before]) => atMs - before);
  return fc.oneof(anywhere, near).map((fromMs) => ({ fromMs, toMs: fromMs + lengthMs }));
}

describe('random patterns', () => {
  test('fire exactly when a clock on the wall shows what they say', () => {
    fc.assert(
      fc.property(definitionOf(cronPattern), windowOf(40 * DAY_MS), (definition, { fromMs, toMs }) => {
        fc.pre(definition !== undefined);
        const { occurrences, more } = new Calendar(definition, 'any').between(fromMs, toMs, 100_000);
        expect(more).toBe(false);
        expect(iso(occurrences.map(({ plannedMs }) => plannedMs))).toEqual(
          iso(referenceInstants(definition, fromMs, toMs)),
        );
      }),
      { numRuns: 150 },
    );
  });

  test('with seconds do so to the second', () => {
    fc.assert(
      fc.property(definitionOf(secondsPattern), windowOf(8 * HOUR_MS), (definition, { fromMs, toMs }) => {
        fc.pre(definition !== undefined);
        const { occurrences } = new Calendar(definition, 'any').between(fromMs, toMs, 100_000);
        expect(iso(occurrences.map(({ plannedMs }) => plannedMs))).toEqual(
          iso(referenceInstants(definition, fromMs, toMs)),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('random definitions of several specs and exclusions', () => {
  const fromMs = Date.UTC(2026, 2, 1);
  const toMs = fromMs + 40 * DAY_MS;

  test('fire at the union of their specs without what is excluded', () => {
    fc.assert(
      fc.property(mixedDefinition(fromMs, toMs), (definition) => {
        fc.pre(definition !== undefined);
        const { occurrences } = new Calendar(definition, 'any').between(fromMs, toMs, 100_000);
        expect(iso(occurrences.map(({ plannedMs }) => plannedMs))).toEqual(
          iso(referenceInstants(definition, fromMs, toMs)),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('give the same instants in steps of any size, always later ones, and say how far they looked', () => {
    const steps = fc.array(
      fc.record({ max: fc.integer({ min: 0, max: 70 }), aheadMs: fc.integer({ min: 0, max: 3 * DAY_MS }) }),
    );
    fc.assert(
      fc.property(
        mixedDefinition(fromMs, toMs),
        fc.integer({ min: 0, max: DAY_MS }),
        steps,
        (definition, jitter, asked) => {
          fc.pre(definition !== undefined);
          const jittered = { ...definition, jitterMs: jitter };
          const whole = new Calendar(jittered, 'any').between(fromMs + 1, toMs, 100_000).occurrences;
          const calendar = new Calendar(jittered, 'any');
          let afterMs = fromMs;
          let seen = 0;
          for (const { max, aheadMs } of asked) {
            const untilMs = Math.min(toMs, afterMs + aheadMs);
            const { occurrences, throughMs, exhausted } = calendar.next(afterMs, max, untilMs);
            expect(occurrences).toEqual(whole.slice(seen, seen + occurrences.length));
            expect(occurrences.length).toBeLessThanOrEqual(max);
            expect(throughMs).toBeGreaterThanOrEqual(afterMs);
            expect(throughMs).toBeLessThanOrEqual(Math.max(afterMs, untilMs));
            seen += occurrences.length;
            // Nothing up to there was left out, and whoever says that it is over is right.
            expect(whole[seen]?.plannedMs ?? Infinity).toBeGreaterThan(throughMs);
            if (exhausted) expect(seen).toBe(whole.length);
            afterMs = throughMs;
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test('delay by jitter without ever changing the order of planned and fired instants', () => {
    fc.assert(
      fc.property(mixedDefinition(fromMs, toMs), fc.integer({ min: 1, max: DAY_MS }), (definition, jitterMs) => {
        fc.pre(definition !== undefined);
        const { occurrences } = new Calendar({ ...definition, jitterMs }, 'any').between(fromMs, toMs, 2_000);
        occurrences.forEach(({ plannedMs, fireAtMs }, at) => {
          expect(fireAtMs).toBeGreaterThanOrEqual(plannedMs);
          expect(fireAtMs).toBeLessThanOrEqual(plannedMs + jitterMs);
          expect(fireAtMs).toBeLessThan(occurrences[at + 1]?.plannedMs ?? Infinity);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('are the same definition after a round through text', () => {
    fc.assert(
      fc.property(mixedDefinition(fromMs, toMs), (definition) => {
        fc.pre(definition !== undefined);
        const text = calendarText(definition);
        expect(readCalendar(text)).toEqual(definition);
        expect(calendarText(readCalendar(text))).toBe(text);
      }),
    );
  });
});
