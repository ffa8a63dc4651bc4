import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/base/bytes.ts';
import { peerId, type PeerId } from '../../src/base/ids.ts';
import { SeededRandom } from '../../src/base/random.ts';
import { hmacSha256 } from '../../src/system/crypto.ts';
import {
  AcceptorHandshake,
  DialerHandshake,
  type Handshake,
  type HandshakeContext,
  type HandshakeStep,
} from '../../src/transport/handshake.ts';
import {
  decodeOwnMessage,
  encodeChallenge,
  encodeFacts,
  encodeHello,
  encodePing,
  encodePong,
  encodeProof,
  encodeRefuse,
  type OwnMessage,
  WIRE_VERSION,
} from '../../src/transport/handshake-messages.ts';
import type { PeerFacts } from '../../src/transport/transport.ts';
import { factsOf, P1, P2, P3 } from './harness.ts';

interface End extends HandshakeContext {
  readonly heard: { readonly from: PeerId; readonly facts: PeerFacts }[];
}

const SECRET = new TextEncoder().encode('a secret of some length');
let seed = 0;

function end(self: PeerId, changes: Partial<HandshakeContext> = {}): End {
  seed += 1;
  const heard: End['heard'] = [];
  return {
    self,
    clusterId: 'a',
    hasRoom: (peer) => ['p1', 'p2'].includes(peer),
    fingerprint: 'same',
    differences: (own, other) => (own === other ? [] : ['tickMs', 'heartbeatMs']),
    secret: SECRET,
    hmac: hmacSha256,
    random: new SeededRandom(seed),
    facts: () => factsOf(self),
    hello: (from, facts) => {
      heard.push({ from, facts });
      return 'accept';
    },
    heard,
    ...changes,
  };
}

type Change = (bytes: Uint8Array, at: number) => Uint8Array;

interface Outcome {
  readonly dialer: HandshakeStep | undefined;
  readonly acceptor: HandshakeStep | undefined;
  /** Every message, in order. */
  readonly said: Uint8Array[];
}

/** Carries messages between both ends until neither has more to say. `change` sees each on its way. */
function shake(
  dialing: HandshakeContext,
  accepting: HandshakeContext,
  change: Change = (bytes) => bytes,
  to: PeerId = P2,
): Outcome {
  const dialer = new DialerHandshake(dialing, to, 'bulk');
  const acceptor = new AcceptorHandshake(accepting);
  const said: Uint8Array[] = [];
  const steps: { dialer: HandshakeStep | undefined; acceptor: HandshakeStep | undefined } = {
    dialer: undefined,
    acceptor: undefined,
  };
  const over = (step: HandshakeStep | undefined): boolean => step !== undefined && step.type !== 'wait';
  const tell = (who: 'dialer' | 'acceptor', handshake: Handshake, bytes: Uint8Array): void => {
    // An end that is done hears the other's last words elsewhere.
    if (over(steps[who])) return;
    const onTheWay = change(bytes, said.length);
    said.push(onTheWay);
    const step = handshake.receive(onTheWay);
    steps[who] = step;
    for (const reply of step.replies) {
      if (reply.length === 0) continue;
      if (who === 'dialer') tell('acceptor', acceptor, reply);
      else tell('dialer', dialer, reply);
    }
  };
  tell('acceptor', acceptor, dialer.first);
  return { ...steps, said };
}

function refusal(step: HandshakeStep | undefined): string {
  if (step?.type !== 'refused') return step?.type ?? 'nothing';
  return `${step.refusal.by} ${step.refusal.code}: ${step.refusal.sentence}`;
}

