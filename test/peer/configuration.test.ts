import { describe, expect, test } from 'vitest';
import { type PeerId, peerId } from '../../src/base/ids.ts';
import { TIMINGS_DEFAULT } from '../../src/config/cluster-config.ts';
import {
  type AppliedCluster,
  applyMembers,
  decodeApplied,
  encodeApplied,
  REMOVED_MAX,
  wasRemoved,
} from '../../src/peer/configuration.ts';
import { encodeMemberInfo, NO_INCARNATION } from '../../src/peer/member-info.ts';
import type { Member } from '../../src/raft/configuration.ts';

const [P1, P2, P3] = [peerId('p1'), peerId('p2'), peerId('p3')];

/** An incarnation of 32 digits. */
function incarnation(digit: string): string {
  return digit.repeat(32);
}

function member(peer: PeerId, digit: string): Member {
  return { peer, votes: true, info: encodeMemberInfo({ incarnation: incarnation(digit), addresses: undefined }) };
}

function founded(...members: readonly Member[]): AppliedCluster {
  return { featureLevel: 1, index: 0, members, removed: [] };
}

const FILE = { clusterId: 'test', members: [], timings: TIMINGS_DEFAULT, security: {} };

describe('those who were removed', () => {
  test('are remembered by their directory, and no more once that is a member again', () => {
    const before = founded(member(P1, 'a'), member(P2, 'b'), member(P3, 'c'));
    const without = applyMembers(before, 5, [member(P1, 'a'), member(P3, 'c')]);
    expect(without.removed).toEqual([{ peer: P2, incarnation: incarnation('b') }]);
    const another = applyMembers(without, 6, [member(P1, 'a'), member(P2, 'd'), member(P3, 'c')]);
    expect(another.removed).toEqual(without.removed);
    const same = applyMembers(without, 6, [member(P1, 'a'), member(P2, 'b'), member(P3, 'c')]);
    expect(same.removed).toEqual([]);
  });

  test('are not those of whom a peer that joined later only heard', () => {
    // It heard of p2 as it is now, and learns from the log how it was.
    const hearsay = founded(member(P1, 'a'), member(P2, 'd'), member(P3, 'c'));
    const learned = applyMembers(hearsay, 5, [member(P1, 'a'), member(P2, 'b')]);
    expect(learned.removed).toEqual([{ peer: P3, incarnation: incarnation('c') }]);
  });

  test('are known as founders where nobody who led had heard their directory', () => {
    const unheard: Member = {
      peer: P2,
      votes: true,
      info: encodeMemberInfo({ incarnation: undefined, addresses: undefined }),
    };
    const before = founded(member(P1, 'a'), unheard, member(P3, 'c'));
    const without = applyMembers(before, 5, [member(P1, 'a'), member(P3, 'c')]);
    expect(without.removed).toEqual([{ peer: P2, incarnation: NO_INCARNATION }]);
    const kept = decodeApplied(encodeApplied(without), FILE).removed;
    const asks = (isFounder: boolean, peer = P2): boolean =>
      wasRemoved(kept, { peer, incarnation: incarnation('b'), isFounder });
    expect([asks(true), asks(false), asks(true, P3)]).toEqual([true, false, false]);
    // Another directory of that name is a member now: the first one stays away.
    const another = applyMembers(without, 6, [member(P1, 'a'), member(P2, 'd'), member(P3, 'c')]);
    expect(another.removed).toEqual(without.removed);
  });

  test('are remembered up to a bound, the oldest forgotten first', () => {
    let applied = founded(member(P1, 'a'));
    for (let at = 1; at <= REMOVED_MAX + 1; at += 1) {
      const digit = at.toString(16).padStart(32, '0');
      const info = encodeMemberInfo({ incarnation: digit, addresses: undefined });
      applied = applyMembers(applied, 2 * at, [member(P1, 'a'), { peer: P2, votes: false, info }]);
      applied = applyMembers(applied, 2 * at + 1, [member(P1, 'a')]);
    }
    expect(applied.removed.length).toBe(REMOVED_MAX);
    expect(applied.removed[0]?.incarnation).toBe('2'.padStart(32, '0'));
  });
});
