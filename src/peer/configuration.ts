/**
 * What a checkpoint keeps of the cluster itself: who belongs to it, who was removed, and which features are on. All of it is
 * made by applying entries, so it is the same on every peer that applied as much.
 *
 *     u8 kind | u8 format 2 | varint feature level | varint index | members behind their length
 *             | varint count | count × (name, incarnation)
 *     u8 kind | u8 format 1 | varint count | count × name of a voter                            as the first version wrote it
 *
 * Who votes is the log's to tell, never the file's: a peer that counts other voters than the rest finds a majority where there is
 * none, and two leaders acknowledge at once.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';
import { isName, peerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { memberOf } from '../config/cluster-config.ts';
import { decodeMembers, encodeMembers } from '../raft/configuration.ts';
import type { Member } from '../raft/configuration.ts';
import type { Founding } from '../storage/storage.ts';
import { featureProblem } from './features.ts';
import {
  decodeMemberInfo,
  encodeMemberInfo,
  NO_INCARNATION,
  readIncarnation,
  writeIncarnation,
} from './member-info.ts';

const KIND = 1;
const FORMAT = 2;
const FORMAT_VOTERS = 1;

/** Most removed data directories that are remembered; the oldest is forgotten. */
export const REMOVED_MAX = 64;

/** Most voters that the first format may name. */
const VOTERS_MAX = 255;

/** A data directory that belonged to the cluster once. */
export interface Removed {
  readonly peer: PeerId;
  /** `NO_INCARNATION` for the directory of a founder that had not been heard by whoever led. */
  readonly incarnation: string;
}

/** A data directory, as it is asked whether it was removed. */
export interface Candidate extends Removed {
  /** It names itself among those that the cluster was founded with. A directory that came later under such a name does not. */
  readonly isFounder: boolean;
}

/** True when that directory belonged to the cluster once. */
export function wasRemoved(removed: readonly Removed[], { peer, incarnation, isFounder }: Candidate): boolean {
  return removed.some(
    (one) =>
      one.peer === peer && (one.incarnation === incarnation || (isFounder && one.incarnation === NO_INCARNATION)),
  );
}

/** What the entries up to some index have made of the cluster. */
export interface AppliedCluster {
  /** Features that are on, see `features.ts`. */
  readonly featureLevel: number;
  /** The entry of the configuration; 0 for the founders. */
  readonly index: LogIndex;
  /** By id. */
  readonly members: readonly Member[];
  /** In the order of their removal, at most `REMOVED_MAX`. */
  readonly removed: readonly Removed[];
}

/** As a checkpoint keeps it. */
export function encodeApplied(applied: AppliedCluster): Uint8Array {
  assert(applied.removed.length <= REMOVED_MAX, 'few removed members are remembered');
  const writer = new ByteWriter(512);
  writer.u8(KIND);
  writer.u8(FORMAT);
  writer.varint(applied.featureLevel);
  writer.varint(applied.index);
  writer.bytes(encodeMembers(applied.members));
  writer.varint(applied.removed.length);
  for (const { peer, incarnation } of applied.removed) {
    writer.ascii(peer);
    writeIncarnation(writer, incarnation);
  }
  return writer.take();
}

/** The feature level of what `encodeApplied` wrote, which may be one that this version does not know. @throws DecodeError */
export function appliedLevel(bytes: Uint8Array): number {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== KIND) throw new DecodeError('these are no bytes of a configuration');
  return reader.u8() === FORMAT_VOTERS ? 0 : reader.varint();
}

/**
 * Reads what `encodeApplied` wrote, in either format. `cluster` tells addresses that the first one lacks.
 * @throws DecodeError, also where a feature is on that this version does not know
 */
export function decodeApplied(bytes: Uint8Array, cluster: ClusterConfig): AppliedCluster {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  const format = reader.u8();
  if (kind === KIND && format === FORMAT_VOTERS) return readVoters(reader, cluster);
  if (kind !== KIND || format !== FORMAT)
    throw new DecodeError(`a configuration has kind ${kind} and format ${format}`);
  const featureLevel = reader.varint();
  const problem = featureProblem(featureLevel);
  if (problem !== undefined) throw new DecodeError(problem);
  const index = reader.varint();
  const members = decodeMembers(reader.bytes().slice());
  const count = reader.varint();
  if (count > REMOVED_MAX) throw new DecodeError(`${count} removed members are too many`);
  const removed: Removed[] = [];
  for (let at = 0; at < count; at += 1) removed.push({ peer: readName(reader), incarnation: readIncarnation(reader) });
  reader.end();
  return { featureLevel, index, members, removed };
}

/**
 * What the entry `index` makes of `before`: these are the members from there on. An entry makes one change, so a name that stays keeps
 * its data directory: where it seems to have another one, `before` is the founding as a peer heard of it that joined later, which
 * tells of founders as they are by now, and not as they were.
 */
export function applyMembers(before: AppliedCluster, index: LogIndex, members: readonly Member[]): AppliedCluster {
  assert(index > before.index, 'configurations are applied in order');
  const gone = before.members.flatMap((member): Removed[] => {
    if (members.some((one) => one.peer === member.peer)) return [];
    const { incarnation = NO_INCARNATION } = decodeMemberInfo(member.info);
    return [{ peer: member.peer, incarnation }];
  });
  // One that is a member was not removed, whatever was made of hearsay.
  const removed = [...before.removed, ...gone].filter((one) => !isMember(members, one.peer, one.incarnation));
  return { ...before, index, members, removed: removed.slice(-REMOVED_MAX) };
}

/**
 * The cluster as it was founded, for a peer without a checkpoint: those that its founding record lists, with the addresses of the
 * file. The file alone counts where the record is of the first version, which did not list everyone.
 */
export function foundedCluster(founding: Founding, cluster: ClusterConfig): AppliedCluster {
  const heard = new Map<PeerId, string>(founding.heard.map((founder) => [founder.peerId, founder.incarnation]));
  const file = cluster.members.map((member) => member.id);
  const ids = founding.whole === true ? [...heard.keys()] : [...new Set([...file, ...heard.keys()])];
  const members = ids.sort().map((id) => memberFromFile(cluster, id, heard.get(id)));
  return { featureLevel: 0, index: 0, members, removed: [] };
}

function memberFromFile(cluster: ClusterConfig, id: PeerId, incarnation: string | undefined): Member {
  const found = memberOf(cluster, id);
  const addresses = found === undefined ? undefined : { peer: found.peer, client: found.client };
  const known = incarnation === NO_INCARNATION ? undefined : incarnation;
  return { peer: id, votes: true, info: encodeMemberInfo({ incarnation: known, addresses }) };
}

function readVoters(reader: ByteReader, cluster: ClusterConfig): AppliedCluster {
  const count = reader.varint();
  if (count > VOTERS_MAX) throw new DecodeError(`a configuration of ${count} voters is not possible`);
  const members: Member[] = [];
  for (let at = 0; at < count; at += 1) members.push(memberFromFile(cluster, readName(reader), undefined));
  reader.end();
  return { featureLevel: 0, index: 0, members, removed: [] };
}

function readName(reader: ByteReader): PeerId {
  const name = reader.ascii();
  if (!isName(name)) throw new DecodeError('a member has no name');
  return peerId(name);
}

function isMember(members: readonly Member[], peer: PeerId, incarnation: string): boolean {
  return members.some((member) => member.peer === peer && decodeMemberInfo(member.info).incarnation === incarnation);
}
