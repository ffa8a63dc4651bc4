/**
 * A state machine beside all peers that applies every committed entry, in order, from the first one on. It never restarts and
 * never loads a checkpoint, so what it has is what every peer must have; and since it sees each entry's outcome, it knows the
 * whole story of each task.
 */
import type { Crc32 } from '../src/base/hash.ts';
import type { LogIndex } from '../src/base/ids.ts';
import { FEATURE_FAR, readFeature } from '../src/peer/features.ts';
import { decodeValue } from '../src/protocol/codec.ts';
import { EntryKind, type Entry } from '../src/raft/types.ts';
import { decodeBatch } from '../src/scheduler/batch.ts';
import type { Blob, Outcome, PrincipalCommand, TaskSubmission } from '../src/scheduler/command.ts';
import { schedulerLimits, type SchedulerLimits } from '../src/scheduler/limits.ts';
import type { ApplyOutcome } from '../src/scheduler/outcome.ts';
import { type CheckpointSink, farBlockKey, Scheduler } from '../src/scheduler/scheduler.ts';
import type { TaskState, TaskView } from '../src/scheduler/views.ts';
import type { WitnessedEntry } from './checkers/checker.ts';
import { Violation } from './world.ts';

/** The first byte of the keys of bodies of blocks of far tasks. */
const FAR_BODY_KEYS = farBlockKey(1)[0];

/** One placement of a task. */
export interface Placement {
  readonly token: number;
  readonly worker: string;
  readonly index: LogIndex;
  readonly atMs: number;
}

/** How a task ended. */
export interface TaskEnd {
  readonly state: TaskState;
  readonly reason: string | undefined;
  readonly index: LogIndex;
  /** The placement that ended it by its own report; undefined when something else did. */
  readonly token: number | undefined;
  readonly result: unknown;
}

/** All that happened to one task. */
export interface TaskStory {
  readonly number: number;
  /** The mark by which the client that made the payload knows it. */
  readonly mark: string;
  readonly createdIndex: LogIndex;
  /** Not before this log time, in ms. */
  readonly notBeforeMs: number;
  readonly placements: Placement[];
  /** Tokens whose report was accepted, with what they reported. */
  readonly accepted: { readonly token: number; readonly type: Outcome['type']; readonly index: LogIndex }[];
  end: TaskEnd | undefined;
}

/** See the head of this file. */
export class Witness {
  readonly scheduler: Scheduler;
  readonly stories: Map<number, TaskStory> = new Map();
  readonly storyOfMark: Map<string, TaskStory> = new Map();

