/**
 * What a request about schedules may say beyond the types of its fields; see `request-rules.ts`. When a schedule fires is not
 * looked at here: that needs the rules of time zones, and the peer has them.
 */
import { isName } from '../base/ids.ts';
import type { PutScheduleFrame } from './client-frame.ts';
import { CALENDAR_CHARS_MAX, DELAY_MS_MAX, PAUSE_NOTE_CHARS_MAX } from './limits.ts';
import { NAME_RULE, type RequestProblem, templateProblem, type WireLimits } from './request-rules.ts';
import { CATCH_UP_POLICIES, type SchedulePolicyRow } from './rows.ts';

/** Runs after which a schedule may end, and failures after which it may pause. */
const COUNT_MAX = 1_000_000_000;

/** What is wrong with `putSchedule`, or undefined. */
export function putScheduleProblem(frame: PutScheduleFrame, limits: WireLimits): RequestProblem | undefined {
  const { schedule, calendar, template, payload, headers, policy, managedBy } = frame;
  if (managedBy !== null && !isName(managedBy)) return invalid(`managedBy is ${NAME_RULE}.`);
  if (calendar.length > CALENDAR_CHARS_MAX) {
    return invalid(`What says when a schedule fires has at most ${CALENDAR_CHARS_MAX} characters as JSON.`);
  }
  if (payload[1].length > limits.payloadBytes) {
    return tooLarge(`A payload has at most ${limits.payloadBytes} bytes, this one ${payload[1].length}.`);
  }
  if (headers !== null && headers[1].length > limits.headerBytes) {
    return tooLarge(`Headers have at most ${limits.headerBytes} bytes together.`);
  }
  const words = scheduleNameProblem(schedule) ?? templateProblem(template) ?? policyProblem(policy);
  return words === undefined ? undefined : invalid(words);
}

/** What is wrong with the id of a schedule, or undefined. */
export function scheduleNameProblem(schedule: string): string | undefined {
  return isName(schedule) ? undefined : `The id of a schedule is ${NAME_RULE}.`;
}

/** What is wrong with the note of a pause, or undefined. */
export function noteProblem(note: string): string | undefined {
  return note.length <= PAUSE_NOTE_CHARS_MAX ? undefined : `A note has at most ${PAUSE_NOTE_CHARS_MAX} characters.`;
}

function policyProblem([, catchUp, windowMs, maxRuns, pauseOnFailure]: SchedulePolicyRow): string | undefined {
  if (windowMs !== null && catchUp !== null && CATCH_UP_POLICIES[catchUp] === 'none') {
    return 'catchUp "none" makes up for nothing, so that there is no catchUpWindow; leave one of them out.';
  }
  if (windowMs !== null && windowMs > DELAY_MS_MAX) return 'catchUpWindow is ten years at most.';
  if (windowMs === 0) return 'catchUpWindow is longer than nothing; catchUp "none" makes up for nothing.';
  if ((maxRuns ?? 0) > COUNT_MAX) return `maxRuns is at most ${COUNT_MAX}, or 0 for no end.`;
  if ((pauseOnFailure ?? 0) > COUNT_MAX) return `pauseOnFailure is at most ${COUNT_MAX}, or 0 for never.`;
  return undefined;
}

function invalid(message: string): RequestProblem {
  return { code: 'INVALID_ARGUMENT', message, position: -1 };
}

function tooLarge(message: string): RequestProblem {
  return { code: 'PAYLOAD_TOO_LARGE', message, position: -1 };
}
