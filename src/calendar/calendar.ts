/**
 * When a schedule is due: a checked definition in, instants out.
 *
 * `parseCalendar` turns what a user wrote into a `CalendarDefinition` or one `CalendarError` that points at the mistake;
 * `Calendar` computes its instants after any given one. Whoever leads the cluster asks, before it proposes, and the log keeps what
 * was answered: two computers with different time zone data may disagree, so nobody computes an instant twice.
 *
 * ```
 * what a user wrote ─ parseCalendar ─▶ CalendarDefinition ─ calendarText ─▶ text in the log ─ readCalendar ─▶ CalendarDefinition
 *                                            │
 *                                            ▼           specs ─▶ candidates ─▶ exclusions ─▶ occurrences
 *                                        Calendar.next         (CronWalk, every, at)
 * ```
 *
 * A pattern is taken apart here: hours, minutes and seconds are plain sets, `H` is replaced by numbers drawn from the schedule's id,
 * and the dates are croner's (`days.ts`). A zone is a sequence of pieces with constant offsets (`zone.ts`); where two meet, the
 * definition's rule for changes of clock decides (`cron-walk.ts`).
 *
 * Invariants: instants increase strictly; the same definition, id and zone data give the same instants, whatever was asked before;
 * `fireAtMs` is never before `plannedMs` and always before the next planned instant; one call does a bounded amount of work.
 *
 * It reads no clock and no environment, keeps nothing but caches, and knows nothing of tasks, overlap or missed occurrences.
 */
import { assert } from '../base/assert.ts';
import { parseCron } from './cron-text.ts';
import { type Candidate, CronWalk } from './cron-walk.ts';
import type { CalendarDefinition, CalendarSpec } from './definition.ts';
import { CalendarError } from './error.ts';
import { Exclusions } from './exclusions.ts';
import { CALENDAR_END_MS, PREVIEW_MAX } from './limits.ts';
import { type PreviewedOccurrence, Previewer } from './preview.ts';
import { Spread } from './spread.ts';
import { type Zone, zoneOf } from './zone.ts';

/** One instant of a schedule. */
export interface Occurrence {
  /** What the definition names; it identifies the occurrence. */
  readonly plannedMs: number;
  /** When it is due: `plannedMs` and its jitter. Before the next planned instant, so it never decreases. */
  readonly fireAtMs: number;
}

/** What was found, and how far was looked. */
export interface Occurrences {
  /** Increasing. */
  readonly occurrences: readonly Occurrence[];
  /** Every instant up to this one, inclusive, was looked at; go on from here. Never less than where the search began. */
  readonly throughMs: number;
  /** True when there will never be another. */
  readonly exhausted: boolean;
  /** Candidates that led to nothing. However the time of a computer cuts a search into calls, together they have as many. */
  readonly fruitless: number;
}

/** Whether a call has had its time: it ends then with what it has, but not before it got on. */
export type IsOver = () => boolean;

/**
 * Candidates of one call that lead to nothing; the rest is left to the next one. Some milliseconds, but for definitions with many rare
 * dates, which croner has to search for: who cannot wait says when a call is over.
 */
const FRUITLESS_MAX = 256;

/** Occurrences of one step of a preview. */
const PREVIEW_STEP = 64;
/** Candidates of a preview that lead to nothing: behind exclusions that leave hardly anything it ends early. */
const PREVIEW_FRUITLESS_MAX = 16_384;

const neverOver: IsOver = () => false;

/** Names the first instant at or after `fromMs`. */
type Source = (fromMs: number) => Candidate | undefined;

/** The instants of one definition. It keeps what the last search found, so going on where that ended is cheap. */
export class Calendar {
  readonly #definition: CalendarDefinition;
  readonly #zone: Zone;
  readonly #spread: Spread;
  readonly #sources: readonly Source[];
  readonly #exclusions: Exclusions;

  /**
   * @param scheduleId Chooses what `H` stands for, and jitter.
   * @throws CalendarError for a zone that this process does not know
   */
  constructor(definition: CalendarDefinition, scheduleId: string) {
    this.#definition = definition;
    this.#zone = knownZone(definition.timeZone);
    this.#spread = new Spread(scheduleId);
    this.#sources = definition.specs.map((spec, at) => remembered(this.#source(spec, at)));
    this.#exclusions = new Exclusions(definition, this.#zone, this.#spread);
  }

