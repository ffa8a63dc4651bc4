import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { Compaction } from '../../src/peer/compaction.ts';
import { decodeEnvelope, EnvelopeWriter, laneOf } from '../../src/peer/envelope.ts';
import { judgeClock } from '../../src/peer/clock-watch.ts';
import { LogTime } from '../../src/peer/log-time.ts';
import { QuorumWatch } from '../../src/peer/quorum-watch.ts';
import { ReadQueue } from '../../src/peer/reads.ts';
import { Ticker } from '../../src/peer/ticker.ts';
import type { ReadDone } from '../../src/peer/types.ts';
import type { PeerStatus } from '../../src/raft/status.ts';
import type { AppendEntries } from '../../src/raft/message.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { VirtualTime } from '../support/virtual-time.ts';

const [P1, P2, P3] = [peerId('p1'), peerId('p2'), peerId('p3')];

describe('an envelope', () => {
  const data = Uint8Array.from({ length: 300 }, (_, at) => at & 0xff);
  const entries = [{ index: 8, term: 3, kind: EntryKind.command, data }];
  const append: AppendEntries = {
    type: 'append-entries',
    from: P1,
    to: P2,
    term: 3,
    prevLogIndex: 7,
    prevLogTerm: 2,
    leaderCommit: 6,
    entries,
  };

  test('carries a message and the wall clock of its sender', () => {
    const frame = new EnvelopeWriter().frame(append, 1_700_000_000_123.9);
    expect(decodeEnvelope(frame, P1, P2)).toEqual({ wallMs: 1_700_000_000_123, message: append });
  });

  test('is encoded once for all peers that get the same entries, and anew for others', () => {
    const writer = new EnvelopeWriter();
    const first = writer.frame(append, 1);
    expect(writer.frame({ ...append, to: P3 }, 2)).toBe(first);
    expect(writer.frame({ ...append, leaderCommit: 7 }, 2)).not.toBe(first);
    writer.forget();
    expect(writer.frame(append, 1)).not.toBe(first);
  });

  test('keeps no large buffer in memory for the sake of a small entry', () => {
    const frame = new EnvelopeWriter().frame(append, 1);
    const buffer = new Uint8Array(64 * 1024);
    buffer.set(frame, 100);
    const { message } = decodeEnvelope(buffer.subarray(100, 100 + frame.length), P1, P2);
    expect(message.type === 'append-entries' && message.entries[0]?.data.buffer.byteLength).toBe(frame.length);
  });

  test('is refused when it is anything else', () => {
    const frame = new EnvelopeWriter().frame(append, 1);
    expect(() => decodeEnvelope(frame.subarray(0, 20), P1, P2)).toThrow(DecodeError);
    expect(() => decodeEnvelope(Uint8Array.of(9, ...frame.subarray(1)), P1, P2)).toThrow('kind 9');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeEnvelope(bytes, P1, P2);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });

  test('of a vote or heartbeat never waits behind entries', () => {
    expect(laneOf(append)).toBe('bulk');
    expect(laneOf({ type: 'timeout-now', from: P1, to: P2, term: 1, lastIndex: 0 })).toBe('control');
    expect(laneOf({ type: 'vote-response', from: P1, to: P2, term: 1, granted: true })).toBe('control');
  });
});

describe('a ticker', () => {
  test('ticks once a tick', async () => {
    const time = new VirtualTime();
    let ticks = 0;
    const ticker = new Ticker({ clock: time.clock(0), timers: time }, 10, () => {
      ticks += 1;
    });
    ticker.start();
    await time.advance(1_000);
    expect(ticks).toBe(100);
    ticker.stop();
    await time.advance(1_000);
    expect(ticks).toBe(100);
  });

  test('counts two ticks at most after a pause, and then goes on as before', () => {
    let nowMs = 0;
    let fire = (): void => {};
    let ticks = 0;
    const timers = {
      after: (_: number, action: () => void) => {
        fire = action;
        return { cancel(): void {} };
      },
      soon(): void {},
    };
    const clock = { monotonicMs: () => nowMs, wallMs: () => 0 };
    const ticker = new Ticker({ clock, timers }, 10, () => {
      ticks += 1;
    });
    ticker.start();
    nowMs = 60_000;
    fire();
    expect(ticks).toBe(2);
    nowMs = 60_010;
    fire();
    expect(ticks).toBe(3);
    nowMs = 60_029;
    fire();
    expect(ticks).toBe(4);
    nowMs = 60_030;
    fire();
    expect(ticks).toBe(5);
  });
});

