/**
 * What an operator sets: a cluster as all its members see it, and one member as it is started.
 *
 *     text of cluster.json ──loadConfig──▶ ClusterConfig ──peerConfig(id)──▶ PeerConfig
 *                              └─▶ every problem of the file at once, a sentence each that names the field
 *
 * `cluster-config.ts` holds what must be equal on all members, with the fingerprint by which they notice when it is not;
 * `peer-config.ts` what one member has for itself; `limits.ts` the bounds of a member and the relations between them.
 *
 * Fields that are not known are refused, since a misspelt one would be a setting that silently does nothing. A configuration that
 * was loaded is valid: whoever gets one checks nothing again.
 *
 * Not here: reading the file itself, secrets, of which the file only says where they are, and the settings that are part of the
 * replicated state.
 */
import { isName, peerId } from '../base/ids.ts';
import { isLoopback, isUnspecified, parseAddress } from './address.ts';
import type { Address, ClusterConfig, ClusterSecurity, ClusterTimings, MemberConfig } from './cluster-config.ts';
import {
  CLIENT_PORT_DEFAULT,
  formatAddress,
  HOST_DEFAULT,
  MEMBERS_MAX,
  PEER_PORT_DEFAULT,
  TIMINGS_DEFAULT,
} from './cluster-config.ts';
import { FieldReader } from './field-reader.ts';

/** What became of a file. */
export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: ClusterConfig;
      /** What works but is probably not meant, a sentence each. */
      readonly notes: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the text of a `cluster.json`. */
export function loadConfig(text: string): LoadedConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read';
    return { ok: false, problems: [`The file is not JSON: ${why}.`] };
  }
  const problems: string[] = [];
  const file = new FieldReader(value, '', ['$schema', 'clusterId', 'members', 'timings', 'security'], problems);
  if (problems.length > 0 && !file.has('members') && !file.has('clusterId')) return { ok: false, problems };
  const clusterId = readName(file, 'clusterId');
  const members = readMembers(file, problems);
  const timings = readTimings(file, problems);
  const security = readSecurity(file, problems);
  checkAddresses(members, problems);
  if (problems.length > 0 || clusterId === undefined) return { ok: false, problems };
  const sorted = [...members].sort((left, right) => (left.id < right.id ? -1 : 1));
  return { ok: true, config: { clusterId, members: sorted, timings, security }, notes: notesOn(sorted) };
}

function readName(reader: FieldReader, name: string): string | undefined {
  const text = reader.text(name, true);
  if (text === undefined || isName(text)) return text;
  reader.problem(name, `is "${text.slice(0, 60)}": a name has 1 to 200 characters of A-Z, a-z, 0-9 and ._:/-`);
  return undefined;
}

function readMembers(file: FieldReader, problems: string[]): MemberConfig[] {
  const list = file.raw('members');
  if (!Array.isArray(list) || list.length === 0) {
    file.problem('members', list === undefined ? 'is missing.' : 'must be a list of at least one member.');
    return [];
  }
  if (list.length > MEMBERS_MAX)
    file.problem('members', `has ${list.length} members; a cluster has at most ${MEMBERS_MAX}.`);
  const members: MemberConfig[] = [];
  const ids = new Set<string>();
  for (const [at, value] of list.slice(0, MEMBERS_MAX).entries()) {
    const path = `members[${at}]`;
    const reader = new FieldReader(value, path, ['id', 'peer', 'client', 'listen', 'data'], problems);
    const member = readMember(reader, path, problems);
    if (member === undefined) continue;
    if (ids.has(member.id)) reader.problem('id', `is "${member.id}", which another member has too.`);
    ids.add(member.id);
    members.push(member);
  }
  return members;
}

function readMember(reader: FieldReader, path: string, problems: string[]): MemberConfig | undefined {
  const id = readName(reader, 'id');
  const peer = readAddress(reader, 'peer', PEER_PORT_DEFAULT) ?? { host: HOST_DEFAULT, port: PEER_PORT_DEFAULT };
  const client = readAddress(reader, 'client', CLIENT_PORT_DEFAULT) ?? { host: peer.host, port: CLIENT_PORT_DEFAULT };
  for (const [name, address] of [
    ['peer', peer],
    ['client', client],
  ] as const) {
    if (!isUnspecified(address.host)) continue;
    reader.problem(
      name,
      `is ${formatAddress(address)}, where nobody can reach it. Put that into "listen" and a real address here.`,
    );
  }
  const data = reader.text('data', false);
  const listen = readListen(reader, path, { peer, client }, problems);
  if (id === undefined) return undefined;
  return {
    id: peerId(id),
    peer,
    client,
    ...(listen === undefined ? {} : { listen }),
    ...(data === undefined ? {} : { data }),
  };
}

