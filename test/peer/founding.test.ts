import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { admit } from '../../src/peer/admission.ts';
import type { Standing } from '../../src/peer/admission.ts';
import { FirstStart, knownIncarnation, waitingSentence } from '../../src/peer/founding.ts';
import { NO_INCARNATION } from '../../src/peer/member-info.ts';
import type { Founding } from '../../src/storage/storage.ts';
import type { PeerFacts } from '../../src/transport/transport.ts';

const [P1, P2, P3] = [peerId('p1'), peerId('p2'), peerId('p3')];
const ME = { peerId: P1, incarnation: 'a1' };

const ADDRESS = { host: '127.0.0.1', port: 7401 };

function facts(
  incarnation: string,
  log: 'empty' | 'begun',
  knowsMe: PeerFacts['knowsMe'],
  founders: PeerFacts['founders'] = [P1, P2, P3],
): PeerFacts {
  const addresses = { peer: ADDRESS, client: ADDRESS };
  return { incarnation, logEmpty: log === 'empty', knowsMe, featureLevel: 1, founders, addresses };
}

const NOBODY = { missing: [], strangers: [], replaced: [], disagreeing: [] };

function verdictAfter(...answers: readonly (readonly [typeof P2, PeerFacts])[]): ReturnType<FirstStart['verdict']> {
  const start = new FirstStart(ME, [P2, P3]);
  for (const [peer, said] of answers) start.hears(peer, said);
  return start.verdict();
}

describe('a peer with an empty log', () => {
  test('founds alone where it is the only member', () => {
    const founding = { founded: true, heard: [ME], whole: true };
    expect(new FirstStart(ME, []).verdict()).toEqual({ type: 'founded', founding });
  });

  test('waits for every member of the file', () => {
    expect(verdictAfter()).toEqual({ ...NOBODY, type: 'waiting', missing: [P2, P3] });
    expect(verdictAfter([P3, facts('c3', 'empty', 'not')])).toEqual({ ...NOBODY, type: 'waiting', missing: [P2] });
  });

  test('is a founder once all have answered that they are empty too', () => {
    expect(verdictAfter([P3, facts('c3', 'empty', 'not')], [P2, facts('b2', 'empty', 'not')])).toEqual({
      type: 'founded',
      founding: {
        founded: true,
        heard: [ME, { peerId: P2, incarnation: 'b2' }, { peerId: P3, incarnation: 'c3' }],
        whole: true,
      },
    });
  });

  test('counts the newest answer of a member that came back on another disk', () => {
    const verdict = verdictAfter(
      [P2, facts('old', 'empty', 'not')],
      [P2, facts('new', 'empty', 'not')],
      [P3, facts('c3', 'empty', 'not')],
    );
    expect(verdict.type === 'founded' && knownIncarnation(verdict.founding, P2)).toBe('new');
  });

  test('is a founder by the word of one that knows this very incarnation, though others are silent', () => {
    expect(verdictAfter([P2, facts('b2', 'begun', 'as-this')])).toEqual({
      type: 'founded',
      founding: {
        founded: true,
        heard: [ME, { peerId: P2, incarnation: 'b2' }, { peerId: P3, incarnation: NO_INCARNATION }],
        whole: true,
      },
    });
  });

  test('that came later is no founder: it takes over the founders of whoever knows it', () => {
    const verdict = verdictAfter([P2, facts('b2', 'begun', 'as-this', [P2, P3])]);
    expect(verdict).toMatchObject({
      type: 'founded',
      founding: {
        heard: [
          { peerId: P2, incarnation: 'b2' },
          { peerId: P3, incarnation: NO_INCARNATION },
        ],
      },
    });
    expect(verdict.type === 'founded' && knownIncarnation(verdict.founding, P3)).toBeUndefined();
  });

  test('waits while another one that is empty has other members in its file', () => {
    const verdict = verdictAfter([P2, facts('b2', 'empty', 'not', [P1, P2])], [P3, facts('c3', 'empty', 'not')]);
    expect(verdict).toEqual({ ...NOBODY, type: 'waiting', disagreeing: [P2] });
    expect(waitingSentence(P1, verdict)).toContain('the file of p2 names other members');
  });

  test('waits while one knows another incarnation of it, and says how it can take the place of that one', () => {
    const verdict = verdictAfter([P3, facts('c3', 'begun', 'as-another')]);
    expect(verdict).toEqual({ ...NOBODY, type: 'waiting', missing: [P2], replaced: [P3] });
    const sentence = waitingSentence(P1, verdict);
    expect(sentence).toContain('Start p1 with the directory that it had');
    expect(sentence).toContain('taskraft cluster replace p1');
  });

  test('waits while one has a log and has not heard of it: that one may have been founded by the word of a third', () => {
    const verdict = verdictAfter([P2, facts('b2', 'begun', 'not')], [P3, facts('c3', 'empty', 'not')]);
    expect(verdict).toEqual({ ...NOBODY, type: 'waiting', strangers: [P2] });
    expect(waitingSentence(P1, verdict)).toContain('taskraft cluster add p1');
  });
});

