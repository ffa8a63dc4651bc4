/**
 * Schedules: tasks that are made by the calendar and not by a client.
 *
 * In: what users say of a schedule (`commands.ts`), and from the leader its next instants, computed from the calendar, which is
 * opaque bytes here. Out: tasks, each of which names the occurrence that made it, and for every occurrence that makes none the
 * reason (`outcome.ts`); what there is to see (`views.ts`).
 *
 *     put ──▶ wants instants ──▶ leader computes ──▶ advance ──▶ stored instants ── log time ──▶ judged ──▶ task
 *                  ▲                                                  │                            ├──▶ buffer ──▶ task
 *                  └───────────────── few or near ────────────────────┘                            └──▶ skipped
 *
 *     define.ts    put and delete                  catch-up.ts  what is missed, and what becomes of it
 *     advance.ts   next instants come in           overlap.ts   what a task that is not final means for the next one
 *     fire.ts      instants that are due           buffer.ts    those that wait, and tasks to be cancelled for them
 *     control.ts   pause, resume                   requests.ts  trigger, backfill
 *     settle.ts    a task is made, or none         task-ends.ts a task of a schedule is final
 *
 * This file keeps all of them: by number, by id in order, and in the order of who has something to do next.
 *
 * Invariants, checked by `check.ts`
 * - A planned occurrence (schedule's number, version, instant) is settled at most once: it is taken from the stored instants in
 *   their order, `settledThroughMs` goes past it, and never back. A new version begins after that instant.
 * - Instants are added behind `computedThroughMs` only, so none is left out: an advance that was computed from elsewhere is refused.
 * - Stored instants, waiting occurrences, kept answers and kept results are bounded for each schedule.
 * - `unfinished` equals a recount of the rows.
 *
 * Not here: time zones, cron, and when to ask for instants; that is for the leader.
 */
import { assert } from '../../base/assert.ts';
import { DecodeError } from '../../base/bytes.ts';
import type { Crc32 } from '../../base/hash.ts';
import { LOAD_STEP } from '../load-steps.ts';
import { DueHeap } from '../memory/due-heap.ts';
import { NumberMap } from '../memory/number-map.ts';
import { RecordTable } from '../memory/records.ts';
import { Slots } from '../slots.ts';
import { SCHEDULER_TABLE_IDS } from '../table-ids.ts';
import { decodeDefinition, encodeDefinition } from './definition-records.ts';
import { MadeTasks } from './made-tasks.ts';
import { decodeProgress, encodeProgress } from './progress-records.ts';
import { type Definition, definitionBytes, newSchedule, NO_BYTES, type Schedule } from './schedule.ts';

/** See `SchedulerLimits`, which has them. */
export interface ScheduleBounds {
  readonly scheduleInstantsMax: number;
  readonly scheduleAheadMs: number;
}

/** The schedules of one namespace. */
interface Shelf {
  readonly byId: Map<string, Schedule>;
  /** Ascending. */
  readonly ids: string[];
}

const EMPTY: Definition = {
  version: 0,
  calendar: NO_BYTES,
  template: NO_BYTES,
  payload: { encoding: 0, bytes: NO_BYTES },
  headers: undefined,
  policy: { overlap: 'skip', catchUp: 'none', catchUpWindowMs: 0, maxRuns: 0, pauseOnFailure: 0 },
  principal: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
};

/** All schedules. */
export class Schedules {
  /** What was put, and what came of it since: two records, so that firing does not write a payload anew. */
  readonly definitions: RecordTable;
  readonly progress: RecordTable;
  readonly slots: Slots<Schedule> = new Slots();
  readonly made: MadeTasks = new MadeTasks();
  /** Bytes of all definitions. */
  sizeBytes = 0;
  /** Schedules whose first stored instant can be judged, by when. */
  readonly due: DueHeap = new DueHeap();
  /** Schedules of which an occurrence of the buffer can start, by when their slot is free. */
  readonly startable: DueHeap = new DueHeap();
  /** Schedules of which tasks are still to be told to stop, by number. */
  readonly cancelling: DueHeap = new DueHeap();
  /** Schedules with fewer than two instants, and those with two and more that take others: by the instant up to which they have them. */
  readonly #hungry: DueHeap = new DueHeap();
  readonly #served: DueHeap = new DueHeap();
  readonly #byNumber: NumberMap = new NumberMap();
  readonly #shelves: Map<number, Shelf> = new Map();
  readonly #bounds: ScheduleBounds;

