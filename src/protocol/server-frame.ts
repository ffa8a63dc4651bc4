/** Everything that a peer says to a client or worker. `requestId` is that of the request which the frame answers. */
import type { ErrorCode } from './error-code.ts';
import type {
  AbortRow,
  AssignRow,
  AttemptRow,
  BlobRow,
  ExistingRow,
  MarkRow,
  MemberRow,
  MembershipRow,
  PeerRow,
  PreviewRow,
  QueueRow,
  ScheduleRow,
  SettledRow,
  SnapshotRow,
  TaskRef,
  TaskViewRow,
  WorkerRow,
} from './rows.ts';

/** The answer to `hello`. */
export interface WelcomeFrame {
  readonly type: 'welcome';
  readonly protocolVersion: number;
  readonly peer: string;
  readonly cluster: string;
  readonly term: number;
  /** The leader of `term`, where this peer knows one that serves. */
  readonly leader: PeerRow | null;
  /** All members with their client URLs, this one included. */
  readonly peers: readonly PeerRow[];
  readonly limits: readonly [
    payloadBytes: number,
    headerBytes: number,
    errorBytes: number,
    batchTasks: number,
    batchBytes: number,
    frameBytes: number,
  ];
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Of the ids of tasks. */
  readonly group: number;
  readonly epoch: number;
}

/** Pushed to every connection when the leader or who belongs to the cluster changes. `leader` is `null` while there is none that serves. */
export interface LeaderFrame {
  readonly type: 'leader';
  readonly term: number;
  readonly leader: PeerRow | null;
  /** As in `welcome`; `null` from a peer of a version that tells it there alone. */
  readonly peers: readonly PeerRow[] | null;
}

/**
 * The answer to `heartbeat`. `term` is that of the leader which renewed the lease of the worker that is attached on this
 * connection, as of when that beat was sent; it is 0 where nothing was renewed.
 */
export interface HeartbeatAckFrame {
  readonly type: 'heartbeatAck';
  readonly beat: number;
  readonly term: number;
}

/** A request was refused; with `requestId` 0 the connection is, and ends. */
export interface ErrorFrame {
  readonly type: 'error';
  readonly requestId: number;
  readonly code: ErrorCode;
  /** A sentence that says what to do. */
  readonly message: string;
  readonly retryable: boolean;
  /** Wait this long before asking again. */
  readonly retryAfterMs: number | null;
  /** With `NOT_LEADER`: who is, where known. */
  readonly leader: PeerRow | null;
  /** The task of a batch that is to blame, from 0. */
  readonly position: number | null;
}

/** Done, nothing to tell. */
export interface OkFrame {
  readonly type: 'ok';
  readonly requestId: number;
}

/** The answer to `openSession`. */
export interface SessionOpenedFrame {
  readonly type: 'sessionOpened';
  readonly requestId: number;
  readonly session: string;
}

/** The answer to `submit`: durable on a majority and applied. New tasks have consecutive numbers from `firstNumber`, in order, positions of `existing` left out. */
export interface SubmittedFrame {
  readonly type: 'submitted';
  readonly requestId: number;
  readonly logIndex: number;
  readonly group: number;
  readonly epoch: number;
  readonly firstNumber: number;
  readonly created: number;
  readonly existing: readonly ExistingRow[];
  /** True when the submission had been applied before and this is its first answer again. */
  readonly repeated: boolean;
}

/** The answer to `cancel`: positions in `CANCEL_ANSWERS`, in the order of the request. */
export interface CancelledFrame {
  readonly type: 'cancelled';
  readonly requestId: number;
  readonly codes: readonly number[];
}

/** The answer to `get`; a task that is not there is an `error` with `NOT_FOUND`. */
export interface TaskFrame {
  readonly type: 'task';
  readonly requestId: number;
  readonly task: TaskViewRow;
  /** The state that was read had applied the log up to here; `null` from an older peer. */
  readonly index: number | null;
}

/** The answer to `list`. A page may be short, even empty, while `cursor` says that there is more. */
export interface TaskPageFrame {
  readonly type: 'taskPage';
  readonly requestId: number;
  readonly tasks: readonly TaskViewRow[];
  readonly cursor: string | null;
  /** As in `task`. */
  readonly index: number | null;
}

/** The answer to `awaitResult`. */
export interface ResultFrame {
  readonly type: 'result';
  readonly requestId: number;
  /** Position in `TASK_STATES`, a final one. */
  readonly state: number;
  readonly reason: string | null;
  /** Of a task that is done. */
  readonly result: BlobRow | null;
  /** Of a task that failed. */
  readonly error: BlobRow | null;
}

/** The answer to `listQueues`, sorted by name. */
export interface QueuesFrame {
  readonly type: 'queues';
  readonly requestId: number;
  readonly queues: readonly QueueRow[];
  /** As in `task`. */
  readonly index: number | null;
}

/** The answer to `listWorkers`, sorted by id. */
export interface WorkersFrame {
  readonly type: 'workers';
  readonly requestId: number;
  readonly workers: readonly WorkerRow[];
  /** As in `task`. */
  readonly index: number | null;
}

