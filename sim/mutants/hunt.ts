/** Runs seeds on a build with a bug until one of them breaks a property. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type Order, SEED_RUNNER_FLAGS, TAKES_ORDERS } from '../orders.ts';
import type { Verdict } from '../run-seed.ts';
import type { Workbench } from './build.ts';
import type { Mutant } from './mutant.ts';

/** Events after which a bug counts as not found. */
export const HUNT_EVENTS_MAX = 1_000_000;

/** A seed that takes longer than this has come to hang, in ms. The slowest takes a few seconds. */
const SEED_MS_MAX = 180_000;

/** How a hunt ended. */
export interface Hunt {
  readonly mutant: Mutant;
  /** The seed that found it and the property that broke; undefined when none did. */
  readonly found: { readonly seed: number; readonly checker: string; readonly message: string } | undefined;
  /** Seeds that ran, the one that found it among them. */
  readonly seeds: number;
  /** Events of all seeds that ran, the last one up to what broke. */
  readonly events: number;
}

/** Hunts `mutant`, planted on `bench`, with the seeds from 1 on. @throws Error when it cannot be planted or built */
export async function hunt(mutant: Mutant, bench: Workbench, eventsMax: number = HUNT_EVENTS_MAX): Promise<Hunt> {
  await bench.plant(mutant);
  const child = fork(bench.main, [], {
    env: { ...process.env, [TAKES_ORDERS]: '1' },
    execArgv: [...process.execArgv, ...SEED_RUNNER_FLAGS],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  try {
    let events = 0;
    let seed = 0;
    while (events < eventsMax) {
      seed += 1;
      const verdict = await runOn(child, seed);
      events += verdict.events;
      const { failure } = verdict;
      if (failure !== undefined) return { mutant, found: failure, seeds: seed, events };
    }
    return { mutant, found: undefined, seeds: seed, events };
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

interface Outcome {
  readonly events: number;
  readonly failure: Hunt['found'];
}

function runOn(child: ChildProcess, seed: number): Promise<Outcome> {
  const order: Order = { seeds: [seed], twice: false, briefly: true };
  return new Promise((resolve) => {
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(outcome);
    };
    const broke = (checker: string, message: string): void => end({ events: 0, failure: { seed, checker, message } });
    const timer = setTimeout(() => broke('hang', `the seed did not end within ${SEED_MS_MAX} ms`), SEED_MS_MAX);
    // A rejection that nobody handles ends the process that runs the seed.
    child.on('exit', (code) => broke('no-escape', `the process ended with ${code ?? 'a signal'}`));
    child.on('message', (verdict: Verdict) => {
      end({ events: verdict.totals.events, failure: verdict.failure });
    });
    child.send(order);
  });
}
