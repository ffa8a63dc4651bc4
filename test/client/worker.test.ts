import { describe, expect, it } from 'vitest';
import type { Handler } from '../../src/client/attempts.ts';
import { TaskraftError } from '../../src/client/errors.ts';
import { NonRetryable, RetryAfter } from '../../src/client/handler-errors.ts';
import { Worker, type WorkerOptions } from '../../src/client/worker.ts';
import { decodeValue, encodeValue } from '../../src/protocol/codec.ts';
import { ABORT_REASONS, OUTCOME } from '../../src/protocol/rows.ts';
import { formatTaskId } from '../../src/protocol/task-id.ts';
import { attached } from './desk.ts';
import { assignRow, FakeCluster } from './fake-cluster.ts';

describe('an attempt', () => {
  it('is run with what the task says, and reported with what came of it', async () => {
    const { cluster, desk, story } = await attached(1);
    const headers = [1, encodeValue({ traceparent: 'x' })] as const;
    cluster.assign([[7, 100, 0, 3, 1, encodeValue({ file: 'a' }), [headers, [1, encodeValue(12)]]]]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    const { context } = desk.at(100);
    expect(context).toMatchObject({
      attempt: 3,
      fencingToken: 100,
      term: 1,
      headers: { traceparent: 'x' },
      lastCheckpoint: 12,
    });
    expect(context.taskId).toBe(formatTaskId(0, 1, 7));
    desk.at(100).resolve({ sum: 5 });
    await cluster.time.until('the answer', () => story.length === 3);
    const [row] = cluster.peer(0).got('complete')[0]!.completions;
    expect([row?.slice(0, 4), decodeValue(row![4]!), row?.[5]]).toEqual([[7, 100, OUTCOME.done, 1], { sum: 5 }, null]);
    expect(story).toEqual(['started 100 in term 1', 'reported 100 done', 'answered 100 ok']);
  });

  it('costs no frame of its own: outcomes of one turn are reported together', async () => {
    const { cluster } = await attached(1, { slots: 3000 });
    const bytes = Uint8Array.of(1, 2, 3);
    cluster.assign(Array.from({ length: 2500 }, (_, at) => assignRow(at + 1, at + 1, 1, bytes)));
    await cluster.time.until('all answers', () => cluster.completed.size === 2500);
    expect(
      cluster
        .peer(0)
        .got('complete')
        .map((frame) => frame.completions.length),
    ).toEqual(Array.from({ length: 10 }, () => 250));
    expect(cluster.peer(0).got('complete')[0]?.completions[0]).toEqual([
      1,
      1,
      OUTCOME.done,
      3,
      expect.anything(),
      null,
    ]);
  });

  it.each<[string, Error, number, number | null]>([
    ['an error', new Error('no route'), OUTCOME.failed, null],
    ['NonRetryable', new NonRetryable('never'), OUTCOME.failedForGood, null],
    ['RetryAfter', new RetryAfter(1500, 'later'), OUTCOME.failed, 1500],
    ['RetryAfter with a unit', new RetryAfter('1.5m'), OUTCOME.failed, 90_000],
  ])('that throws %s is reported so', async (_, error, outcome, extra) => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    desk.at(1).reject(error);
    await cluster.time.until('the report', () => cluster.peer(0).got('complete').length === 1);
    const [row] = cluster.peer(0).got('complete')[0]!.completions;
    expect([row?.[2], row?.[5]]).toEqual([outcome, extra]);
    expect(decodeValue(row![4]!)).toMatchObject({ name: error.name, message: error.message });
  });

  it('may snooze, may throw at once, and may return what cannot be sent', async () => {
    const { cluster } = await attached(1, {
      handlers: {
        snoozes: (_, context) => context.snooze('2s'),
        throws: () => {
          throw new Error('at once');
        },
        odd: () => new Map(),
        large: () => new Uint8Array(300_000),
      },
    });
    cluster.assign([0, 1, 2, 3, 9].map((type, at) => assignRow(at + 1, at + 1, type)));
    await cluster.time.until('the report', () => cluster.peer(0).got('complete').length === 1);
    const rows = cluster.peer(0).got('complete')[0]!.completions;
    expect(rows.map((row) => [row[2], row[5]])).toEqual([
      [OUTCOME.snoozed, 2000],
      [OUTCOME.failed, null],
      [OUTCOME.failedForGood, null],
      [OUTCOME.failedForGood, null],
      [OUTCOME.failedForGood, null],
    ]);
  });

  it('of a payload that cannot be read fails for good', async () => {
    const { cluster } = await attached(1);
    cluster.assign([[1, 1, 1, 1, 2, Uint8Array.of(0x7b), null]]);
    await cluster.time.until('the report', () => cluster.peer(0).got('complete').length === 1);
    expect(cluster.peer(0).got('complete')[0]?.completions[0]?.[2]).toBe(OUTCOME.failedForGood);
  });

  it('keeps a long error within its limit', async () => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    desk.at(1).reject(new Error('ü'.repeat(100_000)));
    await cluster.time.until('the report', () => cluster.peer(0).got('complete').length === 1);
    expect(cluster.peer(0).got('complete')[0]?.completions[0]?.[4]?.length).toBeLessThanOrEqual(16_384);
  });

  it('is started once, however often its assignment comes', async () => {
    const { cluster, desk, story } = await attached(1);
    cluster.assign([assignRow(1, 1), assignRow(1, 1)]);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.advance(10);
    desk.at(1).resolve();
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.advance(10);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.advance(10);
    expect(story).toEqual(['started 1 in term 1', 'reported 1 done', 'answered 1 ok']);
  });

  it('saves checkpoints, extends its time, tells its progress once a second, and logs', async () => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(4, 9)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    const { context } = desk.at(9);
    await cluster.time.finish(context.checkpoint({ at: 3 }));
    await cluster.time.finish(context.extend('1m'));
    for (let at = 0; at < 30; at += 1) {
      context.progress(at / 30, `part ${at}`);
      await cluster.time.advance(100);
    }
    context.log.warn('odd', { part: 3 });
    await cluster.time.advance(10);
    const peer = cluster.peer(0);
    expect(context.lastCheckpoint).toEqual({ at: 3 });
    expect(peer.got('checkpoint')[0]).toMatchObject({ number: 4, fencingToken: 9, encoding: 1 });
    expect(peer.got('extend')[0]).toMatchObject({ number: 4, fencingToken: 9, runMs: 60_000 });
    expect(peer.got('progress').map((frame) => [frame.fraction, frame.note])).toEqual([
      [0, 'part 0'],
      [3333, 'part 10'],
      [6667, 'part 20'],
    ]);
    expect(peer.got('log')[0]).toMatchObject({ level: 2, text: 'odd {"part":3}' });
  });

  it('stops when its checkpoint is refused as stale', async () => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(4, 9)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    cluster.peer(0).script.checkpoint = (connection, { requestId }) => connection.refuse(requestId, 'STALE_LEASE');
    await expect(cluster.time.finish(desk.at(9).context.checkpoint(1))).rejects.toMatchObject({ code: 'STALE_LEASE' });
    expect(desk.aborted.get(9)).toBe('lease-lost');
  });
});

