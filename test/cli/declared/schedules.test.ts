import { describe, expect, it } from 'vitest';
import { readDeclarations } from '../../../src/cli/declared/schedules.ts';

/** The mistakes of one document, without the file. */
function mistakesOf(document: string): string[] {
  return readDeclarations([['f', document]], 'apply').mistakes.map(({ at, message }) => `${at.slice(2)} ${message}`);
}

describe('a schedule in a file', () => {
  it('has the fields of the SDK, and the manager that whoever applies it is', () => {
    const text = 'kind: schedule\nid: a\ncron: 0 2 * * *\ntask: { type: x, payload: { n: 1 } }\n';
    const { schedules, mistakes } = readDeclarations([['f', text]], 'apply');
    expect(mistakes).toEqual([]);
    expect(schedules[0]?.spec).toEqual({
      id: 'a',
      cron: '0 2 * * *',
      task: { type: 'x', payload: { n: 1 } },
      managedBy: 'apply',
    });
    expect(JSON.parse(schedules[0]?.calendar ?? '')).toMatchObject({ specs: [{ cron: '0 2 * * *' }] });
    expect(readDeclarations([['f', text]], undefined).schedules[0]?.spec.managedBy).toBeUndefined();
  });

  it.each([
    ['no kind', 'id: a', '1:1 A document says its kind'],
    ['a kind that is none', 'kind: shedule', '1:7 There is no such kind'],
    ['no object', '- 1', '1:3 A document is an object'],
    ['an hour that is none', 'kind: schedule\nid: a\ncron: "0 25 * * *"\ntask: {type: x}', '3:10 25 is no hour'],
    ['an impossible date', 'kind: schedule\nid: a\ncron: 0 0 30 2 *\ntask: {type: x}', '3:11 It never fires'],
    ['a zone that is none', 'kind: schedule\nid: a\nevery: 1h\ntimeZone: Europe/Lodnon\ntask: {type: x}', '4:11 '],
    ['two ways at once', 'kind: schedule\nid: a\ncron: "* * * * *"\nevery: 1h\ntask: {type: x}', '4:8 cron and every'],
    [
      'an end before its start',
      'kind: schedule\nid: a\nevery: 1h\nstartAt: 2027-01-01T00:00:00Z\nendAt: 2026-01-01T00:00:00Z\ntask: {type: x}',
      '5:8 endAt lies before',
    ],
    ['a period under a second', 'kind: schedule\nid: a\nevery: 10ms\ntask: {type: x}', '3:8 '],
    [
      'a name that is none',
      'kind: schedule\nid: a\ncronn: x\ntask: {type: x}',
      '3:1 "cronn" is no field of a schedule. Did you mean "cron"?',
    ],
    [
      'a name of its task that is none',
      'kind: schedule\nid: a\nevery: 1h\ntask:\n  type: x\n  queu: y',
      '6:3 "queu" is no field of a task',
    ],
    [
      'a deeper name that is none',
      'kind: schedule\nid: a\nevery: 1h\ntask:\n  type: x\n  retry: { maxAttemps: 1 }',
      '6:12 "maxAttemps" is no field of retry',
    ],
    [
      'a name of what says when that is none',
      'kind: schedule\nid: a\nspecs: [{ crn: x }]\ntask: {type: x}',
      '3:11 "crn" is no field of a spec',
    ],
    [
      'an overlap that is none',
      'kind: schedule\nid: a\nevery: 1h\noverlap: maybe\ntask: {type: x}',
      '4:10 overlap is one of',
    ],
    [
      'a policy against itself',
      'kind: schedule\nid: a\nevery: 1h\ncatchUp: none\ncatchUpWindow: 1h\ntask: {type: x}',
      '4:10 catchUp "none" makes up',
    ],
    [
      'a retry without bounds',
      'kind: schedule\nid: a\nevery: 1h\ntask:\n  type: x\n  retry: { maxAttempts: 0 }',
      '6:25 retry.maxAttempts is 1',
    ],
    ['an expected version', 'kind: schedule\nid: a\nexpectedVersion: 1', '3:1 expectedVersion has no place'],
    ['no task', 'kind: schedule\nid: a\nevery: 1h', '1:1 task says'],
    [
      'a payload that is too large',
      `kind: schedule\nid: a\nevery: 1h\ntask: {type: x, payload: ${'x'.repeat(300_000)}}`,
      '1:1 A payload has at most',
    ],
  ])('with %s is refused where that stands', (_, document, words) => {
    const [first = '', ...others] = mistakesOf(document);
    expect(first.slice(0, words.length)).toBe(words);
    expect(others).toEqual([]);
  });

  it('that is declared twice is refused, in whatever files', () => {
    const one = 'kind: schedule\nid: a\nevery: 1h\ntask: {type: x}\n';
    const { schedules, mistakes } = readDeclarations(
      [
        ['f', one],
        ['g', `${one}---\n${one.replace('a', 'b')}`],
      ],
      undefined,
    );
    expect(schedules.length).toBe(2);
    expect(mistakes).toEqual([{ at: 'g:2:5', message: 'document 1: The schedule a is declared at f:2:5 already.' }]);
  });

  it('that is wrong keeps no other mistake from being told', () => {
    const text = ['kind: schedule', 'id: ok\nkind: schedule\nevery: 1h\ntask: {type: x}', 'kind: nothing'].join(
      '\n---\n',
    );
    const { schedules, mistakes } = readDeclarations([['f', text]], undefined);
    expect(schedules.map(({ spec }) => spec.id)).toEqual(['ok']);
    expect(mistakes.map(({ at, message }) => [at, message.slice(0, 11)])).toEqual([
      ['f:1:1', 'document 1:'],
      ['f:8:7', 'document 3:'],
    ]);
  });

  it('fires, or does not any more', () => {
    const at = (instant: string): boolean | undefined => {
      const text = `kind: schedule\nid: a\nat: ${instant}\ntask: {type: x}`;
      return readDeclarations([['f', text]], undefined).schedules[0]?.fires(Date.UTC(2026, 0, 1));
    };
    expect([at('2026-01-02T00:00:00Z'), at('2025-01-02T00:00:00Z')]).toEqual([true, false]);
    const never = `kind: schedule\nid: a\ncron: 0 0 * * *\nexclude: ['0 0 * * MON-SAT', '0 0 * * SUN,MON']\ntask: {type: x}`;
    expect(readDeclarations([['f', never]], undefined).schedules[0]?.fires(Date.UTC(2026, 0, 1))).toBe(false);
  });
});
