/** The invariants of far tasks, checked the slow way: for tests and the simulator. */
import { assert } from '../../base/assert.ts';
import { ByteReader } from '../../base/bytes.ts';
import type { State } from '../state.ts';
import type { FarBlock } from './far-directory.ts';
import { decodeFarEntry } from './far-entry.ts';
import { firstDueMs } from './far.ts';
import { spanMsOf } from './spans.ts';

/**
 * @returns how many far tasks there are of each template, by its id
 * @throws InvariantError that names what does not hold
 */
export function checkFar(state: State): Map<number, number> {
  const { far } = state;
  const byTag = countNumbers(state);
  const byTemplate = new Map<number, number>();
  let tasks = 0;
  let taskBytes = 0;
  for (const block of far.all()) {
    assert(block.tasks > 0 && byTag.get(block.tag) === block.tasks, 'as many numbers lead to a block as it has tasks');
    assert(block.sealed || block.body !== undefined, 'an open block is in memory');
    assert(block.openAtMs < block.beginMs, 'a block is opened before the first of its tasks is due');
    tasks += block.tasks;
    taskBytes += block.taskBytes;
    for (let at = 0; at < block.templates.length; at += 2) {
      const template = block.templates[at] as number;
      byTemplate.set(template, (byTemplate.get(template) ?? 0) + (block.templates[at + 1] as number));
    }
    checkBody(state, block);
  }
  const counted = [...byTag.values()].reduce((sum, count) => sum + count, 0);
  assert(counted === tasks, 'every far number leads to a block that is there');
  assert(far.tasks === tasks && far.taskBytes === taskBytes, 'far tasks and their bytes equal a recount');
  return byTemplate;
}

/** Numbers of far tasks by the tag of their blocks. */
function countNumbers(state: State): Map<number, number> {
  const byTag = new Map<number, number>();
  if (state.far.count === 0) return byTag;
  for (let number = 1; number < state.meta.nextNumber; number += 1) {
    const tag = state.memory.pages.farTagOf(number);
    if (tag !== 0) byTag.set(tag, (byTag.get(tag) ?? 0) + 1);
  }
  return byTag;
}

/** What the body says, as far as it is in memory. */
function checkBody(state: State, block: FarBlock): void {
  const body = state.far.bodyOf(block);
  if (body === undefined) return;
  const reader = new ByteReader(body, 1);
  const byTemplate = new Map<number, number>();
  let taskBytes = 0;
  while (reader.remaining > 0) {
    const number = reader.varint();
    const bytes = reader.bytes();
    if (state.memory.pages.farTagOf(number) !== block.tag) continue;
    const entry = decodeFarEntry(state, bytes);
    const dueMs = firstDueMs(entry.createdAtMs, entry.runAtMs, entry.template.totalMs);
    const endMs = block.beginMs + spanMsOf(state.limits.farSpanMs, block.level);
    assert(dueMs >= block.beginMs && dueMs < endMs, 'a far task is due in the span of its block');
    byTemplate.set(entry.template.id, (byTemplate.get(entry.template.id) ?? 0) + 1);
    taskBytes += entry.payloadBytes + entry.headers.length;
  }
  assert(block.taskBytes === taskBytes, 'the bytes of a block equal a recount');
  for (let at = 0; at < block.templates.length; at += 2) {
    const count = byTemplate.get(block.templates[at] as number);
    assert(count === block.templates[at + 1], 'the templates of a block equal a recount');
  }
  assert(byTemplate.size * 2 === block.templates.length, 'a block counts each of its templates once');
}