describe('aborts', () => {
  it('reach the handler with their reason, and who stops then has not failed', async () => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(1, 1), assignRow(2, 2)]);
    await cluster.time.until('the starts', () => desk.open.size === 2);
    cluster.peer(0).push({
      type: 'abort',
      term: 1,
      aborts: [
        [1, 1, 0],
        [2, 2, 1],
      ],
    });
    await cluster.time.until('the aborts', () => desk.aborted.size === 2);
    expect([...desk.aborted]).toEqual([
      [1, 'cancelled'],
      [2, 'timeout'],
    ]);
    desk.at(1).reject(new Error('stopped'));
    desk.at(2).resolve('all the same');
    await cluster.time.until('the report', () => cluster.completed.size === 2);
    const rows = cluster
      .peer(0)
      .got('complete')
      .flatMap((frame) => frame.completions);
    expect(rows.map((row) => row[2])).toEqual([OUTCOME.returned, OUTCOME.done]);
  });

  it('are known to a handler that looks only later', async () => {
    const seen: unknown[] = [];
    let go = (): void => undefined;
    const { cluster } = await attached(1, {
      handlers: {
        late: (_, context) =>
          new Promise<void>((resolve) => {
            go = () => {
              seen.push(context.signal.aborted, context.signal.reason);
              resolve();
            };
          }),
      },
    });
    cluster.assign([assignRow(1, 1)]);
    cluster.peer(0).push({ type: 'abort', term: 1, aborts: [[1, 1, 0]] });
    await cluster.time.advance(10);
    go();
    expect(seen).toEqual([true, 'cancelled']);
  });

  it('of an attempt that never came are answered with it handed back, and it is not started any more', async () => {
    const { cluster, desk } = await attached(1);
    cluster.peer(0).push({ type: 'abort', term: 1, aborts: [[7, 70, ABORT_REASONS.indexOf('timeout')]] });
    await cluster.time.until('the report', () => cluster.completed.has(70));
    expect(cluster.peer(0).got('complete')[0]?.completions[0]?.slice(0, 3)).toEqual([7, 70, OUTCOME.returned]);
    cluster.assign([assignRow(7, 70)]);
    cluster.peer(0).push({ type: 'abort', term: 1, aborts: [[7, 70, ABORT_REASONS.indexOf('timeout')]] });
    await cluster.time.advance(100);
    expect(desk.open.size).toBe(0);
    expect(cluster.peer(0).got('complete')).toHaveLength(1);
  });

  it('leave room for thousands that waited, one after the other, when a slot is free again', async () => {
    const count = 8000;
    const { cluster, desk } = await attached(1, { slots: count });
    cluster.assign(Array.from({ length: count }, (_, at) => assignRow(at + 1, at + 1)));
    cluster.assign(
      Array.from({ length: count }, (_, at) => assignRow(count + at + 1, count + at + 1, 1, Uint8Array.of(1))),
    );
    await cluster.time.until('the starts', () => desk.open.size === count);
    await cluster.time.advance(10);
    desk.at(1).resolve();
    await cluster.time.until('the others', () => cluster.completed.size === count + 1);
    const rows = cluster
      .peer(0)
      .got('complete')
      .flatMap((frame) => frame.completions);
    expect(rows.every((row) => row[2] === OUTCOME.done)).toBe(true);
  });

  it('that a handler ignores leave its slot taken: what is assigned next waits', async () => {
    const { cluster, desk, story } = await attached(1, { slots: 1 });
    cluster.assign([assignRow(1, 1)]);
    cluster.peer(0).push({ type: 'abort', term: 1, aborts: [[1, 1, 0]] });
    cluster.assign([assignRow(2, 2)]);
    cluster.assign([assignRow(3, 3)]);
    await cluster.time.advance(10);
    // Room for one that waits; the next is handed back at once.
    expect(story).toEqual(['started 1 in term 1', 'reported 3 returned', 'answered 3 ok']);
    desk.at(1).resolve();
    await cluster.time.until('the next start', () => story.includes('started 2 in term 1'));
  });
});

