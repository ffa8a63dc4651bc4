/**
 * How often a peer may open its directory anew before it gives up: a disk that fails again and again is not to be trusted. A disk that
 * is full can be, once it has room: that is waited for, however long it takes.
 */

/** Most times within `WINDOW_MS`. */
export const REOPENS_MAX = 3;

const WINDOW_MS = 60_000;

/** See the head of this file. Tells how often. Pure. */
export class ReopenBudget {
  #timesMs: number[] = [];

  /** True when it may be tried once more now, which then counts. */
  take(nowMs: number): boolean {
    this.#timesMs = this.#timesMs.filter((timeMs) => nowMs - timeMs < WINDOW_MS);
    if (this.#timesMs.length >= REOPENS_MAX) return false;
    this.#timesMs.push(nowMs);
    return true;
  }
}

/** Between two attempts on a disk without room, in ms: the second one, and each when it has gone on for long. */
const ROOM_PAUSE_MS = 1_000;
const ROOM_PAUSE_MAX_MS = 30_000;

/** See the head of this file. Tells how long to wait for room. Pure. */
export class RoomPause {
  #pauseMs = 0;
  /** When the last wait was over. */
  #untilMs = 0;

  /** Before the next attempt, in ms. The first one is made at once: at the first lack of room the ballast is given back. */
  next(nowMs: number): number {
    if (nowMs - this.#untilMs >= WINDOW_MS) this.#pauseMs = 0;
    const pauseMs = this.#pauseMs;
    this.#untilMs = nowMs + pauseMs;
    this.#pauseMs = Math.min(ROOM_PAUSE_MAX_MS, Math.max(ROOM_PAUSE_MS, 2 * pauseMs));
    return pauseMs;
  }
}
