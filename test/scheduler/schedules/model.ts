/**
 * Schedules once more, slowly and without budgets: every question is answered by looking at everything. One worker takes all tasks
 * at the end of each entry.
 */
import type { Command, Overlap, PlannedOccurrence } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import type {
  OccurrenceKind,
  Reply,
  SchedulerErrorCode,
  SkipReason,
  TriggerResult,
} from '../../../src/scheduler/outcome.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;
type Put = Of<'putSchedule'>;
type TaskEnd = 'done' | 'failed' | 'cancelled';

interface Waiting {
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
  readonly lateMs: number;
}

/** What the model says was settled; the test compares it with `SettledOccurrence`. */
export interface ModelSettled {
  readonly schedule: number;
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: OccurrenceKind;
  readonly what: number | SkipReason;
  readonly lateMs: number;
}

interface ModelTask {
  readonly number: number;
  readonly schedule: ModelSchedule;
  running: boolean;
  cancelling: boolean;
  end: TaskEnd | undefined;
}

export interface ModelSchedule {
  readonly number: number;
  put: Put;
  version: number;
  paused: boolean;
  /** The last pause; `until` is 0 while it lasts. */
  pausedFromMs: number;
  pausedUntilMs: number;
  deleted: boolean;
  ended: boolean;
  exhausted: boolean;
  computedMs: number;
  settledMs: number;
  next: PlannedOccurrence[];
  /** The first of `next` is judged when the leader has said which ones follow, or the schedule is paused. */
  waits: boolean;
  notBeforeMs: number;
  caughtUp: number;
  buffer: Waiting[];
  runs: number;
  failures: number;
  readonly settled: ModelSettled[];
  readonly answers: { readonly request: string; readonly reply: Reply }[];
}

const OK: Reply = { type: 'ok' };

