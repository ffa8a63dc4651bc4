/** What is drawn from a seed about schedules, by numbers of its own: the other options of a seed do not depend on them. */
import { below, deriveSeed, type Random, SeededRandom } from '../../src/base/random.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import { REFERENCE_ZONES } from '../calendar/zones.ts';

/** When runs without a change of clock begin: midnight of 1 January 2026. */
const MIDNIGHT_MS = 1_767_225_600_000;

/** Changes of the clock on the wall in the year after that, with the place. */
const CLOCK_CHANGES: readonly { readonly timeZone: string; readonly atMs: number }[] = REFERENCE_ZONES.flatMap(
  ({ name, changes }) =>
    changes
      .filter(({ atMs }) => atMs > MIDNIGHT_MS && atMs < MIDNIGHT_MS + 360 * 86_400_000)
      .map(({ atMs }) => ({ timeZone: name, atMs })),
);

/** What befalls schedules, and who uses them. */
export interface ScheduleOptions {
  /** Users who put, change and trigger schedules; 0 in runs without any. */
  readonly planners: number;
  /** Ids that they share. */
  readonly ids: number;
  /** Mean pause of a planner between two calls, in ms. */
  readonly thinkMs: number;
  /** What right clocks show when the run begins, in ms since 1970. */
  readonly epochMs: number;
  /** A place whose clocks change soon after that, if any do. */
  readonly timeZone: string;
  /** How often all peers are gone for a while, and how often something befalls the leader around an occurrence; a second. */
  readonly outagesRate: number;
  readonly occasionsRate: number;
  /** All peers are gone for at most this long, in ms. */
  readonly outageMsMax: number;
  readonly limits: Partial<SchedulerLimits>;
}

/** The options of `seed`. Pure. */
export function drawScheduleOptions(seed: number): ScheduleOptions {
  const random = new SeededRandom(deriveSeed(seed, 'schedule options'));
  const planners = pick(random, [0, 1, 1, 2]);
  const isChange = below(random, 2) === 0;
  const change = isChange ? pick(random, CLOCK_CHANGES) : { timeZone: 'UTC', atMs: MIDNIGHT_MS };
  const leadMs = isChange ? 5_000 + below(random, 60_000) : 0;
  const outagesRate = pick(random, [0, 0, 0.02, 0.04]);
  const occasionsRate = pick(random, [0, 0.2, 0.5]);
  return {
    planners,
    ids: 1 + below(random, 6),
    thinkMs: 300 + below(random, 1_500),
    epochMs: change.atMs - leadMs,
    timeZone: change.timeZone,
    outagesRate: planners === 0 ? 0 : outagesRate,
    occasionsRate: planners === 0 ? 0 : occasionsRate,
    outageMsMax: pick(random, [3_000, 90_000, 180_000]),
    limits: {
      scheduleBufferMax: pick(random, [2, 20, 1_000]),
      scheduleInstantsMax: pick(random, [4, 64]),
      scheduleRecentMax: pick(random, [2, 32]),
      scheduleRequestsMax: pick(random, [2, 16]),
      catchUpMax: pick(random, [3, 30]),
      // Mostly sooner than by default, so that a failover is enough to miss an occurrence.
      missedAfterMs: pick(random, [200, 1_000, 5_000, 60_000]),
    },
  };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T;
}
