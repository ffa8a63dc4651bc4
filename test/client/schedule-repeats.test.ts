import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import type { ScheduleSpec } from '../../src/client/schedule-spec.ts';
import { type Connection, FakeCluster } from './fake-cluster.ts';
import { codeOf, connect } from './harness.ts';

async function connected(): Promise<{ cluster: FakeCluster; client: Client }> {
  const cluster = new FakeCluster(3);
  const client = await connect(cluster);
  await cluster.time.until('three connections', () => cluster.peers.every((peer) => peer.connections.length === 1));
  return { cluster, client };
}

const NIGHTLY: ScheduleSpec = { id: 'nightly', cron: '30 2 * * *', task: { type: 'report' } };
type Change = 'putSchedule' | 'deleteSchedule' | 'pauseSchedule' | 'resumeSchedule';

/** Nobody hears of what comes first of `type`, which is taken or not; `meanwhile` is what somebody else does before it can be asked. */
function loseAnswer(
  cluster: FakeCluster,
  type: Change,
  how: {
    readonly as: string;
    readonly taken: boolean;
    readonly meanwhile?: (frames: FakeCluster['schedules']) => void;
  },
): void {
  let sendings = 0;
  const script = (connection: Connection, frame: Parameters<FakeCluster['schedules']['change']>[0]): boolean => {
    sendings += 1;
    if (sendings > 1) return false;
    if (how.taken) cluster.schedules.change(frame);
    how.meanwhile?.(cluster.schedules);
    if (how.as === 'OUTCOME_UNKNOWN') connection.refuse(frame.requestId, 'OUTCOME_UNKNOWN');
    else if (how.as !== 'silence') connection.socket.terminate();
    return true;
  };
  Object.assign(cluster.peer(0).script, { [type]: script });
}

