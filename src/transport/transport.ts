/**
 * Frames between peers.
 *
 * A transport carries opaque frames from one peer to each other peer, on two lanes that do not hold each other up, and tells
 * at once when a peer can or can no longer be reached. Frames come from `src/peer`, which knows what is in them, and go to the
 * `src/peer` of another process. What a frame costs on the way is its bytes and nothing else: no copy is made and nothing is
 * wrapped around it.
 *
 * ```
 *            dial          both lanes proved           a lane ends
 *   waiting ──────▶ dialing ───────────────▶ up ─────────────────────┐
 *      ▲              │                       connected              │ disconnected
 *      │  backoff     │ failed or refused                            ▼
 *      └──────────────┴◀──────────────────────────────────── dialing again, at once
 *                                                    redialed: refused | accepted | timeout
 * ```
 *
 * Rules that every implementation keeps, held by one conformance suite:
 * - Whoever sends dials: the link of A to B carries what A sends, B has a link of its own to A. So no two dials ever compete
 *   for one place, and each side heals what it needs without waiting for the other.
 * - Within one lane and one connection frames arrive in order, whole, once, and unchanged. What was on the way when a
 *   connection ended is lost; frames of different lanes overtake each other.
 * - No frame is delivered before the other end has proved who it is and `hello` has accepted it.
 * - `connected` and `disconnected` alternate for a peer; each `disconnected` is followed by one `redialed`, unless the
 *   transport is stopped before. One that `setPeers` leaves out is disconnected without a word.
 * - Frames are delivered from those peers alone that `setPeers` named last, though others may be connected, to be heard of.
 * - Handlers are never called after `stop` was called, nor within a call of the transport (but `facts` within `announce`).
 *
 * What it does not do: it repeats nothing (Raft does), encrypts nothing, and does not know what leads or follows.
 */

import type { PeerId } from '../base/ids.ts';
import type { Refusal } from './refusal.ts';

/**
 * `control`: heartbeats, votes, hand-overs. Never cut for slowness and never behind bulk. `bulk`: appends and their answers.
 * Each has connections of its own.
 */
export type Lane = 'control' | 'bulk';

/** Largest frame in bytes. An append of one entry of the largest size fits with room to spare. */
export const FRAME_BYTES_MAX: number = 16 * 1024 * 1024;

