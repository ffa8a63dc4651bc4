import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, DecodeError } from '../../src/base/bytes.ts';
import { decodeMessage, encodeMessage } from '../../src/raft/codec.ts';
import { RaftLog } from '../../src/raft/log.ts';
import type { AppendEntries, Message } from '../../src/raft/message.ts';
import { InflightWindow, Progress } from '../../src/raft/progress.ts';
import { MEMBERS_MAX, VOTERS_MAX, encodeMembers } from '../../src/raft/configuration.ts';
import { quorumOf, quorumValue, voteResult } from '../../src/raft/quorum.ts';
import { ReadRounds } from '../../src/raft/read-index.ts';
import type { Entry } from '../../src/raft/types.ts';
import { EntryKind, RAFT_FRESH } from '../../src/raft/types.ts';
import { Disk, command } from './support/disk.ts';
import { n } from './support/lab.ts';

describe('quorum', () => {
  it('is more than half', () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(quorumOf)).toEqual([1, 2, 2, 3, 3, 4, 4]);
    expect(() => quorumOf(0)).toThrow('nobody');
  });

  it('reaches the largest value that enough voters reached', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
        const reached = (value: number): boolean => values.filter((one) => one >= value).length * 2 > values.length;
        let expected = 0;
        for (let value = 0; value <= 20; value += 1) if (reached(value)) expected = value;
        expect(quorumValue([...values])).toBe(expected);
      }),
    );
  });

  it('wins when more than half granted and loses when they no longer can', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(true, false, undefined), { minLength: 1, maxLength: 9 }), (said) => {
        const voters = said.map((_, at) => n(at + 1));
        const votes = new Map(said.flatMap((vote, at) => (vote === undefined ? [] : [[n(at + 1), vote] as const])));
        const granted = said.filter((vote) => vote === true).length;
        const possible = said.filter((vote) => vote !== false).length;
        let expected = 'pending';
        if (granted * 2 > said.length) expected = 'won';
        else if (possible * 2 <= said.length) expected = 'lost';
        expect(voteResult(votes, voters)).toBe(expected);
      }),
    );
  });
});

type Change =
  | { readonly type: 'append'; readonly later: number; readonly bytes: number }
  | { readonly type: 'truncate' | 'compact' | 'evict'; readonly share: number };

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      later: fc.constantFrom(0, 0, 0, 1, 3),
      bytes: fc.nat(40),
    }),
  },
  fc.record({
    type: fc.constantFrom('truncate' as const, 'compact' as const, 'evict' as const),
    share: fc.integer({ min: 0, max: 100 }),
  }),
);

/** A log that keeps everything in one array and looks at each entry. */
class NaiveLog {
  terms: number[] = [0];
  first = 1;

  get last(): number {
    return this.terms.length - 1;
  }

  lastAtMost(index: number, term: number): { index: number; term: number } {
    let at = Math.min(index, this.last);
    while (at > this.first - 1 && (this.terms[at] as number) > term) at -= 1;
    const found = this.terms[at] as number;
    return at < this.first - 1 || found > term ? { index: Math.max(0, at), term: 0 } : { index: at, term: found };
  }
}

describe('the log', () => {
  it('knows every term, through appends, truncations, compactions and evictions, as one that keeps everything would', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), fc.boolean(), (changes, reopen) => {
        const naive = new NaiveLog();
        let log = new RaftLog(RAFT_FRESH);
        const kept: Entry[] = [];
        for (const one of changes) {
          if (one.type === 'append') {
            const entry = command(naive.last + 1, Math.max(1, log.lastTerm + one.later), 'x'.repeat(one.bytes));
            log.append(entry);
            naive.terms.push(entry.term);
            kept[entry.index] = entry;
          } else if (one.type === 'truncate' && naive.last >= naive.first) {
            const index = naive.first + Math.floor(((naive.last - naive.first) * one.share) / 100);
            log.truncateFrom(index);
            naive.terms.length = index;
            kept.length = index;
          } else if (one.type === 'compact') {
            naive.first += Math.floor(((naive.last + 1 - naive.first) * one.share) / 200);
            log.compactTo(naive.first);
          } else if (one.type === 'evict') {
            log.evict(one.share * 20, naive.last);
            expect(log.memoryBytes <= one.share * 20 || log.memoryFirst > naive.last).toBe(true);
          }
          agree(log, naive, kept);
        }
        if (reopen && naive.last >= naive.first) {
          log = new RaftLog(diskOf(naive, kept).restore(2));
          agree(log, naive, kept);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives at least one entry, and no more than fit', () => {
    const log = new RaftLog(Disk.withLog([1, 1, 1, 1]).restore(4));
    expect(log.slice(1, 4, 0)).toHaveLength(1);
    expect(log.slice(1, 4, 6)).toHaveLength(2);
    expect(log.slice(2, 3, 100).map(({ index }) => index)).toEqual([2, 3]);
  });
});

