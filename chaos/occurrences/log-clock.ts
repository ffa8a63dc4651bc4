/** What time it is by the log of the cluster, as far as the run can tell: the wall clock, and how far it was off when a leader last said. */
import { pause } from '../clock.ts';
import type { ChaosCluster } from '../cluster.ts';
import { type Cycle, nextInstant } from './cycle.ts';

/** An instant that is nearer than this is left for the next one, in ms. */
const NOTICE_MS = 40;

/** See the head of this file. */
export class LogClock {
  readonly #cluster: ChaosCluster;
  /** What log time is ahead of the wall clock, in ms. */
  #aheadMs = 0;

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  get nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Asks the leader, where there is one. */
  async look(): Promise<void> {
    const askedMs = Date.now();
    const leader = await this.#cluster.leader();
    // Half the way there and back; an answer that waited for a peer that does not answer says less.
    const elapsedMs = Date.now() - askedMs;
    if (leader !== undefined && elapsedMs < 500) this.#aheadMs = leader.logTimeMs - (askedMs + elapsedMs / 2);
  }

  /** Waits until `deltaMs` after the next instant of `cycle`; a negative one is before it. */
  async aim(cycle: Cycle, deltaMs: number): Promise<void> {
    const instantMs = nextInstant(cycle, this.nowMs + Math.max(0, -deltaMs) + NOTICE_MS);
    await pause(Math.max(0, instantMs + deltaMs - this.nowMs));
  }
}
