/**
 * Who belongs to the cluster as one peer knows it, and whom it therefore talks to.
 *
 *     configuration of the log ─┐
 *     what was applied ─────────┼─▶ whom to dial, whose answers count, what to tell of whom
 *     what others say (hello) ──┘
 *
 * Invariants
 * - A peer is told that its incarnation is known only by what is committed: what is only appended may be taken back.
 * - An answer counts only from the incarnation that the newest configuration in the own log names.
 *
 * Not here: changing the configuration (`membership-change.ts`), and the founding (`founding.ts`).
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { memberOf } from '../config/cluster-config.ts';
import type { Configuration, Member } from '../raft/configuration.ts';
import type { Founding, OpenedStorage } from '../storage/storage.ts';
import { peerUrl } from '../transport/timings.ts';
import type { PeerFacts, PeerUrl } from '../transport/transport.ts';
import type { Admission } from './admission.ts';
import { admit } from './admission.ts';
import { BootBook, type Opening } from './boot-book.ts';
import { type AppliedCluster, wasRemoved } from './configuration.ts';
import { knownIncarnation } from './founding.ts';
import type { MemberInfo } from './member-info.ts';
import { decodeMemberInfo } from './member-info.ts';
import type { HeardPeer } from './news.ts';
import type { JoiningPeer, PeerAddresses } from './types.ts';

/** Most peers that are talked to without being members here: those of a newer configuration. */
export const GUESTS_MAX = 16;

/** What is kept of a peer that said hello. */
interface Heard {
  readonly facts: PeerFacts;
  readonly admission: Admission['type'];
}

/** A member with what is told of it, read once. */
interface KnownMember {
  readonly member: Member;
  readonly info: MemberInfo;
}

/** What a book is made of. */
export interface MembershipParts {
  readonly self: PeerId;
  readonly cluster: ClusterConfig;
  /** What is on the disk of the founding counts where others are told of it. */
  readonly storage: Pick<OpenedStorage, 'founding' | 'heardBoots'>;
  /** What the checkpoint says, or the founding. */
  readonly applied: AppliedCluster;
  /** The newest in the log. */
  readonly configuration: Configuration;
}

/** See the head of this file. */
export class MembershipBook {
  readonly #self: PeerId;
  readonly #cluster: ClusterConfig;
  readonly #storage: Pick<OpenedStorage, 'founding'>;
  #founding: Founding;
  #applied: AppliedCluster;
  #configuration: Configuration;
  /** The members of `#configuration`, by id. */
  #members: ReadonlyMap<PeerId, KnownMember>;
  /** Every peer that said hello, by its last word; in the order of their first ones. */
  readonly #heard = new Map<PeerId, Heard>();
  /** Peers of a newer configuration, with where they are reached. */
  readonly #guests = new Map<PeerId, PeerAddresses>();
  /** Whose answers do not count. */
  readonly #foreign = new Set<PeerId>();
  readonly #boots: BootBook;

  /** `before` is the book of this process that this one takes the place of: whoever said hello is still connected. */
  constructor(parts: MembershipParts, before?: MembershipBook) {
    this.#self = parts.self;
    this.#cluster = parts.cluster;
    this.#storage = parts.storage;
    this.#founding = parts.storage.founding;
    this.#applied = parts.applied;
    this.#configuration = parts.configuration;
    this.#members = readMembers(parts.configuration);
    this.#boots = new BootBook(parts.storage.heardBoots, before?.boots);
    for (const [peer, { facts }] of before?.heardSoFar() ?? []) this.#judge(peer, facts);
  }

