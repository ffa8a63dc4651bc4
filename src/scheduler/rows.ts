/**
 * One row of fixed width for every task that is not final, in columns of typed arrays. Columns come in segments, so growing
 * copies nothing and holds nobody up. A row says where its bytes lie in the slab; a finished task leaves and its row is used again.
 *
 * Rows are numbered as it happens, differently on every peer that was restored at another time: nothing that can be seen may
 * depend on a row's number. Tasks are told apart by their own numbers.
 */
import { assert } from '../base/assert.ts';

/** Rows of a segment, as bits of a row's number. */
export const ROW_BITS = 10;
const SEGMENT_ROWS: number = 1 << ROW_BITS;

/** Takes the place within its segment out of a row's number. */
export const ROW_MASK: number = SEGMENT_ROWS - 1;

/** No row. */
export const NO_ROW = -1;

/** Bits of the column `flags`. */
export const FLAGS = {
  /** A cancel is under way; only while running. */
  cancelling: 1,
  /** Crashed twice within the window: waits in a group of suspects, or was placed alone among them. */
  suspect: 2,
  /** The payload is too large for the slab and lies with the large payloads. */
  payloadApart: 4,
  /** The history has the start of the attempt that is running. */
  startWritten: 8,
  /** An occurrence of a schedule made the task; `MadeTasks` knows which. */
  scheduled: 16,
} as const;

const FLOAT_COLUMNS = 11;
const INT_COLUMNS = 20;
const BYTE_COLUMNS = 4;
const SEGMENT_BYTES = SEGMENT_ROWS * (FLOAT_COLUMNS * 8 + INT_COLUMNS * 4 + BYTE_COLUMNS);

/** The columns of some rows, all in one buffer. Times are log time in ms. */
export class RowSegment {
  /** The task's number; 0 in a row that is free. */
  readonly number: Float64Array;
  /** Of the last placement; 0 before the first. */
  readonly token: Float64Array;
  readonly createdAtMs: Float64Array;
  /** Since when it is ready; only meaningful while pending. */
  readonly readyAtMs: Float64Array;
  /** When it was asked to run; 0 for at once. */
  readonly runAtMs: Float64Array;
  /** When the last attempt was placed; 0 before the first. */
  readonly placedAtMs: Float64Array;
  /**
   * The timer of the present state, 0 for none: scheduled and retrying, when it becomes ready; pending, the queue timeout;
   * running, the run timeout, or the end of the grace when it is being cancelled.
   */
  readonly dueMs: Float64Array;
  /** Place in the order of becoming ready; only while pending. */
  readonly readySequence: Float64Array;
  /** The last two crashes, the newer first; 0 for none. */
  readonly crashedAtMs: Float64Array;
  readonly crashedBeforeMs: Float64Array;
  /** When the last event of the history took place, which the next one counts from. */
  readonly historyAtMs: Float64Array;
  readonly payloadRef: Uint32Array;
  readonly payloadBytes: Uint32Array;
  readonly headersRef: Uint32Array;
  readonly headersBytes: Uint32Array;
  readonly checkpointRef: Uint32Array;
  readonly checkpointBytes: Uint32Array;
  /** What the last failed attempt said. */
  readonly errorRef: Uint32Array;
  readonly errorBytes: Uint32Array;
  /** The slot of its key in the table of keys and one; 0 when the task has no key. */
  readonly key: Uint32Array;
  readonly historyRef: Uint32Array;
  readonly historyBytes: Uint32Array;
  /** Events that were dropped from the history. */
  readonly droppedEvents: Uint32Array;
  readonly failures: Uint32Array;
  readonly crashes: Uint32Array;
  readonly deliveries: Uint32Array;
  /** Place in the list of templates. */
  readonly template: Uint32Array;
  /** Neighbours: in a group's list while pending, in a worker's while running. In a free row `next` is the next free one. */
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** Place in the list of workers while running, else -1. */
  readonly worker: Int32Array;
  readonly state: Uint8Array;
  readonly flags: Uint8Array;
  /** Encodings, two bits each: payload, headers, checkpoint, error. */
  readonly encodings: Uint8Array;
  readonly historyEvents: Uint8Array;
  /** Number of the name of the principal that submitted it. */
  readonly principal: Uint32Array;

