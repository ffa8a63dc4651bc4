import { CANCEL_ANSWERS, type CancelAnswer, TASK_STATES, type TaskRef } from '../protocol/rows.ts';
import type { ResultFrame } from '../protocol/server-frame.ts';
import { formatTaskId } from '../protocol/task-id.ts';
import type { ClusterClient } from './cluster-client.ts';
import { type Duration, durationMs } from './duration.ts';
import { TaskraftError } from './errors.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';
import { blobValue } from './task-info.ts';

/** How to wait for a result. */
export interface ResultOptions {
  /** Default: for ever. */
  readonly timeoutMs?: Duration;
  /** Ends the wait, not the task. */
  readonly signal?: AbortSignal;
}

const RESULT_FIELDS: KnownFields<ResultOptions> = { timeoutMs: true, signal: true };

/** What became of a cancel: `cancelling` means that the worker has been asked to stop. */
export type CancelOutcome = Exclude<CancelAnswer, 'NOT_FOUND'>;

/** A submitted task. */
export interface TaskHandle {
  /** The public id: opaque, made of characters of names. */
  readonly id: string;
  /** True when the task was there before, under the same key. */
  readonly deduplicated: boolean;
  /**
   * Waits for the end of the task and gives its result. The wait is on the cluster and survives reconnects and new leaders.
   *
   * @throws TaskraftError TASK_FAILED with what the handler threw as its `cause`, TASK_CANCELLED, TIMEOUT, ABORTED, NOT_FOUND
   */
  result(options?: ResultOptions): Promise<unknown>;
  /** Asks for the end of the task; may be repeated. @throws TaskraftError NOT_FOUND, OUTCOME_UNKNOWN, UNAVAILABLE */
  cancel(): Promise<CancelOutcome>;
}

/** A handle keeps numbers; its id becomes text only when somebody asks. */
export class SubmittedTask implements TaskHandle {
  readonly #client: ClusterClient;
  readonly #group: number;
  readonly #epoch: number;
  readonly #number: number;
  readonly deduplicated: boolean;

  constructor(client: ClusterClient, group: number, epoch: number, number: number, deduplicated: boolean) {
    this.#client = client;
    this.#group = group;
    this.#epoch = epoch;
    this.#number = number;
    this.deduplicated = deduplicated;
  }

  get id(): string {
    return formatTaskId(this.#group, this.#epoch, this.#number);
  }

  async result(options: ResultOptions = {}): Promise<unknown> {
    return awaitResult(this.#client, this.#ref(), options);
  }

  async cancel(): Promise<CancelOutcome> {
    const task = this.#ref();
    const answer = await this.#client.ask({
      make: (requestId) => ({ type: 'cancel', requestId, tasks: [task] }),
      timeoutMs: CANCEL_TIMEOUT_MS,
      changes: true,
    });
    const outcome = answer.type === 'cancelled' ? CANCEL_ANSWERS[answer.codes[0] ?? -1] : undefined;
    if (outcome === 'NOT_FOUND') throw new TaskraftError('NOT_FOUND', `There is no task ${this.id}.`);
    if (outcome === undefined) throw new TaskraftError('INTERNAL', 'The peer answered something else.');
    return outcome;
  }

  #ref(): TaskRef {
    return [this.#group, this.#epoch, this.#number];
  }
}

const CANCEL_TIMEOUT_MS = 10_000;

function awaitResult(client: ClusterClient, task: TaskRef, options: ResultOptions): Promise<unknown> {
  refuseUnknownFields('the options of a result', options, RESULT_FIELDS);
  const { signal } = options;
  const timeoutMs = options.timeoutMs === undefined ? 0 : durationMs(options.timeoutMs, 'timeoutMs');
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new TaskraftError('ABORTED', 'The signal ended the wait.', { cause: signal.reason }));
      return;
    }
    const stop = (error: TaskraftError): void => {
      signal?.removeEventListener('abort', aborted);
      deadline?.cancel();
      client.requests.forget(requestId)?.send({ type: 'abandon', requestId });
      reject(error);
    };
    const aborted = (): void => {
      stop(new TaskraftError('ABORTED', 'The signal ended the wait.', { cause: signal?.reason }));
    };
    const timedOut = (): void => {
      const id = formatTaskId(...task);
      const look = `"taskraft task get ${id}" tells its state and its last error`;
      stop(new TaskraftError('TIMEOUT', `The task was not final within ${timeoutMs} ms; ${look}.`));
    };
    const deadline = options.timeoutMs === undefined ? undefined : client.ports.timers.after(timeoutMs, timedOut);
    signal?.addEventListener('abort', aborted);
    const requestId = client.requests.add({
      make: (id) => ({ type: 'awaitResult', requestId: id, task }),
      timeoutMs: 0,
      changes: false,
      done: (answer) => {
        deadline?.cancel();
        signal?.removeEventListener('abort', aborted);
        if (answer instanceof TaskraftError) reject(answer);
        else if (answer.type === 'result') settle(answer, resolve, reject);
        else reject(new TaskraftError('INTERNAL', 'The peer answered something else.'));
      },
    });
  });
}

function settle(answer: ResultFrame, resolve: (value: unknown) => void, reject: (error: TaskraftError) => void): void {
  const state = TASK_STATES[answer.state];
  const reason = answer.reason ?? undefined;
  if (state === 'done') {
    resolve(blobValue(answer.result));
    return;
  }
  const because = reason === undefined || reason === state ? '' : `: ${reason}`;
  const details = reason === undefined ? {} : { reason };
  if (state === 'cancelled') {
    reject(new TaskraftError('TASK_CANCELLED', `The task was cancelled${because}.`, details));
    return;
  }
  const cause = blobValue(answer.error);
  const words = messageOf(cause);
  const said = words === undefined ? '' : ` (${words})`;
  reject(new TaskraftError('TASK_FAILED', `The task failed${because}${said}.`, { ...details, cause }));
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' ? error.message : undefined;
}
