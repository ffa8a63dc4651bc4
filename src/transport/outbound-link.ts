import { assert } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { Timer, Timers } from '../base/clock.ts';
import type { PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import { below } from '../base/random.ts';
import type { Dialer, DialFailure, Socket, SocketClose } from '../base/socket.ts';
import { decodeOwnMessage, encodeFacts, encodePing, OWN_MARK, printable } from './handshake-messages.ts';
import { DialerHandshake, type HandshakeContext } from './handshake.ts';
import type { Refusal } from './refusal.ts';
import { CLOSE_CODE, PEER_PROTOCOL, type TransportTimings } from './timings.ts';
import { FRAME_BYTES_MAX, type Lane, type RedialResult } from './transport.ts';

/**
 * How much longer than the control lane the bulk lane may be silent. A host that is gone is missed on the control lane; here a
 * large message on a slow line looks like silence until the network has taken all of it.
 */
const BULK_PATIENCE = 6;

/** What a link needs from the transport that owns it, and tells it. */
export interface OutboundOwner {
  readonly context: HandshakeContext;
  readonly dialer: Dialer;
  readonly timers: Timers;
  readonly timings: TransportTimings;
  readonly logger: Logger;
  connected(peer: PeerId): void;
  disconnected(peer: PeerId): void;
  redialed(peer: PeerId, result: RedialResult): void;
  refused(peer: PeerId, refusal: Refusal): void;
}

/** One lane of a link that is up. */
interface OpenLane {
  readonly socket: Socket;
  /** Pings sent since the last sign of life. */
  missedPings: number;
  /** What was waiting at the last ping: when it has become less, the network is taking it. */
  bufferedBytes: number;
}

/**
 * What this peer sends to one other: two connections that live and die together, since Raft has to begin anew with a follower
 * after a loss on either. The control lane is dialed first; when it stands, the bulk lane.
 *
 *     waiting → dialing control → control → dialing bulk → up → (dialing control, at once)
 *        ↑____________|______________|___________|
 */
export class OutboundLink {
  readonly peer: PeerId;
  #url: string;
  readonly #owner: OutboundOwner;
  /** One more with each attempt: what an earlier one still hears counts for nothing. */
  #attempt = 0;
  /** Attempts that failed in a row. */
  #failures = 0;
  #timer: Timer | undefined;
  /** The timer is the pause before the next dial, and nothing else goes on. */
  #waiting = false;
  #control: OpenLane | undefined;
  #bulk: OpenLane | undefined;
  /** A socket whose handshake is under way. */
  #opening: Socket | undefined;
  #up = false;
  /** Pings sent since the link is up: one that broke at once is not dialed at once again. */
  #pingsUp = 0;
  #redialOwed = false;
  /** The facts changed while the link was being made: what its handshakes told may be older. */
  #announceOwed = false;
  #closed = false;

  constructor(peer: PeerId, url: string, owner: OutboundOwner) {
    this.peer = peer;
    this.#url = url;
    this.#owner = owner;
  }

  get up(): boolean {
    return this.#up;
  }

  get bufferedBytes(): number {
    return this.#up && this.#bulk !== undefined ? this.#bulk.socket.bufferedBytes : 0;
  }

  start(): void {
    this.#dial('control');
  }

  /** Drops the frame when the link is down or its lane is full. */
  send(lane: Lane, bytes: Uint8Array): void {
    assert(bytes.length > 0 && bytes.length <= FRAME_BYTES_MAX, 'a frame has 1 byte to FRAME_BYTES_MAX');
    if (!this.#up) return;
    const socket = (lane === 'control' ? this.#control : this.#bulk)?.socket;
    assert(socket !== undefined, 'a link that is up has both lanes');
    const { bulkBytesMax, controlBytesMax } = this.#owner.timings;
    const bound = lane === 'control' ? controlBytesMax : bulkBytesMax;
    if (socket.bufferedBytes + bytes.length > bound) return;
    socket.send(bytes);
  }

  /** The other one has just called: it lives, so the pause before the next dial would be for nothing. */
  hurry(): void {
    if (!this.#waiting) return;
    this.#end((socket) => socket.terminate());
    this.#failures = 0;
    this.#dial('control');
  }

  /** Where the peer is dialed. */
  get url(): string {
    return this.#url;
  }

  /** The peer has moved: whatever goes on at the address before ends. To be called in an event of its own. */
  moveTo(url: string): void {
    if (this.#closed || this.#url === url) return;
    this.#url = url;
    this.#failures = 0;
    this.#lost('its address has changed');
  }

  /** Tells the other end the facts as they are now. */
  announce(): void {
    if (!this.#up || this.#control === undefined) {
      this.#announceOwed = true;
      return;
    }
    this.#control.socket.send(OWN_MARK);
    this.#control.socket.send(encodeFacts(this.#owner.context.facts(this.peer)));
  }

  /** To be called every `pingMs`. Ends the link when it has been silent for too long. */
  ping(): void {
    if (!this.#up) return;
    this.#pingsUp += 1;
    for (const lane of [this.#control, this.#bulk]) {
      assert(lane !== undefined, 'a link that is up has both lanes');
      const missedMax = this.#owner.timings.missedPingsMax * (lane === this.#bulk ? BULK_PATIENCE : 1);
      const waiting = lane.socket.bufferedBytes;
      // Counted in pings and not by the clock: a process that was paused must not take its own sleep for the other's silence.
      lane.missedPings = waiting < lane.bufferedBytes ? 1 : lane.missedPings + 1;
      lane.bufferedBytes = waiting;
      if (lane.missedPings > missedMax) {
        this.#lost('it answers no more');
        return;
      }
      lane.socket.send(OWN_MARK);
      lane.socket.send(encodePing());
    }
  }

  /** Ends the link for good, in order: what was sent before still goes out. */
  close(): void {
    this.#closed = true;
    this.#end((socket) => socket.close(CLOSE_CODE.goingAway, 'the peer stops'));
    this.#up = false;
  }

  #dial(lane: Lane): void {
    const attempt = this.#attempt;
    const { dialer, timings } = this.#owner;
    if (lane === 'control') this.#announceOwed = false;
    const options = {
      timeoutMs: timings.dialTimeoutMs,
      maxMessageBytes: FRAME_BYTES_MAX,
      protocol: PEER_PROTOCOL,
    };
    dialer.dial(this.#url, options, {
      opened: (socket) => {
        if (attempt !== this.#attempt) {
          socket.handle({ message: () => {}, closed: () => {} });
          socket.terminate();
          return;
        }
        this.#reportRedial(lane, 'accepted');
        if (attempt === this.#attempt) this.#shakeHands(lane, socket);
      },
      failed: (failure) => {
        if (attempt !== this.#attempt) return;
        this.#reportRedial(lane, redialResult(failure));
        if (attempt === this.#attempt) this.#lost(failure.message);
      },
    });
  }

  #reportRedial(lane: Lane, result: RedialResult): void {
    if (!this.#redialOwed || lane !== 'control') return;
    this.#redialOwed = false;
    this.#owner.redialed(this.peer, result);
  }

  #shakeHands(lane: Lane, socket: Socket): void {
    const attempt = this.#attempt;
    const handshake = new DialerHandshake(this.#owner.context, this.peer, lane);
    this.#opening = socket;
    let open: OpenLane | undefined;
    let own = false;
    socket.handle({
      message: (bytes) => {
        if (attempt !== this.#attempt) return;
        if (open !== undefined) {
          if (own) this.#hear(open, bytes);
          else if (bytes.length > 0) this.#lost('it sends frames where it should only answer');
          own = !own;
          return;
        }
        const step = handshake.receive(bytes);
        // The owner was asked within the step, and may have stopped everything.
        if (attempt !== this.#attempt) return;
        for (const reply of step.replies) socket.send(reply);
        if (step.type === 'refused') this.#refused(step.refusal);
        if (step.type === 'open') {
          open = { socket, missedPings: 0, bufferedBytes: 0 };
          this.#opened(lane, open);
        }
      },
      closed: (close) => {
        if (attempt === this.#attempt) this.#lost(describe(close));
      },
    });
    this.#timer = this.#owner.timers.after(this.#owner.timings.handshakeTimeoutMs, () => {
      const sentence = `${this.peer} did not finish the handshake in time`;
      this.#refused({ code: 'TIMEOUT', sentence, by: 'us' });
    });
    socket.send(handshake.first);
  }

  #opened(lane: Lane, open: OpenLane): void {
    this.#timer?.cancel();
    this.#opening = undefined;
    if (lane === 'control') {
      this.#control = open;
      this.#dial('bulk');
      return;
    }
    this.#bulk = open;
    this.#up = true;
    this.#pingsUp = 0;
    this.#failures = 0;
    this.#owner.logger.info('peer connected', { peer: this.peer });
    if (this.#announceOwed) this.announce();
    this.#announceOwed = false;
    this.#owner.connected(this.peer);
  }

  /** A message of the other transport on a lane that is open. */
  #hear(lane: OpenLane, bytes: Uint8Array): void {
    try {
      const message = decodeOwnMessage(bytes);
      if (message.type === 'pong') lane.missedPings = 0;
      else if (message.type === 'refuse') this.#refused({ ...message, by: 'them' });
      else this.#lost(`it sent a ${message.type} message out of order`);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#lost(error.message);
    }
  }

  /** One end said no. The other one has been told and closes, or is closed by us. */
  #refused(refusal: Refusal): void {
    const attempt = this.#attempt;
    this.#owner.refused(this.peer, refusal);
    if (attempt !== this.#attempt) return;
    this.#end((socket) => socket.close(CLOSE_CODE.refused, refusal.code));
    this.#fall(refusal.sentence);
  }

  #lost(why: string): void {
    this.#end((socket) => socket.terminate());
    this.#fall(why);
  }

  /** All sockets are gone: says so when the link was up, and dials again. */
  #fall(why: string): void {
    const wasUp = this.#up;
    this.#up = false;
    const attempt = this.#attempt;
    if (wasUp) {
      this.#owner.logger.info('peer disconnected', { peer: this.peer, why: printable(why) });
      this.#redialOwed = true;
      this.#owner.disconnected(this.peer);
      if (attempt !== this.#attempt || this.#closed) return;
    } else {
      this.#owner.logger.debug('peer not reached', { peer: this.peer, why: printable(why) });
    }
    // Whether its process still lives can only be asked now. A link that broke as soon as it stood waits like any other.
    if (wasUp && this.#pingsUp > 0) {
      this.#dial('control');
      return;
    }
    this.#waiting = true;
    this.#timer = this.#owner.timers.after(this.#pauseMs(), () => {
      this.#waiting = false;
      this.#dial('control');
    });
  }

  #pauseMs(): number {
    const { backoffMinMs, backoffMaxMs } = this.#owner.timings;
    // 16 doublings pass every bound that makes sense, and keep the shift in range.
    const pause = Math.min(backoffMaxMs, backoffMinMs * (1 << Math.min(this.#failures, 16)));
    this.#failures += 1;
    const half = Math.ceil(pause / 2);
    return half + below(this.#owner.context.random, half + 1);
  }

  /** Ends the attempt and every socket it has; nothing that they still hear counts. */
  #end(how: (socket: Socket) => void): void {
    this.#attempt += 1;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting = false;
    const sockets = [this.#control?.socket, this.#bulk?.socket, this.#opening];
    this.#control = undefined;
    this.#bulk = undefined;
    this.#opening = undefined;
    for (const socket of sockets) if (socket !== undefined) how(socket);
  }
}

function redialResult(failure: DialFailure): RedialResult {
  switch (failure.kind) {
    case 'refused':
      return 'refused';
    case 'rejected':
      // Whoever answers in HTTP is no dead process.
      return 'accepted';
    case 'timeout':
      return 'timeout';
  }
}

function describe(close: SocketClose): string {
  return close.reason === '' ? `the connection ended with ${close.code}` : `${close.reason} (${close.code})`;
}
