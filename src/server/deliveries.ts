/**
 * From effects to workers. Applying an entry says which tasks were placed and which attempts are to be aborted; here each
 * becomes part of one frame to the worker it concerns. Only the leader delivers, and only to workers that attached to it in
 * this term. A frame that is lost is no loss: when the worker attaches again, everything is derived anew from the state, and
 * the worker drops what it has seen by task number and fencing token.
 *
 *     placed ──▶ row of a frame                     the connection takes it and the payload is at hand
 *        └─────▶ waiting ──▶ (read) ──▶ row         it does not, or the payload has to be read: by number, so bytes never pile up
 */
import type { Timers } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Assignment } from '../scheduler/views.ts';
import type { AbortRow, AssignRow } from '../protocol/rows.ts';
import { abortRow, assignRow, isOffloaded } from './answers.ts';

/** Bytes of payloads, headers and checkpoints after which a frame is sent and the next one begun; also what is read together. */
const FRAME_BYTES = 1024 * 1024;
const FRAME_ROWS = 2_000;
/** Numbers that may wait for one worker: more than it has slots, so that only one that takes nothing at all gets there. */
const WAITING_MAX = 20_000;
/** Until a payload that could not be read is tried again, in ms. */
const READ_AGAIN_MS = 1_000;

/** A worker's connection, as deliveries see it. */
export interface WorkerLink {
  readonly worker: string;
  readonly instance: string;
  /** Position of each type in what the worker attached with. */
  readonly typeIndex: ReadonlyMap<string, number>;
  /** Entries up to here have been delivered to this connection. */
  readonly deliveredIndex: number;
  /** False while so much waits for the network that more had better wait here; `drained` follows. */
  readonly hasRoom: boolean;
  assign(rows: readonly AssignRow[]): void;
  abort(rows: readonly AbortRow[]): void;
  /** Ends the connection: the worker attaches anew, and everything is derived anew. */
  end(reason: string): void;
}

/** What deliveries need of the peer. */
export interface DeliverySource {
  readonly scheduler: {
    assignment(number: number): Assignment | undefined;
    assignmentsOf(worker: string): number[];
  };
  /** Payloads that left memory, in the order of `numbers`; undefined for one that is gone. May reject. */
  payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]>;
}

/** One connection and what is on its way there. */
interface Line {
  readonly link: WorkerLink;
  /** The frame that is being made. */
  rows: AssignRow[];
  sizeBytes: number;
  /** Has rows, or had some, in the entry that is being performed. */
  touched: boolean;
  /** Whether rows may go out at once; looked at once a frame, since it costs. */
  flowing: boolean;
  /** Numbers placed and not sent, in order. At most `WAITING_MAX`. */
  waiting: number[];
  reading: boolean;
}

/** The connections of the workers that attached in this term, and what goes out to them. */
export class Deliveries {
  readonly #source: DeliverySource;
  readonly #timers: Timers;
  readonly #logger: Logger;
  /** By worker. */
  readonly #lines = new Map<string, Line>();

  constructor(source: DeliverySource, timers: Timers, logger: Logger) {
    this.#source = source;
    this.#timers = timers;
    this.#logger = logger;
  }

  link(worker: string): WorkerLink | undefined {
    return this.#lines.get(worker)?.link;
  }

  /**
   * From now on the worker gets what is placed on it, and first of all what was placed already under a token that is not among
   * `known`, those that it named itself.
   */
  attach(link: WorkerLink, known: ReadonlySet<number>): void {
    const line: Line = {
      link,
      rows: [],
      sizeBytes: 0,
      touched: false,
      flowing: link.hasRoom,
      waiting: [],
      reading: false,
    };
    this.#lines.set(link.worker, line);
    const { scheduler } = this.#source;
    const aborts: AbortRow[] = [];
    for (const number of scheduler.assignmentsOf(link.worker)) {
      const assignment = scheduler.assignment(number);
      if (assignment === undefined) continue;
      const isKnown = known.has(assignment.fencingToken);
      if (!isKnown) this.#add(line, assignment);
      // One that is delivered late is aborted when it is.
      if (assignment.cancelling && isKnown) aborts.push(abortRow({ ...assignment, reason: 'cancelled' }));
    }
    flush(line);
    if (aborts.length > 0) link.abort(aborts);
    this.#pump(line);
  }

