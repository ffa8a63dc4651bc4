import { lineFinder, type Problem, type SourceFile } from './source.ts';

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
}

/** What npm runs by a name of its own. */
const WITHOUT_RUN: readonly string[] = ['test', 'start'];

/** Versions are exact, so that a clean clone is the one that was tested, and the commands that pages name exist. */
export function checkPackages(manifest: SourceFile, pages: readonly SourceFile[]): Problem[] {
  const { scripts = {}, dependencies, devDependencies, overrides } = JSON.parse(manifest.text) as Manifest;
  const lineOf = lineFinder(manifest.text);
  const loose = Object.entries({ ...dependencies, ...devDependencies, ...overrides })
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => ({
      rule: 'packages',
      path: manifest.path,
      line: lineOf(manifest.text.indexOf(`"${name}"`)),
      message: `${name} ${version}: write the exact version that was tested`,
    }));
  return [...loose, ...pages.flatMap((page) => checkCommands(page, scripts))];
}

function checkCommands(page: SourceFile, scripts: Readonly<Record<string, string>>): Problem[] {
  const lineOf = lineFinder(page.text);
  return [...page.text.matchAll(/\bnpm (run )?(?:-s )?([a-z][\w:-]*)/g)]
    .filter(([, run, name = '']) => (run !== undefined || WITHOUT_RUN.includes(name)) && scripts[name] === undefined)
    .map((match) => ({
      rule: 'packages',
      path: page.path,
      line: lineOf(match.index),
      message: `"${match[0]}" is no script of package.json`,
    }));
}
