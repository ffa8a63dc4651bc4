import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../sim/mutants/catalogue.ts';
import { compileAll } from '../../sim/mutants/compile.ts';
import { plant } from '../../sim/mutants/mutant.ts';
import { PASSING } from '../../sim/mutants/passing.ts';

type Bench = Parameters<typeof compileAll>[0];

describe('the catalogue of planted bugs', () => {
  test('has each name once', () => {
    const names = CATALOGUE.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  test.each(CATALOGUE)('$name changes a text that the source has exactly once', (mutant) => {
    const source = readFileSync(mutant.file, 'utf8');
    expect(plant(mutant, source)).toContain(mutant.replace);
  });
});

describe('those that pass the unit tests and the demo', () => {
  test('are in the catalogue, at least 25 of them', () => {
    const names = CATALOGUE.map(({ name }) => name);
    expect([...PASSING].filter((name) => !names.includes(name))).toEqual([]);
    expect(PASSING.size).toBeGreaterThanOrEqual(25);
  });
});

describe('planting', () => {
  const mutant = { name: 'm', origin: 'o', wrong: 'w', file: 'f.ts', find: 'a + b', replace: '$& - b' };

  test('puts the text in as it is', () => {
    expect(plant(mutant, 'x = a + b;')).toBe('x = $& - b;');
  });

  test('refuses a text that is not there, or there twice, or that changes nothing', () => {
    expect(() => plant(mutant, 'x = a;')).toThrow('is not in f.ts');
    expect(() => plant(mutant, 'a + b + a + b')).toThrow('2 times');
    expect(() => plant({ ...mutant, replace: mutant.find }, 'a + b')).toThrow('changes nothing');
  });
});

describe('building', () => {
  const bug = (name: string, file: string) => ({ name, origin: 'o', wrong: 'w', file, find: 'a', replace: 'b' });
  const bugs = [bug('one', 'x.ts'), bug('two', 'x.ts'), bug('three', 'y.ts'), bug('four', 'x.ts'), bug('five', 'z.ts')];

  /** A copy that does not compile with any of `broken`; notes what was planted together. */
  function benchOf(broken: readonly string[]): { readonly bench: Bench; readonly built: string[] } {
    const built: string[] = [];
    let planted: readonly { readonly name: string; readonly file: string }[] = [];
    const bench: Bench = {
      plant: (...mutants) => {
        planted = mutants;
        built.push(mutants.map(({ name }) => name).join(' '));
        const wrong = mutants.find(({ name }) => broken.includes(name));
        return wrong === undefined ? Promise.resolve() : Promise.reject(new Error(`${built.at(-1)} does not compile`));
      },
      compiled: (file) => Promise.resolve(`compiled ${planted.find((mutant) => mutant.file === file)?.name}`),
    };
    return { bench, built };
  }

  test('takes as many at a time as lie in different files, and leaves a sound copy', async () => {
    const { bench, built } = benchOf([]);
    const compiled = await compileAll(bench, bugs);
    expect(built).toEqual(['one three five', 'two', 'four', '']);
    expect([...compiled]).toEqual(['one', 'three', 'five', 'two', 'four'].map((name) => [name, `compiled ${name}`]));
  });

  test('names the one that does not compile', async () => {
    await expect(compileAll(benchOf(['five']).bench, bugs)).rejects.toThrow(/^five does not compile$/);
    await expect(compileAll(benchOf(['two']).bench, bugs)).rejects.toThrow(/^two does not compile$/);
  });
});
