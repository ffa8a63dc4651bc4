/**
 * Fetches the state of a checkpoint from the other peers, for one that is too far behind for their logs, or lost its own state.
 *
 *     idle ──needed──▶ fetching ──last page──▶ loading ──digest is right──▶ ready ──▶ (the host installs it and begins anew)
 *                        │  ▲                     │
 *       no answer, refused│  │ another sender      │ the records do not make the state that the mark says
 *                        └──┘◀────── anew ────────┘
 *
 * Where the disk has no room for it, and for half of what counts as low beside, what has come is given up, so that the peer itself
 * goes on, and nothing is asked for before there is more room than was needed so far.
 *
 * Pages are asked for one after the other, from any peer; when a sender falls silent another one that has the same checkpoint goes
 * on where it stopped. What comes goes to the disk, into a directory of its own, and into a loader at the same time, so that the
 * whole is verified against its digest before anything of the peer's own is touched.
 *
 * A peer that starts again goes on with what it has on the disk, as long as somebody still has the same checkpoint.
 *
 * Bounded: one page is on its way, one is being written.
 */
import { assert } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import type { Clock, Timer, Timers } from '../base/clock.ts';
import { sameHash } from '../base/hash.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Scheduler, SchedulerLoader } from '../scheduler/scheduler.ts';
import { compareKeys } from '../storage/keys.ts';
import type { Checkpoint, LogPosition, OpenedStorage, SnapshotStaging, StateRecord } from '../storage/storage.ts';
import { STATE_KEY_BYTES_MAX } from '../storage/storage.ts';
import { StorageError } from '../storage/storage-error.ts';
import { putIn, settleLoader, whole } from './load-state.ts';
import type { SnapshotChunk, SnapshotFrame, SnapshotRequest } from './snapshot-frames.ts';
import { NO_KEY } from './snapshot-frames.ts';
import type { SnapshotProgress } from './types.ts';

/** A page that does not come within this time is asked for at another peer, in ms. */
export const ANSWER_MS = 3_000;

/** When no peer could help they are asked again after this time, in ms. */
export const RETRY_MS = 500;

/** Between two looks whether there is room, in ms: the first one, and each when it has gone on for long. */
const ROOM_LOOK_MS = 1_000;
const ROOM_LOOK_MAX_MS = 30_000;

/** Room is looked at when so many more bytes have come. */
const ROOM_LOOK_BYTES: number = 32 * 1024 * 1024;

/** Room beyond what has come before it gave out, in bytes: for what LevelDB rewrites, and for the log that grows meanwhile. */
const ROOM_SPARE_BYTES: number = 64 * 1024 * 1024;

/** A snapshot that is whole, verified, and on the disk beside the own state. */
export interface ReadySnapshot {
  readonly staging: SnapshotStaging;
  readonly checkpoint: Checkpoint;
  /** The state of it, loaded. */
  readonly scheduler: Scheduler;
}

/** What a receiver works with. */
export interface ReceiverParts {
  readonly storage: Pick<OpenedStorage, 'beginSnapshot' | 'resumeSnapshot' | 'stagedIndex' | 'space'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: Pick<PeerLimits, 'snapshotPageBytes' | 'applySliceMs' | 'spaceLowBytes'>;
  readonly loader: () => SchedulerLoader;
  /** What a checkpoint says of the cluster must be readable before it is installed. @throws DecodeError */
  readonly checkConfiguration: (configuration: Uint8Array) => void;
  /** Peers that may have a state, those to ask first at the head. */
  readonly senders: () => readonly PeerId[];
}

/** What a receiver asks of its host. */
export interface ReceiverHooks {
  request(to: PeerId, frame: SnapshotRequest): void;
  /** Everything is there. Nothing more is done here until `stop`. */
  ready(snapshot: ReadySnapshot): void;
  /** Every peer that may have a state was asked and has none. */
  nobodyHasAny(): void;
  guard(action: () => void): void;
  failed(error: unknown): void;
}

/** What has come of one checkpoint. */
interface Fetch {
  readonly checkpoint: Checkpoint;
  readonly base: LogPosition;
  readonly loader: SchedulerLoader;
  readonly staging: SnapshotStaging;
}

