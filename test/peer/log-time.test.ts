import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import type { Instant } from '../../src/peer/log-time.ts';
import { CLOCK_STALE_MS, LogTime, SLEW_MAX } from '../../src/peer/log-time.ts';

const P2 = peerId('p2');
const P3 = peerId('p3');
const HOUR_MS = 3_600_000;

/** An instant at which this peer's wall clock is `offsetMs` ahead of its monotonic one. */
function at(monotonicMs: number, offsetMs = 1_000_000): Instant {
  return { monotonicMs, wallMs: monotonicMs + offsetMs };
}

describe('the first stamp of a term', () => {
  test('goes on from the last stamp received by the monotonic time since', () => {
    const time = new LogTime();
    time.heardStamp(5_000, at(100));
    time.lead(at(350));
    expect(time.stamp(at(350))).toBe(5_250);
  });

  test('is the own wall clock where no stamp and no other clock was heard', () => {
    const time = new LogTime();
    time.lead(at(100));
    expect(time.stamp(at(100))).toBe(1_000_100);
  });

  test('is the median of the wall clocks where no stamp was heard since the start', () => {
    const time = new LogTime();
    time.heardClock(P2, 2_000_100, at(100));
    time.heardClock(P3, 2_000_140, at(100));
    time.lead(at(100, HOUR_MS * 1_000));
    expect(time.stamp(at(100, HOUR_MS * 1_000))).toBe(2_000_140);
  });

  test('is never below what the own log holds, whatever the clocks say', () => {
    const time = new LogTime();
    time.restore(9_000_000);
    time.lead(at(100));
    expect(time.stamp(at(100))).toBe(9_000_000);
  });

  test('does not follow entries that were caught up on: they are as old as the outage', () => {
    const time = new LogTime();
    time.restore(1_000);
    time.lead(at(2 * HOUR_MS, 50));
    expect(time.stamp(at(2 * HOUR_MS, 50))).toBe(2 * HOUR_MS + 50);
  });

  test('goes on from the own stamps where this peer led before', () => {
    const time = new LogTime();
    time.heardStamp(10_000, at(0));
    time.lead(at(0));
    expect(time.stamp(at(1_000, 10_000))).toBe(11_000);
    time.follow();
    time.lead(at(1_500, 10_000));
    expect(time.stamp(at(1_500, 10_000))).toBe(11_500);
  });
});

describe('the stamps of a leader', () => {
  test('slew to the median of three clocks by a twentieth of the time that passes, and no further', () => {
    const time = new LogTime();
    time.heardStamp(1_000_000, at(0));
    time.lead(at(0));
    for (let now = 0; now <= 1_000; now += 50) {
      time.heardClock(P2, 1_000_500 + now, at(now));
      time.heardClock(P3, 1_000_500 + now, at(now));
      time.stamp(at(now));
    }
    expect(time.stamp(at(1_000))).toBe(1_001_050);
    for (let now = 1_000; now <= 20_000; now += 50) {
      time.heardClock(P2, 1_000_500 + now, at(now));
      time.heardClock(P3, 1_000_500 + now, at(now));
      time.stamp(at(now));
    }
    expect(time.stamp(at(20_000))).toBe(1_020_500);
  });

  test('do not notice that the own wall clock jumped by an hour while two others are heard', () => {
    const time = new LogTime();
    time.heardStamp(1_000_000, at(0));
    time.lead(at(0));
    let last = 0;
    for (let now = 10; now <= 10_000; now += 10) {
      if (now % 50 === 0) {
        time.heardClock(P2, 1_000_000 + now, at(now));
        time.heardClock(P3, 1_000_000 + now, at(now));
      }
      last = time.stamp(at(now, 1_000_000 + (now > 500 ? HOUR_MS : 0)));
    }
    expect(last).toBe(1_010_000);
    expect(time.offsetMs(at(10_000, 1_000_000 + HOUR_MS))).toBe(HOUR_MS);
  });

  test('never go back, whatever happens to the clocks, and never run off by more than the slew', () => {
    const step = fc.record({
      passMs: fc.integer({ min: 0, max: 5_000 }),
      jumpMs: fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS }),
      hear: fc.constantFrom(undefined, P2, P3),
      theirsMs: fc.integer({ min: 0, max: 10 * HOUR_MS }),
      reign: fc.constantFrom('go on', 'go on', 'go on', 'follow and lead'),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const time = new LogTime();
        let now = 0;
        let offset = 5 * HOUR_MS;
        time.lead(at(now, offset));
        let last = time.stamp(at(now, offset));
        let lastAt = now;
        for (const { passMs, jumpMs, hear, theirsMs, reign } of steps) {
          now += passMs;
          offset += jumpMs;
          if (hear !== undefined) time.heardClock(hear, theirsMs, at(now, offset));
          if (reign === 'follow and lead') {
            time.follow();
            time.lead(at(now, offset));
          }
          const stamp = time.stamp(at(now, offset));
          expect(Number.isSafeInteger(stamp)).toBe(true);
          expect(stamp).toBeGreaterThanOrEqual(last);
          expect(stamp - last).toBeLessThanOrEqual((now - lastAt) * (1 + SLEW_MAX) + 1);
          expect(time.nowMs(at(now, offset))).toBe(stamp);
          last = stamp;
          lastAt = now;
        }
      }),
    );
  });
});

describe('the clocks of the others', () => {
  test('count by their quickest sample, so that a frame that lay in a buffer moves nothing', () => {
    const time = new LogTime();
    for (const now of [0, 50, 100]) time.heardClock(P2, 1_000_000 + now, at(now));
    time.heardClock(P2, 1_000_100, at(4_000));
    expect(time.offsetOfMs(P2, at(4_000))).toBe(0);
  });

  test('are forgotten when they have not been heard for a while', () => {
    const time = new LogTime();
    time.heardClock(P2, 1_000_000, at(0));
    time.heardClock(P3, 1_000_000, at(0));
    expect(time.offsetMs(at(CLOCK_STALE_MS))).toBe(0);
    expect(time.offsetMs(at(CLOCK_STALE_MS + 1))).toBeUndefined();
    expect(time.offsetOfMs(P2, at(CLOCK_STALE_MS + 1))).toBeUndefined();
  });

  test('a new time shows once the samples of the old one are gone', () => {
    const time = new LogTime();
    for (let now = 0; now < 1_000; now += 50) {
      time.heardClock(P2, 1_000_000 + now - (now >= 500 ? HOUR_MS : 0), at(now));
      time.heardClock(P3, 1_000_000 + now, at(now));
    }
    expect(time.offsetOfMs(P2, at(1_000))).toBe(-HOUR_MS);
    expect(time.offsetMs(at(1_000))).toBe(0);
  });
});
