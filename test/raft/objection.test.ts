import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, DecodeError } from '../../src/base/bytes.ts';
import { peerId } from '../../src/base/ids.ts';
import { decodeMessage, encodeMessage } from '../../src/raft/codec.ts';
import { encodeMembers } from '../../src/raft/configuration.ts';
import { checkInvariants } from '../../src/raft/invariants.ts';
import type { Message } from '../../src/raft/message.ts';
import { EntryKind } from '../../src/raft/types.ts';
import { append, Lab } from './support/lab.ts';

const N1 = peerId('n1');

/** What `lab` has against a message of n2, or of another. */
function objection(lab: Lab, said: Partial<Message>, from = 'n2'): string | undefined {
  return lab.raft.objectionTo({ ...said, from: peerId(from), to: N1 } as Message);
}

function membersOf(...names: string[]): Uint8Array {
  return encodeMembers(names.map((name) => ({ peer: peerId(name), votes: true, info: new Uint8Array(0) })));
}

describe('a message that only a peer with a mistake in it sends', () => {
  it('claims to lead a term in which another one leads', () => {
    const lab = new Lab({ log: [1, 1], term: 2 });
    lab.hears('n2', { type: 'heartbeat', term: 2, commit: 0, readRound: 0 });
    const heartbeat: Partial<Message> = { type: 'heartbeat', term: 2, commit: 0, readRound: 0, snapshotNeeded: 0 };
    expect(objection(lab, heartbeat)).toBeUndefined();
    expect(objection(lab, heartbeat, 'n3')).toBe('n3 and n2 both lead term 2');
    expect(objection(lab, append(2, 2, 1, []), 'n3')).toBe('n3 and n2 both lead term 2');
    expect(objection(lab, { ...heartbeat, term: 3 }, 'n3'), 'a later term has its own leader').toBeUndefined();
    expect(objection(lab, { ...heartbeat, term: 1 }, 'n3'), 'it is told of the present one').toBeUndefined();
  });

  it('claims to lead the term of the one that it is told to', () => {
    const lab = new Lab({ log: [1] });
    lab.becomeLeader();
    expect(objection(lab, append(2, 1, 1, []))).toBe('n2 and n1 both lead term 2');
    expect(objection(lab, { type: 'timeout-now', term: 2, lastIndex: 1 })).toBe('n2 and n1 both lead term 2');
  });

  it('is of a term that no cluster gets to', () => {
    const lab = new Lab({ log: [1] });
    const term = 2 ** 50;
    expect(objection(lab, { type: 'vote-request', term, lastLogIndex: 1, lastLogTerm: 1, transfer: false })).toBe(
      `term ${term} is out of all reason`,
    );
  });

  it('changes two voters at once', () => {
    const lab = new Lab({ log: [1] });
    const base = append(1, 1, 1, [1, 1]);
    lab.hears('n2', {
      ...base,
      entries: base.entries.map((entry, at) =>
        at === 0 ? { ...entry, kind: EntryKind.configuration, data: membersOf('n1', 'n2') } : entry,
      ),
    });
    const further = append(1, 3, 1, [1]);
    const changed = (...names: string[]): string | undefined =>
      objection(lab, {
        ...further,
        entries: [{ ...further.entries[0]!, kind: EntryKind.configuration, data: membersOf(...names) }],
      });
    expect(changed('n1', 'n2', 'n4')).toBeUndefined();
    expect(changed('n1', 'n4')).toBe('entry 4 changes one voter at most');
  });

  it('votes before it was asked to, while the vote of the candidate itself may yet be forgotten', () => {
    const lab = new Lab({ log: [1] });
    lab.member.diskStalled = true;
    lab.tick(60);
    lab.hears('n2', { type: 'pre-vote-response', term: 2, granted: true });
    expect(lab.raft.role).toBe('candidate');
    const vote: Partial<Message> = { type: 'vote-response', term: 2, granted: true };
    expect(objection(lab, vote)).toBe('n2 votes before it was asked to');
    lab.sync();
    expect(objection(lab, vote)).toBeUndefined();
  });

  it('refuses what was never sent, or knows better than what it refuses', () => {
    const lab = new Lab({ log: [1] });
    lab.becomeLeader();
    const refusal = { type: 'append-rejected', term: 2, hintTerm: 0, damaged: false } as const;
    expect(objection(lab, { ...refusal, rejectedIndex: 1, hintIndex: 0 })).toBeUndefined();
    expect(objection(lab, { ...refusal, rejectedIndex: 9, hintIndex: 0 })).toBe(
      'entry 9 is refused, and was never sent',
    );
    expect(objection(lab, { ...refusal, rejectedIndex: 1, hintIndex: 2 })).toBe(
      'entry 2 is a hint behind entry 1, which is refused',
    );
  });
});

