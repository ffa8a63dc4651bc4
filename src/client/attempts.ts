/**
 * The attempts that a worker holds: handlers that run, and attempts that wait because a handler which ignored its signal still
 * keeps its slot. An assignment seen before is dropped by its fencing token.
 */
import { ValueError } from '../protocol/codec.ts';
import type { WireLimits } from '../protocol/request-rules.ts';
import { type AbortReason, type AssignRow, type AttemptRow, type CompletionRow, OUTCOME } from '../protocol/rows.ts';
import { Attempt, type AttemptHost, type HandlerContext } from './handler-context.ts';
import { NonRetryable } from './handler-errors.ts';
import { doneRow, returnedRow, thrownRow } from './outcome.ts';
import { decodeBlob } from './task-info.ts';

/**
 * Runs one attempt of a task; what it returns, or its promise gives, is the task's result. It is written as a method so that a
 * handler may name the payload's type that it expects: the compiler cannot know it, and the sender answers for it.
 */
export type Handler = { handle(payload: unknown, context: HandlerContext): unknown }['handle'];

/** Who hears of attempts. */
export interface AttemptsOwner extends AttemptHost {
  readonly limits: WireLimits;
  /** A handler is about to be called. */
  started(attempt: Attempt): void;
  /** An attempt is over: its outcome is to be reported. */
  ended(row: CompletionRow): void;
  /** The handler of this attempt, which is over, failed. */
  failed(attempt: Attempt, row: CompletionRow): void;
  /** Whether the outcome of this attempt waits for its answer. */
  isReported(fencingToken: number): boolean;
}

/** Tokens remembered after their attempt is over. Placements draw them one after the other, so these are the latest. */
const RECENT_TOKENS = 4096;

/** Holds and runs attempts, at most as many as there are slots, and as many again that wait. */
export class Attempts {
  readonly #owner: AttemptsOwner;
  readonly #handlers: readonly Handler[];
  readonly #slots: number;
  /** By fencing token. At most `#slots`. */
  readonly #running = new Map<number, Attempt>();
  /** Assigned and not started, in order. At most `#slots`. */
  readonly #waiting: Attempt[] = [];
  /** The last token over, at its remainder by RECENT_TOKENS. */
  readonly #recent = new Float64Array(RECENT_TOKENS);
  #accepting = true;
  #starting = false;

  constructor(owner: AttemptsOwner, handlers: readonly Handler[], slots: number) {
    this.#owner = owner;
    this.#handlers = handlers;
    this.#slots = slots;
  }

  /** Attempts that are held, started or not. */
  get size(): number {
    return this.#running.size + this.#waiting.length;
  }

  /** What `attach` names as held. */
  held(): readonly AttemptRow[] {
    return [...this.#running.values(), ...this.#waiting].map((attempt) => [attempt.number, attempt.fencingToken]);
  }

  /** From now on every assignment is handed back, and so is what has not started. */
  stopAccepting(): void {
    this.#accepting = false;
    for (const attempt of this.#waiting.splice(0)) this.#over(attempt, returnedRow(attempt));
  }

  /** Takes assignments of the leader of `term`. */
  assign(rows: readonly AssignRow[], term: number): void {
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] as AssignRow;
      if (!this.#isKnown(row[1])) this.#take(new Attempt(this.#owner, row, term));
    }
  }

  /**
   * Tells the handler of an attempt to stop. One that never arrived is handed back, since the cluster keeps its slot taken until
   * it hears that no handler runs; nothing when the attempt is over.
   */
  abort(number: number, fencingToken: number, reason: AbortReason): void {
    const running = this.#running.get(fencingToken);
    if (running !== undefined) {
      running.abort(reason);
      return;
    }
    const at = this.#waiting.findIndex((attempt) => attempt.fencingToken === fencingToken);
    if (at >= 0) this.#waiting.splice(at, 1);
    else if (this.#isKnown(fencingToken)) return;
    const attempt = { number, fencingToken };
    this.#over(attempt, returnedRow(attempt));
  }

  /** Tells every handler to stop. */
  abortAll(reason: AbortReason): void {
    for (const attempt of this.#waiting.splice(0)) this.#over(attempt, returnedRow(attempt));
    for (const attempt of Array.from(this.#running.values())) attempt.abort(reason);
  }

  /** Hands back what still runs: its handlers ignored their signals and nobody waits for them any more. */
  handBackAll(): void {
    for (const attempt of Array.from(this.#running.values())) {
      this.#running.delete(attempt.fencingToken);
      this.#over(attempt, returnedRow(attempt));
    }
  }

  #isKnown(fencingToken: number): boolean {
    return (
      this.#recent[fencingToken % RECENT_TOKENS] === fencingToken ||
      this.#running.has(fencingToken) ||
      this.#owner.isReported(fencingToken) ||
      (this.#waiting.length > 0 && this.#waiting.some((attempt) => attempt.fencingToken === fencingToken))
    );
  }

  #take(attempt: Attempt): void {
    if (!this.#accepting) this.#over(attempt, returnedRow(attempt));
    else if (this.#running.size < this.#slots) this.#start(attempt);
    else if (this.#waiting.length < this.#slots) this.#waiting.push(attempt);
    else this.#over(attempt, returnedRow(attempt));
  }

  #start(attempt: Attempt): void {
    this.#running.set(attempt.fencingToken, attempt);
    this.#owner.started(attempt);
    const handler = this.#handlers[attempt.typeIndex];
    const done = (value: unknown): void => this.#ended(attempt, doneRow(attempt, value, this.#owner.limits));
    const thrown = (error: unknown): void => this.#ended(attempt, thrownRow(attempt, error, this.#owner.limits));
    let returned: unknown;
    try {
      if (handler === undefined) throw new NonRetryable('The worker has no handler for the type of this task.');
      returned = handler(payloadOf(attempt), attempt);
      // Within the `try`: what looks like a promise may be of the handler's own making.
      if (isThenable(returned)) {
        returned.then(done, thrown);
        return;
      }
    } catch (error) {
      thrown(error);
      return;
    }
    done(returned);
  }

  #ended(attempt: Attempt, row: CompletionRow): void {
    // Handed back while it still ran: what it ends with does not count any more.
    if (!this.#running.delete(attempt.fencingToken)) return;
    this.#over(attempt, row);
    if (this.#waiting.length > 0) this.#startWaiting();
    if (row[2] === OUTCOME.failed || row[2] === OUTCOME.failedForGood) this.#owner.failed(attempt, row);
  }

  /** Handlers that return at once end here within `#start`; the loop that called it goes on, so that they do not pile up. */
  #startWaiting(): void {
    if (this.#starting) return;
    this.#starting = true;
    try {
      while (this.#running.size < this.#slots) {
        const next = this.#waiting.shift();
        if (next === undefined) return;
        this.#start(next);
      }
    } finally {
      this.#starting = false;
    }
  }

  #over(attempt: Pick<Attempt, 'fencingToken'>, row: CompletionRow): void {
    this.#recent[attempt.fencingToken % RECENT_TOKENS] = attempt.fencingToken;
    this.#owner.ended(row);
  }
}

function payloadOf(attempt: Attempt): unknown {
  try {
    return decodeBlob(attempt.payload);
  } catch (error) {
    if (error instanceof ValueError) throw new NonRetryable(`The payload cannot be read: it ${error.message}.`);
    throw error;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
