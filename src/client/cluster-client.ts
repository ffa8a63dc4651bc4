/** The common ground of `Client` and the operator's calls: links to all peers, requests to the leader, and one peer's facts. */
import type { RequestFrame } from '../protocol/client-frame.ts';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from '../protocol/request-rules.ts';
import type { AbortFrame, AnswerFrame, AssignFrame, ServerFrame, WelcomeFrame } from '../protocol/server-frame.ts';
import { ClusterLinks } from './cluster-links.ts';
import { TaskraftError } from './errors.ts';
import type { PeerLink } from './peer-link.ts';
import type { ClientPorts, Connection } from './ports.ts';
import { Requests } from './requests.ts';

/** A request that is asked and answered. */
export interface Ask {
  make(requestId: number): RequestFrame;
  readonly timeoutMs: number;
  readonly changes: boolean;
  readonly once?: boolean;
  readonly advice?: string;
  readonly only?: PeerLink;
  readonly anywhere?: boolean;
}

/** Who hears what is not an answer. */
export interface ClusterObserver {
  /** The open link to the leader of `term`, before waiting requests go there; undefined while there is none. */
  leaderChanged(link: PeerLink | undefined, term: number): void;
  /** That leader says itself that it serves, and had been told of before. */
  leaderServes(link: PeerLink): void;
  welcomed?(welcome: WelcomeFrame): void;
  /** `assign` or `abort`. */
  pushed?(link: PeerLink, frame: AssignFrame | AbortFrame): void;
  beatAnswered?(link: PeerLink, sentAtMs: number, term: number): void;
  /** An attempt to open a connection failed; `hopeless` when all peers refuse in a way that waiting does not mend. */
  failed?(error: TaskraftError, hopeless: boolean): void;
}

/** Links to all peers, requests over them, and what the last welcome said. */
export class ClusterClient {
  readonly ports: ClientPorts;
  readonly connection: Connection;
  readonly links: ClusterLinks;
  readonly requests: Requests;
  readonly #observer: ClusterObserver;
  /** Of the latest welcome. */
  #limits: WireLimits = DEFAULT_WIRE_LIMITS;
  /** Why the latest attempt to open a link failed, for whoever waits in vain. */
  #lastFailure: string | undefined;
  #welcome: WelcomeFrame | undefined;
  /** Those who wait for the first welcome. */
  readonly #waiting: ((error: TaskraftError | undefined) => void)[] = [];
  /** URLs whose last attempt was refused in a way that waiting does not mend. */
  readonly #refused = new Set<string>();

  constructor(role: 'client' | 'worker', connection: Connection, ports: ClientPorts, observer: ClusterObserver) {
    this.ports = ports;
    this.connection = connection;
    this.#observer = observer;
    this.links = new ClusterLinks(role, connection, ports, {
      opened: (link, welcome) => {
        this.#welcomed(welcome);
        this.requests.linkOpened(link);
      },
      leaderChanged: (link, term) => {
        observer.leaderChanged(link, term);
        this.requests.leaderChanged();
      },
      leaderServes: (link) => {
        observer.leaderServes(link);
        this.requests.leaderServes();
      },
      frame: (link, frame) => this.#frame(link, frame),
      beatAnswered: (link, sentAtMs, term) => observer.beatAnswered?.(link, sentAtMs, term),
      closed: (link) => this.requests.linkClosed(link),
      failed: (link, error) => this.#failed(link, error),
    });
    this.requests = new Requests(this.links, ports);
  }

  /** What the cluster accepts; the defaults before the first welcome. */
  get limits(): WireLimits {
    return this.#limits;
  }

  /** The latest welcome. */
  get welcome(): WelcomeFrame | undefined {
    return this.#welcome;
  }

  /** Resolves with the first welcome of any peer. @throws TaskraftError UNAVAILABLE, UNAUTHORIZED, FORBIDDEN, UNSUPPORTED_VERSION */
  connect(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = this.ports.timers.after(timeoutMs, () => {
        const urls = this.connection.urls.join(', ');
        const why = this.#lastFailure === undefined ? '.' : `: ${this.#lastFailure}`;
        settle(new TaskraftError('UNAVAILABLE', `No peer answered within ${timeoutMs} ms at ${urls}${why}`));
      });
      const settle = (error: TaskraftError | undefined): void => {
        deadline.cancel();
        const at = this.#waiting.indexOf(settle);
        if (at >= 0) this.#waiting.splice(at, 1);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#waiting.push(settle);
      this.links.start();
    });
  }

  /** Asks, and resolves with the answer. @throws TaskraftError */
  ask(ask: Ask): Promise<AnswerFrame> {
    return new Promise((resolve, reject) => {
      this.requests.add({
        ...ask,
        done: (answer) => {
          if (answer instanceof TaskraftError) reject(answer);
          else resolve(answer);
        },
      });
    });
  }

  /** Ends all connections and everything that waits. */
  close(): void {
    this.requests.close();
    this.links.close();
    for (const settle of this.#waiting.splice(0)) settle(new TaskraftError('CLOSED', 'The client was closed.'));
  }

  #welcomed(welcome: WelcomeFrame): void {
    const [payloadBytes, headerBytes, errorBytes, batchTasks, batchBytes, frameBytes] = welcome.limits;
    this.#limits = { payloadBytes, headerBytes, errorBytes, batchTasks, batchBytes, frameBytes };
    this.#welcome = welcome;
    this.#refused.clear();
    for (const settle of this.#waiting.splice(0)) settle(undefined);
    this.#observer.welcomed?.(welcome);
  }

  #failed(link: PeerLink, error: TaskraftError): void {
    this.requests.linkClosed(link);
    this.#lastFailure = error.message;
    // Another peer may still accept us; when all refuse, waiting is no use.
    if (error.retryable) this.#refused.delete(link.url);
    else this.#refused.add(link.url);
    const hopeless = !error.retryable && this.links.all.every((each) => this.#refused.has(each.url));
    if (hopeless) for (const settle of this.#waiting.splice(0)) settle(error);
    this.#observer.failed?.(error, hopeless);
  }

  #frame(link: PeerLink, frame: ServerFrame): void {
    if (frame.type === 'assign' || frame.type === 'abort') this.#observer.pushed?.(link, frame);
    else if ('requestId' in frame) this.requests.answered(link, frame);
  }
}