/** The answer to `status`: how this one peer sees the cluster. */
export interface StatusAnswerFrame {
  readonly type: 'statusAnswer';
  readonly requestId: number;
  readonly peer: string;
  readonly cluster: string;
  readonly version: string;
  /** `follower`, `candidate` or `leader`. */
  readonly role: string;
  /** `founding`, `replaying`, `serving`, `reopening`, `stopping` or `halted`. */
  readonly state: string;
  readonly term: number;
  readonly leader: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly durableIndex: number;
  readonly firstIndex: number;
  readonly logBytes: number;
  readonly logTimeMs: number;
  /** The latest marks, oldest first. */
  readonly marks: readonly MarkRow[];
  /** The leader's view of the others; empty elsewhere. */
  readonly members: readonly MemberRow[];
  /** Own wall clock minus the median of the peers', where enough are heard. */
  readonly clockOffsetMs: number | null;
  readonly connections: number;
  /** Sentences about what an operator should look at. */
  readonly alarms: readonly string[];
  /** Who belongs to the cluster; `null`, as all that follows, from an older peer. */
  readonly membership: MembershipRow | null;
  /** What was damaged on its disk is not whole again yet: it does not become leader. */
  readonly damaged: boolean | null;
  readonly spaceLow: boolean | null;
  /** `null` also while none is on its way. */
  readonly snapshot: SnapshotRow | null;
  /** What is switched on in the log, see the release notes. */
  readonly featureLevel: number | null;
}

/** The answer to `changeMember`: committed, and in force. */
export interface MemberChangedFrame {
  readonly type: 'memberChanged';
  readonly requestId: number;
  /** Position in the log. */
  readonly index: number;
}

/** The answer to `transferLeadership`: who leads now. */
export interface TransferredFrame {
  readonly type: 'transferred';
  readonly requestId: number;
  readonly leader: string;
}

/** The answer to `putSchedule`. */
export interface SchedulePutFrame {
  readonly type: 'schedulePut';
  readonly requestId: number;
  readonly version: number;
  readonly created: boolean;
  /** It had this very content already. */
  readonly unchanged: boolean;
  /** Position in the log. */
  readonly index: number;
}

/** The answer to `getSchedule`; one that is not there is an `error` with `NOT_FOUND`. */
export interface ScheduleFrame {
  readonly type: 'schedule';
  readonly requestId: number;
  readonly schedule: ScheduleRow;
  /** As in `task`. */
  readonly index: number | null;
}

/** The answer to `listSchedules`, sorted by id. */
export interface SchedulePageFrame {
  readonly type: 'schedulePage';
  readonly requestId: number;
  readonly schedules: readonly ScheduleRow[];
  /** For the next page; `null` at the end. */
  readonly cursor: string | null;
  /** As in `task`. */
  readonly index: number | null;
}

/** The answer to `triggerSchedule`: a task, a place in the buffer, or why neither. */
export interface ScheduleTriggeredFrame {
  readonly type: 'scheduleTriggered';
  readonly requestId: number;
  readonly task: TaskRef | null;
  readonly buffered: boolean;
  readonly skipped: string | null;
}

/** The answer to `backfillSchedule`. */
export interface ScheduleBackfilledFrame {
  readonly type: 'scheduleBackfilled';
  readonly requestId: number;
  /** Occurrences of the range. */
  readonly planned: number;
  /** Those that made a task or wait to do so; the others were skipped, each with its reason. */
  readonly accepted: number;
}

/** The answer to `nextOccurrences`: fewer than were asked for when there are no more. */
export interface OccurrencesFrame {
  readonly type: 'occurrences';
  readonly requestId: number;
  readonly timeZone: string;
  readonly occurrences: readonly PreviewRow[];
}

/** The answer to `attach`. */
export interface AttachedFrame {
  readonly type: 'attached';
  readonly requestId: number;
  readonly term: number;
  /** Attempts named as held that are no longer this worker's: abort their handlers. */
  readonly stale: readonly AttemptRow[];
  /** Outcomes named as unanswered that were applied before, with their answers. */
  readonly settled: readonly SettledRow[];
}

/** Attempts to start. A repeat of a token that the worker has seen is dropped. */
export interface AssignFrame {
  readonly type: 'assign';
  /** Of the leader that sends it. Frames of an older term than the newest seen are dropped. */
  readonly term: number;
  readonly assignments: readonly AssignRow[];
}

/** The answer to `complete`: positions in `COMPLETION_ANSWERS`, in the order of the request. */
export interface CompletedFrame {
  readonly type: 'completed';
  readonly requestId: number;
  readonly codes: readonly number[];
}

/** Attempts whose handlers are to stop. */
export interface AbortFrame {
  readonly type: 'abort';
  readonly term: number;
  readonly aborts: readonly AbortRow[];
}

/** Every frame from peer to client. */
export type ServerFrame =
  | WelcomeFrame
  | LeaderFrame
  | HeartbeatAckFrame
  | ErrorFrame
  | OkFrame
  | SessionOpenedFrame
  | SubmittedFrame
  | CancelledFrame
  | TaskFrame
  | TaskPageFrame
  | ResultFrame
  | QueuesFrame
  | WorkersFrame
  | StatusAnswerFrame
  | MemberChangedFrame
  | TransferredFrame
  | SchedulePutFrame
  | ScheduleFrame
  | SchedulePageFrame
  | ScheduleTriggeredFrame
  | ScheduleBackfilledFrame
  | OccurrencesFrame
  | AttachedFrame
  | AssignFrame
  | CompletedFrame
  | AbortFrame;

/** Those that answer a request. */
export type AnswerFrame = Extract<ServerFrame, { readonly requestId: number }>;
