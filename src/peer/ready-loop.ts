/**
 * The crank: hands what the Raft core wants done to disk, network and state machine, and brings back what came of it.
 *
 *     frames ─▶ step ┐                        ┌─▶ messages ──────────▶ transport
 *     ticks ─▶ tick ─┼─▶ turn ─▶ raft.ready ──┼─▶ persist ──▶ log ──durable──▶ persisted, its messages ─▶ transport
 *     proposals ─────┘                        ├─▶ committed ─▶ applier ─▶ state machine ─▶ replies, listeners
 *                                             └─▶ fetch ────▶ log ─▶ fetched
 *
 * Everything that happens asks for one turn, which runs after all input that is already waiting; so what arrives together is
 * handled together. A turn is never entered twice, and every callback to the outside comes from within one.
 *
 * Invariants
 * - One write to the log is in flight. A message that promises something leaves only after the write that keeps the promise.
 * - Replication leaves before the own write begins, so the disks of all peers work at the same time.
 * - Only entries that are durable here are applied.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Message } from '../raft/message.ts';
import type { Raft } from '../raft/raft.ts';
import type { Configuration } from '../raft/configuration.ts';
import type { FetchRequest, PersistBatch, SnapshotNeed } from '../raft/ready.ts';
import type { Entry } from '../raft/types.ts';
import type { LogBatch, OpenedStorage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';
import type { Applier } from './applier.ts';
import { EnvelopeWriter, laneOf } from './envelope.ts';
import { lastStamp } from './last-stamp.ts';
import type { LogTime } from './log-time.ts';
import { instantOf } from './log-time.ts';
import type { ReadQueue } from './reads.ts';

/** What the crank turns. */
export interface LoopParts {
  readonly raft: Raft;
  readonly storage: OpenedStorage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly applier: Applier;
  readonly reads: ReadQueue;
  readonly logTime: LogTime;
}

/** What happens around it. */
export interface LoopHooks {
  /** Runs `action` as an event of its own; whatever it throws halts the peer. Does nothing once the peer stopped. */
  guard(action: () => void): void;
  /** A write or read of the log failed. */
  failed(error: unknown): void;
  /** Asks for another turn. */
  wake(): void;
  /** Another configuration is in force; told before anything is sent by it. */
  configuration(configuration: Configuration): void;
  /** The log of the others does not reach back to where the own one ends. */
  snapshotNeeded(need: SnapshotNeed): void;
}

/** What is written beside the log, by what it is about. */
export type BesideSubject = 'founding' | 'shared' | 'boots' | 'healed';

/** Most rounds of `ready` in one turn; more go on in the next, so that others get the event loop in between. */
const ROUNDS_MAX = 64;

/** See the head of this file. */
export class ReadyLoop {
  readonly #parts: LoopParts;
  readonly #hooks: LoopHooks;
  readonly #envelopes = new EnvelopeWriter();
  #writing = false;
  /** A batch of the core that waits for another write to end. */
  #nextBatch: PersistBatch | undefined;
  /** What is to be written beside the log before its next batch: the newest of each subject. */
  readonly #beside = new Map<BesideSubject, () => Promise<void>>();

  constructor(parts: LoopParts, hooks: LoopHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
  }

  /** True while something is being written to the log. */
  get writing(): boolean {
    return this.#writing;
  }

  /** Writes what is no entry as soon as no append is in flight, and before the next one. Of each subject the newest is written. */
  saveBeside(subject: BesideSubject, write: () => Promise<void>): void {
    this.#beside.set(subject, write);
    this.#writeNext();
  }

  /** Performs what the core wants done. */
  perform(): void {
    const { raft, applier, reads, storage } = this.#parts;
    let rounds = 0;
    while (raft.hasReady() && rounds < ROUNDS_MAX) {
      rounds += 1;
      const ready = raft.ready();
      if (ready.configuration !== undefined) this.#hooks.configuration(ready.configuration);
      this.#send(ready.messages);
      if (ready.persist !== undefined) this.#persist(ready.persist);
      applier.push(ready.committed);
      if (ready.fetch !== undefined) this.#fetch(ready.fetch);
      reads.confirmed(ready.reads);
      reads.lost(ready.readsLost, applier.appliedIndex);
      if (ready.snapshotNeeded !== undefined) this.#hooks.snapshotNeeded(ready.snapshotNeeded);
      if (ready.healed) this.saveBeside('healed', () => storage.healed());
    }
    this.#envelopes.forget();
    if (applier.waiting) {
      applier.run();
      raft.applied(applier.appliedIndex);
    }
    reads.release(applier.appliedIndex);
    if ((applier.waiting && !applier.stalled) || raft.hasReady()) this.#hooks.wake();
  }

  /** Tells `to` by the given message; the transport drops it when it cannot. */
  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const { transport, clock } = this.#parts;
    const wallMs = clock.wallMs();
    for (const message of messages) transport.send(message.to, laneOf(message), this.#envelopes.frame(message, wallMs));
  }

  #persist(batch: PersistBatch): void {
    assert(this.#nextBatch === undefined, 'the core has one batch in flight');
    this.#hearStamps(batch.entries);
    this.#nextBatch = batch;
    this.#writeNext();
  }

  #writeNext(): void {
    if (this.#writing) return;
    const { raft, storage } = this.#parts;
    const [beside] = this.#beside;
    if (beside !== undefined) {
      const [subject, write] = beside;
      this.#beside.delete(subject);
      this.#write(write(), () => {});
      return;
    }
    const batch = this.#nextBatch;
    if (batch === undefined) return;
    this.#nextBatch = undefined;
    this.#write(storage.log.append(logBatch(batch)), () => {
      raft.persisted(batch.ack);
      this.#send(batch.messages);
    });
  }

  #write(write: Promise<void>, durable: () => void): void {
    this.#writing = true;
    write.then(
      () => {
        this.#writing = false;
        this.#hooks.guard(() => {
          durable();
          this.#writeNext();
          this.#hooks.wake();
        });
      },
      (error: unknown) => {
        this.#hooks.failed(error);
      },
    );
  }

  #fetch(request: FetchRequest): void {
    const { raft, storage } = this.#parts;
    storage.log.read(request.from, request.to, request.maxBytes).then(
      (entries) => {
        this.#hooks.guard(() => {
          raft.fetched(request, entries);
          this.#hooks.wake();
        });
      },
      (error: unknown) => {
        this.#hooks.failed(error);
      },
    );
  }

  /** The newest stamp among `entries` tells what log time the leader has; those of older terms only how far it once was. */
  #hearStamps(entries: readonly Entry[]): void {
    const { logTime, raft, clock } = this.#parts;
    if (logTime.leading) return;
    const stamp = lastStamp(entries);
    if (stamp === undefined) return;
    if (stamp.term === raft.term) logTime.heardStamp(stamp.ms, instantOf(clock));
    else logTime.restore(stamp.ms);
  }
}

function logBatch(batch: PersistBatch): LogBatch {
  return {
    ...(batch.hardState === undefined ? {} : { hardState: batch.hardState }),
    ...(batch.truncateFrom === undefined ? {} : { truncateFrom: batch.truncateFrom }),
    entries: batch.entries,
  };
}
