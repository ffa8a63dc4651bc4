/**
 * The simulated network: hosts, the links between them in each direction, and the connections over those.
 *
 * A connection delivers in order and without gaps until it ends, as TCP does: while a link is cut its bytes wait, and go on when
 * it heals. A connection that breaks loses a suffix of what was on its way, and its two ends learn of it at different times; so
 * what an old connection still carries can arrive after a new one stands. A host that is down answers nothing: dials to it run
 * into their timeout, and what was sent to it is lost. A process that was killed on a live host is refused and reset.
 */
import { assert } from '../src/base/assert.ts';
import { below, type Random, type SeededRandom } from '../src/base/random.ts';
import type { Dialer, DialFailure, DialHandlers, DialOptions, Listener, Socket } from '../src/base/socket.ts';
import { describeClientFrame, describeServerFrame } from './describe-frame.ts';
import { type Item, SimSocket, type Wire } from './connection.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** How fast and how reliable links are. */
export interface NetworkOptions {
  readonly delayUsMin: number;
  /** Mean of what is added to the least delay, exponentially distributed. */
  readonly delayUsMean: number;
  /** Bytes in a second over one connection. */
  readonly bytesPerSecond: number;
}

/** Largest message that a listener takes, in bytes. */
const LISTENER_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** A reset after a break reaches each end within this, in µs. */
const BREAK_NOTICE_US_MAX = 300_000;

/** Connections of clients and workers go to this port. */
const CLIENT_PORT_SUFFIX = ':7400';

interface Listening {
  readonly process: SimProcess;
  readonly accepted: (socket: Socket) => void;
}

/** See the head of this file. */
export class SimNetwork implements Wire {
  readonly world: World;
  #options: NetworkOptions;
  readonly #random: SeededRandom;
  readonly #listening = new Map<string, Listening>();
  /** Both ends of every connection of which an end lives, in the order of their making. */
  readonly #sockets = new Set<SimSocket>();
  /** Directions that carry nothing, as `from>to`. */
  readonly #cut = new Set<string>();
  /** Directions that are slow until an instant, as `from>to`, with what they add, in µs. */
  readonly #clogged = new Map<string, { readonly untilUs: number; readonly delayUs: number }>();
  readonly #down = new Set<string>();
  #connections = 0;
  /** Until then single frames between peers are lost, repeated and late. */
  stormUntilUs = 0;

  constructor(world: World, options: NetworkOptions) {
    this.world = world;
    this.#options = options;
    this.#random = world.random('network');
  }