describe('a peer that takes part', () => {
  const member = (incarnation: string | undefined): Standing => ({
    member: true,
    incarnation,
    removed: false,
    oldCopy: false,
  });
  const nobody: Standing = { member: false, incarnation: undefined, removed: false, oldCopy: false };

  test('accepts the incarnation that it knows', () => {
    expect(admit(P1, P2, member('b2'), facts('b2', 'empty', 'not'))).toEqual({ type: 'accept' });
    expect(admit(P1, P2, member('b2'), facts('b2', 'begun', 'as-this'))).toEqual({ type: 'accept' });
  });

  test('lets another one that is empty wait, and refuses another one that has a log', () => {
    expect(admit(P1, P2, member('b2'), facts('zz', 'empty', 'not'))).toEqual({ type: 'joining' });
    const refusal = admit(P1, P2, member('b2'), facts('zz', 'begun', 'not'));
    expect(refusal).toMatchObject({
      type: 'refuse',
      code: 'INCARNATION',
      sentence: expect.stringContaining('Start p2'),
    });
  });

  test('hears another one that knows it, of a newer configuration, without counting its answers', () => {
    expect(admit(P1, P2, member('b2'), facts('zz', 'begun', 'as-this'))).toEqual({ type: 'foreign' });
    expect(admit(P1, P2, nobody, facts('zz', 'begun', 'as-this'))).toEqual({ type: 'foreign' });
  });

  test('refuses one that knows another incarnation of this peer', () => {
    expect(admit(P1, P3, member(undefined), facts('c3', 'begun', 'as-another'))).toMatchObject({ type: 'refuse' });
    // A known one may tell of a directory that was here before: it is behind, and has to be heard to get on.
    expect(admit(P1, P3, member('c3'), facts('c3', 'begun', 'as-another'))).toEqual({ type: 'accept' });
  });

  test('learns a founder that it had not heard, when that has a log or knows this peer', () => {
    expect(admit(P1, P3, member(undefined), facts('c3', 'begun', 'not'))).toEqual({ type: 'learn' });
    expect(admit(P1, P3, member(undefined), facts('c3', 'empty', 'as-this'))).toEqual({ type: 'learn' });
  });

  test('does not take one that came later under the name of a founder for that founder', () => {
    const later = facts('c4', 'begun', 'as-this', [P1, P2]);
    expect(admit(P1, P3, member(undefined), later)).toEqual({ type: 'foreign' });
  });

  test('talks to an empty stranger without taking it for a founder', () => {
    expect(admit(P1, P3, member(undefined), facts('c3', 'empty', 'not'))).toEqual({ type: 'accept' });
  });

  test('lets one that is no member wait to be added, and sends one away that was removed', () => {
    expect(admit(P1, P3, nobody, facts('c3', 'empty', 'not'))).toEqual({ type: 'joining' });
    const removed = { ...nobody, removed: true };
    const verdict = admit(P1, P3, removed, facts('c3', 'begun', 'as-this'));
    expect(verdict).toMatchObject({
      type: 'refuse',
      code: 'REMOVED',
      sentence: expect.stringContaining('cluster add p3'),
    });
  });
});

/** One data directory in a run of first starts. */
interface Directory {
  readonly incarnation: string;
  founding: Founding | undefined;
  start: FirstStart | undefined;
}

/** Three members that meet, part, restart and lose a disk, in any order. Who is founded announces it to all that it is connected to. */
class Founders {
  readonly ids = [P1, P2, P3];
  readonly directories: Directory[] = [];
  /** Incarnations that must never take part: one of their name did, together with a member that is still there. */
  readonly banned = new Set<string>();
  readonly #links = new Set<string>();
  #drawn = 0;
  #wiped = false;
  founded = 0;
  refusals = 0;

