/** What clients ask for: submissions and cancels go into the log; reads wait until leadership was confirmed. */
import { randomBytes } from '../base/random.ts';
import { InvariantError } from '../base/assert.ts';
import type {
  AwaitResultFrame,
  CancelFrame,
  DrainWorkerFrame,
  GetFrame,
  ListFrame,
  OpenSessionFrame,
  ResumeWorkerFrame,
  SubmitFrame,
} from '../protocol/client-frame.ts';
import { type BlobRow, TASK_STATES } from '../protocol/rows.ts';
import type { Reply } from '../scheduler/outcome.ts';
import type { TaskFilter, TaskState, TaskView } from '../scheduler/views.ts';
import {
  blobRow,
  cancelCode,
  isOffloaded,
  queueRow,
  refusalFrame,
  resultFrame,
  statusFrame,
  submittedFrame,
  taskDetailRow,
  taskSummaryRow,
  workerRow,
} from './answers.ts';
import { listCursor, requireDuration, requireName, submitCommand, taskNumber } from './requests.ts';
import type { Session } from './session.ts';
import type { Waiter } from './waiters.ts';

/** A session with an id drawn here. */
export function openSession(session: Session, frame: OpenSessionFrame): void {
  const id = hex(randomBytes(session.context.ports.random, 16));
  session.propose(frame.requestId, 'dispatch', { type: 'openSession', session: id }, (_index, { reply }) => {
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
  session.propose(requestId, 'submission', command, (index, { reply }) => {
    if (reply.type === 'submitted') session.answer(submittedFrame(requestId, index, reply));
    else session.answer(refusalFrame(requestId, expectRefusal(reply)));
  });
}

/** Ends of tasks into the log. */
export function cancel(session: Session, frame: CancelFrame): void {
  const { requestId } = frame;
  const numbers = frame.tasks.map((ref, position) => taskNumber(ref, position));
  const command = { type: 'cancel', namespace: session.namespace, numbers } as const;
  session.propose(requestId, 'dispatch', command, (_index, { reply }) => {
    if (reply.type !== 'cancelled') return session.answer(refusalFrame(requestId, expectRefusal(reply)));
    session.answer({ type: 'cancelled', requestId, codes: reply.answers.map(cancelCode) });
  });
}

/** One task, with its bytes and its history. */
export function get(session: Session, frame: GetFrame): void {
  const { requestId } = frame;
  const number = taskNumber(frame.task);
  read(session, requestId, async () => {
    const { peer, progress } = session.context;
    const task = await ownTask(session, number);
    if (task === undefined) return notFound(session, requestId);
    const said = progress.progress(number, task.fencingToken) ?? null;
    session.answer({ type: 'task', requestId, task: taskDetailRow(task, await payloadOf(task), said) });

    async function payloadOf(view: TaskView): Promise<BlobRow | null> {
      if (view.payload === undefined) return null;
      if (!isOffloaded(view.payload)) return blobRow(view.payload);
      const [bytes] = await peer.payloads([number]);
      return bytes === undefined ? null : [view.payload.encoding, bytes];
    }
  });
}

/** A page of tasks. */
export function list(session: Session, frame: ListFrame): void {
  const { requestId } = frame;
  const from = listCursor(frame);
  const filter = toFilter(session, frame);
  read(session, requestId, async () => {
    const page = await session.context.peer.listTasks(filter, from, frame.limit);
    const cursor = page.cursor === undefined ? null : String(page.cursor);
    session.answer({ type: 'taskPage', requestId, tasks: page.tasks.map(taskSummaryRow), cursor });
  });
}

/** The end of a task, now or later. */
export function awaitResult(session: Session, frame: AwaitResultFrame): void {
  const { requestId } = frame;
  const number = taskNumber(frame.task);
  const { waiters, options } = session.context;
  if (session.waits.has(requestId)) {
    return session.refuse(requestId, 'INVALID_ARGUMENT', 'this request id already waits on this connection');
  }
  const waiter: Waiter = {
    requestId,
    ended(task) {
      session.waits.delete(requestId);
      session.answer(resultFrame(requestId, task));
    },
    gone() {
      session.waits.delete(requestId);
      notFound(session, requestId);
    },
    leaderGone() {
      session.waits.delete(requestId);
      session.refuseNotLeader(requestId);
    },
  };
  if (!session.context.peer.isLeader) return session.refuseNotLeader(requestId);
  if (session.waits.size >= options.limits.connectionWaitsMax || !waiters.add(number, waiter)) {
    const words = 'too many waits for results; wait for fewer at a time';
    return session.refuse(requestId, 'TOO_MANY_REQUESTS', words, { retryAfterMs: 1_000 });
  }
  session.waits.set(requestId, () => {
    waiters.remove(number, waiter);
    // An abandoned wait is never answered, so it stops counting as unanswered here.
    session.waits.delete(requestId);
    session.forgetUnanswered();
  });
  read(
    session,
    requestId,
    async () => {
      const task = await ownTask(session, number);
      // It may have ended, or been given up, while it was being read.
      if (!session.waits.has(requestId)) return;
      if (task === undefined) {
        waiters.remove(number, waiter);
        session.waits.delete(requestId);
        return notFound(session, requestId);
      }
      if (task.finishedAtMs === undefined) return;
      waiters.remove(number, waiter);
      waiter.ended(task);
    },
    () => {
      if (!session.waits.has(requestId)) return;
      waiters.remove(number, waiter);
      waiter.leaderGone();
    },
  );
}

/** The queues of the namespace. */
export function listQueues(session: Session, requestId: number): void {
  read(session, requestId, () => {
    const queues = session.context.peer.scheduler.queues(session.namespace).map(queueRow);
    session.answer({ type: 'queues', requestId, queues });
  });
}

/** The workers of the namespace, with what the leader alone knows of them. */
export function listWorkers(session: Session, requestId: number): void {
  read(session, requestId, () => {
    const { peer, leases } = session.context;
    const workers = peer.scheduler
      .workers(session.namespace)
      .map((worker) => workerRow(worker, worker.state === 'offline' ? undefined : leases.sinceHeardMs(worker.id)));
    session.answer({ type: 'workers', requestId, workers });
  });
}

/** What a worker shall take. */
export function drainOrResume(session: Session, frame: DrainWorkerFrame | ResumeWorkerFrame): void {
  const { requestId, worker } = frame;
  requireName(worker, 'worker');
  const known = session.context.peer.isLeader
    ? session.context.peer.scheduler.workers(session.namespace).some((one) => one.id === worker)
    : true;
  if (!known) return session.refuse(requestId, 'NOT_FOUND', `there is no worker "${worker}" in this namespace`);
  if (frame.type === 'drainWorker') requireDuration(frame.deadlineMs, 'deadline');
  const command =
    frame.type === 'resumeWorker'
      ? ({ type: 'resumeWorker', worker } as const)
      : ({ type: 'drainWorker', worker, deadlineMs: session.context.peer.logTimeNowMs() + frame.deadlineMs } as const);
  session.propose(requestId, 'dispatch', command, (_index, { reply }) => {
    if (reply.type === 'ok') session.answer({ type: 'ok', requestId });
    else session.answer(refusalFrame(requestId, expectRefusal(reply)));
  });
}

/** How this very peer is; answered by every one. */
export function status(session: Session, requestId: number): void {
  const { peer, options, connections } = session.context;
  const facts = { cluster: options.clusterId, version: options.version, connections };
  session.answer(statusFrame(requestId, peer.status(), facts));
}

/** Runs `answer` once leadership was confirmed after this moment and the state is that far. */
function read(
  session: Session,
  requestId: number,
  answer: () => void | Promise<void>,
  notLeader: () => void = () => session.refuseNotLeader(requestId),
): void {
  session.context.peer.read((result) => {
    if (result === 'not-leader') return notLeader();
    void run(session, requestId, answer);
  });
}

async function run(session: Session, requestId: number, answer: () => void | Promise<void>): Promise<void> {
  try {
    await answer();
  } catch (error) {
    // A block or payload that cannot be read: this peer is damaged, another may not be.
    session.context.ports.logger.error('a read failed', { error: String(error) });
    session.waits.get(requestId)?.();
    session.refuse(requestId, 'INTERNAL', 'the peer could not read its own state; its log says more');
  }
}

async function ownTask(session: Session, number: number): Promise<TaskView | undefined> {
  const task = await session.context.peer.taskView(number);
  return task?.namespace === session.namespace ? task : undefined;
}

function notFound(session: Session, requestId: number): void {
  session.refuse(requestId, 'NOT_FOUND', 'there is no such task in this namespace, or it is not kept any more');
}

function toFilter(session: Session, frame: ListFrame): TaskFilter {
  const states = frame.states?.map((position) => TASK_STATES[position]).filter((state) => state !== 'blocked');
  return {
    namespace: session.namespace,
    ...(states === undefined ? {} : { states: states as TaskState[] }),
    ...(frame.taskType === null ? {} : { type: frame.taskType }),
    ...(frame.queue === null ? {} : { queue: frame.queue }),
  };
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
