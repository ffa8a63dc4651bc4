import { assert } from '../../base/assert.ts';
import { DueHeap } from './due-heap.ts';

/** Rows due within one span stand in one list until log time comes near. */
const SPAN_MS = 1_000;
/** Rows of one list; further ones of its second go into the heap at once, so that no second costs much when it comes. */
const LIST_ROWS_MAX = 8_192;
/** Maps stay small: growing a large one holds the event loop. */
const SHARDS = 256;
const SEGMENT_BITS = 10;
const SEGMENT = 1 << SEGMENT_BITS;
const MASK = SEGMENT - 1;
const NONE = -1;

/** What a row in a list needs: its instant, its tie-break, its neighbours and its list. */
interface Segment {
  readonly dueMs: Float64Array;
  readonly ties: Float64Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** Slot of the list that the row stands in, `NONE` when it is in none. */
  readonly list: Int32Array;
}

/**
 * Rows by the instant at which they fall due, as in `DueHeap`, for many rows of which few ever fall due: most timers are
 * timeouts of tasks that end long before. Those are set and removed in constant time.
 *
 *     set ──far──▶ list of its second ──its second has come, and no row of the heap is due before──▶ heap ──▶ first
 *       └──near, or the list is full─────────────────────────────────────────────────────────────▶
 *
 * Lists come into the heap one at a time, as rows are taken from it: a leap of time, or a million rows of one instant, costs
 * whoever asks for the first row a list at most. Which rows are where is no state: what is due first never depends on it.
 */
export class DueRows {
  readonly #heap = new DueHeap();
  /** Slots of lists by the begin of their second. */
  readonly #lists = new DueHeap();
  /** A shard is made with its first list. */
  readonly #slotOfSpan: (Map<number, number> | undefined)[] = Array.from({ length: SHARDS });
  readonly #segments: Segment[] = [];
  readonly #heads: number[] = [];
  readonly #counts: number[] = [];
  readonly #spans: number[] = [];
  readonly #idle: number[] = [];
  #listed = 0;
  #nowMs = 0;
  /** What is due before this goes into the heap at once. */
  #heapEndMs = 0;
  readonly #listRowsMax: number;

  constructor(listRowsMax: number = LIST_ROWS_MAX) {
    assert(listRowsMax >= 1, 'a list has room for a row');
    this.#listRowsMax = listRowsMax;
  }

  get length(): number {
    return this.#heap.length + this.#listed;
  }

  /** The row that is due first among those that are due by the last `advance`; -1 when there is none. */
  get first(): number {
    this.#pull();
    return this.#heap.first;
  }

  /**
   * No row is due before this instant, and it is exact when it is not later than the last `advance`; else it may be up to a
   * second early. Undefined when there is no row.
   */
  get firstDueMs(): number | undefined {
    this.#pull();
    const heapMs = this.#heap.firstDueMs;
    const listMs = this.#lists.firstDueMs;
    return heapMs === undefined || (listMs !== undefined && listMs < heapMs) ? listMs : heapMs;
  }

  /** When `row` is due; undefined when it has no timer. */
  dueMsOf(row: number): number | undefined {
    const segment = this.#segments[row >>> SEGMENT_BITS];
    if (segment === undefined || segment.list[row & MASK] === NONE) return this.#heap.dueMsOf(row);
    return segment.dueMs[row & MASK];
  }

