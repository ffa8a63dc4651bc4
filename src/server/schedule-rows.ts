/** Schedules between the two contracts, in both directions; see `requests.ts` and `answers.ts`, which have the rest. */
import type { PutScheduleFrame } from '../protocol/client-frame.ts';
import {
  CATCH_UP_POLICIES,
  OCCURRENCE_KINDS,
  OVERLAP_POLICIES,
  SCHEDULE_STATES,
  type OccurrenceRefRow,
  type SchedulePolicyRow,
  type ScheduleRow,
  type ScheduleState,
  type SettledOccurrenceRow,
  TASK_STATES,
  type TaskRef,
  type TemplateRow,
} from '../protocol/rows.ts';
import type { Blob, Overlap, ScheduledTask, SchedulePolicy, TaskTemplate } from '../scheduler/command.ts';
import type { RecentOccurrence, ScheduleView, TaskOccurrence } from '../scheduler/views.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { storedDefinition } from './schedule-calendars.ts';

/** What a schedule does that says nothing else. */
const POLICY_DEFAULTS: SchedulePolicy = {
  overlap: 'skip',
  catchUp: 'latest',
  catchUpWindowMs: 24 * 3_600_000,
  maxRuns: 0,
  pauseOnFailure: 0,
};
/** The encoding of a note: raw bytes, in UTF-8. */
const RAW = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The rules of a schedule with the defaults filled in. */
export function toPolicy([overlap, catchUp, windowMs, maxRuns, pauseOnFailure]: SchedulePolicyRow): SchedulePolicy {
  return {
    overlap: toOverlap(overlap) ?? POLICY_DEFAULTS.overlap,
    catchUp: CATCH_UP_POLICIES[catchUp ?? -1] ?? POLICY_DEFAULTS.catchUp,
    catchUpWindowMs: windowMs ?? POLICY_DEFAULTS.catchUpWindowMs,
    maxRuns: maxRuns ?? POLICY_DEFAULTS.maxRuns,
    pauseOnFailure: pauseOnFailure ?? POLICY_DEFAULTS.pauseOnFailure,
  };
}

/** A policy by its position on the wire; undefined for null. */
export function toOverlap(position: number | null): Overlap | undefined {
  return OVERLAP_POLICIES[position ?? -1];
}

/** What the tasks of a schedule are; `template` is what the frame's template means. */
export function toScheduledTask(frame: PutScheduleFrame, template: TaskTemplate): ScheduledTask {
  const [encoding, bytes] = frame.payload;
  const task = { template, payload: { encoding, bytes } };
  return frame.headers === null ? task : { ...task, headers: { encoding: frame.headers[0], bytes: frame.headers[1] } };
}

/** What somebody said about a pause. */
export function toNote(text: string): Blob {
  return { encoding: RAW, bytes: encoder.encode(text) };
}

/** The occurrence that made a task. */
export function occurrenceRefRow(occurrence: TaskOccurrence | undefined): OccurrenceRefRow | null {
  if (occurrence === undefined) return null;
  const { schedule, version, plannedMs, kind } = occurrence;
  return [schedule, version, plannedMs, OCCURRENCE_KINDS.indexOf(kind)];
}

/** What only the leader knows of a schedule, and how much of it is shown. */
export interface ScheduleRowParts {
  readonly problem: string | undefined;
  /** With its bytes, its last occurrences and all known instants, for `getSchedule`. */
  readonly full: boolean;
}

/** A schedule for `getSchedule` and `listSchedules`. */
export function scheduleRow(view: ScheduleView, { problem, full }: ScheduleRowParts): ScheduleRow {
  const { text, managedBy } = storedDefinition(view.calendar);
  const { pause, task, counters } = view;
  const note = pause ?? view.resumed;
  const skipped = Object.entries(counters.skipped)
    .filter(([, count]) => count > 0)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return [
    view.id,
    view.version,
    SCHEDULE_STATES.indexOf(stateOf(view)),
    text,
    templateRow(task.template),
    policyRow(view.policy),
    managedBy ?? null,
    view.createdAtMs,
    view.updatedAtMs,
    pause?.reason ?? null,
    note === undefined || note.note.bytes.length === 0 ? null : decoder.decode(note.note.bytes),
    view.next.slice(0, full ? undefined : 1).map(({ plannedMs, fireAtMs }) => [plannedMs, fireAtMs] as const),
    view.settledThroughMs,
    [
      OCCURRENCE_KINDS.map((kind) => counters.fired[kind]),
      skipped,
      counters.lateLastMs,
      counters.lateMaxMs,
      counters.lateSumMs,
    ],
    view.unfinished,
    view.buffered.length,
    view.failures,
    problem ?? null,
    full ? [task.payload.encoding, task.payload.bytes] : null,
    full && task.headers !== undefined ? [task.headers.encoding, task.headers.bytes] : null,
    full ? view.recent.map(settledRow).reverse() : [],
    note?.atMs ?? 0,
  ];
}

/** A task by its number. */
export function taskRef(number: number): TaskRef {
  return [TASK_GROUP, TASK_EPOCH, number];
}

function stateOf(view: ScheduleView): ScheduleState {
  if (view.ended) return 'ended';
  return view.pause === undefined ? 'active' : 'paused';
}

function settledRow(one: RecentOccurrence): SettledOccurrenceRow {
  return [
    one.plannedMs,
    one.version,
    OCCURRENCE_KINDS.indexOf(one.kind),
    one.settledAtMs,
    one.task === undefined ? null : taskRef(one.task),
    one.skipped ?? null,
    one.ended === undefined ? null : TASK_STATES.indexOf(one.ended),
  ];
}

/** A template with every default said, as the state has it. */
function templateRow({ type, queue, priority, requires, retry, timeouts, retention }: TaskTemplate): TemplateRow {
  return [
    type,
    queue,
    priority,
    requires,
    [retry.maxAttempts, retry.initialMs, retry.maxMs],
    [timeouts.runMs, timeouts.queueMs, timeouts.totalMs],
    [retention.doneMs, retention.failedMs, retention.keepPayload],
  ];
}

function policyRow(policy: SchedulePolicy): SchedulePolicyRow {
  return [
    OVERLAP_POLICIES.indexOf(policy.overlap),
    CATCH_UP_POLICIES.indexOf(policy.catchUp),
    policy.catchUpWindowMs,
    policy.maxRuns,
    policy.pauseOnFailure,
  ];
}
