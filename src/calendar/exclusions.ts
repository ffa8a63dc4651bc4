import { type CronPattern, parseCron } from './cron-text.ts';
import { DAY_MS, Days } from './days.ts';
import type { CalendarDefinition } from './definition.ts';
import type { Spread } from './spread.ts';
import type { TimesOfDay } from './time-of-day.ts';
import type { Zone } from './zone.ts';

const HOUR_MS = 3_600_000;
const ALL_SECONDS: readonly number[] = Array.from({ length: 60 }, (_, second) => second);

interface ExcludedPattern {
  readonly days: Days;
  readonly times: TimesOfDay;
}

/** What a definition leaves out. */
export class Exclusions {
  readonly #zone: Zone;
  readonly #patterns: readonly ExcludedPattern[];
  readonly #instants: ReadonlySet<number>;
  /** The patterns that name the day `#day`. */
  #ofDay: readonly ExcludedPattern[] = [];
  #day = -1;

  constructor(definition: CalendarDefinition, zone: Zone, spread: Spread) {
    this.#zone = zone;
    this.#instants = new Set(definition.exclude.flatMap((one) => ('atMs' in one ? [one.atMs] : [])));
    this.#patterns = definition.exclude.flatMap((one, at) => {
      if (!('cron' in one)) return [];
      const pattern = parseCron(one.cron, `/exclude/${at}/cron`, (field, item) => spread.forField(field, item));
      return [{ days: new Days(pattern, definition.dayMatch), times: excludedTimes(pattern) }];
    });
  }

  /**
   * Where to look next: `ms` itself when it is not left out, else an instant after it such that all between are left out. Whole
   * hours are passed at once, so that a pattern that fires each second is not asked for each of them.
   */
  next(ms: number): number {
    if (this.#instants.has(ms)) return ms + 1;
    if (this.#patterns.length === 0) return ms;
    const { offsetMs, endMs } = this.#zone.at(ms);
    const wall = ms + offsetMs;
    const day = Math.floor(wall / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#ofDay = this.#patterns.filter(({ days }) => days.has(day));
    }
    const time = wall - day * DAY_MS;
    if (!this.#ofDay.some(({ times }) => times.has(Math.floor(time / 1_000)))) return ms;
    let hour = Math.floor(time / HOUR_MS);
    if (!this.#wholeHour(hour)) return ms + 1;
    while (hour < 24 && this.#wholeHour(hour)) hour += 1;
    return Math.min(endMs, day * DAY_MS + hour * HOUR_MS - offsetMs);
  }

  #wholeHour(hour: number): boolean {
    return this.#ofDay.some(({ times }) => times.hasWholeHour(hour));
  }
}

/** The times of day that a pattern leaves out: without a seconds field every second of its minutes. */
export function excludedTimes(pattern: CronPattern): TimesOfDay {
  return pattern.hasSeconds ? pattern.times : pattern.times.withSeconds(ALL_SECONDS);
}
