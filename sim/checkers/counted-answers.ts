import type { LogIndex, PeerId, Term } from '../../src/base/ids.ts';
import { decodeMemberInfo } from '../../src/peer/member-info.ts';
import type { Configuration } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/message.ts';
import { quorumOf } from '../../src/raft/quorum.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/** What one data directory has said to one peer, each with the term in which it said that. */
interface Said {
  /** The last term for which it gave its vote. */
  granted: Term;
  term: Term;
  match: LogIndex;
  readRound: number;
}

/** What a leader was seen to count, and whom it counts. */
interface Counting {
  start: number;
  term: Term;
  configuration: Configuration | undefined;
  /** By member: what its data directory said; undefined where nobody knows which one is meant. */
  readonly said: Map<PeerId, Said | undefined>;
  readonly seen: Map<PeerId, { match: LogIndex; readRound: number }>;
}

/**
 * What a candidate or a leader counts was said to it, in this very term, by the data directory that its configuration means: each vote
 * of the majority by which it leads, each entry that it takes for acknowledged, each round of heartbeats that it takes for answered. A
 * name is not enough: whoever lost its directory and comes back under its old name has promised nothing of what that one did.
 */
export class CountedAnswers extends PropertyChecker {
  override readonly name = 'counted-answers';
  /** The data directory of a peer by its incarnation; undefined for one that is not opened yet, or is an old copy. */
  readonly #incarnationOf: (peer: PeerView) => string | undefined;
  readonly #lives = new Map<string, string>();
  /** By life, then by whom it was said to. */
  readonly #said = new Map<string, Map<PeerId, Said>>();
  readonly #counting = new Map<PeerId, Counting>();
  readonly #led = new Map<PeerId, Term>();

  constructor(cluster: ClusterView, incarnationOf: (peer: PeerView) => string | undefined) {
    super(cluster);
    this.#incarnationOf = incarnationOf;
  }

  sent(peer: PeerView, message: Message): void {
    const { type, term } = message;
    if (type === 'append-accepted') {
      const said = this.#inTerm(peer.life, message.to, term);
      said.match = Math.max(said.match, message.matchIndex);
    } else if (type === 'heartbeat-response') {
      const said = this.#inTerm(peer.life, message.to, term);
      said.readRound = Math.max(said.readRound, message.readRound);
    } else if (type === 'vote-response' && message.granted) this.#to(peer.life, message.to).granted = term;
  }

  moved(peer: PeerView, _change: LogChange): void {
    this.#learn(peer);
    const { raft, id } = peer;
    if (raft?.role !== 'leader' || this.#led.get(id) === raft.term) return;
    this.#led.set(id, raft.term);
    const { configuration, term } = raft;
    let votes = 0;
    let unknown = 0;
    for (const { peer: voter, votes: isVoter, info } of configuration.members) {
      if (!isVoter) continue;
      const life = voter === id ? peer.life : this.#lifeOf(voter, info);
      if (voter === id || life === undefined) unknown += voter === id && !raft.inspect().votes ? 0 : 1;
      else if (this.#said.get(life)?.get(id)?.granted === term) votes += 1;
    }
    this.compare(
      votes + unknown >= quorumOf(configuration.voters.length),
      () => `${id} leads term ${term} by ${votes + unknown} votes of ${configuration.voters.join(' ')}`,
    );
  }

  changed(peer: PeerView): void {
    const { raft, id } = peer;
    const role = raft?.inspect().role;
    if (raft === undefined || role?.name !== 'leader') return;
    const counting = this.#countingOf(peer, raft.term, raft.configuration);
    for (const { peer: follower, match, readRound } of role.peers) {
      const seen = counting.seen.get(follower);
      if (seen === undefined) {
        counting.seen.set(follower, { match: 0, readRound: 0 });
        continue;
      }
      if (seen.match === match && seen.readRound === readRound) continue;
      seen.match = match;
      seen.readRound = readRound;
      if (!counting.said.has(follower)) continue;
      const said = counting.said.get(follower);
      const isTerm = said !== undefined && said.term === raft.term;
      this.compare(
        (match === 0 || (isTerm && match <= said.match)) &&
          (readRound === 0 || (isTerm && readRound <= said.readRound)),
        () =>
          `${id} counts ${follower} for ${match} entries and round ${readRound} in term ${raft.term}, and it has said ` +
          `${isTerm ? said.match : 'nothing'} and ${isTerm ? said.readRound : 'nothing'}`,
      );
    }
  }

  #countingOf(peer: PeerView, term: Term, configuration: Configuration): Counting {
    let counting = this.#counting.get(peer.id);
    if (counting === undefined) {
      counting = { start: 0, term: 0, configuration: undefined, said: new Map(), seen: new Map() };
      this.#counting.set(peer.id, counting);
    }
    if (counting.start !== peer.start || counting.term !== term) counting.seen.clear();
    else if (counting.configuration === configuration) return counting;
    counting.start = peer.start;
    counting.term = term;
    counting.configuration = configuration;
    counting.said.clear();
    for (const member of configuration.members) {
      const life = this.#lifeOf(member.peer, member.info);
      if (life !== undefined) counting.said.set(member.peer, this.#to(life, peer.id));
    }
    return counting;
  }

  #learn(peer: PeerView): void {
    const incarnation = this.#incarnationOf(peer);
    if (incarnation !== undefined) this.#lives.set(incarnation, peer.life);
  }

  /** Of the member of that name; undefined where nobody knows it yet. */
  #lifeOf(peer: PeerId, info: Uint8Array): string | undefined {
    const { incarnation } = decodeMemberInfo(info);
    return incarnation === undefined ? peer : this.#lives.get(incarnation);
  }

  #inTerm(life: string, to: PeerId, term: Term): Said {
    const said = this.#to(life, to);
    if (said.term !== term) {
      said.term = term;
      said.match = 0;
      said.readRound = 0;
    }
    return said;
  }

  #to(life: string, to: PeerId): Said {
    let all = this.#said.get(life);
    if (all === undefined) this.#said.set(life, (all = new Map()));
    let said = all.get(to);
    if (said === undefined) all.set(to, (said = { granted: 0, term: 0, match: 0, readRound: 0 }));
    return said;
  }
}
