/**
 * What a peer says of itself to the others, and what it makes of what they say: before it is founded, by the rules of the first start;
 * from then on, by the configuration of the log.
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { memberOf } from '../config/cluster-config.ts';
import type { OpenedStorage } from '../storage/storage.ts';
import type { Refusal } from '../transport/refusal.ts';
import type { HelloVerdict, OwnFacts, PeerFacts } from '../transport/transport.ts';
import type { Admission } from './admission.ts';
import { FEATURE_LEVEL } from './features.ts';
import type { FirstStart } from './founding.ts';
import { isIncarnation } from './member-info.ts';
import type { MembershipBook } from './membership.ts';

/** What a greeter knows of its host at the moment. */
export interface GreeterView {
  readonly storage: OpenedStorage | undefined;
  /** Set while the founding is waited for. */
  readonly firstStart: FirstStart | undefined;
  /** Set once the peer takes part. */
  readonly membership: MembershipBook | undefined;
  /** This process has opened its directory more than once. */
  readonly openedAnew: boolean;
}

/** What a greeter asks of its host. */
export interface GreeterHooks {
  view(): GreeterView;
  /** An answer came that may decide the first start. */
  judgeFirstStart(): void;
  /** The incarnation of a founder was learned: write it down. */
  learned(): void;
  /** Whom to talk to may have changed. */
  heard(admission: Admission['type']): void;
  /** The others say that this peer must not go on. */
  halt(sentence: string): void;
}

/** See the head of this file. */
export class Greeter {
  readonly #self: PeerId;
  readonly #cluster: ClusterConfig;
  readonly #hooks: GreeterHooks;

  constructor(self: PeerId, cluster: ClusterConfig, hooks: GreeterHooks) {
    this.#self = self;
    this.#cluster = cluster;
    this.#hooks = hooks;
  }

  /** What to tell `to` now. */
  facts(to: PeerId): OwnFacts {
    const { storage, membership } = this.#hooks.view();
    assert(storage !== undefined, 'a peer listens after it opened its directory');
    const own = memberOf(this.#cluster, this.#self);
    assert(own !== undefined, 'a peer is a member of its file');
    // What is on disk counts: an incarnation is told as known only once it is written down.
    const { identity, founding } = storage;
    const known = founding.founded ? membership?.committedIncarnation(to) : undefined;
    const founders =
      founding.founded && membership !== undefined
        ? membership.foundersFor(to)
        : this.#cluster.members.map((member) => member.id).sort();
    return {
      incarnation: identity.incarnation,
      // A founded peer may have voted, and does not pass for one that starts for the first time.
      logEmpty: !founding.founded,
      featureLevel: FEATURE_LEVEL,
      founders,
      addresses: { peer: own.peer, client: own.client },
      boot: storage.boot,
      bootMark: storage.bootMark,
      ...(known === undefined ? {} : { knownIncarnation: known }),
    };
  }

  /** Another peer says hello. */
  hello(from: PeerId, facts: PeerFacts): HelloVerdict {
    if (!isIncarnation(facts.incarnation)) {
      // What is no name of a directory could be neither written down nor told to others.
      return { refuse: `${from} names no data directory`, code: 'INCARNATION' };
    }
    const { firstStart, membership, storage } = this.#hooks.view();
    if (firstStart !== undefined) {
      firstStart.hears(from, facts);
      this.#hooks.judgeFirstStart();
      return 'accept';
    }
    if (membership === undefined || storage?.founding.founded !== true) return 'accept';
    const admission = membership.hears(from, facts);
    if (admission.type === 'learn') this.#hooks.learned();
    this.#hooks.heard(admission.type);
    if (admission.type === 'refuse') return { refuse: admission.sentence, code: admission.code };
    return admission.type === 'joining' ? 'joining' : 'accept';
  }

  /** A handshake failed. */
  refused(refusal: Refusal): void {
    if (refusal.by !== 'them') return;
    // Only who knows of the removal by a committed entry says so.
    if (refusal.code === 'REMOVED') this.#hooks.halt(refusal.sentence);
    // Whoever has seen this very directory opened more often than it was says that it is an old copy. A copy is put back while no process
    // runs: where this one has opened the directory again itself, what it said of itself before has come in after what it said since.
    if (refusal.code === 'DECLINED' && !this.#hooks.view().openedAnew) this.#hooks.halt(refusal.sentence);
  }
}
