/** What it takes to make the schedules of a cluster what files declare. */
import { isDeepStrictEqual } from 'node:util';
import { blobValue } from '../../client/task-info.ts';
import type { Client, ScheduleDetail, ScheduleInfo } from '../../index.ts';
import { toTemplate } from '../../server/requests.ts';
import { toPolicy } from '../../server/schedule-rows.ts';
import type { Mistake } from './documents.ts';
import type { DeclaredSchedule } from './schedules.ts';

/** One field that differs, with what it is and what it will be. */
export interface FieldChange {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** What happens to one schedule. */
export interface ScheduleChange {
  readonly change: 'create' | 'change' | 'delete';
  readonly id: string;
  readonly fields: readonly FieldChange[];
  /** That it has now; 0 where there is none. */
  readonly version: number;
  /** What is to be put; undefined for what is to be deleted. */
  readonly declared: DeclaredSchedule | undefined;
  /** It is there, and nobody or another name manages it: `null`, or that name. Undefined for all others. */
  readonly takenFrom: string | null | undefined;
}

/** What happens to all of them. */
export interface Difference {
  /** Puts in the order of the files, then deletions by id. */
  readonly changes: readonly ScheduleChange[];
  readonly unchanged: number;
  /** Ids of schedules that are declared as paused, are there, and are not: only a new one begins paused. */
  readonly notPaused: readonly string[];
  /** What cannot be put though its form is right. */
  readonly mistakes: readonly Mistake[];
}

/** Before the fields of what says when. */
const CALENDAR = 'calendar.';
/** Schedules that are asked for at a time. */
const TOGETHER = 64;

/**
 * Compares. With `prune` schedules are to go that are managed by that name and not declared. Nothing is changed here.
 *
 * @throws TaskraftError
 */
export async function differenceOf(
  client: Client,
  declared: readonly DeclaredSchedule[],
  prune: string | undefined,
): Promise<Difference> {
  const existing = await allSchedules(client);
  const changes: ScheduleChange[] = [];
  const mistakes: Mistake[] = [];
  const notPaused: string[] = [];
  const nowMs = Date.now();
  for (let from = 0; from < declared.length; from += TOGETHER) {
    const some = declared.slice(from, from + TOGETHER);
    const details = await Promise.all(
      some.map(async ({ spec }) => (existing.has(spec.id) ? await client.schedules.get(spec.id) : undefined)),
    );
    some.forEach((one, at) => {
      const detail = details[at];
      const fields = detail === undefined ? [] : fieldChanges(detail, one);
      const isNew = detail === undefined || fields.some(({ field }) => field.startsWith(CALENDAR));
      if (isNew && !one.fires(nowMs))
        mistakes.push({ at: one.at, message: 'It never fires: no instant after now fits.' });
      const { id } = one.spec;
      if (one.frame.paused && detail?.state === 'active') notPaused.push(id);
      if (detail !== undefined && fields.length === 0) return;
      changes.push({
        change: detail === undefined ? 'create' : 'change',
        id,
        fields,
        version: detail?.version ?? 0,
        declared: one,
        takenFrom: takenFrom(detail, one),
      });
    });
  }
  const unchanged = declared.length - changes.length;
  if (prune !== undefined) changes.push(...deletions(existing, declared, prune));
  return { changes, unchanged, notPaused, mistakes };
}

function takenFrom(detail: ScheduleDetail | undefined, { frame }: DeclaredSchedule): string | null | undefined {
  const { managedBy = null } = detail ?? {};
  return detail === undefined || managedBy === frame.managedBy ? undefined : managedBy;
}

function deletions(
  existing: ReadonlyMap<string, ScheduleInfo>,
  declared: readonly DeclaredSchedule[],
  prune: string,
): ScheduleChange[] {
  const kept = new Set(declared.map(({ spec }) => spec.id));
  return [...existing.values()]
    .filter(({ id, managedBy }) => managedBy === prune && !kept.has(id))
    .map(({ id, version }) => ({
      change: 'delete',
      id,
      fields: [],
      version,
      declared: undefined,
      takenFrom: undefined,
    }));
}

/** All schedules of the namespace by id, read page by page. @throws TaskraftError */
export async function allSchedules(client: Client): Promise<Map<string, ScheduleInfo>> {
  const all = new Map<string, ScheduleInfo>();
  let cursor: string | undefined;
  do {
    const page = await client.schedules.list(cursor === undefined ? {} : { cursor });
    for (const schedule of page.schedules) all.set(schedule.id, schedule);
    ({ cursor } = page);
  } while (cursor !== undefined);
  return all;
}

/** Fields in which what is there differs from what is declared, both with every default said. */
function fieldChanges(detail: ScheduleDetail, { frame, calendar }: DeclaredSchedule): FieldChange[] {
  const { type, queue, priority, requires, retry, timeouts, retention } = toTemplate(frame.template);
  const policy = toPolicy(frame.policy);
  const { task } = detail;
  const compared: readonly (readonly [field: string, from: unknown, to: unknown])[] = [
    ...calendarFields(detail.calendar, JSON.parse(calendar) as unknown),
    ['overlap', detail.overlap, policy.overlap],
    ['catchUp', detail.catchUp, policy.catchUp],
    ['catchUpWindowMs', detail.catchUpWindowMs, policy.catchUpWindowMs],
    ['maxRuns', detail.maxRuns, policy.maxRuns],
    ['pauseOnFailure', detail.pauseOnFailure, policy.pauseOnFailure],
    ['managedBy', detail.managedBy ?? null, frame.managedBy],
    ['task.type', task.type, type],
    ['task.queue', task.queue, queue],
    ['task.priority', task.priority, priority],
    ['task.requires', task.requires, Object.fromEntries(requires)],
    ['task.retry', task.retry, retry],
    ['task.timeouts', task.timeouts, timeouts],
    [
      'task.retention',
      task.retention,
      { doneMs: retention.doneMs, failedMs: retention.failedMs, payload: retention.keepPayload },
    ],
    ['task.payload', plain(detail.payload), plain(blobValue(frame.payload))],
    ['task.headers', plain(detail.headers), plain(blobValue(frame.headers))],
  ];
  return compared
    .filter(([, from, to]) => !isDeepStrictEqual(from, to))
    .map(([field, from, to]) => ({ field, from: from ?? null, to: to ?? null }));
}

/** What says when, field by field. */
function calendarFields(from: unknown, to: unknown): (readonly [field: string, from: unknown, to: unknown])[] {
  const [before, after] = [from, to].map((one) => (typeof one === 'object' && one !== null ? one : {})) as [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.map((name) => [CALENDAR + name, before[name], after[name]] as const);
}

/** Bytes as one class of them, so that equal ones are equal. */
function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}
