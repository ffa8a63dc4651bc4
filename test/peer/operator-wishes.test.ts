import { expect, it } from 'vitest';
import { OperatorWishes, TRANSFERS_MAX } from '../../src/peer/operator-wishes.ts';
import type { TransferOutcome } from '../../src/peer/types.ts';
import { Lab, n } from '../raft/support/lab.ts';

/** A leader that has asked `count` times to hand over, to one and the other in turn, while neither takes over. */
function asked(count: number): {
  readonly lab: Lab;
  readonly wishes: OperatorWishes;
  readonly told: TransferOutcome[];
} {
  const lab = new Lab();
  lab.becomeLeader();
  lab.acknowledgeAll();
  const wishes = new OperatorWishes(lab.raft);
  const told: TransferOutcome[] = [];
  for (let one = 0; one < count; one += 1) wishes.transfer(n(2 + (one % 2)), (outcome) => told.push(outcome));
  return { lab, wishes, told };
}

it('everyone who asked for a transfer is told what became of it, though only the last target counts', () => {
  const { lab, wishes, told } = asked(3);
  wishes.tick();
  expect(told).toEqual([]);
  lab.hears('n2', { type: 'heartbeat', term: 2, commit: 0, readRound: 0 });
  wishes.tick();
  expect(told).toEqual([1, 2, 3].map(() => ({ type: 'done', leader: 'n2' })));
  expect(wishes.waiting).toBe(false);
});

it('so many can ask that their answers would fill the stack: those that waited longest are told that nobody took over', () => {
  const count = 50_000;
  const { wishes, told } = asked(count);
  expect(told).toHaveLength(count - TRANSFERS_MAX);
  wishes.abandon(true);
  expect(told).toHaveLength(count);
  for (const outcome of told) expect(outcome).toEqual({ type: 'refused', reason: 'timeout', leader: 'n1' });
});
