/**
 * Keeps schedules in instants. The state machine fires the instants that it was given and knows nothing of calendars; the leader sees
 * which schedules run short, computes what comes next, and proposes it.
 *
 *     an entry was applied ─▶ wantingSchedules ─▶ Calendar.next ─▶ advanceSchedule ─▶ (log) ─▶ … until none wants
 *
 * Whatever is lost is computed again: instants are a function of the definition, and an advance names the instant from which it goes
 * on, so that one which comes too late, or twice, is refused and changes nothing. A peer that begins to lead begins from the state.
 *
 * Invariants: at most one advance of a schedule is under way, and at most `UNDER_WAY_MAX` of all; the event loop is held for a slice
 * at a time; a schedule whose instants cannot be computed here is said in the alarms and hinders no other; schedules that want but
 * have to wait, since they have such a problem or nothing is found for them, cost next to nothing.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Calendar, IsOver } from '../calendar/calendar.ts';
import type { Peer } from '../peer/peer.ts';
import type { ProposalResult } from '../peer/types.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { PlannedOccurrence } from '../scheduler/command.ts';
import type { ApplyOutcome, SettledOccurrence } from '../scheduler/outcome.ts';
import type { ScheduleView, WantingSchedule } from '../scheduler/views.ts';
import type { Calendars } from './schedule-calendars.ts';

/** Asked by the cluster itself. */
const PRINCIPAL_PEER = 'peer';
/** How long computing holds the event loop, in ms. */
const SLICE_MS = 5;
/** Advances that wait for their entries. */
const UNDER_WAY_MAX = 64;
/** Instants of one advance. */
const INSTANTS_MAX = 64;
/** Instants of the near future are proposed together, so that a schedule of every second makes one advance in a while. In ms. */
const AHEAD_MS = 60_000;
/** A schedule has this many instants to come whenever they are, so that a late leader is early enough. */
const AHEAD_COUNT = 2;
/** Until something that could not be proposed is tried again, in ms. */
const RETRY_MS = 100;
/** Between two lines about skipped occurrences, in ms. */
const TELL_MS = 1_000;
/** Between two turns while all that want have to wait, in ms. */
const IDLE_MS = 100;
/**
 * A search that found nothing in the time to come goes on after this part of that time, and after so long at least and at most, in
 * ms: long before anything can be due.
 */
const REST_PART = 1_000;
const REST_MIN_MS = 1_000;
const REST_MAX_MS = 3_600_000;
/** Schedules that rest, and those whose problems are remembered; of further ones the log tells again. */
const WAITING_MAX = 10_000;
/** Schedules that have to wait which a turn passes over; behind more of them it goes through all schedules, part by part. */
const PASSED_MAX = 256;
/** Schedules of one part: a fraction of a millisecond. */
const PART = 512;
/** Between two parts, in ms: ten thousand schedules are gone through once a second. */
const PART_MS = 50;

/** Of a problem, whatever it quotes. */
const SENTENCE_CHARS = 1_000;

/** What the keeper needs of the peer. */
export type KeeperPeer = Pick<Peer, 'propose' | 'logTimeNowMs'> & {
  readonly scheduler: {
    wantingSchedules(max: number): readonly WantingSchedule[];
    wantingSchedulesAt(
      from: number,
      count: number,
      isLeftOut: (number: number, version: number) => boolean,
    ): { readonly wanting: readonly WantingSchedule[]; readonly next: number };
    schedule(namespace: string, id: string): Pick<ScheduleView, 'next'> | undefined;
  };
};

/** The world, as the keeper sees it. */
export interface KeeperPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

interface Problem {
  readonly version: number;
  readonly sentence: string;
}

/** A schedule for which nothing was found up to a time that is far away. */
interface Rest {
  readonly version: number;
  /** By the monotonic clock. */
  readonly untilMs: number;
}

/** What one advance brings. */
interface Instants {
  readonly occurrences: readonly PlannedOccurrence[];
  readonly throughMs: number;
  readonly exhausted: boolean;
}

/** See the head of this file. */
export class ScheduleKeeper {
  readonly #peer: KeeperPeer;
  readonly #ports: KeeperPorts;
  readonly #calendars: Calendars;
  /** Numbers of schedules with an advance under way in this term; another set in each. Undefined while this peer does not lead. */
  #underWay: Set<number> | undefined;
  /** By number of the schedule. At most `WAITING_MAX`. */
  readonly #resting = new Map<number, Rest>();
  /** Fires while any rests, and lets those go on that have rested. */
  #rest: Timer | undefined;
  /** By number of the schedule. At most `WAITING_MAX`. */
  readonly #problems = new Map<number, Problem>();
  #turnAsked = false;
  /** All that wanted in the last turn have to wait. */
  #isIdle = false;
  /** Where the next part of all schedules begins. */
  #partFrom = 0;
  #retry: Timer | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** Skipped since the last line. */
  #untold = 0;

