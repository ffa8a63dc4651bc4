import { assert } from '../base/assert.ts';
import type { LogIndex, PeerId } from '../base/ids.ts';

/**
 * Who votes. One object in one place: every count of votes, acknowledgements and answers goes through it.
 * Invariant: `voters` is not empty, sorted, each once.
 */
export interface Configuration {
  readonly voters: readonly PeerId[];
}

/** The configuration of `voters`, in the one order that every loop follows. */
export function configuration(voters: readonly PeerId[]): Configuration {
  assert(voters.length > 0, 'a configuration without voters could commit alone');
  return { voters: voters.toSorted((left, right) => (left < right ? -1 : 1)) };
}

/** The fewest of `count` voters that are more than half. */
export function quorumOf(count: number): number {
  assert(count > 0, 'a quorum of nobody is no quorum');
  return Math.floor(count / 2) + 1;
}

/** The largest value that a quorum reached, given one value for each voter. Sorts `values` in place. */
export function quorumValue(values: LogIndex[]): LogIndex {
  values.sort((left, right) => right - left);
  return values[quorumOf(values.length) - 1] as LogIndex;
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
