import path from 'node:path';
import type { ESTree } from 'vite';
import { type Module, partOf, type Problem, type SourceFile } from './source.ts';

const FOLDER_DOC_LINES_MIN = 8;

/** Main files that do not carry the name of their folder. */
const MAIN_FILES: Readonly<Record<string, string>> = { base: 'ids.ts', cli: 'main.ts', system: 'system.ts' };

/** Every folder of `src` has a main file, and that opens with what the folder is for. */
export function checkFolderDocs(modules: readonly Module[]): Problem[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const folders = new Set(modules.filter(({ path: at }) => /^src\/[^/]+\//.test(at)).map(({ path: at }) => partOf(at)));
  return [...folders].flatMap((folder) => {
    const mainPath = `src/${folder}/${MAIN_FILES[folder] ?? `${folder}.ts`}`;
    const main = byPath.get(mainPath);
    const problem = (message: string): Problem[] => [{ rule: 'docs', path: mainPath, line: 1, message }];
    if (main === undefined)
      return problem(`src/${folder} has no main file: the file with the folder's name says what the folder is for`);
    const [first] = main.comments;
    const opens = first !== undefined && first.block && main.text.slice(0, first.start).trim() === '';
    if (opens && first.text.trim().split('\n').length >= FOLDER_DOC_LINES_MIN) return [];
    return problem(
      `open the file with a doc of at least ${FOLDER_DOC_LINES_MIN} lines: purpose, what comes in and goes out, states, invariants, what it does not do`,
    );
  });
}

/** Every export says what it is: purpose, units, bounds, errors. Re-exports are documented where they come from. */
export function checkDocstrings(modules: readonly Module[]): Problem[] {
  return modules
    .filter(({ path: at }) => ['src', 'sim', 'bench', 'chaos'].includes(at.split('/')[0] ?? ''))
    .flatMap(checkExports);
}

function checkExports(module: Module): Problem[] {
  const documented = new Set<string>();
  const problems: Problem[] = [];
  for (const statement of module.program.body) {
    if (statement.type !== 'ExportNamedDeclaration' || statement.declaration === null) continue;
    const name = nameOf(statement.declaration);
    if (hasDoc(module, statement.start)) documented.add(name);
    if (documented.has(name)) continue;
    const message = `export ${name} has no docstring: say what it is for, with units, bounds and errors by code`;
    problems.push({ rule: 'docs', path: module.path, line: module.lineOf(statement.start), message });
  }
  return problems;
}

function nameOf(declaration: ESTree.Declaration): string {
  if (declaration.type === 'VariableDeclaration') {
    const id = declaration.declarations[0]?.id;
    return id?.type === 'Identifier' ? id.name : 'of a pattern';
  }
  return 'id' in declaration && declaration.id?.type === 'Identifier' ? declaration.id.name : declaration.type;
}

function hasDoc(module: Module, start: number): boolean {
  return module.comments.some(
    ({ block, text, end }) =>
      block &&
      text.startsWith('*') &&
      /\w{2}/.test(text) &&
      end <= start &&
      module.text.slice(end, start).trim() === '',
  );
}

/** Every page has one title, and every link on it leads somewhere. `paths` are all files of the project. */
export function checkPages(pages: readonly SourceFile[], paths: ReadonlySet<string>): Problem[] {
  const anchors = new Map(pages.map((page) => [page.path, anchorsOf(page.text)]));
  return pages.flatMap((page) => [...checkTitle(page), ...checkLinks(page, paths, anchors)]);
}

/** Pages named in comments exist, so that nobody is sent to one that was never part of the project. */
export function checkMentions(modules: readonly Module[], paths: ReadonlySet<string>): Problem[] {
  const names = new Set([...paths].map((at) => path.posix.basename(at)));
  return modules.flatMap((module) =>
    module.comments.flatMap(({ text, line }) =>
      [...text.matchAll(/\b[\w-]+\.md\b/g)]
        .filter(([name]) => !names.has(name))
        .map(([name]) => ({ rule: 'docs', path: module.path, line, message: `${name} is no page of this project` })),
    ),
  );
}

function checkTitle(page: SourceFile): Problem[] {
  const titles = proseLines(page.text).filter(({ text }) => /^# \S/.test(text));
  const [first] = titles;
  const problem = (line: number, message: string): Problem[] => [{ rule: 'docs', path: page.path, line, message }];
  if (first === undefined) return problem(1, 'begin the page with one "# title"');
  if (page.text.slice(0, page.text.indexOf(first.text)).trim() !== '')
    return problem(first.line, 'the title comes first');
  return titles.length === 1
    ? []
    : problem(titles[1]?.line ?? 1, 'a page has one title: use "##" below it, or make a second page');
}

function checkLinks(
  page: SourceFile,
  paths: ReadonlySet<string>,
  anchors: ReadonlyMap<string, ReadonlySet<string>>,
): Problem[] {
  return proseLines(page.text).flatMap(({ text, line }) =>
    [...text.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)[^)]*\)/g)].flatMap((match) => {
      const target = match[1] ?? '';
      if (/^[a-z]+:/.test(target)) return [];
      const [file = '', anchor] = target.split('#');
      const at = file === '' ? page.path : path.posix.join(path.posix.dirname(page.path), file).replace(/\/$/, '');
      const exists = paths.has(at) || [...paths].some((one) => one.startsWith(`${at}/`));
      if (exists && (anchor === undefined || !anchors.has(at) || anchors.get(at)?.has(anchor) === true)) return [];
      return [{ rule: 'docs', path: page.path, line, message: `the link to ${target} leads nowhere` }];
    }),
  );
}

/** Headings as links name them: lower case, spaces to hyphens, punctuation dropped. */
function anchorsOf(text: string): Set<string> {
  const headings = proseLines(text).filter((line) => /^#{1,6} /.test(line.text));
  return new Set(
    headings.map((line) =>
      line.text
        .replace(/^#+ /, '')
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The lines of a page outside of its fenced blocks. */
function proseLines(text: string): { readonly text: string; readonly line: number }[] {
  let fenced = false;
  return text.split('\n').flatMap((line, at) => {
    const isFence = /^\s*(?:```|~~~)/.test(line);
    if (isFence) fenced = !fenced;
    return fenced || isFence ? [] : [{ text: line, line: at + 1 }];
  });
}