  constructor() {
    const buffer = new ArrayBuffer(SEGMENT_BYTES);
    let offset = 0;
    const floats = (): Float64Array =>
      new Float64Array(buffer, (offset += SEGMENT_ROWS * 8) - SEGMENT_ROWS * 8, SEGMENT_ROWS);
    const words = (): Uint32Array =>
      new Uint32Array(buffer, (offset += SEGMENT_ROWS * 4) - SEGMENT_ROWS * 4, SEGMENT_ROWS);
    const ints = (): Int32Array =>
      new Int32Array(buffer, (offset += SEGMENT_ROWS * 4) - SEGMENT_ROWS * 4, SEGMENT_ROWS);
    const bytes = (): Uint8Array => new Uint8Array(buffer, (offset += SEGMENT_ROWS) - SEGMENT_ROWS, SEGMENT_ROWS);
    this.number = floats();
    this.token = floats();
    this.createdAtMs = floats();
    this.readyAtMs = floats();
    this.runAtMs = floats();
    this.placedAtMs = floats();
    this.dueMs = floats();
    this.readySequence = floats();
    this.crashedAtMs = floats();
    this.crashedBeforeMs = floats();
    this.historyAtMs = floats();
    this.payloadRef = words();
    this.payloadBytes = words();
    this.headersRef = words();
    this.headersBytes = words();
    this.checkpointRef = words();
    this.checkpointBytes = words();
    this.errorRef = words();
    this.errorBytes = words();
    this.key = words();
    this.principal = words();
    this.historyRef = words();
    this.historyBytes = words();
    this.droppedEvents = words();
    this.failures = words();
    this.crashes = words();
    this.deliveries = words();
    this.template = words();
    this.next = ints();
    this.previous = ints();
    this.worker = ints();
    this.state = bytes();
    this.flags = bytes();
    this.encodings = bytes();
    this.historyEvents = bytes();
  }
}

/** All rows. */
export class Rows {
  readonly segments: RowSegment[] = [];
  #free = NO_ROW;
  #used = 0;

  /** Rows that hold a task. */
  get used(): number {
    return this.#used;
  }

  /** Rows that were ever made. */
  get capacity(): number {
    return this.segments.length * SEGMENT_ROWS;
  }

  /** The segment in which `row` lies, at `row & ROW_MASK`. */
  segmentOf(row: number): RowSegment {
    return this.segments[row >>> ROW_BITS] as RowSegment;
  }

  /**
   * A free row. `next`, `previous` and `worker` are -1; number, template, principal and the instants of submission and of the
   * last event are anything, since every task sets them; all other columns are 0.
   */
  allocate(): number {
    if (this.#free === NO_ROW) this.#addSegment();
    const row = this.#free;
    const segment = this.segmentOf(row);
    const at = row & ROW_MASK;
    this.#free = segment.next[at] as number;
    segment.next[at] = NO_ROW;
    this.#used += 1;
    return row;
  }

  /** Takes the task out of `row`, whose bytes the caller has freed. */
  release(row: number): void {
    const segment = this.segmentOf(row);
    const at = row & ROW_MASK;
    assert(segment.number[at] !== 0, 'a row is released once');
    segment.number[at] = 0;
    segment.token[at] = 0;
    segment.readyAtMs[at] = 0;
    segment.runAtMs[at] = 0;
    segment.placedAtMs[at] = 0;
    segment.dueMs[at] = 0;
    segment.readySequence[at] = 0;
    segment.crashedAtMs[at] = 0;
    segment.crashedBeforeMs[at] = 0;
    segment.payloadRef[at] = 0;
    segment.payloadBytes[at] = 0;
    segment.headersRef[at] = 0;
    segment.headersBytes[at] = 0;
    segment.checkpointRef[at] = 0;
    segment.checkpointBytes[at] = 0;
    segment.errorRef[at] = 0;
    segment.errorBytes[at] = 0;
    segment.key[at] = 0;
    segment.historyRef[at] = 0;
    segment.historyBytes[at] = 0;
    segment.droppedEvents[at] = 0;
    segment.failures[at] = 0;
    segment.crashes[at] = 0;
    segment.deliveries[at] = 0;
    segment.previous[at] = NO_ROW;
    segment.worker[at] = NO_ROW;
    segment.state[at] = 0;
    segment.flags[at] = 0;
    segment.encodings[at] = 0;
    segment.historyEvents[at] = 0;
    segment.next[at] = this.#free;
    this.#free = row;
    this.#used -= 1;
  }

  #addSegment(): void {
    const segment = new RowSegment();
    const base = this.segments.length * SEGMENT_ROWS;
    for (let at = 0; at < SEGMENT_ROWS; at += 1) segment.next[at] = at + 1 < SEGMENT_ROWS ? base + at + 1 : NO_ROW;
    segment.previous.fill(NO_ROW);
    segment.worker.fill(NO_ROW);
    this.segments.push(segment);
    this.#free = base;
  }
}
