/** Looks at schedules again and again, and remembers each occurrence that was among the last ones of any. */
import { type Client, TaskraftError } from '../../src/index.ts';
import { pause, sharedClockMs } from '../clock.ts';
import type { ChaosCluster } from '../cluster.ts';
import type { MadeTask, SeenOccurrence } from './collected.ts';

/** What a look shows. */
export type ScheduleDetail = Awaited<ReturnType<Client['schedules']['get']>>;

const LOOK_MS = 1_000;
const AGAIN_MS = 200;
/** How long something is repeated, in ms: longer than any fault lasts. */
const PATIENCE_MS = 180_000;
const PAGE = 1_000;

/** See the head of this file. */
export class Watch {
  readonly #cluster: ChaosCluster;
  readonly #ids: readonly string[];
  readonly #seen = new Map<string, SeenOccurrence>();
  /** By schedule and its beginning. */
  readonly #settledThroughMs = new Map<string, number>();
  #stopped = false;

  constructor(cluster: ChaosCluster, ids: readonly string[]) {
    this.#cluster = cluster;
    this.#ids = ids;
  }

  /** All that was seen so far. */
  get seen(): readonly SeenOccurrence[] {
    return [...this.#seen.values()];
  }

  /** Up to where the cluster was seen to have settled one life of a schedule. */
  settledThroughMs(id: string, createdAtMs: number): number {
    return this.#settledThroughMs.get(`${id} ${createdAtMs}`) ?? createdAtMs;
  }

  /** Looks at all, again and again, until `stop`. Whatever cannot be seen now is seen later. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(this.#ids.map((id) => this.look(id).catch(passing)));
      await pause(LOOK_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Looks at one. @throws TaskraftError */
  async look(id: string): Promise<ScheduleDetail> {
    const detail = await (await this.#cluster.client()).schedules.get(id);
    const { createdAtMs } = detail;
    this.#settledThroughMs.set(`${id} ${createdAtMs}`, detail.settledThroughMs);
    for (const one of detail.occurrences) {
      const { version, plannedMs, kind, settledAtMs, taskId = null, skipped = null } = one;
      // Two ends of one occurrence are two things that were seen.
      const key = [id, createdAtMs, version, plannedMs, kind, taskId, skipped].join(' ');
      const seen = { schedule: id, createdAtMs, version, plannedMs, kind, settledAtMs, task: taskId, skipped };
      this.#seen.set(key, seen);
    }
    return detail;
  }
}

/** Does something again until it is answered: what is repeated here changes nothing the second time. @throws what no repetition helps against */
export async function persist<Result>(act: () => Promise<Result>): Promise<Result> {
  const endMs = sharedClockMs() + PATIENCE_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      passing(error);
      if (sharedClockMs() > endMs) throw error;
      await pause(AGAIN_MS);
    }
  }
}

/** All tasks of the cluster that name an occurrence. */
export async function readTasks(cluster: ChaosCluster): Promise<readonly MadeTask[]> {
  const client = await cluster.client();
  const tasks: MadeTask[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const { id, state, createdAtMs, finishedAtMs = null, occurrence } of page.tasks) {
      if (occurrence !== undefined) tasks.push({ id, state, createdAtMs, finishedAtMs, ...occurrence });
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}

/** @throws unless it may be otherwise a moment later */
function passing(error: unknown): void {
  if (error instanceof TaskraftError && PASSING.has(error.code)) return;
  throw error;
}

const PASSING: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'OUTCOME_UNKNOWN', 'OVERLOADED', 'NOT_FOUND']);
