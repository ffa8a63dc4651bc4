/** Rows as records of the checkpoint, by task number, and back. */
import { ByteReader, type ByteWriter, DecodeError } from '../base/bytes.ts';
import { RecordTable, type RecordSource } from './memory/records.ts';
import { LOAD_STEP, sortSlowly } from './load-steps.ts';
import { FLAGS, NO_ROW, ROW_MASK } from './rows.ts';
import { decodeKind } from './schedules/progress-records.ts';
import type { State } from './state.ts';
import { FIRST_FINAL, STATE } from './states.ts';
import { SCHEDULER_TABLE_IDS } from './table-ids.ts';
import { setTimer } from './task-moves.ts';

/** The source of the table of tasks; a slot is a row. */
export class TaskRecords implements RecordSource {
  readonly table: RecordTable;
  readonly #state: State;
  /** While restoring: rows, and at the same place the registrations of the workers on which they run. Plain numbers: there are millions. */
  #restoredRows: number[] = [];
  #registrations: number[] = [];
  /** While restoring: numbers of the tasks that schedules made. */
  #scheduled: number[] = [];

  constructor(state: State) {
    this.#state = state;
    this.table = new RecordTable({
      id: SCHEDULER_TABLE_IDS.tasks,
      name: 'tasks',
      format: 1,
      crc32: state.crc32,
      source: this,
    });
  }

  keyOf(row: number): number {
    return this.#state.rows.segmentOf(row).number[row & ROW_MASK] as number;
  }

  encode(row: number, writer: ByteWriter): undefined {
    const { rows, memory, workers } = this.#state;
    const segment = rows.segmentOf(row);
    const at = row & ROW_MASK;
    const worker = segment.worker[at] as number;
    writer.u8(segment.state[at] as number);
    writer.u8(segment.flags[at] as number);
    writer.u8(segment.encodings[at] as number);
    writer.u8(segment.historyEvents[at] as number);
    writer.varint(segment.template[at] as number);
    writer.varint(segment.principal[at] as number);
    writer.varint(segment.createdAtMs[at] as number);
    writer.varint(segment.runAtMs[at] as number);
    writer.varint(segment.readyAtMs[at] as number);
    writer.varint(segment.placedAtMs[at] as number);
    writer.varint(segment.dueMs[at] as number);
    writer.varint(segment.readySequence[at] as number);
    writer.varint(segment.crashedAtMs[at] as number);
    writer.varint(segment.crashedBeforeMs[at] as number);
    writer.varint(segment.historyAtMs[at] as number);
    writer.varint(segment.token[at] as number);
    writer.varint(segment.failures[at] as number);
    writer.varint(segment.crashes[at] as number);
    writer.varint(segment.deliveries[at] as number);
    writer.varint(segment.droppedEvents[at] as number);
    writer.varint(worker === NO_ROW ? 0 : workers.slots.at(worker).registration);
    const { slab } = memory;
    const payloadBytes = segment.payloadBytes[at] as number;
    if ((segment.flags[at] as number) & FLAGS.payloadApart) writer.varint(payloadBytes);
    else writer.bytes(slab.view(segment.payloadRef[at] as number, payloadBytes));
    writer.bytes(slab.view(segment.headersRef[at] as number, segment.headersBytes[at] as number));
    writer.bytes(slab.view(segment.checkpointRef[at] as number, segment.checkpointBytes[at] as number));
    writer.bytes(slab.view(segment.errorRef[at] as number, segment.errorBytes[at] as number));
    writer.bytes(slab.view(segment.historyRef[at] as number, segment.historyBytes[at] as number));
    if ((segment.flags[at] as number) & FLAGS.scheduled) this.#encodeOccurrence(segment.number[at] as number, writer);
  }

  restore(number: number, value: Uint8Array): number {
    const { rows, memory } = this.#state;
    const reader = new ByteReader(value, 1);
    const row = rows.allocate();
    const segment = rows.segmentOf(row);
    const at = row & ROW_MASK;
    segment.number[at] = number;
    const code = reader.u8();
    if (code >= FIRST_FINAL) throw new DecodeError('the record of a task is of one that ended');
    segment.state[at] = code;
    const flags = reader.u8();
    segment.flags[at] = flags;
    segment.encodings[at] = reader.u8();
    segment.historyEvents[at] = reader.u8();
    segment.template[at] = reader.varint();
    segment.principal[at] = reader.varint();
    segment.createdAtMs[at] = reader.varint();
    segment.runAtMs[at] = reader.varint();
    segment.readyAtMs[at] = reader.varint();
    segment.placedAtMs[at] = reader.varint();
    segment.dueMs[at] = reader.varint();
    segment.readySequence[at] = reader.varint();
    segment.crashedAtMs[at] = reader.varint();
    segment.crashedBeforeMs[at] = reader.varint();
    segment.historyAtMs[at] = reader.varint();
    segment.token[at] = reader.varint();
    segment.failures[at] = reader.varint();
    segment.crashes[at] = reader.varint();
    segment.deliveries[at] = reader.varint();
    segment.droppedEvents[at] = reader.varint();
    const registration = reader.varint();
    const { slab } = memory;
    if (flags & FLAGS.payloadApart) {
      segment.payloadBytes[at] = reader.varint();
    } else {
      const payload = reader.bytes();
      segment.payloadRef[at] = slab.store(payload);
      segment.payloadBytes[at] = payload.length;
    }
    const headers = reader.bytes();
    segment.headersRef[at] = slab.store(headers);
    segment.headersBytes[at] = headers.length;
    const checkpoint = reader.bytes();
    segment.checkpointRef[at] = slab.store(checkpoint);
    segment.checkpointBytes[at] = checkpoint.length;
    const error = reader.bytes();
    segment.errorRef[at] = slab.store(error);
    segment.errorBytes[at] = error.length;
    const history = reader.bytes();
    segment.historyRef[at] = slab.store(history);
    segment.historyBytes[at] = history.length;
    if (flags & FLAGS.scheduled) this.#restoreOccurrence(number, reader);
    reader.end();
    memory.pages.setLive(number, row);
    this.#restoredRows.push(row);
    this.#registrations.push(registration);
    return row;
  }

