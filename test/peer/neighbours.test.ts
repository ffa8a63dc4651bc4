import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { Hash64 } from '../../src/base/hash.ts';
import { peerId } from '../../src/base/ids.ts';
import { DigestWatch } from '../../src/peer/digest-watch.ts';
import { FEATURE_LEVEL, readFeature } from '../../src/peer/features.ts';
import { decodeMemberInfo, encodeMemberInfo } from '../../src/peer/member-info.ts';
import type { News } from '../../src/peer/news.ts';
import { decodeNews, encodeNews } from '../../src/peer/news.ts';
import { NEWS_STALE_MS, NewsDesk } from '../../src/peer/news-desk.ts';
import { someoneCanLead } from '../../src/peer/no-copy.ts';
import { REOPENS_MAX, ReopenBudget } from '../../src/peer/reopen-budget.ts';
import { lacksSpace, SpaceWatch } from '../../src/peer/space-watch.ts';

const [P1, P2, P3, P4, P5] = ['p1', 'p2', 'p3', 'p4', 'p5'].map((name) => peerId(name)) as [
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
];
const THREE = [P1, P2, P3];

const digest = (low: number): Hash64 => ({ high: 7, low });
const at = (index: number, low: number): { index: number; digest: Hash64 } => ({ index, digest: digest(low) });

describe('news', () => {
  const anyNews: fc.Arbitrary<News> = fc.record({
    featureLevel: fc.nat(100),
    damaged: fc.boolean(),
    stateMissing: fc.boolean(),
    spaceLow: fc.boolean(),
    lastIndex: fc.maxSafeNat(),
    lastTerm: fc.maxSafeNat(),
    marks: fc.array(
      fc.record({
        index: fc.maxSafeNat(),
        digest: fc.record({ high: fc.nat(0xffff_ffff), low: fc.nat(0xffff_ffff) }),
      }),
      { maxLength: 16 },
    ),
    joining: fc.array(
      fc.record({
        peer: fc.constantFrom(P1, P2, P3),
        incarnation: fc.constantFrom('ab'.repeat(16), '0f'.repeat(16)),
        addresses: fc.constant({ peer: { host: 'a', port: 1 }, client: { host: '::1', port: 7_400 } }),
      }),
      { maxLength: 16 },
    ),
  });

  test('read as they were written', () => {
    fc.assert(
      fc.property(anyNews, (news) => {
        expect(decodeNews(encodeNews(news))).toEqual(news);
      }),
    );
  });

  test('of a later version are read as far as they are known, and anything else is refused', () => {
    const news: News = {
      featureLevel: 1,
      damaged: false,
      stateMissing: true,
      spaceLow: false,
      lastIndex: 4,
      lastTerm: 2,
      marks: [at(3, 9)],
      joining: [],
    };
    const bytes = encodeNews(news);
    expect(decodeNews(Uint8Array.of(...bytes, 1, 2, 3))).toEqual(news);
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => decodeNews(bytes.subarray(0, length))).toThrow(DecodeError);
  });
});

