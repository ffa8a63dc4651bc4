import type { LogIndex, PeerId, Term } from '../../../src/base/ids.ts';
import { peerId } from '../../../src/base/ids.ts';
import type { MarkDigest } from '../../../src/peer/types.ts';
import type { Member } from '../../../src/raft/configuration.ts';
import type { Raft } from '../../../src/raft/raft.ts';
import type { Progress } from '../../../src/raft/progress.ts';
import type { RoleName } from '../../../src/raft/types.ts';
import { type Damage, EntryKind, type Entry } from '../../../src/raft/types.ts';
import type { Scheduler } from '../../../src/scheduler/scheduler.ts';
import type { ClusterView, PeerView } from '../../../sim/checkers/checker.ts';
import type { DurableLog } from '../../../sim/durable-log.ts';
import { CommittedLog, type LogChange, type LogMirror } from '../../../sim/history.ts';

/** A log by the terms and chains of its entries, from the first on. */
export class FakeLog {
  links: { term: Term; chain: number }[] = [];
  term: Term = 1;
  votedFor: PeerId | undefined;
  isWounded = false;
  truncated = 0;
  /** What damage took, up to its end. */
  rememberedEnd: { index: LogIndex; term: Term } | undefined;
  /** Those of which a test needs more than their terms, each for the term in which it is looked at. */
  entries: ((term: Term) => Entry)[] = [];

  get lastIndex(): LogIndex {
    return this.links.length;
  }

  linkAt(index: LogIndex): { term: Term; chain: number } | undefined {
    return this.links[index - 1];
  }

  chainAt(index: LogIndex): number | undefined {
    return index === 0 ? 0 : this.links[index - 1]?.chain;
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.entries[index - 1]?.(this.term);
  }

  vouchesFor(index: LogIndex, chain: number | undefined): boolean {
    return chain !== undefined && this.chainAt(index) === chain;
  }

  /** Entries that say only their terms; the chain follows from all of them. */
  static of(...terms: Term[]): FakeLog {
    const log = new FakeLog();
    let chain = 0;
    for (const term of terms) {
      chain = chain * 31 + term;
      log.links.push({ term, chain });
    }
    return log;
  }
}

/** A peer whose every number a test sets. */
export class FakePeer {
  readonly id: PeerId;
  start = 1;
  role: RoleName = 'follower';
  term: Term = 1;
  commitIndex: LogIndex = 0;
  appliedIndex: LogIndex = 0;
  followers: (Pick<Progress, 'peer' | 'match' | 'next'> & Partial<Pick<Progress, 'readRound'>>)[] = [];
  /** Whom it takes for the leader of its term. */
  leader: PeerId | undefined;
  /** By its configuration, which is that of the entry 0. */
  members: Member[] = [];
  /** It counts itself among those who vote. */
  votes = true;
  mayCampaign = true;
  uncommittedBytes = 0;
  forwardedReads = 0;
  /** Of a hand-over under way, in ticks; an election timeout has 10. */
  handOverTicks: number | undefined = undefined;
  damage: Damage | undefined;
  votedFor: PeerId | undefined;
  /** True when it would vote for a log that ends there. */
  upToDate: (lastIndex: LogIndex, lastTerm: Term) => boolean = () => false;
  durable: FakeLog = new FakeLog();
  log: FakeLog = new FakeLog();
  marks: MarkDigest[] = [];
  checkpointIndex: LogIndex = 0;
  queuedBytes = 0;
  stateCount = 1;

  constructor(id: string) {
    this.id = peerId(id);
  }

  /** The same log in memory and on disk. */
  holds(...terms: Term[]): this {
    this.log = FakeLog.of(...terms);
    this.durable = FakeLog.of(...terms);
    return this;
  }

  /** Leads `term`, in which all of its log is. */
  lead(term: Term): void {
    this.role = 'leader';
    this.term = term;
    this.log.term = term;
  }

  get view(): PeerView {
    const { role } = this;
    const raft = {
      role,
      term: this.term,
      commitIndex: this.commitIndex,
      appliedIndex: this.appliedIndex,
      lastIndex: this.log.lastIndex,
      leader: this.leader,
      configuration: { index: 0, voters: ['p1', 'p2', 'p3'], members: this.members },
      inspect: () => ({
        votes: this.votes,
        mayCampaign: this.mayCampaign,
        stateMissing: false,
        configurationChanged: false,
        persistence: { durableIndex: this.durable.lastIndex },
        forwarded: { pending: this.forwardedReads },
        damage: this.damage,
        hardState: { term: this.term, votedFor: this.votedFor },
        upToDate: this.upToDate,
        options: { electionTimeoutTicks: 10 },
        role:
          role === 'leader'
            ? {
                name: 'leader',
                peers: this.followers.map((one) => ({ readRound: 0, ...one, inflight: { count: 0 } })),
                reads: { pending: 0 },
                uncommittedBytes: this.uncommittedBytes,
                transfer: this.handOverTicks === undefined ? undefined : { elapsedTicks: this.handOverTicks },
              }
            : { name: role },
      }),
    };
    return {
      id: this.id,
      life: this.id,
      stranger: false,
      isWrong: false,
      start: this.start,
      raft: raft as unknown as Raft,
      scheduler: { appliedIndex: this.appliedIndex } as unknown as Scheduler,
      marks: this.marks,
      checkpointIndex: this.checkpointIndex,
      queuedBytes: this.queuedBytes,
      stateCount: this.stateCount,
      durable: this.durable as unknown as DurableLog,
      log: this.log as unknown as LogMirror,
    };
  }
}

/** Three peers and what was committed. */
export class FakeCluster {
  readonly p1: FakePeer = new FakePeer('p1');
  readonly p2: FakePeer = new FakePeer('p2');
  readonly p3: FakePeer = new FakePeer('p3');
  readonly committed: CommittedLog = new CommittedLog();

  /** Commits what a log holds, up to `index`. */
  commit(log: FakeLog, index: LogIndex, byTerm: Term = 1): void {
    for (let at = this.committed.lastIndex + 1; at <= index; at += 1) {
      const { term, chain } = log.linkAt(at) ?? { term: 0, chain: 0 };
      this.committed.add({ entry: entryOf(at, term), term, chain, byTerm, by: this.p1.id, atUs: 0 });
    }
  }

  get view(): ClusterView {
    const fakes = [this.p1, this.p2, this.p3];
    return {
      get peers() {
        return fakes.map((fake) => fake.view);
      },
      voters: [this.p1.id, this.p2.id, this.p3.id],
      committed: this.committed,
      nowUs: 0,
    };
  }
}

export function entryOf(index: LogIndex, term: Term): Entry {
  return { index, term, kind: EntryKind.noop, data: new Uint8Array(0) };
}

/** Nothing changed in a log that ends there. */
export function unchanged(peer: FakePeer): LogChange {
  const last = peer.log.lastIndex;
  return { cutFrom: last + 1, oldLast: last, newLast: last };
}
