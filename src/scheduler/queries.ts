/** Looking at the state: tasks, assignments, queues, workers. Nothing here changes anything. */
import type { Blob, Encoding } from './command.ts';
import { storedPayload } from './finished.ts';
import { SEQUENCE_START } from './groups.ts';
import { readEvents, viewEvent } from './history.ts';
import { PRIORITY_MAX } from './limits.ts';
import type { Queue } from './queues.ts';
import { FLAGS, NO_ROW, ROW_MASK, type RowSegment } from './rows.ts';
import { viewOccurrence } from './schedules/view.ts';
import type { State } from './state.ts';
import { STATE, TASK_STATES } from './states.ts';
import { groupOf, templateOf } from './task-moves.ts';
import type {
  Assignment,
  HistoryEvent,
  QueueView,
  SchedulerCounters,
  StoredBlob,
  TaskView,
  WorkerView,
} from './views.ts';
import { type Worker, WORKER } from './workers.ts';

/** Tasks that went before everybody, looked at to find the one that has been ready longest. */
const FRONT_EXAMINED = 64;

/** What to deliver of the task in `row`, which runs. */
export function viewAssignment(state: State, row: number): Assignment {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = templateOf(state, row);
  const worker = state.workers.slots.at(segment.worker[at] as number);
  const placedAtMs = segment.placedAtMs[at] as number;
  const cancelling = ((segment.flags[at] as number) & FLAGS.cancelling) !== 0;
  const dueMs = segment.dueMs[at] as number;
  // One is made for every delivery, so what few tasks have is added only where it is.
  const assignment: { -readonly [Field in keyof Assignment]: Assignment[Field] } = {
    number: segment.number[at] as number,
    fencingToken: segment.token[at] as number,
    worker: worker.id,
    instance: worker.instance,
    namespace: state.namespaceName(template.namespace),
    type: template.type,
    attempt: (segment.failures[at] as number) + 1,
    deliveries: segment.deliveries[at] as number,
    payload: payloadInPlace(state, segment, at),
    runMs: dueMs === 0 || cancelling ? template.runMs : dueMs - placedAtMs,
    placedAtMs,
    createdAtMs: segment.createdAtMs[at] as number,
    cancelling,
  };
  if (segment.headersBytes[at] !== 0) assignment.headers = blobOf(state, segment, at, 'headers');
  if (segment.checkpointBytes[at] !== 0) assignment.lastCheckpoint = blobOf(state, segment, at, 'checkpoint');
  return assignment;
}

/** Numbers of the tasks that run on `worker`, the oldest placement first. */
export function assignmentsOf(state: State, worker: Worker): number[] {
  const numbers: number[] = [];
  for (let row = worker.head; row !== NO_ROW; row = state.rows.segmentOf(row).next[row & ROW_MASK] as number) {
    numbers.push(state.records.keyOf(row));
  }
  return numbers;
}

/** The task in `row`. */
export function viewTask(state: State, row: number): TaskView {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = templateOf(state, row);
  const key = segment.key[at] as number;
  const runAtMs = segment.runAtMs[at] as number;
  const history = historyOf(state, segment, at);
  const worker = history.findLast((event) => event.type === 'started')?.by;
  const placedAtMs = segment.placedAtMs[at] as number;
  return {
    number: segment.number[at] as number,
    namespace: state.namespaceName(template.namespace),
    type: template.type,
    queue: template.queue.name,
    state: TASK_STATES[segment.state[at] as number] ?? 'pending',
    cancelling: ((segment.flags[at] as number) & FLAGS.cancelling) !== 0,
    priority: template.priority,
    ...(key === 0 ? {} : { key: asciiText(state.memory.keys.keyBytes(key - 1)) }),
    ...(((segment.flags[at] as number) & FLAGS.scheduled) === 0
      ? {}
      : { occurrence: viewOccurrence(state, segment.number[at] as number) }),
    requires: template.requires,
    createdAtMs: segment.createdAtMs[at] as number,
    ...(runAtMs === 0 ? {} : { runAtMs }),
    ...(placedAtMs === 0 ? {} : { startedAtMs: placedAtMs }),
    failures: segment.failures[at] as number,
    crashes: segment.crashes[at] as number,
    deliveries: segment.deliveries[at] as number,
    fencingToken: segment.token[at] as number,
    ...(worker === undefined ? {} : { worker }),
    ...(isHopeless(state, row) ? { reason: 'NO_WORKER_MATCHES' as const } : {}),
    payload: payloadOf(state, segment, at),
    ...(segment.errorBytes[at] === 0 ? {} : { error: blobOf(state, segment, at, 'error') }),
    ...(segment.headersBytes[at] === 0 ? {} : { headers: blobOf(state, segment, at, 'headers') }),
    ...(segment.checkpointBytes[at] === 0 ? {} : { lastCheckpoint: blobOf(state, segment, at, 'checkpoint') }),
    history,
    droppedEvents: segment.droppedEvents[at] as number,
  };
}

