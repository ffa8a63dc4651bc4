import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom, below } from '../../src/base/random.ts';
import type { Random } from '../../src/base/random.ts';
import { Cluster } from './support/cluster.ts';
import type { Member, TunableOptions } from './support/cluster.ts';
import { bytes, text } from './support/disk.ts';
import { Safety } from './support/safety.ts';

/** What a run did, summed over all runs, so that rare things are known to have happened. */
const happened = { leaders: 0, commits: 0, logs: 0, votes: 0, acknowledgements: 0, applied: 0, truncated: 0, fetched: 0, restarts: 0, reads: 0, transfers: 0, compactions: 0 };

interface Scenario {
  readonly seed: number;
  readonly peers: number;
  readonly steps: number;
  readonly tiny: boolean;
}

const TINY: TunableOptions = {
  maxAppendBytes: 8,
  maxInflightMessages: 2,
  maxInflightBytes: 16,
  maxApplyBytes: 8,
  maxEntriesInMemoryBytes: 400,
  maxUncommittedBytes: 64,
};

function chaos(scenario: Scenario): void {
  const random = new SeededRandom(scenario.seed);
  const peers = Array.from({ length: scenario.peers }, (_, at) => `n${at + 1}`);
  const cluster = new Cluster({ peers, seed: scenario.seed, entriesLoaded: scenario.tiny ? 2 : 100, ...(scenario.tiny ? { options: TINY } : {}) });
  const safety = new Safety(cluster);
  cluster.onLine = (line) => {
    if (line.includes(' cut from ')) happened.truncated += 1;
    if (line.includes(' fetch ')) happened.fetched += 1;
  };
  for (let step = 0; step < scenario.steps; step += 1) {
    disturb(cluster, random, step, safety);
    if (step % 50 === 0) safety.checkLogs();
  }
  recover(cluster, safety);
  for (const [name, count] of Object.entries(safety.compared)) happened[name as keyof typeof happened] += count;
}

function disturb(cluster: Cluster, random: Random, step: number, safety: Safety): void {
  const member = cluster.members[below(random, cluster.members.length)] as Member;
  const other = cluster.members[below(random, cluster.members.length)] as Member;
  const dice = below(random, 1000);
  if (dice < 450) {
    // Any message may come next, or be lost, or come again later.
    if (cluster.packets.length === 0) return;
    const at = below(random, Math.min(cluster.packets.length, 8));
    const fate = below(random, 20);
    if (fate === 0) cluster.packets.splice(at, 1);
    else if (fate === 1) cluster.hand(cluster.packets[at] as (typeof cluster.packets)[0]);
    else cluster.deliver(at);
  } else if (dice < 720) {
    cluster.tick(member.id);
  } else if (dice < 860) {
    if (member.up && member.disk.pending !== undefined) cluster.sync(member.id);
  } else if (dice < 950) {
    const leader = cluster.members.find((one) => one.up && one.raft.role === 'leader');
    if (leader !== undefined) cluster.with(leader.id, (raft) => raft.propose(bytes(`p${step}`)));
  } else if (dice < 960) {
    member.diskStalled = !member.diskStalled;
  } else if (dice < 970) {
    if (member.id !== other.id) cluster.cut(member.id, other.id);
  } else if (dice < 976) {
    cluster.heal();
  } else if (dice < 982) {
    if (member.up) cluster.crash(member.id);
  } else if (dice < 990) {
    if (!member.up) restart(cluster, member);
  } else if (dice < 993) {
    if (member.up && member.id !== other.id) cluster.with(member.id, (raft) => raft.peerUnreachable(other.id));
  } else if (dice < 995) {
    if (member.up) cluster.with(member.id, (raft) => raft.leaderConnectionLost());
  } else if (dice < 997) {
    if (member.up && cluster.with(member.id, (raft) => raft.transferLeadership('best')).started) happened.transfers += 1;
  } else if (dice < 999) {
    // A read must not be answered from before anything that was committed anywhere when it was asked.
    const asOf = Math.max(0, ...safety.committed.keys());
    if (member.up && cluster.with(member.id, (raft) => raft.requestRead(asOf)) === 'queued') happened.reads += 1;
  } else {
    compact(cluster, member);
  }
  for (const one of cluster.members) {
    for (const read of one.reads.splice(0)) expect(read.index).toBeGreaterThanOrEqual(read.id);
  }
}

function restart(cluster: Cluster, member: Member): void {
  happened.restarts += 1;
  cluster.restart(member.id);
}

function compact(cluster: Cluster, member: Member): void {
  if (!member.up) return;
  const firstIndex = Math.min(member.raft.appliedIndex, member.raft.lowestMatchIndex) + 1;
  if (firstIndex <= member.disk.firstIndex) return;
  happened.compactions += 1;
  cluster.compact(member.id, firstIndex);
}

/** When faults end, a leader comes, everything is applied everywhere, and all agree. */
function recover(cluster: Cluster, safety: Safety): void {
  cluster.heal();
  for (const member of cluster.members) {
    if (!member.up) restart(cluster, member);
    member.diskStalled = false;
    if (member.disk.pending !== undefined) cluster.sync(member.id);
  }
  cluster.run();
  cluster.pass(120);
  const leader = cluster.members.find((member) => member.raft.role === 'leader');
  if (leader === undefined) throw new Error('nobody leads after the faults ended');
  const { term } = leader.raft;
  const result = cluster.with(leader.id, (raft) => raft.propose(bytes('last')));
  expect(result.accepted).toBe(true);
  cluster.run();
  cluster.pass(20);
  for (const member of cluster.members) {
    expect(member.raft.term, 'terms stop growing').toBe(term);
    expect(member.raft.appliedIndex).toBe(leader.raft.lastIndex);
    const last = member.applied.at(-1);
    expect(last === undefined ? undefined : text(last.data)).toBe('last');
  }
  const [match] = new Set(leader.raft.status().peers.map((peer) => peer.state));
  expect(match ?? 'replicate').toBe('replicate');
  expect(leader.raft.status().uncommittedBytes).toBe(0);
  safety.checkLogs();
}

const scenario = fc.record({
  seed: fc.nat(0x7fff_ffff),
  peers: fc.constantFrom(1, 2, 3, 3, 3, 5),
  steps: fc.constantFrom(400, 1500, 3000),
  tiny: fc.boolean(),
});

describe('any order of loss, repetition, reordering, crashes and stalled disks', () => {
  it('keeps the five properties of figure 3 and the promises of the persist contract, and recovers', () => {
    fc.assert(fc.property(scenario, chaos), { numRuns: Number(process.env['RAFT_RUNS'] ?? 120) });
    for (const [name, count] of Object.entries(happened)) expect(count, `${name} happened`).toBeGreaterThan(0);
  }, 120_000);
});
