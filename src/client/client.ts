/**
 * The SDK: `Client` submits tasks and asks about them, `Worker` (`worker.ts`) runs them. Both work over the ports of `ports.ts`
 * alone, so that the very same code runs on sockets and in the simulator.
 *
 * What comes in: calls of a user's program, and frames of peers. What goes out: frames, promises, handles.
 *
 * ```
 *   Client ── submit ──▶ SubmitBatcher ──▶ Submissions (session, sequence) ──▶ Requests ──▶ ClusterLinks ──▶ PeerLink per peer
 *   Worker ── WorkerAttachment (term, lease) ── Attempts (handlers) ── CompletionOutbox ──────────▶ ClusterLinks
 * ```
 *
 * Invariants: every request may be sent again without doing twice what it asks (submissions by session and sequence,
 * completions by fencing token); every table is bounded; nothing is sent before its arguments were checked.
 *
 * It does not retry what the cluster refused for good, keeps nothing on disk, and installs no handlers of the process.
 */
import { isName } from '../base/ids.ts';
import { taskBytes } from '../protocol/request-rules.ts';
import { TASK_STATES, type TaskRef, type TaskState } from '../protocol/rows.ts';
import { parseTaskId } from '../protocol/task-id.ts';
import { ClusterClient } from './cluster-client.ts';
import { type Duration, durationMs } from './duration.ts';
import { invalidArgument, TaskraftError } from './errors.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';
import { type ClientPorts, CONNECTION_FIELDS, connectionOf, type ConnectionOptions } from './ports.ts';
import { Schedules } from './schedules.ts';
import { Submissions } from './submissions.ts';
import { numbersOf, SubmitBatcher } from './submit-batcher.ts';
import { SubmittedTask, type TaskHandle } from './task-handle.ts';
import { type TaskInfo, taskInfo } from './task-info.ts';
import { SubmissionBuilder, type TaskSpec } from './task-spec.ts';

/** Options of `Client.connect`. */
export interface ClientOptions extends ConnectionOptions {
  /** How long `connect` waits for a first peer, and every other call for its answer. Default 10 s. */
  readonly timeoutMs?: Duration;
}

/** Which tasks to list. */
export interface ListOptions extends ReadOptions {
  readonly states?: readonly TaskState[];
  readonly queue?: string;
  readonly type?: string;
  /** Only tasks that the schedule with this id made. */
  readonly schedule?: string;
  /** From the page before. */
  readonly cursor?: string;
  /** 1 to 1,000, default 100. */
  readonly limit?: number;
}

/** How current a read is. */
export interface ReadOptions {
  /**
   * True is answered at once by any peer, the leader or not, from what it has applied: it may be behind, and what was acknowledged
   * a moment ago may be missing. It works while there is no leader. Default false: everything acknowledged before is in the answer.
   */
  readonly stale?: boolean;
}

/** One task as `get` answers it. */
export interface TaskDetail extends TaskInfo {
  /** The state that was read had applied the log up to this position at least. */
  readonly index: number;
}

/** A page of tasks, newest first, without bytes and history. It may be short, even empty, while there is a cursor. */
export interface TaskPage {
  readonly tasks: readonly TaskInfo[];
  /** For the next page; undefined at the end. */
  readonly cursor: string | undefined;
  /** The state that was read had applied the log up to this position at least. */
  readonly index: number;
}

const CLIENT_FIELDS: KnownFields<ClientOptions> = { ...CONNECTION_FIELDS, timeoutMs: true };
const READ_FIELDS: KnownFields<ReadOptions> = { stale: true };
const LIST_FIELDS: KnownFields<ListOptions> = {
  states: true,
  queue: true,
  type: true,
  schedule: true,
  cursor: true,
  limit: true,
  // Last: of two names as near, the first one is offered for "state".
  ...READ_FIELDS,
};
const TIMEOUT_MS_DEFAULT = 10_000;
const LIST_LIMIT_DEFAULT = 100;

/** A connected client. */
export class Client {
  /** What makes tasks by itself, by the clock. */
  readonly schedules: Schedules;
  readonly #core: ClusterClient;
  readonly #timeoutMs: number;
  readonly #submissions: Submissions;
  readonly #batcher: SubmitBatcher;

  /** Use `Client.connect`. */
  private constructor(core: ClusterClient, timeoutMs: number) {
    this.#core = core;
    this.#timeoutMs = timeoutMs;
    this.schedules = new Schedules(core, timeoutMs);
    this.#submissions = new Submissions(core, timeoutMs);
    this.#batcher = new SubmitBatcher(core, this.#submissions);
  }

  /**
   * Connects to any peer, and from there to all.
   *
   * @throws TaskraftError UNAVAILABLE when none answers in time, UNAUTHORIZED, FORBIDDEN, INVALID_ARGUMENT
   */
  static async connect(options: ClientOptions, ports: ClientPorts): Promise<Client> {
    refuseUnknownFields('the options of a client', options, CLIENT_FIELDS);
    const timeoutMs = durationMs(options.timeoutMs ?? TIMEOUT_MS_DEFAULT, 'timeoutMs');
    const connection = connectionOf(options);
    if (!isName(connection.namespace)) throw invalidArgument('namespace is 1 to 200 characters of [A-Za-z0-9._:/-].');
    const core = new ClusterClient('client', connection, ports, {
      leaderChanged: () => client.#submissions.leaderChanged(),
      // A session that was named too early is named again, so that heartbeats keep it.
      leaderServes: () => client.#submissions.leaderChanged(),
    });
    const client = new Client(core, timeoutMs);
    try {
      await core.connect(timeoutMs);
    } catch (error) {
      core.close();
      throw error;
    }
    return client;
  }

