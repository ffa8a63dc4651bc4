/** A schedule as users see it, made from its row on the wire. */
import {
  CATCH_UP_POLICIES,
  type CatchUpPolicy,
  OCCURRENCE_KINDS,
  type OccurrenceKind,
  OVERLAP_POLICIES,
  type OverlapPolicy,
  type PreviewRow,
  SCHEDULE_STATES,
  type ScheduleRow,
  type ScheduleState,
  type SettledOccurrenceRow,
  TASK_STATES,
  type TaskState,
  type TemplateRow,
} from '../protocol/rows.ts';
import { formatTaskId } from '../protocol/task-id.ts';
import { blobValue } from './task-info.ts';

/** What became of an occurrence. */
export interface SettledOccurrence {
  readonly plannedMs: number;
  /** Of the definition by which it was planned. */
  readonly version: number;
  readonly kind: OccurrenceKind;
  readonly settledAtMs: number;
  /** The task that it made; else it was skipped. */
  readonly taskId: string | undefined;
  readonly skipped: string | undefined;
  /** How that task ended; undefined while it has not. */
  readonly ended: TaskState | undefined;
}

/** What each task of a schedule is; what is undefined has its default. */
export interface ScheduledTaskInfo {
  readonly type: string;
  readonly queue: string | undefined;
  readonly priority: number | undefined;
  readonly requires: Readonly<Record<string, string>>;
  readonly retry:
    | {
        readonly maxAttempts: number | undefined;
        readonly initialMs: number | undefined;
        readonly maxMs: number | undefined;
      }
    | undefined;
  readonly timeouts:
    | { readonly runMs: number | undefined; readonly queueMs: number | undefined; readonly totalMs: number | undefined }
    | undefined;
  readonly retention:
    | { readonly doneMs: number | undefined; readonly failedMs: number | undefined; readonly payload: boolean }
    | undefined;
}

/** A schedule as `list` shows it. Instants are ms since 1970 by log time. */
export interface ScheduleInfo {
  readonly id: string;
  /** One more with every change of its definition. */
  readonly version: number;
  readonly state: ScheduleState;
  /** When it fires: what was put, in its canonical form. */
  readonly calendar: unknown;
  readonly task: ScheduledTaskInfo;
  readonly overlap: OverlapPolicy;
  readonly catchUp: CatchUpPolicy;
  readonly catchUpWindowMs: number;
  /** 0 is off, here and in the next. */
  readonly maxRuns: number;
  readonly pauseOnFailure: number;
  readonly managedBy: string | undefined;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** `request`, or `failures`. */
  readonly pauseReason: string | undefined;
  /** What was said with the last pause or resumption. */
  readonly note: string | undefined;
  /** When its last pause began or ended, 0 where there was none; undefined from peers that do not tell. */
  readonly pauseChangedAtMs: number | undefined;
  /** Next instants that the cluster has in store, soonest first; in a list at most one. `schedules.next` computes more. */
  readonly next: readonly { readonly plannedMs: number; readonly fireAtMs: number }[];
  /** Every occurrence planned up to here is settled. */
  readonly settledThroughMs: number;
  /** Tasks made. */
  readonly fired: Readonly<Record<OccurrenceKind, number>>;
  /** Occurrences skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** How late planned occurrences fired. */
  readonly lateness: { readonly lastMs: number; readonly maxMs: number; readonly sumMs: number };
  /** Its tasks that are not final. */
  readonly unfinished: number;
  /** Occurrences that wait for those. */
  readonly buffered: number;
  /** Failed tasks in a row. */
  readonly consecutiveFailures: number;
  /** Why the leader cannot compute when it fires next. */
  readonly problem: string | undefined;
}

/** A schedule as `get` shows it. */
export interface ScheduleDetail extends ScheduleInfo {
  readonly payload: unknown;
  readonly headers: unknown;
  /** The last occurrences, oldest first, at most 32. */
  readonly occurrences: readonly SettledOccurrence[];
  /** The state that was read had applied the log up to this position at least. */
  readonly index: number;
}