describe('reads', () => {
  function queue(max = 10): { reads: ReadQueue; asked: number[]; told: string[]; read(name: string): void } {
    const reads = new ReadQueue(max);
    const told: string[] = [];
    return {
      reads,
      asked: [],
      told,
      read: (name) => {
        reads.add((result, index) => told.push(`${name} ${result} ${index}`));
      },
    };
  }

  test('that wait together share one question, and are answered once the state is that far', () => {
    const { reads, asked, told, read } = queue();
    const ask = (id: number): boolean => asked.push(id) > 0;
    read('a');
    read('b');
    reads.ask(ask, 3);
    read('c');
    reads.ask(ask, 3);
    expect(asked).toEqual([1, 2]);
    reads.confirmed([{ id: 1, index: 5 }]);
    reads.release(4);
    expect(told).toEqual([]);
    reads.confirmed([{ id: 2, index: 9 }]);
    reads.release(6);
    expect(told).toEqual(['a ok 6', 'b ok 6']);
    reads.release(9);
    expect(told).toEqual(['a ok 6', 'b ok 6', 'c ok 9']);
  });

  test('are told that nobody leads here when the core says so, or leadership is lost', () => {
    const { reads, told, read } = queue();
    read('refused');
    reads.ask(() => false, 1);
    read('lost');
    reads.ask(() => true, 1);
    reads.lost([2], 1);
    read('asked');
    reads.ask(() => true, 1);
    read('waiting');
    reads.abandon(1);
    expect(told).toEqual(['refused not-leader 1', 'lost not-leader 1', 'asked not-leader 1', 'waiting not-leader 1']);
  });

  test('over the bound are turned away, until others are done', () => {
    const { reads, told, read } = queue(1);
    read('first');
    read('second');
    reads.ask(() => true, 1);
    expect(told).toEqual(['second not-leader 1']);
    reads.confirmed([{ id: 1, index: 1 }]);
    reads.release(1);
    read('third');
    reads.ask(() => true, 1);
    reads.confirmed([{ id: 2, index: 1 }]);
    reads.release(1);
    expect(told.at(-1)).toBe('third ok 1');
  });
});

describe('when a quorum was heard', () => {
  test('counts from the begin of a round, so that an answer that waited in a socket proves nothing about now', () => {
    let nowMs = 0;
    const rounds: ReadDone[] = [];
    const watch = new QuorumWatch({ monotonicMs: () => nowMs, wallMs: () => 0 }, (done) => rounds.push(done));
    expect(watch.heardMsAgo()).toBe(Number.POSITIVE_INFINITY);
    watch.tick();
    nowMs = 20_000;
    rounds[0]!('ok', 1);
    expect(watch.heardMsAgo()).toBe(20_000);
    watch.tick();
    rounds[1]!('ok', 1);
    expect(watch.heardMsAgo()).toBe(0);
  });

  test('is not known of an earlier leadership, and not by a round that failed', () => {
    let nowMs = 0;
    const rounds: ReadDone[] = [];
    const watch = new QuorumWatch({ monotonicMs: () => nowMs, wallMs: () => 0 }, (done) => rounds.push(done));
    watch.tick();
    watch.reset();
    rounds[0]!('ok', 1);
    expect(watch.heardMsAgo()).toBe(Number.POSITIVE_INFINITY);
    watch.tick();
    rounds[1]!('not-leader', 1);
    nowMs = 99;
    watch.tick();
    expect(rounds).toHaveLength(2);
    expect(watch.heardMsAgo()).toBe(Number.POSITIVE_INFINITY);
    nowMs = 100;
    watch.tick();
    expect(rounds).toHaveLength(3);
  });
});

