/**
 * Ready tasks, in groups of those that the same workers can run: equal namespace, queue, type and required labels, suspects of
 * being poison apart. A group has a first-in-first-out list for each priority, linked through the rows.
 *
 * Groups hold nothing of their own: they are rebuilt from the rows when a state is loaded, and no outcome depends on their ids
 * or on the order in which they were made.
 */
import { assert } from '../base/assert.ts';
import type { Labels } from './command.ts';
import { PRIORITY_MAX } from './limits.ts';
import { NO_ROW, ROW_BITS, ROW_MASK, type Rows, type RowSegment } from './rows.ts';
import type { GroupLink } from './worker-classes.ts';

/** The key of an empty group: after every other. */
export const NO_KEY: number = Number.POSITIVE_INFINITY;

/** Ready sequences begin here and go up; those that go before everybody else go down from here. */
export const SEQUENCE_START: number = 2 ** 48;

/** A priority weighs more than any sequence; with `PRIORITY_MAX` at 10 the key stays a safe integer. */
const PRIORITY_WEIGHT = 2 ** 49;

/** What the tasks of a group have in common. */
export interface GroupTraits {
  readonly namespace: number;
  readonly queue: number;
  readonly type: number;
  readonly requires: Labels;
  readonly suspect: boolean;
}

/** The place in the order of a task with `priority` and `sequence`: the smallest goes first. */
export function orderKey(priority: number, sequence: number): number {
  return priority * PRIORITY_WEIGHT + sequence;
}

/** One group. */
export class Group implements GroupTraits {
  readonly namespace: number;
  readonly queue: number;
  readonly type: number;
  readonly requires: Labels;
  readonly suspect: boolean;
  readonly #rows: Rows;
  /** First and last row by priority; element 0 is not used. */
  readonly #heads: Int32Array = new Int32Array(PRIORITY_MAX + 1).fill(NO_ROW);
  readonly #tails: Int32Array = new Int32Array(PRIORITY_MAX + 1).fill(NO_ROW);
  /** Invariant: bit p is set exactly when the list of priority p has a row. */
  #mask = 0;
  /** Rows in all lists. */
  size = 0;
  /** Templates that point here. The group goes when none does. */
  references = 0;
  /** Invariant: `orderKey` of the row that `head` returns; `NO_KEY` when there is none. */
  headKey: number = NO_KEY;
  /** One for each class of workers that can run these tasks. */
  readonly links: GroupLink[] = [];

  constructor(rows: Rows, traits: GroupTraits) {
    this.#rows = rows;
    this.namespace = traits.namespace;
    this.queue = traits.queue;
    this.type = traits.type;
    this.requires = traits.requires;
    this.suspect = traits.suspect;
  }

  /** The row that goes first: the best priority, then the longest in line. `NO_ROW` when the group is empty. */
  get head(): number {
    return this.#mask === 0 ? NO_ROW : (this.#heads[lowestBit(this.#mask)] as number);
  }

  /** The first row of one priority. */
  headOf(priority: number): number {
    return this.#heads[priority] as number;
  }

  /** Adds a row behind those of its priority. True when it became the head: someone may be waiting for it. */
  append(row: number, priority: number): boolean {
    const tail = this.#tails[priority] as number;
    const segment = this.#rows.segments[row >>> ROW_BITS] as RowSegment;
    const at = row & ROW_MASK;
    segment.previous[at] = tail;
    segment.next[at] = NO_ROW;
    if (tail === NO_ROW) {
      this.#heads[priority] = row;
    } else {
      this.#rows.segmentOf(tail).next[tail & ROW_MASK] = row;
    }
    this.#tails[priority] = row;
    return this.#added(row, priority);
  }

  /** Adds a row before all of its priority. True when it became the head. */
  prepend(row: number, priority: number): boolean {
    const head = this.#heads[priority] as number;
    const segment = this.#rows.segments[row >>> ROW_BITS] as RowSegment;
    const at = row & ROW_MASK;
    segment.previous[at] = NO_ROW;
    segment.next[at] = head;
    if (head === NO_ROW) {
      this.#tails[priority] = row;
    } else {
      this.#rows.segmentOf(head).previous[head & ROW_MASK] = row;
    }
    this.#heads[priority] = row;
    return this.#added(row, priority);
  }

  /** Takes a row out, wherever it stands. */
  remove(row: number, priority: number): void {
    assert(this.size > 0 && (this.#mask & (1 << priority)) !== 0, 'a row leaves a list that is not empty');
    const segment = this.#rows.segmentOf(row);
    const at = row & ROW_MASK;
    const previous = segment.previous[at] as number;
    const next = segment.next[at] as number;
    if (previous === NO_ROW) {
      assert(this.#heads[priority] === row, 'a row without another before it is the first');
      this.#heads[priority] = next;
    } else {
      this.#rows.segmentOf(previous).next[previous & ROW_MASK] = next;
    }
    if (next === NO_ROW) {
      this.#tails[priority] = previous;
    } else {
      this.#rows.segmentOf(next).previous[next & ROW_MASK] = previous;
    }
    segment.previous[at] = NO_ROW;
    segment.next[at] = NO_ROW;
    this.size -= 1;
    if (this.#heads[priority] === NO_ROW) this.#mask &= ~(1 << priority);
    if (previous === NO_ROW) this.#refreshKey();
  }

  #added(row: number, priority: number): boolean {
    this.size += 1;
    this.#mask |= 1 << priority;
    if (this.head !== row) return false;
    this.#refreshKey();
    return true;
  }

  #refreshKey(): void {
    const head = this.head;
    if (head === NO_ROW) {
      this.headKey = NO_KEY;
      return;
    }
    const sequence = this.#rows.segmentOf(head).readySequence[head & ROW_MASK] as number;
    this.headKey = orderKey(lowestBit(this.#mask), sequence);
  }
}

/** The text by which equal traits find the same group; only made when a template is new. */
export function groupName(traits: GroupTraits): string {
  const labels = traits.requires.map(([name, value]) => `${name}=${value}`).join(',');
  return `${traits.namespace} ${traits.queue} ${traits.type} ${traits.suspect ? 's' : 'n'} ${labels}`;
}

function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
