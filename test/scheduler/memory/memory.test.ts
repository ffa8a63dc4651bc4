import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, type ByteWriter } from '../../../src/base/bytes.ts';
import { formatHash } from '../../../src/base/hash.ts';
import { findInBlock } from '../../../src/scheduler/memory/block-format.ts';
import { blockKey, HOUR_MS } from '../../../src/scheduler/memory/blocks.ts';
import { Checkpoints, type Mark } from '../../../src/scheduler/memory/checkpoints.ts';
import { Memory } from '../../../src/scheduler/memory/memory.ts';
import { payloadKey } from '../../../src/scheduler/memory/payloads.ts';
import { type RecordSource, RecordTable } from '../../../src/scheduler/memory/records.ts';
import { BODY_TABLE_IDS_FROM } from '../../../src/scheduler/memory/table-ids.ts';
import { BlockModel, SMALL_LIMITS } from './block-model.ts';
import { crc32, FakeDatabase, nameOf, patternBytes } from './support.ts';

const LARGE_BYTES = 1024;

/** Numbers leave gaps, so that a short run touches many pages of them. */
const NUMBER_STEP = 1500;

/** Tasks by number with nothing but a size: what a scheduler would put around the memory. */
class Rows implements RecordSource {
  readonly table: RecordTable;
  readonly memory: Memory;
  readonly numbers: (number | undefined)[] = [];
  readonly idle: number[] = [];

  constructor(memory: Memory) {
    this.memory = memory;
    this.table = new RecordTable({ id: 16, name: 'rows', format: 1, crc32, source: this });
  }

  add(number: number): void {
    this.table.add(this.#take(number));
  }

  remove(number: number): void {
    const row = this.memory.pages.rowOf(number);
    this.table.remove(row);
    this.numbers[row] = undefined;
    this.idle.push(row);
  }

  keyOf(row: number): number {
    return this.numbers[row] ?? Number.NaN;
  }

  encode(_row: number, writer: ByteWriter): undefined {
    writer.varint(0);
  }

  restore(number: number, value: Uint8Array): number {
    new ByteReader(value, 2).end();
    return this.#take(number);
  }

  #take(number: number): number {
    const row = this.idle.pop() ?? this.numbers.length;
    this.numbers[row] = number;
    this.memory.pages.setLive(number, row);
    return row;
  }
}

class Peer {
  readonly memory: Memory = new Memory({ crc32, blockLimits: SMALL_LIMITS });
  readonly rows: Rows = new Rows(this.memory);
  readonly checkpoints: Checkpoints = new Checkpoints([this.rows.table, ...this.memory.tables]);
  readonly database = new FakeDatabase();

  drain(records: number): boolean {
    return this.checkpoints.drain(records, this.database);
  }

  written(): Mark | undefined {
    const handed = this.checkpoints.handedOver;
    if (handed === undefined) return undefined;
    this.database.commit();
    this.checkpoints.written(handed.index);
    this.memory.written();
    return handed;
  }

  /** The bytes of a finished task, from memory or the database. */
  finished(number: number): Uint8Array | undefined {
    const id = this.memory.blocks.idOf(number);
    if (id === undefined) return undefined;
    const inMemory = this.memory.blocks.body(id);
    if (inMemory !== undefined) return findInBlock(inMemory, number);
    const body = this.database.records.get(nameOf(blockKey(id)))?.value ?? new Uint8Array(0);
    expect(this.memory.blocks.isBody(id, body)).toBe(true);
    return findInBlock(body, number);
  }

  payload(number: number): Uint8Array | undefined {
    const payload = this.memory.payloads.get(number);
    if (payload !== 'offloaded') return payload;
    return this.memory.payloads.read(
      number,
      this.database.records.get(nameOf(payloadKey(number)))?.value ?? new Uint8Array(),
    );
  }

