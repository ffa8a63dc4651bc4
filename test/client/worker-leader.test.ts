import { describe, expect, it } from 'vitest';
import { attached } from './desk.ts';
import { assignRow } from './fake-cluster.ts';

describe('when the leader changes', () => {
  it('attaches to the new one with what runs and what waits for an answer, and reports again until it is answered', async () => {
    const { cluster, desk, story } = await attached(3);
    cluster.peer(0).script.complete = () => true;
    cluster.assign([assignRow(1, 1), assignRow(2, 2), assignRow(3, 3)]);
    await cluster.time.until('the starts', () => desk.open.size === 3);
    desk.at(1).resolve();
    desk.at(2).resolve();
    await cluster.time.until('the report', () => cluster.peer(0).got('complete').length === 1);
    cluster.peer(0).kill();
    // The first outcome was in the log before the old leader died; the new one says so.
    cluster.peer(1).script.attach = (connection, { requestId }) => {
      connection.send({ type: 'attached', requestId, term: 2, stale: [], settled: [[1, 1, 0]] });
      return true;
    };
    cluster.elect(cluster.peer(1));
    await cluster.time.until('the answers', () => story.filter((line) => line.startsWith('answered')).length === 2);
    const [attach] = cluster.peer(1).got('attach');
    expect([attach?.worker, attach?.held, attach?.unanswered]).toEqual([
      'w1',
      [[3, 3]],
      [
        [1, 1],
        [2, 2],
      ],
    ]);
    expect(attach?.instance).toBe(cluster.peer(0).got('attach')[0]?.instance);
    expect(cluster.peer(1).received.map((frame) => frame.type)).toEqual(['hello', 'attach', 'complete']);
    expect(
      cluster
        .peer(1)
        .got('complete')[0]
        ?.completions.map((row) => row[1]),
    ).toEqual([2]);
    expect(desk.aborted.size).toBe(0);
    expect(story.slice(-2)).toEqual(['answered 1 ok', 'answered 2 ok']);
  });

  it('asks again at once when a leader that did not serve yet says that it does', async () => {
    const { cluster } = await attached(2);
    let serves = false;
    cluster.peer(1).script.attach = (connection, { requestId }) =>
      !serves && connection.refuse(requestId, 'NO_LEADER', { retryAfterMs: 1_000 });
    // First heard from another peer, as a follower knows of the election before the leader serves.
    cluster.elect(cluster.peer(1));
    await cluster.time.until('the first attach', () => cluster.peer(1).got('attach').length === 1);
    const { nowMs } = cluster.time;
    await cluster.time.advance(10);
    serves = true;
    cluster.elect(cluster.peer(1), 2);
    await cluster.time.until('the second attach', () => cluster.peer(1).got('attach').length === 2);
    expect(cluster.time.nowMs - nowMs).toBeLessThan(100);
  });

  it('attaches anew in a new term of the same leader, on the same connection', async () => {
    const { cluster } = await attached(1);
    cluster.elect(cluster.peer(0), 5);
    await cluster.time.until('the second attach', () => cluster.peer(0).got('attach').length === 2);
    expect(cluster.peer(0).dials).toBe(1);
  });

  it('attaches anew when the answer is of a newer term than it knew', async () => {
    const { cluster } = await attached(2);
    cluster.elect(cluster.peer(1), 9);
    await cluster.time.until('the attach', () => cluster.peer(1).got('attach').length === 1);
    cluster.peer(1).script.attach = (connection, { requestId }) => {
      connection.send({ type: 'attached', requestId, term: 10, stale: [], settled: [] });
      return true;
    };
    cluster.elect(cluster.peer(1), 9);
    await cluster.time.advance(5);
    // The same term again changes nothing; a reconnect meets an answer of the next one.
    cluster.peer(1).connections[0]?.socket.terminate();
    await cluster.time.until('both attaches', () => cluster.peer(1).got('attach').length === 3);
    await cluster.time.advance(100);
    expect(cluster.peer(1).got('attach')).toHaveLength(3);
  });

  it('drops assignments and aborts of an older term, and those of a peer that does not lead', async () => {
    const { cluster, desk, story } = await attached(2);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    cluster.elect(cluster.peer(1));
    await cluster.time.advance(5);
    cluster.peer(0).push({ type: 'assign', term: 1, assignments: [assignRow(2, 2)] });
    cluster.peer(0).push({ type: 'assign', term: 2, assignments: [assignRow(3, 3)] });
    cluster.peer(1).push({ type: 'assign', term: 1, assignments: [assignRow(4, 4)] });
    cluster.peer(0).push({ type: 'abort', term: 1, aborts: [[1, 1, 0]] });
    cluster.peer(1).push({ type: 'assign', term: 2, assignments: [assignRow(5, 5)] });
    await cluster.time.advance(5);
    expect(story).toEqual(['started 1 in term 1', 'started 5 in term 2']);
    expect(desk.aborted.size).toBe(0);
  });

  it('aborts the handlers whose attempts are no longer its own', async () => {
    const { cluster, desk } = await attached(2);
    cluster.assign([assignRow(1, 1), assignRow(2, 2)]);
    await cluster.time.until('the starts', () => desk.open.size === 2);
    cluster.peer(1).script.attach = (connection, { requestId }) => {
      connection.send({ type: 'attached', requestId, term: 2, stale: [[2, 2]], settled: [] });
      return true;
    };
    cluster.elect(cluster.peer(1));
    await cluster.time.until('the abort', () => desk.aborted.size > 0);
    expect([...desk.aborted]).toEqual([[2, 'lease-lost']]);
  });

  it('reports anew what the leader could not take', async () => {
    const { cluster, desk, story } = await attached(1);
    let refusals = 0;
    cluster.peer(0).script.complete = (connection, { requestId }) => {
      refusals += 1;
      return (
        refusals < 4 &&
        connection.refuse(requestId, refusals === 1 ? 'OUTCOME_UNKNOWN' : 'OVERLOADED', { retryAfterMs: 20 })
      );
    };
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    desk.at(1).resolve();
    await cluster.time.until('the answer', () => story.includes('answered 1 ok'));
    expect(cluster.peer(0).got('complete')).toHaveLength(4);
  });

  it('drops the one outcome that is refused for good and keeps the others', async () => {
    const { cluster, worker } = await attached(1);
    cluster.peer(0).script.complete = (connection, { requestId, completions }) => {
      const at = completions.findIndex((row) => row[1] === 2);
      return at >= 0 && connection.refuse(requestId, 'PAYLOAD_TOO_LARGE', { position: at });
    };
    cluster.assign([1, 2, 3].map((token) => assignRow(token, token, 1)));
    await cluster.time.until('the others', () => cluster.completed.size === 2);
    expect([...cluster.completed]).toEqual([1, 3]);
    cluster.elect(cluster.peer(0));
    await cluster.time.until('the attach', () => cluster.peer(0).got('attach').length === 2);
    expect(cluster.peer(0).got('attach')[1]).toMatchObject({ held: [], unanswered: [] });
    // Nor does a worker that stops wait for an answer to it.
    cluster.assign([assignRow(4, 2, 1)]);
    await cluster.time.advance(1);
    const stopped = worker.stop();
    const { nowMs } = cluster.time;
    await cluster.time.finish(stopped);
    expect(cluster.time.nowMs - nowMs).toBeLessThan(100);
  });
});

