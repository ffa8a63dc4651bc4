import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import type { Peer } from '../../src/peer/peer.ts';
import type { SnapshotChunk, SnapshotFrame } from '../../src/peer/snapshot-frames.ts';
import { decodeSnapshotFrame, encodeSnapshotFrame, NO_KEY, SNAPSHOT_KIND } from '../../src/peer/snapshot-frames.ts';
import { SEND_IDLE_MS } from '../../src/peer/snapshot-sender.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

const P1 = peerId('p1');
/** The log is cut at every checkpoint, pages are small, and a transfer takes some seconds. */
const SLOW = {
  logTailBytes: 0,
  logTailMs: 0,
  snapshotPageBytes: 2_000,
  snapshotBytesPerSecond: 40_000,
  logHoldBytes: 0,
};

const CHUNK: SnapshotChunk = {
  type: 'chunk',
  checkpoint: { index: 7, term: 2, logTimeMs: 1_000, configuration: Uint8Array.of(1, 2), digest: { high: 1, low: 2 } },
  chain: { high: 3, low: 4 },
  afterKey: Uint8Array.of(9),
  records: [
    { key: Uint8Array.of(10), value: new Uint8Array(0) },
    { key: Uint8Array.of(11, 1), value: Uint8Array.of(5, 6, 7) },
  ],
  last: false,
};

describe('a frame about a snapshot', () => {
  const frames: readonly SnapshotFrame[] = [
    CHUNK,
    { ...CHUNK, records: [], last: true, afterKey: NO_KEY },
    { type: 'request', index: 0, atLeast: 12, afterKey: NO_KEY, maxBytes: 1_000 },
    { type: 'request', index: 2 ** 40, atLeast: 1, afterKey: Uint8Array.of(1, 2, 3), maxBytes: 1 },
    { type: 'refused', index: 3, reason: 'other-index', newest: 9 },
  ];

  test('reads as it was written', () => {
    for (const frame of frames) expect(decodeSnapshotFrame(encodeSnapshotFrame(frame, crc32), crc32)).toEqual(frame);
  });

  test('with a flipped bit is refused where it carries records, and never read as something else', () => {
    const bytes = encodeSnapshotFrame(CHUNK, crc32);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const flipped = bytes.slice();
        flipped[at]! ^= 1 << bit;
        expect(() => decodeSnapshotFrame(flipped, crc32)).toThrow(DecodeError);
      }),
    );
  });

  test('that is none of ours is refused in a controlled way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (tail) => {
        try {
          decodeSnapshotFrame(Uint8Array.of(SNAPSHOT_KIND, 1, ...tail), crc32);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});

/** A cluster whose log was cut, and one of whose followers lost touch before. */
async function leftBehind(
  size: number,
  limits = {},
): Promise<{ cluster: TestCluster; behind: PeerId; sequence: number }> {
  const cluster = await TestCluster.serving(size, { ...SLOW, ...limits });
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  await cluster.untilEqual();
  const behind = cluster.followers[0]!.self;
  await cluster.kill(behind);
  await load(cluster, 1, 40, 2_000);
  await cluster.time.advance(2_000);
  return { cluster, behind, sequence: 41 };
}

async function load(cluster: TestCluster, from: number, count: number, payloadBytes = 16): Promise<void> {
  for (let at = from; at < from + count; at += 1) {
    await cluster.propose(await cluster.untilServing(), submit(at, 1, payloadBytes));
    await cluster.time.advance(100);
  }
}

/** Counts the bytes of records that `to` gets from now on. */
function countPages(cluster: TestCluster, to: PeerId): () => number {
  let bytes = 0;
  cluster.network.passes = (_, hearer, frame) => {
    if (hearer !== to || frame[0] !== SNAPSHOT_KIND) return true;
    const decoded = decodeSnapshotFrame(frame, crc32);
    if (decoded.type === 'chunk') for (const { key, value } of decoded.records) bytes += key.length + value.length;
    return true;
  };
  return () => bytes;
}

const fetching = (peer: Peer) => (): boolean => (peer.status().snapshot?.receivedBytes ?? 0) > 10_000;

