import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DecodeError } from '../../../src/base/bytes.ts';
import { formatHash } from '../../../src/base/hash.ts';
import { Checkpoints, type Mark } from '../../../src/scheduler/memory/checkpoints.ts';
import { recordKey } from '../../../src/scheduler/memory/records.ts';
import { checkpointNow, FakeDatabase, nameOf, ToyTable } from './support.ts';

/** The same state kept the obvious way: two maps, copied whole at every mark. */
type Copy = ReadonlyMap<string, number>;

class Peer {
  readonly first = new ToyTable(20);
  readonly second = new ToyTable(21);
  readonly outside = new ToyTable(250, false);
  readonly checkpoints: Checkpoints = new Checkpoints([this.first.table, this.second.table, this.outside.table]);
  readonly database = new FakeDatabase();
  readonly digests = new Map<number, string>();
  writtenMark: Mark | undefined;

  tableOf(key: number): ToyTable {
    return key % 3 === 0 ? this.outside : key % 3 === 1 ? this.first : this.second;
  }

  drain(records: number): boolean {
    const more = this.checkpoints.drain(records, this.database);
    this.#noteDigest();
    return more;
  }

  #noteDigest(): void {
    const mark = this.checkpoints.lastMark;
    if (mark !== undefined) this.digests.set(mark.index, formatHash(mark.digest));
  }

  mark(index: number): void {
    this.checkpoints.mark(index);
    // A mark completes the capture of the one before it.
    this.#noteDigest();
  }

  written(): void {
    const handed = this.checkpoints.handedOver;
    if (handed === undefined) return;
    this.database.commit();
    this.checkpoints.written(handed.index);
    this.writtenMark = handed;
  }
}

function databaseAsCopy(database: FakeDatabase): Copy {
  return new Map([...database.records.values()].map(({ key, value }) => [nameOf(key), value[1] as number]));
}

function restored(database: FakeDatabase, mark: Mark): Peer {
  const peer = new Peer();
  for (const { key, value } of database.records.values()) {
    if (key[0] !== 250) peer.checkpoints.restore(key, value);
  }
  // The table outside the digest is filled by its owner.
  for (const { key, value } of database.records.values()) {
    if (key[0] === 250) peer.outside.table.adopt(peer.outside.restore(Number(nameOf(key).slice(4)), value));
  }
  peer.checkpoints.restored(mark);
  for (const [name, entry] of database.records) peer.database.records.set(name, entry);
  return peer;
}

function digestOf(model: Copy): string {
  const peer = new Peer();
  for (const [name, value] of model) {
    const [id, key] = name.split('/').map(Number) as [number, number];
    if (id !== 250) peer.checkpoints.restore(recordKey(id, key), Uint8Array.of(1, value));
  }
  const empty = new Checkpoints([peer.first.table, peer.second.table]);
  return formatHash(checkpointNow(empty, 1, new FakeDatabase()));
}

type Step =
  | { readonly do: 'set'; readonly key: number; readonly value: number }
  | { readonly do: 'delete'; readonly key: number }
  | { readonly do: 'mark' }
  | { readonly do: 'drain'; readonly records: number }
  | { readonly do: 'written' }
  | { readonly do: 'hold'; readonly holding: boolean }
  | { readonly do: 'restart' };

