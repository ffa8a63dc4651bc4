/**
 * Everything that can be put in the log: the whole vocabulary of the replicated state. A log entry is a batch of commands under
 * one time stamp of the leader; `batch.ts` lays them out as bytes. Whatever depends on the world (clocks, random ids, hashes of
 * requests) was computed before proposing; applying only checks and stores.
 *
 * Strings are of the name alphabet (`isName`). Payloads, results, errors, headers and checkpoints are opaque bytes.
 */
import type { ScheduleCommand } from './schedules/commands.ts';

export type {
  Overlap,
  PlannedOccurrence,
  ScheduleCommand,
  ScheduledTask,
  SchedulePolicy,
} from './schedules/commands.ts';

/** How opaque bytes were encoded by whoever made them: 0 nothing, 1 MessagePack, 2 JSON (UTF-8), 3 raw bytes. */
export type Encoding = 0 | 1 | 2 | 3;

/** Opaque bytes with the name of their encoding. */
export interface Blob {
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

/** Labels as pairs sorted by name, each name once. */
export type Labels = readonly (readonly [name: string, value: string])[];

/** What the tasks of one submission have in common. Absent fields take the defaults of `limits.ts`. */
export interface TaskTemplate {
  readonly type: string;
  readonly queue: string;
  /** 1 (first) to 10. */
  readonly priority: number;
  /** Labels that a worker must have, by equality. */
  readonly requires: Labels;
  readonly retry: {
    readonly maxAttempts: number;
    readonly initialMs: number;
    readonly maxMs: number;
  };
  /** 0 means off. `runMs` counts from placement, `queueMs` from becoming ready, `totalMs` from submission. */
  readonly timeouts: { readonly runMs: number; readonly queueMs: number; readonly totalMs: number };
  /** How long the finished task is kept, in ms: `doneMs` for done and cancelled, `failedMs` for failed. */
  readonly retention: { readonly doneMs: number; readonly failedMs: number; readonly keepPayload: boolean };
}

/** One task of a submission. */
export interface TaskSubmission {
  /** Position in the submission's templates. */
  readonly template: number;
  readonly payload: Blob;
  readonly headers?: Blob;
  readonly key?: string;
  /** At most one of the two: an instant in ms since 1970, or a delay from the log time at apply. */
  readonly runAtMs?: number;
  readonly delayMs?: number;
}

/** How an attempt ended, by the worker that ran it. */
export type Outcome =
  | { readonly type: 'done'; readonly result: Blob }
  | {
      readonly type: 'failed';
      readonly error: Blob;
      /** No further attempt whatever is left. */
      readonly nonRetryable: boolean;
      /** Replaces the computed backoff; undefined leaves it. */
      readonly retryAfterMs?: number;
    }
  /** The handler asks to be started again later; counts as a delivery only. */
  | { readonly type: 'snoozed'; readonly delayMs: number }
  /**
   * The worker gives the attempt back unfinished: it drains, fenced itself, or heeded an abort. Counts as a delivery only.
   * A task whose cancel was under way ends as cancelled.
   */
  | { readonly type: 'returned' };

/** The end of one attempt, as its worker reports it. */
export interface Completion {
  readonly number: number;
  readonly fencingToken: number;
  readonly outcome: Outcome;
}

/** The running attempt that a worker names when it attaches. */
export interface HeldAttempt {
  readonly number: number;
  readonly fencingToken: number;
}

/** One thing to do. Every variant says who sends it where that is not obvious. */
export type Command =
  /** First command of a term: every worker is away until it attaches in this term; for one lease nothing is taken from any. */
  | { readonly type: 'termStarted'; readonly term: number }
  /** Time passes; the batch's stamp does the work. */
  | { readonly type: 'tick' }
  /** Every peer checkpoints at this index. */
  | { readonly type: 'checkpointMark' }
  | { readonly type: 'openSession'; readonly session: string }
  | { readonly type: 'endSession'; readonly session: string }
  /** All or nothing. `sequence` is drawn by the client, one more each time; answers below `answeredBelow` may be forgotten. */
  | {
      readonly type: 'submit';
      readonly session: string;
      readonly sequence: number;
      readonly answeredBelow: number;
      readonly namespace: string;
      readonly templates: readonly TaskTemplate[];
      readonly tasks: readonly TaskSubmission[];
    }
  | { readonly type: 'complete'; readonly worker: string; readonly completions: readonly Completion[] }
  | { readonly type: 'cancel'; readonly namespace: string; readonly numbers: readonly number[] }
  | {
      readonly type: 'saveCheckpoint';
      readonly number: number;
      readonly fencingToken: number;
      readonly checkpoint: Blob;
    }
  /** The run timeout of this attempt counts anew from now. */
  | { readonly type: 'extendRun'; readonly number: number; readonly fencingToken: number; readonly runMs: number }
  | {
      readonly type: 'workerAttached';
      readonly namespace: string;
      readonly worker: string;
      /** Drawn when the worker's process started; another one ends the old one's tasks. */
      readonly instance: string;
      readonly types: readonly string[];
      readonly labels: Labels;
      readonly slots: number;
      readonly version: string;
      /** What the worker runs right now. Assignments of this worker that are not among them, nor unanswered, never arrived. */
      readonly held: readonly HeldAttempt[];
      /** Reported outcomes whose answer the worker still waits for; they follow as `complete`. */
      readonly unanswered: readonly HeldAttempt[];
    }
  /** The connection ended: nothing new until it attaches again. */
  | { readonly type: 'workerAway'; readonly worker: string; readonly instance: string }
  /** Declared lost: its tasks are pending again under new tokens, each a crash. Caps held by them fall free at `capsFreeAtMs`. */
  | { readonly type: 'workerLost'; readonly worker: string; readonly instance: string; readonly capsFreeAtMs: number }
  /** Graceful end of a worker that holds nothing any more. */
  | { readonly type: 'workerLeft'; readonly worker: string; readonly instance: string }
  /** Takes nothing new; at `deadlineMs` (log time) the rest is aborted with reason `drain` and handed back. */
  | { readonly type: 'drainWorker'; readonly worker: string; readonly deadlineMs: number }
  | { readonly type: 'resumeWorker'; readonly worker: string }
  | ScheduleCommand;

/** A command with the name of who asked for it. */
export interface PrincipalCommand {
  /** `anonymous` while there is no authentication; `peer` for what the leader itself proposes. */
  readonly principal: string;
  readonly command: Command;
}
