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
 * at a time; a schedule whose instants cannot be computed here is said in the alarms and hinders no other.
 */
import { assert } from '../base/assert.ts';
import { ByteWriter } from '../base/bytes.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Calendar } from '../calendar/calendar.ts';
import type { Peer } from '../peer/peer.ts';
import type { ProposalResult } from '../peer/types.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { PlannedOccurrence } from '../scheduler/command.ts';
import type { ApplyOutcome, SettledOccurrence } from '../scheduler/outcome.ts';
import type { WantingSchedule } from '../scheduler/views.ts';
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
/** Until a search that found nothing in the time to come goes on, in ms. */
const REST_MS = 1_000;
/** Schedules whose problems are remembered; of further ones the log tells. */
const PROBLEMS_MAX = 10_000;

/** Of a problem, whatever it quotes. */
const SENTENCE_CHARS = 1_000;

/** What the keeper needs of the peer. */
export type KeeperPeer = Pick<Peer, 'propose' | 'logTimeNowMs'> & {
  readonly scheduler: { wantingSchedules(max: number): readonly WantingSchedule[] };
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
  /** Numbers of schedules that rest until `#rest` fires: nothing was found for them, up to a time that is far away. */
  readonly #resting = new Set<number>();
  #rest: Timer | undefined;
  /** By number of the schedule. At most `PROBLEMS_MAX`. */
  readonly #problems = new Map<number, Problem>();
  #turnAsked = false;
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
    if (outcome.schedulesWant) this.#wake();
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

  #wakeLater(): void {
    this.#retry ??= this.#ports.timers.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.#wake();
    });
  }

  #turn(): void {
    const underWay = this.#underWay;
    if (underWay === undefined || underWay.size >= UNDER_WAY_MAX) return;
    const { clock } = this.#ports;
    const endMs = clock.monotonicMs() + SLICE_MS;
    // Those under way, at rest, or with a problem want as well, and must not hide the others.
    const max = UNDER_WAY_MAX + this.#problems.size + this.#resting.size;
    for (const wanting of this.#peer.scheduler.wantingSchedules(max)) {
      if (underWay.has(wanting.number) || this.#resting.has(wanting.number) || wanting.room < 1) continue;
      if (this.problemOf(wanting.number, wanting.version) !== undefined) continue;
      if (underWay.size >= UNDER_WAY_MAX) return;
      if (clock.monotonicMs() >= endMs) return this.#wake();
      this.#advance(underWay, wanting);
    }
  }

  #advance(underWay: Set<number>, wanting: WantingSchedule): void {
    const { number, version, fromMs } = wanting;
    const instants = this.#instants(wanting);
    if (instants === undefined) return;
    const writer = new ByteWriter(64 + instants.occurrences.length * 16);
    encodeCommand(writer, PRINCIPAL_PEER, { type: 'advanceSchedule', number, version, fromMs, ...instants });
    underWay.add(number);
    const isFar = instants.throughMs > this.#peer.logTimeNowMs() + AHEAD_MS;
    if (isFar && instants.occurrences.length === 0 && !instants.exhausted) this.#letRest(number);
    const taken = this.#peer.propose('dispatch', writer.take(), 1, (result) => {
      this.#settled(underWay, wanting, result);
    });
    if (taken) return;
    underWay.delete(number);
    this.#wakeLater();
  }

  /** Its instants are further away than anybody waits for, if there are any: others come first. */
  #letRest(number: number): void {
    this.#resting.add(number);
    this.#rest ??= this.#ports.timers.after(REST_MS, () => {
      this.#rest = undefined;
      this.#resting.clear();
      this.#wake();
    });
  }

  #settled(underWay: Set<number>, wanting: WantingSchedule, result: ProposalResult): void {
    assert(underWay.delete(wanting.number), 'an advance is settled once');
    if (underWay !== this.#underWay) return;
    if (result.type !== 'applied') return this.#wakeLater();
    const { reply } = result;
    // It was changed, deleted or advanced meanwhile: if it wants, it wants something else.
    if (reply.type === 'refused' && reply.code !== 'STALE' && reply.code !== 'NOT_FOUND') {
      this.#note(wanting, `the instants that were computed for it are refused with ${reply.code}`);
    }
    this.#wake();
  }

  #instants(wanting: WantingSchedule): Instants | undefined {
    const { number, version, schedule: id, calendar: bytes, fromMs } = wanting;
    try {
      const calendar = this.#calendars.of({ number, version, id, calendar: bytes });
      const instants = instantsAfter(calendar, fromMs, this.#peer.logTimeNowMs(), wanting.room);
      if (instants.throughMs > fromMs || instants.exhausted) return instants;
      this.#note(wanting, 'no instant was found, nor how far there is none');
    } catch (error) {
      this.#note(wanting, (error instanceof Error ? error.message : String(error)).slice(0, SENTENCE_CHARS));
    }
    return undefined;
  }

  #note({ number, version, namespace, schedule }: WantingSchedule, sentence: string): void {
    this.#ports.logger.error('the instants of a schedule cannot be computed', { namespace, schedule, why: sentence });
    if (this.#problems.size >= PROBLEMS_MAX) {
      const [oldest] = this.#problems.keys();
      if (oldest !== undefined) this.#problems.delete(oldest);
    }
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

/** What a schedule needs next: all of the near future, or else the next few, and never more than it has room for. */
function instantsAfter(calendar: Calendar, fromMs: number, nowMs: number, room: number): Instants {
  const max = Math.min(INSTANTS_MAX, room);
  assert(max > 0, 'a schedule that wants instants has room for some');
  const nearMs = nowMs + AHEAD_MS;
  if (fromMs >= nearMs) return calendar.next(fromMs, Math.min(max, AHEAD_COUNT));
  const near = calendar.next(fromMs, max, nearMs);
  const missing = Math.min(max, AHEAD_COUNT) - near.occurrences.length;
  if (missing <= 0 || near.exhausted) return near;
  const far = calendar.next(near.throughMs, missing);
  return { ...far, occurrences: [...near.occurrences, ...far.occurrences] };
}
