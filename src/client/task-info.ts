/** A task as users see it, made from its row on the wire. */
import { decodeValue, ValueError } from '../protocol/codec.ts';
import {
  type BlobRow,
  type HistoryRow,
  OCCURRENCE_KINDS,
  type OccurrenceKind,
  type OccurrenceRefRow,
  TASK_STATES,
  type TaskState,
  type TaskViewRow,
} from '../protocol/rows.ts';
import { formatTaskId } from '../protocol/task-id.ts';

/** One event of a task's history. */
export interface TaskEvent {
  readonly event: string;
  /** Ms since 1970 by log time. */
  readonly atMs: number;
  readonly attempt: number;
  /** Who caused it: a principal, a worker, or the cluster. */
  readonly by: string;
  readonly reason: string | undefined;
}

/** A line that a handler logged. */
export interface TaskLogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly text: string;
}

const LEVELS: readonly TaskLogLine['level'][] = ['debug', 'info', 'warn', 'error'];

/** A task as `get` and `list` show it. Instants are ms since 1970 by log time. */
export interface TaskInfo {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly state: TaskState;
  readonly priority: number;
  readonly key: string | undefined;
  readonly requires: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** When a scheduled or retrying task becomes ready. */
  readonly runAtMs: number | undefined;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  /** Attempts whose handler threw or timed out. */
  readonly failures: number;
  /** Attempts whose worker or lease was lost. */
  readonly crashes: number;
  /** All starts. */
  readonly deliveries: number;
  /** Of the latest placement, 0 before the first. */
  readonly fencingToken: number;
  readonly worker: string | undefined;
  /** Why it is in its state, where that is not plain. */
  readonly reason: string | undefined;
  /** The rest is absent in lists, and where there is none. */
  readonly payload: unknown;
  readonly headers: unknown;
  readonly result: unknown;
  readonly error: unknown;
  readonly lastCheckpoint: unknown;
  readonly progress: { readonly fraction: number; readonly note: string } | undefined;
  /** Last lines that the running attempt logged, oldest first. */
  readonly log: readonly TaskLogLine[];
  readonly history: readonly TaskEvent[];
  /** Events that happened and are not kept. */
  readonly historyDropped: number;
  /** The occurrence of a schedule that made it; undefined for a task that was submitted. */
  readonly occurrence: TaskOccurrence | undefined;
}

/** An occurrence of a schedule, as its task names it. */
export interface TaskOccurrence {
  readonly schedule: string;
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
}

/** The task in `row`. */
export function taskInfo(row: TaskViewRow): TaskInfo {
  const [ref, type, queue, state, priority, key, requires, createdAtMs, runAtMs, startedAtMs, finishedAtMs, ...later] =
    row;
  const [failures, crashes, deliveries, fencingToken, worker, reason, ...bytes] = later;
  const [payload, headers, result, error, lastCheckpoint, progress, history, historyDropped, log, occurrence] = bytes;
  return {
    id: formatTaskId(ref[0], ref[1], ref[2]),
    type,
    queue,
    state: TASK_STATES[state] as TaskState,
    priority,
    key: key ?? undefined,
    requires: Object.fromEntries(requires),
    createdAtMs,
    runAtMs: runAtMs ?? undefined,
    startedAtMs: startedAtMs ?? undefined,
    finishedAtMs: finishedAtMs ?? undefined,
    failures,
    crashes,
    deliveries,
    fencingToken,
    worker: worker ?? undefined,
    reason: reason ?? undefined,
    payload: blobValue(payload),
    headers: blobValue(headers),
    result: blobValue(result),
    error: blobValue(error),
    lastCheckpoint: blobValue(lastCheckpoint),
    progress: progress === null ? undefined : { fraction: progress[0] / 10_000, note: progress[1] },
    log: log.map(([level, text]) => ({ level: LEVELS[level] ?? 'info', text })),
    history: history.map(eventOf),
    historyDropped,
    occurrence: occurrence === undefined || occurrence === null ? undefined : occurrenceOf(occurrence),
  };
}

/** The value in `blob`; bytes that hold none, from a client that wrote something else, are handed over as they are. */
export function blobValue(blob: BlobRow | null): unknown {
  if (blob === null) return undefined;
  try {
    return decodeBlob(blob);
  } catch (error) {
    if (error instanceof ValueError) return blob[1];
    throw error;
  }
}

/** The value in `blob`. @throws ValueError when it is not of its encoding */
export function decodeBlob(blob: BlobRow): unknown {
  const [encoding, bytes] = blob;
  switch (encoding) {
    case 0:
      return undefined;
    case 1:
      return decodeValue(bytes);
    case 2:
      return decodeJson(bytes);
    case 3:
      return bytes;
  }
}

function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ValueError(`is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function occurrenceOf([schedule, version, plannedMs, kind]: OccurrenceRefRow): TaskOccurrence {
  return { schedule, version, plannedMs, kind: OCCURRENCE_KINDS[kind] as OccurrenceKind };
}

function eventOf([event, atMs, attempt, by, reason]: HistoryRow): TaskEvent {
  return { event, atMs, attempt, by, reason: reason ?? undefined };
}
