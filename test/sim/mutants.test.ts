import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../sim/mutants/catalogue.ts';
import { plant } from '../../sim/mutants/mutant.ts';
import { PASSING } from '../../sim/mutants/passing.ts';

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
