import { describe, expect, it } from 'vitest';
import { FEATURE_LEVEL } from '../../src/peer/features.ts';
import type { MembershipRefusal, TransferOutcome } from '../../src/peer/types.ts';
import type { AnswerFrame } from '../../src/protocol/server-frame.ts';
import { Desk } from './support/desk.ts';
import { memberStatus } from './support/fake-peer.ts';
import type { TestClient } from './support/sockets.ts';

const [ADD, PROMOTE, REMOVE] = [0, 1, 2];

function change(
  client: TestClient,
  kind: number,
  peer: string,
  incarnation: string | null = null,
): Promise<AnswerFrame> {
  return client.ask((requestId) => ({ type: 'changeMember', requestId, change: kind, peer, incarnation }));
}

function transfer(client: TestClient, peer: string | null): Promise<AnswerFrame> {
  return client.ask((requestId) => ({ type: 'transferLeadership', requestId, peer }));
}

describe('a change of members', () => {
  it('is made by the leader and answered with its place in the log', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    expect(await change(client, ADD, 'p4', 'c4')).toMatchObject({ type: 'memberChanged', index: 7 });
    desk.peer.members.push(memberStatus('p4', { votes: false }));
    expect(await change(client, PROMOTE, 'p4')).toMatchObject({ type: 'memberChanged', index: 7 });
    expect(await change(client, REMOVE, 'p2')).toMatchObject({ type: 'memberChanged', index: 7 });
    expect(desk.peer.changes).toEqual([
      { type: 'add', peer: 'p4', incarnation: 'c4' },
      { type: 'promote', peer: 'p4' },
      { type: 'remove', peer: 'p2' },
    ]);
  });

  it('is sent to the leader by everybody else', async () => {
    const desk = await Desk.open({}, { follows: true });
    const client = await desk.client();
    desk.peer.follow(3, 'p2');
    const leader = ['p2', 'ws://127.0.0.1:7410/v1/connect'];
    expect(await change(client, ADD, 'p4')).toMatchObject({ code: 'NOT_LEADER', leader });
    expect(await transfer(client, null)).toMatchObject({ code: 'NOT_LEADER', leader });
    expect(desk.peer.changes).toEqual([]);
  });

  it.each([
    ['already-member', 'ALREADY_MEMBER', false],
    ['already-votes', 'ALREADY_VOTER', false],
    ['unknown-peer', 'NOT_FOUND', false],
    ['not-caught-up', 'NOT_CAUGHT_UP', true],
    ['last-voter', 'LAST_VOTER', false],
    ['too-many-members', 'MEMBER_LIMIT', false],
    ['not-heard', 'NOT_HEARD', true],
    ['feature-off', 'FEATURE_OFF', true],
    ['transferring', 'CHANGE_PENDING', true],
    ['change-pending', 'CHANGE_PENDING', true],
    ['term-not-open', 'CHANGE_PENDING', true],
    ['uncommitted-limit', 'OVERLOADED', true],
  ] as const satisfies readonly (readonly [MembershipRefusal, string, boolean])[])(
    'that is refused as %s has the code %s',
    async (reason, code, retryable) => {
      const desk = await Desk.open();
      desk.peer.changeResult = { type: 'refused', reason, leader: undefined };
      const client = await desk.client();
      expect(await change(client, ADD, 'p4')).toMatchObject({ type: 'error', code, retryable });
    },
  );

  it('says so when nobody knows what became of it', async () => {
    const desk = await Desk.open();
    desk.peer.changeResult = { type: 'unknown' };
    expect(await change(await desk.client(), REMOVE, 'p3')).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });

  it.each([
    ['a name that is none', ADD, 'p 4', null],
    ['an incarnation of one that is removed', REMOVE, 'p2', 'c2'],
  ])('with %s is refused before anybody is asked', async (_, kind, peer, incarnation) => {
    const desk = await Desk.open();
    expect(await change(await desk.client(), kind, peer, incarnation)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(desk.peer.changes).toEqual([]);
  });
});

