/** The consensus core as the disk left it. */
import type { PeerId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { ClusterTimings } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import { encodeMembers } from '../raft/configuration.ts';
import { RAFT_DEFAULTS } from '../raft/options.ts';
import { Raft } from '../raft/raft.ts';
import type { OpenedStorage, RecoveredLog } from '../storage/storage.ts';
import type { AppliedCluster } from './configuration.ts';
import { decodeMemberInfo } from './member-info.ts';

/** What a core is made of. */
export interface RaftParts {
  readonly self: PeerId;
  readonly timings: ClusterTimings;
  readonly limits: PeerLimits;
  readonly random: Random;
  readonly storage: Pick<OpenedStorage, 'identity' | 'state' | 'damage' | 'stateMissing'>;
  readonly recovered: RecoveredLog;
  /** The cluster as the checkpoint has it, or as it was founded. */
  readonly cluster: AppliedCluster;
}

/** See the head of this file. */
export function makeRaft(parts: RaftParts): Raft {
  const { self, timings, limits, random, storage, recovered, cluster } = parts;
  const { tickMs, heartbeatMs, electionTimeoutMs } = timings;
  // A log without a state is kept for the others; nothing of it counts as applied but what is gone from it.
  const applied = storage.state.checkpoint?.index ?? recovered.firstIndex - 1;
  const electionTimeoutTicks = Math.ceil(electionTimeoutMs / tickMs);
  const { damage } = storage;
  return new Raft(
    {
      ...RAFT_DEFAULTS,
      self,
      isSelf: (info) => {
        const { incarnation } = decodeMemberInfo(info);
        return incarnation === undefined || incarnation === storage.identity.incarnation;
      },
      electionTimeoutTicks,
      heartbeatIntervalTicks: Math.ceil(heartbeatMs / tickMs),
      persistTimeoutTicks: Math.max(RAFT_DEFAULTS.persistTimeoutTicks, 4 * electionTimeoutTicks),
      progressTimeoutTicks: Math.max(RAFT_DEFAULTS.progressTimeoutTicks, 20 * electionTimeoutTicks),
      maxAppendBytes: limits.appendBytesMax,
      maxInflightMessages: limits.inflightAppendsMax,
      maxInflightBytes: limits.inflightBytesMax,
      maxUncommittedBytes: limits.uncommittedBytesMax,
      maxEntriesInMemoryBytes: limits.entriesInMemoryBytesMax,
      maxPersistEntries: limits.persistEntriesMax,
      maxApplyBytes: limits.applyBytesMax,
      maxPendingReads: limits.readsMax,
      random,
    },
    {
      ...recovered,
      applied,
      commit: applied,
      configurations: [
        { index: cluster.index, data: encodeMembers(cluster.members) },
        ...recovered.configurations.filter(({ index }) => index > cluster.index),
      ],
      ...(damage === undefined ? {} : { damage: { lastIndex: damage.lastIndex, lastTerm: damage.lastTerm } }),
      ...(storage.stateMissing ? { stateMissing: true } : {}),
    },
  );
}
