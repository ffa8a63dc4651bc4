/** Measured times in short: how many, and how long most of them took. */

/** What is told of a number of measured times, in milliseconds to one tenth. All are 0 when nothing was measured. */
export interface Distribution {
  readonly count: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** `timesMs` in short. A quantile is a time that was measured: the smallest that so large a part of all did not exceed. */
export function distributionOf(timesMs: readonly number[]): Distribution {
  const sorted = [...timesMs].sort((left, right) => left - right);
  const quantile = (part: number): number => tenths(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0);
  return {
    count: sorted.length,
    medianMs: quantile(0.5),
    p90Ms: quantile(0.9),
    p99Ms: quantile(0.99),
    maxMs: quantile(1),
  };
}

/** One line for people. */
export function describeDistribution({ count, medianMs, p90Ms, p99Ms, maxMs }: Distribution): string {
  if (count === 0) return 'none';
  return `n ${count}, median ${medianMs} ms, p90 ${p90Ms} ms, p99 ${p99Ms} ms, max ${maxMs} ms`;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