describe('a peer that is too far behind', () => {
  test('fetches a checkpoint while the others go on, and then follows', async () => {
    const { cluster, behind, sequence } = await leftBehind(3);
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    const progress = back.status().snapshot!;
    expect(progress.phase).toBe('fetching');
    expect(cluster.ids).toContain(progress.from);
    await load(cluster, sequence, 10);
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex > 0);
    await cluster.untilEqual();
    expect(back.scheduler.counters().submitted).toBe(50);
    back.scheduler.checkInvariants();
  });

  test('spares the leader: another follower sends', async () => {
    const { cluster, behind } = await leftBehind(3);
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    expect(back.status().snapshot!.from).not.toBe(cluster.leader!.self);
  });

  test('goes on at another peer that has the same checkpoint when its sender dies', async () => {
    const { cluster, behind } = await leftBehind(3);
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    const { from, index } = back.status().snapshot!;
    await cluster.kill(from!);
    // The third one leads, and alone has no majority: nothing changes, and its checkpoint is the same.
    await cluster.time.until(
      'pages to come from another',
      () => back.status().snapshot?.from === cluster.running[0]!.peer.self || back.status().checkpointIndex === index,
    );
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex === index);
    await cluster.untilEqual();
    expect(cluster.logs.filter((line) => line.includes('a snapshot is being fetched'))).toHaveLength(1);
  });

  test('begins anew at another peer where that has a newer checkpoint', async () => {
    const { cluster, behind, sequence } = await leftBehind(5);
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    const { from, index } = back.status().snapshot!;
    await load(cluster, sequence, 20);
    await cluster.kill(from!);
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex > index, 60_000);
    await cluster.untilEqual();
    expect(back.scheduler.counters().submitted).toBe(60);
  });

  test.each(['killed', 'stopped'])('that is %s half way goes on with what it had, and gets there', async (how) => {
    const { cluster, behind } = await leftBehind(3);
    const bytes = countPages(cluster, behind);
    const first = await cluster.start(behind);
    await cluster.time.until('pages to come', () => (first.status().snapshot?.receivedBytes ?? 0) > 60_000);
    const { index, receivedBytes } = first.status().snapshot!;
    if (how === 'killed') await cluster.kill(behind);
    else await cluster.stop(behind);
    const second = await cluster.start(behind);
    expect(second.status().checkpointIndex).toBeLessThan(10);
    await cluster.time.until('it to go on', () => (second.status().snapshot?.receivedBytes ?? 0) > 0);
    expect(second.status().snapshot!.receivedBytes).toBeGreaterThanOrEqual(receivedBytes);
    await cluster.time.until('the snapshot to be installed', () => second.status().checkpointIndex === index);
    await cluster.untilEqual();
    expect(second.scheduler.counters().submitted).toBe(40);
    second.scheduler.checkInvariants();
    expect(bytes(), 'nothing came twice').toBeLessThan(receivedBytes * 1.9);
    expect([...cluster.site(behind).platter.databases.keys()]).toHaveLength(2);
  });

  test('that starts again where nobody has the checkpoint any more begins anew', async () => {
    const { cluster, behind, sequence } = await leftBehind(3);
    const first = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(first));
    const { index } = first.status().snapshot!;
    await cluster.kill(behind);
    await cluster.time.advance(SEND_IDLE_MS + 2_000);
    await load(cluster, sequence, 20);
    const second = await cluster.start(behind);
    await cluster.time.until('the snapshot to be installed', () => second.status().checkpointIndex > index, 60_000);
    await cluster.untilEqual();
    expect(second.scheduler.counters().submitted).toBe(60);
  });

  test('that starts again on what has rotted meanwhile begins anew', async () => {
    const { cluster, behind } = await leftBehind(3);
    const first = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(first));
    await cluster.kill(behind);
    const { databases } = cluster.site(behind).platter;
    const [, rows] = [...databases].find(([name]) => name !== 'log' && name !== 'state')!;
    rows[3]![1] = rows[3]![1].slice();
    rows[3]![1][8]! ^= 1;
    const second = await cluster.start(behind);
    await cluster.time.until('the snapshot to be installed', () => second.status().checkpointIndex > 10, 60_000);
    await cluster.untilEqual();
    expect(second.scheduler.counters().submitted).toBe(40);
    expect(cluster.logs.join()).not.toContain('a snapshot is taken up again');
  });

  test('asks again for pages that are lost on the way', async () => {
    const { cluster, behind } = await leftBehind(3);
    let count = 0;
    cluster.network.passes = (_, to, bytes) => {
      if (to === behind && bytes[0] === SNAPSHOT_KIND) count += 1;
      return to !== behind || bytes[0] !== SNAPSHOT_KIND || count % 5 !== 0;
    };
    const back = await cluster.start(behind);
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex > 10, 200_000);
    await cluster.untilEqual();
    expect(count).toBeGreaterThan(30);
  });

  test('installs nothing that is not the state that its mark says, and gets it from another peer', async () => {
    const { cluster, behind } = await leftBehind(3);
    let liar: PeerId | undefined;
    cluster.network.passes = (from, to, bytes) => {
      if (to !== behind || bytes[0] !== SNAPSHOT_KIND) return true;
      liar ??= from;
      const frame = decodeSnapshotFrame(bytes, crc32);
      if (from !== liar || frame.type !== 'chunk') return true;
      // One bit of one value, with a sum that is right.
      const records = frame.records.map(({ key, value }, at) => {
        const other = value.slice();
        if (at === 3) other[other.length - 1]! ^= 1;
        return { key, value: other };
      });
      bytes.set(encodeSnapshotFrame({ ...frame, records }, crc32));
      return true;
    };
    const back = await cluster.start(behind);
    await cluster.time.until('the snapshot to be installed', () => back.status().checkpointIndex > 10, 100_000);
    expect(cluster.logs.join('\n')).toMatch(new RegExp(`${behind} warn a snapshot was of no use {"from":"${liar}"`));
    await cluster.untilEqual();
    expect(back.scheduler.counters().submitted).toBe(40);
    back.scheduler.checkInvariants();
  });

  test('takes its time: no more bytes a second than the limit come', async () => {
    const { cluster, behind } = await leftBehind(3, { snapshotBytesPerSecond: 20_000 });
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    const { receivedBytes } = back.status().snapshot!;
    await cluster.time.advance(2_000);
    const passed = back.status().snapshot!.receivedBytes - receivedBytes;
    expect(passed).toBeGreaterThan(20_000);
    expect(passed).toBeLessThan(50_000);
  });

  test('needs none where the log is there after all: what it fetches is dropped', async () => {
    const cluster = await TestCluster.serving(3, SLOW);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await load(cluster, 1, 5);
    const [one] = cluster.followers;
    await cluster.untilEqual();
    one!.inspect()!.snapshots.needed(2);
    await cluster.time.advance(2_000);
    expect(one!.status().snapshot).toBeUndefined();
    expect(one!.generation).toBe(1);
  });
});

