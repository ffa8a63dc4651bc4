import { nearMiss } from '../base/near-miss.ts';
import { CRON_FIELDS, type CronField, type CronItem, DAY_OF_MONTH, DAY_OF_WEEK } from './cron-fields.ts';

/** A part of a field as it was written, and how to refuse it. */
export interface ItemSource {
  readonly text: string;
  /** Position in `CRON_FIELDS`. */
  readonly field: number;
  /** Parts in its field. */
  readonly siblings: number;
  /** A number in [0, 2^32) for `H`. */
  readonly spread: () => number;
  /** Throws a CalendarError that points at the character `offset` of `text`. */
  readonly refuse: (message: string, offset: number) => never;
}

/** What one part of a field says. */
export function parseItem(source: ItemSource): CronItem {
  const { text, refuse } = source;
  const slash = text.indexOf('/');
  const base = slash < 0 ? text : text.slice(0, slash);
  if (text === '') return refuse('a value is missing here', 0);
  if (base === '') return refuse(`"${text}" steps through nothing: write */${text.slice(1)}`, 0);
  const special = source.field === DAY_OF_MONTH ? dayOfMonth(source, base) : nthWeekday(source, base);
  if (special !== undefined) {
    return slash < 0 ? special : refuse(`"${base}" takes no step`, slash);
  }
  const field = CRON_FIELDS[source.field] as CronField;
  const stepText = slash < 0 ? undefined : text.slice(slash + 1);
  if (/^h/i.test(base)) return spreadItem(source, field, base, stepText);
  if (base === '?' && source.field !== DAY_OF_MONTH && source.field !== DAY_OF_WEEK) {
    return refuse(`? may stand for the day of month or of week, not for the ${field.name}: write *`, 0);
  }
  if (base === '*' || base === '?') {
    return { type: 'any', step: stepOf(source, stepText, (field.anyMax ?? field.max) - field.min + 1) };
  }
  const { from, to } = rangeOf(source, field, base);
  if (stepText !== undefined && !base.includes('-')) {
    const until = field.name === 'day of week' ? 6 : field.max;
    return refuse(`a step needs * or a range: write ${base}-${until}/${stepText}`, slash);
  }
  return { type: 'range', from, to, step: stepOf(source, stepText, to - from + 1) };
}

/** `L`, `LW` and `15W`. */
function dayOfMonth(source: ItemSource, base: string): CronItem | undefined {
  const upper = base.toUpperCase();
  if (upper === 'L') return { type: 'last' };
  if (upper === 'LW' || upper === 'WL') {
    if (source.siblings > 1) source.refuse('LW stands alone in its field', 0);
    return { type: 'lastWeekday' };
  }
  if (/^L-\d+/.test(upper))
    return source.refuse(`"${base}" counts back from the end of a month, which no pattern can`, 0);
  if (!/^[^-]*W$/.test(upper)) return undefined;
  const day = valueOf(source, CRON_FIELDS[DAY_OF_MONTH] as CronField, base.slice(0, -1), 0);
  return { type: 'nearestWeekday', day };
}

/** `5#3`, `MON-FRI#1` and `5L`. */
function nthWeekday(source: ItemSource, base: string): CronItem | undefined {
  if (source.field !== DAY_OF_WEEK) return undefined;
  const field = CRON_FIELDS[DAY_OF_WEEK] as CronField;
  const hash = base.indexOf('#');
  if (hash < 0 && /^[^h].*l$|^l$/i.test(base)) {
    if (base.length === 1)
      source.refuse('L in the day of week needs a day before it, such as 5L for the last Friday', 0);
    return { type: 'nth', ...rangeOf(source, field, base.slice(0, -1)), nth: 'L' };
  }
  if (hash < 0) return undefined;
  const range = rangeOf(source, field, base.slice(0, hash));
  const which = base.slice(hash + 1);
  if (/^l$/i.test(which)) return { type: 'nth', ...range, nth: 'L' };
  if (!/^[1-5]$/.test(which))
    source.refuse(`"${which}" is no n-th weekday of a month: 1 to 5, or L for the last`, hash + 1);
  return { type: 'nth', ...range, nth: Number(which) };
}

/** `H`, `H(0-29)`, `H/15` and `H(0-29)/10`: values that the schedule's id chooses. */
function spreadItem(source: ItemSource, field: CronField, base: string, stepText: string | undefined): CronItem {
  const { refuse } = source;
  const match = /^h(?:\(([^)]*)\))?$/i.exec(base);
  if (match === null) return refuse(`"${base}" is no H: write H, H(0-29), H/15 or H(0-29)/10`, 0);
  if (field.name === 'year') return refuse('H cannot choose a year', 0);
  const inner = match[1];
  if (inner !== undefined && !inner.includes('-')) return refuse(`H(${inner}) needs a range, such as H(0-29)`, 2);
  const range =
    inner === undefined ? { from: field.min, to: field.spreadMax ?? field.max } : rangeOf(source, field, inner, 2);
  const { from, to } = range;
  const size = to - from + 1;
  if (stepText === undefined) {
    const value = from + (source.spread() % size);
    return { type: 'range', from: value, to: value, step: 1 };
  }
  const step = stepOf(source, stepText, size);
  return { type: 'range', from: from + (source.spread() % step), to, step };
}

function stepOf(source: ItemSource, text: string | undefined, size: number): number {
  if (text === undefined) return 1;
  const at = source.text.length - text.length;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    return source.refuse(`"${text}" is no step: a whole number from 1`, at);
  const step = Number(text);
  if (step > size) source.refuse(`a step of ${step} goes past the ${size} values that it steps through`, at);
  return step;
}

/** `offset` is where `text` begins in the part. */
function rangeOf(source: ItemSource, field: CronField, text: string, offset = 0): { from: number; to: number } {
  const dash = text.indexOf('-');
  if (dash < 0) {
    const value = valueOf(source, field, text, offset);
    return { from: value, to: value };
  }
  const from = valueOf(source, field, text.slice(0, dash), offset);
  let to = valueOf(source, field, text.slice(dash + 1), offset + dash + 1);
  // A week may end on Sunday: SAT-SUN, 5-0.
  if (field.name === 'day of week' && to === 0 && from > 0) to = 7;
  if (from > to) {
    source.refuse(
      `"${text}" runs backwards: write ${from}-${field.name === 'day of week' ? 6 : field.max},${field.min}-${to}`,
      offset,
    );
  }
  return { from, to };
}

function valueOf(source: ItemSource, field: CronField, text: string, offset: number): number {
  const { refuse } = source;
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (value >= field.min && value <= field.max) return value;
    return refuse(`${text} is no ${field.name}: ${field.min} to ${field.max}`, offset);
  }
  const name = field.names.indexOf(text.toUpperCase());
  if (name >= 0) return field.firstName + name;
  if (text === '') return refuse(`a ${field.name} is missing here`, offset);
  const meant = /^[a-z]/i.test(text) ? (nearMiss(text, field.names) ?? longName(field, text)) : undefined;
  const allowed = field.names.length > 0 ? ` or ${field.names[0]} to ${field.names.at(-1)}` : '';
  const hint = meant === undefined ? `${field.min} to ${field.max}${allowed}` : `did you mean ${meant}?`;
  return refuse(`"${text}" is no ${field.name}: ${hint}`, offset);
}

/** Monday, September: names are cut at three letters. */
function longName(field: CronField, text: string): string | undefined {
  const short = text.slice(0, 3).toUpperCase();
  return field.names.includes(short) ? short : undefined;
}