  constructor() {
    for (const at of this.ids.keys()) this.directories.push(this.#fresh(at));
  }

  /** `from` connects to `to` and tells what it tells in a handshake. */
  meet(from: number, to: number): void {
    if (from === to) return;
    this.#links.add(`${from}>${to}`);
    this.#tell(from, to);
  }

  /** The connection of `from` to `to` ends. */
  part(from: number, to: number): void {
    this.#links.delete(`${from}>${to}`);
    this.directories[to]!.start?.forgets(this.ids[from]!);
  }

  /** The process ends and forgets what it heard; the disk stays. */
  restart(at: number): void {
    const directory = this.directories[at]!;
    for (const other of this.ids.keys()) {
      this.part(at, other);
      this.part(other, at);
    }
    if (directory.founding === undefined) directory.start = this.#start(at, directory.incarnation);
  }

  /** The disk is lost; once a run, as more would be the loss of a majority. */
  wipe(at: number): void {
    if (this.#wiped) return;
    this.#wiped = true;
    this.restart(at);
    const lost = this.directories[at]!;
    const fresh = this.#fresh(at);
    const together = this.directories.some((other) => {
      return other !== lost && other.founding && knownIncarnation(other.founding, this.ids[at]!) === lost.incarnation;
    });
    if (lost.founding !== undefined && together) this.banned.add(fresh.incarnation);
    this.directories[at] = fresh;
  }

  #tell(from: number, to: number): void {
    const sender = this.directories[from]!;
    const receiver = this.directories[to]!;
    const [senderId, receiverId] = [this.ids[from]!, this.ids[to]!];
    const known = sender.founding && knownIncarnation(sender.founding, receiverId);
    const knowsMe = known === undefined ? 'not' : known === receiver.incarnation ? 'as-this' : 'as-another';
    const said = facts(sender.incarnation, sender.founding === undefined ? 'empty' : 'begun', knowsMe);
    if (receiver.founding !== undefined) {
      const incarnation = knownIncarnation(receiver.founding, senderId);
      const admission = admit(
        receiverId,
        senderId,
        { member: true, incarnation, removed: false, oldCopy: false },
        said,
      );
      if (admission.type === 'joining' || admission.type === 'foreign') this.refusals += 1;
      if (admission.type !== 'learn') return;
      const others = receiver.founding.heard.filter((founder) => founder.peerId !== senderId);
      const heard = [...others, { peerId: senderId, incarnation: said.incarnation }];
      receiver.founding = { ...receiver.founding, heard };
      return;
    }
    if (receiver.start === undefined) return;
    receiver.start.hears(senderId, said);
    const verdict = receiver.start.verdict();
    if (verdict.type === 'waiting') return;
    receiver.start = undefined;
    expect(this.banned).not.toContain(receiver.incarnation);
    receiver.founding = verdict.founding;
    this.founded += 1;
    for (const other of this.ids.keys()) if (this.#links.has(`${to}>${other}`)) this.#tell(to, other);
  }

  #fresh(at: number): Directory {
    this.#drawn += 1;
    const incarnation = `i${this.#drawn}`;
    return { incarnation, founding: undefined, start: this.#start(at, incarnation) };
  }

  #start(at: number, incarnation: string): FirstStart {
    const peer = this.ids[at]!;
    return new FirstStart(
      { peerId: peer, incarnation },
      this.ids.filter((id) => id !== peer),
    );
  }
}

const who = fc.nat(2);
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.tuple(fc.constant('meet' as const), who, who) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('restart' as const), who, who) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('wipe' as const), who, who) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('part' as const), who, who) },
  ),
  { minLength: 10, maxLength: 60 },
);

function play(
  run: readonly (readonly ['meet' | 'restart' | 'wipe' | 'part', number, number])[],
  wipes: boolean,
): Founders {
  const founders = new Founders();
  for (const [type, from, to] of run) {
    if (type === 'meet') founders.meet(from, to);
    else if (type === 'restart') founders.restart(from);
    else if (type === 'part') founders.part(from, to);
    else if (wipes) founders.wipe(from);
  }
  return founders;
}

test('who took part with another and lost its disk never takes part again under its name', () => {
  const seen = { founded: 0, refusals: 0, banned: 0 };
  fc.assert(
    fc.property(steps, (run) => {
      const founders = play(run, true);
      seen.founded += founders.founded;
      seen.refusals += founders.refusals;
      seen.banned += founders.banned.size;
    }),
    { numRuns: 500 },
  );
  expect(Math.min(seen.founded, seen.refusals, seen.banned)).toBeGreaterThan(0);
});

test('where no disk is lost, all take part once all have met, whatever happened before', () => {
  fc.assert(
    fc.property(steps, (run) => {
      const founders = play(run, false);
      for (let round = 0; round < 3; round += 1) {
        for (const from of [0, 1, 2]) for (const to of [0, 1, 2]) founders.meet(from, to);
      }
      expect(founders.directories.map((directory) => directory.founding?.founded)).toEqual([true, true, true]);
    }),
    { numRuns: 300 },
  );
});
