/** A cluster on this host alone: its configuration, and its members as processes of their own. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { OwnProcess } from './own-process.ts';

/** Where one member is. */
export interface LocalMember {
  readonly id: string;
  /** `host:port` for clients. */
  readonly client: string;
  /** `host:port` for the other peers. */
  readonly peer: string;
  readonly dataDirectory: string;
}

/** A cluster that is not running yet. */
export interface LocalCluster {
  readonly configFile: string;
  readonly members: readonly LocalMember[];
}

const HOST = '127.0.0.1';

/** Writes `cluster.json` into `directory`. `ports` are two a member: for clients and for peers. */
export function writeLocalCluster(directory: string, clusterId: string, ports: readonly number[]): LocalCluster {
  const members: LocalMember[] = [];
  for (let at = 0; at * 2 + 1 < ports.length; at += 1) {
    members.push({
      id: `p${at + 1}`,
      client: `${HOST}:${ports[at * 2]}`,
      peer: `${HOST}:${ports[at * 2 + 1]}`,
      dataDirectory: path.join(directory, `p${at + 1}`),
    });
  }
  const configFile = path.join(directory, 'cluster.json');
  const config = { clusterId, members: members.map(({ id, peer, client }) => ({ id, peer, client })) };
  writeFileSync(configFile, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return { configFile, members };
}

/** The arguments by which `member` is started, as after `taskraft`. */
export function memberArguments(cluster: LocalCluster, member: LocalMember): readonly string[] {
  return ['server', '--config', cluster.configFile, '--peer', member.id, '--data', member.dataDirectory];
}

/** Starts one member. It ends with this process. */
export function startLocalMember(
  cluster: LocalCluster,
  member: LocalMember,
  said?: (text: string) => void,
): OwnProcess {
  return new OwnProcess({
    name: member.id,
    args: [...memberArguments(cluster, member), '--log-level', 'warn', '--stop-with-parent'],
    ...(said === undefined ? {} : { said }),
  });
}

/** Ports that nothing listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, HOST, resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  // Closed only when all are known, so that none is given twice.
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

/** What clients connect to. */
export function clientUrls(cluster: LocalCluster): readonly string[] {
  return cluster.members.map((member) => `ws://${member.client}`);
}
