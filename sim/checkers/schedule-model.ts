/**
 * What one schedule must do, from what was asked of it and what the calendar says, told entry by entry.
 *
 *     an entry: instants that are due, in their order ─▶ commands, in theirs ─▶ occurrences that waited and can start
 *
 * It does not compute what the state machine does. It goes through what the entry settled, in order, and says of each piece whether
 * it could be: the instant is one that the slow reference names, the next one; the reason is the one that the policy gives; nothing
 * runs beside what must run alone. What was passed over and not settled, or is settled and was not due, does not fit.
 */
import type { Overlap, PlannedOccurrence } from '../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { SettledOccurrence, SkipReason } from '../../src/scheduler/outcome.ts';
import type { ScheduleView } from '../../src/scheduler/views.ts';
import { ExpectedInstants } from '../schedules/expected-instants.ts';
import type { Plan } from '../schedules/plan.ts';
import {
  type Compare,
  compareFired,
  compareNext,
  compareShown,
  describe,
  timeOf,
  isSame,
  type ScheduleEntry,
  takenUpTo,
  type Waiting,
} from './instant-checks.ts';
import { type OccurrenceCounts, SKIP_COUNTS } from './occurrence-counts.ts';
import { PauseSpan } from './pause-span.ts';

/** See the head of this file. */
export class ScheduleModel {
  readonly number: number;
  /** No version of it let tasks run side by side. */
  isSingle: boolean;
  readonly id: string;
  readonly #limits: SchedulerLimits;
  readonly #counts: OccurrenceCounts;
  readonly #compare: Compare;
  #version: number;
  #plan: Plan;
  #instants: ExpectedInstants;
  /** The newest instant of this version that was taken up. */
  #takenMs: number;
  #watermarkMs: number;
  #firedAtMs = 0;
  #waiting: Waiting[] = [];
  readonly #unfinished: Set<number> = new Set();
  readonly #pause: PauseSpan = new PauseSpan();
  /** Until then an attempt may go on that is not counted: by what was seen last, and that never goes back. */
  #slotFreeAtMs = 0;
  /** Tasks of planned occurrences, and planned occurrences that wait. */
  #runs = 0;
  #ended = false;
  #deleted = false;
  /** In a row; undefined when it cannot be known. */
  #caughtUp: number | undefined = 0;
  #notBeforeMs = 0;
  /** How far instants were stored, and in which term. */
  readonly #stored: { readonly throughMs: number; readonly term: number }[] = [];
  #entry: ScheduleEntry | undefined;
  #at = 0;
  /** Tasks that were not final when the commands of the entry began, and those that became final somewhere in it. */
  #gone: ReadonlySet<number> = new Set();
  /** It has commands, too, whose order among the ends of tasks is not told. */
  #commanded = false;

  /** As it is when it was put at log time `logTimeMs`. */
  constructor(
    parts: {
      readonly number: number;
      readonly id: string;
      readonly limits: SchedulerLimits;
      readonly counts: OccurrenceCounts;
      readonly compare: Compare;
    },
    plan: Plan,
    logTimeMs: number,
  ) {
    this.number = parts.number;
    this.id = parts.id;
    this.#limits = parts.limits;
    this.#counts = parts.counts;
    this.#compare = parts.compare;
    this.#version = 1;
    this.#plan = plan;
    this.#pause.set(plan.paused, logTimeMs);
    this.isSingle = plan.policy.overlap !== 'allow';
    this.#takenMs = logTimeMs;
    this.#watermarkMs = logTimeMs;
    this.#instants = new ExpectedInstants(plan.definition, logTimeMs);
  }

