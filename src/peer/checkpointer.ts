/**
 * Writes checkpoints of the state, a slice at a time.
 *
 *     idle ──mark applied──▶ draining ──all records──▶ committing ──durable──▶ idle
 *
 * The scheduler freezes what changed up to the mark in one step and hands it out record by record while it goes on changing. A
 * mark that comes while an earlier checkpoint is still being written is drained too, to nowhere: only its digest counts. A
 * checkpoint never holds an index that is not durable in the own log, since only durable entries are applied.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
import type { Hash64 } from '../base/hash.ts';
import type { LogIndex, Term } from '../base/ids.ts';
import type { CheckpointSink, Scheduler } from '../scheduler/scheduler.ts';
import type { CheckpointWriter, StateStorage } from '../storage/storage.ts';
import type { MarkDigest } from './types.ts';

/** Marks whose digest is remembered. */
export const MARKS_KEPT = 16;

/** Records drained between two looks at the clock. A full block has 64 KiB, so a step is a quarter of a megabyte at most. */
const RECORDS_A_STEP = 4;

/** What happens around a checkpoint. */
export interface CheckpointHooks {
  /** The checkpoint at `index` is durable. */
  written(index: LogIndex): void;
  /** The digest of another mark is known. */
  digested(): void;
  /** Runs `action` as an event of its own; whatever it throws halts the peer. */
  guard(action: () => void): void;
  /** A write failed. */
  failed(error: unknown): void;
}

/** A checkpoint that is being put together. */
interface OpenCheckpoint {
  readonly index: LogIndex;
  readonly logTimeMs: number;
  readonly term: Term;
  readonly configuration: Uint8Array;
  readonly writer: CheckpointWriter;
  /** Known once its mark is drained. */
  digest: Hash64 | undefined;
}

const NOWHERE: CheckpointSink = { put(): void {}, del(): void {} };

/** See the head of this file. */
export class Checkpointer {
  readonly #scheduler: Scheduler;
  readonly #storage: StateStorage;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #sliceMs: number;
  readonly #configuration: () => Uint8Array;
  readonly #hooks: CheckpointHooks;
  /** The checkpoint that is being put together. Invariant: never while one is being committed. */
  #open: OpenCheckpoint | undefined;
  #draining = false;
  #committing = false;
  #stopped = false;
  #marks: MarkDigest[] = [];

  constructor(
    parts: {
      readonly scheduler: Scheduler;
      readonly storage: StateStorage;
      readonly clock: Clock;
      readonly timers: Timers;
      readonly sliceMs: number;
      /** The cluster as the entries up to now have made it, as it goes into a checkpoint. */
      readonly configuration: () => Uint8Array;
    },
    hooks: CheckpointHooks,
  ) {
    assert(parts.sliceMs > 0, 'a slice has a length');
    this.#scheduler = parts.scheduler;
    this.#storage = parts.storage;
    this.#clock = parts.clock;
    this.#timers = parts.timers;
    this.#sliceMs = parts.sliceMs;
    this.#configuration = parts.configuration;
    this.#hooks = hooks;
  }

  /** The newest marks with their digests, oldest first, at most `MARKS_KEPT`. */
  get marks(): readonly MarkDigest[] {
    return this.#marks;
  }

  /** True while a mark is drained or written: another one would only be hashed. */
  get busy(): boolean {
    return this.#draining || this.#committing;
  }

  /** True from the mark of a checkpoint that is written until that is durable: the one on the disk is about to be replaced. */
  get writing(): boolean {
    return this.#open !== undefined || this.#committing;
  }

  /** An entry of `term` with a mark was applied. */
  marked(term: Term): void {
    // To make room for this mark the scheduler may have brought the one before to its end.
    this.#noteDigest();
    const mark = this.#scheduler.openMark;
    if (mark === undefined || this.#stopped) return;
    if (mark.mode === 'write' && mark.index !== this.#open?.index) {
      assert(this.#open === undefined && !this.#committing, 'one checkpoint is written at a time');
      const { index, logTimeMs } = mark;
      const writer = this.#storage.beginCheckpoint();
      this.#open = { index, logTimeMs, term, configuration: this.#configuration(), writer, digest: undefined };
    }
    if (!this.#draining) this.#slice();
    this.#draining = true;
  }

  /** Gives up what is being put together; a commit under way goes on by itself. */
  stop(): void {
    this.#stopped = true;
    this.#open?.writer.discard();
    this.#open = undefined;
  }

  #slice(): void {
    this.#timers.soon(() => {
      if (this.#stopped) return;
      this.#hooks.guard(() => {
        this.#drain();
      });
    });
  }

  #drain(): void {
    const sink = this.#open?.writer ?? NOWHERE;
    const endMs = this.#clock.monotonicMs() + this.#sliceMs;
    while (!this.#scheduler.drain(RECORDS_A_STEP, sink)) {
      if (this.#clock.monotonicMs() < endMs) continue;
      this.#slice();
      return;
    }
    this.#draining = false;
    this.#noteDigest();
    if (this.#open !== undefined) this.#commit(this.#open);
  }

  #noteDigest(): void {
    const mark = this.#scheduler.lastMark;
    if (mark === undefined || mark.index === this.#marks.at(-1)?.index) return;
    if (mark.index === this.#open?.index) this.#open.digest = mark.digest;
    this.#marks.push({ index: mark.index, digest: mark.digest });
    if (this.#marks.length > MARKS_KEPT) this.#marks.shift();
    this.#hooks.digested();
  }

  #commit(open: OpenCheckpoint): void {
    const { index, term, logTimeMs, configuration, digest } = open;
    assert(digest !== undefined, 'a drained mark has a digest');
    this.#open = undefined;
    this.#committing = true;
    open.writer.commit({ index, term, logTimeMs, configuration, digest }).then(
      () => {
        this.#committing = false;
        if (this.#stopped) return;
        this.#hooks.guard(() => {
          this.#scheduler.checkpointWritten(index);
          this.#hooks.written(index);
        });
      },
      (error: unknown) => {
        this.#hooks.failed(error);
      },
    );
  }
}
