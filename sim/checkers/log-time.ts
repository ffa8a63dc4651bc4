import type { LogIndex, PeerId, Term } from '../../src/base/ids.ts';
import { lastStamp } from '../../src/peer/last-stamp.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/** What time it is, for those who know. */
export interface TrueTime {
  /** What right clocks show, in ms since 1970. */
  nowMs(): number;
  /** How far the wall clock of each host of a peer is off, in ms; always in the same order. */
  offsMs(): readonly number[];
  /** By how much clocks may run too fast or too slow, in parts per thousand. */
  readonly ratePerThousand: number;
}

/** A stamp, and when it was made or heard by right clocks. */
interface Stamped {
  readonly stampMs: number;
  readonly atMs: number;
}

/** What is known of one run of a peer. */
interface Run {
  readonly start: number;
  /** The newest stamp that it has of the leader of its term, or made itself; what it begins with when it leads. */
  heard: Stamped | undefined;
  /** One that counts as heard once its entry is on the disk, if the term is still the same then. */
  pending: (Stamped & { readonly index: LogIndex; readonly term: Term }) | undefined;
  /** The first stamp of its leadership. */
  began: (Stamped & { readonly term: Term }) | undefined;
}

/** How far a wall clock is off now, and was lately. */
interface Off {
  nowMs: number;
  leastMs: number;
  mostMs: number;
  changedAtMs: number;
}

/** A leader's stamps are slewed by a twentieth at most. */
const SLEW = 0.05;

/** What looks at the clock and timers that are late make of it, in ms. */
const LOOSE_MS = 3_000;

/** A stamp, or what a wall clock showed, may have been on its way for so long, in ms. */
const UNDER_WAY_MS = 8_000;

/** What a clock showed counts for no longer than this, in ms. */
const CLOCK_HEARD_MS = 15_000;

/** Clocks that are off by no more than this, all of them and all the time, are right ones, in ms. */
const RIGHT_MS = 500;

/** Clocks that run no faster or slower than this are held by slewing, in parts per thousand. */
const HELD_PER_THOUSAND = 20;

/**
 * Log time, by which everything is due, is driven by the monotonic clock of who leads: within a leadership it goes on as time does,
 * however wall clocks jump. A leadership begins where the one before would be by now, as far as this peer heard of it; one that heard
 * nothing begins where most wall clocks are, and not where a single one is. And where all of these are right, log time is right.
 */
export class LogTimeRuns extends PropertyChecker {
  override readonly name = 'log-time';
  readonly #time: TrueTime;
  readonly #runs = new Map<PeerId, Run>();
  readonly #offs: Off[] = [];
  #newestMs = 0;
  #wrongMostMs = 0;

  constructor(cluster: ClusterView, time: TrueTime) {
    super(cluster);
    this.#time = time;
  }

  restarted(_peer: PeerView): void {
    // From the first start on: what a clock showed before it jumped may have been heard.
    this.#lookAtClocks(this.#time.nowMs());
  }

  moved(peer: PeerView, change: LogChange): void {
    const { raft } = peer;
    if (raft === undefined) return;
    let run = this.#runs.get(peer.id);
    if (run?.start !== peer.start) {
      run = { start: peer.start, heard: undefined, pending: undefined, began: undefined };
      this.#runs.set(peer.id, run);
    }
    const { pending } = run;
    if (pending !== undefined && peer.durable.lastIndex >= pending.index) {
      if (pending.term === raft.term) run.heard = pending;
      run.pending = undefined;
    }
    const newest = newestStamp(peer, change);
    if (newest?.stamp.term !== raft.term) return;
    const { index, stamp } = newest;
    const nowMs = this.#time.nowMs();
    this.#lookAtClocks(nowMs);
    const made = { stampMs: stamp.ms, atMs: nowMs };
    if (raft.role !== 'leader') {
      run.pending = { ...made, index, term: stamp.term };
      return;
    }
    if (run.began?.term !== raft.term) {
      this.#begins(peer, run, made);
      run.began = { ...made, term: raft.term };
    } else this.#goesOn(peer, run.began, made);
    this.#isRight(peer, made);
    run.heard = made;
    this.#newestMs = Math.max(this.#newestMs, stamp.ms);
  }

