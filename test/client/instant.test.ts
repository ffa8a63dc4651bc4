import fc from 'fast-check';
import { expect, it } from 'vitest';
import { instantLikeMs } from '../../src/client/instant.ts';

const END_MS = Date.UTC(2999, 11, 31);

it('is what a date says, in whatever form', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: END_MS }), fc.integer({ min: -14 * 60, max: 14 * 60 }), (ms, offset) => {
      expect(instantLikeMs(ms, 'at')).toBe(ms);
      expect(instantLikeMs(new Date(ms), 'at')).toBe(ms);
      expect(instantLikeMs(new Date(ms).toISOString(), 'at')).toBe(ms);
      const wall = new Date(ms + offset * 60_000).toISOString().slice(0, -1);
      const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60];
      const zone = `${offset < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`;
      if (ms + offset * 60_000 >= 0) expect(instantLikeMs(wall + zone, 'at')).toBe(ms);
    }),
  );
  expect(instantLikeMs('2024-02-29T23:59Z', 'at')).toBe(Date.UTC(2024, 1, 29, 23, 59));
  expect(instantLikeMs('2026-01-01T00:00:00.5+0100', 'at')).toBe(Date.UTC(2025, 11, 31, 23) + 500);
});

it.each([
  '2026-01-01',
  '2026-01-01T00:00:00',
  '2026-02-29T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-00-10T00:00:00Z',
  '2026-01-00T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T00:00:00+01:60',
  '1969-12-31T23:59:59Z',
  'tomorrow',
  Number.NaN,
  -1,
  1.5,
])('is none: %j', (text) => {
  expect(() => instantLikeMs(text, 'startAt')).toThrow('startAt is a date');
});
