/**
 * What two transports say to each other themselves: the four messages of the handshake, the refusal, and what passes between
 * frames later. All are small; each begins with a byte that says which it is. Integers are little-endian, names are ASCII.
 *
 * | message | from | when |
 * |---|---|---|
 * | hello | dialer | first |
 * | challenge | acceptor | after hello |
 * | proof | dialer | after challenge: its facts, and that it knows the secret |
 * | welcome | acceptor | after proof: the same of the acceptor; frames may follow |
 * | refuse | both | instead of any of them, as the last message |
 * | facts | dialer | later, when the facts changed |
 * | ping, pong | dialer, acceptor | later, each second |
 *
 * History of the wire: 1, the first. 2, facts are a block of their own that may grow, with feature level, founders and
 * addresses; the fingerprint names no members, who are the log's to tell.
 */

import { ByteReader, ByteWriter, DecodeError } from '../base/bytes.ts';
import { isName, peerId, type PeerId } from '../base/ids.ts';
import type { Refusal, RefusalCode } from './refusal.ts';
import type { Lane, OwnFacts, PeerAddress } from './transport.ts';

/** The newest version of the wire contract between peers that is spoken here. */
export const WIRE_VERSION = 2;

/** The oldest that is still spoken here. */
export const WIRE_VERSION_MIN = 2;

/** Bytes of a nonce. */
export const NONCE_BYTES = 32;

/** Largest message of this file; a longer one is not read. */
export const OWN_MESSAGE_BYTES_MAX: number = 8 * 1024;

/** What stands before each message of the transport's own once frames may pass: an empty message, which no frame is. */
export const OWN_MARK: Uint8Array = new Uint8Array(0);

const SENTENCE_BYTES_MAX = 600;
const FOUNDERS_MAX = 16;
/** Names and addresses as they stand in a URL, brackets aside. */
const HOST = /^[A-Za-z0-9._:%-]{1,253}$/;
const MAGIC = 0x5254_4b54;

const HELLO = 1;
const CHALLENGE = 2;
const PROOF = 3;
const WELCOME = 4;
const REFUSE = 5;
const FACTS = 6;
const PING = 7;
const PONG = 8;

/** Says who calls whom, and asks to be asked for a proof. What it claims counts for nothing before that. */
export interface Hello {
  readonly type: 'hello';
  readonly versionMin: number;
  readonly versionMax: number;
  readonly lane: Lane;
  readonly clusterId: string;
  readonly from: string;
  readonly to: string;
  /** The configuration that all peers share, as one text. */
  readonly fingerprint: string;
  /** True when the caller has a secret to prove. */
  readonly secured: boolean;
  readonly nonce: Uint8Array;
}

/** Picks the version, and asks for a proof over the acceptor's nonce. */
export interface Challenge {
  readonly type: 'challenge';
  readonly version: number;
  readonly secured: boolean;
  readonly nonce: Uint8Array;
}

/** The facts of one end, with its proof: empty when no secret is configured. */
export interface Proof {
  readonly type: 'proof' | 'welcome';
  readonly facts: OwnFacts;
  readonly proof: Uint8Array;
}

/** Everything that a transport may receive for itself. */
export type OwnMessage =
  | Hello
  | Challenge
  | Proof
  | { readonly type: 'refuse'; readonly code: RefusalCode; readonly sentence: string }
  | { readonly type: 'facts'; readonly facts: OwnFacts }
  | { readonly type: 'ping' }
  | { readonly type: 'pong' };

const CODES: readonly RefusalCode[] = [
  'BAD_FRAME',
  'VERSION',
  'WRONG_CLUSTER',
  'UNKNOWN_MEMBER',
  'WRONG_PEER',
  'SELF',
  'CONFIG',
  'WRONG_SECRET',
  'INCARNATION',
  'REMOVED',
  'DECLINED',
  'TIMEOUT',
  'BUSY',
];

/** The first message of a dialer. Names are ASCII, the nonce has `NONCE_BYTES`. */
export function encodeHello(hello: Omit<Hello, 'type'>): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(HELLO);
  // Up to here and the two versions the layout never changes, so that any two versions can tell each other apart.
  writer.u32(MAGIC);
  writer.u16(hello.versionMin);
  writer.u16(hello.versionMax);
  writer.u8(hello.lane === 'control' ? 0 : 1);
  writer.ascii(hello.clusterId);
  writer.ascii(hello.from);
  writer.ascii(hello.to);
  writer.ascii(hello.fingerprint);
  writer.u8(hello.secured ? 1 : 0);
  writer.raw(hello.nonce);
  return writer.take();
}

/** The answer to a hello that is understood. The nonce has `NONCE_BYTES`. */
export function encodeChallenge(challenge: Omit<Challenge, 'type'>): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(CHALLENGE);
  writer.u16(challenge.version);
  writer.u8(challenge.secured ? 1 : 0);
  writer.raw(challenge.nonce);
  return writer.take();
}

/** The facts of one end with its proof; both ends use the same layout. Also what a proof is made over, with the proof empty. */
export function encodeProof(message: Proof): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(message.type === 'proof' ? PROOF : WELCOME);
  writeFacts(writer, message.facts);
  writer.bytes(message.proof);
  return writer.take();
}

/** The last message of an end that refuses. Of the sentence at most 600 characters of printable ASCII cross. */
export function encodeRefuse(refusal: Pick<Refusal, 'code' | 'sentence'>): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(REFUSE);
  writer.ascii(refusal.code);
  writer.ascii(printable(refusal.sentence));
  return writer.take();
}

