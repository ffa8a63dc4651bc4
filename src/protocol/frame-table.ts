/**
 * How frames lie on the wire: for each its kind and its fields in order. Encoder, decoder, documentation and the tripwire
 * test of the version all read this table, so they cannot differ.
 */
import type { ClientFrame } from './client-frame.ts';
import {
  BATCH_TASKS_MAX,
  CALENDAR_CHARS_MAX,
  LABELS_MAX,
  LOG_CHARS_MAX,
  LOG_LINES_MAX,
  NOTE_CHARS_MAX,
  PAUSE_NOTE_CHARS_MAX,
  PREVIEW_MAX,
  ROWS_MAX,
  SCHEDULES_PAGE_MAX,
  WORKER_SLOTS_MAX,
  WORKER_TYPES_MAX,
} from './limits.ts';
import {
  ABORT_REASONS,
  CANCEL_ANSWERS,
  CATCH_UP_POLICIES,
  COMPLETION_ANSWERS,
  MEMBER_CHANGES,
  OCCURRENCE_KINDS,
  OVERLAP_POLICIES,
  SCHEDULE_STATES,
  TASK_STATES,
} from './rows.ts';
import type { ServerFrame } from './server-frame.ts';
import { BOOL, BYTES, grownRow, INT, list, nullable, position, row, type Shape, text, UINT, WORD } from './shape.ts';

/** The layout of one frame: `[kind, ...fields]`. */
export interface FrameLayout<Frame extends { readonly type: string }> {
  readonly kind: number;
  readonly type: Frame['type'];
  readonly names: readonly string[];
  readonly shapes: readonly Shape[];
}

/** Every field of a frame with its shape. The order in which they are written here is the order on the wire. */
type FieldsOf<Frame> = { readonly [Name in Exclude<keyof Frame, 'type'>]: Shape };
type FrameOf<Union, Type> = Extract<Union, { readonly type: Type }>;

function client<Type extends ClientFrame['type']>(
  kind: number,
  type: Type,
  fields: FieldsOf<FrameOf<ClientFrame, Type>>,
): FrameLayout<ClientFrame> {
  return { kind, type, names: Object.keys(fields), shapes: Object.values<Shape>(fields) };
}

function server<Type extends ServerFrame['type']>(
  kind: number,
  type: Type,
  fields: FieldsOf<FrameOf<ServerFrame, Type>>,
): FrameLayout<ServerFrame> {
  return { kind, type, names: Object.keys(fields), shapes: Object.values<Shape>(fields) };
}

