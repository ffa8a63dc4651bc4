import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'taskraft-raft-example-'));

afterAll(() => rmSync(folder, { recursive: true }));

test('the example of docs/RAFT.md runs, and every core applies the same', async () => {
  const page = readFileSync(path.join(root, 'docs/RAFT.md'), 'utf8');
  const [, example] = /```ts\n([\s\S]*?)```/.exec(page) ?? [];
  expect(example).toBeDefined();
  expect(example?.split('\n').length).toBeLessThan(50);
  const file = path.join(folder, 'example.ts');
  writeFileSync(file, (example ?? '').replaceAll("'../src/", `'${root}/src/`));
  const { applied } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { applied: number[][] };
  expect(applied).toEqual([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ]);
});
