import { describe, expect, it } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { QuorumAge } from '../../src/peer/quorum-age.ts';

const [P1, P2, P3, P4, P5] = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => peerId(id)) as [
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
  ReturnType<typeof peerId>,
];

describe('how lately a quorum was heard', () => {
  it('is always now for a lone voter', () => {
    expect(new QuorumAge(P1).ageMs([P1], 1_000)).toBe(0);
  });

  it('is never before anybody was heard', () => {
    expect(new QuorumAge(P1).ageMs([P1, P2, P3], 1_000)).toBe(Infinity);
  });

  it('is the age of the liveliest other one among three', () => {
    const age = new QuorumAge(P1);
    age.heard(P2, 100);
    age.heard(P3, 400);
    expect(age.ageMs([P1, P2, P3], 500)).toBe(100);
  });

  it('takes two others among five', () => {
    const age = new QuorumAge(P1);
    age.heard(P2, 400);
    expect(age.ageMs([P1, P2, P3, P4, P5], 500)).toBe(Infinity);
    age.heard(P4, 200);
    expect(age.ageMs([P1, P2, P3, P4, P5], 500)).toBe(300);
  });

  it('does not count who is no voter', () => {
    const age = new QuorumAge(P1);
    age.heard(P4, 500);
    expect(age.ageMs([P1, P2, P3], 500)).toBe(Infinity);
  });

  it('begins anew with a term', () => {
    const age = new QuorumAge(P1);
    age.heard(P2, 500);
    age.reset();
    expect(age.ageMs([P1, P2, P3], 500)).toBe(Infinity);
  });
});
