import { describe, expect, it } from 'vitest';
import { ProgressLine } from '../../src/cli/progress-line.ts';

function lineOn(isTTY: boolean): { line: ProgressLine; said: string[]; clock: { ms: number } } {
  const said: string[] = [];
  const clock = { ms: 0 };
  const line = new ProgressLine({ isTTY, write: (text) => said.push(text) }, () => clock.ms);
  return { line, said, clock };
}

describe('a line of progress', () => {
  it('is written over itself on a terminal, and left when it is over', () => {
    const { line, said } = lineOn(true);
    line.say('p4 has 1 of 9 entries');
    line.say('p4 has 1 of 9 entries');
    line.say('p4 has 9 of 9 entries');
    line.note('p4 votes');
    line.say('next');
    line.end();
    line.end();
    expect(said).toEqual([
      '\rp4 has 1 of 9 entries\u001B[K',
      '\rp4 has 9 of 9 entries\u001B[K',
      '\rp4 votes\u001B[K\n',
      '\rnext\u001B[K',
      '\n',
    ]);
  });

  it('is a line now and then where nobody can overwrite it, and notes are said at once', () => {
    const { line, said, clock } = lineOn(false);
    line.say('one');
    line.say('two');
    clock.ms = 4_999;
    line.say('three');
    clock.ms = 5_000;
    line.say('four');
    line.note('done');
    line.say('five');
    line.end();
    expect(said).toEqual(['one\n', 'four\n', 'done\n', 'five\n']);
  });

  it('cannot steer the terminal', () => {
    const { line, said } = lineOn(false);
    line.note('p4\u001B[2J\nforged');
    expect(said).toEqual(['p4·[2J·forged\n']);
  });
});