describe.each(['OUTCOME_UNKNOWN', 'a connection that ends'] as const)('a change whose answer is lost (%s)', (as) => {
  const change = (cluster: FakeCluster, client: Client, act: string): Promise<unknown> => {
    if (act === 'put') return cluster.time.finish(client.schedules.put({ ...NIGHTLY, cron: '31 2 * * *' }), 60_000);
    if (act === 'delete') return cluster.time.finish(client.schedules.delete('nightly'), 60_000);
    if (act === 'pause') return cluster.time.finish(client.schedules.pause('nightly', 'why'), 60_000);
    return cluster.time.finish(client.schedules.resume('nightly'), 60_000);
  };
  const begun = async (): Promise<{ cluster: FakeCluster; client: Client }> => {
    const both = await connected();
    await both.cluster.time.finish(both.client.schedules.put(NIGHTLY));
    return both;
  };

  it.each([true, false])('and which was taken or not (%s) is put once', async (taken) => {
    const { cluster, client } = await begun();
    loseAnswer(cluster, 'putSchedule', { as, taken });
    expect(await change(cluster, client, 'put')).toEqual({ version: 2, created: false, unchanged: false });
    expect(cluster.schedules.kept.get('nightly')?.version).toBe(2);
    // The first version, and what was lost; the third does it, or asks whether it is done.
    const versions = cluster
      .peer(0)
      .got('putSchedule')
      .map(({ expectedVersion }) => expectedVersion);
    expect(versions).toEqual([0, 1, 1]);
  });

  it.each([true, false])('and which was taken or not (%s) is made once', async (taken) => {
    const { cluster, client } = await connected();
    loseAnswer(cluster, 'putSchedule', { as, taken });
    expect(await change(cluster, client, 'put')).toEqual({ version: 1, created: true, unchanged: false });
  });

  it.each([true, false])('and which was taken or not (%s) is deleted once', async (taken) => {
    const { cluster, client } = await begun();
    loseAnswer(cluster, 'deleteSchedule', { as, taken });
    await change(cluster, client, 'delete');
    expect(cluster.schedules.kept.size).toBe(0);
    expect(cluster.peer(0).got('deleteSchedule').length).toBe(taken ? 1 : 2);
  });

  it('is done where what was lost was still on its way, and deletes it before it is sent again', async () => {
    const { cluster, client } = await begun();
    const { script } = cluster.peer(0);
    loseAnswer(cluster, 'deleteSchedule', { as, taken: false });
    const lose = script.deleteSchedule!;
    script.deleteSchedule = (connection, frame) => {
      if (lose(connection, frame)) return true;
      cluster.schedules.change(frame);
      return false;
    };
    await change(cluster, client, 'delete');
    expect(cluster.schedules.kept.size).toBe(0);
    expect(cluster.peer(0).got('deleteSchedule').length).toBe(2);
  });

  it('is not put over what somebody else put meanwhile', async () => {
    const { cluster, client } = await begun();
    const theirs = { ...cluster.peer(0).got('putSchedule')[0], calendar: 'theirs', expectedVersion: null };
    const meanwhile = (): void => {
      cluster.schedules.change(theirs as Parameters<FakeCluster['schedules']['change']>[0]);
    };
    loseAnswer(cluster, 'putSchedule', { as, taken: true, meanwhile });
    await expect(change(cluster, client, 'put')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true });
    expect(cluster.schedules.kept.get('nightly')).toMatchObject({ version: 3, calendar: 'theirs' });
  });

  it('is not deleted again when somebody made it anew', async () => {
    const { cluster, client } = await begun();
    const put = cluster.peer(0).got('putSchedule')[0] as Parameters<FakeCluster['schedules']['change']>[0];
    loseAnswer(cluster, 'deleteSchedule', { as, taken: true, meanwhile: (all) => void all.change(put) });
    await change(cluster, client, 'delete');
    expect(cluster.schedules.kept.size).toBe(1);
  });

  it.each([
    ['pause', true],
    ['pause', false],
    ['resume', true],
    ['resume', false],
  ] as const)('is done once (%s, which was taken or not: %s)', async (act, taken) => {
    const { cluster, client } = await begun();
    if (act === 'resume') await change(cluster, client, 'pause');
    loseAnswer(cluster, `${act}Schedule`, { as, taken });
    await change(cluster, client, act);
    expect(cluster.schedules.kept.get('nightly')?.paused).toBe(act === 'pause');
    expect(cluster.peer(0).got(`${act}Schedule`).length).toBe(taken ? 1 : 2);
  });

  it.each(['pause', 'resume'] as const)('is unknown where somebody has done otherwise since (%s)', async (act) => {
    const { cluster, client } = await begun();
    if (act === 'resume') await change(cluster, client, 'pause');
    const type = act === 'pause' ? 'resumeSchedule' : 'pauseSchedule';
    const meanwhile = (): void => {
      cluster.schedules.change({ type, requestId: 1, schedule: 'nightly', note: 'theirs' });
    };
    loseAnswer(cluster, `${act}Schedule`, { as, taken: true, meanwhile });
    await expect(change(cluster, client, act)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringContaining('Look at the schedule') as unknown,
    });
    expect(cluster.schedules.kept.get('nightly')).toMatchObject({ paused: act === 'resume', note: 'theirs' });
  });

  it('is put again where the caller said which version it expects', async () => {
    const { cluster, client } = await begun();
    loseAnswer(cluster, 'putSchedule', { as, taken: true });
    const put = client.schedules.put({ ...NIGHTLY, cron: '31 2 * * *', expectedVersion: 1 });
    expect(await cluster.time.finish(put, 60_000)).toEqual({ version: 2, created: false, unchanged: true });
    expect(cluster.peer(0).got('getSchedule').length).toBe(1);
  });
});

it('a change of which nothing is heard any more is unknown, and not asked for again', async () => {
  const { cluster, client } = await connected();
  loseAnswer(cluster, 'putSchedule', { as: 'silence', taken: true });
  expect(await codeOf(cluster, client.schedules.put(NIGHTLY))).toBe('OUTCOME_UNKNOWN');
  await cluster.time.advance(20_000);
  expect(cluster.peer(0).got('putSchedule').length).toBe(1);
});

it('a schedule that somebody else changes between two looks is put over that', async () => {
  const { cluster, client } = await connected();
  let theirs = 3;
  cluster.peer(0).script.putSchedule = (_, frame) => {
    theirs -= 1;
    if (theirs >= 0) cluster.schedules.change({ ...frame, calendar: `theirs ${theirs}`, expectedVersion: null });
    return false;
  };
  expect(await cluster.time.finish(client.schedules.put(NIGHTLY))).toEqual({
    version: 4,
    created: false,
    unchanged: false,
  });
});

it('a change before which nobody says what is there changes nothing, and says so', async () => {
  const { cluster, client } = await connected();
  cluster.peer(0).script.getSchedule = () => true;
  const { schedules } = client;
  for (const change of [() => schedules.put(NIGHTLY), () => schedules.delete('x'), () => schedules.pause('x')]) {
    expect(await codeOf(cluster, change())).toBe('UNAVAILABLE');
  }
  expect(cluster.peer(0).received.some(({ type }) => /^(?:put|delete|pause)Schedule$/.test(type))).toBe(false);
});
