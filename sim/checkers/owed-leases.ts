import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';

/**
 * A new leader owes every worker one lease of log time: whoever was cut off with the old one comes back first. Until then no worker is
 * given up, and no attempt is taken from one because its time is over.
 */
export class OwedLeases extends PropertyChecker {
  override readonly name = 'owed-leases';
  readonly #leaseMs: number;
  /** From this log time on the leader of the newest term may take tasks from workers. */
  #fromMs = 0;
  /** Workers that are lost, by id and instance: to say so again changes nothing. */
  readonly #lost = new Set<string>();

  constructor(cluster: ClusterView, leaseMs: number) {
    super(cluster);
    this.#leaseMs = leaseMs;
  }

  witnessed({ commands, outcome, logTimeMs, index }: WitnessedEntry): void {
    // What is over by time alone comes first in an entry, before a term that begins in it.
    for (const { number, reason } of outcome.aborts) {
      if (reason === 'timeout') this.#compare(logTimeMs, () => `task ${number} is timed out at ${index}`);
    }
    for (const [at, { command }] of commands.entries()) {
      if (outcome.replies[at]?.type === 'refused') continue;
      if (command.type === 'termStarted') this.#fromMs = logTimeMs + this.#leaseMs;
      else if (command.type === 'workerAttached') this.#lost.delete(`${command.worker}/${command.instance}`);
      else if (command.type === 'workerLost') {
        const who = `${command.worker}/${command.instance}`;
        if (!this.#lost.has(who)) this.#compare(logTimeMs, () => `worker ${who} is given up at ${index}`);
        this.#lost.add(who);
      }
    }
  }

  #compare(logTimeMs: number, what: () => string): void {
    this.compare(
      logTimeMs >= this.#fromMs,
      () => `${what()}, at ${logTimeMs}, and the leader owes it a lease until ${this.#fromMs}`,
    );
  }
}