const ENCODING = position(3);
const STATE = position(TASK_STATES.length - 1);
const BLOB = row(ENCODING, BYTES);
const TASK_REF = row(UINT, UINT, UINT);
const ATTEMPT = row(UINT, UINT);
const URL = text(1024);
const SENTENCE = text(4096);
const PEER = row(WORD, URL);
/** More than there may be is still a frame: that they are too many is an answer, not the end of the connection. */
const LABELS = list(row(WORD, WORD), LABELS_MAX * 4);
const TYPES = list(WORD, WORKER_TYPES_MAX * 4);
const MAYBE_UINT = nullable(UINT);
const MAYBE_WORD = nullable(WORD);
const MAYBE_BLOB = nullable(BLOB);
const MAYBE_BOOL = nullable(BOOL);
const MAYBE_URL = nullable(URL);
const THREE = row(MAYBE_UINT, MAYBE_UINT, MAYBE_UINT);
const TEMPLATE = row(
  WORD,
  MAYBE_WORD,
  MAYBE_UINT,
  LABELS,
  nullable(THREE),
  nullable(THREE),
  nullable(row(MAYBE_UINT, MAYBE_UINT, BOOL)),
);
const TASK_OPTIONS = row(MAYBE_WORD, MAYBE_UINT, MAYBE_UINT, MAYBE_BLOB);
/** Likewise. */
const BATCH_ROWS_READ = BATCH_TASKS_MAX * 10;
const TASK = row(UINT, ENCODING, BYTES, nullable(TASK_OPTIONS));
const ASSIGN = row(UINT, UINT, UINT, UINT, ENCODING, BYTES, nullable(row(MAYBE_BLOB, MAYBE_BLOB)));
const COMPLETION = row(UINT, UINT, position(4), ENCODING, nullable(BYTES), MAYBE_UINT);
const HISTORY = row(WORD, UINT, UINT, WORD, MAYBE_WORD);
const OCCURRENCE_KIND = position(OCCURRENCE_KINDS.length - 1);
const TASK_VIEW = grownRow(
  [
    TASK_REF,
    WORD,
    WORD,
    STATE,
    UINT,
    MAYBE_WORD,
    LABELS,
    UINT,
    MAYBE_UINT,
    MAYBE_UINT,
    MAYBE_UINT,
    UINT,
    UINT,
    UINT,
    UINT,
    MAYBE_WORD,
    MAYBE_WORD,
    MAYBE_BLOB,
    MAYBE_BLOB,
    MAYBE_BLOB,
    MAYBE_BLOB,
    MAYBE_BLOB,
    nullable(row(UINT, text(NOTE_CHARS_MAX))),
    list(HISTORY, ROWS_MAX),
    UINT,
    list(row(position(3), text(LOG_CHARS_MAX)), LOG_LINES_MAX),
  ],
  [nullable(row(WORD, UINT, UINT, OCCURRENCE_KIND))],
);
const OVERLAP = nullable(position(OVERLAP_POLICIES.length - 1));
const SCHEDULE_POLICY = row(
  OVERLAP,
  nullable(position(CATCH_UP_POLICIES.length - 1)),
  MAYBE_UINT,
  MAYBE_UINT,
  MAYBE_UINT,
);
/** A little more than there may be: that it is too much is an answer. */
const CALENDAR = text(CALENDAR_CHARS_MAX * 2);
const PAUSE_NOTE = text(PAUSE_NOTE_CHARS_MAX * 2);
/** Instants that a schedule knows, and occurrences that it remembers. */
const KNOWN_INSTANTS_MAX = 64;
const SETTLED_KEPT_MAX = 64;
const SKIP_REASONS_MAX = 64;
const SCHEDULE = grownRow(
  [
    WORD,
    UINT,
    position(SCHEDULE_STATES.length - 1),
    CALENDAR,
    TEMPLATE,
    SCHEDULE_POLICY,
    MAYBE_WORD,
    UINT,
    UINT,
    MAYBE_WORD,
    nullable(PAUSE_NOTE),
    list(row(UINT, UINT), KNOWN_INSTANTS_MAX),
    UINT,
    row(list(UINT, OCCURRENCE_KINDS.length), list(row(WORD, UINT), SKIP_REASONS_MAX), UINT, UINT, UINT),
    UINT,
    UINT,
    UINT,
    nullable(SENTENCE),
    MAYBE_BLOB,
    MAYBE_BLOB,
    list(row(UINT, UINT, OCCURRENCE_KIND, UINT, nullable(TASK_REF), MAYBE_WORD, nullable(STATE)), SETTLED_KEPT_MAX),
  ],
  [MAYBE_UINT],
);
const PREVIEW = row(UINT, UINT, WORD, WORD, MAYBE_WORD);
const QUEUE = row(WORD, list(UINT, TASK_STATES.length), MAYBE_UINT, UINT, UINT);
const MEMBER = row(WORD, BOOL, MAYBE_WORD, MAYBE_URL, MAYBE_WORD, MAYBE_UINT, BOOL, BOOL, BOOL);
const MEMBERSHIP = row(UINT, BOOL, list(MEMBER, 64), list(row(WORD, WORD, URL, BOOL), 64));
const WORKER = row(WORD, WORD, WORD, TYPES, LABELS, UINT, UINT, WORD, UINT, MAYBE_UINT, UINT);