function agree(log: RaftLog, naive: NaiveLog, kept: readonly Entry[]): void {
  expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([naive.first, naive.last, naive.terms.at(-1)]);
  let bytes = 0;
  for (let index = naive.first - 1; index <= naive.last; index += 1) {
    expect(log.term(index)).toBe(naive.terms[index]);
    if (index < log.memoryFirst) continue;
    expect(log.entry(index)).toBe(kept[index]);
    bytes += log.entry(index).data.length + 128;
  }
  expect(log.memoryBytes).toBe(bytes);
  expect(log.matches(naive.last + 1, log.lastTerm)).toBe(false);
  expect(log.matches(naive.first - 2, 0)).toBe(false);
  for (const term of [0, 1, log.lastTerm - 1, log.lastTerm]) {
    for (const index of [naive.first - 1, naive.last, naive.last + 5]) {
      expect(log.lastAtMost(index, term)).toEqual(naive.lastAtMost(index, term));
    }
  }
}

function diskOf(naive: NaiveLog, kept: readonly Entry[]): Disk {
  const disk = new Disk();
  disk.entries = kept.slice(1);
  disk.compact(naive.first);
  return disk;
}

describe('progress', () => {
  it('frees the window in order, and its bytes are those of its slots', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 }), (acts) => {
        const window = new InflightWindow(4, 20);
        let naive: { last: number; bytes: number }[] = [];
        let next = 1;
        for (const [add, amount] of acts) {
          if (add && !window.full) {
            window.add(next, amount);
            naive.push({ last: next, bytes: amount });
            next += 1;
          } else if (!add) {
            window.freeTo(next - amount);
            naive = naive.filter(({ last }) => last > next - amount);
          }
          const bytes = naive.reduce((sum, one) => sum + one.bytes, 0);
          expect([window.count, window.totalBytes, window.full]).toEqual([
            naive.length,
            bytes,
            naive.length >= 4 || bytes >= 20,
          ]);
        }
      }),
    );
  });

  it('match stays below next and never falls, whatever answers come', () => {
    const answer = fc.record({
      ok: fc.boolean(),
      index: fc.nat(12),
      hint: fc.nat(12),
      act: fc.constantFrom('none', 'probe', 'replicate', 'send'),
    });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 50 }), (answers) => {
        const progress = new Progress(n(2), true, 6, new InflightWindow(3, 100));
        for (const { ok, index, hint, act } of answers) {
          const before = progress.match;
          if (ok) progress.accepted(index);
          else progress.rejected(index, hint);
          if (act === 'probe') progress.becomeProbe();
          if (act === 'replicate') progress.becomeReplicate();
          if (act === 'send' && !progress.paused) progress.sent(progress.next, 1, 5);
          expect(progress.match).toBeGreaterThanOrEqual(before);
          expect(progress.match).toBeLessThan(progress.next);
        }
      }),
    );
  });
});

describe('read rounds', () => {
  it('releases each read once, in order, and none before a round that began after it', () => {
    const act = fc.constantFrom('ask', 'begin', 'confirm-old', 'confirm');
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const rounds = new ReadRounds(1_000);
        const askedIn: number[] = [];
        const released: number[] = [];
        for (const one of acts) {
          if (one === 'ask') {
            rounds.request(askedIn.length, 1);
            askedIn.push(rounds.round);
          } else if (one === 'begin' && rounds.waiting) {
            rounds.begin();
          } else if (one.startsWith('confirm')) {
            const round = one === 'confirm' ? rounds.round : Math.max(0, rounds.round - 1);
            for (const { id } of rounds.confirmed(round)) {
              expect(askedIn[id]).toBeLessThan(round);
              released.push(id);
            }
          }
        }
        expect([...released, ...rounds.abandon()]).toEqual(askedIn.map((_, id) => id));
      }),
    );
  });
});

