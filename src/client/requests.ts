/**
 * Requests without an answer yet. A request goes to the leader, again to each new leader and on each new connection, until
 * it is answered or its time is up. One that any peer can answer goes to any, again to another when that one ends. Answers find
 * their request by its id.
 *
 * Most requests may be repeated at any time: what they do is done once, or is the same when done twice. One that would undo what
 * somebody else did after its first execution is marked `once`: when a sending may have been executed it is not sent again, and who
 * asked hears `OUTCOME_UNKNOWN`.
 */
import type { Timer } from '../base/clock.ts';
import type { RequestFrame } from '../protocol/client-frame.ts';
import type { ErrorCode } from '../protocol/error-code.ts';
import type { AnswerFrame, ErrorFrame } from '../protocol/server-frame.ts';
import type { ClusterLinks } from './cluster-links.ts';
import { TaskraftError } from './errors.ts';
import type { PeerLink } from './peer-link.ts';
import type { ClientPorts } from './ports.ts';

/** Most requests of one client or worker without an answer. */
export const REQUESTS_MAX = 10_000;

/** Codes after which the same request is sent again by itself, and when, unless the refusal says so. */
const RETRY_MS: Readonly<Partial<Record<ErrorCode, number>>> = {
  NOT_LEADER: 50,
  NO_LEADER: 50,
  SHUTTING_DOWN: 50,
  OUTCOME_UNKNOWN: 50,
  OVERLOADED: 100,
  TOO_MANY_REQUESTS: 100,
  NOT_ATTACHED: 50,
  NOT_READY: 50,
  CHANGE_PENDING: 200,
};
/** Of these, what says for certain that the request changed nothing, and why: who asks is better off with that than with no answer. */
const REFUSES: ReadonlySet<ErrorCode> = new Set(['CHANGE_PENDING', 'OVERLOADED', 'TOO_MANY_REQUESTS']);
/**
 * A leader without room refuses a submission before it looks whether that is there already. After a sending of which nothing is known
 * this is no answer: the request is sent again after so long, in ms, until it is known.
 */
const NO_SPACE_RETRY_MS = 500;
const LEADS_NOT: ReadonlySet<ErrorCode> = new Set(['NOT_LEADER', 'NO_LEADER', 'SHUTTING_DOWN']);

/** Something to ask. */
export interface Request {
  /** Makes the frame, at every sending anew. */
  make(requestId: number): RequestFrame;
  /** Called once, with the answer or why there is none; `sends` is how often the request left. */
  done(answer: AnswerFrame | TaskraftError, sends: number): void;
  /** 0 waits for ever. */
  readonly timeoutMs: number;
  /** Whether it changes something, so that its outcome is unknown when it was sent and not answered. */
  readonly changes: boolean;
  /** It is not sent again after a sending that may have been executed. */
  readonly once?: boolean;
  /** A sentence for who hears `OUTCOME_UNKNOWN`: what to do then. */
  readonly advice?: string;
  /** Goes here and nowhere else; fails with `UNAVAILABLE` when the link ends, and passes retryable errors on. */
  readonly only?: PeerLink;
  /** Goes to any peer that can be reached, each time to the next one; not together with `only`. */
  readonly anywhere?: boolean;
}

interface Pending {
  readonly requestId: number;
  readonly request: Request;
  /** Where it was sent last and may still be answered. */
  link: PeerLink | undefined;
  sends: number;
  /** The last one; undefined before. */
  refusal: ErrorFrame | undefined;
  /** Some sending may have been executed. */
  doubtful: boolean;
  /** Waits before it is sent again. */
  retry: Timer | undefined;
  deadline: Timer | undefined;
}

/** The table of requests without an answer, at most REQUESTS_MAX. */
export class Requests {
  readonly #links: ClusterLinks;
  readonly #ports: ClientPorts;
  /** By request id, oldest first. At most REQUESTS_MAX. */
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  /** Counts what goes anywhere. */
  #turn = 0;
  #closed = false;

  constructor(links: ClusterLinks, ports: ClientPorts) {
    this.#links = links;
    this.#ports = ports;
  }

  /** Asks. Returns the request's id, or 0 when `done` was called with the refusal. */
  add(request: Request): number {
    if (this.#closed) {
      request.done(new TaskraftError('CLOSED', 'The client was closed.'), 0);
      return 0;
    }
    if (this.#pending.size >= REQUESTS_MAX) {
      const message = `At most ${REQUESTS_MAX} requests wait for answers at a time; wait for some of them.`;
      request.done(new TaskraftError('TOO_MANY_REQUESTS', message), 0);
      return 0;
    }
    this.#lastId += 1;
    const requestId = this.#lastId;
    const pending: Pending = {
      requestId,
      request,
      link: undefined,
      sends: 0,
      refusal: undefined,
      doubtful: false,
      retry: undefined,
      deadline: undefined,
    };
    this.#pending.set(requestId, pending);
    if (request.timeoutMs > 0) {
      pending.deadline = this.#ports.timers.after(request.timeoutMs, () => this.#timedOut(pending));
    }
    this.#send(pending);
    return requestId;
  }

  /** Forgets a request: `done` will not be called. Tells whether it was sent to where it now waits. */
  forget(requestId: number): PeerLink | undefined {
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return undefined;
    this.#remove(pending);
    return pending.link;
  }

