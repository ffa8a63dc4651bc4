/**
 * One run of one seed: a phase in which everything may fail and nothing wrong may happen, then everything is healed and
 * everything that was begun must come to its end.
 *
 *     options ─▶ world, network, cluster, clients, workers
 *       faults: until time, events and requests are enough      every event ─▶ checkers
 *       heal:   a leader, equal commits, equal states, no call open, every task final, within a bound; then no new term
 *       trial:  in many runs one more thing of which no other part of a run may come, see `trials.ts`
 */
import { crc32 } from 'node:zlib';
import { sameHash } from '../src/base/hash.ts';
import { TIMINGS_DEFAULT } from '../src/config/cluster-config.ts';
import { peerLimits } from '../src/config/limits.ts';
import { schedulerLimits } from '../src/scheduler/limits.ts';
import { Bounds } from './checkers/bounds.ts';
import type { Checker, ClusterView } from './checkers/checker.ts';
import { CancelOther } from './checkers/cancel-other.ts';
import { ClientVisible } from './checkers/client-visible.ts';
import { CommitOrder } from './checkers/commit-order.ts';
import { CommitQuorum } from './checkers/commit-quorum.ts';
import { CommittedKept } from './checkers/committed-kept.ts';
import { CommittedPrefix } from './checkers/committed-prefix.ts';
import { ConfigurationAdjacency } from './checkers/configuration-adjacency.ts';
import { ConfigurationBarrier } from './checkers/configuration-barrier.ts';
import { ConfigurationPending } from './checkers/configuration-pending.ts';
import { ConfigurationPurity } from './checkers/configuration-purity.ts';
import { CountedAnswers } from './checkers/counted-answers.ts';
import { DispatchOrder } from './checkers/dispatch-order.ts';
import { DurableAck } from './checkers/durable-ack.ts';
import { DurableTerm } from './checkers/durable-term.ts';
import { DurableVote } from './checkers/durable-vote.ts';
import { ElectionSafety } from './checkers/election-safety.ts';
import { FoundAgain } from './checkers/found-again.ts';
import { HeldSlots } from './checkers/held-slots.ts';
import { LeaderAppendOnly } from './checkers/leader-append-only.ts';
import { LeaderCompleteness } from './checkers/leader-completeness.ts';
import { LeaseExclusion } from './checkers/lease-exclusion.ts';
import { Linearizability } from './checkers/linearizability.ts';
import { LogMatching } from './checkers/log-matching.ts';
import { LogShape } from './checkers/log-shape.ts';
import { LogTimeRuns } from './checkers/log-time.ts';
import { MessageSanity } from './checkers/message-sanity.ts';
import { Occurrences } from './checkers/occurrences.ts';
import { ProgressSanity } from './checkers/progress-sanity.ts';
import { OwedLeases } from './checkers/owed-leases.ts';
import { Promotion } from './checkers/promotion.ts';
import { ReadFreshness } from './checkers/read-freshness.ts';
import { RepairExplained } from './checkers/repair-explained.ts';
import { RetryRule } from './checkers/retry-rule.ts';
import { SingleRun } from './checkers/single-run.ts';
import { SpaceKept } from './checkers/space-kept.ts';
import { StateAgreement } from './checkers/state-agreement.ts';
import { StateShape } from './checkers/state-shape.ts';
import { SubmitOnce } from './checkers/submit-once.ts';
import { VoteUpToDate } from './checkers/vote-up-to-date.ts';
import { SimCluster } from './cluster.ts';
import { Atlas } from './faults/atlas.ts';
import { type FaultOccurrence, Faults } from './faults/faults.ts';
import { Hosts } from './faults/hosts.ts';
import { Remains } from './last-phase.ts';
import { hostClock } from './cluster.ts';
import { SimOperator } from './operator.ts';
import { ConfigurationBook } from './configuration-book.ts';
import { Ledger } from './ledger.ts';
import type { SimMember } from './member.ts';
import { SimNetwork } from './network.ts';
import { CALM_DISK, type SimOptions } from './options.ts';
import type { Plants } from './plants.ts';
import { PLENTY_BYTES } from './platter.ts';
import { ScheduleBook } from './schedules/book.ts';
import type { RunTotals } from './totals.ts';
import type { Trace } from './trace.ts';
import { Trials } from './trials.ts';
import { Witness } from './witness.ts';
import { Workload } from './workload.ts';
import { Violation, World } from './world.ts';

