/** The ways between peers, and how they are spoiled. Two kinds of network do this: proxies of ours, and packets dropped by the kernel. */

/** From one peer to another: what `from` sends, and the answers of TCP to it. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/** Where a member is reached and where it listens, as one member's configuration has it. */
export interface MemberAddresses {
  readonly id: string;
  /** `host:port` for other peers. */
  readonly peer: string;
  /** `host:port` for clients. */
  readonly client: string;
  /** Where it listens for peers, where that is elsewhere than where it is reached. */
  readonly listenPeer?: string;
}

/** See the head of this file. All peers that it is asked about were named to `add`. */
export interface Network {
  /** What this network can do to a way besides blocking it. */
  readonly canSpoil: boolean;
  /** Makes room for a peer that is about to be configured. */
  add(id: string): Promise<void>;
  /** All peers that were added, as `viewer` reaches them. */
  addressesFor(viewer: string): readonly MemberAddresses[];
  /** Where clients reach a peer. */
  clientUrl(id: string): string;
  /** By what command a process of this peer is started, so that it stands where it should. */
  prefixOf(id: string): readonly string[];
  /** By what command processes of the load are started. */
  readonly loadPrefix: readonly string[];
  /** What `way.from` sends reaches `way.to` no more, and the sender is told nothing. */
  block(way: Way): Promise<void>;
  /** Bytes of a way arrive so much later. Only where `canSpoil`. */
  delay(way: Way, delayMs: number): void;
  /** Resets the connections of a way at both ends. Only where `canSpoil`. */
  cut(way: Way): void;
  /** The connections of a way die at the far end, and the near end is not told. Only where `canSpoil`. */
  halfOpen(way: Way): void;
  /** All ways are open and fast again. */
  heal(): Promise<void>;
  /** Lets go of everything. */
  close(): Promise<void>;
}

/** All ways from each of `left` to each of `right`. */
export function waysBetween(left: readonly string[], right: readonly string[]): readonly Way[] {
  return left.flatMap((from) => right.filter((to) => to !== from).map((to) => ({ from, to })));
}
