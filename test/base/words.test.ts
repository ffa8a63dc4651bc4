import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert, InvariantError, unreachable } from '../../src/base/assert.ts';
import { isName, NAME_BYTES_MAX, peerId } from '../../src/base/ids.ts';

describe('assert', () => {
  test('lets a true condition pass without building its message', () => {
    assert(true, () => {
      throw new Error('the message was built');
    });
  });

  test('stops the caller with what should have held', () => {
    expect(() => assert(false, 'terms only grow')).toThrow(new InvariantError('terms only grow'));
    expect(() => assert(false, () => 'term'.concat(' 3'))).toThrow(new InvariantError('term 3'));
  });

  test('a case that was ruled out stops the caller and names the value', () => {
    expect(() => unreachable('purple' as never)).toThrow(new InvariantError('unreachable: purple'));
  });
});

describe('names', () => {
  const NAMED = /^[A-Za-z0-9._:/-]+$/;

  test('are 1 to 200 characters of the alphabet and nothing else', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 210, size: 'max' }),
      fc.stringMatching(/^[A-Za-z0-9._:/-]{0,210}$/, { size: 'max' }),
    );
    fc.assert(
      fc.property(text, (name) => {
        expect(isName(name)).toBe(NAMED.test(name) && name.length <= NAME_BYTES_MAX);
      }),
    );
  });

  test('end at 200 characters exactly, and at a line break', () => {
    expect([1, 200, 201, 0].map((length) => isName('x'.repeat(length)))).toEqual([true, true, false, false]);
    expect(isName('p1\n')).toBe(false);
  });

  test('a peer id is a name, or a sentence says why not', () => {
    expect(peerId('p1')).toBe('p1');
    expect(() => peerId('p 1')).toThrow(/"p 1" is no peer id: 1 to 200 characters/);
  });
});
