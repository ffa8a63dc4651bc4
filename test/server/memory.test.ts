import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientSessions } from '../../src/server/client-sessions.ts';
import { ProgressBoard } from '../../src/server/progress.ts';
import { type Waiter, Waiters } from '../../src/server/waiters.ts';
import { VirtualTime } from '../support/virtual-time.ts';

describe('client sessions', () => {
  const IDLE_MS = 3_600_000;

  function begun(known: readonly string[]): { time: VirtualTime; sessions: ClientSessions; ended: string[] } {
    const time = new VirtualTime();
    const ended: string[] = [];
    const sessions = new ClientSessions(time.clock(0), time, IDLE_MS, (session) => ended.push(session));
    sessions.begin(known);
    return { time, sessions, ended };
  }

  it('end an hour after their last contact, counted from the begin of the term', async () => {
    const { time, sessions, ended } = begun(['a', 'b']);
    await time.advance(IDLE_MS / 2);
    sessions.touch('b');
    await time.advance(IDLE_MS / 2 - 1);
    expect(ended).toEqual([]);
    await time.advance(10_000);
    expect(ended).toEqual(['a']);
    sessions.forget('a');
    await time.advance(IDLE_MS / 2);
    expect(ended).toEqual(['a', 'b']);
  });

  it('are asked to end again until that was applied', async () => {
    const { time, sessions, ended } = begun(['a']);
    await time.advance(IDLE_MS + 20_000);
    expect(ended).toEqual(['a', 'a', 'a']);
    sessions.forget('a');
    await time.advance(60_000);
    expect(ended).toHaveLength(3);
  });

  it('are not begun by a contact with one that is gone', async () => {
    const { time, sessions, ended } = begun([]);
    sessions.touch('stranger');
    sessions.contact('opened');
    await time.advance(IDLE_MS);
    expect(ended).toEqual(['opened']);
  });

  it('are forgotten with the term, timers and all', async () => {
    const { time, sessions, ended } = begun(['a']);
    sessions.end();
    await time.advance(2 * IDLE_MS);
    expect(ended).toEqual([]);
  });

  it('end a bounded number at a time', async () => {
    const { time, ended } = begun(Array.from({ length: 250 }, (_, at) => `s${at}`));
    await time.advance(IDLE_MS);
    expect(ended).toHaveLength(100);
  });
});

describe('waiters', () => {
  const waiter = (): Waiter => ({ ended() {}, leaderGone() {}, unreadable() {} });

  it('are given out once, and count as many as there are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { maxLength: 60 }), (steps) => {
        const waiters = new Waiters(10);
        const model = new Map<number, Waiter[]>();
        const count = (): number => [...model.values()].reduce((sum, list) => sum + list.length, 0);
        for (const [number, action] of steps) {
          const known = model.get(number) ?? [];
          if (action <= 1 && !waiters.isFull) {
            const one = waiter();
            waiters.add(number, one);
            model.set(number, [...known, one]);
          } else if (action === 2) {
            const one = known[0] ?? waiter();
            waiters.remove(number, one);
            waiters.remove(number, one);
            model.set(number, known.slice(1));
          } else {
            expect(waiters.take(number)).toEqual(known);
            model.delete(number);
          }
          expect(waiters.count).toBe(count());
          expect(waiters.isFull).toBe(count() === 10);
          expect(waiters.waitedFor(number)).toBe((model.get(number) ?? []).length > 0);
        }
        expect(waiters.takeAll()).toHaveLength(count());
        expect(waiters.count).toBe(0);
      }),
    );
  });

  it('beyond their bound are a mistake of the caller', () => {
    const waiters = new Waiters(1);
    waiters.add(1, waiter());
    expect(() => waiters.add(2, waiter())).toThrow('room for one more');
  });
});

describe('the progress board', () => {
  const LIMITS = { attemptsMax: 3, linesMax: 4, attemptCharsMax: 20, charsMax: 30 };

  it('shows the last word of the attempt that was asked for, and no other', () => {
    const board = new ProgressBoard();
    board.begin(1, 10, 'w1');
    board.report(1, [100, 'a']);
    board.report(1, [200, 'b']);
    board.log(1, [1, 'line']);
    expect([board.progress(1, 10), board.lines(1, 10)]).toEqual([[200, 'b'], [[1, 'line']]]);
    expect([board.progress(1, 11), board.lines(1, 11)]).toEqual([undefined, []]);
    expect([board.knows(1, 10, 'w1'), board.knows(1, 10, 'w2'), board.knows(1, 11, 'w1')]).toEqual([
      true,
      false,
      false,
    ]);
    board.begin(1, 11, 'w2');
    expect([board.progress(1, 10), board.progress(1, 11)]).toEqual([undefined, undefined]);
  });

  it('says nothing of an attempt that was not begun', () => {
    const board = new ProgressBoard();
    board.report(1, [1, 'a']);
    board.log(1, [1, 'a']);
    expect(board.knows(1, 1, 'w1')).toBe(false);
  });

  it('is bounded in attempts, lines and characters, and keeps what was said last', () => {
    const said = fc.tuple(fc.nat(6), fc.integer({ min: 0, max: 25 }));
    fc.assert(
      fc.property(fc.array(said, { maxLength: 80 }), (words) => {
        const board = new ProgressBoard(LIMITS);
        for (const [number, length] of words) {
          if (!board.knows(number, 1, 'w')) board.begin(number, 1, 'w');
          board.log(number, [1, 'x'.repeat(length)]);
          expect(board.lines(number, 1).at(-1)?.[1]).toHaveLength(length);
          const kept = Array.from({ length: 7 }, (_, at) => board.lines(at, 1)).filter((lines) => lines.length > 0);
          const sizes = kept.map((lines) => lines.reduce((sum, [, text]) => sum + text.length, 0));
          expect(kept.length).toBeLessThanOrEqual(3);
          for (const [at, lines] of kept.entries()) {
            expect(lines.length).toBeLessThanOrEqual(4);
            if (lines.length > 1) expect(sizes[at]).toBeLessThanOrEqual(20);
          }
          if (kept.length > 1) expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(30);
        }
      }),
    );
  });

  it('forgets tasks that ended, and everything when leadership ends', () => {
    const board = new ProgressBoard();
    for (const number of [1, 2]) board.begin(number, 1, 'w');
    board.forget(1);
    board.forget(9);
    expect([board.knows(1, 1, 'w'), board.knows(2, 1, 'w')]).toEqual([false, true]);
    board.clear();
    expect(board.knows(2, 1, 'w')).toBe(false);
  });
});
