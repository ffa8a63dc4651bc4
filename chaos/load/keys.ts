/**
 * The tasks that clients share. A task is known by its key alone, from which everything about it follows: whoever submits it
 * submits the same. Keys come into use one after the other as time passes, so that several clients are at the same key at once.
 */
import { below, type Random } from '../../src/base/random.ts';
import type { TaskSpec } from '../../src/index.ts';
import { TASK_TYPE } from './messages.ts';

/** Keys that share a queue: what one list shows. */
export const KEYS_OF_A_QUEUE = 4;

/** How many of the newest keys clients choose from. */
const KEYS_IN_USE = 24;
/** Each so often a new key comes into use, in ms. */
const KEY_EVERY_MS = 15;

/** What a handler gets. */
export interface SharedPayload {
  readonly key: string;
  readonly workMs: number;
}

/** What a handler gives back: which attempt it was. */
export interface SharedResult {
  readonly key: string;
  readonly token: number;
}

/** A key that is in use `nowMs` by the shared clock, by lot. */
export function drawKey(random: Random, beganMs: number, nowMs: number): number {
  return Math.floor((nowMs - beganMs) / KEY_EVERY_MS) + below(random, KEYS_IN_USE);
}

/** The key with this number. */
export function keyOf(number: number): string {
  return `k${number}`;
}

/** The queue of a key. */
export function queueOf(number: number): string {
  return `q${Math.floor(number / KEYS_OF_A_QUEUE)}`;
}

/** All keys of the queue of a key. */
export function keysBeside(number: number): readonly string[] {
  const first = Math.floor(number / KEYS_OF_A_QUEUE) * KEYS_OF_A_QUEUE;
  return Array.from({ length: KEYS_OF_A_QUEUE }, (_, at) => keyOf(first + at));
}

/** The task of a key: most are done at once, some wait before, some take their time and can be cancelled meanwhile. */
export function specOf(number: number): TaskSpec {
  const key = keyOf(number);
  const character = (number * 7919) % 10;
  const workMs = character < 6 ? number % 5 : 100 + (number % 7) * 100;
  const payload: SharedPayload = { key, workMs };
  return { type: TASK_TYPE, queue: queueOf(number), key, payload, ...(character === 9 ? { delay: 700 } : {}) };
}
