/**
 * The bounds of the replicated state, and the rules that come with numbers. All peers of a cluster must use equal ones: they
 * shape what applying an entry does. Bounds of one peer's own (queues, slices, caches) are no business of this file.
 */
import { assert } from '../base/assert.ts';
import type { TaskTemplate } from './command.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** See `SCHEDULER_LIMITS` for the defaults. */
export interface SchedulerLimits {
  /** Task moves that one entry makes on its own account: timers, cursors, and then again as many placements. */
  readonly movesMax: number;
  /** Tasks of one submission. */
  readonly batchTasksMax: number;
  /** Numbers of one cancel, and completions of one report. */
  readonly numbersMax: number;
  readonly payloadBytesMax: number;
  readonly headersBytesMax: number;
  readonly checkpointBytesMax: number;
  readonly resultBytesMax: number;
  readonly errorBytesMax: number;
  /** How far ahead a task may be due, in ms. */
  readonly delayMsMax: number;
  /** Tasks that are not final and in memory, over all namespaces. Those that come back into it come in whatever there is. */
  readonly liveTasksMax: number;
  /** Bytes of their payloads, headers and checkpoints together. */
  readonly liveBytesMax: number;
  /** Tasks that wait outside of memory, since they are due far ahead, over all namespaces. */
  readonly farTasksMax: number;
  /** Bytes of their payloads and headers together. */
  readonly farBytesMax: number;
  /** A task leaves memory when it is due in two of these or more, in ms. Blocks of far tasks are for one of these each. */
  readonly farSpanMs: number;
  /** Tasks of one such block: what one entry brings back into memory at most. */
  readonly farBlockTasksMax: number;
  /** Names of namespaces, types, queues, principals and required labels that were ever used. */
  readonly namesMax: number;
  /** Queues of one namespace. */
  readonly queuesMax: number;
  /** Labels that a worker has, and labels that a task requires. */
  readonly labelsMax: number;
  /** Types that one worker serves. */
  readonly typesMax: number;
  readonly workersMax: number;
  /** Slots of one worker. */
  readonly slotsMax: number;
  readonly sessionsMax: number;
  /** Answers kept for each session. */
  readonly answersMax: number;
  /** Positions of tasks that were there before, kept in the answers of one session. */
  readonly existingMax: number;
  /** Keys of one namespace that are not free yet. */
  readonly keysMax: number;
  /** How long a key stays taken after its task is final, in ms. */
  readonly keyKeepMs: number;
  /** Events kept of one task, and how many of them are its first. */
  readonly historyEventsMax: number;
  readonly historyFirst: number;
  /** For this long after a term began nothing is taken from any worker, in ms. */
  readonly leaseMs: number;
  /** How long a running task that is being cancelled may take to heed it, in ms. */
  readonly cancelGraceMs: number;
  /** Crashes within `poisonWindowMs` that make a task poison. */
  readonly poisonWindowMs: number;
  /** A lost worker is forgotten after this long, in ms. */
  readonly forgetWorkerMs: number;
  /** Finished tasks that one namespace keeps, and their bytes; the oldest go first. */
  readonly finishedTasksMax: number;
  readonly finishedBytesMax: number;
  /** Payloads above this leave memory once a checkpoint holds them, in bytes. */
  readonly offloadBytes: number;
  /** Tasks that one page of a list looks at. */
  readonly listExamineMax: number;
  /** Schedules of one namespace. */
  readonly schedulesMax: number;
  /** Bytes of the definitions of all schedules, payloads included. */
  readonly scheduleBytesMax: number;
  /** Bytes of one calendar, and of the note of a pause. */
  readonly calendarBytesMax: number;
  readonly noteBytesMax: number;
  /** Next instants that are stored of one schedule; instants of one advance. */
  readonly scheduleInstantsMax: number;
  /** A schedule wants more instants when the last one that is stored is less than this ahead, in ms. */
  readonly scheduleAheadMs: number;
  /** Occurrences of one schedule that wait for tasks to be final. */
  readonly scheduleBufferMax: number;
  /** Settled occurrences, and answered requests, that are kept of one schedule. */
  readonly scheduleRecentMax: number;
  readonly scheduleRequestsMax: number;
  /** Occurrences of one backfill, and the bytes of the definition that may be copied for them. */
  readonly backfillMax: number;
  readonly backfillBytesMax: number;
  /** An occurrence that is reached later than this is missed, in ms. */
  readonly missedAfterMs: number;
  /** Missed occurrences in a row that are caught up, and the distance between two of them, in ms. */
  readonly catchUpMax: number;
  readonly catchUpPaceMs: number;
}