  constructor(crc32: Crc32, bounds: ScheduleBounds) {
    this.#bounds = bounds;
    this.definitions = new RecordTable({
      id: SCHEDULER_TABLE_IDS.scheduleDefinitions,
      name: 'schedules',
      format: 1,
      crc32,
      source: {
        keyOf: (slot) => this.slots.at(slot).number,
        encode: (slot, writer) => {
          encodeDefinition(this.slots.at(slot), writer);
          return undefined;
        },
        restore: (number, value) => {
          const schedule = this.#restoring(number);
          const read = decodeDefinition(value);
          schedule.namespace = read.namespace;
          schedule.id = read.id;
          schedule.definition = read.definition;
          return schedule.slot;
        },
      },
    });
    this.progress = new RecordTable({
      id: SCHEDULER_TABLE_IDS.scheduleProgress,
      name: 'progress of schedules',
      format: 1,
      crc32,
      source: {
        keyOf: (slot) => this.slots.at(slot).number,
        encode: (slot, writer) => {
          encodeProgress(this.slots.at(slot), writer);
          return undefined;
        },
        restore: (number, value) => {
          const schedule = this.#restoring(number);
          decodeProgress(schedule, value);
          return schedule.slot;
        },
      },
    });
  }

  /** The schedule with that id, unless it was deleted. */
  find(namespace: number, id: string): Schedule | undefined {
    return this.#shelves.get(namespace)?.byId.get(id);
  }

  /** The schedule with that number, deleted or not, as long as it is kept. */
  byNumber(number: number): Schedule | undefined {
    const slot = this.#byNumber.get(number);
    return slot < 0 ? undefined : this.slots.at(slot);
  }

  /** How many schedules a namespace has. */
  countOf(namespace: number): number {
    return this.#shelves.get(namespace)?.ids.length ?? 0;
  }

  /** Up to `limit` schedules of a namespace with ids after `afterId`, by id. */
  page(namespace: number, afterId: string, limit: number): Schedule[] {
    const shelf = this.#shelves.get(namespace);
    if (shelf === undefined) return [];
    const from = placeOf(shelf.ids, afterId);
    const start = shelf.ids[from] === afterId ? from + 1 : from;
    return shelf.ids.slice(start, start + limit).map((id) => shelf.byId.get(id) as Schedule);
  }

  /** Takes in a schedule whose id is free. */
  add(schedule: Schedule): void {
    schedule.slot = this.slots.add(schedule);
    this.#byNumber.set(schedule.number, schedule.slot);
    this.#shelve(schedule);
    this.sizeBytes += definitionBytes(schedule.definition);
    this.definitions.add(schedule.slot);
    this.progress.add(schedule.slot);
    this.refresh(schedule);
  }

  /** What was put changes. */
  redefine(schedule: Schedule, definition: Definition): void {
    this.definitions.touch(schedule.slot);
    this.sizeBytes += definitionBytes(definition) - definitionBytes(schedule.definition);
    schedule.definition = definition;
  }

  /** The progress of `schedule` is about to change; `refresh` follows. */
  touch(schedule: Schedule): void {
    this.progress.touch(schedule.slot);
  }

