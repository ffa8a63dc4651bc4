/**
 * The only place that knows both contracts, this direction of it: what the state machine answers and shows becomes frames.
 * `requests.ts` is the other direction.
 */
import { formatHash } from '../base/hash.ts';
import type { PeerStatus, SnapshotProgress } from '../peer/types.ts';
import { type ErrorCode, errorFacts } from '../protocol/error-code.ts';
import {
  ABORT_REASONS,
  type AbortRow,
  type AssignRow,
  type BlobRow,
  CANCEL_ANSWERS,
  COMPLETION_ANSWERS,
  type LogRow,
  type PeerRow,
  type QueueRow,
  type SnapshotRow,
  TASK_STATES,
  type TaskViewRow,
  type WorkerRow,
} from '../protocol/rows.ts';
import type {
  AttachedFrame,
  ErrorFrame,
  ResultFrame,
  StatusAnswerFrame,
  SubmittedFrame,
  TaskPageFrame,
} from '../protocol/server-frame.ts';
import type { Blob } from '../scheduler/command.ts';
import type {
  Abort,
  Attached,
  CancelAnswer,
  CompletionAnswer,
  Refusal,
  SchedulerErrorCode,
  Submitted,
} from '../scheduler/outcome.ts';
import type { Assignment, QueueView, StoredBlob, TaskState, TaskView, WorkerView } from '../scheduler/views.ts';
import { TASK_EPOCH, TASK_GROUP } from './identity.ts';
import { membershipRow } from './members.ts';
import { occurrenceRefRow } from './schedule-rows.ts';

/** What a refusal of the state machine says to the client. */
const REFUSALS: Readonly<Record<SchedulerErrorCode, string>> = {
  NOT_FOUND: 'there is none with this id; it may have been purged',
  ALREADY_FINAL: 'the task is final',
  STALE_LEASE: 'the attempt is no longer this worker’s',
  KEY_CONFLICT: 'the key belongs to a task of other type, queue or payload',
  KEY_TABLE_FULL: 'the namespace has as many keys as it may have; keys are freed 24 h after their task is final',
  SESSION_EXPIRED: 'the client session is gone or has moved on; whether an earlier sending was executed stays unknown',
  SESSION_LIMIT: 'the cluster has as many client sessions as it may have; share one client in a process',
  QUEUE_LIMIT: 'the namespace has as many queues as it may have',
  TASK_LIMIT: 'the cluster holds as many unfinished tasks as it may hold; try again when some are finished',
  WORKER_LIMIT: 'the cluster has as many workers as it may have',
  WORKER_ID_IN_USE: 'another live process has this worker id; give each process its own',
  INVALID_TRANSITION: 'the state of the task does not allow this',
  INVALID_ARGUMENT: 'a value is beyond its bound, such as an instant more than ten years ahead',
  VERSION_CONFLICT: 'the schedule has another version than the one that was expected; look at it before changing it',
  SCHEDULE_LIMIT: 'the namespace has as many schedules as it may have, or all of them as many bytes; delete some first',
  SCHEDULE_ENDED:
    'the schedule has ended: it fires only when it is triggered; put one that fires again, with more maxRuns if those are used up',
  STALE: 'the schedule was changed meanwhile; ask again',
};

/** Most of a row of a page apart from its labels: five names, and numbers. */
const ROW_BYTES_MAX = 1_200;
/** Rows of a page, well below the limit of a frame. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** How an error is told. */
export interface ErrorDetails {
  readonly retryAfterMs?: number;
  readonly leader?: PeerRow | null;
  readonly position?: number | null;
}

/** An `error` answer; whether it is retryable follows from its code. */
export function errorFrame(
  requestId: number,
  code: ErrorCode,
  message: string,
  details: ErrorDetails = {},
): ErrorFrame {
  return {
    type: 'error',
    requestId,
    code,
    message,
    retryable: errorFacts(code).retryable,
    retryAfterMs: details.retryAfterMs ?? null,
    leader: details.leader ?? null,
    position: details.position ?? null,
  };
}

/** The error for what the state machine refused. */
export function refusalFrame(requestId: number, refusal: Refusal): ErrorFrame {
  const position = refusal.position < 0 ? null : refusal.position;
  return errorFrame(requestId, wireCode(refusal.code), REFUSALS[refusal.code], { position });
}

