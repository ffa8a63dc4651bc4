/**
 * A warm connection to one peer: dials, says hello, keeps the connection alive, and dials again after it ended.
 *
 * ```
 *   waiting ──dial──▶ dialing ──opened──▶ greeting ──welcome──▶ open
 *      ▲                 │failed             │ended               │ended
 *      └──── backoff ────┴───────────────────┴────────────────────┘      close() ends it in any state
 * ```
 */
import type { Timer } from '../base/clock.ts';
import { below } from '../base/random.ts';
import type { DialFailure, Socket } from '../base/socket.ts';
import type { ClientFrame } from '../protocol/client-frame.ts';
import { decodeServerFrame, encodeClientFrame } from '../protocol/codec.ts';
import { FRAME_BYTES_MAX } from '../protocol/limits.ts';
import { SUBPROTOCOL } from '../protocol/protocol.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { HeartbeatAckFrame, ServerFrame, WelcomeFrame } from '../protocol/server-frame.ts';
import { PROTOCOL_VERSION } from '../protocol/version.ts';
import { TaskraftError } from './errors.ts';
import type { ClientPorts, Connection } from './ports.ts';

const DIAL_TIMEOUT_MS = 2000;
const WELCOME_TIMEOUT_MS = 5000;
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 2000;
/** Beats without an answer after which the connection counts as dead. */
const MISSED_BEATS_MAX = 3;
const CLIENT_NAME = 'taskraft-sdk';
const CLIENT_VERSION = '0.1.0';

/** Who hears of a link. */
export interface PeerLinkHandlers {
  /** The peer has said welcome: frames may be sent until `closed`. */
  opened(link: PeerLink, welcome: WelcomeFrame): void;
  frame(link: PeerLink, frame: ServerFrame): void;
  /** A beat that was sent at `sentAtMs` of monotonic time has been answered. */
  beatAnswered(link: PeerLink, sentAtMs: number, term: number): void;
  /** A link that was open is not any more; it dials again by itself. */
  closed(link: PeerLink): void;
  /** An attempt to open failed; the link tries again by itself. */
  failed(link: PeerLink, error: TaskraftError): void;
}

/** The link to one peer: at most one connection at a time. */
export class PeerLink {
  /** Where this link dials. */
  readonly url: string;
  /** The peer at the other end: who it is said to be until it has said so itself; kept over reconnects. */
  peer: string | undefined;
  readonly #role: 'client' | 'worker';
  readonly #connection: Connection;
  readonly #ports: ClientPorts;
  readonly #handlers: PeerLinkHandlers;
  #socket: Socket | undefined;
  #open = false;
  #ended = false;
  #failures = 0;
  /** Why the peer ends a connection that is not open yet, as it said itself: that is told instead of the mere end. */
  #refusal: TaskraftError | undefined;
  /** Redial, welcome deadline or next beat, by state: one at a time. */
  #timer: Timer | undefined;
  #heartbeatMs = 3000;
  #beat = 0;
  #ackedBeat = 0;
  /** When each of the last beats was sent, at `beat % MISSED_BEATS_MAX`. */
  readonly #beatSentAtMs: number[] = [];

