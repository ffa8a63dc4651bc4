/** The arithmetic of delayed tasks: at which instants they are asked to run, and how late they were. */

/** A prime far above any number of tasks, so that its multiples visit every position once. */
const STRIDE = 2_147_483_647;

/**
 * When the task at `position` of `count` is to run: instants evenly over `fromMs` to `untilMs`, whole ms, in an order that looks
 * like chance, since tasks of many users are not submitted in the order in which they are due.
 */
export function instantAt(position: number, count: number, fromMs: number, untilMs: number): number {
  // Both factors stay far below 2^53 together: `count` is at most some millions.
  const place = (position * (STRIDE % count)) % count;
  return Math.floor(fromMs + ((untilMs - fromMs) * place) / count);
}

/** How late a number of tasks were, in ms. A quantile was measured: the smallest that so large a part did not exceed. */
export interface Lateness {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Those before their instant. */
  readonly early: number;
}

/** `lateMs` in short; all are 0 when there is none. */
export function latenessOf(lateMs: readonly number[]): Lateness {
  const sorted = Float64Array.from(lateMs).sort();
  const quantile = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
  let early = 0;
  while (early < sorted.length && (sorted[early] as number) < 0) early += 1;
  return { count: sorted.length, p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: quantile(1), early };
}

/** CPU that was used in some time. */
export interface CpuWindow {
  readonly cpuUs: number;
  readonly seconds: number;
}

/** CPU that each of `tasks` took in `window`, over what time alone took by the rate of `baseline`; in µs. */
export function cpuUsOver(baseline: CpuWindow, window: CpuWindow, tasks: number): number {
  if (tasks === 0) return 0;
  return (window.cpuUs - (baseline.cpuUs / baseline.seconds) * window.seconds) / tasks;
}
