/** Schedules as users of the simulation draw them: what they ask for, and what that means, said once for the product and once for us. */
import { below, type Random } from '../../src/base/random.ts';
import type { CalendarDefinition, CalendarExclusion, CalendarSpec } from '../../src/calendar/definition.ts';
import type { ScheduleSpec, ScheduleTimes } from '../../src/client/schedule-spec.ts';
import type { Overlap, SchedulePolicy } from '../../src/scheduler/command.ts';
import type { LeaseOptions } from '../../src/server/leases.ts';
import type { WorkloadOptions } from '../options.ts';
import { drawTask, type Payload } from '../tasks.ts';
import type { ScheduleOptions } from './schedule-options.ts';

const DAY_MS = 86_400_000;

const PERIODS_MS = [1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 90_000];

/** Patterns of elapsed time. */
const PATTERNS = [
  '* * * * * *',
  '*/2 * * * * *',
  '*/5 * * * * *',
  '*/15 * * * * *',
  '0,7,13,30,31,59 * * * * *',
  '10-40/3 */2 * * * *',
  '30-59/5 * * * * *',
  '* * * * *',
];

/** Patterns with hours of their own, which changes of clock remove and double. */
const HOURS = ['0,1,2,3', '0-3', '1-4', '21-23,0', '0-23', '22,23'];

/** Patterns that are left out, and in the place of one of them single instants. */
const EXCLUDED = ['*/2 * * * *', '0-20 * * * * *', '30 * * * * *', 'instants', 'instants', 'instants'];

/** How many instants are left out then, and how far they lie apart, in ms. */
const EXCLUDED_INSTANTS = 30;
const EXCLUDED_EVERY_MS = 2_000;

const ZONES = ['UTC', 'Asia/Kathmandu', 'Pacific/Apia', 'Europe/London', 'America/New_York'];

/** Every policy of its kind. */
export const OVERLAPS: readonly Overlap[] = ['skip', 'bufferOne', 'bufferAll', 'cancelOther', 'allow'];

const CATCH_UPS: readonly SchedulePolicy['catchUp'][] = ['latest', 'all', 'all', 'none'];

/** What a put asks for. */
export interface Plan {
  /** Unique over the run; in the payload, so that whoever sees the put in the log knows it again. */
  readonly mark: string;
  readonly spec: ScheduleSpec;
  /** What it means, drawn beside the words of `spec` and not read from them. */
  readonly definition: CalendarDefinition;
  readonly policy: SchedulePolicy;
  readonly paused: boolean;
  /** It may have no instant left when it arrives. */
  readonly mayNeverFire: boolean;
}

/** The payload of tasks of schedules. `lot`: each attempt draws anew what becomes of it. */
export type SchedulePayload = Payload & { readonly put: string; readonly lot: boolean };

