import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { peerLimits } from '../../src/config/limits.ts';
import { Batcher } from '../../src/peer/batcher.ts';
import type { ProposalLane, ProposalResult } from '../../src/peer/types.ts';
import { BatchReader, encodeCommand } from '../../src/scheduler/batch.ts';
import type { Reply } from '../../src/scheduler/outcome.ts';

const LIMITS = peerLimits({
  batchBytesMax: 1_000,
  batchMovesMax: 100,
  commandBytesMax: 5_000,
  queueSubmissionBytesMax: 6_000,
  queueDispatchBytesMax: 8_000,
  queueBytesMax: 10_000,
});

/** A command that can be told from others: a cancel of a namespace with this name, padded to a size. */
function command(name: string, padding = 0): Uint8Array {
  const writer = new ByteWriter();
  const namespace = name + '.'.repeat(padding);
  encodeCommand(writer, 'anyone', { type: 'cancel', namespace: namespace.slice(0, 200), numbers: [] });
  return padding <= 200 ? writer.take() : new Uint8Array(padding);
}

/** A batcher whose entries go into a list. */
class Run {
  readonly batcher = new Batcher(LIMITS);
  readonly entries: Uint8Array[] = [];
  readonly results: [name: string, result: ProposalResult['type']][] = [];

  propose(lane: ProposalLane, name: string, bytes: Uint8Array = command(name), moves = 1): boolean {
    return this.batcher.add(lane, bytes, moves, (result) => {
      this.results.push([name, result.type]);
    });
  }

  close(): boolean {
    return this.batcher.close(5, (batch) => {
      this.entries.push(batch);
      return { index: this.entries.length, term: 1 };
    });
  }

  apply(index: number, term = 1): void {
    const replies: Reply[] = Array.from({ length: countOf(this.entries[index - 1]!) }, () => ({ type: 'ok' }));
    this.batcher.applied(index, term, 5, replies);
  }
}

function countOf(batch: Uint8Array): number {
  return new BatchReader(batch).count;
}

describe('what goes into one entry', () => {
  test('everything that waits: completions first, then dispatch, then submissions, each in order of arrival', () => {
    const run = new Run();
    run.propose('submission', 's1');
    run.propose('dispatch', 'd1');
    run.propose('submission', 's2');
    run.propose('completion', 'c1');
    run.propose('completion', 'c2');
    expect(run.close()).toBe(true);
    run.apply(1);
    expect(run.results.map(([name]) => name)).toEqual(['c1', 'c2', 'd1', 's1', 's2']);
    expect(run.batcher.queuedCount).toBe(0);
    expect(run.batcher.queuedBytes).toBe(0);
  });

  test('no more task moves than the bound; the rest follows in the next entry', () => {
    const run = new Run();
    run.propose('submission', 'a', command('a'), 60);
    run.propose('submission', 'b', command('b'), 60);
    run.propose('submission', 'c', command('c'), 40);
    run.close();
    expect(run.batcher.queuedCount).toBe(2);
    run.close();
    run.apply(1);
    run.apply(2);
    expect(run.results.map(([name]) => name)).toEqual(['a', 'b', 'c']);
  });

  test('what fills an entry is seen as such, and no longer once it was taken or given up', () => {
    const run = new Run();
    run.propose('submission', 'a', command('a'), 60);
    expect(run.batcher.full).toBe(false);
    run.propose('completion', 'b', command('b'), 60);
    expect(run.batcher.full).toBe(true);
    run.close();
    expect([run.batcher.full, run.batcher.queuedCount]).toEqual([false, 1]);
    run.propose('submission', 'large', command('large', 4_000));
    expect(run.batcher.full).toBe(true);
    run.batcher.abandon();
    expect(run.batcher.full).toBe(false);
  });

  test('a command over the bounds goes alone, behind nothing and before everything else', () => {
    const run = new Run();
    run.propose('submission', 'small');
    run.propose('submission', 'large', command('large', 4_000));
    run.propose('submission', 'many', command('many'), 5_000);
    for (let entry = 0; entry < 3; entry += 1) run.close();
    expect(run.entries.map(countOf)).toEqual([1, 1, 1]);
  });

  test('nothing, when time alone is to pass', () => {
    const run = new Run();
    expect(run.close()).toBe(true);
    expect(countOf(run.entries[0]!)).toBe(0);
    run.apply(1);
    expect(run.results).toEqual([]);
  });

  test('is kept in its order when consensus takes nothing', () => {
    const run = new Run();
    run.propose('submission', 's');
    run.propose('completion', 'c');
    expect(run.batcher.close(5, () => undefined)).toBe(false);
    run.close();
    run.apply(1);
    expect(run.results).toEqual([
      ['c', 'applied'],
      ['s', 'applied'],
    ]);
  });

  test('every command once and every bound kept, whatever is proposed and whenever entries close', () => {
    const step = fc.oneof(
      fc.record({
        lane: fc.constantFrom<ProposalLane>('completion', 'dispatch', 'submission'),
        size: fc.integer({ min: 0, max: 190 }),
        moves: fc.integer({ min: 1, max: 120 }),
      }),
      fc.constant('close' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const run = new Run();
        const taken: string[] = [];
        let drawn = 0;
        for (const at of steps) {
          if (at === 'close') {
            run.close();
            continue;
          }
          drawn += 1;
          const name = `n${drawn}`;
          if (run.propose(at.lane, name, command(name, at.size), at.moves)) taken.push(name);
          expect(run.batcher.queuedBytes).toBeLessThanOrEqual(LIMITS.queueBytesMax);
        }
        while (run.batcher.queuedCount > 0) run.close();
        for (const [at, entry] of run.entries.entries()) {
          if (countOf(entry) > 1) expect(entry.length).toBeLessThanOrEqual(LIMITS.batchBytesMax + 14);
          run.apply(at + 1);
        }
        expect(run.results.map(([name]) => name).sort()).toEqual(taken.sort());
        expect(run.batcher.queuedBytes).toBe(0);
      }),
    );
  });
});

describe('a full queue', () => {
  test('refuses submissions first, then dispatch, and takes completions longest', () => {
    const run = new Run();
    const kilo = new Uint8Array(1_000);
    const taken = (lane: ProposalLane): number => {
      let count = 0;
      while (run.propose(lane, lane, kilo)) count += 1;
      return count;
    };
    expect(taken('submission')).toBe(6);
    expect(taken('dispatch')).toBe(2);
    expect(taken('submission')).toBe(0);
    expect(taken('completion')).toBe(2);
    expect(run.results).toEqual([]);
  });
});

describe('when leadership is lost', () => {
  test('of what was appended nothing is known, and what waited was dropped', () => {
    const run = new Run();
    run.propose('submission', 'appended');
    run.close();
    run.propose('submission', 'waiting');
    run.batcher.refuse((result) => run.results.push(['refused', result.type]));
    run.batcher.abandon();
    expect(run.results).toEqual([
      ['appended', 'unknown'],
      ['waiting', 'dropped'],
      ['refused', 'dropped'],
    ]);
    run.apply(1);
    expect(run.results).toHaveLength(3);
  });

  test('another entry in the place of ours means that ours is not in the log', () => {
    const run = new Run();
    run.propose('submission', 'overwritten');
    run.close();
    run.apply(1, 2);
    expect(run.results).toEqual([['overwritten', 'dropped']]);
  });
});
