/** Waiting for the end of a task: `awaitResult`, which is answered when there is something to tell, however long that takes. */
import type { AwaitResultFrame } from '../protocol/client-frame.ts';
import { errorFrame, resultFrame } from './answers.ts';
import type { AnswerFrame } from '../protocol/server-frame.ts';
import type { TaskView } from '../scheduler/views.ts';
import { NOT_FOUND_WORDS, ownTask, unreadableFrame } from './reading.ts';
import { taskNumber } from './requests.ts';
import type { Session } from './session.ts';
import type { Waiter } from './waiters.ts';

/** Until a client with too many waits may try again, in ms. */
const TOO_MANY_RETRY_MS = 1_000;

/** One wait. It is open until it was answered or abandoned, whichever comes first. */
export class ResultWait implements Waiter {
  readonly #session: Session;
  readonly #requestId: number;
  readonly #number: number;
  #open = true;

  constructor(session: Session, requestId: number, number: number) {
    this.#session = session;
    this.#requestId = requestId;
    this.#number = number;
    session.waits.set(requestId, this);
  }

  get open(): boolean {
    return this.#open;
  }

  isFor(number: number): boolean {
    return this.#number === number;
  }

  ended(task: TaskView | undefined): void {
    const isOwn = task !== undefined && task.namespace === this.#session.namespace;
    if (isOwn) this.#answer(resultFrame(this.#requestId, task));
    else this.#answer(errorFrame(this.#requestId, 'NOT_FOUND', NOT_FOUND_WORDS));
  }

  leaderGone(): void {
    if (this.#close()) this.#session.refuseNotLeader(this.#requestId);
  }

  unreadable(error: unknown): void {
    this.#answer(unreadableFrame(this.#session, this.#requestId, error));
  }

  /** Nobody waits any more: the request is never answered, and does not count as unanswered either. */
  abandon(): void {
    if (this.#close()) this.#session.forgetUnanswered();
  }

  #answer(frame: AnswerFrame): void {
    if (this.#close()) this.#session.answer(frame);
  }

  #close(): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#session.waits.delete(this.#requestId);
    this.#session.context.waiters.remove(this.#number, this);
    return true;
  }
}

/** The end of a task, now or later. */
export function awaitResult(session: Session, frame: AwaitResultFrame): void {
  const { requestId } = frame;
  const number = taskNumber(frame.task);
  const { waiters, options, peer } = session.context;
  const before = session.waits.get(requestId);
  if (before !== undefined) {
    // A client that lost sight of the leader, and found it where it was, asks again: the first asking is answered.
    if (before.isFor(number)) return session.forgetUnanswered();
    return session.refuse(requestId, 'INVALID_ARGUMENT', 'this request id already waits for another task');
  }
  if (!peer.isLeader) return session.refuseNotLeader(requestId);
  if (session.waits.size >= options.limits.connectionWaitsMax || waiters.isFull) {
    const words = 'too many waits for results; wait for fewer at a time';
    return session.refuse(requestId, 'TOO_MANY_REQUESTS', words, { retryAfterMs: TOO_MANY_RETRY_MS });
  }
  const wait = new ResultWait(session, requestId, number);
  waiters.add(number, wait);
  peer.read((result) => {
    if (result === 'not-leader') wait.leaderGone();
    else if (wait.open) void look(session, number, wait);
  });
}

/** Looks whether the task has ended already, or is none of ours. */
async function look(session: Session, number: number, wait: ResultWait): Promise<void> {
  try {
    const task = await ownTask(session, number);
    if (task === undefined || task.finishedAtMs !== undefined) wait.ended(task);
  } catch (error) {
    session.context.ports.logger.error('the end of a task cannot be read', { error: String(error) });
    wait.unreadable(error);
  }
}
