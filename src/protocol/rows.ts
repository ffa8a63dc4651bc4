/**
 * What repeats within frames, laid out as arrays by position: a frame of a thousand tasks carries no field names. Integers
 * are safe integers; instants are ms since 1970 by log time; `null` stands for "none" or "the default".
 */

/** How user bytes were encoded by whoever made them: 0 nothing, 1 MessagePack, 2 JSON (UTF-8), 3 raw bytes. */
export type Encoding = 0 | 1 | 2 | 3;

/** User bytes with their encoding. */
export type BlobRow = readonly [encoding: Encoding, bytes: Uint8Array];

/** A task by the parts of its public id. */
export type TaskRef = readonly [group: number, epoch: number, number: number];

/** A running or reported attempt. */
export type AttemptRow = readonly [number: number, fencingToken: number];

/** A peer and the URL of its client listener. */
export type PeerRow = readonly [peer: string, url: string];

/** A label that a worker has, or must have. */
export type LabelRow = readonly [name: string, value: string];

/** Retry by backoff `initialMs × 2^(n−1)` up to `maxMs`; defaults 10, 1 s, 1 h. */
export type RetryRow = readonly [maxAttempts: number | null, initialMs: number | null, maxMs: number | null];

/** Ms, 0 is off. `runMs` counts from placement (default 15 min), `queueMs` from becoming ready (off), `totalMs` from submission (off). */
export type TimeoutsRow = readonly [runMs: number | null, queueMs: number | null, totalMs: number | null];

/** How long the finished task is kept: `doneMs` for done and cancelled (7 days), `failedMs` for failed (14 days). */
export type RetentionRow = readonly [doneMs: number | null, failedMs: number | null, keepPayload: boolean];

/** What tasks of one submission have in common. */
export type TemplateRow = readonly [
  type: string,
  /** Default `default`. */
  queue: string | null,
  /** 1 (first) to 10, default 5. */
  priority: number | null,
  /** Labels that a worker must have. */
  requires: readonly LabelRow[],
  retry: RetryRow | null,
  timeouts: TimeoutsRow | null,
  retention: RetentionRow | null,
];

/** What few tasks have. At most one of `runAtMs` and `delayMs`. */
export type TaskOptionsRow = readonly [
  key: string | null,
  runAtMs: number | null,
  delayMs: number | null,
  headers: BlobRow | null,
];

/** One task of a submission; `template` is a position in the frame's templates. */
export type TaskRow = readonly [
  template: number,
  encoding: Encoding,
  payload: Uint8Array,
  options: TaskOptionsRow | null,
];

/** A task of a submission that was there before under its key. */
export type ExistingRow = readonly [position: number, number: number];

/** What few assignments have. */
export type AssignExtrasRow = readonly [headers: BlobRow | null, lastCheckpoint: BlobRow | null];

/** One attempt for a worker. `typeIndex` is a position in the types that the worker attached with. `attempt` counts every start from 1. */
export type AssignRow = readonly [
  number: number,
  fencingToken: number,
  typeIndex: number,
  attempt: number,
  encoding: Encoding,
  payload: Uint8Array,
  extras: AssignExtrasRow | null,
];

/** How an attempt ended: `OUTCOME`. */
export type OutcomeCode = 0 | 1 | 2 | 3 | 4;

/**
 * Outcomes by name. `done` and the two failures carry bytes (result or error); `failed` may carry the backoff in ms as its
 * extra, `snoozed` must carry the delay in ms. `returned` gives the attempt back unfinished and uses up nothing.
 */
export const OUTCOME = { done: 0, failed: 1, failedForGood: 2, snoozed: 3, returned: 4 } as const;

/** One reported outcome. */
export type CompletionRow = readonly [
  number: number,
  fencingToken: number,
  outcome: OutcomeCode,
  encoding: Encoding,
  bytes: Uint8Array | null,
  extra: number | null,
];

/** Answers to completions; their codes on the wire are their positions here. `ok` counts, all are final. */
export const COMPLETION_ANSWERS = ['ok', 'STALE_LEASE', 'ALREADY_FINAL', 'NOT_FOUND'] as const;

/** The answer to one completion. */
export type CompletionAnswer = (typeof COMPLETION_ANSWERS)[number];

/** A completion that was applied before, with its answer's position in `COMPLETION_ANSWERS`. */
export type SettledRow = readonly [number: number, fencingToken: number, code: number];

/** Answers to cancels; their codes on the wire are their positions here. `cancelling`: the worker has been asked to stop. */
export const CANCEL_ANSWERS = ['cancelled', 'cancelling', 'ALREADY_FINAL', 'NOT_FOUND'] as const;

/** The answer to one cancel. */
export type CancelAnswer = (typeof CANCEL_ANSWERS)[number];

/** Why an attempt is aborted; the codes on the wire are the positions here. */
export const ABORT_REASONS = ['cancelled', 'timeout', 'lease-lost', 'drain'] as const;

/** What `signal.reason` says in a handler. */
export type AbortReason = (typeof ABORT_REASONS)[number];

