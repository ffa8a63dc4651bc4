/**
 * What is refused of the frames of other peers. Whoever has proved that it belongs to the cluster may still have a mistake in it;
 * then its connection ends, with the reason in the log of both, and this peer goes on. What is in entries that a majority has
 * committed is another matter: a peer that cannot apply them stops, since it would be another state than the others.
 */
import { DecodeError } from '../base/bytes.ts';
import type { PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import { decodeMembers } from '../raft/configuration.ts';
import type { Message } from '../raft/message.ts';
import { EntryKind } from '../raft/types.ts';
import { BatchReader } from '../scheduler/batch.ts';
import { decodeMemberInfo } from './member-info.ts';

/** Most peers of which refusals are counted; the one that was first is forgotten. */
const PEERS_MAX = 64;

/**
 * Looks at what this peer reads of entries before they are committed: the stamp of a batch, and who is a member.
 * @throws DecodeError
 */
export function checkEntries(message: Message): void {
  if (message.type !== 'append-entries') return;
  for (const { kind, data } of message.entries) {
    if (kind === EntryKind.command) stampOf(data);
    else if (kind === EntryKind.configuration) for (const { info } of decodeMembers(data)) decodeMemberInfo(info);
  }
}

function stampOf(data: Uint8Array): number {
  return new BatchReader(data).logTimeMs;
}

/** Counts the frames that were refused, and says so: the first of a peer, and then each time that it has become twice as many. */
export class RefusedFrames {
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #counts = new Map<PeerId, number>();

  constructor(logger: Pick<Logger, 'warn'>) {
    this.#logger = logger;
  }

  /** Frames of `peer` that were refused since the start. */
  countOf(peer: PeerId): number {
    return this.#counts.get(peer) ?? 0;
  }

  /** Runs `take`, which may refuse a frame of `from`, and passes on what it throws. */
  watch(from: PeerId, take: () => void): void {
    try {
      take();
    } catch (error) {
      if (error instanceof DecodeError) this.#refused(from, error.message);
      throw error;
    }
  }

  #refused(peer: PeerId, reason: string): void {
    const count = this.countOf(peer) + 1;
    if (count === 1 && this.#counts.size >= PEERS_MAX) {
      const [first] = this.#counts.keys();
      if (first !== undefined) this.#counts.delete(first);
    }
    this.#counts.set(peer, count);
    if ((count & (count - 1)) === 0) this.#logger.warn('a frame of another peer was refused', { peer, reason, count });
  }
}
