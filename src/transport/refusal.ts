/**
 * Why two peers do not talk. The codes are part of the wire contract between peers: one is never given a new meaning.
 *
 * - `BAD_FRAME` the other end does not speak our language at all
 * - `VERSION` no version of the wire contract is common
 * - `WRONG_CLUSTER` the cluster ids differ
 * - `UNKNOWN_MEMBER` the caller is no member of this cluster, and too many others wait to join it
 * - `WRONG_PEER` the address leads to another peer than the one that was dialed
 * - `SELF` a peer was dialed by itself, or by one that uses its id
 * - `CONFIG` the parts of the configuration that all peers share differ
 * - `WRONG_SECRET` one of the ends did not prove that it knows the secret, or has none
 * - `INCARNATION` the peer's data directory is not the one that the cluster knows
 * - `REMOVED` the peer was a member with this data directory, and was removed from the cluster
 * - `DECLINED` the peer itself does not want the connection, for the reason in the sentence
 * - `TIMEOUT` the handshake was not finished in time
 * - `BUSY` too many handshakes at once
 */
export type RefusalCode =
  | 'BAD_FRAME'
  | 'VERSION'
  | 'WRONG_CLUSTER'
  | 'UNKNOWN_MEMBER'
  | 'WRONG_PEER'
  | 'SELF'
  | 'CONFIG'
  | 'WRONG_SECRET'
  | 'INCARNATION'
  | 'REMOVED'
  | 'DECLINED'
  | 'TIMEOUT'
  | 'BUSY';

/** One refusal, with a sentence for the operator. `by` is the end that spoke it. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly sentence: string;
  readonly by: 'us' | 'them';
}