export class ScheduleModel {
  readonly #limits: SchedulerLimits;
  nowMs = 0;
  readonly schedules: ModelSchedule[] = [];
  readonly tasks: ModelTask[] = [];
  /** What the present entry settled. */
  settled: ModelSettled[] = [];
  #toCancel: ModelTask[] = [];

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
  }

  apply(nowMs: number, commands: readonly Command[]): Reply[] {
    this.nowMs = nowMs;
    this.settled = [];
    this.#fireAll();
    const replies = commands.map((command) => this.#command(command));
    for (const task of this.#toCancel) {
      if (task.end !== undefined) continue;
      if (task.running) task.cancelling = true;
      else this.#end(task, 'cancelled');
    }
    this.#toCancel = [];
    for (;;) {
      const ready = this.schedules.find((one) => this.#canStart(one));
      if (ready === undefined) break;
      const first = ready.buffer.shift() as Waiting;
      this.#start(ready, first);
    }
    for (const task of this.tasks) if (task.end === undefined) task.running = true;
    return replies;
  }

  find(id: string): ModelSchedule | undefined {
    return this.schedules.find((one) => one.put.schedule === id && !one.deleted);
  }

  unfinished(schedule: ModelSchedule): ModelTask[] {
    return this.tasks.filter((task) => task.schedule === schedule && task.end === undefined);
  }

  /** The outcome with which the task's worker reports; a task that is told to stop ends as cancelled unless it was done. */
  complete(number: number, outcome: 'done' | 'failed' | 'returned'): void {
    const task = this.tasks.find((one) => one.number === number && one.end === undefined && one.running);
    if (task === undefined) return;
    if (outcome === 'done') this.#end(task, 'done');
    else if (task.cancelling) this.#end(task, 'cancelled');
    else if (outcome === 'failed') this.#end(task, 'failed');
    else task.running = false;
  }

  #canStart(schedule: ModelSchedule): boolean {
    if (schedule.buffer.length === 0 || schedule.paused || schedule.deleted) return false;
    return this.#hasRoom && this.unfinished(schedule).length === 0;
  }

  get #hasRoom(): boolean {
    return this.tasks.filter((task) => task.end === undefined).length < this.#limits.liveTasksMax;
  }

  #pause(schedule: ModelSchedule): void {
    if (!schedule.paused) {
      schedule.pausedFromMs = this.nowMs;
      schedule.pausedUntilMs = 0;
    }
    schedule.paused = true;
    schedule.waits = false;
  }

  #end(task: ModelTask, end: TaskEnd): void {
    task.end = end;
    const { schedule } = task;
    if (end === 'done') schedule.failures = 0;
    if (end !== 'failed') return;
    schedule.failures += 1;
    const bound = schedule.put.policy.pauseOnFailure;
    if (bound === 0 || schedule.failures < bound || schedule.paused) return;
    this.#pause(schedule);
  }

  // What is due.

  #fireAll(): void {
    for (;;) {
      const due = this.schedules
        .filter((one) => one.next.length > 0 && !one.waits)
        .map((one) => ({ one, atMs: Math.max((one.next[0] as PlannedOccurrence).fireAtMs, one.notBeforeMs) }))
        .filter(({ atMs }) => atMs <= this.nowMs)
        .sort((left, right) => left.atMs - right.atMs || left.one.number - right.one.number)[0];
      if (due === undefined) return;
      this.#fire(due.one);
    }
  }

  #fire(schedule: ModelSchedule): void {
    const [first, second] = schedule.next as [PlannedOccurrence, PlannedOccurrence?];
    const lateMs = this.nowMs - first.fireAtMs;
    const { catchUp, catchUpWindowMs, overlap } = schedule.put.policy;
    const isMissed = lateMs > this.#limits.missedAfterMs;
    let reason: SkipReason | undefined;
    const passed = first.fireAtMs > schedule.pausedFromMs && first.fireAtMs <= schedule.pausedUntilMs;
    if (schedule.paused || passed) reason = 'paused';
    else if (isMissed && catchUp === 'none') reason = 'missed';
    else if (isMissed && lateMs > catchUpWindowMs) reason = 'outsideWindow';
    else if (isMissed && catchUp === 'all' && schedule.caughtUp >= this.#limits.catchUpMax) reason = 'catchUpLimit';
    else if (isMissed && catchUp === 'latest' && second !== undefined && second.fireAtMs <= this.nowMs) {
      reason = 'superseded';
    } else if (isMissed && catchUp === 'latest' && second === undefined) {
      schedule.waits = !schedule.exhausted && schedule.computedMs < this.nowMs;
      if (schedule.waits) return;
    }
    schedule.next.shift();
    schedule.settledMs = first.plannedMs;
    const waiting: Waiting = { version: schedule.version, plannedMs: first.plannedMs, kind: 'planned', lateMs };
    if (reason !== undefined) {
      this.#settle(schedule, waiting, reason);
    } else {
      schedule.caughtUp = isMissed ? schedule.caughtUp + 1 : 0;
      if (isMissed) schedule.notBeforeMs = this.nowMs + this.#limits.catchUpPaceMs;
      this.#judge(schedule, waiting, overlap);
    }
    this.#endIfOver(schedule);
  }

  #endIfOver(schedule: ModelSchedule): void {
    if (hadItsRuns(schedule, schedule.put) || (schedule.exhausted && schedule.next.length === 0)) {
      schedule.ended = true;
      schedule.next = [];
    }
  }

  #judge(schedule: ModelSchedule, waiting: Waiting, overlap: Overlap): TriggerResult {
    const count = waiting.kind === 'planned' ? 1 : 0;
    const isBusy = this.unfinished(schedule).length > 0 || (schedule.buffer.length > 0 && !schedule.paused);
    if (overlap === 'allow' || !isBusy) {
      if (!this.#start(schedule, waiting)) return { result: 'skipped', reason: 'taskLimit' };
      schedule.runs += count;
      return { result: 'started', task: this.tasks.length };
    }
    const bound = { skip: 0, bufferOne: 1, bufferAll: this.#limits.scheduleBufferMax, cancelOther: 1 }[overlap];
    if (overlap === 'cancelOther') {
      for (const before of schedule.buffer.splice(0)) this.#drop(schedule, before, 'superseded');
      this.#toCancel.push(...this.unfinished(schedule));
    }
    if (schedule.buffer.length >= bound) {
      const reason = overlap === 'skip' ? 'overlap' : 'bufferFull';
      this.#settle(schedule, waiting, reason);
      return { result: 'skipped', reason };
    }
    schedule.buffer.push(waiting);
    schedule.runs += count;
    return { result: 'buffered' };
  }

  #drop(schedule: ModelSchedule, waiting: Waiting, reason: SkipReason): void {
    if (waiting.kind === 'planned') schedule.runs -= 1;
    this.#settle(schedule, waiting, reason);
  }

  #start(schedule: ModelSchedule, waiting: Waiting): boolean {
    if (!this.#hasRoom) {
      this.#settle(schedule, waiting, 'taskLimit');
      return false;
    }
    const number = this.tasks.length + 1;
    this.tasks.push({ number, schedule, running: false, cancelling: false, end: undefined });
    this.#settle(schedule, waiting, number);
    return true;
  }

  #settle(schedule: ModelSchedule, waiting: Waiting, what: number | SkipReason): void {
    const settled = { schedule: schedule.number, ...waiting, what };
    schedule.settled.push(settled);
    this.settled.push(settled);
  }

  // Commands.

  #command(command: Command): Reply {
    if (command.type === 'putSchedule') return this.#put(command);
    if (command.type === 'advanceSchedule') return this.#advance(command);
    if (command.type === 'complete') {
      for (const { number, outcome } of command.completions) {
        if (outcome.type !== 'snoozed') this.complete(number, outcome.type);
      }
    }
    return 'schedule' in command ? this.#aboutOne(command) : OK;
  }

  #aboutOne(
    command: Of<'deleteSchedule' | 'pauseSchedule' | 'resumeSchedule' | 'triggerSchedule' | 'backfillSchedule'>,
  ): Reply {
    const schedule = this.find(command.schedule);
    if (schedule === undefined) return refused('NOT_FOUND');
    switch (command.type) {
      case 'deleteSchedule':
        if (command.expectedVersion !== -1 && command.expectedVersion !== schedule.version) {
          return refused('VERSION_CONFLICT');
        }
        for (const waiting of schedule.buffer.splice(0)) this.#drop(schedule, waiting, 'deleted');
        schedule.next = [];
        schedule.deleted = true;
        this.#toCancel = this.#toCancel.filter((task) => task.schedule !== schedule);
        return OK;
      case 'pauseSchedule':
        if (schedule.ended && schedule.buffer.length === 0) return refused('SCHEDULE_ENDED');
        this.#pause(schedule);
        return OK;
      case 'resumeSchedule':
        if (schedule.paused) {
          schedule.failures = 0;
          schedule.pausedUntilMs = this.nowMs;
        }
        schedule.paused = false;
        return OK;
      case 'triggerSchedule':
      case 'backfillSchedule':
        return this.#request(schedule, command);
    }
  }

  #request(schedule: ModelSchedule, command: Of<'triggerSchedule' | 'backfillSchedule'>): Reply {
    const request = `${command.type} ${command.request}`;
    const before = schedule.answers.slice(-this.#limits.scheduleRequestsMax).find((one) => one.request === request);
    if (before !== undefined) return { ...before.reply, repeated: true } as Reply;
    if (command.type === 'backfillSchedule' && command.version !== schedule.version) return refused('VERSION_CONFLICT');
    const overlap = command.overlap ?? schedule.put.policy.overlap;
    const fire = (kind: OccurrenceKind, plannedMs: number): TriggerResult => {
      const hadRuns = hadItsRuns(schedule, schedule.put);
      const result = this.#judge(schedule, { version: schedule.version, plannedMs, kind, lateMs: 0 }, overlap);
      if (!hadRuns || hadItsRuns(schedule, schedule.put)) return result;
      schedule.ended = false;
      schedule.exhausted = false;
      schedule.settledMs = Math.max(schedule.settledMs, this.nowMs);
      schedule.computedMs = schedule.settledMs;
      return result;
    };
    let reply: Reply;
    if (command.type === 'triggerSchedule') {
      reply = { type: 'scheduleTriggered', outcome: fire('trigger', this.nowMs), repeated: false };
    } else {
      const results = command.plannedMs.map((plannedMs) => fire('backfill', plannedMs).result);
      const accepted = results.filter((result) => result !== 'skipped').length;
      reply = { type: 'backfilled', accepted, repeated: false };
    }
    schedule.answers.push({ request, reply });
    return reply;
  }

  #put(command: Put): Reply {
    const before = this.find(command.schedule);
    if (before === undefined) {
      if (command.expectedVersion > 0) return refused('NOT_FOUND');
      const number = this.schedules.length + 1;
      this.schedules.push(newModelSchedule(number, command, this.nowMs));
      return { type: 'schedulePut', number, version: 1, created: true, unchanged: false };
    }
    const { number, version } = before;
    const isSame = sameContent(before.put, command);
    const allowed = [-1, version, ...(isSame ? [version - 1] : [])];
    if (!allowed.includes(command.expectedVersion)) return refused('VERSION_CONFLICT');
    if (isSame) return { type: 'schedulePut', number, version, created: false, unchanged: true };
    if (hadItsRuns(before, before.put) && hadItsRuns(before, command)) return refused('SCHEDULE_ENDED');
    const firstMs = before.next[0]?.plannedMs ?? Number.POSITIVE_INFINITY;
    const knownMs = before.exhausted || before.ended ? Number.POSITIVE_INFINITY : before.computedMs;
    before.settledMs = Math.max(before.settledMs, Math.min(this.nowMs, firstMs - 1, knownMs));
    before.computedMs = before.settledMs;
    before.put = command;
    before.version += 1;
    before.next = [];
    before.exhausted = false;
    before.ended = false;
    before.waits = false;
    before.caughtUp = 0;
    before.notBeforeMs = 0;
    this.#endIfOver(before);
    return { type: 'schedulePut', number, version: version + 1, created: false, unchanged: false };
  }

  #advance(command: Of<'advanceSchedule'>): Reply {
    const schedule = this.schedules.find((one) => one.number === command.number && !one.deleted);
    const isNext =
      schedule !== undefined &&
      !schedule.ended &&
      !schedule.exhausted &&
      schedule.version === command.version &&
      schedule.computedMs === command.fromMs;
    if (!isNext) return refused('STALE');
    const room = this.#limits.scheduleInstantsMax - schedule.next.length;
    schedule.next.push(...command.occurrences.slice(0, room));
    const isWhole = command.occurrences.length <= room;
    schedule.computedMs = isWhole ? command.throughMs : (schedule.next.at(-1)?.plannedMs ?? schedule.computedMs);
    schedule.exhausted = isWhole && command.exhausted;
    schedule.waits = false;
    this.#endIfOver(schedule);
    return OK;
  }
}

function hadItsRuns({ runs }: ModelSchedule, { policy }: Put): boolean {
  return policy.maxRuns > 0 && runs >= policy.maxRuns;
}

function newModelSchedule(number: number, put: Put, nowMs: number): ModelSchedule {
  return {
    number,
    put,
    version: 1,
    paused: put.paused,
    pausedFromMs: put.paused ? nowMs : 0,
    pausedUntilMs: 0,
    deleted: false,
    ended: false,
    exhausted: false,
    computedMs: nowMs,
    settledMs: nowMs,
    next: [],
    waits: false,
    notBeforeMs: 0,
    caughtUp: 0,
    buffer: [],
    runs: 0,
    failures: 0,
    settled: [],
    answers: [],
  };
}

function sameContent(left: Put, right: Put): boolean {
  const content = ({ calendar, task, policy }: Put): string => JSON.stringify([[...calendar], task, policy]);
  return content(left) === content(right);
}

function refused(code: SchedulerErrorCode): Reply {
  return { type: 'refused', code, position: -1 };
}
