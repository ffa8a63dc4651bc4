import type { Completion, TaskTemplate } from '../../src/scheduler/command.ts';
import type { Witness } from '../witness.ts';
import { type ClusterView, PropertyChecker, type WitnessedEntry } from './checker.ts';

type Retry = TaskTemplate['retry'];

/** What is known of a task that is not final. */
interface Known {
  readonly retry: Retry;
  /** Reports of failure that counted, and attempts that ran out of time. */
  failures: number;
  /** No attempt begins before, in log time. */
  notBeforeMs: number;
  /** Its end was asked for while it ran. */
  isCancelling: boolean;
}

/** What tasks of a schedule ask for. */
interface Asked {
  readonly retry: Retry;
  readonly version: number;
  /** The entry that made this version. */
  readonly index: number;
}

/** The least part of a wait that its spread leaves, in hundredths. */
const LEAST_PERCENT = 80;

/**
 * A task is tried as often as it asks for and no more; between two attempts it waits as long as its rule says, or its handler; and one
 * whose cancel was asked for while it ran ends with that attempt. Computed from what was submitted and reported.
 */
export class RetryRule extends PropertyChecker {
  override readonly name = 'retry-rule';
  readonly #witness: Witness;
  readonly #tasks = new Map<number, Known>();
  /** Of schedules by number: what their tasks ask for now. */
  readonly #schedules = new Map<number, Asked>();

  constructor(cluster: ClusterView, witness: Witness) {
    super(cluster);
    this.#witness = witness;
  }

  witnessed(entry: WitnessedEntry): void {
    const { outcome, logTimeMs, index } = entry;
    const finished = new Set(outcome.finished);
    for (const { number, reason } of outcome.aborts) {
      const known = this.#tasks.get(number);
      if (known === undefined) continue;
      // Cancelled for the first time it goes on, for a while.
      if (reason === 'cancelled') known.isCancelling = !finished.has(number);
      else if (reason === 'timeout' && !isTotal(this.#reasonOf(number))) this.#failed(number, known, entry, undefined);
    }
    this.#hear(entry, finished);
    for (const { task, schedule, version } of outcome.occurrences) {
      const asked = this.#schedules.get(schedule);
      if (task === undefined || asked === undefined) continue;
      // Of an earlier version, in the entry that changed it: whether it started before or after that is not told.
      if (asked.index !== index || asked.version === version) this.#begin(task, asked.retry);
    }
    for (const number of outcome.assigned) {
      const known = this.#tasks.get(number);
      if (known === undefined) continue;
      this.compare(
        logTimeMs >= known.notBeforeMs,
        () => `task ${number} is tried again at ${index}, at ${logTimeMs}, and waits until ${known.notBeforeMs}`,
      );
    }
    for (const number of finished) this.#end(number, index);
  }

  #begin(number: number, retry: Retry): void {
    this.#tasks.set(number, { retry, failures: 0, notBeforeMs: 0, isCancelling: false });
  }

  #end(number: number, index: number): void {
    const known = this.#tasks.get(number);
    if (known === undefined) return;
    this.#tasks.delete(number);
    const reason = this.#reasonOf(number);
    if (reason !== 'error' && reason !== 'run-timeout') return;
    this.compare(
      known.failures === known.retry.maxAttempts,
      () => `task ${number} fails for good at ${index} after ${known.failures} of ${known.retry.maxAttempts} attempts`,
    );
  }

  #hear({ commands, outcome, logTimeMs, index }: WitnessedEntry, finished: ReadonlySet<number>): void {
    for (const [at, { command }] of commands.entries()) {
      const reply = outcome.replies[at];
      if (command.type === 'submit' && reply?.type === 'submitted' && !reply.repeated) {
        const existing = new Set(reply.existing.map(({ position }) => position));
        let number = reply.firstNumber;
        for (const [position, { template }] of command.tasks.entries()) {
          const rule = command.templates[template]?.retry;
          if (existing.has(position)) continue;
          if (rule !== undefined) this.#begin(number, rule);
          number += 1;
        }
      } else if (command.type === 'putSchedule' && reply?.type === 'schedulePut') {
        const { number: schedule, version, unchanged } = reply;
        if (!unchanged) this.#schedules.set(schedule, { retry: command.task.template.retry, version, index });
      } else if (command.type === 'complete' && reply?.type === 'completed') {
        for (const [place, completion] of command.completions.entries()) {
          if (reply.answers[place] === 'ok') this.#reported(completion, { outcome, logTimeMs, index }, finished);
        }
      }
    }
  }

  #reported(
    { number, outcome: how }: Completion,
    entry: Pick<WitnessedEntry, 'outcome' | 'logTimeMs' | 'index'>,
    finished: ReadonlySet<number>,
  ): void {
    const known = this.#tasks.get(number);
    if (known === undefined) return;
    if (known.isCancelling) {
      this.compare(finished.has(number), () => `task ${number} was to be cancelled and goes on at ${entry.index}`);
    } else if (how.type === 'failed') {
      if (how.nonRetryable) known.failures = known.retry.maxAttempts;
      else this.#failed(number, known, entry, how.retryAfterMs);
    } else if (how.type === 'snoozed') known.notBeforeMs = entry.logTimeMs + how.delayMs;
  }

  #failed(
    number: number,
    known: Known,
    { outcome, logTimeMs, index }: Pick<WitnessedEntry, 'outcome' | 'logTimeMs' | 'index'>,
    retryAfterMs: number | undefined,
  ): void {
    known.failures += 1;
    const { maxAttempts } = known.retry;
    this.compare(
      known.failures < maxAttempts || outcome.finished.includes(number),
      () => `task ${number} has failed ${known.failures} times of ${maxAttempts} at ${index}, and goes on`,
    );
    known.notBeforeMs = logTimeMs + (retryAfterMs ?? leastWaitMs(known.retry, known.failures));
  }

  #reasonOf(number: number): string | undefined {
    return this.#witness.stories.get(number)?.end?.reason;
  }
}

function isTotal(reason: string | undefined): boolean {
  return reason === 'total-timeout';
}

/** The shortest wait after so many failures: doubled with each, up to the longest, and a fifth less. */
function leastWaitMs({ initialMs, maxMs }: Retry, failures: number): number {
  const waitMs = Math.min(maxMs, initialMs * 2 ** (failures - 1));
  return Math.floor((waitMs * LEAST_PERCENT) / 100);
}
