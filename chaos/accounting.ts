/** Every acknowledged task has one outcome, by the records of those who saw it and by what was read back. Pure, so that it can be tried. */
import type { LoadRecord } from './load/recorder.ts';

/** A task as it was read back after the end. */
export interface ReadBackTask {
  readonly id: string;
  readonly state: string;
  /** Of the latest placement; 0 before the first. */
  readonly fencingToken: number;
}

/** What was counted. The lists name what should not be, and are empty when all is well. */
export interface Account {
  readonly acknowledged: number;
  readonly done: number;
  readonly cancelled: number;
  /** Attempts that were started. */
  readonly starts: number;
  /** Tasks that were started more than once, as after a lost worker; no fault in itself. */
  readonly startedAgain: number;
  /** Acknowledged, and not there any more. */
  readonly lost: readonly string[];
  /** Acknowledged, and neither done nor cancelled. */
  readonly unfinished: readonly string[];
  /** Two completions were accepted. */
  readonly doubled: readonly string[];
  /** The outcome is another than the one that was accepted, or was given by an attempt that nobody started. */
  readonly contradicted: readonly string[];
  /** A fencing token that was given to two attempts. */
  readonly tokensTwice: readonly string[];
}

/** Counts. `tasks` are all that the cluster has. */
export function accountFor(records: readonly LoadRecord[], tasks: readonly ReadBackTask[]): Account {
  const acknowledged = new Set<string>();
  const starts = new Map<string, Set<number>>();
  const startOf = new Map<number, string>();
  const accepted = new Map<string, number[]>();
  const tokensTwice: string[] = [];
  for (const record of records) {
    if (record.record === 'acknowledged') acknowledged.add(record.id);
    if (record.record === 'start') {
      const { id, token } = record;
      if (startOf.has(token)) tokensTwice.push(`${id} and ${startOf.get(token)}: token ${token}`);
      startOf.set(token, id);
      starts.set(id, (starts.get(id) ?? new Set()).add(token));
    }
    if (record.record === 'answer' && record.answer === 'ok' && record.outcome === 'done')
      accepted.set(record.id, [...(accepted.get(record.id) ?? []), record.token]);
  }
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const states = [...acknowledged].map((id) => [id, byId.get(id)?.state] as const);
  return {
    acknowledged: acknowledged.size,
    done: states.filter(([, state]) => state === 'done').length,
    cancelled: states.filter(([, state]) => state === 'cancelled').length,
    starts: startOf.size,
    startedAgain: [...starts.values()].filter((tokens) => tokens.size > 1).length,
    lost: states.filter(([, state]) => state === undefined).map(([id]) => id),
    unfinished: states
      .filter(([, state]) => state !== undefined && state !== 'done' && state !== 'cancelled')
      .map(([id, state]) => `${id} ${state}`),
    doubled: [...accepted]
      .filter(([, tokens]) => tokens.length > 1)
      .map(([id, tokens]) => `${id}: ${tokens.join(', ')}`),
    contradicted: contradictions(tasks, starts, accepted),
    tokensTwice,
  };
}

function contradictions(
  tasks: readonly ReadBackTask[],
  starts: ReadonlyMap<string, ReadonlySet<number>>,
  accepted: ReadonlyMap<string, readonly number[]>,
): readonly string[] {
  const found: string[] = [];
  for (const { id, state, fencingToken } of tasks) {
    if (state === 'done' && starts.get(id)?.has(fencingToken) !== true)
      found.push(`${id} is done, and was not started`);
    for (const token of accepted.get(id) ?? [])
      if (state !== 'done' || token !== fencingToken)
        found.push(`${id}: attempt ${token} counted, and it is ${state} by ${fencingToken}`);
  }
  return found;
}
