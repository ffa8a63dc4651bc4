/** What tasks of the workload carry, and what handlers make of it. */
import { below, type Random } from '../src/base/random.ts';
import { NonRetryable, RetryAfter } from '../src/client/handler-errors.ts';
import type { HandlerContext } from '../src/client/handler-context.ts';
import type { TaskSpec } from '../src/client/task-spec.ts';
import type { WorkloadOptions } from './options.ts';
import type { SimProcess } from './process.ts';

/** What a handler does with a task. */
const TROUBLES = ['fail', 'hang', 'deaf', 'snooze', 'give-up', 'later', 'save', 'extend', 'report'] as const;

type Act = 'finish' | (typeof TROUBLES)[number];

/** The payload of every task. A type, so that it is a plain object of indexed fields. */
export type Payload = {
  /** Unique over the run; empty for a task with a key, whose content is the same each time. */
  readonly mark: string;
  readonly act: Act;
  readonly ms: number;
  readonly fill: Uint8Array;
};

/** Types of tasks; every worker serves all of them but the last, which needs a label. */
export const TASK_TYPES: readonly string[] = ['plain', 'other', 'zoned'];

/** The label that some tasks require. */
export const ZONE = 'a';

/** How long handlers take at most once all is healed, in ms. */
const CALM_MS_MAX = 50;

/** A random task under `mark`. */
export function drawTask(random: Random, options: WorkloadOptions, mark: string): TaskSpec {
  const trouble = below(random, 100) < options.troublePercent;
  const act = trouble ? (TROUBLES[below(random, TROUBLES.length)] as Act) : 'finish';
  const fillBytes = below(random, 4) === 0 ? below(random, options.payloadBytesMax) : below(random, 16);
  const payload: Payload = {
    mark,
    act,
    ms: below(random, options.workMsMax),
    fill: new Uint8Array(fillBytes).fill(mark.length),
  };
  const lot = below(random, 100);
  return {
    type: TASK_TYPES[below(random, lot < 10 ? 3 : 2)] ?? 'plain',
    payload,
    queue: below(random, 3) === 0 ? 'slow' : 'default',
    priority: 1 + below(random, 10),
    ...(lot < 12 ? { requires: { zone: ZONE } } : {}),
    ...(lot >= 80 ? { delay: below(random, 4_000) } : {}),
    timeouts: {
      run: 500 + below(random, 3_000),
      ...(lot === 50 ? { queue: 1_000 + below(random, 4_000) } : {}),
      ...(lot === 51 ? { total: 2_000 + below(random, 4_000) } : {}),
    },
    retry: { maxAttempts: 1 + below(random, 3), initial: 50 + below(random, 500), max: 1_000 },
    retention: { payload: below(random, 4) === 0 },
    ...(lot % 7 === 0 ? { headers: { traceparent: mark } } : {}),
  };
}

/** A task that many calls submit under one key, now and then with other content. */
export function drawKeyedTask(random: Random, key: string): TaskSpec {
  const variant = below(random, 10) === 0 ? 1 : 0;
  const payload: Payload = { mark: '', act: 'finish', ms: 5, fill: new Uint8Array(variant) };
  return { type: 'plain', payload, key, retry: { maxAttempts: 2, initial: 100, max: 1_000 }, timeouts: { run: 2_000 } };
}

/** Runs one attempt. Its result names the token, so that the attempt that counted can be told from the others. */
export async function runTask(
  process: SimProcess,
  payload: unknown,
  context: HandlerContext,
  calm: boolean,
): Promise<unknown> {
  const { act: drawn, ms: drawnMs, mark } = payload as Payload;
  // Once all is healed there is work to finish, and no trouble worth waiting for.
  const act = calm && (drawn === 'hang' || drawn === 'deaf') ? 'finish' : drawn;
  const ms = calm ? Math.min(drawnMs, CALM_MS_MAX) : drawnMs;
  const result = { mark, token: context.fencingToken };
  switch (act) {
    case 'finish':
      if (ms > 0) await sleep(process, ms, context.signal);
      return result;
    case 'fail':
      if (ms > 20) await sleep(process, ms, context.signal);
      throw quiet(new Error('fails'));
    case 'hang':
      await sleep(process, 3_600_000, context.signal);
      return result;
    case 'deaf':
      // Ignores its signal; returns long after its lease or its time may have ended.
      await sleep(process, ms * 10);
      return result;
    case 'snooze':
      if (context.lastCheckpoint !== undefined) return result;
      await context.checkpoint({ seen: true });
      return context.snooze(ms);
    case 'give-up':
      throw quiet(new NonRetryable('will never work'));
    case 'later':
      if (context.attempt > 1) return result;
      throw quiet(new RetryAfter(ms));
    case 'save':
      await context.checkpoint({ at: ms });
      await sleep(process, ms, context.signal);
      return result;
    case 'extend':
      await context.extend(1_000 + ms);
      await sleep(process, ms, context.signal);
      return result;
    case 'report':
      context.progress(0.5, 'half');
      context.log.info('half of it');
      await sleep(process, ms, context.signal);
      return result;
  }
}

/** Fulfilled after `ms` of the process; rejected when `signal` aborts first. */
export function sleep(process: SimProcess, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      timer.cancel();
      reject(quiet(new Error('was told to stop')));
    };
    const timer = process.timers.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Takes the stack out: it names files of this computer, and would make traces differ between two of them. */
function quiet<E extends Error>(error: E): E {
  error.stack = '';
  return error;
}
