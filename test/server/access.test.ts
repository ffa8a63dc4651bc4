import { describe, expect, it } from 'vitest';
import type { UpgradeRequest } from '../../src/base/upgrade.ts';
import { decideAccess, type AccessRules } from '../../src/server/access.ts';

const OPEN: AccessRules = {
  path: '/v1/connect',
  hostNames: ['tasks.example.org'],
  origins: ['https://panel.example.org'],
  tokenMatches: undefined,
};

const PLAIN: UpgradeRequest = {
  upgrade: true,
  remoteAddress: '127.0.0.1',
  method: 'GET',
  target: '/v1/connect',
  host: '127.0.0.1:7400',
  origin: undefined,
  authorization: undefined,
};

function status(change: Partial<UpgradeRequest>, rules: AccessRules = OPEN): number {
  const decision = decideAccess(rules, { ...PLAIN, ...change });
  return decision.allowed ? 200 : decision.status;
}

describe('the Host header', () => {
  it.each([
    ['127.0.0.1:7400', 200],
    ['127.0.0.1', 200],
    ['localhost:7400', 200],
    ['LOCALHOST', 200],
    ['[::1]:7400', 200],
    ['tasks.example.org:7400', 200],
    ['Tasks.Example.Org', 200],
    // A name that an attacker's DNS answers with 127.0.0.1.
    ['rebind.attacker.example:7400', 403],
    ['127.0.0.1.attacker.example', 403],
    ['localhost.attacker.example', 403],
    ['192.168.1.7:7400', 403],
    ['0.0.0.0:7400', 403],
    ['[::ffff:127.0.0.1]', 403],
    ['', 400],
    ['localhost:99999', 400],
    ['localhost:7400/path', 400],
    ['user@localhost', 400],
    ['localhost, evil.example', 400],
    [undefined, 400],
  ])('%s is answered with %i', (host, expected) => {
    expect(status({ host })).toBe(expected);
  });
});

describe('the Origin header', () => {
  it.each([
    [undefined, 200],
    ['http://127.0.0.1:7400', 200],
    ['HTTP://127.0.0.1:7400', 200],
    ['https://127.0.0.1:7400', 200],
    ['https://panel.example.org', 200],
    ['http://panel.example.org', 403],
    ['http://127.0.0.1:7401', 403],
    ['http://127.0.0.1', 403],
    ['http://localhost:7400', 403],
    ['https://attacker.example', 403],
    ['https://panel.example.org.attacker.example', 403],
    ['null', 403],
    ['', 403],
    ['file://', 403],
  ])('%s is answered with %i', (origin, expected) => {
    expect(status({ origin })).toBe(expected);
  });
});

describe('path and method', () => {
  it.each([
    [{ target: '/v1/connect?x=1' }, 200],
    [{ target: '/' }, 404],
    [{ target: '/v1/connect/' }, 404],
    [{ target: '/v1/peer' }, 404],
    [{ method: 'POST' }, 405],
  ])('%o is answered with %i', (change, expected) => {
    expect(status(change)).toBe(expected);
  });
});

describe('the client token', () => {
  const guarded: AccessRules = { ...OPEN, tokenMatches: (presented) => presented === 'right' };

  it.each([
    ['Bearer right', 200],
    ['bearer right', 200],
    ['Bearer wrong', 401],
    ['Bearer', 401],
    ['Basic right', 401],
    ['right', 401],
    ['Bearer right extra', 401],
    [undefined, 401],
  ])('%s is answered with %i', (authorization, expected) => {
    expect(status({ authorization }, guarded)).toBe(expected);
  });

  it('is not even compared for a foreign page, right or wrong', () => {
    const seen: string[] = [];
    const rules: AccessRules = { ...OPEN, tokenMatches: (presented) => seen.push(presented) > 0 };
    expect(status({ origin: 'https://attacker.example', authorization: 'Bearer right' }, rules)).toBe(403);
    expect(seen).toEqual([]);
  });

  it('is not satisfied by an empty token where the comparison would say yes', () => {
    expect(status({}, { ...OPEN, tokenMatches: () => true })).toBe(401);
  });
});
