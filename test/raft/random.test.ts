import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom, below } from '../../src/base/random.ts';
import type { Random } from '../../src/base/random.ts';
import { Cluster } from './support/cluster.ts';
import type { Member, TunableOptions } from './support/cluster.ts';
import { bytes, text } from './support/disk.ts';
import { Safety } from './support/safety.ts';

/** What a run did, summed over all runs, so that rare things are known to have happened. */
const happened = {
  leaders: 0,
  commits: 0,
  logs: 0,
  votes: 0,
  acknowledgements: 0,
  applied: 0,
  truncated: 0,
  fetched: 0,
  restarts: 0,
  reads: 0,
  transfers: 0,
  compactions: 0,
  installs: 0,
};

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
  const cluster = new Cluster({
    peers,
    seed: scenario.seed,
    entriesLoaded: scenario.tiny ? 2 : 100,
    options: { electionTimeoutTicks: 4, ...(scenario.tiny ? TINY : {}) },
  });
  const safety = new Safety(cluster);
  cluster.onLine = (line) => {
    if (line.includes(' cut from ')) happened.truncated += 1;
    if (line.includes(' fetch ')) happened.fetched += 1;
  };
  const bag = swarm(random);
  for (let step = 0; step < scenario.steps; step += 1) {
    disturb(cluster, bag, random, step, safety);
    if (step % 50 === 0) safety.checkLogs();
  }
  recover(cluster, safety);
  for (const [name, count] of Object.entries(safety.compared)) happened[name as keyof typeof happened] += count;
}

/** Every kind of event, and how often it comes in a thousand; each run scales each of them by a factor of its own. */
const EVENTS: Record<string, number> = {
  deliver: 600,
  tick: 60,
  sync: 110,
  propose: 60,
  stallDisk: 10,
  stallFetch: 8,
  stallApply: 8,
  finish: 30,
  cut: 4,
  isolateLeader: 6,
  heal: 25,
  crash: 4,
  restart: 25,
  unreachable: 3,
  leaderLost: 25,
  transfer: 3,
  read: 6,
  compact: 3,
  install: 10,
};

/** The events of one run as a list to draw from: some are rare in one run and common in the next. */
function swarm(random: Random): string[] {
  const bag: string[] = [];
  for (const [name, weight] of Object.entries(EVENTS)) {
    const factor = [0.2, 1, 1, 3][below(random, 4)] as number;
    for (let count = 0; count < weight * factor; count += 1) bag.push(name);
  }
  return bag;
}

function disturb(cluster: Cluster, bag: readonly string[], random: Random, step: number, safety: Safety): void {
  const any = cluster.members[below(random, cluster.members.length)] as Member;
  const other = cluster.members[below(random, cluster.members.length)] as Member;
  const leader = cluster.members.find((one) => one.up && one.raft.role === 'leader');
  const event = bag[below(random, bag.length)] as string;
  // An event that only some peers can have finds one of them.
  let member = any;
  if (event === 'sync')
    member = cluster.members.find((one) => one.disk.pending !== undefined && below(random, 2) > 0) ?? any;
  if (event === 'restart') member = cluster.members.find((one) => !one.up) ?? any;
  if (event === 'deliver' && cluster.packets.length > 0) deliverAny(cluster, random);
  else if (event === 'tick' || event === 'deliver') cluster.tick(member.id);
  else if (event === 'propose') propose(cluster, random, `p${step}`);
  else if (event === 'heal') cluster.heal();
  else if (event === 'stallDisk') member.diskStalled = !member.diskStalled;
  else if (event === 'stallFetch') member.fetchStalled = !member.fetchStalled;
  else if (event === 'stallApply') member.applyStalled = !member.applyStalled;
  else if (event === 'isolateLeader' && leader !== undefined) cluster.isolate(leader.id);
  else if (event === 'restart' && !member.up) restart(cluster, member);
  else if (event === 'cut' && member.id !== other.id) cluster.cut(member.id, other.id);
  else if (member.up) disturbMember(cluster, event, member, other, safety);
  for (const one of cluster.members) {
    for (const read of one.reads.splice(0)) expect(read.index).toBeGreaterThanOrEqual(read.id);
  }
}

