/**
 * What all members of a cluster share, as `cluster.json` says it: who they are, where they are reached, and the timings that
 * only work when they are equal everywhere. What one member has for itself is in `peer-config.ts`.
 */
import type { PeerId } from '../base/ids.ts';

/** Where something listens: a host name, an IPv4 address or an IPv6 address without brackets, and a port. */
export interface Address {
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** One founding member. */
export interface MemberConfig {
  readonly id: PeerId;
  /** Where the other members reach it. */
  readonly peer: Address;
  /** Where clients, workers and browsers reach it. */
  readonly client: Address;
  /** Where it listens, where that differs from where it is reached: behind a translation of addresses, or on all interfaces. */
  readonly listen?: { readonly peer?: Address; readonly client?: Address };
  /** Its data directory; see `DATA_DIRECTORY_DEFAULT`. */
  readonly data?: string;
}

/** Timings of consensus. All are multiples of `tickMs`. */
export interface ClusterTimings {
  /** The step in which a peer counts time. Default 10 ms. */
  readonly tickMs: number;
  /** How often a leader shows that it lives. Default 50 ms. */
  readonly heartbeatMs: number;
  /** A follower that hears nothing for this long, or up to twice as long by lot, asks for an election. Default 500 ms. */
  readonly electionTimeoutMs: number;
}

/** A whole cluster. */
export interface ClusterConfig {
  /** A name of the operator's choice; peers of another cluster are refused. */
  readonly clusterId: string;
  /** One to seven, an odd number by preference. Sorted by id, so that every peer sees them in one order. */
  readonly members: readonly MemberConfig[];
  readonly timings: ClusterTimings;
  readonly security?: ClusterSecurity;
}

/** Where the secrets of a cluster are; never the secrets themselves. Absent: from the environment, or there are none. */
export interface ClusterSecurity {
  /** File of the secret by which peers know each other. */
  readonly peerSecretFile?: string;
  /** File of the token that clients show. */
  readonly clientTokenFile?: string;
}

/** The host of an address that names none. */
export const HOST_DEFAULT = '127.0.0.1';

/** The port for clients, HTTP and the dashboard. */
export const CLIENT_PORT_DEFAULT = 7400;

/** The port for the other peers. */
export const PEER_PORT_DEFAULT = 7401;

/** Most members of a cluster. Five survive the loss of two; beyond, every write waits for more disks and little is gained. */
export const MEMBERS_MAX = 7;

/** The timings of a cluster whose file gives none. */
export const TIMINGS_DEFAULT: ClusterTimings = { tickMs: 10, heartbeatMs: 50, electionTimeoutMs: 500 };

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The member called `id`, or undefined. */
export function memberOf(cluster: ClusterConfig, id: string): MemberConfig | undefined {
  return cluster.members.find((member) => member.id === id);
}

/**
 * One short text for everything that must be equal on all members: a readable part for each option, so that a refusal can
 * name the option. Members and addresses are left out: who belongs to a cluster is its log's to tell once it was founded, and
 * the way to a member may differ by where one stands.
 */
export function clusterFingerprint(cluster: ClusterConfig): string {
  const { tickMs, heartbeatMs, electionTimeoutMs } = cluster.timings;
  return [`tickMs=${tickMs}`, `heartbeatMs=${heartbeatMs}`, `electionTimeoutMs=${electionTimeoutMs}`].join(';');
}

/** The names of the options in which two fingerprints differ, in the order of the first; empty when they are equal. */
export function fingerprintDifferences(own: string, other: string): readonly string[] {
  const theirs = new Map(other.split(';').map((part) => splitPart(part)));
  const names: string[] = [];
  for (const part of own.split(';')) {
    const [name, value] = splitPart(part);
    if (theirs.get(name) !== value) names.push(name);
    theirs.delete(name);
  }
  return [...names, ...[...theirs.keys()].sort()];
}

function splitPart(part: string): [name: string, value: string] {
  const at = part.indexOf('=');
  return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
}
