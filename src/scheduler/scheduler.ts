/**
 * The replicated state machine: the task scheduler itself.
 *
 * In: log entries, each a batch of commands under one time stamp (`batch.ts`, `command.ts`), in the order of the log. Out: an
 * answer to each command, and effects as data (`outcome.ts`), of which only the leader takes notice; views of what is there
 * (`views.ts`); and the state as records at marks, for checkpoints. Every peer that applies the same entries has the same state.
 *
 * One entry is applied so:
 *
 *     far tasks   that are to be near again                far/
 *     time        schedules and timers that are due        schedules/ timers.ts
 *     leftovers   tasks of lost and drained workers        emptying.ts
 *     commands    in order                                 submit.ts complete.ts cancel.ts attach.ts worker-commands.ts schedules/
 *     leftovers   and what waits in schedules for tasks that ended
 *     placement   ready tasks meet free slots              placement.ts  (line.ts groups.ts worker-classes.ts)
 *     purge       blocks of finished tasks whose time is over
 *
 * Tasks move as `states.ts` draws it. Those that are not final have a row (`rows.ts`), or lie in blocks as bytes while they are due far
 * ahead (`far/`), those that are lie in other blocks (`finished.ts`); what they have in common is in templates (`templates.ts`). `memory/` has the structures below all this.
 *
 * Invariants, all checked by `invariants.ts`
 * - Log time never goes back, and nothing is done before it is due.
 * - A fencing token is given out once, and each is larger than all before. A running task is on one worker, in one slot.
 * - A task counts as ended once: final is final, and a completion counts only under the token of the running attempt.
 * - Counts equal a recount of the rows.
 * - An entry makes a bounded number of moves on its own account; what is left over is `openCursors`, and later entries go on.
 *
 * Not here: clocks, heartbeats, sockets, disks, elections, and the meaning of payloads.
 */
import { assert } from '../base/assert.ts';
import type { Crc32, Hash64 } from '../base/hash.ts';
import { applyCommand } from './apply-command.ts';
import { BatchReader } from './batch.ts';
import { emptyWorkers } from './emptying.ts';
import { farBlockKey } from './far/far-blocks.ts';
import { openFar, readFar } from './far/far.ts';
import { farAhead, type FarNeed, farNeeds, farNeedsOf } from './far/far-needs.ts';
import { readFinished } from './finished.ts';
import { checkState } from './invariants.ts';
import { type SchedulerLimits, schedulerLimits } from './limits.ts';
import { listTasks } from './list.ts';
import { loadRecord, settleLoad } from './load.ts';
import { LOAD_STEP } from './load-steps.ts';
import { blockKey } from './memory/blocks.ts';
import type { ApplyOutcome } from './outcome.ts';
import { canPlace, placeReady } from './placement.ts';
import {
  assignmentsOf,
  viewAssignment,
  viewCounters,
  viewQueue,
  viewTask,
  viewWorker,
  viewWorkers,
} from './queries.ts';
import { NO_ROW, ROW_MASK } from './rows.ts';
import { buffersLeft, workBuffers } from './schedules/buffer.ts';
import { fireSchedules } from './schedules/fire.ts';
import { viewSchedule, viewWanting } from './schedules/view.ts';
import { State } from './state.ts';
import { STATE } from './states.ts';
import { fireTimers, nextDueMs, timersLeft } from './timers.ts';
import type {
  Assignment,
  FarLocation,
  FinishedLocation,
  QueueView,
  ScheduleView,
  SchedulerCounters,
  TaskFilter,
  TaskPage,
  TaskView,
  WantingSchedule,
  WorkerView,
} from './views.ts';

export { farBlockKey } from './far/far-blocks.ts';
export type { FarNeed } from './far/far-needs.ts';
export { matchesFilter } from './list.ts';
export { blockKey } from './memory/blocks.ts';
export { BODY_TABLE_IDS_FROM } from './memory/table-ids.ts';
export { payloadKey } from './memory/payloads.ts';

/** What a state machine is made with. Limits must be equal on all peers. */
export interface SchedulerOptions {
  readonly crc32: Crc32;
  /** Over `SCHEDULER_LIMITS`. */
  readonly limits?: Partial<SchedulerLimits>;
}

/** Where the records of a checkpoint go. Bytes handed over belong to the sink. */
export interface CheckpointSink {
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
}

/** The digest of the state at one mark; equal on all peers that applied it. */
export interface Mark {
  readonly index: number;
  readonly logTimeMs: number;
  readonly digest: Hash64;
}

/** A mark whose changes are not drained yet. */
export interface OpenMark {
  readonly index: number;
  readonly logTimeMs: number;
  /** `write`: drain it into a checkpoint and commit that. `hash`: an earlier one is still being written; drain it to nowhere. */
  readonly mode: 'write' | 'hash';
}