const key = fc.integer({ min: 0, max: 14 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('set' as const), key, value: fc.integer({ min: 0, max: 9 }) }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
    { weight: 3, arbitrary: fc.constant({ do: 'mark' as const }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('drain' as const), records: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.constant({ do: 'written' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), holding: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  ),
  { maxLength: 80, size: 'max' },
);

/** Runs the steps on a peer that writes and one that only hashes; every digest and every written state is compared with the model. */
class Run {
  writer = new Peer();
  readonly hasher = new Peer();
  readonly model = new Map<string, number>();
  readonly copies = new Map<number, Copy>();
  /** What happened since each mark, to be repeated after a restart. */
  log: { readonly index: number; readonly step: Step }[] = [];
  index = 0;
  checked = 0;

  constructor() {
    this.hasher.checkpoints.holding = true;
  }

  step(step: Step): void {
    this.index += 1;
    if (step.do === 'drain') this.writer.drain(step.records);
    else if (step.do === 'written') this.#written();
    else if (step.do === 'hold') this.writer.checkpoints.holding = step.holding;
    else if (step.do === 'restart') this.#restart();
    else {
      this.log.push({ index: this.index, step });
      if (step.do === 'mark') this.copies.set(this.index, new Map(this.model));
      else this.#change(this.model, step);
      this.#apply(this.writer, this.index, step);
      this.#apply(this.hasher, this.index, step);
    }
  }

  end(): void {
    for (const peer of [this.writer, this.hasher]) {
      while (peer.drain(5));
      for (const [index, digest] of peer.digests) {
        expect(digest, `at ${index}`).toBe(digestOf(this.copies.get(index) as Copy));
        this.checked += 1;
      }
    }
    this.#written();
    expect([...this.hasher.digests.keys()]).toEqual([...this.copies.keys()]);
    expect(this.hasher.database.records.size).toBe(0);
    expect(this.writer.database.lateDeletions).toBe(0);
  }

  #apply(peer: Peer, index: number, step: Step): void {
    if (step.do === 'mark') peer.mark(index);
    else if (step.do === 'set') peer.tableOf(step.key).set(step.key, step.value);
    else if (step.do === 'delete') peer.tableOf(step.key).delete(step.key);
  }

  #change(model: Map<string, number>, step: Step): void {
    if (step.do === 'set') model.set(this.#nameOf(step.key), step.value);
    else if (step.do === 'delete') model.delete(this.#nameOf(step.key));
  }

  #nameOf(key: number): string {
    return `${this.writer.tableOf(key).table.id}/${key}`;
  }

  #written(): void {
    this.writer.written();
    const mark = this.writer.writtenMark;
    if (mark !== undefined) {
      expect(databaseAsCopy(this.writer.database)).toEqual(this.copies.get(mark.index));
    }
  }

  /** The writer starts again from its last durable checkpoint and applies what came after it. */
  #restart(): void {
    const { writtenMark, database, digests } = this.writer;
    if (writtenMark === undefined) return;
    this.writer = restored(database, writtenMark);
    this.writer.writtenMark = writtenMark;
    for (const [index, digest] of digests) this.writer.digests.set(index, digest);
    for (const { index, step } of this.log) if (index > writtenMark.index) this.#apply(this.writer, index, step);
  }
}

test('every digest and every written checkpoint equals the state at its mark, whatever happens around it', () => {
  let checked = 0;
  fc.assert(
    fc.property(steps, (steps) => {
      const run = new Run();
      for (const step of steps) run.step(step);
      run.end();
      checked += run.checked;
    }),
    { numRuns: 400 },
  );
  expect(checked).toBeGreaterThan(1000);
});

test('a record that comes and goes between two marks is never encoded', () => {
  const toy = new ToyTable(20);
  const checkpoints = new Checkpoints([toy.table]);
  for (let key = 1; key <= 100; key += 1) {
    toy.set(key, 5);
    toy.set(key, 6);
    toy.delete(key);
  }
  checkpointNow(checkpoints, 1, new FakeDatabase());
  expect(toy.encoded).toBe(0);
});

test('marks while a checkpoint is being written are hashed only, and the next one writes what they found', () => {
  const toy = new ToyTable(20);
  const checkpoints = new Checkpoints([toy.table]);
  const database = new FakeDatabase();
  toy.set(1, 1);
  checkpoints.mark(10);
  while (checkpoints.drain(10, database));
  expect(checkpoints.handedOver?.index).toBe(10);
  toy.set(2, 2);
  checkpoints.mark(20);
  while (checkpoints.drain(10, database));
  expect(checkpoints.lastMark?.index).toBe(20);
  expect(checkpoints.handedOver?.index).toBe(10);
  database.commit();
  expect([...database.records.keys()]).toEqual(['20/1']);
  checkpoints.written(10);
  expect(toy.isStored(1)).toBe(true);
  expect(toy.isStored(2)).toBe(false);
  checkpointNow(checkpoints, 30, database);
  expect([...database.records.keys()]).toEqual(['20/1', '20/2']);
  expect(toy.isStored(2)).toBe(true);
});

