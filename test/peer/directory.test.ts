import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Logger } from '../../src/base/logger.ts';
import { TIMINGS_DEFAULT } from '../../src/config/cluster-config.ts';
import { PEER_LIMITS } from '../../src/config/limits.ts';
import { decodeApplied, encodeApplied } from '../../src/peer/configuration.ts';
import { Directory } from '../../src/peer/directory.ts';
import { FEATURE_LEVEL } from '../../src/peer/features.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import { VirtualTime } from '../support/virtual-time.ts';

const LATER = encodeApplied({ featureLevel: FEATURE_LEVEL + 1, index: 0, members: [], removed: [] });
const QUIET: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const WORDS = /features of level \d+, and this version of Taskraft knows level \d+: install a newer one/;

test('a state that a later version has written is refused and left as it is, though others have a copy', async () => {
  const did: string[] = [];
  const note = (what: string) => (): Promise<void> => {
    did.push(what);
    return Promise.resolve();
  };
  const storage = {
    notes: [],
    shared: true,
    state: { checkpoint: { configuration: LATER }, range: note('range') },
    distrustState: note('distrustState'),
    close: note('close'),
  };
  const time = new VirtualTime();
  const directory = new Directory({
    ports: {
      clock: time.clock(0),
      timers: time,
      logger: QUIET,
      openStorage: () => Promise.resolve(storage as unknown as OpenedStorage),
    },
    limits: PEER_LIMITS,
    scheduler: { crc32, limits: {} },
    sharedByDefault: true,
  });
  await expect(directory.open()).rejects.toMatchObject({
    code: 'FORMAT_UNKNOWN',
    message: expect.stringMatching(WORDS) as unknown,
  });
  expect(did).toEqual([]);
});

test('a snapshot that a later version has made is not taken', () => {
  const file = { clusterId: 'test', members: [], timings: TIMINGS_DEFAULT, security: {} };
  expect(() => decodeApplied(LATER, file)).toThrow(WORDS);
});
