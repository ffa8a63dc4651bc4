/** Makes a state of the records of a checkpoint. */
import { DecodeError } from '../base/bytes.ts';
import type { Hash64 } from '../base/hash.ts';
import { BODY_TABLE_IDS_FROM, TABLE_IDS } from './memory/table-ids.ts';
import { recordKey } from './memory/records.ts';
import type { State } from './state.ts';
import { FIRST_FINAL, TASK_STATES } from './states.ts';
import { refresh } from './worker-commands.ts';

/** Takes one record in. @throws DecodeError */
export function loadRecord(state: State, key: Uint8Array, value: Uint8Array): void {
  const table = key[0] ?? 0;
  // Bodies are read when someone asks for them; only the blocks that are still appended to are needed now.
  if (table >= BODY_TABLE_IDS_FROM && !isMissing(state, key)) return;
  state.checkpoints.restore(key, value);
}

function isMissing(state: State, key: Uint8Array): boolean {
  if (key[0] !== TABLE_IDS.blocks) return false;
  return state.memory.blocks.missingBodies().some((id) => sameBytes(recordKey(TABLE_IDS.blocks, id), key));
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Puts everything together that the records tell apart, and verifies the digest. @throws DecodeError */
export function settleLoad(state: State, mark: { readonly index: number; readonly digest: Hash64 }): void {
  const { memory, queues, templates, workers, line, records, meta } = state;
  memory.restored(meta.nextNumber);
  queues.settle();
  templates.settle();
  records.settle();
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
  state.checkpoints.restored(mark);
}
