import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { LEASE_DEFAULTS, Leases } from '../../src/server/leases.ts';
import { VirtualTime } from '../support/virtual-time.ts';

const KNOWN = [{ id: 'w1', instance: 'i1' }];

/** Leases of one leader, and what they ask it to propose, with the instants. */
class Bench {
  readonly time = new VirtualTime();
  readonly asked: string[] = [];
  /** Added to the clock, as if the process had stood still. */
  stoodStillMs = 0;
  readonly leases: Leases;

  constructor() {
    const clock: Clock = { monotonicMs: () => this.time.nowMs + this.stoodStillMs, wallMs: () => 0 };
    this.leases = new Leases(LEASE_DEFAULTS, clock, this.time, {
      proposeAway: (worker, instance) => this.asked.push(`${this.time.nowMs} away ${worker} ${instance}`),
      proposeLost: (worker, instance, sinceMs) =>
        this.asked.push(`${this.time.nowMs} lost ${worker} ${instance} after ${sinceMs}`),
    });
    this.leases.begin([]);
  }

  take(): string[] {
    return this.asked.splice(0);
  }
}

describe('leases', () => {
  it('owe a worker of an earlier term one whole lease', async () => {
    const { time, leases, asked } = new Bench();
    leases.begin(KNOWN);
    await time.advance(14_999);
    expect(asked).toEqual([]);
    await time.advance(1);
    expect(asked).toEqual(['15000 lost w1 i1 after 15000']);
    expect(leases.sinceHeardMs('w1')).toBeUndefined();
  });

  it('do not take a heartbeat for an attachment', () => {
    const { leases } = new Bench();
    leases.begin(KNOWN);
    expect(leases.heard('w1', 'i1')).toBe(false);
    leases.attached('w1', 'i1');
    expect(leases.heard('w1', 'i1')).toBe(true);
    expect(leases.heard('w1', 'i2')).toBe(false);
    expect(leases.heard('w2', 'i1')).toBe(false);
  });

  it('bear with two missed heartbeats and a half, not with three', async () => {
    const { time, leases, asked } = new Bench();
    leases.attached('w1', 'i1');
    await time.advance(8_999);
    expect(leases.heard('w1', 'i1')).toBe(true);
    expect(leases.sinceHeardMs('w1')).toBe(0);
    await time.advance(9_000);
    expect(asked).toEqual([]);
    await time.advance(250);
    expect(asked).toEqual(['18000 lost w1 i1 after 9001']);
  });

  it('call a worker away when its connection ends, and lost five seconds later', async () => {
    const { time, leases, asked } = new Bench();
    leases.attached('w1', 'i1');
    await time.advance(1_000);
    leases.disconnected('w1', 'i1');
    leases.disconnected('w1', 'i1');
    expect(asked).toEqual(['1000 away w1 i1']);
    await time.advance(4_999);
    expect(asked).toHaveLength(1);
    await time.advance(250);
    expect(asked.slice(1)).toEqual(['6000 lost w1 i1 after 6000']);
  });

  it('give no verdict on a worker that attached again in time', async () => {
    const { time, leases, asked } = new Bench();
    leases.attached('w1', 'i1');
    leases.disconnected('w1', 'i1');
    expect(leases.awaySettled('w1', 'i1', true)).toBe(false);
    await time.advance(4_900);
    leases.attached('w1', 'i1');
    await time.advance(8_000);
    expect(asked).toEqual(['0 away w1 i1']);
  });

  it('notice that the state calls away who attached before that was applied', () => {
    const { leases } = new Bench();
    leases.attached('w1', 'i1');
    leases.disconnected('w1', 'i1');
    leases.attached('w1', 'i1');
    expect(leases.awaySettled('w1', 'i1', true)).toBe(true);
    expect(leases.heard('w1', 'i1')).toBe(false);
    // A verdict on another process of that name is none on this one.
    leases.attached('w1', 'i2');
    expect(leases.awaySettled('w1', 'i1', true)).toBe(false);
    expect(leases.heard('w1', 'i2')).toBe(true);
  });

  it('ask again for what could not be proposed, and not for what is under way', async () => {
    const bench = new Bench();
    const { time, leases } = bench;
    leases.attached('w1', 'i1');
    leases.disconnected('w1', 'i1');
    leases.awaySettled('w1', 'i1', false);
    await time.advance(1_000);
    expect(bench.take()).toEqual(['0 away w1 i1', '250 away w1 i1']);
    await time.advance(20_000);
    expect(bench.take()).toEqual(['5000 lost w1 i1 after 5000']);
    leases.lostSettled('w1', 'i1', false);
    await time.advance(250);
    expect(bench.take()).toEqual(['21250 lost w1 i1 after 21250']);
    leases.lostSettled('w1', 'i1', true);
    await time.advance(60_000);
    expect(bench.take()).toEqual([]);
  });

  it('let no heartbeat be answered while a loss is under way, though the worker attach again', async () => {
    const { time, leases } = new Bench();
    leases.attached('w1', 'i1');
    await time.advance(9_250);
    expect(leases.heard('w1', 'i1')).toBe(false);
    leases.attached('w1', 'i1');
    expect(leases.heard('w1', 'i1')).toBe(false);
    leases.lostSettled('w1', 'i1', false);
    expect(leases.heard('w1', 'i1')).toBe(true);
    // Another process is none of its business.
    leases.attached('w1', 'i2');
    leases.lostSettled('w1', 'i1', true);
    expect(leases.heard('w1', 'i2')).toBe(true);
  });

  it('count a pause of the own process for nobody', async () => {
    const bench = new Bench();
    bench.leases.attached('w1', 'i1');
    await bench.time.advance(1_000);
    bench.stoodStillMs = 60_000;
    await bench.time.advance(250);
    expect(bench.asked).toEqual([]);
    await bench.time.advance(8_250);
    expect(bench.asked).toHaveLength(1);
  });

  it('end with the term', async () => {
    const { time, leases, asked } = new Bench();
    leases.attached('w1', 'i1');
    leases.end();
    await time.advance(60_000);
    expect(asked).toEqual([]);
    expect(leases.heard('w1', 'i1')).toBe(false);
  });

  it('refuse lengths by which a worker would be lost after its lease', () => {
    const verdicts = { proposeAway() {}, proposeLost() {} };
    const time = new VirtualTime();
    const options = { ...LEASE_DEFAULTS, leaseMs: 9_000 };
    expect(() => new Leases(options, time.clock(0), time, verdicts)).toThrow('lost before its lease ends');
  });
});
