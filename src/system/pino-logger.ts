import { pino, type Logger as PinoLogger } from 'pino';
import type { LogFields, Logger } from '../base/logger.ts';

/** How much is said: `warn` leaves out what goes well. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** How a process logs. */
export interface LoggerOptions {
  readonly level: LogLevel;
  /** Fields that stand in every line, such as the peer. */
  readonly fields: LogFields;
  /** A file descriptor. Default 2, so that what a command prints stays clean. */
  readonly descriptor?: number;
}

const STDERR = 2;

/** One line of JSON for each message, so that nothing a caller said can pass for a line of ours. */
export function pinoLogger(options: LoggerOptions): Logger {
  const logger: PinoLogger = pino(
    {
      level: options.level,
      base: { ...options.fields },
      // No field of ours has these names; should one ever slip in, its value does not reach the log.
      redact: ['token', 'secret', 'authorization', 'payload', 'result'],
    },
    pino.destination({ dest: options.descriptor ?? STDERR, sync: true }),
  );
  return {
    debug: (message, fields) => logger.debug({ ...fields }, message),
    info: (message, fields) => logger.info({ ...fields }, message),
    warn: (message, fields) => logger.warn({ ...fields }, message),
    error: (message, fields) => logger.error({ ...fields }, message),
  };
}
