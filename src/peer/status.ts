/** Puts together what an operator sees of one peer. */
import type { PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { RaftStatus } from '../raft/status.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import { instantOf } from './log-time.ts';
import type { Instant } from './log-time.ts';
import type { Member } from './member.ts';
import type { Membership, MemberStatus, PeerAlarm, PeerPorts, PeerState, PeerStatus, VoterStatus } from './types.ts';

/** What a status is made from; everything but the first part is undefined until the data directory was opened. */
export interface StatusParts {
  readonly self: PeerId;
  readonly state: PeerState;
  readonly reason: string | undefined;
  readonly cluster: ClusterConfig;
  readonly limits: PeerLimits;
  readonly ports: PeerPorts;
  readonly storage: OpenedStorage | undefined;
  readonly member: Member | undefined;
}

/** The status now. */
export function statusOf(parts: StatusParts): PeerStatus {
  const { self, state, reason, storage, member, ports } = parts;
  const now = instantOf(ports.clock);
  const raft = member?.raft.status();
  const voters = voterStatuses(parts, raft, now);
  return {
    self,
    state,
    reason,
    identity: storage?.identity,
    voters,
    role: raft?.role ?? 'follower',
    term: raft?.term ?? 0,
    leader: raft?.leader,
    serving: member?.serving ?? false,
    commitIndex: raft?.commitIndex ?? 0,
    appliedIndex: member?.appliedIndex ?? 0,
    durableIndex: raft?.durableIndex ?? 0,
    firstIndex: storage?.log.firstIndex ?? 1,
    checkpointIndex: storage?.state.checkpoint?.index ?? 0,
    logSizeBytes: storage?.log.sizeBytes ?? 0,
    logTimeMs: member?.logTime.nowMs(now) ?? 0,
    marks: [...(member?.checkpointer.marks ?? [])],
    clockOffsetMs: member?.logTime.offsetMs(now),
    alarms: [...(member?.alarms ?? []), ...refusedAlarms(parts)],
    membership: membershipOf(parts),
    damaged: (raft?.damaged ?? storage?.damage !== undefined) || storage?.stateMissing === true,
    spaceLow: member?.neighbours.spaceLow ?? false,
    snapshot: member?.snapshots.progress,
    featureLevel: member?.membership.applied.featureLevel ?? 0,
    queuedCommands: member?.batcher.queuedCount ?? 0,
    queuedBytes: member?.batcher.queuedBytes ?? 0,
  };
}

/** A peer that cannot talk to the others takes part as far as it knows: that it does not must be said. */
function refusedAlarms({ self, ports }: StatusParts): PeerAlarm[] {
  return ports.transport.refusedPeers().map(({ peer, refusal }) => {
    const message = `${self} and ${peer} do not talk (${refusal.code}, said by ${refusal.by === 'us' ? self : peer}): ${refusal.sentence}`;
    return { code: 'REFUSED', message };
  });
}

function voterStatuses(parts: StatusParts, raft: RaftStatus | undefined, now: Instant): VoterStatus[] {
  const { self, cluster, storage, member, ports } = parts;
  const voters: VoterStatus[] = [];
  const ids = member?.membership.configuration.voters ?? cluster.members.map((one) => one.id);
  for (const id of ids) {
    if (id === self) continue;
    const matchIndex = raft?.peers.find((peer) => peer.peer === id)?.matchIndex;
    voters.push({
      peer: id,
      matchIndex,
      connected: ports.transport.connectedTo(id),
      heldBackBytes:
        matchIndex === undefined || storage === undefined ? undefined : storage.log.bytesFrom(matchIndex + 1),
      clockOffsetMs: member?.logTime.offsetOfMs(id, now),
    });
  }
  return voters;
}

/** Every member of the configuration in force here, by id. */
export function memberStatuses(parts: StatusParts): MemberStatus[] {
  const { self, member, ports } = parts;
  if (member === undefined) return [];
  const raft = member.raft.status();
  return member.membership.configuration.members.map(({ peer, votes }) => {
    const { incarnation, addresses } = member.membership.infoOf(peer);
    const progress = raft.peers.find((one) => one.peer === peer);
    const news = member.neighbours.newsOf(peer);
    const own = peer === self;
    return {
      peer,
      votes,
      incarnation,
      addresses,
      state: progress?.state,
      matchIndex: own && raft.role === 'leader' ? raft.durableIndex : progress?.matchIndex,
      connected: own || ports.transport.connectedTo(peer),
      damaged: own ? raft.damaged || raft.stateMissing : (news?.damaged ?? false) || (news?.stateMissing ?? false),
      spaceLow: own ? member.neighbours.spaceLow : (news?.spaceLow ?? false),
    };
  });
}

/** Who belongs to the cluster, as far as known before anything is open: nobody. */
export function membershipOf(parts: StatusParts): Membership {
  const { member } = parts;
  if (member === undefined) return { index: 0, committed: false, members: [], joining: [] };
  const { configuration } = member.membership;
  return {
    index: configuration.index,
    committed: configuration.index <= member.raft.commitIndex,
    members: memberStatuses(parts),
    joining: member.neighbours.joining(),
  };
}
