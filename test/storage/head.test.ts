import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { NAME_BYTES_MAX, peerId } from '../../src/base/ids.ts';
import type { HeadSlot } from '../../src/storage/disk.ts';
import { HEAD_SLOT_BYTES } from '../../src/storage/disk.ts';
import { FailureLatch } from '../../src/storage/failure-latch.ts';
import { decodeSlot, encodeSlot, firstHeadRecord, Head, type HeadRecord } from '../../src/storage/head.ts';
import { findHead, makeHead } from '../../src/storage/head-recovery.ts';
import { MemoryDisk, MemoryPlatter } from '../../src/storage/memory-disk.ts';
import { refusal } from './support/directory.ts';

const RECORD: HeadRecord = {
  ...firstHeadRecord({ clusterId: 'orchard', peerId: peerId('p1'), incarnation: '0123456789abcdef'.repeat(2) }, crc32),
  hardState: { term: 7, votedFor: peerId('p2') },
  lastIndex: 1234,
  lastTerm: 6,
  chain: { high: 5, low: 6 },
};

function slot(sequence: number, record = RECORD): Uint8Array {
  const writer = new ByteWriter();
  encodeSlot(writer, sequence, record, crc32);
  return writer.take();
}

describe('a slot of HEAD', () => {
  test('gives back what was written, with names of full length', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9._:/-]{1,200}$/).map((text) => peerId(text));
    const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const longest = peerId('x'.repeat(NAME_BYTES_MAX));
    fc.assert(
      fc.property(
        fc.oneof(name, fc.constant(longest)),
        fc.option(fc.oneof(name, fc.constant(longest)), { nil: undefined }),
        number,
        number,
        (owner, votedFor, term, sequence) => {
          const record = { ...RECORD, peerId: owner, hardState: { term, votedFor }, lastIndex: term };
          expect(decodeSlot(slot(sequence, record), crc32)).toEqual({ state: 'valid', sequence, record });
        },
      ),
    );
  });

  test('is one sector', () => {
    expect(slot(1)).toHaveLength(HEAD_SLOT_BYTES);
  });

  test('is damaged by every flipped bit and every cut', () => {
    const whole = slot(3);
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = whole.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeSlot(damaged, crc32).state, `bit ${bit}`).toBe('damaged');
    }
    for (const length of [1, 100, 511]) expect(decodeSlot(whole.subarray(0, length), crc32).state).toBe('damaged');
  });

  test('that was never written is empty, not damaged', () => {
    expect(decodeSlot(new Uint8Array(HEAD_SLOT_BYTES), crc32).state).toBe('empty');
    expect(decodeSlot(new Uint8Array(0), crc32).state).toBe('empty');
  });
});

/** A disk that tells what was done to HEAD, and holds syncs until they are let through. */
class WatchedDisk extends MemoryDisk {
  readonly events: string[] = [];
  release: (() => void) | undefined;
  hold = false;

  override writeHeadSlot(target: HeadSlot, sector: Uint8Array): void {
    this.events.push(`write ${target}`);
    super.writeHeadSlot(target, sector);
  }

  override async syncHead(): Promise<void> {
    this.events.push('sync');
    if (this.hold) await new Promise<void>((resolve) => (this.release = resolve));
  }
}

async function openHead(disk: WatchedDisk): Promise<Head> {
  const found = await makeHead(disk, RECORD, crc32);
  disk.events.length = 0;
  return new Head(disk, crc32, new FailureLatch('here'), found);
}

