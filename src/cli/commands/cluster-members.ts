/**
 * `taskraft cluster add|promote|remove|replace|transfer`. Each looks first and changes only what is missing, so that it can be
 * repeated after it was interrupted.
 *
 *     add:      heard ──add──▶ member ──caught up──▶ with --promote: ──promote──▶ votes
 *     replace:  heard with a new directory ──remove──▶ ──add──▶ ──caught up──▶ ──promote──▶ votes, if the one before did
 */
import { Command } from 'commander';
import { durationMs } from '../../client/duration.ts';
import { TaskraftError } from '../../client/errors.ts';
import type { Client } from '../../index.ts';
import type { ErrorCode } from '../../protocol/error-code.ts';
import {
  type ClusterView,
  ClusterWatch,
  type JoiningView,
  joiningIn,
  memberIn,
  type MemberView,
} from '../cluster-view.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { formatAge, formatBytes, formatFields, print } from '../output.ts';
import { duration, name } from '../parse.ts';
import { ProgressLine } from '../progress-line.ts';

interface WaitFlags extends ConnectionFlags {
  readonly waitTimeout: string;
  readonly wait: boolean;
}

interface JoinFlags extends WaitFlags {
  readonly joinTimeout: string;
}

interface AddFlags extends JoinFlags {
  readonly promote: boolean;
}

const START_WORDS = 'start it with an empty data directory and a cluster.json that names it beside all members';

/** The commands that change who belongs to the cluster, and who leads. */
export function memberCommands(): Command[] {
  return [addCommand(), promoteCommand(), removeCommand(), replaceCommand(), transferCommand()];
}

function addCommand(): Command {
  return withJoin(new Command('add'))
    .description('take a peer into the cluster, without a vote; waits until it has caught up')
    .argument('<peer>', 'its id; it must run, with an empty data directory', name)
    .option('--promote', 'give it a vote then', false)
    .addHelpText('after', '\nExample:\n  taskraft cluster add p4 --promote')
    .action((peer: string, flags: AddFlags) => run(flags, (change) => add(change, peer, flags.promote)));
}

function promoteCommand(): Command {
  return withWait(new Command('promote'))
    .description('give a member a vote, once it has caught up')
    .argument('<peer>', 'its id', name)
    .addHelpText('after', '\nExample:\n  taskraft cluster promote p4')
    .action((peer: string, flags: WaitFlags) => run(flags, (change) => promoteMember(change, peer)));
}

function removeCommand(): Command {
  return withConnection(new Command('remove'))
    .description('take a peer out of the cluster; it stops by itself, and its data directory cannot come back')
    .argument('<peer>', 'its id', name)
    .addHelpText('after', '\nExample:\n  taskraft cluster remove p4')
    .action((peer: string, flags: ConnectionFlags) =>
      run({ ...flags, waitTimeout: flags.timeout, wait: true }, (change) => remove(change, peer)),
    );
}

function replaceCommand(): Command {
  return withJoin(new Command('replace'))
    .description('let a member go on that lost its data directory: removes it, adds the new one, waits, promotes it')
    .argument('<peer>', 'its id; it must run again, with an empty data directory', name)
    .addHelpText('after', '\nExample:\n  taskraft cluster replace p2')
    .action((peer: string, flags: JoinFlags) => run(flags, (change) => replace(change, peer)));
}

function transferCommand(): Command {
  return withConnection(new Command('transfer'))
    .description('hand leadership over, to the peer that can take over soonest unless one is named')
    .argument('[peer]', 'its id', name)
    .addHelpText('after', '\nExample:\n  taskraft cluster transfer p3')
    .action((peer: string | undefined, flags: ConnectionFlags) =>
      withClient(flags, async (client) => {
        const leader = await new ClusterWatch(client, durationMs(flags.timeout, 'timeout')).operator.transferLeadership(
          peer,
        );
        print(flags.output, { leader }, () => formatFields([['leader', leader]]));
      }),
    );
}

function withWait(command: Command): Command {
  return withConnection(command)
    .option('--no-wait', 'do not wait until the peer has caught up')
    .option(
      '--wait-timeout <duration>',
      'give up waiting after this long; repeat the command to go on',
      duration,
      '1h',
    );
}

function withJoin(command: Command): Command {
  return withWait(command).option(
    '--join-timeout <duration>',
    'give up when the peer has not called the cluster after this long; nothing is changed then',
    duration,
    '1m',
  );
}

