/** What a user asks of a schedule, and how it becomes a frame. When it fires is said as JSON, which the peers read and check. */
import type { PutScheduleFrame } from '../protocol/client-frame.ts';
import { ValueError } from '../protocol/codec.ts';
import type { WireLimits } from '../protocol/request-rules.ts';
import {
  type BlobRow,
  CATCH_UP_POLICIES,
  type CatchUpPolicy,
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type SchedulePolicyRow,
} from '../protocol/rows.ts';
import { putScheduleProblem, scheduleNameProblem } from '../protocol/schedule-rules.ts';
import { type Duration, durationMs } from './duration.ts';
import { invalidArgument, TaskraftError } from './errors.ts';
import type { InstantLike } from './instant.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';
import { encodeBlob, encodeHeaders, type TaskSpec, templateOf } from './task-spec.ts';

/** One way of naming instants: exactly one of `cron`, `every` and `at`. */
export interface ScheduleTimes {
  /** Five fields (`minute hour day month weekday`), six (seconds first) or seven (year last), or `@hourly` and its kin. */
  readonly cron?: string;
  /** A period of 1 s at least, aligned to 1970-01-01T00:00Z or to `phase` after it. */
  readonly every?: Duration;
  /** With `every`. */
  readonly phase?: Duration;
  /** Once. */
  readonly at?: InstantLike;
}

/** When a schedule fires. */
export interface ScheduleWhen extends ScheduleTimes {
  /** In place of `cron`, `every` and `at`: up to 16 of them. An instant that several name is one occurrence. */
  readonly specs?: readonly ScheduleTimes[];
  /** Instants that are left out: whatever matches a cron pattern, or single ones. */
  readonly exclude?: readonly (string | { readonly cron?: string; readonly at?: InstantLike })[];
  /** IANA name, default `UTC`. Holds for all patterns. */
  readonly timeZone?: string;
  /** How day of month and day of week combine when a pattern restricts both: `or` (default, as cron does) or `and`. */
  readonly dayMatch?: 'or' | 'and';
  /** A local time that a change of clock leaves out: first instant `after` (default) or `skip`; one that comes twice: `first` (default) or `both`. */
  readonly dst?: { readonly gap?: 'after' | 'skip'; readonly overlap?: 'first' | 'both' };
  /** Nothing before, nothing after; both ends belong to it. */
  readonly startAt?: InstantLike;
  readonly endAt?: InstantLike;
  /** Each occurrence is put off by up to this long, by a hash of the schedule and the occurrence. Default 0. */
  readonly jitter?: Duration;
}

/** What each task of a schedule is: a task without key and without a time of its own. */
export type ScheduledTask = Omit<TaskSpec, 'runAt' | 'delay' | 'key'>;

/** A schedule to put. A field that is none of these is refused. */
export interface ScheduleSpec extends ScheduleWhen {
  /** Its own name within the namespace: 1 to 200 characters of `[A-Za-z0-9._:/-]`. */
  readonly id: string;
  readonly task: ScheduledTask;
  /** When an occurrence fires while a task of the schedule is not final. Default `skip`. */
  readonly overlap?: OverlapPolicy;
  /** What becomes of occurrences that the cluster missed, since it was down. Default `latest`. */
  readonly catchUp?: CatchUpPolicy;
  /** Older ones are skipped whatever `catchUp` says. Default 24 h. */
  readonly catchUpWindow?: Duration;
  /** Ends after so many tasks by plan. Default 0: never. */
  readonly maxRuns?: number;
  /** Pauses itself after so many failed tasks in a row. Default 0: never. */
  readonly pauseOnFailure?: number;
  /** Begins paused, when it is made; later puts leave that as it is. Default false. */
  readonly paused?: boolean;
  /** The version that it must have, 0 for none yet. Default: any. */
  readonly expectedVersion?: number;
  /** A name by which a tool finds again what it made. */
  readonly managedBy?: string;
}

const TIMES_FIELDS: KnownFields<ScheduleTimes> = { cron: true, every: true, phase: true, at: true };
const WHEN_FIELDS: KnownFields<ScheduleWhen> = {
  ...TIMES_FIELDS,
  specs: true,
  exclude: true,
  timeZone: true,
  dayMatch: true,
  dst: true,
  startAt: true,
  endAt: true,
  jitter: true,
};
const SPEC_FIELDS: KnownFields<ScheduleSpec> = {
  id: true,
  ...WHEN_FIELDS,
  task: true,
  overlap: true,
  catchUp: true,
  catchUpWindow: true,
  maxRuns: true,
  pauseOnFailure: true,
  paused: true,
  expectedVersion: true,
  managedBy: true,
};
/** Of a task, and of no use here, with why. */
const NOT_OF_A_SCHEDULE: Readonly<Record<string, string>> = {
  runAt: 'the schedule says when its tasks run',
  delay: 'the schedule says when its tasks run',
  key: 'each occurrence makes one task anyway',
};

