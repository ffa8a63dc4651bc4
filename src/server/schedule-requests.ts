/**
 * What clients ask about schedules. Changes go into the log; what has to be computed from a calendar first (does it fire at all, what
 * lies in a range, what comes next) is done a slice at a time, since ten thousand schedules may be put at once.
 */
import { InvariantError } from '../base/assert.ts';
import { Calendar, type IsOver } from '../calendar/calendar.ts';
import { readCalendar } from '../calendar/definition.ts';
import { CALENDAR_END_MS } from '../calendar/limits.ts';
import { FEATURE_SCHEDULES } from '../peer/features.ts';
import type {
  BackfillScheduleFrame,
  DeleteScheduleFrame,
  GetScheduleFrame,
  ListSchedulesFrame,
  NextOccurrencesFrame,
  PauseScheduleFrame,
  PutScheduleFrame,
  RequestFrame,
  ResumeScheduleFrame,
  TriggerScheduleFrame,
} from '../protocol/client-frame.ts';
import { BACKFILL_MAX, PREVIEW_MAX, SCHEDULES_PAGE_MAX } from '../protocol/limits.ts';
import { noteProblem, putScheduleProblem, scheduleNameProblem } from '../protocol/schedule-rules.ts';
import type { Command, TaskTemplate } from '../scheduler/command.ts';
import type { Reply } from '../scheduler/outcome.ts';
import type { ScheduleView } from '../scheduler/views.ts';
import { errorFrame, refusalFrame } from './answers.ts';
import { read } from './reading.ts';
import { RequestError } from './request-error.ts';
import { refuseProblem, requireName, toTemplate } from './requests.ts';
import { definitionOf, saying, storedBytes, storedDefinition } from './schedule-calendars.ts';
import { scheduleRow, taskRef, toNote, toOverlap, toPolicy, toScheduledTask } from './schedule-rows.ts';
import type { Session } from './session.ts';

/** Until a cluster that has just begun may be asked again, in ms. */
const FEATURE_RETRY_MS = 250;
/** Most of a row of a page apart from its calendar and its labels. */
const ROW_BYTES_MAX = 4_000;
/** Rows of a page, well below what a frame may have. */
const PAGE_BYTES = 2 * 1024 * 1024;
/** Any version will do. */
const ANY_VERSION = -1;
/** Candidates for the first instant of a schedule that lead to nothing, before it is taken for one that never fires. */
const FIRST_FRUITLESS_MAX = 8_192;
/** Candidates of a backfill that lead to nothing, many more than exclusions of everyday leave out of any range. */
const BACKFILL_FRUITLESS_MAX = 32_768;
/**
 * The only instants of a new definition are at least so far ahead, in ms: it begins when it is applied, a little after it was looked
 * at, and what lay in between would be lost without a word.
 */
const FIRST_LEAD_MS = 1_000;
/** Until one step of a search leaves the rest to the next, in ms. */
const STEP_MS = 5;
/** Instants of one search for a backfill. */
const SEARCH_INSTANTS = 128;

/** A request that names a schedule. */
type ScheduleFrame = RequestFrame & { readonly schedule: string };

/** What is left of a piece of work: `again` when there is more, which has its own turn. */
type Step = 'done' | 'again';

/** A piece of work, one step a call. @throws RequestError */
type Work = () => Step;

/** Makes or changes a schedule. @throws RequestError */
export function putSchedule(session: Session, frame: PutScheduleFrame): void {
  refuseProblem(putScheduleProblem(frame, session.context.options.requests));
  const template = toTemplate(frame.template);
  change(session, frame, () => putSteps(session, frame, template));
}