/** One command under way. */
interface Change {
  readonly watch: ClusterWatch;
  readonly progress: ProgressLine;
  readonly waits: boolean;
  /** How long a peer has for its first call, as it was written; undefined where none is waited for. */
  readonly joinTimeout: string | undefined;
}

/** What became of the peer. */
interface Changed {
  readonly peer: string;
  /** `none` once it was removed. */
  readonly vote: 'yes' | 'no' | 'none';
  /** Position in the log of the last change that was made; undefined when there was nothing to do. */
  readonly index: number | undefined;
}

async function run(flags: WaitFlags & Partial<JoinFlags>, make: (change: Change) => Promise<Changed>): Promise<void> {
  const progress = new ProgressLine();
  try {
    await withClient(flags, async (client: Client) => {
      const watch = new ClusterWatch(client, durationMs(flags.waitTimeout, 'wait-timeout'));
      const { wait: waits, joinTimeout } = flags;
      const { peer, vote, index } = await make({ watch, progress, waits, joinTimeout });
      progress.end();
      const changed = index !== undefined;
      print(flags.output, { peer, member: vote !== 'none', votes: vote === 'yes', changed, index: index ?? null }, () =>
        formatFields([
          ['peer', peer],
          ['member', vote === 'none' ? 'no' : 'yes'],
          ['votes', vote === 'yes' ? 'yes' : 'no'],
          ['changed', index === undefined ? 'nothing: it was so already' : `at ${index} of the log`],
        ]),
      );
    });
  } finally {
    progress.end();
  }
}

async function add(change: Change, peer: string, promotes: boolean): Promise<Changed> {
  const before = await change.watch.look();
  const member = memberIn(before, peer);
  if (member !== undefined && joiningIn(before, peer) !== undefined) {
    const how = `to let the new one take its place run "taskraft cluster replace ${peer}"`;
    throw new TaskraftError('ALREADY_MEMBER', `${peer} is a member with another data directory; ${how}.`);
  }
  const index = member === undefined ? await addHeard(change, await heard(change, peer)) : undefined;
  if (member?.votes === true) return { peer, vote: 'yes', index };
  return finish(change, peer, promotes, index);
}

async function promoteMember(change: Change, peer: string): Promise<Changed> {
  const member = memberIn(await change.watch.look(), peer);
  if (member === undefined) throw notFound(peer, `add it first: taskraft cluster add ${peer}`);
  if (member.votes) return { peer, vote: 'yes', index: undefined };
  return finish(change, peer, true, undefined);
}

async function remove({ watch }: Change, peer: string): Promise<Changed> {
  if (memberIn(await watch.look(), peer) === undefined) throw notFound(peer, 'look at "taskraft cluster status"');
  // It was there a moment ago: when an answer was lost and it is not there any more, that was us.
  const index = await unless('NOT_FOUND', watch.operator.changeMember('remove', peer));
  return { peer, vote: 'none', index: index ?? (await watch.look()).commitIndex };
}

async function replace(change: Change, peer: string): Promise<Changed> {
  const { watch, progress } = change;
  const before = await watch.look();
  const old = memberIn(before, peer);
  if (old === undefined && joiningIn(before, peer) === undefined) {
    throw notFound(
      peer,
      `${START_WORDS}, then repeat this command; a new peer is taken in with "taskraft cluster add ${peer}"`,
    );
  }
  if (old !== undefined && joiningIn(before, peer) === undefined && old.connected) {
    // Done before, or interrupted while it caught up.
    if (old.votes) return { peer, vote: 'yes', index: undefined };
    return finish(change, peer, true, undefined);
  }
  // The new one must be there before the old one goes: the cluster is not made smaller for nothing.
  const joining = await heard(change, peer);
  if (old !== undefined) {
    const index = await unless('NOT_FOUND', watch.operator.changeMember('remove', peer));
    progress.note(`removed the ${peer} that had the data directory ${shortened(old.incarnation)}${at(index)}`);
  }
  const index = await addHeard(change, joining);
  return finish(change, peer, old?.votes ?? true, index);
}

