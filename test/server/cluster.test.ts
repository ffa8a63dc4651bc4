import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { OUTCOME, TASK_STATES } from '../../src/protocol/rows.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { TestCluster } from '../peer/support/cluster.ts';
import { assignments, attachFrame, greeted, serve, submitFrame, taskRow } from './support/desk.ts';
import type { TestClient, TestListener } from './support/sockets.ts';

/** Whole peers with their servers, on memory and virtual time. */
class ServedCluster {
  readonly cluster: TestCluster;
  readonly #listeners = new Map<PeerId, TestListener>();

  private constructor(size: number) {
    this.cluster = new TestCluster(size);
    this.cluster.onMade = ({ id, peer, ...ports }) => {
      this.#listeners.set(id, serve(ports, peer, this.cluster.time, size));
    };
  }

  static async serving(size: number): Promise<ServedCluster> {
    const served = new ServedCluster(size);
    for (const id of served.cluster.ids) await served.cluster.start(id);
    await served.cluster.untilServing();
    return served;
  }

  get leader(): PeerId {
    return this.cluster.leader!.self;
  }

  get follower(): PeerId {
    return this.cluster.followers[0]!.self;
  }

  dial(id: PeerId, role = 'client'): Promise<TestClient> {
    return greeted(this.#listeners.get(id)!, role);
  }

  /** Waits until another peer than `old` serves. */
  async untilAnother(old: PeerId): Promise<PeerId> {
    const { time } = this.cluster;
    await time.until('another leader', () =>
      this.cluster.running.some(({ peer }) => peer.isLeader && peer.self !== old),
    );
    return this.cluster.running.find(({ peer }) => peer.isLeader && peer.self !== old)!.peer.self;
  }
}

async function openSession(client: TestClient): Promise<string> {
  const opened = await client.ask((requestId) => ({ type: 'openSession', requestId }));
  if (opened.type !== 'sessionOpened') throw new Error(JSON.stringify(opened));
  return opened.session;
}

function awaitResult(client: TestClient, number: number): number {
  return client.request((requestId) => ({ type: 'awaitResult', requestId, task: [0, 0, number] }));
}

function report(worker: TestClient, number: number, token: number): Promise<AnswerFrame> {
  return worker.ask((requestId) => ({
    type: 'complete',
    requestId,
    completions: [[number, token, OUTCOME.done, 0, null, null]],
  }));
}

describe('a member', () => {
  it('answers what was asked before, after and during a restart, the same', async () => {
    const served = await ServedCluster.serving(1);
    const { cluster } = served;
    const before = await served.dial(served.leader);
    const session = await openSession(before);
    const first = await before.ask((requestId) => submitFrame(requestId, session));
    await cluster.kill(cluster.ids[0]!);
    await cluster.start(cluster.ids[0]!);
    await cluster.untilServing();
    const after = await served.dial(served.leader);
    const again = await after.ask((requestId) => submitFrame(requestId, session));
    expect(again).toMatchObject({
      type: 'submitted',
      firstNumber: (first as { firstNumber: number }).firstNumber,
      repeated: true,
    });
  });

  it('delivers payloads that left memory as they were', async () => {
    const served = await ServedCluster.serving(1);
    const client = await served.dial(served.leader);
    const session = await openSession(client);
    const payloads = Array.from({ length: 12 }, (_, at) => new Uint8Array(200_000).fill(at + 1));
    await client.ask((requestId) =>
      submitFrame(
        requestId,
        session,
        payloads.map((payload) => taskRow(payload)),
      ),
    );
    const { scheduler } = served.cluster.leader!;
    await served.cluster.time.until('payloads to leave memory', () => {
      const task = scheduler.task(1);
      return task !== undefined && 'payload' in task && task.payload !== undefined && 'offloaded' in task.payload;
    });
    const worker = await served.dial(served.leader, 'worker');
    await worker.ask((requestId) => attachFrame(requestId, { slots: 12 }));
    await served.cluster.time.until('all assignments', () => assignments(worker).length === 12);
    const received = worker
      .all('assign')
      .flatMap((frame) => frame.assignments.map((row) => [row[5].length, row[5][0], row[5].at(-1)]));
    expect(received).toEqual(payloads.map((_, at) => [200_000, at + 1, at + 1]));
    const shown = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, 12], stale: null }));
    expect(shown.type === 'task' && shown.task[17]?.[1].at(-1)).toBe(12);
  });
});

