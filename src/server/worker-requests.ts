/** What workers say: they attach, live, report and leave. */
import { InvariantError } from '../base/assert.ts';
import type {
  AttachFrame,
  CheckpointFrame,
  CompleteFrame,
  DetachFrame,
  ExtendFrame,
  HeartbeatFrame,
  LogFrame,
  ProgressFrame,
} from '../protocol/client-frame.ts';
import type { Command } from '../scheduler/command.ts';
import type { Attached } from '../scheduler/outcome.ts';
import { attachedFrame, completionCode, refusalFrame } from './answers.ts';
import { attachCommand, checkpointCommand, completeCommand, requireDuration } from './requests.ts';
import { RequestError } from './request-error.ts';
import type { Session } from './session.ts';
import { WorkerConnection } from './worker-connection.ts';

/** A leader answers heartbeats only while it heard a majority this lately, in ms: one election timeout. */
const QUORUM_HEARD_MS = 500;

const ONE_WORKER = 'a connection is that of one worker';

/** Registers the worker, and gives it what it has to run. */
export function attach(session: Session, frame: AttachFrame): void {
  const { requestId } = frame;
  if (!session.isWorker) throw new RequestError('INVALID_TRANSITION', 'only a connection with role "worker" attaches');
  if (isOther(session.worker, frame)) throw new RequestError('INVALID_TRANSITION', ONE_WORKER);
  const command = attachCommand(frame, session.namespace);
  const { leadingTerm, peer } = session.context;
  if (leadingTerm === undefined || !peer.isLeader) return session.refuseNotLeader(requestId);
  const known = peer.scheduler.worker(frame.worker);
  if (known !== undefined && !known.lost && known.namespace !== session.namespace) {
    const words = 'a worker of another namespace has this id; ids are unique in the whole cluster';
    throw new RequestError('WORKER_ID_IN_USE', words);
  }
  session.propose(requestId, 'dispatch', command, (index, reply) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    if (reply.type !== 'attached') throw new InvariantError(`attach was answered with ${reply.type}`);
    // Applied, but by a leader that is none any more: the worker attaches to the next one.
    if (session.context.leadingTerm !== leadingTerm) return session.refuseNotLeader(requestId);
    const { leases } = session.context;
    leases.attached(frame.worker, frame.instance);
    if (session.open && !isOther(session.worker, frame)) {
      return link(session, frame, new WorkerConnection(session, frame, leadingTerm, index), reply);
    }
    // Nobody is there to run anything: the connection has ended, or is another worker's by now.
    leases.disconnected(frame.worker, frame.instance);
    session.refuse(requestId, 'INVALID_TRANSITION', ONE_WORKER);
  });
}

function isOther(connection: WorkerConnection | undefined, frame: AttachFrame): boolean {
  return connection !== undefined && (connection.worker !== frame.worker || connection.instance !== frame.instance);
}

function link(session: Session, frame: AttachFrame, connection: WorkerConnection, reply: Attached): void {
  const { deliveries } = session.context;
  const before = deliveries.link(frame.worker);
  session.worker = connection;
  session.answer(attachedFrame(frame.requestId, connection.term, reply));
  const known = new Set<number>();
  for (const row of frame.held) known.add(row[1]);
  for (const row of frame.unanswered) known.add(row[1]);
  deliveries.attach(connection, known);
  if (before instanceof WorkerConnection && !before.isOf(session))
    before.end('another connection of this worker attached');
}

/**
 * Renews the lease of the worker, and keeps the client session of the connection. The answer carries the term of the leader
 * that renewed the lease, or 0 where it renews nothing. A leader that is cut off answers nobody: its workers must not take
 * their leases for prolonged, and its clients had better look for another.
 */
