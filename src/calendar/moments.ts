import { CalendarError } from './error.ts';
import { CALENDAR_END_MS } from './limits.ts';

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?([Zz]|[+-]\d\d:?\d\d)?$/;

/** `value` in whole milliseconds: a number, or text such as `'90s'` or `'1.5h'`. @throws CalendarError outside min to max */
export function readDuration(value: unknown, path: string, minMs: number, maxMs: number): number {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? textMs(value) : undefined;
  if (ms === undefined || !Number.isSafeInteger(ms)) {
    throw new CalendarError(`${name} is a duration: whole milliseconds, or text such as '90s', '5m' or '1.5h'.`, {
      path,
    });
  }
  if (ms < minMs || ms > maxMs) {
    throw new CalendarError(`${name} is ${durationText(minMs)} to ${durationText(maxMs)}, not ${durationText(ms)}.`, {
      path,
    });
  }
  return ms;
}

/**
 * `value` in milliseconds since the epoch: a number, or ISO 8601 text with `Z` or an offset.
 *
 * @throws CalendarError for text that says no instant, among it a date that does not exist and a time without a zone
 */
export function readInstant(value: unknown, path: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? isoMs(value, path) : undefined;
  if (ms === undefined || !Number.isSafeInteger(ms)) {
    throw new CalendarError(
      `${name} is an instant: text such as '2026-03-29T01:00:00Z' or '2026-03-29T02:00:00+01:00', or whole milliseconds since the epoch.`,
      { path },
    );
  }
  if (ms < 0 || ms >= CALENDAR_END_MS) {
    throw new CalendarError(`${name} lies outside of 1970 to the end of 2999.`, { path });
  }
  return ms;
}

/** The largest unit that says `ms` in a whole number. */
function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const unitMs = UNIT_MS[unit] as number;
    if (ms !== 0 && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return ms === 0 ? '0' : `${ms}ms`;
}

function textMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT_MS[match[2] as string] as number));
}

function isoMs(text: string, path: string): number | undefined {
  const match = INSTANT.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0));
  const wallMs = Date.UTC(year as number, (month as number) - 1, day, hour, minute, second);
  // The constructor rolls 30 February over into March; whoever writes it means something else.
  const written = `${match[1]}-${match[2]}-${match[3]}T${match[4] ?? '00'}:${match[5] ?? '00'}:${match[6] ?? '00'}`;
  if (new Date(wallMs).toISOString().slice(0, 19) !== written) {
    throw new CalendarError(`"${text}" does not exist: there is no such date or time of day.`, { path });
  }
  if (match[8] === undefined) {
    throw new CalendarError(`"${text}" names no zone: end it with Z or with an offset such as +01:00.`, { path });
  }
  return wallMs + Number((match[7] ?? '').padEnd(3, '0')) - offsetMs(match[8]);
}

function offsetMs(text: string): number {
  if (text === 'Z' || text === 'z') return 0;
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(-2));
  return (text.startsWith('-') ? -minutes : minutes) * 60_000;
}
