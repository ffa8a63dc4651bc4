import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, DecodeError } from '../../src/base/bytes.ts';
import { murmur3 } from '../../src/base/hash.ts';
import { BatchReader, BatchWriter, commandMoves, decodeBatch, encodeCommand } from '../../src/scheduler/batch.ts';
import type { Blob, Command, Completion, Encoding, Labels, TaskTemplate } from '../../src/scheduler/command.ts';
import { decodeCommand } from '../../src/scheduler/decode.ts';
import { NameCache } from '../../src/scheduler/name-cache.ts';
import { COMMAND_CODES } from '../../src/scheduler/version.ts';
import { blob, Driver, entryOf, keyText, template } from './driver.ts';
import { scheduleCommand } from './schedules/arbitrary.ts';

const name = fc.stringMatching(/^[A-Za-z0-9._:/-]{1,20}$/);
const count = fc.oneof(fc.nat(200), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => new Uint8Array(array));
const anyBlob: fc.Arbitrary<Blob> = fc.record({ encoding: fc.nat(3).map((value) => value as Encoding), bytes });
const labels: fc.Arbitrary<Labels> = fc.array(fc.tuple(name, name), { maxLength: 3 });
const anyTemplate: fc.Arbitrary<TaskTemplate> = fc.record({
  type: name,
  queue: name,
  priority: fc.integer({ min: 1, max: 10 }),
  requires: labels,
  retry: fc.record({ maxAttempts: count, initialMs: count, maxMs: count }),
  timeouts: fc.record({ runMs: count, queueMs: count, totalMs: count }),
  retention: fc.record({ doneMs: count, failedMs: count, keepPayload: fc.boolean() }),
});
const held = fc.array(fc.record({ number: count, fencingToken: count }), { maxLength: 3 });
const outcome: fc.Arbitrary<Completion['outcome']> = fc.oneof(
  fc.record({ type: fc.constant('done' as const), result: anyBlob }),
  fc.record({ type: fc.constant('failed' as const), error: anyBlob, nonRetryable: fc.boolean() }),
  fc.record({ type: fc.constant('failed' as const), error: anyBlob, nonRetryable: fc.boolean(), retryAfterMs: count }),
  fc.record({ type: fc.constant('snoozed' as const), delayMs: count }),
  fc.record({ type: fc.constant('returned' as const) }),
);
const task = fc.tuple(
  fc.record({ template: fc.nat(3), payload: anyBlob }),
  fc.record({ headers: anyBlob, key: name }, { requiredKeys: [] }),
  fc.oneof(fc.constant({}), fc.record({ runAtMs: count }), fc.record({ delayMs: count })),
);
const worker = { worker: name, instance: name };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ type: fc.constant('termStarted' as const), term: count }),
  fc.constant<Command>({ type: 'tick' }),
  fc.constant<Command>({ type: 'checkpointMark' }),
  fc.record({ type: fc.constant('openSession' as const), session: name }),
  fc.record({ type: fc.constant('endSession' as const), session: name }),
  fc.record({
    type: fc.constant('submit' as const),
    session: name,
    sequence: count,
    answeredBelow: count,
    namespace: name,
    templates: fc.array(anyTemplate, { maxLength: 3 }),
    tasks: fc.array(
      task.map(([fixed, some, due]) => ({ ...fixed, ...some, ...due })),
      { maxLength: 4 },
    ),
  }),
  fc.record({
    type: fc.constant('complete' as const),
    worker: name,
    completions: fc.array(fc.record({ number: count, fencingToken: count, outcome }), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant('cancel' as const), namespace: name, numbers: fc.array(count, { maxLength: 4 }) }),
  fc.record({ type: fc.constant('saveCheckpoint' as const), number: count, fencingToken: count, checkpoint: anyBlob }),
  fc.record({ type: fc.constant('extendRun' as const), number: count, fencingToken: count, runMs: count }),
  fc.record({
    type: fc.constant('workerAttached' as const),
    namespace: name,
    ...worker,
    types: fc.array(name, { maxLength: 3 }),
    labels,
    slots: count,
    version: name,
    held,
    unanswered: held,
  }),
  fc.record({ type: fc.constant('workerAway' as const), ...worker }),
  fc.record({ type: fc.constant('workerLost' as const), ...worker, capsFreeAtMs: count }),
  fc.record({ type: fc.constant('workerLeft' as const), ...worker }),
  fc.record({ type: fc.constant('drainWorker' as const), worker: name, deadlineMs: count }),
  fc.record({ type: fc.constant('resumeWorker' as const), worker: name }),
  scheduleCommand({ name, count, blob: anyBlob, template: anyTemplate }),
);

function encoded(one: Command, principal = 'p'): Uint8Array {
  const writer = new ByteWriter();
  encodeCommand(writer, principal, one);
  return writer.take();
}

