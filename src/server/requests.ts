/**
 * The only place that knows both contracts, this direction of it: what a client asks for in frames becomes commands for the
 * log. Everything is checked here, before proposing, with an error that names the field and, in a batch, the task; what the
 * state machine refuses later depends on the state alone. `answers.ts` is the other direction.
 */
import { isName, NAME_BYTES_MAX } from '../base/ids.ts';
import type { AttachFrame, CheckpointFrame, CompleteFrame, ListFrame, SubmitFrame } from '../protocol/client-frame.ts';
import { DELAY_MS_MAX, ROWS_MAX } from '../protocol/limits.ts';
import { attachProblem, type RequestProblem, submitProblem, type WireLimits } from '../protocol/request-rules.ts';
import {
  type AttemptRow,
  type CompletionRow,
  OUTCOME,
  type RetentionRow,
  type RetryRow,
  type TaskOptionsRow,
  type TaskRef,
  TASK_STATES,
  type TaskRow,
  type TemplateRow,
  type TimeoutsRow,
} from '../protocol/rows.ts';
import type {
  Blob,
  Command,
  Completion,
  HeldAttempt,
  Outcome,
  TaskSubmission,
  TaskTemplate,
} from '../scheduler/command.ts';
import { TASK_DEFAULTS } from '../scheduler/limits.ts';
import type { TaskFilter } from '../scheduler/views.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { RequestError } from './request-error.ts';

/** `submit` as a command. @throws RequestError INVALID_ARGUMENT, BATCH_TOO_LARGE, PAYLOAD_TOO_LARGE */
export function submitCommand(frame: SubmitFrame, namespace: string, limits: WireLimits): Command {
  refuseProblem(submitProblem(frame, limits));
  const { session, sequence, answeredBelow } = frame;
  const tasks: TaskSubmission[] = new Array<TaskSubmission>(frame.tasks.length);
  for (let position = 0; position < tasks.length; position += 1) {
    const [template, encoding, bytes, options] = frame.tasks[position] as TaskRow;
    const payload: Blob = { encoding, bytes };
    tasks[position] = options === null ? { template, payload } : { template, payload, ...toOptions(options) };
  }
  const templates = frame.templates.map(toTemplate);
  return { type: 'submit', session, sequence, answeredBelow, namespace, templates, tasks };
}

/** `attach` as a command. @throws RequestError INVALID_ARGUMENT */
export function attachCommand(frame: AttachFrame, namespace: string): Command {
  refuseProblem(attachProblem(frame));
  return {
    type: 'workerAttached',
    namespace,
    worker: frame.worker,
    instance: frame.instance,
    types: frame.types,
    labels: frame.labels,
    slots: frame.slots,
    version: frame.version,
    held: frame.held.map(toHeld),
    unanswered: frame.unanswered.map(toHeld),
  };
}

/** `complete` as a command. @throws RequestError INVALID_ARGUMENT, PAYLOAD_TOO_LARGE */
export function completeCommand(frame: CompleteFrame, worker: string, limits: WireLimits): Command {
  const count = frame.completions.length;
  if (count === 0) throw invalid('a report has at least one completion');
  const completions: Completion[] = new Array<Completion>(count);
  for (let position = 0; position < count; position += 1) {
    const row = frame.completions[position] as CompletionRow;
    completions[position] = { number: row[0], fencingToken: row[1], outcome: toOutcome(row, position, limits) };
  }
  return { type: 'complete', worker, completions };
}

/** `checkpoint` as a command. @throws RequestError PAYLOAD_TOO_LARGE */
export function checkpointCommand(frame: CheckpointFrame, limits: WireLimits): Command {
  requireSize(frame.bytes.length, limits.payloadBytes, 'checkpoint', null);
  const { number, fencingToken } = frame;
  return { type: 'saveCheckpoint', number, fencingToken, checkpoint: { encoding: frame.encoding, bytes: frame.bytes } };
}

/** The number of a task of this cluster. Ids of other groups and epochs were never given out here. @throws RequestError NOT_FOUND */
export function taskNumber(ref: TaskRef, position: number | null = null): number {
  if (ref[0] !== TASK_GROUP || ref[1] !== TASK_EPOCH || ref[2] < 1) {
    throw new RequestError('NOT_FOUND', 'there is no task with this id in this cluster', position);
  }
  return ref[2];
}

/** The position that a cursor of `list` stands for; undefined at the beginning. @throws RequestError INVALID_ARGUMENT */
export function listCursor(frame: ListFrame): number | undefined {
  if (frame.limit < 1 || frame.limit > ROWS_MAX) throw invalid(`limit is 1 to ${ROWS_MAX}`);
  if (frame.queue !== null) requireName(frame.queue, 'queue');
  if (frame.taskType !== null) requireName(frame.taskType, 'type');
  if (frame.schedule !== null) requireName(frame.schedule, 'schedule');
  if (frame.cursor === null) return undefined;
  if (!/^[1-9]\d{0,15}$/.test(frame.cursor)) throw invalid('cursor is one that an earlier page gave');
  return Number(frame.cursor);
}

