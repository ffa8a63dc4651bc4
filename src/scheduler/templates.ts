/**
 * What tasks have in common, once for all of them: a template is recognised by its bytes, kept as long as a task that is not
 * final uses it, and named in rows by a small number.
 */
import { assert } from '../base/assert.ts';
import { ByteReader, DecodeError, type ByteWriter } from '../base/bytes.ts';
import { type Crc32, murmur3 } from '../base/hash.ts';
import type { Labels, TaskTemplate } from './command.ts';
import { decodeTemplate } from './decode-parts.ts';
import type { Group } from './groups.ts';
import { type RecordSource, RecordTable } from './memory/records.ts';
import type { Queue } from './queues.ts';
import { Slots } from './slots.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';

/** A template that is in use. The fields are those of `TaskTemplate`, flat. */
export interface Template {
  readonly id: number;
  readonly namespace: number;
  readonly bytes: Uint8Array;
  readonly hash: number;
  readonly type: string;
  readonly typeName: number;
  readonly queue: Queue;
  readonly priority: number;
  readonly requires: Labels;
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
  readonly runMs: number;
  readonly queueMs: number;
  readonly totalMs: number;
  readonly doneMs: number;
  readonly failedMs: number;
  readonly keepPayload: boolean;
  /** Where its tasks wait when they are ready, and where those wait that are suspected of being poison. */
  readonly group: Group;
  readonly suspects: Group;
  /** Tasks that use it; the template goes when none does. */
  references: number;
}

/** How a template that was just read gets the parts that lie elsewhere. */
export type TemplateMaker = (
  id: number,
  namespace: number,
  bytes: Uint8Array,
  hash: number,
  read: TaskTemplate,
) => Template;

/** All templates in use. */
export class Templates implements RecordSource {
  readonly table: RecordTable;
  readonly slots: Slots<Template> = new Slots();
  /** By hash of their bytes; those with equal hashes stand together, in no order that can be seen. */
  readonly #byHash: Map<number, Template[]> = new Map();
  readonly #make: TemplateMaker;

  constructor(crc32: Crc32, make: TemplateMaker) {
    this.#make = make;
    this.table = new RecordTable({
      id: SCHEDULER_TABLE_IDS.templates,
      name: 'templates',
      format: 1,
      crc32,
      source: this,
    });
  }

  /** The template with these very bytes, if it is in use. */
  find(namespace: number, bytes: Uint8Array): Template | undefined {
    const found = this.#byHash.get(hashOf(namespace, bytes));
    if (found === undefined) return undefined;
    return found.find((template) => template.namespace === namespace && sameBytes(template.bytes, bytes));
  }

  /** Takes in a template that `find` does not know, without a reference yet. */
  add(namespace: number, bytes: Uint8Array, read: TaskTemplate): Template {
    const own = bytes.slice();
    const hash = hashOf(namespace, own);
    const template = this.#make(this.slots.nextSlot, namespace, own, hash, read);
    const slot = this.slots.add(template);
    assert(slot === template.id, 'a template knows its place');
    this.#index(template);
    this.table.add(slot);
    return template;
  }

  /** Takes a template out that no task uses. */
  remove(template: Template): void {
    assert(template.references === 0, 'a template that goes is not used');
    this.table.remove(template.id);
    this.slots.remove(template.id);
    const found = this.#byHash.get(template.hash) as Template[];
    if (found.length === 1) this.#byHash.delete(template.hash);
    else found.splice(found.indexOf(template), 1);
  }

  keyOf(slot: number): number {
    return slot;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const template = this.slots.at(slot);
    writer.varint(template.namespace);
    writer.bytes(template.bytes);
  }

  restore(key: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    const namespace = reader.varint();
    const bytes = reader.bytes().slice();
    reader.end();
    this.#restored.push({ key, namespace, bytes });
    return key;
  }

  readonly #restored: { key: number; namespace: number; bytes: Uint8Array }[] = [];

  /** Ends a restore, when names and queues are there. @throws DecodeError */
  settle(): void {
    for (const { key, namespace, bytes } of this.#restored) {
      const template = this.#make(
        key,
        namespace,
        bytes,
        hashOf(namespace, bytes),
        decodeTemplate(new ByteReader(bytes)),
      );
      if (!this.slots.restore(key, template)) throw new DecodeError(`the template ${key} is there twice`);
      this.#index(template);
    }
    this.#restored.length = 0;
    this.slots.settle();
  }

  #index(template: Template): void {
    const found = this.#byHash.get(template.hash);
    if (found === undefined) this.#byHash.set(template.hash, [template]);
    else found.push(template);
  }
}

function hashOf(namespace: number, bytes: Uint8Array): number {
  return murmur3(bytes, namespace);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += 1) if (left[at] !== right[at]) return false;
  return true;
}