/** Takes the records of a checkpoint in and makes a state of them. */
export interface SchedulerLoader {
  /**
   * One record of the state database. Those whose keys begin below `BODY_TABLE_IDS_FROM` may come in any order; the bodies of
   * blocks and payloads behind them may be left out, but for the ones that `missing` names. A block that is added is checked.
   * @throws DecodeError
   */
  add(key: Uint8Array, value: Uint8Array): void;
  /** Keys of bodies that are needed and were not added yet; ask when everything else was. */
  missing(): Uint8Array[];
  /**
   * Goes on with putting together what was added, for about `recordsMax` small records; true when nothing is left to do. Nothing is
   * added from the first call on. @throws DecodeError when the records contradict each other
   */
  settle(recordsMax: number): boolean;
  /**
   * The state as it was at the mark; brings `settle` to its end where that was not done.
   * @throws DecodeError when the records do not make it, by the digest or by themselves
   */
  finish(mark: Mark): Scheduler;
}

/** The replicated state machine; see the top of this file. */
export class Scheduler {
  readonly #state: State;
  #appliedIndex = 0;
  #openMark: OpenMark | undefined;
  /** Log times of the marks that are not drained yet, by index. */
  readonly #markTimes: Map<number, number> = new Map();
  #lastMark: Mark | undefined;
  /** Reused for every entry. */
  readonly #outcome: { -readonly [Field in keyof ApplyOutcome]: ApplyOutcome[Field] };

  /** An empty state, the begin of a cluster. `loaded` is for the loader alone. */
  constructor(options: SchedulerOptions, loaded?: { readonly state: State; readonly mark: Mark }) {
    this.#state = loaded?.state ?? new State(schedulerLimits(options.limits), options.crc32);
    if (loaded === undefined) {
      this.#state.begin();
    } else {
      this.#appliedIndex = loaded.mark.index;
      this.#lastMark = loaded.mark;
    }
    const { replies, assigned, aborts, finished, occurrences } = this.#state;
    this.#outcome = { replies, assigned, aborts, finished, occurrences, schedulesWant: false, marked: false };
  }

  /** A loader of an empty state. */
  static loader(options: SchedulerOptions): SchedulerLoader {
    const state = new State(schedulerLimits(options.limits), options.crc32);
    const steps = settleLoad(state);
    const settle = (recordsMax: number): boolean => {
      for (let done = 0; done < recordsMax; done += LOAD_STEP) if (steps.next().done === true) return true;
      return false;
    };
    return {
      add: (key, value) => {
        loadRecord(state, key, value);
      },
      missing: () => [
        ...state.memory.blocks.missingBodies().map((id) => blockKey(id)),
        ...state.far.missingBodies().map((id) => farBlockKey(id)),
      ],
      settle,
      finish: (mark) => {
        settle(Number.POSITIVE_INFINITY);
        state.checkpoints.restored(mark);
        return new Scheduler(options, { state, mark });
      },
    };
  }

  /** The stamp of the last entry, in ms. */
  get logTimeMs(): number {
    return this.#state.nowMs;
  }

  /** The last entry that was applied. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** True while work is left over that needs no new command: the leader goes on proposing, empty batches if need be. */
  get openCursors(): boolean {
    const state = this.#state;
    return (
      state.workers.emptying.length > 0 ||
      timersLeft(state) ||
      buffersLeft(state) ||
      canPlace(state) ||
      state.memory.blocks.purgeDue(state.nowMs)
    );
  }

