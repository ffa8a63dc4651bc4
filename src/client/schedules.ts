/** `client.schedules`: what makes tasks by itself, by the clock. */
import { isName } from '../base/ids.ts';
import { randomBytes } from '../base/random.ts';
import type { RequestFrame } from '../protocol/client-frame.ts';
import { PREVIEW_MAX, SCHEDULES_PAGE_MAX } from '../protocol/limits.ts';
import type { OverlapPolicy } from '../protocol/rows.ts';
import type { AnswerFrame } from '../protocol/server-frame.ts';
import { noteProblem } from '../protocol/schedule-rules.ts';
import { formatTaskId } from '../protocol/task-id.ts';
import type { ClusterClient } from './cluster-client.ts';
import { invalidArgument, TaskraftError } from './errors.ts';
import { type InstantLike, instantLikeMs } from './instant.ts';
import { type KnownFields, refuseUnknownFields } from './known-fields.ts';
import {
  type NextOccurrence,
  nextOccurrence,
  type ScheduleDetail,
  scheduleDetail,
  type ScheduleInfo,
  scheduleInfo,
} from './schedule-info.ts';
import { deleteRepeatedly, pauseRepeatedly, putRepeatedly, type ScheduleAnswer } from './schedule-repeats.ts';
import {
  calendarOf,
  overlapOr,
  putScheduleOf,
  requireScheduleId,
  type ScheduleSpec,
  type ScheduleWhen,
} from './schedule-spec.ts';

export type { ScheduleAnswer };

/** How current a read of schedules is, see `ReadOptions`. */
export interface ScheduleReadOptions {
  readonly stale?: boolean;
}

/** Which schedules to list. */
export interface ScheduleListOptions extends ScheduleReadOptions {
  /** From the page before. */
  readonly cursor?: string;
  /** 1 to 100, default 100. */
  readonly limit?: number;
}

/** A page of schedules by id. */
export interface SchedulePage {
  readonly schedules: readonly ScheduleInfo[];
  /** For the next page; undefined at the end. */
  readonly cursor: string | undefined;
  /** The state that was read had applied the log up to this position at least. */
  readonly index: number;
}

/** How to delete. */
export interface ScheduleDeleteOptions {
  /** The version that it must have. Default: any. */
  readonly expectedVersion?: number;
}

/** How to trigger. */
export interface TriggerOptions {
  /** In place of the schedule's own policy. */
  readonly overlap?: OverlapPolicy;
  /** A name for this very request: given again, it is not executed again. Default: drawn. */
  readonly request?: string;
}

/** What a trigger did: it made a task, waits for one that runs, or was skipped with a reason. */
export interface Triggered {
  readonly taskId: string | undefined;
  readonly buffered: boolean;
  readonly skipped: string | undefined;
}

/** Which range to fill in. */
export interface BackfillOptions extends TriggerOptions {
  /** Both ends belong to the range. */
  readonly from: InstantLike;
  readonly to: InstantLike;
}

/** What a backfill did. */
export interface Backfilled {
  /** Occurrences of the range. */
  readonly planned: number;
  /** Those that made a task or wait to do so; the others were skipped. */
  readonly accepted: number;
}

/** Where a preview begins. */
export interface NextOptions {
  /** Default: now. */
  readonly after?: InstantLike;
}

/** Instants to come, in order; fewer than asked for when there are no more. */
export interface NextOccurrences {
  readonly timeZone: string;
  readonly occurrences: readonly NextOccurrence[];
}

const READ_FIELDS: KnownFields<ScheduleReadOptions> = { stale: true };
const LIST_FIELDS: KnownFields<ScheduleListOptions> = { cursor: true, limit: true, ...READ_FIELDS };
const DELETE_FIELDS: KnownFields<ScheduleDeleteOptions> = { expectedVersion: true };
const TRIGGER_FIELDS: KnownFields<TriggerOptions> = { overlap: true, request: true };
const BACKFILL_FIELDS: KnownFields<BackfillOptions> = { from: true, to: true, ...TRIGGER_FIELDS };
const NEXT_FIELDS: KnownFields<NextOptions> = { after: true };
const NEXT_COUNT_DEFAULT = 10;
/** Changes that are asked for at a time: fewer than a connection may have unanswered, so that thousands at once are no flood. */
const UNDER_WAY_MAX = 256;
/** Changes that wait for those. */
const WAITING_MAX = 1_000_000;
const REQUEST_BYTES = 16;

