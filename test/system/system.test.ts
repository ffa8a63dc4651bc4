import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { constantTimeEqual, sha256 } from '../../src/system/crypto.ts';
import { REAL_CLOCK, REAL_TIMERS } from '../../src/system/real-clock.ts';
import { pinoLogger } from '../../src/system/pino-logger.ts';
import { RealRandom } from '../../src/system/real-random.ts';
import { readSecret, SecretError, type SecretSource } from '../../src/system/secrets.ts';
import { onStopSignals, type StopHandlers } from '../../src/system/signals.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'taskraft-system-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('secrets', () => {
  const GOOD = '0123456789abcdefghij';
  const file = (text: string, mode = 0o600): string => {
    const at = path.join(directory, `secret-${Math.random()}`);
    writeFileSync(at, text);
    chmodSync(at, mode);
    return at;
  };
  const error = (source: Omit<SecretSource, 'name'>): SecretError => {
    try {
      readSecret({ name: 'the secret for peers', ...source });
    } catch (caught) {
      if (caught instanceof SecretError) return caught;
      throw caught;
    }
    throw new Error('a SecretError was expected');
  };

  test('come from a file or the environment, without white space around them', () => {
    expect(readSecret({ name: 's', file: file(`${GOOD}\n`) })).toBe(GOOD);
    expect(readSecret({ name: 's', environment: { variable: 'S', value: ` ${GOOD}` } })).toBe(GOOD);
  });

  test('may be absent, and an empty variable is absent', () => {
    expect(readSecret({ name: 's' })).toBeUndefined();
    expect(readSecret({ name: 's', environment: { variable: 'S', value: '' } })).toBeUndefined();
    expect(readSecret({ name: 's', file: file(GOOD), environment: { variable: 'S', value: undefined } })).toBe(GOOD);
  });

  test.each([0o604, 0o640, 0o602, 0o666])('are refused when others can reach the file (mode %o)', (mode) => {
    const at = file(GOOD, mode);
    const refused = error({ file: at });
    expect(refused.code).toBe('OPEN_TO_OTHERS');
    expect(refused.message).toBe(
      `the secret for peers: others can read or write ${at} (mode ${mode.toString(8)}). Run: chmod 600 ${at}`,
    );
  });

  test('are refused when given twice', () => {
    expect(error({ file: file(GOOD), environment: { variable: 'S', value: GOOD } }).code).toBe('AMBIGUOUS');
  });

  test('are refused when there is no such file, or it is none', () => {
    expect(error({ file: path.join(directory, 'nowhere') }).code).toBe('UNREADABLE');
    expect(error({ file: directory }).code).toBe('UNREADABLE');
  });

  test.each([
    ['short', 'x'.repeat(19)],
    ['long', 'x'.repeat(1_025)],
    ['long by far', 'x'.repeat(100_000)],
    ['of two lines', `${GOOD}\n${GOOD}`],
    ['of other letters', `${GOOD}ü`],
    ['empty', '\n'],
  ])('are refused when they are %s, and never shown', (_what, text) => {
    const refused = error({ file: file(text) });
    expect(refused.code).toBe('MALFORMED');
    expect(refused.message).not.toContain('xxx');
    expect(refused.message).not.toContain(GOOD);
  });
});

test('random numbers use all 32 bits and do not repeat', () => {
  const random = new RealRandom();
  const drawn = Array.from({ length: 2_000 }, () => random.uint32());
  expect(new Set(drawn).size).toBeGreaterThan(1_990);
  const ones = drawn.reduce((or, value) => (or | value) >>> 0, 0);
  const zeros = drawn.reduce((and, value) => (and & value) >>> 0, 0xffff_ffff);
  expect([ones, zeros]).toEqual([0xffff_ffff, 0]);
});

test('texts are compared whole', () => {
  expect(constantTimeEqual('token', 'token')).toBe(true);
  expect(constantTimeEqual('token', 'tokem')).toBe(false);
  expect(constantTimeEqual('token', 'token ')).toBe(false);
  expect(constantTimeEqual('', 'token')).toBe(false);
});

test('SHA-256 is the one of FIPS 180-4', () => {
  expect(Buffer.from(sha256(Buffer.from('abc'))).toString('hex')).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});