  #begins({ id, raft }: PeerView, { heard }: Run, { stampMs, atMs }: Stamped): void {
    const [leastMs, mostMs] = heard === undefined ? this.#amongClocks(atMs) : this.#after(heard, atMs);
    this.compare(
      stampMs >= leastMs - UNDER_WAY_MS && stampMs <= Math.max(mostMs, this.#newestMs) + LOOSE_MS,
      () =>
        `${id} begins term ${raft?.term} at ${stampMs}, and it should be from ${Math.round(leastMs)} to ${Math.round(mostMs)}, ` +
        `by ${heard === undefined ? 'the wall clocks' : 'what it has heard'}`,
    );
  }

  #goesOn({ id }: PeerView, began: Stamped & { readonly term: Term }, { stampMs, atMs }: Stamped): void {
    const [leastMs, mostMs] = this.#after(began, atMs);
    this.compare(
      stampMs >= leastMs - LOOSE_MS && stampMs <= mostMs + LOOSE_MS,
      () =>
        `${id} lets log time go on by ${stampMs - began.stampMs} ms in ${Math.round(atMs - began.atMs)} ms of term ${began.term}`,
    );
  }

  /** Where log time may be, that was `stampMs` at `atMs`. */
  #after({ stampMs, atMs }: Stamped, nowMs: number): [leastMs: number, mostMs: number] {
    const off = this.#time.ratePerThousand / 1_000;
    const passedMs = nowMs - atMs;
    return [stampMs + passedMs * (1 - off) * (1 - SLEW), stampMs + passedMs * (1 + off) * (1 + SLEW)];
  }

  /** The middle of two or more of these clocks is not before the middle of the two that are behind all others, nor after its like. */
  #amongClocks(nowMs: number): [leastMs: number, mostMs: number] {
    const [least = 0, second = least] = this.#offs.map(({ leastMs }) => leastMs).sort((left, right) => left - right);
    const [most = 0, next = most] = this.#offs.map(({ mostMs }) => mostMs).sort((left, right) => right - left);
    // Who is alone goes by its own.
    const isAlone = this.cluster.voters.length === 1;
    return [nowMs + (isAlone ? least : (least + second) / 2), nowMs + (isAlone ? most : (most + next) / 2)];
  }

  #isRight(peer: PeerView, { stampMs, atMs }: Stamped): void {
    if (this.#wrongMostMs > RIGHT_MS || this.#time.ratePerThousand > HELD_PER_THOUSAND) return;
    const wrongMs = stampMs - atMs;
    this.compare(
      Math.abs(wrongMs) <= RIGHT_MS + UNDER_WAY_MS,
      () =>
        `${peer.id} stamps an entry of term ${peer.raft?.term} by ${Math.round(wrongMs)} ms off, and all clocks are right`,
    );
  }

  #lookAtClocks(atMs: number): void {
    for (const [place, nowMs] of this.#time.offsMs().entries()) {
      const off = (this.#offs[place] ??= { nowMs, leastMs: nowMs, mostMs: nowMs, changedAtMs: 0 });
      if (off.nowMs !== nowMs) {
        Object.assign(off, { nowMs, changedAtMs: atMs });
        off.leastMs = Math.min(off.leastMs, nowMs);
        off.mostMs = Math.max(off.mostMs, nowMs);
      } else if (off.leastMs !== off.mostMs && atMs - off.changedAtMs > CLOCK_HEARD_MS) {
        off.leastMs = nowMs;
        off.mostMs = nowMs;
      }
      this.#wrongMostMs = Math.max(this.#wrongMostMs, Math.abs(nowMs));
    }
  }
}

/** The stamp of the newest batch among what a log has got, and where that is. */
function newestStamp(
  { log }: PeerView,
  { cutFrom, newLast }: LogChange,
): { readonly index: LogIndex; readonly stamp: NonNullable<ReturnType<typeof lastStamp>> } | undefined {
  for (let index = newLast; index >= cutFrom; index -= 1) {
    const entry = log.entryAt(index);
    const stamp = entry === undefined ? undefined : lastStamp([entry]);
    if (stamp !== undefined) return { index, stamp };
  }
  return undefined;
}