/** How a change may be repeated. */
interface Repeating {
  /** Not after a sending that may have been executed. */
  readonly once: boolean;
  /** What to do when the outcome is unknown. */
  readonly advice: string;
}

/** Repeated as it is, it might undo what somebody else did after its first execution. */
const ONCE: Repeating = {
  once: true,
  advice: 'Look at the schedule before you do it again: somebody may have changed it.',
};
/** The version that it expects is another one once it was executed. */
const GUARDED: Repeating = { once: false, advice: 'Repeated with the same expectedVersion it is done once.' };
/** The cluster remembers its name. */
const NAMED: Repeating = { once: false, advice: 'Repeated with the same request name it is done once.' };

/**
 * The schedules of the client's namespace. All throw TaskraftError: UNAVAILABLE, TIMEOUT or OUTCOME_UNKNOWN, and what each says.
 *
 * When the answer to a change is lost, in an election say, it is found out whether it was executed, and the change is sent again where
 * it was not. OUTCOME_UNKNOWN is left where that cannot be told: nothing could be read in time, or somebody else changed the schedule
 * meanwhile, too.
 */
export class Schedules {
  readonly #core: ClusterClient;
  readonly #timeoutMs: number;
  /** Invariant: at most `UNDER_WAY_MAX`, and that many while somebody waits. */
  #underWay = 0;
  /** Those whose turn comes as others are answered, first in, first out. */
  #waiting: (() => void)[] = [];
  #nextWaiting = 0;

  constructor(core: ClusterClient, timeoutMs: number) {
    this.#core = core;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Makes a schedule, or changes it; resolved once that is durable on a majority of peers. A change begins after the last instant
   * that is settled already. Putting what is there changes nothing.
   *
   * @throws TaskraftError INVALID_SCHEDULE, INVALID_ARGUMENT, VERSION_CONFLICT, LIMIT, PAYLOAD_TOO_LARGE, FEATURE_OFF
   */
  async put(spec: ScheduleSpec): Promise<ScheduleAnswer> {
    const frame = putScheduleOf(spec, this.#core.limits);
    return this.#inTurn((untilMs) => {
      const send = async (expectedVersion: number | null, repeating: Repeating): Promise<ScheduleAnswer> => {
        const make = (requestId: number): RequestFrame => ({ ...frame, requestId, expectedVersion });
        const answer = await this.#send(make, repeating, untilMs);
        if (answer.type !== 'schedulePut') return somethingElse();
        const { version, created, unchanged } = answer;
        return { version, created, unchanged };
      };
      if (frame.expectedVersion !== null) return send(frame.expectedVersion, GUARDED);
      return putRepeatedly({
        look: () => this.#look(frame.schedule, untilMs),
        send: (expectedVersion) => send(expectedVersion ?? null, ONCE),
      });
    });
  }

  /** One schedule with its last occurrences. @throws TaskraftError NOT_FOUND */
  async get(id: string, options: ScheduleReadOptions = {}): Promise<ScheduleDetail> {
    refuseUnknownFields('the options of a read', options, READ_FIELDS);
    const schedule = requireScheduleId(id);
    const stale = options.stale ?? false;
    const answer = await this.#read((requestId) => ({ type: 'getSchedule', requestId, schedule, stale }), stale);
    return answer.type === 'schedule' ? scheduleDetail(answer.schedule, answer.index ?? 0) : somethingElse();
  }

