/**
 * When cron starts the command of an entry, read from crontab(5) of Debian and nothing else: once a minute it looks whether minute,
 * hour and month fit, and whether the day does. "The day of a command's execution can be specified in the following two fields: day
 * of month and day of week. If both fields are restricted (i.e., don't contain the '*' character), the command will be run when
 * either field matches the current time." A field that begins with `*` is not restricted, whatever step follows. A step is added to the
 * first value for as long as the last one is not passed.
 */

const DAY_MS = 86_400_000;
const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec';
const DAYS = 'sun mon tue wed thu fri sat';

const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** The minutes in UTC from `fromMs` up to `toMs` in which cron starts it. */
export function startsOf(times: string, fromMs: number, toMs: number): number[] {
  const [minute, hour, dayOfMonth, month, dayOfWeek] = (NICKNAMES[times] ?? times).split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const minutes = bits(minute, 0, 59, '');
  const hours = bits(hour, 0, 23, '');
  const days = bits(dayOfMonth, 1, 31, '');
  const months = bits(month, 1, 12, MONTHS);
  const weekdays = bits(dayOfWeek, 0, 7, DAYS);
  const both = dayOfMonth.startsWith('*') || dayOfWeek.startsWith('*');
  const starts: number[] = [];
  for (let day = Math.floor(fromMs / DAY_MS) * DAY_MS; day < toMs; day += DAY_MS) {
    const date = new Date(day);
    const weekday = date.getUTCDay();
    const dayFits = days[date.getUTCDate()] === true;
    const weekdayFits = weekdays[weekday] === true || (weekday === 0 && weekdays[7] === true);
    if (!months[date.getUTCMonth() + 1] || !(both ? dayFits && weekdayFits : dayFits || weekdayFits)) continue;
    for (let ms = day; ms < day + DAY_MS; ms += 60_000) {
      const time = new Date(ms);
      if (ms < fromMs || ms >= toMs || !minutes[time.getUTCMinutes()] || !hours[time.getUTCHours()]) continue;
      starts.push(ms);
    }
  }
  return starts;
}

function bits(field: string, low: number, high: number, names: string): boolean[] {
  const set: boolean[] = [];
  const number = (text: string): number =>
    /^\d+$/.test(text) ? Number(text) : names.split(' ').indexOf(text.toLowerCase()) + low;
  for (const part of field.split(',')) {
    const [range = '', step = '1'] = part.split('/');
    const [first = '', last = first] = range === '*' ? [String(low), String(high)] : range.split('-');
    for (let at = number(first); at <= number(last); at += Number(step)) set[at] = true;
  }
  return set;
}