  /** Puts `schedule` where its state belongs in the orders of who has something to do. */
  refresh(schedule: Schedule): void {
    const { slot, number, plannedMs, fireAtMs, pause, buffer } = schedule;
    const next = plannedMs.length === 0 || schedule.awaitsAdvance ? undefined : (fireAtMs[0] as number);
    place(this.due, slot, number, next === undefined ? undefined : Math.max(next, schedule.notBeforeMs));
    const isFree = buffer.length > 0 && pause === undefined && schedule.unfinished === 0;
    place(this.startable, slot, number, isFree ? schedule.slotFreeAtMs : undefined);
    place(this.cancelling, slot, number, schedule.cancelledThrough < schedule.cancelThrough ? 0 : undefined);
    const takes = !schedule.deleted && !schedule.ended && !schedule.exhausted;
    const knownMs = fireAtMs.at(-1) ?? schedule.computedThroughMs;
    const isHungry = takes && plannedMs.length < 2;
    const isServed = takes && !isHungry && 2 * plannedMs.length <= this.#bounds.scheduleInstantsMax;
    place(this.#hungry, slot, number, isHungry ? knownMs : undefined);
    place(this.#served, slot, number, isServed ? knownMs : undefined);
  }

  /** True when some schedule wants instants at `nowMs`. */
  wants(nowMs: number): boolean {
    return this.#hungry.length > 0 || (this.#served.firstDueMs ?? Number.POSITIVE_INFINITY) < this.#wantedBelow(nowMs);
  }

  /** Up to `max` schedules that want instants, those first that are known the least far. */
  wanting(nowMs: number, max: number): Schedule[] {
    const found: Schedule[] = [];
    const taken: { readonly heap: DueHeap; readonly knownMs: number }[] = [];
    while (found.length < max) {
      const hungryMs = this.#hungry.firstDueMs ?? Number.POSITIVE_INFINITY;
      const servedMs = this.#served.firstDueMs ?? Number.POSITIVE_INFINITY;
      const isServedWanting = servedMs < this.#wantedBelow(nowMs);
      if (!isServedWanting && this.#hungry.length === 0) break;
      const heap = isServedWanting && servedMs < hungryMs ? this.#served : this.#hungry;
      taken.push({ heap, knownMs: heap === this.#served ? servedMs : hungryMs });
      found.push(this.slots.at(heap.pop()));
    }
    for (const [at, { heap, knownMs }] of taken.entries()) {
      const schedule = found[at] as Schedule;
      heap.set(schedule.slot, knownMs, schedule.number);
    }
    return found;
  }

  /** Those that want instants in `count` places from `from` on, in the order of places, and from where to go on: 0 behind the last. */
  wantingAt(nowMs: number, from: number, count: number): { readonly found: Schedule[]; readonly next: number } {
    const end = Math.min(from + count, this.slots.end);
    const found: Schedule[] = [];
    for (let slot = from; slot < end; slot += 1) {
      const isServedWanting = (this.#served.dueMsOf(slot) ?? Number.POSITIVE_INFINITY) < this.#wantedBelow(nowMs);
      if (isServedWanting || this.#hungry.has(slot)) found.push(this.slots.at(slot));
    }
    return { found, next: end < this.slots.end ? end : 0 };
  }

  #wantedBelow(nowMs: number): number {
    return nowMs + this.#bounds.scheduleAheadMs;
  }

  /** Nothing finds the schedule by its id any more. `remove` follows when its last task is final, if not at once. */
  release(schedule: Schedule): void {
    const shelf = this.#shelves.get(schedule.namespace);
    assert(shelf?.byId.get(schedule.id) === schedule, 'a schedule gives its own id back');
    shelf.byId.delete(schedule.id);
    shelf.ids.splice(placeOf(shelf.ids, schedule.id), 1);
    if (shelf.ids.length === 0) this.#shelves.delete(schedule.namespace);
  }

  /** Forgets a schedule that was released and has no task that is not final. */
  remove(schedule: Schedule): void {
    assert(schedule.deleted && schedule.unfinished === 0, 'a schedule goes with the last of its tasks');
    const { slot } = schedule;
    this.sizeBytes -= definitionBytes(schedule.definition);
    this.definitions.remove(slot);
    this.progress.remove(slot);
    for (const heap of [this.due, this.startable, this.cancelling, this.#hungry, this.#served]) heap.remove(slot);
    this.#byNumber.delete(schedule.number);
    this.slots.remove(slot);
  }

  /** Ends a restore, when the tasks of all schedules were linked. Yields now and then. @throws DecodeError */
  *settle(): Generator<void, void> {
    let done = 0;
    // In this order an id is added behind all others.
    for (const schedule of [...this.slots].sort((left, right) => (left.id < right.id ? -1 : 1))) {
      if (schedule.definition === EMPTY || schedule.settledThroughMs === 0) {
        throw new DecodeError(`half of the schedule ${schedule.number} is missing`);
      }
      if (!schedule.deleted) {
        if (this.find(schedule.namespace, schedule.id) !== undefined) {
          throw new DecodeError(`the schedule ${schedule.id} is there twice`);
        }
        this.#shelve(schedule);
      }
      this.sizeBytes += definitionBytes(schedule.definition);
      this.refresh(schedule);
      done += 1;
      if (done % LOAD_STEP === 0) yield;
    }
  }

  /** The schedule of a record: its other record may have come before. */
  #restoring(number: number): Schedule {
    const known = this.byNumber(number);
    if (known !== undefined) return known;
    const schedule = newSchedule(number, 0, '', EMPTY);
    schedule.slot = this.slots.add(schedule);
    this.#byNumber.set(number, schedule.slot);
    return schedule;
  }

  #shelve(schedule: Schedule): void {
    let shelf = this.#shelves.get(schedule.namespace);
    if (shelf === undefined) {
      shelf = { byId: new Map(), ids: [] };
      this.#shelves.set(schedule.namespace, shelf);
    }
    assert(!shelf.byId.has(schedule.id), 'a schedule has an id of its own');
    shelf.byId.set(schedule.id, schedule);
    shelf.ids.splice(placeOf(shelf.ids, schedule.id), 0, schedule.id);
  }
}

/** Puts `slot` into `heap` at `atMs`, or takes it out. */
function place(heap: DueHeap, slot: number, number: number, atMs: number | undefined): void {
  if (atMs === undefined) heap.remove(slot);
  else heap.set(slot, atMs, number);
}

/** The place of the first id that is not before `id`. */
function placeOf(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
