import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { assert } from '../base/assert.ts';
import { DRAIN_HIGH_BYTES, DRAIN_LOW_BYTES, type Socket, type SocketHandlers } from '../base/socket.ts';

/** RFC 6455 §5.5: a control frame carries 125 bytes, two of them the code. */
const REASON_BYTES_MAX = 123;
const UNSUPPORTED_DATA = 1003;

/** Less than a packet of the narrowest line carries, and so than one read from a connection that is busy. */
const CHUNK_BYTES_LEAST = 512;
/** Chunks of a message that need not come from a full packet. */
const CHUNKS_SPARE = 4_096;

/** What a WebSocket of ours is made with, whichever end it is. */
export interface WsLimits {
  readonly perMessageDeflate: false;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly maxPayload: number;
  readonly skipUTF8Validation: false;
  /** In ms. */
  readonly closeTimeout: number;
}

/** The limits of a WebSocket that takes messages of at most `maxMessageBytes`. */
export function wsLimits(maxMessageBytes: number): WsLimits {
  return {
    // Payloads are small or packed already, and inflating what a stranger sent costs memory that he chooses.
    perMessageDeflate: false,
    // Our own ends never fragment; a few are allowed for proxies that do.
    maxFragments: 64,
    // The largest message must come through however small the pieces are in which the network hands it over: one that never
    // does is sent again and again, and an entry of the log with all behind it would never reach a peer.
    maxBufferedChunks: CHUNKS_SPARE + Math.ceil(maxMessageBytes / CHUNK_BYTES_LEAST),
    maxPayload: maxMessageBytes,
    skipUTF8Validation: false,
    closeTimeout: 5_000,
  };
}

/** A `Socket` over an open WebSocket of the `ws` package. Both ends of a connection look the same from here. */
export class WsSocket implements Socket {
  readonly remote: string;
  readonly #ws: WebSocket;
  /** The connection below, to write what one event sends in one piece. */
  readonly #stream: Duplex;
  #corked = false;
  readonly #uncork: () => void = () => {
    this.#corked = false;
    this.#stream.uncork();
  };
  #handlers: SocketHandlers | undefined;
  /** `bufferedBytes` went above the high mark and `drained` is owed. */
  #full = false;
  #closing = false;
  /** Counts what a stranger sends; absent once he is none, or where that is not bounded. */
  #counter: ((chunk: Uint8Array) => void) | undefined;
  /** One function for all messages: a closure for each would be garbage for each. */
  readonly #taken: () => void = () => this.#drain();

  /**
   * @param ws in the state OPEN, in the very event in which it opened.
   * @param stream the connection that it took over.
   * @param strangerBytesMax bytes that may come before `trusted` is called; more end the connection.
   */
  constructor(ws: WebSocket, stream: Duplex, remote: string, strangerBytesMax?: number) {
    assert(ws.readyState === ws.OPEN, 'a socket is made of a WebSocket that is open');
    this.remote = remote;
    this.#ws = ws;
    this.#stream = stream;
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    ws.on('close', (code, reason) => this.#closed(code, reason.toString('utf8')));
    // The close event that follows tells what there is to tell: a limit has a code of its own, a broken connection has 1006.
    ws.on('error', () => {});
    if (strangerBytesMax !== undefined) this.#count(strangerBytesMax);
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  handle(handlers: SocketHandlers): void {
    assert(this.#handlers === undefined, 'a socket is handled once');
    this.#handlers = handlers;
  }

  trusted(): void {
    if (this.#counter !== undefined) this.#stream.off('data', this.#counter);
    this.#counter = undefined;
  }

  send(bytes: Uint8Array): void {
    if (this.#closing || this.#ws.readyState !== this.#ws.OPEN) return;
    this.#cork();
    if (this.#ws.bufferedAmount + bytes.length <= DRAIN_HIGH_BYTES) {
      this.#ws.send(bytes);
      return;
    }
    // Every message above the mark asks to be told when it is gone, so the last one of them finds the buffer low.
    this.#full = true;
    this.#ws.send(bytes, this.#taken);
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#ws.close(code, cut(reason));
    // The other end's answer must be read, even by an owner that had stopped reading.
    this.#ws.resume();
  }

  terminate(): void {
    this.#closing = true;
    this.#ws.terminate();
  }

  pause(): void {
    if (!this.#closing) this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  /** Of the connection and not of messages: one that is announced as large would be gathered before anybody could look at it. */
  #count(bytesMax: number): void {
    let count = 0;
    this.#counter = (chunk) => {
      count += chunk.length;
      if (count <= bytesMax) return;
      this.trusted();
      this.terminate();
    };
    this.#stream.on('data', this.#counter);
  }

  #receive(data: RawData, isBinary: boolean): void {
    // What was on the way when we closed is not ours any more.
    if (this.#closing) return;
    if (!isBinary) {
      this.close(UNSUPPORTED_DATA, 'messages are binary');
      return;
    }
    assert(Buffer.isBuffer(data), 'a message comes as one buffer');
    // A plain view: `slice` of a Buffer would not copy, which is no property of ours to hand on.
    this.#handlers?.message(new Uint8Array(data.buffer, data.byteOffset, data.length));
  }

  /** Holds writes until the current event is over, so that its messages leave by one call of the system and not by one each. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#stream.cork();
    process.nextTick(this.#uncork);
  }

  #drain(): void {
    if (!this.#full || this.#closing || this.#ws.bufferedAmount > DRAIN_LOW_BYTES) return;
    this.#full = false;
    this.#handlers?.drained?.();
  }

  #closed(code: number, reason: string): void {
    this.#closing = true;
    this.#handlers?.closed({ code, reason });
  }
}

/** `reason` cut to what a closing frame carries, at the border of a character. */
function cut(reason: string): string {
  let end = reason.length;
  while (Buffer.byteLength(reason.slice(0, end)) > REASON_BYTES_MAX) end -= 1;
  return reason.slice(0, end);
}
