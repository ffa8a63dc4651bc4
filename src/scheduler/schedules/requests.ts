/** Occurrences that someone asked for: one now, or some of the past. Each request is answered once and then by what was answered. */
import { isName } from '../../base/ids.ts';
import type { Command } from '../command.ts';
import type { Reply, TriggerResult } from '../outcome.ts';
import type { State } from '../state.ts';
import { KIND, SKIP, SKIPS } from './codes.ts';
import type { Overlap } from './commands.ts';
import { hasUsedRuns } from './fire.ts';
import { judgeOverlap } from './overlap.ts';
import { type AnsweredRequest, definitionBytes, type Schedule, settledThrough } from './schedule.ts';
import { refuse } from '../refusal.ts';

/** Applies a `triggerSchedule`; also to a schedule that is paused or has ended. */
export function triggerSchedule(
  state: State,
  command: Extract<Command, { type: 'triggerSchedule' }>,
  principalName: string,
): Reply {
  const { schedules } = state;
  if (!isName(command.request)) return refuse('INVALID_ARGUMENT');
  const schedule = schedules.find(state.findNamespace(command.namespace), command.schedule);
  if (schedule === undefined) return refuse('NOT_FOUND');
  const before = answerTo(schedule, command.request, KIND.trigger);
  if (before !== undefined) return { type: 'scheduleTriggered', outcome: resultOf(before), repeated: true };
  const principal = state.principalNumber(principalName);
  if (principal === 0) return refuse('QUEUE_LIMIT');
  schedules.touch(schedule);
  const outcome = fire(state, schedule, state.nowMs, KIND.trigger, principal, command.overlap);
  const task = outcome.result === 'started' ? outcome.task : 0;
  const skip = outcome.result === 'skipped' ? SKIPS.indexOf(outcome.reason) : SKIP.none;
  keep(state, schedule, { request: command.request, kind: KIND.trigger, count: task, skip });
  schedules.refresh(schedule);
  return { type: 'scheduleTriggered', outcome, repeated: false };
}

/** Applies a `backfillSchedule`. Its occurrences change nothing of what is planned. */
export function backfillSchedule(
  state: State,
  command: Extract<Command, { type: 'backfillSchedule' }>,
  principalName: string,
): Reply {
  const { schedules } = state;
  if (!isName(command.request) || !areInstants(state, command.plannedMs)) return refuse('INVALID_ARGUMENT');
  const schedule = schedules.find(state.findNamespace(command.namespace), command.schedule);
  if (schedule === undefined) return refuse('NOT_FOUND');
  const before = answerTo(schedule, command.request, KIND.backfill);
  if (before !== undefined) return { type: 'backfilled', accepted: before.count, repeated: true };
  const isThis = command.number === undefined || command.number === schedule.number;
  if (!isThis || command.version !== schedule.definition.version) return refuse('VERSION_CONFLICT');
  const bytes = command.plannedMs.length * definitionBytes(schedule.definition);
  if (bytes > state.limits.backfillBytesMax) return refuse('INVALID_ARGUMENT');
  const principal = state.principalNumber(principalName);
  if (principal === 0) return refuse('QUEUE_LIMIT');
  schedules.touch(schedule);
  let accepted = 0;
  for (const plannedMs of command.plannedMs) {
    const { result } = fire(state, schedule, plannedMs, KIND.backfill, principal, command.overlap);
    if (result !== 'skipped') accepted += 1;
  }
  keep(state, schedule, { request: command.request, kind: KIND.backfill, count: accepted, skip: SKIP.none });
  schedules.refresh(schedule);
  return { type: 'backfilled', accepted, repeated: false };
}

function fire(
  state: State,
  schedule: Schedule,
  plannedMs: number,
  kind: number,
  principal: number,
  overlap: Overlap | undefined,
): TriggerResult {
  const { version, policy } = schedule.definition;
  const { nowMs } = state;
  const occurrence = { version, plannedMs, fireAtMs: nowMs, kind, judgedAtMs: nowMs, principal };
  const hadUsedRuns = hasUsedRuns(schedule);
  const result = judgeOverlap(state, schedule, occurrence, overlap ?? policy.overlap);
  // It took the place of a planned run that waited and was the last one: that is still to be made.
  if (hadUsedRuns && !hasUsedRuns(schedule)) planAgain(schedule, nowMs);
  return result;
}

/** What ended with its last run goes on, with what comes after now. */
function planAgain(schedule: Schedule, nowMs: number): void {
  const fromMs = settledThrough(schedule, nowMs);
  schedule.ended = false;
  schedule.exhausted = false;
  schedule.settledThroughMs = fromMs;
  schedule.computedThroughMs = fromMs;
}

function answerTo(schedule: Schedule, request: string, kind: number): AnsweredRequest | undefined {
  return schedule.requests.find((one) => one.request === request && one.kind === kind);
}

function resultOf({ count, skip }: AnsweredRequest): TriggerResult {
  const reason = SKIPS[skip];
  if (reason !== undefined) return { result: 'skipped', reason };
  return count === 0 ? { result: 'buffered' } : { result: 'started', task: count };
}

function keep(state: State, schedule: Schedule, answered: AnsweredRequest): void {
  schedule.requests.push(answered);
  if (schedule.requests.length > state.limits.scheduleRequestsMax) schedule.requests.shift();
}

function areInstants(state: State, plannedMs: readonly number[]): boolean {
  if (plannedMs.length === 0 || plannedMs.length > state.limits.backfillMax) return false;
  return plannedMs.every((atMs, at) => atMs <= state.nowMs && (at === 0 || (plannedMs[at - 1] as number) < atMs));
}