describe('the lease', () => {
  it('is kept by heartbeats for as long as they are answered', async () => {
    const { cluster, desk } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.advance(120_000);
    expect(desk.aborted.size).toBe(0);
  });

  it('ends after nine tenths of its length without a renewal: handlers stop, and are handed back once somebody listens', async () => {
    const { cluster, desk, story } = await attached(1);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    const lastBeatMs = 9000;
    await cluster.time.advance(lastBeatMs + 100 - cluster.time.nowMs);
    cluster.peer(0).kill();
    await cluster.time.until('the abort', () => desk.aborted.size === 1);
    expect(desk.aborted.get(1)).toBe('lease-lost');
    const sinceMs = cluster.time.nowMs - lastBeatMs;
    expect(sinceMs).toBeGreaterThan(13_400);
    expect(sinceMs).toBeLessThanOrEqual(13_510);
    desk.at(1).reject(new Error('stopped'));
    cluster.peer(0).dialStatus = undefined;
    await cluster.time.until('the answer', () => story.includes('answered 1 ok'));
    expect(story).toEqual(['started 1 in term 1', 'reported 1 returned', 'answered 1 ok']);
    expect(cluster.peer(0).got('attach')[1]).toMatchObject({ held: [], unanswered: [[1, 1]] });
  });

  it('is not renewed by peers that do not lead', async () => {
    const { cluster, desk } = await attached(2);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    cluster.peer(0).answersBeats = false;
    cluster.peer(0).script.attach = () => true;
    await cluster.time.until('the abort', () => desk.aborted.size === 1);
    expect(cluster.time.nowMs).toBeLessThan(14_000);
    expect(cluster.peer(1).connections).toHaveLength(1);
  });

  it('begins again with the next attach', async () => {
    const { cluster, desk, story } = await attached(1);
    cluster.peer(0).kill();
    await cluster.time.advance(30_000);
    cluster.peer(0).dialStatus = undefined;
    await cluster.time.until('the attach', () => cluster.peer(0).got('attach').length === 2);
    await cluster.time.advance(5);
    cluster.assign([assignRow(1, 1)]);
    await cluster.time.until('the start', () => desk.open.size === 1);
    await cluster.time.advance(60_000);
    expect(desk.aborted.size).toBe(0);
    expect(story).toEqual(['started 1 in term 1']);
  });
});
