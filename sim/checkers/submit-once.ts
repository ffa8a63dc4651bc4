import type { Reply } from '../../src/scheduler/outcome.ts';
import { PropertyChecker, type WitnessedEntry } from './checker.ts';

/**
 * A submission takes effect once, however often it is sent, and every answer to it is the first one: by session and sequence
 * (thesis §6.3). Only a session that has ended forgets, and then nothing is executed.
 */
export class SubmitOnce extends PropertyChecker {
  override readonly name = 'submit-once';
  /** By session and sequence: the first answer. */
  readonly #answers = new Map<string, Reply>();
  #highestNumber = 0;
  #repeated = 0;

  /** Submissions that were answered from the session's table. */
  get repeated(): number {
    return this.#repeated;
  }

  witnessed({ index, commands, outcome }: WitnessedEntry): void {
    for (const [at, { command }] of commands.entries()) {
      if (command.type !== 'submit') continue;
      const reply = outcome.replies[at];
      if (reply === undefined || (reply.type === 'refused' && reply.code === 'SESSION_EXPIRED')) continue;
      const key = `${command.session}/${command.sequence}`;
      const first = this.#answers.get(key);
      if (first === undefined) {
        this.#answers.set(key, structuredClone(reply));
        this.compare(
          reply.type !== 'submitted' || !reply.repeated,
          () => `submission ${key} at ${index} is answered as a repeated one and was never answered before`,
        );
        if (reply.type === 'submitted' && reply.created > 0) {
          this.compare(
            reply.firstNumber > this.#highestNumber,
            () => `submission ${key} at ${index} makes task ${reply.firstNumber} after ${this.#highestNumber}`,
          );
          this.#highestNumber = reply.firstNumber + reply.created - 1;
        }
        continue;
      }
      this.#repeated += 1;
      this.compare(sameAnswer(first, reply), () => {
        const [was, is] = [JSON.stringify(first), JSON.stringify(reply)];
        return `submission ${key} at ${index} is answered ${is}; its first answer was ${was}`;
      });
    }
  }
}

function sameAnswer(first: Reply, again: Reply): boolean {
  if (first.type === 'refused') {
    return again.type === 'refused' && again.code === first.code && again.position === first.position;
  }
  if (first.type !== 'submitted' || again.type !== 'submitted') return false;
  return (
    again.repeated &&
    again.firstNumber === first.firstNumber &&
    again.created === first.created &&
    JSON.stringify(again.existing) === JSON.stringify(first.existing)
  );
}
