import { describe, expect, it } from 'vitest';
import { readDocuments } from '../../../src/cli/declared/documents.ts';

describe('a file', () => {
  it('has a document for each part of YAML, and a list stands for its members', () => {
    const values = (text: string): unknown[] => readDocuments('f', text).documents.map(({ value }) => value);
    expect(values('a: 1\n---\nb: [2]\n')).toEqual([{ a: 1 }, { b: [2] }]);
    expect(values('{"a": 1}')).toEqual([{ a: 1 }]);
    expect(values('[{"a": 1}, {"b": 2}]')).toEqual([{ a: 1 }, { b: 2 }]);
    expect(values('---\n# nothing\n---\na: 1\n...\n')).toEqual([{ a: 1 }]);
    expect(values('')).toEqual([]);
    expect(values('at: 2026-11-23T10:00:00Z\nyes: no')).toEqual([{ at: '2026-11-23T10:00:00Z', yes: 'no' }]);
  });

  it('with a mistake in its form has no documents, and every mistake its place', () => {
    const { documents, mistakes } = readDocuments('f.yaml', 'a: 1\n---\nb: "x\n---\nc: 1\nc: 2\n');
    expect(documents).toEqual([]);
    expect(mistakes.length).toBeGreaterThan(0);
    for (const { at, message } of mistakes) {
      expect(at).toMatch(/^f\.yaml:\d+:\d+$/);
      expect(message).toMatch(/\.$/);
    }
    expect(readDocuments('f', 'a: 1\na: 2').mistakes).toEqual([{ at: 'f:2:1', message: 'Map keys must be unique.' }]);
  });

  it.each([
    ['id: a\ncron: * * * * *\n', 'f:2:7'],
    ['id: a\ncron: */5 * * * *\nevery: 5m\n', 'f:2:7'],
    ['- cron: * * * * *\n', 'f:1:9'],
    ['a: {cron: * 2 * * *}\n', 'f:1:11'],
    ['exclude:\n  - * * 24 * *\n', 'f:2:5'],
    ['cron: @daily\n', 'f:1:7'],
  ])('with a pattern without its quotes is told so once: %j', (text, at) => {
    expect(readDocuments('f', text).mistakes).toEqual([{ at, message: expect.stringContaining('stands in quotes') }]);
  });

  it('says of other slips what the parser says, each where it stands', () => {
    const { mistakes } = readDocuments('f', 'cron: * * * * *\nother: * 2 * * *\nb: "x" y\n');
    expect(mistakes.map(({ at, message }) => [at, message.includes('in quotes')])).toEqual([
      ['f:1:7', true],
      ['f:2:8', true],
      ['f:3:8', false],
    ]);
  });

  it('in which names stand for names for ever is refused, not expanded', () => {
    const names = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (let at = 1; at < 9; at += 1) {
      const [before, name] = [String.fromCharCode(96 + at), String.fromCharCode(97 + at)];
      names.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`);
    }
    expect(readDocuments('f', names.join('\n'))).toMatchObject({
      documents: [],
      mistakes: [{ at: 'f', message: expect.stringContaining('alias') }],
    });
  });

  it('with too many documents is refused', () => {
    const { documents, mistakes } = readDocuments('f', JSON.stringify(Array.from({ length: 20_001 }, () => 1)));
    expect(documents).toEqual([]);
    expect(mistakes[0]?.message).toContain('20000');
  });
});

describe('a place', () => {
  const [, second] = readDocuments(
    'f',
    'x: 1\n---\nid: one\nspecs:\n  - cron: "30 2 * * *"\n  - cron: 5 4 * * *\n  - cron: |\n      1 2 3 4 5\n"a/b": 1\n',
  ).documents;

  it.each([
    ['', undefined, 'f:3:1'],
    ['/id', undefined, 'f:3:5'],
    ['/specs/0/cron', undefined, 'f:5:11'],
    // Behind the quote, and as far as the sixth character.
    ['/specs/0/cron', 6, 'f:5:17'],
    ['/specs/1/cron', 3, 'f:6:13'],
    // The characters of a block are not where its lines are.
    ['/specs/2/cron', 3, 'f:7:11'],
    ['/specs/9/cron', 3, 'f:5:3'],
    ['/none', undefined, 'f:3:1'],
    ['/a~1b', undefined, 'f:9:8'],
  ])('is where %j leads', (pointer, column, place) => {
    expect(second?.where(pointer, column)).toBe(place);
  });

  it('of a name is where the name stands', () => {
    expect(second?.whereName('/specs')).toBe('f:4:1');
    expect(second?.whereName('/specs/1/cron')).toBe('f:6:5');
    expect(second?.whereName('/none')).toBe('f:3:1');
    const [, inList] = readDocuments('f', '[{"a": 1},\n {"bb": 2}]').documents;
    expect([inList?.at, inList?.where('/bb'), inList?.whereName('/bb')]).toEqual(['f:2:2', 'f:2:9', 'f:2:3']);
  });
});
