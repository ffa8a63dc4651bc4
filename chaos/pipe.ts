/** Bytes of one direction of one connection, on their way through a proxy. */
import type { Socket } from 'node:net';

/** What decides how bytes go on, asked whenever some come. */
export interface PipeRules {
  /** Nothing goes on for now. */
  isBlocked(): boolean;
  /** How much later bytes that come now go on, in ms. */
  delayMs(): number;
}

/** Bytes that a delay may hold; more are not read before some went on. */
const HELD_BYTES_MAX = 4 * 1024 * 1024;

/** Reads one socket and writes another, with all the patience that the rules ask for. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #rules: PipeRules;
  /** What has come and not gone on, in order; undefined is the end. About HELD_BYTES_MAX at most. */
  readonly #held: { readonly dueMs: number; readonly bytes: Buffer | undefined }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #abandoned = false;

  constructor(from: Socket, to: Socket, rules: PipeRules) {
    this.#from = from;
    this.#to = to;
    this.#rules = rules;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#take(undefined));
    to.on('drain', () => this.flow());
  }

  /** What comes is swallowed from now on, the end too. */
  abandon(): void {
    this.#abandoned = true;
    this.#held.length = 0;
    this.#heldBytes = 0;
    clearTimeout(this.#timer);
    this.#from.resume();
  }

  /** Sends on what may go now. To be called when the rules have changed. */
  flow(): void {
    clearTimeout(this.#timer);
    if (this.#abandoned) return;
    if (this.#rules.isBlocked()) {
      this.#from.pause();
      return;
    }
    for (let first = this.#held[0]; first !== undefined && !this.#to.writableNeedDrain; first = this.#held[0]) {
      const leftMs = first.dueMs - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.flow(), Math.ceil(leftMs));
        break;
      }
      this.#held.shift();
      this.#write(first.bytes);
    }
    if (this.#to.writableNeedDrain || this.#heldBytes > HELD_BYTES_MAX) this.#from.pause();
    else this.#from.resume();
  }

  #take(bytes: Buffer | undefined): void {
    if (this.#abandoned) return;
    this.#held.push({ dueMs: performance.now() + this.#rules.delayMs(), bytes });
    this.#heldBytes += bytes?.length ?? 0;
    this.flow();
  }

  #write(bytes: Buffer | undefined): void {
    this.#heldBytes -= bytes?.length ?? 0;
    if (this.#to.destroyed) return;
    if (bytes === undefined) this.#to.end();
    else this.#to.write(bytes);
  }
}
