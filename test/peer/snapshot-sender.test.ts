import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import type { SnapshotFrame, SnapshotRequest } from '../../src/peer/snapshot-frames.ts';
import { SEND_STALLED_MS, SnapshotSender } from '../../src/peer/snapshot-sender.ts';
import type { Checkpoint, StateRecord } from '../../src/storage/storage.ts';

const P2 = peerId('p2');
const P3 = peerId('p3');
const CHECKPOINT: Checkpoint = {
  index: 7,
  term: 1,
  logTimeMs: 0,
  configuration: new Uint8Array(0),
  digest: { high: 1, low: 2 },
};

/** A sender of a state of many records, one a page, and its clock. */
class Desk {
  nowMs = 0;
  readonly answers: SnapshotFrame[] = [];
  readonly sender: SnapshotSender;

  /** @param end The key of the last record; none for a state without end. */
  constructor(end = 256) {
    const value = new Uint8Array(10);
    const range = ({ gte }: { gte?: Uint8Array }): Promise<StateRecord[]> =>
      Promise.resolve(
        (gte?.[0] ?? 0) >= end ? [] : [{ key: Uint8Array.of((gte?.[0] ?? 0) + 1, gte?.[1] ?? 0), value }],
      );
    this.sender = new SnapshotSender(
      {
        state: {
          checkpoint: CHECKPOINT,
          range,
          beginCheckpoint: () => expect.unreachable(),
          get: () => expect.unreachable(),
          getMany: () => expect.unreachable(),
        },
        log: { positionAt: (index) => Promise.resolve({ index, term: 1, chain: { high: 0, low: 0 } }) },
        clock: { monotonicMs: () => this.nowMs, wallMs: () => 0 },
        timers: { after: (_, action) => (action(), { cancel: () => {} }), soon: (action) => action() },
        limits: { snapshotPageBytes: 1_000, snapshotBytesPerSecond: 1_000_000 },
        checkpointUnderWay: () => false,
      },
      {
        hold: () => {},
        answer: (_, frame) => this.answers.push(frame),
        guard: (action) => action(),
        failed: (error) => expect.fail(String(error)),
      },
    );
  }

  /** The other peer asks for the page behind `key`, ten seconds after its last request. */
  async asks(key: number, from = P2): Promise<void> {
    this.nowMs += 10_000;
    const afterKey = Uint8Array.of(key >> 8, key & 0xff);
    const request: SnapshotRequest = { type: 'request', index: 7, atLeast: 0, afterKey, maxBytes: 1 };
    this.sender.requested(from, request);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    this.sender.tick();
  }
}

describe('a transfer', () => {
  test('that is at its end keeps nobody else waiting', async () => {
    const desk = new Desk(2);
    await desk.asks(1 << 8);
    await desk.asks(1 << 8, P3);
    expect(desk.answers.at(-1)).toMatchObject({ type: 'refused', reason: 'busy' });
    await desk.asks(2 << 8);
    expect(desk.answers.at(-1)).toMatchObject({ type: 'chunk', last: true });
    await desk.asks(2 << 8);
    expect(desk.answers.at(-1), 'it may be asked for again').toMatchObject({ type: 'chunk', last: true });
    await desk.asks(1 << 8, P3);
    expect(desk.answers.at(-1)).toMatchObject({ type: 'chunk', last: false });
    expect(desk.sender.to).toBe(P3);
  });

  const asks = SEND_STALLED_MS / 10_000;

  test('goes on for as long as it gets further, however slowly', async () => {
    const desk = new Desk();
    for (let at = 1; at <= 3 * asks; at += 1) {
      await desk.asks(at);
      expect(desk.sender.to).toBe(P2);
    }
    expect(desk.answers).toHaveLength(3 * asks);
  });

  test('that gets no further is given up, so that the log behind it can go', async () => {
    const desk = new Desk();
    await desk.asks(9);
    for (let at = 1; at < asks; at += 1) await desk.asks(at % 9);
    expect(desk.sender.to).toBe(P2);
    await desk.asks(9);
    expect(desk.sender.to).toBeUndefined();
    expect(desk.answers.at(-1)).toMatchObject({ type: 'refused', reason: 'busy' });
    await desk.asks(9);
    expect(desk.sender.to, 'it may try again when there was time for another checkpoint').toBe(P2);
  });
});
