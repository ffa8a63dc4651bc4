import { expect } from 'vitest';
import type { ConfigurationChange } from '../../../src/raft/configuration.ts';
import { SeededRandom, below } from '../../../src/base/random.ts';
import type { Random } from '../../../src/base/random.ts';
import { Cluster } from './cluster.ts';
import type { Member, TunableOptions } from './cluster.ts';
import type { Damage } from '../../../src/raft/types.ts';
import { type Disk, bytes, text } from './disk.ts';
import { Safety } from './safety.ts';

/** What runs did, summed, so that rare things are known to have happened. */
export const happened = {
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
  configurations: 0,
  changes: 0,
  rolledBack: 0,
  promoted: 0,
  leadersRemoved: 0,
  wiped: 0,
  damaged: 0,
  healed: 0,
  statesLost: 0,
  forwardedReads: 0,
  onlyCopiesLost: 0,
  late: 0,
};

/** One run. Everything in it follows from this. */
export interface Scenario {
  readonly seed: number;
  readonly peers: number;
  readonly steps: number;
  readonly tiny: boolean;
  /** Members come and go, disks are wiped and damaged. Then there are two peers more than founders. */
  readonly churn: boolean;
  /** Told of each line of what a peer does, to look into a run. */
  readonly trace?: (line: string) => void;
}

/** Messages that are kept to come again much later. */
const LATE_MAX = 24;

const TINY: TunableOptions = {
  maxAppendBytes: 8,
  maxInflightMessages: 2,
  maxInflightBytes: 16,
  maxApplyBytes: 8,
  maxEntriesInMemoryBytes: 400,
  maxUncommittedBytes: 64,
};

