import { beforeAll, describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { EnvelopeWriter } from '../../src/peer/envelope.ts';
import { checkEntries, RefusedFrames } from '../../src/peer/incoming.ts';
import type { Peer } from '../../src/peer/peer.ts';
import { encodeMembers } from '../../src/raft/configuration.ts';
import type { AppendEntries, Message } from '../../src/raft/message.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { BatchWriter } from '../../src/scheduler/batch.ts';
import { OPEN_SESSION, submit, TestCluster } from './support/cluster.ts';

/** What a message lacks here: its ends. */
type Said<T> = T extends Message ? Omit<T, 'from' | 'to' | 'term'> : never;

let cluster: TestCluster;
let hearer: Peer;
let leader: Peer;

beforeAll(async () => {
  cluster = await TestCluster.serving(3);
  await cluster.propose(cluster.leader!, OPEN_SESSION);
  await cluster.untilEqual();
  leader = cluster.leader!;
  hearer = cluster.followers[0]!;
});

/** `hearer` gets a frame with what `from` says in the present term. */
function hears(from: Peer, said: Said<Message>): () => void {
  const message = { ...said, from: from.self, to: hearer.self, term: hearer.term } as Message;
  const frame = new EnvelopeWriter().frame(message, 0);
  return () => hearer.inspect()!.frame(from.self, 'bulk', frame);
}

/** An append of one entry behind all that `hearer` has. */
function appendOf(kind: EntryKind, data: Uint8Array): Said<AppendEntries> {
  const { durableIndex: prevLogIndex, commitIndex: leaderCommit, term } = hearer.status();
  const entries = [{ index: prevLogIndex + 1, term, kind, data }];
  return { type: 'append-entries', prevLogIndex, prevLogTerm: term, leaderCommit, entries };
}

describe('a frame of a member that has a mistake in it is refused, and its hearer goes on', () => {
  test.each<readonly [string, RegExp, () => () => void]>([
    [
      'of a second leader',
      /both lead term/,
      () =>
        hears(cluster.followers[1]!, {
          type: 'heartbeat',
          commit: 0,
          matchIndex: 0,
          matchTerm: 0,
          readRound: 0,
          snapshotNeeded: 0,
        }),
    ],
    [
      'with an entry that is no batch of commands',
      /an entry has kind 77/,
      () => hears(leader, appendOf(EntryKind.command, Uint8Array.of(77, 1, 2, 3))),
    ],
    [
      'with members of whom something unreadable is told',
      /has format 9/,
      () =>
        hears(
          leader,
          appendOf(
            EntryKind.configuration,
            encodeMembers([{ peer: peerId('p1'), votes: true, info: Uint8Array.of(9) }]),
          ),
        ),
    ],
  ])('%s', async (_, reason, said) => {
    const before = cluster.process(hearer.self).halted.length;
    expect(said()).toThrow(DecodeError);
    expect(said()).toThrow(reason);
    expect(cluster.process(hearer.self).halted).toHaveLength(before);
    expect(hearer.status().state).toBe('serving');
  });

  test('and after all of that the cluster is as it was', async () => {
    const { generation } = hearer;
    expect(await cluster.propose(leader, submit(1))).toMatchObject({ type: 'applied' });
    await cluster.untilEqual();
    expect(hearer.generation).toBe(generation);
    expect(cluster.leader).toBe(leader);
  });
});

test('entries that a peer can keep are let in: batches, members, and what opens a term', () => {
  const batch = new BatchWriter();
  batch.begin();
  const entries = [
    { index: 1, term: 1, kind: EntryKind.noop, data: new Uint8Array(0) },
    { index: 2, term: 1, kind: EntryKind.command, data: batch.finish(5) },
    { index: 3, term: 1, kind: EntryKind.feature, data: new Uint8Array(4) },
  ];
  const ends = { from: peerId('p1'), to: peerId('p2'), term: 1 };
  checkEntries({ type: 'append-entries', ...ends, prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0, entries });
});

test('refused frames are counted, and said less and less often', () => {
  const lines: unknown[] = [];
  const refused = new RefusedFrames({ warn: (message, fields) => lines.push([message, fields]) });
  const frame = (): void =>
    refused.watch(peerId('p2'), () => {
      throw new DecodeError('it is none of ours');
    });
  for (let at = 0; at < 9; at += 1) expect(frame).toThrow('none of ours');
  refused.watch(peerId('p3'), () => {});
  expect(refused.countOf(peerId('p2'))).toBe(9);
  expect(refused.countOf(peerId('p3'))).toBe(0);
  const said = (count: number): unknown => [
    'a frame of another peer was refused',
    { peer: 'p2', reason: 'it is none of ours', count },
  ];
  expect(lines).toEqual([said(1), said(2), said(4), said(8)]);
  expect(() =>
    refused.watch(peerId('p2'), () => {
      throw new RangeError('a mistake of our own');
    }),
  ).toThrow('a mistake of our own');
  expect(refused.countOf(peerId('p2')), 'only what is refused counts').toBe(9);
});
