import type { Witness } from '../witness.ts';
import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';

/** A handler that a worker calls. */
export interface HandlerRun {
  readonly number: number;
  readonly token: number;
  /** The worker. */
  readonly host: string;
  /** False once it was told to stop, or its process stands still or has ended. */
  readonly isLive: () => boolean;
}

/** When a worker was given up, and from when on nothing of what it ran can run there any more. In log time. */
interface Verdict {
  readonly freeAtMs: number;
  /** It came back since. */
  isOver: boolean;
}

/**
 * A task of a schedule that lets no two tasks run at a time is not placed again, when its worker is given up, before its lease has ended
 * there; and where clocks run at one speed no other worker begins it while the first still runs it and has no reason to stop.
 */
export class SingleRun extends PropertyChecker {
  override readonly name = 'single-run';
  readonly #witness: Witness;
  readonly #isSingle: (number: number) => boolean;
  readonly #isSure: boolean;
  readonly #leaseMs: number;
  readonly #runs: Set<HandlerRun> = new Set();
  /** By worker. */
  readonly #verdicts: Map<string, Verdict> = new Map();

  constructor(
    cluster: ClusterView,
    witness: Witness,
    parts: {
      /** Whether a task must be the only one of its schedule to run. */
      readonly isSingle: (number: number) => boolean;
      /** All clocks run at one speed. */
      readonly isSure: boolean;
      readonly leaseMs: number;
    },
  ) {
    super(cluster);
    this.#witness = witness;
    this.#isSingle = parts.isSingle;
    this.#isSure = parts.isSure;
    this.#leaseMs = parts.leaseMs;
  }

  witnessed({ commands, outcome, scheduler, index }: WitnessedEntry): void {
    for (const [at, { command }] of commands.entries()) {
      if (outcome.replies[at]?.type === 'refused') continue;
      if (command.type === 'workerAttached') {
        const verdict = this.#verdicts.get(command.worker);
        if (verdict !== undefined) verdict.isOver = true;
      } else if (command.type === 'workerLost' && this.#verdicts.get(command.worker)?.isOver !== false) {
        const freeAtMs = Math.min(command.capsFreeAtMs, scheduler.logTimeMs + this.#leaseMs);
        this.#verdicts.set(command.worker, { freeAtMs, isOver: false });
      }
    }
    for (const number of outcome.assigned) if (this.#isSingle(number)) this.#comparePlacement(number, index);
  }

  /** True when no other task of the schedule that made this one may run beside it. */
  isSingle(number: number): boolean {
    return this.#isSingle(number);
  }

  /** A task was placed; if it was lost the last time, not too early. */
  #comparePlacement(number: number, index: number): void {
    const [before, placed] = this.#witness.stories.get(number)?.placements.slice(-2) ?? [];
    const view = this.#witness.scheduler.task(number);
    if (before === undefined || placed?.index !== index || view === undefined || !('history' in view)) return;
    const lost = view.history.findLast(({ reason, atMs }) => reason === 'worker-lost' && atMs >= before.atMs);
    const verdict = this.#verdicts.get(before.worker);
    if (lost === undefined || verdict === undefined) return;
    this.compare(
      placed.atMs >= verdict.freeAtMs,
      () =>
        `task ${number} is placed at ${placed.atMs}; ${before.worker}, which is lost, may run it up to ${verdict.freeAtMs}`,
    );
  }

  /** A worker calls a handler; what is returned is called when that has returned. */
  began(run: HandlerRun): () => void {
    if (this.#isSure && this.#isSingle(run.number)) {
      for (const other of this.#runs) this.#compareWith(run, other);
      this.compare(true, () => '');
    }
    this.#runs.add(run);
    return () => this.#runs.delete(run);
  }

  #compareWith({ number, token, host }: HandlerRun, other: HandlerRun): void {
    if (other.number !== number || other.host === host || !other.isLive()) return;
    const isLost = this.#witness.scheduler.worker(other.host)?.lost === true;
    this.compare(
      !isLost,
      () =>
        `${host} runs task ${number} under ${token}, and ${other.host}, which is lost, still runs it under ${other.token}`,
    );
  }
}