/** The defaults. */
export const SCHEDULER_LIMITS: SchedulerLimits = {
  movesMax: 2_000,
  batchTasksMax: 1_000,
  numbersMax: 2_000,
  payloadBytesMax: 256 * KIB,
  headersBytesMax: 8 * KIB,
  checkpointBytesMax: 256 * KIB,
  resultBytesMax: 256 * KIB,
  errorBytesMax: 16 * KIB,
  delayMsMax: 10 * 366 * DAY_MS,
  liveTasksMax: 5_000_000,
  liveBytesMax: 4 * GIB,
  farTasksMax: 10_000_000,
  farBytesMax: 8 * GIB,
  farSpanMs: HOUR_MS,
  farBlockTasksMax: 512,
  namesMax: 1_000_000,
  queuesMax: 10_000,
  labelsMax: 64,
  typesMax: 256,
  workersMax: 10_000,
  slotsMax: 10_000,
  sessionsMax: 10_000,
  answersMax: 1_024,
  existingMax: 65_536,
  keysMax: 1_000_000,
  keyKeepMs: DAY_MS,
  historyEventsMax: 100,
  historyFirst: 10,
  leaseMs: 15 * SECOND_MS,
  cancelGraceMs: 30 * SECOND_MS,
  poisonWindowMs: HOUR_MS,
  forgetWorkerMs: HOUR_MS,
  finishedTasksMax: 1_000_000,
  finishedBytesMax: 10 * GIB,
  offloadBytes: KIB,
  listExamineMax: 1_000,
  schedulesMax: 10_000,
  scheduleBytesMax: 128 * MIB,
  calendarBytesMax: 16 * KIB,
  noteBytesMax: 4 * KIB,
  scheduleInstantsMax: 64,
  scheduleAheadMs: 20 * SECOND_MS,
  scheduleBufferMax: 1_000,
  scheduleRecentMax: 32,
  scheduleRequestsMax: 16,
  backfillMax: 1_000,
  backfillBytesMax: 16 * MIB,
  missedAfterMs: MINUTE_MS,
  catchUpMax: 1_000,
  catchUpPaceMs: 10,
};

/** What a task gets that says nothing else. `type` has no default. */
export const TASK_DEFAULTS: Omit<TaskTemplate, 'type'> = {
  queue: 'default',
  priority: 5,
  requires: [],
  retry: { maxAttempts: 10, initialMs: SECOND_MS, maxMs: HOUR_MS },
  timeouts: { runMs: 15 * MINUTE_MS, queueMs: 0, totalMs: 0 },
  retention: { doneMs: 7 * DAY_MS, failedMs: 14 * DAY_MS, keepPayload: false },
};

/** Priorities go from 1, which is first, to this. */
export const PRIORITY_MAX = 10;

/** Attempts, priorities and the like are kept in narrow columns. */
export const ATTEMPTS_MAX = 65_535;

/** `overrides` over the defaults. @throws InvariantError when the result breaks a relation between two limits */
export function schedulerLimits(overrides: Partial<SchedulerLimits> = {}): SchedulerLimits {
  const limits = { ...SCHEDULER_LIMITS, ...overrides };
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isSafeInteger(value) && value >= 1, () => `the limit ${name} is a whole number of 1 and more`);
  }
  assert(limits.historyFirst < limits.historyEventsMax, 'the newest events have room behind the first');
  assert(
    limits.payloadBytesMax <= MIB && limits.resultBytesMax <= MIB,
    'payloads and results have a hard limit of 1 MiB',
  );
  assert(limits.answersMax >= 2, 'a client may have more than one request under way');
  assert(limits.existingMax >= limits.batchTasksMax, 'the largest single answer can be kept');
  assert(limits.scheduleInstantsMax >= 4, 'a schedule that takes instants has two and room for others');
  assert(limits.slotsMax <= ATTEMPTS_MAX, 'slots fit their column');
  assert(limits.liveTasksMax + limits.farTasksMax < 2 ** 30, 'rows are numbered with 30 bits');
  assert(limits.farSpanMs >= 2, 'a span has a half');
  assert(limits.namesMax < 2 ** 31, 'names are numbered with 32 bits');
  return limits;
}
