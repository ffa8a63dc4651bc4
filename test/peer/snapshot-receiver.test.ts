import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { LogIndex, PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import { NO_KEY, type SnapshotChunk } from '../../src/peer/snapshot-frames.ts';
import { SnapshotReceiver } from '../../src/peer/snapshot-receiver.ts';
import { Scheduler, type SchedulerLoader } from '../../src/scheduler/scheduler.ts';
import type { SnapshotStaging } from '../../src/storage/storage.ts';

const P2 = peerId('p2');
const P3 = peerId('p3');
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Storage that has room for one staging, and takes its time to be rid of it. */
class OneRoom {
  taken = 0;
  #rid: (() => void)[] = [];

  beginSnapshot(): Promise<SnapshotStaging> {
    expect(this.taken, 'one staging at a time').toBe(0);
    this.taken += 1;
    return Promise.resolve({
      sizeBytes: 0,
      add: () => Promise.resolve(),
      finish: () => Promise.resolve(),
      install: () => Promise.resolve(),
      discard: () =>
        new Promise<void>((resolve) => {
          this.#rid.push(() => {
            this.taken -= 1;
            resolve();
          });
        }),
    });
  }

  rid(): void {
    for (const done of this.#rid.splice(0)) done();
  }
}

function page(index: LogIndex, afterKey: Uint8Array): SnapshotChunk {
  return {
    type: 'chunk',
    checkpoint: { index, term: 1, logTimeMs: 0, configuration: new Uint8Array(0), digest: { high: index, low: 0 } },
    chain: { high: 0, low: 0 },
    afterKey,
    records: [{ key: Uint8Array.of(9), value: Uint8Array.of(1) }],
    last: false,
  };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

test('a page that comes while an earlier snapshot is still being removed waits for that', async () => {
  const room = new OneRoom();
  const asked: PeerId[] = [];
  const failures: unknown[] = [];
  const loader = (): SchedulerLoader =>
    Object.assign(Scheduler.loader({ crc32, limits: {} }), { add: () => undefined });
  const receiver = new SnapshotReceiver(
    {
      storage: room,
      clock: { monotonicMs: () => 0, wallMs: () => 0 },
      timers: { after: () => ({ cancel: () => {} }), soon: () => {} },
      logger: SILENT,
      limits: { snapshotPageBytes: 1_000, applySliceMs: 2 },
      loader,
      senders: () => [P2, P3],
    },
    {
      request: (to) => asked.push(to),
      ready: () => {},
      nobodyHasAny: () => {},
      guard: (action) => action(),
      failed: (error) => failures.push(error),
    },
  );
  receiver.needed(5);
  receiver.answered(P2, page(7, NO_KEY));
  await settle();
  // The next page is of another checkpoint, so that what came so far is of no use, and another peer is asked.
  receiver.answered(P2, page(8, Uint8Array.of(9)));
  await settle();
  expect(asked).toEqual([P2, P2, P3]);
  receiver.answered(P3, page(7, NO_KEY));
  await settle();
  expect(room.taken).toBe(1);
  room.rid();
  await settle();
  expect(failures).toEqual([]);
  expect(room.taken).toBe(1);
  expect(receiver.progress).toMatchObject({ phase: 'fetching', index: 7 });
});