const integer = fc.oneof(fc.nat(300), fc.maxSafeNat());
const content = fc.oneof(
  fc.record({ kind: fc.constant(EntryKind.noop), data: fc.constant(new Uint8Array(0)) }),
  fc.record({ kind: fc.constant(EntryKind.command), data: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant(EntryKind.feature), data: fc.uint8Array({ minLength: 4, maxLength: 4 }) }),
  fc.record({
    kind: fc.constant(EntryKind.configuration),
    data: fc
      .uniqueArray(fc.record({ peer: fc.nat(20).map(n), info: fc.uint8Array({ maxLength: 9 }) }), {
        selector: ({ peer }) => peer,
        minLength: 1,
        maxLength: MEMBERS_MAX,
      })
      .map((members) => encodeMembers(members.map((member, at) => ({ ...member, votes: at < VOTERS_MAX })))),
  }),
);
const entries = fc.array(fc.record({ content, later: fc.nat(3) }), { maxLength: 6 });
const ends = { from: fc.constant(n(1)), to: fc.constant(n(2)), term: integer };
const append: fc.Arbitrary<AppendEntries> = fc
  .record({ ...ends, prevLogIndex: fc.nat(1e9), prevLogTerm: fc.nat(1e9), leaderCommit: integer, entries })
  .map(({ entries: drawn, ...rest }) => {
    let term = Math.max(1, rest.prevLogTerm);
    const made = drawn.map(({ content: { kind, data }, later }, at) => ({
      index: rest.prevLogIndex + 1 + at,
      term: (term += later),
      kind,
      data,
    }));
    return { ...rest, type: 'append-entries' as const, term: term + 1, entries: made };
  });
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  fc.record({ ...ends, type: fc.constant('pre-vote-request' as const), lastLogIndex: integer, lastLogTerm: integer }),
  fc.record({ ...ends, type: fc.constant('pre-vote-response' as const), granted: fc.boolean() }),
  fc.record({
    ...ends,
    type: fc.constant('vote-request' as const),
    lastLogIndex: integer,
    lastLogTerm: integer,
    transfer: fc.boolean(),
  }),
  fc.record({ ...ends, type: fc.constant('vote-response' as const), granted: fc.boolean() }),
  fc.record({ ...ends, type: fc.constant('append-accepted' as const), matchIndex: integer }),
  fc.record({
    ...ends,
    type: fc.constant('append-rejected' as const),
    rejectedIndex: integer,
    hintIndex: integer,
    hintTerm: integer,
    damaged: fc.boolean(),
  }),
  fc
    .record({
      ...ends,
      type: fc.constant('heartbeat' as const),
      commit: integer,
      matchIndex: integer,
      matchTerm: integer,
      readRound: integer,
      snapshotNeeded: integer,
    })
    .map((one) => ({
      ...one,
      commit: Math.min(one.commit, one.matchIndex),
      matchTerm: Math.min(one.matchTerm, one.term),
    })),
  fc.record({
    ...ends,
    type: fc.constant('heartbeat-response' as const),
    readRound: integer,
    damaged: fc.boolean(),
  }),
  fc.record({ ...ends, type: fc.constant('timeout-now' as const), lastIndex: integer }),
  fc.record({ ...ends, type: fc.constant('read-index-request' as const), round: integer }),
  fc.record({ ...ends, type: fc.constant('read-index-response' as const), round: integer, index: integer }),
);

function encode(one: Message): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, one);
  return writer.take();
}

describe('the codec', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(decodeMessage(new ByteReader(encode(one)), n(1), n(2))).toEqual(one);
      }),
      { numRuns: 500 },
    );
  });

  it('reads entries as views into the frame', () => {
    const frame = encode({
      type: 'append-entries',
      from: n(1),
      to: n(2),
      term: 1,
      prevLogIndex: 0,
      prevLogTerm: 0,
      leaderCommit: 0,
      entries: [command(1, 1, 'abc')],
    });
    const decoded = decodeMessage(new ByteReader(frame), n(1), n(2));
    expect(decoded.type === 'append-entries' && decoded.entries[0]?.data.buffer).toBe(frame.buffer);
  });

  it('refuses every frame that ends early or goes on', () => {
    fc.assert(
      fc.property(message, fc.nat(), (one, cut) => {
        const frame = encode(one);
        const short = frame.subarray(0, cut % frame.length);
        expect(() => decodeMessage(new ByteReader(short), n(1), n(2))).toThrow(DecodeError);
        expect(() => decodeMessage(new ByteReader(Uint8Array.of(...frame, 0)), n(1), n(2))).toThrow(DecodeError);
      }),
    );
  });

  it('reads garbage as a message or refuses it, and does nothing else', () => {
    const garbage = fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 60 }))
      .map(([kind, rest]) => Uint8Array.of(kind, 1, ...rest));
    fc.assert(
      fc.property(fc.oneof(garbage, fc.uint8Array({ maxLength: 60 })), (frame) => {
        try {
          const decoded = decodeMessage(new ByteReader(frame), n(1), n(2));
          // What it took for a message is one, in full.
          expect(decodeMessage(new ByteReader(encode(decoded)), n(1), n(2))).toEqual(decoded);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['an unknown kind', [11, 1, 0]],
    ['an unknown format', [10, 2, 0]],
    ['a count that cannot be', [5, 1, 1, 0, 0, 0, 255, 255, 255, 255, 15]],
    ['an entry of a later term than its message', [5, 1, 1, 0, 0, 0, 1, 1, 2, 0]],
    ['terms that fall', [5, 1, 9, 0, 0, 0, 2, 1, 5, 0, 1, 4, 0]],
    ['an unknown kind of entry', [5, 1, 1, 0, 0, 0, 1, 7, 1, 0]],
    ['a flag that is none', [4, 1, 1, 2]],
  ])('refuses %s', (_, frame) => {
    expect(() => decodeMessage(new ByteReader(Uint8Array.from(frame)), n(1), n(2))).toThrow(DecodeError);
  });
});
