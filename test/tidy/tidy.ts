import { checkCalls } from './calls.ts';
import { checkDocstrings, checkFolderDocs, checkMentions, checkPages } from './docs.ts';
import { checkLayers } from './layers.ts';
import { checkPackages } from './packages.ts';
import { checkSizes } from './sizes.ts';
import { parseModule, type Problem, type SourceFile } from './source.ts';
import { checkPageWords, checkReferences, checkWords } from './words.ts';

/** The rules of the house, by the name that a problem carries. */
export const RULES = ['layers', 'sizes', 'words', 'calls', 'docs', 'packages'] as const;

/**
 * Everything about `files` that is against the rules of the house, in the order of the rules. A function of its input, so
 * that the rules themselves can be tried on files that break them. `files` is the whole project: links are looked up in it.
 */
export function check(files: readonly SourceFile[]): Problem[] {
  const modules = files.filter(({ path }) => path.endsWith('.ts')).map(parseModule);
  const pages = files.filter(({ path }) => path.endsWith('.md'));
  const manifests = files.filter(({ path }) => path === 'package.json');
  const paths = new Set(files.map(({ path }) => path));
  return [
    ...checkLayers(modules),
    ...checkSizes(modules),
    ...checkWords(modules),
    ...checkPageWords(pages),
    ...checkReferences(modules, pages),
    ...checkCalls(modules),
    ...checkFolderDocs(modules),
    ...checkDocstrings(modules),
    ...checkPages(pages, paths),
    ...checkMentions(modules, paths),
    ...manifests.flatMap((manifest) => checkPackages(manifest, pages)),
  ];
}