/** Small numbers, where it is decided what a message does, and some that are out of all reason. */
const number = fc.oneof(
  { weight: 9, arbitrary: fc.nat(6) },
  fc.constantFrom(2 ** 31, 2 ** 47, Number.MAX_SAFE_INTEGER),
);
const data = fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  fc.constantFrom(membersOf('n1', 'n2'), membersOf('n1', 'n2', 'n3'), membersOf('n2', 'n3', 'n4'), membersOf('n4')),
);
const entry = fc.record({ term: number, kind: fc.nat(3), data });
const TYPES: readonly Message['type'][] = [
  'pre-vote-request',
  'pre-vote-response',
  'vote-request',
  'vote-response',
  'append-entries',
  'append-accepted',
  'append-rejected',
  'heartbeat',
  'heartbeat-response',
  'timeout-now',
  'read-index-request',
  'read-index-response',
];
const message = fc.record({
  type: fc.constantFrom(...TYPES),
  from: fc.constantFrom('n2', 'n3', 'n4').map((name) => peerId(name)),
  term: number,
  lastLogIndex: number,
  lastLogTerm: number,
  transfer: fc.boolean(),
  granted: fc.boolean(),
  damaged: fc.boolean(),
  prevLogIndex: number,
  prevLogTerm: number,
  leaderCommit: number,
  entries: fc.array(entry, { maxLength: 4 }),
  matchIndex: number,
  matchTerm: number,
  rejectedIndex: number,
  hintIndex: number,
  hintTerm: number,
  commit: number,
  readRound: number,
  snapshotNeeded: number,
  lastIndex: number,
  round: number,
  index: number,
});
const step = fc.oneof(
  { weight: 6, arbitrary: message },
  { weight: 3, arbitrary: fc.constantFrom('tick', 'sync', 'stall', 'propose', 'lead') },
);

/** What of `drawn` reaches n1: a message as the wire can carry it. */
function received(drawn: unknown): Message | undefined {
  const writer = new ByteWriter();
  const said = drawn as Message;
  try {
    encodeMessage(writer, said);
    return decodeMessage(new ByteReader(writer.take()), said.from, N1);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The others elect n1, as far as it wants that. True when it leads. */
function elect(lab: Lab): boolean {
  const { raft } = lab;
  lab.tick(60);
  for (const type of ['pre-vote-response', 'vote-response'] as const) {
    const term = type === 'pre-vote-response' ? raft.term + 1 : raft.term;
    for (const from of ['n2', 'n3', 'n4']) {
      const said = { type, term, granted: true, from: peerId(from), to: N1 };
      if (raft.objectionTo(said) === undefined) lab.hears(from, said);
    }
  }
  return raft.role === 'leader';
}

it('whatever peers say that is not objected to, and shows no loss, breaks nothing here', () => {
  const seen = { taken: 0, refused: 0, led: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const lab = new Lab({ log: [1, 1, 2] });
      for (const one of steps) {
        if (one === 'tick') lab.tick(3);
        else if (one === 'stall') lab.member.diskStalled = !lab.member.diskStalled;
        else if (one === 'sync' && lab.member.disk.pending !== undefined) lab.sync();
        else if (one === 'propose') lab.propose('x');
        else if (one === 'lead') seen.led += Number(elect(lab));
        else if (typeof one !== 'string') {
          const heard = received(one);
          if (heard === undefined) continue;
          if (lab.raft.objectionTo(heard) === undefined && lab.raft.lossIn(heard) === undefined) {
            seen.taken += 1;
            lab.cluster.with('n1', (raft) => raft.step(heard));
          } else seen.refused += 1;
        }
        checkInvariants(lab.raft);
      }
    }),
    { numRuns: 500 },
  );
  expect(seen.taken).toBeGreaterThan(500);
  expect(seen.refused).toBeGreaterThan(100);
  expect(seen.led).toBeGreaterThan(100);
});
