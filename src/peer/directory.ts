/**
 * The data directory of a peer: opened at the start, and anew when its disk failed, was found damaged, or got a snapshot.
 *
 *     open ─▶ state read ─▶ in use ──failed──▶ closed ─▶ open …      a few times a minute, then the peer gives up; a lack of
 *                 │                                                  room is waited out
 *                 └─damaged─▶ distrusted ─▶ closed ─▶ open: the state is made anew, from the log or by a snapshot
 */
import { assert } from '../base/assert.ts';
import { DecodeError } from '../base/bytes.ts';
import { sameHash } from '../base/hash.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Scheduler, SchedulerOptions } from '../scheduler/scheduler.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import type { StorageErrorCode } from '../storage/storage-error.ts';
import { StorageError } from '../storage/storage-error.ts';
import { appliedLevel } from './configuration.ts';
import { featureProblem } from './features.ts';
import { loadState } from './load-state.ts';
import { ReopenBudget, RoomPause } from './reopen-budget.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import type { PeerPorts } from './types.ts';

/** Between two attempts to open a directory that could not be opened, in ms. */
const REOPEN_PAUSE_MS = 500;

/** What may be survived by opening the directory anew: its verification then tells what is left. */
const REOPENABLE: readonly StorageErrorCode[] = [
  'STORAGE_FAILED',
  'DATA_DIR_UNUSABLE',
  'NO_SPACE',
  'LOG_DAMAGED',
  'META_DAMAGED',
  'LOG_TAIL_LOST',
  'STATE_DAMAGED',
];

/** A directory with the state that its checkpoint holds. */
export interface OpenedState {
  readonly storage: OpenedStorage;
  readonly scheduler: Scheduler;
}

/** What a directory works with. */
export interface DirectoryParts {
  readonly ports: Pick<PeerPorts, 'openStorage' | 'clock' | 'timers' | 'logger'>;
  readonly limits: Pick<PeerLimits, 'applySliceMs'>;
  readonly scheduler: SchedulerOptions & { readonly limits: NonNullable<SchedulerOptions['limits']> };
  /** True when a directory that says nothing of it counts as one of which others have a copy. */
  readonly sharedByDefault: boolean;
}

/** True when opening the directory anew may get over `error`. */
export function isSurvivable(error: unknown): error is StorageError {
  return error instanceof StorageError && REOPENABLE.includes(error.code);
}

/** See the head of this file. */
export class Directory {
  readonly #parts: DirectoryParts;
  readonly #budget = new ReopenBudget();
  readonly #room = new RoomPause();
  #storage: OpenedStorage | undefined;
  /** Ends the pause under way; undefined without one. */
  #endPause: (() => void) | undefined;

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
  }

  /** As it was opened last; undefined before. */
  get storage(): OpenedStorage | undefined {
    return this.#storage;
  }

  /** No other peer has what this one has: the directory knows, whatever the file of this peer says of the cluster by now. */
  get alone(): boolean {
    return !(this.#storage?.shared ?? this.#parts.sharedByDefault);
  }

  /**
   * Opens it and reads its state. A state that does not read as it was written is dropped and made anew where others have a copy; one of
   * a later version is left as it is.
   * @throws StorageError, DecodeError
   */
  async open(): Promise<OpenedState> {
    const storage = await this.#openStorage();
    return this.#withState(storage, undefined);
  }

  /** How long to wait before it is opened anew after `error`, in ms; undefined when that was done too often lately. */
  pauseAfter(error: StorageError): number | undefined {
    const nowMs = this.#parts.ports.clock.monotonicMs();
    if (error.code === 'NO_SPACE') return this.#room.next(nowMs);
    return this.#budget.take(nowMs) ? 0 : undefined;
  }

  /** Waits for `pauseMs`, or until `interrupt`. */
  pause(pauseMs: number): Promise<void> {
    assert(this.#endPause === undefined, 'one pause is under way');
    return new Promise((resolve) => {
      const timer = this.#parts.ports.timers.after(pauseMs, () => this.#endPause?.());
      this.#endPause = (): void => {
        timer.cancel();
        this.#endPause = undefined;
        resolve();
      };
    });
  }

  /** Nobody wants it opened any more: a pause ends. */
  interrupt(): void {
    this.#endPause?.();
  }

  /**
   * Opens it again, several times if need be. With `snapshot`, which was installed, its state is taken as it is. Undefined when
   * `goesOn` says no meanwhile; then it is closed. @throws StorageError, DecodeError
   */
  async openAgain(snapshot: ReadySnapshot | undefined, goesOn: () => boolean): Promise<OpenedState | undefined> {
    const { ports } = this.#parts;
    for (;;) {
      let pauseMs;
      try {
        const storage = await this.#openStorage();
        const opened = await this.#withState(storage, snapshot);
        if (goesOn()) return opened;
        await this.close();
        return undefined;
      } catch (error) {
        pauseMs = isSurvivable(error) ? this.pauseAfter(error) : undefined;
        if (!isSurvivable(error) || pauseMs === undefined) throw error;
        ports.logger.warn('the data directory could not be opened', { reason: error.message });
        await this.close();
      }
      await this.pause(Math.max(pauseMs, REOPEN_PAUSE_MS));
      if (!goesOn()) return undefined;
    }
  }

  /** Lets go of it; what goes wrong at that is said and no more. */
  async close(): Promise<void> {
    await this.#storage?.close().catch((error: unknown) => {
      this.#parts.ports.logger.warn('closing failed', { reason: String(error) });
    });
  }

  async #openStorage(): Promise<OpenedStorage> {
    const { ports } = this.#parts;
    const storage = await ports.openStorage();
    this.#storage = storage;
    for (const note of storage.notes) ports.logger.warn(note);
    return storage;
  }

  async #withState(storage: OpenedStorage, snapshot: ReadySnapshot | undefined): Promise<OpenedState> {
    refuseNewer(storage);
    try {
      return { storage, scheduler: await this.#stateOf(storage, snapshot) };
    } catch (error) {
      const isDamage =
        error instanceof DecodeError || (error instanceof StorageError && error.code === 'STATE_DAMAGED');
      if (!isDamage || this.alone) throw error;
      this.#parts.ports.logger.warn('the state is damaged and is made anew', { reason: error.message });
      await storage.distrustState(error.message);
      await storage.close();
      const again = await this.#openStorage();
      return { storage: again, scheduler: await this.#stateOf(again, undefined) };
    }
  }

  /** The state at the checkpoint of `storage`: the one that was verified before it was installed, or loaded from the disk. */
  async #stateOf(storage: OpenedStorage, snapshot: ReadySnapshot | undefined): Promise<Scheduler> {
    const { checkpoint } = storage.state;
    if (snapshot !== undefined && checkpoint !== undefined && checkpoint.index === snapshot.checkpoint.index) {
      if (sameHash(checkpoint.digest, snapshot.checkpoint.digest)) return snapshot.scheduler;
    }
    const { ports, limits, scheduler } = this.#parts;
    const { clock, timers, logger } = ports;
    return loadState(storage.state, scheduler, logger, { clock, timers, sliceMs: limits.applySliceMs });
  }
}

/**
 * The state of a cluster that has gone beyond this version is not damaged, though this version cannot read it: where a whole cluster is
 * put back to an earlier version nobody may drop it.
 *
 * @throws StorageError FORMAT_UNKNOWN
 */
function refuseNewer({ state: { checkpoint } }: OpenedStorage): void {
  const problem = checkpoint === undefined ? undefined : featureProblem(appliedLevel(checkpoint.configuration));
  if (problem !== undefined) throw new StorageError('FORMAT_UNKNOWN', problem);
}
