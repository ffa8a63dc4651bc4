import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { peerId } from '../../src/base/ids.ts';
import { TIMINGS_DEFAULT } from '../../src/config/cluster-config.ts';
import type { LoadedConfig } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/config.ts';
import { peerConfig } from '../../src/config/peer-config.ts';

function load(value: unknown): LoadedConfig {
  return loadConfig(JSON.stringify(value));
}

function problemsOf(value: unknown): readonly string[] {
  const loaded = load(value);
  return loaded.ok ? [] : loaded.problems;
}

const P1 = { id: 'p1', peer: '10.0.0.1:7401', client: '10.0.0.1:7400' };
const P2 = { id: 'p2', peer: '10.0.0.2:7401', client: '10.0.0.2:7400' };
const P3 = { id: 'p3', peer: '10.0.0.3:7401', client: '10.0.0.3:7400' };
const GOOD = { clusterId: 'c1', members: [P1, P2, P3] };

describe('what a cluster file gives', () => {
  test('the example at the root is complete, and every member of it can be started', () => {
    const text = readFileSync(path.resolve(import.meta.dirname, '../../cluster.example.json'), 'utf8');
    const loaded = loadConfig(text);
    expect(loaded).toMatchObject({ ok: true, notes: [] });
    if (!loaded.ok) return;
    expect(loaded.config.members.map((member) => member.id)).toEqual(['p1', 'p2', 'p3']);
    const own = peerConfig(loaded.config, 'p2');
    expect(own).toEqual({
      ok: true,
      config: {
        self: 'p2',
        dataDirectory: '/var/lib/taskraft/p2',
        listenPeer: { host: '0.0.0.0', port: 7401 },
        listenClient: { host: '0.0.0.0', port: 7400 },
        exposed: true,
      },
    });
  });

  test('one member without an address is a cluster on loopback with the usual ports and timings', () => {
    const loaded = load({ clusterId: 'c1', members: [{ id: 'only' }] });
    expect(loaded).toEqual({
      ok: true,
      notes: [],
      config: {
        clusterId: 'c1',
        members: [{ id: 'only', peer: { host: '127.0.0.1', port: 7401 }, client: { host: '127.0.0.1', port: 7400 } }],
        timings: TIMINGS_DEFAULT,
        security: {},
      },
    });
    if (!loaded.ok) return;
    expect(peerConfig(loaded.config, 'only', '/tmp/x')).toMatchObject({
      ok: true,
      config: { dataDirectory: '/tmp/x', exposed: false },
    });
  });

  test('members come sorted by id, however the file has them', () => {
    const loaded = load({ clusterId: 'c1', members: [P3, P1, P2] });
    expect(loaded.ok && loaded.config.members.map((member) => member.id)).toEqual(['p1', 'p2', 'p3'].map(peerId));
  });

  test('an IPv6 address stands in brackets', () => {
    const loaded = load({ clusterId: 'c1', members: [{ id: 'p1', peer: '[fe80::1]:9000', client: '[::1]' }] });
    expect(loaded.ok && loaded.config.members[0]).toMatchObject({
      peer: { host: 'fe80::1', port: 9000 },
      client: { host: '::1', port: 7400 },
    });
  });

  test('an even number of members is noted', () => {
    const loaded = load({ clusterId: 'c1', members: [P1, P2] });
    expect(loaded.ok && loaded.notes.join()).toContain('an odd number is better');
  });
});

