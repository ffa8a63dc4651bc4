import { describe, expect, it } from 'vitest';
import type { AbortRow, AssignRow } from '../../src/protocol/rows.ts';
import type { Assignment } from '../../src/scheduler/views.ts';
import { Deliveries, type DeliverySource, type WorkerLink } from '../../src/server/deliveries.ts';
import { VirtualTime } from '../support/virtual-time.ts';
import { noting } from './support/desk.ts';

const MIB = 1024 * 1024;

/** What runs where, as far as deliveries look at it. */
class FakeState implements DeliverySource {
  readonly running = new Map<number, Assignment>();
  readonly stored = new Map<number, Uint8Array>();
  /** Numbers of each read. */
  readonly reads: (readonly number[])[] = [];
  /** Makes the next reads fail. */
  broken = false;
  /** Reads wait for it. */
  gate: Promise<void> = Promise.resolve();

  place(number: number, overrides: Partial<Assignment> = {}, payloadBytes = 1): number {
    const payload = { encoding: 3, bytes: new Uint8Array(payloadBytes) } as const;
    const assignment: Assignment = {
      number,
      fencingToken: number * 10,
      worker: 'w1',
      instance: 'i1',
      namespace: 'default',
      type: 'hash',
      attempt: 1,
      deliveries: 1,
      payload,
      runMs: 0,
      placedAtMs: 0,
      createdAtMs: 0,
      cancelling: false,
      ...overrides,
    };
    this.running.set(number, assignment);
    return number;
  }

  /** A task whose payload has left memory. */
  placeStored(number: number, sizeBytes: number, overrides: Partial<Assignment> = {}): number {
    this.stored.set(number, new Uint8Array(sizeBytes).fill(number));
    return this.place(number, { payload: { encoding: 3, offloaded: true, sizeBytes }, ...overrides });
  }

  readonly scheduler = {
    assignment: (number: number): Assignment | undefined => this.running.get(number),
    assignmentsOf: (worker: string): number[] =>
      [...this.running.values()].filter((one) => one.worker === worker).map((one) => one.number),
  };

  async payloads(numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    this.reads.push(numbers);
    await this.gate;
    if (this.broken) throw new Error('the disk is gone');
    return numbers.map((number) => this.stored.get(number));
  }
}

/** A worker's connection that notes what it is given. */
class FakeLink implements WorkerLink {
  readonly typeIndex = new Map([['hash', 0]]);
  hasRoom = true;
  ended: string | undefined;
  readonly frames: (readonly ['assign', readonly AssignRow[]] | readonly ['abort', readonly AbortRow[]])[] = [];
  readonly worker: string;
  readonly instance: string;
  readonly deliveredIndex: number;

  constructor(worker = 'w1', instance = 'i1', deliveredIndex = 0) {
    this.worker = worker;
    this.instance = instance;
    this.deliveredIndex = deliveredIndex;
  }

  assign(rows: readonly AssignRow[]): void {
    this.frames.push(['assign', rows]);
  }

  abort(rows: readonly AbortRow[]): void {
    this.frames.push(['abort', rows]);
  }

  end(reason: string): void {
    this.ended = reason;
  }

  /** Tokens assigned, in order, frames one after the other. */
  get tokens(): number[] {
    return this.frames.flatMap(([type, rows]) => (type === 'assign' ? rows.map((row) => row[1]) : []));
  }

  get shape(): string[] {
    return this.frames.map(([type, rows]) => `${type} ${rows.length}`);
  }
}

class Bench {
  readonly time = new VirtualTime();
  readonly state = new FakeState();
  readonly notes: string[] = [];
  readonly deliveries = new Deliveries(this.state, this.time, noting(this.notes));

  link(...args: ConstructorParameters<typeof FakeLink>): FakeLink {
    const link = new FakeLink(...args);
    this.deliveries.attach(link, new Set());
    return link;
  }

  perform(index: number, assigned: number[]): void {
    this.deliveries.perform(index, { assigned, aborts: [] });
  }
}

