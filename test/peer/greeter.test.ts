import { expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import type { GreeterView } from '../../src/peer/greeter.ts';
import { Greeter } from '../../src/peer/greeter.ts';
import type { RefusalCode } from '../../src/transport/refusal.ts';
import { TestCluster } from './support/cluster.ts';

/** What a peer does that is told by another one that it is refused. */
async function toldBy(code: RefusalCode, openedAnew: boolean, by: 'us' | 'them' = 'them'): Promise<readonly string[]> {
  const halted: string[] = [];
  const view: GreeterView = { storage: undefined, firstStart: undefined, membership: undefined, openedAnew };
  const ignore = (): void => {};
  const { config } = await TestCluster.serving(1);
  const greeter = new Greeter(peerId('p1'), config, {
    view: () => view,
    judgeFirstStart: ignore,
    learned: ignore,
    heard: ignore,
    halt: (sentence) => halted.push(sentence),
  });
  greeter.refused({ code, sentence: code, by });
  return halted;
}

test('a peer that was removed, or started on an old copy of its directory, halts when another one says so', async () => {
  expect(await toldBy('REMOVED', false)).toEqual(['REMOVED']);
  expect(await toldBy('DECLINED', false)).toEqual(['DECLINED']);
  expect(await toldBy('REMOVED', true)).toEqual(['REMOVED']);
  expect(await toldBy('REMOVED', false, 'us')).toEqual([]);
  expect(await toldBy('INCARNATION', false)).toEqual([]);
});

test('one that opened its directory anew by itself is no old copy: words of before have overtaken those of since', async () => {
  expect(await toldBy('DECLINED', true)).toEqual([]);
});
