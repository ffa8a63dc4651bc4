/**
 * Who belongs to the cluster, as the log says it: members that vote, and learners, which get everything and decide nothing.
 *
 * An entry of kind `configuration` carries the whole new configuration, never a difference, so that it can be read on its own:
 *
 * ```
 * kind u8 · format u8 · count varint · count × (peer ascii · votes u8 · info behind its length)     in order of the ids
 * ```
 *
 * Changes are made one at a time, and each changes at most one voter. Every majority of the old voters then shares a member
 * with every majority of the new ones, so two leaders cannot be elected side by side by peers of which some know the newest
 * configuration and some do not (thesis §4.1).
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import { isName, peerId } from '../base/ids.ts';

/** Most members of a cluster, voters and learners together. */
export const MEMBERS_MAX = 16;

/** Most members that vote. */
export const VOTERS_MAX = 9;

/** Most bytes of one member's `info`. */
export const MEMBER_INFO_BYTES_MAX = 1024;

/** One peer of the cluster. */
export interface Member {
  readonly peer: PeerId;
  /** False for a learner: it counts for no majority and leads nothing. */
  readonly votes: boolean;
  /** Opaque to Raft: how the peer is known and reached. At most `MEMBER_INFO_BYTES_MAX`. */
  readonly info: Uint8Array;
}

/**
 * The members from one entry of the log on. Invariants: members, voters and learners are sorted by id, each once, within their
 * bounds. Only a peer that knows nothing yet has a configuration without voters, and it takes no part in any decision.
 */
export interface Configuration {
  /** The entry that made it; 0 for the one that the cluster was founded with. */
  readonly index: LogIndex;
  readonly members: readonly Member[];
  readonly voters: readonly PeerId[];
  readonly learners: readonly PeerId[];
}

/** What can be asked of a configuration. One member changes at a time. */
export type ConfigurationChange =
  /** A new member, as a learner at first: it must not weigh in before it holds the log. */
  | { readonly type: 'add'; readonly peer: PeerId; readonly info: Uint8Array }
  /** A learner becomes a voter. */
  | { readonly type: 'promote'; readonly peer: PeerId }
  | { readonly type: 'remove'; readonly peer: PeerId };

/** Why a change cannot be made to a configuration, whoever asks. */
export type ChangeProblem = 'already-member' | 'unknown-peer' | 'already-votes' | 'last-voter' | 'too-many-members';

const KIND = 1;
const FORMAT = 1;

/** The configuration of `members`, which come in any order, made by the entry at `index`. */
export function configurationOf(index: LogIndex, members: readonly Member[]): Configuration {
  const sorted = members.toSorted(byPeer);
  const voters = sorted.filter((member) => member.votes).map((member) => member.peer);
  const learners = sorted.filter((member) => !member.votes).map((member) => member.peer);
  assert(sorted.length <= MEMBERS_MAX && voters.length <= VOTERS_MAX, 'a configuration is bounded');
  return { index, members: sorted, voters, learners };
}

/** The members as the bytes of an entry. */
export function encodeMembers(members: readonly Member[]): Uint8Array {
  assert(members.length <= MEMBERS_MAX, 'a configuration is bounded');
  const writer = new ByteWriter(64);
  writer.u8(KIND);
  writer.u8(FORMAT);
  writer.varint(members.length);
  for (const member of members.toSorted(byPeer)) {
    assert(member.info.length <= MEMBER_INFO_BYTES_MAX, 'what is kept of a member is bounded');
    writer.ascii(member.peer);
    writer.u8(member.votes ? 1 : 0);
    writer.bytes(member.info);
  }
  return writer.take();
}

/**
 * Reads what `encodeMembers` wrote.
 *
 * @throws DecodeError on anything else: members out of order or repeated, too many of them or of voters.
 */
export function decodeMembers(bytes: Uint8Array): Member[] {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind !== KIND || format !== FORMAT) throw new DecodeError(`members of kind ${kind} and format ${format}`);
  const count = reader.varint();
  if (count > MEMBERS_MAX) throw new DecodeError(`${count} members are too many`);
  const members: Member[] = [];
  let voters = 0;
  for (let at = 0; at < count; at += 1) {
    const name = reader.ascii();
    if (!isName(name)) throw new DecodeError('a member has no name');
    const before = members.at(-1);
    if (before !== undefined && before.peer >= name) throw new DecodeError('members are not in order');
    const votes = reader.u8();
    if (votes > 1) throw new DecodeError(`${votes} is no flag`);
    voters += votes;
    const info = reader.bytes();
    if (info.length > MEMBER_INFO_BYTES_MAX) throw new DecodeError('too much is kept of a member');
    members.push({ peer: peerId(name), votes: votes === 1, info: info.slice() });
  }
  if (voters > VOTERS_MAX) throw new DecodeError(`${voters} voters are too many`);
  reader.end();
  return members;
}

/** The members after `change`, or why it cannot be made. */
export function changeMembers(configuration: Configuration, change: ConfigurationChange): Member[] | ChangeProblem {
  const { members, voters } = configuration;
  const { peer } = change;
  const member = members.find((other) => other.peer === peer);
  if (change.type === 'add') {
    if (member !== undefined) return 'already-member';
    if (members.length >= MEMBERS_MAX) return 'too-many-members';
    return [...members, { peer, votes: false, info: change.info }];
  }
  if (member === undefined) return 'unknown-peer';
  if (change.type === 'promote') {
    if (member.votes) return 'already-votes';
    if (voters.length >= VOTERS_MAX) return 'too-many-members';
    return members.map((other) => (other.peer === peer ? { ...other, votes: true } : other));
  }
  // A majority of no voters would be none, and whoever asked would decide alone.
  if (member.votes && voters.length === 1) return 'last-voter';
  return members.filter((other) => other.peer !== peer);
}

/** True when at most one voter differs, so that every majority of one shares a member with every majority of the other. */
export function adjacent(left: readonly PeerId[], right: readonly PeerId[]): boolean {
  let differing = 0;
  for (const voter of left) if (!right.includes(voter)) differing += 1;
  for (const voter of right) if (!left.includes(voter)) differing += 1;
  return differing <= 1;
}

function byPeer(left: Member, right: Member): number {
  if (left.peer === right.peer) return 0;
  return left.peer < right.peer ? -1 : 1;
}
