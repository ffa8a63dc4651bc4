/**
 * One connection: bytes in, frames out. It begins with `hello`, checks what comes, counts what is unanswered, and hands each
 * request to the part that knows it.
 *
 *     greeting ──hello──▶ open ──close, error or slowness──▶ closed
 *         └──helloMs──▶ closed
 *
 * Whatever comes in, the peer lives: bytes that are no frame end this connection with a code and nothing else. A client that
 * does not read is not read from either, and is cut when it takes nothing for long.
 */
import type { Timer } from '../base/clock.ts';
import { isName } from '../base/ids.ts';
import type { Socket, SocketClose } from '../base/socket.ts';
import type { ProposalDone, ProposalLane } from '../peer/types.ts';
import type { ClientFrame, HelloFrame } from '../protocol/client-frame.ts';
import { decodeClientFrame, encodeServerFrame } from '../protocol/codec.ts';
import type { ErrorCode } from '../protocol/error-code.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { PeerRow } from '../protocol/rows.ts';
import type { AnswerFrame, ServerFrame } from '../protocol/server-frame.ts';
import { PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from '../protocol/version.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import { commandMoves } from '../scheduler/encode.ts';
import type { Command } from '../scheduler/command.ts';
import { ByteWriter } from '../base/bytes.ts';
import { errorFrame, type ErrorDetails } from './answers.ts';
import type { ServerContext } from './context.ts';
import { handleFrame } from './frames.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { RequestError } from './request-error.ts';
import type { WorkerConnection } from './worker-requests.ts';

/** Asked to wait this long before trying again, when the peer is full or has no leader to name. */
const OVERLOADED_RETRY_MS = 100;
const NO_LEADER_RETRY_MS = 50;
/** How often a client that does not read is looked at. */
const SLOW_CHECK_MS = 1_000;

/** Close codes of RFC 6455 §7.4.1 and of this protocol. */
const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
const CLOSE_INTERNAL = 1011;
const CLOSE_TRY_LATER = 1013;

/** Commands are laid out here before they are copied out at their exact length. */
const scratch = new ByteWriter(64 * 1024);

/** One connection of a client or worker. */
export class Session {
  readonly context: ServerContext;
  readonly #socket: Socket;
  readonly #onClosed: (session: Session) => void;
  #state: 'greeting' | 'open' | 'closed' = 'greeting';
  #namespace = '';
  #timer: Timer | undefined;
  #unanswered = 0;
  /** Lowest `bufferedBytes` seen since reading stopped, and when; undefined while reading. */
  #slow: { leastBytes: number; sinceMs: number } | undefined;
  /** Undefined until the connection attaches as a worker. */
  worker: WorkerConnection | undefined;
  /** The client session that heartbeats of this connection keep alive. */
  clientSession: string | undefined;
  /** Ends a wait for a result, by request. */
  readonly waits: Map<number, () => void> = new Map();

  constructor(context: ServerContext, socket: Socket, onClosed: (session: Session) => void) {
    this.context = context;
    this.#socket = socket;
    this.#onClosed = onClosed;
    this.#timer = context.ports.timers.after(context.options.limits.helloMs, () => {
      this.fail('UNEXPECTED_FRAME', 'no hello came in time', CLOSE_POLICY);
    });
    socket.handle({
      message: (bytes) => this.#message(bytes),
      closed: (close) => this.#closed(close),
    });
  }

  get namespace(): string {
    return this.#namespace;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  get principal(): string {
    return this.context.options.principal;
  }

  /** Sends a frame that answers nothing. */
  send(frame: ServerFrame): void {
    if (this.#state === 'closed') return;
    this.#socket.send(encodeServerFrame(frame));
    if (this.#socket.bufferedBytes > this.context.options.limits.unsentBytesHigh) this.#stopReading();
  }

  /** Sends the one answer of a request. */
  answer(frame: AnswerFrame): void {
    this.#unanswered -= 1;
    this.send(frame);
  }

  /** A request that will never be answered does not count any more. */
  forgetUnanswered(): void {
    this.#unanswered -= 1;
  }

  /** Answers a request with an error. */
  refuse(requestId: number, code: ErrorCode, message: string, details: ErrorDetails = {}): void {
    this.answer(errorFrame(requestId, code, message, details));
  }

  /** Answers a request that only a serving leader can take, with who that is. */
  refuseNotLeader(requestId: number): void {
    const leader = this.leaderRow();
    if (leader === null) {
      const words = 'no leader is known now; nothing was executed';
      this.refuse(requestId, 'NO_LEADER', words, { retryAfterMs: NO_LEADER_RETRY_MS });
    } else {
      this.refuse(requestId, 'NOT_LEADER', `${leader[0]} leads; nothing was executed here`, { leader });
    }
  }

  /** The leader, unless it is this peer and not yet ready. */
  leaderRow(): PeerRow | null {
    const { peer, options } = this.context;
    if (peer.leader === undefined || (peer.leader === peer.self && !peer.isLeader)) return null;
    const member = options.members.find((one) => one.peer === peer.leader);
    return member === undefined ? null : [member.peer, member.url];
  }

  /**
   * Proposes a command for a request of this connection. `applied` is called when it was applied; every other outcome is
   * answered here, in words that tell what is known of it.
   */
  propose(
    requestId: number,
    lane: ProposalLane,
    command: Command,
    applied: (index: number, reply: Parameters<ProposalDone>[0] & { type: 'applied' }) => void,
  ): void {
    if (!this.context.peer.isLeader) return this.refuseNotLeader(requestId);
    scratch.reset();
    encodeCommand(scratch, this.principal, command);
    const taken = this.context.peer.propose(lane, scratch.take(), commandMoves(command), (result) => {
      switch (result.type) {
        case 'applied':
          return applied(result.index, result);
        case 'dropped':
          return this.refuseNotLeader(requestId);
        case 'unknown':
          return this.refuse(
            requestId,
            'OUTCOME_UNKNOWN',
            'the leader changed while the request was under way; ask the new one again',
            { leader: this.leaderRow() },
          );
      }
    });
    if (!taken) {
      this.refuse(requestId, 'OVERLOADED', 'the leader has no room now; nothing was executed', {
        retryAfterMs: OVERLOADED_RETRY_MS,
      });
    }
  }

  /** Ends the connection with an error that tells why. */
  fail(code: ErrorCode, message: string, closeCode: number): void {
    if (this.#state === 'closed') return;
    this.send(errorFrame(0, code, message));
    this.#socket.close(closeCode, code);
  }

  /** The peer stops. */
  goAway(): void {
    this.fail('SHUTTING_DOWN', 'this peer stops; ask another', CLOSE_GOING_AWAY);
  }

  /** The connection is taken over by a newer one, or its worker was declared lost. */
  replace(reason: string): void {
    if (this.#state !== 'closed') this.#socket.close(CLOSE_TRY_LATER, reason);
  }

  #message(bytes: Uint8Array): void {
    if (this.#state === 'closed') return;
    try {
      const frame = decodeClientFrame(bytes, this.context.options.requests.frameBytes);
      if (this.#state === 'greeting') this.#greet(frame);
      else this.#take(frame);
    } catch (error) {
      if (error instanceof ProtocolError) return this.fail(error.code, error.message, error.closeCode);
      this.fail('INTERNAL', 'the peer made a mistake; its log says more', CLOSE_INTERNAL);
      throw error;
    }
  }

  #greet(frame: ClientFrame): void {
    if (frame.type !== 'hello') {
      throw new ProtocolError('UNEXPECTED_FRAME', 'A connection begins with hello.', CLOSE_POLICY);
    }
    const problem = helloProblem(frame);
    if (problem !== undefined) return this.fail(problem.code, problem.message, CLOSE_POLICY);
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = 'open';
    this.#namespace = frame.namespace;
    const { peer, options } = this.context;
    const limits = options.requests;
    this.send({
      type: 'welcome',
      protocolVersion: Math.min(frame.protocolVersion, PROTOCOL_VERSION),
      peer: peer.self,
      cluster: options.clusterId,
      term: peer.term,
      leader: this.leaderRow(),
      peers: options.members.map((member) => [member.peer, member.url] as const),
      limits: [
        limits.payloadBytes,
        limits.headerBytes,
        limits.errorBytes,
        limits.batchTasks,
        limits.batchBytes,
        limits.frameBytes,
      ],
      leaseMs: options.leases.leaseMs,
      heartbeatMs: options.leases.heartbeatMs,
      group: TASK_GROUP,
      epoch: TASK_EPOCH,
    });
  }

  #take(frame: ClientFrame): void {
    if (frame.type === 'hello') {
      throw new ProtocolError('UNEXPECTED_FRAME', 'A connection says hello once.', CLOSE_POLICY);
    }
    if ('requestId' in frame && frame.type !== 'abandon') {
      this.#unanswered += 1;
      if (this.#unanswered - this.waits.size > this.context.options.limits.unansweredMax) {
        const words = `a connection has at most ${this.context.options.limits.unansweredMax} unanswered requests`;
        return this.refuse(frame.requestId, 'TOO_MANY_REQUESTS', words, { retryAfterMs: OVERLOADED_RETRY_MS });
      }
    }
    try {
      handleFrame(this, frame);
    } catch (error) {
      if (!(error instanceof RequestError) || !('requestId' in frame)) throw error;
      this.refuse(frame.requestId, error.code, error.message, { position: error.position });
    }
  }

  #closed(_close: SocketClose): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const end of this.waits.values()) end();
    this.waits.clear();
    this.worker?.disconnected();
    this.#onClosed(this);
  }

  /** Nothing more is read until the client takes what waits for it. */
  #stopReading(): void {
    const { bufferedBytes } = this.#socket;
    if (bufferedBytes > this.context.options.limits.unsentBytesMax) return this.#cut();
    if (this.#slow !== undefined) return;
    this.#slow = { leastBytes: bufferedBytes, sinceMs: this.context.ports.clock.monotonicMs() };
    this.#socket.pause();
    this.#watch();
  }

  #watch(): void {
    this.#timer = this.context.ports.timers.after(SLOW_CHECK_MS, () => {
      const slow = this.#slow;
      if (slow === undefined || this.#state === 'closed') return;
      const { bufferedBytes } = this.#socket;
      const { unsentBytesHigh, noProgressMs } = this.context.options.limits;
      const now = this.context.ports.clock.monotonicMs();
      if (bufferedBytes <= unsentBytesHigh / 2) {
        this.#slow = undefined;
        this.#timer = undefined;
        return this.#socket.resume();
      }
      if (bufferedBytes < slow.leastBytes) {
        slow.leastBytes = bufferedBytes;
        slow.sinceMs = now;
      } else if (now - slow.sinceMs >= noProgressMs) return this.#cut();
      this.#watch();
    });
  }

  #cut(): void {
    this.context.ports.logger.warn('a client took nothing of what waits for it and was cut', {
      remote: this.#socket.remote,
      bufferedBytes: this.#socket.bufferedBytes,
    });
    // Its receive window is full, so a closing frame would never arrive.
    this.#socket.terminate();
  }
}

function helloProblem(frame: HelloFrame): { code: ErrorCode; message: string } | undefined {
  if (frame.protocolVersion < PROTOCOL_VERSION_MIN) {
    const words = `this peer speaks protocol ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION}, the client ${frame.protocolVersion}`;
    return { code: 'UNSUPPORTED_VERSION', message: `${words}; use a newer client` };
  }
  if (frame.role !== 'client' && frame.role !== 'worker') {
    return { code: 'INVALID_ARGUMENT', message: 'role is "client" or "worker"' };
  }
  if (!isName(frame.namespace)) {
    return { code: 'INVALID_ARGUMENT', message: 'namespace is 1 to 200 characters of [A-Za-z0-9._:/-]' };
  }
  return undefined;
}
