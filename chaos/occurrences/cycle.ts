/**
 * When the schedules of a run fire, by arithmetic of its own: instants that come again with a period that is counted from
 * 1970-01-01 UTC. Patterns of seconds are such cycles in any zone that is whole minutes off. Nothing of the calendar under test
 * is used.
 */

/** Instants that come again and again. */
export interface Cycle {
  readonly periodMs: number;
  /** Where in the period, from 0 to before its end, ascending. */
  readonly offsetsMs: readonly number[];
}

const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;

/** One instant each `periodMs`, `phaseMs` after its beginning. */
export function everyMs(periodMs: number, phaseMs = 0): Cycle {
  return { periodMs, offsetsMs: [phaseMs] };
}

/** The seconds of each minute that `has` takes. */
export function secondsOfMinute(has: (second: number) => boolean): Cycle {
  const seconds = Array.from({ length: MINUTE_MS / SECOND_MS }, (_, second) => second);
  return { periodMs: MINUTE_MS, offsetsMs: seconds.filter(has).map((second) => second * SECOND_MS) };
}

/** The first instant after `afterMs`. */
export function nextInstant({ periodMs, offsetsMs }: Cycle, afterMs: number): number {
  const beganMs = Math.floor(afterMs / periodMs) * periodMs;
  const inPeriod = offsetsMs.find((offsetMs) => beganMs + offsetMs > afterMs);
  return inPeriod === undefined ? beganMs + periodMs + (offsetsMs[0] ?? 0) : beganMs + inPeriod;
}

/** All instants after `afterMs` and up to `throughMs`, ascending. */
export function instantsOf(cycle: Cycle, afterMs: number, throughMs: number): readonly number[] {
  const instants: number[] = [];
  for (let ms = nextInstant(cycle, afterMs); ms <= throughMs; ms = nextInstant(cycle, ms)) instants.push(ms);
  return instants;
}
