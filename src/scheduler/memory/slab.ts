import { assert } from '../../base/assert.ts';

/**
 * Where a value lies in a `Slab`: an unsigned 32-bit integer for a typed-array column; 0 is nowhere. Up to 2^31 it counts units of
 * eight bytes over all chunks; above, it is the position of a buffer of its own.
 */
export type SlabRef = number;

/** No value. */
export const NO_REF: SlabRef = 0;

/** Values above this have a buffer of their own. */
export const SLAB_VALUE_BYTES_MAX = 4_096;

const UNIT_BITS = 3;
const CHUNK_BITS = 20;
/** The first chunk; each further one has twice the bytes, up to 1 MiB. */
const FIRST_CHUNK_BYTES = 65_536;
const SPAN_BITS = 14;
const SPANS_PER_CHUNK = 1 << (CHUNK_BITS - SPAN_BITS);
const BIG = 0x8000_0000;
const NONE = -1;

/** Size classes: 16, 24, 32, 48, 64, 96 … 4,096 bytes. */
const CLASS_BYTES: readonly number[] = classBytes();

/** The class of every size in steps of eight bytes, so that finding it is one read. */
const CLASS_OF: Uint8Array = classOf();

/**
 * Bytes of many small values without an object for each: chunks of up to 1 MiB, cut into spans of 16 KiB, each for values of one
 * size class. A span that runs empty serves any class again; chunks are kept. Growing makes a chunk and copies nothing; the first
 * chunks are small, so a slab of few values takes little.
 *
 * The caller knows the size of a value and says it again when it reads or frees. At most 16 GiB in spans.
 */
export class Slab {
  readonly #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  /** The same bytes as words: the first word of a free place holds the ref of the next free one of its span. */
  readonly #words: Uint32Array[] = [];
  // Per span. Growth is one entry for 16 KiB, so plain arrays do.
  readonly #spanClass: number[] = [];
  readonly #spanUsed: number[] = [];
  /** Head of the span's free places, 0 when there is none. */
  readonly #spanFree: number[] = [];
  /** Byte offset within the span behind which nothing was ever handed out since the span took its class. */
  readonly #spanFresh: number[] = [];
  /** Neighbours in the list of spans of the class that have room. */
  readonly #spanNext: number[] = [];
  readonly #spanPrevious: number[] = [];
  /** Head of that list by class. Invariant: a span is in it exactly while it has room and a class. */
  readonly #roomy: Int32Array = new Int32Array(CLASS_BYTES.length).fill(NONE);
  /** Spans without a class. */
  readonly #idle: number[] = [];
  readonly #big: (Uint8Array | undefined)[] = [];
  readonly #bigIdle: number[] = [];
  #usedBytes = 0;
  #bigBytes = 0;

  /** Bytes of all values in it, each rounded up to its class. */
  get usedBytes(): number {
    return this.#usedBytes + this.#bigBytes;
  }

  /** Bytes taken from the process: chunks, and the buffers of big values. */
  get reservedBytes(): number {
    return this.#chunkBytes + this.#bigBytes;
  }

  /** Keeps a copy of `bytes`. Nothing to keep gives `NO_REF`. */
  store(bytes: Uint8Array): SlabRef {
    const ref = this.allocate(bytes.length);
    if (ref !== NO_REF) this.write(ref, bytes);
    return ref;
  }

