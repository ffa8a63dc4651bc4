/**
 * Bytes back into commands, as objects: for tests, traces and checkers, and for the commands that are rare. The two that are
 * not, `submit` and `complete`, are read by `submit.ts` and `complete.ts` straight into rows, without an object for each task;
 * a test holds the two ways of reading together.
 */
import { DecodeError, type ByteReader } from '../base/bytes.ts';
import type {
  Blob,
  Command,
  Completion,
  Encoding,
  HeldAttempt,
  Outcome,
  PrincipalCommand,
  TaskSubmission,
} from './command.ts';
import { decodeBlob, decodeLabels, decodeTemplate, list } from './decode-parts.ts';
import { decodeScheduleCommand } from './schedules/decode.ts';
import { COMMAND_CODES, COMMAND_FORMAT, FAILED_BITS, OUTCOME_CODES, TASK_BITS } from './version.ts';

/** Reads one whole command. @throws DecodeError when it is none of ours: unknown code, unknown format, bytes missing or left over */
export function decodeCommand(reader: ByteReader): PrincipalCommand {
  const code = reader.u8();
  checkFormat(reader.u8());
  const principal = reader.ascii();
  const command = decodeBody(code, reader);
  reader.end();
  return { principal, command };
}

/** @throws DecodeError for a format of commands that this program does not know */
export function checkFormat(format: number): void {
  if (format !== COMMAND_FORMAT) throw new DecodeError(`a command has format ${format}, which is unknown here`);
}

/** Reads what follows the principal of a command with `code`. @throws DecodeError */
export function decodeBody(code: number, reader: ByteReader): Command {
  switch (code) {
    case COMMAND_CODES.termStarted:
      return { type: 'termStarted', term: reader.varint() };
    case COMMAND_CODES.tick:
      return { type: 'tick' };
    case COMMAND_CODES.checkpointMark:
      return { type: 'checkpointMark' };
    case COMMAND_CODES.openSession:
      return { type: 'openSession', session: reader.ascii() };
    case COMMAND_CODES.endSession:
      return { type: 'endSession', session: reader.ascii() };
    case COMMAND_CODES.submit:
      return decodeSubmit(reader);
    case COMMAND_CODES.complete:
      return { type: 'complete', worker: reader.ascii(), completions: list(reader, decodeCompletion) };
    case COMMAND_CODES.cancel:
      return { type: 'cancel', namespace: reader.ascii(), numbers: list(reader, (from) => from.varint()) };
    case COMMAND_CODES.saveCheckpoint:
      return {
        type: 'saveCheckpoint',
        number: reader.varint(),
        fencingToken: reader.varint(),
        checkpoint: decodeBlob(reader),
      };
    case COMMAND_CODES.extendRun:
      return {
        type: 'extendRun',
        number: reader.varint(),
        fencingToken: reader.varint(),
        runMs: reader.varint(),
      };
    default:
      return decodeWorkerCommand(code, reader);
  }
}

function decodeWorkerCommand(code: number, reader: ByteReader): Command {
  switch (code) {
    case COMMAND_CODES.workerAttached:
      return {
        type: 'workerAttached',
        namespace: reader.ascii(),
        worker: reader.ascii(),
        instance: reader.ascii(),
        types: list(reader, (from) => from.ascii()),
        labels: decodeLabels(reader),
        slots: reader.varint(),
        version: reader.ascii(),
        held: list(reader, decodeHeld),
        unanswered: list(reader, decodeHeld),
      };
    case COMMAND_CODES.workerAway:
      return { type: 'workerAway', worker: reader.ascii(), instance: reader.ascii() };
    case COMMAND_CODES.workerLost:
      return {
        type: 'workerLost',
        worker: reader.ascii(),
        instance: reader.ascii(),
        capsFreeAtMs: reader.varint(),
      };
    case COMMAND_CODES.workerLeft:
      return { type: 'workerLeft', worker: reader.ascii(), instance: reader.ascii() };
    case COMMAND_CODES.drainWorker:
      return { type: 'drainWorker', worker: reader.ascii(), deadlineMs: reader.varint() };
    case COMMAND_CODES.resumeWorker:
      return { type: 'resumeWorker', worker: reader.ascii() };
    default:
      return decodeScheduleCommand(code, reader);
  }
}

function decodeHeld(reader: ByteReader): HeldAttempt {
  return { number: reader.varint(), fencingToken: reader.varint() };
}

function decodeSubmit(reader: ByteReader): Command {
  return {
    type: 'submit',
    session: reader.ascii(),
    sequence: reader.varint(),
    answeredBelow: reader.varint(),
    namespace: reader.ascii(),
    templates: list(reader, (from) => {
      const length = from.u32();
      const start = from.position;
      const template = decodeTemplate(from);
      if (from.position !== start + length) throw new DecodeError('a template is not as long as it says');
      return template;
    }),
    tasks: list(reader, decodeTask),
  };
}

function decodeTask(reader: ByteReader): TaskSubmission {
  const bits = reader.u8();
  if (bits > 0x3f) throw new DecodeError('a task has bits that are unknown here');
  if ((bits & TASK_BITS.runAt) !== 0 && (bits & TASK_BITS.delay) !== 0) {
    throw new DecodeError('a task has an instant and a delay');
  }
  return {
    template: reader.varint(),
    payload: { encoding: (bits & 3) as Encoding, bytes: reader.bytes() },
    ...((bits & TASK_BITS.headers) === 0 ? {} : { headers: decodeBlob(reader) }),
    ...((bits & TASK_BITS.key) === 0 ? {} : { key: reader.ascii() }),
    ...((bits & TASK_BITS.runAt) === 0 ? {} : { runAtMs: reader.varint() }),
    ...((bits & TASK_BITS.delay) === 0 ? {} : { delayMs: reader.varint() }),
  };
}

function decodeCompletion(reader: ByteReader): Completion {
  return { number: reader.varint(), fencingToken: reader.varint(), outcome: decodeOutcome(reader) };
}

/** Reads how an attempt ended. @throws DecodeError */
export function decodeOutcome(reader: ByteReader): Outcome {
  const code = reader.u8();
  switch (code) {
    case OUTCOME_CODES.done:
      return { type: 'done', result: decodeBlob(reader) };
    case OUTCOME_CODES.failed: {
      const bits = reader.u8();
      if (bits > 0x0f) throw new DecodeError('a failure has bits that are unknown here');
      const error: Blob = { encoding: (bits & 3) as Encoding, bytes: reader.bytes() };
      const nonRetryable = (bits & FAILED_BITS.nonRetryable) !== 0;
      if ((bits & FAILED_BITS.retryAfter) === 0) return { type: 'failed', error, nonRetryable };
      return { type: 'failed', error, nonRetryable, retryAfterMs: reader.varint() };
    }
    case OUTCOME_CODES.snoozed:
      return { type: 'snoozed', delayMs: reader.varint() };
    case OUTCOME_CODES.returned:
      return { type: 'returned' };
    default:
      throw new DecodeError(`an outcome has code ${code}, which is unknown here`);
  }
}
