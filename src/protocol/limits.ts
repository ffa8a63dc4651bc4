/** Limits of what crosses the wire. Those that can be configured are told to every client in `welcome`. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes of a payload, result or checkpoint, each, unless configured otherwise. */
export const PAYLOAD_BYTES_DEFAULT: number = 256 * KIB;

/** Bytes of a payload, result or checkpoint that no configuration goes beyond. */
export const PAYLOAD_BYTES_HARD: number = MIB;

/** Encoded headers of one task, in bytes. */
export const HEADER_BYTES_MAX: number = 8 * KIB;

/** An encoded error of one attempt, in bytes. */
export const ERROR_BYTES_MAX: number = 16 * KIB;

/** Tasks in one submission. */
export const BATCH_TASKS_MAX = 1000;

/** Payloads, headers and keys of one submission together, in bytes. */
export const BATCH_BYTES_MAX: number = 4 * MIB;

/** One frame in either direction, in bytes; above every batch by what its rows cost. */
export const FRAME_BYTES_MAX: number = 5 * MIB;

/** Completions in one `complete`, tasks in one `cancel`, rows in one page. */
export const ROWS_MAX = 1000;

/** Unanswered submissions of one session: as many answers as the cluster keeps. */
export const UNANSWERED_MAX = 1024;

/** Labels of a worker or a task. */
export const LABELS_MAX = 64;

/** Task types of a worker. */
export const WORKER_TYPES_MAX = 256;

/** Attempts that a worker may run at a time. */
export const WORKER_SLOTS_MAX = 10_000;

/** The priority that is placed first. */
export const PRIORITY_MIN = 1;

/** The priority that is placed last. */
export const PRIORITY_MAX = 10;

/** Ten years, the furthest that a task may be delayed. */
export const DELAY_MS_MAX: number = 10 * 366 * 86_400_000;

/** Characters of a progress note. */
export const NOTE_CHARS_MAX = 200;

/** Characters of a log line. */
export const LOG_CHARS_MAX = 4096;

/** Lines of one attempt that `get` shows. */
export const LOG_LINES_MAX = 100;

/** Characters of the JSON that says when a schedule fires. */
export const CALENDAR_CHARS_MAX: number = 16 * KIB;

/** Schedules of one page. */
export const SCHEDULES_PAGE_MAX = 100;

/** Characters of what somebody says about a pause. */
export const PAUSE_NOTE_CHARS_MAX = 500;

/** Occurrences that one preview shows. */
export const PREVIEW_MAX = 1000;

/** Occurrences of one backfill. */
export const BACKFILL_MAX = 1000;