  static restored(database: FakeDatabase, mark: Mark, nextNumber: number): Peer {
    const peer = new Peer();
    const records = [...database.records.values()].reverse();
    const give = (wanted: (key: Uint8Array) => boolean): void => {
      for (const { key, value } of records) if (wanted(key)) peer.checkpoints.restore(key, value);
    };
    give((key) => (key[0] as number) < BODY_TABLE_IDS_FROM);
    const missing = new Set(peer.memory.blocks.missingBodies().map((id) => nameOf(blockKey(id))));
    give((key) => missing.has(nameOf(key)));
    peer.memory.restored(nextNumber);
    peer.checkpoints.restored(mark);
    for (const [name, entry] of database.records) peer.database.records.set(name, entry);
    return peer;
  }
}

type Step =
  | { readonly do: 'submit'; readonly payloadBytes: number }
  | {
      readonly do: 'finish';
      readonly pick: number;
      readonly namespace: number;
      readonly inHours: number;
      readonly entryBytes: number;
      readonly keep: boolean;
    }
  | { readonly do: 'purge'; readonly hours: number; readonly maxMoves: number }
  | { readonly do: 'mark' }
  | { readonly do: 'drain'; readonly records: number }
  | { readonly do: 'written' }
  | { readonly do: 'restart' };

