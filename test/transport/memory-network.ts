import { assert } from '../../src/base/assert.ts';
import type { Clock, Timer, Timers } from '../../src/base/clock.ts';
import { Heap } from '../../src/base/heap.ts';
import {
  type Dialer,
  type DialHandlers,
  type DialOptions,
  DRAIN_HIGH_BYTES,
  DRAIN_LOW_BYTES,
  type Listener,
  type Socket,
  type SocketClose,
  type SocketHandlers,
} from '../../src/base/socket.ts';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
  cancelled: boolean;
}

/** Time that passes only when somebody asks for the next event. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 0;
  #order = 0;
  readonly #events = new Heap<Event>((left, right) => left.atMs - right.atMs || left.order - right.order);

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs);
  }

  after(delayMs: number, action: () => void): Timer {
    const event: Event = { atMs: this.#nowMs + delayMs, order: this.#order, action, cancelled: false };
    this.#order += 1;
    this.#events.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  soon(action: () => void): void {
    this.after(0, action);
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.#events.pop();
    if (event === undefined) return false;
    assert(event.atMs >= this.#nowMs, 'time does not go back');
    this.#nowMs = event.atMs;
    if (!event.cancelled) event.action();
    return true;
  }

  /** Runs everything that is due within `ms`. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#events.peek(); next !== undefined && next.atMs <= untilMs; next = this.#events.peek())
      this.step();
    this.#nowMs = untilMs;
  }
}

const LATENCY_MS = 1;

/**
 * A network in memory: listeners by URL, sockets in pairs, a latency, and a rate at which bytes cross. Bytes are copied on the
 * way, as a real one would.
 */
export class MemoryNetwork implements Dialer {
  readonly #time: VirtualTime;
  readonly #listeners: Map<string, (socket: Socket) => void> = new Map();
  /** Addresses where nothing answers: dials hang, and what is sent to open connections waits. */
  readonly #silent: Set<string> = new Set();
  /** Bytes a millisecond on one connection in one direction. */
  bytesPerMs = 1_000_000;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get time(): VirtualTime {
    return this.#time;
  }

  listener(url: string, maxMessageBytes: number): Listener {
    return {
      listen: (accepted) => {
        if (this.#listeners.has(url)) return Promise.reject(new Error(`${url} is taken`));
        this.#listeners.set(url, (socket) => {
          assert(socket instanceof MemorySocket, 'the network makes the sockets');
          socket.maxMessageBytes = maxMessageBytes;
          accepted(socket);
        });
        return Promise.resolve();
      },
      close: () => {
        this.#listeners.delete(url);
        return Promise.resolve();
      },
    };
  }

  /** From now on `url` neither answers nor takes what is sent to it, without any connection ending. */
  silence(url: string): void {
    this.#silent.add(url);
  }

  /** Ends the silence; what waited arrives. */
  hear(url: string): void {
    this.#silent.delete(url);
  }

  isSilent(url: string): boolean {
    return this.#silent.has(url);
  }

  dial(url: string, options: DialOptions, handlers: DialHandlers): void {
    if (this.#silent.has(url)) {
      this.#time.after(options.timeoutMs, () => handlers.failed({ kind: 'timeout', message: `no answer from ${url}` }));
      return;
    }
    this.#time.after(LATENCY_MS, () => {
      const accept = this.#listeners.get(url);
      if (accept === undefined) {
        handlers.failed({ kind: 'refused', message: `nobody listens at ${url}` });
        return;
      }
      const near = new MemorySocket(this, url, `dialer of ${url}`);
      const far = new MemorySocket(this, url, `acceptor of ${url}`);
      near.maxMessageBytes = options.maxMessageBytes;
      near.pair(far);
      far.pair(near);
      accept(far);
      this.#time.after(LATENCY_MS, () => handlers.opened(near));
    });
  }
}

/** One end of a connection in memory. */
class MemorySocket implements Socket {
  readonly remote: string;
  maxMessageBytes = Number.MAX_SAFE_INTEGER;
  readonly #network: MemoryNetwork;
  readonly #url: string;
  #other: MemorySocket | undefined;
  #handlers: SocketHandlers | undefined;
  #bufferedBytes = 0;
  /** What is crossing, in order. */
  readonly #line: (() => void)[] = [];
  /** When the line is free again. */
  #freeAtMs = 0;
  #full = false;
  #paused = false;
  /** Arrived but not delivered: before the owner took the socket, or while it is paused. */
  readonly #arrived: (() => void)[] = [];
  #state: 'open' | 'closing' | 'closed' = 'open';

  constructor(network: MemoryNetwork, url: string, remote: string) {
    this.#network = network;
    this.#url = url;
    this.remote = remote;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  pair(other: MemorySocket): void {
    this.#other = other;
  }

  handle(handlers: SocketHandlers): void {
    this.#handlers = handlers;
    this.#network.time.soon(() => this.#deliver());
  }

  send(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    const copy = new Uint8Array(bytes);
    this.#bufferedBytes += copy.length;
    if (this.#bufferedBytes > DRAIN_HIGH_BYTES) this.#full = true;
    this.#cross(copy.length, () => {
      this.#bufferedBytes -= copy.length;
      this.#other?.arrive(() => this.#other?.receive(copy));
      if (this.#full && this.#bufferedBytes <= DRAIN_LOW_BYTES && this.#state === 'open') {
        this.#full = false;
        this.#handlers?.drained?.();
      }
    });
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#cross(0, () => {
      this.#other?.arrive(() => this.#other?.end({ code, reason }));
      this.#network.time.after(LATENCY_MS, () => this.end({ code, reason }));
    });
  }

  terminate(): void {
    if (this.#state === 'closed') return;
    this.#network.time.soon(() => this.end({ code: 1006, reason: '' }));
    this.#state = 'closing';
    const other = this.#other;
    this.#whenHeard(() => this.#network.time.after(LATENCY_MS, () => other?.end({ code: 1006, reason: '' })));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  arrive(event: () => void): void {
    this.#arrived.push(event);
    this.#deliver();
  }

  receive(bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    if (bytes.length > this.maxMessageBytes) {
      this.close(1009, 'the message is too long');
      return;
    }
    this.#handlers?.message(bytes);
  }

  end(close: SocketClose): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#bufferedBytes = 0;
    // An end before the owner took the socket is told as soon as it has.
    if (this.#handlers === undefined) this.#arrived.push(() => this.#handlers?.closed(close));
    else this.#handlers.closed(close);
  }

  #deliver(): void {
    while (!this.#paused && this.#handlers !== undefined) {
      const event = this.#arrived.shift();
      if (event === undefined) return;
      event();
    }
  }

  /** Does `action` when `sizeBytes` have crossed behind everything that was sent before. */
  #cross(sizeBytes: number, action: () => void): void {
    const { time, bytesPerMs } = this.#network;
    this.#freeAtMs = Math.max(this.#freeAtMs, time.monotonicMs()) + sizeBytes / bytesPerMs;
    this.#line.push(action);
    time.after(this.#freeAtMs - time.monotonicMs() + LATENCY_MS, () => this.#oneCrosses());
  }

  /** The first of the line is let out, once both ends are heard. */
  #oneCrosses(): void {
    this.#whenHeard(() => {
      const action = this.#line.shift();
      if (this.#state !== 'closed') action?.();
    });
  }

  /** Waits while one end of the line is silent. */
  #whenHeard(action: () => void): void {
    if (!this.#network.isSilent(this.#url)) action();
    else this.#network.time.after(LATENCY_MS, () => this.#whenHeard(action));
  }
}
