import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import type { PeerLimits } from '../../src/config/limits.ts';
import type { Peer } from '../../src/peer/peer.ts';
import { RoomPause } from '../../src/peer/reopen-budget.ts';
import type { DatabaseName } from '../../src/storage/disk.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';
import { FailingDisk } from './support/failing-disk.ts';

const MIB = 1024 * 1024;
const FULL = 'ENOSPC: no space left on device';

/** A cluster of three, of which the disks can be made to fail, now and at every opening. */
class Failing {
  readonly cluster: TestCluster;
  readonly #disks = new Map<PeerId, FailingDisk>();
  readonly #failing = new Map<PeerId, readonly [DatabaseName | 'staging', string]>();

  constructor(limits: Partial<PeerLimits>) {
    this.cluster = new TestCluster(3, limits);
    this.cluster.wrapDisk = (disk, id) => {
      const wrapped = new FailingDisk(disk);
      this.#disks.set(id, wrapped);
      this.#apply(id);
      return wrapped;
    };
  }

  async begin(): Promise<void> {
    for (const id of this.cluster.ids) await this.cluster.start(id);
    await this.cluster.untilServing();
    await this.cluster.propose(this.cluster.leader!, OPEN_SESSION);
    await this.cluster.untilEqual();
  }

  /** From now on writes to `name` fail with `error`, until `works`. */
  fails(id: PeerId, name: DatabaseName | 'staging', error: string): void {
    this.#failing.set(id, [name, error]);
    this.#apply(id);
  }

  works(id: PeerId): void {
    this.#failing.delete(id);
    this.#apply(id);
  }

  #apply(id: PeerId): void {
    const disk = this.#disks.get(id);
    if (disk === undefined) return;
    const [name, error] = this.#failing.get(id) ?? [undefined, ''];
    disk.failing = name;
    disk.error = error;
  }
}

async function load(cluster: TestCluster, from: number, count: number, payloadBytes = 16): Promise<void> {
  for (let at = from; at < from + count; at += 1) {
    await cluster.propose(await cluster.untilServing(), submit(at, 1, payloadBytes));
    await cluster.time.advance(100);
  }
}

const codes = (peer: Peer): string[] => peer.status().alarms.map(({ code }) => code);

describe('a peer that fetches a snapshot and has no room for it', () => {
  const SLOW = {
    logTailBytes: 0,
    logTailMs: 0,
    snapshotPageBytes: 2_000,
    snapshotBytesPerSecond: 40_000,
    logHoldBytes: 0,
    spaceLowBytes: 0,
  };

  test('says so, goes on with what it is, and fetches it once there is room', async () => {
    const failing = new Failing(SLOW);
    const { cluster } = failing;
    await failing.begin();
    const behind = cluster.followers[0]!.self;
    await cluster.kill(behind);
    await load(cluster, 1, 40, 2_000);
    await cluster.time.advance(2_000);
    cluster.site(behind).platter.freeBytes = MIB;
    failing.fails(behind, 'staging', FULL);
    const peer = await cluster.start(behind);
    await cluster.time.until('the alarm', () => codes(peer).includes('SPACE_LOW'));
    expect(peer.status().alarms.at(-1)!.message).toMatch(/has no room for the state .* give its disk \d+ MiB or more/);
    failing.works(behind);
    // As long as it has no more room than it had, it is not tried.
    await cluster.time.advance(120_000);
    expect(peer.status()).toMatchObject({ state: 'serving', snapshot: { phase: 'fetching', receivedBytes: 0 } });
    expect(cluster.process(behind).halted).toEqual([]);
    expect(peer.generation).toBe(1);
    cluster.site(behind).platter.freeBytes = 1_000 * MIB;
    await cluster.time.until('the snapshot to be installed', () => peer.status().checkpointIndex > 10, 120_000);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(40);
    expect(codes(peer)).toEqual([]);
  });

  test('leaves room for its own log: it stops before the disk is full', async () => {
    const failing = new Failing({ ...SLOW, spaceLowBytes: 256 * MIB });
    const { cluster } = failing;
    await failing.begin();
    const behind = cluster.followers[0]!.self;
    await cluster.kill(behind);
    await load(cluster, 1, 40, 2_000);
    await cluster.time.advance(2_000);
    cluster.site(behind).platter.freeBytes = 100 * MIB;
    const peer = await cluster.start(behind);
    await cluster.time.advance(10_000);
    expect(peer.status()).toMatchObject({ snapshot: { phase: 'fetching', receivedBytes: 0 } });
    expect(
      peer
        .status()
        .alarms.map(({ message }) => message)
        .join(),
    ).toContain('give its disk 192 MiB or more');
    cluster.site(behind).platter.freeBytes = 192 * MIB;
    await cluster.time.until('the snapshot to be installed', () => peer.status().checkpointIndex > 10, 120_000);
  });

  test('and a disk that fails otherwise makes it open its directory anew, a few times', async () => {
    const failing = new Failing(SLOW);
    const { cluster } = failing;
    await failing.begin();
    const behind = cluster.followers[0]!.self;
    await cluster.kill(behind);
    await load(cluster, 1, 40, 2_000);
    await cluster.time.advance(2_000);
    failing.fails(behind, 'staging', 'EMFILE: too many open files');
    const peer = await cluster.start(behind);
    await cluster.time.until('another run', () => peer.generation === 2);
    failing.works(behind);
    await cluster.time.until('the snapshot to be installed', () => peer.status().checkpointIndex > 10, 120_000);
    expect(cluster.process(behind).halted).toEqual([]);
  });
});

describe('a peer that has no room for its log', () => {
  test('waits for it, however long that takes, and goes on', async () => {
    const failing = new Failing({});
    const { cluster } = failing;
    await failing.begin();
    const peer = cluster.followers[0]!;
    failing.fails(peer.self, 'log', FULL);
    await load(cluster, 1, 3);
    await cluster.time.advance(600_000);
    expect(cluster.process(peer.self).halted).toEqual([]);
    const tries = cluster.logs.filter((line) => line.includes(`${peer.self} warn the data directory`)).length;
    expect(tries, 'it tries less and less often').toBeLessThan(40);
    failing.works(peer.self);
    await cluster.time.until('the peer to take part', () => peer.status().state === 'serving');
    await load(cluster, 4, 2);
    await cluster.untilEqual();
    expect(peer.scheduler.counters().submitted).toBe(5);
  });

  test('can be stopped meanwhile, at once', async () => {
    const failing = new Failing({});
    const { cluster } = failing;
    await failing.begin();
    const peer = cluster.followers[0]!;
    failing.fails(peer.self, 'log', FULL);
    await load(cluster, 1, 3);
    await cluster.time.advance(60_000);
    await cluster.time.until('a pause', () => peer.status().state === 'reopening');
    const beforeMs = cluster.time.nowMs;
    await cluster.time.finish(peer.stop());
    expect(cluster.time.nowMs - beforeMs).toBeLessThan(100);
    expect(peer.status().state).toBe('stopped');
  });
});

test('the pauses without room begin with none, grow, have a bound, and are forgotten', () => {
  const pause = new RoomPause();
  const pauses: number[] = [];
  let nowMs = 0;
  for (let at = 0; at < 8; at += 1) {
    const pauseMs = pause.next(nowMs);
    pauses.push(pauseMs);
    nowMs += pauseMs + 10;
  }
  expect(pauses).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect(pause.next(nowMs + 61_000)).toBe(0);
});