  /** A place for `sizeBytes` bytes, whose contents are anything. */
  allocate(sizeBytes: number): SlabRef {
    if (sizeBytes === 0) return NO_REF;
    if (sizeBytes > SLAB_VALUE_BYTES_MAX) return this.#allocateBig(sizeBytes);
    const sizeClass = CLASS_OF[(sizeBytes + 7) >>> UNIT_BITS] as number;
    let span = this.#roomy[sizeClass] as number;
    if (span === NONE) span = this.#openSpan(sizeClass);
    const bytes = CLASS_BYTES[sizeClass] as number;
    let ref = this.#spanFree[span] as number;
    if (ref === 0) {
      const offset = this.#spanFresh[span] as number;
      ref = (span << (SPAN_BITS - UNIT_BITS)) + (offset >>> UNIT_BITS);
      this.#spanFresh[span] = offset + bytes;
    } else {
      this.#spanFree[span] = this.#wordAt(ref);
    }
    this.#spanUsed[span] = (this.#spanUsed[span] as number) + 1;
    this.#usedBytes += bytes;
    if (!this.#hasRoom(span)) this.#unlink(span, sizeClass);
    return ref;
  }

  /** Overwrites the value at `ref` from its first byte on. */
  write(ref: SlabRef, bytes: Uint8Array): void {
    if (ref >= BIG) {
      this.#bigAt(ref).set(bytes);
      return;
    }
    if (ref === NO_REF) {
      assert(bytes.length === 0, 'a value is written where it has a place');
      return;
    }
    const chunk = this.#chunks[ref >>> (CHUNK_BITS - UNIT_BITS)] as Uint8Array;
    chunk.set(bytes, (ref << UNIT_BITS) & ((1 << CHUNK_BITS) - 1));
  }

  /** The value of `sizeBytes` at `ref`, in place: good until it is freed. */
  view(ref: SlabRef, sizeBytes: number): Uint8Array {
    if (ref === NO_REF) return NOTHING;
    if (ref >= BIG) return this.#bigAt(ref).subarray(0, sizeBytes);
    const chunk = this.#chunks[ref >>> (CHUNK_BITS - UNIT_BITS)] as Uint8Array;
    const start = (ref << UNIT_BITS) & ((1 << CHUNK_BITS) - 1);
    return chunk.subarray(start, start + sizeBytes);
  }

  /** Gives the place back. `sizeBytes` as it was allocated. */
  free(ref: SlabRef, sizeBytes: number): void {
    if (ref === NO_REF) return;
    if (ref >= BIG) {
      this.#freeBig(ref);
      return;
    }
    const span = ref >>> (SPAN_BITS - UNIT_BITS);
    const sizeClass = this.#spanClass[span] as number;
    assert(sizeClass === CLASS_OF[(sizeBytes + 7) >>> UNIT_BITS], 'a value is freed with the size it was stored with');
    const hadRoom = this.#hasRoom(span);
    this.#setWordAt(ref, this.#spanFree[span] as number);
    this.#spanFree[span] = ref;
    const used = (this.#spanUsed[span] as number) - 1;
    assert(used >= 0, 'a span frees no more than it gave');
    this.#spanUsed[span] = used;
    this.#usedBytes -= CLASS_BYTES[sizeClass] as number;
    if (!hadRoom) this.#link(span, sizeClass);
    // The last span of a class stays, so that one value coming and going does not open and close it.
    if (used === 0 && (this.#roomy[sizeClass] !== span || this.#spanNext[span] !== NONE))
      this.#closeSpan(span, sizeClass);
  }

  /** Makes room for a value that grows or shrinks; its first bytes stay, as many as fit both. @returns where it lies now. */
  resize(ref: SlabRef, fromBytes: number, toBytes: number): SlabRef {
    if (ref !== NO_REF && ref < BIG && toBytes > 0 && toBytes <= SLAB_VALUE_BYTES_MAX) {
      if (CLASS_OF[(fromBytes + 7) >>> UNIT_BITS] === CLASS_OF[(toBytes + 7) >>> UNIT_BITS]) return ref;
    }
    const moved = this.allocate(toBytes);
    if (moved !== NO_REF && ref !== NO_REF) this.write(moved, this.view(ref, Math.min(fromBytes, toBytes)));
    this.free(ref, fromBytes);
    return moved;
  }

  #openSpan(sizeClass: number): number {
    let span = this.#idle.pop();
    if (span === undefined) {
      this.#addChunk();
      span = this.#idle.pop() as number;
    }
    this.#spanClass[span] = sizeClass;
    this.#spanUsed[span] = 0;
    this.#spanFree[span] = 0;
    this.#spanFresh[span] = 0;
    this.#link(span, sizeClass);
    return span;
  }

  #closeSpan(span: number, sizeClass: number): void {
    this.#unlink(span, sizeClass);
    this.#spanClass[span] = NONE;
    this.#idle.push(span);
  }

  #addChunk(): void {
    const { length } = this.#chunks;
    const first = length * SPANS_PER_CHUNK;
    assert(first + SPANS_PER_CHUNK <= BIG >>> (SPAN_BITS - UNIT_BITS), 'the slab holds at most 16 GiB');
    // A small chunk has fewer spans; their numbers up to the next chunk's are not given.
    const chunk = new Uint8Array(Math.min(1 << CHUNK_BITS, FIRST_CHUNK_BYTES * 2 ** length));
    this.#chunks.push(chunk);
    this.#words.push(new Uint32Array(chunk.buffer));
    this.#chunkBytes += chunk.length;
    for (let span = first + (chunk.length >>> SPAN_BITS) - 1; span >= first; span -= 1) {
      this.#spanClass[span] = NONE;
      // Ref 0 stands for nothing, so the first span of all is never handed out.
      if (span > 0) this.#idle.push(span);
    }
  }

  #hasRoom(span: number): boolean {
    if (this.#spanFree[span] !== 0) return true;
    const bytes = CLASS_BYTES[this.#spanClass[span] as number] as number;
    return (this.#spanFresh[span] as number) + bytes <= 1 << SPAN_BITS;
  }

  #link(span: number, sizeClass: number): void {
    const head = this.#roomy[sizeClass] as number;
    this.#spanNext[span] = head;
    this.#spanPrevious[span] = NONE;
    if (head !== NONE) this.#spanPrevious[head] = span;
    this.#roomy[sizeClass] = span;
  }

  #unlink(span: number, sizeClass: number): void {
    const next = this.#spanNext[span] as number;
    const previous = this.#spanPrevious[span] as number;
    if (next !== NONE) this.#spanPrevious[next] = previous;
    if (previous === NONE) this.#roomy[sizeClass] = next;
    else this.#spanNext[previous] = next;
  }

  #wordAt(ref: SlabRef): number {
    const words = this.#words[ref >>> (CHUNK_BITS - UNIT_BITS)] as Uint32Array;
    return words[(ref << 1) & ((1 << (CHUNK_BITS - 2)) - 1)] as number;
  }

