/**
 * Which bodies of far blocks must be in memory before an entry is applied: that of the block which it opens, and those of the far
 * tasks that it cancels. What is there is not named.
 */
import { ByteReader } from '../../base/bytes.ts';
import { BatchReader } from '../batch.ts';
import { decodeCommand } from '../decode.ts';
import type { State } from '../state.ts';
import { COMMAND_CODES } from '../version.ts';

/** A body to be read from the state database and given to the state machine. */
export interface FarNeed {
  /** Id of the block. */
  readonly block: number;
  /** The tasks whose bytes are needed; none when the whole block is. */
  readonly numbers: readonly number[];
}

const NOTHING: readonly FarNeed[] = [];

/** The next block to be opened is read ahead by this part of the shortest span. */
const AHEAD_PART = 32;

/** What applying `batch` next needs and is not in memory. @throws DecodeError */
export function farNeeds(state: State, batch: Uint8Array): readonly FarNeed[] {
  const { far } = state;
  if (far.count === 0) return NOTHING;
  const entry = new BatchReader(batch);
  const needs: FarNeed[] = [];
  const opened = far.first;
  if (opened !== undefined && opened.openAtMs <= Math.max(1, entry.logTimeMs) && far.bodyOf(opened) === undefined)
    needs.push({ block: opened.id, numbers: [] });
  const cancelled: number[] = [];
  while (entry.next()) {
    const { reader, commandEnd } = entry;
    const { position } = reader;
    reader.skip(commandEnd - position);
    if (batch[position] !== COMMAND_CODES.cancel) continue;
    const { command } = decodeCommand(new ByteReader(batch, position, commandEnd));
    if (command.type === 'cancel' && command.numbers.length <= state.limits.numbersMax)
      cancelled.push(...command.numbers);
  }
  if (cancelled.length > 0) needs.push(...farNeedsOf(state, cancelled));
  return needs;
}

/** What cancelling these tasks needs and is not in memory, a block at a time. */
export function farNeedsOf(state: State, cancelled: readonly number[]): readonly FarNeed[] {
  const byBlock = new Map<number, number[]>();
  for (const number of cancelled) {
    const tag = state.memory.pages.farTagOf(number);
    if (tag === 0) continue;
    const block = state.far.byTag(tag);
    if (state.far.entryOf(block, number) !== undefined) continue;
    const numbers = byBlock.get(block.id);
    if (numbers === undefined) byBlock.set(block.id, [number]);
    else numbers.push(number);
  }
  return byBlock.size === 0 ? NOTHING : [...byBlock].map(([block, numbers]) => ({ block, numbers }));
}

/** The id of the block that is opened next, when that is soon and its body is not in memory. */
export function farAhead(state: State): number | undefined {
  const { far, limits } = state;
  const next = far.first;
  if (next === undefined || next.openAtMs - state.nowMs > limits.farSpanMs / AHEAD_PART) return undefined;
  return far.bodyOf(next) === undefined ? next.id : undefined;
}
