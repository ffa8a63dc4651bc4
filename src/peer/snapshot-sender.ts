/**
 * Gives the state of the last checkpoint to a peer that asks for it, page by page.
 *
 *     idle ──request──▶ waiting ──no checkpoint is being written──▶ sending ──30 s without a request, ──▶ idle
 *                                                                            or half an hour without one for more
 *
 * While it sends, the checkpoint stands still: marks are hashed and not written, so that every page is of one state and short
 * reads suffice. One peer at a time is served, so that a cluster which brings up two does not read its disk twice as much. Pages
 * leave no faster than the limit says, since they share disk and network with the work itself.
 *
 * It promises nothing: whoever asks repeats a request that stays unanswered, and may go on at another peer.
 */
import { assert } from '../base/assert.ts';
import type { Clock, Timers } from '../base/clock.ts';
import type { Hash64 } from '../base/hash.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import { compareKeys, keyAfter } from '../storage/keys.ts';
import type { Checkpoint, LogStorage, StateStorage } from '../storage/storage.ts';
import type { SnapshotChunk, SnapshotRefusal, SnapshotRefused, SnapshotRequest } from './snapshot-frames.ts';

/** The checkpoint is let go when its receiver has asked for nothing for so long, in ms. */
export const SEND_IDLE_MS = 30_000;

/** Or has got no further for so long, in ms: the log behind it grows meanwhile. */
export const SEND_STALLED_MS: number = 30 * 60_000;

/** Nobody is sent anything for so long then, in ms: else the next request would come before the next checkpoint. */
const SEND_REST_MS = 10_000;

/** Between two looks whether a checkpoint is still being written, in ms. */
const WAIT_MS = 10;

/** Most records of a page: reading and encoding them holds the event loop for a few milliseconds. */
const PAGE_RECORDS = 2_048;

/** What a sender reads from. */
export interface SenderParts {
  readonly state: StateStorage;
  readonly log: Pick<LogStorage, 'positionAt'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: Pick<PeerLimits, 'snapshotPageBytes' | 'snapshotBytesPerSecond'>;
  /** True while a checkpoint is being put together or written: the one on disk is about to be replaced. */
  readonly checkpointUnderWay: () => boolean;
}

/** What a sender asks of its host. */
export interface SenderHooks {
  /** From now on marks are only hashed, or written again. */
  hold(on: boolean): void;
  answer(to: PeerId, frame: SnapshotChunk | SnapshotRefused): void;
  /** Runs `action` as an event of its own; whatever it throws halts the peer. */
  guard(action: () => void): void;
  /** A read failed. */
  failed(error: unknown): void;
}

/** A transfer under way. */
interface Sending {
  readonly to: PeerId;
  askedMs: number;
  /** The furthest page that was asked for, and when it was for the first time. */
  furthest: Uint8Array;
  furtherMs: number;
  /** The newest request that is not answered. */
  request: SnapshotRequest | undefined;
  working: boolean;
  /** The last page was sent: it may be asked for again, but nobody else waits for that. */
  ended: boolean;
  /** The checkpoint that is sent, once it is known. */
  checkpoint: Checkpoint | undefined;
  chain: Hash64 | undefined;
}

/** See the head of this file. */
export class SnapshotSender {
  readonly #parts: SenderParts;
  readonly #hooks: SenderHooks;
  #sending: Sending | undefined;
  /** No page leaves before this instant. */
  #nextMs = 0;
  /** Nobody is sent anything before this instant. */
  #restUntilMs = 0;
  #sentBytes = 0;

  constructor(parts: SenderParts, hooks: SenderHooks) {
    assert(parts.limits.snapshotBytesPerSecond > 0, 'a transfer makes progress');
    this.#parts = parts;
    this.#hooks = hooks;
  }

  /** Whom a snapshot is sent to, if anyone. */
  get to(): PeerId | undefined {
    return this.#sending?.to;
  }

