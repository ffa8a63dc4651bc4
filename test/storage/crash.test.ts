import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import { peerId } from '../../src/base/ids.ts';
import type { Entry, HardState } from '../../src/raft/types.ts';
import type { OpenedStorage } from '../../src/storage/storage.ts';
import { CRASH_OUTCOMES, CrashDisk, type CrashOutcome } from './support/crash-disk.ts';
import { command, openOn, openPlatter } from './support/directory.ts';

/** One thing that a peer does with its storage. */
type Step =
  | { readonly type: 'append'; readonly count: number; readonly newTerm: boolean }
  | { readonly type: 'replace'; readonly back: number; readonly count: number }
  | { readonly type: 'vote'; readonly candidate: PeerId | undefined }
  | { readonly type: 'checkpoint' }
  | { readonly type: 'compact' }
  | { readonly type: 'found' }
  | { readonly type: 'syncHead' }
  | { readonly type: 'space' };

/** What the storage should hold. */
interface Model {
  readonly hardState: HardState;
  /** All entries from 1 on, compacted or not. */
  readonly log: readonly Entry[];
  readonly checkpoint: number;
}

const EMPTY: Model = { hardState: { term: 1, votedFor: undefined }, log: [], checkpoint: 0 };

/** The model after `step`, and the call that should bring the storage there. */
function plan(model: Model, step: Step): { readonly after: Model; run(storage: OpenedStorage): Promise<void> } {
  const { hardState, log } = model;
  const last = log.length;
  switch (step.type) {
    case 'append': {
      const next = step.newTerm ? { term: hardState.term + 1, votedFor: undefined } : hardState;
      const entries = Array.from({ length: step.count }, (_, at) => command(last + 1 + at, next.term));
      const batch = step.newTerm ? { hardState: next, entries } : { entries };
      return {
        after: { ...model, hardState: next, log: [...log, ...entries] },
        run: (storage) => storage.log.append(batch),
      };
    }
    case 'replace': {
      const next = { term: hardState.term + 1, votedFor: undefined };
      const truncateFrom = Math.max(last + 1 - step.back, model.checkpoint + 1);
      const entries = Array.from({ length: step.count }, (_, at) => command(truncateFrom + at, next.term));
      const kept = log.slice(0, truncateFrom - 1);
      return {
        after: { ...model, hardState: next, log: [...kept, ...entries] },
        run: (storage) => storage.log.append({ hardState: next, truncateFrom, entries }),
      };
    }
    case 'vote': {
      const next = { term: hardState.term + 1, votedFor: step.candidate };
      return {
        after: { ...model, hardState: next },
        run: (storage) => storage.log.append({ hardState: next, entries: [] }),
      };
    }
    case 'checkpoint': {
      const term = log.at(-1)?.term ?? 0;
      const mark = {
        index: last,
        term,
        logTimeMs: last,
        configuration: new Uint8Array(0),
        digest: { high: 0, low: 0 },
      };
      const commit = (storage: OpenedStorage): Promise<void> => {
        const writer = storage.state.beginCheckpoint();
        writer.put(Uint8Array.of(1), Uint8Array.of(last & 0xff));
        return writer.commit(mark);
      };
      return { after: { ...model, checkpoint: last }, run: commit };
    }
    case 'compact':
      return { after: model, run: (storage) => storage.log.compact(model.checkpoint + 1) };
    case 'found':
      return { after: model, run: (storage) => storage.saveFounding({ founded: true, heard: [] }) };
    case 'syncHead':
      return { after: model, run: (storage) => storage.syncHead() };
    case 'space':
      return { after: model, run: async (storage) => void (await storage.space()) };
  }
}

/**
 * Lives through `steps` until the power goes at step `crashAt` of the disk, and checks what the next start finds: all that
 * was acknowledged, and of the call that was under way all or nothing. Returns false when the power never went.
 */
