/**
 * What a request may say beyond the types of its fields: names of the alphabet, ranges, sizes. The SDK asks before it sends,
 * a peer asks before it proposes, and both give the same code and sentence. A request that breaks a rule is answered; the
 * connection lives.
 */
import { isName } from '../base/ids.ts';
import type { AttachFrame, SubmitFrame } from './client-frame.ts';
import type { ErrorCode } from './error-code.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_TASKS_MAX,
  DELAY_MS_MAX,
  ERROR_BYTES_MAX,
  FRAME_BYTES_MAX,
  HEADER_BYTES_MAX,
  LABELS_MAX,
  PAYLOAD_BYTES_DEFAULT,
  PRIORITY_MAX,
  PRIORITY_MIN,
  WORKER_SLOTS_MAX,
  WORKER_TYPES_MAX,
} from './limits.ts';
import type { LabelRow, RetentionRow, RetryRow, TaskOptionsRow, TaskRow, TemplateRow, TimeoutsRow } from './rows.ts';

/** What is wrong with a request. */
export interface RequestProblem {
  readonly code: ErrorCode;
  readonly message: string;
  /** The task of a batch that is to blame, from 0; -1 for the request as a whole. */
  readonly position: number;
}

/** Limits that a cluster may set, in bytes and tasks; `welcome` tells them in this order. */
export interface WireLimits {
  readonly payloadBytes: number;
  readonly headerBytes: number;
  readonly errorBytes: number;
  readonly batchTasks: number;
  readonly batchBytes: number;
  readonly frameBytes: number;
}

/** What holds unless a cluster says otherwise. */
export const DEFAULT_WIRE_LIMITS: WireLimits = {
  payloadBytes: PAYLOAD_BYTES_DEFAULT,
  headerBytes: HEADER_BYTES_MAX,
  errorBytes: ERROR_BYTES_MAX,
  batchTasks: BATCH_TASKS_MAX,
  batchBytes: BATCH_BYTES_MAX,
  frameBytes: FRAME_BYTES_MAX,
};

/** What a name is, as the end of a sentence. */
export const NAME_RULE = '1 to 200 characters of [A-Za-z0-9._:/-]';
const RETENTION_MS_MAX = DELAY_MS_MAX;
const ATTEMPTS_MAX = 65_535;

/** What is wrong with a submission, or undefined. Costs a few comparisons a task. */
export function submitProblem(frame: SubmitFrame, limits: WireLimits): RequestProblem | undefined {
  const { tasks, templates } = frame;
  if (tasks.length === 0) return invalid('A submission has one task at least.');
  if (tasks.length > limits.batchTasks) {
    return problem('BATCH_TOO_LARGE', `A submission has at most ${limits.batchTasks} tasks, this one ${tasks.length}.`);
  }
  if (templates.length > tasks.length) return invalid('A submission has no more templates than tasks.');
  if (!isName(frame.session)) return invalid(`A session is ${NAME_RULE}.`);
  if (frame.sequence < 1 || frame.answeredBelow > frame.sequence) {
    return invalid('A sequence is 1 or more, and answeredBelow is not above it.');
  }
  for (let at = 0; at < templates.length; at += 1) {
    const words = templateProblem(templates[at] as TemplateRow);
    if (words !== undefined) {
      return invalid(
        words,
        tasks.findIndex((task) => task[0] === at),
      );
    }
  }
  let batchBytes = 0;
  for (let at = 0; at < tasks.length; at += 1) {
    const task = tasks[at] as TaskRow;
    const wrong = taskProblem(task, at, templates.length, limits);
    if (wrong !== undefined) return wrong;
    batchBytes += taskBytes(task);
  }
  if (batchBytes <= limits.batchBytes) return undefined;
  return problem('BATCH_TOO_LARGE', `A submission has at most ${limits.batchBytes} bytes, this one ${batchBytes}.`);
}

/** What a task counts toward the size of its batch, in bytes. */
export function taskBytes(task: TaskRow): number {
  const options = task[3];
  return task[2].length + (options === null ? 0 : (options[0]?.length ?? 0) + (options[3]?.[1].length ?? 0));
}

/** What is wrong with one task of a submission, at `position`, or undefined. */
export function taskProblem(
  task: TaskRow,
  position: number,
  templateCount: number,
  limits: WireLimits,
): RequestProblem | undefined {
  if (task[0] >= templateCount) return invalid('A task names a template that is not there.', position);
  if (task[2].length > limits.payloadBytes) {
    return problem(
      'PAYLOAD_TOO_LARGE',
      `A payload has at most ${limits.payloadBytes} bytes, this one ${task[2].length}. Store it elsewhere and send where it is.`,
      position,
    );
  }
  return task[3] === null ? undefined : optionsProblem(task[3], position, limits);
}