test('a record that changes while its mark is captured is written as it was at the mark', () => {
  const toy = new ToyTable(20);
  const checkpoints = new Checkpoints([toy.table]);
  const database = new FakeDatabase();
  for (let key = 1; key <= 10; key += 1) toy.set(key, 1);
  checkpoints.mark(1);
  checkpoints.drain(3, database);
  for (let key = 1; key <= 10; key += 1) toy.set(key, 2);
  toy.delete(7);
  while (checkpoints.drain(3, database));
  database.commit();
  expect(databaseAsCopy(database)).toEqual(new Map(Array.from({ length: 10 }, (_, at) => [`20/${at + 1}`, 1])));
});

test('a slice looks at no more records than it was allowed', () => {
  const toy = new ToyTable(20);
  const checkpoints = new Checkpoints([toy.table]);
  for (let key = 1; key <= 100; key += 1) toy.set(key, 1);
  checkpoints.mark(1);
  let puts = 0;
  const sink = { put: () => (puts += 1), del: () => {} };
  let slices = 0;
  let more = true;
  while (more) {
    const before = puts;
    more = checkpoints.drain(10, sink);
    slices += 1;
    expect(puts - before).toBeLessThanOrEqual(10);
  }
  expect(puts).toBe(100);
  expect(slices).toBeGreaterThanOrEqual(10);
});

test('the digest is part of the log format: it does not change by accident', () => {
  const toy = new ToyTable(20);
  const checkpoints = new Checkpoints([toy.table]);
  toy.set(1, 1);
  toy.set(2 ** 40, 77);
  expect(formatHash(checkpointNow(checkpoints, 1, new FakeDatabase()))).toMatchInlineSnapshot(`"5ab13ccacc911aa3"`);
});

test('equal values under exchanged keys have another digest', () => {
  const digest = (first: number, second: number): string => {
    const toy = new ToyTable(20);
    toy.set(1, first);
    toy.set(2, second);
    return formatHash(checkpointNow(new Checkpoints([toy.table]), 1, new FakeDatabase()));
  };
  expect(digest(5, 6)).not.toBe(digest(6, 5));
});

test('a damaged, missing, doubled or foreign record is refused at load', () => {
  const toy = new ToyTable(20);
  const database = new FakeDatabase();
  for (let key = 1; key <= 3; key += 1) toy.set(key, key);
  const digest = checkpointNow(new Checkpoints([toy.table]), 9, database);
  const load = (change: (entries: { key: Uint8Array; value: Uint8Array }[]) => void): void => {
    const entries = [...database.records.values()].map(({ key, value }) => ({
      key: key.slice(),
      value: value.slice(),
    }));
    change(entries);
    const checkpoints = new Checkpoints([new ToyTable(20).table]);
    for (const { key, value } of entries) checkpoints.restore(key, value);
    checkpoints.restored({ index: 9, digest });
    expect(checkpoints.lastMark).toEqual({ index: 9, digest });
  };
  load(() => {});
  load((entries) => entries.reverse());
  expect(() => load((entries) => entries.pop())).toThrow(/digest/);
  expect(() => load((entries) => (entries[1] as { value: Uint8Array }).value.set([9], 1))).toThrow(/digest/);
  expect(() => load((entries) => (entries[1] as { key: Uint8Array }).key.set([9], 8))).toThrow(/digest/);
  expect(() => load((entries) => (entries[1] as { value: Uint8Array }).value.set([2], 0))).toThrow(/format 2/);
  expect(() => load((entries) => (entries[1] as { key: Uint8Array }).key.set([99], 0))).toThrow(/no table/);
  expect(() =>
    load((entries) => entries.push({ key: new Uint8Array(3).fill(20), value: Uint8Array.of(1, 1) })),
  ).toThrow(DecodeError);
});
