import { below } from '../src/base/random.ts';
import type { Socket } from '../src/base/socket.ts';
import { taskInfo } from '../src/client/task-info.ts';
import { decodeServerFrame, encodeClientFrame } from '../src/protocol/codec.ts';
import type { ClientFrame } from '../src/protocol/client-frame.ts';
import { FRAME_BYTES_MAX } from '../src/protocol/limits.ts';
import { SUBPROTOCOL } from '../src/protocol/protocol.ts';
import { ProtocolError } from '../src/protocol/protocol-error.ts';
import type { ServerFrame } from '../src/protocol/server-frame.ts';
import { parseTaskId } from '../src/protocol/task-id.ts';
import { PROTOCOL_VERSION } from '../src/protocol/version.ts';
import type { SimProcess } from './process.ts';
import { Program } from './program.ts';

/** Questions on one connection before the next peer is asked. */
const QUESTIONS_MAX = 12;

/** Between two questions, in ms. */
const PAUSE_MS_MAX = 400;

/** Between two connections, in ms. */
const AGAIN_MS_MAX = 500;

/** What was asked and is not answered. */
interface Question {
  readonly id: string;
  readonly stale: boolean;
  readonly askedUs: number;
  /** How far the state was in the newest answer before it was asked; what is asked at once may be answered in any order. */
  readonly after: number;
  /** The run of the peer in which it was asked. One that opens its directory anew begins from its disk, with connections that stand. */
  readonly run: number;
}

/**
 * A client on raw frames that looks at tasks on any peer, the leader or not, as the wire allows and the SDK does only where an answer
 * may be stale. Half of its questions want everything that was acknowledged before; the others take what the peer has.
 */
export class Reader extends Program {
  #socket: Socket | undefined;
  #requestId = 0;
  #isDone = false;
  /** By the number of the request. */
  readonly #asked = new Map<number, Question>();
  /** Who is asked. */
  #peer = '';
  /** How far the state was in the newest answer on this connection. */
  #index = 0;
  /** The run of the peer from which that was. */
  #run = 0;

  /** Ends for good. */
  leave(): void {
    this.#isDone = true;
    this.end();
  }

  protected override main(process: SimProcess): void {
    const { urls } = this.context;
    this.#connect(process, urls[below(process.random, urls.length)] as string);
  }

  protected override died(_process: SimProcess): void {
    this.#socket = undefined;
  }

  #connect(process: SimProcess, url: string): void {
    if (this.#isDone) return;
    this.#asked.clear();
    this.#index = 0;
    this.#peer = new URL(url).hostname;
    const again = (): void => {
      this.#socket = undefined;
      process.timers.after(50 + below(process.random, AGAIN_MS_MAX), () => this.main(process));
    };
    const options = { timeoutMs: 1_000, maxMessageBytes: FRAME_BYTES_MAX, protocol: SUBPROTOCOL };
    this.context.network.dialer(process).dial(url, options, {
      opened: (socket) => {
        this.#socket = socket;
        socket.handle({ message: (bytes) => this.#take(process, socket, bytes), closed: again });
        this.#send({
          type: 'hello',
          protocolVersion: PROTOCOL_VERSION,
          role: 'client',
          namespace: 'default',
          clientName: 'reader',
          clientVersion: '0',
        });
      },
      failed: again,
    });
  }

  #take(process: SimProcess, socket: Socket, bytes: Uint8Array): void {
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      socket.close(1002, 'garbled');
      return;
    }
    if (frame.type === 'welcome') this.#askOn(process, socket, QUESTIONS_MAX);
    else if (frame.type === 'task') this.#hear(frame);
    else if (frame.type === 'error' && frame.requestId !== null) this.#refused(frame.requestId, frame.code);
  }

  #askOn(process: SimProcess, socket: Socket, left: number): void {
    if (this.#socket !== socket) return;
    if (left === 0) {
      socket.close(1000, 'enough');
      return;
    }
    this.#ask(process);
    process.timers.after(1 + below(process.random, PAUSE_MS_MAX), () => this.#askOn(process, socket, left - 1));
  }

  #ask(process: SimProcess): void {
    const { world, ledger, visible } = this.context;
    const id = ledger.ids[below(process.random, Math.max(1, ledger.ids.length))];
    const parts = id === undefined ? undefined : parseTaskId(id);
    if (id === undefined || parts === undefined) return;
    this.#requestId += 1;
    const stale = below(process.random, 2) === 0;
    const run = visible.runOf(this.#peer);
    this.#asked.set(this.#requestId, {
      id,
      stale,
      askedUs: world.nowUs,
      after: run === this.#run ? this.#index : 0,
      run,
    });
    const task = [parts.group, parts.epoch, parts.number] as const;
    this.#send({ type: 'get', requestId: this.#requestId, task, stale });
  }

  #hear(frame: Extract<ServerFrame, { readonly type: 'task' }>): void {
    const question = this.#asked.get(frame.requestId);
    if (question === undefined) return;
    this.#asked.delete(frame.requestId);
    const { world, ledger, visible } = this.context;
    const { state } = taskInfo(frame.task);
    const number = parseTaskId(question.id)?.number ?? 0;
    const index = frame.index ?? 0;
    world.check(() => {
      const isSameRun = question.run === visible.runOf(this.#peer);
      visible.shownAt(number, state, index, isSameRun ? question.after : 0);
      this.#index = isSameRun && question.run === this.#run ? Math.max(this.#index, index) : index;
      this.#run = question.run;
      if (question.stale) ledger.staleReads += 1;
      else {
        ledger.readsAnywhere += 1;
        ledger.shown(this.host, number, question.askedUs, world.nowUs, { id: question.id, state, result: undefined });
      }
    });
  }

  #refused(requestId: number, code: string): void {
    const question = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    if (question === undefined || question.stale || code !== 'NOT_FOUND') return;
    const { world, visible } = this.context;
    world.check(() => visible.notShown(parseTaskId(question.id)?.number ?? 0));
  }

  #send(frame: ClientFrame): void {
    this.#socket?.send(encodeClientFrame(frame));
  }
}