  /** Makes `first` and `firstDueMs` exact for everything that is due by `nowMs`. Never called with an earlier time than before. */
  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs >= this.#heapEndMs) this.#heapEndMs = (Math.floor(nowMs / SPAN_MS) + 1) * SPAN_MS;
  }

  /** Gives `row` a timer, or another one. `tie` is unique among rows. */
  set(row: number, dueMs: number, tie: number): void {
    this.#unlist(row);
    const slot = dueMs < this.#heapEndMs ? NONE : this.#slotFor(Math.floor(dueMs / SPAN_MS));
    if (slot === NONE || (this.#counts[slot] as number) >= this.#listRowsMax) {
      this.#heap.set(row, dueMs, tie);
      return;
    }
    this.#heap.remove(row);
    this.#list(row, dueMs, tie, slot);
  }

  /** Takes the timer of `row` away; nothing happens when it has none. */
  remove(row: number): void {
    if (!this.#unlist(row)) this.#heap.remove(row);
  }

  /** Brings the list of the earliest second in, while it has come and may hold the first row. */
  #pull(): void {
    for (;;) {
      const beginMs = this.#lists.firstDueMs;
      if (beginMs === undefined || beginMs > this.#nowMs) return;
      const heapMs = this.#heap.firstDueMs;
      if (heapMs !== undefined && heapMs < beginMs) return;
      this.#intoHeap(this.#lists.first);
    }
  }

  #list(row: number, dueMs: number, tie: number, slot: number): void {
    while (row >>> SEGMENT_BITS >= this.#segments.length) this.#segments.push(newSegment());
    const segment = this.#segments[row >>> SEGMENT_BITS] as Segment;
    const at = row & MASK;
    const head = this.#heads[slot] as number;
    segment.dueMs[at] = dueMs;
    segment.ties[at] = tie;
    segment.next[at] = head;
    segment.previous[at] = NONE;
    segment.list[at] = slot;
    if (head !== NONE) (this.#segments[head >>> SEGMENT_BITS] as Segment).previous[head & MASK] = row;
    this.#heads[slot] = row;
    this.#counts[slot] = (this.#counts[slot] as number) + 1;
    this.#listed += 1;
  }

  /** Takes `row` out of its list. @returns whether it was in one */
  #unlist(row: number): boolean {
    const segment = this.#segments[row >>> SEGMENT_BITS];
    if (segment === undefined) return false;
    const at = row & MASK;
    const slot = segment.list[at] as number;
    if (slot === NONE) return false;
    const next = segment.next[at] as number;
    const previous = segment.previous[at] as number;
    if (next !== NONE) (this.#segments[next >>> SEGMENT_BITS] as Segment).previous[next & MASK] = previous;
    if (previous !== NONE) (this.#segments[previous >>> SEGMENT_BITS] as Segment).next[previous & MASK] = next;
    else {
      this.#heads[slot] = next;
      if (next === NONE) this.#close(slot);
    }
    segment.list[at] = NONE;
    this.#counts[slot] = (this.#counts[slot] as number) - 1;
    this.#listed -= 1;
    return true;
  }

  #intoHeap(slot: number): void {
    let row = this.#heads[slot] as number;
    assert(row !== NONE, 'a list that is kept has a row');
    while (row !== NONE) {
      const segment = this.#segments[row >>> SEGMENT_BITS] as Segment;
      const at = row & MASK;
      const next = segment.next[at] as number;
      segment.list[at] = NONE;
      this.#listed -= 1;
      this.#heap.set(row, segment.dueMs[at] as number, segment.ties[at] as number);
      row = next;
    }
    this.#close(slot);
  }

  #slotFor(span: number): number {
    const shard = (this.#slotOfSpan[span % SHARDS] ??= new Map());
    const known = shard.get(span);
    if (known !== undefined) return known;
    const slot = this.#idle.pop() ?? this.#heads.length;
    this.#heads[slot] = NONE;
    this.#counts[slot] = 0;
    this.#spans[slot] = span;
    shard.set(span, slot);
    this.#lists.set(slot, span * SPAN_MS, slot);
    return slot;
  }

  #close(slot: number): void {
    const span = this.#spans[slot] as number;
    this.#slotOfSpan[span % SHARDS]?.delete(span);
    this.#lists.remove(slot);
    this.#heads[slot] = NONE;
    this.#idle.push(slot);
  }
}

function newSegment(): Segment {
  return {
    dueMs: new Float64Array(SEGMENT),
    ties: new Float64Array(SEGMENT),
    next: new Int32Array(SEGMENT),
    previous: new Int32Array(SEGMENT),
    list: new Int32Array(SEGMENT).fill(NONE),
  };
}