describe('what a cluster file must not say', () => {
  test.each<[string, unknown, readonly string[]]>([
    ['a list', [], ['The file must be an object']],
    ['nothing', {}, ['clusterId is missing', 'members is missing']],
    ['an empty list of members', { ...GOOD, members: [] }, ['members must be a list of at least one member']],
    ['a misspelt field', { ...GOOD, timing: {} }, ['timing is not a known field. Did you mean "timings"?']],
    ['a foreign field', { ...GOOD, shards: 3 }, ['shards is not a known field. Known are']],
    [
      'a misspelt field of a member',
      { ...GOOD, members: [{ ...P1, cleint: 'a' }, P2, P3] },
      ['members[0].cleint is not a known field. Did you mean "client"?'],
    ],
    ['a name with a blank', { ...GOOD, clusterId: 'my cluster' }, ['clusterId is "my cluster": a name has']],
    [
      'two members of one id',
      { ...GOOD, members: [P1, { ...P2, id: 'p1' }] },
      ['members[1].id is "p1", which another'],
    ],
    [
      'one address twice',
      { ...GOOD, members: [P1, { ...P2, peer: P1.peer }] },
      ['10.0.0.1:7401 is the peer address of p1 and'],
    ],
    ['one port for both', { ...GOOD, members: [{ ...P1, client: P1.peer }] }, ['and also the client address of p1']],
    [
      'a port that is none',
      { ...GOOD, members: [{ ...P1, peer: 'host:70000' }] },
      ['members[0].peer is "host:70000": a port'],
    ],
    [
      'a host that is none',
      { ...GOOD, members: [{ ...P1, peer: 'a b:1' }] },
      ['members[0].peer is "a b:1", which is no address'],
    ],
    ['a naked IPv6', { ...GOOD, members: [{ ...P1, peer: '::1:7401' }] }, ['an IPv6 address stands in brackets']],
    ['an address of nowhere', { ...GOOD, members: [{ ...P1, client: '0.0.0.0:7400' }] }, ['where nobody can reach it']],
    [
      'loopback beside other hosts',
      { ...GOOD, members: [P1, { ...P2, peer: '127.0.0.1:7401' }] },
      ['p2 is at 127.0.0.1, which p1 at 10.0.0.1 cannot reach'],
    ],
    ['a number for a text', { ...GOOD, members: [{ ...P1, data: 7 }] }, ['members[0].data must be a text, not 7']],
    ['a member that is none', { ...GOOD, members: ['p1'] }, ['members[0] must be an object in braces, not "p1"']],
    [
      'too many members',
      { ...GOOD, members: Array.from({ length: 8 }, (_, at) => ({ ...P1, id: `m${at}` })) },
      ['at most 7'],
    ],
    [
      'half a tick',
      { ...GOOD, timings: { tickMs: 0.5 } },
      ['timings.tickMs must be a whole number from 1 to 1000, not 0.5'],
    ],
    [
      'an election before the third heartbeat',
      { ...GOOD, timings: { heartbeatMs: 200, electionTimeoutMs: 500 } },
      ['timings.electionTimeoutMs is 500: it must be at least three times heartbeatMs (200)'],
    ],
    [
      'a heartbeat between two ticks',
      { ...GOOD, timings: { heartbeatMs: 55 } },
      ['which is no multiple of tickMs (10)'],
    ],
    [
      'a secret in the file',
      { ...GOOD, security: { peerSecret: 'x' } },
      ['security.peerSecret is not a known field. Known are peerSecretFile, clientTokenFile.'],
    ],
  ])('%s', (_, value, sentences) => {
    const problems = problemsOf(value).join('\n');
    for (const sentence of sentences) expect(problems).toContain(sentence);
  });

  test('every problem is told at once', () => {
    const problems = problemsOf({
      clusterId: '',
      members: [{ id: 'p 1', peer: 'x:0' }],
      timings: { tickMs: 'fast' },
      mebers: 1,
    });
    expect(problems).toEqual([
      'mebers is not a known field. Did you mean "members"?',
      'clusterId must be a text, not "".',
      'members[0].id is "p 1": a name has 1 to 200 characters of A-Z, a-z, 0-9 and ._:/-',
      'members[0].peer is "x:0": a port is a number from 1 to 65535.',
      'timings.tickMs must be a whole number from 1 to 1000, not "fast".',
    ]);
  });

  test('text that is not JSON is said to be that', () => {
    expect(loadConfig('{ "clusterId": ')).toMatchObject({ ok: false });
    const loaded = loadConfig('clusterId = c1');
    expect(!loaded.ok && loaded.problems[0]).toContain('The file is not JSON');
  });

  test('whatever JSON comes, the answer is a configuration or problems', () => {
    const field = fc.constantFrom(
      'clusterId',
      'members',
      'timings',
      'security',
      'id',
      'peer',
      'client',
      'listen',
      'data',
      'tickMs',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('p1', '10.0.0.1:7', 3, null, true, ''),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('value'), { maxLength: 3 }),
      object: fc.dictionary(field, tie('value'), { maxKeys: 6 }),
    })).value;
    fc.assert(
      fc.property(json, (value) => {
        const loaded = load(value);
        expect(loaded.ok || loaded.problems.length > 0).toBe(true);
        if (!loaded.ok) for (const problem of loaded.problems) expect(problem.length).toBeGreaterThan(10);
      }),
    );
  });
});

test('a member that is not there is named with the one that was meant', () => {
  const loaded = load({ clusterId: 'c1', members: [{ ...P1, id: 'north' }, P2, P3] });
  if (!loaded.ok) throw new Error('good');
  expect(peerConfig(loaded.config, 'noth')).toMatchObject({
    ok: false,
    problem: expect.stringContaining('Did you mean "north"?'),
  });
  expect(peerConfig(loaded.config, 'zz')).toMatchObject({
    ok: false,
    problem: expect.stringContaining('north, p2, p3'),
  });
});