  #unfinished = 0;
  /** Blocks of far tasks that an entry needed and that had left memory. */
  farBlocksRead = 0;
  /** Of its checkpoints only what it needs again: bodies of blocks of far tasks, by their keys in hex. */
  readonly #bodies: Map<string, Uint8Array> = new Map();
  readonly #sink: CheckpointSink = {
    put: (key, value) => {
      if (key[0] === FAR_BODY_KEYS) this.#bodies.set(textOf(key), value);
    },
    del: (key) => {
      this.#bodies.delete(textOf(key));
    },
  };

  /** The lease by which the state machine goes, in ms. */
  readonly leaseMs: number;

  constructor(crc32: Crc32, limits: Partial<SchedulerLimits>) {
    this.leaseMs = schedulerLimits(limits).leaseMs;
    this.scheduler = new Scheduler({ crc32, limits });
  }

  /** Tasks that are not final. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Applies one entry; undefined for one without commands. */
  apply(entry: Entry): WitnessedEntry | undefined {
    const { scheduler } = this;
    if (entry.kind === EntryKind.feature && readFeature(entry.data) >= FEATURE_FAR) scheduler.enableFar();
    if (entry.kind !== EntryKind.command) return undefined;
    const { commands, logTimeMs } = decodeBatch(entry.data);
    for (const need of scheduler.farNeeds(entry.data)) {
      this.farBlocksRead += 1;
      scheduler.giveFar(need, this.#bodies.get(textOf(farBlockKey(need.block))));
    }
    const outcome = scheduler.apply(entry.index, entry.data);
    if (outcome.marked) {
      while (scheduler.openMark !== undefined && !scheduler.drain(1_000, this.#sink));
      scheduler.checkpointWritten(entry.index);
    }
    this.#tell(entry.index, commands, outcome);
    return { index: entry.index, logTimeMs, commands, outcome, scheduler };
  }

  #tell(index: LogIndex, commands: readonly PrincipalCommand[], outcome: ApplyOutcome): void {
    const ended = new Map<number, number>();
    for (const [at, { command }] of commands.entries()) {
      const reply = outcome.replies[at];
      if (command.type === 'submit' && reply?.type === 'submitted' && !reply.repeated) {
        this.#created(index, command.tasks, reply.firstNumber, new Set(reply.existing.map(({ position }) => position)));
      } else if (command.type === 'complete' && reply?.type === 'completed') {
        for (const [position, { number, fencingToken, outcome: how }] of command.completions.entries()) {
          if (reply.answers[position] !== 'ok') continue;
          this.stories.get(number)?.accepted.push({ token: fencingToken, type: how.type, index });
          ended.set(number, fencingToken);
        }
      }
    }
    for (const { task } of outcome.occurrences) if (task !== undefined) this.#made(index, task);
    for (const number of outcome.assigned) this.#placed(index, number);
    for (const number of outcome.finished) this.#finished(index, number, ended.get(number));
  }

  #created(
    index: LogIndex,
    tasks: readonly TaskSubmission[],
    firstNumber: number,
    existing: ReadonlySet<number>,
  ): void {
    let number = firstNumber;
    for (const [position, task] of tasks.entries()) {
      if (existing.has(position)) continue;
      const mark = markOf(task.payload);
      const notBeforeMs = task.runAtMs ?? this.scheduler.logTimeMs + (task.delayMs ?? 0);
      const story: TaskStory = {
        number,
        mark,
        createdIndex: index,
        notBeforeMs,
        placements: [],
        accepted: [],
        end: undefined,
      };
      if (this.stories.has(number)) throw new Violation('submit-once', `task ${number} was made twice`);
      this.stories.set(number, story);
      this.#unfinished += 1;
      if (mark !== '') {
        const other = this.storyOfMark.get(mark);
        if (other !== undefined) {
          throw new Violation('submit-once', `the task ${mark} was made twice: ${other.number} and ${number}`);
        }
        this.storyOfMark.set(mark, story);
      }
      number += 1;
    }
  }

  /** A schedule made a task. */
  #made(index: LogIndex, number: number): void {
    if (this.stories.has(number)) throw new Violation('submit-once', `task ${number} was made twice`);
    const notBeforeMs = this.scheduler.logTimeMs;
    const [placements, accepted] = [[], []];
    this.stories.set(number, {
      number,
      mark: '',
      createdIndex: index,
      notBeforeMs,
      placements,
      accepted,
      end: undefined,
    });
    this.#unfinished += 1;
  }

  #placed(index: LogIndex, number: number): void {
    const assignment = this.scheduler.assignment(number);
    const story = this.stories.get(number);
    if (assignment === undefined || story === undefined) return;
    const { fencingToken: token, worker, placedAtMs } = assignment;
    if (story.placements.at(-1)?.token !== token) story.placements.push({ token, worker, index, atMs: placedAtMs });
  }

  #finished(index: LogIndex, number: number, token: number | undefined): void {
    const story = this.stories.get(number);
    if (story === undefined) return;
    const view = this.#view(number);
    if (story.end !== undefined) throw new Violation('submit-once', `task ${number} became final twice`);
    this.#unfinished -= 1;
    story.end = {
      state: view?.state ?? 'cancelled',
      reason: view?.reason,
      index,
      token,
      result: view?.result === undefined ? undefined : valueOf(view.result),
    };
  }

  #view(number: number): TaskView | undefined {
    const found = this.scheduler.task(number);
    if (found === undefined || 'number' in found) return found;
    if ('farBlock' in found) return undefined;
    const block = this.scheduler.block(found.finishedBlock);
    return block === undefined ? undefined : this.scheduler.readFinished(block, number);
  }
}

/** What the workload puts into a payload so that it knows it again; empty for one that is not its own. */
export function markOf(payload: Blob): string {
  const value = valueOf(payload);
  if (typeof value !== 'object' || value === null || !('mark' in value)) return '';
  return typeof value.mark === 'string' ? value.mark : '';
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key).toString('hex');
}

function valueOf(blob: Blob): unknown {
  return blob.encoding === 1 ? decodeValue(blob.bytes) : undefined;
}