describe('the quorum', () => {
  const down = { connected: false };

  it.each([
    ['removing a live peer while another is down', REMOVE, 'p2', ['p1', 'p2', 'p3-'], 'p3'],
    ['removing the leader while another is down', REMOVE, 'p1', ['p1', 'p2', 'p3-'], 'p3'],
    ['removing one of four while two are down', REMOVE, 'p2', ['p1', 'p2', 'p3-', 'p4-'], 'p3, p4'],
    ['promoting when the new majority is not there', PROMOTE, 'p4', ['p1', 'p2', 'p3-', 'p4~-'], 'p3, p4'],
  ] as const)('is not given up by %s', async (_, kind, peer, members, missing) => {
    const desk = await Desk.open();
    desk.peer.members = members.map((text) =>
      memberStatus(text.slice(0, 2), { ...(text.endsWith('-') ? down : {}), votes: !text.includes('~') }),
    );
    const answer = await change(await desk.client(), kind, peer);
    expect(answer).toMatchObject({ code: 'QUORUM_AT_RISK', retryable: true });
    expect(answer).toHaveProperty('message', expect.stringContaining(`bring back ${missing},`));
    expect(desk.peer.changes).toEqual([]);
  });

  it.each([
    ['the peer that is down is removed', REMOVE, 'p3', ['p1', 'p2', 'p3-']],
    ['all are up', REMOVE, 'p2', ['p1', 'p2', 'p3']],
    ['the last of two that is down is removed', REMOVE, 'p2', ['p1', 'p2-']],
    ['one of four is promoted while another is down', PROMOTE, 'p4', ['p1', 'p2', 'p3-', 'p4~']],
    ['one without a vote is removed', REMOVE, 'p4', ['p1', 'p2', 'p3-', 'p4~-']],
    ['one is added, who has no vote yet', ADD, 'p4', ['p1', 'p2', 'p3-']],
  ] as const)('is kept, and the change made, when %s', async (_, kind, peer, members) => {
    const desk = await Desk.open();
    desk.peer.members = members.map((text) =>
      memberStatus(text.slice(0, 2), { ...(text.endsWith('-') ? down : {}), votes: !text.includes('~') }),
    );
    expect(await change(await desk.client(), kind, peer)).toMatchObject({ type: 'memberChanged' });
  });

  it('does not count on one that is connected and far behind', async () => {
    const desk = await Desk.open();
    desk.peer.members = [memberStatus('p1'), memberStatus('p2'), memberStatus('p3', { state: 'snapshot' })];
    expect(await change(await desk.client(), REMOVE, 'p2')).toMatchObject({ code: 'QUORUM_AT_RISK' });
  });
});

describe('the last peer that can lead', () => {
  // What a damaged one lacks, its state for instance, it gets from this one alone.
  it('is not removed while the others are being repaired, and can be as soon as one is whole', async () => {
    const desk = await Desk.open();
    const damaged = { damaged: true };
    desk.peer.members = [memberStatus('p1'), memberStatus('p2', damaged), memberStatus('p3', damaged)];
    const client = await desk.client();
    const answer = await change(client, REMOVE, 'p1');
    expect(answer).toMatchObject({ code: 'QUORUM_AT_RISK', retryable: true });
    expect(answer).toHaveProperty('message', expect.stringContaining('damaged at p2, p3'));
    expect(desk.peer.changes).toEqual([]);
    expect(await change(client, REMOVE, 'p2'), 'any other one can').toMatchObject({ type: 'memberChanged' });
    desk.peer.members = [memberStatus('p1'), memberStatus('p2'), memberStatus('p3', damaged)];
    expect(await change(client, REMOVE, 'p1')).toMatchObject({ type: 'memberChanged' });
  });
});

describe('a hand-over', () => {
  it('goes to the peer that is named, or to any, and tells who leads', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    expect(await transfer(client, 'p2')).toMatchObject({ type: 'transferred', leader: 'p2' });
    expect(await transfer(client, null)).toMatchObject({ type: 'transferred', leader: 'p2' });
    expect(desk.peer.changes).toEqual([
      { type: 'transfer', peer: 'p2' },
      { type: 'transfer', peer: undefined },
    ]);
  });

  it('to the leader itself is done already', async () => {
    const desk = await Desk.open();
    expect(await transfer(await desk.client(), 'p1')).toMatchObject({ type: 'transferred', leader: 'p1' });
    expect(desk.peer.changes).toEqual([]);
  });

  it.each([
    ['unknown-peer', 'NOT_FOUND', false],
    ['learner', 'NOT_VOTER', false],
    ['damaged', 'TRANSFER_FAILED', true],
    ['no-successor', 'TRANSFER_FAILED', true],
    ['timeout', 'TRANSFER_FAILED', true],
  ] as const)('that is refused as %s has the code %s', async (reason, code, retryable) => {
    const desk = await Desk.open();
    const outcome: TransferOutcome = { type: 'refused', reason, leader: undefined };
    desk.peer.transferOutcome = outcome;
    expect(await transfer(await desk.client(), 'p3')).toMatchObject({ code, retryable });
  });
});

