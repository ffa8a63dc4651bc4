/**
 * Proposals on their way into the log, and those who wait for their outcome.
 *
 * Commands that arrive while the previous entry is being written go into the next one together; nothing waits for a timer.
 *
 *     propose ──▶ lane ──▶ batch ──▶ appended ──▶ applied
 *                  │                    └───────▶ unknown   leadership was lost
 *                  └───────────────────────────▶ dropped   leadership was lost, or another entry took its place
 *
 * A batch closes at a bound of bytes and one of task moves; a command that is larger than either goes alone. Completions go in
 * first, then dispatch, then submissions. Within a lane the order is that of arrival.
 *
 * Each lane is refused at a bound of its own on the bytes that wait in all of them, the lowest for submissions, so that what
 * frees slots and memory is still taken when what fills them is not.
 */
import { assert } from '../base/assert.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import { BATCH_HEADER_BYTES, BatchWriter, COMMAND_HEADER_BYTES } from '../scheduler/batch.ts';
import type { Reply } from '../scheduler/outcome.ts';
import type { ProposalDone, ProposalLane, ProposalResult } from './types.ts';

/** One command that waits. */
interface Proposal {
  readonly command: Uint8Array;
  readonly moves: number;
  readonly done: ProposalDone;
}

/** The callbacks of one entry, in the order of its commands. */
interface Appended {
  readonly index: LogIndex;
  readonly term: Term;
  readonly dones: readonly ProposalDone[];
}

/** How `close` hands a finished batch to consensus: the place that it got, or undefined when it was not taken. */
export type Append = (batch: Uint8Array) => { readonly index: LogIndex; readonly term: Term } | undefined;

const DROPPED: ProposalResult = { type: 'dropped' };
const UNKNOWN: ProposalResult = { type: 'unknown' };
const NO_SPACE: ProposalResult = { type: 'no-space' };

/** A queue that is taken from at its head without moving the rest. */
class Lane {
  #proposals: Proposal[] = [];
  #head = 0;

  get count(): number {
    return this.#proposals.length - this.#head;
  }

  push(proposal: Proposal): void {
    this.#proposals.push(proposal);
  }

  /** The proposal `at` places behind the head. */
  peek(at: number): Proposal | undefined {
    return this.#proposals[this.#head + at];
  }

