/** Bugs of what clients are told, and of what they do with it. */
import type { Mutant } from '../mutant.ts';

/** The bugs of clients and of what they are told. */
export const CLIENTS: readonly Mutant[] = [
  {
    name: 'timed-out-change-counts-as-not-done',
    origin: 'Jepsen, Redis-Raft 1b3fbf6: a write that failed and is there',
    wrong: 'A change that was sent and not answered in time is told as one that was never sent.',
    file: 'src/client/requests.ts',
    find: `    if (sends === 0) {`,
    replace: `    if (sends === 0 || (request.changes && pending.link === undefined)) {`,
  },
  {
    name: 'request-lost-with-its-connection',
    origin: 'etcd-io/etcd#7571, OptimalBits/bull#328: who waits on a connection that ended waits for ever',
    wrong: 'A request whose connection ended is not sent again when the same leader is connected anew.',
    file: 'src/client/requests.ts',
    find: `      const wasSent = pending.link === link;
      pending.link = undefined;`,
    replace: `      const wasSent = pending.link === link;
      if (pending.request.timeoutMs > 0 || pending.request.only !== undefined) pending.link = undefined;`,
  },
];
