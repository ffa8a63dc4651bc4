import { describe, expect, test } from 'vitest';
import { calendarText, parseCalendar, readCalendar } from '../../src/calendar/definition.ts';
import { refusal } from './support.ts';

describe('a pattern that cannot be meant is refused where it is wrong', () => {
  test.each([
    ['61 * * * *', '/cron 1:1 61 is no minute: 0 to 59.'],
    ['0 24 * * *', '/cron 1:3 24 is no hour: 0 to 23.'],
    ['0  0   32 * *', '/cron 1:8 32 is no day of month: 1 to 31.'],
    ['0 0 1 0 *', '/cron 1:7 0 is no month: 1 to 12.'],
    ['0 0 * * 8', '/cron 1:9 8 is no day of week: 0 to 7.'],
    ['0 0 * * Mon-Fry', '/cron 1:13 "Fry" is no day of week: did you mean FRI?'],
    ['0 0 * * Monday', '/cron 1:9 "Monday" is no day of week: did you mean MON?'],
    ['0 0 1 Sept *', '/cron 1:7 "Sept" is no month: did you mean SEP?'],
    ['0 0 1 foo *', '/cron 1:7 "foo" is no month: 1 to 12 or JAN to DEC.'],
    ['x * * * *', '/cron 1:1 "x" is no minute: 0 to 59.'],
    ['0 0 * * -1', '/cron 1:9 a day of week is missing here.'],
    ['0 0 * JAN- *', '/cron 1:11 a month is missing here.'],
    ['1,,2 * * * *', '/cron 1:3 a value is missing here.'],
    ['10,20,70 * * * *', '/cron 1:7 70 is no minute: 0 to 59.'],
    ['5/15 * * * *', '/cron 1:2 a step needs * or a range: write 5-59/15.'],
    ['/15 * * * *', '/cron 1:1 "/15" steps through nothing: write */15.'],
    ['*/0 * * * *', '/cron 1:3 "0" is no step: a whole number from 1.'],
    ['*/61 * * * *', '/cron 1:3 a step of 61 goes past the 60 values that it steps through.'],
    ['0 0 */32 * *', '/cron 1:7 a step of 32 goes past the 31 values that it steps through.'],
    ['0 0 H/29 * *', '/cron 1:7 a step of 29 goes past the 28 values that it steps through.'],
    ['0 0 * * */8', '/cron 1:11 a step of 8 goes past the 7 values that it steps through.'],
    ['*/x * * * *', '/cron 1:3 "x" is no step: a whole number from 1.'],
    ['0 22-2 * * *', '/cron 1:3 "22-2" runs backwards: write 22-23,0-2.'],
    ['0 0 * * FRI-MON', '/cron 1:9 "FRI-MON" runs backwards: write 5-6,0-1.'],
    ['? * * * *', '/cron 1:1 ? may stand for the day of month or of week, not for the minute: write *.'],
    ['0 0 L-3 * *', '/cron 1:5 "L-3" counts back from the end of a month, which no pattern can.'],
    ['0 0 1,LW * *', '/cron 1:7 LW stands alone in its field.'],
    ['0 0 L/2 * *', '/cron 1:6 "L" takes no step.'],
    ['0 0 40W * *', '/cron 1:5 40 is no day of month: 1 to 31.'],
    ['0 0 * * L', '/cron 1:9 L in the day of week needs a day before it, such as 5L for the last Friday.'],
    ['0 0 * * 1#6', '/cron 1:11 "6" is no n-th weekday of a month: 1 to 5, or L for the last.'],
    ['H(5) * * * *', '/cron 1:3 H(5) needs a range, such as H(0-29).'],
    ['H(0-70) * * * *', '/cron 1:5 70 is no minute: 0 to 59.'],
    ['H(0-9)/20 * * * *', '/cron 1:8 a step of 20 goes past the 10 values that it steps through.'],
    ['H5 * * * *', '/cron 1:1 "H5" is no H: write H, H(0-29), H/15 or H(0-29)/10.'],
    ['0 0 0 1 1 * H', '/cron 1:13 H cannot choose a year.'],
    ['0 0 0 1 1 * 1969', '/cron 1:13 1969 is no year: 1970 to 2999.'],
    [
      '* * * *',
      '/cron 1:8 A pattern has 5 fields (minute first), 6 (second first) or 7 (second first, year last), this one 4.',
    ],
    [
      '0 0 0 1 1 * 2027 9',
      '/cron 1:18 A pattern has 5 fields (minute first), 6 (second first) or 7 (second first, year last), this one 8.',
    ],
    [
      '',
      '/cron 1:1 A pattern has 5 fields (minute first), 6 (second first) or 7 (second first, year last), this one 0.',
    ],
    ['0 0\n* * mun', '/cron 2:5 "mun" is no day of week: did you mean SUN?'],
    ['@dialy', '/cron 1:1 "@dialy" is no name of a pattern: did you mean @daily?'],
    [
      '@reboot',
      '/cron 1:1 @reboot names no time: a cluster does not boot. Submit a task at the start of the host instead.',
    ],
    ['@every 5m', '/cron 1:1 @every is no pattern: give the period as `every` instead of `cron`.'],
    ['@daily 5', '/cron 1:8 @daily is a whole pattern: nothing may follow it.'],
    ['0 0 30 2 *', '/cron 1:5 It never fires: no calendar has such a date.'],
    ['0 0   31 2,4,6,9,11 *', '/cron 1:7 It never fires: no calendar has such a date.'],
    ['0 0 0 29 2 ? 2027', '/cron 1:7 It never fires: no calendar has such a date.'],
  ])('%j', (cron, said) => {
    expect(refusal({ cron })).toBe(said);
  });

  test('dates that no day of week can reach are impossible only where both must fit', () => {
    expect(refusal({ cron: '0 0 1-7 * 1#2', dayMatch: 'and' })).toBe(
      '/cron 1:5 It never fires: no calendar has such a date.',
    );
    expect(refusal({ cron: '0 0 1-7 * 1#2', dayMatch: 'or' })).toBe('accepted');
    expect(refusal({ cron: '0 0 29 2 1#5', dayMatch: 'and' })).toBe('accepted');
  });
});