describe('commands as bytes', () => {
  test('every command reads back as it was written, alone and in a batch', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 6 }), name, fc.maxSafeNat(), (commands, principal, logTimeMs) => {
        for (const one of commands) {
          expect(decodeCommand(new ByteReader(encoded(one, principal)))).toEqual({ principal, command: one });
        }
        const batch = decodeBatch(entryOf(logTimeMs, commands, principal));
        expect(batch).toEqual({ logTimeMs, commands: commands.map((one) => ({ principal, command: one })) });
      }),
      { numRuns: 300 },
    );
  });

  test('a cut, a flipped bit or random bytes give a DecodeError or another command, never anything else', () => {
    fc.assert(
      fc.property(command, fc.nat(), fc.nat(7), fc.uint8Array({ maxLength: 60 }), (one, at, bit, junk) => {
        const whole = encoded(one);
        const flipped = whole.slice();
        flipped[at % whole.length]! ^= 1 << bit;
        for (const bad of [whole.slice(0, at % whole.length), flipped, new Uint8Array(junk)]) {
          try {
            decodeCommand(new ByteReader(bad));
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('what is not understood is refused: kind, format, command, left-over bytes', () => {
    const good = entryOf(5, [{ type: 'tick' }]);
    const withByte = (at: number, value: number): Uint8Array => {
      const bad = good.slice();
      bad[at] = value;
      return bad;
    };
    expect(() => decodeBatch(withByte(0, 0x43))).toThrow('kind 67');
    expect(() => decodeBatch(withByte(1, 9))).toThrow('format 9');
    expect(() => decodeBatch(withByte(18, 99))).toThrow('code 99');
    expect(() => decodeBatch(withByte(19, 2))).toThrow('format 2');
    expect(() => decodeBatch(new Uint8Array([...good, 0]))).toThrow('1 bytes too many');
    for (const apply of [withByte(0, 0x43), withByte(18, 99), withByte(19, 2), new Uint8Array([...good, 0])]) {
      expect(() => new Driver().applyBytes(apply)).toThrow(DecodeError);
    }
  });

  test('a writer counts commands, moves and bytes, and is used again', () => {
    const batch = new BatchWriter();
    const many: Command = { type: 'cancel', namespace: 'default', numbers: [1, 2, 3] };
    for (const expected of [1, 2]) {
      batch.begin();
      for (let at = 0; at < expected; at += 1) batch.add(encoded(many), commandMoves(many));
      expect([batch.count, batch.moves]).toEqual([expected, 3 * expected]);
      const size = batch.sizeBytes;
      const bytesOfEntry = batch.finish(7);
      expect(bytesOfEntry.length).toBe(size);
      expect(new BatchReader(bytesOfEntry).count).toBe(expected);
    }
  });
});

describe('names that come again and again', () => {
  test('are read as the bytes spell them, whatever was read before', () => {
    const cache = new NameCache();
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 300 }), { maxLength: 20 }), (names) => {
        const writer = new ByteWriter();
        for (const one of names) writer.ascii(one);
        const source = writer.take();
        const reader = new ByteReader(source);
        expect(names.map(() => cache.read(source, reader))).toEqual(names);
        expect(reader.remaining).toBe(0);
      }),
    );
    const foreign = new Uint8Array([2, 0x41, 0xc3]);
    expect(() => cache.read(foreign, new ByteReader(foreign))).toThrow('not ASCII');
    const cut = new Uint8Array([9, 0x41]);
    expect(() => cache.read(cut, new ByteReader(cut))).toThrow('too early');
  });
});

describe('the log version', () => {
  /**
   * Bytes of one of each command of version 1, and the state that they make: what later versions added may change neither, and
   * each has a tripwire of its own (`schedules/version-2.test.ts`). When this fails, entries that are in logs would be read or
   * applied otherwise than when they were written: give the command a new format, or the change a version, and add a line here.
   */
  test('has a tripwire: no byte of an entry and no record of the state changes unnoticed', async () => {
    const driver = new Driver();
    driver.nowMs = 1_700_000_000_000;
    const commands: Command[] = [
      { type: 'termStarted', term: 1 },
      { type: 'openSession', session: 's' },
      driver.attachCommand('w1', { slots: 2, labels: [['zone', 'a']] }),
      driver.submitCommand(
        [
          { text: 'one', key: 'k', headers: blob('h') },
          { text: 'two', delayMs: 5_000 },
          { text: 'three', template: 1 },
        ],
        [template(), template({ queue: 'other', requires: [['zone', 'a']] })],
      ),
      { type: 'saveCheckpoint', number: 1, fencingToken: 1, checkpoint: blob('half') },
      { type: 'cancel', namespace: 'default', numbers: [2] },
      { type: 'drainWorker', worker: 'w2', deadlineMs: 9 },
      { type: 'resumeWorker', worker: 'w1' },
      { type: 'tick' },
    ];
    driver.apply(...commands);
    driver.apply({ type: 'extendRun', number: 3, fencingToken: 2, runMs: 60_000 });
    driver.complete(1, { type: 'failed', error: blob('e'), nonRetryable: false });
    driver.nowMs += 16_000;
    driver.apply({ type: 'workerAway', worker: 'w1', instance: 'w1-1' });
    driver.apply({ type: 'workerLost', worker: 'w1', instance: 'w1-1', capsFreeAtMs: 3 });
    driver.apply({ type: 'workerLeft', worker: 'w1', instance: 'w1-1' }, { type: 'endSession', session: 'x' });
    const mark = driver.checkpoint();
    const used = new Set(
      driver.log.flatMap(({ bytes: entry }) => decodeBatch(entry).commands.map((one) => one.command.type)),
    );
    const first = Object.entries(COMMAND_CODES).filter(([, code]) => code <= COMMAND_CODES.resumeWorker);
    expect([...used].sort()).toEqual(first.map(([name]) => name).sort());
    const log = driver.log.map(({ bytes: entry }) => murmur3(entry, 0).toString(16)).join(' ');
    const records = [...driver.database.values()]
      .map(({ key, value }) => `${keyText(key)} ${keyText(value)}`)
      .sort()
      .join('\n');
    await expect({ version: 1, log, digest: mark.digest, records }).toMatchFileSnapshot('golden/log-version-1.txt');
  });
});
