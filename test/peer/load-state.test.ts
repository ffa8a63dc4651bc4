import { describe, expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { DecodeError } from '../../src/base/bytes.ts';
import { putIn } from '../../src/peer/load-state.ts';
import { Scheduler, type SchedulerLoader } from '../../src/scheduler/scheduler.ts';
import { crc32 } from 'node:zlib';

/** A loader of which `add` does something else. */
function loaderThat(add: SchedulerLoader['add']): SchedulerLoader {
  return Object.assign(Scheduler.loader({ crc32, limits: {} }), { add });
}

const RECORDS = [{ key: Uint8Array.of(1), value: Uint8Array.of(2) }];

describe('records of a state', () => {
  test('that contradict each other, since the disk has lost a newer one, are damage and no mistake of the program', () => {
    const contradicting = loaderThat(() => assert(false, 'a number is given to one task'));
    expect(() => putIn(contradicting, RECORDS)).toThrow(DecodeError);
    expect(() => putIn(contradicting, RECORDS)).toThrow('contradict each other: a number is given to one task');
  });

  test('that cannot be taken in for another reason say so as before', () => {
    const failing = loaderThat(() => {
      throw new RangeError('something else');
    });
    expect(() => putIn(failing, RECORDS)).toThrow(RangeError);
  });
});
