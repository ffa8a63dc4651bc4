import { DRAIN_HIGH_BYTES, DRAIN_LOW_BYTES } from '../../../src/base/socket.ts';
import type { Listener, Socket, SocketClose, SocketHandlers } from '../../../src/base/socket.ts';
import type { ClientFrame } from '../../../src/protocol/client-frame.ts';
import { decodeServerFrame, encodeClientFrame } from '../../../src/protocol/codec.ts';
import type { AnswerFrame, ServerFrame } from '../../../src/protocol/server-frame.ts';
import type { VirtualTime } from '../../support/virtual-time.ts';

type FrameOf<Type> = Extract<ServerFrame, { readonly type: Type }>;

/**
 * A connection to a server in memory, seen from the client. Both directions deliver in the order of sending, in events of
 * their own. The client can stop reading, which the server sees as bytes that wait, and the server can stop reading too.
 */
export class TestClient {
  readonly time: VirtualTime;
  readonly frames: ServerFrame[] = [];
  /** How the server ended the connection; undefined while it stands. */
  closed: SocketClose | undefined;
  /** Whether the server reads. */
  serverReads = true;
  /** What waits for the client, which does not read; undefined while it reads. */
  #unread: Uint8Array[] | undefined;
  #unreadBytes = 0;
  #wasFull = false;
  readonly #unheard: Uint8Array[] = [];
  #handlers: SocketHandlers | undefined;
  #lastRequestId = 0;
  #over = false;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  /** The server's end. */
  readonly socket: Socket = this.#serverEnd();

  #serverEnd(): Socket {
    const waiting = (): number => this.#unreadBytes;
    return {
      remote: 'test',
      get bufferedBytes() {
        return waiting();
      },
      handle: (handlers) => {
        this.#handlers = handlers;
      },
      send: (bytes) => {
        if (this.closed === undefined) this.#receive(bytes.slice());
      },
      close: (code, reason) => this.#closes(code, reason),
      terminate: () => this.#closes(1006, ''),
      pause: () => {
        this.serverReads = false;
      },
      resume: () => {
        this.serverReads = true;
        for (const bytes of this.#unheard.splice(0)) this.sendBytes(bytes);
      },
    };
  }

  sendBytes(bytes: Uint8Array): void {
    this.time.soon(() => {
      if (this.#over) return;
      if (this.serverReads) this.#handlers?.message(bytes);
      else this.#unheard.push(bytes);
    });
  }

  send(frame: ClientFrame): void {
    this.sendBytes(encodeClientFrame(frame));
  }

  /** Sends a request under an id of its own, which is given back. */
  request(make: (requestId: number) => ClientFrame): number {
    this.#lastRequestId += 1;
    this.send(make(this.#lastRequestId));
    return this.#lastRequestId;
  }

  /** Sends a request and waits for its answer. */
  async ask(make: (requestId: number) => ClientFrame): Promise<AnswerFrame> {
    return this.answerTo(this.request(make));
  }

  /** Waits for the answer to a request. */
  async answerTo(requestId: number): Promise<AnswerFrame> {
    await this.time.until(`an answer to request ${requestId}`, () => this.answersTo(requestId).length > 0);
    return this.answersTo(requestId)[0]!;
  }

  answersTo(requestId: number): AnswerFrame[] {
    return this.frames.filter((frame): frame is AnswerFrame => 'requestId' in frame && frame.requestId === requestId);
  }

  /** Frames of one type, in order. */
  all<Type extends ServerFrame['type']>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** Everything received since the last call. */
  take(): ServerFrame[] {
    return this.frames.splice(0);
  }

  async untilClosed(): Promise<SocketClose> {
    await this.time.until('the end of the connection', () => this.closed !== undefined);
    return this.closed!;
  }

  /** Takes nothing from now on. */
  stopReading(): void {
    this.#unread = [];
  }

  /** Takes what waits, at most `count` messages. */
  read(count: number = Number.POSITIVE_INFINITY): void {
    for (const bytes of (this.#unread ?? []).splice(0, count)) {
      this.#unreadBytes -= bytes.length;
      this.frames.push(decodeServerFrame(bytes));
    }
    if (!this.#wasFull || this.#unreadBytes > DRAIN_LOW_BYTES) return;
    this.#wasFull = false;
    this.time.soon(() => {
      if (!this.#over) this.#handlers?.drained?.();
    });
  }

  /** Takes what waits, and reads on. */
  resumeReading(): void {
    this.read();
    this.#unread = undefined;
  }

  /** The client ends the connection, or is gone. */
  close(): void {
    this.time.soon(() => this.#end({ code: 1000, reason: '' }));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#unread !== undefined) {
      this.#unread.push(bytes);
      this.#unreadBytes += bytes.length;
      if (this.#unreadBytes > DRAIN_HIGH_BYTES) this.#wasFull = true;
    } else this.frames.push(decodeServerFrame(bytes));
  }

  #closes(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    // What the client has sent by now still arrives: the closing frame is answered behind it.
    this.time.after(1, () => this.#end({ code, reason }));
  }

  #end(close: SocketClose): void {
    if (this.#over) return;
    this.#over = true;
    this.#handlers?.closed(close);
  }
}

/** Accepts `TestClient`s. */
export class TestListener implements Listener {
  readonly #time: VirtualTime;
  #accepted: ((socket: Socket) => void) | undefined;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  listen(accepted: (socket: Socket) => void): Promise<void> {
    this.#accepted = accepted;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#accepted = undefined;
    return Promise.resolve();
  }

  /** A new connection on which nothing was said. */
  dial(): TestClient {
    const client = new TestClient(this.#time);
    if (this.#accepted === undefined) throw new Error('nobody listens');
    this.#accepted(client.socket);
    return client;
  }
}