describe('who the peers are', () => {
  const urls = (...ids: string[]): readonly (readonly [string, string])[] =>
    ids.map((id) => [id, `ws://127.0.0.1:${7_390 + 10 * Number(id.slice(1))}/v1/connect`]);

  it('is told to all that are connected when it changes, once', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const worker = await desk.worker();
    const members = [memberStatus('p1'), memberStatus('p2'), memberStatus('p4', { votes: false })];
    desk.peer.reconfigure(members);
    desk.peer.reconfigure(members.map((one) => ({ ...one, votes: true })));
    await desk.time.advance(10);
    for (const one of [client, worker]) {
      expect(one.all('leader')).toEqual([
        { type: 'leader', term: 1, leader: urls('p1')[0], peers: urls('p1', 'p2', 'p4') },
      ]);
    }
  });

  it('is told to those that come later in their welcome', async () => {
    const desk = await Desk.open();
    desk.peer.reconfigure([memberStatus('p1'), memberStatus('p5')]);
    const late = desk.listener.dial();
    late.send({
      type: 'hello',
      protocolVersion: 1,
      role: 'client',
      namespace: 'a',
      clientName: 't',
      clientVersion: '0',
    });
    await desk.time.advance(10);
    expect(late.all('welcome')).toMatchObject([{ peers: urls('p1', 'p5') }]);
  });

  it('falls back on the file for one whose address the log does not tell', async () => {
    const desk = await Desk.open();
    desk.peer.reconfigure([memberStatus('p1', { addresses: undefined }), memberStatus('p9', { addresses: undefined })]);
    const client = await desk.client();
    desk.peer.follow(2, 'p1');
    await desk.time.advance(10);
    expect(client.all('leader').at(-1)).toMatchObject({ peers: urls('p1') });
  });

  it('leaves the leader known that is no member any more and leads on', async () => {
    const desk = await Desk.open();
    desk.peer.reconfigure([memberStatus('p2'), memberStatus('p3')]);
    const client = await desk.client();
    desk.peer.reconfigure([memberStatus('p2')]);
    await desk.time.advance(10);
    expect(client.all('leader')).toMatchObject([{ leader: urls('p1')[0], peers: urls('p2') }]);
  });

  it('is in the status, with what is known of each', async () => {
    const desk = await Desk.open();
    desk.peer.members = [
      memberStatus('p1', { incarnation: 'c1' }),
      memberStatus('p2', { damaged: true, votes: false }),
    ];
    const client = await desk.client();
    expect(await client.ask((requestId) => ({ type: 'status', requestId }))).toMatchObject({
      membership: [
        3,
        true,
        [
          ['p1', true, 'c1', urls('p1')[0]?.[1], 'replicate', 1, true, false, false],
          ['p2', false, null, urls('p2')[0]?.[1], 'replicate', 1, true, true, false],
        ],
        [],
      ],
      featureLevel: FEATURE_LEVEL,
    });
  });
});

describe('reads', () => {
  it('are answered by a follower once it knows how far the leader is', async () => {
    const desk = await Desk.open();
    const number = await desk.submit(await desk.client());
    desk.peer.follow(2, 'p2');
    desk.peer.readsAnywhere = true;
    const client = await desk.client();
    const answer = await client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale: null }));
    expect(answer).toMatchObject({ type: 'task', index: desk.peer.appliedIndex });
  });

  it('that may be stale are answered at once, by whoever is asked', async () => {
    const desk = await Desk.open();
    const number = await desk.submit(await desk.client());
    desk.peer.follow(2);
    const client = await desk.client();
    const index = desk.peer.appliedIndex;
    const ask = (stale: boolean): Promise<AnswerFrame> =>
      client.ask((requestId) => ({ type: 'get', requestId, task: [0, 0, number], stale }));
    expect(await ask(false)).toMatchObject({ code: 'NO_LEADER' });
    expect(await ask(true)).toMatchObject({ type: 'task', index });
    const fields = { states: null, queue: null, taskType: null, cursor: null, limit: 5, stale: true, schedule: null };
    expect(await client.ask((requestId) => ({ type: 'list', requestId, ...fields }))).toMatchObject({
      tasks: [expect.anything()],
      index,
    });
    for (const type of ['listQueues', 'listWorkers'] as const) {
      expect(await client.ask((requestId) => ({ type, requestId, stale: true }))).toMatchObject({ index });
    }
  });

  it('that may be stale are refused by a peer that has no state yet', async () => {
    const desk = await Desk.open({}, { follows: true });
    desk.peer.hasState = false;
    const client = await desk.client();
    const answer = await client.ask((requestId) => ({ type: 'listQueues', requestId, stale: true }));
    expect(answer).toMatchObject({ code: 'NOT_READY', retryable: true });
  });
});

describe('a full disk', () => {
  it('refuses submissions with a code of its own, and takes everything else', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    const number = await desk.submit(client);
    desk.peer.noSpace = true;
    await expect(desk.submit(client, undefined, 2)).rejects.toThrow('NO_SPACE');
    const cancelled = await client.ask((requestId) => ({ type: 'cancel', requestId, tasks: [[0, 0, number]] }));
    expect(cancelled).toMatchObject({ type: 'cancelled', codes: [0] });
  });

  it('that is cleared takes the same submission', async () => {
    const desk = await Desk.open();
    const client = await desk.client();
    desk.peer.noSpace = true;
    await expect(desk.submit(client)).rejects.toThrow('"retryAfterMs":5000');
    desk.peer.noSpace = false;
    expect(await desk.submit(client)).toBe(1);
  });
});