describe('a handshake between two that want each other', () => {
  test('opens on both ends, who know each other and the lane, and have heard the facts', () => {
    const [one, two] = [end(P1), end(P2)];
    const { dialer, acceptor } = shake(one, two);
    expect(dialer).toMatchObject({ type: 'open', peer: 'p2', lane: 'bulk' });
    expect(acceptor).toMatchObject({ type: 'open', peer: 'p1', lane: 'bulk' });
    expect(one.heard).toEqual([{ from: 'p2', facts: { ...factsOf(P2), knowsMe: 'not' } }]);
    expect(two.heard).toEqual([{ from: 'p1', facts: { ...factsOf(P1), knowsMe: 'not' } }]);
  });

  test('opens without a secret when neither has one', () => {
    const { dialer, acceptor } = shake(end(P1, { secret: undefined }), end(P2, { secret: undefined }));
    expect([dialer?.type, acceptor?.type]).toEqual(['open', 'open']);
  });

  test.each([
    { known: undefined, knowsMe: 'not' },
    { known: 'p2-first', knowsMe: 'as-this' },
  ])('tells whether the caller knows this incarnation: $knowsMe', ({ known, knowsMe }) => {
    const facts = factsOf(P1, { logEmpty: false });
    const one = end(P1, { facts: () => (known === undefined ? facts : { ...facts, knownIncarnation: known }) });
    const two = end(P2);
    shake(one, two);
    expect(two.heard[0]?.facts).toEqual({ ...facts, knowsMe });
  });

  test('never sends the secret, nor a nonce or proof twice', () => {
    const seen = new Set<string>();
    for (let run = 0; run < 20; run += 1) {
      const { said } = shake(end(P1), end(P2));
      expect(said.length).toBe(4);
      for (const message of said) {
        const text = Buffer.from(message).toString('latin1');
        expect(text).not.toContain('a secret');
        // The last 32 bytes of each of the four are its nonce or proof.
        const tail = text.slice(-32);
        expect(seen.has(tail)).toBe(false);
        seen.add(tail);
      }
    }
  });
});

