/**
 * What an operator asks of a leader, and what became of it: a change of who belongs to the cluster, and a transfer of leadership.
 * One of each is under way at a time.
 *
 *     change     asked ─▶ appended ─▶ applied: done
 *                  │         └──────▶ leadership lost: unknown
 *                  └────────────────▶ refused
 *     transfer   asked ─▶ begun ─▶ another leads: done
 *                  │        └────▶ given up by the core: refused, timeout
 *                  └─────────────▶ refused
 */
import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { ConfigurationChange } from '../raft/configuration.ts';
import type { Raft } from '../raft/raft.ts';
import type { MembershipRefusal, MembershipResult, TransferOutcome } from './types.ts';

/** Called exactly once. */
export type ChangeDone = (result: MembershipResult) => void;

/** Called exactly once. */
export type TransferDone = (outcome: TransferOutcome) => void;

/** Most who wait for the end of a transfer. Beyond, who has waited longest is told that there was none in time. */
export const TRANSFERS_MAX = 64;

/** See the head of this file. */
export class OperatorWishes {
  readonly #raft: Raft;
  #change: { readonly index: LogIndex; readonly term: Term; readonly done: ChangeDone } | undefined;
  /** `dones`: everyone who asked since it began, also for other targets; at most `TRANSFERS_MAX`. */
  #transfer: { readonly term: Term; readonly dones: TransferDone[] } | undefined;

  constructor(raft: Raft) {
    this.#raft = raft;
  }

  /** True while somebody waits for an outcome. */
  get waiting(): boolean {
    return this.#change !== undefined || this.#transfer !== undefined;
  }

  change(change: ConfigurationChange, done: ChangeDone): void {
    if (this.#change !== undefined) {
      this.refuse('change-pending', done);
      return;
    }
    const result = this.#raft.changeConfiguration(change);
    if (result.accepted) this.#change = { index: result.index, term: result.term, done };
    else this.refuse(result.reason, done);
  }

  /** Tells why nothing was begun. */
  refuse(reason: MembershipRefusal, done: ChangeDone): void {
    done({ type: 'refused', reason, leader: this.#raft.leader });
  }

  transfer(to: PeerId | 'best', done: TransferDone): void {
    const { leader } = this.#raft;
    const result = this.#raft.transferLeadership(to);
    if (!result.started) {
      done({ type: 'refused', reason: result.reason, leader });
      return;
    }
    // Who asked before is told what became of it when this one ends, unless that is over already.
    const dones = this.#transfer?.dones ?? [];
    if (dones.length >= TRANSFERS_MAX) dones.shift()?.({ type: 'refused', reason: 'timeout', leader });
    dones.push(done);
    this.#transfer = { term: this.#raft.term, dones };
  }

  /** The entry at `index` was applied. */
  applied(index: LogIndex, term: Term): void {
    const change = this.#change;
    if (change === undefined || index < change.index) return;
    this.#change = undefined;
    assert(index === change.index, 'entries are applied without gaps');
    if (term === change.term) change.done({ type: 'done', index });
    else this.refuse('not-leader', change.done);
  }

  /** Something may have happened to a transfer: called at every tick. */
  tick(): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    const { role, leader, term } = this.#raft;
    if (role === 'leader' && term === transfer.term) {
      if (this.#raft.status().transferTo === undefined) this.#ended({ type: 'refused', reason: 'timeout', leader });
      return;
    }
    if (leader === undefined) return;
    this.#ended(role === 'leader' ? { type: 'refused', reason: 'timeout', leader } : { type: 'done', leader });
  }

  /** Leadership is gone, or the peer stops: nothing is known of a change under way. A transfer may just have come to its end. */
  abandon(stops: boolean): void {
    const change = this.#change;
    this.#change = undefined;
    change?.done({ type: 'unknown' });
    if (stops) this.#ended({ type: 'refused', reason: 'timeout', leader: this.#raft.leader });
  }

  #ended(outcome: TransferOutcome): void {
    const dones = this.#transfer?.dones ?? [];
    this.#transfer = undefined;
    for (const done of dones) done(outcome);
  }
}
