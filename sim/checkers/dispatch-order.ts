import type { TaskView, WorkerView } from '../../src/scheduler/views.ts';
import { PropertyChecker, type WitnessedEntry } from './checker.ts';

/** Of so many entries that place something one is looked at: a look reads every task that is not final. */
const ONE_OF = 8;

/**
 * What is placed goes before what waits on: a ready task that was there before the entry and is still there after it has no higher
 * priority than one that the entry has placed, if it is of the same type and requires the same labels; or of whatever kind, when some
 * worker still has room for it.
 */
export class DispatchOrder extends PropertyChecker {
  override readonly name = 'dispatch-order';
  readonly #unfinished = new Set<number>();
  #placing = 0;

  witnessed(entry: WitnessedEntry): void {
    const { commands, outcome } = entry;
    for (const [at, { command }] of commands.entries()) {
      const reply = outcome.replies[at];
      if (command.type !== 'submit' || reply?.type !== 'submitted' || reply.repeated) continue;
      for (let made = 0; made < reply.created; made += 1) this.#unfinished.add(reply.firstNumber + made);
    }
    for (const { task } of outcome.occurrences) if (task !== undefined) this.#unfinished.add(task);
    for (const number of outcome.finished) this.#unfinished.delete(number);
    if (outcome.assigned.length === 0) return;
    this.#placing += 1;
    if (this.#placing % ONE_OF === 0) this.#compareAll(entry);
  }

  #compareAll({ outcome, scheduler, logTimeMs, index }: WitnessedEntry): void {
    const viewOf = (number: number): TaskView | undefined => {
      const view = scheduler.task(number);
      return view !== undefined && 'number' in view ? view : undefined;
    };
    /** By what a worker must be to run it: the highest priority of those that wait, 1 before all others. */
    const waiting = new Map<string, TaskView>();
    for (const number of this.#unfinished) {
      const view = viewOf(number);
      // One that harmed its workers waits for a place of its own.
      if (view?.state !== 'pending' || view.crashes > 0) continue;
      if ((view.history.at(-1)?.atMs ?? logTimeMs) >= logTimeMs) continue;
      const kind = kindOf(view);
      if (view.priority < (waiting.get(kind)?.priority ?? Number.POSITIVE_INFINITY)) waiting.set(kind, view);
    }
    const first = [...waiting.values()].sort((left, right) => left.priority - right.priority);
    const fits = first.find((task) => scheduler.allWorkers().some((worker) => hasRoomFor(worker, task)));
    for (const number of outcome.assigned) {
      const view = viewOf(number);
      if (view === undefined || view.crashes > 0) continue;
      this.compare(
        fits === undefined || fits.priority >= view.priority,
        () =>
          `task ${number} of priority ${view.priority} is placed at ${index}, and task ${fits?.number} of priority ${fits?.priority} waits on, for which there is room`,
      );
      const alike = waiting.get(kindOf(view));
      this.compare(
        alike === undefined || alike.priority >= view.priority,
        () =>
          `task ${number} of priority ${view.priority} is placed at ${index}, and task ${alike?.number} of priority ${alike?.priority} waits on`,
      );
    }
  }
}

function hasRoomFor(worker: WorkerView, { type, requires, namespace }: TaskView): boolean {
  const has = ([name, value]: readonly [string, string]): boolean =>
    worker.labels.some(([otherName, otherValue]) => otherName === name && otherValue === value);
  return (
    worker.state === 'online' &&
    worker.running + worker.lingering < worker.slots &&
    worker.namespace === namespace &&
    worker.types.includes(type) &&
    requires.every(has)
  );
}

function kindOf({ type, requires }: TaskView): string {
  return `${type} ${requires.map((label) => label.join('=')).join(' ')}`;
}