  /** When the earliest timer is due in log time, as far as it may fire; undefined when none is set. */
  nextDueMs(): number | undefined {
    return nextDueMs(this.#state);
  }

  /** Until this log time no worker may be declared lost: one lease from the begin of the term. Earlier verdicts are refused. */
  get verdictsFromMs(): number {
    return this.#state.meta.verdictsFromMs;
  }

  /**
   * From now on tasks leave memory that are submitted and due far ahead. Every peer must be told at the same place of the log; again
   * changes nothing.
   */
  enableFar(): void {
    this.#state.far.enable();
  }

  /** Bodies that applying `batch` next needs and that are not in memory: read them and `giveFar`. @throws DecodeError */
  farNeeds(batch: Uint8Array): readonly FarNeed[] {
    return farNeeds(this.#state, batch);
  }

  /** Bodies that cancelling these tasks will need: read and given `early` they hold up no entry later. */
  farNeedsOf(numbers: readonly number[]): readonly FarNeed[] {
    return farNeedsOf(this.#state, numbers);
  }

  /** The block of far tasks that will soon be needed whole and is not in memory. */
  farAhead(): number | undefined {
    return farAhead(this.#state);
  }

  /**
   * What the state database has under `farBlockKey(need.block)`. What is not needed any more is ignored.
   * @throws DecodeError when that is not the block as the state knows it
   */
  giveFar(need: FarNeed, body: Uint8Array | undefined, early = false): void {
    this.#state.far.give(need.block, body, need.numbers, early);
  }

  /**
   * Applies one entry, for which `farNeeds` names nothing. The outcome is the caller's until the next entry.
   * @throws DecodeError, InvariantError for what no correct peer proposes: halt the peer, its state is not to be used any more
   */
  apply(index: number, batch: Uint8Array): ApplyOutcome {
    const state = this.#state;
    assert(index > this.#appliedIndex, 'entries are applied once, in order');
    const entry = new BatchReader(batch);
    assert(entry.logTimeMs >= state.nowMs, 'log time never goes back');
    state.clearOutcome();
    state.meta.touch();
    // 0 stands for "no instant" in many places.
    state.meta.logTimeMs = Math.max(1, entry.logTimeMs);
    this.#appliedIndex = index;
    const { movesMax } = state.limits;
    openFar(state);
    // Schedules come first and leave at least half of the entry to others.
    let moves = fireSchedules(state, Math.ceil(movesMax / 2));
    moves += fireTimers(state, movesMax - moves);
    if (moves < movesMax) moves += emptyWorkers(state, movesMax - moves);
    while (entry.next()) state.replies.push(applyCommand(state, entry, batch));
    if (moves < movesMax) moves += emptyWorkers(state, movesMax - moves);
    if (moves < movesMax) moves += workBuffers(state, movesMax - moves);
    placeReady(state, movesMax);
    if (moves < movesMax) state.memory.blocks.purge(state.nowMs, movesMax - moves);
    state.far.forgetTaken();
    if (state.marked) this.#mark(index);
    assert(state.replies.length === entry.count, 'every command is answered');
    this.#outcome.schedulesWant = state.schedules.wants(state.nowMs);
    this.#outcome.marked = state.marked;
    return this.#outcome;
  }

  #mark(index: number): void {
    const { checkpoints, nowMs } = this.#state;
    const mode = checkpoints.inProgress || checkpoints.holding ? 'hash' : 'write';
    checkpoints.mark(index);
    this.#markTimes.set(index, nowMs);
    this.#noteLastMark();
    this.#openMark = { index, logTimeMs: nowMs, mode };
  }

  #noteLastMark(): void {
    const last = this.#state.checkpoints.lastMark;
    if (last === undefined || last.index === this.#lastMark?.index) return;
    const logTimeMs = this.#markTimes.get(last.index);
    assert(logTimeMs !== undefined, 'a mark has a log time');
    this.#markTimes.delete(last.index);
    this.#lastMark = { index: last.index, logTimeMs, digest: last.digest };
  }

  /** The newest mark, while it waits to be drained. */
  get openMark(): OpenMark | undefined {
    return this.#openMark;
  }

  /** Hands up to about `recordsMax` records of the open mark to the sink; true when that was all and `lastMark` tells the digest. */
  drain(recordsMax: number, sink: CheckpointSink): boolean {
    const isMore = this.#state.checkpoints.drain(recordsMax, sink);
    this.#noteLastMark();
    if (!isMore) this.#openMark = undefined;
    return !isMore;
  }

  /** While on, marks are hashed and not written: the written checkpoint stands still, so that it can be sent. */
  hold(on: boolean): void {
    this.#state.checkpoints.holding = on;
  }

  /** The newest mark that was drained or hashed to its end. */
  get lastMark(): Mark | undefined {
    return this.#lastMark;
  }

  /** The checkpoint of the mark at `index` is durable: blocks and large payloads that it holds leave memory. */
  checkpointWritten(index: number): void {
    this.#state.checkpoints.written(index);
    this.#state.memory.written();
    this.#state.far.written();
  }

  /** What to deliver to the worker on which the task runs; undefined when it does not run. */
  assignment(number: number): Assignment | undefined {
    const state = this.#state;
    const row = state.memory.pages.rowOf(number);
    if (row === NO_ROW || state.rows.segmentOf(row).state[row & ROW_MASK] !== STATE.running) return undefined;
    return viewAssignment(state, row);
  }

  /** Numbers of the tasks that run on a worker, in the order of their placement. */
  assignmentsOf(worker: string): number[] {
    const found = this.#state.workers.find(worker);
    return found === undefined ? [] : assignmentsOf(this.#state, found);
  }

  /** A task: as it is, or which block to read it from, or nothing. */
  task(number: number): TaskView | FinishedLocation | FarLocation | undefined {
    const state = this.#state;
    const row = state.memory.pages.rowOf(number);
    if (row !== NO_ROW) return viewTask(state, row);
    const tag = state.memory.pages.farTagOf(number);
    if (tag !== 0) return { farBlock: state.far.byTag(tag).id };
    const block = state.memory.blocks.idOf(number);
    return block === undefined ? undefined : { finishedBlock: block };
  }

  /** A block of finished tasks, while it is in memory. */
  block(blockId: number): Uint8Array | undefined {
    return this.#state.memory.blocks.body(blockId);
  }

  /** A block of far tasks, while it is in memory. */
  farBlock(blockId: number): Uint8Array | undefined {
    const block = this.#state.far.byId(blockId);
    return block === undefined ? undefined : this.#state.far.bodyOf(block);
  }

  /** A far task out of its block; undefined when it is not in that any more. @throws DecodeError when the block is damaged */
  readFar(blockId: number, body: Uint8Array, number: number): TaskView | undefined {
    return readFar(this.#state, blockId, body, number);
  }

  /** A finished task out of its block. @throws DecodeError when the block is damaged */
  readFinished(block: Uint8Array, number: number): TaskView | undefined {
    return readFinished(this.#state, block, number);
  }

  /**
   * The payload out of the record under `payloadKey(number)`; undefined when the task has none any more.
   * @throws DecodeError when the record is not what was written
   */
  readPayload(number: number, record: Uint8Array): Uint8Array | undefined {
    return this.#state.memory.payloads.read(number, record);
  }

  /** Tasks before `cursor`, newest first. Looks at a bounded number of tasks, whatever it finds. */
  list(filter: TaskFilter, cursor: number | undefined, limit: number): TaskPage {
    return listTasks(this.#state, filter, cursor, limit);
  }

  /** The queues of a namespace, by name. */
  queues(namespace: string): QueueView[] {
    const number = this.#state.findNamespace(namespace);
    const views = this.#state.queues.list
      .filter((queue) => queue.namespace === number)
      .map((queue) => viewQueue(this.#state, queue));
    return views.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** The schedule with that id; undefined when there is none. */
  schedule(namespace: string, id: string): ScheduleView | undefined {
    const found = this.#state.schedules.find(this.#state.findNamespace(namespace), id);
    return found === undefined ? undefined : viewSchedule(this.#state, found);
  }

  /** Up to `limit` schedules of a namespace with ids after `afterId`, by id; `''` is before all. */
  schedules(namespace: string, afterId: string, limit: number): ScheduleView[] {
    const state = this.#state;
    const page = state.schedules.page(state.findNamespace(namespace), afterId, limit);
    return page.map((schedule) => viewSchedule(state, schedule));
  }

  /**
   * Up to `max` schedules that want their next instants by `advanceSchedule`, those first whose instants are known the least far:
   * they have fewer than two, or the last one is less than 20 s ahead. One that was asked for is named until its answer is applied.
   */
  wantingSchedules(max: number): WantingSchedule[] {
    const state = this.#state;
    return state.schedules.wanting(state.nowMs, max).map((schedule) => viewWanting(state, schedule));
  }

  /**
   * Those that want among `count` schedules from place `from` on, but for those left out, and from where to go on: 0 behind the last.
   * For who looks past more of them than can be looked at together.
   */
  wantingSchedulesAt(
    from: number,
    count: number,
    isLeftOut: (number: number, version: number) => boolean,
  ): { readonly wanting: readonly WantingSchedule[]; readonly next: number } {
    const state = this.#state;
    const { found, next } = state.schedules.wantingAt(state.nowMs, from, count);
    const wanting = found
      .filter(({ number, definition }) => !isLeftOut(number, definition.version))
      .map((schedule) => viewWanting(state, schedule));
    return { wanting, next };
  }

  /** The workers of a namespace, by id. */
  workers(namespace: string): WorkerView[] {
    return viewWorkers(this.#state, this.#state.findNamespace(namespace));
  }

  /** The worker with this id, of whatever namespace; undefined when there is none. */
  worker(id: string): WorkerView | undefined {
    const found = this.#state.workers.find(id);
    return found === undefined ? undefined : viewWorker(this.#state, found);
  }

  /** The workers of all namespaces, by id. */
  allWorkers(): WorkerView[] {
    return viewWorkers(this.#state, undefined);
  }

  /** The ids of all client sessions, in order. */
  sessionIds(): string[] {
    return [...this.#state.sessions.slots].map((session) => session.id).sort();
  }

  /** Totals over everything. */
  counters(): SchedulerCounters {
    return viewCounters(this.#state);
  }

  /** Checks every invariant of the whole state; for tests and the simulator. @throws InvariantError */
  checkInvariants(): void {
    checkState(this.#state);
  }
}