/** What `list` is to show, of one namespace. */
export function listFilter(frame: ListFrame, namespace: string): TaskFilter {
  const names = frame.states?.map((position) => TASK_STATES[position]);
  // Nothing is ever blocked yet, and the state machine does not know the word.
  const states = names?.filter((name) => name !== undefined && name !== 'blocked');
  return {
    namespace,
    ...(states === undefined ? {} : { states }),
    ...(frame.taskType === null ? {} : { type: frame.taskType }),
    ...(frame.queue === null ? {} : { queue: frame.queue }),
    ...(frame.schedule === null ? {} : { schedule: frame.schedule }),
  };
}

/** @throws RequestError INVALID_ARGUMENT unless `text` is a name */
export function requireName(text: string, what: string, position: number | null = null): void {
  if (isName(text)) return;
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  const words = `${what} "${shown}" is no name: 1 to ${NAME_BYTES_MAX} characters of [A-Za-z0-9._:/-]`;
  throw new RequestError('INVALID_ARGUMENT', words, position);
}

/** A template with every default said. @throws RequestError INVALID_ARGUMENT */
export function toTemplate(row: TemplateRow): TaskTemplate {
  const [type, queue, priority, requires, retry, timeouts, retention] = row;
  return {
    type,
    queue: queue ?? TASK_DEFAULTS.queue,
    priority: priority ?? TASK_DEFAULTS.priority,
    requires,
    retry: retry === null ? TASK_DEFAULTS.retry : toRetry(retry),
    timeouts: timeouts === null ? TASK_DEFAULTS.timeouts : toTimeouts(timeouts),
    retention: retention === null ? TASK_DEFAULTS.retention : toRetention(retention),
  };
}

function toRetry([maxAttempts, initial, max]: RetryRow): TaskTemplate['retry'] {
  const defaults = TASK_DEFAULTS.retry;
  const initialMs = initial ?? defaults.initialMs;
  const maxMs = max ?? Math.max(defaults.maxMs, initialMs);
  if (maxMs < initialMs) throw new RequestError('INVALID_ARGUMENT', 'retry.max is at least retry.initial.');
  return { maxAttempts: maxAttempts ?? defaults.maxAttempts, initialMs, maxMs };
}

function toTimeouts([runMs, queueMs, totalMs]: TimeoutsRow): TaskTemplate['timeouts'] {
  const defaults = TASK_DEFAULTS.timeouts;
  return {
    runMs: runMs ?? defaults.runMs,
    queueMs: queueMs ?? defaults.queueMs,
    totalMs: totalMs ?? defaults.totalMs,
  };
}

function toRetention([doneMs, failedMs, keepPayload]: RetentionRow): TaskTemplate['retention'] {
  const defaults = TASK_DEFAULTS.retention;
  return { doneMs: doneMs ?? defaults.doneMs, failedMs: failedMs ?? defaults.failedMs, keepPayload };
}

function toOptions(row: TaskOptionsRow): Omit<TaskSubmission, 'template' | 'payload'> {
  const [key, runAtMs, delayMs, headers] = row;
  return {
    ...(key === null ? {} : { key }),
    ...(runAtMs === null ? {} : { runAtMs }),
    ...(delayMs === null ? {} : { delayMs }),
    ...(headers === null ? {} : { headers: { encoding: headers[0], bytes: headers[1] } }),
  };
}

const NO_BYTES = new Uint8Array(0);
const RETURNED: Outcome = { type: 'returned' };

function toOutcome(row: CompletionRow, position: number, limits: WireLimits): Outcome {
  const [, , code, encoding, bytes, extra] = row;
  switch (code) {
    case OUTCOME.done:
      requireSize(bytes?.length ?? 0, limits.payloadBytes, 'result', position);
      return { type: 'done', result: { encoding, bytes: bytes ?? NO_BYTES } };
    case OUTCOME.failed:
    case OUTCOME.failedForGood: {
      requireSize(bytes?.length ?? 0, limits.errorBytes, 'error', position);
      const error = { encoding, bytes: bytes ?? NO_BYTES };
      const nonRetryable = code === OUTCOME.failedForGood;
      if (extra === null) return { type: 'failed', error, nonRetryable };
      requireDuration(extra, 'retryAfterMs', position);
      return { type: 'failed', error, nonRetryable, retryAfterMs: extra };
    }
    case OUTCOME.snoozed:
      if (extra === null) throw new RequestError('INVALID_ARGUMENT', 'a snooze says for how long', position);
      requireDuration(extra, 'snooze', position);
      return { type: 'snoozed', delayMs: extra };
    case OUTCOME.returned:
      return RETURNED;
  }
}

function toHeld(row: AttemptRow): HeldAttempt {
  return { number: row[0], fencingToken: row[1] };
}

/** @throws RequestError INVALID_ARGUMENT unless `ms` is a duration that fits ten years */
export function requireDuration(ms: number, what: string, position: number | null = null): void {
  if (ms <= DELAY_MS_MAX) return;
  throw new RequestError('INVALID_ARGUMENT', `${what} is ten years at most`, position);
}

function requireSize(sizeBytes: number, max: number, what: string, position: number | null): void {
  if (sizeBytes <= max) return;
  throw new RequestError('PAYLOAD_TOO_LARGE', `${what} has ${sizeBytes} bytes, at most ${max} are accepted`, position);
}

/** @throws RequestError when there is one */
export function refuseProblem(problem: RequestProblem | undefined): void {
  if (problem === undefined) return;
  throw new RequestError(problem.code, problem.message, problem.position < 0 ? null : problem.position);
}

function invalid(message: string): RequestError {
  return new RequestError('INVALID_ARGUMENT', message);
}
