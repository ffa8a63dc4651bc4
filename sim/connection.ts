/** The two ends of one simulated connection. */
import { assert } from '../src/base/assert.ts';
import type { Socket, SocketClose, SocketHandlers } from '../src/base/socket.ts';
import { DRAIN_HIGH_BYTES, DRAIN_LOW_BYTES } from '../src/base/socket.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** What travels over a connection. */
export type Item =
  | { readonly type: 'opened' }
  /** `sizeBytes` is what was sent, where something else arrives. */
  | { readonly type: 'message'; readonly bytes: Uint8Array; readonly sizeBytes?: number }
  | { readonly type: 'close'; readonly close: SocketClose }
  /** The other end is gone without a word. */
  | { readonly type: 'reset' };

const ABNORMAL: SocketClose = { code: 1006, reason: '' };
const TOO_BIG = 1009;
/** An orderly end that the other side does not answer is waited for this long, in µs. */
const CLOSE_WAIT_US = 30_000_000;

/** What an end asks of the network. */
export interface Wire {
  readonly world: World;
  /** Brings `item` to `end`, behind everything that was sent to it before. */
  carry(item: Item, from: SimSocket, end: SimSocket): void;
  /** Notes for people what `from` says. */
  note(bytes: Uint8Array, from: SimSocket): void;
  /** The end will neither send nor take anything any more. */
  ended(end: SimSocket): void;
}

/** One end. See `Socket`. */
export class SimSocket implements Socket {
  readonly remote: string;
  readonly process: SimProcess;
  readonly connection: number;
  readonly #wire: Wire;
  readonly #maxMessageBytes: number;
  #other: SimSocket | undefined;
  #handlers: SocketHandlers | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  /** Bytes on their way to the other end, and those that wait there to be read. */
  #pendingBytes = 0;
  #overMark = false;
  #reading = true;
  #held: Item[] = [];
  #told = false;
  /** Used by the network: what is sent arrives in order, and what waits for a cut link to heal. */
  lastArrivalUs = 0;
  readonly stalled: Item[] = [];
  /** What would arrive after this instant was lost with the connection. */
  lostFromUs: number = Number.POSITIVE_INFINITY;
  /** Makes something else of the next message that this end sends. */
  garble: ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** Called when the connection stands, at the end that dialed. */
  onOpened: (() => void) | undefined;

  constructor(wire: Wire, process: SimProcess, connection: number, remote: string, maxMessageBytes: number) {
    this.#wire = wire;
    this.process = process;
    this.connection = connection;
    this.remote = remote;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Makes two ends one connection. */
  static join(left: SimSocket, right: SimSocket): void {
    left.#other = right;
    right.#other = left;
  }

  get other(): SimSocket {
    assert(this.#other !== undefined, 'an end has another');
    return this.#other;
  }

  get bufferedBytes(): number {
    return this.#pendingBytes;
  }

  /** True until the end has closed, in order or not. */
  get live(): boolean {
    return this.#state !== 'closed';
  }

  handle(handlers: SocketHandlers): void {
    assert(this.#handlers === undefined, 'a socket has one owner');
    this.#handlers = handlers;
  }

  send(bytes: Uint8Array): void {
    if (this.#state !== 'open' || !this.process.alive) return;
    this.#wire.world.effect();
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > DRAIN_HIGH_BYTES) this.#overMark = true;
    // A copy: what one process does to its bytes afterwards does not change what another one reads.
    const copy = this.#wire.world.messages.of(bytes);
    this.#wire.note(copy, this);
    this.#wire.carry({ type: 'message', bytes: copy }, this, this.other);
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open' || !this.process.alive) return;
    this.#state = 'closing';
    this.#wire.world.effect();
    this.#wire.carry({ type: 'close', close: { code, reason } }, this, this.other);
    const { world } = this.#wire;
    world.schedule(world.nowUs + CLOSE_WAIT_US, 'connection', this.process, () => this.#finish(ABNORMAL));
  }

  terminate(): void {
    if (this.#state === 'closed' || !this.process.alive) return;
    this.#wire.world.effect();
    this.#wire.carry({ type: 'reset' }, this, this.other);
    this.#endSoon(ABNORMAL);
  }

  pause(): void {
    this.#reading = false;
  }

  resume(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#readOn();
  }

  /** The connection breaks at this end. */
  breaks(): void {
    if (this.#state !== 'closed') this.#finish(ABNORMAL);
  }

  /** Something arrives; the process lives and is not paused. */
  take(item: Item): void {
    if (item.type === 'opened') {
      this.onOpened?.();
      return;
    }
    if (this.#state === 'closed') {
      // Nobody is here any more: the sender hears of it, unless that is what it has just said.
      if (item.type === 'message') this.#wire.carry({ type: 'reset' }, this, this.other);
      return;
    }
    if (!this.#reading || this.#held.length > 0) this.#held.push(item);
    else this.#deliver(item);
  }

  #deliver(item: Item): void {
    switch (item.type) {
      case 'message':
        this.other.#taken(item.sizeBytes ?? item.bytes.length);
        if (item.bytes.length > this.#maxMessageBytes) {
          this.close(TOO_BIG, 'message too big');
          return;
        }
        assert(this.#handlers !== undefined, 'a socket is handled in the event in which it was received');
        this.#handlers.message(item.bytes);
        return;
      case 'close':
        if (this.#state === 'open') this.#wire.carry(item, this, this.other);
        this.#finish(item.close);
        return;
      case 'reset':
        this.#finish(ABNORMAL);
        return;
      case 'opened':
    }
  }

  /** What was held while nobody read is read on, a message an event. */
  #readOn(): void {
    const { world } = this.#wire;
    world.schedule(world.nowUs, 'delivery', this.process, () => {
      if (!this.#reading || this.#state === 'closed') return;
      const item = this.#held.shift();
      if (item === undefined) return;
      this.#deliver(item);
      if (this.#held.length > 0) this.#readOn();
    });
  }

  #taken(sizeBytes: number): void {
    this.#pendingBytes -= sizeBytes;
    if (!this.#overMark || this.#pendingBytes > DRAIN_LOW_BYTES || !this.process.alive) return;
    this.#overMark = false;
    const { world } = this.#wire;
    world.schedule(world.nowUs, 'connection', this.process, () => {
      if (this.#state !== 'closed') this.#handlers?.drained?.();
    });
  }

  /** Ends at once, and says so in an event of its own. */
  #endSoon(close: SocketClose): void {
    this.#state = 'closed';
    const { world } = this.#wire;
    world.schedule(world.nowUs, 'connection', this.process, () => this.#tell(close));
  }

  #finish(close: SocketClose): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#tell(close);
  }

  #tell(close: SocketClose): void {
    if (this.#told) return;
    this.#told = true;
    this.#held = [];
    this.#wire.ended(this);
    this.#handlers?.closed(close);
  }
}
