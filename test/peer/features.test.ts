import { expect, test } from 'vitest';
import { type PeerId, peerId } from '../../src/base/ids.ts';
import { FEATURE_LEVEL, FEATURE_MEMBERSHIP, FEATURE_SCHEDULES } from '../../src/peer/features.ts';
import { NEWS_KIND } from '../../src/peer/news.ts';
import { TestCluster } from './support/cluster.ts';

const P3 = peerId('p3');
/** Where the level stands in a frame of news, as a number of one byte. */
const LEVEL_AT = 2;

/** A cluster in which `older` runs a program that knows features up to `level`, until it is brought up to date. */
async function mixed(older: PeerId, level: number): Promise<{ cluster: TestCluster; upToDate: () => void }> {
  const cluster = new TestCluster(3);
  const { network } = cluster;
  network.featureLevels.set(older, level);
  network.passes = (from, _to, bytes) => {
    if (from === older && bytes[0] === NEWS_KIND) bytes[LEVEL_AT] = network.featureLevels.get(older) ?? FEATURE_LEVEL;
    return true;
  };
  for (const id of cluster.ids) await cluster.start(id);
  await cluster.untilServing();
  // Whoever leads has to hear of the older one.
  for (let tries = 0; cluster.leader?.self === older && tries < 10; tries += 1) {
    await cluster.kill(older);
    await cluster.untilServing();
    await cluster.start(older);
  }
  await cluster.time.advance(3_000);
  return { cluster, upToDate: () => network.featureLevels.delete(older) };
}

function levels(cluster: TestCluster): readonly number[] {
  return cluster.running.map(({ peer }) => peer.featureLevel);
}

test('a voter of an older version keeps off what it does not know, and members cannot be changed', async () => {
  const { cluster, upToDate } = await mixed(P3, FEATURE_MEMBERSHIP - 1);
  expect(levels(cluster)).toEqual([0, 0, 0]);
  const refused = await cluster.change({ type: 'remove', peer: P3 });
  expect(refused).toMatchObject({ type: 'refused', reason: 'feature-off' });
  upToDate();
  await cluster.time.advance(3_000);
  expect(levels(cluster)).toEqual([FEATURE_LEVEL, FEATURE_LEVEL, FEATURE_LEVEL]);
  expect(await cluster.change({ type: 'remove', peer: P3 })).toMatchObject({ type: 'done' });
});

test('what all voters know is switched on, though some know more', async () => {
  const { cluster, upToDate } = await mixed(P3, FEATURE_SCHEDULES - 1);
  expect(levels(cluster)).toEqual([FEATURE_MEMBERSHIP, FEATURE_MEMBERSHIP, FEATURE_MEMBERSHIP]);
  upToDate();
  await cluster.time.advance(3_000);
  expect(levels(cluster)).toEqual([FEATURE_LEVEL, FEATURE_LEVEL, FEATURE_LEVEL]);
});
