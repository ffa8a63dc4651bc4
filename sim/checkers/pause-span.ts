/** Whether a schedule stands still, and when it last did, in log time; with the failures that may bring that about. */
export class PauseSpan {
  #paused = false;
  #fromMs = 0;
  /** 0 as long as it lasts. */
  #untilMs = 0;
  /** Tasks in a row that ended as failed. */
  failures = 0;

  get paused(): boolean {
    return this.#paused;
  }

  /** From `nowMs` on it does, or does not. */
  set(paused: boolean, nowMs: number): void {
    if (paused === this.#paused) return;
    if (paused) this.#fromMs = nowMs;
    this.#untilMs = paused ? 0 : nowMs;
    this.#paused = paused;
  }

  /** Tasks became final; it stands still after `bound` failures in a row, where that is not 0. */
  count(finished: readonly { readonly state: string }[], bound: number, nowMs: number): void {
    for (const { state } of finished) {
      if (state === 'done') this.failures = 0;
      if (state !== 'failed') continue;
      this.failures += 1;
      if (bound > 0 && this.failures >= bound) this.set(true, nowMs);
    }
  }

  /** True when what fires between these two passed in a pause: in the one that lasts, or in the last one, though it was learnt of after it. */
  covers(earliestMs: number, latestMs: number): boolean {
    return this.#paused || (earliestMs > this.#fromMs && latestMs <= this.#untilMs);
  }
}