  /** Links, requests and limits below this client, for calls that are not part of the SDK. */
  get core(): ClusterClient {
    return this.#core;
  }

  /**
   * Submits one task; resolved once it is durable on a majority of peers. Calls of one turn travel together.
   *
   * @throws TaskraftError INVALID_ARGUMENT, PAYLOAD_TOO_LARGE, KEY_CONFLICT, UNAVAILABLE, OUTCOME_UNKNOWN, SESSION_EXPIRED, limits
   */
  submit(spec: TaskSpec): Promise<TaskHandle> {
    return new Promise((resolve, reject) => {
      this.#batcher.add(spec, (answer, number, existed) => {
        if (answer instanceof TaskraftError) reject(answer);
        else resolve(new SubmittedTask(this.#core, answer.group, answer.epoch, number, existed));
      });
    });
  }

  /**
   * Submits 1 to 1,000 tasks of together at most 4 MiB: all of them or none. Handles are in the order of `specs`.
   *
   * @throws TaskraftError as `submit`, with the `position` of the task that is to blame, and BATCH_TOO_LARGE
   */
  submitMany(specs: readonly TaskSpec[]): Promise<readonly TaskHandle[]> {
    return new Promise((resolve, reject) => {
      const { builder, sizeBytes } = this.#build(specs);
      this.#submissions.add({
        templates: builder.templates,
        tasks: builder.tasks,
        sizeBytes,
        done: (answer) => {
          if (answer instanceof TaskraftError) {
            reject(answer);
            return;
          }
          const handles: TaskHandle[] = [];
          numbersOf(answer, builder.tasks.length, (_, number, existed) => {
            handles.push(new SubmittedTask(this.#core, answer.group, answer.epoch, number, existed));
          });
          resolve(handles);
        },
      });
    });
  }

  /** The task with this id, its history with it. @throws TaskraftError NOT_FOUND, INVALID_ARGUMENT */
  async get(id: string, options: ReadOptions = {}): Promise<TaskDetail> {
    refuseUnknownFields('the options of a read', options, READ_FIELDS);
    const task = refOf(id);
    const stale = options.stale ?? false;
    const answer = await this.#core.ask({
      make: (requestId) => ({ type: 'get', requestId, task, stale }),
      timeoutMs: this.#timeoutMs,
      changes: false,
      anywhere: stale,
    });
    if (answer.type !== 'task') throw new TaskraftError('INTERNAL', 'The peer answered something else.');
    return { ...taskInfo(answer.task), index: answer.index ?? 0 };
  }

  /** The handle of a task that was submitted before. @throws TaskraftError INVALID_ARGUMENT when `id` is none */
  handle(id: string): TaskHandle {
    const [group, epoch, number] = refOf(id);
    return new SubmittedTask(this.#core, group, epoch, number, false);
  }

  /** A page of tasks, newest first. */
  async list(options: ListOptions = {}): Promise<TaskPage> {
    refuseUnknownFields('the options of a list', options, LIST_FIELDS);
    const states = options.states?.map((state) => {
      const at = TASK_STATES.indexOf(state);
      if (at < 0) throw invalidArgument(`"${state}" is no state; the states are ${TASK_STATES.join(', ')}.`);
      return at;
    });
    const limit = options.limit ?? LIST_LIMIT_DEFAULT;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw invalidArgument('limit is 1 to 1,000.');
    const stale = options.stale ?? false;
    const answer = await this.#core.ask({
      make: (requestId) => ({
        type: 'list',
        requestId,
        states: states ?? null,
        queue: options.queue ?? null,
        taskType: options.type ?? null,
        cursor: options.cursor ?? null,
        limit,
        stale,
        schedule: options.schedule ?? null,
      }),
      timeoutMs: this.#timeoutMs,
      changes: false,
      anywhere: stale,
    });
    if (answer.type !== 'taskPage') throw new TaskraftError('INTERNAL', 'The peer answered something else.');
    // A peer of an earlier version does not know the filter.
    const tasks = answer.tasks.map(taskInfo).filter(({ occurrence }) => {
      return options.schedule === undefined || occurrence?.schedule === options.schedule;
    });
    return { tasks, cursor: answer.cursor ?? undefined, index: answer.index ?? 0 };
  }

  /** Ends all connections; calls that wait are rejected with `CLOSED`. Tasks go on. */
  async close(): Promise<void> {
    this.#core.close();
  }

  #build(specs: readonly TaskSpec[]): { builder: SubmissionBuilder; sizeBytes: number } {
    const { limits } = this.#core;
    if (!Array.isArray(specs) || specs.length === 0) throw invalidArgument('submitMany takes one task at least.');
    if (specs.length > limits.batchTasks) {
      throw new TaskraftError('BATCH_TOO_LARGE', `A submission has at most ${limits.batchTasks} tasks.`);
    }
    const builder = new SubmissionBuilder(limits);
    let sizeBytes = 0;
    for (const spec of specs) sizeBytes += taskBytes(builder.add(spec));
    if (sizeBytes > limits.batchBytes) {
      throw new TaskraftError('BATCH_TOO_LARGE', `A submission has at most ${limits.batchBytes} bytes.`);
    }
    return { builder, sizeBytes };
  }
}

function refOf(id: string): TaskRef {
  const parts = typeof id === 'string' ? parseTaskId(id) : undefined;
  if (parts === undefined) throw invalidArgument(`"${id}" is no task id.`);
  return [parts.group, parts.epoch, parts.number];
}