/** True when the task is ready and no worker that takes tasks could run it. */
function isHopeless(state: State, row: number): boolean {
  if (state.rows.segmentOf(row).state[row & ROW_MASK] !== STATE.pending) return false;
  return !groupOf(state, row).links.some((link) => link.workerClass.isServed);
}

function historyOf(state: State, segment: RowSegment, at: number): HistoryEvent[] {
  const { slab, names } = state.memory;
  const bytes = slab.view(segment.historyRef[at] as number, segment.historyBytes[at] as number);
  const history: HistoryEvent[] = [
    {
      type: 'submitted',
      atMs: segment.createdAtMs[at] as number,
      attempt: 0,
      by: names.nameOf(segment.principal[at] as number),
    },
  ];
  for (const event of readEvents(bytes, segment.createdAtMs[at] as number)) {
    history.push(viewEvent(event, (of) => names.nameOf(of)));
  }
  // The start of the attempt that runs is in the row until something else happens.
  if (segment.state[at] === STATE.running && ((segment.flags[at] as number) & FLAGS.startWritten) === 0) {
    history.push({
      type: 'started',
      atMs: segment.placedAtMs[at] as number,
      attempt: segment.deliveries[at] as number,
      by: state.workers.slots.at(segment.worker[at] as number).id,
    });
  }
  return history;
}

/** The payload where it lies: its bytes are overwritten once the task is gone. */
function payloadInPlace(state: State, segment: RowSegment, at: number): StoredBlob {
  const encoding = ((segment.encodings[at] as number) & 3) as Encoding;
  const sizeBytes = segment.payloadBytes[at] as number;
  if (((segment.flags[at] as number) & FLAGS.payloadApart) !== 0) {
    return storedPayload(state, segment.number[at] as number, encoding, sizeBytes);
  }
  return { encoding, bytes: state.memory.slab.view(segment.payloadRef[at] as number, sizeBytes) };
}

/** A copy of the payload, for who looks at it later. */
function payloadOf(state: State, segment: RowSegment, at: number): StoredBlob {
  const payload = payloadInPlace(state, segment, at);
  return 'offloaded' in payload ? payload : { encoding: payload.encoding, bytes: payload.bytes.slice() };
}

function blobOf(state: State, segment: RowSegment, at: number, which: 'headers' | 'checkpoint' | 'error'): Blob {
  const encodings = segment.encodings[at] as number;
  const [refs, sizes, shift] =
    which === 'headers'
      ? [segment.headersRef, segment.headersBytes, 2]
      : which === 'checkpoint'
        ? [segment.checkpointRef, segment.checkpointBytes, 4]
        : [segment.errorRef, segment.errorBytes, 6];
  const sizeBytes = sizes[at] as number;
  const encoding = ((encodings >>> shift) & 3) as Encoding;
  return { encoding, bytes: state.memory.slab.view(refs[at] as number, sizeBytes).slice() };
}

