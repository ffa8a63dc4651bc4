/** Schedules are made, changed and taken away. */
import { ByteReader } from '../../base/bytes.ts';
import { isName } from '../../base/ids.ts';
import type { Blob, Command } from '../command.ts';
import { encodeTemplate } from '../encode-parts.ts';
import type { SchedulerLimits } from '../limits.ts';
import type { Refusal, Reply } from '../outcome.ts';
import type { State } from '../state.ts';
import { hasRoomForNames, isFit } from '../submit.ts';
import { unuse } from '../task-moves.ts';
import { decodeTemplate } from '../decode-parts.ts';
import { SKIP } from './codes.ts';
import { setPause } from './control.ts';
import { own, ownOptional } from './definition-records.ts';
import { endIfOver, hasUsedRuns } from './fire.ts';
import { emptyBuffer } from './overlap.ts';
import { type Definition, newSchedule, NO_BYTES, type Schedule, settledThrough, definitionBytes } from './schedule.ts';
import { refuse } from '../refusal.ts';

type Put = Extract<Command, { type: 'putSchedule' }>;

/** Applies a `putSchedule`. Nothing changes unless all of it can be taken. */
export function putSchedule(state: State, command: Put, principalName: string): Reply {
  if (!isPutFit(command, state.limits)) return refuse('INVALID_ARGUMENT');
  const namespace = state.findNamespace(command.namespace);
  const before = namespace === 0 ? undefined : state.schedules.find(namespace, command.schedule);
  const template = templateBytes(state, command);
  const isSame = before !== undefined && holds(before.definition, command, template);
  const { expectedVersion } = command;
  if (before === undefined && expectedVersion > 0) return refuse('NOT_FOUND');
  if (before !== undefined) {
    const { version } = before.definition;
    // The put that made this version, sent again, names the version before it.
    const isExpected =
      expectedVersion === -1 || expectedVersion === version || (isSame && expectedVersion === version - 1);
    if (!isExpected) return refuse('VERSION_CONFLICT');
    if (isSame) return { type: 'schedulePut', number: before.number, version, created: false, unchanged: true };
    if (isOverFor(before, command)) return refuse('SCHEDULE_ENDED');
  }
  const room = refuseForRoom(state, namespace, before, command, template);
  if (room !== undefined) return room;
  const { payload, headers } = command.task;
  const definition: Definition = {
    version: (before?.definition.version ?? 0) + 1,
    calendar: command.calendar.slice(),
    template,
    payload: own(payload),
    headers: ownOptional(headers),
    policy: command.policy,
    principal: state.principalNumber(principalName),
    createdAtMs: before?.definition.createdAtMs ?? state.nowMs,
    updatedAtMs: state.nowMs,
  };
  reserveNames(state, state.namespaceNumber(command.namespace), template);
  const schedule = before === undefined ? make(state, command, definition) : change(state, before, definition);
  const { version } = definition;
  return { type: 'schedulePut', number: schedule.number, version, created: before === undefined, unchanged: false };
}

/** Applies a `deleteSchedule`. */
export function deleteSchedule(state: State, command: Extract<Command, { type: 'deleteSchedule' }>): Reply {
  const schedule = state.schedules.find(state.findNamespace(command.namespace), command.schedule);
  if (schedule === undefined) return refuse('NOT_FOUND');
  const { expectedVersion } = command;
  if (expectedVersion !== -1 && expectedVersion !== schedule.definition.version) return refuse('VERSION_CONFLICT');
  const { schedules } = state;
  schedules.touch(schedule);
  emptyBuffer(state, schedule, SKIP.deleted);
  schedule.deleted = true;
  schedule.plannedMs.length = 0;
  schedule.fireAtMs.length = 0;
  schedule.awaitsAdvance = false;
  schedule.cancelThrough = schedule.cancelledThrough;
  schedules.release(schedule);
  if (schedule.unfinished === 0) {
    schedules.remove(schedule);
    return { type: 'ok' };
  }
  // It stays as long as its tasks name it; what they were made of is not needed for that.
  const nothing: Blob = { encoding: 0, bytes: NO_BYTES };
  const { definition } = schedule;
  schedules.redefine(schedule, {
    ...definition,
    calendar: NO_BYTES,
    template: NO_BYTES,
    payload: nothing,
    headers: undefined,
  });
  schedules.refresh(schedule);
  return { type: 'ok' };
}

/** True when `schedule` has had all its runs, and would have had them under what is put too: that would end at once. */
function isOverFor(schedule: Schedule, command: Put): boolean {
  const { maxRuns } = command.policy;
  return hasUsedRuns(schedule) && maxRuns > 0 && schedule.runs >= maxRuns;
}

