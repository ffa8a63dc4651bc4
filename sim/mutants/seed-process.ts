/** A process that runs one seed after the other, as it is told, until one breaks a property. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Change, type Order, SEED_RUNNER_FLAGS, TAKES_ORDERS } from '../orders.ts';
import type { Verdict } from '../run-seed.ts';

/** A seed that takes longer than this has come to hang, in ms. The slowest takes a few seconds. */
const SEED_MS_MAX = 180_000;

/** How a seed ended. */
export interface Outcome {
  readonly events: number;
  /** What broke; undefined when nothing did. */
  readonly failure: { readonly seed: number; readonly checker: string; readonly message: string } | undefined;
}

/** See the head of this file. */
export class SeedProcess {
  readonly #child: ChildProcess;

  /**
   * @param main The program that runs seeds.
   * @param flags How Node is started for it.
   */
  constructor(main: string, flags: readonly string[] = SEED_RUNNER_FLAGS) {
    this.#child = fork(main, [], {
      env: { ...process.env, [TAKES_ORDERS]: '1' },
      execArgv: [...process.execArgv, ...flags],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  }

  /** False once it has ended: of itself, by `end`, or because a seed came to hang. */
  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Runs one seed, as long as it draws. */
  run(seed: number): Promise<Outcome> {
    const order: Order = { seeds: [seed], twice: false, briefly: true, drawnLengths: true };
    const broke = (checker: string, message: string): Outcome => ({ events: 0, failure: { seed, checker, message } });
    return this.#ask(order, {
      answered: (said) => {
        const { totals, failure } = said as Verdict;
        return { events: totals.events, failure };
      },
      late: () => {
        this.#child.kill('SIGKILL');
        return broke('hang', `the seed did not end within ${SEED_MS_MAX} ms`);
      },
      // A rejection that nobody handles ends the process that runs the seed.
      ended: (how) => broke('no-escape', `the process ended with ${how}`),
    });
  }

  /** Gives a module that is loaded other functions. False when it cannot be done this way; then nothing has changed. */
  change(change: Change): Promise<boolean> {
    return this.#ask(change, { answered: (said) => said === true, late: () => false, ended: () => false });
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    if (!this.alive) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #ask<Result>(
    order: Order | Change,
    then: {
      answered(said: unknown): Result;
      late(): Result;
      ended(how: string): Result;
    },
  ): Promise<Result> {
    const child = this.#child;
    if (!this.alive) return Promise.resolve(then.ended('another seed'));
    return new Promise((resolve) => {
      const end = (result: Result): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(result);
      };
      const timer = setTimeout(() => end(then.late()), SEED_MS_MAX);
      child.on('exit', (code) => end(then.ended(`${code ?? 'a signal'}`)));
      child.on('message', (said: unknown) => end(then.answered(said)));
      // One that has just ended says so itself.
      child.send(order, () => {});
    });
  }
}
