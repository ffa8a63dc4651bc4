import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client } from '../../src/index.ts';
import { leaderOf, TestCluster, untilStatus } from './support/cluster.ts';
import { type Ran, taskraft } from './support/program.ts';

/** What `cluster add` and its like print with `-o json`. */
interface Changed {
  readonly peer: string;
  readonly member: boolean;
  readonly votes: boolean;
  readonly changed: boolean;
}

describe('the members of a cluster', () => {
  let cluster: TestCluster;
  let client: Client;

  /** The file of a cluster in which only these are named. */
  const fileOf = (ids: readonly string[]): string => {
    const file = path.join(cluster.directory, `${ids.join('-')}.json`);
    const members = cluster.members.filter(({ id }) => ids.includes(id));
    writeFileSync(file, JSON.stringify({ clusterId: 'test', members }));
    return file;
  };

  const run = (...args: readonly string[]): Promise<Ran> =>
    taskraft(args, { environment: { TASKRAFT_URL: cluster.urls.join(',') } });

  const changed = async (...args: readonly string[]): Promise<Changed> => {
    const { status, stdout, stderr } = await run('cluster', ...args, '-o', 'json');
    expect([status, stderr.includes('error')]).toEqual([0, false]);
    return JSON.parse(stdout) as Changed;
  };

  const start = async (id: string, members: readonly string[]): Promise<void> => {
    const program = cluster.spawn(id, ['--config', fileOf(members)]);
    await program.said('"msg":"listening"');
  };

  beforeEach(async () => {
    cluster = await TestCluster.make(4);
  });

  afterEach(async () => {
    await client.close();
    await cluster.end();
  });

  test('grow from one to three, let the first one go, and keep every task and connection on the way', async () => {
    await start('p1', ['p1']);
    client = await Client.connect({ urls: cluster.urls[0] as string });
    const first = await client.submit({ type: 'kept' });

    const early = await run('cluster', 'add', 'p2', '--join-timeout', '1s', '-o', 'json');
    expect([early.status, JSON.parse(early.stdout)]).toMatchObject([5, { error: { code: 'NOT_HEARD' } }]);
    expect(early.stderr).toContain('waiting for p2 to call p1: start it with an empty data directory');
    await start('p2', ['p1', 'p2']);
    expect(await changed('add', 'p2')).toMatchObject({ member: true, votes: false, changed: true });
    expect(await changed('promote', 'p2')).toMatchObject({ member: true, votes: true, changed: true });
    await start('p3', ['p1', 'p2', 'p3']);
    expect(await changed('add', 'p3', '--promote')).toMatchObject({ member: true, votes: true });
    expect(await changed('add', 'p3', '--promote')).toMatchObject({ votes: true, changed: false });

    const handed = await run('cluster', 'transfer', 'p2', '-o', 'json');
    expect(JSON.parse(handed.stdout)).toEqual({ leader: 'p2' });
    expect(await changed('remove', 'p1')).toMatchObject({ member: false, changed: true });
    const { status } = await cluster.program('p1').ended;
    expect(status).toBe(1);
    expect(cluster.program('p1').stderr).toContain('p1 was removed from the cluster');

    // The client was given p1 alone, and has followed.
    const last = await client.submit({ type: 'kept' });
    const page = await client.list({ stale: true });
    expect(page.index).toBeGreaterThan(0);
    expect((await client.list()).tasks.map((task) => task.id)).toEqual([last.id, first.id]);
    await untilStatus(
      client,
      (peers) =>
        peers
          .map(({ peer }) => peer)
          .toSorted()
          .join() === 'p2,p3',
    );
  });

  test('let one that lost its directory be replaced by one command, and say before what to do', async () => {
    await cluster.start(['p1', 'p2', 'p3', 'p4']);
    client = await Client.connect({ urls: cluster.urls });
    const kept = await client.submit({ type: 'kept' });
    await cluster.kill(['p3']);
    rmSync(cluster.dataOf('p3'), { recursive: true });
    await start('p3', cluster.ids);
    await untilStatus(client, (peers) => peers.some(({ membership }) => (membership?.[3].length ?? 0) > 0));
    const { stderr } = await run('cluster', 'status');
    expect(stderr).toContain('p3 has come back with another data directory: taskraft cluster replace p3');
    expect(await changed('replace', 'p3')).toMatchObject({ member: true, votes: true, changed: true });
    expect(await changed('replace', 'p3')).toMatchObject({ member: true, votes: true, changed: false });

    // Nobody remembers by itself what was committed: the change is in the logs, and the cluster starts again on it.
    await cluster.kill(cluster.ids);
    await cluster.start();
    await client.list();

    // It counts again: with another one down there is a majority of four.
    await cluster.kill(['p4']);
    expect((await client.get((await client.submit({ type: 'more' })).id)).type).toBe('more');
    expect((await client.get(kept.id, { stale: true })).type).toBe('kept');
    expect(await changed('remove', 'p4')).toMatchObject({ member: false });
    const leader = await leaderOf(client);
    const [gone, live] = ['p1', 'p2', 'p3'].filter((id) => id !== leader.peer) as [string, string];
    await cluster.kill([gone]);
    const refused = await run('cluster', 'remove', live, '-o', 'json');
    expect([refused.status, JSON.parse(refused.stdout)]).toMatchObject([5, { error: { code: 'QUORUM_AT_RISK' } }]);
    expect(await changed('remove', gone)).toMatchObject({ member: false });
  });

  test('are changed by names that are right, and with words about what to do next when not', async () => {
    await cluster.start(['p1', 'p2', 'p3', 'p4']);
    client = await Client.connect({ urls: cluster.urls });
    await client.list();
    const code = async (...args: readonly string[]): Promise<unknown> => {
      const { status, stdout } = await run('cluster', ...args, '-o', 'json');
      return [status, (JSON.parse(stdout) as { error: { code: string } }).error.code];
    };
    expect(await code('remove', 'p9')).toEqual([3, 'NOT_FOUND']);
    expect(await code('promote', 'p9')).toEqual([3, 'NOT_FOUND']);
    expect(await code('replace', 'p9')).toEqual([3, 'NOT_FOUND']);
    expect(await code('transfer', 'p9')).toEqual([3, 'NOT_FOUND']);
    expect(await code('add', 'p9', '--wait-timeout', '1s')).toEqual([6, 'TIMEOUT']);
    expect(await code('add', 'p 9')).toEqual([2, 'USAGE']);
  });
});
