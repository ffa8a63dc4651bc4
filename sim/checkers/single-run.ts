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
  /** In time of the world: when the verdict fell, and when all that the worker ran must have stopped. In µs. */
  readonly sinceUs: number;
  readonly freeAtUs: number;
}

/** Clocks that differ by so little differ by less than what the SDK leaves of a lease. */
const NEARLY_SURE_PER_THOUSAND = 20;

/** Whoever stood still finds out that time has passed as soon as it goes on, though not before all others have their turn. In µs. */
const LATE_US = 10_000;

/**
 * A task of a schedule that lets no two tasks run at a time is not placed again, when its worker is given up, before its lease has ended
 * there; and where clocks run at one speed no other worker begins it while the first still runs it and has no reason to stop. Whatever
 * the tasks: once the slots of a worker that was given up count as free it has stopped what it ran, where clocks run at nearly one speed.
 */
export class SingleRun extends PropertyChecker {
  override readonly name = 'single-run';
  readonly #witness: Witness;
  readonly #isSingle: (number: number) => boolean;
  readonly #isSure: boolean;
  readonly #isNearlySure: boolean;
  readonly #leaseMs: number;
  /** With the instant at which it began, in µs. */
  readonly #runs: Map<HandlerRun, number> = new Map();
  /** Those that go on for longer than they should, with the instant at which that was seen first. */
  readonly #overdue: Map<HandlerRun, number> = new Map();
  /** By worker. */
  readonly #verdicts: Map<string, Verdict> = new Map();

  constructor(
    cluster: ClusterView,
    witness: Witness,
    parts: {
      /** Whether a task must be the only one of its schedule to run. */
      readonly isSingle: (number: number) => boolean;
      /** How much clocks run too fast or too slow at most. */
      readonly clockRatePerThousand: number;
      readonly leaseMs: number;
    },
  ) {
    super(cluster);
    this.#witness = witness;
    this.#isSingle = parts.isSingle;
    this.#isSure = parts.clockRatePerThousand === 0;
    this.#isNearlySure = parts.clockRatePerThousand <= NEARLY_SURE_PER_THOUSAND;
    this.#leaseMs = parts.leaseMs;
  }

  witnessed({ commands, outcome, scheduler, index, logTimeMs }: WitnessedEntry): void {
    for (const [at, { command }] of commands.entries()) {
      if (outcome.replies[at]?.type === 'refused') continue;
      if (command.type === 'workerAttached') {
        const verdict = this.#verdicts.get(command.worker);
        if (verdict !== undefined) verdict.isOver = true;
      } else if (command.type === 'workerLost' && this.#verdicts.get(command.worker)?.isOver !== false) {
        const freeAtMs = Math.min(command.capsFreeAtMs, scheduler.logTimeMs + this.#leaseMs);
        const sinceUs = this.cluster.nowUs;
        const freeAtUs = sinceUs + (freeAtMs - logTimeMs) * 1_000;
        this.#verdicts.set(command.worker, { freeAtMs, isOver: false, sinceUs, freeAtUs });
      }
    }
    if (this.#isNearlySure && this.#verdicts.size > 0) this.#compareStopped();
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
      for (const other of this.#runs.keys()) this.#compareWith(run, other);
      this.compare(true, () => '');
    }
    this.#runs.set(run, this.cluster.nowUs);
    return () => {
      this.#runs.delete(run);
      this.#overdue.delete(run);
    };
  }

  /** Nothing runs any more of a worker whose slots count as free. */
  #compareStopped(): void {
    const { nowUs } = this.cluster;
    for (const [run, begunUs] of this.#runs) {
      const verdict = this.#verdicts.get(run.host);
      const isOverdue =
        verdict?.isOver === false && begunUs < verdict.sinceUs && nowUs > verdict.freeAtUs && run.isLive();
      if (!isOverdue) {
        this.#overdue.delete(run);
        continue;
      }
      const seenUs = this.#overdue.get(run) ?? nowUs;
      this.#overdue.set(run, seenUs);
      this.compare(
        nowUs - seenUs < LATE_US,
        () =>
          `${run.host} is lost and its slots are free, and it still runs task ${run.number} under ${run.token}, ` +
          `${Math.round((nowUs - verdict.freeAtUs) / 1_000)} ms after that`,
      );
    }
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
