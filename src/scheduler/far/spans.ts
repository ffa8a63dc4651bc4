/**
 * Into which span of time a far task is filed: the further away it is, the longer the span, so that few blocks are open at a time
 * however far ahead people plan.
 *
 *     level 0    farSpanMs              an hour        2 hours and more away
 *     level 1    farSpanMs × 32         32 hours       64 hours and more
 *     level 2    farSpanMs × 32²        6 weeks        12 weeks and more
 *     level 3    farSpanMs × 32³        4 years        7 years and more
 *
 * A task is filed at least two spans ahead, and a block is opened within the half span before its own begins: so nothing is ever
 * filed into a span whose blocks are being opened.
 */
import { assert } from '../../base/assert.ts';

const LEVEL_BITS = 5;

/** Levels that there may be: with spans of a millisecond they reach over a thousand years. */
export const LEVELS_MAX = 10;

/** The level at which a task is filed that is due in `distanceMs`; -1 when it is not far. */
export function levelOf(farSpanMs: number, distanceMs: number): number {
  let level = -1;
  for (let spanMs = farSpanMs; distanceMs >= 2 * spanMs && level < LEVELS_MAX - 1; spanMs *= 1 << LEVEL_BITS)
    level += 1;
  return level;
}

/** Length of the spans of a level, in ms. */
export function spanMsOf(farSpanMs: number, level: number): number {
  assert(level >= 0 && level < LEVELS_MAX, 'there are few levels of spans');
  return farSpanMs * 2 ** (LEVEL_BITS * level);
}

/** Begin of the span of `spanMs` in which `dueMs` lies. */
export function spanBeginMs(spanMs: number, dueMs: number): number {
  return Math.floor(dueMs / spanMs) * spanMs;
}

/**
 * When the block `id` of a span is opened: within the half span before it begins. Multiples of the golden ratio spread ids that
 * follow each other evenly, so that no moment has more than its share.
 */
export function openAtMsOf(spanMs: number, beginMs: number, id: number): number {
  const leadMs = Math.floor(spanMs / 2);
  const part = Math.imul(id | 0, 0x9e3779b1) >>> 16;
  return beginMs - leadMs + Math.floor((part * leadMs) / 0x1_0000);
}
