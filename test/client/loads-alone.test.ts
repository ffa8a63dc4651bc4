import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseModule } from '../tidy/source.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Everything that importing `entry` runs: files of the project, and names of packages. */
function reachedFrom(entry: string): { readonly files: Set<string>; readonly packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const { specifier, typeOnly } of parseModule({ path: file, text: readFileSync(path.join(ROOT, file), 'utf8') })
      .imports) {
      if (typeOnly) continue;
      if (specifier.startsWith('.')) open.push(path.posix.join(path.posix.dirname(file), specifier));
      else packages.add(specifier);
    }
  }
  return { files, packages };
}

test('the SDK loads nothing of the server: no log, no database, no calendar', () => {
  const { files, packages } = reachedFrom('src/index.ts');
  const parts = new Set([...files].map((file) => file.split('/')[1] ?? ''));
  expect([...parts].toSorted()).toEqual(['base', 'client', 'index.ts', 'protocol', 'system']);
  expect([...packages].filter((name) => !name.startsWith('node:')).toSorted()).toEqual(['msgpackr/pack', 'ws']);
});
