/**
 * A far task as the bytes of its entry in a block, and back. It has been submitted and nothing else happened to it, so few of a row's
 * columns say anything.
 *
 *     u8 encodings and presence bits | template | principal | createdAtMs | runAtMs | (key) | (headers) | payload, or its size
 */
import { assert } from '../../base/assert.ts';
import { ByteReader, DecodeError } from '../../base/bytes.ts';
import type { Encoding } from '../command.ts';
import { storedPayload } from '../finished.ts';
import { FLAGS, ROW_MASK } from '../rows.ts';
import type { State } from '../state.ts';
import { STATE } from '../states.ts';
import type { Template } from '../templates.ts';
import type { TaskView } from '../views.ts';

/** Bits of the first byte, above the encodings of payload and headers. */
const HAS = { payloadApart: 16, headers: 32, key: 64 } as const;

const NO_BYTES = new Uint8Array(0);

/** What an entry says. Bytes are views into it. */
export interface FarEntry {
  /** Two bits each: payload, headers. */
  readonly encodings: number;
  readonly template: Template;
  /** Number of the name. */
  readonly principal: number;
  readonly createdAtMs: number;
  readonly runAtMs: number;
  /** Empty for none. */
  readonly key: Uint8Array;
  readonly headers: Uint8Array;
  /** The payload lies with the large ones. */
  readonly payloadApart: boolean;
  /** Empty where that is so. */
  readonly payload: Uint8Array;
  readonly payloadBytes: number;
}

/** The entry of the task in `row`. Good until the state's writer is used again. */
export function encodeFarEntry(state: State, row: number): Uint8Array {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  assert(segment.state[at] === STATE.scheduled && segment.historyBytes[at] === 0, 'nothing has happened to a far task');
  const { writer, memory } = state;
  const flags = segment.flags[at] as number;
  const encodings = segment.encodings[at] as number;
  assert((flags & ~FLAGS.payloadApart) === 0 && encodings < 16, 'a far task was submitted and no more');
  const headersBytes = segment.headersBytes[at] as number;
  const payloadBytes = segment.payloadBytes[at] as number;
  const key = segment.key[at] as number;
  const isApart = (flags & FLAGS.payloadApart) !== 0;
  writer.reset();
  writer.u8(
    encodings | (isApart ? HAS.payloadApart : 0) | (headersBytes === 0 ? 0 : HAS.headers) | (key === 0 ? 0 : HAS.key),
  );
  writer.varint(segment.template[at] as number);
  writer.varint(segment.principal[at] as number);
  writer.varint(segment.createdAtMs[at] as number);
  writer.varint(segment.runAtMs[at] as number);
  if (key !== 0) writer.bytes(memory.keys.keyBytes(key - 1));
  if (headersBytes !== 0) writer.bytes(memory.slab.view(segment.headersRef[at] as number, headersBytes));
  if (isApart) writer.varint(payloadBytes);
  else writer.raw(memory.slab.view(segment.payloadRef[at] as number, payloadBytes));
  return writer.view();
}

/** Reads what `encodeFarEntry` wrote. @throws DecodeError */
export function decodeFarEntry(state: State, entry: Uint8Array): FarEntry {
  const reader = new ByteReader(entry);
  const bits = reader.u8();
  const template = state.templates.slots.get(reader.varint());
  if (template === undefined) throw new DecodeError('the template of a far task is missing');
  const principal = reader.varint();
  const createdAtMs = reader.varint();
  const runAtMs = reader.varint();
  const key = (bits & HAS.key) === 0 ? NO_BYTES : reader.bytes();
  const headers = (bits & HAS.headers) === 0 ? NO_BYTES : reader.bytes();
  const payloadApart = (bits & HAS.payloadApart) !== 0;
  const sizeBytes = payloadApart ? reader.varint() : reader.remaining;
  const payload = payloadApart ? NO_BYTES : reader.raw(sizeBytes);
  reader.end();
  const encodings = bits & 15;
  return {
    encodings,
    template,
    principal,
    createdAtMs,
    runAtMs,
    key,
    headers,
    payloadApart,
    payload,
    payloadBytes: sizeBytes,
  };
}

/** Task `number`, which is in a block of far ones, as people see it: as if it had a row. @throws DecodeError */
export function viewFarEntry(state: State, entry: Uint8Array, number: number): TaskView {
  const far = decodeFarEntry(state, entry);
  const { template, encodings, createdAtMs } = far;
  const encoding = (encodings & 3) as Encoding;
  return {
    number,
    namespace: state.namespaceName(template.namespace),
    type: template.type,
    queue: template.queue.name,
    state: 'scheduled',
    cancelling: false,
    priority: template.priority,
    ...(far.key.length === 0 ? {} : { key: String.fromCharCode(...far.key) }),
    requires: template.requires,
    createdAtMs,
    runAtMs: far.runAtMs,
    failures: 0,
    crashes: 0,
    deliveries: 0,
    fencingToken: 0,
    payload: far.payloadApart
      ? storedPayload(state, number, encoding, far.payloadBytes)
      : { encoding, bytes: far.payload.slice() },
    ...(far.headers.length === 0
      ? {}
      : { headers: { encoding: ((encodings >>> 2) & 3) as Encoding, bytes: far.headers.slice() } }),
    history: [{ type: 'submitted', atMs: createdAtMs, attempt: 0, by: state.memory.names.nameOf(far.principal) }],
    droppedEvents: 0,
  };
}
