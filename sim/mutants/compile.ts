/**
 * Builds all bugs. A build checks the types of the whole project, which takes longer than most hunts, so each has as many bugs in it as
 * lie in different files, and of each bug the compiled file is kept.
 *
 *     catalogue ─▶ rounds, a file once in each ─▶ plant, build ─▶ compiled files
 *                                                      └─fails─▶ each bug of the round alone
 */
import type { Workbench } from './build.ts';
import type { Mutant } from './mutant.ts';

/**
 * The compiled file of each of `mutants`, by the name of the bug. Nothing is planted in `bench` afterwards.
 * @throws Error when the text of a bug does not match, or does not compile: with its name
 */
export async function compileAll(
  bench: Pick<Workbench, 'plant' | 'compiled'>,
  mutants: readonly Mutant[],
): Promise<ReadonlyMap<string, string>> {
  const compiled = new Map<string, string>();
  const build = async (round: readonly Mutant[]): Promise<void> => {
    await bench.plant(...round);
    for (const { name, file } of round) compiled.set(name, await bench.compiled(file));
  };
  for (const round of roundsOf(mutants)) {
    try {
      await build(round);
    } catch (error) {
      if (round.length === 1) throw error;
      for (const mutant of round) await build([mutant]);
    }
    console.error(`${compiled.size}/${mutants.length} built`);
  }
  await bench.plant();
  return compiled;
}

/** As few groups as there are bugs in one file; the order stays. */
function roundsOf(mutants: readonly Mutant[]): Mutant[][] {
  const rounds: Mutant[][] = [];
  for (const mutant of mutants) {
    const round = rounds.find((some) => some.every(({ file }) => file !== mutant.file));
    if (round === undefined) rounds.push([mutant]);
    else round.push(mutant);
  }
  return rounds;
}
