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
 *   transport is stopped before.
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

/** What this peer tells each other one of itself. */
export interface OwnFacts {
  /** Drawn when the data directory was made: another one under the same id means that the directory was replaced. */
  readonly incarnation: string;
  /** True until the peer was founded: its log is empty and it never voted, so it may be one that starts for the first time. */
  readonly logEmpty: boolean;
  /** The incarnation of the peer addressed that this peer has written down at its founding; absent when none. */
  readonly knownIncarnation?: string;
}

/** What another peer has told of itself. */
export interface PeerFacts {
  readonly incarnation: string;
  readonly logEmpty: boolean;
  /** What it has written down of this peer: nothing, this very incarnation, or another one. */
  readonly knowsMe: 'not' | 'as-this' | 'as-another';
}

/** Result of the dial that follows a disconnection. Only `refused` says something: nobody listens there, the process is gone. */
export type RedialResult = 'refused' | 'accepted' | 'timeout';

/** What the transport tells its owner. Every call is an event of its own. */
export interface TransportHandlers {
  /** What to tell `to` now. Called at every handshake and at `announce`. */
  facts(to: PeerId): OwnFacts;
  /**
   * Another peer has proved who it is and told its facts: at every handshake of either direction before any frame, and again
   * when it announces. A refusal ends the connection and is told to the other end with its sentence.
   */
  hello(from: PeerId, facts: PeerFacts): 'accept' | { readonly refuse: string };
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

/** Carries frames to the other peers. One for each process; `SocketTransport` is the implementation. */
export interface Transport {
  /** Starts listening and dialing. @throws when the own address is taken or not ours. */
  start(handlers: TransportHandlers): Promise<void>;
  /**
   * Queues one frame of 1 to `FRAME_BYTES_MAX` bytes; the caller does not touch `bytes` again. Dropped in silence when `to` is
   * not connected or too much is waiting for it: Raft repeats.
   */
  send(to: PeerId, lane: Lane, bytes: Uint8Array): void;
  /** Bytes of the bulk lane that the network has not taken; 0 when not connected. */
  bufferedBytes(to: PeerId): number;
  connectedTo(peer: PeerId): boolean;
  /** Asks `facts` anew and tells every connected peer: when the log is no longer empty, or an incarnation was written down. */
  announce(): void;
  /** Ends every connection and stops listening. Harmless before `start` and when repeated. */
  stop(): Promise<void>;
}