  /** A page of schedules by id. */
  async list(options: ScheduleListOptions = {}): Promise<SchedulePage> {
    refuseUnknownFields('the options of a list', options, LIST_FIELDS);
    const { limit = SCHEDULES_PAGE_MAX, cursor = null, stale = false } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > SCHEDULES_PAGE_MAX) {
      throw invalidArgument(`limit is 1 to ${SCHEDULES_PAGE_MAX}.`);
    }
    const answer = await this.#read((requestId) => ({ type: 'listSchedules', requestId, cursor, limit, stale }), stale);
    if (answer.type !== 'schedulePage') return somethingElse();
    const schedules = answer.schedules.map(scheduleInfo);
    return { schedules, cursor: answer.cursor ?? undefined, index: answer.index ?? 0 };
  }

  /** Ends a schedule for good; its tasks go on. @throws TaskraftError NOT_FOUND, VERSION_CONFLICT */
  async delete(id: string, options: ScheduleDeleteOptions = {}): Promise<void> {
    refuseUnknownFields('the options of a deletion', options, DELETE_FIELDS);
    const schedule = requireScheduleId(id);
    await this.#inTurn((untilMs) =>
      deleteRepeatedly(
        {
          look: () => this.#look(schedule, untilMs),
          send: (version) =>
            this.#send(
              (requestId) => ({ type: 'deleteSchedule', requestId, schedule, expectedVersion: version ?? null }),
              ONCE,
              untilMs,
            ),
        },
        options.expectedVersion,
      ),
    );
  }

  /** Lets occurrences pass without a task until `resume`; `note` is for people. @throws TaskraftError NOT_FOUND */
  async pause(id: string, note = ''): Promise<void> {
    const isDone = (one: ScheduleInfo): boolean => one.state === 'paused' && (one.note ?? '') === note;
    await this.#pauseOrResume('pauseSchedule', requireScheduleId(id), note, isDone);
  }

  /** Ends a pause. What passed meanwhile stays skipped. @throws TaskraftError NOT_FOUND */
  async resume(id: string, note = ''): Promise<void> {
    await this.#pauseOrResume('resumeSchedule', requireScheduleId(id), note, ({ state }) => state !== 'paused');
  }

  /** Fires a schedule now, besides its plan, paused or not. @throws TaskraftError NOT_FOUND, LIMIT */
  async trigger(id: string, options: TriggerOptions = {}): Promise<Triggered> {
    refuseUnknownFields('the options of a trigger', options, TRIGGER_FIELDS);
    const schedule = requireScheduleId(id);
    const request = this.#request(options);
    const overlap = overlapOr(options.overlap);
    const answer = await this.#inTurn((untilMs) =>
      this.#send((requestId) => ({ type: 'triggerSchedule', requestId, schedule, request, overlap }), NAMED, untilMs),
    );
    if (answer.type !== 'scheduleTriggered') return somethingElse();
    const { task, buffered, skipped } = answer;
    return { taskId: task === null ? undefined : formatTaskId(...task), buffered, skipped: skipped ?? undefined };
  }

  /**
   * Fires what a range of the past would have had, at most 1,000 occurrences. Overlap decides what becomes of each: with `skip` and a
   * task that runs all are skipped, with `bufferAll` they run one after the other.
   *
   * @throws TaskraftError NOT_FOUND, LIMIT, INVALID_ARGUMENT
   */
  async backfill(id: string, options: BackfillOptions): Promise<Backfilled> {
    refuseUnknownFields('the options of a backfill', options, BACKFILL_FIELDS);
    const schedule = requireScheduleId(id);
    const fromMs = instantLikeMs(options.from, 'from');
    const toMs = instantLikeMs(options.to, 'to');
    if (toMs < fromMs) throw invalidArgument('to lies before from.');
    const request = this.#request(options);
    const overlap = overlapOr(options.overlap);
    const answer = await this.#inTurn((untilMs) =>
      this.#send(
        (requestId) => ({ type: 'backfillSchedule', requestId, schedule, request, fromMs, toMs, overlap }),
        NAMED,
        untilMs,
      ),
    );
    if (answer.type !== 'scheduleBackfilled') return somethingElse();
    return { planned: answer.planned, accepted: answer.accepted };
  }

  /** The next `count` instants, 1 to 1,000, with changes of the clock marked. @throws TaskraftError NOT_FOUND */
  next(id: string, count: number = NEXT_COUNT_DEFAULT, options: NextOptions = {}): Promise<NextOccurrences> {
    return this.#next(id, null, count, options);
  }

  /** The next instants of a schedule that was not put, if it had this id. @throws TaskraftError INVALID_SCHEDULE */
  async preview(
    id: string,
    when: ScheduleWhen,
    count: number = NEXT_COUNT_DEFAULT,
    options: NextOptions = {},
  ): Promise<NextOccurrences> {
    return this.#next(id, calendarOf(when), count, options);
  }

  async #next(id: string, calendar: string | null, count: number, options: NextOptions): Promise<NextOccurrences> {
    refuseUnknownFields('the options of a preview', options, NEXT_FIELDS);
    const schedule = requireScheduleId(id);
    if (!Number.isInteger(count) || count < 1 || count > PREVIEW_MAX) {
      throw invalidArgument(`A preview has 1 to ${PREVIEW_MAX} instants.`);
    }
    const afterMs = options.after === undefined ? null : instantLikeMs(options.after, 'after');
    const answer = await this.#read((requestId) => ({
      type: 'nextOccurrences',
      requestId,
      schedule,
      calendar,
      afterMs,
      count,
    }));
    if (answer.type !== 'occurrences') return somethingElse();
    return { timeZone: answer.timeZone, occurrences: answer.occurrences.map(nextOccurrence) };
  }

  #request({ request }: TriggerOptions): string {
    if (request !== undefined) return requireRequest(request);
    let text = '';
    for (const byte of randomBytes(this.#core.ports.random, REQUEST_BYTES)) text += byte.toString(16).padStart(2, '0');
    return text;
  }

  #read(make: (requestId: number) => RequestFrame, anywhere = false): Promise<AnswerFrame> {
    return this.#core.ask({ make, timeoutMs: this.#timeoutMs, changes: false, anywhere });
  }

  async #pauseOrResume(
    type: 'pauseSchedule' | 'resumeSchedule',
    schedule: string,
    note: string,
    isDone: (one: ScheduleInfo) => boolean,
  ): Promise<void> {
    requireNote(note);
    await this.#inTurn((untilMs) =>
      pauseRepeatedly(
        {
          look: () => this.#look(schedule, untilMs),
          send: () => this.#send((requestId) => ({ type, requestId, schedule, note }), ONCE, untilMs),
        },
        isDone,
      ),
    );
  }

  /** What is there after everything that was answered or lost. */
  async #look(schedule: string, untilMs: number): Promise<ScheduleInfo | undefined> {
    const timeoutMs = this.#leftMs(untilMs);
    const make = (requestId: number): RequestFrame => ({ type: 'getSchedule', requestId, schedule, stale: false });
    try {
      const answer = await this.#core.ask({ make, timeoutMs, changes: false });
      return answer.type === 'schedule' ? scheduleInfo(answer.schedule) : somethingElse();
    } catch (error) {
      if (error instanceof TaskraftError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Does a change in its turn; its time runs from then, up to `untilMs`. */
  async #inTurn<Answer>(change: (untilMs: number) => Promise<Answer>): Promise<Answer> {
    await this.#turn();
    try {
      return await change(this.#core.ports.clock.monotonicMs() + this.#timeoutMs);
    } finally {
      this.#passOn();
    }
  }

  /** A cluster that has just begun may not have switched schedules on yet, and says when to ask again: that is done here. */
  async #send(make: (requestId: number) => RequestFrame, repeating: Repeating, untilMs: number): Promise<AnswerFrame> {
    const { clock, timers } = this.#core.ports;
    for (;;) {
      const timeoutMs = this.#leftMs(untilMs);
      try {
        return await this.#core.ask({ make, timeoutMs, changes: true, ...repeating });
      } catch (error) {
        if (!(error instanceof TaskraftError) || error.code !== 'FEATURE_OFF') throw error;
        const afterMs = error.retryAfterMs;
        if (afterMs === undefined || clock.monotonicMs() + afterMs >= untilMs) throw error;
        await new Promise<void>((resolve) => {
          timers.after(afterMs, resolve);
        });
      }
    }
  }

  #leftMs(untilMs: number): number {
    return Math.max(1, untilMs - this.#core.ports.clock.monotonicMs());
  }

  async #turn(): Promise<void> {
    if (this.#underWay < UNDER_WAY_MAX) {
      this.#underWay += 1;
      return;
    }
    if (this.#waiting.length - this.#nextWaiting >= WAITING_MAX) {
      throw new TaskraftError('TOO_MANY_REQUESTS', 'Too many changes of schedules wait; wait for some of them.');
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Whoever waits longest has the turn of the one that is over. */
  #passOn(): void {
    const next = this.#waiting[this.#nextWaiting];
    if (next === undefined) {
      this.#waiting = [];
      this.#nextWaiting = 0;
      this.#underWay -= 1;
      return;
    }
    this.#nextWaiting += 1;
    next();
  }
}

function requireNote(note: string): void {
  const words = typeof note === 'string' ? noteProblem(note) : 'A note is text.';
  if (words !== undefined) throw invalidArgument(words);
}

function requireRequest(request: string): string {
  if (typeof request === 'string' && isName(request)) return request;
  throw invalidArgument('request is 1 to 200 characters of [A-Za-z0-9._:/-].');
}

function somethingElse(): never {
  throw new TaskraftError('INTERNAL', 'The peer answered something else.');
}