/** The frame that puts `spec`, without its request id. @throws TaskraftError INVALID_ARGUMENT, PAYLOAD_TOO_LARGE */
export function putScheduleOf(spec: ScheduleSpec, limits: WireLimits): Omit<PutScheduleFrame, 'requestId'> {
  refuseUnknownFields('a schedule', spec, SPEC_FIELDS);
  const { task, paused = false } = spec;
  if (typeof spec.id !== 'string') throw invalidArgument('id names the schedule.');
  if (typeof task !== 'object' || task === null) throw invalidArgument('task says what each task of the schedule is.');
  if (typeof paused !== 'boolean') throw invalidArgument('paused is true or false.');
  for (const [name, why] of Object.entries(NOT_OF_A_SCHEDULE)) {
    if (Object.hasOwn(task, name)) throw invalidArgument(`The task of a schedule has no ${name}: ${why}.`);
  }
  const frame: Omit<PutScheduleFrame, 'requestId'> = {
    type: 'putSchedule',
    schedule: spec.id,
    expectedVersion: wholeOr(spec.expectedVersion, 'expectedVersion'),
    calendar: whenText(whenOf(spec)),
    template: templateOf(task),
    payload: payloadOf(task),
    headers: task.headers === undefined ? null : [1, encodeHeaders(task.headers)],
    policy: policyOf(spec),
    paused,
    managedBy: spec.managedBy ?? null,
  };
  const problem = putScheduleProblem({ ...frame, requestId: 0 }, limits);
  if (problem !== undefined) throw new TaskraftError(problem.code, problem.message);
  return frame;
}

/** When, as JSON, of something that says nothing else. @throws TaskraftError INVALID_ARGUMENT */
export function calendarOf(when: ScheduleWhen): string {
  refuseUnknownFields('what says when a schedule fires', when, WHEN_FIELDS);
  return whenText(when);
}

/** @throws TaskraftError INVALID_ARGUMENT unless `id` can be that of a schedule */
export function requireScheduleId(id: string): string {
  const words = typeof id === 'string' ? scheduleNameProblem(id) : 'The id of a schedule is text.';
  if (words !== undefined) throw invalidArgument(words);
  return id;
}

/** The position of a policy; null for none. @throws TaskraftError INVALID_ARGUMENT */
export function overlapOr(overlap: OverlapPolicy | undefined): number | null {
  return choiceOr(overlap, OVERLAP_POLICIES, 'overlap');
}

function whenOf(spec: ScheduleSpec): ScheduleWhen {
  const when: Record<string, unknown> = {};
  for (const name of Object.keys(WHEN_FIELDS) as (keyof ScheduleWhen)[]) {
    if (spec[name] !== undefined) when[name] = spec[name];
  }
  return when;
}

/** Dates become ISO 8601, as JSON has it. What the fields hold is looked at by the peers, which name what is wrong by its place. */
function whenText(when: ScheduleWhen): string {
  try {
    return JSON.stringify(when);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`What says when a schedule fires is no JSON: ${why}.`);
  }
}

function payloadOf(task: ScheduledTask): BlobRow {
  try {
    return encodeBlob(task.payload);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw invalidArgument(`The payload cannot be sent: ${error.message}.`);
  }
}

function policyOf(spec: ScheduleSpec): SchedulePolicyRow {
  return [
    overlapOr(spec.overlap),
    choiceOr(spec.catchUp, CATCH_UP_POLICIES, 'catchUp'),
    spec.catchUpWindow === undefined ? null : durationMs(spec.catchUpWindow, 'catchUpWindow'),
    wholeOr(spec.maxRuns, 'maxRuns'),
    wholeOr(spec.pauseOnFailure, 'pauseOnFailure'),
  ];
}

function choiceOr(value: string | undefined, choices: readonly string[], name: string): number | null {
  if (value === undefined) return null;
  const at = choices.indexOf(value);
  if (at < 0) throw invalidArgument(`${name} is one of ${choices.join(', ')}.`);
  return at;
}

function wholeOr(value: number | undefined, name: string): number | null {
  if (value === undefined) return null;
  if (!Number.isSafeInteger(value) || value < 0) throw invalidArgument(`${name} is a whole number.`);
  return value;
}
