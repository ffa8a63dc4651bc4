/**
 * The bond between a worker and the leader: attached anew in every term and on every connection, and held by a lease that
 * heartbeats renew.
 *
 * ```
 *   apart ──leader's link open──▶ attaching ──attached──▶ attached
 *     ▲  ▲                            │refused for now: again  │
 *     │  └────────────────────────────┘                        │
 *     └──────────── connection ended, new leader, new term ────┘
 * ```
 *
 * The lease goes on through all of it: it ends only when no renewal was heard for 90 % of its length on the own monotonic
 * clock, counted from when the renewed beat was sent. Then the handlers stop. The cluster gives a silent worker up sooner and may
 * have placed its tasks anew by then: for some seconds two handlers of one task may run, and the fencing token tells them apart.
 */
import type { Timer } from '../base/clock.ts';
import type { AttachFrame } from '../protocol/client-frame.ts';
import type { AnswerFrame, AttachedFrame } from '../protocol/server-frame.ts';
import type { ClusterClient } from './cluster-client.ts';
import { TaskraftError } from './errors.ts';
import type { PeerLink } from './peer-link.ts';

const ATTACH_TIMEOUT_MS = 5000;
const ATTACH_RETRY_MS = 50;
const ID_IN_USE_RETRY_MS = 1000;
const LEASE_MS_DEFAULT = 15_000;
/** Part of the lease after which a worker that could not renew stops its handlers. */
const FENCE_AFTER = 0.9;

/** What the bond needs of the worker. */
export interface AttachmentOwner {
  attachFrame(requestId: number): AttachFrame;
  /** The leader of `frame.term` has this worker. */
  attached(link: PeerLink, frame: AttachedFrame): void;
  /** It has it no more: nothing is sent until the next `attached`. */
  detached(): void;
  /** The lease could not be renewed in time. */
  fenced(): void;
  /** The cluster refuses this worker for good. */
  refused(error: TaskraftError): void;
}

/** The bond of one worker. */
export class WorkerAttachment {
  readonly #client: ClusterClient;
  readonly #owner: AttachmentOwner;
  #link: PeerLink | undefined;
  #term = 0;
  #phase: 'apart' | 'attaching' | 'attached' = 'apart';
  #leaseMs = LEASE_MS_DEFAULT;
  /** When the last answered beat or attach was sent. Undefined when there is no lease. */
  #renewedAtMs: number | undefined;
  #fence: Timer | undefined;
  /** Set while a refused attach waits. */
  #retry: Timer | undefined;
  #idInUseSinceMs: number | undefined;

  constructor(client: ClusterClient, owner: AttachmentOwner) {
    this.#client = client;
    this.#owner = owner;
  }

  /** The link on which the worker is attached. */
  get link(): PeerLink | undefined {
    return this.#phase === 'attached' ? this.#link : undefined;
  }

  /** As `welcome` told it. */
  set leaseMs(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** There is another leader, another connection to it, or none. */
  leaderChanged(link: PeerLink | undefined, term: number): void {
    const wasAttached = this.#phase === 'attached';
    this.#phase = 'apart';
    this.#link = link;
    this.#term = term;
    this.#retry?.cancel();
    this.#retry = undefined;
    if (wasAttached) this.#owner.detached();
    if (link !== undefined) this.#attach(link);
  }

  /** The leader, told of before, says that it serves: an attach that it refused for now need not wait. */
  leaderServes(link: PeerLink): void {
    if (this.#phase !== 'attaching' || this.#link !== link || this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    this.#attach(link);
  }

  /** Whether a frame that only a leader sends comes from the one that this worker deals with. */
  accepts(link: PeerLink, term: number): boolean {
    return this.#phase !== 'apart' && link === this.#link && term === this.#term;
  }

  /** A beat that was sent at `sentAtMs` has been answered on `link`. */
  beatAnswered(link: PeerLink, sentAtMs: number, term: number): void {
    if (this.#phase === 'attached' && this.accepts(link, term)) this.#renewed(sentAtMs);
  }

  /** Ends the bond on this side. */
  close(): void {
    this.#phase = 'apart';
    this.#link = undefined;
    this.#renewedAtMs = undefined;
    this.#retry?.cancel();
    this.#fence?.cancel();
  }

  #attach(link: PeerLink): void {
    this.#phase = 'attaching';
    const term = this.#term;
    const sentAtMs = this.#client.ports.clock.monotonicMs();
    this.#client.requests.add({
      make: (requestId) => this.#owner.attachFrame(requestId),
      timeoutMs: ATTACH_TIMEOUT_MS,
      changes: false,
      only: link,
      done: (answer) => {
        if (this.#phase === 'attaching' && this.accepts(link, term)) this.#answered(link, sentAtMs, answer);
      },
    });
  }

  #answered(link: PeerLink, sentAtMs: number, answer: AnswerFrame | TaskraftError): void {
    if (answer instanceof TaskraftError) {
      this.#refused(link, answer);
      return;
    }
    if (answer.type !== 'attached') {
      this.#owner.refused(new TaskraftError('INTERNAL', 'The peer answered something else.'));
      return;
    }
    const term = this.#term;
    if (answer.term !== term) {
      // Who answers leads that term. A newer one than known makes this attach anew in it; an older one is over.
      this.#client.links.learn(link, answer.term, [link.peer ?? '', link.url]);
      if (this.#phase === 'attaching' && this.accepts(link, term)) this.#again(link, ATTACH_RETRY_MS);
      return;
    }
    this.#phase = 'attached';
    this.#idInUseSinceMs = undefined;
    this.#renewed(sentAtMs);
    this.#owner.attached(link, answer);
  }

  #refused(link: PeerLink, error: TaskraftError): void {
    if (error.code === 'CLOSED') return;
    if (error.code === 'WORKER_ID_IN_USE') {
      // The old connection of a process that was restarted may not have been missed yet; one that lives is there for good.
      const nowMs = this.#client.ports.clock.monotonicMs();
      this.#idInUseSinceMs ??= nowMs;
      if (nowMs - this.#idInUseSinceMs < this.#leaseMs) {
        this.#again(link, ID_IN_USE_RETRY_MS);
        return;
      }
    }
    if (error.retryable) this.#again(link, error.retryAfterMs ?? ATTACH_RETRY_MS);
    else this.#owner.refused(error);
  }

  #again(link: PeerLink, delayMs: number): void {
    this.#retry?.cancel();
    this.#retry = this.#client.ports.timers.after(delayMs, () => {
      this.#retry = undefined;
      if (this.#phase === 'attaching' && this.#link === link && link.isOpen) this.#attach(link);
    });
  }

  #renewed(sentAtMs: number): void {
    if (this.#renewedAtMs !== undefined && sentAtMs <= this.#renewedAtMs) return;
    const isNew = this.#renewedAtMs === undefined;
    this.#renewedAtMs = sentAtMs;
    // One timer for the whole life of the lease: when it fires early it waits for the rest.
    if (isNew) this.#watch();
  }

  #watch(): void {
    if (this.#renewedAtMs === undefined) return;
    const leftMs = this.#renewedAtMs + this.#leaseMs * FENCE_AFTER - this.#client.ports.clock.monotonicMs();
    if (leftMs > 0) {
      this.#fence = this.#client.ports.timers.after(leftMs, () => this.#watch());
      return;
    }
    this.#renewedAtMs = undefined;
    this.#owner.fenced();
  }
}
