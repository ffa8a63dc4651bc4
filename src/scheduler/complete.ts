/** What workers report of an attempt: how it ended, what it wants kept, and that it needs longer. */
import { DecodeError, type ByteReader } from '../base/bytes.ts';
import type { Blob } from './command.ts';
import { decodeCount, decodeEncoding } from './decode-parts.ts';
import type { Ending } from './finished.ts';
import { noteEvent } from './history-notes.ts';
import { BY, EVENT, REASON } from './history.ts';
import type { CompletionAnswer, Reply } from './outcome.ts';
import { backoffMs } from './retry.ts';
import { FLAGS, NO_ROW, ROW_MASK } from './rows.ts';
import { lingerMs } from './schedules/overlap-slots.ts';
import type { State } from './state.ts';
import { STATE } from './states.ts';
import {
  cancelledBy,
  changeState,
  finish,
  handBack,
  leaveWorker,
  NOTHING,
  replaceBytes,
  setTimer,
  templateOf,
} from './task-moves.ts';
import type { Worker } from './workers.ts';
import { FAILED_BITS, OUTCOME_CODES } from './version.ts';
import { refuse } from './refusal.ts';

const DONE: Ending = { to: STATE.done, reason: REASON.none, by: BY.worker, principal: 0 };

/** Applies a `complete`, of which `reader` reads the worker's id next from `entry`. */
export function complete(state: State, entry: Uint8Array, reader: ByteReader): Reply {
  const workerId = state.nameCache.read(entry, reader);
  const worker = state.workers.find(workerId);
  const answers: CompletionAnswer[] = [];
  for (let left = decodeCount(reader); left > 0; left -= 1) {
    const number = reader.varint();
    const token = reader.varint();
    const row = state.memory.pages.rowOf(number);
    const answer = row === NO_ROW ? answerOfGone(state, number) : holds(state, row, token, workerId);
    if (answer === 'ok') {
      end(state, reader, row);
    } else {
      skipOutcome(reader);
      if (answer === 'STALE_LEASE') state.meta.refusedStale += 1;
      if (answer === 'ALREADY_FINAL') state.meta.refusedFinal += 1;
      if (worker !== undefined) stopLingering(state, worker, number, token);
    }
    answers.push(answer);
  }
  return { type: 'completed', answers };
}

/** What to say of the attempt of a task that has no row. */
export function answerOfGone(state: State, number: number): 'STALE_LEASE' | 'ALREADY_FINAL' | 'NOT_FOUND' {
  // One that is far has not begun, so whoever says that it runs is wrong.
  if (state.memory.pages.farTagOf(number) !== 0) return 'STALE_LEASE';
  return state.memory.blocks.idOf(number) === undefined ? 'NOT_FOUND' : 'ALREADY_FINAL';
}

/** `ok` when the attempt that runs in `row` has this token and is this worker's. */
function holds(state: State, row: number, token: number, workerId: string): 'ok' | 'STALE_LEASE' {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (segment.state[at] !== STATE.running || segment.token[at] !== token) return 'STALE_LEASE';
  return state.workers.slots.at(segment.worker[at] as number).id === workerId ? 'ok' : 'STALE_LEASE';
}

/** A handler whose lease had ended has returned: its slot is free. */
function stopLingering(state: State, worker: Worker, number: number, token: number): void {
  if (worker.lingering.get(token) !== number) return;
  state.workers.table.touch(worker.slot);
  worker.lingering.delete(token);
  worker.freeSlots += 1;
  worker.workerClass?.update(worker);
}

/** Reads the outcome and ends the attempt with it. */
function end(state: State, reader: ByteReader, row: number): void {
  const code = reader.u8();
  const isCancelling = ((state.rows.segmentOf(row).flags[row & ROW_MASK] as number) & FLAGS.cancelling) !== 0;
  switch (code) {
    case OUTCOME_CODES.done: {
      const encoding = decodeEncoding(reader.u8());
      finish(state, row, DONE, reader.bytes(), encoding);
      return;
    }
    case OUTCOME_CODES.failed: {
      const bits = reader.u8();
      const error = reader.bytes();
      const retryAfterMs = (bits & FAILED_BITS.retryAfter) === 0 ? -1 : reader.varint();
      if (isCancelling) finish(state, row, cancelledBy(BY.worker), error, bits & 3);
      else fail(state, row, error, bits & 3, (bits & FAILED_BITS.nonRetryable) !== 0, retryAfterMs);
      return;
    }
    case OUTCOME_CODES.snoozed: {
      const delayMs = Math.min(reader.varint(), state.limits.delayMsMax);
      if (isCancelling) finish(state, row, cancelledBy(BY.worker), NOTHING, 0);
      else wait(state, row, STATE.scheduled, EVENT.snoozed, REASON.snoozed, BY.worker, delayMs, false);
      return;
    }
    case OUTCOME_CODES.returned:
      handBack(state, row, EVENT.returned, REASON.returned, BY.worker, false);
      return;
    default:
      throw new DecodeError(`an outcome has code ${code}, which is unknown here`);
  }
}

