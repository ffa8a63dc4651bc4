/**
 * Changes of schedules that are done once, though their answers may be lost.
 *
 * Sent again as it is, a change might undo what somebody else did after its first execution. So the schedule is looked at before it is
 * sent, and again after an answer was lost. What is as it was before has not been changed, and a sending that is still on its way
 * changes nothing later: each names the version that was seen.
 *
 *     look ─▶ send ─┬─ answered ──────────────────────────▶ done
 *      ▲            └─ lost ─▶ look ─┬─ as it was ─▶ send again
 *      │                             ├─ as was asked for ─▶ done
 *      └─ another version meanwhile  └─ otherwise ─▶ OUTCOME_UNKNOWN
 */
import { TaskraftError } from './errors.ts';

/** What a put did. */
export interface ScheduleAnswer {
  /** Of the definition, from 1. */
  readonly version: number;
  readonly created: boolean;
  /** It had this very content. */
  readonly unchanged: boolean;
}

/** What tells one state of a schedule from another; undefined where there is none. */
export type Seen =
  | { readonly version: number; readonly createdAtMs: number; readonly pauseChangedAtMs: number | undefined }
  | undefined;

/** How a change is made. All throw TaskraftError. */
export interface RepeatedSteps<Answer> {
  /** A read that sees every change whose answer was lost. */
  look(): Promise<Seen>;
  /** Sends it to a schedule of this version, 0 for none, undefined for any; not again where the answer is lost. */
  send(expectedVersion: number | undefined): Promise<Answer>;
}

/**
 * Puts, whatever is there. Where somebody else put the same meanwhile, that is as good.
 *
 * @throws TaskraftError what `send` refuses; OUTCOME_UNKNOWN where an answer was lost and somebody else changed the schedule, too
 */
export async function putRepeatedly({ look, send }: RepeatedSteps<ScheduleAnswer>): Promise<ScheduleAnswer> {
  for (let before = await lookBefore(look); ;) {
    try {
      return await send(before?.version ?? 0);
    } catch (error) {
      if (isRefused(error, 'VERSION_CONFLICT') || isRefused(error, 'NOT_FOUND')) {
        before = await lookBefore(look);
        continue;
      }
      if (!isRefused(error, 'OUTCOME_UNKNOWN')) throw error;
      const now = await lookOr(look, error);
      if (isSame(before, now)) continue;
      if (now === undefined) throw error;
      // What the schedule holds is accepted of the version before it too, and changes nothing.
      const { version } = await sendOr(send, now.version - 1, error);
      return { version, created: before === undefined, unchanged: false };
    }
  }
}

/**
 * Deletes the schedule that is there; only if it has `expectedVersion`, unless that is undefined.
 *
 * @throws TaskraftError NOT_FOUND, VERSION_CONFLICT, and what else `send` refuses
 */
export async function deleteRepeatedly(
  { look, send }: RepeatedSteps<unknown>,
  expectedVersion: number | undefined,
): Promise<void> {
  let isLost = false;
  for (let before = await lookBefore(look); ;) {
    try {
      await send(expectedVersion ?? before?.version);
      return;
    } catch (error) {
      // What was lost was still on its way when it was looked for, and has come since.
      if (isLost && before !== undefined && isRefused(error, 'NOT_FOUND')) return;
      if (isRefused(error, 'VERSION_CONFLICT') && expectedVersion === undefined) {
        before = await lookBefore(look);
        continue;
      }
      if (!isRefused(error, 'OUTCOME_UNKNOWN')) throw error;
      const now = await lookOr(look, error);
      // One that was made anew under the same id is not what was to be deleted.
      if (now?.createdAtMs !== before?.createdAtMs) return;
      isLost = true;
      before = now;
    }
  }
}

/**
 * Begins a pause or ends it. `isDone` tells whether that is so now.
 *
 * @throws TaskraftError NOT_FOUND, and what else `send` refuses; OUTCOME_UNKNOWN where somebody else paused or resumed it, too
 */
export async function pauseRepeatedly<State extends Exclude<Seen, undefined>>(
  { look, send }: { look(): Promise<State | undefined>; send(): Promise<unknown> },
  isDone: (now: State) => boolean,
): Promise<void> {
  for (let before = await lookBefore(look); ;) {
    try {
      await send();
      return;
    } catch (error) {
      if (!isRefused(error, 'OUTCOME_UNKNOWN')) throw error;
      const now = await lookOr(look, error);
      if (now !== undefined && isDone(now)) return;
      // Nobody has paused or resumed it since, so neither has this.
      const isUntouched = now?.pauseChangedAtMs !== undefined && now.pauseChangedAtMs === before?.pauseChangedAtMs;
      if (!isUntouched || now.createdAtMs !== before?.createdAtMs) throw error;
      before = now;
    }
  }
}

function isSame(left: Seen, right: Seen): boolean {
  return left?.version === right?.version && left?.createdAtMs === right?.createdAtMs;
}

function isRefused(error: unknown, code: TaskraftError['code']): error is TaskraftError {
  return error instanceof TaskraftError && error.code === code;
}

/** @throws TaskraftError UNAVAILABLE where nobody answers in time: then nothing has been changed */
async function lookBefore<Found>(look: () => Promise<Found>): Promise<Found> {
  try {
    return await look();
  } catch (error) {
    if (!isRefused(error, 'TIMEOUT')) throw error;
    throw new TaskraftError('UNAVAILABLE', 'No leader answered in time; nothing was changed.');
  }
}

/** @throws TaskraftError `unknown` where nothing can be read: that is what is known then */
async function lookOr<Found>(look: () => Promise<Found>, unknown: TaskraftError): Promise<Found> {
  try {
    return await look();
  } catch {
    throw unknown;
  }
}

/** @throws TaskraftError `unknown` where that is refused */
async function sendOr<Answer>(
  send: RepeatedSteps<Answer>['send'],
  expectedVersion: number,
  unknown: TaskraftError,
): Promise<Answer> {
  try {
    return await send(expectedVersion);
  } catch {
    throw unknown;
  }
}
