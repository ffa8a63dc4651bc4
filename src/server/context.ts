/** What the parts of a server share: the peer that it serves, the world, and each other. */
import type { Clock, Timers } from '../base/clock.ts';
import type { PeerId, Term } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Peer } from '../peer/peer.ts';
import type { WireLimits } from '../protocol/request-rules.ts';
import type { PeerRow } from '../protocol/rows.ts';
import type { ClientSessions } from './client-sessions.ts';
import type { Deliveries } from './deliveries.ts';
import type { LeaseOptions, Leases } from './leases.ts';
import type { ProgressBoard } from './progress.ts';
import type { Calendars } from './schedule-calendars.ts';
import type { ScheduleKeeper } from './schedule-keeper.ts';
import type { Slices } from './slices.ts';
import type { Waiters } from './waiters.ts';

/** A member of the cluster as clients reach it. */
export interface ClientAddress {
  readonly peer: PeerId;
  /** `ws://host:port/v1/connect` */
  readonly url: string;
}

/** What an operator sets, or a test makes small. */
export interface ServerOptions {
  readonly clusterId: string;
  /** Version of the program, for people. */
  readonly version: string;
  /** The members as the configuration file names them: told to clients until the log says more. */
  readonly members: readonly ClientAddress[];
  /** Who the connections speak for: `anonymous` where no token is asked for. */
  readonly principal: string;
  readonly leases: LeaseOptions;
  /** What requests may hold; told to clients in `welcome`. */
  readonly requests: WireLimits;
  readonly limits: ServerLimits;
}

/** Bounds of one server. */
export interface ServerLimits {
  /** Connections at a time. Default 10,000. */
  readonly connectionsMax: number;
  /** From the upgrade to `hello`, in ms. Default 10,000. */
  readonly helloMs: number;
  /** Unanswered requests of one connection, waits for results apart. Default 1,024. */
  readonly unansweredMax: number;
  /** Waits for results of one connection. Default 10,000. */
  readonly connectionWaitsMax: number;
  /** Waits for results of all connections together. Default 200,000. */
  readonly waitsMax: number;
  /** Bytes waiting for one client above which nothing more is read from it. Default 8 MiB. */
  readonly unsentBytesHigh: number;
  /** Bytes waiting for one client at which it is cut at once. Default 64 MiB. */
  readonly unsentBytesMax: number;
  /** How long a client may be over the mark without taking anything, in ms. Default 10,000. */
  readonly noProgressMs: number;
  /** How long an untouched client session is kept, in ms. Default one hour. */
  readonly sessionIdleMs: number;
}

/** The defaults. */
export const SERVER_LIMITS: ServerLimits = {
  connectionsMax: 10_000,
  helloMs: 10_000,
  unansweredMax: 1_024,
  connectionWaitsMax: 10_000,
  waitsMax: 200_000,
  unsentBytesHigh: 8 * 1024 * 1024,
  unsentBytesMax: 64 * 1024 * 1024,
  noProgressMs: 10_000,
  sessionIdleMs: 3_600_000,
};

/** The ports of a server. */
export interface ServerPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** One server, seen from its parts. */
export interface ServerContext {
  readonly options: ServerOptions;
  readonly ports: ServerPorts;
  readonly peer: Peer;
  readonly leases: Leases;
  readonly deliveries: Deliveries;
  readonly waiters: Waiters;
  readonly clientSessions: ClientSessions;
  readonly progress: ProgressBoard;
  readonly keeper: ScheduleKeeper;
  readonly calendars: Calendars;
  /** For work on calendars, of which clients may ask a lot at once. */
  readonly slices: Slices;
  /** The term that this peer leads in and serves; undefined otherwise. Every client has been told so before. */
  readonly leadingTerm: Term | undefined;
  /** All members with their client URLs as they are known now, by id. */
  readonly peers: readonly PeerRow[];
  /** Open connections. */
  readonly connections: number;
}
