import { ByteReader } from '../../src/base/bytes.ts';
import type { PeerId } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { decodeBatch } from '../../src/scheduler/batch.ts';
import { decodeCommand } from '../../src/scheduler/decode.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/** What is known of disks. */
export interface Room {
  /** Less is free on its disk now than counts as low. */
  isLow(peer: PeerView): boolean;
  /** How often a peer looks, in ms. */
  readonly pollMs: number;
}

/** What was taken before the leader looked may wait for so long for its entry, in ms. */
const QUEUED_MS = 4_000;

/**
 * A leader whose disk is low takes no submissions: the room that is left is for completions and cancels, by which tasks end, and those are taken. Tried on
 * what it puts into its log once it must have noticed.
 */
export class SpaceKept extends PropertyChecker {
  override readonly name = 'space-kept';
  readonly #room: Room;
  /** Since when a disk has been seen to be low, in µs, in which run of its peer. */
  readonly #lowSince = new Map<PeerId, { readonly start: number; readonly atUs: number }>();

  constructor(cluster: ClusterView, room: Room) {
    super(cluster);
    this.#room = room;
  }

  /** A command was refused for want of room. */
  refused({ id }: PeerView, bytes: Uint8Array): void {
    const { command } = decodeCommand(new ByteReader(bytes));
    this.compare(command.type === 'submit', () => `${id} has no room for a command of type ${command.type}`);
  }

  moved(peer: PeerView, { oldLast, newLast }: LogChange): void {
    const { raft, log, id, start } = peer;
    if (!this.#room.isLow(peer)) {
      this.#lowSince.delete(id);
      return;
    }
    const since = this.#lowSince.get(id);
    if (since?.start !== start) this.#lowSince.set(id, { start, atUs: this.cluster.nowUs });
    if (since?.start !== start || raft?.role !== 'leader' || newLast <= oldLast) return;
    const lowMs = (this.cluster.nowUs - since.atUs) / 1_000;
    if (lowMs < this.#room.pollMs + QUEUED_MS) return;
    for (let index = oldLast + 1; index <= newLast; index += 1) {
      const entry = log.entryAt(index);
      if (entry?.kind !== EntryKind.command || entry.term !== raft.term) continue;
      const { commands } = decodeBatch(entry.data);
      this.compare(
        commands.every(({ command }) => command.type !== 'submit'),
        () => `${id} takes a submission at ${index}, and its disk has been low for ${Math.round(lowMs)} ms`,
      );
    }
  }
}