/** An attempt to abort; `reason` is a position in `ABORT_REASONS`. */
export type AbortRow = readonly [number: number, fencingToken: number, reason: number];

/** States of a task. The last three are final. */
export const TASK_STATES = [
  'scheduled',
  'blocked',
  'pending',
  'running',
  'retrying',
  'done',
  'failed',
  'cancelled',
] as const;

/** A state of a task. */
export type TaskState = (typeof TASK_STATES)[number];

/** Position in `TASK_STATES` from which on a state is final. */
export const FIRST_FINAL_STATE = 5;

/** One event of a task's history. */
export type HistoryRow = readonly [event: string, atMs: number, attempt: number, by: string, reason: string | null];

/** A line that a handler logged: 0 debug, 1 info, 2 warn, 3 error. */
export type LogRow = readonly [level: number, text: string];

/** A task as `get` and `list` show it. `list` leaves the blobs, the history and the log out. */
export type TaskViewRow = readonly [
  ref: TaskRef,
  type: string,
  queue: string,
  /** Position in `TASK_STATES`. */
  state: number,
  priority: number,
  key: string | null,
  requires: readonly LabelRow[],
  createdAtMs: number,
  /** When a scheduled or retrying task becomes ready. */
  runAtMs: number | null,
  startedAtMs: number | null,
  finishedAtMs: number | null,
  /** Handler threw or timed out. */
  failures: number,
  /** Worker or lease lost. */
  crashes: number,
  /** Every start. */
  deliveries: number,
  /** Of the latest placement; 0 before the first. */
  fencingToken: number,
  worker: string | null,
  /** Why it is in its state, where that is not plain: `poison`, `run-timeout`, … */
  reason: string | null,
  payload: BlobRow | null,
  headers: BlobRow | null,
  result: BlobRow | null,
  error: BlobRow | null,
  lastCheckpoint: BlobRow | null,
  /** Last progress that the leader heard of the running attempt: ten-thousandths and a note. */
  progress: readonly [fraction: number, note: string] | null,
  history: readonly HistoryRow[],
  /** Events that happened and are not kept. */
  historyDropped: number,
  /** Last lines that the leader heard of the running attempt, oldest first. */
  log: readonly LogRow[],
  /** The occurrence of a schedule that made it; absent also from an older peer. */
  occurrence?: OccurrenceRefRow | null,
];

/** An occurrence of a schedule. `kind` is a position in `OCCURRENCE_KINDS`. */
export type OccurrenceRefRow = readonly [schedule: string, version: number, plannedMs: number, kind: number];

/** What made an occurrence: the definition, somebody who triggered it, somebody who filled in a range of the past. */
export const OCCURRENCE_KINDS = ['planned', 'trigger', 'backfill'] as const;

/** What made an occurrence. */
export type OccurrenceKind = (typeof OCCURRENCE_KINDS)[number];

/** What becomes of an occurrence that fires while a task of the schedule is not final; the codes on the wire are the positions here. */
export const OVERLAP_POLICIES = ['skip', 'bufferOne', 'bufferAll', 'cancelOther', 'allow'] as const;

/** What becomes of an occurrence that fires while a task of the schedule is not final. */
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

/** What becomes of occurrences that were missed; the codes on the wire are the positions here. */
export const CATCH_UP_POLICIES = ['latest', 'all', 'none'] as const;

/** What becomes of occurrences that were missed. */
export type CatchUpPolicy = (typeof CATCH_UP_POLICIES)[number];

/** States of a schedule. One that has ended fires only when it is triggered. */
export const SCHEDULE_STATES = ['active', 'paused', 'ended'] as const;

/** A state of a schedule. */
export type ScheduleState = (typeof SCHEDULE_STATES)[number];

/**
 * How a schedule treats its occurrences. `overlap` is a position in `OVERLAP_POLICIES` (default `skip`), `catchUp` one in
 * `CATCH_UP_POLICIES` (default `latest`, within `catchUpWindowMs`, default 24 h). `maxRuns` ends it, `pauseOnFailure` pauses it after so many failed tasks in a row; 0 is off.
 */
export type SchedulePolicyRow = readonly [
  overlap: number | null,
  catchUp: number | null,
  catchUpWindowMs: number | null,
  maxRuns: number | null,
  pauseOnFailure: number | null,
];

/** What a schedule has done. */
export type ScheduleCountersRow = readonly [
  /** Tasks made, one count a kind in the order of `OCCURRENCE_KINDS`. */
  fired: readonly number[],
  /** Occurrences skipped, by reason. */
  skipped: readonly (readonly [reason: string, count: number])[],
  /** How late the last planned occurrence fired, the latest of all, and all together, in ms. */
  lastLateMs: number,
  maxLateMs: number,
  sumLateMs: number,
];

/** An occurrence that was settled: by a task, or skipped with a reason. */
export type SettledOccurrenceRow = readonly [
  plannedMs: number,
  version: number,
  /** Position in `OCCURRENCE_KINDS`. */
  kind: number,
  settledAtMs: number,
  task: TaskRef | null,
  skipped: string | null,
  /** Position in `TASK_STATES` of a task that is final; `null` before. */
  ended: number | null,
];

