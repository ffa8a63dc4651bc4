/**
 * Finds out that no peer can ever lead again, because what was lost to damage may have been committed and nobody has it whole.
 *
 * A damaged peer votes by the end of its log as it had recorded it, and never campaigns. When every voter has said how its log is,
 * and none that is whole could get the votes of a majority, then no intact copy of some entry exists that may have been acknowledged.
 * Going on without it would be to forget it in silence, so that is for an operator to decide.
 *
 * A peer that lost its state alone has its log whole. It can lead once another peer has given it a state, which needs no leader, however
 * long it takes.
 *
 * Pure.
 */
import type { LogIndex, PeerId, Term } from '../base/ids.ts';

/** How a voter's log is, as it says. */
export interface LogReport {
  readonly peer: PeerId;
  readonly damaged: boolean;
  /** It has no state, and its log does not make one. */
  readonly stateMissing: boolean;
  readonly lastIndex: LogIndex;
  /** While damaged: of the log as it was recorded. */
  readonly lastTerm: Term;
}

/**
 * True when one of `reports`, which are those of all voters, could be elected by a majority of them.
 *
 * @param learnerHasState A learner may have a state to give: it leads nothing, but one that lost its own gets it from there.
 */
export function someoneCanLead(reports: readonly LogReport[], learnerHasState: boolean): boolean {
  const majority = (reports.length >> 1) + 1;
  const someoneHasState = learnerHasState || reports.some((report) => !report.stateMissing);
  return reports.some((candidate) => {
    if (candidate.damaged || (candidate.stateMissing && !someoneHasState)) return false;
    const votes = reports.filter((voter) => voter.peer === candidate.peer || upToDate(candidate, voter));
    return votes.length >= majority;
  });
}

/** The sentence of a peer that finds this out. */
export function noCopySentence(damaged: readonly PeerId[]): string {
  return (
    `the logs of ${damaged.join(', ')} are damaged, and no peer has an intact copy of what they lost and may have acknowledged. Put ` +
    'back an intact copy of the data directory of one of them. Without one, that part of the log is lost: start a new cluster, ' +
    'from the data directory of the peer that has most, if you accept this.'
  );
}

function upToDate(candidate: LogReport, voter: LogReport): boolean {
  if (candidate.lastTerm !== voter.lastTerm) return candidate.lastTerm > voter.lastTerm;
  return candidate.lastIndex >= voter.lastIndex;
}