  /**
   * Ends a restore, when everything else was: puts the tasks back into lists, timers and counts. Yields now and then, so that a
   * million of them hold nobody up. @throws DecodeError
   */
  *settle(): Generator<void, void> {
    const ready: number[] = [];
    const running: { row: number; registration: number }[] = [];
    const rows = this.#restoredRows;
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] as number;
      const state = this.#count(row);
      if (state === STATE.pending) ready.push(row);
      if (state === STATE.running) running.push({ row, registration: this.#registrations[at] as number });
      setTimer(this.#state, row);
      if (at % LOAD_STEP === LOAD_STEP - 1) yield;
    }
    this.#restoredRows = [];
    this.#registrations = [];
    const column = (row: number, name: 'readySequence' | 'token'): number =>
      this.#state.rows.segmentOf(row)[name][row & ROW_MASK] as number;
    const inLine = yield* sortSlowly(ready, (row) => column(row, 'readySequence'));
    for (let at = 0; at < inLine.length; at += 1) {
      this.#enterGroup(inLine[at] as number);
      if (at % LOAD_STEP === LOAD_STEP - 1) yield;
    }
    running.sort((left, right) => column(left.row, 'token') - column(right.row, 'token'));
    for (const { row, registration } of running) this.#enterWorker(row, registration);
    yield* this.#joinKeys();
    yield* this.#joinSchedules();
  }

  #count(row: number): number {
    const state = this.#state;
    const segment = state.rows.segmentOf(row);
    const at = row & ROW_MASK;
    const template = state.templates.slots.get(segment.template[at] as number);
    if (template === undefined)
      throw new DecodeError(`the template of task ${segment.number[at] as number} is missing`);
    template.references += 1;
    const code = segment.state[at] as number;
    template.queue.counts[code] = (template.queue.counts[code] as number) + 1;
    state.counts[code] = (state.counts[code] as number) + 1;
    state.liveBytes +=
      (segment.payloadBytes[at] as number) +
      (segment.headersBytes[at] as number) +
      (segment.checkpointBytes[at] as number);
    return code;
  }

  #enterGroup(row: number): void {
    const { rows, templates, line } = this.#state;
    const segment = rows.segmentOf(row);
    const at = row & ROW_MASK;
    const template = templates.slots.at(segment.template[at] as number);
    const group = (segment.flags[at] as number) & FLAGS.suspect ? template.suspects : template.group;
    if (group.append(row, template.priority)) line.improved(group);
  }

  #enterWorker(row: number, registration: number): void {
    const { rows, workers } = this.#state;
    const segment = rows.segmentOf(row);
    const at = row & ROW_MASK;
    const worker = workers.registered(registration);
    segment.worker[at] = worker.slot;
    segment.previous[at] = worker.tail;
    if (worker.tail === NO_ROW) worker.head = row;
    else rows.segmentOf(worker.tail).next[worker.tail & ROW_MASK] = row;
    worker.tail = row;
    worker.running += 1;
    if ((segment.flags[at] as number) & FLAGS.suspect) worker.suspects += 1;
  }

  #encodeOccurrence(number: number, writer: ByteWriter): void {
    const made = this.#state.schedules.made.of(number);
    writer.varint(made.schedule);
    writer.varint(made.version);
    writer.varint(made.plannedMs);
    writer.u8(made.kind);
  }

  #restoreOccurrence(number: number, reader: ByteReader): void {
    const schedule = reader.varint();
    const version = reader.varint();
    const plannedMs = reader.varint();
    this.#state.schedules.made.add(number, { schedule, version, plannedMs, kind: decodeKind(reader) });
    this.#scheduled.push(number);
  }

  /** Puts the tasks of schedules into the lists of their schedules, which are in the order of the tasks' numbers. */
  *#joinSchedules(): Generator<void, void> {
    const { schedules } = this.#state;
    const numbers = yield* sortSlowly(this.#scheduled, (number) => number);
    this.#scheduled = [];
    for (let at = 0; at < numbers.length; at += 1) {
      const number = numbers[at] as number;
      const schedule = schedules.byNumber(schedules.made.scheduleOf(number));
      if (schedule === undefined) throw new DecodeError(`the schedule of task ${number} is missing`);
      schedules.made.link(schedule, number);
      if (at % LOAD_STEP === LOAD_STEP - 1) yield;
    }
  }

  *#joinKeys(): Generator<void, void> {
    const { rows, memory } = this.#state;
    const { keys } = memory;
    for (let from = 0; from < keys.slotCount; from += LOAD_STEP) {
      keys.eachLive(from, from + LOAD_STEP, (number, slot) => {
        const row = memory.pages.rowOf(number);
        if (row === NO_ROW && memory.pages.farTagOf(number) !== 0) return;
        if (row === NO_ROW) throw new DecodeError(`a key belongs to task ${number}, which is not there`);
        rows.segmentOf(row).key[row & ROW_MASK] = slot + 1;
      });
      yield;
    }
  }
}