describe('deliveries', () => {
  it('are one frame for each worker and entry', () => {
    const { state, deliveries, ...bench } = new Bench();
    const first = new FakeLink();
    const second = new FakeLink('w2', 'j1');
    deliveries.attach(first, new Set());
    deliveries.attach(second, new Set());
    const onSecond = { worker: 'w2', instance: 'j1' };
    const assigned = [state.place(1), state.place(2, onSecond), state.place(3), state.place(4, onSecond)];
    deliveries.perform(7, { assigned, aborts: [] });
    expect([first.tokens, second.tokens]).toEqual([
      [10, 30],
      [20, 40],
    ]);
    expect([first.shape, second.shape]).toEqual([['assign 2'], ['assign 2']]);
    expect(bench.notes).toEqual([]);
  });

  it('of an entry that a worker was given as it attached are not made twice', () => {
    const bench = new Bench();
    bench.state.place(1);
    const link = bench.link('w1', 'i1', 7);
    bench.perform(7, [1]);
    bench.perform(8, [bench.state.place(2)]);
    expect(link.tokens).toEqual([10, 20]);
  });

  it('leave out by token, not by number, what the worker named itself', () => {
    const { state, deliveries } = new Bench();
    state.place(1, { fencingToken: 5 });
    state.place(2, { fencingToken: 6, cancelling: true });
    const link = new FakeLink();
    deliveries.attach(link, new Set([4, 6]));
    expect(link.tokens).toEqual([5]);
    expect(link.frames.at(-1)).toEqual(['abort', [[2, 6, 0]]]);
  });

  it('are made to the instance that was meant, and of types that it gave', () => {
    const bench = new Bench();
    const link = bench.link();
    bench.perform(1, [bench.state.place(1, { instance: 'i0' }), bench.state.place(2, { type: 'other' })]);
    expect(link.frames).toEqual([]);
  });

  it('are cut into frames by all of their bytes, and by their number', () => {
    const bench = new Bench();
    const link = bench.link();
    const checkpoint = { encoding: 3, bytes: new Uint8Array(MIB / 4) } as const;
    const heavy = Array.from({ length: 9 }, (_, at) =>
      bench.state.place(at + 1, { lastCheckpoint: checkpoint, headers: checkpoint }),
    );
    bench.perform(1, heavy);
    expect(link.shape).toEqual(['assign 2', 'assign 2', 'assign 2', 'assign 2', 'assign 1']);
    bench.perform(
      2,
      Array.from({ length: 2_001 }, (_, at) => bench.state.place(at + 100)),
    );
    expect(link.shape.slice(5)).toEqual(['assign 2000', 'assign 1']);
  });

  it('wait by number while the connection is full, and go on in order when it has room', async () => {
    const bench = new Bench();
    const link = bench.link();
    link.hasRoom = false;
    bench.perform(1, [bench.state.place(1), bench.state.place(2), bench.state.place(3)]);
    bench.state.running.delete(2);
    link.hasRoom = true;
    bench.perform(2, [bench.state.place(4)]);
    expect(link.tokens).toEqual([10, 30, 40]);
    link.hasRoom = false;
    bench.perform(3, [bench.state.place(5)]);
    expect(link.tokens).toHaveLength(3);
    link.hasRoom = true;
    bench.deliveries.drained(link);
    expect(link.tokens).toEqual([10, 30, 40, 50]);
  });

  it('that waited are followed by the abort of what was cancelled meanwhile', () => {
    const bench = new Bench();
    const link = bench.link();
    link.hasRoom = false;
    bench.perform(1, [bench.state.place(1), bench.state.place(2)]);
    bench.state.place(1, { cancelling: true });
    link.hasRoom = true;
    bench.deliveries.drained(link);
    expect(link.frames.map(([type, rows]) => [type, rows.map((row) => row[1])])).toEqual([
      ['assign', [10, 20]],
      ['abort', [10]],
    ]);
  });

  it('end with the connection of a worker for which far too much waits', () => {
    const bench = new Bench();
    const link = bench.link();
    link.hasRoom = false;
    for (let entry = 1; entry <= 11; entry += 1) {
      bench.perform(
        entry,
        Array.from({ length: 2_000 }, (_, at) => bench.state.place(entry * 2_000 + at)),
      );
    }
    expect(link.ended).toBe('it takes no assignments');
    expect(bench.deliveries.link('w1')).toBeUndefined();
  });

  it('of payloads that left memory are read a few MiB at a time', async () => {
    const bench = new Bench();
    const link = bench.link();
    bench.perform(
      1,
      Array.from({ length: 10 }, (_, at) => bench.state.placeStored(at + 1, 256 * 1024)),
    );
    await bench.time.advance(1);
    expect(bench.state.reads).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10],
    ]);
    expect(link.tokens).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    const rows = link.frames.flatMap(([type, some]) => (type === 'assign' ? [...some] : []));
    expect(rows.map((row) => [row[5].length, row[5][0]])).toEqual(rows.map((_, at) => [256 * 1024, at + 1]));
  });

  it('are not made of what ended or moved while its payload was read, nor to who attached anew meanwhile', async () => {
    const bench = new Bench();
    let open!: () => void;
    bench.state.gate = new Promise((resolve) => {
      open = resolve;
    });
    const link = bench.link();
    bench.perform(
      1,
      [1, 2, 3].map((number) => bench.state.placeStored(number, 10)),
    );
    bench.state.running.delete(1);
    bench.state.placeStored(2, 10, { fencingToken: 21 });
    open();
    await bench.time.advance(1);
    expect(link.tokens).toEqual([30]);
    bench.state.gate = new Promise((resolve) => {
      open = resolve;
    });
    bench.perform(2, [bench.state.placeStored(4, 10)]);
    const newer = new FakeLink();
    bench.deliveries.attach(newer, new Set([21, 30]));
    open();
    await bench.time.advance(1);
    expect([link.tokens, newer.tokens]).toEqual([[30], [40]]);
  });

  it('of payloads that cannot be read are tried again, and hold up nothing else', async () => {
    const bench = new Bench();
    const link = bench.link();
    bench.state.broken = true;
    bench.perform(1, [bench.state.placeStored(1, 10)]);
    await bench.time.advance(1);
    bench.perform(2, [bench.state.place(2)]);
    expect(link.tokens).toEqual([20]);
    bench.state.broken = false;
    bench.state.stored.delete(1);
    await bench.time.advance(1_000);
    bench.state.stored.set(1, new Uint8Array(10));
    await bench.time.advance(1_000);
    expect(link.tokens).toEqual([20, 10]);
    expect(bench.notes).toEqual([
      'error payloads could not be read',
      'error payloads of running tasks are missing',
      'error payloads of running tasks are missing',
    ]);
  });

  it('end with the leadership', () => {
    const bench = new Bench();
    const link = bench.link();
    bench.deliveries.clear();
    bench.perform(1, [bench.state.place(1)]);
    bench.deliveries.perform(2, {
      assigned: [],
      aborts: [{ worker: 'w1', number: 1, fencingToken: 10, reason: 'drain' }],
    });
    expect(link.frames).toEqual([]);
  });
});
