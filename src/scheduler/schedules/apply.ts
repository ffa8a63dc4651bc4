/** Commands about schedules, to those who know what they mean. */
import type { Reply } from '../outcome.ts';
import type { State } from '../state.ts';
import { advanceSchedule } from './advance.ts';
import type { ScheduleCommand } from './commands.ts';
import { pauseSchedule, resumeSchedule } from './control.ts';
import { deleteSchedule, putSchedule } from './define.ts';
import { backfillSchedule, triggerSchedule } from './requests.ts';

/** Applies one command, asked for by `principal`. */
export function applyScheduleCommand(state: State, command: ScheduleCommand, principal: string): Reply {
  switch (command.type) {
    case 'putSchedule':
      return putSchedule(state, command, principal);
    case 'deleteSchedule':
      return deleteSchedule(state, command);
    case 'pauseSchedule':
      return pauseSchedule(state, command, principal);
    case 'resumeSchedule':
      return resumeSchedule(state, command, principal);
    case 'triggerSchedule':
      return triggerSchedule(state, command, principal);
    case 'backfillSchedule':
      return backfillSchedule(state, command, principal);
    case 'advanceSchedule':
      return advanceSchedule(state, command);
  }
}
