import type { Module, Problem, SourceFile } from './source.ts';
import { lineFinder, partOf } from './source.ts';

interface Word {
  readonly pattern: RegExp;
  readonly instead: string;
}

const AS_QUEUES_SAY: Word = { pattern: /\bjobs?\b/gi, instead: 'say task (the record) or attempt (one run of it)' };
const AS_STORES_SAY: Word = { pattern: /\breplicas?\b/gi, instead: 'say peer' };
const CALLED_AFTER_HARDWARE =
  /\b(?:(?:a|the|each|every|any|other|one|two|three|five|this|that|leader|follower|worker|cluster) nodes?|nodes)\b/g;
const AS_CLUSTERS_SAY: Word = { pattern: CALLED_AFTER_HARDWARE, instead: 'say peer; Node is the runtime' };
const AS_OF_OLD: Word = { pattern: /\b(?:master|slave)s?\b/gi, instead: 'say leader and follower' };

/** Words in prose: comments, pages, sentences shown to people. */
const IN_PROSE: readonly Word[] = [AS_QUEUES_SAY, AS_STORES_SAY, AS_CLUSTERS_SAY, AS_OF_OLD];

/** Words in names, which are cut at capitals and underscores before they are looked at. */
const IN_NAMES: readonly Word[] = [
  AS_QUEUES_SAY,
  AS_STORES_SAY,
  AS_OF_OLD,
  { pattern: /\bnodes?\b/gi, instead: 'say peer; Node is the runtime' },
  { pattern: /\bmachines?\b/gi, instead: 'say scheduler (the state machine) or host (the computer)' },
  { pattern: /\btask kinds?\b/gi, instead: 'say type: a task has a type' },
];

/** In comments and pages: what should have been done or removed before the change landed. */
const LEFTOVER: Word = {
  pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g,
  instead: 'do it now, or write down in docs/decisions why it waits',
};

const SWITCHES_OFF: Word = {
  pattern:
    /@ts-(?:ignore|expect-error|nocheck)|\b(?:oxlint|eslint|biome|oxfmt|prettier)-(?:disable|ignore)\b|\b(?:v8|c8|istanbul) ignore\b/g,
  instead: 'a comment switches a check off: mend the code, or change the rule for all in the config with its reason',
};

/** What a reader outside the place where it was written cannot follow. */
const PRIVATE: readonly Word[] = [
  {
    pattern: /(?<![\w.~])\/(?:home|Users|root|work|workspace)\/\w+/g,
    instead: 'a path of one computer: make it relative',
  },
  { pattern: /\b[Ii]ssue \d{1,3}\b/g, instead: 'say the rule; a public issue is cited as owner/project#number' },
  {
    pattern: /^(?!.*\b(?:Raft|paper|thesis|RFC|POSIX)\b).*(§ ?\d[\d.]*)/gm,
    instead: 'name the public source of the section on the same line, or say the rule in words',
  },
];

const REFERENCE = /(?<![\w+-])[A-Z]\d{1,2}\b/g;

/** Pages that may name a word in order to reject it. */
const DICTIONARIES: readonly string[] = ['docs/GLOSSARY.md'];

/** Words that the glossary rejects, leftovers and references that lead nowhere, in TypeScript. */
export function checkWords(modules: readonly Module[]): Problem[] {
  return modules.flatMap((module) => {
    const isTest = partOf(module.path) === 'test';
    const problems = find(module.path, 1, cutNames(module.path), IN_NAMES);
    module.code.split('\n').forEach((text, at) => {
      problems.push(
        ...find(module.path, at + 1, cutNames(text.replaceAll(/\b(?:NodeJS|ESTree\.Node)\b/g, '')), IN_NAMES),
      );
    });
    for (const comment of module.comments) {
      const words = [...IN_PROSE, LEFTOVER, ...PRIVATE, ...(isTest ? [] : [SWITCHES_OFF])];
      problems.push(...find(module.path, comment.line, withoutCode(comment.text), words));
      if (isTest || !looksLikeCode(comment.text, comment.block)) continue;
      const message = 'code in a comment: the history keeps it, remove it here';
      problems.push({ rule: 'words', path: module.path, line: comment.line, message });
    }
    if (isTest) return problems;
    for (const { text, line } of module.strings) {
      problems.push(...find(module.path, line, text, text.includes(' ') ? [...IN_PROSE, ...PRIVATE] : PRIVATE));
    }
    return problems;
  });
}

/** The same for pages. Fenced blocks and inline code are commands and output; only what is private counts in them. */
export function checkPageWords(pages: readonly SourceFile[]): Problem[] {
  return pages.flatMap((page) => {
    const prose = withoutCode(page.text).replaceAll(/\]\([^)]*\)/g, (link) => ' '.repeat(link.length));
    const words = DICTIONARIES.includes(page.path) ? [LEFTOVER] : [...IN_PROSE, LEFTOVER];
    return [...find(page.path, 1, prose, words), ...find(page.path, 1, page.text, PRIVATE)];
  });
}

/** A letter and a number, as in `R7`, point into a list. Some page of the project has that list, with a line for each. */
export function checkReferences(modules: readonly Module[], pages: readonly SourceFile[]): Problem[] {
  const listed = new Set(
    pages.flatMap((page) => [...page.text.matchAll(/^[|*\-#\s]*([A-Z]\d{1,2})\b/gm)].map((match) => match[1] ?? '')),
  );
  const texts = [
    ...modules.flatMap(({ path, comments }) => comments.map(({ text, line }) => ({ path, text, line }))),
    ...pages.map(({ path, text }) => ({ path, text, line: 1 })),
  ];
  const instead = 'a number of a list that is on no page: say the rule in words';
  return texts
    .flatMap(({ path, text, line }) => find(path, line, withoutCode(text), [{ pattern: REFERENCE, instead }]))
    .filter(({ message }) => !listed.has(message.split('"')[1] ?? ''));
}

function find(path: string, firstLine: number, text: string, words: readonly Word[]): Problem[] {
  const lineOf = lineFinder(text);
  return words.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map((match) => ({
      rule: 'words',
      path,
      line: firstLine + lineOf(match.index) - 1,
      message: `"${match[1] ?? match[0]}": ${instead}`,
    })),
  );
}

/** `nodeId`, `NODE_ID` and `node-id` all become `node id`. */
function cutNames(text: string): string {
  return text.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/[_\-/.]/g, ' ');
}

/** Blanks what stands in backticks, over lines too, so that offsets stay. */
function withoutCode(text: string): string {
  return text
    .replaceAll(/^(\s*)(```|~~~)[\s\S]*?^\s*\2/gm, (block) => block.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/`[^`\n]*`/g, (span) => ' '.repeat(span.length));
}

function looksLikeCode(text: string, block: boolean): boolean {
  if (block) return false;
  return (
    /^\s*(?:const|let|return|if|for|import|export|await|this\.)\b.*[;{]\s*$/.test(text) ||
    /^[^`]*[=(][^`]*\);\s*$/.test(text)
  );
}