/** Looks whether it fires at all, and proposes it then. @throws RequestError */
function putSteps(session: Session, frame: PutScheduleFrame, template: TaskTemplate): Work {
  const { peer } = session.context;
  const { requestId, schedule } = frame;
  const definition = definitionOf(frame.calendar);
  const bytes = storedBytes(definition, frame.managedBy);
  const before = peer.scheduler.schedule(session.namespace, schedule);
  // One that has fired for the last time may be put as it is, or everything else of it be changed.
  let fires = before !== undefined && sameText(before.calendar, bytes);
  const calendar = fires ? undefined : saying(() => new Calendar(definition, schedule));
  let fromMs = peer.logTimeNowMs() + FIRST_LEAD_MS;
  let inVain = 0;
  return () => {
    if (calendar !== undefined && !fires) {
      const { occurrences, throughMs, exhausted, fruitless } = calendar.next(fromMs, 1, undefined, stepEnd(session));
      fires = occurrences.length > 0;
      inVain += fruitless;
      fromMs = throughMs;
      if (!fires && exhausted)
        throw neverFires('no instant fits that is a second from now or later; for one sooner submit a task');
      if (!fires && inVain >= FIRST_FRUITLESS_MAX) throw neverFires('no instant was found in many years from now');
      if (!fires) return 'again';
    }
    const command: Command = {
      type: 'putSchedule',
      namespace: session.namespace,
      schedule,
      expectedVersion: frame.expectedVersion ?? ANY_VERSION,
      calendar: bytes,
      task: toScheduledTask(frame, template),
      policy: toPolicy(frame.policy),
      paused: frame.paused,
    };
    session.propose(requestId, 'dispatch', command, (index, reply) => {
      if (reply.type !== 'schedulePut') return refuse(session, frame, reply);
      const { version, created, unchanged } = reply;
      session.answer({ type: 'schedulePut', requestId, version, created, unchanged, index });
    });
    return 'done';
  };
}

function neverFires(why: string): RequestError {
  return new RequestError('INVALID_SCHEDULE', `it never fires: ${why}`);
}

/** True once the step that begins now has held the event loop for long enough. */
function stepEnd({ context }: Session): IsOver {
  const { clock } = context.ports;
  const endMs = clock.monotonicMs() + STEP_MS;
  return () => clock.monotonicMs() >= endMs;
}

/** One schedule. @throws RequestError */
export function getSchedule(session: Session, frame: GetScheduleFrame): void {
  const { requestId, schedule } = frame;
  requireSchedule(schedule);
  read(session, frame, (index) => {
    const view = session.context.peer.scheduler.schedule(session.namespace, schedule);
    if (view === undefined) return errorFrame(requestId, 'NOT_FOUND', notFound(schedule));
    return { type: 'schedule', requestId, schedule: rowOf(session, view, true), index };
  });
}

/** A page of schedules; it ends early where the frame would become too large. @throws RequestError */
export function listSchedules(session: Session, frame: ListSchedulesFrame): void {
  const { requestId, cursor, limit } = frame;
  if (limit < 1 || limit > SCHEDULES_PAGE_MAX) throw invalid(`limit is 1 to ${SCHEDULES_PAGE_MAX}`);
  if (cursor !== null) requireName(cursor, 'cursor');
  read(session, frame, (index) => {
    const views = session.context.peer.scheduler.schedules(session.namespace, cursor ?? '', limit);
    let sizeBytes = 0;
    let count = 0;
    while (count < views.length && (count === 0 || sizeBytes <= PAGE_BYTES)) {
      sizeBytes += rowBytes(views[count] as ScheduleView);
      count += 1;
    }
    const shown = views.slice(0, count);
    const isMore = count < views.length || views.length === limit;
    return {
      type: 'schedulePage',
      requestId,
      schedules: shown.map((view) => rowOf(session, view, false)),
      cursor: isMore ? (shown.at(-1)?.id ?? null) : null,
      index,
    };
  });
}

function rowBytes({ calendar, task }: ScheduleView): number {
  let sizeBytes = ROW_BYTES_MAX + calendar.length;
  for (const [name, value] of task.template.requires) sizeBytes += name.length + value.length;
  return sizeBytes;
}

/** Ends a schedule. @throws RequestError */
export function deleteSchedule(session: Session, frame: DeleteScheduleFrame): void {
  const { schedule } = frame;
  requireSchedule(schedule);
  change(session, frame, () => () => {
    const expectedVersion = frame.expectedVersion ?? ANY_VERSION;
    return proposePlain(session, frame, {
      type: 'deleteSchedule',
      namespace: session.namespace,
      schedule,
      expectedVersion,
    });
  });
}

/** Pauses a schedule, or ends its pause. @throws RequestError */
export function pauseOrResume(session: Session, frame: PauseScheduleFrame | ResumeScheduleFrame): void {
  const { type, schedule } = frame;
  requireSchedule(schedule);
  const words = noteProblem(frame.note);
  if (words !== undefined) throw invalid(words);
  change(session, frame, () => () => {
    return proposePlain(session, frame, { type, namespace: session.namespace, schedule, note: toNote(frame.note) });
  });
}