describe('three members', () => {
  it('lead every client that changes something to the leader, answer what reads, and tell how they are', async () => {
    const served = await ServedCluster.serving(3);
    const client = await served.dial(served.follower);
    const refused = await client.ask((requestId) => ({ type: 'openSession', requestId }));
    expect(refused).toMatchObject({ code: 'NOT_LEADER', leader: [served.leader, expect.stringContaining('ws://')] });
    const leader = await served.dial(served.leader);
    const opened = await leader.ask((requestId) => ({ type: 'openSession', requestId }));
    if (opened.type !== 'sessionOpened') throw new Error('no session');
    await leader.ask((requestId) => submitFrame(requestId, opened.session));
    // What only reads it answers itself, and knows at once what the leader has acknowledged.
    const read = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, 1], stale: null }));
    expect(read).toMatchObject({ type: 'task', index: expect.any(Number) });
    for (const id of served.cluster.ids) {
      const status = await (await served.dial(id)).ask((requestId) => ({ type: 'status', requestId }));
      expect(status).toMatchObject({
        peer: id,
        state: 'serving',
        leader: served.leader,
        role: id === served.leader ? 'leader' : 'follower',
      });
    }
  });

  it('whose leader is killed lose neither task nor attempt nor answer', async () => {
    const served = await ServedCluster.serving(3);
    const { cluster } = served;
    const old = served.leader;
    const client = await served.dial(old);
    const session = await openSession(client);
    const first = await client.ask((requestId) => submitFrame(requestId, session, [taskRow(), taskRow()]));
    const worker = await served.dial(old, 'worker');
    await worker.ask((requestId) => attachFrame(requestId, { slots: 2 }));
    await cluster.time.until('assignments', () => assignments(worker).length === 2);
    const [one, two] = assignments(worker);
    await cluster.kill(old);
    const next = await served.untilAnother(old);

    const back = await served.dial(next);
    expect(await back.ask((requestId) => submitFrame(requestId, session, [taskRow(), taskRow()]))).toEqual({
      ...first,
      requestId: 1,
      repeated: true,
      logIndex: expect.any(Number),
    });
    const wait = awaitResult(back, one![0]);
    const again = await served.dial(next, 'worker');
    const attached = await again.ask((requestId) =>
      attachFrame(requestId, { slots: 2, held: [one!], unanswered: [two!] }),
    );
    expect(attached).toMatchObject({ type: 'attached', stale: [], settled: [] });
    expect(await report(again, ...one!)).toMatchObject({ codes: [0] });
    expect(await report(again, ...two!)).toMatchObject({ codes: [0] });
    expect(await back.answerTo(wait)).toMatchObject({ type: 'result', state: TASK_STATES.indexOf('done') });
    expect(assignments(again)).toEqual([]);
  });

  it('whose leader is cut off: it renews no lease, sends its waits away, and the next one answers them', async () => {
    const served = await ServedCluster.serving(3);
    const { cluster } = served;
    const old = served.leader;
    const client = await served.dial(old);
    const session = await openSession(client);
    await client.ask((requestId) => submitFrame(requestId, session));
    const worker = await served.dial(old, 'worker');
    await worker.ask((requestId) => attachFrame(requestId));
    await cluster.time.advance(500);
    worker.send({ type: 'heartbeat', beat: 1 });
    await cluster.time.until('a renewal', () => worker.all('heartbeatAck').length === 1);
    expect(worker.all('heartbeatAck')[0]?.term).toBe(cluster.leader!.term);
    const wait = awaitResult(client, 1);
    cluster.network.isolate(old);
    await cluster.time.advance(600);
    for (let beat = 2; beat < 30; beat += 1) {
      worker.send({ type: 'heartbeat', beat });
      await cluster.time.advance(100);
    }
    const renewed = worker.all('heartbeatAck').filter((frame) => frame.term > 0);
    expect(renewed.map((frame) => frame.beat)).toEqual([1]);
    expect(await client.answerTo(wait)).toMatchObject({ type: 'error', code: 'NO_LEADER' });
    expect(client.all('leader').at(-1)).toMatchObject({ leader: null });

    const next = await served.untilAnother(old);
    const back = await served.dial(next);
    const again = awaitResult(back, 1);
    const there = await served.dial(next, 'worker');
    await there.ask((requestId) => attachFrame(requestId, { held: assignments(worker) }));
    await report(there, ...assignments(worker)[0]!);
    expect(await back.answerTo(again)).toMatchObject({ type: 'result' });
    cluster.network.heal();
    await cluster.time.until('the old leader to follow', () => client.all('leader').at(-1)?.leader?.[0] === next);
  });

  it('of which the leader stops in good order hand over, and say who leads', async () => {
    const served = await ServedCluster.serving(3);
    const old = served.leader;
    const client = await served.dial(old);
    await served.cluster.stop(old);
    const next = await served.untilAnother(old);
    // The one that stopped says at least that it leads no more; the others know who does.
    expect(client.all('leader').at(-1)?.leader?.[0]).not.toBe(old);
    const other = await served.dial(next);
    expect(await other.ask((requestId) => ({ type: 'openSession', requestId }))).toMatchObject({
      type: 'sessionOpened',
    });
  });
});
