/**
 * A TCP proxy for the connections that one peer makes to another. It passes bytes on until it is told to spoil the way: to hold
 * what comes without a word, to delay it, to cut the connections, or to let one end believe that they still stand.
 *
 *     the peer that dials ──▶ proxy ──▶ the peer that listens
 *
 * What it holds is bounded: a way that is blocked pushes back on whoever writes. An end that dies is passed on as a reset, unless
 * the way is blocked, where nothing passes.
 */
import { createServer, type Server, Socket } from 'node:net';
import { Pipe } from './pipe.ts';

/** What a way does with bytes. */
export interface WayState {
  /** Nothing of the end that dialed reaches the other. */
  readonly forthBlocked: boolean;
  /** Nothing of the other end reaches the one that dialed. */
  readonly backBlocked: boolean;
  /** How much later bytes arrive, in ms. */
  readonly delayMs: number;
}

/** A way on which nothing is wrong. */
export const OPEN_WAY: WayState = { forthBlocked: false, backBlocked: false, delayMs: 0 };

const HOST = '127.0.0.1';

/** See the head of this file. */
export class Proxy {
  /** Where the peer dials that has this way; 0 before `start`. */
  port = 0;
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #state = OPEN_WAY;

  /** Calls are passed on to `targetPort` of this host. */
  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    // An end of one side is passed on by hand, after what was written before it.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => this.#accept(caller));
  }

  /** Listens at any port that is free. @throws when none is */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, HOST, resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
  }

  /** Ends all connections and listens no more. */
  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get state(): WayState {
    return this.#state;
  }

  /** Connections that go through now. */
  get passages(): number {
    return this.#passages.size;
  }

  /** From now on. What was held goes out in its order once the way is open again. */
  set(state: WayState): void {
    this.#state = state;
    for (const passage of this.#passages) passage.look();
  }

  /** Resets all connections at both ends, as a broken line does; what was held is lost. */
  cut(): void {
    for (const passage of this.#passages) passage.reset();
  }

  /** Takes the listening end away and says nothing to the end that dialed: its connections look alive and answer no more. */
  halfOpen(): void {
    for (const passage of this.#passages) passage.loseCallee();
  }

  #accept(caller: Socket): void {
    const passage: Passage = new Passage(caller, this.#targetPort, {
      state: () => this.#state,
      over: () => this.#passages.delete(passage),
    });
    this.#passages.add(passage);
  }
}

interface PassageOwner {
  state(): WayState;
  /** Both ends are gone. */
  over(): void;
}

/** One connection that goes through. */
class Passage {
  readonly #caller: Socket;
  readonly #callee = new Socket({ allowHalfOpen: true });
  readonly #forth: Pipe;
  readonly #back: Pipe;
  readonly #owner: PassageOwner;
  #calleeLost = false;
  /** Ends that broke while the way to the other was blocked: it hears of that once the way is open. */
  #unheard: Socket | undefined;
  #open = 2;

  constructor(caller: Socket, targetPort: number, owner: PassageOwner) {
    this.#caller = caller;
    this.#owner = owner;
    const callee = this.#callee;
    const delayMs = (): number => owner.state().delayMs;
    this.#forth = new Pipe(caller, callee, { delayMs, isBlocked: () => owner.state().forthBlocked });
    this.#back = new Pipe(callee, caller, { delayMs, isBlocked: () => owner.state().backBlocked });
    this.#watch(caller, callee, () => owner.state().forthBlocked);
    this.#watch(callee, caller, () => owner.state().backBlocked);
    callee.setNoDelay(true);
    callee.connect(targetPort, HOST);
    this.look();
  }

  /** The way may have changed. */
  look(): void {
    const { forthBlocked, backBlocked } = this.#owner.state();
    if (this.#unheard === this.#caller ? !backBlocked : !forthBlocked) this.#unheard?.resetAndDestroy();
    this.#forth.flow();
    this.#back.flow();
  }

  reset(): void {
    this.#caller.resetAndDestroy();
    this.#callee.resetAndDestroy();
  }

  loseCallee(): void {
    this.#calleeLost = true;
    this.#forth.abandon();
    this.#back.abandon();
    this.#callee.resetAndDestroy();
    // Its end is heard by nobody else.
    this.#caller.once('end', () => this.#caller.destroy());
  }

  #watch(one: Socket, other: Socket, isBlocked: () => boolean): void {
    one.on('error', () => {
      if (this.#calleeLost) return;
      if (isBlocked()) this.#unheard = other;
      else other.resetAndDestroy();
    });
    one.on('close', () => {
      this.#open -= 1;
      if (this.#open === 0) this.#owner.over();
    });
  }
}