  /** Harmless for a link that was replaced. */
  detach(link: WorkerLink): void {
    if (this.link(link.worker) === link) this.#lines.delete(link.worker);
  }

  /** We no longer lead. */
  clear(): void {
    this.#lines.clear();
  }

  /** The connection has room again. */
  drained(link: WorkerLink): void {
    const line = this.#lines.get(link.worker);
    if (line?.link === link) this.#pump(line);
  }

  /** Performs the effects of the entry at `index`. */
  perform(index: number, outcome: Pick<ApplyOutcome, 'assigned' | 'aborts'>): void {
    if (outcome.assigned.length > 0) this.#assign(index, outcome.assigned);
    if (outcome.aborts.length > 0) this.#abort(outcome.aborts);
  }

  #assign(index: number, numbers: readonly number[]): void {
    const { scheduler } = this.#source;
    const touched: Line[] = [];
    // Placements come in runs of one worker; remembering the last one spares a look-up each.
    let worker: string | undefined;
    let line: Line | undefined;
    for (const number of numbers) {
      const assignment = scheduler.assignment(number);
      if (assignment === undefined) continue;
      if (assignment.worker !== worker) {
        worker = assignment.worker;
        line = this.#lines.get(worker);
        // It was given this entry's placements as it attached.
        if (line !== undefined && line.link.deliveredIndex >= index) line = undefined;
        if (line !== undefined && !line.touched) {
          line.touched = true;
          line.flowing = line.waiting.length === 0 && line.link.hasRoom;
          touched.push(line);
        }
      }
      if (line !== undefined) this.#add(line, assignment);
    }
    for (const one of touched) {
      one.touched = false;
      flush(one);
      this.#pump(one);
    }
  }

  #add(line: Line, assignment: Assignment): void {
    const { link } = line;
    const typeIndex = link.typeIndex.get(assignment.type);
    // The worker's registration and its connection agree unless it is being replaced right now; then its successor asks anew.
    if (typeIndex === undefined || assignment.instance !== link.instance) return;
    const { payload } = assignment;
    if (!line.flowing || assignment.cancelling || isOffloaded(payload)) line.waiting.push(assignment.number);
    else push(line, assignRow(assignment, payload, typeIndex), sizeOf(assignment, payload.bytes.length));
  }

  /** Sends what waits, as far as the connection takes it. */
  #pump(line: Line): void {
    const { link } = line;
    while (line.waiting.length > 0 && !line.reading && link.hasRoom && this.link(link.worker) === link) {
      this.#sendSome(line);
    }
    if (line.waiting.length <= WAITING_MAX) return;
    this.detach(link);
    link.end('it takes no assignments');
  }

  /** Sends about a frame of what waits, after reading those payloads that are not in memory. */
  #sendSome(line: Line): void {
    const { scheduler } = this.#source;
    const assignments: Assignment[] = [];
    const offloaded: number[] = [];
    let sizeBytes = 0;
    let taken = 0;
    while (taken < line.waiting.length && sizeBytes < FRAME_BYTES && taken < FRAME_ROWS) {
      const number = line.waiting[taken] as number;
      taken += 1;
      const assignment = scheduler.assignment(number);
      // Since it began to wait it may have ended, or been placed elsewhere.
      if (assignment === undefined || !isFor(assignment, line.link)) continue;
      const { payload } = assignment;
      if (isOffloaded(payload)) offloaded.push(number);
      sizeBytes += sizeOf(assignment, isOffloaded(payload) ? payload.sizeBytes : payload.bytes.length);
      assignments.push(assignment);
    }
    line.waiting.splice(0, taken);
    if (offloaded.length === 0) {
      this.#send(line, assignments);
      return;
    }
    line.reading = true;
    void this.#readAndSend(line, assignments, offloaded);
  }

  async #readAndSend(line: Line, assignments: readonly Assignment[], offloaded: readonly number[]): Promise<void> {
    const read = new Map<number, Uint8Array | undefined>();
    try {
      const payloads = await this.#source.payloads(offloaded);
      for (const [at, number] of offloaded.entries()) read.set(number, payloads[at]);
    } catch (error) {
      this.#logger.error('payloads could not be read', { worker: line.link.worker, error: String(error) });
    }
    line.reading = false;
    // The connection or the leadership may be another by now; then whoever took its place has delivered.
    if (this.#lines.get(line.link.worker) !== line) return;
    this.#send(line, assignments, read);
    this.#pump(line);
  }

  /** `read` are the payloads that were not in memory; undefined when nothing had to be waited for. */
  #send(line: Line, assignments: readonly Assignment[], read?: ReadonlyMap<number, Uint8Array | undefined>): void {
    const aborts: AbortRow[] = [];
    const unread: number[] = [];
    for (const assignment of assignments) {
      const { number, fencingToken } = assignment;
      // While its payload was read it may have ended, and what lies in memory may have moved.
      const now = read === undefined ? assignment : this.#source.scheduler.assignment(number);
      if (now?.fencingToken !== fencingToken) continue;
      const { payload } = now;
      const bytes = isOffloaded(payload) ? read?.get(number) : payload.bytes;
      const typeIndex = line.link.typeIndex.get(assignment.type);
      if (typeIndex === undefined) continue;
      if (bytes === undefined) unread.push(number);
      else push(line, assignRow(now, { encoding: payload.encoding, bytes }, typeIndex), sizeOf(now, bytes.length));
      if (now.cancelling) aborts.push(abortRow({ ...now, reason: 'cancelled' }));
    }
    flush(line);
    if (aborts.length > 0) line.link.abort(aborts);
    if (unread.length > 0) this.#again(line, unread);
  }

  /** The disk may answer the next time; if it never does, the attempts end by their run timeouts. */
  #again(line: Line, numbers: readonly number[]): void {
    this.#logger.error('payloads of running tasks are missing', { worker: line.link.worker, tasks: numbers.length });
    this.#timers.after(READ_AGAIN_MS, () => {
      if (this.#lines.get(line.link.worker) !== line) return;
      line.waiting.push(...numbers);
      this.#pump(line);
    });
  }

  #abort(aborts: ApplyOutcome['aborts']): void {
    const byWorker = new Map<string, AbortRow[]>();
    for (const abort of aborts) {
      const rows = byWorker.get(abort.worker);
      if (rows === undefined) byWorker.set(abort.worker, [abortRow(abort)]);
      else rows.push(abortRow(abort));
    }
    for (const [worker, rows] of byWorker) this.link(worker)?.abort(rows);
  }
}

function isFor(assignment: Assignment, link: WorkerLink): boolean {
  return assignment.worker === link.worker && assignment.instance === link.instance;
}

function sizeOf(assignment: Assignment, payloadBytes: number): number {
  return payloadBytes + (assignment.headers?.bytes.length ?? 0) + (assignment.lastCheckpoint?.bytes.length ?? 0);
}

function push(line: Line, row: AssignRow, sizeBytes: number): void {
  line.rows.push(row);
  line.sizeBytes += sizeBytes;
  if (line.sizeBytes < FRAME_BYTES && line.rows.length < FRAME_ROWS) return;
  flush(line);
  line.flowing &&= line.link.hasRoom;
}

function flush(line: Line): void {
  if (line.rows.length === 0) return;
  line.link.assign(line.rows);
  line.rows = [];
  line.sizeBytes = 0;
}
