/**
 * How two peers find out who they talk to, as two state machines: bytes in, bytes out, no socket and no clock.
 *
 * ```
 *   dialer                                   acceptor
 *   hello: versions, cluster, both ids,  ──▶  do we speak, is it this cluster, is that a member?
 *          lane, fingerprint, nonce
 *          go on only when asked         ◀──  challenge: version, nonce
 *   proof: facts, HMAC                   ──▶  is it who it says, is the configuration the same, do we want it?
 *          is it who we dialed?          ◀──  welcome: facts, HMAC
 *   open                                      open
 * ```
 *
 * The secret itself never crosses. Each end proves it by HMAC-SHA-256 over every byte that was said before and its own facts,
 * under a label of its own; so both nonces, the cluster id, both peer ids, the lane and the facts are bound, a proof that was
 * recorded is worth nothing under another nonce, and one end's proof cannot be sent back as the other's. The caller proves
 * first: a stranger who dials learns nothing to try passwords on.
 *
 * The dialer judges last. When it does not want the acceptor after all it says so and closes, so an acceptor may hear a refusal
 * when it already thought the connection open; it has heard no frame then.
 *
 * Without a secret (on one host) ids are believed. Nothing here encrypts, nor stops one who sits between both ends.
 */

import { assert } from '../base/assert.ts';
import { ByteWriter, DecodeError } from '../base/bytes.ts';
import { isName, type PeerId } from '../base/ids.ts';
import { randomBytes, type Random } from '../base/random.ts';
import {
  type Challenge,
  decodeHelloVersions,
  decodeOwnMessage,
  encodeChallenge,
  encodeHello,
  encodeProof,
  encodeRefuse,
  type Hello,
  NONCE_BYTES,
  OWN_MARK,
  type Proof,
  WIRE_VERSION,
  WIRE_VERSION_MIN,
} from './handshake-messages.ts';
import { type Hmac, proofsEqual } from './hmac.ts';
import type { Refusal, RefusalCode } from './refusal.ts';
import type { HelloVerdict, Lane, OwnFacts, PeerFacts } from './transport.ts';

const DIALER_LABEL = 'taskraft peer proof: dialer';
const ACCEPTOR_LABEL = 'taskraft peer proof: acceptor';
const NO_PROOF = new Uint8Array(0);

/** What a handshake knows of this peer and whom it may ask. */
export interface HandshakeContext {
  readonly self: PeerId;
  readonly clusterId: string;
  /** False when it is no peer and there is no room for one more that wants to join. */
  hasRoom(peer: PeerId): boolean;
  /** The configuration that all peers share, as one text, and the names of what differs in another. */
  readonly fingerprint: string;
  differences(own: string, other: string): readonly string[];
  /** What all peers of the cluster know and nobody else; absent when peers believe each other's ids. */
  readonly secret: Uint8Array | undefined;
  readonly hmac: Hmac;
  readonly random: Random;
  facts(to: PeerId): OwnFacts;
  hello(from: PeerId, facts: PeerFacts): HelloVerdict;
}

/** The handshake is over without a connection. */
export interface Refused {
  readonly type: 'refused';
  readonly replies: readonly Uint8Array[];
  readonly refusal: Refusal;
  /** Whom it is about, once that is proved or was our own choice; undefined while it is only claimed. */
  readonly peer: PeerId | undefined;
}

/** Both ends are proved and want each other. */
export interface Opened extends Judged {
  readonly type: 'open';
  readonly replies: readonly Uint8Array[];
  readonly peer: PeerId;
  readonly lane: Lane;
}

/** What an end said of itself, and whether its frames are taken. */
export interface Judged {
  readonly facts: OwnFacts;
  readonly standing: 'accept' | 'joining';
}

/** What to do after a message. `replies` are to be sent in every case. */
export type HandshakeStep = { readonly type: 'wait'; readonly replies: readonly Uint8Array[] } | Opened | Refused;

/** Receives messages until the outcome is known; not to be called after. */
export interface Handshake {
  receive(bytes: Uint8Array): HandshakeStep;
}

/** The end that dialed. Send `first` at once. */
export class DialerHandshake implements Handshake {
  readonly first: Uint8Array;
  readonly #context: HandshakeContext;
  readonly #to: PeerId;
  readonly #lane: Lane;
  #challenge: Uint8Array | undefined;
  #proof: Uint8Array | undefined;
  #facts: OwnFacts | undefined;

  constructor(context: HandshakeContext, to: PeerId, lane: Lane) {
    assert(to !== context.self, 'a peer does not dial itself');
    this.#context = context;
    this.#to = to;
    this.#lane = lane;
    this.first = encodeHello({
      versionMin: WIRE_VERSION_MIN,
      versionMax: WIRE_VERSION,
      lane,
      clusterId: context.clusterId,
      from: context.self,
      to,
      fingerprint: context.fingerprint,
      secured: context.secret !== undefined,
      nonce: randomBytes(context.random, NONCE_BYTES),
    });
  }

