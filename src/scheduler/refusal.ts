/** The answer to a command that as a whole changed nothing. */
import type { Refusal, SchedulerErrorCode } from './outcome.ts';

/** A refusal for the reason `code`, for which no single task of the command is to blame. */
export function refuse(code: SchedulerErrorCode): Refusal {
  return { type: 'refused', code, position: -1 };
}
