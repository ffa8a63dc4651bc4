import type { LogIndex } from '../../src/base/ids.ts';
import type { LogChange } from '../history.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/**
 * A commit index never falls within a run, and begins at the checkpoint or later; applied is never beyond what is committed or
 * beyond what is on the own disk.
 */
export class CommitOrder extends PropertyChecker {
  override readonly name = 'commit-order';
  readonly #seen = new Map<string, { readonly start: number; readonly commit: LogIndex; readonly applied: LogIndex }>();

  restarted(peer: PeerView): void {
    const commit = peer.raft?.commitIndex ?? 0;
    this.compare(
      commit >= peer.checkpointIndex,
      () => `${peer.id} starts with commit ${commit} and a checkpoint at ${peer.checkpointIndex}`,
    );
  }

  moved(peer: PeerView, _change: LogChange): void {
    const { raft, scheduler, start, durable } = peer;
    if (raft === undefined || scheduler === undefined) return;
    const commit = raft.commitIndex;
    const applied = raft.appliedIndex;
    const seen = this.#seen.get(peer.id);
    if (seen?.start === start && seen.commit === commit && seen.applied === applied) return;
    if (seen?.start === start) {
      this.compare(
        commit >= seen.commit,
        () => `${peer.id} took its commit index back from ${seen.commit} to ${commit}`,
      );
      this.compare(applied >= seen.applied, () => `${peer.id} took ${seen.applied} back to ${applied} applied`);
    }
    this.#seen.set(peer.id, { start, commit, applied });
    const reached = scheduler.appliedIndex;
    this.compare(
      Math.max(applied, reached) <= commit,
      () => `${peer.id} applied ${reached} beyond its commit index ${commit}`,
    );
    this.compare(
      Math.max(applied, reached) <= durable.lastIndex,
      () => `${peer.id} applied ${reached} and has ${durable.lastIndex} on its disk`,
    );
  }
}
