import { assert } from '../base/assert.ts';
import type { Timer, Timers } from '../base/clock.ts';
import { isName, type PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Dialer, Listener, Socket } from '../base/socket.ts';
import type { HandshakeContext } from './handshake.ts';
import { printable } from './handshake-messages.ts';
import type { Hmac } from './hmac.ts';
import { InboundConnection, type InboundOwner } from './inbound-connection.ts';
import { OutboundLink, type OutboundOwner } from './outbound-link.ts';
import type { Refusal } from './refusal.ts';
import { CLOSE_CODE, HANDSHAKES_MAX, JOINING_MAX, TRANSPORT_TIMINGS, type TransportTimings } from './timings.ts';
import type { Lane, PeerRefusal, PeerUrl, Transport, TransportHandlers } from './transport.ts';

/** Who this peer is and whom it talks to. */
export interface SocketTransportOptions {
  readonly self: PeerId;
  /** A name, as for peers. */
  readonly clusterId: string;
  /** The peers until `setPeers` names others; this one may be among them. */
  readonly members: readonly PeerUrl[];
  /** The configuration that all peers share, as one ASCII text of at most 4,096 characters. */
  readonly fingerprint: string;
  /** The names of the options in which two fingerprints differ; empty when both are equal. */
  readonly differences: (own: string, other: string) => readonly string[];
  /** What all peers of the cluster know and nobody else. Default: peers believe each other's ids. */
  readonly secret?: Uint8Array;
  readonly timings?: Partial<TransportTimings>;
}

/** The world, as this transport sees it. */
export interface SocketTransportPorts {
  readonly dialer: Dialer;
  readonly listener: Listener;
  readonly timers: Timers;
  readonly random: Random;
  readonly hmac: Hmac;
  readonly logger: Logger;
}

const FINGERPRINT_BYTES_MAX = 4_096;
/** A caller pings each second and waits six times `missedPingsMax` for its bulk lane; longer than that is beyond doubt. */
const SILENT_SWEEPS_FACTOR = 10;
const LOG_LINES_PER_SWEEP = 10;
const REFUSALS_MAX = 64;

/** The connections of one other peer to this one. */
type Inbound = Partial<Record<Lane, InboundConnection>>;

/**
 * The transport over any sockets: WebSockets in the product, the simulated network in the simulator. It keeps an
 * `OutboundLink` to every other peer and the connections that they, and those who want to join, made to this one.
 */
export class SocketTransport implements Transport {
  readonly #ports: SocketTransportPorts;
  readonly #timings: TransportTimings;
  readonly #context: HandshakeContext;
  /** Sorted by peer, so that dials and pings have one order. */
  #links: readonly OutboundLink[] = [];
  #linkOf: ReadonlyMap<PeerId, OutboundLink> = new Map();
  /** Where each link is to lead. */
  #urlOf: ReadonlyMap<PeerId, string> = new Map();
  readonly #outboundOwner: OutboundOwner;
  /** At most one connection for each lane of each peer, and of `JOINING_MAX` names besides. */
  readonly #inboundOf: Map<PeerId, Inbound> = new Map();
  /** Connections that have proved nothing yet, each with its deadline; at most `HANDSHAKES_MAX`. */
  readonly #pending: Map<InboundConnection, Timer> = new Map();
  /** Peers with a new link since callers were judged last. */
  readonly #named: Set<PeerId> = new Set();
  /** By whom it is about, until that one is connected; at most `REFUSALS_MAX`. */
  readonly #lastRefusal: Map<PeerId, Refusal> = new Map();
  readonly #inboundOwner: InboundOwner;
  #handlers: TransportHandlers | undefined;
  /** True once it listens. */
  #started = false;
  #sweepTimer: Timer | undefined;
  #logLines = 0;
  #hearings = 0;
  #stopped = false;