/** An instant at which a schedule will fire, or would. */
export interface NextOccurrence {
  readonly plannedMs: number;
  /** With its jitter. */
  readonly fireAtMs: number;
  /** As a clock in the zone of the schedule shows it. */
  readonly wallClock: string;
  /** Of that clock from UTC: `+02:00`. */
  readonly utcOffset: string;
  /**
   * What a change of the clock did. `gap`: its local time does not exist, and it moved behind the gap. `overlap`: its local time exists
   * twice. `offset`: the clocks changed since the one before.
   */
  readonly clockChange: string | undefined;
}

/** The schedule in `row`. */
export function scheduleInfo(row: ScheduleRow): ScheduleInfo {
  const [id, version, state, calendar, template, policy, managedBy, createdAtMs, changedAtMs, ...later] = row;
  const [pauseReason, note, next, settledThroughMs, counters, unfinished, buffered, consecutiveFailures, problem] =
    later;
  const [fired, skipped, lastMs, maxMs, sumMs] = counters;
  const [overlap, catchUp, catchUpWindowMs, maxRuns, pauseOnFailure] = policy;
  return {
    id,
    version,
    state: SCHEDULE_STATES[state] as ScheduleState,
    calendar: jsonOr(calendar),
    task: taskOf(template),
    overlap: OVERLAP_POLICIES[overlap ?? 0] as OverlapPolicy,
    catchUp: CATCH_UP_POLICIES[catchUp ?? 0] as CatchUpPolicy,
    catchUpWindowMs: catchUpWindowMs ?? 0,
    maxRuns: maxRuns ?? 0,
    pauseOnFailure: pauseOnFailure ?? 0,
    managedBy: managedBy ?? undefined,
    createdAtMs,
    changedAtMs,
    pauseReason: pauseReason ?? undefined,
    note: note ?? undefined,
    pauseChangedAtMs: row[21] ?? undefined,
    next: next.map(([plannedMs, fireAtMs]) => ({ plannedMs, fireAtMs })),
    settledThroughMs,
    fired: { planned: fired[0] ?? 0, trigger: fired[1] ?? 0, backfill: fired[2] ?? 0 },
    skipped: Object.fromEntries(skipped),
    lateness: { lastMs, maxMs, sumMs },
    unfinished,
    buffered,
    consecutiveFailures,
    problem: problem ?? undefined,
  };
}

/** The schedule in `row` with its bytes and its last occurrences. */
export function scheduleDetail(row: ScheduleRow, index: number): ScheduleDetail {
  const [payload, headers, settled] = [row[18], row[19], row[20]];
  return {
    ...scheduleInfo(row),
    payload: blobValue(payload),
    headers: blobValue(headers),
    occurrences: settled.map(settledOccurrence),
    index,
  };
}

/** One instant of a preview. */
export function nextOccurrence([plannedMs, fireAtMs, wallClock, utcOffset, change]: PreviewRow): NextOccurrence {
  return { plannedMs, fireAtMs, wallClock, utcOffset, clockChange: change ?? undefined };
}

function settledOccurrence(row: SettledOccurrenceRow): SettledOccurrence {
  const [plannedMs, version, kind, settledAtMs, task, skipped, ended] = row;
  return {
    plannedMs,
    version,
    kind: OCCURRENCE_KINDS[kind] as OccurrenceKind,
    settledAtMs,
    taskId: task === null ? undefined : formatTaskId(...task),
    skipped: skipped ?? undefined,
    ended: ended === null ? undefined : TASK_STATES[ended],
  };
}

function taskOf([type, queue, priority, requires, retry, timeouts, retention]: TemplateRow): ScheduledTaskInfo {
  return {
    type,
    queue: queue ?? undefined,
    priority: priority ?? undefined,
    requires: Object.fromEntries(requires),
    retry: retry === null ? undefined : { maxAttempts: of(retry[0]), initialMs: of(retry[1]), maxMs: of(retry[2]) },
    timeouts:
      timeouts === null ? undefined : { runMs: of(timeouts[0]), queueMs: of(timeouts[1]), totalMs: of(timeouts[2]) },
    retention:
      retention === null ? undefined : { doneMs: of(retention[0]), failedMs: of(retention[1]), payload: retention[2] },
  };
}

function of(value: number | null): number | undefined {
  return value ?? undefined;
}

/** What a newer version wrote may be more than JSON; it is shown as it is. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
