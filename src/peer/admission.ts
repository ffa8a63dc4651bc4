/**
 * Whom a peer that takes part talks to, judged by the configuration in force here, and by what the other says of itself.
 *
 * A name alone is not enough: a peer that comes back under its old name with an empty disk could vote a second time in a term
 * and un-commit what it once acknowledged. So every data directory has an incarnation drawn at random; the configuration of the log
 * names those that belong to the cluster, and an answer counts only from them.
 *
 * A peer that is behind may have an older configuration than the one that calls it. It must listen to a leader that it does not
 * know yet, or it would never learn of the change; it only must not count its answers (thesis §4.2.4). Such callers are `foreign`.
 *
 * Pure: facts come in, verdicts go out.
 */
import type { PeerId } from '../base/ids.ts';
import type { PeerFacts } from '../transport/transport.ts';

/** What is known of another peer here. */
export interface Standing {
  /** It is a member by the newest configuration in the own log. */
  readonly member: boolean;
  /** The incarnation of that member; undefined when it was never heard. */
  readonly incarnation: string | undefined;
  /** This data directory belonged to a member that was removed. */
  readonly removed: boolean;
  /** This data directory was opened more often than it says: it is an old copy of itself. */
  readonly oldCopy: boolean;
}

/** Whom a peer that takes part lets in. */
export type Admission =
  /** A member, as it is known. */
  | { readonly type: 'accept' }
  /** A founder that was not heard before: write its incarnation down. */
  | { readonly type: 'learn' }
  /** It belongs to a newer configuration than the own one: its requests are heard, its answers do not count. */
  | { readonly type: 'foreign' }
  /** It could become a member. */
  | { readonly type: 'joining' }
  | { readonly type: 'refuse'; readonly code: 'INCARNATION' | 'REMOVED' | 'DECLINED'; readonly sentence: string };

/** What `self` makes of `from`, which says these `facts` of itself. */
export function admit(self: PeerId, from: PeerId, standing: Standing, facts: PeerFacts): Admission {
  const fresh = facts.logEmpty;
  const knowsUs = facts.knowsMe === 'as-this';
  if (standing.removed) return { type: 'refuse', code: 'REMOVED', sentence: removedSentence(from) };
  if (standing.oldCopy) return { type: 'refuse', code: 'DECLINED', sentence: oldCopySentence(from) };
  if (!standing.member) return knowsUs && !fresh ? { type: 'foreign' } : { type: 'joining' };
  if (standing.incarnation === undefined) {
    // A member without a log that knows nobody may be new under an old name. It cannot take part before others know it.
    if (fresh && facts.knowsMe === 'not') return { type: 'accept' };
    if (facts.knowsMe === 'as-another') return refuseForeign(self, from);
    // One that came later under the name of a founder does not pass for that founder.
    if (facts.founders.includes(from)) return { type: 'learn' };
    return knowsUs ? { type: 'foreign' } : { type: 'joining' };
  }
  if (standing.incarnation !== facts.incarnation) {
    if (fresh) return { type: 'joining' };
    return knowsUs ? { type: 'foreign' } : refuseForeign(from, self);
  }
  // It is who it should be. That it knows another directory of ours says nothing: after a restart it tells what it has applied, which
  // may be older than the change by which we came in. Were that refused, a cluster that stood still as a whole would never start again.
  return { type: 'accept' };
}

/** What the operator of a removed peer has to know. */
export function removedSentence(peer: PeerId): string {
  return (
    `${peer} was removed from the cluster. To make it a member again, empty its data directory, start it, and run ` +
    `"taskraft cluster add ${peer}".`
  );
}

/** What the operator of a peer has to know whose directory was put back from a copy. */
export function oldCopySentence(peer: PeerId): string {
  return (
    `the data directory of ${peer} is an old copy of itself: what it acknowledged and voted since is not in it, and taking part with ` +
    `it could lose what the cluster promised. Empty it, start ${peer}, and run "taskraft cluster replace ${peer}".`
  );
}

/** What the operator of `peer` has to know: `witness` does not accept its data directory. */
export function foreignSentence(peer: PeerId, witness: PeerId): string {
  return (
    `the data directory of ${peer} is not the one that ${witness} knows as that of ${peer}: it was replaced meanwhile, or belongs ` +
    `to another cluster of the same name. Start ${peer} with the directory that the cluster knows, or with an empty one and run ` +
    `"taskraft cluster replace ${peer}".`
  );
}

function refuseForeign(peer: PeerId, witness: PeerId): Admission {
  return { type: 'refuse', code: 'INCARNATION', sentence: foreignSentence(peer, witness) };
}
