/**
 * What this peer tells the others about itself beside consensus, what they tell, and what follows from both.
 *
 *     own disk, marks, damage ──▶ news ──every second, at each mark──▶ others
 *     others ──news──▶ desk ─┬─▶ may the leader take submissions?       a majority needs room on its disks
 *                            ├─▶ is the own state that of the others?   else this peer takes itself out
 *                            ├─▶ can anybody lead at all?               else an operator must decide
 *                            └─▶ which features do all voters know?     the leader switches them on
 */
import type { Clock, Timer, Timers } from '../base/clock.ts';
import type { PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { Raft } from '../raft/raft.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import type { Transport } from '../transport/transport.ts';
import { FEATURE_LEVEL } from './features.ts';
import type { MembershipBook } from './membership.ts';
import { NewsDesk } from './news-desk.ts';
import type { News } from './news.ts';
import { decodeNews, encodeNews, NEWS_JOINING_MAX, NEWS_MARKS_MAX } from './news.ts';
import { type LogReport, noCopySentence, someoneCanLead } from './no-copy.ts';
import { SpaceWatch } from './space-watch.ts';
import type { JoiningPeer, MarkDigest, PeerAlarm } from './types.ts';

/** Between two rounds of news, in ms. */
const NEWS_MS = 1_000;

/** Nobody has led for so long before a peer looks whether anybody could, in ms. */
const LEADERLESS_MS = 10_000;

/** What this works with. */
export interface NeighboursParts {
  readonly self: PeerId;
  readonly limits: Pick<PeerLimits, 'spaceLowBytes' | 'spacePollMs'>;
  readonly ports: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly logger: Logger;
    readonly transport: Pick<Transport, 'send' | 'connectedTo' | 'joining'>;
  };
  readonly storage: OpenedStorage;
  readonly raft: Raft;
  readonly membership: MembershipBook;
  /** The newest marks with their digests, oldest first. */
  readonly marks: () => readonly MarkDigest[];
}

/** What this asks of its host. */
export interface NeighboursHooks {
  /** Runs `action` as an event of its own; whatever it throws halts the peer. Does nothing once the peer stopped. */
  guard(action: () => void): void;
  /** The peer is to halt: the error says why. */
  failed(error: unknown): void;
  wake(): void;
}

/** See the head of this file. */
export class Neighbours {
  readonly #parts: NeighboursParts;
  readonly #hooks: NeighboursHooks;
  readonly #desk: NewsDesk;
  readonly #space: SpaceWatch;
  #newsTimer: Timer | undefined;
  #spaceTimer: Timer | undefined;
  #lacksSpace = false;
  #leaderSeenMs: number;
  /** The last term in which this peer proposed to switch features on, and up to which level. */
  #proposed = { term: 0, level: 0 };
  /** Nothing is judged any more: the peer is about to halt. */
  #judged = false;

  constructor(parts: NeighboursParts, hooks: NeighboursHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.#desk = new NewsDesk(parts.self);
    this.#space = new SpaceWatch(parts.limits.spaceLowBytes);
    this.#leaderSeenMs = parts.ports.clock.monotonicMs();
  }

  /** True when a leader must take no more submissions. */
  get lacksSpace(): boolean {
    return this.#lacksSpace;
  }

  /** The own disk is low. */
  get spaceLow(): boolean {
    return this.#space.low;
  }

  /** Bytes free on the own disk, as last seen. */
  get freeBytes(): number | undefined {
    return this.#space.freeBytes;
  }

  get alarms(): readonly PeerAlarm[] {
    const { self, raft, storage } = { ...this.#parts, raft: this.#parts.raft.status() };
    const alarms: PeerAlarm[] = [];
    if (this.#space.low) {
      const mib = Math.floor((this.#space.freeBytes ?? 0) / (1024 * 1024));
      const message = `The disk of ${self} has ${mib} MiB left: free some, or give it more. No tasks are taken while a majority lacks room.`;
      alarms.push({ code: 'SPACE_LOW', message });
    }
    if (raft.damaged || storage.stateMissing) {
      const what = storage.stateMissing ? 'its state' : 'part of its log';
      const message = `${self} lost ${what} to damage and fetches it from the others: see to its disk.`;
      alarms.push({ code: 'DAMAGED', message });
    }
    return alarms;
  }

  /** Peers that could be added: those that are connected here, and those that others told of lately. By id. */
  joining(): JoiningPeer[] {
    const { membership, ports } = this.#parts;
    return membership.joining(ports.transport.joining(), this.#desk.joining(this.#nowMs()));
  }

  /** What `peer` said last. */
  newsOf(peer: PeerId): News | undefined {
    return this.#desk.of(peer);
  }

  start(): void {
    this.#lookAtSpace();
    this.#hooks.guard(() => {
      this.#tellRegularly();
    });
  }

  stop(): void {
    this.#newsTimer?.cancel();
    this.#spaceTimer?.cancel();
  }

  /** A frame with news. @throws DecodeError when it is none */
  news(from: PeerId, bytes: Uint8Array): void {
    const news = decodeNews(bytes);
    this.#hooks.guard(() => {
      this.#desk.heard(from, news, this.#nowMs());
      this.#judge();
    });
  }

  /** The digest of another own mark is known. */
  marked(): void {
    this.#tell();
    this.#judge();
  }

  /** This peer has begun to serve as leader, or a voter was heard. */
  serves(): void {
    this.#switchFeatures();
  }

