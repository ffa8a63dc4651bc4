import type { Zone } from './zone.ts';

/** An occurrence as people want to see it. */
export interface PreviewedOccurrence {
  readonly plannedMs: number;
  readonly fireAtMs: number;
  /** Wall-clock time of the planned instant in the definition's zone: `2026-03-29 03:00:00`. */
  readonly wall: string;
  /** Offset from UTC at that instant: `+02:00`. */
  readonly utcOffset: string;
  /**
   * What a change of clock did. `gap`: its wall-clock time does not exist on that date, so it moved behind the gap. `overlap`: its
   * wall-clock time exists twice on that date. `offset`: clocks changed since the occurrence before.
   */
  readonly clockChange?: 'gap' | 'overlap' | 'offset';
}

/** Shows occurrences one after the other. */
export class Previewer {
  readonly #zone: Zone;
  #offsetMs: number;

  constructor(zone: Zone, afterMs: number) {
    this.#zone = zone;
    this.#offsetMs = zone.at(afterMs).offsetMs;
  }

  /** `moved` for one that a gap moved. Each must be later than the one before. */
  show(plannedMs: number, fireAtMs: number, moved: boolean): PreviewedOccurrence {
    const { offsetMs } = this.#zone.at(plannedMs);
    const clockChange = moved
      ? 'gap'
      : this.#doubled(plannedMs)
        ? 'overlap'
        : offsetMs === this.#offsetMs
          ? undefined
          : 'offset';
    this.#offsetMs = offsetMs;
    return {
      plannedMs,
      fireAtMs,
      wall: new Date(plannedMs + offsetMs)
        .toISOString()
        .replace('T', ' ')
        .replace(/(\.000)?Z$/, ''),
      utcOffset: offsetText(offsetMs),
      ...(clockChange === undefined ? {} : { clockChange }),
    };
  }

  /** True when clocks showed the same a while before or will again: only a change within three hours can do that. */
  #doubled(ms: number): boolean {
    const here = this.#zone.at(ms).offsetMs;
    return [-NEAR_MS, NEAR_MS].some((awayMs) => {
      const stepMs = here - this.#zone.at(ms + awayMs).offsetMs;
      const twinMs = ms + stepMs;
      return stepMs !== 0 && this.#zone.at(twinMs).offsetMs + twinMs === here + ms;
    });
  }
}

/** No clock was put back by more than this since 1970, but for whole days at the date line. */
const NEAR_MS = 3 * 3_600_000;

function offsetText(offsetMs: number): string {
  const seconds = Math.abs(offsetMs) / 1_000;
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts.filter((part, at) => at < 2 || part !== 0).map((part) => String(part).padStart(2, '0'));
  return `${offsetMs < 0 ? '-' : '+'}${shown.join(':')}`;
}