describe('refusals', () => {
  const theirs = (step: HandshakeStep | undefined): string => refusal(step).replace(/^us/, 'them');

  test.each([
    {
      what: 'another cluster',
      dialing: end(P1, { clusterId: 'b' }),
      accepting: end(P2),
      sentence: 'them WRONG_CLUSTER: p2 belongs to another cluster than p1',
    },
    {
      what: 'one more that wants to join than there is room for',
      dialing: end(P3),
      accepting: end(P2),
      sentence: 'them UNKNOWN_MEMBER: p3 is no member of the cluster as p2 knows it, and too many others wait to join',
    },
    {
      what: 'an address that leads elsewhere',
      dialing: end(P3),
      accepting: end(P1),
      sentence: 'them WRONG_PEER: p3 dialed p2 and reached p1: compare the addresses',
    },
    {
      what: 'an address that leads back',
      dialing: end(P1),
      accepting: end(P1),
      sentence: 'them SELF: p1 was reached by itself, or by another that uses its id, as p2',
    },
    {
      what: 'another secret',
      dialing: end(P1, { secret: new TextEncoder().encode('some other secret') }),
      accepting: end(P2),
      sentence: 'them WRONG_SECRET: p1 did not prove to p2 that it knows the secret',
    },
    {
      what: 'a caller without a secret',
      dialing: end(P1, { secret: undefined }),
      accepting: end(P2),
      sentence: 'them WRONG_SECRET: p2 has a secret for peers and p1 has none',
    },
    {
      what: 'an acceptor without a secret',
      dialing: end(P1),
      accepting: end(P2, { secret: undefined }),
      sentence: 'them WRONG_SECRET: p1 has a secret for peers and p2 has none',
    },
    {
      what: 'other settings',
      dialing: end(P1, { fingerprint: 'other' }),
      accepting: end(P2),
      sentence: 'them CONFIG: p1 and p2 have configurations that differ in tickMs, heartbeatMs',
    },
    {
      what: 'an owner that declines',
      dialing: end(P1),
      accepting: end(P2, { hello: () => ({ refuse: 'your log is empty\nand mine\u001b[31m is not' }) }),
      sentence: 'them DECLINED: your log is empty?and mine?[31m is not',
    },
  ])('$what is refused, with a sentence for both ends', ({ dialing, accepting, sentence }) => {
    const { dialer, acceptor } = shake(dialing, accepting);
    expect(refusal(dialer)).toBe(sentence);
    expect(theirs(acceptor).replaceAll(/[^ -~]/g, '?')).toBe(sentence);
  });

  test('a data directory that was replaced is refused by the owner that knows the old one, whoever called', () => {
    const knowing: Partial<HandshakeContext> = {
      facts: () => factsOf(P1, { incarnation: 'x', logEmpty: false, knownIncarnation: 'old' }),
      hello: () => ({ refuse: 'this is another directory', code: 'INCARNATION' }),
    };
    const byAcceptor = shake(end(P1), end(P2, knowing));
    expect(refusal(byAcceptor.dialer)).toBe('them INCARNATION: this is another directory');
    const replaced = end(P2);
    const byDialer = shake(end(P1, knowing), replaced);
    expect(refusal(byDialer.dialer)).toBe('us INCARNATION: this is another directory');
    // The replaced one has heard it by proof, and not only by a refusal that anybody could send.
    expect(replaced.heard[0]?.facts.knowsMe).toBe('as-another');
    // It takes the connection for open, so the refusal has a mark before it.
    expect(byDialer.dialer?.replies.map((reply) => reply.length > 0)).toEqual([false, true]);
  });

  test('one that comes back empty is the owner to judge: held as joining when it calls, refused when it is called', () => {
    const knowing = {
      facts: () => factsOf(P1, { incarnation: 'x', logEmpty: false, knownIncarnation: 'old' }),
      hello: () => 'joining' as const,
    };
    const called = shake(end(P1), end(P2, knowing));
    expect([called.dialer?.type, called.acceptor]).toMatchObject(['open', { type: 'open', standing: 'joining' }]);
    const calling = shake(end(P1, knowing), end(P2));
    expect(refusal(calling.dialer)).toContain('us INCARNATION: p2 comes with another data directory');
  });

  test('one that was removed hears so by its code', () => {
    const { dialer } = shake(end(P1), end(P2, { hello: () => ({ refuse: 'p1 was removed', code: 'REMOVED' }) }));
    expect(refusal(dialer)).toBe('them REMOVED: p1 was removed');
  });

  test('a caller that proved nothing is nobody, and one that did is named', () => {
    expect(shake(end(P1, { secret: new Uint8Array(9) }), end(P2)).acceptor).toMatchObject({ peer: undefined });
    expect(shake(end(P1, { fingerprint: 'other' }), end(P2)).acceptor).toMatchObject({ peer: 'p1' });
  });

  test('an acceptor that cannot prove itself is refused by the dialer', () => {
    // It lets everybody in, whatever they prove, and answers with a proof of its own making.
    const { said } = shake(end(P1), end(P2));
    const dialer = new DialerHandshake(end(P1), P2, 'bulk');
    dialer.receive(said[1]!);
    expect(refusal(dialer.receive(said[3]!))).toBe('us WRONG_SECRET: p2 did not prove that it knows the secret');
  });

  test('no common version is refused by both ages, before anything else is read', () => {
    const later = encodeHello({ ...hello(), versionMin: WIRE_VERSION + 1, versionMax: WIRE_VERSION + 4 });
    const unreadable = new Uint8Array([...later.subarray(0, 9), 1, 2, 3]);
    for (const bytes of [later, unreadable]) {
      const step = new AcceptorHandshake(end(P2)).receive(bytes);
      expect(refusal(step)).toBe('us VERSION: p2 speaks versions 2 to 2 between peers, the caller 3 to 6');
    }
    const dialer = new DialerHandshake(end(P1), P2, 'bulk');
    const picked = encodeChallenge({ version: 9, secured: true, nonce: new Uint8Array(32) });
    expect(refusal(dialer.receive(picked))).toBe('us VERSION: p2 picked version 9, which was not offered');
  });

  test('a version range that reaches back to ours is understood', () => {
    const reaching = encodeHello({ ...hello(), versionMax: WIRE_VERSION + 4 });
    expect(new AcceptorHandshake(end(P2)).receive(reaching).type).toBe('wait');
  });
});

