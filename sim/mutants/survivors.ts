/**
 * Which planted bugs are seen without the simulator: the tests of the parts and the demo are run on each copy. One that passes
 * both is a bug that would have shipped, had it not been for faults in combination.
 *
 *     catalogue ─▶ plant ─▶ build ─▶ tests until one fails ─▶ demo
 *
 * The tests are those that `npm test` runs in one process, but for the ones that are about the project and not about the product
 * (its documents, its layout, its gate), and for those that run the simulator itself, which is what is compared here.
 */
import { run, Workbench } from './build.ts';
import type { Mutant } from './mutant.ts';

/** Folders of tests that are run, in an order in which most is seen early. */
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
];
/** After this a run of the tests or the demo has come to hang, in ms. */
const RUN_MS_MAX = 900_000;

/** What was seen of one bug. */
export interface Seen {
  readonly mutant: Mutant;
  /** The first test that failed; undefined when all passed. */
  readonly byTest: string | undefined;
  /** How the demo failed; undefined when it passed, or was not run because a test had failed. */
  readonly byDemo: string | undefined;
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
  if (json) {
    const rows = all.map((seen) => ({ name: seen.mutant.name, byTest: seen.byTest, byDemo: seen.byDemo }));
    console.log(
      JSON.stringify({ survivors: survivors.map(({ mutant }) => mutant.name), total: all.length, mutants: rows }),
    );
    return;
  }
  for (const seen of all) console.log(describe(seen));
  console.log(`${survivors.length} of ${all.length} mutants pass the tests and the demo`);
}

function survives({ byTest, byDemo }: Seen): boolean {
  return byTest === undefined && byDemo === undefined;
}

async function look(mutant: Mutant, bench: Workbench): Promise<Seen> {
  await bench.plant(mutant);
  for (const name of FOLDERS) {
    const byTest = await testFailure(bench.folder, name);
    if (byTest !== undefined) return { mutant, byTest, byDemo: undefined };
  }
  const { code, said } = await run(bench.folder, ['dist/src/cli/main.js', 'demo', '--json'], RUN_MS_MAX);
  const byDemo = code === 0 ? undefined : (said.trimEnd().split('\n').at(-1) ?? 'it was killed');
  return { mutant, byTest: undefined, byDemo };
}

/** The first test of a folder that fails. */
async function testFailure(folder: string, name: string): Promise<string | undefined> {
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'fast',
    '--no-isolate',
    '--bail',
    '1',
    `test/${name}/`,
  ];
  const { code, said } = await run(folder, args, RUN_MS_MAX);
  if (code === 0) return undefined;
  const failed = / FAIL {2}(?:\|?fast\|? )?(.*)/.exec(said);
  return failed?.[1] ?? `the tests in test/${name} ended with ${code ?? 'a signal'}`;
}

function describe(seen: Seen): string {
  const name = seen.mutant.name.padEnd(48);
  if (seen.byTest !== undefined) return `${name} seen by ${seen.byTest}`;
  if (seen.byDemo !== undefined) return `${name} seen by the demo: ${seen.byDemo}`;
  return `${name} passes the tests and the demo`;
}
