/** What workers say: they attach, live, report and leave. */
import { InvariantError } from '../base/assert.ts';
import type {
  AttachFrame,
  CheckpointFrame,
  CompleteFrame,
  DetachFrame,
  ExtendFrame,
  HeartbeatFrame,
} from '../protocol/client-frame.ts';
import type { AbortRow, AssignRow } from '../protocol/rows.ts';
import type { Attached } from '../scheduler/outcome.ts';
import { attachedFrame, completionCode, refusalFrame } from './answers.ts';
import type { ServerContext } from './context.ts';
import type { WorkerLink } from './deliveries.ts';
import { attachCommand, checkpointCommand, completeCommand, requireDuration } from './requests.ts';
import { RequestError } from './request-error.ts';
import type { Session } from './session.ts';

/** A leader answers heartbeats only while it heard a majority this lately, in ms: one election timeout. */
const QUORUM_HEARD_MS = 500;

/** A connection that attached as a worker: where deliveries go, and whose life its frames prove. */
export class WorkerConnection implements WorkerLink {
  readonly worker: string;
  readonly instance: string;
  readonly typeIndex: ReadonlyMap<string, number>;
  readonly deliveredIndex: number;
  readonly #session: Session;
  readonly #context: ServerContext;

  constructor(session: Session, frame: AttachFrame, deliveredIndex: number) {
    this.worker = frame.worker;
    this.instance = frame.instance;
    this.typeIndex = new Map(frame.types.map((type, at) => [type, at]));
    this.deliveredIndex = deliveredIndex;
    this.#session = session;
    this.#context = session.context;
  }

  assign(rows: readonly AssignRow[]): void {
    this.#session.send({ type: 'assign', term: this.#context.peer.term, assignments: rows });
  }

  abort(rows: readonly AbortRow[]): void {
    this.#session.send({ type: 'abort', term: this.#context.peer.term, aborts: rows });
  }

  isOf(session: Session): boolean {
    return this.#session === session;
  }

  /** True when this is still the worker's connection. */
  get current(): boolean {
    return this.#context.deliveries.link(this.worker) === this;
  }

  /** A newer connection of the same process took its place, or the worker was declared lost. */
  end(reason: string): void {
    this.#context.deliveries.detach(this);
    this.#session.worker = undefined;
    this.#session.replace(reason);
  }

  /** The connection is gone. */
  disconnected(): void {
    if (!this.current) return;
    this.#context.deliveries.detach(this);
    this.#context.leases.disconnected(this.worker, this.instance);
  }
}

/** Registers the worker, and gives it what it has to run. */
export function attach(session: Session, frame: AttachFrame): void {
  const { requestId } = frame;
  const command = attachCommand(frame, session.namespace);
  const { term } = session.context.peer;
  session.propose(requestId, 'dispatch', command, (index, { reply }) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    if (reply.type !== 'attached') throw new InvariantError(`attach was answered with ${reply.type}`);
    const { peer, leases } = session.context;
    // Applied, but by a leader that is none any more: the worker attaches to the next one.
    if (!peer.isLeader || peer.term !== term) return session.refuseNotLeader(requestId);
    leases.attached(frame.worker, frame.instance);
    if (!session.open) return leases.disconnected(frame.worker, frame.instance);
    link(session, frame, index, reply);
  });
}

function link(session: Session, frame: AttachFrame, index: number, reply: Attached): void {
  const { peer, deliveries } = session.context;
  const connection = new WorkerConnection(session, frame, index);
  const before = deliveries.link(frame.worker);
  session.worker = connection;
  session.answer(attachedFrame(frame.requestId, peer.term, reply));
  const known = new Set<number>();
  for (const row of frame.held) known.add(row[0]);
  for (const row of frame.unanswered) known.add(row[0]);
  deliveries.attach(connection, known);
  if (before instanceof WorkerConnection && !before.isOf(session))
    before.end('another connection of this worker attached');
}

/** Renews the lease of the worker, and keeps the client session of the connection. */
export function heartbeat(session: Session, frame: HeartbeatFrame): void {
  const { peer, leases, clientSessions } = session.context;
  if (!peer.isLeader) return;
  if (session.clientSession !== undefined) clientSessions.touch(session.clientSession);
  const { worker } = session;
  if (worker !== undefined && !(worker.current && leases.heard(worker.worker, worker.instance))) return;
  // A leader that is cut off must not tell a worker that its lease goes on.
  if (peer.quorumHeardMsAgo() > QUORUM_HEARD_MS) return;
  session.send({ type: 'heartbeatAck', beat: frame.beat, term: peer.term });
}

/** The graceful end. */
export function detach(session: Session, frame: DetachFrame): void {
  const { requestId } = frame;
  const connection = attachedOf(session);
  const { worker, instance } = connection;
  session.propose(requestId, 'dispatch', { type: 'workerLeft', worker, instance }, (_index, { reply }) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    session.context.leases.forget(worker, instance);
    session.context.deliveries.detach(connection);
    session.worker = undefined;
    session.answer({ type: 'ok', requestId });
  });
}

/** Outcomes into the log. */
export function complete(session: Session, frame: CompleteFrame): void {
  const { requestId } = frame;
  const { worker, instance } = attachedOf(session);
  session.context.leases.heard(worker, instance);
  const command = completeCommand(frame, worker, session.context.options.requests);
  session.propose(requestId, 'completion', command, (_index, { reply }) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    if (reply.type !== 'completed') throw new InvariantError(`complete was answered with ${reply.type}`);
    session.answer({ type: 'completed', requestId, codes: reply.answers.map(completionCode) });
  });
}

/** What the next attempt may start from, into the log. */
export function checkpoint(session: Session, frame: CheckpointFrame): void {
  attachedOf(session);
  const command = checkpointCommand(frame, session.context.options.requests);
  answerOk(session, frame.requestId, command);
}

/** A run timeout that counts anew. */
export function extend(session: Session, frame: ExtendFrame): void {
  attachedOf(session);
  const { requestId, number, fencingToken, runMs } = frame;
  requireDuration(runMs, 'run timeout');
  answerOk(session, requestId, { type: 'extendRun', number, fencingToken, runMs });
}

function answerOk(session: Session, requestId: number, command: Parameters<Session['propose']>[2]): void {
  session.propose(requestId, 'completion', command, (_index, { reply }) => {
    if (reply.type === 'refused') session.answer(refusalFrame(requestId, reply));
    else session.answer({ type: 'ok', requestId });
  });
}

function attachedOf(session: Session): WorkerConnection {
  if (session.worker !== undefined) return session.worker;
  throw new RequestError('INVALID_TRANSITION', 'this connection has not attached as a worker');
}
