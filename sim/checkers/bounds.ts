import type { PeerLimits } from '../../src/config/limits.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import type { ClusterView } from './checker.ts';
import { type PeerView, PropertyChecker } from './checker.ts';

/** The state in use, and a staging or what a removal has left of one. While a damaged directory is opened there may be one more. */
const STATES_MAX = 2;

/** What is bounded stays within its bounds; leaks are found by them. */
export class Bounds extends PropertyChecker {
  override readonly name = 'bounds';
  readonly #peer: PeerLimits;
  readonly #scheduler: SchedulerLimits;

  constructor(cluster: ClusterView, peer: PeerLimits, scheduler: SchedulerLimits) {
    super(cluster);
    this.#peer = peer;
    this.#scheduler = scheduler;
  }

  changed(peer: PeerView): void {
    const { raft } = peer;
    if (raft === undefined) return;
    this.#within(peer, 'bytes queued', peer.queuedBytes, this.#peer.queueBytesMax);
    const { role, forwarded, options } = raft.inspect();
    this.#within(peer, 'reads asked of the leader', forwarded.pending, this.#peer.readsMax);
    if (role.name !== 'leader') return;
    this.#within(peer, 'reads waiting', role.reads.pending, this.#peer.readsMax);
    // One entry may pass the bound, or it could never be appended.
    const oneMore = this.#peer.commandBytesMax + this.#peer.batchBytesMax;
    this.#within(peer, 'uncommitted bytes', role.uncommittedBytes, this.#peer.uncommittedBytesMax + oneMore);
    const waited = role.transfer?.elapsedTicks ?? 0;
    this.#within(peer, 'ticks of a hand-over', waited, options.electionTimeoutTicks);
    for (const progress of role.peers) {
      this.#within(peer, 'appends in flight', progress.inflight.count, this.#peer.inflightAppendsMax);
    }
  }

  whole(): void {
    for (const peer of this.cluster.peers) {
      const { scheduler } = peer;
      if (scheduler === undefined) continue;
      this.#within(peer, 'databases of states', peer.stateCount, STATES_MAX);
      const counters = scheduler.counters();
      this.#within(peer, 'client sessions', counters.sessions, this.#scheduler.sessionsMax);
      this.#within(peer, 'workers', counters.workers, this.#scheduler.workersMax);
      this.#within(peer, 'live tasks', counters.liveTasks, this.#scheduler.liveTasksMax);
      this.#within(peer, 'live bytes', counters.liveBytes, this.#scheduler.liveBytesMax);
    }
  }

  #within(peer: PeerView, what: string, value: number, max: number): void {
    this.compare(value <= max, () => `${peer.id} has ${value} ${what}, over the bound of ${max}`);
  }
}
