/** Fields of a log line. Never a payload, a result, a token or a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a component says what an operator should know. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

function drop(): void {}

/** Says nothing. */
export const SILENT_LOGGER: Logger = { debug: drop, info: drop, warn: drop, error: drop };
