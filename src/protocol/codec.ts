/**
 * Frames to bytes and back. Bytes from outside pass four gates in this order: size, structure (`scan.ts`), decoding, shape
 * (`frame-table.ts`). The MessagePack codec is the one package that a pure folder imports: it turns values into bytes and
 * back and does nothing else, and it never sees an extension type.
 */
import { Packr } from 'msgpackr/pack';
import type { ClientFrame } from './client-frame.ts';
import { CLIENT_FRAMES, type FrameLayout, SERVER_FRAMES } from './frame-table.ts';
import { FRAME_BYTES_MAX } from './limits.ts';
import { plainProblem } from './plain.ts';
import { ProtocolError } from './protocol-error.ts';
import { FRAME_RULES, scan, VALUE_RULES } from './scan.ts';
import type { ServerFrame } from './server-frame.ts';
import type { Shape } from './shape.ts';

type Options = NonNullable<ConstructorParameters<typeof Packr>[0]>;

/** Options that the package knows and its types do not. */
interface PackrOptions extends Options {
  /** Fields of objects with these values are left out. */
  readonly skipValues: unknown[];
}

/** `auto` (missing in the package's types) yields numbers where they are exact; integers over 32 bits are written as float 64. */
const COMMON: Options = {
  useRecords: false,
  mapsAsObjects: true,
  structuredClone: false,
  int64AsType: 'auto' as 'number',
};

/** Frames hold arrays of scalars and bytes only. */
const frames = new Packr(COMMON);

const VALUE_OPTIONS: PackrOptions = {
  ...COMMON,
  encodeUndefinedAsNil: true,
  variableMapSize: true,
  skipValues: [undefined],
};
const values = new Packr(VALUE_OPTIONS);

const CLIENT_BY_TYPE = byType(CLIENT_FRAMES);
const CLIENT_BY_KIND = byKind(CLIENT_FRAMES);
const SERVER_BY_TYPE = byType(SERVER_FRAMES);
const SERVER_BY_KIND = byKind(SERVER_FRAMES);

/** The bytes of a frame to a peer. */
export function encodeClientFrame(frame: ClientFrame): Uint8Array {
  return encode(CLIENT_BY_TYPE, frame);
}

/** The bytes of a frame to a client. */
export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  return encode(SERVER_BY_TYPE, frame);
}

/**
 * The frame in `bytes` from a client. Byte fields are views into `bytes`. `sizeMax` in bytes.
 *
 * @throws ProtocolError FRAME_TOO_LARGE, MALFORMED_FRAME, UNKNOWN_FRAME
 */
export function decodeClientFrame(bytes: Uint8Array, sizeMax: number = FRAME_BYTES_MAX): ClientFrame {
  return decode(CLIENT_BY_KIND, bytes, sizeMax);
}

/**
 * The frame in `bytes` from a peer. Byte fields are views into `bytes`. `sizeMax` in bytes.
 *
 * @throws ProtocolError FRAME_TOO_LARGE, MALFORMED_FRAME, UNKNOWN_FRAME
 */
export function decodeServerFrame(bytes: Uint8Array, sizeMax: number = FRAME_BYTES_MAX): ServerFrame {
  return decode(SERVER_BY_KIND, bytes, sizeMax);
}

/** Why a value has no encoding of ours, or its bytes have no value. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/**
 * A user's value as MessagePack: null, booleans, numbers, bigints of 64 bits, strings, bytes, arrays and plain objects.
 * An undefined field of an object is left out, as JSON does; elsewhere undefined becomes null.
 *
 * @throws ValueError for anything else, too deep (64), or too many values (100,000).
 */
export function encodeValue(value: unknown): Uint8Array {
  const problem = plainProblem(value);
  if (problem !== undefined) throw new ValueError(problem);
  return values.pack(value);
}

/** The value that `encodeValue` wrote. @throws ValueError when the bytes are none. */
export function decodeValue(bytes: Uint8Array): unknown {
  const problem = scan(bytes, VALUE_RULES);
  if (problem !== undefined) throw new ValueError(problem);
  try {
    return values.unpack(bytes);
  } catch (error) {
    throw new ValueError(`cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function encode<Frame extends { readonly type: string }>(
  layouts: ReadonlyMap<string, FrameLayout<Frame>>,
  frame: Frame,
): Uint8Array {
  const layout = layouts.get(frame.type) as FrameLayout<Frame>;
  const { names } = layout;
  const fields: unknown[] = [layout.kind];
  for (let at = 0; at < names.length; at += 1) fields.push(frame[names[at] as keyof Frame]);
  return frames.pack(fields);
}

function decode<Frame extends { readonly type: string }>(
  layouts: readonly (FrameLayout<Frame> | undefined)[],
  bytes: Uint8Array,
  sizeMax: number,
): Frame {
  if (bytes.length > sizeMax) {
    throw new ProtocolError('FRAME_TOO_LARGE', `A frame has at most ${sizeMax} bytes, this one ${bytes.length}.`, 1009);
  }
  const problem = scan(bytes, FRAME_RULES);
  if (problem !== undefined) throw new ProtocolError('MALFORMED_FRAME', `The frame ${problem}.`);
  let decoded: unknown;
  try {
    decoded = frames.unpack(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ProtocolError('MALFORMED_FRAME', `The frame cannot be decoded: ${why}.`);
  }
  if (!Array.isArray(decoded)) throw new ProtocolError('MALFORMED_FRAME', 'A frame is an array.');
  const kind: unknown = decoded[0];
  const layout = typeof kind === 'number' ? layouts[kind] : undefined;
  if (layout === undefined) {
    const shown = typeof kind === 'number' ? String(kind) : typeof kind;
    throw new ProtocolError('UNKNOWN_FRAME', `There is no frame of kind ${shown} in this direction.`, 1002);
  }
  return shaped(layout, decoded);
}

/** Checks each field and names it. A field that is missing at the end, from an older sender, is null. */
function shaped<Frame extends { readonly type: string }>(
  layout: FrameLayout<Frame>,
  values: readonly unknown[],
): Frame {
  const { names, shapes } = layout;
  const frame: Record<string, unknown> = { type: layout.type };
  for (let at = 0; at < names.length; at += 1) {
    const value = at + 1 < values.length ? values[at + 1] : null;
    const shape = shapes[at] as Shape;
    const name = names[at] as string;
    if (!shape.accepts(value)) {
      const words = shape.words.length > 200 ? `${shape.words.slice(0, 200)}…` : shape.words;
      throw new ProtocolError('MALFORMED_FRAME', `Field "${name}" of "${layout.type}" should be ${words}.`);
    }
    frame[name] = value;
  }
  return frame as Record<string, unknown> & Frame;
}

function byType<Frame extends { readonly type: string }>(
  layouts: readonly FrameLayout<Frame>[],
): ReadonlyMap<string, FrameLayout<Frame>> {
  return new Map(layouts.map((layout) => [layout.type, layout]));
}

function byKind<Frame extends { readonly type: string }>(
  layouts: readonly FrameLayout<Frame>[],
): readonly (FrameLayout<Frame> | undefined)[] {
  const table: (FrameLayout<Frame> | undefined)[] = new Array<undefined>(128).fill(undefined);
  for (const layout of layouts) table[layout.kind] = layout;
  return table;
}
