import { expect, test } from 'vitest';
import type { PeerId } from '../../src/base/ids.ts';
import type { Transport } from '../../src/transport/transport.ts';
import { factsOf, type MakeOptions, P1, P2, P3, RecordingPeer, type TransportWorld } from './harness.ts';

/** A transport that runs, and who hears of it. */
export interface Started {
  readonly peer: RecordingPeer;
  readonly transport: Transport;
}

/** How the suite starts transports, which it stops itself. */
export interface Starter {
  world(): TransportWorld;
  start(self: PeerId, options?: MakeOptions, peer?: RecordingPeer): Promise<Started>;
  startPair(options?: MakeOptions): Promise<[Started, Started]>;
}

/** The part of the suite in which peers come, go and move. */
export function describeChangingPeers({ world, start, startPair }: Starter): void {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

  /** A member that holds everyone as joining whom it does not count among `members`, by incarnation. */
  const gatekeeper = (members: readonly string[]): RecordingPeer => {
    const peer = new RecordingPeer(P1);
    peer.verdict = (_, facts) => (members.includes(facts.incarnation) ? 'accept' : 'joining');
    return peer;
  };

  test('one that wants to join is heard of, its frames are dropped, and it takes part once it is a peer', async () => {
    const members = ['p2-first'];
    const one = await start(P1, { members: [P1, P2] }, gatekeeper(members));
    const three = await start(P3, { members: [P1, P3] });
    await world().until(() => three.transport.connectedTo(P1) && one.transport.joining().length === 1);
    expect(one.transport.joining()).toEqual([P3]);
    three.transport.send(P1, 'control', bytes(1));
    await world().settle();
    one.transport.send(P3, 'control', bytes(2));
    expect(one.peer.frames).toEqual([]);
    members.push('p3-first');
    one.transport.setPeers([P1, P2, P3].map((peer) => ({ peer, url: world().url(peer) })));
    await world().until(() => one.transport.connectedTo(P3) && one.transport.joining().length === 0);
    three.transport.send(P1, 'control', bytes(3));
    one.transport.send(P3, 'bulk', bytes(4));
    await world().until(() => one.peer.frames.length === 1 && three.peer.frames.length === 1);
    expect([one.peer, three.peer].map((peer) => [...peer.frames[0]!.bytes])).toEqual([[3], [4]]);
    expect(three.peer.links).toEqual(['connected p1']);
  });

  test('what one that joins has announced is its last word on both lanes when it is judged again', async () => {
    let boot = 1;
    let newest = 0;
    const one = await start(P1, { members: [P1, P2] });
    one.peer.verdict = (from, facts) => {
      if (from !== P3) return 'accept';
      if ((facts.boot ?? 0) < newest) return { refuse: 'p3 is an old copy of itself' };
      newest = facts.boot ?? 0;
      return boot === 1 ? 'joining' : 'accept';
    };
    const opening = new RecordingPeer(P3);
    opening.own = () => factsOf(P3, { boot });
    const three = await start(P3, { members: [P1, P3] }, opening);
    await world().until(() => three.transport.connectedTo(P1) && one.transport.joining().length === 1);
    boot = 2;
    three.transport.announce();
    await world().until(() => newest === 2);
    one.transport.setPeers([P1, P2, P3].map((peer) => ({ peer, url: world().url(peer) })));
    await world().until(() => one.transport.connectedTo(P3));
    three.transport.send(P1, 'bulk', bytes(5));
    await world().until(() => one.peer.frames.length === 1 || three.peer.refusals.length > 0);
    expect(three.peer.refusals).toEqual([]);
    expect(three.peer.links).toEqual(['connected p1']);
  });

  test('what has changed while a link was being made is told when it stands', async () => {
    const one = await start(P1, { members: [P1] });
    const changing = new RecordingPeer(P2);
    const two = await start(P2, { members: [P2] }, changing);
    let told = 0;
    changing.own = () => {
      told += 1;
      // The facts change right after the handshake of the second lane has taken them, and before the link stands.
      if (told === 2) two.transport.announce();
      return factsOf(P2, { logEmpty: told <= 2 });
    };
    two.transport.setPeers([{ peer: P1, url: world().url(P1) }]);
    await world().until(() => two.transport.connectedTo(P1));
    await world().settle();
    expect(one.peer.log).toEqual([
      'hello p2 p2-first empty knows me not',
      'hello p2 p2-first empty knows me not',
      'hello p2 p2-first with a log knows me not',
    ]);
  });

  test('a peer that is named anew is judged anew, though it was a peer before', async () => {
    const [one, two] = await startPair();
    const others = [P1, P3].map((peer) => ({ peer, url: world().url(peer) }));
    one.peer.verdict = (from) => (from === P2 ? { refuse: 'p2 has another directory now' } : 'accept');
    one.transport.setPeers(others);
    one.transport.setPeers([...others, { peer: P2, url: world().url(P2) }]);
    await world().until(() => two.peer.has('refused p1 them DECLINED'));
    two.transport.send(P1, 'bulk', bytes(1));
    await world().settle();
    expect(one.peer.frames).toEqual([]);
  });

  test('one that comes back empty under the name of a peer is held as joining and not connected', async () => {
    const knowing = gatekeeper(['p2-before']);
    knowing.own = () => factsOf(P1, { logEmpty: false, knownIncarnation: 'p2-before' });
    const one = await start(P1, {}, knowing);
    const two = await start(P2);
    await world().until(() => two.transport.connectedTo(P1) && one.peer.has('refused p2 us INCARNATION'));
    two.transport.send(P1, 'bulk', bytes(1));
    await world().settle();
    expect([one.transport.joining(), one.transport.connectedTo(P2), one.peer.frames]).toEqual([[P2], false, []]);
    expect(two.peer.has('hello p1 p1-first with a log knows me as-another')).toBe(true);
  });

  test('a peer that is left out hears that it was removed, and nothing goes to it or is taken from it', async () => {
    const [one, two] = await startPair();
    one.peer.verdict = (from) => (from === P2 ? { refuse: 'p2 was removed', code: 'REMOVED' } : 'accept');
    one.transport.send(P2, 'control', bytes(9));
    one.transport.setPeers([P1, P3].map((peer) => ({ peer, url: world().url(peer) })));
    expect(one.transport.connectedTo(P2)).toBe(false);
    one.transport.send(P2, 'control', bytes(1));
    two.transport.send(P1, 'control', bytes(1));
    await world().until(() => two.peer.has('refused p1 them REMOVED'));
    await world().settle();
    // What was sent before it was left out still arrives.
    expect(two.peer.frames.map((frame) => [...frame.bytes])).toEqual([[9]]);
    expect(one.peer.frames).toEqual([]);
    expect(one.peer.links).toEqual(['connected p2', 'refused p2 us REMOVED']);
    expect(one.transport.joining()).toEqual([]);
  });

  test('a peer with a new address is dialed there', async () => {
    // The one at the address of p3 says that it is p3, so p2 is found only where it really is.
    const one = await start(P1, { members: [P1] });
    const two = await start(P2);
    const at = (peer: PeerId): void => one.transport.setPeers([{ peer: P2, url: world().url(peer) }]);
    await start(P3);
    at(P3);
    await world().until(() => one.peer.has('refused p2 them WRONG_PEER'));
    at(P2);
    await world().until(() => one.transport.connectedTo(P2));
    at(P3);
    await world().until(() => one.peer.has('disconnected p2'));
    at(P2);
    await world().until(() => one.transport.connectedTo(P2));
    one.transport.send(P2, 'control', bytes(6));
    await world().until(() => two.peer.frames.length === 1);
    expect(one.peer.log.filter((line) => line.includes('connected p2')).join()).toBe(
      'connected p2,disconnected p2,connected p2',
    );
  });
}
