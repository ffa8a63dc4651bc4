import { afterEach, describe, expect, test, vi } from 'vitest';
import type { SimOptions } from '../../sim/options.ts';
import { runSeed, type Verdict } from '../../sim/run-seed.ts';
import { Neighbours } from '../../src/peer/neighbours.ts';
import { Persistence } from '../../src/raft/persistence.ts';
import { Raft } from '../../src/raft/raft.ts';

/** Seeds that draw each of them. */
const SEEDS = { wrongState: 22, splitStates: 2, hungDisk: 9, lonelyLeader: 21 } as const;

/** Almost nothing: what counts comes when everything is at rest. */
const LENGTH = { simulatedMs: 1_500, events: 300, requests: 3 };

const whole = (options: SimOptions): SimOptions => ({ ...options, lastPhase: 'all' });

const tried = (seed: number): Promise<Verdict> => runSeed(seed, { length: LENGTH, adjust: whole, briefly: true });

afterEach(() => {
  vi.restoreAllMocks();
});

describe('at the end of a run', () => {
  test('a peer whose memory goes wrong takes itself out, and comes back with the state of the others', async () => {
    const { failure, totals } = await tried(SEEDS.wrongState);
    expect(failure).toBeUndefined();
    expect(totals.rare.statesMended).toBe(1);
  });

  test('a cluster in which no majority has one state stops', async () => {
    const { failure, totals } = await tried(SEEDS.splitStates);
    expect(failure).toBeUndefined();
    expect(totals.rare.clustersStopped).toBe(1);
  });

  test('a leader whose disk hangs is succeeded', async () => {
    const { failure, totals } = await tried(SEEDS.hungDisk);
    expect(failure).toBeUndefined();
    expect(totals.rare.hungLeaders).toBe(1);
  });

  test('a leader that nobody hears is succeeded', async () => {
    const { failure, totals } = await tried(SEEDS.lonelyLeader);
    expect(failure).toBeUndefined();
    expect(totals.rare.lonelyLeaders).toBe(1);
  });

  test.each(['wrongState', 'splitStates'] as const)(
    'peers that hear nothing of the states of others: %s',
    async (name) => {
      vi.spyOn(Neighbours.prototype, 'news').mockImplementation(() => {});
      const { failure } = await tried(SEEDS[name]);
      expect(failure?.checker).toBe('wrong-state');
    },
  );

  test('a leader that does not count how long its disk takes', async () => {
    vi.spyOn(Persistence.prototype, 'tick').mockImplementation(() => {});
    const { failure } = await tried(SEEDS.hungDisk);
    expect(failure?.checker).toBe('hung-disk');
  });

  test('a leader that does not count how long nobody answers it', async () => {
    const { tick } = Raft.prototype;
    vi.spyOn(Raft.prototype, 'tick').mockImplementation(function patient(this: Raft): void {
      const { role } = this.inspect();
      if (role.name === 'leader') for (const progress of role.peers) progress.silentTicks = 0;
      tick.call(this);
    });
    const { failure } = await tried(SEEDS.lonelyLeader);
    expect(failure?.checker).toBe('lonely-leader');
  });
});