function disturbMember(cluster: Cluster, event: string, member: Member, other: Member, safety: Safety): void {
  if (event === 'sync' && member.disk.pending !== undefined) {
    cluster.sync(member.id);
  } else if (event === 'finish') {
    cluster.apply(member.id);
    cluster.answerFetch(member.id);
  } else if (event === 'crash') {
    cluster.crash(member.id);
  } else if (event === 'unreachable' && member.id !== other.id) {
    cluster.with(member.id, (raft) => raft.peerUnreachable(other.id));
  } else if (event === 'leaderLost') {
    cluster.with(member.id, (raft) => raft.leaderConnectionLost());
  } else if (event === 'transfer') {
    if (cluster.with(member.id, (raft) => raft.transferLeadership('best')).started) happened.transfers += 1;
  } else if (event === 'read') {
    // A read must not be answered from before anything that was committed anywhere when it was asked.
    const asOf = Math.max(0, ...safety.committed.keys());
    if (cluster.with(member.id, (raft) => raft.requestRead(asOf)) === 'queued') happened.reads += 1;
  } else if (event === 'compact') {
    compact(cluster, member);
  } else if (event === 'install') {
    for (const one of cluster.members) install(cluster, one);
  }
}

/** Any message may come next, or be lost, or come again later. */
function deliverAny(cluster: Cluster, random: Random): void {
  const at = below(random, Math.min(cluster.packets.length, 8));
  const fate = below(random, 20);
  if (fate === 0) cluster.packets.splice(at, 1);
  else if (fate === 1) cluster.hand(cluster.packets[at] as (typeof cluster.packets)[0]);
  else cluster.deliver(at);
}

/** To any peer that thinks it leads, also one that was deposed and does not know. */
function propose(cluster: Cluster, random: Random, name: string): void {
  const leaders = cluster.members.filter((one) => one.up && one.raft.role === 'leader');
  const leader = leaders[below(random, Math.max(1, leaders.length))];
  if (leader !== undefined) cluster.with(leader.id, (raft) => raft.propose(bytes(name)));
}

function restart(cluster: Cluster, member: Member): void {
  happened.restarts += 1;
  cluster.restart(member.id);
}

function compact(cluster: Cluster, member: Member): void {
  if (!member.up) return;
  const firstIndex = member.raft.appliedIndex + 1;
  if (firstIndex <= member.disk.firstIndex) return;
  happened.compactions += 1;
  cluster.compact(member.id, firstIndex);
}

/** A peer that was told to gets a checkpoint, from whoever has one that is new enough. */
function install(cluster: Cluster, member: Member): void {
  const atLeast = member.snapshotNeeded;
  if (!member.up || atLeast === undefined || member.disk.pending !== undefined) return;
  const from = cluster.members.find((one) => one.up && one.raft.appliedIndex >= atLeast);
  if (from === undefined || member.raft.commitIndex >= atLeast) return;
  happened.installs += 1;
  cluster.install(member.id, from.id);
}

/** When faults end, a leader comes, everything is applied everywhere, and all agree. */
function recover(cluster: Cluster, safety: Safety): void {
  cluster.heal();
  for (const member of cluster.members) {
    if (!member.up) restart(cluster, member);
    Object.assign(member, { diskStalled: false, applyStalled: false, fetchStalled: false });
    if (member.disk.pending !== undefined) cluster.sync(member.id);
    cluster.apply(member.id);
    cluster.answerFetch(member.id);
  }
  cluster.run();
  for (let round = 0; round < 120; round += 1) {
    cluster.pass(1);
    for (const member of cluster.members) install(cluster, member);
  }
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
  peers: fc.constantFrom(3, 3, 3, 3, 5, 5, 4, 2, 1),
  steps: fc.constantFrom(3000, 1000, 300),
  tiny: fc.boolean(),
});

describe('any order of loss, repetition, reordering, crashes and stalled disks', () => {
  it('keeps the five properties of figure 3 and the promises of the persist contract, and recovers', () => {
    fc.assert(fc.property(scenario, chaos), { numRuns: Number(process.env['RAFT_RUNS'] ?? 60) });
    for (const [name, count] of Object.entries(happened)) expect(count, `${name} happened`).toBeGreaterThan(0);
  }, 120_000);
});
