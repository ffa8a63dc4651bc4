/** A planted bug: the mistake of a named public bug, as a change of one text in the source. */
export interface Mutant {
  /** Short, unique, for the command line: words with hyphens. */
  readonly name: string;
  /** Where the mistake was made before: a public issue, report or paper. */
  readonly origin: string;
  /** What is wrong with it, in one sentence. */
  readonly wrong: string;
  /** The file it is planted in, from the root of the project. */
  readonly file: string;
  /** Text that the file holds exactly once. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
}

/**
 * The source with the bug in it.
 * @throws Error when the text is not there exactly once: the source has moved on, and the bug has to follow it
 */
export function plant(mutant: Mutant, source: string): string {
  const { name, file, find, replace } = mutant;
  const count = source.split(find).length - 1;
  if (count !== 1) {
    throw new Error(`the text of the mutant "${name}" is ${count === 0 ? 'not' : `${count} times`} in ${file}`);
  }
  if (find === replace) throw new Error(`the mutant "${name}" changes nothing`);
  // A function, since a replacement text has patterns of its own.
  return source.replace(find, () => replace);
}
