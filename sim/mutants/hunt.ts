/**
 * Runs seeds on a build with a bug until one of them breaks a property.
 *
 *     compiled ─┬─▶ the process that ran the seeds of the bug before gets the functions that differ ─▶ seeds 1, 2, 3 …
 *               └─▶ what cannot be exchanged has a process of its own                               ─▶ seeds 1, 2, 3 …
 *
 * Most bugs are found by the first two or three seeds, and a process of its own would spend two thirds of its time on reading and
 * compiling what all have in common.
 */
import { SEED_RUNNER_FLAGS } from '../orders.ts';
import type { Mutant } from './mutant.ts';
import { type Outcome, SeedProcess } from './seed-process.ts';
import type { Workbench } from './build.ts';

/** Events after which a bug counts as not found. */
export const HUNT_EVENTS_MAX = 1_000_000;

/** The engine of Node 20 may end itself when it optimises what was exchanged in a process in which all code was compiled at its first call. */
const FLAGS_TO_EXCHANGE = SEED_RUNNER_FLAGS.filter((flag) => flag !== '--always-sparkplug');

/** What remembers across seeds what it has worked out: a mistake there may have been remembered before it was planted, or after. */
const REMEMBERS = 'src/calendar/';

/** How a hunt ended. */
export interface Hunt {
  readonly mutant: Mutant;
  /** The seed that found it and the property that broke; undefined when none did. */
  readonly found: Outcome['failure'];
  /** Seeds that ran, the one that found it among them. */
  readonly seeds: number;
  /** Events of all seeds that ran, the last one up to what broke. */
  readonly events: number;
}

/** Hunts one bug after the other. */
export class Hunter {
  /** Belongs to this hunter. Between two hunts it is sound. */
  readonly #bench: Workbench;
  /** Began with what is sound, and has the functions of the bug that is hunted. */
  #process: SeedProcess | undefined;

  constructor(bench: Workbench) {
    this.#bench = bench;
  }

  /** Hunts `mutant`, whose file was compiled to `compiled`, with the seeds from 1 on. */
  async hunt(mutant: Mutant, compiled: string, eventsMax: number): Promise<Hunt> {
    const { file } = mutant;
    const sound = await this.#bench.compiled(file);
    const live = file.startsWith(REMEMBERS) ? undefined : await this.#exchange(file, compiled);
    if (live !== undefined) {
      const result = await runSeeds(mutant, live, eventsMax);
      const wentWell = result.found !== undefined && live.alive;
      // One that has ended, or is left with what is not sound, is not used again.
      if ((await this.#exchange(file, sound)) === undefined) await this.#leave();
      // What is not seen here may be so because the module had been evaluated before; and the exchange itself can end a process.
      if (wentWell) return result;
    }
    await this.#bench.replace(file, compiled);
    const own = new SeedProcess(this.#bench.main);
    try {
      return await runSeeds(mutant, own, eventsMax);
    } finally {
      await own.end();
      await this.#bench.replace(file, sound);
    }
  }

  /** To be called last. */
  async end(): Promise<void> {
    await this.#leave();
  }

  /** The process that goes on, with the functions that `source` has; undefined when it cannot have them, and then it is as it was. */
  async #exchange(file: string, source: string): Promise<SeedProcess | undefined> {
    this.#process ??= new SeedProcess(this.#bench.main, FLAGS_TO_EXCHANGE);
    const live = this.#process;
    if (await live.change({ url: this.#bench.urlOf(file), source })) return live;
    if (!live.alive) await this.#leave();
    return undefined;
  }

  async #leave(): Promise<void> {
    await this.#process?.end();
    this.#process = undefined;
  }
}

async function runSeeds(mutant: Mutant, seedProcess: SeedProcess, eventsMax: number): Promise<Hunt> {
  let events = 0;
  let seed = 0;
  while (events < eventsMax) {
    seed += 1;
    const outcome = await seedProcess.run(seed);
    events += outcome.events;
    if (outcome.failure !== undefined) return { mutant, found: outcome.failure, seeds: seed, events };
  }
  return { mutant, found: undefined, seeds: seed, events };
}
