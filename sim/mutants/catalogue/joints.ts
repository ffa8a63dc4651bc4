/** Bugs of what joins consensus, disk and state: what is written with what, when it may be told, and which of them is in use. */
import type { Mutant } from '../mutant.ts';

const LOOP = 'src/peer/ready-loop.ts';

/** The bugs between the parts. The tests of the parts see none of them, since each part does as it is told. */
export const JOINED: readonly Mutant[] = [
  {
    name: 'promises-leave-with-another-write',
    origin:
      'databendlabs/openraft#1252: the end of one write is taken for that of another one, which is still on its way',
    wrong:
      'What a batch of the log promises leaves when something else, for which that batch has to wait, is on the disk.',
    file: LOOP,
    find: `      this.#write(write(), () => {});
      return;`,
    replace: `      this.#write(write(), () => {
        this.#send(this.#nextBatch?.messages ?? []);
      });
      return;`,
  },
  {
    name: 'vote-beside-entries-is-not-written',
    origin: 'tikv/tikv#1610, etcd-io/etcd#7317: when a vote has to be made durable, and when entries are enough',
    wrong: 'A vote that goes to the disk in one batch with entries is not in it.',
    file: LOOP,
    find: `{ hardState: batch.hardState }),`,
    replace: `{
          hardState: batch.entries.length > 0 ? { ...batch.hardState, votedFor: undefined } : batch.hardState,
        }),`,
  },
  {
    name: 'vote-forgotten-by-an-installation',
    origin: 'etcd-io/etcd#2461, microsoft/CCF#5891: a vote that goes though its term stays',
    wrong: 'A state that comes from another peer takes away the vote of the term in which it ends.',
    file: 'src/storage/log-storage.ts',
    find: `      base.term > this.#meta.hardState.term ?`,
    replace: `      base.term >= this.#meta.hardState.term ?`,
  },
  {
    name: 'log-cut-up-to-what-is-applied',
    origin: 'hashicorp/raft#85: entries are gone that the snapshot which a start finds does not hold',
    wrong: 'The log is let go up to a mark that was applied, though the checkpoint of that mark is not on the disk.',
    file: 'src/peer/log-keeper.ts',
    find: `checkpointIndex: storage.state.checkpoint?.index ?? 0,`,
    replace: `checkpointIndex: raft.appliedIndex,`,
  },
];
