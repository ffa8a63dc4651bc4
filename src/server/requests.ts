/**
 * The only place that knows both contracts, this direction of it: what a client asks for in frames becomes commands for the
 * log. Everything is checked here, before proposing, with an error that names the field and, in a batch, the task; what the
 * state machine refuses later depends on the state alone. `answers.ts` is the other direction.
 */
import { isName, NAME_BYTES_MAX } from '../base/ids.ts';
import type { AttachFrame, CheckpointFrame, CompleteFrame, ListFrame, SubmitFrame } from '../protocol/client-frame.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_TASKS_MAX,
  DELAY_MS_MAX,
  ERROR_BYTES_MAX,
  HEADER_BYTES_MAX,
  PRIORITY_MAX,
  PRIORITY_MIN,
  WORKER_SLOTS_MAX,
} from '../protocol/limits.ts';
import {
  type AttemptRow,
  type BlobRow,
  type CompletionRow,
  type LabelRow,
  OUTCOME,
  type TaskOptionsRow,
  type TaskRef,
  type TaskRow,
  type TemplateRow,
} from '../protocol/rows.ts';
import type {
  Blob,
  Command,
  Completion,
  HeldAttempt,
  Labels,
  Outcome,
  TaskSubmission,
  TaskTemplate,
} from '../scheduler/command.ts';
import { ATTEMPTS_MAX, SCHEDULER_LIMITS, TASK_DEFAULTS } from '../scheduler/limits.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { RequestError } from './request-error.ts';

/** Sizes that an operator may set; told to clients in `welcome`. */
export interface RequestLimits {
  /** Payload, result and checkpoint, each, in bytes. Default 256 KiB, at most 1 MiB. */
  readonly payloadBytesMax: number;
}

const DURATION_MS_MAX = DELAY_MS_MAX;

/** `submit` as a command. @throws RequestError INVALID_ARGUMENT, BATCH_TOO_LARGE, PAYLOAD_TOO_LARGE */
export function submitCommand(frame: SubmitFrame, namespace: string, limits: RequestLimits): Command {
  requireName(frame.session, 'session');
  if (frame.sequence < 1) throw invalid('sequence counts from 1');
  if (frame.answeredBelow > frame.sequence) throw invalid('answeredBelow is beyond the sequence of this very request');
  const count = frame.tasks.length;
  if (count === 0) throw invalid('a submission has at least one task');
  if (count > BATCH_TASKS_MAX) {
    throw new RequestError('BATCH_TOO_LARGE', `a submission has at most ${BATCH_TASKS_MAX} tasks, this one ${count}`);
  }
  if (frame.templates.length > count) throw invalid('a submission has no more templates than tasks');
  const templates = frame.templates.map(toTemplate);
  const tasks: TaskSubmission[] = new Array<TaskSubmission>(count);
  let sizeBytes = 0;
  for (let position = 0; position < count; position += 1) {
    const row = frame.tasks[position] as TaskRow;
    const task = toTask(row, position, templates.length, limits);
    sizeBytes += row[2].length + (task.headers?.bytes.length ?? 0) + (task.key?.length ?? 0);
    tasks[position] = task;
  }
  if (sizeBytes > BATCH_BYTES_MAX) {
    const words = `a submission has at most ${BATCH_BYTES_MAX} bytes, this one ${sizeBytes}`;
    throw new RequestError('BATCH_TOO_LARGE', words);
  }
  const { session, sequence, answeredBelow } = frame;
  return { type: 'submit', session, sequence, answeredBelow, namespace, templates, tasks };
}

/** `attach` as a command. @throws RequestError INVALID_ARGUMENT */
export function attachCommand(frame: AttachFrame, namespace: string): Command {
  requireName(frame.worker, 'worker');
  requireName(frame.instance, 'instance');
  requireName(frame.version, 'version');
  if (frame.types.length === 0) throw invalid('a worker serves at least one type');
  if (frame.types.length > SCHEDULER_LIMITS.typesMax) {
    throw invalid(`a worker serves at most ${SCHEDULER_LIMITS.typesMax} types`);
  }
  for (const type of frame.types) requireName(type, 'type');
  if (new Set(frame.types).size !== frame.types.length) throw invalid('a worker names each of its types once');
  if (frame.slots < 1 || frame.slots > WORKER_SLOTS_MAX) throw invalid(`slots are 1 to ${WORKER_SLOTS_MAX}`);
  return {
    type: 'workerAttached',
    namespace,
    worker: frame.worker,
    instance: frame.instance,
    types: frame.types,
    labels: toLabels(frame.labels, 'labels'),
    slots: frame.slots,
    version: frame.version,
    held: frame.held.map(toHeld),
    unanswered: frame.unanswered.map(toHeld),
  };
}

