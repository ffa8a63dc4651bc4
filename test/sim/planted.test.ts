import { describe, expect, test } from 'vitest';
import type { SimOptions } from '../../sim/options.ts';
import type { Plants } from '../../sim/plants.ts';
import { type Failure, runSeed } from '../../sim/run-seed.ts';
import type { Database, Disk } from '../../src/storage/disk.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';

/** Long enough to meet a fault that is always there. */
const LENGTH = { simulatedMs: 6_000, events: 500, requests: 5 };

/** Runs seeds until one fails; a planted mistake may need a particular moment to do harm. */
async function firstFailure(
  plants: Plants,
  adjust: (options: SimOptions) => SimOptions = (options) => options,
  seeds = 6,
): Promise<Failure | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { failure } = await runSeed(seed, { length: LENGTH, plants, adjust });
    if (failure !== undefined) return failure;
  }
  return undefined;
}

const three = (options: SimOptions): SimOptions => ({ ...options, peers: 3 });

/** Elections all the time. */
const stormy = (options: SimOptions): SimOptions => ({
  ...three(options),
  faults: {
    ...options.faults,
    rates: { ...options.faults.rates, crashes: 10, pauses: 4, partitions: 4 },
    pauseMsMax: 1_500,
    partitionMsMax: 2_000,
  },
});

describe('the simulator notices', () => {
  test('a disk that says "written" before it is', async () => {
    const eager = (database: Database): Database => ({
      batch: () => {
        const batch = database.batch();
        return {
          put: (key, value) => batch.put(key, value),
          del: (key) => batch.del(key),
          discard: () => batch.discard(),
          write: () => {
            inFlight = inFlight.then(() => batch.write()).catch(() => undefined);
            return Promise.resolve();
          },
        };
      },
      get: (key) => database.get(key),
      getMany: (keys) => database.getMany(keys),
      range: (options) => database.range(options),
      close: () => database.close(),
    });
    let inFlight = Promise.resolve();
    const lying = (disk: Disk): Disk => ({
      location: disk.location,
      openDatabase: async (name) => {
        const database = await disk.openDatabase(name);
        return name === 'log' ? eager(database) : database;
      },
      readHead: () => disk.readHead(),
      listStates: () => disk.listStates(),
      removeDatabase: (name) => disk.removeDatabase(name),
      freeBytes: () => disk.freeBytes(),
      ballastBytes: () => disk.ballastBytes(),
      reserveBallast: (sizeBytes) => disk.reserveBallast(sizeBytes),
      releaseBallast: () => disk.releaseBallast(),
      writeHeadSlot: (slot, sector) => disk.writeHeadSlot(slot, sector),
      syncHead: () => disk.syncHead(),
      close: () => disk.close(),
    });
    const failure = await firstFailure({ disk: lying }, three);
    expect(['durable-vote', 'durable-ack', 'no-halt', 'commit-quorum']).toContain(failure?.checker);
  });

  test('a peer that grants every vote', async () => {
    const failure = await firstFailure(
      {
        message: (message) => (message.type === 'vote-response' ? { ...message, granted: true } : message),
      },
      stormy,
    );
    expect(['durable-vote', 'durable-term', 'election-safety', 'vote-up-to-date']).toContain(failure?.checker);
  });

  test('a peer that acknowledges more than it has', async () => {
    const failure = await firstFailure(
      {
        message: (message) =>
          message.type === 'append-accepted' ? { ...message, matchIndex: message.matchIndex + 1 } : message,
      },
      three,
    );
    expect(failure?.checker).toBe('durable-ack');
  });

  test('a leader that tells a follower of commits which that one cannot have', async () => {
    const failure = await firstFailure(
      { message: (message) => (message.type === 'heartbeat' ? { ...message, commit: message.commit + 3 } : message) },
      three,
    );
    expect(failure?.checker).toBe('message-sanity');
  });

  test('an entry that changes on its way', async () => {
    const failure = await firstFailure(
      {
        message: (message) =>
          message.type === 'append-entries' && message.to === 'p3'
            ? { ...message, entries: message.entries.map((entry) => ({ ...entry, data: flipped(entry.data) })) }
            : message,
      },
      three,
    );
    expect(['log-matching', 'no-halt', 'durable-ack']).toContain(failure?.checker);
  });

  test('a state machine that differs on one peer', async () => {
    const failure = await firstFailure(
      {
        started: (peer, member) => {
          if (member !== 'p2') return;
          const { scheduler } = peer;
          const apply = scheduler.apply.bind(scheduler);
          Object.defineProperty(scheduler, 'apply', {
            // It lives in a time of its own.
            value: (index: number, batch: Uint8Array) => apply(index, index % 7 === 3 ? later(batch) : batch),
          } satisfies { value: Scheduler['apply'] });
        },
      },
      three,
    );
    expect(['state-agreement', 'no-halt']).toContain(failure?.checker);
  });

  test('a cluster that never comes to rest', async () => {
    const failure = await firstFailure(
      { message: (message) => (message.type === 'append-accepted' && message.from !== 'p1' ? undefined : message) },
      (options) => ({
        ...three(options),
        tickMs: 50,
        faults: { ...options.faults, rates: { ...options.faults.rates, crashes: 0, crashesAtWrites: 0 } },
      }),
      1,
    );
    expect(['progress', 'length']).toContain(failure?.checker);
  });

  test('chance that is not drawn from the seed', async () => {
    let answers = 0;
    const moody: Plants = {
      message: (message) => {
        if (message.type !== 'heartbeat-response') return message;
        // Not a function of the run: the second run goes on counting where the first one ended.
        answers += 1;
        return answers === 20 ? undefined : message;
      },
    };
    const { failure } = await runSeed(3, { length: LENGTH, plants: moody, adjust: three, twice: true });
    expect(failure?.checker).toBe('determinism');
  });
});

function flipped(data: Uint8Array): Uint8Array {
  const copy = data.slice();
  const last = copy.length - 1;
  if (last >= 0) copy[last] = (copy[last] as number) ^ 1;
  return copy;
}

/** The batch with a stamp one millisecond later, which stands behind kind and format. */
function later(batch: Uint8Array): Uint8Array {
  const copy = batch.slice();
  const view = new DataView(copy.buffer);
  const low = view.getUint32(6);
  view.setUint32(6, low + 1);
  return copy;
}
