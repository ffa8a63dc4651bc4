/** Makes a state of the records of a checkpoint. */
import { DecodeError } from '../base/bytes.ts';
import { settleFar } from './far/far.ts';
import { BODY_TABLE_IDS_FROM, TABLE_IDS } from './memory/table-ids.ts';
import { readRecordKey } from './memory/records.ts';
import type { State } from './state.ts';
import { FIRST_FINAL, TASK_STATES } from './states.ts';
import { refresh } from './worker-commands.ts';

/** Takes one record in. @throws DecodeError */
export function loadRecord(state: State, key: Uint8Array, value: Uint8Array): void {
  const table = key[0] ?? 0;
  if (table === TABLE_IDS.blocks) {
    const id = readRecordKey(key);
    const { blocks } = state.memory;
    // Bodies are read when someone asks for them; only the blocks that are still appended to are needed now.
    if (blocks.isMissing(id)) state.checkpoints.restore(key, value);
    else if (!blocks.isBody(id, value))
      throw new DecodeError(`the block ${id} of finished tasks is not what its directory says`);
    return;
  }
  if (table === TABLE_IDS.farBlocks) {
    const id = readRecordKey(key);
    if (state.far.isMissing(id)) state.checkpoints.restore(key, value);
    else if (!state.far.isBody(id, value))
      throw new DecodeError(`the block ${id} of far tasks is not what its directory says`);
    return;
  }
  if (table < BODY_TABLE_IDS_FROM) state.checkpoints.restore(key, value);
}

/**
 * Puts everything together that the records tell apart, and verifies the digest. Yields now and then, so that a state of millions
 * of tasks holds nobody up. @throws DecodeError
 */
export function* settleLoad(state: State): Generator<void, void> {
  const { memory, queues, templates, workers, schedules, line, records, meta } = state;
  memory.restored(meta.nextNumber, state.far.tasks);
  state.far.restored();
  yield;
  queues.settle();
  templates.settle();
  yield* settleFar(state);
  yield* records.settle();
  yield* schedules.settle();
  workers.settle();
  for (const worker of workers.slots) {
    refresh(worker);
    line.join(worker);
  }
  for (const template of templates.slots) {
    if (template.references === 0) throw new DecodeError(`the template ${template.id} is used by no task`);
  }
  for (const queue of queues.list) {
    for (let code = FIRST_FINAL; code < TASK_STATES.length; code += 1) {
      state.counts[code] = (state.counts[code] as number) + (queue.counts[code] as number);
    }
  }
}