describe('the own clock', () => {
  const now = { monotonicMs: 1_000, wallMs: 5_000_000 };

  function judge(
    role: 'leader' | 'follower',
    p2: { match: number; active: boolean; votes?: boolean; damaged?: boolean },
  ): ReturnType<typeof judgeClock> {
    const logTime = new LogTime();
    logTime.heardClock(P2, 1_000_000, now);
    logTime.heardClock(P3, 2_000, now);
    const peer = (id: typeof P1, matchIndex: number, recentlyActive: boolean): PeerStatus => {
      return {
        peer: id,
        votes: true,
        damaged: false,
        state: 'replicate',
        matchIndex,
        nextIndex: matchIndex + 1,
        recentlyActive,
        silentTicks: 0,
        inflightMessages: 0,
        inflightBytes: 0,
      };
    };
    const { votes = true, damaged = false } = p2;
    const peers = role === 'leader' ? [{ ...peer(P2, p2.match, p2.active), votes, damaged }, peer(P3, 50, true)] : [];
    return judgeClock(logTime, now, { role, commitIndex: 50, peers });
  }

  test('when it is off the median, makes a leader hand over to one that is caught up and right', () => {
    expect(judge('leader', { match: 50, active: true })).toEqual({ type: 'hand-over', to: P2, offsetMs: 4_000_000 });
  });

  test('raises an alarm where nobody could take over, and on a follower', () => {
    expect(judge('leader', { match: 49, active: true })).toEqual({ type: 'alarm', offsetMs: 4_000_000 });
    expect(judge('leader', { match: 50, active: false })).toEqual({ type: 'alarm', offsetMs: 4_000_000 });
    expect(judge('leader', { match: 50, active: true, votes: false })).toMatchObject({ type: 'alarm' });
    expect(judge('leader', { match: 50, active: true, damaged: true })).toMatchObject({ type: 'alarm' });
    expect(judge('follower', { match: 50, active: true })).toEqual({ type: 'alarm', offsetMs: 4_000_000 });
  });

  test('is not judged where fewer than three are heard, and is fine within half a second', () => {
    const logTime = new LogTime();
    logTime.heardClock(P2, 1, now);
    const status = { role: 'leader' as const, commitIndex: 0, peers: [] };
    expect(judgeClock(logTime, now, status)).toEqual({ type: 'fine' });
    logTime.heardClock(P3, 1, now);
    expect(judgeClock(logTime, { ...now, wallMs: 501 }, status)).toEqual({ type: 'fine' });
    expect(judgeClock(logTime, { ...now, wallMs: 502 }, status)).toMatchObject({ type: 'alarm', offsetMs: 501 });
  });
});

describe('of the log', () => {
  const bounds = { nowMs: 0, checkpointIndex: 100, followedIndex: 100, holdBytes: 1_000, bytesFrom: () => 0 };

  test('nothing goes that is needed to start, or that a follower that answers is about to get, up to a bound', () => {
    const compaction = new Compaction(0, 0);
    for (const index of [10, 20, 30, 40]) compaction.marked(index, index);
    expect(compaction.firstIndexToKeep({ ...bounds, checkpointIndex: 25 })).toBe(21);
    expect(compaction.firstIndexToKeep({ ...bounds, followedIndex: 20 })).toBeUndefined();
    expect(compaction.firstIndexToKeep({ ...bounds, followedIndex: 33 })).toBe(31);
    expect(compaction.firstIndexToKeep({ ...bounds, followedIndex: 33, bytesFrom: () => 1_000 })).toBe(41);
    expect(compaction.firstIndexToKeep(bounds)).toBeUndefined();
  });

  test('a tail stays, for ten minutes and up to its bytes, whichever is less', () => {
    const compaction = new Compaction(1_000, 600_000);
    for (let at = 1; at <= 9; at += 1) compaction.marked(at * 10, at * 60_000);
    expect(compaction.firstIndexToKeep({ ...bounds, nowMs: 650_000 })).toBeUndefined();
    expect(compaction.firstIndexToKeep({ ...bounds, nowMs: 660_000 })).toBe(11);
    const bytesFrom = (index: number): number => (100 - index) * 20;
    expect(compaction.firstIndexToKeep({ ...bounds, nowMs: 660_000, bytesFrom })).toBe(41);
  });

  test('what is held back for days takes a bounded place in memory, and goes once it may', () => {
    const compaction = new Compaction(0, 0);
    for (let index = 1; index <= 10_000; index += 1) compaction.marked(index, index);
    expect(compaction.firstIndexToKeep({ ...bounds, checkpointIndex: 10_000, followedIndex: 10_000 })).toBe(10_001);
  });
});
