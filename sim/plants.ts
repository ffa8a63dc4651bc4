/** Mistakes of the product, planted by tests to see that they are noticed. A run without plants has none of this. */
import type { PeerId } from '../src/base/ids.ts';
import type { Peer } from '../src/peer/peer.ts';
import type { Message } from '../src/raft/message.ts';
import type { Disk } from '../src/storage/disk.ts';

/** Every hook is optional, and called in the place of what is right. */
export interface Plants {
  /** What a peer gets for its disk. */
  disk?(disk: Disk, member: PeerId): Disk;
  /** What a peer sends instead of `message`; undefined to keep it silent. The checkers see what is sent. */
  message?(message: Message): Message | undefined;
  /** A peer's run has begun and its state is loaded. */
  started?(peer: Peer, member: PeerId): void;
}