describe('a definition that contradicts itself is refused with a pointer', () => {
  const cron = '0 0 * * *';
  test.each([
    [{}, ' It says no time: give cron, every, at or specs.'],
    [
      undefined,
      ' a schedule is an object with cron, every, phase, at, specs, exclude, timeZone, dayMatch, dst, startAt, endAt, jitter.',
    ],
    [{ cron, every: '5m' }, '/every cron and every exclude each other: give each a spec of its own in specs.'],
    [{ cron, at: 5 }, '/at cron and at exclude each other: give each a spec of its own in specs.'],
    [{ cron, specs: [cron] }, '/cron cron and specs exclude each other: move cron into the list.'],
    [{ specs: [] }, '/specs specs is empty: it says no time.'],
    [{ specs: cron }, '/specs specs is a list.'],
    [{ specs: Array.from({ length: 17 }, () => cron) }, '/specs specs has at most 16 members, this one 17.'],
    [{ specs: [cron, '0 0 * * *x'] }, '/specs/1 1:9 "*x" is no day of week: 0 to 7 or SUN to SAT.'],
    [{ specs: [{ cron }, { cron: '0 60 * * *' }] }, '/specs/1/cron 1:3 60 is no hour: 0 to 23.'],
    [
      { specs: [{ every: '5m', at: 1 }] },
      '/specs/0/at every and at exclude each other: give each a spec of its own in specs.',
    ],
    [{ specs: [{}] }, '/specs/0 A spec says cron, every or at.'],
    [{ specs: [7] }, '/specs/0 a spec is an object with cron, every, phase, at.'],
    [{ specs: [{ crom: cron }] }, '/specs/0/crom "crom" is no field of a spec. Did you mean "cron"?'],
    [{ cron, timezone: 'UTC' }, '/timezone "timezone" is no field of a schedule. Did you mean "timeZone"?'],
    [
      { cron, 'a/b~': 1 },
      '/a~1b~0 "a/b~" is no field of a schedule. Known are cron, every, phase, at, specs, exclude, timeZone, dayMatch, dst, startAt, endAt, jitter.',
    ],
    [{ cron: 5 }, '/cron cron is a text such as "30 2 * * MON-FRI".'],
    [{ cron: `${'0,'.repeat(300)}0 * * * *` }, '/cron A pattern has at most 512 characters, this one 609.'],
    [{ cron, phase: '5m' }, '/phase phase belongs to every, and cron has none.'],
    [{ every: 999 }, '/every every is 1s to 3650d, not 999ms.'],
    [{ every: '0.5s' }, '/every every is 1s to 3650d, not 500ms.'],
    [{ every: '4000d' }, '/every every is 1s to 3650d, not 4000d.'],
    [{ every: 1500.5 }, "/every every is a duration: whole milliseconds, or text such as '90s', '5m' or '1.5h'."],
    [{ every: 'hourly' }, "/every every is a duration: whole milliseconds, or text such as '90s', '5m' or '1.5h'."],
    [
      { at: 'tomorrow' },
      "/at at is an instant: text such as '2026-03-29T01:00:00Z' or '2026-03-29T02:00:00+01:00', or whole milliseconds since the epoch.",
    ],
    [
      { at: '2026-02-30T00:00:00Z' },
      '/at "2026-02-30T00:00:00Z" does not exist: there is no such date or time of day.',
    ],
    [
      { at: '2026-03-29T25:00:00Z' },
      '/at "2026-03-29T25:00:00Z" does not exist: there is no such date or time of day.',
    ],
    [
      { at: '2026-03-29T02:00:00' },
      '/at "2026-03-29T02:00:00" names no zone: end it with Z or with an offset such as +01:00.',
    ],
    [{ at: '9999-01-01T00:00:00Z' }, '/at at lies outside of 1970 to the end of 2999.'],
    [{ at: -1 }, '/at at lies outside of 1970 to the end of 2999.'],
    [{ at: 10, startAt: 20 }, '/at at lies before startAt: it never fires.'],
    [{ at: 10, endAt: 5 }, '/at at lies after endAt: it never fires.'],
    [{ cron, startAt: 20, endAt: 10 }, '/endAt endAt lies before startAt: the schedule ends before it begins.'],
    [{ cron, jitter: '25h' }, '/jitter jitter is 0 to 1d, not 25h.'],
    [{ cron, jitter: -1 }, '/jitter jitter is 0 to 1d, not -1ms.'],
    [
      { cron, timeZone: 'Europe/Lodnon' },
      '/timeZone "Europe/Lodnon" is no known time zone: did you mean Europe/London?',
    ],
    [
      { cron, timeZone: 'Mars/Olympus' },
      '/timeZone "Mars/Olympus" is no known time zone: timeZone is a name of the IANA database such as Europe/London.',
    ],
    [{ cron, timeZone: '+02:00' }, '/timeZone timeZone is a name of the IANA database such as Europe/London.'],
    [{ cron, timeZone: 3 }, '/timeZone timeZone is a name of the IANA database such as Europe/London.'],
    [{ cron, dayMatch: 'xor' }, '/dayMatch dayMatch is "or" or "and", not "xor".'],
    [{ cron, dst: 'skip' }, '/dst dst is an object with gap, overlap.'],
    [{ cron, dst: { gap: 'before' } }, '/dst/gap gap is "after" or "skip", not "before".'],
    [{ cron, dst: { overlap: 'last' } }, '/dst/overlap overlap is "first" or "both", not "last".'],
    [{ cron, dst: { gaps: 'after' } }, '/dst/gaps "gaps" is no field of dst. Did you mean "gap"?'],
    [{ cron, exclude: '* * * * *' }, '/exclude exclude is a list.'],
    [{ cron, exclude: [{ every: 5 }] }, '/exclude/0/every "every" is no field of an exclusion. Known are cron, at.'],
    [{ cron, exclude: [{ cron, at: 1 }] }, '/exclude/0 An exclusion says either cron or at.'],
    [{ cron, exclude: ['* * 30 2 *'] }, '/exclude/0 1:5 It never fires: no calendar has such a date.'],
    [{ cron, exclude: ['* * * * *'] }, '/cron It never fires: exclude leaves out all of it.'],
    [
      { specs: ['0 0 1 * *', '5 5 * * *'], exclude: ['0-9 5,6 * * *'] },
      '/specs/1 It never fires: exclude leaves out all of it.',
    ],
  ])('%j', (input, said) => {
    expect(refusal(input)).toBe(said);
  });
});

