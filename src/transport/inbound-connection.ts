import { DecodeError } from '../base/bytes.ts';
import type { PeerId } from '../base/ids.ts';
import type { Socket, SocketClose, SocketHandlers } from '../base/socket.ts';
import { decodeOwnMessage, encodePong, encodeRefuse, OWN_MARK } from './handshake-messages.ts';
import { AcceptorHandshake, type HandshakeContext, judgeFacts } from './handshake.ts';
import type { Refusal } from './refusal.ts';
import { CLOSE_CODE } from './timings.ts';
import type { Lane, OwnFacts } from './transport.ts';

/** What an accepted connection tells the transport that owns it. */
export interface InboundOwner {
  readonly context: HandshakeContext;
  /** Counts what callers say of themselves, so that it is known what was said last. */
  hearing(): number;
  /** The caller has proved who it is: frames follow. */
  opened(connection: InboundConnection, peer: PeerId, lane: Lane): void;
  /** @throws DecodeError when the frame is not one of ours. */
  frame(from: PeerId, lane: Lane, bytes: Uint8Array): void;
  /** A handshake ended in a refusal, or a frame was none. `peer` is undefined while the caller has proved nothing. */
  refused(peer: PeerId | undefined, refusal: Refusal, remote: string): void;
  /** The caller said something new of itself, or the owner was asked again what to make of it, and the connection stays. */
  judged(connection: InboundConnection, peer: PeerId): void;
  /** Called once, whoever ended it. */
  ended(connection: InboundConnection): void;
}

/** A connection that another peer made, to send to this one. It is never used to send frames back. */
export class InboundConnection implements SocketHandlers {
  readonly #socket: Socket;
  readonly #owner: InboundOwner;
  /** Present until the caller has proved who it is. */
  #handshake: AcceptorHandshake | undefined;
  #peer: PeerId | undefined;
  #lane: Lane = 'control';
  /** What the other end said last of itself. */
  #facts: OwnFacts | undefined;
  /** When it said so, by the count of the owner. */
  #heard = 0;
  /** The owner does not take its frames, only hears of it. */
  #joining = false;
  /** The message before was the mark: the next one is for the transport itself. */
  #marked = false;
  /** Sweeps since anything was heard. */
  #silentSweeps = 0;
  #over = false;

  constructor(socket: Socket, owner: InboundOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#handshake = new AcceptorHandshake(owner.context);
    socket.handle(this);
  }

  message(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#silentSweeps = 0;
    try {
      if (this.#peer === undefined) this.#shakeHands(bytes);
      else if (this.#marked) this.#own(this.#peer, bytes);
      else if (bytes.length === 0) this.#marked = true;
      else if (!this.#joining) this.#owner.frame(this.#peer, this.#lane, bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#refuse({ code: 'BAD_FRAME', sentence: `a frame is not ours: ${error.message}`, by: 'us' });
    }
  }

  closed(_close: SocketClose): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.ended(this);
  }

  /**
   * To be called at an even pace. The other end pings, so silence means that it is gone; the caller is dropped, since it dials
   * again when it lives.
   */
  sweep(silentSweepsMax: number): void {
    this.#silentSweeps += 1;
    if (this.#silentSweeps > silentSweepsMax) this.terminate();
  }

  /** The caller did not finish its handshake in time. Harmless when it did. */
  expire(): void {
    if (this.#over || this.#handshake === undefined) return;
    const refusal: Refusal = { code: 'TIMEOUT', sentence: 'the handshake was not finished in time', by: 'us' };
    this.#socket.send(encodeRefuse(refusal));
    this.#leave(refusal);
  }

  /** True when frames of this connection are dropped because its owner has not taken the caller for a member. */
  get joining(): boolean {
    return this.#joining;
  }

  /** What the other end said last of itself here, and when; undefined before it has proved who it is. */
  get lastWords(): { readonly facts: OwnFacts; readonly heard: number } | undefined {
    return this.#facts === undefined ? undefined : { facts: this.#facts, heard: this.#heard };
  }

  /** Asks the owner again what it makes of the caller, which says these `facts` by now: the peers have changed. */
  judgeAgain(facts: OwnFacts): void {
    if (this.#over || this.#peer === undefined) return;
    this.#judge(this.#peer, facts);
  }

  /** Which data directory the caller has; undefined before it has proved who it is. */
  get incarnation(): string | undefined {
    return this.#facts?.incarnation;
  }

  /**
   * `other` is the other lane of the same caller and was judged later. Facts are told on one lane: were the first ones kept for this
   * one, they would come up when it is judged again, and what is long past would count as the caller's last word.
   */
  follow(other: InboundConnection): void {
    if (this.#over || this.incarnation !== other.incarnation) return;
    this.#facts = other.#facts;
    this.#heard = other.#heard;
    this.#joining = other.#joining;
  }

  /** Ends it in order. */
  close(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.close(code, reason);
    this.#owner.ended(this);
  }

  /** Ends it at once. */
  terminate(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.terminate();
    this.#owner.ended(this);
  }

  #shakeHands(bytes: Uint8Array): void {
    const handshake = this.#handshake as AcceptorHandshake;
    const step = handshake.receive(bytes);
    // The owner was asked within the step, and may have stopped everything.
    if (this.#over) return;
    for (const reply of step.replies) this.#socket.send(reply);
    if (step.type === 'refused') {
      this.#peer = step.peer;
      this.#leave(step.refusal);
    } else if (step.type === 'open') {
      this.#handshake = undefined;
      this.#peer = step.peer;
      this.#lane = step.lane;
      this.#facts = step.facts;
      this.#heard = this.#owner.hearing();
      this.#joining = step.standing === 'joining';
      this.#socket.trusted?.();
      this.#owner.opened(this, step.peer, step.lane);
    }
  }

  /** A message that the other transport sent for itself, on a connection that is open. */
  #own(peer: PeerId, bytes: Uint8Array): void {
    this.#marked = false;
    const message = decodeOwnMessage(bytes);
    if (message.type === 'ping') {
      this.#socket.send(OWN_MARK);
      this.#socket.send(encodePong());
    } else if (message.type === 'facts') {
      this.#heard = this.#owner.hearing();
      this.#judge(peer, message.facts);
    } else if (message.type === 'refuse') {
      this.#leave({ code: message.code, sentence: message.sentence, by: 'them' });
    } else {
      throw new DecodeError(`a ${message.type} message came out of order`);
    }
  }

  #judge(peer: PeerId, facts: OwnFacts): void {
    const { context } = this.#owner;
    const judged = judgeFacts(context, peer, context.facts(peer), facts);
    // The owner was asked, and may have stopped everything.
    if (this.#over) return;
    if ('refusal' in judged) {
      this.#refuse(judged.refusal);
      return;
    }
    this.#facts = facts;
    this.#joining = judged.standing === 'joining';
    this.#owner.judged(this, peer);
  }

  /** Says no on a connection that is open. */
  #refuse(refusal: Refusal): void {
    if (this.#over) return;
    this.#socket.send(OWN_MARK);
    this.#socket.send(encodeRefuse(refusal));
    this.#leave(refusal);
  }

  #leave(refusal: Refusal): void {
    const code = refusal.code === 'BAD_FRAME' ? CLOSE_CODE.protocolError : CLOSE_CODE.refused;
    this.#owner.refused(this.#peer, refusal, this.#socket.remote);
    this.close(code, refusal.code);
  }
}