  constructor(peer: KeeperPeer, ports: KeeperPorts, calendars: Calendars) {
    this.#peer = peer;
    this.#ports = ports;
    this.#calendars = calendars;
  }

  /** This peer leads from now on. */
  begin(): void {
    this.#underWay = new Set();
    this.#isIdle = false;
    this.#partFrom = 0;
    this.#problems.clear();
    this.#wake();
  }

  /** It does not any more. */
  end(): void {
    this.#underWay = undefined;
    this.#problems.clear();
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#rest?.cancel();
    this.#rest = undefined;
    this.#resting.clear();
  }

  /** An entry was applied while this peer leads. */
  applied(outcome: Pick<ApplyOutcome, 'occurrences' | 'schedulesWant'>): void {
    if (outcome.schedulesWant) {
      if (this.#isIdle) this.#wakeLater(IDLE_MS);
      else this.#wake();
    }
    if (outcome.occurrences.length > 0) this.#tell(outcome.occurrences);
  }

  /** Why the instants of a schedule cannot be computed here; undefined where they can. */
  problemOf(number: number, version: number): string | undefined {
    const problem = this.#problems.get(number);
    return problem?.version === version ? problem.sentence : undefined;
  }

  /** What an operator should look at. */
  get alarms(): readonly string[] {
    const { size } = this.#problems;
    if (size === 0) return [];
    const count = size === 1 ? 'one schedule cannot be computed' : `${size} schedules cannot be computed`;
    return [`${count} on this peer and will not fire: "taskraft schedule list" shows which, "schedule get" why`];
  }

  #wake(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#ports.timers.soon(() => {
      this.#turnAsked = false;
      this.#turn();
    });
  }

  #wakeLater(afterMs: number): void {
    this.#retry ??= this.#ports.timers.after(afterMs, () => {
      this.#retry = undefined;
      this.#wake();
    });
  }

  #turn(): void {
    const underWay = this.#underWay;
    if (underWay === undefined || underWay.size >= UNDER_WAY_MAX) return;
    // Those under way, at rest, or with a problem want as well, and must not hide the others.
    const passed = this.#problems.size + this.#resting.size;
    const max = UNDER_WAY_MAX + Math.min(passed, PASSED_MAX);
    const wanting = this.#peer.scheduler.wantingSchedules(max);
    const isInVain = this.#serve(underWay, wanting);
    this.#isIdle = isInVain && passed > 0;
    if (!isInVain || wanting.length < max || passed <= PASSED_MAX) return;
    const part = this.#peer.scheduler.wantingSchedulesAt(
      this.#partFrom,
      PART,
      (number, version) => underWay.has(number) || this.#hasToWait({ number, version }),
    );
    // Whatever of this part there was no room for is found in it again.
    if (this.#serve(underWay, part.wanting)) this.#partFrom = part.next;
    this.#wakeLater(PART_MS);
  }

  /** Gives instants to those that want them. True when there was nothing to do for any. */
  #serve(underWay: Set<number>, wanting: readonly WantingSchedule[]): boolean {
    const { clock } = this.#ports;
    const endMs = clock.monotonicMs() + SLICE_MS;
    const isOver = (): boolean => clock.monotonicMs() >= endMs;
    let isInVain = true;
    for (const one of wanting) {
      if (underWay.has(one.number) || one.room < 1 || this.#hasToWait(one)) continue;
      isInVain = false;
      if (underWay.size >= UNDER_WAY_MAX) return false;
      if (isOver()) {
        this.#wake();
        return false;
      }
      this.#advance(underWay, one, isOver);
    }
    return isInVain;
  }

  #hasToWait({ number, version }: Pick<WantingSchedule, 'number' | 'version'>): boolean {
    return this.#resting.get(number)?.version === version || this.problemOf(number, version) !== undefined;
  }

  #advance(underWay: Set<number>, wanting: WantingSchedule, isOver: IsOver): void {
    const { number, version, fromMs } = wanting;
    const instants = this.#instants(wanting, isOver);
    if (instants === undefined) return;
    const writer = new ByteWriter(64 + instants.occurrences.length * 16);
    encodeCommand(writer, PRINCIPAL_PEER, { type: 'advanceSchedule', number, version, fromMs, ...instants });
    underWay.add(number);
    const awayMs = instants.throughMs - this.#peer.logTimeNowMs();
    if (awayMs > AHEAD_MS && instants.occurrences.length === 0 && !instants.exhausted) this.#letRest(wanting, awayMs);
    const taken = this.#peer.propose('dispatch', writer.take(), 1, (result) => {
      this.#settled(underWay, wanting, result);
    });
    if (taken) return;
    underWay.delete(number);
    this.#wakeLater(RETRY_MS);
  }

  /** Its instants are further away than anybody waits for, if there are any: others come first. */
  #letRest({ number, version }: WantingSchedule, awayMs: number): void {
    const restMs = Math.max(REST_MIN_MS, Math.min(REST_MAX_MS, Math.floor(awayMs / REST_PART)));
    makeRoom(this.#resting);
    this.#resting.set(number, { version, untilMs: this.#ports.clock.monotonicMs() + restMs });
    this.#rest ??= this.#ports.timers.after(REST_MIN_MS, () => this.#endRests());
  }

  #endRests(): void {
    this.#rest = undefined;
    const nowMs = this.#ports.clock.monotonicMs();
    const before = this.#resting.size;
    for (const [number, { untilMs }] of this.#resting) if (untilMs <= nowMs) this.#resting.delete(number);
    if (this.#resting.size < before) this.#wake();
    if (this.#resting.size > 0) this.#rest = this.#ports.timers.after(REST_MIN_MS, () => this.#endRests());
  }

  #settled(underWay: Set<number>, wanting: WantingSchedule, result: ProposalResult): void {
    assert(underWay.delete(wanting.number), 'an advance is settled once');
    if (underWay !== this.#underWay) return;
    if (result.type !== 'applied') return this.#wakeLater(RETRY_MS);
    const { reply } = result;
    // It was changed, deleted or advanced meanwhile: if it wants, it wants something else.
    if (reply.type === 'refused' && reply.code !== 'STALE' && reply.code !== 'NOT_FOUND') {
      this.#note(wanting, `the instants that were computed for it are refused with ${reply.code}`);
    }
    this.#wake();
  }

  #instants(wanting: WantingSchedule, isOver: IsOver): Instants | undefined {
    const { number, version, schedule: id, calendar: bytes, fromMs } = wanting;
    try {
      const calendar = this.#calendars.of({ number, version, id, calendar: bytes });
      const instants = instantsAfter(calendar, wanting, this.#peer.logTimeNowMs(), isOver);
      if (instants.throughMs > fromMs || instants.exhausted)
        return { ...instants, ...this.#inOrder(wanting, instants) };
      this.#note(wanting, 'no instant was found, nor how far there is none');
    } catch (error) {
      this.#note(wanting, (error instanceof Error ? error.message : String(error)).slice(0, SENTENCE_CHARS));
    }
    return undefined;
  }

  /**
   * None fires before those that were given out earlier. Jitter that another computer drew with other rules of zones may have moved
   * those further than this one would.
   */
  #inOrder({ namespace, schedule: id }: WantingSchedule, { occurrences }: Instants): Pick<Instants, 'occurrences'> {
    const lastMs = this.#peer.scheduler.schedule(namespace, id)?.next.at(-1)?.fireAtMs ?? 0;
    if ((occurrences[0]?.fireAtMs ?? lastMs) >= lastMs) return { occurrences };
    return {
      occurrences: occurrences.map(({ plannedMs, fireAtMs }) => ({ plannedMs, fireAtMs: Math.max(fireAtMs, lastMs) })),
    };
  }

  #note({ number, version, namespace, schedule }: WantingSchedule, sentence: string): void {
    this.#ports.logger.error('the instants of a schedule cannot be computed', { namespace, schedule, why: sentence });
    makeRoom(this.#problems);
    this.#problems.set(number, { version, sentence });
  }

  /** One line a second tells of a skipped occurrence, and how many there were besides; views count all of them. */
  #tell(occurrences: readonly SettledOccurrence[]): void {
    let last: SettledOccurrence | undefined;
    for (const occurrence of occurrences) {
      if (occurrence.skipped === undefined) continue;
      last = occurrence;
      this.#untold += 1;
    }
    const nowMs = this.#ports.clock.monotonicMs();
    if (last === undefined || nowMs < this.#toldAtMs + TELL_MS) return;
    const { namespace, id: schedule, plannedMs, kind, skipped: reason } = last;
    const others = this.#untold - 1;
    this.#ports.logger.info('an occurrence was skipped', { namespace, schedule, plannedMs, kind, reason, others });
    this.#toldAtMs = nowMs;
    this.#untold = 0;
  }
}

/** The oldest entry goes where there are as many as may be. */
function makeRoom(table: Map<number, unknown>): void {
  if (table.size < WAITING_MAX) return;
  const [oldest] = table.keys();
  if (oldest !== undefined) table.delete(oldest);
}

/** What a schedule needs next: all of the near future, or else the next few, and never more than it has room for. */
function instantsAfter(calendar: Calendar, { fromMs, room }: WantingSchedule, nowMs: number, isOver: IsOver): Instants {
  const max = Math.min(INSTANTS_MAX, room);
  assert(max > 0, 'a schedule that wants instants has room for some');
  const nearMs = nowMs + AHEAD_MS;
  if (fromMs >= nearMs) return calendar.next(fromMs, Math.min(max, AHEAD_COUNT), undefined, isOver);
  const near = calendar.next(fromMs, max, nearMs, isOver);
  const missing = Math.min(max, AHEAD_COUNT) - near.occurrences.length;
  if (missing <= 0 || near.exhausted) return near;
  const far = calendar.next(near.throughMs, missing, undefined, isOver);
  return { ...far, occurrences: [...near.occurrences, ...far.occurrences] };
}
