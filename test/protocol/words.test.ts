import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttachFrame, SubmitFrame } from '../../src/protocol/client-frame.ts';
import { ERROR_CODES, errorFacts, exitCodeOf, isErrorCode } from '../../src/protocol/error-code.ts';
import { BATCH_BYTES_MAX, FRAME_BYTES_MAX, PAYLOAD_BYTES_HARD } from '../../src/protocol/limits.ts';
import { attachProblem, DEFAULT_WIRE_LIMITS, submitProblem } from '../../src/protocol/request-rules.ts';
import type { TaskRow, TemplateRow } from '../../src/protocol/rows.ts';
import { FIRST_FINAL_STATE, TASK_STATES } from '../../src/protocol/rows.ts';
import { formatTaskId, parseTaskId } from '../../src/protocol/task-id.ts';

describe('the id of a task', () => {
  it('gives back what it was made of', () => {
    const part = fc.maxSafeNat();
    fc.assert(
      fc.property(part, part, part, (group, epoch, number) => {
        const id = formatTaskId(group, epoch, number);
        expect(id).toMatch(/^[a-z0-9_-]{8,60}$/);
        expect(parseTaskId(id)).toEqual({ group, epoch, number });
      }),
    );
  });

  it('is short for small clusters', () => {
    expect(formatTaskId(0, 1, 1)).toBe(formatTaskId(0, 1, 1));
    expect(formatTaskId(0, 1, 1_000_000).length).toBeLessThanOrEqual(13);
  });

  it('is refused when one character was mistyped', () => {
    const characters = '0123456789abcdefghijklmnopqrstuvwxyz_-';
    for (const number of [1, 77, 123_456, 2 ** 40]) {
      const id = formatTaskId(3, 1, number);
      for (let at = 0; at < id.length; at += 1) {
        for (const character of characters) {
          const typed = id.slice(0, at) + character + id.slice(at + 1);
          if (typed !== id) expect(parseTaskId(typed)).toBeUndefined();
        }
      }
    }
  });

  it('is refused when two neighbours were swapped', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (group, epoch, number) => {
        const id = formatTaskId(group, epoch, number);
        for (let at = 0; at + 1 < id.length; at += 1) {
          const swapped = id.slice(0, at) + id.charAt(at + 1) + id.charAt(at) + id.slice(at + 2);
          if (swapped !== id) expect(parseTaskId(swapped)).toBeUndefined();
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    '',
    't1',
    't10-1-11',
    'T10-1-1',
    formatTaskId(0, 1, 1).replace('t1', 't2'),
    `${formatTaskId(0, 1, 1)} `,
    't100-1-1',
  ])('is refused when it is none: %j', (text) => {
    expect(parseTaskId(text)).toBeUndefined();
  });
});

describe('error codes', () => {
  it('have a class, a sentence and an exit code', () => {
    for (const code of ERROR_CODES) {
      const { status, meaning } = errorFacts(code);
      expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
      expect(exitCodeOf(code)).toBeGreaterThanOrEqual(1);
      expect(isErrorCode(code)).toBe(true);
    }
    expect(isErrorCode('toString')).toBe(false);
    expect(
      ['INVALID_ARGUMENT', 'NOT_FOUND', 'UNAUTHORIZED', 'KEY_CONFLICT', 'UNAVAILABLE', 'TASK_FAILED'].map((code) =>
        exitCodeOf(code as 'NOT_FOUND'),
      ),
    ).toEqual([2, 3, 4, 5, 6, 1]);
  });
});

describe('states and limits', () => {
  it('stand in the order that the wire counts on', () => {
    expect(TASK_STATES.slice(FIRST_FINAL_STATE)).toEqual(['done', 'failed', 'cancelled']);
    expect(BATCH_BYTES_MAX).toBeGreaterThan(PAYLOAD_BYTES_HARD);
    // A full batch fits into a frame, its rows included.
    expect(FRAME_BYTES_MAX - BATCH_BYTES_MAX).toBeGreaterThan(1000 * 500);
  });
});

describe('a submission', () => {
  const template: TemplateRow = ['mail', null, null, [], null, null, null];
  const task: TaskRow = [0, 3, new Uint8Array(10), null];
  const frame = (changes: Partial<SubmitFrame>): SubmitFrame => ({
    type: 'submit',
    requestId: 1,
    session: 's1',
    sequence: 1,
    answeredBelow: 1,
    templates: [template],
    tasks: [task, task],
    ...changes,
  });
  const withTemplate = (changes: Record<number, unknown>): Partial<SubmitFrame> => ({
    templates: [Object.assign([...template], changes) as unknown as TemplateRow],
  });
  const withOptions = (...options: unknown[]): Partial<SubmitFrame> => ({
    tasks: [task, [0, 3, new Uint8Array(1), options as unknown as NonNullable<TaskRow[3]>]],
  });

  it('that keeps the rules has no problem', () => {
    expect(submitProblem(frame({}), DEFAULT_WIRE_LIMITS)).toBeUndefined();
  });

  it.each<[string, Partial<SubmitFrame>, string, number]>([
    ['no task', { tasks: [] }, 'INVALID_ARGUMENT', -1],
    ['too many tasks', { tasks: Array.from({ length: 1001 }, () => task) }, 'BATCH_TOO_LARGE', -1],
    [
      'too many bytes',
      { tasks: Array.from({ length: 17 }, (): TaskRow => [0, 3, new Uint8Array(256 * 1024), null]) },
      'BATCH_TOO_LARGE',
      -1,
    ],
    ['more templates than tasks', { templates: [template, template, template] }, 'INVALID_ARGUMENT', -1],
    ['a session that is no name', { session: 'a b' }, 'INVALID_ARGUMENT', -1],
    ['no sequence', { sequence: 0, answeredBelow: 0 }, 'INVALID_ARGUMENT', -1],
    ['an answer beyond itself', { answeredBelow: 2 }, 'INVALID_ARGUMENT', -1],
    ['a type that is no name', withTemplate({ 0: '' }), 'INVALID_ARGUMENT', 0],
    ['a queue that is no name', withTemplate({ 1: 'ä' }), 'INVALID_ARGUMENT', 0],
    ['a priority of 0', withTemplate({ 2: 0 }), 'INVALID_ARGUMENT', 0],
    [
      'labels out of order',
      withTemplate({
        3: [
          ['b', '1'],
          ['a', '1'],
        ],
      }),
      'INVALID_ARGUMENT',
      0,
    ],
    [
      'a label twice',
      withTemplate({
        3: [
          ['a', '1'],
          ['a', '2'],
        ],
      }),
      'INVALID_ARGUMENT',
      0,
    ],
    ['no attempt', withTemplate({ 4: [0, null, null] }), 'INVALID_ARGUMENT', 0],
    ['a backoff for ever', withTemplate({ 4: [null, null, 2 ** 50] }), 'INVALID_ARGUMENT', 0],
    ['a timeout for ever', withTemplate({ 5: [2 ** 50, null, null] }), 'INVALID_ARGUMENT', 0],
    ['kept for ever', withTemplate({ 6: [2 ** 50, null, false] }), 'INVALID_ARGUMENT', 0],
    ['a template that is not there', { tasks: [task, [1, 3, new Uint8Array(1), null]] }, 'INVALID_ARGUMENT', 1],
    ['a large payload', { tasks: [task, [0, 3, new Uint8Array(300_000), null]] }, 'PAYLOAD_TOO_LARGE', 1],
    ['a key that is no name', withOptions('a b', null, null, null), 'INVALID_ARGUMENT', 1],
    ['an instant and a delay', withOptions(null, 1, 1, null), 'INVALID_ARGUMENT', 1],
    ['a delay for ever', withOptions(null, null, 2 ** 50, null), 'INVALID_ARGUMENT', 1],
    ['large headers', withOptions(null, null, null, [1, new Uint8Array(9000)]), 'PAYLOAD_TOO_LARGE', 1],
  ])('with %s has a code, a sentence and who is to blame', (_, changes, code, position) => {
    const problem = submitProblem(frame(changes), DEFAULT_WIRE_LIMITS);
    expect(problem).toMatchObject({ code, position });
    expect(problem?.message).toMatch(/^[A-Za-z].*\.$/);
  });
});

describe('the registration of a worker', () => {
  const frame: AttachFrame = {
    type: 'attach',
    requestId: 1,
    worker: 'w1',
    instance: 'i1',
    types: ['mail'],
    labels: [],
    slots: 1,
    version: '0',
    held: [],
    unanswered: [],
  };

  it.each<[string, Partial<AttachFrame>]>([
    ['an id that is no name', { worker: '' }],
    ['an instance that is no name', { instance: 'a b' }],
    ['a version that is no name', { version: '' }],
    ['no slot', { slots: 0 }],
    ['no type', { types: [] }],
    ['a type that is no name', { types: ['a', 'ä'] }],
    ['a type twice', { types: ['a', 'a'] }],
    ['a label that is no name', { labels: [['zone', '']] }],
  ])('with %s is refused', (_, changes) => {
    expect(attachProblem(frame)).toBeUndefined();
    expect(attachProblem({ ...frame, ...changes })?.code).toBe('INVALID_ARGUMENT');
  });
});
