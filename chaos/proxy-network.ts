/**
 * All peers on loopback, a proxy of ours on the way from each to each other. Every peer has a configuration of its own, in which
 * the others have the ports of the proxies that stand before them on its way.
 *
 * What a peer sends travels on connections that it dialed, and the answers of TCP with it: the proxy on the way from one to the
 * other blocks both directions of these connections, so that blocked means what it means with dropped packets.
 */

import type { MemberAddresses, Network, Way } from './network.ts';
import { fixedPorts } from './ports.ts';
import { OPEN_WAY, Proxy } from './proxy.ts';

const HOST = '127.0.0.1';

interface Member {
  readonly id: string;
  readonly peerPort: number;
  readonly clientPort: number;
  /** The proxies before this peer, by the one that dials. */
  readonly before: Map<string, Proxy>;
  /** The proxy for whoever was configured before this peer was there. */
  readonly forAll: Proxy;
}

/** See the head of this file. */
export class ProxyNetwork implements Network {
  readonly canSpoil = true;
  readonly loadPrefix: readonly string[] = [];
  readonly #members = new Map<string, Member>();
  readonly #direct: boolean;

  /** With `direct` peers reach each other without a proxy, and no way can be spoiled. */
  constructor(options: { readonly direct?: boolean } = {}) {
    this.#direct = options.direct ?? false;
  }

  async add(id: string): Promise<void> {
    const [peerPort = 0, clientPort = 0] = await fixedPorts(2);
    const member: Member = { id, peerPort, clientPort, before: new Map(), forAll: await startProxy(peerPort) };
    for (const other of this.#members.values()) {
      member.before.set(other.id, await startProxy(peerPort));
      other.before.set(id, await startProxy(other.peerPort));
    }
    this.#members.set(id, member);
  }

  addressesFor(viewer: string): readonly MemberAddresses[] {
    return [...this.#members.values()].map((member): MemberAddresses => {
      const { id, peerPort, clientPort, before, forAll } = member;
      const client = `${HOST}:${clientPort}`;
      const own = `${HOST}:${peerPort}`;
      if (this.#direct) return { id, peer: own, client };
      const proxy = before.get(viewer) ?? forAll;
      return { id, peer: `${HOST}:${proxy.port}`, client, ...(id === viewer ? { listenPeer: own } : {}) };
    });
  }

  clientUrl(id: string): string {
    return `ws://${HOST}:${this.#member(id).clientPort}`;
  }

  prefixOf(_id: string): readonly string[] {
    return [];
  }

  block(way: Way): Promise<void> {
    for (const proxy of this.#on(way)) proxy.set({ ...proxy.state, forthBlocked: true, backBlocked: true });
    return Promise.resolve();
  }

  delay(way: Way, delayMs: number): void {
    for (const proxy of this.#on(way)) proxy.set({ ...proxy.state, delayMs });
  }

  cut(way: Way): void {
    for (const proxy of this.#on(way)) proxy.cut();
  }

  halfOpen(way: Way): void {
    for (const proxy of this.#on(way)) proxy.halfOpen();
  }

  heal(): Promise<void> {
    for (const proxy of this.#proxies()) proxy.set(OPEN_WAY);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies()) await proxy.stop();
    this.#members.clear();
  }

  #member(id: string): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`${id} is not on this network`);
    return member;
  }

  /** The proxy of a way, and the one that nobody can be told apart on. */
  #on({ from, to }: Way): readonly Proxy[] {
    const { before, forAll } = this.#member(to);
    const own = before.get(from);
    return own === undefined ? [forAll] : [own, forAll];
  }

  #proxies(): Proxy[] {
    return [...this.#members.values()].flatMap(({ before, forAll }) => [...before.values(), forAll]);
  }
}

async function startProxy(targetPort: number): Promise<Proxy> {
  const proxy = new Proxy(targetPort);
  await proxy.start();
  return proxy;
}
