import type { Clock, Timers } from '../base/clock.ts';
import { type Logger, SILENT_LOGGER } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Dialer } from '../base/socket.ts';
import { CONNECT_PATH, DEFAULT_CLIENT_PORT } from '../protocol/protocol.ts';
import { invalidArgument } from './errors.ts';
import type { KnownFields } from './known-fields.ts';

/** What the SDK needs of the world; the real ones are wired in by the package's entry point. */
export interface ClientPorts {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Options that clients and workers share. */
export interface ConnectionOptions {
  /** Any peers of the cluster, `ws://host:7400`; the others are learned. Default `ws://127.0.0.1:7400`. */
  readonly urls?: string | readonly string[];
  /** Needed by clusters that ask for one. */
  readonly token?: string;
  /** Default `default`. */
  readonly namespace?: string;
  /** Default: silence. */
  readonly logger?: Logger;
}

/** For `refuseUnknownFields`. */
export const CONNECTION_FIELDS: KnownFields<ConnectionOptions> = {
  urls: true,
  token: true,
  namespace: true,
  logger: true,
};

/** Options of a connection with every default filled in. */
export interface Connection {
  readonly urls: readonly string[];
  readonly token: string | undefined;
  readonly namespace: string;
  readonly logger: Logger;
}

const URL = /^(?:(ws|wss):\/\/)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(\/[^\s?#]*)?$/;

/** Fills in defaults. @throws TaskraftError INVALID_ARGUMENT */
export function connectionOf(options: ConnectionOptions): Connection {
  const given = options.urls ?? `ws://127.0.0.1:${DEFAULT_CLIENT_PORT}`;
  const urls = typeof given === 'string' ? [given] : given;
  if (urls.length === 0) throw invalidArgument('urls names one peer at least.');
  return {
    urls: [...new Set(urls.map(normalUrl))],
    token: options.token,
    namespace: options.namespace ?? 'default',
    logger: options.logger ?? SILENT_LOGGER,
  };
}

/** `url` with scheme, port and path. @throws TaskraftError INVALID_ARGUMENT */
export function normalUrl(url: string): string {
  const match = typeof url === 'string' ? URL.exec(url) : null;
  const port = Number(match?.[3] ?? DEFAULT_CLIENT_PORT);
  if (match === null || port < 1 || port > 65_535) {
    throw invalidArgument(`"${url}" is no URL of a peer; write ws://host:${DEFAULT_CLIENT_PORT}.`);
  }
  const path = match[4] === undefined || match[4] === '/' ? CONNECT_PATH : match[4];
  return `${match[1] ?? 'ws'}://${match[2]}:${port}${path}`;
}
