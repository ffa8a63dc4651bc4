/**
 * What a handler gets beside its payload. One object an attempt; everything that costs something (a signal, a logger, an id,
 * decoded headers) is made when it is first asked for.
 */
import type { Logger, LogFields } from '../base/logger.ts';
import type { AbortReason, AssignRow, BlobRow } from '../protocol/rows.ts';
import { type Duration, durationMs } from './duration.ts';
import { Snooze } from './handler-errors.ts';
import { blobValue } from './task-info.ts';

/** What a handler may know and do. */
export interface HandlerContext {
  readonly taskId: string;
  /** Every start counts, from 1. */
  readonly attempt: number;
  /** Grows with every placement: hand it to other systems so that they can refuse an older one. */
  readonly fencingToken: number;
  /** Of the leader that assigned the attempt. */
  readonly term: number;
  /** Aborts when the handler is to stop; `signal.reason` is `cancelled`, `timeout`, `lease-lost` or `drain`. */
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  /** What an earlier attempt saved last, undefined before. */
  readonly lastCheckpoint: unknown;
  /** Lines for whoever looks at the running task; the cluster keeps the last of them only. */
  readonly log: Logger;
  /** Saves what the next attempt may start from, durably. @throws TaskraftError STALE_LEASE when the attempt is no longer ours */
  checkpoint(data: unknown): Promise<void>;
  /** Tells how far it is, 0 to 1. At most one a second is sent, the others are dropped. */
  progress(fraction: number, note?: string): void;
  /** The run timeout counts anew from now. @throws TaskraftError STALE_LEASE when the attempt is no longer ours */
  extend(ms: Duration): Promise<void>;
  /** Ends the attempt without a failure; another starts later. Never returns. */
  snooze(ms: Duration): never;
}

/** What attempts need of their worker. */
export interface AttemptHost {
  taskId(number: number): string;
  checkpoint(attempt: Attempt, data: unknown): Promise<void>;
  extend(attempt: Attempt, runMs: number): Promise<void>;
  progress(attempt: Attempt, fraction: number, note: string): void;
  log(attempt: Attempt, level: number, message: string, fields: LogFields | undefined): void;
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** One attempt: what its handler sees, and what its worker keeps of it. */
export class Attempt implements HandlerContext {
  readonly #host: AttemptHost;
  readonly #row: AssignRow;
  readonly term: number;
  /** When progress was sent last, by the monotonic clock. */
  progressAtMs: number | undefined;
  #abortReason: AbortReason | undefined;
  #controller: AbortController | undefined;
  #headers: Readonly<Record<string, string>> | undefined;
  #checkpoint: unknown;
  #checkpointDecoded = false;
  #log: Logger | undefined;

  constructor(host: AttemptHost, row: AssignRow, term: number) {
    this.#host = host;
    this.#row = row;
    this.term = term;
  }

  get number(): number {
    return this.#row[0];
  }

  get fencingToken(): number {
    return this.#row[1];
  }

  /** Position in the worker's types. */
  get typeIndex(): number {
    return this.#row[2];
  }

  get attempt(): number {
    return this.#row[3];
  }

  get payload(): BlobRow {
    return [this.#row[4], this.#row[5]];
  }

  get taskId(): string {
    return this.#host.taskId(this.#row[0]);
  }

  /** Why the handler was told to stop, or undefined. */
  get abortReason(): AbortReason | undefined {
    return this.#abortReason;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      const value = blobValue(this.#row[6]?.[0] ?? null);
      this.#headers = typeof value === 'object' && value !== null ? (value as Record<string, string>) : NO_HEADERS;
    }
    return this.#headers;
  }

  get lastCheckpoint(): unknown {
    if (!this.#checkpointDecoded) {
      this.#checkpoint = blobValue(this.#row[6]?.[1] ?? null);
      this.#checkpointDecoded = true;
    }
    return this.#checkpoint;
  }

  get log(): Logger {
    this.#log ??= {
      debug: (message, fields) => this.#host.log(this, 0, message, fields),
      info: (message, fields) => this.#host.log(this, 1, message, fields),
      warn: (message, fields) => this.#host.log(this, 2, message, fields),
      error: (message, fields) => this.#host.log(this, 3, message, fields),
    };
    return this.#log;
  }

  async checkpoint(data: unknown): Promise<void> {
    await this.#host.checkpoint(this, data);
    this.#checkpoint = data;
    this.#checkpointDecoded = true;
  }

  progress(fraction: number, note = ''): void {
    this.#host.progress(this, fraction, note);
  }

  async extend(ms: Duration): Promise<void> {
    await this.#host.extend(this, durationMs(ms, 'extend'));
  }

  snooze(ms: Duration): never {
    throw new Snooze(durationMs(ms, 'snooze'));
  }

  /** Tells the handler to stop. The first reason stands. */
  abort(reason: AbortReason): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