describe('a worker id', () => {
  it('that a live worker has ends the second one, after as long as a restarted one may have to wait', async () => {
    const cluster = new FakeCluster(1);
    cluster.peer(0).script.attach = (connection, { requestId }) => connection.refuse(requestId, 'WORKER_ID_IN_USE');
    const worker = new Worker({ urls: cluster.peer(0).url, workerId: 'w1', handlers: { a: () => 1 } }, cluster.ports());
    await expect(cluster.time.finish(worker.run())).rejects.toMatchObject({ code: 'WORKER_ID_IN_USE' });
    expect(cluster.time.nowMs).toBeGreaterThanOrEqual(15_000);
    expect(cluster.peer(0).got('attach').length).toBeGreaterThan(10);
  });

  it('that is free again in time is taken', async () => {
    const cluster = new FakeCluster(1);
    cluster.peer(0).script.attach = (connection, { requestId }) =>
      cluster.time.nowMs < 6000 && connection.refuse(requestId, 'WORKER_ID_IN_USE');
    const worker = new Worker({ urls: cluster.peer(0).url, workerId: 'w1', handlers: { a: () => 1 } }, cluster.ports());
    const ended = worker.run();
    await cluster.time.advance(20_000);
    const stopped = worker.stop();
    await cluster.time.finish(stopped);
    await ended;
  });

  it('is drawn when none is given', async () => {
    const cluster = new FakeCluster(1);
    const [first, second] = [1, 2].map((seed) => new Worker({ handlers: { a: () => 1 } }, cluster.ports(seed)));
    expect(first?.workerId).toMatch(/^worker-[0-9a-f]{16}$/);
    expect(first?.workerId).not.toBe(second?.workerId);
  });
});