  get version(): number {
    return this.#version;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** True when an instant is planned up to `nowMs` and not taken up: what is settled has to be looked at. */
  isDue(nowMs: number): boolean {
    return !this.#deleted && !this.#ended && this.#instants.next(nowMs) !== undefined;
  }

  /** What should have happened by `nowMs` with `slackMs` to spare and has not; undefined when nothing is overdue. */
  overdue(nowMs: number, slackMs: number): string | undefined {
    if (this.#deleted) return undefined;
    const { jitterMs } = this.#plan.definition;
    const next = this.#ended ? undefined : this.#instants.next(nowMs - slackMs - jitterMs);
    if (next !== undefined) return `${this.#name} of ${timeOf(next)} is neither a task nor skipped`;
    if (this.#isStartable(new Set(), nowMs - slackMs)) return `${this.#name} has an occurrence that waits for nothing`;
    return undefined;
  }

  get #name(): string {
    return `schedule ${this.id} (${this.number}, version ${this.#version})`;
  }

  /** Instants that are due at the head of an entry; commands and `end` follow. */
  begin(entry: ScheduleEntry): void {
    this.#entry = entry;
    this.#at = 0;
    // How a task ended is not told where its block has left memory already.
    this.#commanded = entry.finished.some(({ state }) => state === 'unknown');
    const boundMs = takenUpTo(entry, this.#version, this.#takenMs);
    while (!this.#ended) {
      const plannedMs = this.#instants.next(boundMs);
      if (plannedMs === undefined) break;
      this.#judge(plannedMs, entry);
      this.#instants.take();
      this.#takenMs = plannedMs;
    }
    this.#gone = new Set(entry.finished.map(({ number }) => number));
  }

  #judge(plannedMs: number, entry: ScheduleEntry): void {
    const { logTimeMs, term } = entry;
    const { jitterMs } = this.#plan.definition;
    const named = `${this.#name} of ${timeOf(plannedMs)}`;
    const next = this.#peek();
    const own = next?.kind === 'planned' && next.version === this.#version && next.plannedMs === plannedMs;
    this.#compare(plannedMs <= logTimeMs, () => `${named} is taken up at ${timeOf(logTimeMs)}`);
    this.#compare(
      logTimeMs >= this.#notBeforeMs,
      () => `${named} is taken up at ${timeOf(logTimeMs)}, before the distance of what is caught up is over`,
    );
    if (own) {
      const following = this.#instants.ahead(1, next.fireAtMs);
      compareFired(this.#compare, named, {
        settled: next,
        judgedMs: logTimeMs,
        jitterMs,
        following,
        afterMs: this.#firedAtMs,
      });
      this.#firedAtMs = next.fireAtMs;
    }
    const stored = this.#stored.find(({ throughMs }) => throughMs >= plannedMs);
    if (stored !== undefined && stored.term !== term) this.#counts.firedByAnotherLeader += 1;
    while ((this.#stored[0]?.throughMs ?? Number.POSITIVE_INFINITY) <= plannedMs) this.#stored.shift();
    const latestMs = own ? next.fireAtMs : plannedMs + jitterMs;
    const lateMs = logTimeMs - latestMs;
    const passed = this.#pause.covers(own ? latestMs : plannedMs, latestMs);
    const said = own ? next.skipped : undefined;
    const reason = passed ? 'paused' : this.#reasonFor(plannedMs, lateMs, logTimeMs, said);
    if (reason !== undefined) {
      this.#expect({ version: this.#version, plannedMs, kind: 'planned' }, reason);
      return;
    }
    const isMissed = lateMs > this.#limits.missedAfterMs;
    const isSure = own || isMissed || logTimeMs - plannedMs <= this.#limits.missedAfterMs;
    if (!isSure) this.#caughtUp = undefined;
    else if (!isMissed) this.#caughtUp = 0;
    else if (this.#caughtUp !== undefined) this.#caughtUp += 1;
    if (isSure && isMissed) {
      this.#counts.caughtUp += 1;
      this.#notBeforeMs = logTimeMs + this.#limits.catchUpPaceMs;
    }
    this.#overlap({ version: this.#version, plannedMs, kind: 'planned', judgedMs: logTimeMs });
  }

  /** Why a planned occurrence is skipped before anybody looks at tasks; undefined when it is not. */
  #reasonFor(
    plannedMs: number,
    lateMs: number,
    logTimeMs: number,
    said: SkipReason | undefined,
  ): SkipReason | undefined {
    if (lateMs <= this.#limits.missedAfterMs) return undefined;
    this.#counts.occurrencesMissed += 1;
    const { catchUp, catchUpWindowMs } = this.#plan.policy;
    if (catchUp === 'none') return 'missed';
    if (lateMs > catchUpWindowMs) return 'outsideWindow';
    if (catchUp === 'all') {
      // When it is not known how many there were, what is said must do.
      if (this.#caughtUp === undefined) return said === 'catchUpLimit' ? said : undefined;
      return this.#caughtUp >= this.#limits.catchUpMax ? 'catchUpLimit' : undefined;
    }
    const later = this.#instants.ahead(1, logTimeMs);
    if (later === undefined) return undefined;
    // Within the spread of the later one only the schedule knows whether that is due.
    const isOpen = later + this.#plan.definition.jitterMs > logTimeMs;
    if (isOpen && said !== 'superseded') return undefined;
    this.#compare(later > plannedMs, () => `${this.#name}: instants ascend`);
    return 'superseded';
  }

  /** A planned occurrence fires: it starts, waits or is skipped, by what is unfinished. At the head of an entry that is known. */
  #overlap(occurrence: Waiting): void {
    const { overlap } = this.#plan.policy;
    const isBusy = this.#isBusy || this.#isHeld(occurrence);
    if (!isBusy || overlap === 'allow') {
      this.#expect(occurrence, undefined);
      this.#runs += 1;
    } else if (overlap === 'skip') this.#expect(occurrence, 'overlap');
    else if (overlap === 'bufferOne' && this.#waiting.length > 0) this.#expect(occurrence, 'bufferFull');
    else if (overlap === 'bufferAll' && this.#waiting.length >= this.#limits.scheduleBufferMax) {
      this.#expect(occurrence, 'bufferFull');
    } else this.#wait(occurrence, overlap);
    this.#endWithRuns();
  }

  get #isBusy(): boolean {
    return this.#unfinished.size > 0 || (this.#waiting.length > 0 && !this.#pause.paused);
  }

  /** True when an attempt that is not counted may go on. When in this entry it was lost sight of is not told: then what is said must do. */
  #isHeld(occurrence: Waiting): boolean {
    const { logTimeMs = 0, view } = this.#entry ?? {};
    if (this.#slotFreeAtMs > logTimeMs) return true;
    if (view !== undefined && view.slotFreeAtMs <= logTimeMs) return false;
    const next = this.#peek();
    return !isSame(next, occurrence) || next?.task === undefined;
  }

  #wait(occurrence: Waiting, overlap: Overlap): void {
    if (overlap === 'cancelOther') this.#dropWaiting('superseded');
    this.#waiting.push(occurrence);
    if (occurrence.kind === 'planned') this.#runs += 1;
  }

  #dropWaiting(reason: SkipReason): void {
    for (const one of this.#waiting.splice(0)) {
      if (one.kind === 'planned') this.#runs -= 1;
      this.#expect(one, reason);
    }
  }

  #endWithRuns(): void {
    const { maxRuns } = this.#plan.policy;
    if (maxRuns > 0 && this.#runs >= maxRuns) this.#ended = true;
  }

  /** The last run of a schedule waited, and another occurrence took its place: that run is still to be planned. */
  #planAgain(): void {
    const { maxRuns } = this.#plan.policy;
    if (!this.#ended || maxRuns === 0 || this.#runs >= maxRuns) return;
    this.#ended = false;
    this.#takenMs = Math.max(this.#takenMs, this.#entry?.logTimeMs ?? 0);
    this.#instants = new ExpectedInstants(this.#plan.definition, this.#takenMs);
    this.#stored.length = 0;
  }

  /** The next thing that the entry settled must be this one, with a task or for this reason. */
  #expect(wanted: Omit<Waiting, 'judgedMs'>, reason: SkipReason | undefined): SettledOccurrence | undefined {
    const got = this.#peek();
    const named = `${this.#name} of ${timeOf(wanted.plannedMs)} (${wanted.kind}, version ${wanted.version})`;
    const is = got === undefined ? 'nothing more is settled' : `${describe(got)} comes`;
    this.#compare(
      isSame(got, wanted) && got?.skipped === reason,
      () =>
        `${named} should ${reason === undefined ? 'make a task' : `be skipped as ${reason}`} at ${this.#where}; ${is}`,
    );
    if (got === undefined) return undefined;
    this.#compare((got.task === undefined) !== (got.skipped === undefined), () => `${named} has both, or neither`);
    this.#at += 1;
    if (got.task !== undefined) this.#unfinished.add(got.task);
    const counted = got.skipped === undefined ? undefined : SKIP_COUNTS[got.skipped];
    if (counted !== undefined) this.#counts[counted] += 1;
    else if (got.kind === 'planned') this.#counts.occurrencesFired += 1;
    return got;
  }

  get #where(): string {
    return `${this.#entry?.index} (${timeOf(this.#entry?.logTimeMs ?? 0)})`;
  }

  #peek(): SettledOccurrence | undefined {
    return this.#entry?.settled[this.#at];
  }

  // Commands, in the order of the entry.

  /** Its next instants are known up to `throughMs`. */
  stored(occurrences: readonly PlannedOccurrence[], throughMs: number): void {
    if (occurrences.length > 0) this.#stored.push({ throughMs, term: this.#entry?.term ?? 0 });
  }

  pause(): void {
    this.#commanded = true;
    this.#pause.set(true, this.#entry?.logTimeMs ?? 0);
  }

  resume(): void {
    this.#commanded = true;
    if (this.#pause.paused) this.#pause.failures = 0;
    this.#pause.set(false, this.#entry?.logTimeMs ?? 0);
  }

  /** Another version. */
  change(plan: Plan, version: number): void {
    const { logTimeMs = 0, view } = this.#entry ?? {};
    this.#commanded = true;
    this.#compare(version === this.#version + 1, () => `${this.#name} becomes version ${version}`);
    if (this.isDue(logTimeMs)) this.#counts.changedWhileDue += 1;
    this.#version = version;
    this.#plan = plan;
    this.isSingle &&= plan.policy.overlap !== 'allow';
    const isOver = view === undefined || view.ended;
    const fromMs = isOver ? Math.max(this.#takenMs, this.#watermarkMs) : view.settledThroughMs;
    this.#compare(
      fromMs >= this.#takenMs && fromMs <= Math.max(logTimeMs, this.#watermarkMs),
      () => `${this.#name} begins at ${timeOf(fromMs)}; the version before was taken up to ${timeOf(this.#takenMs)}`,
    );
    this.#takenMs = fromMs;
    this.#instants = new ExpectedInstants(plan.definition, fromMs);
    this.#stored.length = 0;
    this.#caughtUp = 0;
    this.#notBeforeMs = 0;
    this.#firedAtMs = 0;
    this.#ended = false;
    this.#endWithRuns();
  }

  /** It is deleted: what waits is skipped, and nothing of it is settled any more. */
  delete(): void {
    this.#dropWaiting('deleted');
    this.#deleted = true;
  }

  /** A trigger was answered for the first time. */
  trigger(
    result: { readonly result: string; readonly task?: number; readonly reason?: string },
    overlap: Overlap | undefined,
  ): void {
    this.#counts.triggers += 1;
    const plannedMs = this.#entry?.logTimeMs ?? 0;
    const got = this.#requested(
      { version: this.#version, plannedMs, kind: 'trigger', judgedMs: plannedMs },
      overlap,
      result.result,
    );
    if (result.result === 'buffered') return;
    this.#compare(
      got?.task === result.task && got?.skipped === result.reason,
      () =>
        `${this.#name} is triggered and answers ${JSON.stringify(result)}; ${got === undefined ? 'nothing' : describe(got)} came of it`,
    );
  }

  /** A backfill was answered for the first time. */
  backfill(plannedMs: readonly number[], accepted: number, overlap: Overlap | undefined): void {
    const judgedMs = this.#entry?.logTimeMs ?? 0;
    let count = 0;
    for (const one of plannedMs) {
      this.#counts.backfills += 1;
      const got = this.#requested({ version: this.#version, plannedMs: one, kind: 'backfill', judgedMs }, overlap);
      if (got?.skipped === undefined) count += 1;
    }
    this.#compare(count === accepted, () => `${this.#name} accepts ${accepted} of a backfill, and it is ${count}`);
  }

  /** An occurrence that somebody asked for: whether tasks were unfinished right then is known within bounds only. */
  #requested(occurrence: Waiting, asked: Overlap | undefined, said?: string): SettledOccurrence | undefined {
    const overlap = asked ?? this.#plan.policy.overlap;
    const { logTimeMs = 0, view } = this.#entry ?? {};
    const next = this.#peek();
    const isOwn = isSame(next, occurrence);
    const waits = said === undefined ? !isOwn : said === 'buffered';
    const named = `${this.#name}, ${occurrence.kind} of ${timeOf(occurrence.plannedMs)} under ${overlap}`;
    if (!waits && isOwn && next?.skipped === undefined) {
      const isFree =
        this.#stillUnfinished().size === 0 &&
        this.#slotFreeAtMs <= logTimeMs &&
        (this.#waiting.length === 0 || this.#pause.paused || this.#gone.size > 0);
      const mayStart = isFree || overlap === 'allow';
      this.#compare(mayStart, () => `${named} starts at ${this.#where} beside ${this.#others}`);
      return this.#expect(occurrence, undefined);
    }
    const mayBeHeld = view === undefined || view.slotFreeAtMs > logTimeMs;
    const mayBeBusy = this.#unfinished.size > 0 || this.#waiting.length > 0 || mayBeHeld;
    this.#compare(
      mayBeBusy && overlap !== 'allow',
      () => `${named} does not start at ${this.#where}, and nothing is in its way`,
    );
    const isFull =
      (overlap === 'bufferOne' && this.#waiting.length > 0) ||
      (overlap === 'bufferAll' && this.#waiting.length >= this.#limits.scheduleBufferMax);
    if (overlap === 'skip' || isFull) {
      this.#compare(!waits, () => `${named} waits at ${this.#where}`);
      return this.#expect(occurrence, overlap === 'skip' ? 'overlap' : 'bufferFull');
    }
    this.#wait(occurrence, overlap);
    this.#planAgain();
    return undefined;
  }

  /** Those that are certainly not final yet, wherever in the entry this is. */
  #stillUnfinished(): Set<number> {
    return new Set([...this.#unfinished].filter((number) => !this.#gone.has(number)));
  }

  get #others(): string {
    return `tasks ${[...this.#unfinished].join(', ')}, and ${this.#waiting.length} that wait`;
  }

  #isStartable(gone: ReadonlySet<number>, nowMs: number): boolean {
    if (this.#waiting.length === 0 || this.#pause.paused || this.#slotFreeAtMs > nowMs) return false;
    return [...this.#unfinished].every((number) => gone.has(number));
  }

  /** Occurrences that waited start, and the entry is over. */
  end(): void {
    const entry = this.#entry;
    if (entry === undefined) return;
    const { view, settled, finished, logTimeMs } = entry;
    const before = this.#pause.paused;
    if (!this.#commanded) this.#pause.count(finished, this.#plan.policy.pauseOnFailure, logTimeMs);
    this.#slotFreeAtMs = Math.max(this.#slotFreeAtMs, view?.slotFreeAtMs ?? 0);
    for (let next = this.#peek(); next !== undefined; next = this.#peek()) this.#startWaiting(next, logTimeMs);
    for (const { number } of finished) this.#unfinished.delete(number);
    this.#compare(this.#at === settled.length, () => `${this.#name} settles more than it has at ${this.#where}`);
    this.#entry = undefined;
    if (view === undefined) return;
    if (this.#commanded && finished.length > 0) {
      this.#pause.set(view.pause !== undefined, logTimeMs);
      this.#pause.failures = view.failures;
    }
    if (!before && view.pause?.reason === 'failures') this.#counts.pausedByFailures += 1;
    this.#compareView(view, entry);
  }

  #startWaiting(next: SettledOccurrence, logTimeMs: number): void {
    const first = this.#waiting[0];
    this.#compare(
      first !== undefined && isSame(next, first),
      () => `${this.#name}: ${describe(next)} comes at ${this.#where} and is not due: ${this.#expected}`,
    );
    if (first === undefined) return;
    // What a command and a failure in one entry made of a pause is known only afterwards.
    const isKnown = !(this.#commanded && this.#gone.size > 0);
    this.#compare(
      isKnown ? this.#isStartable(this.#gone, logTimeMs) : true,
      () =>
        `${this.#name}: ${describe(next)} starts at ${this.#where} beside ${this.#others}${this.#pause.paused ? ', paused' : ''}`,
    );
    this.#compare(
      first.kind !== 'planned' || next.fireAtMs + next.lateMs === first.judgedMs,
      () => `${this.#name}: ${describe(next)} was judged at ${timeOf(first.judgedMs)} and says ${next.lateMs} ms`,
    );
    this.#waiting.shift();
    this.#expect(first, undefined);
    this.#counts.bufferStarts += 1;
  }

  get #expected(): string {
    const next = this.#instants.next((this.#entry?.logTimeMs ?? 0) + 600_000);
    const planned = next === undefined ? 'nothing is planned soon' : `${timeOf(next)} is next`;
    return `${planned}, ${this.#waiting.length} wait${this.#ended ? ', it has ended' : ''}`;
  }

  #compareView(view: ScheduleView, { logTimeMs }: ScheduleEntry): void {
    const named = `${this.#name} at ${timeOf(logTimeMs)}`;
    this.#compare(
      view.settledThroughMs >= this.#watermarkMs,
      () =>
        `${named}: ${timeOf(view.settledThroughMs)} is before ${timeOf(this.#watermarkMs)}, up to where all was settled`,
    );
    this.#watermarkMs = view.settledThroughMs;
    compareShown(this.#compare, named, view, {
      version: this.#version,
      paused: this.#pause.paused,
      failures: this.#pause.failures,
      unfinished: this.#unfinished,
      runs: this.#runs,
      waiting: this.#waiting,
    });
    if (this.#ended) this.#compare(view.ended, () => `${named} goes on after its last run`);
    compareNext(this.#compare, named, view, this.#instants, logTimeMs);
  }
}
