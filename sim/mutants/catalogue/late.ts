/** Bugs of checkpoints that are written while the state goes on: a change that is noted only after it was made. */
import type { Mutant } from '../mutant.ts';

const ORIGIN = 'atomix/copycat#242: a state that goes on changing while its snapshot is taken';

/** The bugs of what changes while it is being written. Each needs its change between a mark and the end of its checkpoint. */
export const LATE: readonly Mutant[] = [
  {
    name: 'timeout-is-captured-late',
    origin: ORIGIN,
    wrong:
      'A task whose attempt runs out of time while its checkpoint is written goes there with that failure counted.',
    file: 'src/scheduler/complete.ts',
    find: `export function failByTimeout(state: State, row: number): void {
  state.tasks.touch(row);`,
    replace: `export function failByTimeout(state: State, row: number): void {`,
  },
  {
    name: 'lost-worker-is-captured-late',
    origin: ORIGIN,
    wrong: 'A worker that goes away while its checkpoint is written is away there already.',
    file: 'src/scheduler/worker-commands.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.status = WORKER.away;
  worker.awaySinceMs = state.nowMs;`,
    replace: `  worker.status = WORKER.away;
  worker.awaySinceMs = state.nowMs;
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'attached-worker-is-captured-late',
    origin: ORIGIN,
    wrong: 'A worker that attaches while its checkpoint is written is attached there already.',
    file: 'src/scheduler/attach.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.namespace = namespace;
  worker.types = types;
  worker.typeNames = command.types;
  worker.labels = command.labels;
  worker.slots = command.slots;
  worker.version = command.version;
  worker.status = WORKER.attached;
  worker.attachedTerm = state.meta.term;`,
    replace: `  worker.namespace = namespace;
  worker.types = types;
  worker.typeNames = command.types;
  worker.labels = command.labels;
  worker.slots = command.slots;
  worker.version = command.version;
  worker.status = WORKER.attached;
  worker.attachedTerm = state.meta.term;
  state.workers.table.touch(worker.slot);`,
  },
  {
    name: 'returned-handler-is-captured-late',
    origin: ORIGIN,
    wrong: 'A handler that returns while the checkpoint of its worker is written has returned there already.',
    file: 'src/scheduler/complete.ts',
    find: `  state.workers.table.touch(worker.slot);
  worker.lingering.delete(token);`,
    replace: `  worker.lingering.delete(token);
  state.workers.table.touch(worker.slot);`,
  },
];
