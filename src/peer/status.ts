/** Puts together what an operator sees of one peer. */
import type { PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { RaftStatus } from '../raft/status.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import { instantOf } from './log-time.ts';
import type { Instant } from './log-time.ts';
import type { Member } from './member.ts';
import type { PeerAlarm, PeerPorts, PeerState, PeerStatus, VoterStatus } from './types.ts';

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
  const { self, state, reason, storage, member, ports, limits } = parts;
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
    alarms: [...(member?.alarms ?? []), ...heldBackAlarms(voters, limits)],
    queuedCommands: member?.batcher.queuedCount ?? 0,
    queuedBytes: member?.batcher.queuedBytes ?? 0,
  };
}

function voterStatuses(parts: StatusParts, raft: RaftStatus | undefined, now: Instant): VoterStatus[] {
  const { self, cluster, storage, member, ports } = parts;
  const voters: VoterStatus[] = [];
  for (const { id } of cluster.members) {
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

function heldBackAlarms(voters: readonly VoterStatus[], limits: PeerLimits): PeerAlarm[] {
  const alarms: PeerAlarm[] = [];
  for (const { peer, heldBackBytes } of voters) {
    if (heldBackBytes === undefined || heldBackBytes <= limits.logTailBytes) continue;
    const mib = Math.round(heldBackBytes / (1024 * 1024));
    const message = `${peer} has not got the last ${mib} MiB of the log, which all peers keep for it: start ${peer}, or look why it lags.`;
    alarms.push({ code: 'LOG_HELD_BACK', message });
  }
  return alarms;
}
