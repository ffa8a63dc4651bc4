import type { Message } from '../../../src/raft/message.ts';
import type { Configuration } from '../../../src/raft/configuration.ts';
import { adjacent, encodeMembers } from '../../../src/raft/configuration.ts';
import type { ConfigurationRecord, Entry } from '../../../src/raft/types.ts';
import { EntryKind } from '../../../src/raft/types.ts';
import type { Cluster, Member } from './cluster.ts';
import { text } from './disk.ts';

/**
 * Watches a cluster from outside and remembers everything: the five safety properties of the Raft paper (figure 3) as
 * statements about history, and the promises of the persist contract. Throws at the first broken one.
 */
export class Safety {
  /** Peer and start that led each term. */
  readonly leaders: Map<number, string> = new Map();
  /** What is committed, by index, and in which term that happened first. */
  readonly committed: Map<number, { readonly entry: string; readonly term: number }> = new Map();
  readonly #cluster: Cluster;
  readonly #votes = new Map<string, string>();
  readonly #commit = new Map<string, number>();
  readonly #applied = new Map<string, number>();
  /** Counts that a test can demand, so that a checker that compared nothing is seen. */
  readonly compared: Record<
    'leaders' | 'votes' | 'acknowledgements' | 'commits' | 'applied' | 'logs' | 'configurations' | 'changes',
    number
  > = {
    leaders: 0,
    votes: 0,
    acknowledgements: 0,
    commits: 0,
    applied: 0,
    logs: 0,
    configurations: 0,
    changes: 0,
  };
  readonly #inForce = new Map<string, Configuration>();
  /** The newest entry with a configuration that is committed. */
  #newestCommitted = 0;
  #events = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.onEvent = (member) => this.#event(member);
    cluster.onSend = (message) => this.#sent(message);
  }

  /** Log matching (Raft §5.3): the same index and term mean the same log up to there. */
  checkLogs(): void {
    const [first, ...rest] = this.#cluster.members;
    for (const other of rest) this.#compareLogs(first as Member, other);
  }

  /** False when it is certain, by what is committed, that the peer `name` is no member. */
  belongs(name: string): boolean {
    return this.#cluster.members.some(({ raft }) =>
      raft
        .inspect()
        .configurations.all.some(
          ({ members, index }) => index >= this.#newestCommitted && members.some(({ peer }) => peer === name),
        ),
    );
  }

  #event(member: Member): void {
    const { raft, disk } = member;
    if (raft.role === 'leader') this.#leads(member);
    this.#configured(member);
    const before = this.#commit.get(this.#run(member)) ?? disk.applied;
    this.#require(raft.commitIndex >= before, `${member.id} lowers its commit index`);
    this.#commit.set(this.#run(member), raft.commitIndex);
    for (let index = before + 1; index <= raft.commitIndex; index += 1) this.#commits(member, index);
    const done = this.#applied.get(this.#run(member)) ?? 0;
    for (const entry of member.applied.slice(done)) {
      this.compared.applied += 1;
      this.#require(
        this.committed.get(entry.index)?.entry === show(entry),
        `${member.id} applies another ${entry.index}`,
      );
      this.#require(
        disk.entry(entry.index) !== undefined || entry.index < disk.firstIndex,
        `${member.id} applies ${entry.index}, not durable`,
      );
    }
    this.#applied.set(this.#run(member), member.applied.length);
  }

  /** Election safety (Raft §5.2), over all time and all starts, and leader completeness (Raft §5.4). */
  #leads(member: Member): void {
    const { raft } = member;
    const known = this.leaders.get(raft.term);
    this.#require(
      known === undefined || known === this.#run(member),
      `${this.#run(member)} leads term ${raft.term} after ${known}`,
    );
    if (known !== undefined) return;
    this.leaders.set(raft.term, this.#run(member));
    this.compared.leaders += 1;
    for (const [index, { entry, term }] of this.committed) {
      if (term >= raft.term || index < member.disk.firstIndex) continue;
      this.#require(showAt(member, index) === entry, `${member.id} leads term ${raft.term} without committed ${index}`);
    }
  }

  /** State machine safety (Raft §5.4.3), and that a commit rests on what a quorum has on disk. */
  #commits(member: Member, index: number): void {
    const entry = showAt(member, index);
    this.#require(entry !== undefined, `${member.id} commits ${index} without having it`);
    const known = this.committed.get(index);
    this.#require(
      known === undefined || known.entry === entry,
      `${member.id} commits ${entry} where ${known?.entry} is committed`,
    );
    this.compared.commits += 1;
    if (known !== undefined) return;
    this.#require(member.raft.role === 'leader', `${member.id} commits ${entry} before any leader does`);
    const { voters } = member.raft.configuration;
    const holders = voters.filter((voter) => this.#holds(this.#cluster.member(voter), index, entry as string));
    this.#require(
      holders.length * 2 > voters.length,
      `${entry} is committed on the disks of ${holders.join()} of ${voters.join()}`,
    );
    if (isConfiguration(member, index)) this.#newestCommitted = index;
    this.committed.set(index, { entry: entry as string, term: member.raft.term });
  }

  /** On disk, in a checkpoint, or known to be lost: then the peer votes as if it were there. */
  #holds({ disk }: Member, index: number, entry: string): boolean {
    if (index < disk.firstIndex || showEntry(disk.entry(index)) === entry) return true;
    return disk.damage !== undefined && index <= disk.damage.lastIndex;
  }

  /**
   * The configuration in force is a function of checkpoint and log. A leader makes a new one only when it has committed an entry of
   * its term, and the one before.
   */
  #configured(member: Member): void {
    const { raft } = member;
    const { configuration } = raft;
    const before = this.#inForce.get(this.#run(member));
    this.#events += 1;
    if (before === configuration && this.#events % 64 !== 0) return;
    this.#inForce.set(this.#run(member), configuration);
    this.compared.configurations += 1;
    const newest = newestConfiguration(member);
    this.#require(
      newest.index === configuration.index,
      `${member.id} goes by ${configuration.index}, not ${newest.index}`,
    );
    const same = sameBytes(newest.data, encodeMembers(configuration.members));
    this.#require(same, `${member.id} goes by other members than its log has at ${newest.index}`);
    if (raft.role !== 'leader' || before === undefined || before === configuration) return;
    const { log } = raft.inspect();
    if (configuration.index === 0 || log.term(configuration.index) !== raft.term) return;
    this.compared.changes += 1;
    this.#require(log.term(raft.commitIndex) === raft.term, `${member.id} changes members before its term is open`);
    this.#require(before.index <= raft.commitIndex, `${member.id} changes members twice`);
    this.#require(adjacent(before.voters, configuration.voters), `${member.id} changes two voters at once`);
  }

  /** What a message promises is on the disk of its sender when it leaves. */
  #sent(message: Message): void {
    const { disk, raft } = this.#cluster.member(message.from);
    const { term, votedFor } = disk.hardState;
    const { from, to, type } = message;
    if (type === 'vote-request') {
      this.#require(
        term > message.term || (term === message.term && votedFor === from),
        `${from} asks for votes before its own is durable`,
      );
      this.#votesOnce(from, message.term, from);
    } else if (type === 'vote-response' && message.granted) {
      this.compared.votes += 1;
      this.#require(
        term > message.term || (term === message.term && votedFor === to),
        `${from} votes before it is durable`,
      );
      this.#votesOnce(from, message.term, to);
    } else if (type === 'append-accepted') {
      this.compared.acknowledgements += 1;
      this.#require(
        disk.lastIndex >= message.matchIndex,
        `${from} acknowledges ${message.matchIndex}, durable is ${disk.lastIndex}`,
      );
      this.#vouches(from, to, message.term, message.matchIndex);
    } else if (type === 'append-entries' || type === 'heartbeat' || type === 'timeout-now') {
      const elected = this.leaders.get(message.term) === this.#run(this.#cluster.member(from));
      this.#require(elected || raft.term > message.term, `${from} leads term ${message.term} unelected`);
    }
  }

  /** A peer votes for one candidate a term, over all its lives. */
  #votesOnce(voter: string, term: number, candidate: string): void {
    // Another disk under the same name is another voter.
    const key = `${voter}/${this.#cluster.member(voter).incarnation}/${term}`;
    const known = this.#votes.get(key);
    this.#require(known === undefined || known === candidate, `${voter} votes twice in term ${term}`);
    this.#votes.set(key, candidate);
  }

  /** An acknowledgement means that the log on disk is the leader's up to there. */
  #vouches(from: string, to: string, term: number, matchIndex: number): void {
    const [sender, leader] = [this.#cluster.member(from), this.#cluster.member(to)];
    if (leader.raft.role !== 'leader' || leader.raft.term !== term) return;
    const { log } = leader.raft.inspect();
    if (matchIndex < Math.max(log.firstIndex, sender.disk.firstIndex)) return;
    const same = matchIndex <= log.lastIndex && log.term(matchIndex) === sender.disk.entry(matchIndex)?.term;
    this.#require(same, `${from} acknowledges ${matchIndex}, where its log is not that of ${to}`);
  }

  #compareLogs(left: Member, right: Member): void {
    const from = Math.max(left.disk.firstIndex, right.disk.firstIndex);
    let to = Math.min(left.disk.lastIndex, right.disk.lastIndex);
    while (to >= from && left.disk.entry(to)?.term !== right.disk.entry(to)?.term) to -= 1;
    for (let index = from; index <= to; index += 1) {
      this.compared.logs += 1;
      const [one, other] = [showEntry(left.disk.entry(index)), showEntry(right.disk.entry(index))];
      this.#require(
        one === other,
        `logs of ${left.id} and ${right.id} agree at ${to} and differ at ${index}: ${one}, ${other}`,
      );
    }
  }

  #run(member: Member): string {
    return `${member.id}/${member.starts}`;
  }

  #require(condition: boolean, message: string): void {
    if (!condition) throw new Error(message);
  }
}

/** By looking at everything that the peer has. */
function newestConfiguration(member: Member): ConfigurationRecord {
  const { log } = member.raft.inspect();
  for (let index = log.lastIndex; index >= log.firstIndex; index -= 1) {
    const entry = index >= log.memoryFirst ? log.entry(index) : member.disk.entry(index);
    if (entry?.kind === EntryKind.configuration) return entry;
  }
  return member.disk.configuration;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function isConfiguration(member: Member, index: number): boolean {
  return member.raft.inspect().configurations.all.some((configuration) => configuration.index === index);
}

/** The entry at `index` in the memory of `member`, or on its disk where memory let it go. */
function showAt(member: Member, index: number): string | undefined {
  const { log } = member.raft.inspect();
  if (index >= log.memoryFirst && index <= log.lastIndex) return show(log.entry(index));
  return index < log.memoryFirst ? showEntry(member.disk.entry(index)) : undefined;
}

function showEntry(entry: Entry | undefined): string | undefined {
  return entry === undefined ? undefined : show(entry);
}

function show(entry: Entry): string {
  return `${entry.index}/t${entry.term} ${entry.kind} ${text(entry.data)}`;
}
