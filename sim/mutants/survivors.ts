/**
 * Which planted bugs are seen without the simulator: the tests of the parts and the demo are run on each copy. One that passes
 * both is a bug that would have shipped, had it not been for faults in combination.
 *
 *     catalogue ─▶ plant ─▶ build ─▶ unit tests until one fails ─▶ demo ─▶ tests that draw their faults
 *
 * The tests are those that `npm test` runs in one process, but for the ones that are about the project and not about the product
 * (its documents, its layout, its gate), and for those that run the simulator itself, which is what is compared here. Two files among
 * them are no unit tests: they are small simulators, which draw crashes, losses and stalls at random. A bug that only those see is one
 * that takes a combination of faults, so they are run apart, and told apart.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { run, Workbench } from './build.ts';
import type { Mutant } from './mutant.ts';
import { PASSING } from './passing.ts';

/** Folders of tests that are run; the one of the part in which a bug lies comes first, since that sees most. */
const FOLDERS = [
  'raft',
  'peer',
  'storage',
  'scheduler',
  'server',
  'client',
  'transport',
  'protocol',
  'config',
  'base',
  'system',
  'cli',
  'calendar',
];
/** Tests that draw faults in combination at random: the core without hosts, and peers on a disk in memory. */
const DRAWN_FAULTS = ['test/raft/random.test.ts', 'test/peer/faults.test.ts'];
/** Runs the simulator, by the command that draws a run. */
const SIMULATED = 'test/cli/replay.test.ts';
/** After this a run of the tests or the demo has come to hang, in ms. */
const RUN_MS_MAX = 900_000;

/** What was seen of one bug. */
export interface Seen {
  readonly mutant: Mutant;
  /** The first unit test that failed; undefined when all passed. */
  readonly byTest: string | undefined;
  /** How the demo failed; undefined when it passed, or was not run because a test had failed. */
  readonly byDemo: string | undefined;
  /** The first test with drawn faults that failed; undefined when all passed, or none was run because it had been seen before. */
  readonly byDrawnFaults: string | undefined;
}

/** Tries all of `mutants` one after the other, and prints which pass. */
export async function findSurvivors(mutants: readonly Mutant[], json: boolean): Promise<void> {
  const all: Seen[] = [];
  const bench = await Workbench.make(true);
  try {
    for (const mutant of mutants) {
      const seen = await look(mutant, bench);
      all.push(seen);
      console.error(`${all.length}/${mutants.length} ${describe(seen)}`);
    }
  } finally {
    await bench.remove();
  }
  const survivors = all.filter(survives);
  const simulatorOnly = survivors.filter((seen) => seen.byDrawnFaults === undefined);
  if (json) {
    const rows = all.map(({ mutant, ...seen }) => ({ name: mutant.name, ...seen }));
    const names = (some: readonly Seen[]) => some.map(({ mutant }) => mutant.name);
    console.log(
      JSON.stringify({
        survivors: names(survivors),
        simulatorOnly: names(simulatorOnly),
        differences: differences(all),
        total: all.length,
        mutants: rows,
      }),
    );
    return;
  }
  for (const seen of all) console.log(describe(seen));
  for (const line of differences(all)) console.log(line);
  console.log(
    `${survivors.length} of ${all.length} mutants pass the unit tests and the demo, ${simulatorOnly.length} of them also the tests that draw faults`,
  );
}

function survives({ byTest, byDemo }: Seen): boolean {
  return byTest === undefined && byDemo === undefined;
}

async function look(mutant: Mutant, bench: Workbench): Promise<Seen> {
  await bench.plant(mutant);
  const unseen = { mutant, byTest: undefined, byDemo: undefined, byDrawnFaults: undefined };
  const [, part = ''] = mutant.file.split('/');
  for (const name of new Set([...FOLDERS.filter((folder) => folder === part), ...FOLDERS])) {
    const byTest = await testFailure(bench.folder, await unitTests(bench.folder, name));
    if (byTest !== undefined) return { ...unseen, byTest };
  }
  const { code, said } = await run(bench.folder, ['dist/src/cli/main.js', 'demo', '--json'], RUN_MS_MAX);
  if (code !== 0) return { ...unseen, byDemo: said.trimEnd().split('\n').at(-1) ?? 'it was killed' };
  for (const file of DRAWN_FAULTS) {
    const byDrawnFaults = await testFailure(bench.folder, [file]);
    if (byDrawnFaults !== undefined) return { ...unseen, byDrawnFaults };
  }
  return unseen;
}

/** The files of unit tests in a folder of tests, as paths from the root. */
async function unitTests(root: string, name: string): Promise<readonly string[]> {
  const files = await readdir(join(root, 'test', name), { recursive: true });
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `test/${name}/${file}`)
    .filter((file) => file !== SIMULATED && !DRAWN_FAULTS.includes(file))
    .toSorted();
}

/** The first test that fails in some files. */
async function testFailure(folder: string, files: readonly string[]): Promise<string | undefined> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'fast', '--no-isolate', '--bail', '1'];
  const { code, said } = await run(folder, [...args, ...files], RUN_MS_MAX);
  if (code === 0) return undefined;
  const failed = / FAIL {2}(?:\|?fast\|? )?(.*)/.exec(said);
  return failed?.[1] ?? `the tests in ${files[0]} … ended with ${code ?? 'a signal'}`;
}

/** What differs from what was seen the last time: names that `passing.ts` has too many, and too few. */
function differences(all: readonly Seen[]): string[] {
  const nowSeen = all.filter((seen) => PASSING.has(seen.mutant.name) && !survives(seen));
  const missing = all.filter((seen) => survives(seen) && !PASSING.has(seen.mutant.name));
  return [
    ...nowSeen.map(({ mutant }) => `${mutant.name} passed the last time`),
    ...missing.map(({ mutant }) => `${mutant.name} did not pass the last time`),
  ];
}

function describe(seen: Seen): string {
  const name = seen.mutant.name.padEnd(48);
  if (seen.byTest !== undefined) return `${name} seen by ${seen.byTest}`;
  if (seen.byDemo !== undefined) return `${name} seen by the demo: ${seen.byDemo}`;
  if (seen.byDrawnFaults !== undefined) return `${name} seen by drawn faults: ${seen.byDrawnFaults}`;
  return `${name} passes all tests and the demo`;
}
