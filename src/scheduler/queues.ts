/** Queues: made by the first task that names them, with counts by state and totals that are kept while applying. */
import { ByteReader, type ByteWriter, DecodeError } from '../base/bytes.ts';
import type { Crc32 } from '../base/hash.ts';
import type { Group } from './groups.ts';
import { type RecordSource, RecordTable } from './memory/records.ts';
import { STATE, TASK_STATES } from './states.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';

/** One queue. */
export interface Queue {
  /** Place in the list of queues; queues are never taken away. */
  readonly slot: number;
  readonly namespace: number;
  /** The number of its name. */
  readonly nameNumber: number;
  readonly name: string;
  /**
   * By code of the state: how many tasks are in it now, and for the final ones how many ever ended so.
   * Invariant: the first four equal a recount of the rows.
   */
  readonly counts: Float64Array;
  submitted: number;
  /** The groups whose tasks wait in it; rebuilt when a state is loaded. */
  readonly groups: Group[];
}

/** All queues of all namespaces. */
export class Queues implements RecordSource {
  readonly table: RecordTable;
  readonly list: Queue[] = [];
  /** By namespace, then by the number of the name. */
  readonly #byName: Map<number, Map<number, Queue>> = new Map();
  readonly #nameOf: (nameNumber: number) => string;

  constructor(crc32: Crc32, nameOf: (nameNumber: number) => string) {
    this.#nameOf = nameOf;
    this.table = new RecordTable({ id: SCHEDULER_TABLE_IDS.queues, name: 'queues', format: 1, crc32, source: this });
  }

  /** The queue of that name, if it exists. */
  find(namespace: number, nameNumber: number): Queue | undefined {
    return this.#byName.get(namespace)?.get(nameNumber);
  }

  /** How many queues a namespace has. */
  countOf(namespace: number): number {
    return this.#byName.get(namespace)?.size ?? 0;
  }

  /** Makes a queue that `find` does not know. */
  add(namespace: number, nameNumber: number, name: string): Queue {
    const queue = newQueue(this.list.length, namespace, nameNumber, name);
    this.list.push(queue);
    this.#index(queue);
    this.table.add(queue.slot);
    return queue;
  }

  keyOf(slot: number): number {
    return slot;
  }

  encode(slot: number, writer: ByteWriter): undefined {
    const queue = this.list[slot] as Queue;
    writer.varint(queue.namespace);
    writer.varint(queue.nameNumber);
    writer.varint(queue.submitted);
    for (let state = STATE.done as number; state < TASK_STATES.length; state += 1) {
      writer.varint(queue.counts[state] as number);
    }
  }

  restore(key: number, value: Uint8Array): number {
    const reader = new ByteReader(value, 1);
    this.#restored.push({ key, reader });
    return key;
  }

  readonly #restored: { key: number; reader: ByteReader }[] = [];

  /** Ends a restore, when names are there. The counts of tasks that are not final follow from the rows. @throws DecodeError */
  settle(): void {
    this.#restored.sort((left, right) => left.key - right.key);
    for (const { key, reader } of this.#restored) {
      if (key !== this.list.length) throw new DecodeError('a queue is missing, or there twice');
      const namespace = reader.varint();
      const nameNumber = reader.varint();
      const queue = newQueue(key, namespace, nameNumber, this.#nameOf(nameNumber));
      queue.submitted = reader.varint();
      for (let state = STATE.done as number; state < TASK_STATES.length; state += 1)
        queue.counts[state] = reader.varint();
      reader.end();
      this.list.push(queue);
      this.#index(queue);
    }
    this.#restored.length = 0;
  }

  #index(queue: Queue): void {
    let names = this.#byName.get(queue.namespace);
    if (names === undefined) {
      names = new Map();
      this.#byName.set(queue.namespace, names);
    }
    names.set(queue.nameNumber, queue);
  }
}

function newQueue(slot: number, namespace: number, nameNumber: number, name: string): Queue {
  return {
    slot,
    namespace,
    nameNumber,
    name,
    counts: new Float64Array(TASK_STATES.length),
    submitted: 0,
    groups: [],
  };
}