/** A schedule as `getSchedule` and `listSchedules` show it. A list leaves the blobs and the last occurrences out. */
export type ScheduleRow = readonly [
  schedule: string,
  version: number,
  /** Position in `SCHEDULE_STATES`. */
  state: number,
  /** When it fires, as JSON in its canonical form. */
  calendar: string,
  template: TemplateRow,
  policy: SchedulePolicyRow,
  /** Who manages it, where its last `putSchedule` said so. */
  managedBy: string | null,
  createdAtMs: number,
  /** When its version began. */
  changedAtMs: number,
  /** Why it is paused: `request`, or `failures`. */
  pauseReason: string | null,
  /** What was said with the last pause or resumption. */
  note: string | null,
  /** Next instants that are known, soonest first: at most 64, in a list the first. */
  next: readonly (readonly [plannedMs: number, fireAtMs: number])[],
  /** Every occurrence planned up to here is settled. */
  settledThroughMs: number,
  counters: ScheduleCountersRow,
  /** Tasks of it that are not final. */
  unfinished: number,
  /** Occurrences that wait for those. */
  buffered: number,
  /** Failed tasks in a row. */
  consecutiveFailures: number,
  /** Why the leader cannot compute its instants. */
  problem: string | null,
  payload: BlobRow | null,
  headers: BlobRow | null,
  /** The last ones, oldest first, at most 32. */
  settled: readonly SettledOccurrenceRow[],
  /** When its last pause began or ended, 0 where there was none; null from peers that do not tell. */
  pauseChangedAtMs: number | null,
];

/** An instant of a preview, see `nextOccurrences`. */
export type PreviewRow = readonly [
  plannedMs: number,
  /** With its jitter. */
  fireAtMs: number,
  /** As a clock of the schedule's zone shows it: `2026-03-29 03:00:00`. */
  wallClock: string,
  /** Of that clock from UTC: `+02:00`. */
  utcOffset: string,
  /** What a change of the clock did: `gap`, `overlap` or `offset`; `null` for nothing. */
  clockChange: string | null,
];

/** A queue with its counters. `stateCounts` has one count a state in the order of `TASK_STATES`, finished ones since they are kept. */
export type QueueRow = readonly [
  name: string,
  stateCounts: readonly number[],
  /** Log time that the oldest ready task has waited; `null` when none is ready. */
  oldestReadyAgeMs: number | null,
  submittedTotal: number,
  finishedTotal: number,
];

/** A worker as the cluster sees it. */
export type WorkerRow = readonly [
  worker: string,
  instance: string,
  /** `online`, `draining` or `offline`. */
  state: string,
  types: readonly string[],
  labels: readonly LabelRow[],
  slots: number,
  running: number,
  version: string,
  attachedAtMs: number,
  /** Ms since the leader heard the worker; `null` when it is not connected. */
  heartbeatAgeMs: number | null,
  /** Slots kept by handlers whose attempt is over and that have not returned, because they ignore their signal. */
  lingering: number,
];

/** A checkpoint mark: peers with equal indices must have equal digests (16 hexadecimal digits). */
export type MarkRow = readonly [index: number, digest: string];

/** Changes of who belongs to the cluster; their codes on the wire are their positions here. */
export const MEMBER_CHANGES = ['add', 'promote', 'remove'] as const;

/** A change of who belongs to the cluster. */
export type MemberChange = (typeof MEMBER_CHANGES)[number];

/** A member by the configuration that is in force at the peer that answers, and what that peer knows of it. */
export type MemberStatusRow = readonly [
  peer: string,
  /** False for one that is being brought up to date, or is kept without a vote. */
  votes: boolean,
  incarnation: string | null,
  /** Client URL, where known. */
  url: string | null,
  /** How the leader sends to it: `probe`, `replicate` or `snapshot`; `null` elsewhere. */
  state: string | null,
  /** Newest entry that is known to be in its log; `null` elsewhere than at the leader. */
  matchIndex: number | null,
  connected: boolean,
  /** Its disk was found damaged and is being repaired from the others. */
  damaged: boolean,
  spaceLow: boolean,
];

/** A peer that is connected, no member, and could be added. `replaces`: a member of that name had another data directory. */
export type JoiningRow = readonly [peer: string, incarnation: string, url: string, replaces: boolean];

/** Who belongs to the cluster. `index` is the position of the entry that says so, 0 for the founders. */
export type MembershipRow = readonly [
  index: number,
  committed: boolean,
  members: readonly MemberStatusRow[],
  joining: readonly JoiningRow[],
];

/** A snapshot on its way to the peer that answers: `fetching`, `loading` or `installing`. */
export type SnapshotRow = readonly [phase: string, from: string | null, index: number, receivedBytes: number];

/** What the leader knows of another member. `heldBackBytes`: log kept only because this peer lags behind. */
export type MemberRow = readonly [peer: string, connected: boolean, matchIndex: number, heldBackBytes: number];
