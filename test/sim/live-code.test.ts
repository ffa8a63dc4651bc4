import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { LiveCode } from '../../sim/mutants/live-code.ts';

const SOURCE = `
const STEP = 1;
export class Counter {
  #count = 0;
  add(numbers) {
    this.#count += numbers.map((number) => number + STEP).length;
    return this.#count;
  }
}
export function answer() {
  return 42;
}
`;

interface Module {
  readonly Counter: new () => { add(numbers: readonly number[]): number };
  answer(): number;
}

const folder = mkdtempSync(path.join(realpathSync(tmpdir()), 'taskraft-live-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Loads a module as Node does, past whatever runs the tests. */
async function load(name: string): Promise<{ readonly url: string; readonly module: Module }> {
  const file = path.join(folder, name);
  writeFileSync(file, SOURCE);
  const loader = path.join(folder, 'loader.cjs');
  writeFileSync(loader, 'module.exports = (url) => import(url);');
  const url = pathToFileURL(file).href;
  const native = createRequire(import.meta.url)(loader) as (url: string) => Promise<Module>;
  return { url, module: await native(url) };
}

describe('functions of a module that runs', () => {
  test('are exchanged, in objects that are there too, and put back', async () => {
    const { url, module } = await load('exchanged.mjs');
    const counter = new module.Counter();
    expect([module.answer(), counter.add([1])]).toEqual([42, 1]);
    const code = new LiveCode(() => {});
    const other = SOURCE.replace('return 42', 'return 43').replace('.length;', '.length + 10;');
    expect(await code.replace(url, other)).toBe(true);
    expect([module.answer(), counter.add([1])]).toEqual([43, 12]);
    expect(await code.replace(url, SOURCE)).toBe(true);
    expect([module.answer(), counter.add([1])]).toEqual([42, 13]);
  });

  test.each([
    ['a value that the module works out once', 'STEP = 1', 'STEP = 2'],
    ['a field that a class has not had', '#count = 0;', '#count = 0; #more = 0;'],
    ['what does not compile', 'return 42', 'return ('],
  ])('stay all as they are when what changes is %s', async (what, find, replace) => {
    const { url, module } = await load(`refused ${what}.mjs`);
    const source = SOURCE.replace(find, replace).replace('return 42', 'return 43');
    expect(await new LiveCode(() => {}).replace(url, source)).toBe(false);
    expect([module.answer(), new module.Counter().add([1])]).toEqual([42, 1]);
  });

  test('are not there in a module that nobody has loaded', async () => {
    expect(await new LiveCode(() => {}).replace('file:///nowhere.mjs', SOURCE)).toBe(false);
  });
});