/** Fires a schedule now. @throws RequestError */
export function triggerSchedule(session: Session, frame: TriggerScheduleFrame): void {
  const { requestId, schedule, request } = frame;
  requireSchedule(schedule);
  requireName(request, 'request');
  change(session, frame, () => () => {
    const overlap = toOverlap(frame.overlap);
    const command: Command = {
      type: 'triggerSchedule',
      namespace: session.namespace,
      schedule,
      request,
      ...(overlap === undefined ? {} : { overlap }),
    };
    session.propose(requestId, 'dispatch', command, (_index, reply) => {
      if (reply.type !== 'scheduleTriggered') return refuse(session, frame, reply);
      const { outcome } = reply;
      session.answer({
        type: 'scheduleTriggered',
        requestId,
        task: outcome.result === 'started' ? taskRef(outcome.task) : null,
        buffered: outcome.result === 'buffered',
        skipped: outcome.result === 'skipped' ? outcome.reason : null,
      });
    });
    return 'done';
  });
}

/** Fires what lies in a range of the past. @throws RequestError */
export function backfillSchedule(session: Session, frame: BackfillScheduleFrame): void {
  const { schedule, request, fromMs, toMs } = frame;
  requireSchedule(schedule);
  requireName(request, 'request');
  if (toMs < fromMs) throw invalid('the range ends before it begins');
  change(session, frame, () => backfillSteps(session, frame));
}

/** Finds what lies in the range, and proposes it then. @throws RequestError */
function backfillSteps(session: Session, frame: BackfillScheduleFrame): Work {
  const { requestId, schedule, request, fromMs, toMs } = frame;
  const { peer, calendars } = session.context;
  const view = peer.scheduler.schedule(session.namespace, schedule);
  if (view === undefined) throw new RequestError('NOT_FOUND', notFound(schedule));
  if (toMs > peer.logTimeNowMs()) throw invalid('the range ends after now; what is to come fires by itself');
  const calendar = saying(() => calendars.of(view));
  const plannedMs: number[] = [];
  let afterMs = fromMs - 1;
  let inVain = 0;
  return () => {
    const { occurrences, throughMs, exhausted, fruitless } = calendar.next(
      afterMs,
      SEARCH_INSTANTS,
      toMs,
      stepEnd(session),
    );
    for (const occurrence of occurrences) plannedMs.push(occurrence.plannedMs);
    if (plannedMs.length > BACKFILL_MAX) {
      const words = `more than ${BACKFILL_MAX} occurrences lie in this range; take a shorter one, and then the next`;
      throw new RequestError('LIMIT', words);
    }
    afterMs = throughMs;
    inVain += fruitless;
    if (inVain >= BACKFILL_FRUITLESS_MAX) {
      throw new RequestError(
        'LIMIT',
        'exclusions leave hardly anything of this range; take a shorter one, and then the next',
      );
    }
    if (!exhausted && throughMs < toMs) return 'again';
    if (plannedMs.length === 0) throw invalid('no occurrence of the schedule lies in this range');
    const { namespace } = session;
    const overlap = toOverlap(frame.overlap);
    const fields = { namespace, schedule, version: view.version, number: view.number, request, plannedMs };
    const command: Command = {
      type: 'backfillSchedule',
      ...fields,
      ...(overlap === undefined ? {} : { overlap }),
    };
    session.propose(requestId, 'dispatch', command, (_index, reply) => {
      if (reply.type !== 'backfilled') return refuse(session, frame, reply);
      session.answer({ type: 'scheduleBackfilled', requestId, planned: plannedMs.length, accepted: reply.accepted });
    });
    return 'done';
  };
}