/** Frames from client to peer. Kinds are never used again for something else. */
export const CLIENT_FRAMES: readonly FrameLayout<ClientFrame>[] = [
  client(1, 'hello', { protocolVersion: UINT, role: WORD, namespace: WORD, clientName: WORD, clientVersion: WORD }),
  client(2, 'heartbeat', { beat: UINT }),
  client(3, 'openSession', { requestId: UINT }),
  client(4, 'useSession', { session: WORD }),
  client(5, 'submit', {
    requestId: UINT,
    session: WORD,
    sequence: UINT,
    answeredBelow: UINT,
    templates: list(TEMPLATE, BATCH_ROWS_READ),
    tasks: list(TASK, BATCH_ROWS_READ),
  }),
  client(6, 'cancel', { requestId: UINT, tasks: list(TASK_REF, ROWS_MAX) }),
  client(7, 'get', { requestId: UINT, task: TASK_REF, stale: MAYBE_BOOL }),
  client(8, 'list', {
    requestId: UINT,
    states: nullable(list(STATE, TASK_STATES.length)),
    queue: MAYBE_WORD,
    taskType: MAYBE_WORD,
    cursor: MAYBE_WORD,
    limit: UINT,
    stale: MAYBE_BOOL,
    schedule: MAYBE_WORD,
  }),
  client(9, 'awaitResult', { requestId: UINT, task: TASK_REF }),
  client(10, 'abandon', { requestId: UINT }),
  client(11, 'listQueues', { requestId: UINT, stale: MAYBE_BOOL }),
  client(12, 'listWorkers', { requestId: UINT, stale: MAYBE_BOOL }),
  client(13, 'drainWorker', { requestId: UINT, worker: WORD, deadlineMs: UINT }),
  client(14, 'resumeWorker', { requestId: UINT, worker: WORD }),
  client(15, 'status', { requestId: UINT }),
  client(16, 'changeMember', {
    requestId: UINT,
    change: position(MEMBER_CHANGES.length - 1),
    peer: WORD,
    incarnation: MAYBE_WORD,
  }),
  client(17, 'transferLeadership', { requestId: UINT, peer: MAYBE_WORD }),
  client(30, 'putSchedule', {
    requestId: UINT,
    schedule: WORD,
    expectedVersion: MAYBE_UINT,
    calendar: CALENDAR,
    template: TEMPLATE,
    payload: BLOB,
    headers: MAYBE_BLOB,
    policy: SCHEDULE_POLICY,
    paused: BOOL,
    managedBy: MAYBE_WORD,
  }),
  client(31, 'getSchedule', { requestId: UINT, schedule: WORD, stale: MAYBE_BOOL }),
  client(32, 'listSchedules', { requestId: UINT, cursor: MAYBE_WORD, limit: UINT, stale: MAYBE_BOOL }),
  client(33, 'deleteSchedule', { requestId: UINT, schedule: WORD, expectedVersion: MAYBE_UINT }),
  client(34, 'pauseSchedule', { requestId: UINT, schedule: WORD, note: PAUSE_NOTE }),
  client(35, 'resumeSchedule', { requestId: UINT, schedule: WORD, note: PAUSE_NOTE }),
  client(36, 'triggerSchedule', { requestId: UINT, schedule: WORD, request: WORD, overlap: OVERLAP }),
  client(37, 'backfillSchedule', {
    requestId: UINT,
    schedule: WORD,
    request: WORD,
    fromMs: UINT,
    toMs: UINT,
    overlap: OVERLAP,
  }),
  client(38, 'nextOccurrences', {
    requestId: UINT,
    schedule: WORD,
    calendar: nullable(CALENDAR),
    afterMs: MAYBE_UINT,
    count: UINT,
  }),
  client(20, 'attach', {
    requestId: UINT,
    worker: WORD,
    instance: WORD,
    types: TYPES,
    labels: LABELS,
    slots: UINT,
    version: WORD,
    held: list(ATTEMPT, WORKER_SLOTS_MAX),
    unanswered: list(ATTEMPT, WORKER_SLOTS_MAX * 2),
  }),
  client(21, 'detach', { requestId: UINT }),
  client(22, 'complete', { requestId: UINT, completions: list(COMPLETION, ROWS_MAX) }),
  client(23, 'checkpoint', { requestId: UINT, number: UINT, fencingToken: UINT, encoding: ENCODING, bytes: BYTES }),
  client(24, 'extend', { requestId: UINT, number: UINT, fencingToken: UINT, runMs: UINT }),
  client(25, 'progress', { number: UINT, fencingToken: UINT, fraction: position(10_000), note: text(NOTE_CHARS_MAX) }),
  client(26, 'log', { number: UINT, fencingToken: UINT, level: position(3), text: text(LOG_CHARS_MAX) }),
];

