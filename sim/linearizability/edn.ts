/**
 * A reader of EDN (edn-format/edn on GitHub), the notation in which Jepsen writes histories. It reads what data needs: maps,
 * vectors, lists, sets, texts, characters, numbers, keywords, symbols, comments, discards, and tags, which it drops. Lists and
 * sets become arrays, keywords and symbols texts, keywords with their colon.
 */
import { HistoryError, type Place, type Plain } from './history-event.ts';

const DEPTH_MAX = 64;
const BLANK = /[\s,]/;
const ENDS_TOKEN = /[\s,()[\]{}";]/;
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[NM]?$/;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '"': '"', '\\': '\\' };
const CLOSES: Readonly<Record<string, string>> = { '[': ']', '(': ')', '{': '}' };

/** The text ended within a form: the rest of it was cut off. */
export class CutShort extends HistoryError {}

/** Reads one form after the other. */
export class EdnReader {
  readonly #text: string;
  readonly #start: Place;
  #offset: number;
  /** Where the character at `#seenOffset` stands. */
  #seen: Place;
  #seenOffset: number = 0;

  /** @param start Where in its file the first character of `text` stands. */
  constructor(text: string, start: Place = { line: 1, column: 1 }) {
    this.#text = text;
    this.#start = start;
    this.#seen = start;
    this.#offset = 0;
  }

  /** Where the next character stands. */
  get place(): Place {
    return this.#placeAt(this.#offset);
  }

  /** The next character that is neither blank nor comment; '' at the end. It is not taken. */
  peek(): string {
    this.#skipBlank(0);
    return this.#text[this.#offset] ?? '';
  }

  /** Takes the next character. Used to open and close a collection by hand. */
  take(): void {
    this.#offset += 1;
  }

  /** The next form. @throws HistoryError */
  read(depth: number = 0): Plain {
    if (depth > DEPTH_MAX) throw new HistoryError(this.place, `nothing is nested deeper than ${DEPTH_MAX}`);
    this.#skipBlank(depth);
    const character = this.#text[this.#offset];
    switch (character) {
      case undefined:
        throw new CutShort(this.place, 'the text ends where a value is needed');
      case '"':
        return this.#string();
      case '[':
      case '(':
        return this.#sequence(character, depth);
      case '{':
        return this.#map(depth);
      case '#':
        return this.#tagged(depth);
      case ']':
      case ')':
      case '}':
        throw new HistoryError(this.place, `"${character}" closes nothing that is open`);
      default:
        return this.#token();
    }
  }

  #sequence(opens: string, depth: number): Plain[] {
    const from = this.#offset;
    const closes = CLOSES[opens] as string;
    this.#offset += 1;
    const values: Plain[] = [];
    for (;;) {
      this.#skipBlank(depth);
      const character = this.#text[this.#offset];
      if (character === undefined)
        throw new CutShort(this.#placeAt(from), `"${opens}" has no "${closes}" before the end`);
      if (character === closes) {
        this.#offset += 1;
        return values;
      }
      values.push(this.read(depth + 1));
    }
  }

  #map(depth: number): Plain {
    const from = this.#offset;
    const parts = this.#sequence('{', depth);
    if (parts.length % 2 === 1)
      throw new HistoryError(this.#placeAt(from), 'a map has a value for each of its keys; here one has none');
    const entries: [string, Plain][] = [];
    for (let at = 0; at < parts.length; at += 2) {
      const key = parts[at] as Plain;
      entries.push([typeof key === 'string' ? key : JSON.stringify(key), parts[at + 1] as Plain]);
    }
    return Object.fromEntries(entries);
  }

  /** A set, or a tag with the form behind it. */
  #tagged(depth: number): Plain {
    const next = this.#text[this.#offset + 1];
    this.#offset += 1;
    if (next === '{') return this.#sequence('{', depth);
    if (next === '"') return this.#string();
    const tag = this.#token();
    if (typeof tag !== 'string' || tag === '') throw new HistoryError(this.place, 'a tag is needed behind "#"');
    return this.read(depth + 1);
  }

  #string(): string {
    const from = this.#offset;
    let text = '';
    for (this.#offset += 1; this.#offset < this.#text.length; this.#offset += 1) {
      const character = this.#text[this.#offset] as string;
      if (character === '"') {
        this.#offset += 1;
        return text;
      }
      text += character === '\\' ? this.#escape() : character;
    }
    throw new CutShort(this.#placeAt(from), 'the text has no closing quote before the end');
  }

  #escape(): string {
    this.#offset += 1;
    const character = this.#text[this.#offset] ?? '';
    if (character !== 'u') return ESCAPES[character] ?? character;
    const digits = this.#text.slice(this.#offset + 1, this.#offset + 5);
    this.#offset += digits.length;
    return String.fromCodePoint(Number.parseInt(digits, 16) || 0);
  }

  #token(): Plain {
    const from = this.#offset;
    // A character begins with a backslash, and what follows it may be a delimiter.
    if (this.#text[from] === '\\') this.#offset += 2;
    while (this.#offset < this.#text.length && !ENDS_TOKEN.test(this.#text[this.#offset] as string)) this.#offset += 1;
    const token = this.#text.slice(from, this.#offset);
    if (token === 'nil') return null;
    if (token === 'true') return true;
    if (token === 'false') return false;
    return NUMBER.test(token) ? Number(token.replace(/[NM]$/, '')) : token;
  }

  /** Blanks, comments, and forms that are discarded. */
  #skipBlank(depth: number): void {
    for (;;) {
      while (BLANK.test(this.#text[this.#offset] ?? '.')) this.#offset += 1;
      if (this.#text[this.#offset] === ';') {
        const end = this.#text.indexOf('\n', this.#offset);
        this.#offset = end < 0 ? this.#text.length : end;
      } else if (this.#text.startsWith('#_', this.#offset)) {
        this.#offset += 2;
        this.read(depth + 1);
      } else return;
    }
  }

  /** Reads on from the last place that was asked for, since they are asked for in order. */
  #placeAt(offset: number): Place {
    if (offset < this.#seenOffset) {
      this.#seenOffset = 0;
      this.#seen = this.#start;
    }
    let { line, column } = this.#seen;
    for (let at = this.#seenOffset; at < offset; at += 1) {
      const ends = this.#text[at] === '\n';
      line += ends ? 1 : 0;
      column = ends ? 1 : column + 1;
    }
    this.#seen = { line, column };
    this.#seenOffset = offset;
    return this.#seen;
  }
}
