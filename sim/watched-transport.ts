/**
 * A peer's transport with a window in it: the checkers see every message at the moment at which it is sent, and, where the run
 * says so, frames are lost, doubled and reordered one by one on arrival, which no connection does but the core must bear.
 */
import { crc32 } from 'node:zlib';
import { DecodeError } from '../src/base/bytes.ts';
import type { PeerId } from '../src/base/ids.ts';
import { below, type SeededRandom } from '../src/base/random.ts';
import { decodeEnvelope, EnvelopeWriter } from '../src/peer/envelope.ts';
import { decodeSnapshotFrame, SNAPSHOT_KIND } from '../src/peer/snapshot-frames.ts';
import { describeMessage } from '../src/raft/describe.ts';
import type { Message } from '../src/raft/message.ts';
import type { Lane, PeerRefusal, PeerUrl, Transport, TransportHandlers } from '../src/transport/transport.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** First byte of a frame with a message of consensus; others carry news and snapshots. */
const MESSAGE_KIND = 1;

/** What befalls single frames, each in a thousand. All 0 leaves them alone. */
export interface DatagramOptions {
  readonly dropPerThousand: number;
  readonly repeatPerThousand: number;
  readonly latePerThousand: number;
  /** How late at most, in µs. */
  readonly lateUsMax: number;
}

/** See the head of this file. */
export class WatchedTransport implements Transport {
  readonly #inner: Transport;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #self: PeerId;
  readonly #sent: (message: Message) => void;
  readonly #random: SeededRandom;
  /** Read at each frame, so that faults can end. */
  readonly #options: () => DatagramOptions | undefined;
  readonly #plant: ((message: Message) => Message | undefined) | undefined;
  /** The data directory that each caller named last. */
  readonly #incarnations = new Map<PeerId, string>();

  constructor(
    inner: Transport,
    parts: {
      readonly world: World;
      readonly process: SimProcess;
      readonly self: PeerId;
      readonly sent: (message: Message) => void;
      readonly options: () => DatagramOptions | undefined;
      /** Says something else than the peer wants to. */
      readonly plant: ((message: Message) => Message | undefined) | undefined;
    },
  ) {
    this.#inner = inner;
    this.#world = parts.world;
    this.#process = parts.process;
    this.#self = parts.self;
    this.#sent = parts.sent;
    this.#options = parts.options;
    this.#plant = parts.plant;
    this.#random = parts.world.random(`datagrams of ${parts.process.name}`);
  }

  start(handlers: TransportHandlers): Promise<void> {
    return this.#inner.start({
      facts: (to) => handlers.facts(to),
      hello: (from, facts) => {
        this.#incarnations.set(from, facts.incarnation);
        return handlers.hello(from, facts);
      },
      frame: (from, lane, bytes) => this.#arrived(handlers, from, lane, bytes),
      connected: (peer) => handlers.connected(peer),
      disconnected: (peer) => handlers.disconnected(peer),
      redialed: (peer, result) => {
        this.#world.line(this.#self, `dialed ${peer} again: ${result}`);
        handlers.redialed(peer, result);
      },
      refused: (peer, refusal) => handlers.refused(peer, refusal),
    });
  }

  send(to: PeerId, lane: Lane, bytes: Uint8Array): void {
    if (!this.#process.alive) return;
    if (bytes[0] !== MESSAGE_KIND) {
      this.#inner.send(to, lane, bytes);
      return;
    }
    const { message, wallMs } = decodeEnvelope(bytes, this.#self, to);
    if (this.#plant === undefined) {
      this.#sent(message);
      this.#inner.send(to, lane, bytes);
      return;
    }
    const planted = this.#plant(message);
    if (planted === undefined) return;
    this.#sent(planted);
    this.#inner.send(to, lane, new EnvelopeWriter().frame(planted, wallMs));
  }

  setPeers(peers: readonly PeerUrl[]): void {
    this.#inner.setPeers(peers);
  }

  joining(): readonly PeerId[] {
    return this.#inner.joining();
  }

  refusedPeers(): readonly PeerRefusal[] {
    return this.#inner.refusedPeers();
  }

  bufferedBytes(to: PeerId): number {
    return this.#inner.bufferedBytes(to);
  }

  connectedTo(peer: PeerId): boolean {
    return this.#inner.connectedTo(peer);
  }

  announce(): void {
    this.#inner.announce();
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  #arrived(handlers: TransportHandlers, from: PeerId, lane: Lane, bytes: Uint8Array): void {
    const options = this.#options();
    if (options === undefined) {
      this.#hear(handlers, from, lane, bytes);
      return;
    }
    const lot = (perThousand: number): boolean => below(this.#random, 1000) < perThousand;
    if (lot(options.dropPerThousand)) return;
    if (lot(options.repeatPerThousand)) this.#later(handlers, from, lane, bytes.slice(), options);
    if (lot(options.latePerThousand)) this.#later(handlers, from, lane, bytes, options);
    else this.#hear(handlers, from, lane, bytes);
  }

  #hear(handlers: TransportHandlers, from: PeerId, lane: Lane, bytes: Uint8Array): void {
    if (this.#world.listens) this.#world.line(this.#self, () => `hears ${wordsOf(bytes, from, this.#self)}`);
    handlers.frame(from, lane, bytes);
  }

  #later(handlers: TransportHandlers, from: PeerId, lane: Lane, bytes: Uint8Array, options: DatagramOptions): void {
    const atUs = this.#world.nowUs + 1 + below(this.#random, options.lateUsMax);
    const incarnation = this.#incarnations.get(from);
    this.#world.schedule(atUs, 'delivery', this.#process, () => {
      // However late: whoever connects with another directory ends what is left of the one before, and frames do not outlive that.
      if (this.#incarnations.get(from) !== incarnation) return;
      try {
        this.#hear(handlers, from, lane, bytes);
      } catch (error) {
        // It was garbled, too. The connection on which it came would be closed, and is another one by now.
        if (!(error instanceof DecodeError)) throw error;
      }
    });
  }
}

/** What a frame says. One that is garbled says nothing. */
function wordsOf(bytes: Uint8Array, from: PeerId, to: PeerId): string {
  if (bytes[0] === SNAPSHOT_KIND) return `${from}->${to} ${describeSnapshot(bytes)}`;
  if (bytes[0] !== MESSAGE_KIND) return `${from} tells ${to} of its state (${bytes.length} bytes)`;
  try {
    return describeMessage(decodeEnvelope(bytes, from, to).message);
  } catch (error) {
    if (error instanceof DecodeError) return 'a frame that does not read';
    throw error;
  }
}

/** A page of a snapshot, or what is said about one. */
function describeSnapshot(bytes: Uint8Array): string {
  try {
    const frame = decodeSnapshotFrame(bytes, crc32);
    if (frame.type === 'request')
      return `asks for the page of snapshot ${frame.index} (at least ${frame.atLeast}) behind ${frame.afterKey.join(' ')}`;
    if (frame.type === 'refused') return `refuses snapshot ${frame.index}: ${frame.reason}, newest ${frame.newest}`;
    return `gives the page of snapshot ${frame.checkpoint.index} behind ${frame.afterKey.join(' ')}, ${frame.records.length} records${frame.last ? ', the last' : ''}`;
  } catch (error) {
    if (error instanceof DecodeError) return 'a snapshot frame that does not read';
    throw error;
  }
}
