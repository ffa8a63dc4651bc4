/**
 * One connection: bytes in, frames out. It begins with `hello`, checks what comes, counts what is unanswered, and hands each
 * request to the part that knows it.
 *
 *     greeting ──hello──▶ open ──error, slowness, close──▶ ended
 *         └──helloMs──▶ ended
 *
 * Whatever comes in, the peer lives: bytes that are no frame end this connection with a code and nothing else. Once ended,
 * nothing more is taken from it, whether or not the other side has closed already.
 */
import { InvariantError } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Timer } from '../base/clock.ts';
import { isName } from '../base/ids.ts';
import type { Socket } from '../base/socket.ts';
import type { ProposalLane } from '../peer/types.ts';
import type { ClientFrame, HelloFrame } from '../protocol/client-frame.ts';
import { decodeClientFrame, encodeServerFrame } from '../protocol/codec.ts';
import type { ErrorCode } from '../protocol/error-code.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { PeerRow } from '../protocol/rows.ts';
import type { AnswerFrame, ServerFrame } from '../protocol/server-frame.ts';
import { PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from '../protocol/version.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { Command } from '../scheduler/command.ts';
import { commandMoves } from '../scheduler/encode.ts';
import type { Reply } from '../scheduler/outcome.ts';
import { errorFrame, type ErrorDetails } from './answers.ts';
import type { ResultWait } from './await-result.ts';
import type { ServerContext } from './context.ts';
import { handleFrame } from './frames.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { Outbound } from './outbound.ts';
import { RequestError } from './request-error.ts';
import type { WorkerConnection } from './worker-connection.ts';

/** Asked to wait this long before trying again, when the peer is full or has no leader to name. */
const OVERLOADED_RETRY_MS = 100;
const NO_LEADER_RETRY_MS = 50;
/** Room is made by people, or by purging: not within moments. */
const NO_SPACE_RETRY_MS = 5_000;

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
  readonly #outbound: Outbound;
  readonly #onClosed: (session: Session) => void;
  #state: 'greeting' | 'open' | 'ended' = 'greeting';
  #namespace = '';
  #role = '';
  #helloTimer: Timer | undefined;
  #heard = true;
  /** Requests without an answer, waits for results among them. */
  #unanswered = 0;
  /** Undefined until the connection attaches as a worker. */
  worker: WorkerConnection | undefined;
  /** The client session that heartbeats of this connection keep alive. */
  clientSession: string | undefined;
  /** Waits for results, by request. */
  readonly waits: Map<number, ResultWait> = new Map();

  constructor(context: ServerContext, socket: Socket, onClosed: (session: Session) => void) {
    this.context = context;
    this.#socket = socket;
    this.#onClosed = onClosed;
    const { options, ports } = context;
    // Its receive window is full, so a closing frame would never arrive.
    this.#outbound = new Outbound(socket, options.limits, ports, () => this.#terminate());
    this.#helloTimer = ports.timers.after(options.limits.helloMs, () => {
      this.fail('UNEXPECTED_FRAME', 'no hello came in time', CLOSE_POLICY);
    });
    socket.handle({
      message: (bytes) => this.#message(bytes),
      drained: () => this.#drained(),
      closed: () => {
        this.#end();
        this.#onClosed(this);
      },
    });
  }

  get namespace(): string {
    return this.#namespace;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** Said hello as a worker. */
  get isWorker(): boolean {
    return this.#role === 'worker';
  }

  get principal(): string {
    return this.context.options.principal;
  }

  /** False while so much waits for the other end that what can wait had better do so. */
  get hasRoom(): boolean {
    return this.#outbound.hasRoom;
  }

  /** Sends a frame that answers nothing. */
  send(frame: ServerFrame): void {
    if (this.#state !== 'ended') this.#outbound.send(encodeServerFrame(frame));
  }

  /** Sends the one answer of a request. */
  answer(frame: AnswerFrame): void {
    this.#unanswered -= 1;
    if (this.#state === 'ended') return;
    const { frameBytes } = this.context.options.requests;
    let bytes = encodeServerFrame(frame);
    if (bytes.length > frameBytes) {
      const words = `the answer has ${bytes.length} bytes, more than the ${frameBytes} of a frame; ask for less`;
      bytes = encodeServerFrame(errorFrame(frame.requestId, 'FRAME_TOO_LARGE', words));
    }
    this.#outbound.send(bytes);
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
    } else if (leader[0] === this.context.peer.self) {
      // We lead and could not take it all the same: there are too many, or leadership is being handed over.
      this.refuseFull(requestId);
    } else {
      this.refuse(requestId, 'NOT_LEADER', `${leader[0]} leads; nothing was executed here`, { leader });
    }
  }

  /** Answers a request for which there is no room. */
  refuseFull(requestId: number): void {
    const details = { retryAfterMs: OVERLOADED_RETRY_MS };
    this.refuse(requestId, 'OVERLOADED', 'the leader has no room now; nothing was executed', details);
  }

  /** The leader, unless it is this peer and not yet ready. */
  leaderRow(): PeerRow | null {
    const { peer, peers, options } = this.context;
    if (peer.leader === undefined || (peer.leader === peer.self && !peer.isLeader)) return null;
    const known = peers.find(([one]) => one === peer.leader);
    if (known !== undefined) return known;
    // One that removes itself leads on until that is committed.
    const first = options.members.find((one) => one.peer === peer.leader);
    return first === undefined ? null : [first.peer, first.url];
  }

  /**
   * Proposes a command for a request of this connection. `applied` is called when it was applied; every other outcome is
   * answered here, in words that tell what is known of it.
   */
  propose(
    requestId: number,
    lane: ProposalLane,
    command: Command,
    applied: (index: number, reply: Reply) => void,
  ): void {
    if (!this.context.peer.isLeader) return this.refuseNotLeader(requestId);
    scratch.reset();
    encodeCommand(scratch, this.principal, command);
    const taken = this.context.peer.propose(lane, scratch.take(), commandMoves(command), (result) => {
      switch (result.type) {
        case 'applied':
          return applied(result.index, result.reply);
        case 'dropped':
          return this.refuseNotLeader(requestId);
        case 'no-space':
          return this.refuse(
            requestId,
            'NO_SPACE',
            'a disk that is needed for a majority is nearly full: no task is taken until there is room; nothing was executed',
            { retryAfterMs: NO_SPACE_RETRY_MS },
          );
        case 'unknown':
          return this.refuse(
            requestId,
            'OUTCOME_UNKNOWN',
            'the leader changed while the request was under way; ask the new one again',
            { leader: this.leaderRow() },
          );
      }
    });
    if (!taken) this.refuseFull(requestId);
  }

  /** Ends the connection with an error that tells why. */
  fail(code: ErrorCode, message: string, closeCode: number): void {
    if (this.#state === 'ended') return;
    this.send(errorFrame(0, code, message));
    this.#close(closeCode, code);
  }

  /** The peer stops. */
  goAway(): void {
    this.fail('SHUTTING_DOWN', 'this peer stops; ask another', CLOSE_GOING_AWAY);
  }

  /** The connection is taken over by a newer one, or its worker has to attach anew. */
  replace(reason: string): void {
    if (this.#state !== 'ended') this.#close(CLOSE_TRY_LATER, reason);
  }

  /** Cuts the connection when nothing came on it since the last call. */
  cutWhenSilent(): void {
    const isSilent = !this.#heard && this.#state === 'open' && !this.#outbound.paused;
    this.#heard = false;
    if (!isSilent) return;
    this.context.ports.logger.debug('a client fell silent and was cut', { remote: this.#socket.remote });
    this.#terminate();
  }

  #message(bytes: Uint8Array): void {
    if (this.#state === 'ended') return;
    this.#heard = true;
    try {
      const frame = decodeClientFrame(bytes, this.context.options.requests.frameBytes);
      if (this.#state === 'greeting') this.#greet(frame);
      else this.#take(frame);
    } catch (error) {
      if (error instanceof ProtocolError) return this.fail(error.code, error.message, error.closeCode);
      this.context.ports.logger.error('a frame could not be handled', { error: String(error) });
      this.fail('INTERNAL', 'the peer made a mistake; its log says more', CLOSE_INTERNAL);
      if (error instanceof InvariantError) throw error;
    }
  }

  #greet(frame: ClientFrame): void {
    if (frame.type !== 'hello') {
      throw new ProtocolError('UNEXPECTED_FRAME', 'A connection begins with hello.', CLOSE_POLICY);
    }
    const problem = helloProblem(frame);
    if (problem !== undefined) return this.fail(problem.code, problem.message, CLOSE_POLICY);
    this.#helloTimer?.cancel();
    this.#state = 'open';
    this.#namespace = frame.namespace;
    this.#role = frame.role;
    const { peer, options } = this.context;
    const limits = options.requests;
    this.send({
      type: 'welcome',
      protocolVersion: Math.min(frame.protocolVersion, PROTOCOL_VERSION),
      peer: peer.self,
      cluster: options.clusterId,
      term: peer.term,
      leader: this.leaderRow(),
      peers: this.context.peers,
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
    const isRequest = 'requestId' in frame && frame.type !== 'abandon';
    if (isRequest) {
      // 0 is what errors of the connection itself carry.
      if (frame.requestId === 0) throw new ProtocolError('MALFORMED_FRAME', 'A request id is 1 or more.');
      this.#unanswered += 1;
      const { unansweredMax } = this.context.options.limits;
      if (this.#unanswered - this.waits.size > unansweredMax) {
        const words = `a connection has at most ${unansweredMax} unanswered requests`;
        return this.refuse(frame.requestId, 'TOO_MANY_REQUESTS', words, { retryAfterMs: OVERLOADED_RETRY_MS });
      }
    }
    try {
      handleFrame(this, frame);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (!isRequest) throw new ProtocolError(error.code, error.message, CLOSE_POLICY);
      this.refuse(frame.requestId, error.code, error.message, { position: error.position });
    }
  }

  #drained(): void {
    this.#outbound.drained();
    if (this.worker !== undefined) this.context.deliveries.drained(this.worker);
  }

  #close(code: number, reason: string): void {
    this.#end();
    this.#socket.close(code, reason);
  }

  #terminate(): void {
    this.#end();
    this.#socket.terminate();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#helloTimer?.cancel();
    this.#outbound.stop();
    for (const wait of this.waits.values()) wait.abandon();
    this.worker?.disconnected();
    this.worker = undefined;
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
