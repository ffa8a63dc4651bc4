import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Checkpoints } from '../../../src/scheduler/memory/checkpoints.ts';
import { KeyTable } from '../../../src/scheduler/memory/key-table.ts';
import { Slab } from '../../../src/scheduler/memory/slab.ts';
import { checkpointNow, crc32, FakeDatabase } from './support.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

interface ModelKey {
  readonly number: number;
  freeAtMs: number;
}

/** A table beside a plain Map; keys of tasks by `namespace/key`. */
class Pair {
  readonly slab = new Slab();
  readonly keys = new KeyTable({ crc32, slab: this.slab, keysMax: 40 });
  readonly checkpoints: Checkpoints = new Checkpoints([this.keys.table]);

  compare(model: ReadonlyMap<string, ModelKey>): void {
    const found = new Map<string, number>();
    for (let namespace = 1; namespace <= 2; namespace += 1) {
      for (let at = 0; at < 30; at += 1) {
        const slot = this.keys.find(namespace, bytesOf(`k${at}`));
        if (slot === -1) continue;
        const { number, contentHash } = this.keys.entry(slot);
        found.set(`${namespace}/k${at}`, contentHash.high === number && contentHash.low === 7 ? number : -1);
      }
    }
    const expected = new Map([...model].map(([name, { number }]) => [name, number]));
    expect({ count: this.keys.count, found }).toEqual({ count: model.size, found: expected });
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      namespace: fc.integer({ min: 1, max: 2 }),
      key: fc.nat(29),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('free' as const), pick: fc.nat(), inMs: fc.integer({ min: 1, max: 30 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 20 }), limit: fc.nat(6) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

test('keys are taken, found and freed in time as in a plain map, across restarts', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      let pair = new Pair();
      const database = new FakeDatabase();
      const model = new Map<string, ModelKey>();
      let nowMs = 1000;
      let number = 0;
      for (const [index, step] of steps.entries()) {
        if (step.do === 'add') {
          const name = `${step.namespace}/k${step.key}`;
          if (model.has(name)) continue;
          number += 1;
          model.set(name, { number, freeAtMs: 0 });
          pair.keys.add(step.namespace, bytesOf(`k${step.key}`), number, { high: number, low: 7 });
        } else if (step.do === 'free') {
          const live = [...model].filter(([, key]) => key.freeAtMs === 0);
          const [name, key] = live[step.pick % Math.max(1, live.length)] ?? [];
          if (name === undefined || key === undefined) continue;
          key.freeAtMs = nowMs + step.inMs;
          const [namespace, text] = name.split('/') as [string, string];
          pair.keys.setFree(pair.keys.find(Number(namespace), bytesOf(text)), key.freeAtMs);
        } else if (step.do === 'pass') {
          nowMs += step.ms;
          const due = [...model].filter(([, key]) => key.freeAtMs > 0 && key.freeAtMs <= nowMs);
          due.sort(([, left], [, right]) => left.freeAtMs - right.freeAtMs || left.number - right.number);
          for (const [name] of due.slice(0, step.limit)) model.delete(name);
          expect(pair.keys.expire(nowMs, step.limit)).toBe(Math.min(step.limit, due.length));
        } else {
          const digest = checkpointNow(pair.checkpoints, index + 1, database);
          pair = new Pair();
          for (const { key, value } of database.records.values()) pair.checkpoints.restore(key, value);
          pair.checkpoints.restored({ index: index + 1, digest });
        }
        pair.compare(model);
      }
      const live = new Map<number, number>();
      pair.keys.eachLive(0, pair.keys.slotCount, (number, slot) => live.set(number, pair.keys.entry(slot).number));
      const expected = [...model.values()].filter((key) => key.freeAtMs === 0).map((key) => key.number);
      expect([...live.keys()].sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
      pair.keys.eachLive(0, pair.keys.slotCount, (_, slot) => pair.keys.setFree(slot, 1));
      pair.keys.expire(Number.MAX_SAFE_INTEGER, 1000);
      expect([pair.keys.count, pair.slab.usedBytes]).toEqual([0, 0]);
    }),
    { numRuns: 60 },
  );
});

test('a namespace holds as many keys as it may, and others are not concerned', () => {
  const keys = new KeyTable({ crc32, slab: new Slab(), keysMax: 3 });
  for (let at = 1; at <= 3; at += 1) keys.add(1, bytesOf(`k${at}`), at, { high: 0, low: 0 });
  expect(keys.hasRoom(1, 1)).toBe(false);
  expect(keys.hasRoom(2, 3)).toBe(true);
});

test('a hundred thousand keys are found, and keys that share a beginning are told apart', () => {
  const keys = new KeyTable({ crc32, slab: new Slab() });
  for (let at = 1; at <= 100_000; at += 1) keys.add(1, bytesOf(`order:${at}`), at, { high: at, low: 0 });
  for (let at = 1; at <= 100_000; at += 997) expect(keys.entry(keys.find(1, bytesOf(`order:${at}`))).number).toBe(at);
  expect(keys.find(1, bytesOf('order:'))).toBe(-1);
  expect(keys.find(2, bytesOf('order:5'))).toBe(-1);
});
