/**
 * Workers, as far as they are replicated: who registered with what, whether they may be given tasks, and what they run.
 *
 *     attach ──▶ attached ◀──▶ away ──▶ lost ──▶ (forgotten)
 *                   │            │        │
 *                   └── left ────┴────────┴── another instance attaches ──▶ ended, once its last task was taken from it
 *
 * Heartbeats are the leader's own; what it concludes from them arrives here as commands.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import type { Labels } from './command.ts';
import { decodeCount, decodeLabels } from './decode-parts.ts';
import { encodeLabels } from './encode-parts.ts';
import { type RecordSource, RecordTable } from './memory/records.ts';
import { NO_ROW } from './rows.ts';
import { Slots } from './slots.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';
import type { WorkerClass } from './worker-classes.ts';

/** Where a worker is in its life, by code. `ended` workers have no name any more: they wait until their tasks were taken away. */
export const WORKER = { attached: 0, away: 1, lost: 2, ended: 3 } as const;

/** Why the tasks of a worker are being taken from it, by code; 0 when they are not. */
export const EMPTYING = { no: 0, lost: 1, restarted: 2, noLeader: 3, drain: 4, left: 5 } as const;

/** One worker. */
export interface Worker {
  /** Place in the list of workers; rows name it by this. */
  slot: number;
  /** One more for each registration ever; the older one goes first where nothing else decides. */
  readonly registration: number;
  readonly id: string;
  readonly instance: string;
  namespace: number;
  /** Numbers of the names of its types, ascending, and the names in the order in which it gave them. */
  types: readonly number[];
  typeNames: readonly string[];
  labels: Labels;
  slots: number;
  version: string;
  status: number;
  /** The term in which it attached last. */
  attachedTerm: number;
  attachedAtMs: number;
  /** 0 while it is attached. */
  awaySinceMs: number;
  draining: boolean;
  /** 0 when there is none, or it has passed. */
  drainDeadlineMs: number;
  emptying: number;
  /** When what it ran has ended for sure, for tasks that may not run twice at a time; 0 unless it was lost while it ran one of a schedule. */
  capsFreeAtMs: number;
  /** Slots held by handlers whose lease has ended and that have not returned: their numbers by token. */
  readonly lingering: Map<number, number>;

  // What follows is found again from the rows when a state is loaded.

  /** Rows that run here, linked in the order of placement. */
  head: number;
  tail: number;
  running: number;
  /** How many of them are suspects; never more than one. */
  suspects: number;
  /** `slots` minus what runs and lingers; negative when it attached with fewer than it holds. */
  freeSlots: number;
  /** True when it may be given tasks, if it has room. */
  takesTasks: boolean;
  workerClass: WorkerClass | undefined;
  /** Place among the open workers of its class; -1 outside. */
  position: number;
}

/** What a registration says. */
export interface WorkerTraits {
  readonly registration: number;
  readonly id: string;
  readonly instance: string;
  readonly namespace: number;
  readonly types: readonly number[];
  readonly typeNames: readonly string[];
  readonly labels: Labels;
  readonly slots: number;
  readonly version: string;
}

/** All workers. */
export class Workers implements RecordSource {
  readonly table: RecordTable;
  readonly slots: Slots<Worker> = new Slots();
  /** By id. Invariant: holds every worker that is not ended. */
  readonly #byId: Map<string, Worker> = new Map();
  /** Those whose tasks are being taken away, in the order of registration. */
  readonly emptying: Worker[] = [];
  /** The earliest drain deadline; `Infinity` when there is none. */
  nextDrainMs: number = Number.POSITIVE_INFINITY;
  /** When the first lost worker is to be forgotten; `Infinity` when there is none. */
  nextForgetMs: number = Number.POSITIVE_INFINITY;
  readonly #forgetMs: number;
  readonly #byRegistration: Map<number, Worker> = new Map();

  constructor(crc32: Crc32, forgetMs: number) {
    this.#forgetMs = forgetMs;
    this.table = new RecordTable({ id: SCHEDULER_TABLE_IDS.workers, name: 'workers', format: 1, crc32, source: this });
  }

  /** Workers that have a name: all but those that ended. */
  get named(): number {
    return this.#byId.size;
  }

  find(id: string): Worker | undefined {
    return this.#byId.get(id);
  }

