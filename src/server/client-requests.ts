/** What clients ask for: submissions and cancels go into the log; reads wait until the state is far enough, or do not. */
import { randomBytes } from '../base/random.ts';
import { InvariantError } from '../base/assert.ts';
import type {
  CancelFrame,
  DrainWorkerFrame,
  GetFrame,
  ListFrame,
  ListQueuesFrame,
  ListWorkersFrame,
  OpenSessionFrame,
  ResumeWorkerFrame,
  SubmitFrame,
} from '../protocol/client-frame.ts';
import type { BlobRow } from '../protocol/rows.ts';
import type { Reply } from '../scheduler/outcome.ts';
import type { TaskView } from '../scheduler/views.ts';
import {
  blobRow,
  cancelCode,
  errorFrame,
  isOffloaded,
  queueRow,
  refusalFrame,
  statusFrame,
  submittedFrame,
  taskDetailRow,
  taskPageFrame,
  workerRow,
} from './answers.ts';
import { NOT_FOUND_WORDS, ownTask, read, unreadableFrame } from './reading.ts';
import { listCursor, listFilter, requireDuration, requireName, submitCommand, taskNumber } from './requests.ts';
import type { Session } from './session.ts';

/** A session with an id drawn here. */
export function openSession(session: Session, frame: OpenSessionFrame): void {
  const id = hex(randomBytes(session.context.ports.random, 16));
  session.propose(frame.requestId, 'dispatch', { type: 'openSession', session: id }, (_index, reply) => {
    if (reply.type === 'refused') return session.answer(refusalFrame(frame.requestId, reply));
    session.context.clientSessions.contact(id);
    session.clientSession = id;
    session.answer({ type: 'sessionOpened', requestId: frame.requestId, session: id });
  });
}

/** This connection stands for the session from now on. */
export function useSession(session: Session, id: string): void {
  session.clientSession = id;
  session.context.clientSessions.touch(id);
}

/** Tasks into the log. */
export function submit(session: Session, frame: SubmitFrame): void {
  const { requestId } = frame;
  const command = submitCommand(frame, session.namespace, session.context.options.requests);
  useSession(session, frame.session);
  session.propose(requestId, 'submission', command, (index, reply) => {
    if (reply.type === 'submitted') session.answer(submittedFrame(requestId, index, reply));
    else session.answer(refusalFrame(requestId, expectRefusal(reply)));
  });
}

/** Ends of tasks into the log. What they need from the disk is read before, so that nobody else waits for that. */
export function cancel(session: Session, frame: CancelFrame): void {
  const { requestId } = frame;
  const numbers = frame.tasks.map((ref, position) => taskNumber(ref, position));
  const { peer } = session.context;
  const reading = peer.isLeader ? peer.prepareCancel(numbers) : undefined;
  if (reading === undefined) return proposeCancel(session, requestId, numbers);
  reading.then(
    () => proposeCancel(session, requestId, numbers),
    (error: unknown) => session.answer(unreadableFrame(session, requestId, error)),
  );
}

function proposeCancel(session: Session, requestId: number, numbers: readonly number[]): void {
  const command = { type: 'cancel', namespace: session.namespace, numbers } as const;
  session.propose(requestId, 'dispatch', command, (_index, reply) => {
    if (reply.type !== 'cancelled') return session.answer(refusalFrame(requestId, expectRefusal(reply)));
    session.answer({ type: 'cancelled', requestId, codes: reply.answers.map(cancelCode) });
  });
}

/** One task, with its bytes, its history, and, from the leader alone, what its attempt said last. */
export function get(session: Session, frame: GetFrame): void {
  const { requestId } = frame;
  const number = taskNumber(frame.task);
  read(session, frame, async (index) => {
    const task = await ownTask(session, number);
    if (task === undefined) return errorFrame(requestId, 'NOT_FOUND', NOT_FOUND_WORDS);
    const payload = await payloadOf(session, task);
    const { progress } = session.context;
    const said = {
      progress: progress.progress(number, task.fencingToken) ?? null,
      log: progress.lines(number, task.fencingToken),
    };
    return { type: 'task', requestId, task: taskDetailRow(task, payload, said), index };
  });
}

async function payloadOf(session: Session, { number, payload }: TaskView): Promise<BlobRow | null> {
  if (payload === undefined) return null;
  if (!isOffloaded(payload)) return blobRow(payload);
  const [bytes] = await session.context.peer.payloads([number]);
  return bytes === undefined ? null : [payload.encoding, bytes];
}

/** A page of tasks. */
export function list(session: Session, frame: ListFrame): void {
  const { requestId } = frame;
  const from = listCursor(frame);
  const filter = listFilter(frame, session.namespace);
  read(session, frame, async (index) => {
    const { tasks, cursor } = await session.context.peer.listTasks(filter, from, frame.limit);
    return taskPageFrame(requestId, tasks, cursor, index);
  });
}

/** The queues of the namespace. */
export function listQueues(session: Session, frame: ListQueuesFrame): void {
  read(session, frame, (index) => {
    const queues = session.context.peer.scheduler.queues(session.namespace).map(queueRow);
    return { type: 'queues', requestId: frame.requestId, queues, index };
  });
}

/** The workers of the namespace, with what the leader alone knows of them: elsewhere nobody hears their heartbeats. */
export function listWorkers(session: Session, frame: ListWorkersFrame): void {
  read(session, frame, (index) => {
    const { peer, leases } = session.context;
    const workers = peer.scheduler
      .workers(session.namespace)
      .map((worker) => workerRow(worker, worker.state === 'offline' ? undefined : leases.sinceHeardMs(worker.id)));
    return { type: 'workers', requestId: frame.requestId, workers, index };
  });
}

/** What a worker shall take. */
export function drainOrResume(session: Session, frame: DrainWorkerFrame | ResumeWorkerFrame): void {
  const { requestId, worker } = frame;
  requireName(worker, 'worker');
  if (frame.type === 'drainWorker') requireDuration(frame.deadlineMs, 'deadline');
  const { peer } = session.context;
  if (!peer.isLeader) return session.refuseNotLeader(requestId);
  if (peer.scheduler.worker(worker)?.namespace !== session.namespace) {
    return session.refuse(requestId, 'NOT_FOUND', `there is no worker "${worker}" in this namespace`);
  }
  const command =
    frame.type === 'resumeWorker'
      ? ({ type: 'resumeWorker', worker } as const)
      : ({ type: 'drainWorker', worker, deadlineMs: peer.logTimeNowMs() + frame.deadlineMs } as const);
  session.propose(requestId, 'dispatch', command, (_index, reply) => {
    if (reply.type === 'ok') session.answer({ type: 'ok', requestId });
    else session.answer(refusalFrame(requestId, expectRefusal(reply)));
  });
}

/** How this very peer is; answered by every one. */
export function status(session: Session, requestId: number): void {
  const { peer, options, connections, keeper } = session.context;
  const { alarms } = keeper;
  const facts = { cluster: options.clusterId, version: options.version, connections, alarms };
  session.answer(statusFrame(requestId, peer.status(), facts));
}

function expectRefusal(reply: Reply): Extract<Reply, { type: 'refused' }> {
  if (reply.type === 'refused') return reply;
  throw new InvariantError(`a command was answered with ${reply.type}`);
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
