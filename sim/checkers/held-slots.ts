import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';

/** A schedule, as its commands make it. */
interface Known {
  readonly id: string;
  /** Some version of it, or some trigger, lets tasks run side by side. */
  mayShare: boolean;
  /** An attempt that was told to stop and is not waited for any more may go on until then, in log time. */
  freeAtMs: number;
}

/**
 * An attempt that ran out of time, or whose worker drains, ends in the state before its handler has returned. It is given one lease
 * for that: until then nothing starts of a schedule that lets no two tasks run at a time, neither another task nor the same again.
 */
export class HeldSlots extends PropertyChecker {
  override readonly name = 'held-slots';
  readonly #leaseMs: number;
  readonly #byNumber = new Map<number, Known>();
  /** Those that are there, by id. */
  readonly #byId = new Map<string, number>();
  /** Of tasks that are not final: the schedule that made them. */
  readonly #makers = new Map<number, number>();
  /** Tokens of attempts that were told once that their task is cancelled: when they are told again they are not waited for. */
  readonly #cancelled = new Set<number>();

  constructor(cluster: ClusterView, leaseMs: number) {
    super(cluster);
    this.#leaseMs = leaseMs;
  }

  witnessed(entry: WitnessedEntry): void {
    const { outcome, logTimeMs, index } = entry;
    this.#hear(entry);
    for (const { task, schedule } of outcome.occurrences) if (task !== undefined) this.#makers.set(task, schedule);
    // What is told to stop by time alone comes first in an entry, and what starts in it comes behind that.
    for (const { number, fencingToken, reason } of outcome.aborts) {
      const isOver = reason === 'timeout' || reason === 'drain' || this.#cancelled.delete(fencingToken);
      if (!isOver) this.#cancelled.add(fencingToken);
      const known = this.#knownOf(number);
      if (isOver && known !== undefined) known.freeAtMs = logTimeMs + this.#leaseMs;
    }
    for (const { task } of outcome.occurrences)
      if (task !== undefined) this.#compareStart(task, index, logTimeMs, 'is made');
    for (const number of outcome.assigned) this.#compareStart(number, index, logTimeMs, 'is placed');
    for (const number of outcome.finished) this.#makers.delete(number);
  }

  #compareStart(number: number, index: number, logTimeMs: number, what: string): void {
    const known = this.#knownOf(number);
    if (known === undefined || known.mayShare) return;
    this.compare(
      logTimeMs >= known.freeAtMs,
      () =>
        `task ${number} of ${known.id} ${what} at ${index}, at ${logTimeMs}, and a handler that was told to stop has until ${known.freeAtMs} to return`,
    );
  }

  #knownOf(task: number): Known | undefined {
    const schedule = this.#makers.get(task);
    return schedule === undefined ? undefined : this.#byNumber.get(schedule);
  }

  #hear({ commands, outcome }: WitnessedEntry): void {
    for (const [at, { command }] of commands.entries()) {
      const reply = outcome.replies[at];
      if (reply === undefined || reply.type === 'refused') continue;
      if (command.type === 'putSchedule' && reply.type === 'schedulePut') {
        const known = this.#byNumber.get(reply.number) ?? { id: command.schedule, mayShare: false, freeAtMs: 0 };
        known.mayShare ||= command.policy.overlap === 'allow';
        this.#byNumber.set(reply.number, known);
        this.#byId.set(command.schedule, reply.number);
      } else if (command.type === 'triggerSchedule' || command.type === 'backfillSchedule') {
        const known = this.#byNumber.get(this.#byId.get(command.schedule) ?? 0);
        if (known !== undefined && command.overlap === 'allow') known.mayShare = true;
      } else if (command.type === 'deleteSchedule') {
        // Its tasks are any others' then.
        this.#byNumber.delete(this.#byId.get(command.schedule) ?? 0);
        this.#byId.delete(command.schedule);
      }
    }
  }
}