/** Waits until `peer` has called the leader and could be added. One that runs needs a second or two. */
function heard({ watch, progress, joinTimeout = '1m' }: Change, peer: string): Promise<JoiningView> {
  const how = `${START_WORDS}; its log says more`;
  const never = `${peer} has not called the cluster within ${joinTimeout}, and nothing was changed`;
  return watch.until(
    (view, waitedMs) => {
      const joining = joiningIn(view, peer);
      if (joining === undefined)
        progress.say(`waiting${forSoLong(waitedMs)} for ${peer} to call ${view.leader}: ${START_WORDS}`);
      return joining;
    },
    `${peer} has not called the leader: ${how}.`,
    {
      timeoutMs: durationMs(joinTimeout, 'join-timeout'),
      error: () =>
        new TaskraftError('NOT_HEARD', `${never}: ${how}. Where that takes longer, say so: --join-timeout 10m`),
    },
  );
}

/** What a line of progress says of a wait, once it has lasted. */
function forSoLong(waitedMs: number): string {
  return waitedMs < 1000 ? '' : ` (${formatAge(waitedMs)})`;
}

async function addHeard(
  { watch, progress }: Change,
  { peer, incarnation, url }: JoiningView,
): Promise<number | undefined> {
  const index = await unless('ALREADY_MEMBER', watch.operator.changeMember('add', peer, incarnation));
  progress.note(`added ${peer} at ${url} with the data directory ${shortened(incarnation)}${at(index)}`);
  return index;
}

/** Waits until it has caught up and gives it a vote, as far as that is wanted. */
async function finish(change: Change, peer: string, promotes: boolean, index: number | undefined): Promise<Changed> {
  if (change.waits) await caughtUp(change, peer);
  if (!promotes) return { peer, vote: 'no', index };
  const promoted = await promote(change, peer);
  return { peer, vote: 'yes', index: promoted ?? index };
}

async function promote(change: Change, peer: string): Promise<number | undefined> {
  const { watch, progress, waits } = change;
  for (;;) {
    try {
      const index = await unless('ALREADY_VOTER', watch.operator.changeMember('promote', peer));
      progress.note(`${peer} votes${at(index)}`);
      return index;
    } catch (error) {
      // It was up to date a moment ago and fell behind: under load that comes and goes.
      if (!waits || !(error instanceof TaskraftError) || error.code !== 'NOT_CAUGHT_UP') throw error;
      await caughtUp(change, peer);
    }
  }
}

/** Waits until `peer` has everything that was committed when the wait began. */
async function caughtUp(change: Change, peer: string): Promise<void> {
  const { watch } = change;
  const goal = (await watch.look()).commitIndex;
  let last: ClusterView | undefined;
  const late = `${peer} has not caught up in time: it is a member without a vote; repeat the command to go on waiting.`;
  await watch.until((view, waitedMs) => {
    last = view;
    const member = memberIn(view, peer);
    if (member === undefined) throw notFound(peer, 'somebody has removed it meanwhile');
    if (member.connected && member.state === 'replicate' && member.matchIndex >= goal) return true;
    void sayHowFar(change, member, goal, waitedMs, () => last === view);
    return undefined;
  }, late);
}

async function sayHowFar(
  { watch, progress }: Change,
  member: MemberView,
  goal: number,
  waitedMs: number,
  isCurrent: () => boolean,
): Promise<void> {
  const { peer } = member;
  const say = (what: string): void => progress.say(`waiting${forSoLong(waitedMs)}: ${peer} ${what}`);
  if (!member.connected) return say('is not connected to the leader');
  if (member.state !== 'snapshot') return say(`has ${member.matchIndex} of ${goal} entries`);
  const own = await watch.own(peer);
  if (!isCurrent()) return;
  if (own?.snapshot === undefined || own.snapshot === null) return say('needs a snapshot');
  const [phase, from, , receivedBytes] = own.snapshot;
  say(`is ${phase} a snapshot${from === null ? '' : ` from ${from}`}, ${formatBytes(receivedBytes)} so far`);
}

/** What `promise` gives, or undefined when it was refused with `code`: what was asked for is so already. */
async function unless<Value>(code: ErrorCode, promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof TaskraftError && error.code === code) return undefined;
    throw error;
  }
}

function notFound(peer: string, how: string): TaskraftError {
  return new TaskraftError('NOT_FOUND', `${peer} is no member of the cluster: ${how}.`);
}

function at(index: number | undefined): string {
  return index === undefined ? '' : `, at ${index} of the log`;
}

/** Enough of an incarnation to tell two apart. */
function shortened(incarnation: string | undefined): string {
  return incarnation === undefined ? 'that was never heard' : `${incarnation.slice(0, 8)}…`;
}
