import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';

/** The fewest of `count` voters that are more than half. */
export function quorumOf(count: number): number {
  assert(count > 0, 'a quorum of nobody is no quorum');
  return Math.floor(count / 2) + 1;
}

/** The largest value that a quorum reached, given one for each voter: the first `count` of `values`, which are sorted in place. */
export function quorumValue(values: LogIndex[], count: number = values.length): LogIndex {
  // By insertion: there are nine at most, they are nearly in order, and nothing is made for the garbage collector.
  for (let at = 1; at < count; at += 1) {
    const value = values[at] as LogIndex;
    let to = at;
    for (; to > 0 && (values[to - 1] as LogIndex) < value; to -= 1) values[to] = values[to - 1] as LogIndex;
    values[to] = value;
  }
  return values[quorumOf(count) - 1] as LogIndex;
}

/** Where a vote stands: a quorum granted it, a quorum can no longer grant it, or neither yet. */
export type VoteResult = 'won' | 'lost' | 'pending';

/** Counts what each voter said; a voter not in `votes` has not answered. */
export function voteResult(votes: ReadonlyMap<PeerId, boolean>, voters: readonly PeerId[]): VoteResult {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted += 1;
    else if (vote === false) refused += 1;
  }
  if (granted >= quorumOf(voters.length)) return 'won';
  return voters.length - refused < quorumOf(voters.length) ? 'lost' : 'pending';
}
