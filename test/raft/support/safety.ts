import type { Message } from '../../../src/raft/message.ts';
import type { Entry } from '../../../src/raft/types.ts';
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
  readonly compared: Record<'leaders' | 'votes' | 'acknowledgements' | 'commits' | 'applied' | 'logs', number> = {
    leaders: 0,
    votes: 0,
    acknowledgements: 0,
    commits: 0,
    applied: 0,
    logs: 0,
  };

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

  #event(member: Member): void {
    const { raft, disk } = member;
    if (raft.role === 'leader') this.#leads(member);
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
    const { members } = this.#cluster;
    const holders = members.filter(
      (other) => index < other.disk.firstIndex || showEntry(other.disk.entry(index)) === entry,
    );
    this.#require(
      holders.length * 2 > members.length,
      `${entry} is committed on ${holders.length} disks of ${members.length}`,
    );
    this.committed.set(index, { entry: entry as string, term: member.raft.term });
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
    const key = `${voter}/${term}`;
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
