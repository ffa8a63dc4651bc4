/** The last occurrences of a schedule, with what their tasks and the calendar tell of their times. */
import { TaskraftError } from '../client/errors.ts';
import type { Client, ScheduleDetail, SettledOccurrence, TaskInfo, TaskState } from '../index.ts';

/** An occurrence that was settled. All instants are ms since 1970 by log time. */
export interface ScheduleRun extends SettledOccurrence {
  /**
   * When it was due: planned, and its jitter. Undefined of an earlier version, whose jitter nobody knows any more, and of one that was
   * not planned.
   */
  readonly dueMs: number | undefined;
  /** From then to its task, or to its skip. The wait for earlier tasks is in it, where the schedule has them wait. */
  readonly lateMs: number | undefined;
  /** The first start of its task; undefined before, and where that is not kept any more. */
  readonly startedAtMs: number | undefined;
  /** Of its task, while that is not final. */
  readonly state: TaskState | undefined;
  /** What it waits for then. */
  readonly reason: string | undefined;
}

/** Instants that are asked for to cover the last occurrences: there are at most 32, and none of the plan is left out between them. */
const DUE_COUNT = 64;

/** What `detail` says of its last occurrences, and what is looked up besides. @throws TaskraftError */
export async function runsOf(client: Client, detail: ScheduleDetail, stale: boolean): Promise<ScheduleRun[]> {
  const [due, tasks] = await Promise.all([
    stale ? undefined : dueOf(client, detail),
    Promise.all(detail.occurrences.map(({ taskId }) => taskOf(client, taskId, stale))),
  ]);
  return detail.occurrences.map((one, at) => {
    const task = tasks[at];
    const isPlanned = one.kind === 'planned' && one.version === detail.version;
    const dueMs = isPlanned ? (hasJitter(detail) ? due?.get(one.plannedMs) : one.plannedMs) : undefined;
    const isOpen = task !== undefined && one.ended === undefined;
    return {
      ...one,
      dueMs,
      lateMs: dueMs === undefined ? undefined : Math.max(0, one.settledAtMs - dueMs),
      startedAtMs: task === undefined ? undefined : firstStartOf(task),
      state: isOpen ? task.state : undefined,
      reason: isOpen ? task.reason : undefined,
    };
  });
}

/** When the occurrences of the present version were due, by the instant for which each was planned; undefined where nothing says. */
async function dueOf(client: Client, detail: ScheduleDetail): Promise<ReadonlyMap<number, number> | undefined> {
  const planned = detail.occurrences.filter(({ kind, version }) => kind === 'planned' && version === detail.version);
  const [oldest] = planned;
  if (oldest === undefined || !hasJitter(detail)) return undefined;
  try {
    const { occurrences } = await client.schedules.next(detail.id, DUE_COUNT, { after: oldest.plannedMs - 1 });
    return new Map(occurrences.map(({ plannedMs, fireAtMs }) => [plannedMs, fireAtMs]));
  } catch (error) {
    if (isGone(error) || (error instanceof TaskraftError && error.code === 'INVALID_SCHEDULE')) return undefined;
    throw error;
  }
}

async function taskOf(client: Client, taskId: string | undefined, stale: boolean): Promise<TaskInfo | undefined> {
  if (taskId === undefined) return undefined;
  try {
    return await client.get(taskId, { stale });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function firstStartOf({ history, deliveries, startedAtMs }: TaskInfo): number | undefined {
  const first = history.find(({ event }) => event === 'started');
  return first?.atMs ?? (deliveries === 1 ? startedAtMs : undefined);
}

function hasJitter({ calendar }: ScheduleDetail): boolean {
  const jitter: unknown = typeof calendar === 'object' && calendar !== null && 'jitter' in calendar && calendar.jitter;
  return typeof jitter === 'number' && jitter > 0;
}

function isGone(error: unknown): boolean {
  return error instanceof TaskraftError && error.code === 'NOT_FOUND';
}
