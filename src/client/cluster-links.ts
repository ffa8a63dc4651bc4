/**
 * Warm connections to all peers, and who leads. The leader is believed by term: news of an older term are ignored, and within a
 * term there is one leader. When the leader changes, its connection is open already.
 *
 * Who the peers are the leader tells: what it names is dialed, and a peer that it does not name any more is let go. Others may be
 * behind, or removed themselves: what they name is dialed only while there is no connection to a leader.
 */
import type { PeerRow } from '../protocol/rows.ts';
import type { ServerFrame, WelcomeFrame } from '../protocol/server-frame.ts';
import type { TaskraftError } from './errors.ts';
import { PeerLink, type PeerLinkHandlers } from './peer-link.ts';
import { type ClientPorts, type Connection, normalUrl } from './ports.ts';

/** Most peers that a client keeps connections to. */
const LINKS_MAX = 16;

/** Who hears of the links. */
export interface ClusterLinksHandlers {
  /** A peer has said welcome. */
  opened(link: PeerLink, welcome: WelcomeFrame): void;
  /** The open link to the leader of `term`; undefined while there is none. Called once for every change of the pair. */
  leaderChanged(link: PeerLink | undefined, term: number): void;
  /** The leader that was announced says itself that it serves: what it refused before, because it did not yet, may go there now. */
  leaderServes(link: PeerLink): void;
  frame(link: PeerLink, frame: ServerFrame): void;
  beatAnswered(link: PeerLink, sentAtMs: number, term: number): void;
  closed(link: PeerLink): void;
  failed(link: PeerLink, error: TaskraftError): void;
}

/** The links to all peers, at most 16, and the leader among them. */
export class ClusterLinks {
  readonly #role: 'client' | 'worker';
  readonly #connection: Connection;
  readonly #ports: ClientPorts;
  readonly #handlers: ClusterLinksHandlers;
  readonly #links: PeerLink[] = [];
  /** Newest term heard of. Never goes back. */
  #term = 0;
  /** Leader of `#term`, as far as known. */
  #leader: string | undefined;
  #announcedLink: PeerLink | undefined;
  #announcedTerm = 0;

  constructor(role: 'client' | 'worker', connection: Connection, ports: ClientPorts, handlers: ClusterLinksHandlers) {
    this.#role = role;
    this.#connection = connection;
    this.#ports = ports;
    this.#handlers = handlers;
  }

  /** Newest term heard of. */
  get term(): number {
    return this.#term;
  }

  /** The open link to the leader, where known. */
  get leader(): PeerLink | undefined {
    return this.#announcedLink;
  }

  /** The links as they stand: those given and those learned. */
  get all(): readonly PeerLink[] {
    return this.#links;
  }

  start(): void {
    for (const url of this.#connection.urls) this.#add(url);
  }

  close(): void {
    for (const link of this.#links.splice(0)) link.close();
  }

  /**
   * The peer at `link` says that it does not lead, and perhaps who does. When it names nobody else it stays the one to ask: it may
   * have been elected and not serve yet, and whoever is elected instead is told by a newer term.
   */
  notLeader(link: PeerLink, hint: PeerRow | null): void {
    if (this.#leader !== link.peer || hint === null || hint[0] === link.peer) return;
    this.#leader = hint[0];
    this.#addPeer(hint);
    this.#announce();
  }

  /** Takes news of a leader, from a peer or read off a frame that only a leader sends. */
  learn(link: PeerLink, term: number, leader: PeerRow | null): void {
    if (term < this.#term) return;
    if (term > this.#term) {
      this.#term = term;
      this.#leader = leader?.[0];
    } else if (leader !== null) this.#leader = leader[0];
    // Within its term only the leader itself can say that it leads no more.
    else if (this.#leader === link.peer) this.#leader = undefined;
    if (leader !== null) this.#addPeer(leader);
    const announced = this.#announcedLink;
    const isNews = this.#announce();
    if (!isNews && leader !== null && leader[0] === link.peer && link === announced) this.#handlers.leaderServes(link);
  }

  #add(url: string, peer?: string): void {
    if (this.#links.length >= LINKS_MAX || this.#links.some((link) => link.url === url)) return;
    const handlers: PeerLinkHandlers = {
      opened: (link, welcome) => this.#opened(link, welcome),
      frame: (link, frame) => {
        if (frame.type === 'leader') {
          this.learn(link, frame.term, frame.leader);
          if (frame.peers !== null) this.#learnPeers(link, frame.peers);
        } else this.#handlers.frame(link, frame);
      },
      beatAnswered: (link, sentAtMs, term) => this.#handlers.beatAnswered(link, sentAtMs, term),
      closed: (link) => {
        this.#announce();
        this.#handlers.closed(link);
      },
      failed: (link, error) => this.#handlers.failed(link, error),
    };
    const link = new PeerLink(url, this.#role, this.#connection, this.#ports, handlers);
    link.peer = peer;
    this.#links.push(link);
    link.start();
  }

  #addPeer([peer, url]: PeerRow): void {
    if (this.#links.some((link) => link.peer === peer)) return;
    try {
      this.#add(normalUrl(url), peer);
    } catch {
      this.#connection.logger.warn('a peer has a URL that cannot be dialled', { peer, url });
    }
  }

  #opened(link: PeerLink, welcome: WelcomeFrame): void {
    // The same peer under two URLs: the one that was there first stays.
    if (this.#links.some((other) => other !== link && other.isOpen && other.peer === welcome.peer)) {
      this.#links.splice(this.#links.indexOf(link), 1);
      link.close();
      return;
    }
    this.#handlers.opened(link, welcome);
    this.learn(link, welcome.term, welcome.leader);
    this.#learnPeers(link, welcome.peers);
  }

  #learnPeers(link: PeerLink, peers: readonly PeerRow[]): void {
    const leads = this.#announcedLink === link;
    if (!leads && this.#announcedLink !== undefined) return;
    for (const peer of peers) this.#addPeer(peer);
    if (!leads) return;
    // A leader that is being removed names itself no more, and leads until that is committed.
    const gone = this.#links.filter(
      (one) => one !== link && one.peer !== undefined && !peers.some(([peer]) => peer === one.peer),
    );
    for (const one of gone) {
      this.#links.splice(this.#links.indexOf(one), 1);
      one.close();
    }
  }

  /** Tells of the leader, where it is another than was told. */
  #announce(): boolean {
    const link = this.#links.find((candidate) => candidate.isOpen && candidate.peer === this.#leader);
    if (link === this.#announcedLink && (link === undefined || this.#announcedTerm === this.#term)) return false;
    this.#announcedLink = link;
    this.#announcedTerm = this.#term;
    this.#handlers.leaderChanged(link, this.#term);
    return true;
  }
}
