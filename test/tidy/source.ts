import { type ESTree, parseSync } from 'vite';

/** A file of the project as the rules see it. `path` is relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One thing that is not as it should be, in a sentence that says what to do instead. */
export interface Problem {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** A comment without its markers, and the line on which it begins. */
export interface Comment {
  readonly block: boolean;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly line: number;
}

/** One import or re-export. `typeOnly` leaves no trace at run time. */
export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** A TypeScript file, taken apart. */
export interface Module extends SourceFile {
  readonly program: ESTree.Program;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  /** The text with every comment, string and regular expression blanked out, so that offsets stay. */
  readonly code: string;
  /** String literals and the fixed parts of templates, without those that name a module. */
  readonly strings: readonly { readonly text: string; readonly line: number }[];
  /** The line, from 1, of an offset. */
  lineOf(offset: number): number;
}

/** Takes a TypeScript file apart. Fails on a syntax error: the compiler's turn comes first. */
export function parseModule(source: SourceFile): Module {
  // The line by which a shell finds the runtime is none of ours; blanked, so that offsets stay.
  const file = { ...source, text: source.text.replace(/^#!.*/, (first) => ' '.repeat(first.length)) };
  const { program, comments, module, errors } = parseSync(file.path, file.text);
  if (errors.length > 0) throw new Error(`${file.path}: ${errors[0]?.message ?? 'does not parse'}`);
  const lineOf = lineFinder(file.text);
  const literals = literalsOf(program);
  const imports: Import[] = [];
  const specifiers = new Set<number>();
  for (const { moduleRequest, entries, start } of module.staticImports) {
    specifiers.add(moduleRequest.start);
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType);
    imports.push({ specifier: moduleRequest.value, typeOnly, line: lineOf(start) });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType, start } of entries) {
      if (moduleRequest === null) continue;
      specifiers.add(moduleRequest.start);
      imports.push({ specifier: moduleRequest.value, typeOnly: isType, line: lineOf(start) });
    }
  }
  for (const { moduleRequest, start } of module.dynamicImports) {
    specifiers.add(moduleRequest.start);
    const specifier = file.text.slice(moduleRequest.start + 1, moduleRequest.end - 1);
    imports.push({ specifier, typeOnly: false, line: lineOf(start) });
  }
  return {
    ...file,
    program,
    imports,
    lineOf,
    comments: comments.map(({ type, value, start, end }) => ({
      block: type === 'Block',
      text: value,
      start,
      end,
      line: lineOf(start),
    })),
    code: blank(file.text, [...comments, ...literals]),
    strings: literals
      .filter(({ start, text }) => text !== undefined && !specifiers.has(start))
      .map(({ start, text }) => ({ text: text ?? '', line: lineOf(start) })),
  };
}

interface Literal {
  readonly start: number;
  readonly end: number;
  readonly text: string | undefined;
}

function literalsOf(program: ESTree.Program): Literal[] {
  const found: Literal[] = [];
  walk(program, (element) => {
    if (element.type === 'TemplateElement') {
      found.push({ start: element.start, end: element.end, text: element.value.raw });
    } else if (element.type === 'Literal') {
      if (typeof element.value === 'string')
        found.push({ start: element.start, end: element.end, text: element.value });
      else if ('regex' in element) found.push({ start: element.start, end: element.end, text: undefined });
    }
  });
  return found;
}

/** Calls `visit` for every element of the syntax tree below and including `root`, in source order. */
export function walk(root: ESTree.Node, visit: (element: ESTree.Node) => void): void {
  visit(root);
  for (const value of Object.values(root)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isSyntax(child)) walk(child, visit);
    }
  }
}

function isSyntax(value: unknown): value is ESTree.Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function blank(text: string, parts: readonly { readonly start: number; readonly end: number }[]): string {
  let blanked = '';
  let at = 0;
  for (const { start, end } of parts.toSorted((left, right) => left.start - right.start)) {
    blanked += text.slice(at, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ');
    at = end;
  }
  return blanked + text.slice(at);
}

/** Finds the line, from 1, of an offset in `text`. */
export function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next < 0 ? starts.length : next;
  };
}

/** The part of the project that a path belongs to: `raft` for `src/raft/log.ts`, `index` for `src/index.ts`, else the top folder. */
export function partOf(path: string): string {
  const [top = '', next = '', ...rest] = path.split('/');
  if (top !== 'src') return top;
  return rest.length === 0 ? next.replace(/\.ts$/, '') : next;
}