  receive(bytes: Uint8Array): HandshakeStep {
    return guard(this.#to, () => {
      const message = decodeOwnMessage(bytes);
      if (message.type === 'refuse') return refusedByThem(message.code, message.sentence, this.#to);
      if (message.type === 'challenge' && this.#challenge === undefined) return this.#answer(message, bytes);
      if (message.type === 'welcome' && this.#proof !== undefined) return this.#judge(message);
      return refuse('BAD_FRAME', `a ${message.type} message came out of order`, this.#to);
    });
  }

  #answer(challenge: Challenge, bytes: Uint8Array): HandshakeStep {
    const { secret } = this.#context;
    if (challenge.version < WIRE_VERSION_MIN || challenge.version > WIRE_VERSION) {
      return refuse('VERSION', `${this.#to} picked version ${challenge.version}, which was not offered`, this.#to);
    }
    if (challenge.secured !== (secret !== undefined)) {
      return refuse('WRONG_SECRET', secretMismatch(this.#context.self, this.#to, secret !== undefined), this.#to);
    }
    const facts = this.#context.facts(this.#to);
    const proof = prove(this.#context, DIALER_LABEL, [this.first, bytes], facts);
    this.#facts = facts;
    this.#challenge = bytes;
    this.#proof = encodeProof({ type: 'proof', facts, proof });
    return { type: 'wait', replies: [this.#proof] };
  }

  #judge(welcome: Proof): HandshakeStep {
    const said = [this.first, this.#challenge as Uint8Array, this.#proof as Uint8Array];
    if (!proves(this.#context, ACCEPTOR_LABEL, said, welcome)) {
      return marked(refuse('WRONG_SECRET', `${this.#to} did not prove that it knows the secret`, this.#to));
    }
    const judged = judgeFacts(this.#context, this.#to, this.#facts as OwnFacts, welcome.facts);
    if ('refusal' in judged) return marked(judged);
    if (judged.standing === 'joining') return marked(refuseIncarnation(this.#context, this.#to));
    return { type: 'open', replies: [], peer: this.#to, lane: this.#lane, ...judged };
  }
}

/** The end that was dialed. */
export class AcceptorHandshake implements Handshake {
  readonly #context: HandshakeContext;
  #hello: Hello | undefined;
  #helloBytes: Uint8Array | undefined;
  #challenge: Uint8Array | undefined;

  constructor(context: HandshakeContext) {
    this.#context = context;
  }

  receive(bytes: Uint8Array): HandshakeStep {
    return guard(undefined, () => {
      if (this.#hello === undefined) return this.#welcomeCaller(bytes);
      const message = decodeOwnMessage(bytes);
      if (message.type === 'proof') return this.#judge(this.#hello, message, bytes);
      // Nothing is proved yet, so nobody in particular has refused.
      if (message.type === 'refuse') return refusedByThem(message.code, message.sentence, undefined);
      return refuse('BAD_FRAME', `a ${message.type} message came out of order`, undefined);
    });
  }

  #welcomeCaller(bytes: Uint8Array): HandshakeStep {
    const { versionMin, versionMax } = decodeHelloVersions(bytes);
    const version = Math.min(versionMax, WIRE_VERSION);
    if (version < versionMin || version < WIRE_VERSION_MIN) {
      const sentence = `${this.#context.self} speaks versions ${WIRE_VERSION_MIN} to ${WIRE_VERSION} between peers, the caller ${versionMin} to ${versionMax}`;
      return refuse('VERSION', sentence, undefined);
    }
    const hello = decodeOwnMessage(bytes);
    if (hello.type !== 'hello') throw new DecodeError('the first message is no hello');
    const stranger = this.#recognise(hello);
    if (stranger !== undefined) return stranger;
    const nonce = randomBytes(this.#context.random, NONCE_BYTES);
    this.#hello = hello;
    this.#helloBytes = bytes;
    this.#challenge = encodeChallenge({ version, secured: this.#context.secret !== undefined, nonce });
    return { type: 'wait', replies: [this.#challenge] };
  }

  /** A refusal when the caller is nobody for us, whatever it may prove. */
  #recognise(hello: Hello): HandshakeStep | undefined {
    const { self, clusterId, secret } = this.#context;
    const from = isName(hello.from) ? hello.from : '?';
    const to = isName(hello.to) ? hello.to : '?';
    if (hello.clusterId !== clusterId) {
      return refuse('WRONG_CLUSTER', `${self} belongs to another cluster than ${from}`, undefined);
    }
    if (hello.from === self) {
      return refuse('SELF', `${self} was reached by itself, or by another that uses its id, as ${to}`, undefined);
    }
    if (hello.to !== self) {
      return refuse('WRONG_PEER', `${from} dialed ${to} and reached ${self}: compare the addresses`, undefined);
    }
    if (!isName(hello.from)) throw new DecodeError('the caller has no name');
    if (hello.secured !== (secret !== undefined)) {
      return refuse('WRONG_SECRET', secretMismatch(self, from, secret !== undefined), undefined);
    }
    return undefined;
  }

  #judge(hello: Hello, proof: Proof, bytes: Uint8Array): HandshakeStep {
    const { self } = this.#context;
    const from = hello.from as PeerId;
    const said = [this.#helloBytes as Uint8Array, this.#challenge as Uint8Array];
    if (!proves(this.#context, DIALER_LABEL, said, proof)) {
      return refuse('WRONG_SECRET', `${from} did not prove to ${self} that it knows the secret`, undefined);
    }
    const differences = this.#context.differences(this.#context.fingerprint, hello.fingerprint);
    if (differences.length > 0) {
      const sentence = `${from} and ${self} have configurations that differ in ${differences.join(', ')}`;
      return refuse('CONFIG', sentence, from);
    }
    if (!this.#context.hasRoom(from)) {
      const sentence = `${from} is no member of the cluster as ${self} knows it, and too many others wait to join`;
      return refuse('UNKNOWN_MEMBER', sentence, from);
    }
    const own = this.#context.facts(from);
    const judged = judgeFacts(this.#context, from, own, proof.facts);
    if ('refusal' in judged) return judged;
    const answer = prove(this.#context, ACCEPTOR_LABEL, [...said, bytes], own);
    return {
      type: 'open',
      replies: [encodeProof({ type: 'welcome', facts: own, proof: answer })],
      peer: from,
      lane: hello.lane,
      ...judged,
    };
  }
}

/**
 * What `other` says of itself, put to the owner, who alone judges: of one that comes under another incarnation than is written down,
 * only the owner knows whether it was removed, lost its disk, or belongs to a configuration that is newer than the own one.
 */
export function judgeFacts(context: HandshakeContext, from: PeerId, own: OwnFacts, other: OwnFacts): Refused | Judged {
  const knowsMe =
    other.knownIncarnation === undefined
      ? 'not'
      : other.knownIncarnation === own.incarnation
        ? 'as-this'
        : 'as-another';
  const { knownIncarnation: _, ...told } = other;
  const verdict = context.hello(from, { ...told, knowsMe });
  if (verdict === 'accept' || verdict === 'joining') return { facts: other, standing: verdict };
  return refuse(verdict.code ?? 'DECLINED', verdict.refuse, from);
}

function refuseIncarnation(context: HandshakeContext, peer: PeerId): Refused {
  const sentence =
    `${peer} comes with another data directory than the one that ${context.self} knows it by: ` +
    `it was wiped or replaced. A peer that lost its data has to join as a new member.`;
  return refuse('INCARNATION', sentence, peer);
}

/** Bytes from outside that do not read as a message are a refusal, never an error of ours. */
function guard(peer: PeerId | undefined, step: () => HandshakeStep): HandshakeStep {
  try {
    return step();
  } catch (error) {
    if (error instanceof DecodeError) return refuse('BAD_FRAME', `the handshake is not ours: ${error.message}`, peer);
    throw error;
  }
}

function prove(context: HandshakeContext, label: string, said: readonly Uint8Array[], facts: OwnFacts): Uint8Array {
  if (context.secret === undefined) return NO_PROOF;
  const writer = new ByteWriter();
  writer.ascii(label);
  for (const message of said) writer.bytes(message);
  writer.bytes(encodeProof({ type: 'proof', facts, proof: NO_PROOF }));
  return context.hmac(context.secret, writer.take());
}

function proves(context: HandshakeContext, label: string, said: readonly Uint8Array[], message: Proof): boolean {
  return proofsEqual(prove(context, label, said, message.facts), message.proof);
}

function refuse(code: RefusalCode, sentence: string, peer: PeerId | undefined): Refused {
  const refusal: Refusal = { code, sentence, by: 'us' };
  return { type: 'refused', replies: [encodeRefuse(refusal)], refusal, peer };
}

/** The acceptor takes the connection for open already: there a message of the transport's own has a mark before it. */
function marked(refused: Refused): Refused {
  return { ...refused, replies: [OWN_MARK, ...refused.replies] };
}

function refusedByThem(code: RefusalCode, sentence: string, peer: PeerId | undefined): HandshakeStep {
  return { type: 'refused', replies: [], refusal: { code, sentence, by: 'them' }, peer };
}

function secretMismatch(self: PeerId, other: string, weHaveOne: boolean): string {
  return weHaveOne
    ? `${self} has a secret for peers and ${other} has none`
    : `${other} has a secret for peers and ${self} has none`;
}
