/**
 * When schedules fire: from what a client sent to the bytes that the state keeps, and from those to instants. The state machine takes
 * the bytes as they are; here alone they mean something.
 *
 *     text of a client ──parse──▶ definition ──canonical text──▶ bytes ──▶ (log, state) ──▶ calendar, kept while it is used
 *
 * The bytes are the canonical text of the definition in UTF-8 and, behind a line feed, the name of who manages the schedule, where
 * somebody does: equal schedules have equal bytes.
 */
import { Calendar } from '../calendar/calendar.ts';
import { type CalendarDefinition, calendarText, parseCalendar, readCalendar } from '../calendar/definition.ts';
import { CalendarError } from '../calendar/error.ts';
import { RequestError } from './request-error.ts';

/** Calendars kept; the one that was not used for longest goes. */
const KEPT_MAX = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the bytes of a schedule say. */
export interface StoredDefinition {
  /** The definition as canonical JSON. */
  readonly text: string;
  readonly managedBy: string | undefined;
}

/** The definition that a client means. @throws RequestError INVALID_SCHEDULE, which begins with the place of what is wrong */
export function definitionOf(text: string): CalendarDefinition {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    throw new RequestError('INVALID_SCHEDULE', 'what says when a schedule fires is no JSON');
  }
  return saying(() => parseCalendar(input));
}

/** What the state keeps of `definition`. */
export function storedBytes(definition: CalendarDefinition, managedBy: string | null): Uint8Array {
  const text = calendarText(definition);
  return encoder.encode(managedBy === null ? text : `${text}\n${managedBy}`);
}

/** What `storedBytes` wrote. */
export function storedDefinition(bytes: Uint8Array): StoredDefinition {
  const [text = '', managedBy] = decoder.decode(bytes).split('\n');
  return { text, managedBy };
}

/** A schedule whose instants are asked for. */
export interface ScheduleOfState {
  readonly number: number;
  readonly version: number;
  readonly id: string;
  readonly calendar: Uint8Array;
}

/** Calendars by schedule, made when they are first asked for. */
export class Calendars {
  /** By number of the schedule, the one that was used last at the end. */
  readonly #kept = new Map<number, { readonly version: number; readonly calendar: Calendar }>();

  /** The calendar of `schedule`. @throws CalendarError, and whatever a definition of a newer version brings about */
  of({ number, version, id, calendar: bytes }: ScheduleOfState): Calendar {
    const known = this.#kept.get(number);
    if (known !== undefined) this.#kept.delete(number);
    const calendar =
      known?.version === version ? known.calendar : new Calendar(readCalendar(storedDefinition(bytes).text), id);
    this.#kept.set(number, { version, calendar });
    if (this.#kept.size > KEPT_MAX) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return calendar;
  }
}

/** Does `work`. @throws RequestError INVALID_SCHEDULE for what a calendar refuses */
export function saying<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    const place = error.line === undefined ? error.path : `${error.path}:${error.line}:${error.column ?? 1}`;
    throw new RequestError('INVALID_SCHEDULE', place === '' ? error.message : `${place}: ${error.message}`);
  }
}