/** When a schedule fires next, or one would that is not there. @throws RequestError */
export function nextOccurrences(session: Session, frame: NextOccurrencesFrame): void {
  const { requestId, schedule, count } = frame;
  requireSchedule(schedule);
  if (count < 1 || count > PREVIEW_MAX) throw invalid(`count is 1 to ${PREVIEW_MAX}`);
  if (frame.afterMs !== null && frame.afterMs >= CALENDAR_END_MS) {
    throw invalid('after lies outside of 1970 to the end of 2999');
  }
  if (frame.calendar !== null) return preview(session, frame, frame.calendar);
  session.context.peer.read((result) => {
    if (result === 'not-leader') return session.refuseNotLeader(requestId);
    const view = session.context.peer.scheduler.schedule(session.namespace, schedule);
    if (view === undefined) return session.refuse(requestId, 'NOT_FOUND', notFound(schedule));
    preview(session, frame, storedDefinition(view.calendar).text);
  });
}

function preview(session: Session, frame: NextOccurrencesFrame, text: string): void {
  const { requestId, schedule, count } = frame;
  paced(session, frame, () => {
    const definition = frame.calendar === null ? saying(() => readCalendar(text)) : definitionOf(text);
    const afterMs = frame.afterMs ?? session.context.peer.logTimeNowMs();
    const steps = saying(() => new Calendar(definition, schedule).previewSteps(afterMs, count));
    return () => {
      if (!steps.step(stepEnd(session))) return 'again';
      session.answer({
        type: 'occurrences',
        requestId,
        timeZone: definition.timeZone,
        occurrences: steps.shown.map(
          ({ plannedMs, fireAtMs, wall, utcOffset, clockChange }) =>
            [plannedMs, fireAtMs, wall, utcOffset, clockChange ?? null] as const,
        ),
      });
      return 'done';
    };
  });
}

/** Has what `begin` begins done by the leader, once schedules are switched on. */
function change(session: Session, frame: RequestFrame, begin: () => Work): void {
  const { peer } = session.context;
  if (!peer.isLeader) return session.refuseNotLeader(frame.requestId);
  if (peer.featureLevel < FEATURE_SCHEDULES) {
    const words =
      'a peer with a vote runs a version that knows no schedules, or was not heard yet; bring all up to date, and try again';
    return session.refuse(frame.requestId, 'FEATURE_OFF', words, { retryAfterMs: FEATURE_RETRY_MS });
  }
  paced(session, frame, begin);
}

/** Has what `begin` begins done in its turn, step by step, and answers what it refuses. */
function paced(session: Session, { requestId }: RequestFrame, begin: () => Work): void {
  let work: Work | undefined;
  const step = (): void => {
    try {
      work ??= begin();
      if (work() === 'again') turn();
    } catch (error) {
      if (error instanceof RequestError) return session.refuse(requestId, error.code, error.message);
      session.context.ports.logger.error('a request about a schedule failed', { error: String(error) });
      session.refuse(requestId, 'INTERNAL', 'the peer made a mistake; its log says more');
      if (error instanceof InvariantError) throw error;
    }
  };
  const turn = (): void => {
    if (!session.context.slices.add(step)) session.refuseFull(requestId);
  };
  turn();
}

function proposePlain(session: Session, frame: ScheduleFrame, command: Command): Step {
  const { requestId } = frame;
  session.propose(requestId, 'dispatch', command, (_index, reply) => {
    if (reply.type === 'ok') session.answer({ type: 'ok', requestId });
    else refuse(session, frame, reply);
  });
  return 'done';
}

function refuse(session: Session, { requestId, schedule }: ScheduleFrame, reply: Reply): void {
  if (reply.type !== 'refused') throw new InvariantError(`a command was answered with ${reply.type}`);
  if (reply.code === 'NOT_FOUND') session.refuse(requestId, 'NOT_FOUND', notFound(schedule));
  else session.answer(refusalFrame(requestId, reply));
}

function notFound(schedule: string): string {
  return `there is no schedule "${schedule}" in this namespace`;
}

function rowOf(session: Session, view: ScheduleView, full: boolean): ReturnType<typeof scheduleRow> {
  return scheduleRow(view, { problem: session.context.keeper.problemOf(view.number, view.version), full });
}

/** Whether both say the same of when; who manages the schedule does not count. */
function sameText(left: Uint8Array, right: Uint8Array): boolean {
  return storedDefinition(left).text === storedDefinition(right).text;
}

function requireSchedule(schedule: string): void {
  const words = scheduleNameProblem(schedule);
  if (words !== undefined) throw invalid(words);
}

function invalid(message: string): RequestError {
  return new RequestError('INVALID_ARGUMENT', message);
}
