import type { LogIndex, PeerId } from '../../src/base/ids.ts';
import { decodeMemberInfo } from '../../src/peer/member-info.ts';
import { lastStamp } from '../../src/peer/last-stamp.ts';
import { readFeature } from '../../src/peer/features.ts';
import { decodeMembers, type Member } from '../../src/raft/configuration.ts';
import { EntryKind } from '../../src/raft/types.ts';
import type { LogChange } from '../history.ts';
import { type ClusterView, type PeerView, PropertyChecker } from './checker.ts';

/** What a peer says of itself beside its core and its state. */
export interface OwnWords {
  /** No stamp that it makes goes below this, in ms. */
  readonly floorMs: number;
  /** The entry of the configuration by which it keeps connections, and judges who calls. */
  readonly configurationIndex: LogIndex;
  readonly featureLevel: number;
  /** Data directories that were members once. */
  readonly removed: readonly { readonly peer: PeerId; readonly incarnation: string }[];
  /** Of its data directory; undefined while that is not known, or an old copy. */
  readonly incarnation: string | undefined;
}

/** A data directory that was a member until the entry `index`. */
interface Gone {
  readonly index: LogIndex;
  readonly peer: PeerId;
  readonly incarnation: string;
}

/**
 * What a peer knew before a start it knows after it, as far as its disk holds that: how late it was in the log, which features are on,
 * who was removed for good, whom it voted for. It knows nothing beside: of what its log holds only that is committed for certain which its
 * checkpoint stands for. Without all of its log and its state it does not stand for election. And a data directory never votes for another one that had its name.
 */
export class FoundAgain extends PropertyChecker {
  override readonly name = 'found-again';
  readonly #ownWords: (peer: PeerView) => OwnWords | undefined;
  /** By index: the newest stamp of an entry that is committed, up to there. */
  readonly #stamps: number[] = [0];
  /** Committed entries that switched features on, in order. */
  readonly #features: { readonly index: LogIndex; readonly level: number }[] = [];
  readonly #gone: Gone[] = [];
  #members: readonly Member[] | undefined;
  /** By peer: what was read last of what a configuration says of it, since that is nearly always the same. */
  readonly #read = new Map<PeerId, { readonly info: Uint8Array; readonly incarnation: string | undefined }>();

  constructor(cluster: ClusterView, ownWords: (peer: PeerView) => OwnWords | undefined) {
    super(cluster);
    this.#ownWords = ownWords;
  }

  restarted(peer: PeerView): void {
    this.#catchUp();
    const { raft, id, durable } = peer;
    if (raft === undefined) return;
    const { commitIndex, appliedIndex } = raft;
    const { hardState, stateMissing, damage, mayCampaign } = raft.inspect();
    this.compare(
      !mayCampaign || (damage === undefined && !stateMissing),
      () =>
        `${id} may stand for election, and lacks ${stateMissing ? 'its state' : `entries up to ${damage?.lastIndex}`}`,
    );
    this.compare(
      commitIndex === appliedIndex,
      () => `${id} starts at ${appliedIndex} and takes what is behind it, up to ${commitIndex}, for committed`,
    );
    this.compare(
      hardState.term > durable.term ||
        (hardState.term === durable.term &&
          (durable.votedFor === undefined || hardState.votedFor === durable.votedFor)),
      () =>
        `${id} starts in term ${hardState.term} with a vote for ${hardState.votedFor ?? 'nobody'}, and its disk says ` +
        `${durable.votedFor ?? 'nobody'} in term ${durable.term}`,
    );
    const own = this.#ownWords(peer);
    if (own === undefined || stateMissing || appliedIndex === 0) return;
    const level = this.#features.findLast(({ index }) => index <= appliedIndex)?.level ?? 0;
    this.compare(
      own.featureLevel === level,
      () => `${id} starts at ${appliedIndex} with features of level ${own.featureLevel}, and those of ${level} were on`,
    );
    for (const { index, peer: gone, incarnation } of this.#gone) {
      if (index > appliedIndex) break;
      this.compare(
        own.removed.some((one) => one.peer === gone && one.incarnation === incarnation),
        () => `${id} starts at ${appliedIndex} and does not know that ${gone} was removed by ${index}`,
      );
    }
  }

  moved(peer: PeerView, _change: LogChange): void {
    this.#catchUp();
    const { raft, log, id, durable } = peer;
    const own = raft === undefined ? undefined : this.#ownWords(peer);
    if (raft === undefined || own === undefined) return;
    const { persistence, votes, configurationChanged } = raft.inspect();
    this.compare(
      configurationChanged || own.configurationIndex === raft.configuration.index,
      () =>
        `${id} judges others by the configuration of ${own.configurationIndex}, and that of ${raft.configuration.index} is in force`,
    );
    const index = Math.min(persistence.durableIndex, this.#stamps.length - 1);
    // After damage entries may be back that were overwritten, and what is known of the log is what was written last.
    if (!durable.isWounded && log.chainAt(index) === this.cluster.committed.chainAt(index)) {
      const stampMs = this.#stamps[index] ?? 0;
      this.compare(
        own.floorMs >= stampMs,
        () => `${id} may stamp what comes next with ${own.floorMs}, and its log has come to ${stampMs} by ${index}`,
      );
    }
    if (!votes || own.incarnation === undefined) return;
    const member = raft.configuration.members.find((one) => one.peer === id);
    const meant = member === undefined ? undefined : this.#incarnationIn(member);
    this.compare(
      meant === undefined || meant === own.incarnation,
      () => `${id} votes by a configuration that means another data directory of that name`,
    );
  }

  /** The data directory that is meant; undefined for a founder that was never heard. */
  #incarnationIn({ peer, info }: Member): string | undefined {
    const known = this.#read.get(peer);
    if (known?.info === info) return known.incarnation;
    const { incarnation } = decodeMemberInfo(info);
    this.#read.set(peer, { info, incarnation });
    return incarnation;
  }

  /** Looks at what was committed since the last time. */
  #catchUp(): void {
    const { committed } = this.cluster;
    for (let index = this.#stamps.length; index <= committed.lastIndex; index += 1) {
      const entry = committed.at(index)?.entry;
      if (entry === undefined) return;
      const before = this.#stamps[index - 1] ?? 0;
      this.#stamps.push(Math.max(before, entry.kind === EntryKind.command ? (lastStamp([entry])?.ms ?? 0) : 0));
      if (entry.kind === EntryKind.feature) {
        const level = Math.max(this.#features.at(-1)?.level ?? 0, readFeature(entry.data));
        this.#features.push({ index, level });
      } else if (entry.kind === EntryKind.configuration) this.#changed(index, decodeMembers(entry.data));
    }
  }

  #changed(index: LogIndex, members: readonly Member[]): void {
    for (const { peer, info } of this.#members ?? []) {
      if (members.some((one) => one.peer === peer)) continue;
      const { incarnation } = decodeMemberInfo(info);
      if (incarnation !== undefined) this.#gone.push({ index, peer, incarnation });
    }
    this.#members = members;
  }
}
