/** Bugs of replication, commit and what is acknowledged. */
import type { Mutant } from '../mutant.ts';

const REPLICATION = 'src/raft/replication.ts';
const FOLLOWER = 'src/raft/follower.ts';
const LEADER = 'src/raft/leader.ts';

/** The bugs of replication and commit. */
export const REPLICATED: readonly Mutant[] = [
  {
    name: 'commit-of-older-terms-by-counting',
    origin: 'logcabin/logcabin#44, canonical/raft#220, nats-io/nats-server#7955; Raft figure 8',
    wrong: 'A leader commits entries of older terms because a majority has them, and another leader overwrites them.',
    file: REPLICATION,
    find: `  if (index <= core.commitIndex || core.log.term(index) !== core.term) return;`,
    replace: `  if (index <= core.commitIndex) return;`,
  },
  {
    name: 'own-copy-counted-before-it-is-durable',
    origin: 'databendlabs/openraft a9f696a9: a new leader took its own entry for flushed',
    wrong: 'A leader counts itself for entries that are on their way to its disk.',
    file: REPLICATION,
    find: `    counted[count] = durableIndex;`,
    replace: `    counted[count] = Math.max(durableIndex, core.log.lastIndex);`,
  },
  {
    name: 'older-append-cuts-the-log',
    origin: 'zhebrak/raftos#26, willemt/raft#118',
    wrong: 'A repeated or late append takes away what a newer one had brought.',
    file: FOLLOWER,
    find: `  core.trimMemory();
}

function accept(`,
    replace: `  const end = message.prevLogIndex + message.entries.length;
  if (message.entries.length > 0 && end < core.log.lastIndex && end >= core.commitIndex) core.truncateFrom(end + 1);
  core.trimMemory();
}

function accept(`,
  },
  {
    name: 'applied-before-it-is-durable',
    origin: 'etcd-io/etcd#14370: applied in parallel with the write that holds it',
    wrong: 'Committed entries are applied while their write is on its way.',
    file: 'src/raft/fetch.ts',
    find: `    const to = Math.min(core.commitIndex, core.persistence.durableIndex);`,
    replace: `    const to = core.commitIndex;`,
  },
  {
    name: 'full-window-is-never-probed',
    origin: 'etcd-io/etcd#14633: a full window whose messages were all lost',
    wrong: 'A follower whose appends were lost is not tried again when it answers heartbeats.',
    file: LEADER,
    find: `  progress.paused = false;
  if (progress.match < core.log.lastIndex`,
    replace: `  if (progress.match < core.log.lastIndex`,
  },
  {
    name: 'answers-before-the-write-ended',
    origin: 'databendlabs/openraft ee460f37; Jepsen NATS 2.12.1: acknowledged before fsync',
    wrong: 'Acknowledgements and votes leave while the batch that holds them is being written.',
    file: 'src/peer/ready-loop.ts',
    find: `    this.#write(storage.log.append(logBatch(batch)), () => {
      raft.persisted(batch.ack);
      this.#send(batch.messages);
    });`,
    replace: `    this.#send(batch.messages);
    this.#write(storage.log.append(logBatch(batch)), () => {
      raft.persisted(batch.ack);
    });`,
  },
  {
    name: 'truncation-keeps-the-durable-mark',
    origin: 'rabbitmq/ra 39490978: last_written stayed where it was after a truncation',
    wrong: 'After a cut the peer goes on vouching for as many entries as it had before.',
    file: 'src/raft/persistence.ts',
    find: `    this.#durableIndex = Math.min(this.#durableIndex, index - 1);
`,
    replace: ``,
  },
  {
    name: 'rest-of-a-damaged-log-counts-as-acknowledged',
    origin: 'Jepsen, NATS 2.12.1; Alagappan et al., FAST 2018: what damage has left is taken for what was there',
    wrong: 'A peer whose log lost its end commits what is left, which may have been overwritten before.',
    file: 'src/raft/follower.ts',
    find: `  if (core.damage === undefined) core.commitTo(message.commit);`,
    replace: `  core.commitTo(Math.min(message.commit, lastIndex));`,
  },
  {
    name: 'late-write-vouches-for-a-newer-log',
    origin: 'etcd-io/raft#8 (the race of its aba_race test); rabbitmq/ra 324d9bc5',
    wrong: 'A write that ends after its entries were cut counts for the ones that took their place.',
    file: 'src/raft/persistence.ts',
    find: `Math.max(this.#durableIndex, inFlight.validTo)`,
    replace: `Math.max(this.#durableIndex, inFlight.ack.lastIndex)`,
  },
];
