import { describe, expect, test } from 'vitest';
import { Calendar } from '../../src/calendar/calendar.ts';
import { parseCalendar } from '../../src/calendar/definition.ts';
import { iso, planned } from './support.ts';

const NOON = '2026-11-23T12:00:00Z';

describe('dates that only some months have', () => {
  test.each([
    ['0 0 29 2 *', '2024-03-01T00:00Z', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
    // 2100 is no leap year.
    ['0 0 29 2 *', '2096-03-01T00:00Z', ['2104-02-29T00:00Z', '2108-02-29T00:00Z']],
    ['0 0 31 * *', '2026-01-31T00:00Z', ['2026-03-31T00:00Z', '2026-05-31T00:00Z']],
    ['0 0 L * *', '2027-12-31T00:00Z', ['2028-01-31T00:00Z', '2028-02-29T00:00Z']],
    ['0 0 L 2 *', '2026-01-01T00:00Z', ['2026-02-28T00:00Z', '2027-02-28T00:00Z']],
    // 31 January 2026 is a Saturday, 28 February a Saturday, 31 May a Sunday.
    ['0 0 LW 1,2,5 *', '2026-01-01T00:00Z', ['2026-01-30T00:00Z', '2026-02-27T00:00Z', '2026-05-29T00:00Z']],
    // 15 August 2026 is a Saturday, 15 November a Sunday, 15 September a Tuesday.
    ['0 0 15W 8,9,11 *', '2026-08-01T00:00Z', ['2026-08-14T00:00Z', '2026-09-15T00:00Z', '2026-11-16T00:00Z']],
    // 1 August 2026 is a Saturday: the nearest workday of its month is Monday the third. 31 May is a Sunday: Friday the 29th.
    ['0 0 1W,31W 5,8 *', '2026-05-02T00:00Z', ['2026-05-29T00:00Z', '2026-08-03T00:00Z', '2026-08-31T00:00Z']],
    ['0 0 * * MON#1', NOON, ['2026-12-07T00:00Z', '2027-01-04T00:00Z']],
    // Only some months have a fifth Friday.
    ['0 0 * * 5#5', NOON, ['2027-01-29T00:00Z', '2027-04-30T00:00Z']],
    ['0 0 * * 5L', NOON, ['2026-11-27T00:00Z', '2026-12-25T00:00Z']],
    ['0 0 * * friL', NOON, ['2026-11-27T00:00Z', '2026-12-25T00:00Z']],
    ['0 0 * * 0,7', NOON, ['2026-11-29T00:00Z', '2026-12-06T00:00Z']],
    ['0 0 * * sat-sun', NOON, ['2026-11-28T00:00Z', '2026-11-29T00:00Z', '2026-12-05T00:00Z']],
    // A leap day on a Monday.
    ['0 0 0 29 2 ? 2028,2044,2050', NOON, ['2028-02-29T00:00Z', '2044-02-29T00:00Z']],
  ])('%s after %s', (cron, after, expected) => {
    expect(planned({ cron }, after, expected.length)).toEqual(expected);
  });

  test('day of month and day of week add up where both are restricted, unless both must fit', () => {
    const cron = '0 12 13 * FRI';
    expect(planned({ cron }, NOON, 4)).toEqual([
      '2026-11-27T12:00Z',
      '2026-12-04T12:00Z',
      '2026-12-11T12:00Z',
      '2026-12-13T12:00Z',
    ]);
    expect(planned({ cron, dayMatch: 'and' }, NOON, 2)).toEqual(['2027-08-13T12:00Z', '2028-10-13T12:00Z']);
    expect(planned({ cron: '0 12 ? * FRI' }, NOON, 2)).toEqual(['2026-11-27T12:00Z', '2026-12-04T12:00Z']);
  });
});

describe('forms of a pattern', () => {
  test.each([
    ['@hourly', ['2026-11-23T13:00Z', '2026-11-23T14:00Z']],
    ['@daily', ['2026-11-24T00:00Z', '2026-11-25T00:00Z']],
    ['@midnight', ['2026-11-24T00:00Z', '2026-11-25T00:00Z']],
    ['@Weekly', ['2026-11-29T00:00Z', '2026-12-06T00:00Z']],
    ['@monthly', ['2026-12-01T00:00Z', '2027-01-01T00:00Z']],
    ['@yearly', ['2027-01-01T00:00Z', '2028-01-01T00:00Z']],
    ['@annually', ['2027-01-01T00:00Z', '2028-01-01T00:00Z']],
    ['15,45 12 * * *', ['2026-11-23T12:15Z', '2026-11-23T12:45Z', '2026-11-24T12:15Z']],
    ['*/20 * * * * *', ['2026-11-23T12:00:20Z', '2026-11-23T12:00:40Z', '2026-11-23T12:01Z']],
    ['30 59 23 31 12 * 2026-2027', ['2026-12-31T23:59:30Z', '2027-12-31T23:59:30Z']],
    ['0 0 1 jan,JUL *', ['2027-01-01T00:00Z', '2027-07-01T00:00Z']],
    ['0 0 */30 * *', ['2026-12-01T00:00Z', '2026-12-31T00:00Z', '2027-01-01T00:00Z']],
    ['0 0 */31 * *', ['2026-12-01T00:00Z', '2027-01-01T00:00Z']],
    ['0 0 */29 * *', ['2026-11-30T00:00Z', '2026-12-01T00:00Z', '2026-12-30T00:00Z', '2027-01-01T00:00Z']],
    ['0 6-18/6 * * MON-FRI', ['2026-11-23T18:00Z', '2026-11-24T06:00Z', '2026-11-24T12:00Z']],
  ])('%s', (cron, expected) => {
    expect(planned({ cron }, NOON, expected.length)).toEqual(expected);
  });

  test('the same pattern over 400 days is looked up day by day and misses none', () => {
    const from = Date.parse(NOON);
    const { occurrences } = new Calendar(parseCalendar({ cron: '30 2 * * *', timeZone: 'Europe/London' }), 'x').between(
      from,
      from + 400 * 86_400_000,
      1_000,
    );
    expect(occurrences.length).toBe(400);
  });
});

describe('H spreads schedules by their id', () => {
  test('an id always gets the same time, and others get others', () => {
    const cron = 'H H * * *';
    // Written down, so that a release that moved users' schedules would be seen.
    expect(planned({ cron }, NOON, 2, 'nightly')).toEqual(['2026-11-24T11:58Z', '2026-11-25T11:58Z']);
    const times = Array.from({ length: 200 }, (_, at) => planned({ cron }, NOON, 1, `backup-${at}`)[0]?.slice(11));
    expect(new Set(times).size).toBeGreaterThan(150);
  });

  test('stays in its range, and steps keep their distance', () => {
    for (let at = 0; at < 50; at += 1) {
      const id = `report:${at}`;
      const minutes = planned({ cron: 'H(10-19)/5 3 * * *' }, NOON, 2, id).map((text) => Number(text.slice(14, 16)));
      expect(minutes[0]).toBeGreaterThanOrEqual(10);
      expect(minutes[0]).toBeLessThan(15);
      expect(minutes[1]).toBe((minutes[0] as number) + 5);
      expect(planned({ cron: 'H/15 * * * *' }, NOON, 5, id).length).toBe(5);
      const [day] = planned({ cron: '0 0 H * *' }, NOON, 1, id);
      expect(Number(day?.slice(8, 10))).toBeLessThanOrEqual(28);
      expect([0, 6]).not.toContain(new Date(planned({ cron: '0 0 * * H(1-5)' }, NOON, 1, id)[0] as string).getUTCDay());
    }
  });

  test('a step through hours is a list of hours, so it follows the clock and not elapsed time', () => {
    const input = { cron: '30 H(0-2)/1 * * *', timeZone: 'America/New_York' };
    expect(planned(input, '2026-03-08T00:00-05:00', 4)).toEqual([
      '2026-03-08T05:30Z',
      '2026-03-08T06:30Z',
      '2026-03-08T07:00Z',
      '2026-03-09T04:30Z',
    ]);
  });
});

describe('periods', () => {
  test('are counted from the epoch, or from the phase', () => {
    expect(planned({ every: '90m' }, '2026-11-23T00:00Z', 3)).toEqual([
      '2026-11-23T01:30Z',
      '2026-11-23T03:00Z',
      '2026-11-23T04:30Z',
    ]);
    expect(planned({ every: '90m', phase: '2026-01-01T00:10Z' }, '2026-11-23T00:00Z', 2)).toEqual([
      '2026-11-23T00:10Z',
      '2026-11-23T01:40Z',
    ]);
    expect(planned({ every: '7d', phase: '2026-01-05T09:00:00Z' }, NOON, 1)).toEqual(['2026-11-30T09:00Z']);
  });

  test('know no clocks', () => {
    const input = { every: '1h', timeZone: 'America/New_York' };
    expect(planned(input, '2026-03-08T05:30Z', 4)).toEqual([
      '2026-03-08T06:00Z',
      '2026-03-08T07:00Z',
      '2026-03-08T08:00Z',
      '2026-03-08T09:00Z',
    ]);
  });
});

describe('several specs', () => {
  test('an instant that two name is one occurrence', () => {
    const specs = ['0 */6 * * *', '0 12 * * *', { at: '2026-11-24T12:00:00Z' }, { at: '2026-11-24T13:00:00Z' }];
    expect(planned({ specs }, NOON, 5)).toEqual([
      '2026-11-23T18:00Z',
      '2026-11-24T00:00Z',
      '2026-11-24T06:00Z',
      '2026-11-24T12:00Z',
      '2026-11-24T13:00Z',
    ]);
  });

  test('all that fell into one gap fire once behind it, and only those that may', () => {
    const timeZone = 'Europe/London';
    expect(planned({ specs: ['10 1 29 3 *', '20 1 29 3 *', '0 2 29 3 *'], timeZone }, '2026-03-01T00:00Z', 2)).toEqual([
      '2026-03-29T01:00Z',
      '2027-03-29T00:10Z',
    ]);
    expect(
      planned({ specs: ['10 1 29 3 *', '5 2 29 3 *'], timeZone, dst: { gap: 'skip' } }, '2026-03-01T00:00Z', 1),
    ).toEqual(['2026-03-29T01:05Z']);
  });
});

describe('exclusions', () => {
  test('leave out what their wall-clock time matches, whatever the second, and single instants', () => {
    const input = { cron: '*/30 0 12 * * *', exclude: ['* * 24 * *', { at: '2026-11-25T12:00:30Z' }] };
    expect(planned(input, NOON, 3)).toEqual(['2026-11-23T12:00:30Z', '2026-11-25T12:00Z', '2026-11-26T12:00Z']);
  });

  test('with seconds leave out single seconds', () => {
    expect(planned({ cron: '*/20 0 12 * * *', exclude: ['20 * * * * *'] }, NOON, 3)).toEqual([
      '2026-11-23T12:00:40Z',
      '2026-11-24T12:00Z',
      '2026-11-24T12:00:40Z',
    ]);
  });

  test('are read in the zone of the schedule', () => {
    const input = { every: '6h', timeZone: 'Asia/Kathmandu', exclude: ['* 0-11 * * *'] };
    // 12:00 UTC is 17:45 in Kathmandu, 18:00 is 23:45.
    expect(planned(input, '2026-11-23T11:00Z', 3)).toEqual([
      '2026-11-23T12:00Z',
      '2026-11-23T18:00Z',
      '2026-11-24T12:00Z',
    ]);
  });

  test('of an hour that a change of clock cuts in two leave out what the clocks show', () => {
    // 03:45 becomes 02:45 at 14:00 UTC.
    const back = { cron: '*/5 * * * *', timeZone: 'Pacific/Chatham', exclude: ['* 3 * * *'] };
    const fired = [
      '2026-04-04T13:10Z',
      '2026-04-04T14:00Z',
      '2026-04-04T14:05Z',
      '2026-04-04T14:10Z',
      '2026-04-04T15:15Z',
    ];
    expect(planned(back, '2026-04-04T13:06:00Z', 5)).toEqual(fired);
    // 02:45 becomes 03:45 at 14:00 UTC.
    const forward = { ...back, exclude: ['* 2 * * *'] };
    expect(planned(forward, '2026-09-26T13:06:00Z', 2)).toEqual(['2026-09-26T13:10Z', '2026-09-26T14:00Z']);
  });

  test('of whole hours cost one look, so that a pattern of each second passes them', () => {
    const calendar = new Calendar(
      parseCalendar({ cron: '* * * * * *', exclude: ['* 9-16 * * *', '* * 24-30 * *'] }),
      'x',
    );
    const { occurrences } = calendar.next(Date.parse('2026-11-23T23:59:58Z'), 2);
    expect(iso(occurrences.map(({ plannedMs }) => plannedMs))).toEqual(['2026-11-23T23:59:59Z', '2026-12-01T00:00Z']);
  });

  test('are searched no longer than the asker has time, and every call gets on', () => {
    const calendar = new Calendar(parseCalendar({ cron: '*/5 * * * *', exclude: ['* * * * MON-SAT'] }), 'x');
    const from = Date.parse(NOON);
    const whole = calendar.next(from, 3);
    let throughMs = from;
    let fruitless = 0;
    const found: number[] = [];
    for (let calls = 0; found.length < 3; calls += 1) {
      const part = calendar.next(throughMs, 3 - found.length, undefined, () => true);
      expect(part.throughMs).toBeGreaterThan(throughMs);
      expect(part.occurrences.length + part.fruitless).toBe(1);
      throughMs = part.throughMs;
      fruitless += part.fruitless;
      found.push(...part.occurrences.map(({ plannedMs }) => plannedMs));
      expect(calls).toBeLessThan(100);
    }
    expect(iso(found)).toEqual(['2026-11-29T00:00Z', '2026-11-29T00:05Z', '2026-11-29T00:10Z']);
    expect(found).toEqual(whole.occurrences.map(({ plannedMs }) => plannedMs));
    expect(fruitless).toBe(whole.fruitless);
    const steps = calendar.previewSteps(from, 2);
    let count = 0;
    while (!steps.step(() => true)) count += 1;
    expect(count).toBeGreaterThan(2);
    expect(steps.shown.map(({ plannedMs }) => plannedMs)).toEqual(found.slice(0, 2));
  });

  test('that leave nothing end each search after a bounded number of looks, and it goes on where it stopped', () => {
    const calendar = new Calendar(
      parseCalendar({ cron: '*/5 * * * *', exclude: ['*/10 * * * *', '5-55/10 * * * *'] }),
      'x',
    );
    const from = Date.parse(NOON);
    const first = calendar.next(from, 10);
    expect(first.occurrences).toEqual([]);
    expect(first.exhausted).toBe(false);
    expect(first.throughMs).toBeGreaterThan(from);
    expect(calendar.next(first.throughMs, 10).throughMs).toBeGreaterThan(first.throughMs);
    expect(calendar.preview(from, 3)).toEqual([]);
    expect(calendar.between(from, from + 86_400_000, 3)).toEqual({ occurrences: [], more: false });
  });
});

describe('start and end', () => {
  const input = { cron: '0 0 * * *', startAt: '2026-12-01T00:00:00Z', endAt: '2026-12-03T00:00:00Z' };

  test('are inclusive', () => {
    expect(planned(input, NOON, 9)).toEqual(['2026-12-01T00:00Z', '2026-12-02T00:00Z', '2026-12-03T00:00Z']);
  });

  test('the last occurrence is known to be the last in the answer that holds it', () => {
    const calendar = new Calendar(parseCalendar(input), 'x');
    expect(calendar.next(Date.parse(NOON), 2).exhausted).toBe(false);
    expect(calendar.next(Date.parse(NOON), 3).exhausted).toBe(true);
    expect(calendar.next(Date.parse('2026-12-03T00:00:00Z'), 3)).toMatchObject({ occurrences: [], exhausted: true });
    const once = new Calendar(parseCalendar({ at: '2026-12-01T00:00:00Z' }), 'x');
    expect(once.next(Date.parse(NOON), 1).exhausted).toBe(true);
    expect(once.next(Date.parse('2026-12-01T00:00:00Z'), 1)).toMatchObject({ occurrences: [], exhausted: true });
  });

  test('a search that is told where to stop says that it looked that far', () => {
    const calendar = new Calendar(parseCalendar({ cron: '0 0 1 1 *' }), 'x');
    const until = Date.parse('2026-12-01T00:00:00Z');
    expect(calendar.next(Date.parse(NOON), 5, until)).toMatchObject({
      occurrences: [],
      throughMs: until,
      exhausted: false,
    });
    const at = Date.parse('2027-01-01T00:00:00Z');
    expect(calendar.next(Date.parse(NOON), 5, at)).toMatchObject({
      occurrences: [{ plannedMs: at, fireAtMs: at }],
      throughMs: at,
      exhausted: false,
    });
  });

  test('time ends with the year 2999', () => {
    expect(planned({ cron: '0 0 1 1 *' }, '2997-06-01T00:00Z', 9)).toEqual(['2998-01-01T00:00Z', '2999-01-01T00:00Z']);
    expect(planned({ every: '3650d' }, '2995-01-01T00:00Z', 9).length).toBeLessThanOrEqual(1);
  });
});

describe('jitter', () => {
  const input = { cron: '*/10 * * * *', jitter: '5m' };

  test('is the same for an occurrence whoever asks, and not the same for all', () => {
    const from = Date.parse(NOON);
    const all = new Calendar(parseCalendar(input), 'nightly').next(from, 100).occurrences;
    const some = new Calendar(parseCalendar(input), 'nightly').next(from + 3_600_000, 1).occurrences;
    expect(all).toContainEqual(some[0]);
    const delays = all.map(({ plannedMs, fireAtMs }) => fireAtMs - plannedMs);
    expect(Math.max(...delays)).toBeLessThanOrEqual(300_000);
    expect(Math.max(...delays)).toBeGreaterThan(240_000);
    expect(Math.min(...delays)).toBeLessThan(60_000);
    expect(new Set(delays).size).toBeGreaterThan(90);
    // Written down, so that a release that moved users' schedules would be seen.
    expect(delays.slice(0, 3)).toEqual([39_499, 80_095, 230_179]);
  });

  test('never reaches the next planned instant, even where it is longer than the period', () => {
    const { occurrences } = new Calendar(parseCalendar({ every: '1s', jitter: '1d' }), 'x').next(Date.parse(NOON), 50);
    expect(occurrences.every(({ plannedMs, fireAtMs }) => fireAtMs < plannedMs + 1_000)).toBe(true);
    expect(occurrences.some(({ plannedMs, fireAtMs }) => fireAtMs > plannedMs)).toBe(true);
  });
});

describe('a preview shows what a change of clock does', () => {
  const show = (input: object, after: string, n: number): string[] =>
    new Calendar(parseCalendar(input), 'x')
      .preview(Date.parse(after), n)
      .map(({ wall, utcOffset, clockChange }) => [wall, utcOffset, clockChange ?? ''].join(' ').trim());

  test('one that a gap moved, and the one after it', () => {
    const input = { cron: '30 2 * * *', timeZone: 'America/New_York' };
    expect(show(input, '2026-03-06T12:00:00Z', 3)).toEqual([
      '2026-03-07 02:30:00 -05:00',
      '2026-03-08 03:00:00 -04:00 gap',
      '2026-03-09 02:30:00 -04:00',
    ]);
  });

  test('one that exists twice, once or both times', () => {
    const input = { cron: '45 1 * * *', timeZone: 'Australia/Lord_Howe' };
    expect(show(input, '2026-04-03T00:00:00Z', 3)).toEqual([
      '2026-04-04 01:45:00 +11:00',
      '2026-04-05 01:45:00 +11:00 overlap',
      '2026-04-06 01:45:00 +10:30 offset',
    ]);
    expect(show({ ...input, dst: { overlap: 'both' } }, '2026-04-04T00:00:00Z', 2)).toEqual([
      '2026-04-05 01:45:00 +11:00 overlap',
      '2026-04-05 01:45:00 +10:30 overlap',
    ]);
  });

  test('one that stands on its own feet behind a gap is not moved, though another fell into it', () => {
    const input = { specs: ['30 1 * * *', '0 2 * * *'], timeZone: 'Europe/London' };
    expect(show(input, '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29 02:00:00 +01:00 offset',
      '2026-03-30 01:30:00 +01:00',
    ]);
  });

  test('a whole day that a country left out', () => {
    const input = { cron: '0 9 * * *', timeZone: 'Pacific/Apia' };
    expect(show(input, '2011-12-29T00:00:00Z', 4)).toEqual([
      '2011-12-29 09:00:00 -10:00',
      '2011-12-31 00:00:00 +14:00 gap',
      '2011-12-31 09:00:00 +14:00',
      '2012-01-01 09:00:00 +14:00',
    ]);
  });

  test('shows no more than a thousand, and what there is', () => {
    expect(show({ every: '1s' }, NOON, 5_000).length).toBe(1_000);
    expect(show({ at: '2026-12-01T00:00:00.5Z' }, NOON, 5)).toEqual(['2026-12-01 00:00:00.500 +00:00']);
  });
});

test('a zone that this process does not know is refused by name when a definition of another peer is opened', () => {
  const definition = { ...parseCalendar({ cron: '0 0 * * *' }), timeZone: 'Moon/Tranquility' };
  expect(() => new Calendar(definition, 'x')).toThrow('The time zone "Moon/Tranquility" is not known to this peer.');
});