  /**
   * The first `max` occurrences planned after `afterMs` and not after `untilMs`. Fewer than `max` with `throughMs` before `untilMs`
   * means that the call had enough to do, or was over; ask again from `throughMs`.
   */
  next(afterMs: number, max: number, untilMs: number = CALENDAR_END_MS, isOver: IsOver = neverOver): Occurrences {
    const { occurrences, ...rest } = this.#search(afterMs, max, untilMs, isOver);
    return {
      occurrences: occurrences.map(({ ms }) => ({ plannedMs: ms, fireAtMs: ms + this.#jitterMs(ms) })),
      ...rest,
    };
  }

  /** All planned from `fromMs` to `toMs`, both inclusive; `more` when there are more than `max`. Takes as long as it takes. */
  between(
    fromMs: number,
    toMs: number,
    max: number,
  ): { readonly occurrences: readonly Occurrence[]; readonly more: boolean } {
    const all: Occurrence[] = [];
    for (let afterMs = fromMs - 1; ;) {
      const { occurrences, throughMs, exhausted } = this.next(afterMs, max + 1 - all.length, toMs);
      for (const one of occurrences) all.push(one);
      if (all.length > max) return { occurrences: all.slice(0, max), more: true };
      if (exhausted || throughMs >= toMs) return { occurrences: all, more: false };
      afterMs = throughMs;
    }
  }

  /**
   * The next `n` for people, with what a change of clock did to each. At most 1,000, and fewer when they lie far apart behind
   * exclusions.
   */
  preview(afterMs: number, n: number): readonly PreviewedOccurrence[] {
    const steps = this.previewSteps(afterMs, n);
    while (!steps.step()) continue;
    return steps.shown;
  }

  /** The same for who must let others go on meanwhile: each `step` is one search, and true when it was the last. */
  previewSteps(
    afterMs: number,
    n: number,
  ): { readonly shown: readonly PreviewedOccurrence[]; step(isOver?: IsOver): boolean } {
    const previewer = new Previewer(this.#zone, afterMs);
    const shown: PreviewedOccurrence[] = [];
    const wanted = Math.min(n, PREVIEW_MAX);
    let fromMs = afterMs;
    let inVain = 0;
    const step = (isOver: IsOver = neverOver): boolean => {
      const max = Math.min(wanted - shown.length, PREVIEW_STEP);
      const { occurrences, throughMs, exhausted, fruitless } = this.#search(fromMs, max, CALENDAR_END_MS, isOver);
      for (const { ms, type } of occurrences) shown.push(previewer.show(ms, ms + this.#jitterMs(ms), type === 'moved'));
      fromMs = throughMs;
      inVain += fruitless;
      return exhausted || shown.length >= wanted || inVain >= PREVIEW_FRUITLESS_MAX;
    };
    return { shown, step };
  }

  #search(
    afterMs: number,
    max: number,
    untilMs: number,
    isOver: IsOver,
  ): { occurrences: Candidate[]; throughMs: number; exhausted: boolean; fruitless: number } {
    const { startAtMs = 0, endAtMs = CALENDAR_END_MS - 1 } = this.#definition;
    const limitMs = Math.min(untilMs, endAtMs);
    const occurrences: Candidate[] = [];
    let fromMs = Math.max(afterMs + 1, startAtMs);
    let fruitless = 0;
    while (fruitless < FRUITLESS_MAX) {
      if (fromMs - 1 > afterMs && (fruitless > 0 || occurrences.length > 0) && isOver()) break;
      const found = this.#earliest(fromMs);
      if (found === undefined || found.ms > limitMs) {
        const exhausted = found === undefined || found.ms > endAtMs;
        return { occurrences, throughMs: Math.max(afterMs, limitMs), exhausted, fruitless };
      }
      assert(found.ms >= fromMs, 'a search goes forward');
      const onMs = found.type === 'nothing' ? found.ms : this.#exclusions.next(found.ms);
      if (found.type === 'nothing' || onMs > found.ms) {
        fromMs = onMs;
        fruitless += 1;
        continue;
      }
      // One more than asked for was looked at, so that the last of all is known to be the last.
      if (occurrences.length >= max)
        return { occurrences, throughMs: Math.max(afterMs, found.ms - 1), exhausted: false, fruitless };
      occurrences.push(found);
      fromMs = found.ms + 1;
    }
    return { occurrences, throughMs: Math.max(afterMs, fromMs - 1), exhausted: false, fruitless };
  }

  /** The first that any spec names; of two at one instant, the one that no change of clock moved. */
  #earliest(fromMs: number): Candidate | undefined {
    let first: Candidate | undefined;
    for (const source of this.#sources) {
      const found = source(fromMs);
      if (found === undefined || (first !== undefined && found.ms > first.ms)) continue;
      if (first === undefined || found.ms < first.ms || RANK[found.type] < RANK[first.type]) first = found;
    }
    return first;
  }

  /** Uniform up to the next instant that a spec names, excluded or not, so that the answer needs no search through exclusions. */
  #jitterMs(plannedMs: number): number {
    const { jitterMs } = this.#definition;
    if (jitterMs === 0) return 0;
    const next = this.#earliest(plannedMs + 1);
    const boundMs = next === undefined ? jitterMs : Math.min(jitterMs, next.ms - plannedMs - 1);
    return this.#spread.jitterMs(plannedMs, boundMs);
  }

  #source(spec: CalendarSpec, at: number): Source {
    if ('atMs' in spec) return (fromMs) => (fromMs <= spec.atMs ? { ms: spec.atMs, type: 'due' } : undefined);
    if ('everyMs' in spec) {
      const { everyMs, phaseMs } = spec;
      return (fromMs) => ({ ms: Math.ceil((fromMs - phaseMs) / everyMs) * everyMs + phaseMs, type: 'due' });
    }
    const { dayMatch, dst } = this.#definition;
    const pattern = parseCron(spec.cron, `/specs/${at}/cron`, (field, item) => this.#spread.forField(field, item));
    const walk = new CronWalk(pattern, this.#zone, dayMatch, dst);
    return (fromMs) => walk.next(fromMs);
  }
}

const RANK: Readonly<Record<Candidate['type'], number>> = { due: 0, moved: 1, nothing: 2 };

/** Answers again what it answered last, while the question lies between that and its answer. */
function remembered(source: Source): Source {
  let askedMs = Infinity;
  let found: Candidate | undefined;
  return (fromMs) => {
    if (fromMs >= askedMs && (found === undefined || fromMs <= found.ms)) return found;
    askedMs = fromMs;
    found = source(fromMs);
    return found;
  };
}

function knownZone(name: string): Zone {
  try {
    return zoneOf(name);
  } catch {
    throw new CalendarError(`The time zone "${name}" is not known to this peer.`, { path: '/timeZone' });
  }
}