async function liveAndCrash(steps: readonly Step[], crashAt: number, outcome: CrashOutcome): Promise<boolean> {
  const disk = new CrashDisk(crashAt, outcome);
  let model: Model = { ...EMPTY, hardState: { term: 0, votedFor: undefined } };
  let underWay = model;
  let incarnation: string | undefined;
  try {
    const storage = await openOn(disk);
    incarnation = storage.identity.incarnation;
    const first: Step = { type: 'vote', candidate: undefined };
    for (const step of [first, ...steps]) {
      const { after, run } = plan(model, step);
      underWay = after;
      await run(storage);
      model = after;
      expect(disk.unsyncedSlots, 'one slot of HEAD is always as it was synced').toBeLessThanOrEqual(1);
    }
  } catch (error) {
    if (!disk.off) throw error;
  }
  const platter = disk.platterAfter();
  const storage = await openPlatter(platter);
  if (incarnation !== undefined) expect(storage.identity.incarnation).toBe(incarnation);
  await expectOneOf(storage, model, underWay);
  await storage.log.append({
    hardState: { term: 1000, votedFor: undefined },
    entries: [command(storage.log.lastIndex + 1, 1000)],
  });
  await storage.close();
  const again = await openPlatter(platter);
  expect(again.log.lastIndex).toBe(storage.log.lastIndex);
  await again.close();
  return disk.off;
}

async function expectOneOf(storage: OpenedStorage, acknowledged: Model, underWay: Model): Promise<void> {
  const { log } = storage;
  const { hardState } = storage.takeRecovered();
  const found = log.lastIndex < log.firstIndex ? [] : await log.read(log.firstIndex, log.lastIndex, 1e9);
  const hidden = log.firstIndex - 1;
  const candidates = [acknowledged, underWay].map((model) => ({
    log: model.log.slice(hidden),
    last: model.log.length,
  }));
  expect(candidates).toContainEqual({ log: found, last: log.lastIndex });
  expect([acknowledged.hardState, underWay.hardState]).toContainEqual(hardState);
  expect([acknowledged.checkpoint, underWay.checkpoint]).toContain(storage.state.checkpoint?.index ?? 0);
  if (storage.state.checkpoint !== undefined) {
    expect(await storage.state.get(Uint8Array.of(1))).toEqual(Uint8Array.of(storage.state.checkpoint.index & 0xff));
  }
}

const STORY: readonly Step[] = [
  { type: 'found' },
  { type: 'space' },
  { type: 'vote', candidate: peerId('p2') },
  { type: 'append', count: 3, newTerm: false },
  { type: 'syncHead' },
  { type: 'append', count: 1, newTerm: false },
  { type: 'append', count: 2, newTerm: true },
  { type: 'checkpoint' },
  { type: 'append', count: 4, newTerm: false },
  { type: 'replace', back: 3, count: 1 },
  { type: 'append', count: 1, newTerm: false },
  { type: 'compact' },
  { type: 'replace', back: 2, count: 0 },
  { type: 'syncHead' },
  { type: 'append', count: 1, newTerm: true },
  { type: 'replace', back: 1, count: 5 },
];

describe('a power cut', () => {
  test.each(CRASH_OUTCOMES)(
    'at any step of a life loses nothing acknowledged (batch $batch, slot $slot)',
    async (outcome) => {
      let crashAt = 1;
      while (await liveAndCrash(STORY, crashAt, outcome)) crashAt += 1;
      expect(crashAt, 'steps of the story').toBeGreaterThan(30);
    },
  );

  test('loses nothing acknowledged in any life', async () => {
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ type: fc.constant('append' as const), count: fc.integer({ min: 1, max: 4 }), newTerm: fc.boolean() }),
      fc.record({
        type: fc.constant('replace' as const),
        back: fc.integer({ min: 1, max: 6 }),
        count: fc.integer({ min: 0, max: 4 }),
      }),
      fc.record({
        type: fc.constant('vote' as const),
        candidate: fc.constantFrom(undefined, peerId('p2'), peerId('p3')),
      }),
      fc.constantFrom<Step>(
        { type: 'checkpoint' },
        { type: 'compact' },
        { type: 'syncHead' },
        { type: 'found' },
        { type: 'space' },
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 20 }),
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom(...CRASH_OUTCOMES),
        async (steps, crashAt, outcome) => {
          await liveAndCrash(steps, crashAt, outcome);
        },
      ),
      { numRuns: 300 },
    );
  });
});
