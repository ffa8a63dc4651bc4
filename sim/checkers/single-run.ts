import type { Witness } from '../witness.ts';
import { type ClusterView, PropertyChecker } from './checker.ts';

/** A handler that a worker calls. */
export interface HandlerRun {
  readonly number: number;
  readonly token: number;
  /** The worker. */
  readonly host: string;
  /** False once it was told to stop, or its process stands still or has ended. */
  readonly isLive: () => boolean;
}

/**
 * A task of a schedule that lets no two tasks run at a time is not run again while a worker that was given up still runs it and has no
 * reason to stop: first its lease ends there. Where clocks run at one speed.
 */
export class SingleRun extends PropertyChecker {
  override readonly name = 'single-run';
  readonly #witness: Witness;
  /** Whether a task must be the only one of its schedule to run. */
  readonly #isSingle: (number: number) => boolean;
  readonly #runs: Set<HandlerRun> = new Set();

  constructor(cluster: ClusterView, witness: Witness, isSingle: (number: number) => boolean) {
    super(cluster);
    this.#witness = witness;
    this.#isSingle = isSingle;
  }

  /** A worker calls a handler; what is returned is called when that has returned. */
  began(run: HandlerRun): () => void {
    if (this.#isSingle(run.number)) {
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