  /** Takes `count` from the head. */
  drop(count: number): void {
    assert(count <= this.count, 'no more is taken than waits');
    this.#head += count;
    if (this.#head === this.#proposals.length) this.#proposals = [];
    else if (this.#head >= 1_024) this.#proposals.splice(0, this.#head);
    else return;
    this.#head = 0;
  }
}

/** See the head of this file. */
export class Batcher {
  readonly #limits: PeerLimits;
  readonly #writer = new BatchWriter();
  /** In the order in which they enter a batch. */
  readonly #lanes = { completion: new Lane(), dispatch: new Lane(), submission: new Lane() };
  /** Bytes and task moves of all commands in the lanes. */
  #queuedBytes = 0;
  #queuedMoves = 0;
  /** Ascending by index. */
  #appended: Appended[] = [];
  /** Refused without a place in a lane; answered at the next `settle`. */
  #refused: ProposalDone[] = [];
  /** The same for those for which a disk has no room. */
  #withoutSpace: ProposalDone[] = [];

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Commands that wait for a batch. */
  get queuedCount(): number {
    const { completion, dispatch, submission } = this.#lanes;
    return completion.count + dispatch.count + submission.count;
  }

  /** True when what waits fills a batch, so that nothing is won by waiting for more. */
  get full(): boolean {
    return this.#queuedMoves >= this.#limits.batchMovesMax || this.#queuedBytes >= this.#limits.batchBytesMax;
  }

  /** Entries whose outcome is awaited. */
  get appendedCount(): number {
    return this.#appended.length;
  }

  /** Takes a command, unless its lane is full. */
  add(lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone): boolean {
    assert(command.length > 0 && command.length <= this.#limits.commandBytesMax, 'a command has a bound');
    if (this.#queuedBytes + command.length > this.#boundOf(lane)) return false;
    this.#lanes[lane].push({ command, moves, done });
    this.#queuedBytes += command.length;
    this.#queuedMoves += moves;
    return true;
  }

  /** Has `done` told at the next `settle` that its command was dropped. */
  refuse(done: ProposalDone): void {
    this.#refused.push(done);
  }

  /** Has `done` told at the next `settle` that there is no space for its command. */
  refuseForSpace(done: ProposalDone): void {
    this.#withoutSpace.push(done);
  }

  /** True when `settle` has someone to tell. */
  get unsettled(): boolean {
    return this.#refused.length + this.#withoutSpace.length > 0;
  }

  /** Tells those who were refused. */
  settle(): void {
    const refused = this.#refused;
    if (refused.length > 0) this.#refused = [];
    for (const done of refused) done(DROPPED);
    const withoutSpace = this.#withoutSpace;
    if (withoutSpace.length > 0) this.#withoutSpace = [];
    for (const done of withoutSpace) done(NO_SPACE);
  }

  /**
   * Makes one batch of what waits, perhaps an empty one, and hands it to `append`. What is not taken stays where it was.
   * Returns whether it was taken.
   */
  close(logTimeMs: number, append: Append): boolean {
    const dones: ProposalDone[] = [];
    this.#writer.begin();
    const { completion, dispatch, submission } = this.#lanes;
    const completions = this.#fill(completion, dones);
    const dispatches = this.#fill(dispatch, dones);
    const submissions = this.#fill(submission, dones);
    const place = append(this.#writer.finish(logTimeMs));
    if (place === undefined) return false;
    this.#take(completion, completions);
    this.#take(dispatch, dispatches);
    this.#take(submission, submissions);
    if (dones.length > 0) this.#appended.push({ index: place.index, term: place.term, dones });
    return true;
  }

  /** The entry at `index` was applied with these replies. Those who proposed another entry for that place are told so. */
  applied(index: LogIndex, term: Term, logTimeMs: number, replies: readonly Reply[]): void {
    const appended = this.#appended[0];
    if (appended === undefined || appended.index > index) return;
    assert(appended.index === index, 'entries are applied without gaps');
    this.#appended.shift();
    if (appended.term !== term) {
      for (const done of appended.dones) done(DROPPED);
      return;
    }
    assert(replies.length === appended.dones.length, 'each command of an entry has a reply');
    for (let at = 0; at < replies.length; at += 1) {
      const done = appended.dones[at] as ProposalDone;
      done({ type: 'applied', index, logTimeMs, reply: replies[at] as Reply });
    }
  }

  /** Leadership is gone, or the peer stops: what waits was never in the log, and of what was appended nothing is known. */
  abandon(): void {
    const appended = this.#appended;
    this.#appended = [];
    const waiting: ProposalDone[] = [];
    for (const lane of [this.#lanes.completion, this.#lanes.dispatch, this.#lanes.submission]) {
      for (let at = 0; at < lane.count; at += 1) waiting.push((lane.peek(at) as Proposal).done);
      lane.drop(lane.count);
    }
    this.#queuedBytes = 0;
    this.#queuedMoves = 0;
    for (const { dones } of appended) for (const done of dones) done(UNKNOWN);
    for (const done of waiting) done(DROPPED);
    this.settle();
  }

  #boundOf(lane: ProposalLane): number {
    if (lane === 'submission') return this.#limits.queueSubmissionBytesMax;
    return lane === 'dispatch' ? this.#limits.queueDispatchBytesMax : this.#limits.queueBytesMax;
  }

  /** Adds what fits from the head of `lane`; returns how many. */
  #fill(lane: Lane, dones: ProposalDone[]): number {
    const { batchBytesMax, batchMovesMax } = this.#limits;
    let count = 0;
    for (;;) {
      const proposal = lane.peek(count);
      if (proposal === undefined) return count;
      const sizeBytes = this.#writer.sizeBytes + COMMAND_HEADER_BYTES + proposal.command.length;
      const over =
        sizeBytes > batchBytesMax + BATCH_HEADER_BYTES || this.#writer.moves + proposal.moves > batchMovesMax;
      if (over && this.#writer.count > 0) return count;
      this.#writer.add(proposal.command, proposal.moves);
      dones.push(proposal.done);
      count += 1;
    }
  }

  #take(lane: Lane, count: number): void {
    for (let at = 0; at < count; at += 1) {
      const { command, moves } = lane.peek(at) as Proposal;
      this.#queuedBytes -= command.length;
      this.#queuedMoves -= moves;
    }
    lane.drop(count);
  }
}
