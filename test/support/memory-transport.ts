import type { PeerId } from '../../src/base/ids.ts';
import type {
  Lane,
  OwnFacts,
  PeerFacts,
  PeerUrl,
  Transport,
  TransportHandlers,
} from '../../src/transport/transport.ts';
import type { Refusal } from '../../src/transport/refusal.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How long a frame is on its way, in ms. */
const DELAY_MS = 1;

/** Between two tries to connect, in ms. */
const REDIAL_MS = 50;

/** Peers of one process that talk through memory, on virtual time. Links can be cut in either direction, and processes killed. */
export class MemoryNetwork {
  readonly time: VirtualTime;
  readonly #transports = new Map<PeerId, MemoryTransport>();
  readonly #cut = new Set<string>();
  /** Looks at each frame before it is delivered; false drops it. */
  passes: (from: PeerId, to: PeerId, bytes: Uint8Array) => boolean = () => true;
  /** What the programs of peers know that are older than this one, as they say when they connect. */
  readonly featureLevels: Map<PeerId, number> = new Map();
  /** Frames that were delivered, by lane. */
  readonly delivered = { control: 0, bulk: 0 };

  constructor(time: VirtualTime) {
    this.time = time;
  }

  /** A transport for one run of `peer`. The one before is gone. */
  transport(peer: PeerId): MemoryTransport {
    return new MemoryTransport(peer, this);
  }