/** See the head of this file. */
export class SnapshotReceiver {
  readonly #parts: ReceiverParts;
  readonly #hooks: ReceiverHooks;
  #phase: 'idle' | 'fetching' | 'loading' | 'ready' = 'idle';
  /** An older checkpoint is of no use. */
  #atLeast: LogIndex = 0;
  /** Counts beginnings, so that what belongs to an earlier one is known. */
  #epoch = 0;
  /** The checkpoint under way; undefined until its first page came. */
  #fetch: Fetch | undefined;
  /** Its index; 0 before. */
  #index: LogIndex = 0;
  #lastKey: Uint8Array = NO_KEY;
  #receivedBytes = 0;
  /** Whom the page under way was asked from; undefined while none is. */
  #from: PeerId | undefined;
  #timer: Timer | undefined;
  /** Fulfilled when the storage has room for a staging: what came of an earlier checkpoint is gone. */
  #cleared: Promise<void> = Promise.resolve();
  /** The peer has stopped: what is on the disk is not removed any more. */
  #suspended = false;
  /** Free room without which it is not tried again, in bytes; undefined while there is no want of it. */
  #lacksBytes: number | undefined;
  #roomLookMs = ROOM_LOOK_MS;
  /** Room is looked at before more than so many bytes come. */
  #roomLookBytes = 0;
  /** Who could not help since the last page, with the newest checkpoint that each named. */
  readonly #refusedBy = new Map<PeerId, { readonly hasAny: boolean; readonly other: boolean }>();

  /** Who let a request run out and has said nothing since: asked after all others, as each costs the whole wait. */
  readonly #silent = new Set<PeerId>();

  constructor(parts: ReceiverParts, hooks: ReceiverHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
  }