/** How much of each thing a run has at least before everything is healed. */
export interface RunLength {
  readonly simulatedMs: number;
  readonly events: number;
  readonly requests: number;
}

/** A whole run. */
export const FULL_LENGTH: RunLength = { simulatedMs: 60_000, events: 20_000, requests: 300 };

/** Faults go on for at most this long, in ms, however little came of it. */
const FAULTS_MS_MAX = 600_000;
/** Between two looks at whether a phase is over, in µs. */
const LOOK_US = 100_000;
/** Clients go on for this long once all is healed, in µs. */
const ASKING_ON_US = 2_000_000;
/** A majority that is whole has a leader within this many times the longest election timeout, also after one was removed. */
const LEADER_TIMEOUTS_MAX = 10;
/** And everybody agrees with it within so many, once nobody asks anything and nobody is added or replaced. */
const AGREE_TIMEOUTS_MAX = 50;
/** Within this everything has come to its end after healing, in µs. */
const SETTLE_US_MAX = 90_000_000;
/** With smaller pages a state takes seconds, and with a shorter tail the log behind it is gone by then. */
const REFILL_PAGE_BYTES = 64;
const REFILL_TAIL_MS = 20_000;
/** For this long no new term begins afterwards, in µs. */
const STEADY_US = 3_000_000;

/** See the head of this file. */
export class Simulation {
  readonly #options: SimOptions;
  readonly #world: World;
  readonly #network: SimNetwork;
  readonly #cluster: SimCluster;
  readonly #witness: Witness;
  readonly #ledger = new Ledger();
  readonly #workload: Workload;
  readonly #faults: Faults;
  readonly #atlas: Atlas;
  readonly #hosts: Hosts;
  readonly #operator: SimOperator;
  readonly #remains: Remains;
  readonly #trials: Trials;
  readonly #elections: ElectionSafety;
  readonly #submissions: SubmitOnce;
  readonly #purity: ConfigurationPurity;
  readonly #book: ConfigurationBook;
  readonly #visible: ClientVisible;
  readonly #linearizability: Linearizability;
  readonly #occurrences: Occurrences;
  #eventsUnderFaults = 0;
  #requestsUnderFaults = 0;
  #faultsMs = 0;