  #setWordAt(ref: SlabRef, word: number): void {
    const words = this.#words[ref >>> (CHUNK_BITS - UNIT_BITS)] as Uint32Array;
    words[(ref << 1) & ((1 << (CHUNK_BITS - 2)) - 1)] = word;
  }

  #allocateBig(sizeBytes: number): SlabRef {
    const position = this.#bigIdle.pop() ?? this.#big.length;
    this.#big[position] = new Uint8Array(sizeBytes);
    this.#bigBytes += sizeBytes;
    return BIG + position;
  }

  #bigAt(ref: SlabRef): Uint8Array {
    const buffer = this.#big[ref - BIG];
    assert(buffer !== undefined, 'a big value that is used was not freed');
    return buffer;
  }

  #freeBig(ref: SlabRef): void {
    this.#bigBytes -= this.#bigAt(ref).length;
    this.#big[ref - BIG] = undefined;
    this.#bigIdle.push(ref - BIG);
  }
}

const NOTHING = new Uint8Array(0);

function classBytes(): number[] {
  const sizes: number[] = [];
  for (let size = 16; size < SLAB_VALUE_BYTES_MAX; size *= 2) sizes.push(size, size * 1.5);
  sizes.push(SLAB_VALUE_BYTES_MAX);
  return sizes;
}

function classOf(): Uint8Array {
  const classes = new Uint8Array((SLAB_VALUE_BYTES_MAX >>> UNIT_BITS) + 1);
  let sizeClass = 0;
  for (let units = 0; units < classes.length; units += 1) {
    while ((CLASS_BYTES[sizeClass] as number) < units << UNIT_BITS) sizeClass += 1;
    classes[units] = sizeClass;
  }
  return classes;
}
