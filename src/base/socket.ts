/**
 * The port to the network: whole messages over connections. WebSockets implement it in the product, the simulated network
 * in `sim/`. A connection delivers in order and without gaps until it ends; what was on the way when it ended is lost.
 */

/** Why a connection ended. Codes are those of RFC 6455 §7.4; 1006 stands for an end without a closing frame. */
export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

/** Above this many waiting bytes the owner of a socket had better hold back; it hears `drained` when it may go on. */
export const DRAIN_HIGH_BYTES: number = 1024 * 1024;

/** The mark at which `drained` is told. */
export const DRAIN_LOW_BYTES: number = 512 * 1024;

/** Set once by the owner of a socket, in the same event in which it received the socket. */
export interface SocketHandlers {
  /** One whole binary message. The bytes belong to the receiver. */
  message(bytes: Uint8Array): void;
  /** The end; called once, also after the own `close`. Nothing follows. */
  closed(close: SocketClose): void;
  /** `bufferedBytes` fell to `DRAIN_LOW_BYTES` or below, after a `send` had brought it above `DRAIN_HIGH_BYTES`. */
  drained?(): void;
}

/** One open connection. It belongs to whoever received it, who calls `handle` before anything else. */
export interface Socket {
  /** What the other end is called in logs: an address and port. */
  readonly remote: string;
  /** Bytes handed to `send` that the network has not taken. */
  readonly bufferedBytes: number;
  handle(handlers: SocketHandlers): void;
  /** The other end has proved itself: a bound that its listener set on what a stranger may send holds no more. */
  trusted?(): void;
  /** Queues one message. Silent when the socket is closing or closed. The caller does not touch `bytes` again. */
  send(bytes: Uint8Array): void;
  /** Asks for an orderly end. */
  close(code: number, reason: string): void;
  /** Ends at once without waiting for the other side. */
  terminate(): void;
  /** Stops and resumes reading, so that a fast sender meets the network's own back-pressure. */
  pause(): void;
  resume(): void;
}

/**
 * How a dial went wrong. `refused`: something answered at once that nobody listens or cut the connection, which is what a
 * killed process looks like. `rejected`: an HTTP answer instead of an upgrade, with its status. `timeout`: silence.
 */
export type DialFailure =
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'timeout'; readonly message: string };

/** How to open one connection. */
export interface DialOptions {
  /** Milliseconds until the dial fails with `timeout`. */
  readonly timeoutMs: number;
  /** Largest message accepted from the other end. */
  readonly maxMessageBytes: number;
  /** Sent as `Authorization: Bearer` with the upgrade request. */
  readonly token?: string;
  /** The subprotocol to ask for (RFC 6455 §1.9). */
  readonly protocol: string;
}

/** Who hears how a dial ended. */
export interface DialHandlers {
  opened(socket: Socket): void;
  failed(failure: DialFailure): void;
}

/** Opens connections. `url` is `ws://host:port/path`. Exactly one handler is called, once, never within the call itself. */
export interface Dialer {
  dial(url: string, options: DialOptions, handlers: DialHandlers): void;
}

/** Accepts connections at an address that was given to its implementation. */
export interface Listener {
  /** Starts accepting. @throws when the address is taken or not ours. */
  listen(accepted: (socket: Socket) => void): Promise<void>;
  /** Stops accepting; sockets that are open stay open. */
  close(): Promise<void>;
}
