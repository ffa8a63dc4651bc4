/**
 * Error codes are part of the contract: texts may change, codes may not. Each has a class, which the HTTP API uses as its
 * status and the CLI turns into its exit code.
 */

/** What is known of one code. */
export interface ErrorFacts {
  /** In the sense of HTTP's status codes. */
  readonly status: number;
  /** Whether the same request may succeed later without a change to it. */
  readonly retryable: boolean;
  readonly meaning: string;
}

/** Every code that a peer or the SDK answers with. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_SCHEDULE'
  | 'PAYLOAD_TOO_LARGE'
  | 'BATCH_TOO_LARGE'
  | 'FRAME_TOO_LARGE'
  | 'MALFORMED_FRAME'
  | 'UNKNOWN_FRAME'
  | 'UNEXPECTED_FRAME'
  | 'UNSUPPORTED_VERSION'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'KEY_CONFLICT'
  | 'WORKER_ID_IN_USE'
  | 'VERSION_CONFLICT'
  | 'INVALID_TRANSITION'
  | 'STALE_LEASE'
  | 'NOT_ATTACHED'
  | 'ALREADY_FINAL'
  | 'SESSION_EXPIRED'
  | 'SESSION_LIMIT'
  | 'KEY_TABLE_FULL'
  | 'QUEUE_LIMIT'
  | 'TASK_LIMIT'
  | 'WORKER_LIMIT'
  | 'LIMIT'
  | 'SCHEDULE_ENDED'
  | 'ALREADY_MEMBER'
  | 'ALREADY_VOTER'
  | 'NOT_VOTER'
  | 'NOT_HEARD'
  | 'NOT_CAUGHT_UP'
  | 'LAST_VOTER'
  | 'QUORUM_AT_RISK'
  | 'MEMBER_LIMIT'
  | 'FEATURE_OFF'
  | 'CHANGE_PENDING'
  | 'TRANSFER_FAILED'
  | 'TOO_MANY_REQUESTS'
  | 'OVERLOADED'
  | 'NO_SPACE'
  | 'NOT_READY'
  | 'NOT_LEADER'
  | 'NO_LEADER'
  | 'SHUTTING_DOWN'
  | 'OUTCOME_UNKNOWN'
  | 'TIMEOUT'
  | 'UNAVAILABLE'
  | 'ABORTED'
  | 'CLOSED'
  | 'TASK_FAILED'
  | 'TASK_CANCELLED'
  | 'INTERNAL';

const FACTS: Readonly<Record<ErrorCode, ErrorFacts>> = {
  INVALID_ARGUMENT: { status: 400, retryable: false, meaning: 'A field of the request is not acceptable.' },
  INVALID_SCHEDULE: {
    status: 400,
    retryable: false,
    meaning: 'What says when a schedule fires cannot be used; the message begins with where it is wrong.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    retryable: false,
    meaning: 'Payload, result, headers, error or checkpoint is over its limit.',
  },
  BATCH_TOO_LARGE: { status: 413, retryable: false, meaning: 'More tasks or bytes than one submission may have.' },
  FRAME_TOO_LARGE: {
    status: 413,
    retryable: false,
    meaning: 'A message is larger than a frame may be; the connection ends.',
  },
  MALFORMED_FRAME: { status: 400, retryable: false, meaning: 'A message is not a frame; the connection ends.' },
  UNKNOWN_FRAME: {
    status: 400,
    retryable: false,
    meaning: 'A frame of a kind that this end does not know; the connection ends.',
  },
  UNEXPECTED_FRAME: {
    status: 400,
    retryable: false,
    meaning: 'A frame that has no place here, such as anything before hello; the connection ends.',
  },
  UNSUPPORTED_VERSION: {
    status: 400,
    retryable: false,
    meaning: 'The two ends have no protocol version in common; the connection ends.',
  },
  UNAUTHORIZED: { status: 401, retryable: false, meaning: 'The token is missing or wrong.' },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    meaning: 'The token does not allow this, or the host or origin is not accepted.',
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    meaning: 'There is no such task, queue, worker, schedule or peer, or it is not kept any more.',
  },
  KEY_CONFLICT: { status: 409, retryable: false, meaning: 'The key belongs to a task of other content.' },
  WORKER_ID_IN_USE: { status: 409, retryable: false, meaning: 'Another live process has this worker id.' },
  VERSION_CONFLICT: {
    status: 409,
    retryable: false,
    meaning: 'The schedule has another version than the one that was expected.',
  },
  INVALID_TRANSITION: { status: 409, retryable: false, meaning: 'The state of the task does not allow this.' },
  STALE_LEASE: { status: 409, retryable: false, meaning: "The attempt is no longer this worker's." },
  NOT_ATTACHED: {
    status: 409,
    retryable: true,
    meaning:
      'The worker is not attached on this connection in this term; nothing was executed. Attach, then send it again.',
  },
  ALREADY_FINAL: { status: 409, retryable: false, meaning: 'The task is final and stays as it is.' },
  SESSION_EXPIRED: {
    status: 409,
    retryable: false,
    meaning: 'The client session is gone: whether an earlier sending was executed stays unknown, this one was not.',
  },
  SESSION_LIMIT: { status: 429, retryable: true, meaning: 'The cluster has as many client sessions as it may have.' },
  KEY_TABLE_FULL: { status: 429, retryable: true, meaning: 'The namespace has as many keys as it may have.' },
  QUEUE_LIMIT: { status: 429, retryable: false, meaning: 'The namespace has as many queues as it may have.' },
  TASK_LIMIT: { status: 429, retryable: true, meaning: 'The cluster holds as many unfinished tasks as it may hold.' },
  WORKER_LIMIT: { status: 429, retryable: true, meaning: 'The cluster has as many workers as it may have.' },
  LIMIT: {
    status: 429,
    retryable: false,
    meaning: 'As many schedules, or as many occurrences in one request, as there may be.',
  },
  SCHEDULE_ENDED: { status: 409, retryable: false, meaning: 'The schedule has ended: it will never fire again.' },
  ALREADY_MEMBER: { status: 409, retryable: false, meaning: 'The peer belongs to the cluster already.' },
  ALREADY_VOTER: { status: 409, retryable: false, meaning: 'The peer has a vote already.' },
  NOT_VOTER: { status: 409, retryable: false, meaning: 'The peer has no vote and cannot lead; promote it first.' },
  NOT_HEARD: {
    status: 409,
    retryable: true,
    meaning: 'No peer of this name, or with this data directory, is connected to the leader and waits to join.',
  },
  NOT_CAUGHT_UP: {
    status: 409,
    retryable: true,
    meaning: 'The peer has not got enough of the log yet to be given a vote.',
  },
  LAST_VOTER: { status: 409, retryable: false, meaning: 'The last peer with a vote cannot be removed.' },
  QUORUM_AT_RISK: {
    status: 409,
    retryable: true,
    meaning: 'After the change too few peers with a vote would be up to date and connected, or none that can lead.',
  },
  MEMBER_LIMIT: { status: 429, retryable: false, meaning: 'The cluster has as many members as it may have.' },
  FEATURE_OFF: {
    status: 409,
    retryable: true,
    meaning: 'A peer with a vote runs a version that does not know this, or was not heard yet.',
  },
  CHANGE_PENDING: {
    status: 503,
    retryable: true,
    meaning: 'Another change of the cluster is under way, or the leader is new; nothing was changed.',
  },
  TRANSFER_FAILED: {
    status: 503,
    retryable: true,
    meaning: 'No other peer can take over, or none did within an election timeout; the leader leads on.',
  },
  TOO_MANY_REQUESTS: { status: 429, retryable: true, meaning: 'More unanswered requests than a client may have.' },
  OVERLOADED: {
    status: 503,
    retryable: true,
    meaning: 'The peer has no room now; nothing was executed. Ask again after retryAfterMs.',
  },
  NO_SPACE: {
    status: 507,
    retryable: true,
    meaning: 'A disk is nearly full: no submission is accepted until there is room; nothing was executed.',
  },
  NOT_READY: { status: 503, retryable: true, meaning: 'The peer has no state to answer from now; ask another.' },
  NOT_LEADER: { status: 503, retryable: true, meaning: 'Another peer leads; nothing was executed. Ask the leader.' },
  NO_LEADER: { status: 503, retryable: true, meaning: 'No leader is known now; nothing was executed.' },
  SHUTTING_DOWN: { status: 503, retryable: true, meaning: 'The peer stops; ask another.' },
  OUTCOME_UNKNOWN: {
    status: 504,
    retryable: true,
    meaning:
      'Nobody knows whether the request was executed; sent again in the same sequence it is executed at most once.',
  },
  TIMEOUT: { status: 504, retryable: true, meaning: 'No answer in time. Of a submission the outcome is unknown.' },
  UNAVAILABLE: { status: 503, retryable: true, meaning: 'No peer could be reached in time; nothing was sent.' },
  ABORTED: { status: 499, retryable: false, meaning: "The caller's signal ended the wait." },
  CLOSED: { status: 499, retryable: false, meaning: 'The client or worker was closed.' },
  TASK_FAILED: { status: 422, retryable: false, meaning: 'The task whose result was waited for failed.' },
  TASK_CANCELLED: { status: 422, retryable: false, meaning: 'The task whose result was waited for was cancelled.' },
  INTERNAL: { status: 500, retryable: false, meaning: 'The peer made a mistake; its log says more.' },
};

/** All codes, in the order of the documentation. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(FACTS) as ErrorCode[];

/** What is known of `code`. */
export function errorFacts(code: ErrorCode): ErrorFacts {
  return FACTS[code];
}

/** Whether `text` is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(FACTS, text);
}

/** Exit code of the CLI: 1 failed, 2 usage, 3 not found, 4 forbidden, 5 conflict, 6 unavailable. */
export function exitCodeOf(code: ErrorCode): number {
  const { status } = FACTS[code];
  if (status === 400 || status === 413) return 2;
  if (status === 404) return 3;
  if (status === 401 || status === 403) return 4;
  if (status === 409) return 5;
  if (status === 429 || status === 503 || status === 504 || status === 507) return 6;
  return 1;
}