/** `complete` as a command. @throws RequestError INVALID_ARGUMENT, PAYLOAD_TOO_LARGE */
export function completeCommand(frame: CompleteFrame, worker: string, limits: RequestLimits): Command {
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
export function checkpointCommand(frame: CheckpointFrame, limits: RequestLimits): Command {
  requireSize(frame.bytes.length, limits.payloadBytesMax, 'checkpoint', null);
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
  if (frame.limit < 1 || frame.limit > 1000) throw invalid('limit is 1 to 1000');
  if (frame.queue !== null) requireName(frame.queue, 'queue');
  if (frame.taskType !== null) requireName(frame.taskType, 'type');
  if (frame.cursor === null) return undefined;
  if (!/^[1-9]\d{0,15}$/.test(frame.cursor)) throw invalid('cursor is one that an earlier page gave');
  return Number(frame.cursor);
}

/** @throws RequestError INVALID_ARGUMENT unless `text` is a name */
export function requireName(text: string, what: string, position: number | null = null): void {
  if (isName(text)) return;
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  const words = `${what} "${shown}" is no name: 1 to ${NAME_BYTES_MAX} characters of [A-Za-z0-9._:/-]`;
  throw new RequestError('INVALID_ARGUMENT', words, position);
}

function toTemplate(row: TemplateRow): TaskTemplate {
  const [type, queue, priority, requires, retry, timeouts, retention] = row;
  requireName(type, 'type');
  if (queue !== null) requireName(queue, 'queue');
  if (priority !== null && (priority < PRIORITY_MIN || priority > PRIORITY_MAX)) {
    throw invalid(`priority is ${PRIORITY_MIN} (first) to ${PRIORITY_MAX}, not ${priority}`);
  }
  return {
    type,
    queue: queue ?? TASK_DEFAULTS.queue,
    priority: priority ?? TASK_DEFAULTS.priority,
    requires: requires.length === 0 ? TASK_DEFAULTS.requires : toLabels(requires, 'requires'),
    retry: retry === null ? TASK_DEFAULTS.retry : toRetry(retry),
    timeouts: timeouts === null ? TASK_DEFAULTS.timeouts : toTimeouts(timeouts),
    retention: retention === null ? TASK_DEFAULTS.retention : toRetention(retention),
  };
}

function toRetry(row: NonNullable<TemplateRow[4]>): TaskTemplate['retry'] {
  const defaults = TASK_DEFAULTS.retry;
  const retry = {
    maxAttempts: row[0] ?? defaults.maxAttempts,
    initialMs: row[1] ?? defaults.initialMs,
    maxMs: row[2] ?? Math.max(defaults.maxMs, row[1] ?? 0),
  };
  if (retry.maxAttempts < 1 || retry.maxAttempts > ATTEMPTS_MAX) {
    throw invalid(`retry.maxAttempts is 1 to ${ATTEMPTS_MAX}`);
  }
  requireDuration(retry.initialMs, 'retry.initialMs');
  requireDuration(retry.maxMs, 'retry.maxMs');
  if (retry.maxMs < retry.initialMs) throw invalid('retry.maxMs is at least retry.initialMs');
  return retry;
}

function toTimeouts(row: NonNullable<TemplateRow[5]>): TaskTemplate['timeouts'] {
  const defaults = TASK_DEFAULTS.timeouts;
  const timeouts = {
    runMs: row[0] ?? defaults.runMs,
    queueMs: row[1] ?? defaults.queueMs,
    totalMs: row[2] ?? defaults.totalMs,
  };
  requireDuration(timeouts.runMs, 'timeouts.runMs');
  requireDuration(timeouts.queueMs, 'timeouts.queueMs');
  requireDuration(timeouts.totalMs, 'timeouts.totalMs');
  return timeouts;
}

function toRetention(row: NonNullable<TemplateRow[6]>): TaskTemplate['retention'] {
  const defaults = TASK_DEFAULTS.retention;
  const retention = { doneMs: row[0] ?? defaults.doneMs, failedMs: row[1] ?? defaults.failedMs, keepPayload: row[2] };
  requireDuration(retention.doneMs, 'retention.doneMs');
  requireDuration(retention.failedMs, 'retention.failedMs');
  return retention;
}

function toTask(row: TaskRow, position: number, templates: number, limits: RequestLimits): TaskSubmission {
  const [template, encoding, payload, options] = row;
  if (template >= templates) {
    throw new RequestError('INVALID_ARGUMENT', `task ${position} names a template that is not there`, position);
  }
  requireSize(payload.length, limits.payloadBytesMax, 'payload', position);
  const blob: Blob = { encoding, bytes: payload };
  return options === null ? { template, payload: blob } : { template, payload: blob, ...toOptions(options, position) };
}

function toOptions(row: TaskOptionsRow, position: number): Omit<TaskSubmission, 'template' | 'payload'> {
  const [key, runAtMs, delayMs, headers] = row;
  if (key !== null) requireName(key, 'key', position);
  if (runAtMs !== null && delayMs !== null) {
    throw new RequestError('INVALID_ARGUMENT', 'a task has runAt or delay, not both', position);
  }
  if (delayMs !== null && delayMs > DELAY_MS_MAX) {
    throw new RequestError('INVALID_ARGUMENT', 'a task is delayed by ten years at most', position);
  }
  if (headers !== null) requireSize(headers[1].length, HEADER_BYTES_MAX, 'headers', position);
  return {
    ...(key === null ? {} : { key }),
    ...(runAtMs === null ? {} : { runAtMs }),
    ...(delayMs === null ? {} : { delayMs }),
    ...(headers === null ? {} : { headers: toBlob(headers) }),
  };
}

const NO_BYTES = new Uint8Array(0);
const RETURNED: Outcome = { type: 'returned' };

function toOutcome(row: CompletionRow, position: number, limits: RequestLimits): Outcome {
  const [, , code, encoding, bytes, extra] = row;
  switch (code) {
    case OUTCOME.done:
      requireSize(bytes?.length ?? 0, limits.payloadBytesMax, 'result', position);
      return { type: 'done', result: { encoding, bytes: bytes ?? NO_BYTES } };
    case OUTCOME.failed:
    case OUTCOME.failedForGood: {
      requireSize(bytes?.length ?? 0, ERROR_BYTES_MAX, 'error', position);
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

/** Labels sorted by name, each name once. */
function toLabels(rows: readonly LabelRow[], what: string): Labels {
  for (const [name, value] of rows) {
    requireName(name, `${what} name`);
    requireName(value, `${what} value`);
  }
  const sorted = rows.toSorted((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
  for (let at = 1; at < sorted.length; at += 1) {
    if (sorted[at]?.[0] === sorted[at - 1]?.[0]) throw invalid(`${what} name "${sorted[at]?.[0]}" stands there twice`);
  }
  return sorted;
}

function toHeld(row: AttemptRow): HeldAttempt {
  return { number: row[0], fencingToken: row[1] };
}

function toBlob(row: BlobRow): Blob {
  return { encoding: row[0], bytes: row[1] };
}

/** @throws RequestError INVALID_ARGUMENT unless `ms` is a duration that fits ten years */
export function requireDuration(ms: number, what: string, position: number | null = null): void {
  if (ms <= DURATION_MS_MAX) return;
  throw new RequestError('INVALID_ARGUMENT', `${what} is ten years at most`, position);
}

function requireSize(sizeBytes: number, max: number, what: string, position: number | null): void {
  if (sizeBytes <= max) return;
  throw new RequestError('PAYLOAD_TOO_LARGE', `${what} has ${sizeBytes} bytes, at most ${max} are accepted`, position);
}

function invalid(message: string): RequestError {
  return new RequestError('INVALID_ARGUMENT', message);
}