describe('a peer that sends a snapshot', () => {
  test('lets its checkpoint stand still meanwhile, and goes on with checkpoints when nobody asks any more', async () => {
    const { cluster, behind, sequence } = await leftBehind(3);
    const back = await cluster.start(behind);
    await cluster.time.until('pages to come', fetching(back));
    const sender = cluster.peer(back.status().snapshot!.from!);
    const { checkpointIndex } = sender.status();
    await load(cluster, sequence, 8);
    expect(sender.status().checkpointIndex).toBe(checkpointIndex);
    expect(sender.status().marks.at(-1)!.index).toBeGreaterThan(checkpointIndex);
    await cluster.kill(behind);
    await cluster.time.advance(SEND_IDLE_MS + 2_000);
    await load(cluster, sequence + 8, 15);
    expect(sender.status().checkpointIndex).toBeGreaterThan(checkpointIndex);
  });

  test('serves one at a time; the next one asks another peer', async () => {
    const cluster = await TestCluster.serving(5, SLOW);
    await cluster.propose(cluster.leader!, OPEN_SESSION);
    await cluster.untilEqual();
    const [first, second] = cluster.followers.map(({ self }) => self);
    await cluster.kill(first!);
    await cluster.kill(second!);
    await load(cluster, 1, 40, 2_000);
    await cluster.time.advance(2_000);
    const one = await cluster.start(first!);
    const two = await cluster.start(second!);
    await cluster.time.until('both to fetch', () => fetching(one)() && fetching(two)());
    expect(one.status().snapshot!.from).not.toBe(two.status().snapshot!.from);
    await cluster.time.until('both to be there', () => {
      return one.status().checkpointIndex > 10 && two.status().checkpointIndex > 10;
    });
    await cluster.untilEqual();
  });

  test('begins no transfer while it opens its directory anew: nobody would end it', async () => {
    const { cluster, behind } = await leftBehind(3);
    const before = cluster.leader!.inspect()!;
    before.stop();
    before.frame(
      behind,
      'bulk',
      encodeSnapshotFrame({ type: 'request', index: 0, atLeast: 0, afterKey: NO_KEY, maxBytes: 1 }, crc32),
    );
    expect(before.snapshots.sender.to).toBeUndefined();
  });

  test('has nothing to give before its first checkpoint, and says so', async () => {
    const cluster = await TestCluster.serving(1, SLOW);
    expect(cluster.peer(P1).status().checkpointIndex).toBe(0);
    const heard: SnapshotFrame[] = [];
    cluster.network.passes = () => true;
    const desk = cluster.peer(P1).inspect()!.snapshots;
    const sends = cluster.process(P1).transport;
    sends.send = (_, __, bytes) => heard.push(decodeSnapshotFrame(bytes, crc32));
    desk.frame(
      peerId('p2'),
      encodeSnapshotFrame({ type: 'request', index: 0, atLeast: 0, afterKey: NO_KEY, maxBytes: 1 }, crc32),
    );
    expect(heard).toEqual([{ type: 'refused', index: 0, reason: 'no-state', newest: 0 }]);
  });
});
