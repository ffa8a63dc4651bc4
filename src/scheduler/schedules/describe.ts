/** Commands about schedules, their answers and what became of occurrences, as lines for people. */
import { unreachable } from '../../base/assert.ts';
import type { Backfilled, SchedulePut, ScheduleTriggered, SettledOccurrence } from '../outcome.ts';
import type { ScheduleCommand } from './commands.ts';

/** One line for a command. */
export function describeScheduleCommand(command: ScheduleCommand): string {
  switch (command.type) {
    case 'putSchedule': {
      const { overlap, catchUp, maxRuns, pauseOnFailure } = command.policy;
      const parts = [command.task.template.type, `overlap ${overlap}`, `catch up ${catchUp}`];
      if (maxRuns > 0) parts.push(`${maxRuns} runs`);
      if (pauseOnFailure > 0) parts.push(`pause after ${pauseOnFailure} failures`);
      if (command.paused) parts.push('paused');
      if (command.expectedVersion >= 0) parts.push(`expects version ${command.expectedVersion}`);
      return `putSchedule ${command.schedule}: ${parts.join(', ')}`;
    }
    case 'deleteSchedule':
    case 'pauseSchedule':
    case 'resumeSchedule':
      return `${command.type} ${command.schedule}`;
    case 'triggerSchedule':
      return `triggerSchedule ${command.schedule} by ${command.request}${given(command.overlap)}`;
    case 'backfillSchedule':
      return `backfillSchedule ${command.schedule} by ${command.request}: ${command.plannedMs.length} occurrences${given(command.overlap)}`;
    case 'advanceSchedule': {
      const { occurrences, exhausted } = command;
      return `advanceSchedule ${command.number}/${command.version}: ${occurrences.length} occurrences through ${command.throughMs}${exhausted ? ', the last' : ''}`;
    }
    default:
      return unreachable(command);
  }
}

/** One line for an answer. */
export function describeScheduleReply(reply: SchedulePut | ScheduleTriggered | Backfilled): string {
  switch (reply.type) {
    case 'schedulePut':
      return `schedule ${reply.number}, version ${reply.version}${reply.created ? ', new' : ''}${reply.unchanged ? ', as it was' : ''}`;
    case 'scheduleTriggered': {
      const { outcome } = reply;
      const again = reply.repeated ? 'again: ' : '';
      if (outcome.result === 'started') return `${again}task ${outcome.task}`;
      return outcome.result === 'buffered' ? `${again}buffered` : `${again}skipped: ${outcome.reason}`;
    }
    case 'backfilled':
      return `${reply.repeated ? 'again: ' : ''}${reply.accepted} accepted`;
    default:
      return unreachable(reply);
  }
}

/** One line for an occurrence that was settled. */
export function describeOccurrence(occurrence: SettledOccurrence): string {
  const { id, version, plannedMs, kind, task, skipped, lateMs } = occurrence;
  const what = task === undefined ? `skipped: ${skipped ?? 'unknown'}` : `task ${task}`;
  return `occurrence ${id}/${version} ${kind} ${plannedMs}${lateMs > 0 ? `, ${lateMs} ms late` : ''}: ${what}`;
}

function given(overlap: string | undefined): string {
  return overlap === undefined ? '' : `, overlap ${overlap}`;
}
