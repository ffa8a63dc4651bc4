/** What a run of schedules collected, as plain data: it is written to a file, judged, and copied with lies in it. */
import type { Cycle } from './cycle.ts';

/** All that was collected. Instants of the cluster are in ms of log time, those of workers in µs of the clock that they share. */
export interface Collected {
  readonly lives: readonly Life[];
  readonly tasks: readonly MadeTask[];
  readonly seen: readonly SeenOccurrence[];
  readonly runs: readonly Run[];
  readonly triggers: readonly AnsweredTrigger[];
  readonly pauses: readonly Pause[];
}

/** A schedule from the put that made it to its end. One that was deleted and put anew has two. */
export interface Life {
  readonly schedule: string;
  readonly overlap: 'skip' | 'bufferOne' | 'bufferAll' | 'cancelOther' | 'allow';
  readonly catchUp: 'latest' | 'all' | 'none';
  readonly jitterMs: number;
  /** 0: no bound. */
  readonly maxRuns: number;
  readonly createdAtMs: number;
  /** By version, ascending. */
  readonly versions: readonly DeclaredVersion[];
  readonly end: Ended | Deleted;
}

/** What was put, and when that was applied. */
export interface DeclaredVersion {
  readonly version: number;
  readonly cycle: Cycle;
  readonly changedAtMs: number;
  /** The last instant that may be; null for none. */
  readonly endAtMs: number | null;
}

/** It named no more instants, and was looked at afterwards. */
export interface Ended {
  readonly how: 'ended';
  /** Tasks made by plan, by the word of the cluster. */
  readonly fired: number;
  /** Occurrences skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

/** It was deleted somewhere between these two: what is planned up to the first has to be there, what is planned after the second must not. */
export interface Deleted {
  readonly how: 'deleted';
  readonly settledThroughMs: number;
  readonly deletedByMs: number;
}

/** A task that a list shows, with the occurrence that it names. */
export interface MadeTask {
  readonly id: string;
  readonly schedule: string;
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: string;
  readonly state: string;
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
}

/** An occurrence among the last ones of a schedule, when somebody looked. */
export interface SeenOccurrence {
  readonly schedule: string;
  /** Which life of it. */
  readonly createdAtMs: number;
  readonly version: number;
  readonly plannedMs: number;
  readonly kind: string;
  readonly settledAtMs: number;
  readonly task: string | null;
  readonly skipped: string | null;
}

/** A handler that was called, by the stamps of its worker; the end of a worker ends what ran there. */
export interface Run {
  readonly schedule: string;
  readonly task: string;
  readonly token: number;
  readonly beganUs: number;
  readonly endedUs: number;
  /** By the wall clock of the host. */
  readonly beganWallMs: number;
}

/** A trigger that was answered, perhaps after it was sent several times. */
export interface AnsweredTrigger {
  readonly schedule: string;
  readonly request: string;
  readonly task: string | null;
}

/** A pause: it began after the first and before the second, and was over after the third and before the fourth. */
export interface Pause {
  readonly schedule: string;
  readonly spanMs: readonly [askedMs: number, begunMs: number, resumingMs: number, resumedMs: number];
}