function hello(): Parameters<typeof encodeHello>[0] {
  return {
    versionMin: 2,
    versionMax: 2,
    lane: 'control',
    clusterId: 'a',
    from: 'p1',
    to: 'p2',
    fingerprint: 'same',
    secured: true,
    nonce: new Uint8Array(32).fill(3),
  };
}

describe('against one who listens or changes what is said', () => {
  test('a flipped bit in any message opens neither both ends nor the one that reads it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.nat(), fc.integer({ min: 0, max: 7 }), (which, where, bit) => {
        const tamper: Change = (bytes, at) => {
          if (at !== which) return bytes;
          const changed = new Uint8Array(bytes);
          const place = where % changed.length;
          changed[place] = (changed[place] as number) ^ (1 << bit);
          return changed;
        };
        const { dialer, acceptor } = shake(end(P1), end(P2), tamper);
        expect(dialer?.type).not.toBe('open');
        // The last message is read by the dialer alone; any before it has to stop the acceptor as well.
        if (which < 3) expect(acceptor?.type).not.toBe('open');
      }),
      { numRuns: 2_000 },
    );
  });

  test('a proof that was recorded opens nothing later', () => {
    const recorded = shake(end(P1), end(P2)).said;
    const acceptor = new AcceptorHandshake(end(P2));
    expect(acceptor.receive(recorded[0]!).type).toBe('wait');
    expect(refusal(acceptor.receive(recorded[2]!))).toContain('us WRONG_SECRET');
  });

  test("a peer's own proof cannot be sent back to it", () => {
    // p2 is dialed by a stranger, who reflects everything to p2 dialing p1.
    const dialer = new DialerHandshake(end(P2), P1, 'bulk');
    const acceptor = new AcceptorHandshake(end(P2));
    // Its own hello names p2 as the caller: it is not taken from itself.
    expect(refusal(acceptor.receive(dialer.first))).toContain('us SELF');
    // Its own proof, as if it were a welcome, is a proof of the wrong role.
    const answered = dialer.receive(encodeChallenge({ version: 2, secured: true, nonce: new Uint8Array(32) }));
    const reflected = new Uint8Array(answered.replies[0]!);
    reflected[0] = encodeProof({
      type: 'welcome',
      facts: factsOf(P1),
      proof: new Uint8Array(0),
    })[0]!;
    expect(refusal(dialer.receive(reflected))).toContain('us WRONG_SECRET');
  });

  test('a proof for one lane, peer or cluster opens no other', () => {
    const one = end(P1);
    const bulk = new DialerHandshake(one, P2, 'bulk');
    const control = new DialerHandshake(end(P1, { random: new SeededRandom(77) }), P2, 'control');
    const acceptor = new AcceptorHandshake(end(P2));
    const challenge = acceptor.receive(control.first).replies[0]!;
    expect(refusal(acceptor.receive(bulk.receive(challenge).replies[0]!))).toContain('us WRONG_SECRET');
  });

  test('bytes of any kind, at any moment, are a refusal and never an error', () => {
    const valid = shake(end(P1), end(P2)).said;
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // Nearly right: a prefix, or a message with a piece cut out or doubled.
      fc.tuple(fc.constantFrom(...valid), fc.nat(), fc.nat()).map(([bytes, from, length]) => {
        const at = from % bytes.length;
        return new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + (length % 40))]);
      }),
      fc.constantFrom(encodePing(), encodePong(), encodeFacts(factsOf(P1))),
    );
    fc.assert(
      fc.property(garbage, fc.boolean(), fc.boolean(), (bytes, dialing, later) => {
        const handshake = dialing ? new DialerHandshake(end(P1), P2, 'control') : new AcceptorHandshake(end(P2));
        if (later) handshake.receive(dialing ? valid[1]! : valid[0]!);
        const step = handshake.receive(bytes);
        expect(step.type).not.toBe('open');
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('messages', () => {
  const facts = factsOf(P1, { logEmpty: false, knownIncarnation: 'p2-first' });
  const messages: readonly (readonly [bytes: Uint8Array, message: OwnMessage])[] = [
    [encodeHello(hello()), { type: 'hello', ...hello() }],
    [
      encodeChallenge({ version: 1, secured: false, nonce: new Uint8Array(32).fill(8) }),
      { type: 'challenge', version: 1, secured: false, nonce: new Uint8Array(32).fill(8) },
    ],
    [
      encodeProof({ type: 'welcome', facts, proof: new Uint8Array(32).fill(1) }),
      { type: 'welcome', facts, proof: new Uint8Array(32).fill(1) },
    ],
    [encodeRefuse({ code: 'CONFIG', sentence: 'no' }), { type: 'refuse', code: 'CONFIG', sentence: 'no' }],
    [encodeFacts(facts), { type: 'facts', facts }],
    [encodePing(), { type: 'ping' }],
    [encodePong(), { type: 'pong' }],
  ];

  test('read as they were written', () => {
    for (const [bytes, message] of messages) expect(decodeOwnMessage(bytes)).toEqual(message);
  });

  test('the layout is the one of version 2', () => {
    expect(messages.map(([bytes]) => Buffer.from(bytes).toString('hex'))).toMatchInlineSnapshot(`
      [
        "01544b5452020002000001610270310270320473616d65010303030303030303030303030303030303030303030303030303030303030303",
        "020100000808080808080808080808080808080808080808080808080808080808080808",
        "04340870312d6669727374000870322d666972737401000870312c70322c70330831302e302e302e31e91c07666538303a3a31e81c00200101010101010101010101010101010101010101010101010101010101010101",
        "0506434f4e464947026e6f",
        "06340870312d6669727374000870322d666972737401000870312c70322c70330831302e302e302e31e91c07666538303a3a31e81c00",
        "07",
        "08",
      ]
    `);
  });

  test('one byte too many or too few is no message', () => {
    for (const [bytes] of messages) {
      expect(() => decodeOwnMessage(new Uint8Array([...bytes, 0]))).toThrow(DecodeError);
      expect(() => decodeOwnMessage(bytes.subarray(0, bytes.length - 1))).toThrow(DecodeError);
    }
  });

  test('facts that a later version has made longer read as before', () => {
    const whole = { ...facts, boot: 3, bootMark: 77 };
    const body = encodeFacts(whole);
    const longer = new Uint8Array([...body, 1, 2, 3]);
    longer[1] = (body[1] as number) + 3;
    expect(decodeOwnMessage(longer)).toEqual({ type: 'facts', facts: whole });
  });

  test.each([
    ['a name that is none', { founders: ['a b' as PeerId] }],
    ['17 founders', { founders: Array.from({ length: 17 }, () => P1) }],
    ['a host of no network', { addresses: { peer: { host: 'a/b', port: 1 }, client: { host: 'a', port: 1 } } }],
    ['port 0', { addresses: { peer: { host: 'a', port: 1 }, client: { host: 'a', port: 0 } } }],
  ])('facts with %s are none', (_, changes) => {
    expect(() => decodeOwnMessage(encodeFacts(factsOf(P1, changes)))).toThrow(DecodeError);
  });

  test('a code of a later version is a refusal all the same', () => {
    const bytes = Buffer.from(encodeRefuse({ code: 'CONFIG', sentence: 'no' }));
    bytes.write('CANFIG', 2, 'latin1');
    expect(decodeOwnMessage(bytes)).toEqual({ type: 'refuse', code: 'DECLINED', sentence: 'no' });
  });
});

test('a peer does not dial itself', () => {
  expect(() => new DialerHandshake(end(P1), peerId('p1'), 'bulk')).toThrow('does not dial itself');
});
