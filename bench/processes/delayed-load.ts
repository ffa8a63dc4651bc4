/** What the client does for the bench of delayed tasks: submits tasks for later, keeps a pace, and asks when tasks were placed. */
import type { Client, TaskHandle, TaskSpec } from '../../src/index.ts';
import { instantAt } from '../lateness.ts';
import type { ToProcess } from './messages.ts';

/** Where a payload names the instant at which its task is to run; 0 there for at once. */
export const RUN_AT_BYTE = 8;

/** Paced submissions are made this often, in ms. */
const PACE_MS = 5;
/** A cluster that is behind by so many paced submissions gets no more before it has answered one. */
const PACED_MAX = 64;
const BATCH_TASKS_MAX = 1_000;
/** Reads under way. */
const READS = 64;

/** Makes payloads, each with a number of its own. */
export type MakePayloads = (count: number) => Uint8Array[];

type DelayOrder = Extract<ToProcess, { type: 'delay' }>;

/** See the head of this file. */
export class DelayedLoad {
  readonly #client: Client;
  readonly #payloads: MakePayloads;
  /** Tasks that are asked for later, and when each is to run. */
  readonly #remembered: { readonly handle: TaskHandle; readonly runAtMs: number }[] = [];
  #pace: ReturnType<typeof setInterval> | undefined;
  readonly #paced = new Set<Promise<void>>();

  constructor(client: Client, payloads: MakePayloads) {
    this.#client = client;
    this.#payloads = payloads;
  }

  /** Submits the tasks of `order`; done when all are acknowledged. */
  async delay(order: DelayOrder): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < order.tasks) {
        const from = next;
        next = Math.min(order.tasks, next + order.batchTasks);
        await this.#submitDelayed(order, from, next);
      }
    };
    await Promise.all(Array.from({ length: order.inFlight }, lane));
  }

  /** From now on submits so many tasks a second to run at once, and tells `acknowledged` of each answer. */
  pace(perSecond: number, acknowledged: (tasks: number) => void): void {
    const beganMs = performance.now();
    let made = 0;
    this.#pace = setInterval(() => {
      const owed = Math.floor(((performance.now() - beganMs) / 1_000) * perSecond) - made;
      if (owed === 0 || this.#paced.size >= PACED_MAX) return;
      const count = Math.min(owed, BATCH_TASKS_MAX);
      made += count;
      const specs = this.#payloads(count).map((payload) => ({ type: 'bench', payload }));
      const submission = this.#client.submitMany(specs).then(() => {
        acknowledged(count);
        this.#paced.delete(submission);
      });
      this.#paced.add(submission);
    }, PACE_MS);
  }

  /** Ends the pace; done when everything is acknowledged. */
  async stop(): Promise<void> {
    clearInterval(this.#pace);
    await Promise.all(this.#paced);
  }

  /** How late each remembered task was placed, by log time, in ms; those that were not placed are left out. */
  async placements(): Promise<number[]> {
    const lateMs: number[] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let one = this.#remembered[next]; one !== undefined; one = this.#remembered[next]) {
        next += 1;
        const { startedAtMs } = await this.#client.get(one.handle.id, { stale: true });
        if (startedAtMs !== undefined) lateMs.push(startedAtMs - one.runAtMs);
      }
    };
    await Promise.all(Array.from({ length: READS }, lane));
    return lateMs;
  }

  async #submitDelayed(order: DelayOrder, from: number, until: number): Promise<void> {
    const instants: number[] = [];
    const specs = this.#payloads(until - from).map((payload, at): TaskSpec => {
      const runAt = instantAt(from + at, order.tasks, order.fromMs, order.untilMs);
      instants.push(runAt);
      new DataView(payload.buffer, payload.byteOffset).setFloat64(RUN_AT_BYTE, runAt, true);
      return { type: 'bench', payload, runAt };
    });
    const handles = await this.#client.submitMany(specs);
    if (!order.remember) return;
    for (const [at, handle] of handles.entries()) this.#remembered.push({ handle, runAtMs: instants[at] as number });
  }
}