function readListen(
  reader: FieldReader,
  path: string,
  reached: { readonly peer: Address; readonly client: Address },
  problems: string[],
): MemberConfig['listen'] {
  if (!reader.has('listen')) return undefined;
  const inner = new FieldReader(reader.raw('listen'), `${path}.listen`, ['peer', 'client'], problems);
  const peer = readAddress(inner, 'peer', reached.peer.port);
  const client = readAddress(inner, 'client', reached.client.port);
  return { ...(peer === undefined ? {} : { peer }), ...(client === undefined ? {} : { client }) };
}

function readAddress(reader: FieldReader, name: string, defaultPort: number): Address | undefined {
  const text = reader.text(name, false);
  if (text === undefined) return undefined;
  const parsed = parseAddress(text, defaultPort);
  if ('address' in parsed) return parsed.address;
  reader.problem(name, parsed.problem);
  return undefined;
}

function readTimings(file: FieldReader, problems: string[]): ClusterTimings {
  if (!file.has('timings')) return TIMINGS_DEFAULT;
  const reader = new FieldReader(
    file.raw('timings'),
    'timings',
    ['tickMs', 'heartbeatMs', 'electionTimeoutMs'],
    problems,
  );
  const { tickMs, heartbeatMs, electionTimeoutMs } = TIMINGS_DEFAULT;
  const timings = {
    tickMs: reader.integer('tickMs', { min: 1, max: 1_000, fallback: tickMs }),
    heartbeatMs: reader.integer('heartbeatMs', { min: 1, max: 10_000, fallback: heartbeatMs }),
    electionTimeoutMs: reader.integer('electionTimeoutMs', { min: 10, max: 60_000, fallback: electionTimeoutMs }),
  };
  if (timings.heartbeatMs % timings.tickMs !== 0) {
    reader.problem('heartbeatMs', `is ${timings.heartbeatMs}, which is no multiple of tickMs (${timings.tickMs}).`);
  }
  if (timings.electionTimeoutMs % timings.tickMs !== 0) {
    reader.problem(
      'electionTimeoutMs',
      `is ${timings.electionTimeoutMs}, which is no multiple of tickMs (${timings.tickMs}).`,
    );
  }
  if (timings.electionTimeoutMs < 4 * timings.tickMs) {
    reader.problem(
      'electionTimeoutMs',
      `is ${timings.electionTimeoutMs}: it must be at least four times tickMs (${timings.tickMs}).`,
    );
  }
  if (timings.electionTimeoutMs < 3 * timings.heartbeatMs) {
    const need = `at least three times heartbeatMs (${timings.heartbeatMs})`;
    reader.problem(
      'electionTimeoutMs',
      `is ${timings.electionTimeoutMs}: it must be ${need}, or one lost heartbeat deposes a leader.`,
    );
  }
  return timings;
}

function readSecurity(file: FieldReader, problems: string[]): ClusterSecurity {
  if (!file.has('security')) return {};
  const reader = new FieldReader(file.raw('security'), 'security', ['peerSecretFile', 'clientTokenFile'], problems);
  const peerSecretFile = reader.text('peerSecretFile', false);
  const clientTokenFile = reader.text('clientTokenFile', false);
  return {
    ...(peerSecretFile === undefined ? {} : { peerSecretFile }),
    ...(clientTokenFile === undefined ? {} : { clientTokenFile }),
  };
}

/** No two ports of the cluster are one, and members on several hosts do not call themselves loopback. */
function checkAddresses(members: readonly MemberConfig[], problems: string[]): void {
  const owners = new Map<string, string>();
  for (const { id, peer, client } of members) {
    for (const [what, address] of [
      [`the peer address of ${id}`, peer],
      [`the client address of ${id}`, client],
    ] as const) {
      const text = formatAddress(address);
      const owner = owners.get(text);
      if (owner === undefined) owners.set(text, what);
      else problems.push(`members: ${text} is ${owner} and also ${what}.`);
    }
  }
  const loopback = members.find((member) => isLoopback(member.peer.host));
  const remote = members.find((member) => !isLoopback(member.peer.host));
  if (loopback === undefined || remote === undefined) return;
  problems.push(
    `members: ${loopback.id} is at ${loopback.peer.host}, which ${remote.id} at ${remote.peer.host} cannot reach; ` +
      'give addresses that every member can use.',
  );
}

function notesOn(members: readonly MemberConfig[]): string[] {
  if (members.length % 2 === 1) return [];
  const count = members.length;
  return [`${count} members survive the loss of no more than ${count - 1} would; an odd number is better.`];
}
