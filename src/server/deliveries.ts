/**
 * From effects to workers. Applying an entry says which tasks were placed and which attempts are to be aborted; here each
 * becomes part of one frame to the worker it concerns. Only the leader delivers, and only to workers that attached to it in
 * this term. A frame that is lost is no loss: when the worker attaches again, everything is derived anew from the state, and
 * the worker drops what it has seen by task number and fencing token.
 */
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Assignment } from '../scheduler/views.ts';
import type { AbortRow, AssignRow } from '../protocol/rows.ts';
import type { Peer } from '../peer/peer.ts';
import { abortRow, assignRow, isOffloaded } from './answers.ts';

/** Bytes of payloads and assignments after which a frame is sent and the next one begun. */
const FRAME_BYTES = 1024 * 1024;
const FRAME_ROWS = 2_000;

/** A worker's connection, as deliveries see it. */
export interface WorkerLink {
  readonly worker: string;
  readonly instance: string;
  /** Position of each type in what the worker attached with. */
  readonly typeIndex: ReadonlyMap<string, number>;
  /** Entries up to here have been delivered to this connection. */
  readonly deliveredIndex: number;
  assign(rows: readonly AssignRow[]): void;
  abort(rows: readonly AbortRow[]): void;
}

interface Outgoing {
  readonly link: WorkerLink;
  rows: AssignRow[];
  sizeBytes: number;
  /** Those whose payload has to be read from the disk. */
  offloaded: Assignment[];
}

/** The connections of the workers that attached in this term, and what goes out to them. */
export class Deliveries {
  readonly #peer: Peer;
  readonly #links = new Map<string, WorkerLink>();

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  link(worker: string): WorkerLink | undefined {
    return this.#links.get(worker);
  }

  /**
   * From now on the worker gets what is placed on it, and first of all what was placed already and is not among `known`, the
   * task numbers that it named itself.
   */
  attach(link: WorkerLink, known: ReadonlySet<number>): void {
    this.#links.set(link.worker, link);
    const { scheduler } = this.#peer;
    const outgoing: Outgoing = { link, rows: [], sizeBytes: 0, offloaded: [] };
    const aborts: AbortRow[] = [];
    for (const number of scheduler.assignmentsOf(link.worker)) {
      const assignment = scheduler.assignment(number);
      if (assignment === undefined) continue;
      if (!known.has(number)) this.#add(outgoing, assignment);
      if (assignment.cancelling) aborts.push(abortRow({ ...assignment, reason: 'cancelled' }));
    }
    this.#flushAll(outgoing);
    if (aborts.length > 0) link.abort(aborts);
  }

  /** Harmless for a link that was replaced. */
  detach(link: WorkerLink): void {
    if (this.#links.get(link.worker) === link) this.#links.delete(link.worker);
  }

  /** We no longer lead. */
  clear(): void {
    this.#links.clear();
  }

  /** Performs the effects of one entry. */
  perform(index: number, outcome: ApplyOutcome): void {
    if (outcome.assigned.length > 0) this.#assign(index, outcome.assigned);
    if (outcome.aborts.length > 0) this.#abort(outcome.aborts);
  }

  #assign(index: number, numbers: readonly number[]): void {
    const { scheduler } = this.#peer;
    const byWorker = new Map<string, Outgoing>();
    // Placements come in runs of one worker; remembering the last one spares a look-up each.
    let last: Outgoing | undefined;
    for (const number of numbers) {
      const assignment = scheduler.assignment(number);
      if (assignment === undefined) continue;
      if (last?.link.worker !== assignment.worker) last = this.#outgoing(byWorker, assignment.worker, index);
      if (last !== undefined) this.#add(last, assignment);
    }
    for (const outgoing of byWorker.values()) this.#flushAll(outgoing);
  }

  /** Where rows for `worker` go; undefined when it is not connected, or was given this entry's placements as it attached. */
  #outgoing(byWorker: Map<string, Outgoing>, worker: string, index: number): Outgoing | undefined {
    const known = byWorker.get(worker);
    if (known !== undefined) return known;
    const link = this.#links.get(worker);
    if (link === undefined || link.deliveredIndex >= index) return undefined;
    const outgoing: Outgoing = { link, rows: [], sizeBytes: 0, offloaded: [] };
    byWorker.set(worker, outgoing);
    return outgoing;
  }

  #add(outgoing: Outgoing, assignment: Assignment): void {
    const { link } = outgoing;
    const typeIndex = link.typeIndex.get(assignment.type);
    // The worker's registration and its connection agree unless it is being replaced right now; then its successor asks anew.
    if (typeIndex === undefined || assignment.instance !== link.instance) return;
    const { payload } = assignment;
    if (isOffloaded(payload)) {
      outgoing.offloaded.push(assignment);
      return;
    }
    push(outgoing, assignRow(assignment, payload, typeIndex), payload.bytes.length);
  }

  /** Sends what is ready, then what has to be read first. */
  #flushAll(outgoing: Outgoing): void {
    flush(outgoing);
    if (outgoing.offloaded.length > 0) void this.#sendOffloaded(outgoing.link, outgoing.offloaded);
  }

  async #sendOffloaded(link: WorkerLink, assignments: readonly Assignment[]): Promise<void> {
    const payloads = await this.#peer.payloads(assignments.map((assignment) => assignment.number));
    // The connection, the leadership or the placement may be another by now; then whoever took its place has delivered.
    if (this.#links.get(link.worker) !== link) return;
    const outgoing: Outgoing = { link, rows: [], sizeBytes: 0, offloaded: [] };
    for (const [at, assignment] of assignments.entries()) {
      const bytes = payloads[at];
      const typeIndex = link.typeIndex.get(assignment.type);
      const now = this.#peer.scheduler.assignment(assignment.number);
      if (bytes === undefined || typeIndex === undefined || now?.fencingToken !== assignment.fencingToken) continue;
      push(outgoing, assignRow(assignment, { encoding: assignment.payload.encoding, bytes }, typeIndex), bytes.length);
    }
    flush(outgoing);
  }

  #abort(aborts: ApplyOutcome['aborts']): void {
    const byWorker = new Map<string, AbortRow[]>();
    for (const abort of aborts) {
      const rows = byWorker.get(abort.worker);
      if (rows === undefined) byWorker.set(abort.worker, [abortRow(abort)]);
      else rows.push(abortRow(abort));
    }
    for (const [worker, rows] of byWorker) this.#links.get(worker)?.abort(rows);
  }
}

function push(outgoing: Outgoing, row: AssignRow, payloadBytes: number): void {
  outgoing.rows.push(row);
  outgoing.sizeBytes += payloadBytes;
  if (outgoing.sizeBytes >= FRAME_BYTES || outgoing.rows.length >= FRAME_ROWS) flush(outgoing);
}

function flush(outgoing: Outgoing): void {
  if (outgoing.rows.length === 0) return;
  outgoing.link.assign(outgoing.rows);
  outgoing.rows = [];
  outgoing.sizeBytes = 0;
}
