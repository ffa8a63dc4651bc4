import { expect, test } from 'vitest';
import { hostName } from '../../src/cli/member.ts';
import { decideAccess } from '../../src/server/access.ts';

test.each([
  ['tasks.example.org', 'tasks.example.org:7400'],
  ['Tasks.Example.org', 'tasks.example.org:7400'],
  ['10.0.0.11', '10.0.0.11:7400'],
  ['2001:db8::7', '[2001:db8::7]:7400'],
  ['2001:0DB8:0:0::0007', '[2001:db8::7]:7400'],
])('a member at %s is reached under the name that clients send for it', (host, header) => {
  const rules = { path: '/', hostNames: [hostName({ host, port: 7400 })], origins: [], tokenMatches: undefined };
  const request = { upgrade: true, method: 'GET', target: '/', origin: undefined, authorization: undefined };
  const asked = { ...request, host: header, remoteAddress: '2001:db8::8' };
  expect(decideAccess(rules, asked)).toEqual({ allowed: true });
});
