/** Commands, answers and effects as lines for people: in traces of the simulator and transcripts of tests. */
import type { Command, Completion, HeldAttempt, Labels, TaskSubmission, TaskTemplate } from './command.ts';
import type { ApplyOutcome, Reply } from './outcome.ts';
import { describeOccurrence, describeScheduleCommand, describeScheduleReply } from './schedules/describe.ts';

/** One line for a command. Bytes are told by their length. */
export function describeCommand(command: Command): string {
  switch (command.type) {
    case 'tick':
    case 'checkpointMark':
      return command.type;
    case 'termStarted':
      return `termStarted ${command.term}`;
    case 'openSession':
    case 'endSession':
      return `${command.type} ${command.session}`;
    case 'submit':
      return `submit ${command.session}#${command.sequence}: ${command.tasks.map((task) => describeTask(task, command.templates)).join('; ')}`;
    case 'complete':
      return `complete ${command.worker}: ${command.completions.map(describeCompletion).join('; ')}`;
    case 'cancel':
      return `cancel ${command.numbers.join(', ')}`;
    case 'saveCheckpoint':
      return `saveCheckpoint ${attempt(command)} ${command.checkpoint.bytes.length} bytes`;
    case 'extendRun':
      return `extendRun ${attempt(command)} by ${command.runMs} ms`;
    case 'workerAttached':
      return describeAttached(command);
    case 'workerAway':
    case 'workerLost':
    case 'workerLeft':
      return `${command.type} ${command.worker} (${command.instance})`;
    case 'drainWorker':
      return `drainWorker ${command.worker}`;
    case 'resumeWorker':
      return `resumeWorker ${command.worker}`;
    case 'putSchedule':
    case 'deleteSchedule':
    case 'pauseSchedule':
    case 'resumeSchedule':
    case 'triggerSchedule':
    case 'backfillSchedule':
    case 'advanceSchedule':
      return describeScheduleCommand(command);
  }
}

/** One line for an answer. */
export function describeReply(reply: Reply): string {
  switch (reply.type) {
    case 'ok':
      return 'ok';
    case 'refused':
      return reply.position < 0 ? `refused: ${reply.code}` : `refused: ${reply.code} at position ${reply.position}`;
    case 'submitted': {
      const last = reply.firstNumber + reply.created - 1;
      const created =
        reply.created === 0
          ? 'nothing new'
          : reply.created === 1
            ? `task ${last}`
            : `tasks ${reply.firstNumber}-${last}`;
      const existing = reply.existing
        .map(({ position, number }) => `, position ${position} is task ${number}`)
        .join('');
      return `${reply.repeated ? 'again: ' : ''}${created}${existing}`;
    }
    case 'completed':
    case 'cancelled':
      return reply.answers.join(', ');
    case 'attached': {
      const stale = reply.stale.map((one) => `, abort ${attempt(one)}`).join('');
      const settled = reply.settled.map((one) => `, ${attempt(one)} is ${one.answer}`).join('');
      return `attached${stale}${settled}`;
    }
    case 'schedulePut':
    case 'scheduleTriggered':
    case 'backfilled':
      return describeScheduleReply(reply);
  }
}

/** The effects of an entry, a line each. `workerOf` tells where a task was placed, and under which token. */
export function describeEffects(
  outcome: ApplyOutcome,
  workerOf: (number: number) => { readonly worker: string; readonly fencingToken: number } | undefined,
): string[] {
  const lines = outcome.assigned.map((number) => {
    const placed = workerOf(number);
    return `assign ${number} to ${placed?.worker ?? 'nobody'}, token ${placed?.fencingToken ?? 0}`;
  });
  for (const abort of outcome.aborts) lines.push(`abort ${attempt(abort)} on ${abort.worker}: ${abort.reason}`);
  for (const occurrence of outcome.occurrences) lines.push(describeOccurrence(occurrence));
  if (outcome.finished.length > 0) lines.push(`finished ${outcome.finished.join(', ')}`);
  return lines;
}

function attempt({ number, fencingToken }: HeldAttempt): string {
  return `${number}/${fencingToken}`;
}

function describeTask(task: TaskSubmission, templates: readonly TaskTemplate[]): string {
  const template = templates[task.template];
  const parts = [template?.type ?? 'unknown', `on ${template?.queue ?? 'unknown'}`];
  if (template !== undefined && template.priority !== 5) parts.push(`priority ${template.priority}`);
  if (template !== undefined && template.requires.length > 0) parts.push(`requires ${labels(template.requires)}`);
  if (task.key !== undefined) parts.push(`key ${task.key}`);
  if (task.delayMs !== undefined) parts.push(`in ${task.delayMs} ms`);
  if (task.runAtMs !== undefined) parts.push(`at ${task.runAtMs}`);
  return parts.join(' ');
}

function describeCompletion({ number, fencingToken, outcome }: Completion): string {
  const of = attempt({ number, fencingToken });
  if (outcome.type === 'snoozed') return `${of} snoozed for ${outcome.delayMs} ms`;
  if (outcome.type !== 'failed') return `${of} ${outcome.type}`;
  const after = outcome.retryAfterMs === undefined ? '' : `, retry after ${outcome.retryAfterMs} ms`;
  return `${of} failed${outcome.nonRetryable ? ' for good' : ''}${after}`;
}

function describeAttached(command: Extract<Command, { type: 'workerAttached' }>): string {
  const parts = [`${command.worker} (${command.instance})`, command.types.join('+'), `${command.slots} slots`];
  if (command.labels.length > 0) parts.push(labels(command.labels));
  if (command.held.length > 0) parts.push(`holds ${command.held.map(attempt).join(', ')}`);
  if (command.unanswered.length > 0) parts.push(`awaits ${command.unanswered.map(attempt).join(', ')}`);
  return `attach ${parts.join(', ')}`;
}

function labels(pairs: Labels): string {
  return pairs.map(([name, value]) => `${name}=${value}`).join(',');
}