describe('digests of marks', () => {
  function watch(
    ...heard: readonly (readonly [typeof P1, readonly { index: number; digest: Hash64 }[]])[]
  ): DigestWatch {
    const made = new DigestWatch();
    for (const [peer, marks] of heard) made.heard(peer, marks);
    return made;
  }

  test('that agree are fine, and so is what nobody else has reached yet', () => {
    const made = watch([P2, [at(10, 1)]], [P3, [at(10, 1), at(20, 2)]]);
    expect(made.judge([at(10, 1), at(20, 2), at(30, 3)], P1, THREE)).toEqual({ type: 'fine' });
  });

  test('show who is wrong once a majority agrees, and say nothing before', () => {
    expect(watch([P2, [at(10, 1)]]).judge([at(10, 9)], P1, THREE)).toEqual({ type: 'fine' });
    const made = watch([P2, [at(10, 1)]], [P3, [at(10, 1)]]);
    expect(made.judge([at(10, 9)], P1, THREE)).toEqual({ type: 'differs', index: 10 });
    expect(made.judge([at(10, 1)], P1, THREE)).toEqual({ type: 'fine' });
  });

  test('of one that is wrong among others do not disturb those that agree', () => {
    const made = watch([P2, [at(10, 1)]], [P3, [at(10, 8)]]);
    expect(made.judge([at(10, 1)], P1, THREE)).toEqual({ type: 'fine' });
  });

  test('stop everybody when all are known and no majority agrees', () => {
    const made = watch([P2, [at(10, 1)]], [P3, [at(10, 2)]]);
    expect(made.judge([at(10, 3)], P1, THREE)).toEqual({ type: 'split', index: 10 });
    expect(watch([P2, [at(5, 1)]]).judge([at(5, 2)], P1, [P1, P2])).toEqual({ type: 'split', index: 5 });
    const five = watch([P2, [at(10, 1)]], [P3, [at(10, 2)]], [P4, [at(10, 2)]]);
    expect(five.judge([at(10, 1)], P1, [P1, P2, P3, P4, P5])).toEqual({ type: 'fine' });
  });

  test('of a learner are held against the voters, and its own does not count', () => {
    const made = watch([P2, [at(10, 1)]], [P3, [at(10, 1)]]);
    expect(made.judge([at(10, 9)], P4, [P2, P3])).toEqual({ type: 'differs', index: 10 });
    expect(watch([P2, [at(10, 1)]], [P3, [at(10, 2)]]).judge([at(10, 1)], P4, [P2, P3])).toMatchObject({
      type: 'split',
    });
  });

  test('are forgotten with their peer, and remembered in a bounded number', () => {
    const made = watch([P2, Array.from({ length: 40 }, (_, index) => at(index + 1, 1))], [P3, [at(1, 1), at(40, 1)]]);
    expect(made.judge([at(1, 9)], P1, THREE)).toEqual({ type: 'fine' });
    expect(made.judge([at(40, 9)], P1, THREE)).toMatchObject({ type: 'differs' });
    made.forget(P2);
    expect(made.judge([at(40, 9)], P1, THREE)).toEqual({ type: 'fine' });
  });
});

describe('space on disks', () => {
  test('is low below its bound, and enough again only a quarter above', () => {
    const watch = new SpaceWatch(100);
    expect([watch.seen(100), watch.low]).toEqual([false, false]);
    expect([watch.seen(99), watch.low]).toEqual([true, true]);
    expect([watch.seen(124), watch.low]).toEqual([false, true]);
    expect([watch.seen(125), watch.low]).toEqual([true, false]);
    const never = new SpaceWatch(0);
    expect([never.seen(0), never.low]).toEqual([false, false]);
  });

  test('lacks for a leader when its own is low, or when those with room are no majority', () => {
    const low =
      (...peers: readonly string[]) =>
      (peer: string): boolean =>
        peers.includes(peer);
    expect(lacksSpace(P1, THREE, low())).toBe(false);
    expect(lacksSpace(P1, THREE, low('p1'))).toBe(true);
    expect(lacksSpace(P1, THREE, low('p2'))).toBe(false);
    expect(lacksSpace(P1, THREE, low('p2', 'p3'))).toBe(true);
    expect(lacksSpace(P1, [P1, P2, P3, P4, P5], low('p2', 'p3'))).toBe(false);
  });
});

describe('whether anybody can lead', () => {
  const report = (
    peer: typeof P1,
    lastIndex: number,
    damaged = false,
    stateMissing = false,
  ): Parameters<typeof someoneCanLead>[0][number] => ({
    peer,
    damaged,
    stateMissing,
    lastIndex,
    lastTerm: 1,
  });

  test('someone whole that is up to date for a majority can', () => {
    expect(someoneCanLead([report(P1, 10, true), report(P2, 10), report(P3, 10, true)], false)).toBe(true);
    expect(someoneCanLead([report(P1, 10, true), report(P2, 9), report(P3, 5)], false)).toBe(true);
  });

  test('nobody can when all are damaged, or those that are whole lack what the others had acknowledged', () => {
    expect(someoneCanLead([report(P1, 10, true), report(P2, 10, true), report(P3, 10, true)], false)).toBe(false);
    expect(someoneCanLead([report(P1, 10, true), report(P2, 10, true), report(P3, 9)], false)).toBe(false);
  });
});