describe('timers', () => {
  test('never fire before their time, even when the loop was held before they were set', async () => {
    const early: number[] = [];
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        const holdUntilMs = REAL_CLOCK.monotonicMs() + 12;
        while (REAL_CLOCK.monotonicMs() < holdUntilMs);
        const setMs = REAL_CLOCK.monotonicMs();
        let left = 20;
        for (let count = 0; count < 20; count += 1) {
          const delayMs = 4 + count / 7;
          REAL_TIMERS.after(delayMs, () => {
            const waitedMs = REAL_CLOCK.monotonicMs() - setMs;
            if (waitedMs < delayMs) early.push(waitedMs - delayMs);
            left -= 1;
            if (left === 0) resolve();
          });
        }
      });
    });
    expect(early).toEqual([]);
  });

  test('do not fire once cancelled, and may be cancelled after', async () => {
    let fired = 0;
    const cancelled = REAL_TIMERS.after(1, () => (fired += 1));
    cancelled.cancel();
    await new Promise<void>((resolve) => {
      const kept = REAL_TIMERS.after(20, () => {
        kept.cancel();
        resolve();
      });
    });
    expect(fired).toBe(0);
  });

  test('soon runs after the current event', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      REAL_TIMERS.soon(() => {
        order.push('soon');
        resolve();
      });
      order.push('now');
    });
    expect(order).toEqual(['now', 'soon']);
  });

  test('soon lets others in between pieces that take long, and keeps their order', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      REAL_TIMERS.soon(() => {
        setImmediate(() => order.push('another'));
        const endMs = REAL_CLOCK.monotonicMs() + 5;
        while (REAL_CLOCK.monotonicMs() < endMs);
        order.push('long');
        REAL_TIMERS.soon(() => {
          order.push('third');
          resolve();
        });
      });
      REAL_TIMERS.soon(() => order.push('second'));
    });
    expect(order).toEqual(['long', 'another', 'second', 'third']);
  });

  test('refuse a delay that Node would cut to a millisecond', () => {
    expect(() => REAL_TIMERS.after(2 ** 31, () => {})).toThrow('out of bounds');
  });
});

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s asks to stop, a second one forces, and more change nothing',
    (signal) => {
      const asked: string[] = [];
      let nowMs = 0;
      const handlers: StopHandlers = {
        stop: (name) => asked.push(`stop ${name}`),
        force: (name) => asked.push(`force ${name}`),
      };
      const release = onStopSignals(handlers, { monotonicMs: () => nowMs, wallMs: () => 0 });
      // Told to the handlers as the system would; a real one would end the test if the handlers were missing.
      process.emit(signal, signal);
      nowMs += 500;
      process.emit('SIGTERM', 'SIGTERM');
      nowMs += 500;
      process.emit(signal, signal);
      release();
      expect(asked).toEqual([`stop ${signal}`, 'force SIGTERM']);
    },
  );

  test('the same one again at once is an echo, another one is not', () => {
    const asked: string[] = [];
    let nowMs = 0;
    const handlers: StopHandlers = {
      stop: (name) => asked.push(`stop ${name}`),
      force: (name) => asked.push(`force ${name}`),
    };
    const release = onStopSignals(handlers, { monotonicMs: () => nowMs, wallMs: () => 0 });
    process.emit('SIGINT', 'SIGINT');
    nowMs += 499;
    process.emit('SIGINT', 'SIGINT');
    expect(asked).toEqual(['stop SIGINT']);
    process.emit('SIGTERM', 'SIGTERM');
    release();
    expect(asked).toEqual(['stop SIGINT', 'force SIGTERM']);
  });

  test('are left to the system once released', () => {
    const before = process.listenerCount('SIGTERM');
    const release = onStopSignals({ stop: () => {}, force: () => {} });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    release();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

test('log lines are one line of JSON each, with the fields of the process and without secrets', () => {
  const log = path.join(directory, 'log');
  const descriptor = openSync(log, 'w');
  const logger = pinoLogger({ level: 'info', fields: { peer: 'p1' }, descriptor });
  logger.debug('not said');
  logger.info('two\nlines', { index: 3 });
  logger.warn('with a secret', { token: 'hush' });
  closeSync(descriptor);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: 30, peer: 'p1', index: 3, msg: 'two\nlines' },
    { level: 40, peer: 'p1', token: '[Redacted]', msg: 'with a secret' },
  ]);
  expect(lines.join('')).not.toContain('hush');
});
