/** Where frames about snapshots come in: one part gives the own state to others, the other one fetches theirs. */
import type { Crc32 } from '../base/hash.ts';
import type { Clock, Timers } from '../base/clock.ts';
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { Scheduler, SchedulerLoader } from '../scheduler/scheduler.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';
import type { Checkpointer } from './checkpointer.ts';
import { decodeApplied } from './configuration.ts';
import type { MembershipBook } from './membership.ts';
import type { SnapshotFrame } from './snapshot-frames.ts';
import { decodeSnapshotFrame, encodeSnapshotFrame } from './snapshot-frames.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { PeerAlarm, SnapshotProgress } from './types.ts';

/** What this works with. */
export interface SnapshotParts {
  readonly self: PeerId;
  /** The file of this peer: it tells addresses that a checkpoint of the first version lacks. */
  readonly cluster: ClusterConfig;
  readonly limits: PeerLimits;
  readonly ports: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly crc32: Crc32;
    readonly logger: Logger;
    readonly transport: Pick<Transport, 'send' | 'connectedTo'>;
  };
  readonly storage: OpenedStorage;
  readonly scheduler: Scheduler;
  readonly loader: () => SchedulerLoader;
  readonly raft: Raft;
  readonly membership: MembershipBook;
  readonly checkpointer: Checkpointer;
}

/** What this asks of its host. */
export interface SnapshotHooks {
  /** Runs `action` as an event of its own; whatever it throws halts the peer. Does nothing once the peer stopped. */
  guard(action: () => void): void;
  failed(error: unknown): void;
  /** A snapshot is there, whole and verified: the host installs it and begins anew. */
  install(snapshot: ReadySnapshot): void;
}

/** See the head of this file. */
export class SnapshotDesk {
  readonly #parts: SnapshotParts;
  readonly sender: SnapshotSender;
  readonly receiver: SnapshotReceiver;
  /** What was needed last, and the term in which that was said: it holds for the leader of that term. */
  #atLeast: LogIndex = 0;
  #neededInTerm: Term = 0;

  constructor(parts: SnapshotParts, hooks: SnapshotHooks) {
    this.#parts = parts;
    const { ports, limits, storage, scheduler, checkpointer } = parts;
    const { clock, timers, logger } = ports;
    const { guard, failed } = hooks;
    this.sender = new SnapshotSender(
      { state: storage.state, log: storage.log, clock, timers, limits, checkpointUnderWay: () => checkpointer.writing },
      {
        guard,
        failed,
        hold: (on) => {
          scheduler.hold(on);
        },
        answer: (to, frame) => {
          this.#send(to, frame);
        },
      },
    );
    this.receiver = new SnapshotReceiver(
      {
        storage,
        clock,
        timers,
        logger,
        limits,
        loader: parts.loader,
        checkConfiguration: (configuration) => {
          decodeApplied(configuration, parts.cluster);
        },
        senders: () => this.#senders(),
      },
      {
        guard,
        failed,
        ready: (snapshot) => {
          if (!this.#has(snapshot.checkpoint.index)) {
            hooks.install(snapshot);
            return;
          }
          this.receiver.stop();
          snapshot.staging.discard().catch(failed);
        },
        request: (to, frame) => {
          this.#send(to, frame);
        },
        nobodyHasAny: () => {
          logger.warn('no other peer has a state to give');
        },
      },
    );
  }

  get progress(): SnapshotProgress | undefined {
    return this.receiver.progress;
  }

  /** What an operator should look at. */
  get alarms(): readonly PeerAlarm[] {
    const { lacksBytes } = this.receiver;
    if (lacksBytes === undefined) return [];
    const mib = Math.ceil(lacksBytes / (1024 * 1024));
    const message = `${this.#parts.self} has no room for the state that it fetches from the others: give its disk ${mib} MiB or more. It waits.`;
    return [{ code: 'SPACE_LOW', message }];
  }

  /** A checkpoint at `atLeast` or later is needed by the log of this peer's leader, or by its own. */
  needed(atLeast: LogIndex): void {
    if (this.#has(atLeast)) return;
    this.#atLeast = atLeast;
    this.#neededInTerm = this.#parts.raft.term;
    this.receiver.needed(atLeast);
  }

  /** A frame of another peer. @throws DecodeError when it is none */
  frame(from: PeerId, bytes: Uint8Array): void {
    const frame = decodeSnapshotFrame(bytes, this.#parts.ports.crc32);
    if (frame.type === 'request') {
      if (this.#parts.storage.stateMissing)
        this.#send(from, { type: 'refused', index: frame.index, reason: 'no-state', newest: 0 });
      else this.sender.requested(from, frame);
    } else this.receiver.answered(from, frame);
  }

  /** The connection to `peer` ended. */
  lost(peer: PeerId): void {
    this.receiver.lost(peer);
  }

  /** About a second has passed. */
  tick(): void {
    this.sender.tick();
    // What was missing may have come another way: from a leader whose log reaches back further.
    if (this.receiver.fetching && this.#has(this.#atLeast)) this.receiver.stop();
    const { storage, ports, raft } = this.#parts;
    // Until the leader of a later term asks for more, the own log does with what it begins behind.
    const needs = this.receiver.fetching && storage.stateMissing && raft.term > this.#neededInTerm;
    if (needs) this.needed(raft.status().firstIndex - 1);
    if (storage.stagedIndex === undefined || !this.#has(storage.stagedIndex)) return;
    storage.discardStaged().catch((error: unknown) => {
      ports.logger.warn('what came of a snapshot could not be removed', { reason: String(error) });
    });
  }

  /** True when the own state holds the entry at `index`. */
  #has(index: LogIndex): boolean {
    return !this.#parts.storage.stateMissing && this.#parts.raft.appliedIndex >= index;
  }

  stop(): void {
    this.sender.stop();
    this.receiver.suspend();
  }

  #send(to: PeerId, frame: SnapshotFrame): void {
    const { ports } = this.#parts;
    ports.transport.send(to, 'bulk', encodeSnapshotFrame(frame, ports.crc32));
  }

  /** Members that can be reached; the leader last, as it has most to do. */
  #senders(): PeerId[] {
    const { self, raft, membership, ports } = this.#parts;
    const { leader } = raft;
    const others = membership.peers().map(({ peer }) => peer);
    const reached = others.filter((peer) => peer !== self && peer !== leader && ports.transport.connectedTo(peer));
    // Each begins its search at another place, so that two that fetch do not meet at one sender.
    const start = reached.findIndex((peer) => peer > self);
    const turned = start < 0 ? reached : [...reached.slice(start), ...reached.slice(0, start)];
    return leader === undefined || leader === self ? turned : [...turned, leader];
  }
}
