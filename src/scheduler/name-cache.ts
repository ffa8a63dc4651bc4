/**
 * Names that every command brings along (principal, session, worker, namespace), without making a string of the same bytes again
 * and again. What it holds changes no outcome: it only ever answers with the text that the bytes spell.
 */
import type { ByteReader } from '../base/bytes.ts';
import { NAME_BYTES_MAX } from '../base/ids.ts';

/** Places; names with one place push each other out. */
const PLACES = 4_096;

/** A cache of one place for each hash. */
export class NameCache {
  readonly #bytes: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(PLACES).fill(undefined);
  readonly #texts: string[] = new Array<string>(PLACES).fill('');

  /** Reads a name as `reader.ascii` does; `source` is what `reader` reads. @throws DecodeError */
  read(source: Uint8Array, reader: ByteReader): string {
    const before = reader.position;
    const length = reader.varint();
    if (length > NAME_BYTES_MAX) {
      reader.rewind(before);
      return reader.ascii();
    }
    const start = reader.position;
    reader.skip(length);
    let hash = length;
    for (let at = start; at < start + length; at += 1) hash = (Math.imul(hash, 31) + (source[at] as number)) | 0;
    const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    const known = this.#bytes[place];
    if (known?.length === length && sameBytes(known, source, start)) return this.#texts[place] as string;
    reader.rewind(before);
    const text = reader.ascii();
    this.#bytes[place] = source.slice(start, start + length);
    this.#texts[place] = text;
    return text;
  }
}

function sameBytes(known: Uint8Array, source: Uint8Array, start: number): boolean {
  for (let at = 0; at < known.length; at += 1) if (known[at] !== source[start + at]) return false;
  return true;
}
