const HOUR_SECONDS = 3_600;

/** Seconds of a day. */
export const DAY_SECONDS = 86_400;

/** The wall-clock times of a pattern: every combination of its hours, minutes and seconds. */
export class TimesOfDay {
  readonly #seconds: readonly number[];
  readonly #minutes: readonly number[];
  readonly #hours: readonly number[];

  /** Each list increasing, without doubles, not empty. */
  constructor(hours: readonly number[], minutes: readonly number[], seconds: readonly number[]) {
    this.#hours = hours;
    this.#minutes = minutes;
    this.#seconds = seconds;
  }

  /** The first time at or after `second` of the day, as a second of the day, or undefined when the rest of it has none. */
  next(second: number): number | undefined {
    const hour = Math.floor(second / HOUR_SECONDS);
    const first = atLeast(this.#hours, hour);
    if (first === undefined) return undefined;
    if (first === hour) {
      const within = this.#nextOfHour(second % HOUR_SECONDS);
      if (within !== undefined) return hour * HOUR_SECONDS + within;
    }
    const later = first > hour ? first : atLeast(this.#hours, hour + 1);
    return later === undefined ? undefined : later * HOUR_SECONDS + (this.#nextOfHour(0) as number);
  }

  /** True for a second of the day that the pattern names. */
  has(second: number): boolean {
    return (
      this.#seconds.includes(second % 60) &&
      this.#minutes.includes(Math.floor(second / 60) % 60) &&
      this.#hours.includes(Math.floor(second / HOUR_SECONDS))
    );
  }

  /** True when every second of the hour is named. */
  hasWholeHour(hour: number): boolean {
    return this.#seconds.length === 60 && this.#minutes.length === 60 && this.#hours.includes(hour);
  }

  /** True when every time of `other` is one of these. */
  covers(other: TimesOfDay): boolean {
    return (
      other.#seconds.every((second) => this.#seconds.includes(second)) &&
      other.#minutes.every((minute) => this.#minutes.includes(minute)) &&
      other.#hours.every((hour) => this.#hours.includes(hour))
    );
  }

  /** The same hours and minutes with other seconds. */
  withSeconds(seconds: readonly number[]): TimesOfDay {
    return new TimesOfDay(this.#hours, this.#minutes, seconds);
  }

  #nextOfHour(second: number): number | undefined {
    const minute = Math.floor(second / 60);
    const first = atLeast(this.#minutes, minute);
    if (first === minute) {
      const within = atLeast(this.#seconds, second % 60);
      if (within !== undefined) return minute * 60 + within;
    }
    const later = first !== undefined && first > minute ? first : atLeast(this.#minutes, minute + 1);
    return later === undefined ? undefined : later * 60 + (this.#seconds[0] as number);
  }
}

/** The first of `values`, which increase, that is not below `least`. */
function atLeast(values: readonly number[], least: number): number | undefined {
  for (const value of values) if (value >= least) return value;
  return undefined;
}
