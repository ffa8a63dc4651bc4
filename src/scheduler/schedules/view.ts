/** Looking at schedules. Nothing here changes anything. */
import { ByteReader } from '../../base/bytes.ts';
import { decodeTemplate } from '../decode-parts.ts';
import type { OccurrenceKind, SkipReason } from '../outcome.ts';
import type { State } from '../state.ts';
import { FIRST_FINAL, TASK_STATES } from '../states.ts';
import { KIND, KINDS, SKIP, SKIPS } from './codes.ts';
import type { Note, Recent, Schedule } from './schedule.ts';
import { settledThrough } from './schedule.ts';
import type {
  RecentOccurrence,
  ScheduleCounters,
  SchedulePause,
  ScheduleView,
  TaskOccurrence,
  WantingSchedule,
} from './views.ts';

/** Unfinished tasks that a view lists. */
const TASKS_SHOWN = 100;

/** One schedule as it is now. */
export function viewSchedule(state: State, schedule: Schedule): ScheduleView {
  const { definition, pause, resumed } = schedule;
  const { headers } = definition;
  return {
    number: schedule.number,
    namespace: state.namespaceName(schedule.namespace),
    id: schedule.id,
    version: definition.version,
    calendar: definition.calendar,
    task: {
      template: decodeTemplate(new ByteReader(definition.template)),
      payload: definition.payload,
      ...(headers === undefined ? {} : { headers }),
    },
    policy: definition.policy,
    createdAtMs: definition.createdAtMs,
    updatedAtMs: definition.updatedAtMs,
    by: state.memory.names.nameOf(definition.principal),
    ...(pause === undefined ? {} : { pause: viewNote(state, pause) }),
    ...(resumed === undefined ? {} : { resumed: viewNote(state, resumed) }),
    ended: schedule.ended,
    computedThroughMs: schedule.computedThroughMs,
    settledThroughMs: settledThrough(schedule, state.nowMs),
    next: schedule.plannedMs.map((plannedMs, at) => ({ plannedMs, fireAtMs: schedule.fireAtMs[at] as number })),
    buffered: schedule.buffer.map(({ version, plannedMs, kind }) => ({ version, plannedMs, kind: kindOf(kind) })),
    unfinished: schedule.unfinished,
    tasks: firstTasks(state, schedule),
    slotFreeAtMs: schedule.slotFreeAtMs,
    runs: schedule.runs,
    failures: schedule.failures,
    counters: viewCounters(schedule),
    recent: schedule.recent.map(viewRecent).reverse(),
  };
}

/** What the leader must know of a schedule that wants instants. */
export function viewWanting(state: State, schedule: Schedule): WantingSchedule {
  return {
    number: schedule.number,
    namespace: state.namespaceName(schedule.namespace),
    schedule: schedule.id,
    version: schedule.definition.version,
    calendar: schedule.definition.calendar,
    fromMs: schedule.computedThroughMs,
    room: state.limits.scheduleInstantsMax - schedule.plannedMs.length,
  };
}

/** Which occurrence made the unfinished task `number`, which one did. */
export function viewOccurrence(state: State, number: number): TaskOccurrence {
  const { schedule, version, plannedMs, kind } = state.schedules.made.of(number);
  const { id } = state.schedules.byNumber(schedule) as Schedule;
  return { schedule: id, version, plannedMs, kind: kindOf(kind) };
}

function firstTasks(state: State, schedule: Schedule): number[] {
  const numbers: number[] = [];
  for (const number of state.schedules.made.after(schedule, 0)) {
    if (numbers.length >= TASKS_SHOWN) break;
    numbers.push(number);
  }
  return numbers;
}

function viewNote(state: State, note: Note): SchedulePause {
  const isOwn = note.by === 0;
  return {
    reason: isOwn ? 'failures' : 'request',
    atMs: note.atMs,
    by: isOwn ? 'peer' : state.memory.names.nameOf(note.by),
    note: note.note,
  };
}

function viewCounters(schedule: Schedule): ScheduleCounters {
  const fired = (kind: keyof typeof KIND): number => schedule.fired[KIND[kind]] as number;
  const skipped = (reason: SkipReason): number => schedule.skipped[SKIP[reason]] as number;
  return {
    fired: { planned: fired('planned'), trigger: fired('trigger'), backfill: fired('backfill') },
    skipped: {
      paused: skipped('paused'),
      missed: skipped('missed'),
      outsideWindow: skipped('outsideWindow'),
      superseded: skipped('superseded'),
      catchUpLimit: skipped('catchUpLimit'),
      overlap: skipped('overlap'),
      bufferFull: skipped('bufferFull'),
      taskLimit: skipped('taskLimit'),
      deleted: skipped('deleted'),
    },
    lateLastMs: schedule.lateLastMs,
    lateMaxMs: schedule.lateMaxMs,
    lateSumMs: schedule.lateSumMs,
  };
}

function viewRecent(recent: Recent): RecentOccurrence {
  const { version, plannedMs, settledAtMs, task } = recent;
  const skipped = SKIPS[recent.skip];
  const ended = recent.ended < FIRST_FINAL ? undefined : TASK_STATES[recent.ended];
  return {
    version,
    plannedMs,
    kind: kindOf(recent.kind),
    settledAtMs,
    ...(skipped === undefined ? { task } : { skipped }),
    ...(ended === undefined ? {} : { ended }),
  };
}

function kindOf(code: number): OccurrenceKind {
  return KINDS[code] ?? 'planned';
}
