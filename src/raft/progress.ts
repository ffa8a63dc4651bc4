import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';

/**
 * How a leader sends to one follower.
 *
 * - `probe`: where the logs agree is not known. One append at a time, until it is accepted.
 * - `replicate`: it is known. Appends follow each other without waiting, as far as the window reaches.
 * - `snapshot`: the follower needs entries that were compacted. Heartbeats tell it so, and each of its answers brings an empty
 *   append right before the first entry: by the answer to that it is seen when it has caught up, from whomever.
 *
 * ```
 *            accepted                     next < first index
 *   probe ─────────────▶ replicate   probe ────────────────▶ snapshot
 *     ▲                     │          ▲                        │
 *     └─────────────────────┘          └────────────────────────┘
 *      rejected, unreachable            an answer at or after first index - 1
 * ```
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** Appends with entries that are on the way: a ring in order of their last index. */
export class InflightWindow {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #lastIndex: LogIndex[] = [];
  readonly #bytes: number[] = [];
  #start = 0;
  #count = 0;
  #totalBytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Data bytes on the way; equals the sum of the slots. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** No further message may be sent. The last one may have gone over the bytes. */
  get full(): boolean {
    return this.#count >= this.#maxMessages || this.#totalBytes >= this.#maxBytes;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    assert(!this.full, 'the window has room');
    const at = (this.#start + this.#count) % this.#maxMessages;
    this.#lastIndex[at] = lastIndex;
    this.#bytes[at] = bytes;
    this.#count += 1;
    this.#totalBytes += bytes;
  }

  /** Frees every message that ends at or before `index`. */
  freeTo(index: LogIndex): void {
    while (this.#count > 0 && (this.#lastIndex[this.#start] as LogIndex) <= index) {
      this.#totalBytes -= this.#bytes[this.#start] as number;
      this.#start = (this.#start + 1) % this.#maxMessages;
      this.#count -= 1;
    }
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
    this.#totalBytes = 0;
  }
}

/** What a leader knows of one follower, for one leadership. */
export class Progress {
  readonly peer: PeerId;
  /** False for a learner, which counts for no majority. */
  votes: boolean;
  /** It said that it is not whole, so it cannot lead. */
  damaged = false;
  /** The follower's log agrees with ours up to here, durably. Falls only when the follower says that damage took it. Invariant: match < next. */
  match: LogIndex = 0;
  /** The next entry to send. */
  next: LogIndex;
  state: ProgressState = 'probe';
  /** Nothing is sent until an answer comes: a probe is on the way, or the window is full. */
  paused = false;
  /** An append is due even if it carries no entry, to learn where the follower is. */
  probeDue = false;
  /** Since it was last heard, or since the leader was elected. */
  silentTicks = 0;
  /** Since it acknowledged something new, while it lacks something that appends could bring. */
  stuckTicks = 0;
  /** The highest commit index that an append carried. */
  sentCommit: LogIndex = 0;
  /** The newest read round that it answered. */
  readRound = 0;
  /** Its next entries are not in memory and must be read from storage. */
  fetchDue = false;
  readonly inflight: InflightWindow;

  constructor(peer: PeerId, votes: boolean, next: LogIndex, inflight: InflightWindow) {
    this.peer = peer;
    this.votes = votes;
    this.next = next;
    this.inflight = inflight;
  }

  /** A tick has passed at a leader whose log ends with `lastIndex`. */
  tick(lastIndex: LogIndex): void {
    this.silentTicks += 1;
    // A state comes from wherever it is, and takes its time.
    const owed = this.match < lastIndex && this.state !== 'snapshot';
    this.stuckTicks = owed ? this.stuckTicks + 1 : 0;
  }

  /** Takes an acknowledgement. False when it says nothing new. */
  accepted(index: LogIndex): boolean {
    const news = index > this.match;
    if (news) {
      this.match = index;
      this.next = Math.max(this.next, index + 1);
      this.stuckTicks = 0;
    }
    this.inflight.freeTo(index);
    // An old acknowledgement tells nothing about a window that filled up later.
    if (news || this.state === 'probe') this.paused = this.state === 'replicate' && this.inflight.full;
    return news;
  }

  /**
   * Takes a rejection of `rejected`, which the follower's log allows up to `hint`. False when there is nothing to send for it: it is an
   * old one, as a genuine rejection answers the probe on the way, or denies something after what was acknowledged; or it denies what was
   * acknowledged, and to ask the same again can wait for a heartbeat, by which a follower learns of its loss.
   */
  rejected(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (rejected !== this.next - 1 || rejected <= this.match) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.paused = false;
    return true;
  }

  /** The follower lost what it held behind `last`, though it had acknowledged it. False when that is known. */
  lost(last: LogIndex): boolean {
    if (last >= this.match) return false;
    this.match = last;
    this.becomeProbe();
    return true;
  }

  /** Goes on from `next`, or from what was acknowledged. */
  becomeProbe(next: LogIndex = 0): void {
    this.state = 'probe';
    this.next = Math.max(next, this.match + 1);
    this.#restart();
  }

  becomeReplicate(): void {
    this.state = 'replicate';
    this.next = this.match + 1;
    this.#restart();
  }

  /** `firstIndex` is that of the leader's log. */
  becomeSnapshot(firstIndex: LogIndex): void {
    assert(this.next < firstIndex, 'a snapshot is needed when the next entry was compacted');
    this.state = 'snapshot';
    this.next = firstIndex;
    this.#restart();
    this.paused = true;
  }

  /** Entries up to `lastIndex` with `bytes` of data, perhaps none, have been sent. */
  sent(lastIndex: LogIndex, count: number, bytes: number): void {
    assert(!this.paused, 'nothing is sent to a follower that is paused');
    if (this.state !== 'replicate') {
      this.paused = true;
      return;
    }
    if (count > 0) {
      this.next = lastIndex + 1;
      this.inflight.add(lastIndex, bytes);
    }
    this.paused = this.inflight.full;
  }

  #restart(): void {
    this.paused = false;
    this.probeDue = false;
    this.fetchDue = false;
    this.inflight.clear();
  }
}