/** Frames from peer to client. Kinds are never used again for something else. */
export const SERVER_FRAMES: readonly FrameLayout<ServerFrame>[] = [
  server(64, 'welcome', {
    protocolVersion: UINT,
    peer: WORD,
    cluster: WORD,
    term: UINT,
    leader: nullable(PEER),
    peers: list(PEER, 64),
    limits: row(UINT, UINT, UINT, UINT, UINT, UINT),
    leaseMs: UINT,
    heartbeatMs: UINT,
    group: UINT,
    epoch: UINT,
  }),
  server(65, 'leader', { term: UINT, leader: nullable(PEER), peers: nullable(list(PEER, 64)) }),
  server(66, 'heartbeatAck', { beat: UINT, term: UINT }),
  server(67, 'error', {
    requestId: UINT,
    code: WORD,
    message: SENTENCE,
    retryable: BOOL,
    retryAfterMs: MAYBE_UINT,
    leader: nullable(PEER),
    position: MAYBE_UINT,
  }),
  server(68, 'ok', { requestId: UINT }),
  server(69, 'sessionOpened', { requestId: UINT, session: WORD }),
  server(70, 'submitted', {
    requestId: UINT,
    logIndex: UINT,
    group: UINT,
    epoch: UINT,
    firstNumber: UINT,
    created: UINT,
    existing: list(row(UINT, UINT), BATCH_TASKS_MAX),
    repeated: BOOL,
  }),
  server(71, 'cancelled', { requestId: UINT, codes: list(position(CANCEL_ANSWERS.length - 1), ROWS_MAX) }),
  server(72, 'task', { requestId: UINT, task: TASK_VIEW, index: MAYBE_UINT }),
  server(73, 'taskPage', {
    requestId: UINT,
    tasks: list(TASK_VIEW, ROWS_MAX),
    cursor: MAYBE_WORD,
    index: MAYBE_UINT,
  }),
  server(74, 'result', {
    requestId: UINT,
    state: STATE,
    reason: MAYBE_WORD,
    result: MAYBE_BLOB,
    error: MAYBE_BLOB,
  }),
  server(75, 'queues', { requestId: UINT, queues: list(QUEUE, 10_000), index: MAYBE_UINT }),
  server(76, 'workers', { requestId: UINT, workers: list(WORKER, 10_000), index: MAYBE_UINT }),
  server(77, 'statusAnswer', {
    requestId: UINT,
    peer: WORD,
    cluster: WORD,
    version: WORD,
    role: WORD,
    state: WORD,
    term: UINT,
    leader: MAYBE_WORD,
    commitIndex: UINT,
    appliedIndex: UINT,
    durableIndex: UINT,
    firstIndex: UINT,
    logBytes: UINT,
    logTimeMs: UINT,
    marks: list(row(UINT, WORD), 64),
    members: list(row(WORD, BOOL, UINT, UINT), 64),
    clockOffsetMs: nullable(INT),
    connections: UINT,
    alarms: list(SENTENCE, 64),
    membership: nullable(MEMBERSHIP),
    damaged: MAYBE_BOOL,
    spaceLow: MAYBE_BOOL,
    snapshot: nullable(row(WORD, MAYBE_WORD, UINT, UINT)),
    featureLevel: MAYBE_UINT,
  }),
  server(78, 'memberChanged', { requestId: UINT, index: UINT }),
  server(79, 'transferred', { requestId: UINT, leader: WORD }),
  server(90, 'schedulePut', { requestId: UINT, version: UINT, created: BOOL, unchanged: BOOL, index: UINT }),
  server(91, 'schedule', { requestId: UINT, schedule: SCHEDULE, index: MAYBE_UINT }),
  server(92, 'schedulePage', {
    requestId: UINT,
    schedules: list(SCHEDULE, SCHEDULES_PAGE_MAX),
    cursor: MAYBE_WORD,
    index: MAYBE_UINT,
  }),
  server(93, 'scheduleTriggered', {
    requestId: UINT,
    task: nullable(TASK_REF),
    buffered: BOOL,
    skipped: MAYBE_WORD,
  }),
  server(94, 'scheduleBackfilled', { requestId: UINT, planned: UINT, accepted: UINT }),
  server(95, 'occurrences', { requestId: UINT, timeZone: WORD, occurrences: list(PREVIEW, PREVIEW_MAX) }),
  server(80, 'attached', {
    requestId: UINT,
    term: UINT,
    stale: list(ATTEMPT, WORKER_SLOTS_MAX),
    settled: list(row(UINT, UINT, position(COMPLETION_ANSWERS.length - 1)), WORKER_SLOTS_MAX * 2),
  }),
  server(81, 'assign', { term: UINT, assignments: list(ASSIGN, WORKER_SLOTS_MAX) }),
  server(82, 'completed', { requestId: UINT, codes: list(position(COMPLETION_ANSWERS.length - 1), ROWS_MAX) }),
  server(83, 'abort', {
    term: UINT,
    aborts: list(row(UINT, UINT, position(ABORT_REASONS.length - 1)), WORKER_SLOTS_MAX),
  }),
];