  #nowMs(): number {
    return this.#parts.ports.clock.monotonicMs();
  }

  #tellRegularly(): void {
    this.#newsTimer = this.#parts.ports.timers.after(NEWS_MS, () => {
      this.#hooks.guard(() => {
        this.#tellRegularly();
      });
    });
    this.#desk.keepOnly(this.#parts.membership.configuration.members.map((member) => member.peer));
    this.#tell();
    this.#judge();
    this.#switchFeatures();
    this.#judgeCopies();
  }

  #tell(): void {
    const { self, ports, membership } = this.#parts;
    const others = membership.configuration.members.filter(({ peer }) => peer !== self);
    const reached = others.filter(({ peer }) => ports.transport.connectedTo(peer));
    if (reached.length === 0) return;
    const frame = encodeNews(this.#own());
    for (const { peer } of reached) ports.transport.send(peer, 'control', frame);
  }

  #own(): News {
    const { raft, storage, membership, ports } = this.#parts;
    const { damaged, lastIndex, lastTerm } = raft.status();
    const end = damaged ? laterEnd({ lastIndex, lastTerm }, storage.damage) : { lastIndex, lastTerm };
    return {
      ...end,
      featureLevel: FEATURE_LEVEL,
      damaged,
      stateMissing: storage.stateMissing,
      spaceLow: this.#space.low,
      marks: this.#parts.marks().slice(-NEWS_MARKS_MAX),
      joining: membership.joining(ports.transport.joining(), []).slice(0, NEWS_JOINING_MAX),
    };
  }

  #judge(): void {
    const { membership, storage, marks } = this.#parts;
    const { voters } = membership.configuration;
    this.#lacksSpace = this.#desk.lacksSpace(voters, this.#space.low, this.#nowMs());
    if (this.#judged || storage.stateMissing) return;
    const verdict = this.#desk.judgeDigests(marks(), voters);
    if (verdict.type === 'fine') return;
    this.#judged = true;
    if (verdict.type === 'split') {
      this.#hooks.failed(
        `the peers have different states after entry ${verdict.index}, and no majority has the same one. The cluster stops ` +
          'rather than going on with a state that may be wrong: keep all data directories and report this.',
      );
      return;
    }
    const reason = `its digest after entry ${verdict.index} differs from that of a majority`;
    const sentence =
      `the state of this peer is wrong: ${reason}. It takes itself out. Started again it fetches the state from the others; if ` +
      'this comes back, look at its memory and disk.';
    const halt = (): void => this.#hooks.failed(sentence);
    storage.distrustState(reason).then(halt, halt);
  }

  /** Halts a damaged peer when nobody can ever lead again. */
  #judgeCopies(): void {
    const { self, raft, membership } = this.#parts;
    const nowMs = this.#nowMs();
    if (raft.leader !== undefined) this.#leaderSeenMs = nowMs;
    if (this.#judged || nowMs - this.#leaderSeenMs < LEADERLESS_MS) return;
    const own: LogReport = { peer: self, ...this.#own() };
    if (!own.damaged && !own.stateMissing) return;
    const { voters, learners } = membership.configuration;
    const reports = this.#desk.logReports(own, voters, nowMs);
    if (reports === undefined || someoneCanLead(reports, this.#desk.mayHaveState(learners, nowMs))) return;
    this.#judged = true;
    const broken = reports.filter((report) => report.damaged || report.stateMissing);
    this.#hooks.failed(noCopySentence(broken.map((report) => report.peer)));
  }

  /** A leader switches on what all voters know, each level once a term. */
  #switchFeatures(): void {
    const { raft, membership, self } = this.#parts;
    if (raft.role !== 'leader') return;
    const levels = membership.configuration.voters.map((voter) =>
      voter === self ? FEATURE_LEVEL : this.#featureLevelOf(voter),
    );
    const level = Math.min(FEATURE_LEVEL, ...levels);
    if (level <= membership.applied.featureLevel) return;
    const proposed = this.#proposed;
    if (proposed.term === raft.term && proposed.level >= level) return;
    if (!raft.proposeFeature(level).accepted) return;
    this.#proposed = { term: raft.term, level };
    this.#hooks.wake();
  }

  #featureLevelOf(peer: PeerId): number {
    return this.#desk.of(peer)?.featureLevel ?? this.#parts.membership.factsOf(peer)?.featureLevel ?? 0;
  }

  #lookAtSpace(): void {
    const { storage, limits, ports } = this.#parts;
    if (limits.spaceLowBytes === 0) return;
    const again = (): void => {
      this.#spaceTimer = ports.timers.after(limits.spacePollMs, () => {
        this.#hooks.guard(() => this.#lookAtSpace());
      });
    };
    storage.space().then(
      ({ freeBytes }) => {
        this.#hooks.guard(() => {
          again();
          if (!this.#space.seen(freeBytes)) return;
          ports.logger.warn(this.#space.low ? 'the disk is low on space' : 'the disk has room again', { freeBytes });
          this.#tell();
          this.#judge();
        });
      },
      () => {
        // What cannot be asked is asked again; a disk that fails shows by its writes.
        this.#hooks.guard(again);
      },
    );
  }
}

interface LogEnd {
  readonly lastIndex: number;
  readonly lastTerm: number;
}

function laterEnd(own: LogEnd, recorded: LogEnd | undefined): LogEnd {
  if (recorded === undefined || own.lastTerm > recorded.lastTerm) return own;
  if (own.lastTerm < recorded.lastTerm || own.lastIndex < recorded.lastIndex)
    return { lastIndex: recorded.lastIndex, lastTerm: recorded.lastTerm };
  return own;
}
