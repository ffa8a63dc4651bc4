/** What stands in a file of history: calls and what became of them, in the order in which one observer saw them. */

/** A value as files have it. A keyword of EDN is text with its colon in front. */
export type Plain = null | boolean | number | string | readonly Plain[] | PlainMap;

/** Names and values. */
export interface PlainMap {
  readonly [name: string]: Plain;
}

/** How an operation goes on: `fail` is certain to have had no effect, `info` is unknown. */
export const EVENT_TYPES = ['invoke', 'ok', 'fail', 'info'] as const;

/** See `EVENT_TYPES`. */
export type EventType = (typeof EVENT_TYPES)[number];

/** Where something stands in a file. Both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One event of one client. */
export interface HistoryEvent extends Place {
  /** A client has one operation open at a time, so its next event ends it. */
  readonly process: string;
  readonly type: EventType;
  /** The name of the operation, as `read`. */
  readonly f: string;
  /** The object; undefined where the file does not name it on its own. */
  readonly key: string | undefined;
  /** null where there is none. */
  readonly value: Plain;
  /** Whether the file says what went wrong. */
  readonly hasError: boolean;
}

/** A file that cannot be read as a history, with the place. The message has neither file nor place. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}

/** Whether a value is a list of values. */
export function isList(value: Plain): value is readonly Plain[] {
  return Array.isArray(value);
}

/** Whether a value has names. */
export function isPlainMap(value: Plain): value is PlainMap {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** A value in a sentence. */
export function plainText(value: Plain): string {
  return typeof value === 'string' && value.startsWith(':') ? value : JSON.stringify(value);
}
