import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { SourceFile } from './tidy/source.ts';
import { check, RULES } from './tidy/tidy.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const NOT_OURS: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.tmp', 'coverage']);
const READ = /\.(?:ts|md)$|^package\.json$/;

function filesOf(folder: string): SourceFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return [];
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(at);
    const relative = path.relative(ROOT, at).replaceAll(path.sep, '/');
    return [{ path: relative, text: READ.test(entry.name) ? readFileSync(at, 'utf8') : '' }];
  });
}

const files = filesOf(ROOT);
const problems = check(files);

test('the project was found', () => {
  const paths = files.map((file) => file.path);
  expect(paths).toContain('src/base/assert.ts');
  expect(paths).toContain('package.json');
});

test.each(RULES)('the project keeps the rules of %s', (rule) => {
  const broken = problems.filter((problem) => problem.rule === rule);
  expect(broken.map(({ path: at, line, message }) => `${at}:${line} ${message}`)).toEqual([]);
});