  /** There is a new leader, or a new connection to it. */
  leaderChanged(): void {
    const leader = this.#links.leader;
    if (leader === undefined) return;
    for (const pending of Array.from(this.#pending.values())) {
      const { only, anywhere } = pending.request;
      if (only === undefined && anywhere !== true && pending.link !== leader) this.#send(pending);
    }
  }

  /** The leader did not serve before and does now: what it refused meanwhile need not wait. */
  leaderServes(): void {
    for (const pending of Array.from(this.#pending.values())) {
      if (pending.request.only === undefined && pending.retry !== undefined) this.#send(pending);
    }
  }

  /** What may go to no other link than this one can leave now, and what waited for any. */
  linkOpened(link: PeerLink): void {
    for (const pending of Array.from(this.#pending.values())) {
      const { only, anywhere } = pending.request;
      const waits = anywhere === true && pending.link === undefined && pending.retry === undefined;
      if (only === link || waits) this.#send(pending);
    }
  }

  /** What was sent on `link` will not be answered there, or it cannot be opened. */
  linkClosed(link: PeerLink): void {
    for (const pending of Array.from(this.#pending.values())) {
      if (pending.link === link) pending.doubtful = true;
      if (pending.link !== link && pending.request.only !== link) continue;
      const wasSent = pending.link === link;
      pending.link = undefined;
      if (pending.request.only !== undefined) {
        this.#settle(pending, new TaskraftError('UNAVAILABLE', 'The peer cannot be reached.'));
      } else if (wasSent && pending.request.once === true) this.#settle(pending, unknownOutcome(pending.request));
      else if (pending.request.anywhere === true) this.#send(pending);
    }
  }

  /** An answer arrived. One that nobody waits for any more is dropped. */
  answered(link: PeerLink, frame: AnswerFrame): void {
    const pending = this.#pending.get(frame.requestId);
    if (pending === undefined) return;
    if (frame.type !== 'error') {
      this.#settle(pending, frame);
      return;
    }
    if (pending.link !== link) return;
    pending.link = undefined;
    if (frame.code === 'OUTCOME_UNKNOWN') {
      pending.doubtful = true;
      if (pending.request.once === true) return this.#settle(pending, unknownOutcome(pending.request));
    }
    pending.refusal = frame;
    const afterMs = this.#retryDelay(pending, link, frame);
    if (afterMs === undefined || pending.request.only !== undefined) this.#settle(pending, errorOf(frame));
    // Hearing who leads may have sent it there already.
    else if (pending.link === undefined) {
      pending.retry?.cancel();
      pending.retry = this.#ports.timers.after(afterMs, () => this.#send(pending));
    }
  }

  /** Ends everything that waits with `CLOSED`. */
  close(): void {
    this.#closed = true;
    for (const pending of Array.from(this.#pending.values())) {
      this.#settle(pending, new TaskraftError('CLOSED', 'The client was closed.'));
    }
  }

  /** How long to wait before sending again what `frame` refused; undefined when the refusal stands. */
  #retryDelay(pending: Pending, link: PeerLink, frame: ErrorFrame): number | undefined {
    if (LEADS_NOT.has(frame.code)) this.#links.notLeader(link, frame.leader);
    const isDoubtful = pending.doubtful && frame.code === 'NO_SPACE';
    const defaultMs = isDoubtful ? NO_SPACE_RETRY_MS : RETRY_MS[frame.code];
    return defaultMs === undefined ? undefined : (frame.retryAfterMs ?? defaultMs);
  }

  #send(pending: Pending): void {
    const link = pending.request.only ?? (pending.request.anywhere === true ? this.#anyLink() : this.#links.leader);
    pending.retry?.cancel();
    pending.retry = undefined;
    if (link === undefined || !link.isOpen) return;
    // Where it was sent before it is not answered yet, and will be, or that connection ends.
    if (pending.link !== undefined && pending.request.once === true) return;
    if (pending.link !== undefined) pending.doubtful = true;
    pending.link = link;
    pending.sends += 1;
    link.send(pending.request.make(pending.requestId));
  }

  /** The next link in turn that is open. */
  #anyLink(): PeerLink | undefined {
    const open = this.#links.all.filter((link) => link.isOpen);
    this.#turn += 1;
    return open[this.#turn % Math.max(1, open.length)];
  }

  #timedOut(pending: Pending): void {
    const { request, sends } = pending;
    if (sends === 0) {
      this.#settle(
        pending,
        new TaskraftError(
          'UNAVAILABLE',
          request.anywhere === true
            ? 'No peer could be reached in time; nothing was sent.'
            : 'No leader could be reached in time; nothing was sent.',
        ),
      );
    } else if (request.changes && isRefused(pending)) {
      this.#settle(pending, errorOf(pending.refusal));
    } else if (request.changes) {
      this.#settle(pending, unknownOutcome(request));
    } else this.#settle(pending, new TaskraftError('TIMEOUT', 'No answer in time.'));
  }

  #settle(pending: Pending, answer: AnswerFrame | TaskraftError): void {
    this.#remove(pending);
    pending.request.done(answer, pending.sends);
  }

  #remove(pending: Pending): void {
    this.#pending.delete(pending.requestId);
    pending.retry?.cancel();
    pending.deadline?.cancel();
  }
}

/** True when it is certain that a request was not executed, wherever it was sent, and why not. */
function isRefused(pending: Pending): pending is Pending & { readonly refusal: ErrorFrame } {
  const { link, doubtful, refusal } = pending;
  return link === undefined && !doubtful && refusal !== undefined && REFUSES.has(refusal.code);
}

function unknownOutcome({ advice }: Request): TaskraftError {
  const words = advice ?? 'With a key it can be submitted again safely.';
  return new TaskraftError('OUTCOME_UNKNOWN', `No answer: whether it was executed is unknown. ${words}`);
}

/** What a refusal is for who asked. */
export function errorOf(frame: ErrorFrame): TaskraftError {
  return new TaskraftError(frame.code, frame.message, {
    ...(frame.retryAfterMs === null ? {} : { retryAfterMs: frame.retryAfterMs }),
    ...(frame.position === null ? {} : { position: frame.position }),
  });
}