describe('whether one that lost its state alone can lead', () => {
  const report = (peer: typeof P1, lastIndex: number, stateMissing: boolean, damaged = false) => ({
    peer,
    damaged,
    stateMissing,
    lastIndex,
    lastTerm: 1,
  });

  // Its log may be the longest, as the leader before sends what its own disk has yet to write.
  test('it can once another one has given it a state, though nobody leads meanwhile', () => {
    expect(someoneCanLead([report(P1, 68, false), report(P2, 69, true)], false)).toBe(true);
    expect(someoneCanLead([report(P1, 68, false), report(P2, 69, true), report(P3, 69, false, true)], false)).toBe(
      true,
    );
  });

  test('it can also when a learner is the only one that may have a state', () => {
    expect(someoneCanLead([report(P1, 68, true)], true)).toBe(true);
    expect(someoneCanLead([report(P1, 68, true, true)], true), 'a learner has no vote for what the log lost').toBe(
      false,
    );
    const desk = new NewsDesk(P1);
    const say = (stateMissing: boolean, nowMs: number): void => {
      const news = { featureLevel: 1, damaged: false, stateMissing, spaceLow: false, lastIndex: 68, lastTerm: 1 };
      desk.heard(P2, { ...news, marks: [], joining: [] }, nowMs);
    };
    expect(desk.mayHaveState([], 0), 'there are no learners').toBe(false);
    expect(desk.mayHaveState([P2], 0), 'it was not heard').toBe(true);
    say(true, 0);
    expect(desk.mayHaveState([P2], NEWS_STALE_MS)).toBe(false);
    expect(desk.mayHaveState([P2, P3], NEWS_STALE_MS)).toBe(true);
    expect(desk.mayHaveState([P2], NEWS_STALE_MS + 1), 'that was long ago').toBe(true);
    say(false, NEWS_STALE_MS);
    expect(desk.mayHaveState([P2], NEWS_STALE_MS)).toBe(true);
  });

  test('it cannot when no peer has a state, or when its log is damaged, too', () => {
    expect(someoneCanLead([report(P1, 68, true), report(P2, 69, true)], false)).toBe(false);
    expect(someoneCanLead([report(P1, 68, false), report(P2, 69, true, true)], false)).toBe(false);
  });
});

test('what is told of a member reads as it was written, whatever is unknown', () => {
  const addresses = { peer: { host: 'a.example', port: 7401 }, client: { host: '::1', port: 65_535 } };
  for (const info of [
    { incarnation: 'ab'.repeat(16), addresses },
    { incarnation: undefined, addresses },
    { incarnation: 'ff'.repeat(16), addresses: undefined },
  ]) {
    expect(decodeMemberInfo(encodeMemberInfo(info))).toEqual(info);
  }
  expect(decodeMemberInfo(new Uint8Array(0))).toEqual({ incarnation: undefined, addresses: undefined });
  expect(() => decodeMemberInfo(Uint8Array.of(9))).toThrow(DecodeError);
});

test('an entry that switches on what this version does not know stops it', () => {
  const level = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
  expect(readFeature(level(FEATURE_LEVEL))).toBe(FEATURE_LEVEL);
  expect(() => readFeature(level(FEATURE_LEVEL + 1))).toThrow('install a newer one');
});

test('a directory is opened anew a few times a minute and no more', () => {
  const budget = new ReopenBudget();
  for (let count = 0; count < REOPENS_MAX; count += 1) expect(budget.take(count * 1_000)).toBe(true);
  expect(budget.take(30_000)).toBe(false);
  expect(budget.take(60_000)).toBe(true);
  expect(budget.take(60_500)).toBe(false);
});
