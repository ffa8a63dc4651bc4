import { peerId, type PeerId } from '../../src/base/ids.ts';
import type { Timers } from '../../src/base/clock.ts';
import type { Dialer, Listener } from '../../src/base/socket.ts';
import type { Refusal } from '../../src/transport/refusal.ts';
import type { TransportTimings } from '../../src/transport/timings.ts';
import type {
  HelloVerdict,
  Lane,
  OwnFacts,
  PeerFacts,
  RedialResult,
  Transport,
  TransportHandlers,
} from '../../src/transport/transport.ts';

/** What the suite asks of an implementation. */
export interface MakeOptions {
  readonly clusterId?: string;
  readonly fingerprint?: string;
  readonly secret?: string;
  readonly members?: readonly PeerId[];
  readonly timings?: Partial<TransportTimings>;
}

/** Three addresses on some network, and transports at them. */
export interface TransportWorld {
  /** A transport at the address of `self`; it may be made again once the one before has stopped. */
  make(self: PeerId, options?: MakeOptions): Transport;
  /** Dials and listens where peers do, for those who are no peers. */
  readonly dialer: Dialer;
  listener(at: PeerId): Listener;
  url(of: PeerId): string;
  readonly timers: Timers;
  /** Lets things happen until `condition` holds. */
  until(condition: () => boolean): Promise<void>;
  /** Lets everything happen that is on its way. */
  settle(): Promise<void>;
  end(): Promise<void>;
}

export const P1: PeerId = peerId('p1');
export const P2: PeerId = peerId('p2');
export const P3: PeerId = peerId('p3');

/** What a peer says of itself that starts for the first time, with `changes`. */
export function factsOf(self: PeerId, changes: Partial<OwnFacts> = {}): OwnFacts {
  return {
    incarnation: `${self}-first`,
    logEmpty: true,
    featureLevel: 1,
    founders: [P1, P2, P3],
    addresses: { peer: { host: '10.0.0.1', port: 7401 }, client: { host: 'fe80::1', port: 7400 } },
    ...changes,
  };
}

/** A peer above a transport that remembers what it hears, as lines that read like a story. */
export class RecordingPeer implements TransportHandlers {
  readonly log: string[] = [];
  readonly frames: { readonly from: PeerId; readonly lane: Lane; readonly bytes: Uint8Array }[] = [];
  readonly refusals: Refusal[] = [];
  own: (to: PeerId) => OwnFacts;
  verdict: (from: PeerId, facts: PeerFacts) => HelloVerdict = () => 'accept';
  onFrame: (bytes: Uint8Array) => void = () => {};

  constructor(self: PeerId) {
    this.own = () => factsOf(self);
  }

  facts(to: PeerId): OwnFacts {
    return this.own(to);
  }

  hello(from: PeerId, facts: PeerFacts): HelloVerdict {
    this.log.push(
      `hello ${from} ${facts.incarnation} ${facts.logEmpty ? 'empty' : 'with a log'} knows me ${facts.knowsMe}`,
    );
    return this.verdict(from, facts);
  }

  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void {
    this.onFrame(bytes);
    this.frames.push({ from, lane, bytes });
  }

  connected(peer: PeerId): void {
    this.log.push(`connected ${peer}`);
  }

  disconnected(peer: PeerId): void {
    this.log.push(`disconnected ${peer}`);
  }

  redialed(peer: PeerId, result: RedialResult): void {
    this.log.push(`redialed ${peer} ${result}`);
  }

  refused(peer: PeerId, refusal: Refusal): void {
    this.refusals.push(refusal);
    this.log.push(`refused ${peer} ${refusal.by} ${refusal.code}`);
  }

  has(line: string): boolean {
    return this.log.includes(line);
  }

  /** Lines that are no hello: those come once for each handshake, whose order among peers is nobody's business. */
  get links(): string[] {
    return this.log.filter((line) => !line.startsWith('hello'));
  }
}