  constructor(options: SocketTransportOptions, ports: SocketTransportPorts) {
    assert(isName(options.clusterId), 'a cluster id is a name');
    assert(options.fingerprint.length <= FINGERPRINT_BYTES_MAX, 'a fingerprint has at most 4,096 characters');
    this.#ports = ports;
    this.#timings = { ...TRANSPORT_TIMINGS, ...options.timings };
    this.#context = {
      self: options.self,
      clusterId: options.clusterId,
      hasRoom: (peer) => this.#hasRoom(peer),
      fingerprint: options.fingerprint,
      differences: options.differences,
      secret: options.secret,
      hmac: ports.hmac,
      random: ports.random,
      facts: (to) => this.#owner().facts(to),
      hello: (from, facts) => this.#owner().hello(from, facts),
    };
    this.#outboundOwner = this.#makeOutboundOwner();
    this.#inboundOwner = this.#makeInboundOwner();
    this.#link(options.members);
  }

  async start(handlers: TransportHandlers): Promise<void> {
    assert(this.#handlers === undefined, 'a transport is started once');
    if (this.#stopped) return;
    this.#handlers = handlers;
    await this.#ports.listener.listen((socket) => this.#accept(socket));
    // Stopped while the address was being taken.
    if (this.#isStopped()) return this.#ports.listener.close();
    this.#started = true;
    for (const link of this.#links) link.start();
    this.#sweepLater();
  }

  send(to: PeerId, lane: Lane, bytes: Uint8Array): void {
    assert(to !== this.#context.self, 'a peer sends itself nothing');
    this.#linkOf.get(to)?.send(lane, bytes);
  }

  setPeers(peers: readonly PeerUrl[]): void {
    if (this.#stopped) return;
    this.#link(peers);
    if (!this.#started) return;
    this.#ports.timers.soon(() => {
      if (this.#stopped) return;
      for (const link of this.#links) link.moveTo(this.#urlOf.get(link.peer) ?? link.url);
      this.#judgeAgain();
    });
  }

  joining(): readonly PeerId[] {
    const waiting = (connection: InboundConnection | undefined, peer: PeerId): boolean =>
      connection !== undefined && (connection.joining || !this.#linkOf.has(peer));
    return [...this.#inboundOf]
      .filter(([peer, { control, bulk }]) => waiting(control, peer) || waiting(bulk, peer))
      .map(([peer]) => peer)
      .sort();
  }

  refusedPeers(): readonly PeerRefusal[] {
    return this.#links.flatMap(({ peer, up }) => {
      const refusal = up ? undefined : this.#lastRefusal.get(peer);
      return refusal === undefined ? [] : [{ peer, refusal }];
    });
  }

  bufferedBytes(to: PeerId): number {
    return this.#linkOf.get(to)?.bufferedBytes ?? 0;
  }

  connectedTo(peer: PeerId): boolean {
    return this.#linkOf.get(peer)?.up ?? false;
  }

  announce(): void {
    for (const link of this.#links) link.announce();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#sweepTimer?.cancel();
    for (const link of this.#links) link.close();
    for (const connection of this.#connections()) connection.close(CLOSE_CODE.goingAway, 'the peer stops');
    if (this.#handlers !== undefined) await this.#ports.listener.close();
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  #owner(): TransportHandlers {
    assert(this.#handlers !== undefined, 'nobody is talked to before the start');
    return this.#handlers;
  }

  /** Makes the links those to `peers`; one that leads elsewhere now is still to be moved. */
  #link(peers: readonly PeerUrl[]): void {
    const before = this.#linkOf;
    const fresh: OutboundLink[] = [];
    const links = peers
      .filter(({ peer }) => peer !== this.#context.self)
      .sort((left, right) => (left.peer < right.peer ? -1 : 1))
      .map(({ peer, url }) => {
        const known = before.get(peer);
        const link = known ?? new OutboundLink(peer, url, this.#outboundOwner);
        if (known === undefined) fresh.push(link);
        return link;
      });
    this.#links = links;
    this.#linkOf = new Map(links.map((link) => [link.peer, link]));
    this.#urlOf = new Map(peers.map(({ peer, url }) => [peer, url]));
    assert(this.#linkOf.size === links.length, 'each peer is given once');
    for (const [peer, link] of before) {
      if (this.#linkOf.has(peer)) continue;
      this.#lastRefusal.delete(peer);
      link.close();
    }
    if (!this.#started) return;
    for (const link of fresh) {
      this.#named.add(link.peer);
      link.start();
    }
  }

  /**
   * Those that are held as joining may have become peers, and those that are left out may have been removed. Each is judged by what
   * it said last, on whichever of its connections: by one after the other it could be let in and left out in turns, for ever. Those that
   * were named anew may be others than before.
   */
  #judgeAgain(): void {
    const named = new Set(this.#named);
    this.#named.clear();
    for (const [peer, { control, bulk }] of this.#inboundOf) {
      const words = [control?.lastWords, bulk?.lastWords].reduce((newest, one) =>
        (one?.heard ?? 0) > (newest?.heard ?? 0) ? one : newest,
      );
      if (words === undefined) continue;
      for (const connection of [control, bulk]) {
        const isAsked = connection?.joining === true || named.has(peer) || !this.#linkOf.has(peer);
        if (isAsked) connection?.judgeAgain(words.facts);
      }
    }
  }

  /** A peer always has room; of others so many names may be connected. */
  #hasRoom(peer: PeerId): boolean {
    if (this.#linkOf.has(peer) || this.#inboundOf.has(peer)) return true;
    let strangers = 0;
    for (const other of this.#inboundOf.keys()) if (!this.#linkOf.has(other)) strangers += 1;
    return strangers < JOINING_MAX;
  }

  #makeOutboundOwner(): OutboundOwner {
    return {
      context: this.#context,
      dialer: this.#ports.dialer,
      timers: this.#ports.timers,
      timings: this.#timings,
      logger: this.#ports.logger,
      connected: (peer) => {
        this.#lastRefusal.delete(peer);
        this.#owner().connected(peer);
      },
      disconnected: (peer) => this.#owner().disconnected(peer),
      redialed: (peer, result) => this.#owner().redialed(peer, result),
      refused: (peer, refusal) => this.#refused(peer, refusal, peer),
    };
  }

  #makeInboundOwner(): InboundOwner {
    return {
      context: this.#context,
      hearing: () => {
        this.#hearings += 1;
        return this.#hearings;
      },
      opened: (connection, peer, lane) => this.#opened(connection, peer, lane),
      frame: (from, lane, bytes) => {
        if (this.#linkOf.has(from)) this.#owner().frame(from, lane, bytes);
      },
      refused: (peer, refusal, remote) => this.#refused(peer, refusal, remote),
      judged: (connection, peer) => {
        for (const other of lanesOf(this.#inboundOf.get(peer))) if (other !== connection) other.follow(connection);
      },
      ended: (connection) => this.#ended(connection),
    };
  }

  #accept(socket: Socket): void {
    if (this.#stopped || this.#pending.size >= HANDSHAKES_MAX) {
      socket.handle({ message: () => {}, closed: () => {} });
      socket.terminate();
      return;
    }
    const connection = new InboundConnection(socket, this.#inboundOwner);
    const deadline = this.#ports.timers.after(this.#timings.handshakeTimeoutMs, () => connection.expire());
    this.#pending.set(connection, deadline);
  }

  #opened(connection: InboundConnection, peer: PeerId, lane: Lane): void {
    this.#settle(connection);
    let inbound = this.#inboundOf.get(peer);
    if (inbound === undefined) {
      inbound = {};
      this.#inboundOf.set(peer, inbound);
    }
    // A peer dials only when it has no connection of its own, so an older one is what is left of a broken one.
    const older = inbound[lane];
    inbound[lane] = connection;
    older?.close(CLOSE_CODE.replaced, 'the peer has connected anew');
    for (const other of lanesOf(inbound)) {
      if (other === connection) continue;
      // Of two directories under one name only the one that came last is heard.
      if (other.incarnation === connection.incarnation) other.follow(connection);
      else other.close(CLOSE_CODE.replaced, 'the peer has connected with another data directory');
    }
    this.#linkOf.get(peer)?.hurry();
  }

  #ended(connection: InboundConnection): void {
    this.#settle(connection);
    for (const [peer, inbound] of this.#inboundOf) {
      if (inbound.control === connection) delete inbound.control;
      if (inbound.bulk === connection) delete inbound.bulk;
      if (inbound.control === undefined && inbound.bulk === undefined) this.#inboundOf.delete(peer);
    }
  }

  /** Its handshake is over, one way or the other. */
  #settle(connection: InboundConnection): void {
    this.#pending.get(connection)?.cancel();
    this.#pending.delete(connection);
  }

  #refused(peer: PeerId | undefined, refusal: Refusal, remote: string): void {
    if (peer === undefined) {
      // Anybody can knock: the log is not theirs to fill.
      this.#logLines += 1;
      if (this.#logLines > LOG_LINES_PER_SWEEP) return;
      this.#ports.logger.warn('a caller was refused', {
        remote,
        code: refusal.code,
        sentence: printable(refusal.sentence),
      });
      return;
    }
    const last = this.#lastRefusal.get(peer);
    const isSame = last?.by === refusal.by && last.code === refusal.code && last.sentence === refusal.sentence;
    if (isSame) return;
    // Most are about peers; the few besides that were told once are told again now and then.
    if (this.#lastRefusal.size >= REFUSALS_MAX) this.#lastRefusal.clear();
    this.#lastRefusal.set(peer, refusal);
    this.#ports.logger.warn('a peer was refused', {
      peer,
      by: refusal.by,
      code: refusal.code,
      sentence: refusal.sentence,
    });
    this.#owner().refused(peer, refusal);
  }

  #sweepLater(): void {
    this.#sweepTimer = this.#ports.timers.after(this.#timings.pingMs, () => {
      this.#logLines = 0;
      for (const link of this.#links) link.ping();
      const silentMax = this.#timings.missedPingsMax * SILENT_SWEEPS_FACTOR;
      for (const connection of this.#connections()) connection.sweep(silentMax);
      // A handler may have stopped the transport.
      if (!this.#stopped) this.#sweepLater();
    });
  }

  /** Every accepted connection. Only which ones there are matters to the callers, not their order. */
  #connections(): InboundConnection[] {
    return [...Array.from(this.#inboundOf.values()).flatMap(lanesOf), ...this.#pending.keys()];
  }
}

function lanesOf(inbound: Inbound | undefined): InboundConnection[] {
  return [inbound?.control, inbound?.bulk].filter((connection) => connection !== undefined);
}
