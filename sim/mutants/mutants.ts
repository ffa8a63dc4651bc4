/**
 * The simulator on trial: bugs that other systems had are planted into copies of the source one at a time, and each has to be
 * found by the seeds that everybody runs, with the options that those draw. One that is not found is a hole in the simulator;
 * those that are known are in `rare.ts`.
 *
 *     catalogue ─▶ plant, build ─▶ seeds 1, 2, 3 … until a property breaks, or there were events enough
 *
 * Some hunts at a time, each with a copy of its own in which one bug follows another.
 */
import { Workbench } from './build.ts';
import { CATALOGUE } from './catalogue.ts';
import { compileAll } from './compile.ts';
import { type Hunt, Hunter, HUNT_EVENTS_MAX } from './hunt.ts';
import type { Mutant } from './mutant.ts';
import { PASSING } from './passing.ts';
import { RARE, RARE_EVENTS_MAX } from './rare.ts';
import { findSurvivors } from './survivors.ts';

/** How to hunt. */
export interface MutantsFlags {
  /** Only those with one of these names. */
  readonly only: readonly string[] | undefined;
  readonly processes: number;
  readonly json: boolean;
  /** Not by seeds: by the tests and the demo, see `survivors.ts`. */
  readonly survivors: boolean;
}

/** Those that took more than two hundred thousand events when they were looked at last. A name that is gone does no harm. */
const SLOW: ReadonlySet<string> = new Set([
  'worker-stops-long-after-its-lease',
  'ended-worker-keeps-its-drain',
  'rest-of-a-damaged-log-counts-as-acknowledged',
  'ended-drain-in-memory-only',
  'lingering-attempt-frees-the-slot',
  'full-window-is-never-probed',
  'clock-set-back-fires-twice',
  'leader-with-a-hung-disk-stays',
  'everything-that-was-missed-fires',
]);

/** Hunts every mutant, prints what came of it, and sets the exit status: 1 when one was not found, 2 for an unknown name. */
export async function huntMutants(flags: MutantsFlags): Promise<void> {
  const unknown = flags.only?.filter((name) => !CATALOGUE.some((mutant) => mutant.name === name)) ?? [];
  if (unknown.length > 0) {
    console.error(
      `there is no mutant ${unknown.join(', ')}; there are ${CATALOGUE.map(({ name }) => name).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const wanted = CATALOGUE.filter(({ name }) => flags.only?.includes(name) ?? !RARE.has(name));
  if (flags.survivors) {
    await findSurvivors(wanted, flags.json);
    return;
  }
  const began = Date.now();
  const hunts = await huntAll(wanted, flags.processes);
  report(hunts, flags.json, Date.now() - began);
}

/** Some at a time, those that take long first, so that all processes end together. Returns them in the order of the catalogue. */
async function huntAll(mutants: readonly Mutant[], processes: number): Promise<Hunt[]> {
  const hunts = new Map<string, Hunt>();
  const isSlow = ({ name }: Mutant): boolean => SLOW.has(name);
  const waiting = [...mutants.filter(isSlow), ...mutants.filter((mutant) => !isSlow(mutant))];
  const runner = async (bench: Workbench, compiled: ReadonlyMap<string, string>): Promise<void> => {
    const hunter = new Hunter(bench);
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const result = await hunter.hunt(mutant, compiled.get(mutant.name) as string, eventsMaxOf(mutant));
        hunts.set(mutant.name, result);
        console.error(`${hunts.size}/${mutants.length} ${describe(result)}`);
      }
    } finally {
      await hunter.end();
    }
  };
  const benches: Workbench[] = [];
  try {
    const first = await Workbench.make();
    benches.push(first);
    const compiled = await compileAll(first, mutants);
    while (benches.length < Math.min(processes, mutants.length)) benches.push(await first.twin());
    await together(
      benches.map((bench) => runner(bench, compiled)),
      () => waiting.splice(0),
    );
  } finally {
    await Promise.all(benches.map((bench) => bench.remove()));
  }
  return mutants.map(({ name }) => hunts.get(name) as Hunt);
}

/** Waits for all of `tasks`. `failed` is called when one fails, and what it failed with is thrown once all have ended. */
async function together(tasks: readonly Promise<void>[], failed: () => void): Promise<void> {
  for (const task of tasks) task.catch(failed);
  const ended = await Promise.allSettled(tasks);
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

function report(hunts: readonly Hunt[], json: boolean, tookMs: number): void {
  const found = hunts.filter((one) => one.found !== undefined).length;
  if (json) {
    const mutants = hunts.map(({ mutant, found: by, seeds, events }) => ({
      name: mutant.name,
      origin: mutant.origin,
      passesTests: PASSING.has(mutant.name),
      found: by !== undefined,
      seed: by?.seed,
      checker: by?.checker,
      seeds,
      events,
    }));
    const passing = mutants.filter((one) => one.passesTests).length;
    console.log(JSON.stringify({ found, total: hunts.length, passing, tookMs, mutants }));
  } else {
    for (const one of hunts) console.log(describe(one));
    console.log(`${found} of ${hunts.length} mutants found in ${Math.round(tookMs / 1_000)} s`);
  }
  if (found < hunts.length) process.exitCode = 1;
}

function eventsMaxOf({ name }: Mutant): number {
  return RARE.has(name) ? RARE_EVENTS_MAX : HUNT_EVENTS_MAX;
}

function describe({ mutant, found, events }: Hunt): string {
  const name = mutant.name.padEnd(44);
  const size = String(events).padStart(9);
  if (found === undefined) return `${name} NOT FOUND in ${size} events (bound ${eventsMaxOf(mutant)})`;
  return `${name} seed ${String(found.seed).padStart(3)} ${size} events  ${found.checker}`;
}
