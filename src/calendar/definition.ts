/** One way to name instants. */
export type CalendarSpec =
  /** Every instant whose wall-clock time in the definition's zone fits the pattern. Blanks are single. */
  | { readonly cron: string }
  /** `phaseMs`, and every whole period before and after it, counted from the epoch. 0 ≤ phaseMs < everyMs. */
  | { readonly everyMs: number; readonly phaseMs: number }
  /** One instant. */
  | { readonly atMs: number };

/** Instants that are left out. */
export type CalendarExclusion =
  /** Every instant whose wall-clock time fits the pattern; a pattern of five fields, whatever its second. */
  | { readonly cron: string }
  /** One instant. */
  | { readonly atMs: number };

/** What happens at a wall-clock time that a change of clock removes or doubles. Only patterns with a fixed hour are asked. */
export interface DstRule {
  /** A time that does not exist: `after` is the first instant after the gap, once for all that fell into it; `skip` is never. */
  readonly gap: 'after' | 'skip';
  /** A time that exists twice: in the first pass only, or in both. */
  readonly overlap: 'first' | 'both';
}

/** When a schedule is due. Instants are milliseconds since the epoch, from it to the year 3000. */
export interface CalendarDefinition {
  /** 1 to 16. The union of all; an instant that two of them name is one occurrence. */
  readonly specs: readonly CalendarSpec[];
  /** At most 16. */
  readonly exclude: readonly CalendarExclusion[];
  /** IANA name of the zone of patterns. */
  readonly timeZone: string;
  /** How day of month and day of week combine where a pattern restricts both. */
  readonly dayMatch: 'or' | 'and';
  readonly dst: DstRule;
  /** First instant that may be due, inclusive. Invariant: startAtMs <= endAtMs. */
  readonly startAtMs?: number;
  /** Last instant that may be due, inclusive. */
  readonly endAtMs?: number;
  /** Longest delay of an occurrence after its planned instant; 0 for none. At most a day. */
  readonly jitterMs: number;
}

export { CalendarError } from './error.ts';
export { calendarText, parseCalendar, readCalendar } from './parse.ts';