/** What is wrong with a template, as a sentence, or undefined. */
export function templateProblem(template: TemplateRow): string | undefined {
  const [type, queue, priority, requires, retry, timeouts, retention] = template;
  if (!isName(type)) return `A task type is ${NAME_RULE}.`;
  if (queue !== null && !isName(queue)) return `A queue is ${NAME_RULE}.`;
  if (priority !== null && (priority < PRIORITY_MIN || priority > PRIORITY_MAX)) {
    return `A priority is ${PRIORITY_MIN} (first) to ${PRIORITY_MAX}.`;
  }
  return (
    labelsProblem(requires) ??
    (retry === null ? undefined : retryProblem(retry)) ??
    (timeouts === null ? undefined : timeoutsProblem(timeouts)) ??
    (retention === null ? undefined : retentionProblem(retention))
  );
}

/** What is wrong with the registration of a worker, or undefined. */
export function attachProblem(frame: AttachFrame): RequestProblem | undefined {
  if (!isName(frame.worker)) return invalid(`A worker id is ${NAME_RULE}.`);
  if (!isName(frame.instance)) return invalid(`A worker's instance is ${NAME_RULE}.`);
  if (!isName(frame.version)) return invalid(`A worker's version is ${NAME_RULE}.`);
  if (frame.slots < 1 || frame.slots > WORKER_SLOTS_MAX) return invalid(`A worker has 1 to ${WORKER_SLOTS_MAX} slots.`);
  if (frame.types.length === 0) return invalid('A worker has a handler for one task type at least.');
  if (frame.types.length > WORKER_TYPES_MAX)
    return invalid(`A worker has handlers for at most ${WORKER_TYPES_MAX} task types.`);
  if (!frame.types.every(isName)) return invalid(`A task type is ${NAME_RULE}.`);
  if (new Set(frame.types).size !== frame.types.length) return invalid('A worker names each task type once.');
  const words = labelsProblem(frame.labels);
  return words === undefined ? undefined : invalid(words);
}

function optionsProblem(options: TaskOptionsRow, position: number, limits: WireLimits): RequestProblem | undefined {
  const [key, runAtMs, delayMs, headers] = options;
  if (key !== null && !isName(key)) return invalid(`A key is ${NAME_RULE}.`, position);
  if (runAtMs !== null && delayMs !== null) return invalid('A task has runAt or delay, not both.', position);
  if (delayMs !== null && delayMs > DELAY_MS_MAX) return invalid('A delay is ten years at most.', position);
  if (headers !== null && headers[1].length > limits.headerBytes) {
    return problem('PAYLOAD_TOO_LARGE', `Headers have at most ${limits.headerBytes} bytes together.`, position);
  }
  return undefined;
}

function labelsProblem(labels: readonly LabelRow[]): string | undefined {
  if (labels.length > LABELS_MAX) return `There are at most ${LABELS_MAX} labels.`;
  for (let at = 0; at < labels.length; at += 1) {
    const [name, value] = labels[at] as LabelRow;
    if (!isName(name) || !isName(value)) return `A label's name and value are ${NAME_RULE}.`;
    if (at > 0 && (labels[at - 1] as LabelRow)[0] >= name) return 'Labels are sorted by name, each name once.';
  }
  return undefined;
}

function retryProblem([maxAttempts, initialMs, maxMs]: RetryRow): string | undefined {
  if (maxAttempts !== null && (maxAttempts < 1 || maxAttempts > ATTEMPTS_MAX)) {
    return `retry.maxAttempts is 1 to ${ATTEMPTS_MAX}.`;
  }
  if ((initialMs ?? 0) > DELAY_MS_MAX || (maxMs ?? 0) > DELAY_MS_MAX) return 'A backoff is ten years at most.';
  return undefined;
}

function timeoutsProblem(timeouts: TimeoutsRow): string | undefined {
  return timeouts.some((timeout) => (timeout ?? 0) > DELAY_MS_MAX) ? 'A timeout is ten years at most.' : undefined;
}

function retentionProblem([doneMs, failedMs]: RetentionRow): string | undefined {
  const tooLong = (doneMs ?? 0) > RETENTION_MS_MAX || (failedMs ?? 0) > RETENTION_MS_MAX;
  return tooLong ? 'Finished tasks are kept ten years at most.' : undefined;
}

function invalid(message: string, position = -1): RequestProblem {
  return { code: 'INVALID_ARGUMENT', message, position };
}

function problem(code: ErrorCode, message: string, position = -1): RequestProblem {
  return { code, message, position };
}
