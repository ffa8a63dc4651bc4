/** What the plain model of the scheduler keeps of tasks, workers and keys. */
import type { Labels, TaskTemplate } from '../../src/scheduler/command.ts';
import type { Refusal } from '../../src/scheduler/outcome.ts';
import type { TaskState } from '../../src/scheduler/views.ts';

export interface ModelTask {
  number: number;
  namespace: string;
  template: TaskTemplate;
  key: string | undefined;
  state: TaskState;
  createdAtMs: number;
  /** The instant of the present state's own timer; 0 for none. */
  dueMs: number;
  sequence: number;
  token: number;
  worker: ModelWorker | undefined;
  cancelling: boolean;
  suspect: boolean;
  crashTimes: number[];
  failures: number;
  crashes: number;
  deliveries: number;
  reason: string | undefined;
}

export interface ModelWorker {
  id: string;
  instance: string;
  namespace: string;
  registration: number;
  types: readonly string[];
  labels: Labels;
  slots: number;
  status: 'attached' | 'away' | 'lost' | 'ended';
  term: number;
  awaySinceMs: number;
  draining: boolean;
  deadlineMs: number;
  emptying: string | undefined;
  lingering: Map<number, number>;
}

export interface ModelKey {
  number: number;
  content: string;
  freeAtMs: number;
}

export const NEW_WORKER: Omit<ModelWorker, 'id' | 'registration' | 'lingering'> = {
  instance: '',
  namespace: '',
  types: [],
  labels: [],
  slots: 0,
  status: 'away',
  term: 0,
  awaySinceMs: 0,
  draining: false,
  deadlineMs: 0,
  emptying: undefined,
};

export function refused(code: Refusal['code'], position = -1): Refusal {
  return { type: 'refused', code, position };
}

/** How many of the last two crashes of a task came after `afterMs`. */
export function recentCrashes(task: ModelTask, afterMs: number): number {
  return task.crashTimes.slice(-2).filter((atMs) => atMs > afterMs).length;
}