  /** `masked`: numbers of faults that do not happen. */
  constructor(options: SimOptions, trace: Trace, plants: Plants = {}, masked: ReadonlySet<number> = new Set()) {
    this.#options = options;
    const world = new World(options.seed, trace);
    world.epochMs = options.schedules.epochMs;
    const book = new ScheduleBook();
    this.#world = world;
    this.#network = new SimNetwork(world, options.network);
    this.#witness = new Witness(crc32, options.schedulerLimits);
    this.#cluster = new SimCluster(world, options, this.#witness, {
      network: this.#network,
      plants,
      datagrams: () =>
        this.#faults.active && world.nowUs < this.#network.stormUntilUs ? options.faults.datagrams : undefined,
      disk: () => (this.#faults.active ? options.disk : CALM_DISK),
      writing: (member) => this.#hosts.writing(member),
      handsOver: (successor) => this.#hosts.handsOver(successor),
      diskFailure: (member) => this.#hosts.diskFailure(member),
      halted: (member, reason) => this.#hosts.halted(member, reason),
      led: (member, index, settled) => this.#occurrences.ledBy(member.id, index, settled),
      refusedForSpace: (member, command) => world.check(() => space.refused(member, command)),
    });
    const limits = peerLimits(options.peerLimits);
    const space = new SpaceKept(this.#cluster, {
      isLow: ({ id }) => this.#freeBytesOf(id) < limits.spaceLowBytes,
      pollMs: limits.spacePollMs,
    });
    this.#atlas = new Atlas(world, this.#cluster);
    this.#hosts = new Hosts(world, this.#atlas);
    const cluster: ClusterView = this.#cluster;
    this.#elections = new ElectionSafety(cluster);
    this.#submissions = new SubmitOnce(cluster);
    this.#book = new ConfigurationBook(cluster.voters);
    this.#purity = new ConfigurationPurity(cluster, this.#book);
    this.#visible = new ClientVisible(cluster, this.#ledger, this.#witness);
    this.#linearizability = new Linearizability(cluster, this.#ledger, this.#witness);
    this.#occurrences = new Occurrences(cluster, book, this.#witness, options.schedulerLimits);
    const leases = new LeaseExclusion(cluster, this.#witness);
    const singleRun = new SingleRun(cluster, this.#witness, {
      isSingle: (task) => this.#occurrences.isSingle(task),
      clockRatePerThousand: options.clockRatePerThousand,
      leaseMs: this.#witness.leaseMs,
    });
    this.#cluster.checkers = this.#checkers(leases, singleRun, space);
    this.#workload = new Workload(world, options, {
      network: this.#network,
      ledger: this.#ledger,
      book,
      visible: this.#visible,
      leases,
      singleRun,
      unfinished: () => this.#witness.unfinished,
      schedulesLeft: () => this.#occurrences.size,
    });
    this.#occurrences.news = (moment) => this.#workload.occasions.met(moment);
    const clock = hostClock(world, 'operator', options);
    this.#operator = new SimOperator('operator', clock, this.#workload.context, this.#cluster, this.#hosts);
    const parts = {
      world,
      options,
      cluster: this.#cluster,
      network: this.#network,
      hosts: this.#hosts,
      atlas: this.#atlas,
      operator: this.#operator,
    };
    this.#remains = new Remains(parts);
    this.#trials = this.#makeTrials();
    this.#faults = new Faults({ ...parts, workload: this.#workload, faultsGoOn: () => this.#faults.active }, masked);
    world.afterEvent = (owner, quiet) => this.#cluster.afterEvent(owner, quiet);
  }

  /** Every checker of this run. */
  get checkers(): readonly Checker[] {
    return this.#cluster.checkers;
  }

  /** Runs it. @throws Violation */
  async run(length: RunLength = FULL_LENGTH): Promise<void> {
    for (const member of this.#cluster.members) member.boot();
    this.#workload.begin();
    this.#operator.boot();
    this.#faults.begin();
    await this.#underFaults(length);
    this.#faults.calm();
    this.#remains.begin();
    this.#workload.heal();
    await this.#settle();
    this.#cluster.checkWhole();
    this.#visible.settled();
    this.#linearizability.settled();
    this.#occurrences.settled();
    await this.#trials.run();
  }

  /** The faults that happened, in their order. */
  get happened(): readonly FaultOccurrence[] {
    return this.#faults.happened;
  }

  /** What the run did. */
  totals(): RunTotals {
    const { members } = this.#cluster;
    const counters = this.#witness.scheduler.counters();
    const sum = (of: (member: (typeof members)[number]) => number): number =>
      members.reduce((total, member) => total + of(member), 0);
    return {
      seed: this.#options.seed,
      simulatedMs: Math.round(this.#world.nowUs / 1_000),
      events: this.#world.countedEvents,
      eventsUnderFaults: this.#eventsUnderFaults,
      requests: this.#ledger.requests,
      requestsUnderFaults: this.#requestsUnderFaults,
      messages: this.#cluster.messages,
      entries: this.#cluster.committed.lastIndex,
      tasks: counters.submitted,
      faults: { ...this.#faults.counts },
      rare: {
        leaderChanges: this.#elections.leaderships - 1,
        truncatedEntries: sum((member) => member.durable.truncated),
        repeatedSubmissions: this.#submissions.repeated,
        lostWorkers: counters.lostWorkers,
        refusedStaleTokens: counters.refusedStale,
        crashesInWrite: this.#hosts.crashesInWrite,
        powerLosses: this.#hosts.powerLosses,
        halts: this.#hosts.halts,
        repairs: this.#atlas.repairs,
        copiesRecognised: this.#hosts.copiesRecognised,
        headsLost: this.#hosts.headsLost,
        staleReads: this.#ledger.staleReads,
        readsAnywhere: this.#ledger.readsAnywhere,
        configurations: this.#cluster.configurations,
        ...this.#operator.counts,
        configurationsRolledBack: this.#purity.rolledBack,
        leadersRemoved: this.#cluster.leadersRemoved,
        readsThatWaited: this.#cluster.readsThatWaited,
        snapshotsInstalled: sum((member) => member.durable.snapshots),
        snapshotsInterrupted: this.#hosts.snapshotsInterrupted,
        farBlocksRead: this.#witness.farBlocksRead,
        checkpointRestarts: sum((member) => member.checkpointsLoaded),
        ...this.#occurrences.counts,
        ...this.#trials.counts,
      },
      comparisons: Object.fromEntries(this.checkers.map((checker) => [checker.name, checker.comparisons])),
      answers: Object.fromEntries([...this.#ledger.codes].sort(([left], [right]) => (left < right ? -1 : 1))),
      traceHash: this.#world.trace.hash,
    };
  }

  #checkers(leases: LeaseExclusion, singleRun: SingleRun, space: SpaceKept): Checker[] {
    const cluster: ClusterView = this.#cluster;
    const { peerLimits: peers, schedulerLimits: scheduler } = this.#options;
    return [
      new LogShape(cluster),
      this.#elections,
      new DurableTerm(cluster),
      new DurableVote(cluster, ({ id }) => this.#memberOf(id)?.platter.headHardState),
      new VoteUpToDate(cluster),
      new DurableAck(cluster),
      new LogMatching(cluster),
      new LeaderAppendOnly(cluster),
      new LeaderCompleteness(cluster),
      new CommitQuorum(cluster),
      new CommittedPrefix(cluster),
      new CommitOrder(cluster),
      new CommittedKept(cluster),
      new RepairExplained(cluster),
      new ProgressSanity(cluster),
      new CountedAnswers(cluster, ({ id }) => this.#memberOf(id)?.incarnation),
      new FoundAgain(cluster, ({ id }) => this.#memberOf(id)?.ownWords),
      new MessageSanity(cluster),
      new ConfigurationAdjacency(cluster, this.#book),
      this.#purity,
      new ConfigurationBarrier(cluster),
      new ConfigurationPending(cluster, this.#book),
      new Promotion(cluster, this.#book),
      new ReadFreshness(cluster),
      new StateAgreement(cluster),
      new StateShape(cluster),
      this.#submissions,
      leases,
      new RetryRule(cluster, this.#witness),
      new DispatchOrder(cluster),
      new CancelOther(cluster),
      new HeldSlots(cluster, this.#witness.leaseMs),
      new OwedLeases(cluster, this.#witness.leaseMs),
      new LogTimeRuns(cluster, {
        nowMs: () => this.#world.epochMs + this.#world.nowUs / 1_000,
        offsMs: () => this.#cluster.members.map(({ clock }) => clock.skewMs),
        ratePerThousand: this.#options.clockRatePerThousand,
      }),
      this.#visible,
      this.#linearizability,
      this.#occurrences,
      singleRun,
      space,
      new Bounds(cluster, peerLimits(peers), schedulerLimits(scheduler)),
    ];
  }

  #makeTrials(): Trials {
    const { snapshotPageBytes, logTailMs } = peerLimits(this.#options.peerLimits);
    return new Trials({
      mayRefill: snapshotPageBytes >= REFILL_PAGE_BYTES || logTailMs >= REFILL_TAIL_MS,
      world: this.#world,
      seed: this.#options.seed,
      cluster: this.#cluster,
      network: this.#network,
      hosts: this.#hosts,
      remains: this.#remains,
      workers: this.#workload.context.workers(),
      disagreement: () => this.#disagreement() ?? this.#unequalMarks(),
    });
  }

  #memberOf(id: string): SimMember | undefined {
    return this.#cluster.members.find((member) => member.id === id);
  }

  #freeBytesOf(id: string): number {
    return this.#memberOf(id)?.platter.freeBytes ?? PLENTY_BYTES;
  }

  async #underFaults(length: RunLength): Promise<void> {
    const world = this.#world;
    for (;;) {
      await world.run(world.nowUs + LOOK_US);
      const simulatedMs = world.nowUs / 1_000;
      const enough =
        simulatedMs >= length.simulatedMs &&
        world.countedEvents >= length.events &&
        this.#ledger.requests >= length.requests;
      if (!enough && simulatedMs < FAULTS_MS_MAX) continue;
      this.#eventsUnderFaults = world.countedEvents;
      this.#requestsUnderFaults = this.#ledger.requests;
      this.#faultsMs = simulatedMs;
      if (!enough) throw new Violation('length', `nothing much happens in ${Math.round(this.#faultsMs)} simulated ms`);
      return;
    }
  }

  async #settle(): Promise<void> {
    const world = this.#world;
    const endUs = world.nowUs + SETTLE_US_MAX;
    const timeoutUs = 2 * TIMINGS_DEFAULT.electionTimeoutMs * 1_000;
    let leaderByUs = world.nowUs + LEADER_TIMEOUTS_MAX * timeoutUs;
    await world.run(world.nowUs + ASKING_ON_US);
    await this.#keepTime(endUs);
    this.#workload.rest();
    let agreeByUs = world.nowUs + AGREE_TIMEOUTS_MAX * timeoutUs;
    for (;;) {
      this.#atlas.look();
      const { leader } = this.#cluster;
      if (leader !== undefined) leaderByUs = Math.max(leaderByUs, world.nowUs + LEADER_TIMEOUTS_MAX * timeoutUs);
      else if (world.nowUs >= leaderByUs) throw new Violation('progress', 'nobody leads for too long');
      if (!this.#operator.idle) agreeByUs = Math.max(agreeByUs, world.nowUs + AGREE_TIMEOUTS_MAX * timeoutUs);
      const differs = this.#disagreement();
      if (differs !== undefined && world.nowUs >= agreeByUs)
        throw new Violation('progress', `long after everything was healed ${differs}`);
      const waits = differs ?? this.#unfinished() ?? this.#unequalMarks();
      if (waits === undefined) break;
      if (world.nowUs >= endUs) throw new Violation('progress', `after everything was healed ${waits}`);
      await world.run(world.nowUs + LOOK_US);
    }
    const { term } = this.#cluster.leader?.peer ?? { term: -1 };
    await world.run(world.nowUs + STEADY_US);
    const now = this.#cluster.leader?.peer?.term;
    if (now !== term) throw new Violation('progress', `a new term begins although nothing fails: ${term}, then ${now}`);
  }

  /** Lets schedules come to where they should be, and takes them away then: otherwise there would be no end. */
  async #keepTime(endUs: number): Promise<void> {
    const world = this.#world;
    while (this.#occurrences.size > 0) {
      const nowMs = this.#cluster.leader?.peer?.logTimeNowMs();
      const waits = nowMs === undefined ? 'nobody leads' : this.#occurrences.overdue(nowMs);
      if (waits === undefined) break;
      if (world.nowUs >= endUs) throw new Violation('progress', `after everything was healed ${waits}`);
      await world.run(world.nowUs + LOOK_US);
    }
    this.#workload.clear();
  }

  /** Why those that must agree do not, or undefined when they do. */
  #disagreement(): string | undefined {
    const { leader } = this.#cluster;
    if (leader?.raft === undefined) return 'nobody leads';
    const { commitIndex } = leader.raft;
    const { peers } = leader.raft.status();
    for (const member of this.#remains.mustFollow(leader)) {
      const { raft } = member;
      if (raft === undefined) return `${member.id} is not there`;
      if (raft.leader !== leader.id) return `${member.id} follows ${raft.leader ?? 'nobody'}`;
      if (raft.commitIndex !== commitIndex || raft.appliedIndex !== commitIndex) {
        return `${member.id} is at commit ${raft.commitIndex}, applied ${raft.appliedIndex}, and the leader at ${commitIndex}`;
      }
      const { damaged } = raft.status();
      if (damaged) return `${member.id} is damaged`;
      const state = peers.find(({ peer }) => peer === member.id)?.state ?? 'replicate';
      if (state !== 'replicate') return `${member.id} is in state ${state}`;
    }
    return undefined;
  }

  /** What somebody still waits for, or undefined when everything has come to its end. */
  #unfinished(): string | undefined {
    if (this.#hosts.runsCopy) return 'a peer runs on an old copy of its directory, and nobody has told it';
    if (!this.#operator.idle) return 'the operator is not done';
    if (this.#occurrences.size > 0) return 'there are schedules';
    for (const story of this.#witness.stories.values()) {
      if (story.end !== undefined) continue;
      const task = this.#witness.scheduler.task(story.number);
      const state = task !== undefined && 'state' in task ? task.state : 'unknown';
      return `task ${story.number} (${story.mark}) is ${state}`;
    }
    if (this.#ledger.open.size > 0) return `these calls are open: ${[...this.#ledger.open].slice(0, 5).join(', ')}`;
    return undefined;
  }

  #unequalMarks(): string | undefined {
    const { leader } = this.#cluster;
    const last = leader?.marks.at(-1);
    if (leader === undefined || last === undefined) return 'there is no mark';
    for (const { id, marks, checkpointIndex } of this.#remains.mustFollow(leader)) {
      const mark = marks.at(-1);
      // It began with the state at that mark, which was held to the digest when it was loaded.
      if (mark === undefined && checkpointIndex === last.index) continue;
      if (mark?.index !== last.index) return `${id} has its last mark at ${mark?.index}, another at ${last.index}`;
      if (!sameHash(mark.digest, last.digest)) return `${id} has another digest at ${last.index}`;
    }
    return undefined;
  }
}
