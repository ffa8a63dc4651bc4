/** Where in a definition something is wrong. */
export interface Place {
  /** JSON pointer into what was given, such as `/specs/0/cron`; empty for the whole of it. */
  readonly path: string;
  /** Line and column of a text within that, both from 1. Only for texts with a grammar, such as a cron pattern. */
  readonly line?: number;
  readonly column?: number;
}

/** A definition that says no time, or says it in a way that cannot be meant. The message is a sentence for whoever wrote it. */
export class CalendarError extends Error {
  override readonly name = 'CalendarError';
  readonly code = 'INVALID_SCHEDULE';
  readonly path: string;
  readonly line?: number;
  readonly column?: number;

  constructor(message: string, place: Place) {
    super(message);
    this.path = place.path;
    if (place.line !== undefined) this.line = place.line;
    if (place.column !== undefined) this.column = place.column;
  }
}