/** The contracts have one word each for some things. */
function wireCode(code: SchedulerErrorCode): ErrorCode {
  if (code === 'SCHEDULE_LIMIT') return 'LIMIT';
  return code === 'STALE' ? 'VERSION_CONFLICT' : code;
}

/** The answer to a submission that was applied at `logIndex`. */
export function submittedFrame(requestId: number, logIndex: number, reply: Submitted): SubmittedFrame {
  return {
    type: 'submitted',
    requestId,
    logIndex,
    group: TASK_GROUP,
    epoch: TASK_EPOCH,
    firstNumber: reply.firstNumber,
    created: reply.created,
    existing: reply.existing.map(({ position, number }) => [position, number] as const),
    repeated: reply.repeated,
  };
}

/** The answer to `attach` by the leader of `term`. */
export function attachedFrame(requestId: number, term: number, reply: Attached): AttachedFrame {
  return {
    type: 'attached',
    requestId,
    term,
    stale: reply.stale.map(({ number, fencingToken }) => [number, fencingToken] as const),
    settled: reply.settled.map(
      ({ number, fencingToken, answer }) => [number, fencingToken, completionCode(answer)] as const,
    ),
  };
}

/** Position on the wire of the answer to a completion. */
export function completionCode(answer: CompletionAnswer): number {
  return COMPLETION_ANSWERS.indexOf(answer);
}

/** Position on the wire of the answer to a cancel. */
export function cancelCode(answer: CancelAnswer): number {
  return CANCEL_ANSWERS.indexOf(answer);
}

/** An attempt to abort. */
export function abortRow(abort: Pick<Abort, 'number' | 'fencingToken' | 'reason'>): AbortRow {
  return [abort.number, abort.fencingToken, ABORT_REASONS.indexOf(abort.reason)];
}

/** An assignment whose payload is at hand. */
export function assignRow(assignment: Assignment, payload: Blob, typeIndex: number): AssignRow {
  const { headers, lastCheckpoint } = assignment;
  const extras =
    headers === undefined && lastCheckpoint === undefined
      ? null
      : ([blobRow(headers), blobRow(lastCheckpoint)] as const);
  return [
    assignment.number,
    assignment.fencingToken,
    typeIndex,
    assignment.deliveries,
    payload.encoding,
    payload.bytes,
    extras,
  ];
}

/** How a final task ended, for those who wait for it. */
export function resultFrame(requestId: number, task: TaskView): ResultFrame {
  return {
    type: 'result',
    requestId,
    state: TASK_STATES.indexOf(task.state),
    reason: task.reason ?? null,
    result: blobRow(task.result),
    error: blobRow(task.error),
  };
}

/**
 * A page of tasks: everything but bytes and history. It ends early where the frame would become too large, with a cursor for
 * what did not fit; `cursor` is that of the state machine.
 */
export function taskPageFrame(
  requestId: number,
  tasks: readonly TaskView[],
  cursor: number | undefined,
  index: number,
): TaskPageFrame {
  const rows: TaskViewRow[] = [];
  let sizeBytes = 0;
  let next = cursor;
  for (const task of tasks) {
    sizeBytes += ROW_BYTES_MAX;
    for (const [name, value] of task.requires) sizeBytes += name.length + value.length;
    if (sizeBytes > PAGE_BYTES && rows.length > 0) {
      next = (tasks[rows.length - 1] as TaskView).number;
      break;
    }
    rows.push(taskRow(task, { payload: null, full: false, progress: null, log: [] }));
  }
  return { type: 'taskPage', requestId, tasks: rows, cursor: next === undefined ? null : String(next), index };
}

/** A task for `get`. `payload` is what it is by now, wherever it was kept; `said` is what the leader heard of its attempt. */
export function taskDetailRow(task: TaskView, payload: BlobRow | null, said: Said): TaskViewRow {
  return taskRow(task, { payload, full: true, ...said });
}

/** A queue with its counters; nothing is blocked yet, so that count is 0. */
export function queueRow(queue: QueueView): QueueRow {
  const counts: Readonly<Record<TaskState, number>> = queue;
  return [
    queue.name,
    TASK_STATES.map((state) => (state === 'blocked' ? 0 : counts[state])),
    queue.pending === 0 ? null : queue.oldestReadyAgeMs,
    queue.submitted,
    queue.done + queue.failed + queue.cancelled,
  ];
}

