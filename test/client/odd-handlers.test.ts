/** Handlers that throw, return and log what nobody expects: the task fails with a reason, and the worker goes on. */
import { describe, expect, it } from 'vitest';
import type { Handler } from '../../src/client/attempts.ts';
import { decodeValue } from '../../src/protocol/codec.ts';
import { OUTCOME } from '../../src/protocol/rows.ts';
import { attached } from './desk.ts';
import { assignRow } from './fake-cluster.ts';

const withoutText: unknown = Object.create(null);
const unreadable = {
  get text(): string {
    throw new Error('not today');
  },
};

/** Put together, since such objects are otherwise only made by accident. */
const WAIT = ['th', 'en'].join('');

/** What looks like a promise, as `descriptor` says. */
function like(descriptor: PropertyDescriptor): unknown {
  return Object.defineProperty({}, WAIT, descriptor);
}

function thrower(what: unknown): Handler {
  return () => {
    throw what;
  };
}

describe('a handler that', () => {
  it.each<[string, Handler, number]>([
    ['throws what has no text', thrower(withoutText), OUTCOME.failed],
    [
      'rejects with what has no text',
      () => new Promise((_, reject) => void setImmediate(reject, withoutText)),
      OUTCOME.failed,
    ],
    ['throws nothing', thrower(undefined), OUTCOME.failed],
    ['throws an error whose name is none', thrower(Object.assign(new Error('x'), { name: 7 })), OUTCOME.failed],
    ['throws an error whose message is none', thrower(Object.assign(new Error('x'), { message: {} })), OUTCOME.failed],
    [
      'throws an error that cannot be read',
      thrower(Object.defineProperty(new Error('x'), 'stack', Object.getOwnPropertyDescriptor(unreadable, 'text')!)),
      OUTCOME.failed,
    ],
    ['returns what cannot be read', () => unreadable, OUTCOME.failedForGood],
    ['promises what cannot be read', async () => unreadable, OUTCOME.failedForGood],
    ['returns what throws when it is waited for', () => like({ value: thrower(new Error('no')) }), OUTCOME.failed],
    [
      'returns what throws when it is looked at',
      () => like({ get: thrower(new Error('no')) as () => unknown }),
      OUTCOME.failed,
    ],
  ])('%s fails its task, and the next one is run', async (_, odd, outcome) => {
    const { cluster } = await attached(1, { handlers: { odd, echo: (payload) => payload }, slots: 1 });
    cluster.assign([assignRow(1, 1), assignRow(2, 2, 1, Uint8Array.of(5))]);
    await cluster.time.until('both reports', () => cluster.completed.size === 2);
    const rows = cluster
      .peer(0)
      .got('complete')
      .flatMap((frame) => frame.completions);
    expect(rows.map((row) => [row[1], row[2]])).toEqual([
      [1, outcome],
      [2, OUTCOME.done],
    ]);
    expect(decodeValue(rows[0]![4]!)).toMatchObject({ message: expect.any(String) });
  });

  it('logs fields that are no JSON does not fail for it', async () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const { cluster } = await attached(1, {
      handlers: { odd: (_, { log }) => log.info('round', circle as never) },
    });
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the report', () => cluster.completed.size === 1);
    expect(cluster.peer(0).got('complete')[0]?.completions[0]?.[2]).toBe(OUTCOME.done);
    expect(cluster.peer(0).got('log')[0]?.text).toMatch(/^round/);
  });
});