export function heartbeat(session: Session, frame: HeartbeatFrame): void {
  const { peer, leases, clientSessions, leadingTerm } = session.context;
  const { beat } = frame;
  if (leadingTerm === undefined) return session.send({ type: 'heartbeatAck', beat, term: 0 });
  if (session.clientSession !== undefined) clientSessions.touch(session.clientSession);
  const { worker } = session;
  if (worker !== undefined && !(worker.current && leases.heard(worker.worker, worker.instance))) return;
  if (peer.quorumHeardMsAgo() > QUORUM_HEARD_MS) return;
  session.send({ type: 'heartbeatAck', beat, term: worker === undefined ? 0 : worker.term });
}

/** The graceful end. */
export function detach(session: Session, frame: DetachFrame): void {
  const { requestId } = frame;
  const connection = attachedOf(session, requestId);
  if (connection === undefined) return;
  const { worker, instance } = connection;
  session.propose(requestId, 'dispatch', { type: 'workerLeft', worker, instance }, (_index, reply) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    const { leases, deliveries } = session.context;
    leases.forget(worker, instance);
    deliveries.detach(connection);
    if (session.worker === connection) session.worker = undefined;
    session.answer({ type: 'ok', requestId });
    // Another connection of it may have attached before this was applied; it stands for nobody now.
    const other = deliveries.link(worker);
    if (other?.instance === instance) other.end('the worker left');
  });
}

/** Outcomes into the log. */
export function complete(session: Session, frame: CompleteFrame): void {
  const { requestId } = frame;
  const connection = attachedOf(session, requestId);
  if (connection === undefined) return;
  const { worker, instance } = connection;
  session.context.leases.heard(worker, instance);
  const command = completeCommand(frame, worker, session.context.options.requests);
  session.propose(requestId, 'completion', command, (_index, reply) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(requestId, reply));
    if (reply.type !== 'completed') throw new InvariantError(`complete was answered with ${reply.type}`);
    session.answer({ type: 'completed', requestId, codes: reply.answers.map(completionCode) });
  });
}

/** What the next attempt may start from, into the log. */
export function checkpoint(session: Session, frame: CheckpointFrame): void {
  if (attachedOf(session, frame.requestId) === undefined) return;
  answerOk(session, frame.requestId, checkpointCommand(frame, session.context.options.requests));
}

/** A run timeout that counts anew. */
export function extend(session: Session, frame: ExtendFrame): void {
  const { requestId, number, fencingToken, runMs } = frame;
  if (attachedOf(session, requestId) === undefined) return;
  requireDuration(runMs, 'run timeout');
  answerOk(session, requestId, { type: 'extendRun', number, fencingToken, runMs });
}

/** What an attempt says of itself; only the leader remembers it, and only of attempts that run on this very worker. */
export function say(session: Session, frame: ProgressFrame | LogFrame): void {
  const { worker, context } = session;
  if (worker === undefined || !worker.current) return;
  const { number, fencingToken } = frame;
  const { progress, peer } = context;
  if (!progress.knows(number, fencingToken, worker.worker)) {
    const assignment = peer.scheduler.assignment(number);
    if (assignment?.fencingToken !== fencingToken || assignment.worker !== worker.worker) return;
    progress.begin(number, fencingToken, worker.worker);
  }
  if (frame.type === 'log') progress.log(number, [frame.level, frame.text]);
  else progress.report(number, [frame.fraction, frame.note]);
}

function answerOk(session: Session, requestId: number, command: Command): void {
  session.propose(requestId, 'completion', command, (_index, reply) => {
    if (reply.type === 'refused') session.answer(refusalFrame(requestId, reply));
    else session.answer({ type: 'ok', requestId });
  });
}

/** The worker of the connection; where there is none the request is refused, for now: it may attach, here or to the leader. */
function attachedOf(session: Session, requestId: number): WorkerConnection | undefined {
  if (session.worker !== undefined) return session.worker;
  if (!session.context.peer.isLeader) session.refuseNotLeader(requestId);
  else session.refuse(requestId, 'NOT_ATTACHED', 'this connection has not attached as a worker in this term');
  return undefined;
}