/** The facts of a dialer anew, on a connection that is open. */
export function encodeFacts(facts: OwnFacts): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(FACTS);
  writeFacts(writer, facts);
  return writer.take();
}

/** Asks the acceptor for a sign of life, on a connection that is open. */
export function encodePing(): Uint8Array {
  return Uint8Array.of(PING);
}

/** The sign of life. */
export function encodePong(): Uint8Array {
  return Uint8Array.of(PONG);
}

/** @throws DecodeError when the bytes are none of these messages, whole and nothing besides. */
export function decodeOwnMessage(bytes: Uint8Array): OwnMessage {
  if (bytes.length > OWN_MESSAGE_BYTES_MAX) throw new DecodeError('the message is too long for a handshake');
  const reader = new ByteReader(bytes);
  const message = readMessage(reader);
  reader.end();
  return message;
}

/**
 * The versions of a hello, which are readable in every version of the contract.
 *
 * @throws DecodeError when this is no hello at all.
 */
export function decodeHelloVersions(bytes: Uint8Array): { readonly versionMin: number; readonly versionMax: number } {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== HELLO || reader.u32() !== MAGIC) throw new DecodeError('the first message is no hello');
  return { versionMin: reader.u16(), versionMax: reader.u16() };
}

/** `text` as one line of printable ASCII, cut to a bound: what another process said must not forge lines of a log. */
export function printable(text: string): string {
  return text.slice(0, SENTENCE_BYTES_MAX).replaceAll(/[^ -~]/g, '?');
}

function readMessage(reader: ByteReader): OwnMessage {
  const kind = reader.u8();
  switch (kind) {
    case HELLO:
      return readHello(reader);
    case CHALLENGE:
      return {
        type: 'challenge',
        version: reader.u16(),
        secured: readFlag(reader),
        nonce: reader.raw(NONCE_BYTES),
      };
    case PROOF:
    case WELCOME:
      return { type: kind === PROOF ? 'proof' : 'welcome', facts: readFacts(reader), proof: reader.bytes() };
    case REFUSE:
      return readRefuse(reader);
    case FACTS:
      return { type: 'facts', facts: readFacts(reader) };
    case PING:
      return { type: 'ping' };
    case PONG:
      return { type: 'pong' };
    default:
      throw new DecodeError(`a message of unknown kind ${kind}`);
  }
}

function readHello(reader: ByteReader): Hello {
  if (reader.u32() !== MAGIC) throw new DecodeError('the first message is no hello');
  const versionMin = reader.u16();
  const versionMax = reader.u16();
  return {
    type: 'hello',
    versionMin,
    versionMax,
    lane: readFlag(reader) ? 'bulk' : 'control',
    clusterId: reader.ascii(),
    from: reader.ascii(),
    to: reader.ascii(),
    fingerprint: reader.ascii(),
    secured: readFlag(reader),
    nonce: reader.raw(NONCE_BYTES),
  };
}

function readRefuse(reader: ByteReader): OwnMessage {
  const text = reader.ascii();
  // A code of a later version still ends the handshake; its sentence says more than we could.
  const code = CODES.find((known) => known === text) ?? 'DECLINED';
  return { type: 'refuse', code, sentence: printable(reader.ascii()) };
}

function writeFacts(writer: ByteWriter, facts: OwnFacts): void {
  const block = new ByteWriter();
  block.ascii(facts.incarnation);
  block.u8(facts.logEmpty ? 1 : 0);
  block.ascii(facts.knownIncarnation ?? '');
  block.u16(facts.featureLevel);
  block.ascii(facts.founders.join(','));
  writeAddress(block, facts.addresses.peer);
  writeAddress(block, facts.addresses.client);
  block.varint(facts.boot ?? 0);
  if (facts.bootMark !== undefined) block.varint(facts.bootMark);
  writer.bytes(block.take());
}

function writeAddress(writer: ByteWriter, address: PeerAddress): void {
  writer.ascii(address.host);
  writer.u16(address.port);
}

/** What stands behind the last field that is known here was added later and counts for nothing. */
function readFacts(reader: ByteReader): OwnFacts {
  const block = new ByteReader(reader.bytes());
  const incarnation = block.ascii();
  const logEmpty = readFlag(block);
  const known = block.ascii();
  if (incarnation === '') throw new DecodeError('a peer without an incarnation');
  const featureLevel = block.u16();
  const founders = readFounders(block.ascii());
  const addresses = { peer: readAddress(block), client: readAddress(block) };
  const boot = block.remaining === 0 ? 0 : block.varint();
  const bootMark = block.remaining === 0 ? 0 : block.varint();
  return {
    incarnation,
    logEmpty,
    featureLevel,
    founders,
    addresses,
    ...(boot === 0 ? {} : { boot }),
    ...(bootMark === 0 ? {} : { bootMark }),
    ...(known === '' ? {} : { knownIncarnation: known }),
  };
}

function readFounders(text: string): PeerId[] {
  const names = text === '' ? [] : text.split(',');
  if (names.length > FOUNDERS_MAX) throw new DecodeError(`${names.length} founders`);
  return names.map((name) => {
    if (!isName(name)) throw new DecodeError('a founder without a name');
    return peerId(name);
  });
}

function readAddress(reader: ByteReader): PeerAddress {
  const host = reader.ascii();
  const port = reader.u16();
  if (!HOST.test(host) || port === 0) throw new DecodeError('an address that cannot be dialed');
  return { host, port };
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError(`a flag of ${value}`);
  return value === 1;
}
