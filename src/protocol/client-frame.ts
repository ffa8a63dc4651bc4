/**
 * Everything that a client or worker says to a peer. `requestId` is drawn by the sender, from 1, unique among its unanswered
 * requests on all its connections; each request gets exactly one answer with that id, or `error`.
 */
import type {
  AttemptRow,
  BlobRow,
  CompletionRow,
  Encoding,
  LabelRow,
  SchedulePolicyRow,
  TaskRef,
  TaskRow,
  TemplateRow,
} from './rows.ts';

/** First frame of a connection, within 10 s; answered by `welcome`, or by `error` and the end of the connection. */
export interface HelloFrame {
  readonly type: 'hello';
  /** `PROTOCOL_VERSION` of the sender. */
  readonly protocolVersion: number;
  /** `client` or `worker`; a worker may also send what a client may. */
  readonly role: string;
  /** Namespace of everything that this connection asks for. */
  readonly namespace: string;
  /** Program and version, for people: `taskraft-sdk`, `0.1.0`. */
  readonly clientName: string;
  readonly clientVersion: string;
}

/**
 * Sent every `heartbeatMs` of `welcome` on every connection; answered by `heartbeatAck` with the same `beat`. A leader answers
 * only while it is sure to be one (it heard a quorum within an election timeout), so that the answer renews the leases of a
 * worker that is attached on this connection; other peers always answer, which renews nothing and keeps the connection.
 */
export interface HeartbeatFrame {
  readonly type: 'heartbeat';
  readonly beat: number;
}

/** Asks for a client session, in whose sequence submissions can be repeated safely; answered by `sessionOpened`. */
export interface OpenSessionFrame {
  readonly type: 'openSession';
  readonly requestId: number;
}

/** Says that this connection stands for a session, so that its heartbeats keep the session alive. Not answered; `submit` implies it. */
export interface UseSessionFrame {
  readonly type: 'useSession';
  readonly session: string;
}

/** Submits tasks, all or nothing; answered by `submitted`. Sent again unchanged it gives the first answer. */
export interface SubmitFrame {
  readonly type: 'submit';
  readonly requestId: number;
  readonly session: string;
  /** From 1, one more with every submission of the session. */
  readonly sequence: number;
  /** Every sequence below has been answered: the cluster may forget those answers. */
  readonly answeredBelow: number;
  readonly templates: readonly TemplateRow[];
  /** 1 to 1,000 tasks, together at most 4 MiB. */
  readonly tasks: readonly TaskRow[];
}

/** Cancels tasks; answered by `cancelled` with one code each. */
export interface CancelFrame {
  readonly type: 'cancel';
  readonly requestId: number;
  /** 1 to 1,000. */
  readonly tasks: readonly TaskRef[];
}

/**
 * Asks for one task with its bytes and its history; answered by `task`.
 *
 * `stale`, here and in the other reads: true is answered at once by any peer from what it has applied, which may be behind, and
 * while there is no leader. Otherwise the answer holds everything that was acknowledged before the request was sent; a
 * follower asks the leader how far that is, and answers itself.
 */
export interface GetFrame {
  readonly type: 'get';
  readonly requestId: number;
  readonly task: TaskRef;
  readonly stale: boolean | null;
}

/** Asks for a page of tasks, newest first; answered by `taskPage`. Absent filters let everything through. */
export interface ListFrame {
  readonly type: 'list';
  readonly requestId: number;
  /** Positions in `TASK_STATES`. */
  readonly states: readonly number[] | null;
  readonly queue: string | null;
  readonly taskType: string | null;
  /** From the page before; `null` begins. */
  readonly cursor: string | null;
  /** 1 to 1,000. */
  readonly limit: number;
  readonly stale: boolean | null;
  /** Tasks that the schedule with this id made. Peers of earlier versions know no such filter, and let all tasks through. */
  readonly schedule: string | null;
}

/** Waits for the end of a task; answered by `result` when it is final, however long that takes. Sent again on a new connection. */
export interface AwaitResultFrame {
  readonly type: 'awaitResult';
  readonly requestId: number;
  readonly task: TaskRef;
}

/** Ends an `awaitResult` that nobody waits for any more. Not answered, and neither is the wait. */
export interface AbandonFrame {
  readonly type: 'abandon';
  readonly requestId: number;
}

/** Asks for the queues of the namespace; answered by `queues`. */
export interface ListQueuesFrame {
  readonly type: 'listQueues';
  readonly requestId: number;
  readonly stale: boolean | null;
}