  /** Registers a worker whose name is free. It is away, runs nothing, and belongs to no class yet. */
  add(traits: WorkerTraits): Worker {
    assert(!this.#byId.has(traits.id), 'a worker that is registered has a name of its own');
    const worker = newWorker(traits);
    worker.slot = this.slots.add(worker);
    this.#byId.set(worker.id, worker);
    this.table.add(worker.slot);
    return worker;
  }

  /** Takes the name from a worker; another one may have it. Touched by the caller. */
  release(worker: Worker): void {
    assert(this.#byId.get(worker.id) === worker, 'a worker gives its own name back');
    this.#byId.delete(worker.id);
    worker.status = WORKER.ended;
  }

  /** Takes a worker away that has no name and runs nothing. */
  remove(worker: Worker): void {
    assert(worker.status === WORKER.ended && worker.running === 0, 'a worker that goes has ended and runs nothing');
    this.table.remove(worker.slot);
    this.slots.remove(worker.slot);
  }

  /** From now on its tasks are taken away, for the reason `why`. Touched by the caller. */
  startEmptying(worker: Worker, why: number): void {
    worker.emptying = why;
    if (this.emptying.includes(worker)) return;
    this.emptying.push(worker);
    this.emptying.sort((left, right) => left.registration - right.registration);
  }

  /** Nothing of it is left to take away. Touched by the caller. */
  stopEmptying(worker: Worker): void {
    worker.emptying = EMPTYING.no;
    worker.capsFreeAtMs = 0;
    this.emptying.splice(this.emptying.indexOf(worker), 1);
  }

  /** Finds the next instants anew, after a deadline was set or passed, or a worker was lost, came back or went. */
  refreshTimers(): void {
    this.nextDrainMs = Number.POSITIVE_INFINITY;
    this.nextForgetMs = Number.POSITIVE_INFINITY;
    for (const worker of this.slots) {
      if (worker.drainDeadlineMs > 0) this.nextDrainMs = Math.min(this.nextDrainMs, worker.drainDeadlineMs);
      if (worker.status === WORKER.lost) {
        this.nextForgetMs = Math.min(this.nextForgetMs, worker.awaySinceMs + this.#forgetMs);
      }
    }
  }

  keyOf(slot: number): number {
    return this.slots.at(slot).registration;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const worker = this.slots.at(slot);
    writer.ascii(worker.id);
    writer.ascii(worker.instance);
    writer.varint(worker.namespace);
    writer.varint(worker.typeNames.length);
    for (const name of worker.typeNames) writer.ascii(name);
    writer.varint(worker.types.length);
    for (const type of worker.types) writer.varint(type);
    encodeLabels(writer, worker.labels);
    writer.varint(worker.slots);
    writer.ascii(worker.version);
    writer.u8(worker.status);
    writer.varint(worker.attachedTerm);
    writer.varint(worker.attachedAtMs);
    writer.varint(worker.awaySinceMs);
    writer.u8(worker.draining ? 1 : 0);
    writer.varint(worker.drainDeadlineMs);
    writer.u8(worker.emptying);
    writer.varint(worker.lingering.size);
    const lingering = [...worker.lingering].sort(([left], [right]) => left - right);
    for (const [token, number] of lingering) {
      writer.varint(token);
      writer.varint(number);
    }
    // A worker without it has the record that it always had.
    if (worker.capsFreeAtMs > 0) writer.varint(worker.capsFreeAtMs);
  }

  restore(registration: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    const worker = newWorker({
      registration,
      id: reader.ascii(),
      instance: reader.ascii(),
      namespace: reader.varint(),
      typeNames: Array.from({ length: decodeCount(reader) }, () => reader.ascii()),
      types: Array.from({ length: decodeCount(reader) }, () => reader.varint()),
      labels: decodeLabels(reader),
      slots: reader.varint(),
      version: reader.ascii(),
    });
    worker.status = reader.u8();
    worker.attachedTerm = reader.varint();
    worker.attachedAtMs = reader.varint();
    worker.awaySinceMs = reader.varint();
    worker.draining = reader.u8() === 1;
    worker.drainDeadlineMs = reader.varint();
    worker.emptying = reader.u8();
    for (let left = decodeCount(reader); left > 0; left -= 1) worker.lingering.set(reader.varint(), reader.varint());
    if (reader.remaining > 0) worker.capsFreeAtMs = reader.varint();
    reader.end();
    if (this.#byRegistration.has(registration)) throw new DecodeError(`the worker ${worker.id} is there twice`);
    worker.slot = this.slots.add(worker);
    this.#byRegistration.set(registration, worker);
    return worker.slot;
  }

  /** While restoring: the worker with that registration. @throws DecodeError when there is none */
  registered(registration: number): Worker {
    const worker = this.#byRegistration.get(registration);
    if (worker === undefined) throw new DecodeError(`the worker with registration ${registration} is missing`);
    return worker;
  }

  /** Ends a restore. */
  settle(): void {
    const all = [...this.slots].sort((left, right) => left.registration - right.registration);
    for (const worker of all) {
      if (worker.status !== WORKER.ended) this.#byId.set(worker.id, worker);
      if (worker.emptying !== EMPTYING.no) this.emptying.push(worker);
    }
    this.#byRegistration.clear();
    this.refreshTimers();
  }
}

function newWorker(traits: WorkerTraits): Worker {
  return {
    slot: -1,
    ...traits,
    status: WORKER.away,
    attachedTerm: 0,
    attachedAtMs: 0,
    awaySinceMs: 0,
    draining: false,
    drainDeadlineMs: 0,
    emptying: EMPTYING.no,
    capsFreeAtMs: 0,
    lingering: new Map(),
    head: NO_ROW,
    tail: NO_ROW,
    running: 0,
    suspects: 0,
    freeSlots: traits.slots,
    takesTasks: false,
    workerClass: undefined,
    position: -1,
  };
}
