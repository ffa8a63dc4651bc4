/** What runs add up to. */
import type { OccurrenceCounts } from './checkers/occurrence-counts.ts';
import type { FaultCounts } from './faults/faults.ts';
import type { TrialCounts } from './trials.ts';

/** Things that are rare in practice and must not be in simulation. */
export interface RareEvents extends Readonly<OccurrenceCounts>, TrialCounts {
  /** Leaders after the first. */
  readonly leaderChanges: number;
  /** Entries that were on a disk and were overwritten by a later leader. */
  readonly truncatedEntries: number;
  /** Requests that were answered from the session's table. */
  readonly repeatedSubmissions: number;
  readonly lostWorkers: number;
  readonly refusedStaleTokens: number;
  /** Crashes with a batch in flight. */
  readonly crashesInWrite: number;
  /** Starts from a checkpoint. */
  readonly checkpointRestarts: number;
  readonly powerLosses: number;
  /** Peers that ended themselves for a good reason, and were started again. */
  readonly halts: number;
  /** Disks that were damaged and are whole again. */
  readonly repairs: number;
  /** Peers that were told that they run on an old copy of their directory. */
  readonly copiesRecognised: number;
  /** Peers that did not know any more how they had voted, and were replaced. */
  readonly headsLost: number;
  /** Answers that may be old, and answers of whichever peer that may not. */
  readonly staleReads: number;
  readonly readsAnywhere: number;
  /** Changes of who belongs to the cluster. */
  readonly configurations: number;
  readonly learnersPromoted: number;
  readonly membersRemoved: number;
  readonly transfers: number;
  readonly transfersFailed: number;
  /** Configurations that were in force on a peer and were cut from its log. */
  readonly configurationsRolledBack: number;
  readonly leadersRemoved: number;
  readonly readsThatWaited: number;
  /** Logs that were begun anew behind a state from another peer. */
  readonly snapshotsInstalled: number;
  readonly snapshotsInterrupted: number;
  /** Blocks of tasks due far ahead that were read from the disk to open them, or to cancel one of their tasks. */
  readonly farBlocksRead: number;
}

/** One run, in numbers. */
export interface RunTotals {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly eventsUnderFaults: number;
  readonly requests: number;
  readonly requestsUnderFaults: number;
  readonly messages: number;
  readonly entries: number;
  readonly tasks: number;
  readonly faults: FaultCounts;
  readonly rare: RareEvents;
  /** By checker. */
  readonly comparisons: Readonly<Record<string, number>>;
  /** Calls of clients by how they ended. */
  readonly answers: Readonly<Record<string, number>>;
  readonly traceHash: string;
}

/** Many runs, in numbers. */
export interface Totals {
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly requests: number;
  readonly messages: number;
  readonly entries: number;
  readonly tasks: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly rare: Readonly<Record<string, number>>;
  readonly comparisons: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, number>>;
}

/** The sum of `runs`. */
export function addUp(runs: readonly RunTotals[]): Totals {
  const sum = (of: (run: RunTotals) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const sums = (of: (run: RunTotals) => object): Record<string, number> => {
    const totals: Record<string, number> = {};
    for (const run of runs) {
      for (const [name, value] of Object.entries(of(run))) totals[name] = (totals[name] ?? 0) + Number(value);
    }
    return totals;
  };
  return {
    seeds: runs.length,
    simulatedMs: sum((run) => run.simulatedMs),
    events: sum((run) => run.events),
    requests: sum((run) => run.requests),
    messages: sum((run) => run.messages),
    entries: sum((run) => run.entries),
    tasks: sum((run) => run.tasks),
    faults: sums((run) => run.faults),
    rare: sums((run) => run.rare),
    comparisons: sums((run) => run.comparisons),
    answers: sums((run) => run.answers),
  };
}

/** Rare things and faults that never happened, and checkers that never compared anything: a run that proves less than it says. */
export function missing(totals: Totals): string[] {
  const zero = (counts: Readonly<Record<string, number>>): string[] =>
    Object.entries(counts)
      .filter(([, count]) => count === 0)
      .map(([name]) => name);
  return [...zero(totals.rare), ...zero(totals.faults), ...zero(totals.comparisons)];
}
