/**
 * Outcomes that the cluster has not answered yet. They are sent together once a turn, and all again after each attach, until
 * an answer settles them: whatever it says, it is final.
 *
 * Invariant: an outcome is in the table from when its handler ended until its answer.
 */
import type { Logger } from '../base/logger.ts';
import { type AttemptRow, COMPLETION_ANSWERS, type CompletionAnswer, type CompletionRow } from '../protocol/rows.ts';
import type { AnswerFrame } from '../protocol/server-frame.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';
import type { PeerLink } from './peer-link.ts';

/** Bytes of results in one frame, below the limit of a frame by what its rows cost. */
const FRAME_RESULT_BYTES = 4 * 1024 * 1024;
/** Outcomes in one frame: few enough that several fit an entry of the log, and none is a long step by itself. */
const FRAME_ROWS = 250;
const RETRY_MS = 50;

/** Who hears what became of outcomes. */
export interface CompletionOutboxOwner {
  answered(row: CompletionRow, answer: CompletionAnswer): void;
  /** The cluster refused some for good; they are not waited for any more. */
  dropped(): void;
}

/** Outcomes without an answer, at most as many as the worker held attempts. */
export class CompletionOutbox {
  readonly #client: ClusterClient;
  readonly #owner: CompletionOutboxOwner;
  readonly #logger: Logger;
  /** By fencing token, oldest first. */
  readonly #unanswered = new Map<number, CompletionRow>();
  /** Those that are not on their way. */
  #unsent: CompletionRow[] = [];
  /** Where they go: the link on which the worker is attached. */
  #link: PeerLink | undefined;
  #flushing = false;

  constructor(client: ClusterClient, owner: CompletionOutboxOwner) {
    this.#client = client;
    this.#owner = owner;
    this.#logger = client.connection.logger;
  }

  /** How many wait for an answer. */
  get size(): number {
    return this.#unanswered.size;
  }

  /** Whether the outcome of this attempt waits for its answer. */
  has(fencingToken: number): boolean {
    return this.#unanswered.has(fencingToken);
  }

  /** Attempts whose outcomes wait, as `attach` names them. */
  rows(): readonly AttemptRow[] {
    return [...this.#unanswered.values()].map((row) => [row[0], row[1]]);
  }

  /** Reports an outcome. */
  add(row: CompletionRow): void {
    this.#unanswered.set(row[1], row);
    this.#unsent.push(row);
    this.#flushSoon();
  }

  /** The worker is attached on `link`: everything without an answer is sent there. */
  attached(link: PeerLink): void {
    this.#link = link;
    this.#unsent = [...this.#unanswered.values()];
    this.#flushSoon();
  }

  /** The worker is not attached any more; outcomes wait. */
  detached(): void {
    this.#link = undefined;
  }

  /** The cluster had the outcome already. */
  settled(fencingToken: number, code: number): void {
    const row = this.#unanswered.get(fencingToken);
    if (row !== undefined) this.#settle(row, code);
  }

  #flushSoon(): void {
    if (this.#flushing || this.#link === undefined || this.#unsent.length === 0) return;
    this.#flushing = true;
    this.#client.ports.timers.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const link = this.#link;
    if (link === undefined) return;
    const unsent = this.#unsent;
    this.#unsent = [];
    let from = 0;
    while (from < unsent.length) {
      let to = from;
      let sizeBytes = 0;
      while (to < unsent.length && to - from < FRAME_ROWS) {
        sizeBytes += unsent[to]?.[4]?.length ?? 0;
        if (to > from && sizeBytes > FRAME_RESULT_BYTES) break;
        to += 1;
      }
      this.#send(link, from === 0 && to === unsent.length ? unsent : unsent.slice(from, to));
      from = to;
    }
  }

  #send(link: PeerLink, completions: readonly CompletionRow[]): void {
    this.#client.requests.add({
      make: (requestId) => ({ type: 'complete', requestId, completions }),
      timeoutMs: 0,
      changes: true,
      only: link,
      done: (answer) => this.#heard(link, completions, answer),
    });
  }

  #heard(link: PeerLink, rows: readonly CompletionRow[], answer: AnswerFrame | TaskraftError): void {
    if (!(answer instanceof TaskraftError)) {
      const codes = answer.type === 'completed' ? answer.codes : [];
      for (let at = 0; at < rows.length; at += 1) {
        const row = rows[at] as CompletionRow;
        const code = codes[at];
        if (code !== undefined && this.#unanswered.get(row[1]) === row) this.#settle(row, code);
      }
      return;
    }
    if (answer.retryable) {
      // Lost with its connection: the next attach sends them. Refused for now: again in a moment.
      if (this.#link === link) this.#againAfter(link, rows, answer.retryAfterMs ?? RETRY_MS);
      return;
    }
    if (answer.code === 'CLOSED') return;
    const culprit = answer.position;
    this.#logger.error('the cluster refuses reported outcomes', { code: answer.code, why: answer.message });
    // Forgotten here they are neither held nor unanswered at the next attach, where the cluster takes the attempts back.
    const dropped = culprit === undefined ? rows : rows.slice(culprit, culprit + 1);
    for (const row of dropped) if (this.#unanswered.get(row[1]) === row) this.#unanswered.delete(row[1]);
    if (culprit !== undefined && rows.length > 1) this.#again(link, rows.toSpliced(culprit, 1));
    this.#owner.dropped();
  }

  #againAfter(link: PeerLink, rows: readonly CompletionRow[], delayMs: number): void {
    this.#client.ports.timers.after(delayMs, () => this.#again(link, rows));
  }

  #again(link: PeerLink, rows: readonly CompletionRow[]): void {
    if (this.#link !== link) return;
    for (const row of rows) if (this.#unanswered.get(row[1]) === row) this.#unsent.push(row);
    this.#flushSoon();
  }

  #settle(row: CompletionRow, code: number): void {
    this.#unanswered.delete(row[1]);
    this.#owner.answered(row, COMPLETION_ANSWERS[code] ?? 'NOT_FOUND');
  }
}