/** `heartbeatAgeMs` is the leader's knowledge: undefined when the worker is not connected. */
export function workerRow(worker: WorkerView, heartbeatAgeMs: number | undefined): WorkerRow {
  return [
    worker.id,
    worker.instance,
    worker.state,
    worker.types,
    worker.labels,
    worker.slots,
    worker.running,
    worker.version,
    worker.attachedAtMs,
    heartbeatAgeMs === undefined ? null : Math.floor(heartbeatAgeMs),
    worker.lingering,
  ];
}

/** What only the server knows of a status. */
export interface ServerFacts {
  readonly cluster: string;
  readonly version: string;
  readonly connections: number;
  readonly alarms: readonly string[];
}

/** How a peer sees itself and the cluster; the reason why it does not serve comes first among its alarms. */
export function statusFrame(requestId: number, status: PeerStatus, facts: ServerFacts): StatusAnswerFrame {
  const alarms = [...status.alarms.map((alarm) => alarm.message), ...facts.alarms];
  if (status.reason !== undefined) alarms.unshift(status.reason);
  return {
    type: 'statusAnswer',
    requestId,
    peer: status.self,
    cluster: facts.cluster,
    version: facts.version,
    role: status.role,
    state: status.state,
    term: status.term,
    leader: status.leader ?? null,
    commitIndex: status.commitIndex,
    appliedIndex: status.appliedIndex,
    durableIndex: status.durableIndex,
    firstIndex: status.firstIndex,
    logBytes: status.logSizeBytes,
    logTimeMs: status.logTimeMs,
    marks: status.marks.map((mark) => [mark.index, formatHash(mark.digest)] as const),
    members: status.voters.map(
      (voter) => [voter.peer, voter.connected, voter.matchIndex ?? 0, voter.heldBackBytes ?? 0] as const,
    ),
    clockOffsetMs: status.clockOffsetMs === undefined ? null : Math.round(status.clockOffsetMs),
    connections: facts.connections,
    alarms,
    membership: membershipRow(status.membership),
    damaged: status.damaged,
    spaceLow: status.spaceLow,
    snapshot: snapshotRow(status.snapshot),
    featureLevel: status.featureLevel,
  };
}

function snapshotRow(snapshot: SnapshotProgress | undefined): SnapshotRow | null {
  if (snapshot === undefined) return null;
  return [snapshot.phase, snapshot.from ?? null, snapshot.index, snapshot.receivedBytes];
}

/** Bytes with their encoding, or null for none. */
export function blobRow(blob: Blob | undefined): BlobRow | null {
  return blob === undefined ? null : [blob.encoding, blob.bytes];
}

/** True when the bytes have to be read from the state database first. */
export function isOffloaded(blob: StoredBlob): blob is Exclude<StoredBlob, Blob> {
  return 'offloaded' in blob;
}

/** The last that a running attempt said of itself. */
export interface Said {
  readonly progress: readonly [fraction: number, note: string] | null;
  readonly log: readonly LogRow[];
}

interface RowParts extends Said {
  readonly payload: BlobRow | null;
  readonly full: boolean;
}

function taskRow(task: TaskView, parts: RowParts): TaskViewRow {
  const { full } = parts;
  return [
    [TASK_GROUP, TASK_EPOCH, task.number],
    task.type,
    task.queue,
    TASK_STATES.indexOf(task.state),
    task.priority,
    task.key ?? null,
    task.requires,
    task.createdAtMs,
    task.runAtMs ?? null,
    task.startedAtMs ?? null,
    task.finishedAtMs ?? null,
    task.failures,
    task.crashes,
    task.deliveries,
    task.fencingToken,
    task.worker ?? null,
    task.reason ?? (task.cancelling ? 'cancelling' : null),
    parts.payload,
    full ? blobRow(task.headers) : null,
    full ? blobRow(task.result) : null,
    full ? blobRow(task.error) : null,
    full ? blobRow(task.lastCheckpoint) : null,
    parts.progress,
    full
      ? task.history.map((event) => [event.type, event.atMs, event.attempt, event.by, event.reason ?? null] as const)
      : [],
    full ? task.droppedEvents : 0,
    parts.log,
    occurrenceRefRow(task.occurrence),
  ];
}