/** Where a peer is reached: a host name or address without brackets, of at most 253 characters, and a port. */
export interface PeerAddress {
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** What a peer says of itself, whomever it speaks to. */
export interface CommonFacts {
  /** Drawn when the data directory was made: another one under the same id means that the directory was replaced. */
  readonly incarnation: string;
  /** True until the peer was founded: its log is empty and it never voted, so it may be one that starts for the first time. */
  readonly logEmpty: boolean;
  /** The newest level of features that its version can apply, 0 to 65,535. */
  readonly featureLevel: number;
  /**
   * Who founds or founded the cluster as far as it knows, sorted, at most 16: those of its file until it was founded. Two that
   * start for the first time may found a cluster only when they name the same; one that joins begins with those of the others.
   */
  readonly founders: readonly PeerId[];
  readonly addresses: { readonly peer: PeerAddress; readonly client: PeerAddress };
  /**
   * How often the data directory was opened, this time included. One that comes with less than was heard of its incarnation before is an
   * old copy. Absent where it is not counted.
   */
  readonly boot?: number;
  /** Drawn at that opening: as many openings with another mark are an old copy, too. Absent from older versions. */
  readonly bootMark?: number;
}

/** What this peer tells each other one of itself. */
export interface OwnFacts extends CommonFacts {
  /** The incarnation of the peer addressed that this peer has written down at its founding; absent when none. */
  readonly knownIncarnation?: string;
}

/** What another peer has told of itself. */
export interface PeerFacts extends CommonFacts {
  /** What it has written down of this peer: nothing, this very incarnation, or another one. */
  readonly knowsMe: 'not' | 'as-this' | 'as-another';
}

/**
 * What the owner makes of another peer.
 * - `accept`: its frames are taken, once it is among the peers of `setPeers`.
 * - `joining`: it has proved that it knows the secret and stays connected, so that it can be asked to join and is heard of
 *   changes; its frames are dropped. For one that is dialed, under the name of a member that had another data directory, it is
 *   a refusal with the code `INCARNATION`.
 * - `refuse`: the connection ends; the sentence is told to the other end with the code, `DECLINED` by default.
 */
export type HelloVerdict =
  | 'accept'
  | 'joining'
  | { readonly refuse: string; readonly code?: 'DECLINED' | 'INCARNATION' | 'REMOVED' };

/** Result of the dial that follows a disconnection. Only `refused` says something: nobody listens there, the process is gone. */
export type RedialResult = 'refused' | 'accepted' | 'timeout';

/** What the transport tells its owner. Every call is an event of its own. */
export interface TransportHandlers {
  /** What to tell `to` now. Called at every handshake and at `announce`. */
  facts(to: PeerId): OwnFacts;
  /**
   * Another peer has proved who it is and told its facts: at every handshake of either direction before any frame, again
   * when it announces, and again after `setPeers` when that may change the verdict. It may be any name but the own: members,
   * those that want to become one, and those that were.
   */
  hello(from: PeerId, facts: PeerFacts): HelloVerdict;
  /**
   * One whole frame; the bytes belong to the receiver. They may be a view into a larger buffer of the network: copy what is kept
   * for long.
   *
   * @throws DecodeError to end the connection because the frame is not one of ours. Anything else that is thrown passes through.
   */
  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void;
  /** From now on frames can be sent to `peer`. */
  connected(peer: PeerId): void;
  /** A connection to `peer` ended; it is being dialed again already. */
  disconnected(peer: PeerId): void;
  redialed(peer: PeerId, result: RedialResult): void;
  /** A handshake with `peer` failed by the word of one of the ends. Told once for each change; dialing goes on. */
  refused(peer: PeerId, refusal: Refusal): void;
}

/** A peer and where it is dialed. */
export interface PeerUrl {
  readonly peer: PeerId;
  /** `ws://host:port/v1/peer`, see `peerUrl`. */
  readonly url: string;
}

/** Why a peer is not connected, by the word of one of the ends. */
export interface PeerRefusal {
  readonly peer: PeerId;
  readonly refusal: Refusal;
}

/** Carries frames to the other peers. One for each process; `SocketTransport` is the implementation. */
export interface Transport {
  /** Starts listening and dialing. @throws when the own address is taken or not ours. */
  start(handlers: TransportHandlers): Promise<void>;
  /**
   * Queues one frame of 1 to `FRAME_BYTES_MAX` bytes; the caller does not touch `bytes` again. Dropped in silence when `to` is
   * not connected or too much is waiting for it: Raft repeats.
   */
  send(to: PeerId, lane: Lane, bytes: Uint8Array): void;
  /**
   * From now on these are the peers, each given once; this one may be among them. Links to new ones are dialed, those to others
   * end after what was sent, and one whose address has changed is dialed anew. Connections that are held as joining, or come
   * from a peer that is left out, are put to `hello` again. Before `start` it replaces the peers of the constructor. Not to be called within `hello`
   * for every call of it.
   */
  setPeers(peers: readonly PeerUrl[]): void;
  /** Who is connected and no peer: they proved who they are and their frames are dropped. Sorted; at most `JOINING_MAX`. */
  joining(): readonly PeerId[];
  /** The last word on each peer that is not connected because one of the ends said no. By peer. */
  refusedPeers(): readonly PeerRefusal[];
  /** Bytes of the bulk lane that the network has not taken; 0 when not connected. */
  bufferedBytes(to: PeerId): number;
  connectedTo(peer: PeerId): boolean;
  /** Asks `facts` anew and tells every connected peer: when the log is no longer empty, or an incarnation was written down. */
  announce(): void;
  /** Ends every connection and stops listening. Harmless before `start` and when repeated. */
  stop(): Promise<void>;
}
