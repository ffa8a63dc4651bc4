/** Schedules stand still and go on. */
import type { Command } from '../command.ts';
import type { Reply } from '../outcome.ts';
import type { State } from '../state.ts';
import { own } from './definition-records.ts';
import type { Note, Schedule } from './schedule.ts';
import { refuse } from '../refusal.ts';

/** Applies a `pauseSchedule`. What is due while it lasts is skipped, and what waits in the buffer goes on waiting. */
export function pauseSchedule(
  state: State,
  command: Extract<Command, { type: 'pauseSchedule' }>,
  principal: string,
): Reply {
  const { schedules, limits, nowMs } = state;
  if (command.note.bytes.length > limits.noteBytesMax) return refuse('INVALID_ARGUMENT');
  const schedule = schedules.find(state.findNamespace(command.namespace), command.schedule);
  if (schedule === undefined) return refuse('NOT_FOUND');
  if (schedule.ended && schedule.buffer.length === 0) return refuse('SCHEDULE_ENDED');
  const by = state.principalNumber(principal);
  if (by === 0) return refuse('QUEUE_LIMIT');
  schedules.touch(schedule);
  setPause(schedule, { atMs: nowMs, by, note: own(command.note) });
  schedules.refresh(schedule);
  return { type: 'ok' };
}

/** Applies a `resumeSchedule`. One that does not stand still goes on as it did. */
export function resumeSchedule(
  state: State,
  command: Extract<Command, { type: 'resumeSchedule' }>,
  principal: string,
): Reply {
  const { schedules, limits, nowMs } = state;
  if (command.note.bytes.length > limits.noteBytesMax) return refuse('INVALID_ARGUMENT');
  const schedule = schedules.find(state.findNamespace(command.namespace), command.schedule);
  if (schedule === undefined) return refuse('NOT_FOUND');
  if (schedule.pause === undefined) return { type: 'ok' };
  const by = state.principalNumber(principal);
  if (by === 0) return refuse('QUEUE_LIMIT');
  schedules.touch(schedule);
  schedule.pause = undefined;
  schedule.pausedUntilMs = nowMs;
  schedule.resumed = { atMs: nowMs, by, note: own(command.note) };
  schedule.failures = 0;
  schedules.refresh(schedule);
  return { type: 'ok' };
}

/** `schedule`, which was touched, stands still from now on; one that already does gets another note. */
export function setPause(schedule: Schedule, pause: Note): void {
  if (schedule.pause === undefined) {
    schedule.pausedFromMs = pause.atMs;
    schedule.pausedUntilMs = 0;
  }
  schedule.pause = pause;
  schedule.awaitsAdvance = false;
}