  /** Frames of `from` do not reach `to` any more; the connection seems to stay. */
  cut(from: PeerId, to: PeerId): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** `peer` and all others do not reach each other, until `heal`. */
  isolate(peer: PeerId): void {
    for (const other of this.#transports.keys()) {
      this.cut(peer, other);
      this.cut(other, peer);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  isCut(from: PeerId, to: PeerId): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  running(peer: PeerId): MemoryTransport | undefined {
    return this.#transports.get(peer);
  }

  others(peer: PeerId): MemoryTransport[] {
    return [...this.#transports.values()].filter((transport) => transport.self !== peer);
  }

  joined(transport: MemoryTransport): void {
    this.#transports.set(transport.self, transport);
    for (const other of this.others(transport.self)) {
      transport.dial(other.self);
      other.dial(transport.self);
    }
  }

  left(transport: MemoryTransport): void {
    if (this.#transports.get(transport.self) !== transport) return;
    this.#transports.delete(transport.self);
    for (const other of this.others(transport.self)) this.time.soon(() => other.lost(transport.self));
  }
}

export class MemoryTransport implements Transport {
  readonly self: PeerId;
  readonly #network: MemoryNetwork;
  #handlers: TransportHandlers | undefined;
  readonly #connected = new Set<PeerId>();
  /** From whom frames are taken; undefined for everybody, until `setPeers` was called. */
  #peers: ReadonlySet<PeerId> | undefined;
  /** Those that are connected to this one and are to be heard of only. */
  readonly #joining = new Set<PeerId>();
  /** What came while the process stood still; undefined while it runs. */
  #backlog: (() => void)[] | undefined;
  /** Sentences by which others refused this one. */
  readonly refusals: string[] = [];

  constructor(self: PeerId, network: MemoryNetwork) {
    this.self = self;
    this.#network = network;
  }

  start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers;
    this.#network.joined(this);
    return Promise.resolve();
  }

  send(to: PeerId, lane: Lane, bytes: Uint8Array): void {
    if (!this.#connected.has(to)) return;
    // What crosses is bytes: the receiver gets its own.
    const frame = bytes.slice();
    const receiver = this.#network.running(to);
    this.#network.time.after(DELAY_MS, () => {
      if (this.#network.isCut(this.self, to) || receiver !== this.#network.running(to)) return;
      if (!this.#network.passes(this.self, to, frame)) return;
      this.#network.delivered[lane] += 1;
      receiver?.receive(this.self, lane, frame);
    });
  }

  setPeers(peers: readonly PeerUrl[]): void {
    this.#peers = new Set(peers.map(({ peer }) => peer));
    for (const peer of this.#connected) if (!this.#peers.has(peer)) this.#connected.delete(peer);
    for (const peer of this.#peers) if (!this.#connected.has(peer)) this.dial(peer);
    const again = this.#network.others(this.self);
    for (const other of again) if (this.#joining.has(other.self) || !this.#peers.has(other.self)) this.hello(other);
  }

  joining(): readonly PeerId[] {
    return [...this.#joining].filter((peer) => this.#network.running(peer) !== undefined).sort();
  }

  refusedPeers(): [] {
    return [];
  }

  bufferedBytes(): number {
    return 0;
  }

  connectedTo(peer: PeerId): boolean {
    return this.#connected.has(peer);
  }

  announce(): void {
    for (const other of this.#connected) {
      this.#network.time.after(DELAY_MS, () => {
        const receiver = this.#network.running(other);
        if (receiver !== undefined && this.#handlers !== undefined) receiver.hello(this);
      });
    }
  }

  stop(): Promise<void> {
    this.kill();
    return Promise.resolve();
  }

  /** The process is gone, with everything that was on its way from it. */
  kill(): void {
    this.#handlers = undefined;
    this.#connected.clear();
    this.#network.left(this);
  }

  /** Connects to `peer` and shakes hands; tries again when nobody is there or it is refused. */
  dial(peer: PeerId): void {
    this.#network.time.after(DELAY_MS, () => {
      const other = this.#network.running(peer);
      if (this.#handlers === undefined || other === undefined || this.#connected.has(peer)) return;
      if (this.#peers !== undefined && !this.#peers.has(peer)) return;
      const cut = this.#network.isCut(this.self, peer) || this.#network.isCut(peer, this.self);
      if (cut || !other.hello(this) || !this.hello(other)) {
        this.#network.time.after(REDIAL_MS, () => this.dial(peer));
        return;
      }
      this.#connected.add(peer);
      this.#handlers?.connected(peer);
    });
  }

  /** `other` tells its facts. True when it is let in. */
  hello(other: MemoryTransport): boolean {
    if (this.#handlers === undefined) return false;
    const own = this.#handlers.facts(other.self);
    const theirs = other.facts(this.self);
    if (theirs === undefined) return false;
    const answer = this.#handlers.hello(other.self, factsFor(own, theirs));
    this.#joining.delete(other.self);
    if (answer === 'accept') return true;
    if (answer === 'joining') {
      this.#joining.add(other.self);
      return true;
    }
    other.refused(this.self, { code: 'DECLINED', ...answer, sentence: answer.refuse, by: 'them' });
    return false;
  }

  facts(to: PeerId): OwnFacts | undefined {
    const facts = this.#handlers?.facts(to);
    const featureLevel = this.#network.featureLevels.get(this.self);
    return facts === undefined || featureLevel === undefined ? facts : { ...facts, featureLevel };
  }

  refused(by: PeerId, refusal: Refusal): void {
    this.refusals.push(refusal.sentence);
    this.#handlers?.refused(by, refusal);
  }

  receive(from: PeerId, lane: Lane, bytes: Uint8Array): void {
    if (this.#joining.has(from) || this.#peers?.has(from) === false) return;
    if (this.#backlog === undefined) this.#handlers?.frame(from, lane, bytes);
    else this.#backlog.push(() => this.receive(from, lane, bytes));
  }

  /** The process stands still: frames for it wait in its sockets. */
  pause(): void {
    this.#backlog = [];
  }

  /** It goes on, and finds everything that has come meanwhile. */
  resume(): void {
    const backlog = this.#backlog ?? [];
    this.#backlog = undefined;
    for (const action of backlog) action();
  }

  /** The process of `peer` has ended. */
  lost(peer: PeerId): void {
    if (!this.#connected.delete(peer) || this.#handlers === undefined) return;
    this.#handlers.disconnected(peer);
    this.#network.time.after(DELAY_MS, () => {
      const back = this.#network.running(peer) !== undefined;
      this.#handlers?.redialed(peer, back ? 'accepted' : 'refused');
      if (back) this.dial(peer);
    });
  }
}

function factsFor(own: OwnFacts, theirs: OwnFacts): PeerFacts {
  const { knownIncarnation: known, ...told } = theirs;
  const knowsMe = known === undefined ? 'not' : known === own.incarnation ? 'as-this' : 'as-another';
  return { ...told, knowsMe };
}
