import { describe, expect, it } from 'vitest';
import { exposureProblems, type ExposureOptions } from '../../src/server/startup-safety.ts';

const OPEN: ExposureOptions = {
  clientHost: '0.0.0.0',
  peerHost: '10.0.0.5',
  hasPeerSecret: true,
  hasClientToken: true,
  acceptPlaintext: true,
};

describe('a peer on loopback', () => {
  it('starts without any credentials', () => {
    const bare = { hasPeerSecret: false, hasClientToken: false, acceptPlaintext: false };
    expect(exposureProblems({ clientHost: '127.0.0.1', peerHost: '::1', ...bare })).toEqual([]);
  });
});

describe('a peer that other machines reach', () => {
  it('starts with a secret, a token and consent to plain text', () => {
    expect(exposureProblems(OPEN)).toEqual([]);
  });

  it.each([
    [{ hasPeerSecret: false }, /TASKRAFT_PEER_SECRET_FILE/],
    [{ hasClientToken: false }, /TASKRAFT_CLIENT_TOKEN_FILE/],
    [{ acceptPlaintext: false }, /--accept-plaintext/],
  ])('refuses without one of them: %o', (change, sentence) => {
    const problems = exposureProblems({ ...OPEN, ...change });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
  });

  it('names everything that is missing at once', () => {
    const bare = { hasPeerSecret: false, hasClientToken: false, acceptPlaintext: false };
    expect(exposureProblems({ ...OPEN, ...bare })).toHaveLength(3);
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'my-host', 'localhost.example', '128.0.0.1'])('is one at %s', (peerHost) => {
    const bare = { hasPeerSecret: false, hasClientToken: false, acceptPlaintext: false };
    expect(exposureProblems({ clientHost: '127.0.0.1', peerHost, ...bare })).toHaveLength(2);
  });

  it('asks for the token only where clients are served openly', () => {
    expect(exposureProblems({ ...OPEN, clientHost: '127.0.0.1', hasClientToken: false })).toEqual([]);
  });
});
