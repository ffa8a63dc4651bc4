import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import type { LogIndex, PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import { NO_KEY, type SnapshotChunk } from '../../src/peer/snapshot-frames.ts';
import { SnapshotReceiver } from '../../src/peer/snapshot-receiver.ts';
import { Scheduler, type SchedulerLoader } from '../../src/scheduler/scheduler.ts';
import type { SnapshotStaging, Space } from '../../src/storage/storage.ts';

const P2 = peerId('p2');
const P3 = peerId('p3');
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Storage that has room for one staging, and takes its time to be rid of it. */
class OneRoom {
  taken = 0;
  readonly stagedIndex: undefined;

  resumeSnapshot(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

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

  space(): Promise<Space> {
    return Promise.resolve({ freeBytes: 0, ballast: false });
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

/** A receiver that has asked for the first page, with what becomes of it. */
function fetching(room: OneRoom): {
  readonly receiver: SnapshotReceiver;
  readonly asked: PeerId[];
  /** How old the state that is asked for may be, request by request. */
  readonly floors: LogIndex[];
  /** Lets the newest timer run out. */
  readonly later: () => void;
  readonly failures: unknown[];
} {
  const asked: PeerId[] = [];
  const failures: unknown[] = [];
  const floors: LogIndex[] = [];
  let timer: () => void = () => {};
  const loader = (): SchedulerLoader =>
    Object.assign(Scheduler.loader({ crc32, limits: {} }), { add: () => undefined });
  const receiver = new SnapshotReceiver(
    {
      storage: room,
      clock: { monotonicMs: () => 0, wallMs: () => 0 },
      timers: {
        after: (_, action) => {
          timer = action;
          return { cancel: () => {} };
        },
        soon: () => {},
      },
      logger: SILENT,
      limits: { snapshotPageBytes: 1_000, applySliceMs: 2, spaceLowBytes: 0 },
      loader,
      checkConfiguration: (configuration) => {
        if (configuration.length > 0) throw new DecodeError('nobody can read who belongs to the cluster');
      },
      senders: () => [P2, P3],
    },
    {
      request: (to, { atLeast }) => {
        asked.push(to);
        floors.push(atLeast);
      },
      ready: () => {},
      nobodyHasAny: () => {},
      guard: (action) => action(),
      failed: (error) => failures.push(error),
    },
  );
  receiver.needed(5);
  return { receiver, asked, floors, later: () => timer(), failures };
}

test('a page that comes while an earlier snapshot is still being removed waits for that', async () => {
  const room = new OneRoom();
  const { receiver, asked, failures } = fetching(room);
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

test('a new leader whose log reaches further back takes an older state, and no peer may have a newer one', () => {
  const { receiver, floors, later } = fetching(new OneRoom());
  receiver.answered(P2, { type: 'refused', index: 0, reason: 'too-old', newest: 3 });
  receiver.answered(P3, { type: 'refused', index: 0, reason: 'too-old', newest: 3 });
  receiver.needed(3);
  later();
  expect(floors).toEqual([5, 5, 3]);
});

test('a peer that answers nothing, though it is connected, is asked after the others from then on', () => {
  const { receiver, asked, later } = fetching(new OneRoom());
  later();
  receiver.answered(P3, { type: 'refused', index: 0, reason: 'too-old', newest: 3 });
  later();
  expect(asked).toEqual([P2, P3, P3]);
  receiver.answered(P3, { type: 'refused', index: 0, reason: 'too-old', newest: 3 });
  receiver.answered(P2, { type: 'refused', index: 0, reason: 'too-old', newest: 3 });
  later();
  expect(asked, 'until it answers').toEqual([P2, P3, P3, P2, P2]);
});

describe('a page that no peer without a mistake in it sends', () => {
  const whole = page(7, NO_KEY);
  const value = Uint8Array.of(1);
  const keyed = (...keys: Uint8Array[]): SnapshotChunk => ({ ...whole, records: keys.map((key) => ({ key, value })) });

  test.each<readonly [string, SnapshotChunk]>([
    ['with records that are not in order', keyed(Uint8Array.of(9), Uint8Array.of(8))],
    ['with the same record twice', keyed(Uint8Array.of(9), Uint8Array.of(9))],
    ['with a record without a key', keyed(NO_KEY)],
    [
      'of a cluster that cannot be read',
      { ...whole, checkpoint: { ...whole.checkpoint, configuration: Uint8Array.of(7) } },
    ],
  ])('%s is of no use, and another peer is asked', async (_, bad) => {
    const { receiver, asked, failures } = fetching(new OneRoom());
    receiver.answered(P2, bad);
    await settle();
    expect(asked).toEqual([P2, P3]);
    expect(failures).toEqual([]);
  });
});
