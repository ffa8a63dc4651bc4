/**
 * What happened, a line each, and one hash over all of it.
 *
 *     time in ms   who   what
 *     001234.567   p2    send p2->p1 append-accepted t3 match 17
 *
 * The hash takes in every event, every message and every write; lines are for people, are kept only when somebody asks for them,
 * and are put into words when they are read. Two runs of one seed have equal hashes, or something depends on what it must not.
 */
import { murmur3 } from '../src/base/hash.ts';

/** A line, or how to make it. Never refers to bytes that change later. */
export type Words = string | (() => string);

interface Line {
  readonly atUs: number;
  readonly who: string;
  readonly words: Words;
}

/** Lines that are remembered for a failure. */
const LINES_KEPT = 4_000;

/** See the head of this file. */
export class Trace {
  readonly #print: ((line: string) => void) | undefined;
  /** True when lines are taken. Whoever would make one for every message asks first. */
  readonly listens: boolean;
  readonly #lines: Line[] = [];
  #next = 0;
  #high = 0x811c9dc5 | 0;
  #low = 0x9e3779b9 | 0;

  /**
   * `print` gets every line as it comes. `remember` keeps the last ones: what they speak of lives on with them, which costs a run a
   * third of its speed.
   */
  constructor(options: { readonly print?: ((line: string) => void) | undefined; readonly remember?: boolean } = {}) {
    this.#print = options.print;
    this.listens = options.print !== undefined || options.remember === true;
  }

  /** The hash of everything so far: sixteen hexadecimal digits. */
  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** Takes a number into the hash. */
  fold(value: number): void {
    const high = Math.imul(this.#high ^ (value | 0), 0x01000193);
    const low = (Math.imul(this.#low ^ (value | 0), 0x85ebca6b) + 0x6d2b79f5) | 0;
    this.#high = high ^ (high >>> 15);
    this.#low = low ^ (low >>> 13);
  }

  /** Takes bytes into the hash. */
  foldBytes(bytes: Uint8Array): void {
    this.fold(murmur3(bytes, bytes.length));
  }

  /** Notes a line. It is no part of the hash. */
  line(atUs: number, who: string, words: Words): void {
    if (!this.listens) return;
    if (this.#print !== undefined) this.#print(format({ atUs, who, words }));
    this.#lines[this.#next] = { atUs, who, words };
    this.#next = (this.#next + 1) % LINES_KEPT;
  }

  /** The last `count` lines, oldest first. */
  last(count: number): string[] {
    const ordered = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return ordered.slice(-count).map(format);
  }
}

function format({ atUs, who, words }: Line): string {
  const text = typeof words === 'string' ? words : words();
  return `${(atUs / 1000).toFixed(3).padStart(10, '0')} ${who.padEnd(5)} ${text}`;
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
