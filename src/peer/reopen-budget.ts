/** How often a peer may open its directory anew before it gives up: a disk that fails again and again is not to be trusted. */

/** Most times within `WINDOW_MS`. */
export const REOPENS_MAX = 3;

const WINDOW_MS = 60_000;

/** See the head of this file. Pure. */
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
