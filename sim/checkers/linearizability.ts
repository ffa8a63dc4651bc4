import { checkLinearizability } from '../linearizability/linearizability.ts';
import { NEVER, type Operation } from '../linearizability/operation.ts';
import { taskModel, type TaskInput, type TaskOutput } from '../linearizability/task.ts';
import type { Ledger } from '../ledger.ts';
import type { Witness } from '../witness.ts';
import { Violation } from '../world.ts';
import { type ClusterView, PropertyChecker } from './checker.ts';

/** Orders that are tried for one task before it is left undecided. */
const CONFIGURATIONS_MAX = 20_000;

/**
 * Everything that clients saw of a task can be explained by one order of all calls in which none comes before one that had ended
 * before it was made. Looked at once, at the end, for every task that was submitted without a key.
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
      const number = wish.number ?? this.#witness.storyOfMark.get(wish.mark)?.number;
      if (wish.key !== undefined || number === undefined || wish.deduplicated) continue;
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
      const fails: TaskInput = { f: 'complete', state: 'failed', result: 'null' };
      operations.push({ ...base, process: 'the scheduler', input: fails, output: undefined, return: NEVER });
    }
    return operations;
  }
}