function skipOutcome(reader: ByteReader): void {
  const code = reader.u8();
  if (code === OUTCOME_CODES.done) {
    reader.skip(1);
    reader.skip(reader.varint());
  } else if (code === OUTCOME_CODES.failed) {
    const bits = reader.u8();
    reader.skip(reader.varint());
    if ((bits & FAILED_BITS.retryAfter) !== 0) reader.varint();
  } else if (code === OUTCOME_CODES.snoozed) {
    reader.varint();
  } else if (code !== OUTCOME_CODES.returned) {
    throw new DecodeError(`an outcome has code ${code}, which is unknown here`);
  }
}

/** The handler failed: the task waits for its next attempt, or has had its last. */
function fail(
  state: State,
  row: number,
  error: Uint8Array,
  encoding: number,
  nonRetryable: boolean,
  retryAfterMs: number,
): void {
  state.tasks.touch(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = templateOf(state, row);
  const failures = (segment.failures[at] as number) + 1;
  segment.failures[at] = failures;
  if (nonRetryable || failures >= template.maxAttempts) {
    const reason = nonRetryable ? REASON.nonRetryable : REASON.error;
    finish(state, row, { to: STATE.failed, reason, by: BY.worker, principal: 0 }, error, encoding);
    return;
  }
  segment.errorRef[at] = replaceBytes(state, segment.errorRef[at] as number, segment.errorBytes[at] as number, error);
  segment.errorBytes[at] = error.length;
  segment.encodings[at] = ((segment.encodings[at] as number) & 0x3f) | (encoding << 6);
  const waitMs =
    retryAfterMs >= 0
      ? Math.min(retryAfterMs, state.limits.delayMsMax)
      : backoffMs(template, segment.number[at] as number, failures);
  wait(state, row, STATE.retrying, EVENT.failedAttempt, REASON.error, BY.worker, waitMs, false);
}

/**
 * The attempt ran out of time: that is a failure of it, as the retry rule counts. The handler still runs until it heeds its
 * signal, and keeps its slot until then.
 */
export function failByTimeout(state: State, row: number): void {
  state.tasks.touch(row);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const template = templateOf(state, row);
  const failures = (segment.failures[at] as number) + 1;
  segment.failures[at] = failures;
  if (failures >= template.maxAttempts) {
    finish(state, row, { to: STATE.failed, reason: REASON.runTimeout, by: BY.peer, principal: 0 }, NOTHING, 0, true);
    return;
  }
  const waitMs = Math.max(backoffMs(template, segment.number[at] as number, failures), lingerMs(state, row));
  wait(state, row, STATE.retrying, EVENT.failedAttempt, REASON.runTimeout, BY.peer, waitMs, true);
}

/** Ends the attempt and lets the task wait in `to` for `delayMs`. */
function wait(
  state: State,
  row: number,
  to: number,
  event: number,
  reason: number,
  by: number,
  delayMs: number,
  lingers: boolean,
): void {
  state.tasks.touch(row);
  noteEvent(state, row, event, reason, by, 0);
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  leaveWorker(state, row, lingers);
  changeState(state, segment, at, templateOf(state, row), to);
  // Even without a wait the task becomes ready by a timer, the next time that timers are looked at.
  segment.dueMs[at] = state.nowMs + delayMs;
  setTimer(state, row);
}

/** Keeps what a running attempt wants the next one to begin from. */
export function saveCheckpoint(state: State, number: number, token: number, checkpoint: Blob): Reply {
  const row = state.memory.pages.rowOf(number);
  const refused = refuseAttempt(state, row, number, token);
  if (refused !== undefined) return refused;
  if (checkpoint.bytes.length > state.limits.checkpointBytesMax) return refuse('INVALID_ARGUMENT');
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  const more = checkpoint.bytes.length - (segment.checkpointBytes[at] as number);
  if (state.liveBytes + more > state.limits.liveBytesMax) return refuse('TASK_LIMIT');
  state.tasks.touch(row);
  state.liveBytes += more;
  const ref = segment.checkpointRef[at] as number;
  segment.checkpointRef[at] = replaceBytes(state, ref, segment.checkpointBytes[at] as number, checkpoint.bytes);
  segment.checkpointBytes[at] = checkpoint.bytes.length;
  segment.encodings[at] = ((segment.encodings[at] as number) & 0xcf) | (checkpoint.encoding << 4);
  return { type: 'ok' };
}

/** The run timeout of a running attempt counts anew; the grace of a cancel does not. */
export function extendRun(state: State, number: number, token: number, runMs: number): Reply {
  const row = state.memory.pages.rowOf(number);
  const refused = refuseAttempt(state, row, number, token);
  if (refused !== undefined) return refused;
  if (runMs < 1 || runMs > state.limits.delayMsMax) return refuse('INVALID_ARGUMENT');
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.cancelling) !== 0) return { type: 'ok' };
  state.tasks.touch(row);
  segment.dueMs[at] = state.nowMs + runMs;
  setTimer(state, row);
  return { type: 'ok' };
}

function refuseAttempt(state: State, row: number, number: number, token: number): Reply | undefined {
  if (row === NO_ROW) return refuse(answerOfGone(state, number));
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (segment.state[at] === STATE.running && segment.token[at] === token) return undefined;
  return refuse('STALE_LEASE');
}
