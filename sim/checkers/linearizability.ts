import { checkLinearizability } from '../linearizability/linearizability.ts';
import { NEVER, type Operation } from '../linearizability/operation.ts';
import { taskModel, type TaskInput, type TaskOutput } from '../linearizability/task.ts';
import type { Ledger, Wish } from '../ledger.ts';
import type { Witness } from '../witness.ts';
import { Violation } from '../world.ts';
import { type ClusterView, PropertyChecker } from './checker.ts';

/** Orders that are tried for one task before it is left undecided. */
const CONFIGURATIONS_MAX = 20_000;

/**
 * Everything that clients saw of a task can be explained by one order of all calls in which none comes before one that had ended
 * before it was made, whichever peer answered. Looked at once, at the end, for every task.
 */
export class Linearizability extends PropertyChecker {
  override readonly name = 'linearizability';
  readonly #ledger: Ledger;
  readonly #witness: Witness;

  constructor(cluster: ClusterView, ledger: Ledger, witness: Witness) {
    super(cluster);
    this.#ledger = ledger;
    this.#witness = witness;
  }

  /** When everything has settled. @throws Violation */
  settled(): void {
    const submitted = this.#submissions();
    const known = new Set(submitted.map(({ key }) => key));
    const rest = this.#ledger.operations.filter(({ key }) => known.has(key));
    const verdict = checkLinearizability(taskModel, [...submitted, ...rest], { configurationsMax: CONFIGURATIONS_MAX });
    for (let count = 0; count < verdict.objects; count += 1) this.compare(true, () => '');
    if (verdict.verdict !== 'not-linearizable') return;
    const { operation } = verdict.refutation;
    const words = taskModel.describe(operation.input, operation.output);
    throw new Violation(
      this.name,
      `no order explains that ${operation.process} saw of task ${operation.key}: ${words}`,
    );
  }

  /** What was asked for; a task may also fail by itself at any time after. */
  #submissions(): Operation<TaskInput, TaskOutput>[] {
    const operations: Operation<TaskInput, TaskOutput>[] = [];
    for (const wish of this.#ledger.wishes.values()) {
      if (wish.key !== undefined) continue;
      const number = wish.number ?? this.#witness.storyOfMark.get(wish.mark)?.number;
      if (number === undefined) continue;
      const base = { process: wish.mark, key: `${number}`, call: wish.askedUs };
      const isKnown = wish.outcome === 'acknowledged' && wish.id !== undefined && wish.answeredUs !== undefined;
      const output: TaskOutput | undefined = isKnown
        ? { f: 'submit', id: wish.id as string, deduplicated: false }
        : undefined;
      operations.push({
        ...base,
        input: { f: 'submit' },
        output,
        return: isKnown ? (wish.answeredUs as number) : NEVER,
      });
      operations.push(failing(number, wish.askedUs));
    }
    operations.push(...this.#keyedSubmissions());
    return operations;
  }

  /**
   * Tasks with a key are made by one of several submissions, and the others are told of it. One of which nobody knows the outcome may
   * be the one that made any of the tasks of its key, or none.
   */
  #keyedSubmissions(): Operation<TaskInput, TaskOutput>[] {
    const operations: Operation<TaskInput, TaskOutput>[] = [];
    const numbers = new Map<string, Map<number, number>>();
    const unknown: Wish[] = [];
    for (const wish of this.#ledger.wishes.values()) {
      const { key, number, id, answeredUs, deduplicated, outcome } = wish;
      if (key === undefined) continue;
      if (outcome === 'open' || outcome === 'unknown') unknown.push(wish);
      if (outcome !== 'acknowledged' || number === undefined || id === undefined || answeredUs === undefined) continue;
      const first = numbers.get(key) ?? new Map<number, number>();
      numbers.set(key, first);
      first.set(number, Math.min(first.get(number) ?? wish.askedUs, wish.askedUs));
      const output: TaskOutput = { f: 'submit', id, deduplicated };
      const base = { process: wish.mark, key: `${number}`, input: { f: 'submit' } as const };
      operations.push({ ...base, output, call: wish.askedUs, return: answeredUs });
    }
    for (const [key, first] of numbers) {
      for (const [number, firstUs] of first) {
        let earliestUs = firstUs;
        for (const wish of unknown) {
          if (wish.key !== key) continue;
          earliestUs = Math.min(earliestUs, wish.askedUs);
          const base = { process: wish.mark, key: `${number}`, input: { f: 'submit' } as const };
          operations.push({ ...base, output: undefined, call: wish.askedUs, return: NEVER });
        }
        operations.push(failing(number, earliestUs));
      }
    }
    return operations;
  }
}

/** The scheduler may let a task fail by itself, from when it can be there on. */
function failing(number: number, fromUs: number): Operation<TaskInput, TaskOutput> {
  const input: TaskInput = { f: 'complete', state: 'failed', result: 'null' };
  return { process: 'the scheduler', key: `${number}`, input, output: undefined, call: fromUs, return: NEVER };
}
