import type { LogIndex } from '../../src/base/ids.ts';
import type { HeardEnd, Ledger, Wish } from '../ledger.ts';
import type { Witness } from '../witness.ts';
import { type ClusterView, PropertyChecker } from './checker.ts';

const FINAL: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled']);

/**
 * What clients hear is so. A submission that was acknowledged is in the log, under the number that the client was given, behind
 * everything that was acknowledged before it was asked; one that was refused is not there; one of which nobody knows is there
 * once or not at all. The end that a client hears is the task's end, with the result of the attempt that counted.
 */
export class ClientVisible extends PropertyChecker {
  override readonly name = 'client-visible';
  readonly #ledger: Ledger;
  readonly #witness: Witness;
  #endsCompared = 0;

  constructor(cluster: ClusterView, ledger: Ledger, witness: Witness) {
    super(cluster);
    this.#ledger = ledger;
    this.#witness = witness;
  }

  /** The newest log position of an acknowledged submission. */
  get frontier(): LogIndex {
    return this.#frontier;
  }

  #frontier: LogIndex = 0;

  /** A client was told that its submission is durable; the entry was committed before. */
  acknowledged(wish: Wish): void {
    const story = wish.number === undefined ? undefined : this.#witness.stories.get(wish.number);
    this.compare(
      story !== undefined,
      () => `${wish.mark} was acknowledged as task ${wish.number}, which nobody committed`,
    );
    if (story === undefined || wish.deduplicated) return;
    this.compare(
      wish.key !== undefined || story.mark === wish.mark,
      () => `${wish.mark} was acknowledged as task ${wish.number}, which is ${story.mark}`,
    );
    this.compare(
      story.createdIndex > wish.after,
      () => `${wish.mark} was asked after ${wish.after} was acknowledged, and stands at ${story.createdIndex}`,
    );
    this.#frontier = Math.max(this.#frontier, story.createdIndex);
  }

  /** A client was shown a task: it is not older than what any client knew before it asked. */
  shown(number: number, state: string | undefined, knewFinal: boolean): void {
    const story = this.#witness.stories.get(number);
    this.compare(story !== undefined, () => `task ${number} was shown, which nobody committed`);
    if (!knewFinal || state === undefined) return;
    this.compare(
      state === story?.end?.state,
      () => `task ${number} is shown as ${state}, and had ended as ${story?.end?.state}`,
    );
  }

  /**
   * A peer showed a task by a state that had applied the log up to `index` at least, after one up to `before` on the same connection.
   * Such an answer may be old. It is still a moment of the one history, and not one before the last.
   */
  shownAt(number: number, state: string, index: LogIndex, before: LogIndex): void {
    this.compare(
      index >= before,
      () => `task ${number} is shown by a state at ${index}, after one at ${before} on the same connection`,
    );
    const story = this.#witness.stories.get(number);
    this.compare(story !== undefined, () => `task ${number} was shown, which nobody committed`);
    const end = story?.end;
    if (end !== undefined && end.index <= index) {
      this.compare(
        state === end.state,
        () => `task ${number} is shown as ${state} at ${index}, and ended as ${end.state} at ${end.index}`,
      );
    } else if (FINAL.has(state)) {
      this.compare(state === end?.state, () => `task ${number} is shown as ${state}, and ends as ${end?.state}`);
    }
  }

  /** Counts the runs of a peer: in each its state only goes forward. */
  runOf(peer: string): number {
    return this.cluster.peers.find(({ id }) => id === peer)?.start ?? 0;
  }

  /** A peer said, as of now, that there is no such task, which a client was given the id of: it ended, and was not kept longer. */
  notShown(number: number): void {
    const story = this.#witness.stories.get(number);
    this.compare(story?.end !== undefined, () => `task ${number} is not found, and has not ended`);
  }

  whole(): void {
    const { ends } = this.#ledger;
    for (; this.#endsCompared < ends.length; this.#endsCompared += 1)
      this.#compareEnd(ends[this.#endsCompared] as HeardEnd);
  }

  /** When everything has settled: what was refused is not there, and what was acknowledged has come to an end. */
  settled(): void {
    this.whole();
    for (const wish of this.#ledger.wishes.values()) {
      const story = this.#witness.storyOfMark.get(wish.mark);
      // What shares a key shares its content, and cannot be told apart.
      if (wish.outcome === 'refused' && wish.key === undefined) {
        this.compare(
          story === undefined,
          () => `${wish.mark} was refused with ${wish.code} and is task ${story?.number}`,
        );
      }
      if (wish.outcome !== 'acknowledged') continue;
      const own = wish.number === undefined ? undefined : this.#witness.stories.get(wish.number);
      this.compare(
        own?.end !== undefined,
        () => `${wish.mark}, task ${wish.number}, was acknowledged and has not ended`,
      );
    }
  }

  #compareEnd(heard: HeardEnd): void {
    const story = this.#witness.stories.get(heard.number);
    const end = story?.end;
    this.compare(
      end?.state === heard.state,
      () => `task ${heard.number} was heard to be ${heard.state}, and is ${end?.state}`,
    );
    if (heard.state !== 'done' || story === undefined) return;
    const { result } = heard;
    const token = typeof result === 'object' && result !== null && 'token' in result ? result.token : undefined;
    this.compare(
      token === end?.token,
      () => `the result of task ${heard.number} is of token ${String(token)}, and token ${end?.token} ended it`,
    );
  }
}