const finish = fc.record({
  do: fc.constant('finish' as const),
  pick: fc.nat(),
  namespace: fc.integer({ min: 1, max: 2 }),
  inHours: fc.integer({ min: 1, max: 3 }),
  entryBytes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(3000, 9000, 20_000, 65_520, 65_536, 80_000)),
  keep: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      payloadBytes: fc.constantFrom(0, 100, 1024, 1025, 2000, 70_000),
    }),
  },
  { weight: 10, arbitrary: finish },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('purge' as const),
      hours: fc.integer({ min: 0, max: 1 }),
      maxMoves: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'mark' as const }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('drain' as const), records: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 3, arbitrary: fc.constant({ do: 'written' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

/** How often each rare thing happened over all runs; zero would mean that nothing was tried. */
const seen = { sealed: 0, offloaded: 0, purged: 0, restarts: 0, digests: 0 };

class Run {
  /** One that writes, and one that only ever hashes. */
  writer: Peer = new Peer();
  readonly hasher: Peer = new Peer();
  readonly model = new BlockModel();
  readonly live = new Map<number, number>();
  readonly entryBytes = new Map<number, number>();
  readonly kept = new Map<number, number>();
  log: { readonly index: number; readonly apply: (peer: Peer) => void }[] = [];
  #nextNumbers = new Map<number, number>();
  #nextNumber = 1;
  #nowMs = 100 * HOUR_MS;
  #index = 0;
  #mark: Mark | undefined;

  constructor() {
    this.hasher.checkpoints.holding = true;
  }

  step(step: Step): void {
    this.#index += 1;
    if (step.do === 'submit') this.#submit(step.payloadBytes);
    else if (step.do === 'finish') this.#finish(step);
    else if (step.do === 'purge') this.#purge(step.hours, step.maxMoves);
    else if (step.do === 'mark') {
      this.#nextNumbers.set(this.#index, this.#nextNumber);
      this.#apply((peer, index) => peer.checkpoints.mark(index));
    } else if (step.do === 'drain') this.writer.drain(step.records);
    else if (step.do === 'written') this.#mark = this.writer.written() ?? this.#mark;
    else this.#restart();
  }

  #apply(apply: (peer: Peer, index: number) => void): void {
    const index = this.#index;
    this.log.push({ index, apply: (peer) => apply(peer, index) });
    apply(this.writer, index);
    apply(this.hasher, index);
  }

  #submit(payloadBytes: number): void {
    const number = this.#nextNumber;
    this.#nextNumber += NUMBER_STEP;
    this.live.set(number, payloadBytes);
    this.#apply((peer) => {
      peer.rows.add(number);
      if (payloadBytes > LARGE_BYTES) peer.memory.payloads.add(number, patternBytes(payloadBytes, number));
    });
  }

  #finish(step: Extract<Step, { do: 'finish' }>): void {
    const [number, payloadBytes] = [...this.live][step.pick % Math.max(1, this.live.size)] ?? [];
    if (number === undefined || payloadBytes === undefined) return;
    this.live.delete(number);
    const outside = step.keep && payloadBytes > LARGE_BYTES ? payloadBytes : 0;
    const hour = Math.ceil(this.#nowMs / HOUR_MS) + step.inHours;
    this.model.append(step.namespace, hour, number, step.entryBytes, outside);
    this.entryBytes.set(number, step.entryBytes);
    if (outside > 0) this.kept.set(number, outside);
    this.#apply((peer) => {
      peer.rows.remove(number);
      if (outside === 0) peer.memory.payloads.remove(number);
      peer.memory.blocks.append(step.namespace, hour, number, patternBytes(step.entryBytes, number), outside);
    });
  }

  #purge(hours: number, maxMoves: number): void {
    this.#nowMs += hours * HOUR_MS;
    const nowMs = this.#nowMs;
    for (const number of this.model.purge(nowMs, maxMoves)) {
      this.entryBytes.delete(number);
      this.kept.delete(number);
      seen.purged += 1;
    }
    this.#apply((peer) => {
      peer.memory.blocks.purge(nowMs, maxMoves);
    });
    for (const namespace of [1, 2])
      expect(this.writer.memory.blocks.counts(namespace)).toEqual(this.model.counts(namespace));
  }

  #restart(): void {
    const mark = this.#mark;
    if (mark === undefined) return;
    seen.restarts += 1;
    this.writer = Peer.restored(this.writer.database, mark, this.#nextNumbers.get(mark.index) as number);
    for (const { index, apply } of this.log) if (index > mark.index) apply(this.writer);
  }

  end(): void {
    this.#index += 1;
    this.#apply((peer, index) => peer.checkpoints.mark(index));
    for (const peer of [this.writer, this.hasher]) {
      while (peer.drain(100));
      this.#compare(peer);
    }
    const digestOf = (peer: Peer): string => formatHash(peer.checkpoints.lastMark?.digest ?? { high: 0, low: 0 });
    expect(digestOf(this.writer)).toBe(digestOf(this.hasher));
    seen.digests += 1;
    seen.sealed += this.model.blocks.filter((block) => !block.open).length;
  }

  #compare(peer: Peer): void {
    expect(peer.memory.blocks.count).toBe(this.model.blocks.length);
    for (let number = 1; number < this.#nextNumber; number += NUMBER_STEP) {
      expect(peer.memory.pages.rowOf(number) >= 0).toBe(this.live.has(number));
      expect(peer.memory.blocks.idOf(number)).toBe(this.model.blockOf(number));
      const bytes = this.entryBytes.get(number);
      const expected = bytes === undefined ? undefined : patternBytes(bytes, number);
      expect(equal(peer.finished(number), expected), `task ${number}`).toBe(true);
      const payloadBytes = this.live.get(number) ?? this.kept.get(number) ?? 0;
      if (peer.memory.payloads.get(number) === 'offloaded') seen.offloaded += 1;
      const payload = payloadBytes > LARGE_BYTES ? patternBytes(payloadBytes, number) : undefined;
      expect(equal(peer.payload(number), payload), `payload ${number}`).toBe(true);
    }
  }
}

function equal(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return Buffer.compare(left, right) === 0;
}

test('tasks are where a plain model says, on peers that write, that only hash, and that start again; digests agree', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 250, size: 'max' }), (steps) => {
      const run = new Run();
      for (const step of steps) run.step(step);
      run.end();
    }),
    { numRuns: 40 },
  );
  const never = Object.entries(seen).filter(([, count]) => count === 0);
  expect(never).toEqual([]);
});
