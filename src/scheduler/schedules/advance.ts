/** The next instants of a schedule come in: computed by the leader from what the state said, and taken if it still says so. */
import type { Command } from '../command.ts';
import type { SchedulerLimits } from '../limits.ts';
import type { Reply } from '../outcome.ts';
import type { State } from '../state.ts';
import { endIfOver } from './fire.ts';
import type { Schedule } from './schedule.ts';
import { refuse } from '../refusal.ts';

type Advance = Extract<Command, { type: 'advanceSchedule' }>;

/** Applies an `advanceSchedule`. What it brings beyond the room that there is has to be brought again. */
export function advanceSchedule(state: State, command: Advance): Reply {
  const { schedules, limits } = state;
  const schedule = schedules.byNumber(command.number);
  if (schedule === undefined || !goesOn(schedule, command)) return refuse('STALE');
  if (!isOrdered(schedule, command, limits)) return refuse('INVALID_ARGUMENT');
  schedules.touch(schedule);
  const { occurrences } = command;
  const taken = occurrences.slice(0, limits.scheduleInstantsMax - schedule.plannedMs.length);
  for (const { plannedMs, fireAtMs } of taken) {
    schedule.plannedMs.push(plannedMs);
    schedule.fireAtMs.push(fireAtMs);
  }
  if (taken.length === occurrences.length) {
    schedule.computedThroughMs = command.throughMs;
    schedule.exhausted = command.exhausted;
  } else {
    schedule.computedThroughMs = taken.at(-1)?.plannedMs ?? schedule.computedThroughMs;
  }
  schedule.awaitsAdvance = false;
  endIfOver(schedule);
  schedules.refresh(schedule);
  return { type: 'ok' };
}

/** True when it was computed from where the schedule is: never twice the same instants, and none left out. */
function goesOn(schedule: Schedule, command: Advance): boolean {
  if (schedule.deleted || schedule.ended || schedule.exhausted) return false;
  return schedule.definition.version === command.version && schedule.computedThroughMs === command.fromMs;
}

function isOrdered(schedule: Schedule, command: Advance, limits: SchedulerLimits): boolean {
  const { occurrences, fromMs, throughMs } = command;
  if (occurrences.length > limits.scheduleInstantsMax || throughMs < fromMs) return false;
  let beforeMs = fromMs;
  let firedMs = schedule.fireAtMs.at(-1) ?? 0;
  for (const { plannedMs, fireAtMs } of occurrences) {
    if (plannedMs <= beforeMs || plannedMs > throughMs || fireAtMs < plannedMs || fireAtMs < firedMs) return false;
    beforeMs = plannedMs;
    firedMs = fireAtMs;
  }
  return true;
}