  constructor(
    url: string,
    role: 'client' | 'worker',
    connection: Connection,
    ports: ClientPorts,
    handlers: PeerLinkHandlers,
  ) {
    this.url = url;
    this.#role = role;
    this.#connection = connection;
    this.#ports = ports;
    this.#handlers = handlers;
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Bytes that the network has not taken yet. */
  get bufferedBytes(): number {
    return this.#socket?.bufferedBytes ?? 0;
  }

  /** Begins to dial. */
  start(): void {
    this.#dial();
  }

  /** Sends `frame` when the link is open; otherwise it is lost, as it would be a moment later. */
  send(frame: ClientFrame): void {
    if (this.#open) this.#socket?.send(encodeClientFrame(frame));
  }

  /** Ends the link for good. */
  close(): void {
    this.#ended = true;
    this.#timer?.cancel();
    const wasOpen = this.#open;
    this.#open = false;
    this.#socket?.close(1000, 'done');
    this.#socket = undefined;
    if (wasOpen) this.#handlers.closed(this);
  }

  #dial(): void {
    const { token } = this.#connection;
    const options = { timeoutMs: DIAL_TIMEOUT_MS, maxMessageBytes: FRAME_BYTES_MAX, protocol: SUBPROTOCOL };
    this.#ports.dialer.dial(this.url, token === undefined ? options : { ...options, token }, {
      opened: (socket) => this.#opened(socket),
      failed: (failure) => this.#retry(dialError(this.url, failure)),
    });
  }

  #opened(socket: Socket): void {
    if (this.#ended) {
      socket.handle({ message() {}, closed() {} });
      socket.close(1000, 'done');
      return;
    }
    this.#socket = socket;
    this.#refusal = undefined;
    socket.handle({
      message: (bytes) => {
        if (this.#socket === socket) this.#message(socket, bytes);
      },
      closed: (close) => {
        if (this.#socket === socket) this.#closed(`ended with ${close.code} ${close.reason}`);
      },
    });
    socket.send(
      encodeClientFrame({
        type: 'hello',
        protocolVersion: PROTOCOL_VERSION,
        role: this.#role,
        namespace: this.#connection.namespace,
        clientName: CLIENT_NAME,
        clientVersion: CLIENT_VERSION,
      }),
    );
    this.#after(WELCOME_TIMEOUT_MS, () => this.#drop('no welcome in time'));
  }

  #message(socket: Socket, bytes: Uint8Array): void {
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      socket.close(error.closeCode, error.code);
      this.#closed(error.message);
      return;
    }
    if (frame.type === 'heartbeatAck') this.#acked(frame);
    else if (frame.type === 'welcome') this.#welcomed(frame);
    else if (frame.type === 'error' && frame.requestId === 0) {
      this.#connection.logger.warn('the peer ends the connection', { url: this.url, code: frame.code });
      this.#refusal ??= new TaskraftError(frame.code, frame.message);
    } else if (this.#open) this.#handlers.frame(this, frame);
  }

  #welcomed(welcome: WelcomeFrame): void {
    if (this.#open) return;
    this.#open = true;
    this.#failures = 0;
    this.peer = welcome.peer;
    this.#heartbeatMs = Math.max(10, welcome.heartbeatMs);
    this.#beat = 0;
    this.#ackedBeat = 0;
    this.#after(this.#heartbeatMs, () => this.#sendBeat());
    this.#handlers.opened(this, welcome);
  }

  #sendBeat(): void {
    if (this.#beat - this.#ackedBeat >= MISSED_BEATS_MAX) {
      this.#drop('the peer does not answer');
      return;
    }
    this.#beat += 1;
    this.#beatSentAtMs[this.#beat % MISSED_BEATS_MAX] = this.#ports.clock.monotonicMs();
    this.send({ type: 'heartbeat', beat: this.#beat });
    this.#after(this.#heartbeatMs, () => this.#sendBeat());
  }

  #acked(frame: HeartbeatAckFrame): void {
    if (frame.beat <= this.#ackedBeat || frame.beat > this.#beat) return;
    this.#ackedBeat = frame.beat;
    const sentAtMs = this.#beatSentAtMs[frame.beat % MISSED_BEATS_MAX] as number;
    this.#handlers.beatAnswered(this, sentAtMs, frame.term);
  }

  #drop(why: string): void {
    this.#socket?.terminate();
    this.#closed(why);
  }

  #closed(why: string): void {
    this.#socket = undefined;
    if (this.#ended) return;
    const wasOpen = this.#open;
    this.#open = false;
    this.#connection.logger.debug('a connection ended', { url: this.url, why });
    if (wasOpen) {
      this.#backOff();
      this.#handlers.closed(this);
    } else this.#retry(this.#refusal ?? new TaskraftError('UNAVAILABLE', `${this.url} ${why}.`));
  }

  #retry(error: TaskraftError): void {
    if (this.#ended) return;
    this.#backOff();
    this.#handlers.failed(this, error);
  }

  /** Doubles from 20 ms to 2 s, each a random half to whole of it, so that clients of a peer that restarts do not come at once. */
  #backOff(): void {
    const wholeMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#after(wholeMs / 2 + below(this.#ports.random, Math.floor(wholeMs / 2) + 1), () => this.#dial());
  }

  #after(delayMs: number, action: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#ports.timers.after(delayMs, action);
  }
}

function dialError(url: string, failure: DialFailure): TaskraftError {
  if (failure.kind !== 'rejected') return new TaskraftError('UNAVAILABLE', failure.message);
  if (failure.status === 401) return new TaskraftError('UNAUTHORIZED', `${url} does not accept the token.`);
  if (failure.status === 403) return new TaskraftError('FORBIDDEN', `${url} refuses this client: ${failure.message}`);
  return new TaskraftError('UNAVAILABLE', `${url} answered ${failure.status}: ${failure.message}`);
}