/** A random schedule for `id`, put when right clocks show `nowMs`. */
export function drawPlan(
  random: Random,
  options: { readonly schedules: ScheduleOptions; readonly workload: WorkloadOptions; readonly leases: LeaseOptions },
  named: { readonly id: string; readonly mark: string; readonly nowMs: number },
): Plan {
  const { schedules, workload, leases } = options;
  const { id, mark, nowMs } = named;
  const specs = Array.from({ length: below(random, 4) === 0 ? 2 + below(random, 2) : 1 }, () =>
    drawSpec(random, nowMs),
  );
  const exclude = below(random, 4) === 0 ? excluded(pick(random, EXCLUDED), nowMs) : [];
  const { jitterMs, startAtMs, endAtMs, timeZone } = {
    jitterMs: pick(random, [0, 0, 0, 300, 3_000, 20_000]),
    startAtMs: below(random, 8) === 0 ? toInstant(nowMs + below(random, 20_000)) : undefined,
    endAtMs: below(random, 6) === 0 ? toInstant(nowMs + 10_000 + below(random, 60_000)) : undefined,
    timeZone: below(random, 3) > 0 ? schedules.timeZone : pick(random, ZONES),
  };
  const dst = { gap: pick(random, ['after', 'skip'] as const), overlap: pick(random, ['first', 'both'] as const) };
  const definition: CalendarDefinition = {
    specs,
    exclude,
    timeZone,
    dayMatch: 'or',
    dst,
    ...(startAtMs === undefined ? {} : { startAtMs }),
    ...(endAtMs === undefined ? {} : { endAtMs }),
    jitterMs,
  };
  const policy: SchedulePolicy = {
    overlap: pick(random, OVERLAPS),
    catchUp: pick(random, CATCH_UPS),
    catchUpWindowMs: pick(random, [DAY_MS, DAY_MS, DAY_MS, 90_000]),
    maxRuns: pick(random, [0, 0, 0, 0, 2, 10]),
    pauseOnFailure: pick(random, [0, 0, 1, 3]),
  };
  const paused = below(random, 10) === 0;
  const [first, ...others] = specs.map(timesOf);
  const spec: ScheduleSpec = {
    id,
    ...(others.length === 0 ? first : { specs: [first as ScheduleTimes, ...others] }),
    exclude: exclude.map((one) => ('cron' in one ? one : { at: one.atMs })),
    timeZone,
    dst,
    ...(startAtMs === undefined ? {} : { startAt: startAtMs }),
    ...(endAtMs === undefined ? {} : { endAt: endAtMs }),
    jitter: jitterMs,
    task: drawScheduledTask(random, workload, leases, mark),
    overlap: policy.overlap,
    catchUp: policy.catchUp,
    ...(policy.catchUp === 'none' ? {} : { catchUpWindow: policy.catchUpWindowMs }),
    maxRuns: policy.maxRuns,
    pauseOnFailure: policy.pauseOnFailure,
    paused,
  };
  const mayNeverFire = endAtMs !== undefined || exclude.length > 0 || specs.some((one) => 'atMs' in one);
  return { mark, spec, definition, policy, paused, mayNeverFire };
}

/** Half of all bounds are whole seconds, at which there may be an instant. */
function toInstant(ms: number): number {
  return ms % 2 === 0 ? Math.ceil(ms / 1_000) * 1_000 : ms;
}

function excluded(what: string, nowMs: number): CalendarExclusion[] {
  if (what !== 'instants') return [{ cron: what }];
  const fromMs = Math.ceil(nowMs / 1_000) * 1_000;
  return Array.from({ length: EXCLUDED_INSTANTS }, (_, at) => ({ atMs: fromMs + at * EXCLUDED_EVERY_MS }));
}

function drawSpec(random: Random, nowMs: number): CalendarSpec {
  const lot = below(random, 10);
  if (lot === 0) return { atMs: nowMs + below(random, 30_000) };
  if (lot <= 3) {
    const everyMs = pick(random, PERIODS_MS);
    return { everyMs, phaseMs: below(random, 2) === 0 ? 0 : below(random, everyMs) };
  }
  if (lot <= 6) return { cron: pick(random, PATTERNS) };
  return { cron: `${pick(random, ['*/5', '*/7', '0', '11,42'])} * ${pick(random, HOURS)} * * *` };
}

function timesOf(spec: CalendarSpec): ScheduleTimes {
  if ('cron' in spec) return { cron: spec.cron };
  if ('atMs' in spec) return { at: spec.atMs };
  return { every: spec.everyMs, ...(spec.phaseMs === 0 ? {} : { phase: spec.phaseMs }) };
}

function drawScheduledTask(
  random: Random,
  workload: WorkloadOptions,
  { leaseMs }: LeaseOptions,
  mark: string,
): ScheduleSpec['task'] {
  const { delay: _, ...task } = drawTask(random, workload, '');
  const payload: SchedulePayload = { ...(task.payload as Payload), put: mark, lot: below(random, 2) === 0 };
  if (below(random, 4) > 0) return { ...task, payload };
  // One that goes on for longer than it takes to give its worker up.
  const timeouts = { ...task.timeouts, run: leaseMs + below(random, leaseMs) };
  return { ...task, timeouts, payload: { ...payload, act: 'hang', lot: false } };
}

/** What one attempt of such a task is to do. */
export function payloadOfAttempt(random: Random, payload: SchedulePayload): SchedulePayload {
  if (!payload.lot) return payload;
  const act = pick(random, ['finish', 'finish', 'fail', 'give-up', 'hang', 'deaf'] as const);
  return { ...payload, act };
}

/** True for the payload of a task of a schedule. */
export function isScheduled(payload: unknown): payload is SchedulePayload {
  return typeof payload === 'object' && payload !== null && 'put' in payload;
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T;
}
