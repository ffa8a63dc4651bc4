import { PropertyChecker, type WitnessedEntry } from './checker.ts';

/** The namespace of all schedules here. */
const NAMESPACE = 'default';

/** Of so many entries one is looked at. */
const ONE_OF = 2;

/** Tasks are told to stop within so many looks, since an entry does a bounded part of it; at once where it has left nothing over. */
const LOOKS_MAX = 4;

/** A schedule that is to cancel what is in the way of its next task. */
interface Canceller {
  readonly id: string;
  readonly tasks: Set<number>;
  /** The occurrence that waits, and how often it was seen to. */
  waiting: number;
  looks: number;
}

/**
 * Under the policy `cancelOther` an occurrence that waits for a task does not wait for its good will: tasks of the schedule that were
 * there before are told to stop.
 */
export class CancelOther extends PropertyChecker {
  override readonly name = 'cancel-other';
  readonly #byNumber = new Map<number, Canceller>();
  #entries = 0;

  witnessed(entry: WitnessedEntry): void {
    const { commands, outcome } = entry;
    for (const [at, { command }] of commands.entries()) {
      const reply = outcome.replies[at];
      if (command.type !== 'putSchedule' || reply?.type !== 'schedulePut') continue;
      if (command.policy.overlap !== 'cancelOther') this.#byNumber.delete(reply.number);
      else if (!this.#byNumber.has(reply.number))
        this.#byNumber.set(reply.number, { id: command.schedule, tasks: new Set(), waiting: 0, looks: 0 });
    }
    for (const { task, schedule } of outcome.occurrences)
      if (task !== undefined) this.#byNumber.get(schedule)?.tasks.add(task);
    this.#entries += 1;
    if (this.#entries % ONE_OF === 0) for (const [number, one] of this.#byNumber) this.#look(number, one, entry);
  }

  #look(number: number, one: Canceller, { scheduler, index }: WitnessedEntry): void {
    const view = scheduler.schedule(NAMESPACE, one.id);
    if (view?.number !== number) {
      this.#byNumber.delete(number);
      return;
    }
    const waits = view.buffered.find(({ kind, version }) => kind === 'planned' && version === view.version);
    if (waits === undefined || waits.plannedMs !== one.waiting) {
      one.waiting = waits?.plannedMs ?? 0;
      one.looks = 0;
      if (waits === undefined) return;
    }
    one.looks += 1;
    if (one.looks <= LOOKS_MAX && scheduler.openCursors) return;
    for (const task of one.tasks) {
      const found = scheduler.task(task);
      if (found === undefined || !('number' in found)) {
        one.tasks.delete(task);
        continue;
      }
      this.compare(
        found.createdAtMs >= waits.plannedMs || (found.state === 'running' && found.cancelling),
        () => `task ${task} of ${one.id} is ${found.state} at ${index}, and was to be cancelled for ${waits.plannedMs}`,
      );
    }
  }
}
