/** `taskraft cluster …` */
import { Command } from 'commander';
import type { TaskraftError } from '../../client/errors.ts';
import { Operator } from '../../client/operator.ts';
import { normalUrl } from '../../client/ports.ts';
import type { Client } from '../../index.ts';
import type { StatusAnswerFrame } from '../../protocol/server-frame.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { formatBytes, formatTable, print, printable } from '../output.ts';

/** The commands under `cluster`. */
export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('look at the cluster');
  cluster.addCommand(
    withConnection(new Command('status'))
      .description('how each peer is, by its own word; exit status 6 when there is no leader')
      .addHelpText('after', '\nExample:\n  taskraft cluster status --url ws://10.0.0.11:7400')
      .action((flags: ConnectionFlags) => withClient(flags, (client) => status(client, flags))),
  );
  return cluster;
}

/** One line of the answer: what a peer says of itself, or why it says nothing. */
interface PeerLine {
  /** Undefined for a peer that never answered and that no other one has named. */
  readonly peer: string | undefined;
  readonly url: string;
  readonly status: StatusAnswerFrame | undefined;
  readonly error: TaskraftError | undefined;
  /** Log that the leader keeps only because this peer has not got it yet; undefined without a leader. */
  readonly heldBackBytes: number | undefined;
}

async function status(client: Client, flags: ConnectionFlags): Promise<void> {
  const answers = await new Operator(client).status();
  const leader = answers.flatMap((one) => ('status' in one && one.status.role === 'leader' ? [one.status] : []))[0];
  const idOf = new Map(client.core.welcome?.peers.map(([peer, url]) => [normalUrl(url), peer]));
  const lines = answers.map((one): PeerLine => {
    const peer = 'status' in one ? one.status.peer : idOf.get(one.url);
    const member = leader?.members.find(([id]) => id === peer);
    return {
      peer,
      url: one.url,
      status: 'status' in one ? one.status : undefined,
      error: 'error' in one ? one.error : undefined,
      heldBackBytes: member?.[3] ?? (leader === undefined ? undefined : 0),
    };
  });
  print(flags.output, { peers: lines.map(lineValue) }, () => table(lines));
  for (const { peer, status, heldBackBytes = 0 } of lines) {
    for (const alarm of status?.alarms ?? []) process.stderr.write(`${peer}: ${printable(alarm)}\n`);
    if (heldBackBytes > 0)
      process.stderr.write(`${peer} is behind: ${formatBytes(heldBackBytes)} of log are kept for it\n`);
  }
  if (leader === undefined) process.exitCode = EXIT.unavailable;
}

/** A line for programs: fields with names in place of rows. */
function lineValue({ peer, url, status, error, heldBackBytes }: PeerLine): object {
  if (status === undefined)
    return {
      peer,
      url,
      heldBackBytes,
      error: { code: error?.code, message: error?.message, retryable: error?.retryable },
    };
  const { type: _type, requestId: _requestId, marks, members, ...rest } = status;
  return {
    ...rest,
    url,
    heldBackBytes,
    marks: marks.map(([index, digest]) => ({ index, digest })),
    members: members.map(([id, connected, matchIndex, behindBytes]) => ({
      peer: id,
      connected,
      matchIndex,
      heldBackBytes: behindBytes,
    })),
  };
}

function table(lines: readonly PeerLine[]): string {
  return formatTable<PeerLine>(
    [
      { title: 'PEER', of: (one) => one.peer },
      { title: 'URL', of: (one) => one.url },
      { title: 'STATE', of: (one) => one.status?.state ?? one.error?.code },
      { title: 'ROLE', of: (one) => one.status?.role },
      { title: 'TERM', of: (one) => one.status?.term, align: 'right' },
      { title: 'COMMIT', of: (one) => one.status?.commitIndex, align: 'right' },
      { title: 'APPLIED', of: (one) => one.status?.appliedIndex, align: 'right' },
      { title: 'LOG', of: (one) => one.status && formatBytes(one.status.logBytes), align: 'right' },
      {
        title: 'HELD BACK',
        of: (one) => (one.heldBackBytes === undefined ? undefined : formatBytes(one.heldBackBytes)),
        align: 'right',
      },
      { title: 'LAST MARK', of: (one) => one.status?.marks.at(-1)?.[0], align: 'right' },
      { title: 'DIGEST', of: (one) => one.status?.marks.at(-1)?.[1] },
    ],
    lines,
  );
}
