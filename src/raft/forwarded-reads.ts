import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type { Core } from './core.ts';
import type { ReadIndexResponse } from './message.ts';

/**
 * Reads at a peer that does not lead: it asks the leader at which index they are as fresh as now (thesis §6.4). All reads that wait
 * when a question leaves share it; while one is on the way the next waits. A question is repeated until it is answered, for one
 * election timeout at most, and given up when the leader changes.
 *
 * An answer counts only for the very question under way. Questions are numbered from a random start, since a peer that starts
 * anew must not take the answer to a question of its former life for one to its own.
 */
export class ForwardedReads {
  readonly #maxPending: number;
  #waiting: number[] = [];
  #asked: number[] = [];
  /** Of the question under way or of the last one; 0 before the first. */
  #round = 0;
  #ticks = 0;

  constructor(maxPending: number) {
    this.#maxPending = maxPending;
  }

  /** Reads that wait or are asked. */
  get pending(): number {
    return this.#waiting.length + this.#asked.length;
  }

  /** True when a question can leave. */
  get due(): boolean {
    return this.#waiting.length > 0 && this.#asked.length === 0;
  }

  /** The number of the question under way; `undefined` without one. */
  get asked(): number | undefined {
    return this.#asked.length > 0 ? this.#round : undefined;
  }

  /** False when too many wait. */
  request(id: number): boolean {
    if (this.pending >= this.#maxPending) return false;
    this.#waiting.push(id);
    return true;
  }

  /** Makes one question of all reads that wait. Returns its number. */
  begin(random: Random): number {
    assert(this.due, 'a question is for somebody, and one at a time');
    this.#round = this.#round === 0 ? firstRound(random) : this.#round + 1;
    this.#asked = this.#waiting;
    this.#waiting = [];
    this.#ticks = 0;
    return this.#round;
  }

  /** Ticks that the question under way has waited, this one included. */
  tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  /** The reads that an answer to `round` releases. */
  answered(round: number): readonly number[] {
    return round === this.asked ? this.giveUp() : [];
  }

  /** Forgets the question under way and returns its reads. */
  giveUp(): readonly number[] {
    const ids = this.#asked;
    this.#asked = [];
    return ids;
  }

  /** Gives up every read and returns their ids. */
  abandon(): readonly number[] {
    if (this.pending === 0) return [];
    const ids = [...this.#asked, ...this.#waiting];
    this.#asked = [];
    this.#waiting = [];
    return ids;
  }
}

/** Asks the leader for the reads that wait. */
export function askLeader(core: Core): void {
  if (!core.forwarded.due || core.leader === undefined) return;
  core.forwarded.begin(core.options.random);
  sendQuestion(core);
}

/** One tick of a follower: a question that was lost is put again, and one that stays without an answer is given up. */
export function tickForwardedReads(core: Core): void {
  const { forwarded, options } = core;
  if (forwarded.asked === undefined) return;
  const ticks = forwarded.tick();
  if (ticks >= options.electionTimeoutTicks) core.readsLost.push(...forwarded.giveUp());
  else if (ticks % options.heartbeatIntervalTicks === 0) sendQuestion(core);
}

/** The leader answered. */
export function readIndexAnswered(core: Core, message: ReadIndexResponse): void {
  if (message.from !== core.leader) return;
  for (const id of core.forwarded.answered(message.round)) core.reads.push({ id, index: message.index });
}

function sendQuestion(core: Core): void {
  const { leader, forwarded } = core;
  assert(leader !== undefined && forwarded.asked !== undefined, 'somebody is asked something');
  core.messages.push({
    type: 'read-index-request',
    from: core.self,
    to: leader,
    term: core.term,
    round: forwarded.asked,
  });
}

/** Any of 2^52 numbers, over 0. */
function firstRound(random: Random): number {
  return random.uint32() * 0x10_0000 + (random.uint32() >>> 12) + 1;
}
