/**
 * Looks at MessagePack before anything decodes it: one pass without recursion or allocation that follows the headers and
 * refuses what no frame and no value of ours contains. What passes has no extension (a decoder that builds classes or
 * functions from them never sees one), a bounded depth, a bounded count, and lengths that lie within the bytes.
 */

/** What may occur. */
export interface ScanRules {
  readonly depthMax: number;
  /** Arrays, maps, their elements, keys and scalars, each counted once. */
  readonly valuesMax: number;
  readonly maps: boolean;
}

const FRAME_DEPTH_MAX = 8;
const FRAME_COUNT_MAX = 200_000;
const VALUE_DEPTH_MAX = 64;
const VALUE_COUNT_MAX = 100_000;

/** Frames are arrays in arrays. */
export const FRAME_RULES: ScanRules = { depthMax: FRAME_DEPTH_MAX, valuesMax: FRAME_COUNT_MAX, maps: false };

/** Values of users: what JSON knows, bytes, and 64-bit integers. */
export const VALUE_RULES: ScanRules = { depthMax: VALUE_DEPTH_MAX, valuesMax: VALUE_COUNT_MAX, maps: true };

/** Bytes after the first for the types 0xc0 to 0xdf: fixed size, or -n for a length of n bytes before the data. */
const SIZES: readonly number[] = [
  0, -9, 0, 0, -1, -2, -4, -9, -9, -9, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, -9, -9, -9, -9, -9, -1, -2, -4, 0, 0, 0, 0,
];

const REFUSED = -9;

/** Why `bytes` are refused, as the end of a sentence, or undefined when they are exactly one acceptable value. */
export function scan(bytes: Uint8Array, rules: ScanRules): string | undefined {
  /** Values still to come at each depth; the outermost is the one value itself. */
  const rest = [1];
  let depth = 0;
  let values = 0;
  let at = 0;
  const end = bytes.length;
  while (depth >= 0) {
    if (rest[depth] === 0) {
      depth -= 1;
      continue;
    }
    rest[depth] = (rest[depth] as number) - 1;
    if (at >= end) return 'ends too early';
    values += 1;
    if (values > rules.valuesMax) return `has more than ${rules.valuesMax} values`;
    const head = bytes[at] as number;
    at += 1;
    if (head < 0x80 || head >= 0xe0) continue;
    if (head >= 0xa0 && head < 0xc0) {
      at += head & 0x1f;
      continue;
    }
    const opens = head < 0xa0 || head >= 0xdc;
    if (!opens) {
      const size = SIZES[head - 0xc0] as number;
      if (size === REFUSED) return `has the type 0x${head.toString(16)}, which is not accepted`;
      if (size >= 0) at += size;
      else {
        if (at - size > end) return 'ends too early';
        at += readLength(bytes, at, -size) - size;
      }
      if (at > end) return 'ends too early';
      continue;
    }
    const isMap = head < 0x90 || head >= 0xde;
    if (isMap && !rules.maps) return 'has a map, where only arrays are accepted';
    let count = head & 0x0f;
    if (head >= 0xdc) {
      const width = head & 1 ? 4 : 2;
      if (at + width > end) return 'ends too early';
      count = readLength(bytes, at, width);
      at += width;
    }
    if (isMap) count *= 2;
    // Every element takes a byte at least, so a count that the bytes cannot hold is refused before anybody allocates for it.
    if (count > end - at) return 'ends too early';
    depth += 1;
    if (depth > rules.depthMax) return `is nested deeper than ${rules.depthMax}`;
    rest[depth] = count;
  }
  if (at > end) return 'ends too early';
  return at === end ? undefined : 'has bytes behind its end';
}

function readLength(bytes: Uint8Array, at: number, width: number): number {
  let length = 0;
  for (let index = at; index < at + width; index += 1) length = length * 256 + (bytes[index] as number);
  return length;
}
