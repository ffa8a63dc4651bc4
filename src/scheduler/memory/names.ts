import { assert } from '../../base/assert.ts';
import { ByteReader, type ByteWriter, DecodeError } from '../../base/bytes.ts';
import type { Crc32 } from '../../base/hash.ts';
import { type RecordSource, RecordTable } from './records.ts';
import { TABLE_IDS } from './table-ids.ts';

/** Names in one Map; then another one is begun. */
const MAP_NAMES = 32_768;

/** What a table of names is made of. */
export interface NamesOptions {
  readonly crc32: Crc32;
  /** Names over all namespaces, 1,000,000 by default. Equal on all peers. */
  readonly namesMax?: number;
  /** 4 by default; given where more than one table of names is kept. */
  readonly tableId?: number;
}

/**
 * Names as numbers: each (namespace, name) gets the next number from 1 when it is first seen, and keeps it for ever. Rows and
 * records hold numbers; the strings are here, once. Namespace 0 is for what belongs to none, such as the names of namespaces.
 */
export class Names implements RecordSource {
  readonly table: RecordTable;
  readonly #namesMax: number;
  /** By number; a slot is a number. */
  readonly #names: (string | undefined)[] = [undefined];
  readonly #namespaces: number[] = [0];
  /** By namespace: maps that are full, and one that is not. Few namespaces have more than one. */
  readonly #maps = new Map<number, Map<string, number>[]>();
  #count = 0;

  constructor(options: NamesOptions) {
    this.#namesMax = options.namesMax ?? 1_000_000;
    this.table = new RecordTable({
      id: options.tableId ?? TABLE_IDS.names,
      name: 'names',
      format: 1,
      crc32: options.crc32,
      source: this,
    });
  }

  get count(): number {
    return this.#count;
  }

  /** The number of `name`, 0 when it has none. */
  find(namespace: number, name: string): number {
    const maps = this.#maps.get(namespace);
    if (maps === undefined) return 0;
    for (const map of maps) {
      const number = map.get(name);
      if (number !== undefined) return number;
    }
    return 0;
  }

  /** The number of `name`, which gets one if it has none; 0 when all numbers are given out. */
  intern(namespace: number, name: string): number {
    const known = this.find(namespace, name);
    if (known !== 0) return known;
    if (this.#count >= this.#namesMax) return 0;
    const number = this.#count + 1;
    this.#enter(number, namespace, name);
    this.table.add(number);
    return number;
  }

  /** The name behind a number that was given out. */
  nameOf(number: number): string {
    const name = this.#names[number];
    assert(name !== undefined, 'a number of a name was given out');
    return name;
  }

  /** The namespace of the name behind a number that was given out. */
  namespaceOf(number: number): number {
    const namespace = this.#namespaces[number];
    assert(namespace !== undefined, 'a number of a name was given out');
    return namespace;
  }

  /** Ends a restore. @throws DecodeError when a number is missing. */
  restored(): void {
    for (let number = 1; number <= this.#count; number += 1) {
      if (this.#names[number] === undefined) throw new DecodeError(`the name with the number ${number} is missing`);
    }
  }

  keyOf(slot: number): number {
    return slot;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    writer.varint(this.namespaceOf(slot));
    writer.ascii(this.nameOf(slot));
  }

  restore(key: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    const namespace = reader.varint();
    const name = reader.ascii();
    reader.end();
    if (key < 1 || key > this.#namesMax || this.find(namespace, name) !== 0) {
      throw new DecodeError('a name is there twice, or has a number that is never given out');
    }
    this.#enter(key, namespace, name);
    return key;
  }

  #enter(number: number, namespace: number, name: string): void {
    // Records may come in any order; the gaps that this leaves are filled by the end.
    while (this.#names.length <= number) {
      this.#names.push(undefined);
      this.#namespaces.push(0);
    }
    this.#names[number] = name;
    this.#namespaces[number] = namespace;
    this.#count = Math.max(this.#count, number);
    let maps = this.#maps.get(namespace);
    if (maps === undefined) {
      maps = [new Map()];
      this.#maps.set(namespace, maps);
    }
    let map = maps.at(-1);
    if (map === undefined || map.size >= MAP_NAMES) {
      map = new Map();
      maps.push(map);
    }
    map.set(name, number);
  }
}
