import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/ids.ts';
import type { RaftLog } from './log.ts';
import type { Message } from './message.ts';
import type { PersistAck, PersistBatch } from './ready.ts';
import type { HardState } from './types.ts';

/**
 * Most data bytes of one batch; a single entry may be larger. A follower that is brought up to date gets more than a disk takes in
 * one piece: the host would be held for as long as all of it is put together.
 */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** The batch that the host is writing. */
interface InFlight {
  readonly ack: PersistAck;
  /** What leaves once it is durable; the array that the host holds. */
  readonly messages: Message[];
  readonly hardState: HardState;
  /** The log agrees with the batch up to here; a truncation meanwhile lowers it. */
  validTo: LogIndex;
}

/**
 * What of this peer would survive a crash now, what the host is writing, and the promises that wait for it.
 *
 * Invariants: durableIndex <= handedIndex <= last index of the log; what `durableIndex` covers is on disk as it is in the
 * log; a promise is released only after everything that was unsaved when it was made is durable.
 */
export class Persistence {
  /** The hard state on disk. */
  #durable: HardState;
  /** Entries in one batch at most. */
  readonly #maxEntries: number;
  /** The hard state on disk once the batch in flight is. */
  #handed: HardState;
  #durableIndex: LogIndex;
  /** The last entry that the host was given to write. */
  #handedIndex: LogIndex;
  /** The host holds entries from here on that the log no longer has. */
  #truncateFrom: LogIndex | undefined;
  #inFlight: InFlight | undefined;
  #ticksInFlight = 0;
  #sequence = 0;
  #promises: Message[] = [];

  constructor(hardState: HardState, lastIndex: LogIndex, maxEntries: number) {
    this.#maxEntries = maxEntries;
    this.#durable = hardState;
    this.#handed = hardState;
    this.#durableIndex = lastIndex;
    this.#handedIndex = lastIndex;
  }

  get durable(): HardState {
    return this.#durable;
  }

  /** Every entry up to here is on disk. Falls with a truncation. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** How long the host has been writing the batch in flight; 0 without one. */
  get ticksInFlight(): number {
    return this.#ticksInFlight;
  }

  get batchInFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Promises not yet given to the host; at most one of each type to each peer. */
  get promisesWaiting(): number {
    return this.#promises.length;
  }

  tick(): void {
    if (this.#inFlight !== undefined) this.#ticksInFlight += 1;
  }

  /**
   * Keeps `message` back until everything unsaved now is durable. One of a type to each peer is enough: of acknowledgements
   * the highest speaks for all, and of anything else the latest. So what waits is bounded however long the disk takes.
   */
  promise(message: Message): void {
    const at = this.#promises.findIndex((other) => other.type === message.type && other.to === message.to);
    const other = this.#promises[at];
    if (other === undefined) {
      this.#promises.push(message);
      return;
    }
    if (other.type === 'append-accepted' && message.type === 'append-accepted') {
      assert(other.term === message.term, 'promises of an older term are gone');
      if (message.matchIndex <= other.matchIndex) return;
    }
    this.#promises[at] = message;
  }

  /**
   * The term changed: what was promised before is void, in the batch in flight too. An acknowledgement must not ride on a later
   * batch, which may have overwritten the entries that it vouches for; nor should it leave late, when the log holds others in
   * their place. Nobody misses it: whoever it is for has moved on, or will hear of the new term.
   */
  voidPromises(): void {
    this.#promises = [];
    this.#inFlight?.messages.splice(0);
  }

  /** The log lost its entries from `index` on: they count as neither durable nor handed over. */
  truncated(index: LogIndex): void {
    if (index <= this.#handedIndex) {
      this.#truncateFrom = Math.min(this.#truncateFrom ?? index, index);
      this.#handedIndex = index - 1;
    }
    this.#durableIndex = Math.min(this.#durableIndex, index - 1);
    if (this.#inFlight !== undefined) this.#inFlight.validTo = Math.min(this.#inFlight.validTo, index - 1);
  }

  /** True when `takeBatch` or `takePromises` would give something. */
  ready(hardState: HardState, lastIndex: LogIndex): boolean {
    return this.#inFlight === undefined && (this.#promises.length > 0 || this.#unsaved(hardState, lastIndex));
  }

  /** The next batch, of all that is unsaved or of its beginning; `undefined` while one is in flight or when nothing is unsaved. */
  takeBatch(hardState: HardState, log: RaftLog): PersistBatch | undefined {
    if (this.#inFlight !== undefined || !this.#unsaved(hardState, log.lastIndex)) return undefined;
    const changed = !sameHardState(hardState, this.#handed);
    const from = this.#handedIndex + 1;
    const to = Math.min(log.lastIndex, this.#handedIndex + this.#maxEntries);
    const entries = from <= to ? log.slice(from, to, BATCH_BYTES_MAX) : [];
    const lastIndex = this.#handedIndex + entries.length;
    const whole = lastIndex === log.lastIndex;
    this.#sequence += 1;
    const ack = { sequence: this.#sequence, term: hardState.term, lastIndex, lastTerm: log.term(lastIndex) };
    const messages = whole ? this.#promises : keptBy(this.#promises, lastIndex);
    const batch: PersistBatch = {
      hardState: changed ? hardState : undefined,
      truncateFrom: this.#truncateFrom,
      entries,
      messages,
      ack,
    };
    this.#inFlight = { ack, hardState, messages, validTo: lastIndex };
    this.#ticksInFlight = 0;
    this.#handed = hardState;
    this.#handedIndex = lastIndex;
    this.#truncateFrom = undefined;
    if (whole) this.#promises = [];
    return batch;
  }

  /** Promises that wait for nothing, as everything is durable already. */
  takePromises(hardState: HardState, lastIndex: LogIndex): readonly Message[] {
    if (this.#promises.length === 0 || this.#inFlight !== undefined || this.#unsaved(hardState, lastIndex)) return [];
    const promises = this.#promises;
    this.#promises = [];
    return promises;
  }

  /** The batch in flight is durable. */
  persisted(ack: PersistAck): void {
    const inFlight = this.#inFlight;
    assert(
      inFlight !== undefined && inFlight.ack.sequence === ack.sequence,
      'the batch in flight is acknowledged, once',
    );
    // Terms of another log at the same index must not pass for ours: what was cut meanwhile is not counted.
    this.#durableIndex = Math.max(this.#durableIndex, inFlight.validTo);
    this.#durable = inFlight.hardState;
    this.#inFlight = undefined;
    this.#ticksInFlight = 0;
    assert(this.#durableIndex <= this.#handedIndex, 'nothing is durable that was not handed over');
  }

  #unsaved(hardState: HardState, lastIndex: LogIndex): boolean {
    return this.#handedIndex < lastIndex || this.#truncateFrom !== undefined || !sameHardState(hardState, this.#handed);
  }
}

/**
 * What may leave after a batch that ends at `lastIndex`, while more of the log waits: acknowledgements, as far as they go. An
 * entry that is held like the leader's has everything before it like the leader's.
 */
function keptBy(promises: readonly Message[], lastIndex: LogIndex): Message[] {
  const kept: Message[] = [];
  for (const message of promises) {
    if (message.type !== 'append-accepted') continue;
    kept.push({ ...message, matchIndex: Math.min(message.matchIndex, lastIndex) });
  }
  return kept;
}

function sameHardState(left: HardState, right: HardState): boolean {
  return left.term === right.term && left.votedFor === right.votedFor;
}