  /** Opens connections from `process`. */
  dialer(process: SimProcess): Dialer {
    return { dial: (url, options, handlers) => this.#dial(process, url, options, handlers) };
  }

  /** Accepts connections at `port` of the host of `process`. */
  listener(process: SimProcess, port: number): Listener {
    const address = `${process.host}:${port}`;
    return {
      listen: (accepted) => {
        const there = this.#listening.get(address);
        if (there?.process.alive === true) return Promise.reject(new Error(`EADDRINUSE ${address}`));
        this.#listening.set(address, { process, accepted });
        return Promise.resolve();
      },
      close: () => {
        if (this.#listening.get(address)?.process === process) this.#listening.delete(address);
        return Promise.resolve();
      },
    };
  }

  /** Nothing goes from one host to the other until `heal`; what is on its way arrives. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** What waited goes on. */
  heal(from: string, to: string): void {
    if (!this.#cut.delete(`${from}>${to}`)) return;
    for (const socket of this.#sockets) {
      if (socket.process.host !== from || socket.other.process.host !== to) continue;
      for (const item of socket.stalled.splice(0)) this.carry(item, socket, socket.other);
      if (!socket.live) this.#sockets.delete(socket);
    }
  }

  /** Everything from one host to the other takes longer for a while. */
  clog(from: string, to: string, forUs: number, delayUs: number): void {
    this.#clogged.set(`${from}>${to}`, { untilUs: this.world.nowUs + forUs, delayUs });
  }

  /** Ends every partition and every slowness, and keeps links quick from now on. */
  calm(options: NetworkOptions): void {
    this.#options = options;
    this.#clogged.clear();
    for (const direction of [...this.#cut].sort()) {
      const [from = '', to = ''] = direction.split('>');
      this.heal(from, to);
    }
  }

  /** Connections that stand, each by the end that dialed. */
  get standing(): SimSocket[] {
    return [...this.#sockets].filter((socket) => socket.onOpened !== undefined && socket.live && socket.other.live);
  }

  /** Breaks the connection of `socket`: a suffix of what is on its way is lost, and both ends are told at their own times. */
  breakConnection(socket: SimSocket): void {
    const { world } = this;
    for (const end of [socket, socket.other]) {
      const span = Math.max(1, end.lastArrivalUs - world.nowUs);
      end.lostFromUs = Math.min(end.lostFromUs, world.nowUs + below(this.#random, span + 1));
      end.stalled.length = 0;
      const atUs = world.nowUs + below(this.#random, BREAK_NOTICE_US_MAX);
      world.schedule(atUs, 'connection', end.process, () => end.breaks());
    }
  }

  /** The next message that `end` sends arrives with its end cut off, or as noise. */
  garbleNext(end: SimSocket, how: 'cut' | 'noise', random: Random): void {
    end.garble = (bytes) => {
      const sizeBytes = how === 'cut' ? below(random, bytes.length) : 1 + below(random, 64);
      return how === 'cut'
        ? bytes.slice(0, sizeBytes)
        : Uint8Array.from({ length: sizeBytes }, () => below(random, 256));
    };
  }

  /** The process is gone and its host lives: the kernel resets what it had. */
  processKilled(process: SimProcess): void {
    for (const end of this.#sockets) {
      if (end.process !== process) continue;
      this.#sockets.delete(end);
      if (this.#down.has(process.host)) continue;
      const lost = below(this.#random, 2) === 0;
      if (lost) end.lostFromUs = this.world.nowUs + 1;
      end.stalled.length = 0;
      this.#reset(end.other);
    }
  }

  /** The host is gone from the network, with everything on it. */
  hostDown(host: string): void {
    this.#down.add(host);
  }

  hostUp(host: string): void {
    this.#down.delete(host);
  }

  carry(sent: Item, from: SimSocket, to: SimSocket): void {
    const item = this.#garbled(sent, from);
    const source = from.process.host;
    const target = to.process.host;
    if (from.lostFromUs !== Number.POSITIVE_INFINITY) return;
    if (this.#isCut(source, target)) {
      from.stalled.push(item);
      return;
    }
    const { world } = this;
    const sizeBytes = item.type === 'message' ? item.bytes.length : 0;
    const transferUs = Math.ceil((sizeBytes * 1_000_000) / this.#options.bytesPerSecond);
    const atUs = Math.max(from.lastArrivalUs, world.nowUs + this.#delayUs(source, target) + transferUs);
    from.lastArrivalUs = atUs;
    world.trace.fold(from.connection);
    if (item.type === 'message') world.trace.foldBytes(item.bytes);
    const kind = item.type === 'message' ? 'delivery' : 'connection';
    const arrive = (): void => {
      if (atUs <= from.lostFromUs) to.take(item);
    };
    if (to.process.alive) world.schedule(atUs, kind, to.process, arrive);
    else if (!this.#down.has(target) && item.type === 'message') this.#reset(from);
  }

  #garbled(item: Item, from: SimSocket): Item {
    const { garble } = from;
    if (garble === undefined || item.type !== 'message' || item.bytes.length === 0) return item;
    from.garble = undefined;
    return { type: 'message', bytes: garble(item.bytes), sizeBytes: item.bytes.length };
  }

  note(bytes: Uint8Array, from: SimSocket): void {
    if (!this.world.listens) return;
    // Peers' messages are noted where they are made.
    const dialed = from.onOpened !== undefined;
    const port = dialed ? from.remote : from.other.remote;
    if (!port.endsWith(CLIENT_PORT_SUFFIX)) return;
    const to = from.other.process.host;
    this.world.line(from.process.host, () => {
      const words = dialed ? describeClientFrame(bytes) : describeServerFrame(bytes);
      return `to ${to} (${from.connection}): ${words}`;
    });
  }

  ended(end: SimSocket): void {
    // What it has still to say waits for a link to heal.
    if (end.stalled.length === 0) this.#sockets.delete(end);
  }

  /** Tells `end` that the other one is gone, as far as the way there is open. */
  #reset(end: SimSocket): void {
    const { world } = this;
    const source = end.other.process.host;
    const target = end.process.host;
    if (this.#isCut(source, target) || !end.process.alive) return;
    const atUs = Math.max(end.other.lastArrivalUs, world.nowUs + this.#delayUs(source, target));
    const notLaterThan = Math.min(atUs, Math.max(world.nowUs, end.other.lostFromUs) + this.#options.delayUsMin);
    world.schedule(Math.max(world.nowUs, Math.floor(notLaterThan)), 'connection', end.process, () => end.breaks());
  }

  #delayUs(from: string, to: string): number {
    const { delayUsMin, delayUsMean } = this.#options;
    const uniform = (this.#random.uint32() + 1) / 0x1_0000_0001;
    return this.#extraUs(from, to) + delayUsMin + Math.floor(-Math.log(uniform) * delayUsMean);
  }

  #isCut(from: string, to: string): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${from}>${to}`);
  }

  #extraUs(from: string, to: string): number {
    if (this.#clogged.size === 0) return 0;
    const direction = `${from}>${to}`;
    const clogged = this.#clogged.get(direction);
    if (clogged === undefined) return 0;
    if (clogged.untilUs > this.world.nowUs) return clogged.delayUs;
    this.#clogged.delete(direction);
    return 0;
  }

  #dial(process: SimProcess, url: string, options: DialOptions, handlers: DialHandlers): void {
    const { world } = this;
    if (!process.alive) return;
    const [, host = '', port = ''] = /^ws:\/\/([^:/]+):(\d+)/.exec(url) ?? [];
    assert(host !== '' && port !== '', () => `an address of the simulated network is ws://host:port, not ${url}`);
    world.effect();
    let settled = false;
    const fail = (failure: DialFailure): void => {
      if (settled) return;
      settled = true;
      timeout.cancelled = true;
      handlers.failed(failure);
    };
    const timeout = world.schedule(world.nowUs + options.timeoutMs * 1000, 'connection', process, () => {
      fail({ kind: 'timeout', message: `${url} does not answer` });
    });
    if (this.#isCut(process.host, host)) return;
    const arrivesUs = world.nowUs + this.#delayUs(process.host, host);
    world.schedule(arrivesUs, 'plan', undefined, () => {
      if (this.#down.has(host)) return;
      const there = this.#listening.get(`${host}:${port}`);
      if (there === undefined || !there.process.alive) {
        if (this.#isCut(host, process.host)) return;
        const backUs = world.nowUs + this.#delayUs(host, process.host);
        world.schedule(backUs, 'connection', process, () => fail({ kind: 'refused', message: `${url} refused` }));
        return;
      }
      const opened = (socket: Socket): void => {
        if (settled) {
          socket.handle({ message: () => {}, closed: () => {} });
          socket.terminate();
          return;
        }
        settled = true;
        timeout.cancelled = true;
        handlers.opened(socket);
      };
      this.#connect(process, there, options.maxMessageBytes, `${host}:${port}`, opened);
    });
  }

  #connect(
    process: SimProcess,
    there: Listening,
    maxMessageBytes: number,
    address: string,
    opened: (socket: Socket) => void,
  ): void {
    const { world } = this;
    this.#connections += 1;
    const connection = this.#connections;
    world.schedule(world.nowUs, 'connection', there.process, () => {
      // Nobody listens there any more: the backlog was dropped.
      if (this.#listening.get(address) !== there) return;
      const near = new SimSocket(this, process, connection, address, maxMessageBytes);
      const far = new SimSocket(
        this,
        there.process,
        connection,
        `${process.host}:${connection}`,
        LISTENER_MESSAGE_BYTES_MAX,
      );
      SimSocket.join(near, far);
      near.onOpened = () => opened(near);
      this.#sockets.add(near);
      this.#sockets.add(far);
      this.carry({ type: 'opened' }, far, near);
      there.accepted(far);
    });
  }
}
