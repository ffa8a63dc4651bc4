/**
 * Runs handlers for tasks that the cluster places on it. It attaches to the leader, starts what it is assigned, reports what
 * came of it until the cluster has answered, and stops its handlers when it cannot be sure that the tasks are still its own.
 */
import type { Timer } from '../base/clock.ts';
import { isName } from '../base/ids.ts';
import { below } from '../base/random.ts';
import type { LogFields } from '../base/logger.ts';
import type { AttachFrame, RequestFrame } from '../protocol/client-frame.ts';
import { LOG_CHARS_MAX, NOTE_CHARS_MAX, WORKER_SLOTS_MAX } from '../protocol/limits.ts';
import { attachProblem, type WireLimits } from '../protocol/request-rules.ts';
import { ABORT_REASONS, type CompletionAnswer, type CompletionRow, type LabelRow, OUTCOME } from '../protocol/rows.ts';
import type { AbortFrame, AssignFrame, AttachedFrame, WelcomeFrame } from '../protocol/server-frame.ts';
import { formatTaskId } from '../protocol/task-id.ts';
import { Attempts, type AttemptsOwner, type Handler } from './attempts.ts';
import { ClusterClient } from './cluster-client.ts';
import { CompletionOutbox } from './completion-outbox.ts';
import { type Duration, durationMs } from './duration.ts';
import { invalidArgument, TaskraftError } from './errors.ts';
import { FailureLog } from './failure-log.ts';
import type { Attempt } from './handler-context.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';
import type { PeerLink } from './peer-link.ts';
import { type ClientPorts, CONNECTION_FIELDS, connectionOf, type ConnectionOptions } from './ports.ts';
import { encodeBlob, labelRows } from './task-spec.ts';
import { type AttachmentOwner, WorkerAttachment } from './worker-attachment.ts';

/** How an attempt was reported. */
export type ReportedOutcome = 'done' | 'failed' | 'snoozed' | 'returned';

/** Hears of every attempt, for records that do not pass through the cluster. */
export interface WorkerObserver {
  /** A handler is about to be called; `term` is of the leader that assigned the attempt. */
  started?(taskId: string, fencingToken: number, term: number): void;
  /** The outcome is on its way. */
  reported?(taskId: string, fencingToken: number, outcome: ReportedOutcome): void;
  /** The cluster has answered: only with `ok` it counts. */
  answered?(taskId: string, fencingToken: number, answer: CompletionAnswer): void;
}

/** Options of a worker. Its `logger` hears of failed attempts too: one line a second and type, with a count of those left out. */
export interface WorkerOptions extends ConnectionOptions {
  /** By task type. What a handler returns, or its promise gives, is the task's result. */
  readonly handlers: Readonly<Record<string, Handler>>;
  /** How many attempts run at a time, 1 to 10,000; default 10. */
  readonly slots?: number;
  /** What tasks may require. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Unique among live workers; default a random one. */
  readonly workerId?: string;
  /** Of the handlers, for people; default `0`. */
  readonly version?: string;
  readonly observer?: WorkerObserver;
}

/** How to stop. */
export interface StopOptions {
  /** How long running handlers may still take before their signals abort; default 30 s. */
  readonly drainMs?: Duration;
}

const WORKER_FIELDS: KnownFields<WorkerOptions> = {
  ...CONNECTION_FIELDS,
  handlers: true,
  slots: true,
  labels: true,
  workerId: true,
  version: true,
  observer: true,
};
const STOP_FIELDS: KnownFields<StopOptions> = { drainMs: true };
const SLOTS_DEFAULT = 10;
const DRAIN_MS_DEFAULT = 30_000;
/** For handlers to heed their signals, and for the last outcomes to be answered. */
const STOP_GRACE_MS = 5000;
const DETACH_TIMEOUT_MS = 2000;
const DRAIN_RETRY_MS = 100;
const REQUEST_TIMEOUT_MS = 10_000;
const PROGRESS_EVERY_MS = 1000;
/** Log lines and progress are dropped while more than this waits for the network. */
const CHATTER_BUFFER_BYTES = 1024 * 1024;
const OUTCOME_NAMES: readonly ReportedOutcome[] = ['done', 'failed', 'failed', 'snoozed', 'returned'];

interface Waiter {
  readonly holds: () => boolean;
  readonly done: () => void;
}

