/** Commands as bytes: kind, format, the principal's name, then what the command says. `decode.ts` is the other direction. */
import { assert } from '../base/assert.ts';
import type { ByteWriter } from '../base/bytes.ts';
import type { Command, Completion, HeldAttempt, TaskSubmission } from './command.ts';
import { encodeBlob, encodeLabels, encodeTemplate } from './encode-parts.ts';
import { encodeScheduleCommand, isScheduleCommand, scheduleMoves } from './schedules/encode.ts';
import { COMMAND_CODES, COMMAND_FORMAT, FAILED_BITS, OUTCOME_CODES, TASK_BITS } from './version.ts';

/** Appends `command`, asked for by `principal`, to `writer`; the length before it is the batch's affair. */
export function encodeCommand(writer: ByteWriter, principal: string, command: Command): void {
  writer.u8(COMMAND_CODES[command.type]);
  writer.u8(COMMAND_FORMAT);
  writer.ascii(principal);
  switch (command.type) {
    case 'tick':
    case 'checkpointMark':
      return;
    case 'termStarted':
      return writer.varint(command.term);
    case 'openSession':
    case 'endSession':
      return writer.ascii(command.session);
    case 'submit':
      return encodeSubmit(writer, command);
    case 'complete':
      return encodeComplete(writer, command.worker, command.completions);
    case 'cancel':
      writer.ascii(command.namespace);
      writer.varint(command.numbers.length);
      for (const number of command.numbers) writer.varint(number);
      return;
    case 'saveCheckpoint':
      writer.varint(command.number);
      writer.varint(command.fencingToken);
      return encodeBlob(writer, command.checkpoint);
    case 'extendRun':
      writer.varint(command.number);
      writer.varint(command.fencingToken);
      return writer.varint(command.runMs);
    case 'workerAttached':
      return encodeAttached(writer, command);
    case 'workerAway':
    case 'workerLeft':
      writer.ascii(command.worker);
      return writer.ascii(command.instance);
    case 'workerLost':
      writer.ascii(command.worker);
      writer.ascii(command.instance);
      return writer.varint(command.capsFreeAtMs);
    case 'drainWorker':
      writer.ascii(command.worker);
      return writer.varint(command.deadlineMs);
    case 'resumeWorker':
      return writer.ascii(command.worker);
    case 'putSchedule':
    case 'deleteSchedule':
    case 'pauseSchedule':
    case 'resumeSchedule':
    case 'triggerSchedule':
    case 'backfillSchedule':
    case 'advanceSchedule':
      return encodeScheduleCommand(writer, command);
  }
}

/** How many tasks `command` may move: what a batch counts, so that applying it stays short. At least 1. */
export function commandMoves(command: Command): number {
  if (command.type === 'submit') return Math.max(1, command.tasks.length);
  if (command.type === 'complete') return Math.max(1, command.completions.length);
  if (command.type === 'cancel') return Math.max(1, command.numbers.length);
  if (command.type === 'workerAttached') return Math.max(1, command.held.length + command.unanswered.length);
  return isScheduleCommand(command) ? scheduleMoves(command) : 1;
}

function encodeSubmit(writer: ByteWriter, command: Extract<Command, { type: 'submit' }>): void {
  writer.ascii(command.session);
  writer.varint(command.sequence);
  writer.varint(command.answeredBelow);
  writer.ascii(command.namespace);
  writer.varint(command.templates.length);
  for (const template of command.templates) {
    // A length before each lets the state machine recognise a template by its bytes without reading it.
    const at = writer.length;
    writer.u32(0);
    encodeTemplate(writer, template);
    writer.patchU32(at, writer.length - at - 4);
  }
  writer.varint(command.tasks.length);
  for (const task of command.tasks) encodeTask(writer, task);
}

function encodeTask(writer: ByteWriter, task: TaskSubmission): void {
  assert(task.runAtMs === undefined || task.delayMs === undefined, 'a task has an instant or a delay, not both');
  let bits: number = task.payload.encoding;
  if (task.headers !== undefined) bits |= TASK_BITS.headers;
  if (task.key !== undefined) bits |= TASK_BITS.key;
  if (task.runAtMs !== undefined) bits |= TASK_BITS.runAt;
  if (task.delayMs !== undefined) bits |= TASK_BITS.delay;
  writer.u8(bits);
  writer.varint(task.template);
  writer.bytes(task.payload.bytes);
  if (task.headers !== undefined) encodeBlob(writer, task.headers);
  if (task.key !== undefined) writer.ascii(task.key);
  if (task.runAtMs !== undefined) writer.varint(task.runAtMs);
  if (task.delayMs !== undefined) writer.varint(task.delayMs);
}

function encodeComplete(writer: ByteWriter, worker: string, completions: readonly Completion[]): void {
  writer.ascii(worker);
  writer.varint(completions.length);
  for (const completion of completions) {
    writer.varint(completion.number);
    writer.varint(completion.fencingToken);
    const outcome = completion.outcome;
    writer.u8(OUTCOME_CODES[outcome.type]);
    switch (outcome.type) {
      case 'done':
        encodeBlob(writer, outcome.result);
        break;
      case 'failed':
        writer.u8(
          outcome.error.encoding |
            (outcome.nonRetryable ? FAILED_BITS.nonRetryable : 0) |
            (outcome.retryAfterMs === undefined ? 0 : FAILED_BITS.retryAfter),
        );
        writer.bytes(outcome.error.bytes);
        if (outcome.retryAfterMs !== undefined) writer.varint(outcome.retryAfterMs);
        break;
      case 'snoozed':
        writer.varint(outcome.delayMs);
        break;
      case 'returned':
        break;
    }
  }
}

function encodeAttached(writer: ByteWriter, command: Extract<Command, { type: 'workerAttached' }>): void {
  writer.ascii(command.namespace);
  writer.ascii(command.worker);
  writer.ascii(command.instance);
  writer.varint(command.types.length);
  for (const type of command.types) writer.ascii(type);
  encodeLabels(writer, command.labels);
  writer.varint(command.slots);
  writer.ascii(command.version);
  encodeHeld(writer, command.held);
  encodeHeld(writer, command.unanswered);
}

function encodeHeld(writer: ByteWriter, attempts: readonly HeldAttempt[]): void {
  writer.varint(attempts.length);
  for (const attempt of attempts) {
    writer.varint(attempt.number);
    writer.varint(attempt.fencingToken);
  }
}