  get progress(): SnapshotProgress | undefined {
    if (this.#phase === 'idle') return undefined;
    return {
      phase: this.#phase === 'ready' ? 'installing' : this.#phase,
      from: this.#from,
      index: this.#index,
      receivedBytes: this.#receivedBytes,
    };
  }

  /** How much room there must be before this goes on, in bytes; undefined while there is no want of it. */
  get lacksBytes(): number | undefined {
    return this.#lacksBytes;
  }

  /** True until everything has come. */
  get fetching(): boolean {
    return this.#phase === 'fetching';
  }

  /**
   * A checkpoint at `atLeast` or later is needed. Said as often as it is so, and the last word counts: a new leader's log may reach
   * further back than that of the one before, and with it the cluster may go on only by a state that was too old so far.
   */
  needed(atLeast: LogIndex): void {
    this.#atLeast = atLeast;
    if (this.#phase !== 'idle') return;
    this.#phase = 'fetching';
    this.#parts.logger.info('a snapshot is needed', { atLeast });
    const { stagedIndex } = this.#parts.storage;
    if (stagedIndex !== undefined && stagedIndex >= atLeast) this.#resume();
    else this.#ask();
  }

  /** The peer stops: what has come stays on the disk, to be taken up again. */
  suspend(): void {
    this.#suspended = true;
    this.#fetch = undefined;
    this.stop();
  }

  /** None is needed any more. */
  stop(): void {
    if (this.#phase === 'idle') return;
    this.#phase = 'idle';
    this.#atLeast = 0;
    this.#lacksBytes = undefined;
    this.#roomLookMs = ROOM_LOOK_MS;
    this.#silent.clear();
    this.#drop();
  }

  /** A peer answers a request. */
  answered(from: PeerId, frame: Exclude<SnapshotFrame, SnapshotRequest>): void {
    this.#silent.delete(from);
    if (this.#phase !== 'fetching' || from !== this.#from) return;
    if (frame.type === 'chunk') {
      if (sameBytes(frame.afterKey, this.#lastKey)) this.#take(frame);
      return;
    }
    if (frame.index !== (this.#fetch?.checkpoint.index ?? 0)) return;
    this.#refusedBy.set(from, { hasAny: frame.reason !== 'no-state', other: frame.reason === 'other-index' });
    this.#waitNoMore();
    this.#ask();
  }

  /** The connection to `peer` ended: whatever it was asked for does not come. */
  lost(peer: PeerId): void {
    if (this.#phase !== 'fetching' || this.#from !== peer) return;
    this.#waitNoMore();
    this.#ask();
  }

  /** Goes on with what came before the last start: all of it is read again, as if it had come now. */
  #resume(): void {
    const { storage, loader: makeLoader, logger } = this.#parts;
    const epoch = this.#epoch;
    const loader = makeLoader();
    const resuming = storage.resumeSnapshot((records) => {
      putIn(loader, records);
    });
    resuming.then(
      (resumed) => {
        if (epoch !== this.#epoch || this.#phase !== 'fetching') {
          if (!this.#suspended) resumed?.staging.discard().catch(this.#notRemoved);
          return;
        }
        if (resumed !== undefined) {
          const { checkpoint, base, staging, lastKey, receivedBytes } = resumed;
          this.#fetch = { checkpoint, base, staging, loader };
          this.#index = checkpoint.index;
          this.#lastKey = lastKey;
          this.#receivedBytes = receivedBytes;
          logger.info('a snapshot is taken up again', { index: checkpoint.index, receivedBytes });
        }
        this.#hooks.guard(() => this.#ask());
      },
      (error: unknown) => {
        if (epoch === this.#epoch) this.#hooks.failed(error);
      },
    );
  }

  /** Asks the next peer that may help; waits a little when there is none. */
  #ask(): void {
    const senders = this.#parts.senders();
    const open = senders.filter((peer) => !this.#refusedBy.has(peer));
    const next = open.find((peer) => !this.#silent.has(peer)) ?? open[0];
    if (next !== undefined) {
      this.#request(next);
      return;
    }
    const answers = senders.flatMap((peer) => this.#refusedBy.get(peer) ?? []);
    this.#refusedBy.clear();
    if (answers.length > 0 && answers.every((answer) => !answer.hasAny)) this.#hooks.nobodyHasAny();
    // Nobody has this checkpoint any more, and some have another.
    if (answers.some((answer) => answer.other)) this.#drop();
    const epoch = this.#epoch;
    this.#timer = this.#parts.timers.after(RETRY_MS, () => {
      if (epoch === this.#epoch && this.#phase === 'fetching') this.#hooks.guard(() => this.#ask());
    });
  }

  #request(to: PeerId): void {
    const index = this.#fetch?.checkpoint.index ?? 0;
    this.#from = to;
    this.#timer = this.#parts.timers.after(ANSWER_MS, () => {
      this.#hooks.guard(() => {
        this.#silent.add(to);
        this.#refusedBy.set(to, { hasAny: true, other: false });
        this.#waitNoMore();
        this.#ask();
      });
    });
    const maxBytes = this.#parts.limits.snapshotPageBytes;
    this.#hooks.request(to, { type: 'request', index, atLeast: this.#atLeast, afterKey: this.#lastKey, maxBytes });
  }

  #waitNoMore(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#from = undefined;
  }

  #take(chunk: SnapshotChunk): void {
    const from = this.#from;
    assert(from !== undefined, 'a page was asked for');
    this.#timer?.cancel();
    const epoch = this.#epoch;
    this.#taken(chunk).then(
      (isMore) => {
        if (epoch !== this.#epoch || this.#phase !== 'fetching') return;
        this.#refusedBy.clear();
        this.#hooks.guard(() => {
          if (isMore) this.#request(from);
        });
      },
      (error: unknown) => {
        if (epoch === this.#epoch) this.#broken(from, error);
      },
    );
    // What is on its way twice is taken once.
    this.#from = undefined;
  }

  /** False when that was the last page, and all is loaded. */
  async #taken(chunk: SnapshotChunk): Promise<boolean> {
    const epoch = this.#epoch;
    if (this.#receivedBytes >= this.#roomLookBytes) await this.#checkRoom();
    if (epoch !== this.#epoch) return false;
    const fetch = this.#fetch ?? (await this.#begin(chunk, epoch));
    if (fetch === undefined || epoch !== this.#epoch) return false;
    const { index, digest } = fetch.checkpoint;
    if (chunk.checkpoint.index !== index || !sameHash(chunk.checkpoint.digest, digest))
      throw new DecodeError('a page belongs to another checkpoint');
    const { records, last } = chunk;
    if (!last) {
      const lastRecord = records.at(-1);
      if (lastRecord === undefined) throw new DecodeError('a page without records is the last');
      checkKeys(records, this.#lastKey);
      putIn(fetch.loader, records);
      this.#lastKey = lastRecord.key.slice();
      for (const { key, value } of records) this.#receivedBytes += key.length + value.length;
      await fetch.staging.add(records);
      return true;
    }
    this.#phase = 'loading';
    await this.#load(fetch, epoch);
    return false;
  }

  /** What the log of this peer needs meanwhile is not taken by a snapshot. */
  get #reserveBytes(): number {
    return Math.floor(this.#parts.limits.spaceLowBytes / 2);
  }

  /** @throws StorageError NO_SPACE */
  async #checkRoom(): Promise<void> {
    this.#roomLookBytes = this.#receivedBytes + ROOM_LOOK_BYTES;
    if (this.#reserveBytes === 0) return;
    const { freeBytes } = await this.#parts.storage.space();
    if (freeBytes < this.#reserveBytes) throw new StorageError('NO_SPACE', `only ${freeBytes} bytes are free`);
  }

  async #begin(chunk: SnapshotChunk, epoch: number): Promise<Fetch | undefined> {
    const { checkpoint, chain } = chunk;
    if (checkpoint.index < this.#atLeast) throw new DecodeError('the checkpoint is older than the one asked for');
    this.#parts.checkConfiguration(checkpoint.configuration);
    // An answer may come sooner than an earlier staging is gone.
    await this.#cleared;
    if (epoch !== this.#epoch) return undefined;
    const base = { index: checkpoint.index, term: checkpoint.term, chain };
    const beginning = this.#parts.storage.beginSnapshot({ checkpoint, base });
    this.#cleared = beginning.then(
      (begun) => (epoch === this.#epoch ? undefined : begun.discard().catch(this.#notRemoved)),
      () => undefined,
    );
    const staging = await beginning;
    if (epoch !== this.#epoch) return undefined;
    this.#index = checkpoint.index;
    this.#fetch = { checkpoint, base, staging, loader: this.#parts.loader() };
    this.#parts.logger.info('a snapshot is being fetched', { index: checkpoint.index });
    return this.#fetch;
  }

  async #load(fetch: Fetch, epoch: number): Promise<void> {
    const { checkpoint, base, staging, loader } = fetch;
    const { clock, timers, limits } = this.#parts;
    await settleLoader(loader, { clock, timers, sliceMs: limits.applySliceMs });
    const { index, logTimeMs, digest } = checkpoint;
    const scheduler = whole(() => loader.finish({ index, logTimeMs, digest }));
    await staging.finish(checkpoint, base);
    if (epoch !== this.#epoch) return;
    this.#phase = 'ready';
    // From here on it is the host's, to install or to discard.
    this.#fetch = undefined;
    this.#hooks.guard(() => {
      this.#hooks.ready({ staging, checkpoint, scheduler });
    });
  }

  /** What came is of no use, or could not be written. */
  #broken(from: PeerId, error: unknown): void {
    if (error instanceof StorageError && error.code === 'NO_SPACE') {
      this.#parts.logger.warn('there is no room for a snapshot', { receivedBytes: this.#receivedBytes });
      this.#lacksBytes = this.#receivedBytes + ROOM_SPARE_BYTES + this.#reserveBytes;
      this.#drop();
      this.#phase = 'fetching';
      this.#lookForRoom();
      return;
    }
    const isDisk = error instanceof StorageError && error.code !== 'STATE_DAMAGED';
    if (isDisk || !(error instanceof StorageError || error instanceof DecodeError)) {
      this.#hooks.failed(error);
      return;
    }
    this.#parts.logger.warn('a snapshot was of no use', { from, reason: error.message });
    this.#drop();
    this.#phase = 'fetching';
    this.#refusedBy.set(from, { hasAny: true, other: false });
    this.#hooks.guard(() => this.#ask());
  }

  /** Waits until there is room, and begins anew then. */
  #lookForRoom(): void {
    const { storage, timers, logger } = this.#parts;
    const epoch = this.#epoch;
    const waits = (): boolean => epoch === this.#epoch && this.#phase === 'fetching';
    const looked = (freeBytes: number): void => {
      if (!waits()) return;
      this.#hooks.guard(() => {
        if (freeBytes < (this.#lacksBytes ?? 0)) return this.#lookForRoom();
        logger.info('there is room for a snapshot again', { freeBytes });
        this.#lacksBytes = undefined;
        this.#ask();
      });
    };
    this.#timer = timers.after(this.#roomLookMs, () => {
      if (!waits()) return;
      // What cannot be asked is asked again.
      storage.space().then(
        (space) => looked(space.freeBytes),
        () => looked(0),
      );
    });
    this.#roomLookMs = Math.min(ROOM_LOOK_MAX_MS, 2 * this.#roomLookMs);
  }

  /** Forgets what has come so far. */
  #drop(): void {
    this.#epoch += 1;
    this.#waitNoMore();
    this.#refusedBy.clear();
    this.#index = 0;
    this.#lastKey = NO_KEY;
    this.#receivedBytes = 0;
    this.#roomLookBytes = 0;
    const fetch = this.#fetch;
    this.#fetch = undefined;
    if (fetch !== undefined) this.#cleared = fetch.staging.discard().catch(this.#notRemoved);
  }

  readonly #notRemoved = (error: unknown): void => {
    this.#parts.logger.warn('what came of a snapshot could not be removed', { reason: String(error) });
  };
}

/** @throws DecodeError when the keys of `records` do not ascend from behind `lastKey`, or are no keys */
function checkKeys(records: readonly StateRecord[], lastKey: Uint8Array): void {
  let before = lastKey;
  for (const { key } of records) {
    if (key.length === 0 || key.length > STATE_KEY_BYTES_MAX) throw new DecodeError('a record without a proper key');
    if (compareKeys(before, key) >= 0) throw new DecodeError('the records of a page are not in order');
    before = key;
  }
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