/** One queue as it is now. */
export function viewQueue(state: State, queue: Queue): QueueView {
  const { counts } = queue;
  return {
    namespace: state.namespaceName(queue.namespace),
    name: queue.name,
    scheduled: counts[STATE.scheduled] as number,
    pending: counts[STATE.pending] as number,
    running: counts[STATE.running] as number,
    retrying: counts[STATE.retrying] as number,
    submitted: queue.submitted,
    done: counts[STATE.done] as number,
    failed: counts[STATE.failed] as number,
    cancelled: counts[STATE.cancelled] as number,
    oldestReadyAgeMs: oldestReadyAgeMs(state, queue),
  };
}

/** Lists are in order of becoming ready but for those in front, of which a bounded number is looked at. */
function oldestReadyAgeMs(state: State, queue: Queue): number {
  let oldestMs = state.nowMs;
  for (const group of queue.groups) {
    for (let priority = 1; priority <= PRIORITY_MAX; priority += 1) {
      let row = group.headOf(priority);
      for (let left = FRONT_EXAMINED; left > 0 && row !== NO_ROW; left -= 1) {
        const segment = state.rows.segmentOf(row);
        const at = row & ROW_MASK;
        oldestMs = Math.min(oldestMs, segment.readyAtMs[at] as number);
        if ((segment.readySequence[at] as number) >= SEQUENCE_START) break;
        row = segment.next[at] as number;
      }
    }
  }
  return state.nowMs - oldestMs;
}

/** One worker as it is now. */
export function viewWorker(state: State, worker: Worker): WorkerView {
  return {
    id: worker.id,
    namespace: state.namespaceName(worker.namespace),
    instance: worker.instance,
    state: worker.status !== WORKER.attached ? 'offline' : worker.draining ? 'draining' : 'online',
    lost: worker.status === WORKER.lost,
    types: worker.typeNames,
    labels: worker.labels,
    slots: worker.slots,
    running: worker.running,
    lingering: worker.lingering.size,
    version: worker.version,
    attachedAtMs: worker.attachedAtMs,
    ...(worker.awaySinceMs === 0 ? {} : { awaySinceMs: worker.awaySinceMs }),
    ...(worker.drainDeadlineMs === 0 ? {} : { drainDeadlineMs: worker.drainDeadlineMs }),
  };
}

/** Workers that have a name, by id. */
export function viewWorkers(state: State, namespace: number | undefined): WorkerView[] {
  const views: WorkerView[] = [];
  for (const worker of state.workers.slots) {
    if (worker.status === WORKER.ended) continue;
    if (namespace === undefined || worker.namespace === namespace) views.push(viewWorker(state, worker));
  }
  return views.sort((left, right) => (left.id < right.id ? -1 : 1));
}

/** Totals over everything. */
export function viewCounters(state: State): SchedulerCounters {
  const { counts, meta } = state;
  let attachedWorkers = 0;
  for (const worker of state.workers.slots) if (worker.status === WORKER.attached) attachedWorkers += 1;
  const sum = (of: (queue: Queue) => number): number =>
    state.queues.list.reduce((total, queue) => total + of(queue), 0);
  let finishedTasks = 0;
  let finishedBytes = 0;
  for (const namespace of new Set(state.queues.list.map((queue) => queue.namespace))) {
    const kept = state.memory.blocks.counts(namespace);
    finishedTasks += kept.tasks;
    finishedBytes += kept.sizeBytes;
  }
  return {
    liveTasks: state.rows.used,
    liveBytes: state.liveBytes,
    farTasks: state.far.tasks,
    farBytes: state.far.taskBytes,
    scheduled: counts[STATE.scheduled] as number,
    pending: counts[STATE.pending] as number,
    running: counts[STATE.running] as number,
    retrying: counts[STATE.retrying] as number,
    submitted: sum((queue) => queue.submitted),
    done: counts[STATE.done] as number,
    failed: counts[STATE.failed] as number,
    cancelled: counts[STATE.cancelled] as number,
    placed: meta.placed,
    crashes: meta.crashes,
    refusedStale: meta.refusedStale,
    refusedFinal: meta.refusedFinal,
    repeatedSubmissions: meta.repeatedSubmissions,
    lostWorkers: meta.lostWorkers,
    sessions: state.sessions.count,
    workers: state.workers.named,
    attachedWorkers,
    finishedTasks,
    finishedBytes,
  };
}

function asciiText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