  get applied(): AppliedCluster {
    return this.#applied;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /**
   * True when another peer has all that this one has acknowledged: it votes, and the configuration that says so is applied. False as
   * soon as no other one votes by the newest. Undefined in between: what was so before still is.
   */
  get shared(): boolean | undefined {
    if (!this.#configuration.voters.some((voter) => voter !== this.#self)) return false;
    return this.#applied.index === this.#configuration.index ? true : undefined;
  }

  /** How often the directories of others were opened. */
  get boots(): BootBook {
    return this.#boots;
  }

  /** The founding with what was learned since the start; the disk may lag behind. */
  get founding(): Founding {
    return this.#founding;
  }

  /** Whoever said hello, with its last words, in the order of these. */
  heardSoFar(): ReadonlyMap<PeerId, { readonly facts: PeerFacts }> {
    return this.#heard;
  }

  /** True when `peer` is not the one that the configuration names: what it asks may be heard, what it answers does not count. */
  isForeign(peer: PeerId): boolean {
    return this.#foreign.size > 0 && this.#foreign.has(peer);
  }

  /** Another configuration is in force. */
  changed(configuration: Configuration): void {
    this.#configuration = configuration;
    this.#members = readMembers(configuration);
    for (const peer of this.#guests.keys()) if (this.#members.has(peer)) this.#guests.delete(peer);
    for (const [peer, { facts }] of this.#heard) this.#judge(peer, facts);
  }

  /** An entry that changes the configuration, or switches a feature on, was applied. */
  appliedTo(applied: AppliedCluster): void {
    assert(applied.index >= this.#applied.index, 'configurations are applied in order');
    this.#applied = applied;
    // One that was removed for good is no guest any more.
    for (const [peer, { facts }] of this.#heard) this.#judge(peer, facts);
  }

  /** What to make of `from`, which says these `facts`. After `learn` the founding has changed and is to be saved. */
  hears(from: PeerId, facts: PeerFacts): Admission {
    const admission = this.#judge(from, facts);
    if (admission.type === 'learn') {
      const others = this.#founding.heard.filter((founder) => founder.peerId !== from);
      const heard = [...others, { peerId: from, incarnation: facts.incarnation }];
      this.#founding = { ...this.#founding, heard: heard.sort((a, b) => (a.peerId < b.peerId ? -1 : 1)) };
    }
    return admission;
  }

  /** The incarnation that `peer` is told to be known by; undefined when none is. */
  committedIncarnation(peer: PeerId): string | undefined {
    const member = this.#applied.members.find((one) => one.peer === peer);
    if (member === undefined) return undefined;
    return decodeMemberInfo(member.info).incarnation ?? knownIncarnation(this.#storage.founding, peer);
  }

  /** The founders, as `to` is to see them: without itself where it came later under the name of one. */
  foundersFor(to: PeerId): PeerId[] {
    const { heard, whole } = this.#storage.founding;
    const founders =
      whole === true ? heard.map((founder) => founder.peerId) : this.#cluster.members.map(({ id }) => id);
    const told = this.committedIncarnation(to);
    const isFounder = told === undefined || told === this.#founderIncarnation(to);
    return founders.filter((founder) => founder !== to || isFounder).sort();
  }

  /** What is known of a member of the configuration in force. */
  infoOf(peer: PeerId): MemberInfo {
    const known = this.#members.get(peer)?.info;
    return {
      incarnation: known?.incarnation ?? this.#founderIncarnation(peer),
      addresses: known?.addresses ?? this.#addressesInFile(peer),
    };
  }

  /** The last facts of a peer that is connected or was; undefined when it was never heard. */
  factsOf(peer: PeerId): PeerFacts | undefined {
    return this.#heard.get(peer)?.facts;
  }

  /**
   * Whom to keep connections to: the members, those of a newer configuration that know this peer, and, as long as no entry tells
   * who belongs to the cluster, everyone in the file.
   */
  peers(): PeerUrl[] {
    const addresses = new Map<PeerId, PeerAddresses>(this.#guests);
    if (this.#configuration.index === 0)
      for (const { id, peer, client } of this.#cluster.members) addresses.set(id, { peer, client });
    for (const peer of this.#members.keys()) {
      const known = this.infoOf(peer).addresses ?? this.factsOf(peer)?.addresses;
      if (known !== undefined) addresses.set(peer, known);
    }
    addresses.delete(this.#self);
    return [...addresses].sort(byPeer).map(([peer, known]) => ({ peer, url: peerUrl(known.peer) }));
  }

  /** Those of `connected` that could be added, and of `told`, of which others know; by id. */
  joining(connected: readonly PeerId[], told: readonly HeardPeer[]): JoiningPeer[] {
    const found = new Map<PeerId, HeardPeer>();
    for (const peer of told) if (this.#couldJoin(peer)) found.set(peer.peer, peer);
    for (const peer of connected) {
      const heard = this.#heard.get(peer);
      if (heard === undefined || heard.admission !== 'joining' || !heard.facts.logEmpty) continue;
      const { incarnation, addresses } = heard.facts;
      found.set(peer, { peer, incarnation, addresses });
    }
    return [...found.values()]
      .sort((left, right) => (left.peer < right.peer ? -1 : 1))
      .map((peer) => ({ ...peer, replaces: this.#members.has(peer.peer) }));
  }

  /** Who tells of a peer may not have heard yet that it was added, or removed for good. */
  #couldJoin({ peer, incarnation }: HeardPeer): boolean {
    const isMember = this.#members.has(peer) && this.infoOf(peer).incarnation === incarnation;
    const isGone = wasRemoved(this.#applied.removed, { peer, incarnation, isFounder: false });
    return peer !== this.#self && !isMember && !isGone;
  }

  #judge(from: PeerId, facts: PeerFacts): Admission {
    const member = this.#members.has(from);
    const { incarnation } = member ? this.infoOf(from) : { incarnation: undefined };
    // What was applied may be behind the log, by which it is a member: to be told that it was removed would stop it.
    const isMember = member && incarnation === facts.incarnation;
    const isFounder = !facts.logEmpty && facts.founders.includes(from);
    const { removed: gone } = this.#applied;
    const removed = !isMember && wasRemoved(gone, { peer: from, incarnation: facts.incarnation, isFounder });
    const oldCopy = this.#isOldCopy(from, facts);
    const admission = admit(this.#self, from, { member, incarnation, removed, oldCopy }, facts);
    // What an old copy says must not become what the next one is held against.
    if (oldCopy) return admission;
    this.#heard.set(from, { facts, admission: admission.type });
    // Anybody who knows the secret can invent directories; members are few.
    if (admission.type === 'accept' || admission.type === 'learn')
      this.#boots.heard(facts.incarnation, openingOf(facts));
    // Names are free to invent for whoever knows the secret; the members' and those of the last few others are kept.
    if (this.#heard.size > 4 * GUESTS_MAX) {
      for (const oldest of this.#heard.keys()) {
        if (!this.#members.has(oldest)) {
          this.#heard.delete(oldest);
          this.#foreign.delete(oldest);
        }
        if (this.#heard.size <= 4 * GUESTS_MAX) break;
      }
    }
    // Whoever is refused may have a connection that has yet to end, and is another than the member of that name all the same.
    if (admission.type === 'accept' || admission.type === 'learn') this.#foreign.delete(from);
    else this.#foreign.add(from);
    const foreign = admission.type === 'foreign';
    if (foreign && !member && (this.#guests.size < GUESTS_MAX || this.#guests.has(from))) {
      this.#guests.set(from, facts.addresses);
    } else if (!foreign) this.#guests.delete(from);
    return admission;
  }

  /** True when the directory was opened more often than it says, or anew from a copy. */
  #isOldCopy(from: PeerId, facts: PeerFacts): boolean {
    if (facts.boot === undefined) return false;
    if (this.#boots.isOldCopy(facts.incarnation, openingOf(facts))) return true;
    const before = this.#heard.get(from)?.facts;
    if (before === undefined || before.incarnation !== facts.incarnation) return false;
    return before.boot !== undefined && facts.boot < before.boot;
  }

  #founderIncarnation(peer: PeerId): string | undefined {
    return knownIncarnation(this.#founding, peer);
  }

  #addressesInFile(peer: PeerId): PeerAddresses | undefined {
    const found = memberOf(this.#cluster, peer);
    return found === undefined ? undefined : { peer: found.peer, client: found.client };
  }
}

function readMembers(configuration: Configuration): ReadonlyMap<PeerId, KnownMember> {
  return new Map(configuration.members.map((member) => [member.peer, { member, info: decodeMemberInfo(member.info) }]));
}

function byPeer([left]: readonly [PeerId, unknown], [right]: readonly [PeerId, unknown]): number {
  return left < right ? -1 : 1;
}

function openingOf({ boot = 0, bootMark = 0 }: PeerFacts): Opening {
  return { boot, mark: bootMark };
}
