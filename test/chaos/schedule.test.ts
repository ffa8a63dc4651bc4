import { expect, test } from 'vitest';
import { ChaosCluster } from '../../chaos/cluster.ts';
import type { Fault, FaultContext } from '../../chaos/faults/fault.ts';
import { ProxyNetwork } from '../../chaos/proxy-network.ts';
import { runPlan } from '../../chaos/schedule.ts';

/** A fault that notes when it begins and ends, and goes on when it is let. */
function fault(name: string, kind: Fault['kind'], story: string[], last: () => Promise<void> = noTime): Fault {
  return {
    name,
    kind,
    unavailable: () => undefined,
    async run({ noteFailover }) {
      story.push(`${name} begins`);
      await last();
      noteFailover('kill', 1);
      story.push(`${name} ends`);
    },
  };
}

function noTime(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Nobody runs in it: what the schedule asks of a cluster is whether it is whole. */
class WholeCluster extends ChaosCluster {
  override untilWhole(): Promise<never> {
    return Promise.resolve(undefined as never);
  }
}

const NO_CLUSTER = new WholeCluster({
  directory: '',
  network: new ProxyNetwork(),
  ids: [],
  environment: {},
  arguments: [],
});

function contextOf(noted: number[] = []): Omit<FaultContext, 'random'> {
  return {
    cluster: NO_CLUSTER,
    say: () => {},
    startAfter: () => undefined,
    noteFailover: (_how, ms) => noted.push(ms),
    count: () => {},
  };
}

const LONG_AGO = { untilMs: 0, nowMs: () => 1_000_000, seed: 7, betweenMs: 0 };

test('counted faults happen as often as they are to, though the time is up', async () => {
  const story: string[] = [];
  const counts = new Map([
    [fault('kill', 'process', story), 3],
    [fault('partition', 'network', story), 2],
  ]);
  await runPlan({ ...LONG_AGO, counts, drawn: [] }, contextOf());
  expect(story.filter((line) => line === 'kill ends')).toHaveLength(3);
  expect(story.filter((line) => line === 'partition ends')).toHaveLength(2);
});

test('what is done to links and to processes happens at once', async () => {
  const story: string[] = [];
  let partitionEnds = (): void => {};
  const untilEnd = new Promise<void>((resolve) => {
    partitionEnds = resolve;
  });
  const kill = fault('kill', 'process', story, () => Promise.resolve(partitionEnds()));
  const counts = new Map([
    [fault('partition', 'network', story, () => untilEnd), 1],
    [kill, 1],
  ]);
  await runPlan({ ...LONG_AGO, counts, drawn: [] }, contextOf());
  // The partition could not end before the kill began.
  expect(story.slice(0, 2)).toEqual(['partition begins', 'kill begins']);
  expect(story).toHaveLength(4);
});

test('nothing else happens during an exclusive fault', async () => {
  const story: string[] = [];
  const counts = new Map([
    [fault('partition', 'network', story), 5],
    [fault('kill', 'process', story), 5],
    [fault('wipe', 'exclusive', story), 5],
  ]);
  await runPlan({ ...LONG_AGO, counts, drawn: [] }, contextOf());
  for (const [at, line] of story.entries()) if (line === 'wipe begins') expect(story[at + 1]).toBe('wipe ends');
  expect(story).toHaveLength(30);
});

test('times that were measured while a link was spoiled are not noted', async () => {
  const noted: number[] = [];
  const counts = new Map([[fault('partition', 'network', []), 1]]);
  await runPlan({ ...LONG_AGO, counts, drawn: [] }, contextOf(noted));
  expect(noted).toEqual([]);
  await runPlan({ ...LONG_AGO, counts: new Map([[fault('kill', 'process', []), 1]]), drawn: [] }, contextOf(noted));
  expect(noted).toEqual([1]);
});

test('a fault after which the cluster does not come back ends the run with its name', async () => {
  const broken = fault('kill', 'process', [], () => Promise.reject(new Error('nobody leads')));
  const plan = { ...LONG_AGO, counts: new Map([[broken, 1]]), drawn: [] };
  await expect(runPlan(plan, contextOf())).rejects.toThrow('after "kill": nobody leads');
});