  /** Bytes of records sent since the start. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** A peer asks for a page. */
  requested(from: PeerId, request: SnapshotRequest): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.tick();
    if (this.#sending?.ended === true && this.#sending.to !== from) this.stop();
    const isBusy = this.#sending === undefined ? nowMs < this.#restUntilMs : this.#sending.to !== from;
    if (isBusy) {
      this.#refuse(from, request, 'busy');
      return;
    }
    if (this.#parts.state.checkpoint === undefined && !this.#parts.checkpointUnderWay()) {
      this.#refuse(from, request, 'no-state');
      return;
    }
    if (this.#sending === undefined) {
      this.#hooks.hold(true);
      const fresh = { request, working: false, ended: false, checkpoint: undefined, chain: undefined };
      this.#sending = { to: from, askedMs: nowMs, furthest: request.afterKey, furtherMs: nowMs, ...fresh };
    }
    const sending = this.#sending;
    sending.askedMs = nowMs;
    if (compareKeys(request.afterKey, sending.furthest) > 0) {
      sending.furthest = request.afterKey;
      sending.furtherMs = nowMs;
    }
    sending.request = request;
    this.#work(sending);
  }

  /** Lets the checkpoint go when nobody wants it any more. Called about once a second. */
  tick(): void {
    const sending = this.#sending;
    if (sending === undefined) return;
    const nowMs = this.#parts.clock.monotonicMs();
    const stalled = nowMs - sending.furtherMs >= SEND_STALLED_MS;
    if (stalled) this.#restUntilMs = nowMs + SEND_REST_MS;
    if (stalled || nowMs - sending.askedMs >= SEND_IDLE_MS) this.stop();
  }

  /** Sends nothing more until it is asked anew. */
  stop(): void {
    if (this.#sending === undefined) return;
    this.#sending = undefined;
    this.#hooks.hold(false);
  }

  #work(sending: Sending): void {
    if (sending.working || sending.request === undefined) return;
    sending.working = true;
    this.#prepare(sending).then(
      () => {
        sending.working = false;
        if (this.#sending === sending) this.#hooks.guard(() => this.#work(sending));
      },
      (error: unknown) => {
        if (this.#sending !== sending) return;
        this.stop();
        this.#hooks.failed(error);
      },
    );
  }

  /** Answers the newest request. */
  async #prepare(sending: Sending): Promise<void> {
    const { state, checkpointUnderWay, log, limits } = this.#parts;
    while (checkpointUnderWay()) {
      await this.#pause(WAIT_MS);
      if (this.#sending !== sending) return;
    }
    const { request } = sending;
    sending.request = undefined;
    const { checkpoint } = state;
    if (request === undefined) return;
    const refusal = refusalOf(request, checkpoint?.index ?? 0);
    if (checkpoint === undefined || refusal !== undefined) {
      this.#refuse(sending.to, request, refusal ?? 'no-state');
      // A newer one can only be written when this one is let go.
      this.stop();
      return;
    }
    assert((sending.checkpoint ?? checkpoint).index === checkpoint.index, 'a checkpoint that is sent stands still');
    sending.checkpoint = checkpoint;
    sending.chain ??= (await log.positionAt(checkpoint.index)).chain;
    const records = await state.range({
      gte: request.afterKey.length === 0 ? Uint8Array.of(0) : keyAfter(request.afterKey),
      limit: PAGE_RECORDS,
      maxBytes: Math.max(1, Math.min(limits.snapshotPageBytes, request.maxBytes)),
    });
    let sizeBytes = 0;
    for (const { key, value } of records) sizeBytes += key.length + value.length;
    await this.#throttle(sizeBytes);
    if (this.#sending !== sending) return;
    const { chain } = sending;
    this.#sentBytes += sizeBytes;
    const { afterKey } = request;
    this.#hooks.guard(() => {
      const last = records.length === 0;
      sending.ended = last;
      this.#hooks.answer(sending.to, { type: 'chunk', checkpoint, chain, afterKey, records, last });
    });
  }

  #refuse(to: PeerId, request: SnapshotRequest, reason: SnapshotRefusal): void {
    const newest: LogIndex = this.#parts.state.checkpoint?.index ?? 0;
    this.#hooks.answer(to, { type: 'refused', index: request.index, reason, newest });
  }

  /** Waits for the turn of a page of so many bytes. */
  async #throttle(sizeBytes: number): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    const waitMs = this.#nextMs - nowMs;
    const takesMs = (sizeBytes * 1_000) / this.#parts.limits.snapshotBytesPerSecond;
    this.#nextMs = Math.max(nowMs, this.#nextMs) + takesMs;
    if (waitMs >= 1) await this.#pause(waitMs);
  }

  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(waitMs, resolve);
    });
  }
}

function refusalOf(request: SnapshotRequest, index: LogIndex): SnapshotRefusal | undefined {
  if (index === 0) return 'no-state';
  if (request.index !== 0 && request.index !== index) return 'other-index';
  return index < request.atLeast ? 'too-old' : undefined;
}
