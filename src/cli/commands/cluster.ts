/** `taskraft cluster …` */
import { Command } from 'commander';
import type { TaskraftError } from '../../client/errors.ts';
import { Operator } from '../../client/operator.ts';
import { normalUrl } from '../../client/ports.ts';
import type { Client } from '../../index.ts';
import type { StatusAnswerFrame } from '../../protocol/server-frame.ts';
import type { MembershipRow, SnapshotRow } from '../../protocol/rows.ts';
import { joiningViews, memberViews } from '../cluster-view.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { formatBytes, formatTable, print, printable } from '../output.ts';
import { memberCommands } from './cluster-members.ts';

/** The commands under `cluster`. */
export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('look at the cluster, and change who belongs to it');
  cluster.addCommand(
    withConnection(new Command('status'))
      .description('how each peer is, by its own word; exit status 6 when there is no leader')
      .addHelpText('after', '\nExample:\n  taskraft cluster status --url ws://10.0.0.11:7400')
      .action((flags: ConnectionFlags) => withClient(flags, (client) => status(client, flags))),
  );
  for (const command of memberCommands()) cluster.addCommand(command);
  return cluster;
}

/** One line of the answer: what a peer says of itself, or why it says nothing. */
interface PeerLine {
  /** Undefined for a peer that never answered and that no other one has named. */
  readonly peer: string | undefined;
  readonly url: string;
  readonly status: StatusAnswerFrame | undefined;
  readonly error: TaskraftError | undefined;
  /** Log at the leader that this peer has not got yet, as far as it is still there; undefined without a leader. */
  readonly heldBackBytes: number | undefined;
  /** By the word of the leader; undefined when it is no member, or nobody leads. */
  readonly votes: boolean | undefined;
  /** It waits to be added. */
  readonly joining: boolean;
}

async function status(client: Client, flags: ConnectionFlags): Promise<void> {
  const answers = await new Operator(client).status();
  const leader = answers.flatMap((one) => ('status' in one && one.status.role === 'leader' ? [one.status] : []))[0];
  const told = answers.flatMap((one) =>
    'status' in one && one.status.membership !== null ? [one.status.membership] : [],
  );
  // Without a leader the newest that anybody knows is shown.
  const membership = leader?.membership ?? told.sort((left, right) => right[0] - left[0])[0];
  const members = membership === undefined ? [] : memberViews(membership);
  const joining = membership === undefined ? [] : joiningViews(membership);
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
      votes: members.find((each) => each.peer === peer)?.votes,
      joining: joining.some((each) => each.peer === peer),
    };
  });
  for (const { peer, url } of joining) {
    if (lines.some((line) => line.url === normalUrl(url))) continue;
    const line = { status: undefined, error: undefined, heldBackBytes: undefined, votes: undefined, joining: true };
    lines.push({ peer, url: normalUrl(url), ...line });
  }
  const peers = lines.map(lineValue);
  print(flags.output, { peers, joining }, () => table(lines), peers);
  for (const { peer, status, heldBackBytes = 0 } of lines) {
    for (const alarm of status?.alarms ?? []) process.stderr.write(`${peer}: ${printable(alarm)}\n`);
    if (heldBackBytes > 0) process.stderr.write(`${peer} has not got the last ${formatBytes(heldBackBytes)} of log\n`);
  }
  for (const { peer, replaces } of joining) {
    const what = replaces ? `${peer} has come back with another data directory` : `${peer} waits to be added`;
    process.stderr.write(`${what}: taskraft cluster ${replaces ? 'replace' : 'add'} ${peer}\n`);
  }
  if (leader === undefined) process.exitCode = EXIT.unavailable;
}

/** A line for programs: fields with names in place of rows. */
function lineValue({ peer, url, status, error, heldBackBytes, votes, joining }: PeerLine): object {
  const known = { peer, url, heldBackBytes, votes, joining };
  if (status === undefined && error === undefined) return known;
  if (status === undefined)
    return { ...known, error: { code: error?.code, message: error?.message, retryable: error?.retryable } };
  const { type: _type, requestId: _requestId, marks, members, membership, snapshot, ...rest } = status;
  return {
    ...rest,
    ...known,
    membership: membership === null ? null : membershipValue(membership),
    snapshot: snapshot === null ? null : snapshotValue(snapshot),
    marks: marks.map(([index, digest]) => ({ index, digest })),
    members: members.map(([id, connected, matchIndex, behindBytes]) => ({
      peer: id,
      connected,
      matchIndex,
      heldBackBytes: behindBytes,
    })),
  };
}

function membershipValue(membership: MembershipRow): object {
  const [index, committed] = membership;
  return { index, committed, members: memberViews(membership), joining: joiningViews(membership) };
}

function snapshotValue([phase, from, index, receivedBytes]: SnapshotRow): object {
  return { phase, from, index, receivedBytes };
}

/** The state in a word: what an operator has to know first. */
function stateOf({ status, error, joining }: PeerLine): string | undefined {
  if (joining) return 'joining';
  if (status === undefined) return error?.code;
  if (status.snapshot !== null) return 'snapshot';
  if (status.state !== 'serving') return status.state;
  if (status.damaged === true) return 'damaged';
  // It takes part as far as it knows, and hears of nobody who leads: alone, cut off, or refused by the others.
  return status.leader === null ? 'no leader' : 'serving';
}

function table(lines: readonly PeerLine[]): string {
  return formatTable<PeerLine>(
    [
      { title: 'PEER', of: (one) => one.peer },
      { title: 'URL', of: (one) => one.url },
      { title: 'STATE', of: stateOf },
      { title: 'VOTES', of: (one) => (one.votes === undefined ? undefined : one.votes ? 'yes' : 'no') },
      { title: 'ROLE', of: (one) => one.status?.role },
      { title: 'TERM', of: (one) => one.status?.term, align: 'right' },
      { title: 'COMMIT', of: (one) => one.status?.commitIndex, align: 'right' },
      { title: 'APPLIED', of: (one) => one.status?.appliedIndex, align: 'right' },
      { title: 'LOG', of: (one) => one.status && formatBytes(one.status.logBytes), align: 'right' },
      {
        title: 'BEHIND',
        of: (one) => (one.heldBackBytes === undefined ? undefined : formatBytes(one.heldBackBytes)),
        align: 'right',
      },
      { title: 'LAST MARK', of: (one) => one.status?.marks.at(-1)?.[0], align: 'right' },
      { title: 'DIGEST', of: (one) => one.status?.marks.at(-1)?.[1] },
    ],
    lines,
  );
}
