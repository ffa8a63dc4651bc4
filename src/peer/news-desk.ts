/**
 * What the other peers said of themselves last, and what follows from it: which features all voters know, whether a majority has
 * room on its disks, whether the own state is the one that the others have, and whether anybody can still lead.
 *
 * Pure but for the clock that it is given.
 */
import type { PeerId } from '../base/ids.ts';
import type { DigestVerdict } from './digest-watch.ts';
import { DigestWatch } from './digest-watch.ts';
import type { HeardPeer, News } from './news.ts';
import type { LogReport } from './no-copy.ts';
import { lacksSpace } from './space-watch.ts';
import type { MarkDigest } from './types.ts';

/** News older than this say nothing about the present, in ms. */
export const NEWS_STALE_MS: number = 5_000;

interface HeardNews {
  readonly news: News;
  readonly atMs: number;
}

/** See the head of this file. */
export class NewsDesk {
  readonly #self: PeerId;
  readonly #heard = new Map<PeerId, HeardNews>();
  readonly #digests = new DigestWatch();

  constructor(self: PeerId) {
    this.#self = self;
  }

  heard(from: PeerId, news: News, nowMs: number): void {
    this.#heard.set(from, { news, atMs: nowMs });
    this.#digests.heard(from, news.marks);
  }

  /** Only `members` are of interest from now on. */
  keepOnly(members: readonly PeerId[]): void {
    for (const peer of this.#heard.keys()) {
      if (members.includes(peer)) continue;
      this.#heard.delete(peer);
      this.#digests.forget(peer);
    }
  }

  /** The last word of `peer`, however old. */
  of(peer: PeerId): News | undefined {
    return this.#heard.get(peer)?.news;
  }

  /** True when a leader must take no more submissions; `ownLow` is about the own disk. */
  lacksSpace(voters: readonly PeerId[], ownLow: boolean, nowMs: number): boolean {
    return lacksSpace(this.#self, voters, (peer) => {
      if (peer === this.#self) return ownLow;
      const heard = this.#heard.get(peer);
      return heard !== undefined && heard.news.spaceLow && nowMs - heard.atMs <= NEWS_STALE_MS;
    });
  }

  /** Peers that others have heard lately, and that could be added. */
  joining(nowMs: number): HeardPeer[] {
    return [...this.#heard.values()].flatMap(({ news, atMs }) => (nowMs - atMs > NEWS_STALE_MS ? [] : news.joining));
  }

  /** Whether the own state is that of the majority. */
  judgeDigests(marks: readonly MarkDigest[], voters: readonly PeerId[]): DigestVerdict {
    return this.#digests.judge(marks, this.#self, voters);
  }

  /** How the logs of all `voters` are; undefined unless every other one was heard lately. `own` is the report of this peer. */
  logReports(own: LogReport, voters: readonly PeerId[], nowMs: number): readonly LogReport[] | undefined {
    const reports: LogReport[] = [];
    for (const peer of voters) {
      if (peer === this.#self) {
        reports.push(own);
        continue;
      }
      const heard = this.#heard.get(peer);
      if (heard === undefined || nowMs - heard.atMs > NEWS_STALE_MS) return undefined;
      const { damaged, stateMissing, lastIndex, lastTerm } = heard.news;
      reports.push({ peer, damaged, stateMissing, lastIndex, lastTerm });
    }
    return reports;
  }

  /** False when every one of `learners` was heard lately and has no state. */
  mayHaveState(learners: readonly PeerId[], nowMs: number): boolean {
    return learners.some((peer) => {
      const heard = this.#heard.get(peer);
      return heard === undefined || nowMs - heard.atMs > NEWS_STALE_MS || !heard.news.stateMissing;
    });
  }
}
