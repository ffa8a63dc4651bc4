/**
 * Submissions in the sequence of a client session: what makes sending them again safe. The session is opened with the first
 * submission, and anew when the cluster has ended it.
 *
 * Invariant: sequences of a session that wait for answers lie within a window of UNANSWERED_MAX, so that the cluster still
 * keeps the answer to any that is sent again. What is over the window waits here, and what is over that is refused.
 */
import { UNANSWERED_MAX } from '../protocol/limits.ts';
import type { TaskRow, TemplateRow } from '../protocol/rows.ts';
import type { AnswerFrame, SubmittedFrame } from '../protocol/server-frame.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';

/** Bytes of payloads that wait for answers, of one client. */
const UNANSWERED_BYTES_MAX = 64 * 1024 * 1024;

/** Tasks that are submitted together, all or nothing. */
export interface Submission {
  readonly templates: readonly TemplateRow[];
  readonly tasks: readonly TaskRow[];
  readonly sizeBytes: number;
  /** Called once. */
  done(answer: SubmittedFrame | TaskraftError): void;
}

/** A submission and its place in the order in which they were given. */
interface Ordered {
  readonly order: number;
  readonly submission: Submission;
}

/** Submissions of one client, in the order in which they are given. */
export class Submissions {
  readonly #client: ClusterClient;
  readonly #timeoutMs: number;
  #session: string | undefined;
  #opening = false;
  #nextSequence = 1;
  /** Sequences of the session without an answer, lowest first. */
  readonly #unanswered = new Set<number>();
  /**
   * Not sent yet: for want of a session or of room in the window. At most UNANSWERED_MAX, and as many again that were sent in a
   * session which had ended. Invariant: in order.
   */
  #waiting: Ordered[] = [];
  #lastOrder = 0;
  #bytes = 0;

  constructor(client: ClusterClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  /** Submits. */
  add(submission: Submission): void {
    if (this.#waiting.length >= UNANSWERED_MAX || this.#bytes + submission.sizeBytes > UNANSWERED_BYTES_MAX) {
      const message = 'Too many submissions wait for answers; wait for some of them before submitting more.';
      submission.done(new TaskraftError('TOO_MANY_REQUESTS', message));
      return;
    }
    this.#bytes += submission.sizeBytes;
    this.#lastOrder += 1;
    this.#waiting.push({ order: this.#lastOrder, submission });
    this.#pump();
  }

  /** A connection to a leader is there: it hears of the session, so that heartbeats keep it. */
  leaderChanged(): void {
    if (this.#session !== undefined) this.#client.links.leader?.send({ type: 'useSession', session: this.#session });
  }

  #pump(): void {
    if (this.#waiting.length === 0) return;
    if (this.#session === undefined) {
      this.#open();
      return;
    }
    while (this.#waiting.length > 0 && this.#nextSequence - this.#lowestUnanswered() < UNANSWERED_MAX) {
      this.#send(this.#session, this.#waiting.shift() as Ordered);
    }
  }

  #open(): void {
    if (this.#opening) return;
    this.#opening = true;
    this.#client.requests.add({
      make: (requestId) => ({ type: 'openSession', requestId }),
      timeoutMs: this.#timeoutMs,
      changes: false,
      done: (answer) => {
        this.#opening = false;
        this.#opened(answer);
      },
    });
  }

  #opened(answer: AnswerFrame | TaskraftError): void {
    if (!(answer instanceof TaskraftError) && answer.type === 'sessionOpened') {
      this.#session = answer.session;
      this.#nextSequence = 1;
      this.#unanswered.clear();
      this.#pump();
      return;
    }
    const error =
      answer instanceof TaskraftError ? answer : new TaskraftError('INTERNAL', 'The peer answered something else.');
    // A time-out here means that no submission left: it says so, whatever became of the session.
    const told =
      error.code === 'TIMEOUT' ? new TaskraftError('UNAVAILABLE', 'No session could be opened in time.') : error;
    for (const { submission } of this.#waiting.splice(0)) this.#finish(submission, told);
  }

  #send(session: string, ordered: Ordered): void {
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    this.#unanswered.add(sequence);
    const { templates, tasks } = ordered.submission;
    this.#client.requests.add({
      make: (requestId) => ({
        type: 'submit',
        requestId,
        session,
        sequence,
        answeredBelow: this.#session === session ? this.#lowestUnanswered() : sequence,
        templates,
        tasks,
      }),
      timeoutMs: this.#timeoutMs,
      changes: true,
      done: (answer, sends) => this.#answered(session, sequence, ordered, answer, sends),
    });
  }

  #answered(
    session: string,
    sequence: number,
    ordered: Ordered,
    answer: AnswerFrame | TaskraftError,
    sends: number,
  ): void {
    const { submission } = ordered;
    const current = this.#session === session;
    if (current) this.#unanswered.delete(sequence);
    if (answer instanceof TaskraftError && answer.code === 'SESSION_EXPIRED') {
      if (current) this.#session = undefined;
      // Refused at its only sending it was not executed, so that another session may carry it.
      if (sends === 1) this.#putBack(ordered);
      else this.#finish(submission, answer);
    } else if (answer instanceof TaskraftError || answer.type === 'submitted') this.#finish(submission, answer);
    else this.#finish(submission, new TaskraftError('INTERNAL', 'The peer answered something else.'));
    this.#pump();
  }

  /** Before all that were given later. */
  #putBack(ordered: Ordered): void {
    const at = this.#waiting.findIndex(({ order }) => order > ordered.order);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, ordered);
  }

  #finish(submission: Submission, answer: SubmittedFrame | TaskraftError): void {
    this.#bytes -= submission.sizeBytes;
    submission.done(answer);
  }

  #lowestUnanswered(): number {
    const lowest = this.#unanswered.values().next();
    return lowest.done === true ? this.#nextSequence : lowest.value;
  }
}
