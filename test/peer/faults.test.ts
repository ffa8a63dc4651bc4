import { describe, expect, test } from 'vitest';
import { formatHash } from '../../src/base/hash.ts';
import type { PeerId } from '../../src/base/ids.ts';
import { below, SeededRandom } from '../../src/base/random.ts';
import type { PeerLimits } from '../../src/config/limits.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const KIB = 1024;

/** Bounds so tight that every one of them is met: entries come from disk, the log is cut at once, leaders run out of room. */
const TIGHT: Partial<PeerLimits> = {
  batchBytesMax: 2 * KIB,
  batchMovesMax: 8,
  appendBytesMax: 2 * KIB,
  inflightBytesMax: 8 * KIB,
  inflightAppendsMax: 3,
  uncommittedBytesMax: 8 * KIB,
  entriesInMemoryBytesMax: 8 * KIB,
  applyBytesMax: 4 * KIB,
  checkpointIntervalMs: 200,
  logTailBytes: 0,
  logTailMs: 0,
};

/** A cluster to which things happen while one client submits, each submission again until its outcome is known. */
class Ordeal {
  readonly #cluster: TestCluster;
  readonly #random: SeededRandom;
  readonly #paused = new Set<PeerId>();
  readonly #down = new Set<PeerId>();
  /** First task number of each submission that was acknowledged. */
  readonly acknowledged = new Map<number, number>();
  #client = true;

  constructor(cluster: TestCluster, seed: number) {
    this.#cluster = cluster;
    this.#random = new SeededRandom(seed);
  }

  async run(steps: number): Promise<void> {
    const client = this.#submitAll();
    for (let step = 0; step < steps; step += 1) {
      await this.#cluster.time.advance(below(this.#random, 600));
      await this.#fault();
    }
    for (const id of this.#paused) this.#cluster.resume(id);
    this.#paused.clear();
    for (const id of this.#down) await this.#cluster.start(id);
    this.#cluster.network.heal();
    await this.#cluster.untilServing();
    const before = this.acknowledged.size;
    await this.#cluster.time.until('progress after everything was healed', () => this.acknowledged.size > before + 3);
    this.#client = false;
    await this.#cluster.time.finish(client);
  }

  async #fault(): Promise<void> {
    const { ids } = this.#cluster;
    const id = ids[below(this.#random, ids.length)]!;
    const most = (ids.length - 1) >> 1;
    switch (below(this.#random, 8)) {
      case 0:
      case 1:
        if (this.#down.has(id)) {
          this.#down.delete(id);
          await this.#cluster.start(id);
        } else if (!this.#paused.has(id) && this.#down.size < ids.length) {
          this.#down.add(id);
          await this.#cluster.kill(id);
        }
        break;
      case 2:
        if (this.#down.has(id)) break;
        if (this.#paused.delete(id)) this.#cluster.resume(id);
        else if (this.#paused.size < most) {
          this.#paused.add(id);
          this.#cluster.pause(id);
        }
        break;
      case 3:
        this.#cluster.network.isolate(id);
        break;
      case 4:
        this.#cluster.network.cut(id, ids[below(this.#random, ids.length)]!);
        break;
      case 5:
        this.#cluster.site(id).clock.jump(below(this.#random, 7_200_000) - 3_600_000);
        break;
      default:
        this.#cluster.network.heal();
    }
  }

  async #submitAll(): Promise<void> {
    const outcome = async (sequence: number): Promise<void> => {
      while (!this.acknowledged.has(sequence)) {
        const { leader } = this.#cluster;
        if (leader === undefined || this.#paused.has(leader.self)) {
          await this.#sleep(20);
          continue;
        }
        // A killed process answers nobody: whoever waits for it gives up in time.
        const answer = await Promise.race([
          this.#cluster.proposed(leader, submit(sequence, 2, 200)).catch(() => undefined),
          this.#sleep(1_000),
        ]);
        if (answer?.type !== 'applied' || answer.reply.type !== 'submitted') {
          await this.#sleep(20);
          continue;
        }
        this.acknowledged.set(sequence, answer.reply.firstNumber);
      }
    };
    let sequence = 0;
    while (this.#client) {
      const wave = Array.from({ length: 12 }, (_, at) => outcome(sequence + at + 1));
      sequence += wave.length;
      await Promise.all(wave);
      await this.#sleep(150);
    }
  }

  #sleep(ms: number): Promise<undefined> {
    return new Promise((resolve) => {
      this.#cluster.time.after(ms, () => resolve(undefined));
    });
  }
}

function sharedMarks(cluster: TestCluster): { readonly index: number }[] {
  const [first, ...others] = cluster.running.map(({ peer }) => peer.status().marks);
  return first!.filter(({ index }) => others.every((marks) => marks.some((other) => other.index === index)));
}

describe('whatever happens to a minority, and to all for a while', () => {
  test.each([1, 2, 3, 4])('nothing acknowledged is lost or doubled, and all peers agree: seed %i', async (seed) => {
    const cluster = await TestCluster.serving(seed % 3 === 0 ? 5 : 3, TIGHT);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    const ordeal = new Ordeal(cluster, seed);
    await ordeal.run(40);
    await cluster.time.advance(2_000);
    await cluster.untilEqual();
    expect(cluster.running.flatMap((process) => process.halted)).toEqual([]);
    const { scheduler } = cluster.leader!;
    expect(cluster.leader!.term).toBeGreaterThan(1);
    expect(ordeal.acknowledged.size).toBeGreaterThan(50);
    for (const { peer } of cluster.running) {
      expect(peer.scheduler.counters().submitted).toBe(2 * ordeal.acknowledged.size);
      peer.scheduler.checkInvariants();
    }
    const numbers = [...ordeal.acknowledged.values()];
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(scheduler.task(number)).toMatchObject({ number, state: 'pending' });
    // Of the marks on the way some peers may have made none, since they began from the snapshot of a later one.
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await cluster.time.until('a mark of all', () => sharedMarks(cluster).length > 0);
    const marks = cluster.running.map(({ peer }) => peer.status().marks);
    for (const { index } of sharedMarks(cluster)) {
      const digests = marks.map((list) => formatHash(list.find((mark) => mark.index === index)!.digest));
      expect(new Set(digests).size).toBe(1);
    }
  });
});