describe('stopping', () => {
  it('takes nothing new, waits for what runs, detaches, and ends', async () => {
    const { cluster, worker, desk, ended, story } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    const stopped = worker.stop({ drainMs: '10s' });
    await cluster.time.advance(10);
    cluster.assign([assignRow(2, 2)]);
    await cluster.time.advance(4000);
    desk.at(1).resolve();
    await cluster.time.finish(stopped);
    await ended;
    expect(cluster.peer(0).received.map((frame) => frame.type)).toEqual([
      'hello',
      'attach',
      'drainWorker',
      'complete',
      'complete',
      'detach',
    ]);
    expect(cluster.peer(0).got('drainWorker')[0]).toMatchObject({ worker: 'w1', deadlineMs: 10_000 });
    expect(story).toContain('reported 2 returned');
    expect(cluster.time.nowMs).toBeLessThan(4100);
  });

  it('aborts with reason drain what is not done in time, and hands back what ignores even that', async () => {
    const { cluster, worker, desk, ended } = await attached(1);
    cluster.assign([assignRow(1, 1), assignRow(2, 2)]);
    await cluster.time.until('the starts', () => desk.open.size === 2);
    const stopped = worker.stop({ drainMs: 1000 });
    await cluster.time.until('the aborts', () => desk.aborted.size === 2);
    expect(cluster.time.nowMs).toBeLessThan(1100);
    desk.at(1).reject(new Error('stopped'));
    await cluster.time.finish(stopped);
    await ended;
    const rows = cluster
      .peer(0)
      .got('complete')
      .flatMap((frame) => frame.completions);
    expect(rows.map((row) => [row[1], row[2]])).toEqual([
      [1, OUTCOME.returned],
      [2, OUTCOME.returned],
    ]);
    desk.at(2).resolve();
    await cluster.time.advance(100);
    expect(cluster.peer(0).got('complete')).toHaveLength(2);
  });

  it('ends without a cluster too', async () => {
    const { cluster, worker, desk, ended } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    cluster.peer(0).kill();
    await cluster.time.advance(100);
    await cluster.time.finish(worker.stop({ drainMs: 0 }));
    await ended;
    const { dials } = cluster.peer(0);
    await cluster.time.advance(60_000);
    expect(cluster.peer(0).dials).toBe(dials);
  });

  it('may be asked for at any time, more than once', async () => {
    const cluster = new FakeCluster(1);
    const idle = new Worker({ handlers: { a: () => 1 } }, cluster.ports());
    await idle.stop();
    await idle.stop();
    await idle.run();
    expect(cluster.dialOptions).toHaveLength(0);
    const { worker, ended, cluster: other } = await attached(1);
    await other.time.finish(Promise.all([worker.stop(), worker.stop({ drainMs: 5 }), ended]));
  });
});

describe('draining that is refused for now', () => {
  it('is asked for again, so that what is handed back is not placed here anew', async () => {
    const { cluster, worker, desk, ended } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    let refusals = 0;
    cluster.peer(0).script.drainWorker = (connection, { requestId }) =>
      (refusals += 1) <= 2 && connection.refuse(requestId, 'OVERLOADED', { retryAfterMs: 200 });
    const stopped = worker.stop({ drainMs: '10s' });
    await cluster.time.advance(1000);
    expect(
      cluster
        .peer(0)
        .got('drainWorker')
        .map((frame) => frame.deadlineMs > 9000),
    ).toEqual([true, true, true]);
    desk.at(1).resolve();
    await cluster.time.finish(Promise.all([stopped, ended]));
  });
});

describe('options', () => {
  it.each<[string, Partial<WorkerOptions>]>([
    ['no handler', { handlers: {} }],
    ['a handler that is no function', { handlers: { a: 1 as unknown as Handler } }],
    ['a type that is no name', { handlers: { 'a b': () => 1 } }],
    ['no slot', { slots: 0 }],
    ['half a slot', { slots: 1.5 }],
    ['too many slots', { slots: 10_001 }],
    ['an id that is no name', { workerId: 'a b' }],
    ['a label that is no name', { labels: { zone: 'a b' } }],
    ['a namespace that is no name', { namespace: '' }],
  ])('with %s are refused', (_, options) => {
    const cluster = new FakeCluster(1);
    expect(() => new Worker({ handlers: { a: () => 1 }, ...options }, cluster.ports())).toThrow(TaskraftError);
  });

  it('that the cluster refuses end the worker', async () => {
    const cluster = new FakeCluster(1);
    cluster.peer(0).dialStatus = 401;
    const worker = new Worker({ urls: cluster.peer(0).url, handlers: { a: () => 1 } }, cluster.ports());
    await expect(cluster.time.finish(worker.run())).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('of a version that no peer speaks end the worker, however many peers there are', async () => {
    const cluster = new FakeCluster(3);
    for (const peer of cluster.peers) {
      peer.script.hello = (connection) => {
        connection.refuse(0, 'UNSUPPORTED_VERSION');
        connection.socket.close(1008, 'UNSUPPORTED_VERSION');
        return true;
      };
    }
    const urls = cluster.peers.map((peer) => peer.url);
    // One of them is slower than the others.
    cluster.peer(2).dialStatus = 'refused';
    const worker = new Worker({ urls, handlers: { a: () => 1 } }, cluster.ports());
    const ended = worker.run();
    ended.catch(() => undefined);
    await cluster.time.advance(500);
    cluster.peer(2).dialStatus = undefined;
    await expect(cluster.time.finish(ended)).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' });
  });
});
