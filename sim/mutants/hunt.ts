/**
 * Runs seeds on a build with a bug until one of them breaks a property.
 *
 *     plant, build ─┬─▶ the process that ran the seeds of the bug before gets the functions that differ ─▶ seeds 1, 2, 3 …
 *                   └─▶ what cannot be exchanged has a process of its own                               ─▶ seeds 1, 2, 3 …
 *
 * Most bugs are found by the first two or three seeds, and a process of its own would spend two thirds of its time on reading and
 * compiling what all have in common.
 */
import { SEED_RUNNER_FLAGS } from '../orders.ts';
import type { Mutant } from './mutant.ts';
import { type Outcome, SeedProcess } from './seed-process.ts';
import { compiled, type Workbench } from './build.ts';

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
  /** Bugs are planted here. */
  readonly #bench: Workbench;
  /** Nothing is planted here. */
  readonly #sound: Workbench;
  /** Runs `#sound`, with the functions of the bug that is hunted. */
  #process: SeedProcess | undefined;

  constructor(bench: Workbench, sound: Workbench) {
    this.#bench = bench;
    this.#sound = sound;
  }

  /** Hunts `mutant` with the seeds from 1 on. @throws Error when it cannot be planted or built */
  async hunt(mutant: Mutant, eventsMax: number = HUNT_EVENTS_MAX): Promise<Hunt> {
    await this.#bench.plant(mutant);
    const { file } = mutant;
    const live = file.startsWith(REMEMBERS) ? undefined : await this.#exchange(file, this.#bench);
    if (live !== undefined) {
      const result = await runSeeds(mutant, live, eventsMax);
      const wentWell = result.found !== undefined && live.alive;
      await this.#exchange(file, this.#sound);
      // What is not seen here may be so because the module had been evaluated before; and the exchange itself can end a process.
      if (wentWell) return result;
    }
    const own = new SeedProcess(this.#bench.main);
    try {
      return await runSeeds(mutant, own, eventsMax);
    } finally {
      await own.end();
    }
  }

  /** To be called last. */
  async end(): Promise<void> {
    await this.#process?.end();
  }

  /** The process that goes on, with the functions of `file` as they are in `from`; undefined when it cannot have them. */
  async #exchange(file: string, from: Workbench): Promise<SeedProcess | undefined> {
    this.#process ??= new SeedProcess(this.#sound.main, FLAGS_TO_EXCHANGE);
    const live = this.#process;
    const { url } = compiled(this.#sound, file);
    if (await live.change({ url, source: await compiled(from, file).read() })) return live;
    // It has ended, or is left with what is not sound: the next one begins anew. One that refused a bug is as it was.
    if (!live.alive || from === this.#sound) {
      await live.end();
      this.#process = undefined;
    }
    return undefined;
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