/** Everything goes wrong for a while, then nothing does, and the cluster must be whole again. */
export function chaos(scenario: Scenario): void {
  const random = new SeededRandom(scenario.seed);
  const founders = Array.from({ length: scenario.peers }, (_, at) => `n${at + 1}`);
  const others = scenario.churn ? [`n${scenario.peers + 1}`, `n${scenario.peers + 2}`] : [];
  const cluster = new Cluster({
    peers: [...founders, ...others],
    founders,
    seed: scenario.seed,
    entriesLoaded: scenario.tiny ? 2 : 100,
    options: { electionTimeoutTicks: 4, ...(scenario.tiny ? TINY : {}) },
  });
  const safety = new Safety(cluster);
  cluster.onLine = (line) => {
    scenario.trace?.(line);
    if (line.includes(' cut from ')) happened.truncated += 1;
    if (line.includes(' fetch ')) happened.fetched += 1;
    if (line.endsWith(' is whole again')) happened.healed += 1;
    if (line.includes('read-index-request')) happened.forwardedReads += 1;
  };
  cluster.onRollBack = () => (happened.rolledBack += 1);
  const bag = swarm(random, scenario.churn ? { ...EVENTS, ...CHURN } : EVENTS);
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

/** What comes beside it when members and disks change. */
const CHURN: Record<string, number> = { change: 25, wipe: 6, damage: 4, loseState: 8, compact: 6 };

/** The events of one run as a list to draw from: some are rare in one run and common in the next. */
function swarm(random: Random, events: Record<string, number>): string[] {
  const bag: string[] = [];
  for (const [name, weight] of Object.entries(events)) {
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
  else if (event === 'change') change(cluster, random);
  else if (event === 'wipe') wipe(cluster, member, safety);
  else if (event === 'damage') damage(cluster, member, random);
  else if (event === 'loseState') loseState(cluster, member);
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
  else if (fate === 2) holdBack(cluster, at, random);
  else if (fate === 3 && cluster.late.length > 0) {
    happened.late += 1;
    cluster.hand(cluster.late[below(random, cluster.late.length)] as (typeof cluster.packets)[0]);
  } else cluster.deliver(at);
}

/** Keeps a copy of a message for a much later time: its terms, indexes and answers are then of long ago. */
function holdBack(cluster: Cluster, at: number, random: Random): void {
  const [packet] = cluster.packets.slice(at, at + 1);
  if (packet === undefined) return;
  if (cluster.late.length < LATE_MAX) cluster.late.push(packet);
  else cluster.late[below(random, LATE_MAX)] = packet;
}

/** Any change of the members, asked of any peer that thinks it leads. */
function change(cluster: Cluster, random: Random): void {
  const leaders = cluster.members.filter((one) => one.up && one.raft.role === 'leader');
  const leader = leaders[below(random, Math.max(1, leaders.length))];
  const peer = cluster.members[below(random, cluster.members.length)]?.id;
  if (leader === undefined || peer === undefined) return;
  const { members } = leader.raft.configuration;
  const member = members.find((one) => one.peer === peer);
  let asked: ConfigurationChange;
  if (member === undefined) asked = { type: 'add', peer, info: cluster.info(peer) };
  else if (!member.votes && below(random, 4) > 0) asked = { type: 'promote', peer };
  else asked = { type: 'remove', peer };
  if (!cluster.with(leader.id, (raft) => raft.changeConfiguration(asked)).accepted) return;
  if (asked.type === 'promote') happened.promoted += 1;
  if (asked.type === 'remove' && peer === leader.id) happened.leadersRemoved += 1;
}

/** A peer that was removed for certain comes back with nothing, as a new one on the same place. Its old connections are gone. */
function wipe(cluster: Cluster, member: Member, safety: Safety): void {
  if (safety.belongs(member.id)) return;
  happened.wiped += 1;
  cluster.wipe(member.id);
}

/** One copy of the log at a time is damaged, so that another is whole. */
function damage(cluster: Cluster, member: Member, random: Random): void {
  const { disk } = member;
  if (wounded(cluster) || disk.entries.length === 0) return;
  // Some voter must be left that can lead.
  if (member.raft.configuration.voters.length < 3) return;
  happened.damaged += 1;
  cluster.damage(member.id, disk.firstIndex + below(random, disk.entries.length));
}

/** The log is whole, and what was made from it is gone. */
function loseState(cluster: Cluster, member: Member): void {
  const { disk } = member;
  if (wounded(cluster) || disk.firstIndex === 1 || member.raft.configuration.voters.length < 3) return;
  happened.statesLost += 1;
  cluster.loseState(member.id);
}

function wounded(cluster: Cluster): boolean {
  return cluster.members.some(({ disk }) => disk.damage !== undefined || disk.stateMissing);
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
  if (firstIndex <= member.disk.firstIndex || member.disk.stateMissing) return;
  happened.compactions += 1;
  cluster.compact(member.id, firstIndex);
}

/** A peer that was told to, or that has no state, gets a checkpoint from whoever has one that is new enough. */
function install(cluster: Cluster, member: Member): void {
  const { disk, raft } = member;
  const atLeast = disk.stateMissing ? disk.firstIndex - 1 : member.snapshotNeeded;
  if (!member.up || atLeast === undefined || disk.pending !== undefined) return;
  const whole = cluster.members.filter((one) => one !== member && one.up && !one.disk.stateMissing);
  const from = whole.find((one) => one.raft.appliedIndex >= atLeast);
  if (from === undefined || (raft.commitIndex >= atLeast && !disk.stateMissing)) return;
  happened.installs += 1;
  cluster.install(member.id, from.id);
}

/**
 * What damage took may have been committed, as far as anybody can know, and no other voter has it. Its vote then goes to nobody, and
 * that may be the one vote that is missing: an operator must decide. It is the same with a peer that lost its state and has more of the
 * log than any other, when nobody can give it a state: all that had one were removed, or do not know any more what was committed.
 */
function onlyCopyLost(cluster: Cluster): boolean {
  const wounds = cluster.members.map(({ disk }) => disk.damage ?? (disk.stateMissing ? endOf(disk) : undefined));
  const lost = wounds.find((one) => one !== undefined);
  if (lost === undefined) return false;
  happened.onlyCopiesLost += 1;
  return cluster.members.every(({ disk, raft }) => {
    if (!raft.inspect().mayCampaign) return true;
    const { lastIndex, lastTerm } = endOf(disk);
    return lastTerm === lost.lastTerm ? lastIndex < lost.lastIndex : lastTerm < lost.lastTerm;
  });
}

function endOf({ entries, lastIndex, prevTerm }: Disk): Damage {
  return { lastIndex, lastTerm: entries.at(-1)?.term ?? prevTerm };
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
  const leaders = cluster.members.filter((member) => member.raft.role === 'leader');
  const leader = leaders[0];
  if (leader === undefined && onlyCopyLost(cluster)) return;
  if (leader === undefined) throw new Error('nobody leads after the faults ended');
  expect(leaders, 'one leads').toHaveLength(1);
  const { term } = leader.raft;
  const result = cluster.with(leader.id, (raft) => raft.propose(bytes('last')));
  expect(result.accepted).toBe(true);
  cluster.run();
  cluster.pass(20);
  expect(leader.raft.term, 'terms stop growing').toBe(term);
  const { members } = leader.raft.configuration;
  for (const { peer } of members) {
    const { raft, applied, disk } = cluster.member(peer);
    expect(raft.term, 'terms stop growing').toBe(term);
    expect(raft.appliedIndex).toBe(leader.raft.lastIndex);
    expect(raft.configuration.members).toEqual(members);
    expect(disk.damage, 'what was damaged is healed').toBeUndefined();
    const last = applied.at(-1);
    expect(last === undefined ? undefined : text(last.data)).toBe('last');
  }
  for (const { state, damaged } of leader.raft.status().peers) {
    expect(state).toBe('replicate');
    expect(damaged).toBe(false);
  }
  expect(leader.raft.status().uncommittedBytes).toBe(0);
  safety.checkLogs();
}
