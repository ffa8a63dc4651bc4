/** One schedule, as the state machine keeps it. */
import type { Blob } from '../command.ts';
import type { SchedulePolicy } from './commands.ts';
import { KINDS, SKIPS } from './codes.ts';

/** No bytes. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What was put: rewritten by a put and by nothing else. */
export interface Definition {
  readonly version: number;
  readonly calendar: Uint8Array;
  /** As `encodeTemplate` writes it. */
  readonly template: Uint8Array;
  readonly payload: Blob;
  readonly headers: Blob | undefined;
  readonly policy: SchedulePolicy;
  /** Number of the name of the principal that put this version. */
  readonly principal: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** An occurrence on its way: to a task, into the buffer, or to be skipped. */
export interface Occurrence {
  /** Of the schedule, when it was planned. */
  readonly version: number;
  readonly plannedMs: number;
  readonly fireAtMs: number;
  /** Code of the kind. */
  readonly kind: number;
  /** When it was judged: in the buffer it does not grow later. */
  readonly judgedAtMs: number;
  /** Number of the name of the principal for whom the task is made. */
  readonly principal: number;
}

/** One of the last occurrences that were settled. */
export interface Recent {
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: number;
  readonly settledAtMs: number;
  /** The task's number; 0 when it was skipped. */
  readonly task: number;
  /** Code of the reason; 0 when it made a task. */
  readonly skip: number;
  /** Code of the state in which the task ended; 0 while it has not. */
  ended: number;
}

/** A trigger or backfill that was answered. */
export interface AnsweredRequest {
  readonly request: string;
  /** Code of the kind of its occurrences. */
  readonly kind: number;
  /** Of a trigger: the task's number, or 0. Of a backfill: the occurrences that were accepted. */
  readonly count: number;
  /** Of a trigger: code of the reason for which it was skipped; 0 for a task, or for the buffer where there is no task. */
  readonly skip: number;
}

/** Who let a schedule stand still or go on, when and with which words. */
export interface Note {
  readonly atMs: number;
  /** Number of the name of the principal; 0 where the cluster did it because of failures. */
  readonly by: number;
  readonly note: Blob;
}

/** One schedule. Change what is not `definition` only after `Schedules.touch`. */
export interface Schedule {
  /** Place in the list of schedules: this peer's own affair. */
  slot: number;
  /** One more for each schedule ever made. */
  readonly number: number;
  /** Like the id the same for ever, once a loaded schedule has it. */
  namespace: number;
  id: string;
  definition: Definition;

  // Progress.

  /** Deleted, and kept as long as a task of it is not final. Nothing finds it by its id any more. */
  deleted: boolean;
  /** Nothing will be planned any more. Then `instants` is empty. */
  ended: boolean;
  /** The calendar names nothing after the last of `instants`. */
  exhausted: boolean;
  /** The first instant is missed and can only be judged when it is known which ones follow. */
  awaitsAdvance: boolean;
  /** Set while it is paused. */
  pause: Note | undefined;
  /** How it went on last. */
  resumed: Note | undefined;
  /** The last pause in log time: what fires after `From` and up to `Until` passed during it. `Until` is 0 as long as it lasts. */
  pausedFromMs: number;
  pausedUntilMs: number;
  computedThroughMs: number;
  /** Everything planned up to here was taken up. Never goes back. Invariant: before the first of `instants`. */
  settledThroughMs: number;
  /** The next instants, ascending, `fireAtMs` beside `plannedMs`. Invariant: none after `computedThroughMs`. */
  readonly plannedMs: number[];
  readonly fireAtMs: number[];
  /** Nothing planned fires before: missed occurrences that are caught up keep a distance. */
  notBeforeMs: number;
  /** Missed occurrences that were caught up since the last one that was not missed. */
  caughtUp: number;
  /**
   * Until then an attempt may still run that nobody counts any more: its worker was lost, or its handler was told to stop and has
   * not returned. What must not run beside others does not start before, whatever has become of the task itself.
   */
  slotFreeAtMs: number;
  /** Occurrences that wait for tasks to be final, first in, first out. */
  buffer: Occurrence[];
  /** Tasks of planned occurrences, and planned occurrences in the buffer. */
  runs: number;
  /** Tasks in a row that ended as failed. */
  failures: number;
  /** Tasks with numbers up to here were told to stop, and those up to `cancelThrough` are to be. Neither goes back. */
  cancelledThrough: number;
  cancelThrough: number;
  /** Tasks made by code of the kind, occurrences skipped by code of the reason. */
  readonly fired: number[];
  readonly skipped: number[];
  lateLastMs: number;
  lateMaxMs: number;
  lateSumMs: number;
  /** The last settled occurrences, the oldest first. */
  readonly recent: Recent[];
  /** The last answered requests, the oldest first. */
  readonly requests: AnsweredRequest[];

  // What follows is found again from the rows when a state is loaded.

  /** Tasks that are not final. */
  unfinished: number;
  /** The first and the last of them in the list of `MadeTasks`; -1 when there is none. */
  head: number;
  tail: number;
}

/** A schedule that has done nothing yet. */
export function newSchedule(number: number, namespace: number, id: string, definition: Definition): Schedule {
  return {
    slot: -1,
    number,
    namespace,
    id,
    definition,
    deleted: false,
    ended: false,
    exhausted: false,
    awaitsAdvance: false,
    pause: undefined,
    resumed: undefined,
    pausedFromMs: 0,
    pausedUntilMs: 0,
    computedThroughMs: 0,
    settledThroughMs: 0,
    plannedMs: [],
    fireAtMs: [],
    notBeforeMs: 0,
    caughtUp: 0,
    slotFreeAtMs: 0,
    buffer: [],
    runs: 0,
    failures: 0,
    cancelledThrough: 0,
    cancelThrough: 0,
    fired: KINDS.map(() => 0),
    skipped: SKIPS.map(() => 0),
    lateLastMs: 0,
    lateMaxMs: 0,
    lateSumMs: 0,
    recent: [],
    requests: [],
    unfinished: 0,
    head: -1,
    tail: -1,
  };
}

/** Bytes that the schedule weighs against the limit of all. */
export function definitionBytes(definition: Definition): number {
  const { calendar, template, payload, headers } = definition;
  return calendar.length + template.length + payload.bytes.length + (headers?.bytes.length ?? 0);
}

/**
 * The instant up to which everything was taken up, as it is at `nowMs`: between the last instant that was and the next there is
 * none, as far as was computed; and nothing will ever be after the end.
 */
export function settledThrough(schedule: Schedule, nowMs: number): number {
  const nextMs = schedule.plannedMs[0];
  let throughMs = nowMs;
  if (nextMs !== undefined) throughMs = Math.min(throughMs, nextMs - 1);
  if (!schedule.exhausted && !schedule.ended) throughMs = Math.min(throughMs, schedule.computedThroughMs);
  return Math.max(schedule.settledThroughMs, throughMs);
}
