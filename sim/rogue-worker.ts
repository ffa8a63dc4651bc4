import { below } from '../src/base/random.ts';
import type { Socket } from '../src/base/socket.ts';
import type { ClientFrame } from '../src/protocol/client-frame.ts';
import { decodeServerFrame, encodeClientFrame, encodeValue } from '../src/protocol/codec.ts';
import { FRAME_BYTES_MAX } from '../src/protocol/limits.ts';
import { SUBPROTOCOL } from '../src/protocol/protocol.ts';
import { type AssignRow, type CompletionRow, OUTCOME } from '../src/protocol/rows.ts';
import { ProtocolError } from '../src/protocol/protocol-error.ts';
import type { ServerFrame } from '../src/protocol/server-frame.ts';
import { PROTOCOL_VERSION } from '../src/protocol/version.ts';
import type { SimProcess } from './process.ts';
import { Program } from './program.ts';

const SLOTS = 2;
const TOKENS_KEPT = 50;

/**
 * A worker that keeps to the layout of frames and to nothing else. It reports twice, reports late, reports under tokens that it
 * never had, goes silent while it works, and comes back as another process under the same id. What it reports under a token that
 * is its own counts; nothing else may.
 */
export class RogueWorker extends Program {
  #socket: Socket | undefined;
  #requestId = 0;
  #id = '';
  #beat = 0;
  #gone = false;
  /** Assignments that it has seen, newest last; those of its earlier lives too. */
  readonly #seen: AssignRow[] = [];
  readonly #tokens = new Set<number>();

  /** Ends for good. */
  leave(): void {
    this.#gone = true;
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
    if (this.#gone) return;
    const again = (): void => {
      this.#socket = undefined;
      process.timers.after(100 + below(process.random, 900), () => this.main(process));
    };
    const options = { timeoutMs: 1_000, maxMessageBytes: FRAME_BYTES_MAX, protocol: SUBPROTOCOL };
    this.context.network.dialer(process).dial(url, options, {
      opened: (socket) => {
        this.#socket = socket;
        socket.handle({
          message: (bytes) => this.#take(process, url, bytes),
          closed: again,
        });
        this.#send({
          type: 'hello',
          protocolVersion: PROTOCOL_VERSION,
          role: 'worker',
          namespace: 'default',
          clientName: 'rogue',
          clientVersion: '0',
        });
      },
      failed: again,
    });
  }

  /** Even a rogue cannot read what is garbled. */
  #take(process: SimProcess, url: string, bytes: Uint8Array): void {
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#socket?.close(1002, 'garbled');
      return;
    }
    this.#hear(process, url, frame);
  }

  #hear(process: SimProcess, url: string, frame: ServerFrame): void {
    if (frame.type === 'welcome') {
      if (frame.leader?.[1] === url) this.#attach(process);
      else this.#socket?.close(1000, 'not the leader');
    } else if (frame.type === 'leader') {
      if (frame.leader !== null && frame.leader[1] !== url) this.#socket?.close(1000, 'not the leader');
    } else if (frame.type === 'attached') {
      this.#live(process);
    } else if (frame.type === 'assign') {
      for (const row of frame.assignments) this.#assigned(process, row, frame.term);
    } else if (frame.type === 'error') {
      if (frame.code === 'WORKER_ID_IN_USE') this.#socket?.close(1000, 'in use');
    }
  }

  #attach(process: SimProcess): void {
    this.#id = below(process.random, 6) === 0 ? 'w2' : this.host;
    this.#send({
      type: 'attach',
      requestId: this.#nextId(),
      // Now and then under the id of a worker that lives.
      worker: this.#id,
      instance: process.name,
      types: ['plain', 'other'],
      labels: [],
      slots: SLOTS,
      version: '0',
      held: [],
      unanswered: [],
    });
  }

  /** Says that it lives, for a while. */
  #live(process: SimProcess): void {
    const { heartbeatMs } = this.context.options.leases;
    const socket = this.#socket;
    let beats = 1 + below(process.random, 20);
    const beat = (): void => {
      beats -= 1;
      if (beats === 0 || this.#socket !== socket) return;
      this.#beat += 1;
      this.#send({ type: 'heartbeat', beat: this.#beat });
      if (below(process.random, 3) === 0) this.#lie(process);
      process.timers.after(heartbeatMs, beat);
    };
    beat();
  }

  #assigned(process: SimProcess, row: AssignRow, term: number): void {
    const [number, token] = row;
    if (!this.#tokens.has(token)) {
      this.#tokens.add(token);
      const { world, leases } = this.context;
      world.check(() => leases.started({ number, token, term, worker: this.#id }));
    }
    const earlier = this.#seen.findLast(([other, before]) => other === number && before !== token);
    this.#seen.push(row);
    if (this.#seen.length > TOKENS_KEPT) this.#seen.shift();
    // A task that it has once more: it reports what it made of it the last time.
    if (earlier !== undefined) this.#report([doneRow(earlier, earlier[1])]);
    const lot = below(process.random, 10);
    if (lot === 0) return;
    // What it gives back comes to it again as likely as to another.
    if (lot === 9) {
      process.timers.after(below(process.random, 200), () => this.#giveBack(row));
      return;
    }
    const report = (): void => this.#report([doneRow(row, token)]);
    process.timers.after(below(process.random, lot < 3 ? 8_000 : 100), () => {
      report();
      if (lot % 2 === 0) report();
    });
  }

  /** Reports what is not, or no longer, its own. */
  #lie(process: SimProcess): void {
    const row = this.#seen[below(process.random, Math.max(1, this.#seen.length))];
    if (row === undefined) return;
    const token = Math.max(1, row[1] - 2 + below(process.random, 5));
    this.#report([doneRow(row, token)]);
  }

  #report(completions: readonly CompletionRow[]): void {
    const { ledger, world } = this.context;
    for (const [number, token] of completions) {
      const done = { f: 'complete', state: 'done', result: JSON.stringify({ mark: '', token }) } as const;
      ledger.mayHappen(this.host, number, world.nowUs, done);
    }
    this.#send({ type: 'complete', requestId: this.#nextId(), completions });
  }

  #giveBack([number, token]: AssignRow): void {
    const row: CompletionRow = [number, token, OUTCOME.returned, 0, null, null];
    this.#send({ type: 'complete', requestId: this.#nextId(), completions: [row] });
  }

  #nextId(): number {
    this.#requestId += 1;
    return this.#requestId;
  }

  #send(frame: ClientFrame): void {
    this.#socket?.send(encodeClientFrame(frame));
  }
}

function doneRow(row: AssignRow, token: number): CompletionRow {
  return [row[0], token, OUTCOME.done, 1, encodeValue({ mark: '', token }), null];
}
