/** What is misspelt is refused, with the name that was probably meant. */
import { describe, expect, it } from 'vitest';
import { TaskraftError } from '../../src/client/errors.ts';
import { RetryAfter } from '../../src/client/handler-errors.ts';
import type { TaskSpec } from '../../src/client/task-spec.ts';
import { SubmissionBuilder } from '../../src/client/task-spec.ts';
import { Worker } from '../../src/client/worker.ts';
import { DEFAULT_WIRE_LIMITS } from '../../src/protocol/request-rules.ts';
import { FakeCluster } from './fake-cluster.ts';
import { connect } from './harness.ts';

/** What `call` throws, or the promise that it gives is rejected with. */
async function thrownBy(call: () => unknown): Promise<Pick<TaskraftError, 'code' | 'message' | 'position'>> {
  try {
    await call();
  } catch (error) {
    if (error instanceof TaskraftError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a field that is none', () => {
  it.each<[string, object, string]>([
    ['prority', { prority: 1 }, '"prority" is no field of a task. Did you mean "priority"?'],
    ['runat', { runat: 5 }, '"runat" is no field of a task. Did you mean "runAt"?'],
    ['deadline', { deadline: 5 }, '"deadline" is no field of a task. Known are type, payload, queue, '],
    ['toString', { toString: 5 }, '"toString" is no field of a task.'],
    [
      'retry.maxAttempt',
      { retry: { maxAttempt: 3 } },
      '"maxAttempt" is no field of retry. Did you mean "maxAttempts"?',
    ],
    ['timeouts.runs', { timeouts: { runs: '1s' } }, '"runs" is no field of timeouts. Did you mean "run"?'],
    ['retention.fialed', { retention: { fialed: '1d' } }, '"fialed" is no field of retention. Did you mean "failed"?'],
  ])('of a task is refused: %s', async (_, fields, words) => {
    const builder = new SubmissionBuilder(DEFAULT_WIRE_LIMITS);
    builder.add({ type: 'before' });
    const error = await thrownBy(() => builder.add({ type: 'mail', ...fields }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', position: 1 });
    expect(error.message).toContain(words);
    expect([builder.tasks.length, builder.templates.length]).toEqual([1, 1]);
  });

  it('is looked for once in tasks of one template, so that many of them cost what one does', () => {
    let looks = 0;
    const watched = (fields: object): TaskSpec =>
      new Proxy({ type: 'mail', ...fields }, { ownKeys: (target) => ((looks += 1), Reflect.ownKeys(target)) });
    const builder = new SubmissionBuilder(DEFAULT_WIRE_LIMITS);
    for (let at = 0; at < 256; at += 1) builder.add(watched({ payload: at, key: `k${at}` }));
    expect(looks).toBe(1);
    builder.add(watched({ queue: 'other' }));
    expect(looks).toBe(2);
  });

  it('of options is refused, also where nothing else would come of it', async () => {
    const cluster = new FakeCluster(1);
    const client = await connect(cluster);
    const tasks = client.submit({ type: 'mail' });
    const handle = await cluster.time.finish(tasks);
    const handlers = { mail: (): void => undefined };
    const worker = new Worker({ handlers }, cluster.ports());
    const calls: [call: () => unknown, words: string][] = [
      [
        () => connect(cluster, { url: 'ws://a' } as object),
        '"url" is no field of the options of a client. Did you mean "urls"?',
      ],
      [() => client.list({ state: ['done'] } as object), 'Did you mean "states"?'],
      [() => handle.result({ timeout: '1s' } as object), '"timeout" is no field of the options of a result. '],
      [() => new Worker({ handlers, slot: 5 } as never, cluster.ports()), 'Did you mean "slots"?'],
      [() => worker.stop({ drain: '1s' } as object), '"drain" is no field of the options of a stop. '],
    ];
    for (const [call, words] of calls) {
      const error = await thrownBy(call);
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).toContain(words);
    }
    await client.close();
  });
});

it.each([-1, Number.NaN, '1 s', 'soon', undefined])('RetryAfter of %j is refused where it is made', async (odd) => {
  const error = await thrownBy(() => new RetryAfter(odd as number));
  expect(error).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^retryAfter is a duration/),
  });
});