describe('what is given is kept in one form', () => {
  test('defaults are filled in', () => {
    expect(parseCalendar({ cron: '  30  2 * * * ' })).toEqual({
      specs: [{ cron: '30 2 * * *' }],
      exclude: [],
      timeZone: 'UTC',
      dayMatch: 'or',
      dst: { gap: 'after', overlap: 'first' },
      jitterMs: 0,
    });
  });

  test('the same schedule written differently makes the same text', () => {
    const one = parseCalendar({
      every: '1.5h',
      phase: '100m',
      endAt: '2027-01-01T01:00:00+01:00',
      jitter: '30s',
      dst: {},
    });
    const other = parseCalendar({
      specs: [{ phase: 600_000, every: 5_400_000 }],
      jitter: 30_000,
      endAt: '2027-01-01 00:00Z',
    });
    expect(calendarText(one)).toBe(calendarText(other));
    expect(calendarText(one)).toBe(
      '{"specs":[{"every":5400000,"phase":600000}],"exclude":[],"timeZone":"UTC","dayMatch":"or",' +
        '"dst":{"gap":"after","overlap":"first"},"endAt":1798761600000,"jitter":30000}',
    );
  });

  test('a phase may be any instant of the row', () => {
    const { specs } = parseCalendar({ every: '7d', phase: '2026-01-05T09:00:00Z' });
    expect(specs).toEqual([{ everyMs: 604_800_000, phaseMs: 378_000_000 }]);
  });

  test('instants keep their milliseconds', () => {
    expect(parseCalendar({ at: '2026-03-29T02:00:00.05-03:30' }).specs).toEqual([
      { atMs: Date.UTC(2026, 2, 29, 5, 30, 0, 50) },
    ]);
  });

  test('a text that is no definition is refused as one', () => {
    expect(() => readCalendar('{')).toThrow('The definition is no JSON.');
    expect(() => readCalendar('[]')).toThrow('a schedule is an object');
  });

  test('the largest definition fits its text', () => {
    const longest = (second: number): string => `${second} ${'0,'.repeat(247)}0 * * * 6`;
    const specs = Array.from({ length: 16 }, (_, at) => longest(10 + at));
    expect(calendarText(parseCalendar({ specs })).length).toBeLessThanOrEqual(16 * 1024);
    const exclude = specs.map((one) => one.replace(/^./, '4'));
    expect(refusal({ specs, exclude })).toBe(' The definition takes more than 16 KiB.');
  });
});