/** A worker: `run` it, `stop` it. */
export class Worker {
  /** The name under which the cluster knows this worker. */
  readonly workerId: string;
  readonly #core: ClusterClient;
  readonly #attachment: WorkerAttachment;
  readonly #attempts: Attempts;
  readonly #outbox: CompletionOutbox;
  readonly #failures: FailureLog;
  readonly #observer: WorkerObserver | undefined;
  readonly #registration: Omit<AttachFrame, 'requestId' | 'held' | 'unanswered'>;
  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new';
  #run: { readonly promise: Promise<void>; resolve(): void; reject(error: TaskraftError): void } | undefined;
  #stopped: Promise<void> | undefined;
  #drainEndsAtMs = 0;
  #drainAgain: Timer | undefined;
  /** Those who wait for running handlers or answers; only while stopping. */
  #waiters: Waiter[] = [];

  /** @throws TaskraftError INVALID_ARGUMENT */
  constructor(options: WorkerOptions, ports: ClientPorts) {
    refuseUnknownFields('the options of a worker', options, WORKER_FIELDS);
    const connection = connectionOf(options);
    if (!isName(connection.namespace)) throw invalidArgument('namespace is 1 to 200 characters of [A-Za-z0-9._:/-].');
    const types = Object.keys(options.handlers);
    const handlers = types.map((type) => handlerOf(options.handlers, type));
    const slots = options.slots ?? SLOTS_DEFAULT;
    if (!Number.isInteger(slots)) throw invalidArgument(`slots is 1 to ${WORKER_SLOTS_MAX}.`);
    this.workerId = options.workerId ?? `worker-${randomName(ports)}`;
    this.#registration = registrationOf(options, this.workerId, randomName(ports), types, slots);
    const problem = attachProblem({ ...this.#registration, requestId: 0, held: [], unanswered: [] });
    if (problem !== undefined) throw new TaskraftError(problem.code, problem.message);
    this.#observer = options.observer;
    this.#core = new ClusterClient('worker', connection, ports, {
      leaderChanged: (link, term) => this.#attachment.leaderChanged(link, term),
      leaderServes: (link) => this.#attachment.leaderServes(link),
      welcomed: (welcome) => this.#welcomed(welcome),
      pushed: (link, frame) => this.#pushed(link, frame),
      beatAnswered: (link, sentAtMs, term) => this.#attachment.beatAnswered(link, sentAtMs, term),
      failed: (error, hopeless) => {
        if (hopeless) this.#fail(error);
      },
    });
    this.#outbox = new CompletionOutbox(this.#core, {
      answered: (row, answer) => this.#answered(row, answer),
      dropped: () => this.#wake(),
    });
    this.#failures = new FailureLog(connection.logger, ports.clock, types);
    this.#attempts = new Attempts(this.#attemptsOwner(), handlers, slots);
    this.#attachment = new WorkerAttachment(this.#core, this.#attachmentOwner());
  }

  /**
   * Connects and works until `stop`. Resolved when the worker has stopped.
   *
   * @throws TaskraftError WORKER_ID_IN_USE, UNAUTHORIZED, FORBIDDEN: the cluster does not take this worker
   */
  run(): Promise<void> {
    if (this.#state === 'stopped' && this.#run === undefined) return Promise.resolve();
    if (this.#run === undefined) {
      this.#run = deferred();
      this.#state = 'running';
      this.#core.links.start();
    }
    return this.#run.promise;
  }

  /**
   * Takes nothing new, lets handlers finish until `drainMs`, then aborts them with reason `drain`, hands the rest back, and
   * ends once the cluster has answered. May be called at any time, more than once.
   *
   * @throws TaskraftError INVALID_ARGUMENT
   */
  stop(options: StopOptions = {}): Promise<void> {
    refuseUnknownFields('the options of a stop', options, STOP_FIELDS);
    const drainMs = durationMs(options.drainMs ?? DRAIN_MS_DEFAULT, 'drainMs');
    if (this.#state === 'new') this.#state = 'stopped';
    if (this.#state === 'running') this.#stopped = this.#stop(drainMs);
    return this.#stopped ?? Promise.resolve();
  }

  async #stop(drainMs: number): Promise<void> {
    this.#state = 'stopping';
    this.#drainEndsAtMs = this.#core.ports.clock.monotonicMs() + drainMs;
    this.#sendDrain();
    this.#attempts.stopAccepting();
    await this.#until(() => this.#attempts.size === 0, drainMs);
    this.#attempts.abortAll('drain');
    await this.#until(() => this.#attempts.size === 0, STOP_GRACE_MS);
    this.#attempts.handBackAll();
    await this.#until(() => this.#outbox.size === 0, STOP_GRACE_MS);
    await this.#detach();
    this.#end();
    this.#run?.resolve();
  }

  #attemptsOwner(): AttemptsOwner {
    const core = this.#core;
    return {
      get limits(): WireLimits {
        return core.limits;
      },
      started: (attempt) => this.#observer?.started?.(attempt.taskId, attempt.fencingToken, attempt.term),
      ended: (row) => this.#ended(row),
      failed: (attempt, row) => this.#failures.failed(attempt.typeIndex, row, (number) => this.#taskId(number)),
      isReported: (fencingToken) => this.#outbox.has(fencingToken),
      taskId: (number) => this.#taskId(number),
      checkpoint: (attempt, data) => this.#checkpoint(attempt, data),
      extend: (attempt, runMs) =>
        this.#askFor(attempt, (requestId) => {
          const { number, fencingToken } = attempt;
          return { type: 'extend', requestId, number, fencingToken, runMs };
        }),
      progress: (attempt, fraction, note) => this.#progress(attempt, fraction, note),
      log: (attempt, level, message, fields) => this.#log(attempt, level, message, fields),
    };
  }

  #attachmentOwner(): AttachmentOwner {
    return {
      attachFrame: (requestId) => ({
        ...this.#registration,
        requestId,
        held: this.#attempts.held(),
        unanswered: this.#outbox.rows(),
      }),
      attached: (link, frame) => this.#attached(link, frame),
      detached: () => this.#outbox.detached(),
      fenced: () => {
        this.#core.connection.logger.warn('the lease could not be renewed: handlers are told to stop');
        this.#attempts.abortAll('lease-lost');
      },
      refused: (error) => this.#fail(error),
    };
  }

  #welcomed(welcome: WelcomeFrame): void {
    this.#attachment.leaseMs = welcome.leaseMs;
  }

  #attached(link: PeerLink, frame: AttachedFrame): void {
    this.#core.connection.logger.info('attached', { url: link.url, term: frame.term });
    for (const [number, fencingToken] of frame.stale) this.#attempts.abort(number, fencingToken, 'lease-lost');
    for (const [, fencingToken, code] of frame.settled) this.#outbox.settled(fencingToken, code);
    this.#outbox.attached(link);
    if (this.#state === 'stopping') this.#sendDrain();
  }

  #pushed(link: PeerLink, frame: AssignFrame | AbortFrame): void {
    // A frame of a term that has been left is void: the next leader knows what this worker holds from its attach.
    if (!this.#attachment.accepts(link, frame.term)) return;
    if (frame.type === 'assign') this.#attempts.assign(frame.assignments, frame.term);
    else {
      for (const [number, fencingToken, reason] of frame.aborts) {
        this.#attempts.abort(number, fencingToken, ABORT_REASONS[reason] ?? 'lease-lost');
      }
    }
  }

  #ended(row: CompletionRow): void {
    this.#outbox.add(row);
    this.#observer?.reported?.(this.#taskId(row[0]), row[1], OUTCOME_NAMES[row[2]] ?? 'returned');
    this.#wake();
  }

  #answered(row: CompletionRow, answer: CompletionAnswer): void {
    this.#observer?.answered?.(this.#taskId(row[0]), row[1], answer);
    // A task that is final needs nothing more; an attempt that was handed back was not expected to count.
    if (answer === 'STALE_LEASE' && row[2] !== OUTCOME.returned) {
      const taskId = this.#taskId(row[0]);
      this.#core.connection.logger.warn('an outcome came too late and does not count', {
        taskId,
        fencingToken: row[1],
      });
    }
    this.#wake();
  }

  async #checkpoint(attempt: Attempt, data: unknown): Promise<void> {
    const [encoding, bytes] = encodeBlob(data);
    const { payloadBytes } = this.#core.limits;
    if (bytes.length > payloadBytes) {
      throw new TaskraftError('PAYLOAD_TOO_LARGE', `A checkpoint has at most ${payloadBytes} bytes.`);
    }
    const { number, fencingToken } = attempt;
    await this.#askFor(attempt, (requestId) => ({
      type: 'checkpoint',
      requestId,
      number,
      fencingToken,
      encoding,
      bytes,
    }));
  }

  async #askFor(attempt: Attempt, make: (requestId: number) => RequestFrame): Promise<void> {
    try {
      await this.#core.ask({ make, timeoutMs: REQUEST_TIMEOUT_MS, changes: true });
    } catch (error) {
      const isStale =
        error instanceof TaskraftError && (error.code === 'STALE_LEASE' || error.code === 'ALREADY_FINAL');
      if (isStale) attempt.abort('lease-lost');
      throw error;
    }
  }

  #progress(attempt: Attempt, fraction: number, note: string): void {
    const nowMs = this.#core.ports.clock.monotonicMs();
    if (attempt.progressAtMs !== undefined && nowMs - attempt.progressAtMs < PROGRESS_EVERY_MS) return;
    const link = this.#chatterLink();
    if (link === undefined) return;
    attempt.progressAtMs = nowMs;
    link.send({
      type: 'progress',
      number: attempt.number,
      fencingToken: attempt.fencingToken,
      fraction: Math.round(Math.min(1, Math.max(0, fraction || 0)) * 10_000),
      note: note.slice(0, NOTE_CHARS_MAX),
    });
  }

  #log(attempt: Attempt, level: number, message: string, fields: LogFields | undefined): void {
    const said = fields === undefined ? message : `${message} ${jsonOf(fields)}`;
    const { number, fencingToken } = attempt;
    this.#chatterLink()?.send({ type: 'log', number, fencingToken, level, text: said.slice(0, LOG_CHARS_MAX) });
  }

  /** Where progress and log lines go, when there is room for what may be lost. */
  #chatterLink(): PeerLink | undefined {
    const { link } = this.#attachment;
    return link !== undefined && link.bufferedBytes < CHATTER_BUFFER_BYTES ? link : undefined;
  }

  #sendDrain(): void {
    const { link } = this.#attachment;
    if (link === undefined) return;
    const deadlineMs = Math.max(0, Math.round(this.#drainEndsAtMs - this.#core.ports.clock.monotonicMs()));
    this.#core.requests.add({
      make: (requestId) => ({ type: 'drainWorker', requestId, worker: this.workerId, deadlineMs }),
      timeoutMs: REQUEST_TIMEOUT_MS,
      changes: true,
      only: link,
      // What is assigned until then is handed back, and may be placed here again at once: so this is not left to chance.
      done: (answer) => {
        if (!(answer instanceof TaskraftError) || !answer.retryable) return;
        this.#drainAgain?.cancel();
        this.#drainAgain = this.#core.ports.timers.after(answer.retryAfterMs ?? DRAIN_RETRY_MS, () =>
          this.#sendDrain(),
        );
      },
    });
  }

  async #detach(): Promise<void> {
    const { link } = this.#attachment;
    if (link === undefined) return;
    try {
      await this.#core.ask({
        make: (requestId) => ({ type: 'detach', requestId }),
        timeoutMs: DETACH_TIMEOUT_MS,
        changes: true,
        only: link,
      });
    } catch (error) {
      // The cluster will miss the worker in a few seconds and knows that it holds nothing.
      if (!(error instanceof TaskraftError)) throw error;
    }
  }

  #fail(error: TaskraftError): void {
    if (this.#state === 'stopped') return;
    this.#core.connection.logger.error('the cluster does not take this worker', { code: error.code });
    this.#attempts.abortAll('lease-lost');
    this.#end();
    this.#run?.reject(error);
  }

  #end(): void {
    this.#state = 'stopped';
    this.#drainAgain?.cancel();
    this.#attachment.close();
    this.#core.close();
    for (const waiter of this.#waiters.splice(0)) waiter.done();
  }

  #until(holds: () => boolean, timeoutMs: number): Promise<void> {
    if (holds() || this.#state === 'stopped') return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#core.ports.timers.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        resolve();
      });
      const waiter: Waiter = {
        holds,
        done: () => {
          timer.cancel();
          resolve();
        },
      };
      this.#waiters.push(waiter);
    });
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter((waiter) => waiter.holds());
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const waiter of ready) waiter.done();
  }

  #taskId(number: number): string {
    const { welcome } = this.#core;
    return formatTaskId(welcome?.group ?? 0, welcome?.epoch ?? 0, number);
  }
}

function registrationOf(
  options: WorkerOptions,
  worker: string,
  instance: string,
  types: readonly string[],
  slots: number,
): Omit<AttachFrame, 'requestId' | 'held' | 'unanswered'> {
  const labels: readonly LabelRow[] = options.labels === undefined ? [] : labelRows(options.labels);
  return { type: 'attach', worker, instance, types, labels, slots, version: options.version ?? '0' };
}

function handlerOf(handlers: Readonly<Record<string, Handler>>, type: string): Handler {
  const handler = handlers[type];
  if (typeof handler !== 'function') throw invalidArgument(`The handler of "${type}" is a function.`);
  return handler;
}

/** What is said must not make a handler fail. */
function jsonOf(fields: LogFields): string {
  try {
    return JSON.stringify(fields);
  } catch {
    return '(fields that are no JSON)';
  }
}

/** 64 random bits as a name. */
function randomName(ports: ClientPorts): string {
  let name = '';
  for (let count = 0; count < 4; count += 1) name += below(ports.random, 0x1_0000).toString(16).padStart(4, '0');
  return name;
}

function deferred(): { readonly promise: Promise<void>; resolve(): void; reject(error: TaskraftError): void } {
  let resolve!: () => void;
  let reject!: (error: TaskraftError) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