describe('HEAD in use', () => {
  test('leaves the slot that was synced last alone until the other one is synced', async () => {
    const disk = new WatchedDisk();
    const head = await openHead(disk);
    head.write({ lastIndex: 1 });
    head.write({ lastIndex: 2 });
    await head.sync();
    head.write({ lastIndex: 3 });
    await head.sync();
    head.write({ lastIndex: 4 });
    expect(disk.events).toEqual(['write 1', 'write 1', 'sync', 'write 0', 'sync', 'write 1']);
  });

  test('is not synced when nothing was written', async () => {
    const disk = new WatchedDisk();
    const head = await openHead(disk);
    await head.sync();
    expect(disk.events).toEqual([]);
  });

  test('refuses a write while it is being synced, and a second sync joins the first', async () => {
    const disk = new WatchedDisk();
    const head = await openHead(disk);
    head.write({ lastIndex: 1 });
    disk.hold = true;
    const first = head.sync();
    const second = head.sync();
    expect(head.syncing).toBeDefined();
    expect(() => head.write({ lastIndex: 2 })).toThrow('not written while');
    await Promise.resolve();
    disk.release?.();
    await Promise.all([first, second]);
    expect(head.syncing).toBeUndefined();
    expect(disk.events).toEqual(['write 1', 'sync']);
  });
});

describe('several who wait for one sync of HEAD', () => {
  test('write behind it, each with what is there by then', async () => {
    const disk = new WatchedDisk();
    const head = await openHead(disk);
    head.write({ lastIndex: 1 });
    disk.hold = true;
    const first = head.sync();
    const seen: number[] = [];
    const next = [2, 3].map((lastIndex) =>
      head.save(() => {
        seen.push(head.record.lastIndex);
        return { lastIndex };
      }),
    );
    await Promise.resolve();
    disk.hold = false;
    disk.release?.();
    await Promise.all([first, ...next]);
    expect(seen).toEqual([1, 2]);
    expect(disk.events).toEqual(['write 1', 'sync', 'write 0', 'write 0', 'sync']);
  });
});

describe('HEAD at start', () => {
  async function found(first: Uint8Array, second: Uint8Array, databasesEmpty = false): ReturnType<typeof findHead> {
    const platter = new MemoryPlatter();
    platter.head = [first, second];
    return findHead(new MemoryDisk(platter), crc32, databasesEmpty);
  }

  const empty = new Uint8Array(HEAD_SLOT_BYTES);
  const rotten = slot(9).fill(1, 100, 101);

  test('is the slot with the higher sequence', async () => {
    expect(await found(slot(4), slot(5))).toMatchObject({ slot: 1, sequence: 5, otherDamaged: false });
    expect(await found(slot(6), slot(5))).toMatchObject({ slot: 0, sequence: 6, otherDamaged: false });
  });

  test('is the slot that reads when the other one is damaged', async () => {
    expect(await found(rotten, slot(5))).toMatchObject({ slot: 1, sequence: 5, otherDamaged: true });
    expect(await found(slot(4), rotten)).toMatchObject({ slot: 0, sequence: 4, otherDamaged: true });
    expect(await found(slot(4), empty), 'wiped after it was in use').toMatchObject({ otherDamaged: true });
    expect(await found(slot(1), empty), 'not in use so far').toMatchObject({ slot: 0, otherDamaged: false });
  });

  test('is absent when it was never written', async () => {
    expect(await found(empty, empty)).toBeUndefined();
    expect(await findHead(new MemoryDisk(), crc32, true)).toBeUndefined();
  });

  test('is absent when its very first write was torn, before anything was in the databases', async () => {
    expect(await found(rotten, empty, true)).toBeUndefined();
    expect((await refusal(found(rotten, rotten, true))).code).toBe('HEAD_DAMAGED');
  });

  test('is refused when neither slot reads, or the two contradict each other', async () => {
    expect((await refusal(found(rotten, rotten))).code).toBe('HEAD_DAMAGED');
    expect((await refusal(found(rotten, empty))).code).toBe('HEAD_DAMAGED');
    expect((await refusal(found(slot(4), slot(4)))).code).toBe('HEAD_DAMAGED');
    const foreign = slot(5, { ...RECORD, peerId: peerId('p2') });
    expect((await refusal(found(slot(4), foreign))).code).toBe('HEAD_DAMAGED');
  });
});
