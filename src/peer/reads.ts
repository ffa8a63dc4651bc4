/**
 * Linearizable reads on the leader (ReadIndex, Raft thesis §6.4).
 *
 *     add ──▶ waiting ──▶ asked ──────────▶ confirmed ──▶ ok
 *                │   next turn  quorum round      applied up to the round's index
 *                └──────────────┴──────────▶ not-leader
 *
 * All reads that wait when the crank turns share one question to the core, so a thousand of them cost one round.
 */
import type { LogIndex } from '../base/ids.ts';
import type { ReadState } from '../raft/ready.ts';
import type { ReadDone } from './types.ts';

/** Asks the core to confirm leadership for the read `id`; false when it cannot. */
export type RequestRead = (id: number) => boolean;

interface Confirmed {
  readonly index: LogIndex;
  readonly dones: readonly ReadDone[];
}

/** See the head of this file. */
export class ReadQueue {
  readonly #readsMax: number;
  #nextId = 1;
  #waiting: ReadDone[] = [];
  /** By the id of the question, ascending in order of insertion. */
  readonly #asked = new Map<number, readonly ReadDone[]>();
  #confirmed: Confirmed[] = [];
  #refused: ReadDone[] = [];
  #count = 0;

  /** At most `readsMax` reads are open at a time; more are told `not-leader`, which makes their clients come again. */
  constructor(readsMax: number) {
    this.#readsMax = readsMax;
  }

  /** True when `ask` has something to do. */
  get waiting(): boolean {
    return this.#waiting.length > 0 || this.#refused.length > 0;
  }

  add(done: ReadDone): void {
    if (this.#count >= this.#readsMax) {
      this.refuse(done);
      return;
    }
    this.#count += 1;
    this.#waiting.push(done);
  }

  /** Has `done` told at the next `ask` that this peer does not lead. */
  refuse(done: ReadDone): void {
    this.#refused.push(done);
  }

  /** Puts one question for all reads that wait, and tells those that were refused. */
  ask(request: RequestRead, appliedIndex: LogIndex): void {
    const refused = this.#refused;
    this.#refused = [];
    for (const done of refused) done('not-leader', appliedIndex);
    if (this.#waiting.length === 0) return;
    const dones = this.#waiting;
    this.#waiting = [];
    const id = this.#nextId;
    this.#nextId += 1;
    if (request(id)) this.#asked.set(id, dones);
    else this.#lose(dones, appliedIndex);
  }

  /** The core confirmed these. */
  confirmed(states: readonly ReadState[]): void {
    for (const { id, index } of states) {
      const dones = this.#asked.get(id);
      if (dones === undefined) continue;
      this.#asked.delete(id);
      this.#confirmed.push({ index, dones });
    }
  }

  /** The core gave these up. */
  lost(ids: readonly number[], appliedIndex: LogIndex): void {
    for (const id of ids) {
      const dones = this.#asked.get(id);
      this.#asked.delete(id);
      if (dones !== undefined) this.#lose(dones, appliedIndex);
    }
  }

  /** Releases what the state at `appliedIndex` can answer. */
  release(appliedIndex: LogIndex): void {
    if (this.#confirmed.length === 0) return;
    const ready = this.#confirmed.filter((confirmed) => confirmed.index <= appliedIndex);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter((confirmed) => confirmed.index > appliedIndex);
    for (const { dones } of ready) {
      this.#count -= dones.length;
      for (const done of dones) done('ok', appliedIndex);
    }
  }

  /** Leadership is gone, or the peer stops. Reads confirmed before are given up too: their state may lie in the future. */
  abandon(appliedIndex: LogIndex): void {
    const groups = [...this.#asked.values(), ...this.#confirmed.map((confirmed) => confirmed.dones), this.#waiting];
    this.#asked.clear();
    this.#confirmed = [];
    this.#waiting = [];
    for (const dones of groups) this.#lose(dones, appliedIndex);
    const refused = this.#refused;
    this.#refused = [];
    for (const done of refused) done('not-leader', appliedIndex);
  }

  #lose(dones: readonly ReadDone[], appliedIndex: LogIndex): void {
    this.#count -= dones.length;
    for (const done of dones) done('not-leader', appliedIndex);
  }
}