function make(state: State, command: Put, definition: Definition): Schedule {
  const { meta, schedules, nowMs } = state;
  meta.lastSchedule += 1;
  const namespace = state.namespaceNumber(command.namespace);
  const schedule = newSchedule(meta.lastSchedule, namespace, command.schedule, definition);
  schedule.computedThroughMs = nowMs;
  schedule.settledThroughMs = nowMs;
  if (command.paused) {
    setPause(schedule, { atMs: nowMs, by: definition.principal, note: { encoding: 0, bytes: NO_BYTES } });
  }
  schedules.add(schedule);
  return schedule;
}

/** The new version begins behind what was taken up of the old one; what was not is for the new calendar to name again. */
function change(state: State, schedule: Schedule, definition: Definition): Schedule {
  const { schedules } = state;
  schedules.touch(schedule);
  const fromMs = settledThrough(schedule, state.nowMs);
  schedules.redefine(schedule, definition);
  schedule.settledThroughMs = fromMs;
  schedule.computedThroughMs = fromMs;
  schedule.plannedMs.length = 0;
  schedule.fireAtMs.length = 0;
  schedule.ended = false;
  schedule.exhausted = false;
  schedule.awaitsAdvance = false;
  schedule.caughtUp = 0;
  schedule.notBeforeMs = 0;
  endIfOver(schedule);
  schedules.refresh(schedule);
  return schedule;
}

function refuseForRoom(
  state: State,
  namespace: number,
  before: Schedule | undefined,
  command: Put,
  template: Uint8Array,
): Refusal | undefined {
  const { limits, schedules } = state;
  if (before === undefined && schedules.countOf(namespace) >= limits.schedulesMax) return refuse('SCHEDULE_LIMIT');
  const { payload, headers } = command.task;
  const bytes = command.calendar.length + template.length + payload.bytes.length + (headers?.bytes.length ?? 0);
  const freed = before === undefined ? 0 : definitionBytes(before.definition);
  if (schedules.sizeBytes + bytes - freed > limits.scheduleBytesMax) return refuse('SCHEDULE_LIMIT');
  const isKnown = namespace !== 0 && state.templates.find(namespace, template) !== undefined;
  const read = isKnown ? undefined : command.task.template;
  return hasRoomForNames(state, namespace, [{ read }]) ? undefined : refuse('QUEUE_LIMIT');
}

/**
 * A template that comes into use for a moment leaves its names, labels and queue behind, which never go: so no occurrence finds
 * that there is no room for them any more.
 */
function reserveNames(state: State, namespace: number, bytes: Uint8Array): void {
  const template =
    state.templates.find(namespace, bytes) ??
    state.templates.add(namespace, bytes, decodeTemplate(new ByteReader(bytes)));
  template.references += 1;
  unuse(state, template);
}

function templateBytes(state: State, command: Put): Uint8Array {
  const { writer } = state;
  writer.reset();
  encodeTemplate(writer, command.task.template);
  return writer.take();
}

function holds(definition: Definition, command: Put, template: Uint8Array): boolean {
  const { policy } = definition;
  const { payload, headers } = command.task;
  return (
    sameBytes(definition.calendar, command.calendar) &&
    sameBytes(definition.template, template) &&
    sameBlob(definition.payload, payload) &&
    sameBlob(definition.headers, headers) &&
    policy.overlap === command.policy.overlap &&
    policy.catchUp === command.policy.catchUp &&
    policy.catchUpWindowMs === command.policy.catchUpWindowMs &&
    policy.maxRuns === command.policy.maxRuns &&
    policy.pauseOnFailure === command.policy.pauseOnFailure
  );
}

function isPutFit(command: Put, limits: SchedulerLimits): boolean {
  const { calendar, task } = command;
  return (
    isName(command.namespace) &&
    isName(command.schedule) &&
    command.expectedVersion >= -1 &&
    calendar.length >= 1 &&
    calendar.length <= limits.calendarBytesMax &&
    isFit(task.template, limits) &&
    task.payload.bytes.length <= limits.payloadBytesMax &&
    (task.headers?.bytes.length ?? 0) <= limits.headersBytesMax &&
    command.policy.catchUpWindowMs <= limits.delayMsMax
  );
}

function sameBlob(left: Blob | undefined, right: Blob | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.encoding === right.encoding && sameBytes(left.bytes, right.bytes);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  return left.every((byte, at) => byte === right[at]);
}
