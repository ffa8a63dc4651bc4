/** What a member is made of, and what it tells whoever made it. */
import type { LogIndex, PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Message } from '../raft/message.ts';
import type { Damage } from '../raft/types.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import type { Scheduler, SchedulerLoader } from '../scheduler/scheduler.ts';
import type { OpenedStorage, RecoveredLog } from '../storage/storage.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import type { AgedCut } from './tail-ages.ts';
import type { Leadership, PeerPorts } from './types.ts';

/** What a member is made of. */
export interface MemberParts {
  readonly self: PeerId;
  readonly cluster: ClusterConfig;
  readonly limits: PeerLimits;
  readonly ports: PeerPorts;
  readonly storage: OpenedStorage;
  readonly recovered: RecoveredLog;
  /** The stamp of the last batch in the log, in ms; 0 when there is none. No stamp goes below it. */
  readonly lastStampMs: number;
  /** Where the log may be cut up to the checkpoint, and how old it is there. */
  readonly tail: readonly AgedCut[];
  /** The state at the last checkpoint. */
  readonly scheduler: Scheduler;
  /** Makes the loader of a state that comes from another peer. */
  readonly loader: () => SchedulerLoader;
}

/** What the parts of a member ask of it. */
export interface Around {
  guard(action: () => void): void;
  failed(error: unknown): void;
  wake(): void;
}

/** Where a member tells what happens. */
export interface MemberHooks {
  applied(index: LogIndex, outcome: ApplyOutcome): void;
  leadership(change: Leadership): void;
  /** Who belongs to the cluster, or what others are to be told of it, has changed; `membership` has the details. */
  membership(): void;
  /** This peer was removed, and that is committed. */
  removed(): void;
  /** A snapshot waits to be installed. */
  install(snapshot: ReadySnapshot): void;
  /** A read of the state that nobody waits for failed. */
  damaged(error: unknown): void;
  /** This peer acknowledged `lost` to the leader of whom `message` is, and does not hold it. */
  lost(lost: Damage, message: Message): void;
  /** A read of the state failed without which nothing more can be applied. */
  unreadable(error: unknown): void;
  /** Something broke: a failure of the storage may be survived by opening it anew, everything else must not be. */
  failed(error: unknown): void;
}