/** Asks for the workers of the namespace; answered by `workers`. */
export interface ListWorkersFrame {
  readonly type: 'listWorkers';
  readonly requestId: number;
  readonly stale: boolean | null;
}

/** The worker takes nothing new; what still runs after `deadlineMs` is aborted with reason `drain` and handed back. Answered by `ok`. */
export interface DrainWorkerFrame {
  readonly type: 'drainWorker';
  readonly requestId: number;
  readonly worker: string;
  /** From now on; 0 aborts at once. */
  readonly deadlineMs: number;
}

/** Ends the drain of a worker; answered by `ok`. */
export interface ResumeWorkerFrame {
  readonly type: 'resumeWorker';
  readonly requestId: number;
  readonly worker: string;
}

/** Changes who belongs to the cluster; answered by `memberChanged` once that is committed. One change is under way at a time. */
export interface ChangeMemberFrame {
  readonly type: 'changeMember';
  readonly requestId: number;
  /** Position in `MEMBER_CHANGES`. */
  readonly change: number;
  readonly peer: string;
  /** With `add`: the data directory that is meant; `null` takes the one that the leader hears. */
  readonly incarnation: string | null;
}

/** Hands leadership over, to the peer that can take over soonest with `null`; answered by `transferred`. */
export interface TransferLeadershipFrame {
  readonly type: 'transferLeadership';
  readonly requestId: number;
  readonly peer: string | null;
}

/** Asks this very peer how it is, leader or not; answered by `status`. */
export interface StatusFrame {
  readonly type: 'status';
  readonly requestId: number;
}

/** Makes a schedule, or gives it another definition; answered by `schedulePut`. One with the content that is there changes nothing. */
export interface PutScheduleFrame {
  readonly type: 'putSchedule';
  readonly requestId: number;
  /** Its id, a name that is its own within the namespace. */
  readonly schedule: string;
  /** The version that it has: 0 for none yet, `null` for any. With another one the answer is `VERSION_CONFLICT`. */
  readonly expectedVersion: number | null;
  /** When it fires, as JSON; at most 16 Ki characters. */
  readonly calendar: string;
  /** What each of its tasks is. */
  readonly template: TemplateRow;
  readonly payload: BlobRow;
  readonly headers: BlobRow | null;
  readonly policy: SchedulePolicyRow;
  /** Begins paused; only when it is made. */
  readonly paused: boolean;
  /** A name by which a tool finds again what it made. */
  readonly managedBy: string | null;
}

/** Asks for one schedule with its last occurrences; answered by `schedule`. */
export interface GetScheduleFrame {
  readonly type: 'getSchedule';
  readonly requestId: number;
  readonly schedule: string;
  /** As in `get`. */
  readonly stale: boolean | null;
}

/** Asks for a page of schedules by id; answered by `schedulePage`. */
export interface ListSchedulesFrame {
  readonly type: 'listSchedules';
  readonly requestId: number;
  /** From the page before; `null` begins. */
  readonly cursor: string | null;
  /** 1 to 100. */
  readonly limit: number;
  readonly stale: boolean | null;
}

/** Ends a schedule for good; its tasks go on. Answered by `ok`. */
export interface DeleteScheduleFrame {
  readonly type: 'deleteSchedule';
  readonly requestId: number;
  readonly schedule: string;
  /** As in `putSchedule`. */
  readonly expectedVersion: number | null;
}

/** Lets occurrences pass without a task until it is resumed; answered by `ok`. */
export interface PauseScheduleFrame {
  readonly type: 'pauseSchedule';
  readonly requestId: number;
  readonly schedule: string;
  /** For people, up to 500 characters. */
  readonly note: string;
}

/** Ends a pause; answered by `ok`. */
export interface ResumeScheduleFrame {
  readonly type: 'resumeSchedule';
  readonly requestId: number;
  readonly schedule: string;
  readonly note: string;
}

/** Fires a schedule now, besides its plan; answered by `scheduleTriggered`. */
export interface TriggerScheduleFrame {
  readonly type: 'triggerSchedule';
  readonly requestId: number;
  readonly schedule: string;
  /** Drawn by the sender: sent again it gives the first answer. */
  readonly request: string;
  /** Position in `OVERLAP_POLICIES`; `null` for the schedule's own. */
  readonly overlap: number | null;
}

