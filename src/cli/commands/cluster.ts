/** `taskraft cluster …` */
import { Command } from 'commander';
import { Operator, type PeerStatus } from '../../client/operator.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { formatBytes, formatTable, print } from '../output.ts';

/** The commands under `cluster`. */
export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('look at the cluster');
  cluster.addCommand(
    withConnection(new Command('status'))
      .description('how each peer is, by its own word; exit status 6 when there is no leader')
      .addHelpText('after', '\nExample:\n  taskraft cluster status --url ws://10.0.0.11:7400')
      .action((flags: ConnectionFlags) => withClient(flags, (client) => status(new Operator(client), flags))),
  );
  return cluster;
}

async function status(operator: Operator, flags: ConnectionFlags): Promise<void> {
  const peers = await operator.status();
  const value = peers.map((peer) =>
    'error' in peer
      ? { url: peer.url, error: { code: peer.error.code, message: peer.error.message } }
      : { url: peer.url, ...peer.status },
  );
  const leader = peers.find((peer) => 'status' in peer && peer.status.role === 'leader');
  const heldBack = new Map(
    leader !== undefined && 'status' in leader
      ? leader.status.members.map(([peer, , , heldBackBytes]) => [peer, heldBackBytes])
      : [],
  );
  print(flags.output, { peers: value }, () => table(peers, heldBack));
  for (const peer of peers) {
    if ('error' in peer) continue;
    for (const alarm of peer.status.alarms) process.stderr.write(`${peer.status.peer}: ${alarm}\n`);
  }
  for (const [peer, heldBackBytes] of heldBack) {
    if (heldBackBytes === 0) continue;
    process.stderr.write(`${peer} is behind: ${formatBytes(heldBackBytes)} of log are kept for it\n`);
  }
  if (leader === undefined) process.exitCode = EXIT.unavailable;
}

function table(peers: readonly PeerStatus[], heldBack: ReadonlyMap<string, number>): string {
  return formatTable<PeerStatus>(
    [
      { title: 'PEER', of: (one) => ('error' in one ? undefined : one.status.peer) },
      { title: 'URL', of: (one) => one.url },
      { title: 'STATE', of: (one) => ('error' in one ? one.error.code : one.status.state) },
      { title: 'ROLE', of: (one) => ('error' in one ? undefined : one.status.role) },
      { title: 'TERM', of: (one) => ('error' in one ? undefined : one.status.term), align: 'right' },
      { title: 'COMMIT', of: (one) => ('error' in one ? undefined : one.status.commitIndex), align: 'right' },
      { title: 'APPLIED', of: (one) => ('error' in one ? undefined : one.status.appliedIndex), align: 'right' },
      { title: 'LOG', of: (one) => ('error' in one ? undefined : formatBytes(one.status.logBytes)), align: 'right' },
      {
        title: 'HELD BACK',
        of: (one) => ('error' in one ? undefined : formatBytes(heldBack.get(one.status.peer) ?? 0)),
        align: 'right',
      },
      { title: 'LAST MARK', of: (one) => ('error' in one ? undefined : one.status.marks.at(-1)?.[0]), align: 'right' },
      { title: 'DIGEST', of: (one) => ('error' in one ? undefined : one.status.marks.at(-1)?.[1]) },
    ],
    peers,
  );
}
