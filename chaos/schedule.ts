/** Which faults happen, in which order, and which of them at the same time. */
import { below, deriveSeed, SeededRandom } from '../src/base/random.ts';
import { pause } from './clock.ts';
import { type Fault, type FaultContext, pick, shuffled } from './faults/fault.ts';

/** How often each fault is to happen: a number of times, or by lot until the time is up. */
export interface Plan {
  readonly counts: ReadonlyMap<Fault, number>;
  /** Faults that are drawn after the counted ones, until `untilMs`. */
  readonly drawn: readonly Fault[];
  /** By the clock that `nowMs` tells. */
  readonly untilMs: number;
  readonly nowMs: () => number;
  readonly seed: number;
  /** Between two faults of one row, at most, in ms. */
  readonly betweenMs: number;
}

/** One thing at a time, or nothing but one. */
class Turnstile {
  #inside = 0;
  #exclusive = false;
  readonly #waiting: (() => void)[] = [];

  async enter(exclusive: boolean): Promise<void> {
    const isBarred = (): boolean => this.#exclusive || (exclusive && this.#inside > 0);
    while (isBarred()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inside += 1;
    this.#exclusive = exclusive;
  }

  leave(): void {
    this.#inside -= 1;
    this.#exclusive = false;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/**
 * Lets the faults of a plan happen: what is done to processes and what is done to the network in two rows beside each other.
 * Fulfilled when all have happened.
 *
 * @throws what a fault throws, when the cluster did not come back as it should
 */
export async function runPlan(plan: Plan, context: Omit<FaultContext, 'random'>): Promise<void> {
  const turnstile = new Turnstile();
  const isNetwork = (fault: Fault): boolean => fault.kind === 'network';
  const failed = new AbortController();
  /** When a link was last known to be spoiled, by the clock of the plan. */
  let spoiledMs = Number.NEGATIVE_INFINITY;
  let spoiling = false;
  const noteFailover: FaultContext['noteFailover'] = (how, ms) => {
    // What a broken link adds says nothing of how a failover goes.
    if (!spoiling && plan.nowMs() - ms > spoiledMs) context.noteFailover(how, ms);
  };
  const row = async (name: string, belongs: (fault: Fault) => boolean): Promise<void> => {
    const random = new SeededRandom(deriveSeed(plan.seed, name));
    const counted = [...plan.counts].filter(([fault]) => belongs(fault));
    const waiting = shuffled(
      random,
      counted.flatMap(([fault, count]) => Array.from({ length: count }, () => fault)),
    );
    const drawn = plan.drawn.filter(belongs);
    for (;;) {
      const isLate = plan.nowMs() >= plan.untilMs;
      // What is counted is mixed with what is drawn, and goes on alone when the time is up.
      const draws = !isLate && drawn.length > 0 && (waiting.length === 0 || below(random, 2) === 0);
      const fault = draws ? pick(random, drawn) : waiting.shift();
      if (fault === undefined || failed.signal.aborted) return;
      await turnstile.enter(fault.kind === 'exclusive');
      try {
        if (fault.kind === 'exclusive') await context.cluster.untilWhole();
        context.count(`${fault.name} faults`);
        spoiling ||= isNetwork(fault);
        await fault.run({ ...context, random, noteFailover });
      } catch (error) {
        failed.abort();
        throw new Error(`after "${fault.name}": ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      } finally {
        if (isNetwork(fault)) [spoiling, spoiledMs] = [false, plan.nowMs()];
        turnstile.leave();
      }
      await pause(below(random, plan.betweenMs));
    }
  };
  const rows = [row('network', isNetwork), row('processes', (fault) => !isNetwork(fault))];
  const ends = await Promise.allSettled(rows);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