/** Fires what a range of the past would have had, 1 to 1,000 occurrences; answered by `scheduleBackfilled`. */
export interface BackfillScheduleFrame {
  readonly type: 'backfillSchedule';
  readonly requestId: number;
  readonly schedule: string;
  /** As in `triggerSchedule`. */
  readonly request: string;
  /** Both ends belong to it. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly overlap: number | null;
}

/** Asks when a schedule fires next, or would; answered by `occurrences`, by every peer. */
export interface NextOccurrencesFrame {
  readonly type: 'nextOccurrences';
  readonly requestId: number;
  /** One that there is, or, with `calendar`, the id that one would have. */
  readonly schedule: string;
  /** As in `putSchedule`; `null` for what the schedule has. */
  readonly calendar: string | null;
  /** `null` for now. */
  readonly afterMs: number | null;
  /** 1 to 1,000. */
  readonly count: number;
}

/** Registers a worker with the leader, anew on every connection and in every term; answered by `attached`. */
export interface AttachFrame {
  readonly type: 'attach';
  readonly requestId: number;
  readonly worker: string;
  /** Drawn when the worker's process started. */
  readonly instance: string;
  /** Task types that it has handlers for, each once. */
  readonly types: readonly string[];
  readonly labels: readonly LabelRow[];
  /** How many attempts it runs at a time. */
  readonly slots: number;
  readonly version: string;
  /** Attempts that it runs now. Assignments that are neither here nor in `unanswered` never arrived and are taken back. */
  readonly held: readonly AttemptRow[];
  /** Attempts whose outcome it reported without an answer; they follow in `complete` unless `attached` settles them. */
  readonly unanswered: readonly AttemptRow[];
}

/** The graceful end of a worker that holds nothing any more; answered by `ok`. */
export interface DetachFrame {
  readonly type: 'detach';
  readonly requestId: number;
}

/** Reports outcomes; answered by `completed` with one code each. Sent again until it is answered. */
export interface CompleteFrame {
  readonly type: 'complete';
  readonly requestId: number;
  /** 1 to 1,000. */
  readonly completions: readonly CompletionRow[];
}

/** Saves what the next attempt may start from; answered by `ok`, or by `error` with `STALE_LEASE`. */
export interface CheckpointFrame {
  readonly type: 'checkpoint';
  readonly requestId: number;
  readonly number: number;
  readonly fencingToken: number;
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

/** The run timeout of this attempt counts anew: `runMs` from when it is applied. Answered by `ok`, or by `error` with `STALE_LEASE`. */
export interface ExtendFrame {
  readonly type: 'extend';
  readonly requestId: number;
  readonly number: number;
  readonly fencingToken: number;
  readonly runMs: number;
}

/** How far an attempt is; not replicated, not answered, at most one a second a task. */
export interface ProgressFrame {
  readonly type: 'progress';
  readonly number: number;
  readonly fencingToken: number;
  /** Ten-thousandths, 0 to 10,000. */
  readonly fraction: number;
  /** Up to 200 characters. */
  readonly note: string;
}

/** A log line of an attempt; not replicated, not answered. */
export interface LogFrame {
  readonly type: 'log';
  readonly number: number;
  readonly fencingToken: number;
  /** 0 debug, 1 info, 2 warn, 3 error. */
  readonly level: number;
  /** Up to 4,096 characters. */
  readonly text: string;
}

/** Every frame from client to peer. */
export type ClientFrame =
  | HelloFrame
  | HeartbeatFrame
  | OpenSessionFrame
  | UseSessionFrame
  | SubmitFrame
  | CancelFrame
  | GetFrame
  | ListFrame
  | AwaitResultFrame
  | AbandonFrame
  | ListQueuesFrame
  | ListWorkersFrame
  | DrainWorkerFrame
  | ResumeWorkerFrame
  | StatusFrame
  | ChangeMemberFrame
  | TransferLeadershipFrame
  | PutScheduleFrame
  | GetScheduleFrame
  | ListSchedulesFrame
  | DeleteScheduleFrame
  | PauseScheduleFrame
  | ResumeScheduleFrame
  | TriggerScheduleFrame
  | BackfillScheduleFrame
  | NextOccurrencesFrame
  | AttachFrame
  | DetachFrame
  | CompleteFrame
  | CheckpointFrame
  | ExtendFrame
  | ProgressFrame
  | LogFrame;

/** Those that are answered. */
export type RequestFrame = Extract<ClientFrame, { readonly requestId: number }>;
