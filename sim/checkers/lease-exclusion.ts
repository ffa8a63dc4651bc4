import type { Witness } from '../witness.ts';
import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';

/** A start of a handler, as a worker's own record has it. */
export interface HandlerStart {
  readonly number: number;
  readonly token: number;
  readonly term: number;
  readonly worker: string;
}

/**
 * An attempt has one fencing token and one worker. Tokens only grow; a report counts only under the newest token of its task and
 * once; a final task gets neither a placement nor a report that counts; a task is not placed before it is due. And what workers
 * start is what was placed with them, each token once in all of history.
 */
export class LeaseExclusion extends PropertyChecker {
  override readonly name = 'lease-exclusion';
  readonly #witness: Witness;
  #highestToken = 0;
  /** Started handlers that are not compared yet; the witness may still be behind the leader that placed them. */
  #starts: HandlerStart[] = [];
  readonly #started = new Map<number, HandlerStart>();
  /** Placements and reports of each task that were compared. */
  readonly #seen = new Map<number, { placements: number; accepted: number }>();

  constructor(cluster: ClusterView, witness: Witness) {
    super(cluster);
    this.#witness = witness;
  }

  /** A worker calls a handler. */
  started(start: HandlerStart): void {
    const other = this.#started.get(start.token);
    this.compare(
      other === undefined,
      () =>
        `${start.worker} starts token ${start.token} of task ${start.number}, which ${other?.worker} started before`,
    );
    this.#started.set(start.token, start);
    this.#starts.push(start);
  }

  witnessed({ index, logTimeMs, commands, outcome }: WitnessedEntry): void {
    const touched = new Set(outcome.assigned);
    for (const { command } of commands) {
      if (command.type === 'complete') for (const { number } of command.completions) touched.add(number);
    }
    const placed: number[] = [];
    for (const number of touched) this.#compareStory(number, index, logTimeMs, placed);
    for (const token of placed.sort((left, right) => left - right)) {
      this.compare(token > this.#highestToken, () => `token ${token} at ${index} is not above ${this.#highestToken}`);
      this.#highestToken = token;
    }
  }

  whole(): void {
    for (const start of this.#starts.splice(0)) {
      const placement = this.#witness.stories.get(start.number)?.placements.find(({ token }) => token === start.token);
      this.compare(
        placement?.worker === start.worker,
        () =>
          `${start.worker} started token ${start.token} of task ${start.number}, which was placed on ${placement?.worker}`,
      );
    }
  }

  #compareStory(number: number, index: number, logTimeMs: number, placed: number[]): void {
    const story = this.#witness.stories.get(number);
    if (story === undefined) return;
    const seen = this.#seen.get(number) ?? { placements: 0, accepted: 0 };
    this.#seen.set(number, seen);
    const before = story.placements[seen.placements - 1];
    const ended = story.end !== undefined && story.end.index < index;
    for (; seen.accepted < story.accepted.length; seen.accepted += 1) {
      const report = story.accepted[seen.accepted];
      this.compare(
        !ended && (report?.token === before?.token || story.placements.some((one) => one.index === index)),
        () => `task ${number} takes a report under token ${report?.token} at ${index}; its newest was ${before?.token}`,
      );
      const again = story.accepted.findIndex((one) => one.token === report?.token) !== seen.accepted;
      this.compare(!again, () => `task ${number} takes a second report under token ${report?.token} at ${index}`);
    }
    for (; seen.placements < story.placements.length; seen.placements += 1) {
      const placement = story.placements[seen.placements];
      if (placement === undefined) continue;
      placed.push(placement.token);
      this.compare(!ended, () => `task ${number} is placed at ${index} although it is final since ${story.end?.index}`);
      this.compare(
        logTimeMs >= story.notBeforeMs,
        () => `task ${number} is placed at log time ${logTimeMs}, before it is due at ${story.notBeforeMs}`,
      );
    }
  }
}
