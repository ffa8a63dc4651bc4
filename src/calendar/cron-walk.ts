import type { CronPattern } from './cron-text.ts';
import { DAY_MS, Days } from './days.ts';
import type { DstRule } from './definition.ts';
import { CALENDAR_END_MS } from './limits.ts';
import { DAY_SECONDS } from './time-of-day.ts';
import { OFFSET_STEP_MS_MAX, type Zone } from './zone.ts';

/** What a search found. */
export interface Candidate {
  readonly ms: number;
  /** `due` is an instant, `moved` one after a gap that swallowed its wall-clock time; `nothing`: none up to `ms`, ask again from there. */
  readonly type: 'due' | 'moved' | 'nothing';
}

/** Pieces of a zone that one call looks at. Only a pattern that always falls into gaps needs more than a handful. */
const PIECES_MAX = 64;

/**
 * The instants of one pattern in one zone.
 *
 * Time is walked in pieces of a constant offset, in which wall-clock times and instants are the same thing but for a difference.
 * What a change of clock does is decided where two pieces meet.
 */
export class CronWalk {
  readonly #pattern: CronPattern;
  readonly #zone: Zone;
  readonly #days: Days;
  /** Undefined for a pattern that follows elapsed time: it has no time that is missing or doubled. */
  readonly #dst: DstRule | undefined;

  constructor(pattern: CronPattern, zone: Zone, dayMatch: 'or' | 'and', dst: DstRule) {
    this.#pattern = pattern;
    this.#zone = zone;
    this.#days = new Days(pattern, dayMatch);
    this.#dst = pattern.wildcardHour ? undefined : dst;
  }

  /** The first instant at or after `fromMs`, or undefined when there is none before the calendar ends. */
  next(fromMs: number): Candidate | undefined {
    let ms = fromMs;
    for (let pieces = 0; pieces < PIECES_MAX; pieces += 1) {
      if (ms >= CALENDAR_END_MS) return undefined;
      const { startMs, endMs, offsetMs, beforeMs } = this.#zone.at(ms);
      if (ms === startMs && beforeMs < offsetMs && this.#dst?.gap === 'after') {
        const missing = this.#nextWall(startMs + beforeMs);
        if (missing !== undefined && missing < startMs + offsetMs) {
          return { ms, type: this.#nextWall(startMs + offsetMs) === startMs + offsetMs ? 'due' : 'moved' };
        }
      }
      let wallFrom = ms + offsetMs;
      // Wall-clock times up to the old reading of this change have been passed once.
      if (this.#dst?.overlap === 'first' && beforeMs > offsetMs) wallFrom = Math.max(wallFrom, startMs + beforeMs);
      const wall = this.#nextWall(wallFrom);
      if (wall !== undefined && wall - offsetMs < endMs) return { ms: wall - offsetMs, type: 'due' };
      ms = this.#beyond(wallFrom - offsetMs, endMs, wall === undefined ? undefined : wall - offsetMs);
    }
    return { ms, type: 'nothing' };
  }

  /**
   * Where to go on after a piece without an instant: at its end, or right before the next match when that is far off. `fromMs` and
   * `matchMs` are measured with the offset of the piece.
   */
  #beyond(fromMs: number, endMs: number, matchMs: number | undefined): number {
    // A change of clock at the end of the piece may bring back wall-clock times that this search began after.
    if (endMs - fromMs <= OFFSET_STEP_MS_MAX) return endMs;
    return matchMs === undefined ? CALENDAR_END_MS : Math.max(endMs, matchMs - OFFSET_STEP_MS_MAX);
  }

  /** The first wall-clock time of the pattern at or after `wallMs`, read as if it were UTC. */
  #nextWall(wallMs: number): number | undefined {
    const seconds = Math.ceil(wallMs / 1_000);
    const today = Math.floor(seconds / DAY_SECONDS);
    const day = this.#days.next(today);
    if (day === undefined) return undefined;
    const time = this.#pattern.times.next(day === today ? seconds - today * DAY_SECONDS : 0);
    if (time !== undefined) return day * DAY_MS + time * 1_000;
    const later = this.#days.next(day + 1);
    return later === undefined ? undefined : later * DAY_MS + (this.#pattern.times.next(0) as number) * 1_000;
  }
}
