import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { isLoopback } from '../../src/config/address.ts';
import type { ClusterConfig } from '../../src/config/cluster-config.ts';
import {
  clusterFingerprint,
  fingerprintDifferences,
  formatAddress,
  memberOf,
  TIMINGS_DEFAULT,
} from '../../src/config/cluster-config.ts';
import { PEER_LIMITS, peerLimits } from '../../src/config/limits.ts';
import { nearMiss } from '../../src/base/near-miss.ts';

const CLUSTER: ClusterConfig = {
  clusterId: 'c1',
  members: ['p1', 'p2', 'p3'].map((id, at) => ({
    id: peerId(id),
    peer: { host: '127.0.0.1', port: 7401 + 10 * at },
    client: { host: '127.0.0.1', port: 7400 + 10 * at },
  })),
  timings: TIMINGS_DEFAULT,
  security: {},
};

describe('the fingerprint of a cluster', () => {
  test('is the same for all who share what must be shared, wherever they are reached', () => {
    const elsewhere = CLUSTER.members.map((member) => ({ ...member, peer: { host: 'other', port: 1 } }));
    expect(clusterFingerprint({ ...CLUSTER, members: elsewhere })).toBe(clusterFingerprint(CLUSTER));
  });

  test('says nothing of members: who they are is told by the log once the cluster was founded', () => {
    const members = CLUSTER.members.slice(0, 2);
    expect(clusterFingerprint({ ...CLUSTER, members })).toBe(clusterFingerprint(CLUSTER));
  });

  test('differs by the name of the option that differs', () => {
    const own = clusterFingerprint(CLUSTER);
    const timings = { ...TIMINGS_DEFAULT, heartbeatMs: 100 };
    expect(fingerprintDifferences(own, clusterFingerprint({ ...CLUSTER, timings }))).toEqual(['heartbeatMs']);
    expect(fingerprintDifferences(own, own)).toEqual([]);
    expect(fingerprintDifferences(own, `${own};zone=a;age=3`)).toEqual(['age', 'zone']);
  });
});

test('limits hold their relations, or say which is broken', () => {
  expect(peerLimits()).toEqual(PEER_LIMITS);
  expect(() => peerLimits({ commandBytesMax: 10 })).toThrow('no larger than what one command may be');
  expect(() => peerLimits({ queueSubmissionBytesMax: 1024 })).toThrow('an empty queue takes the largest command');
  expect(() => peerLimits({ queueBytesMax: 1024 })).toThrow('submissions are refused before dispatch');
  expect(() => peerLimits({ inflightBytesMax: 1024 })).toThrow('one full append fits the window');
  expect(() => peerLimits({ uncommittedBytesMax: 2 ** 40 })).toThrow('what may yet be truncated is in memory');
  expect(() => peerLimits({ applySliceMs: 50 })).toThrow('nothing holds the event loop');
});

test('a near miss is close, and nothing else is', () => {
  const choices = ['members', 'timings', 'clusterId'];
  expect(nearMiss('member', choices)).toBe('members');
  expect(nearMiss('tmiings', choices)).toBe('timings');
  expect(nearMiss('clusterid', choices)).toBe('clusterId');
  expect(nearMiss('port', choices)).toBeUndefined();
  expect(nearMiss('', choices)).toBeUndefined();
  expect(nearMiss('p4', ['p1', 'north'])).toBeUndefined();
});

test('addresses are written so that they can be read again', () => {
  expect(formatAddress({ host: '::1', port: 7400 })).toBe('[::1]:7400');
  expect(formatAddress({ host: 'a.example', port: 1 })).toBe('a.example:1');
  expect(memberOf(CLUSTER, 'p2')?.peer.port).toBe(7411);
  expect(memberOf(CLUSTER, 'p9')).toBeUndefined();
  expect(['127.0.0.1', '127.8.9.1', '::1', 'localhost'].every(isLoopback)).toBe(true);
  expect(['128.0.0.1', '10.0.0.1', 'localhost.example', '127.evil.example'].some(isLoopback)).toBe(false);
});
