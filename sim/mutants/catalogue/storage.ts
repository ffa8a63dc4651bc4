/** Bugs of what lies on the disk: the log, its end, checkpoints, and what is done about damage. */
import type { Mutant } from '../mutant.ts';

const LOG = 'src/storage/log-storage.ts';

/** The bugs of what is on disks. */
export const STORED: readonly Mutant[] = [
  {
    name: 'checkpoint-claims-a-later-entry',
    origin: 'etcd-io/etcd#13766 (3.5.0 to 3.5.2): the applied index went to the disk apart from what was applied',
    wrong: 'A checkpoint says that it includes what was applied while it was written, and a restart leaves that out.',
    file: 'src/peer/checkpointer.ts',
    find: `    open.writer.commit({ index, term, logTimeMs, configuration, digest }).then(`,
    replace: `    const claimed = Math.max(index, this.#scheduler.appliedIndex);
    open.writer.commit({ index: claimed, term, logTimeMs, configuration, digest }).then(`,
  },
  {
    name: 'log-cut-before-the-checkpoint-is-written',
    origin: 'redisraft#43 and #654: log and snapshot replaced one after the other',
    wrong: 'The log is cut up to the last mark, whether or not the checkpoint of that mark is durable.',
    file: 'src/peer/compaction.ts',
    find: `      if (cut.index > bounds.checkpointIndex) break;
`,
    replace: `      if (bounds.checkpointIndex === 0) break;
`,
  },
  {
    name: 'vote-forgotten-at-restart',
    origin: 'datatechnology/cornerstone#65: a vote that is not there after a restart',
    wrong: 'A peer that starts knows its term and not whom it voted for in it.',
    file: 'src/peer/make-raft.ts',
    find: `      ...recovered,
      applied,`,
    replace: `      ...recovered,
      hardState: { term: recovered.hardState.term, votedFor: undefined },
      applied,`,
  },
  {
    name: 'everything-on-the-disk-counts-as-committed',
    origin: 'rabbitmq/ra#508, bakwc/PySyncObj#169: a tail that was never committed and is applied',
    wrong: 'A peer that starts takes its whole log for committed.',
    file: 'src/peer/make-raft.ts',
    find: `      commit: applied,`,
    replace: `      commit: storage.stateMissing ? applied : recovered.lastIndex,`,
  },
  {
    name: 'checkpoint-of-the-present-term',
    origin: 'databendlabs/openraft#1892: a snapshot whose term is not that of its entry',
    wrong: 'A checkpoint says the term in which it was made and not that of the last entry in it.',
    file: 'src/peer/member.ts',
    find: `      this.checkpointer.marked(entry.term);`,
    replace: `      this.checkpointer.marked(this.raft.term);`,
  },
  {
    name: 'batch-waits-behind-another-write',
    origin: 'canonical/raft#454: a request that is mixed up with another one around a write',
    wrong: 'A batch of the log that has to wait for another write is never written.',
    file: 'src/peer/ready-loop.ts',
    find: `          durable();
          this.#writeNext();`,
    replace: `          durable();`,
  },
  {
    name: 'slot-written-while-it-is-synced',
    origin: 'Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014: a write that overtakes a sync',
    wrong: 'The end of the log is noted in a slot whose sync is under way.',
    file: LOG,
    find: `    if (head.syncing === undefined) head.write(change);
    else await head.note(() => change);`,
    replace: `    head.write(change);`,
  },
  {
    name: 'two-writes-at-a-time',
    origin: 'etcd-io/etcd#6378: two writes that land the other way round',
    wrong: 'A second write to the log begins while the first is on its way, and they may land in either order.',
    file: 'src/peer/ready-loop.ts',
    find: `    if (this.#writing) return;
    const { raft, storage } = this.#parts;`,
    replace: `    const { raft, storage } = this.#parts;`,
  },
  {
    name: 'checkpoint-moves-while-it-is-sent',
    origin: 'atomix/copycat#242: a snapshot that is taken while the state goes on',
    wrong: 'The checkpoint that is sent page by page is replaced by the next one meanwhile.',
    file: 'src/peer/snapshot-sender.ts',
    find: `      this.#hooks.hold(true);
`,
    replace: `      this.#hooks.hold(this.#parts.checkpointUnderWay());
`,
  },
  {
    name: 'end-raised-before-the-entries',
    origin: 'rabbitmq/ra ffe3016a: a mark on the disk that is ahead of the log',
    wrong: 'The record of how far the log reaches is written before the entries are.',
    file: 'src/storage/log-storage.ts',
    find: `    const write = latch.guard('writing the Raft log', () => steps.write());
`,
    replace: `    await head.note(() => ({ lastIndex: end.index, lastTerm: end.term, chain: end.chain }));
    const write = latch.guard('writing the Raft log', () => steps.write());
`,
  },
  {
    name: 'compaction-takes-one-too-many',
    origin: 'canonical/raft 180b88e, hashicorp/raft#358: where a log begins, off by one',
    wrong: 'With what was compacted the first entry that is kept goes, too.',
    file: LOG,
    find: `    const to = Math.min(from + GARBAGE_PER_APPEND, baseIndex + 1, gap?.from ?? baseIndex + 1);`,
    replace: `    const to = Math.min(from + GARBAGE_PER_APPEND, baseIndex + 2, gap?.from ?? baseIndex + 2);`,
  },
  {
    name: 'configuration-of-a-checkpoint-is-too-new',
    origin: 'databendlabs/openraft#1808: a configuration that does not belong to the snapshot it lies in',
    wrong: 'A checkpoint keeps the configuration in force when it is written and not the one at its index.',
    file: 'src/peer/member.ts',
    find: `encodeApplied(this.membership.applied);`,
    replace: `encodeApplied({ ...this.membership.applied, members: this.raft.configuration.members });`,
  },
  {
    name: 'full-disk-refuses-completions',
    origin: 'camunda/camunda#20126 and #20177: a full disk at which everything stands still, what would free room too',
    wrong: 'A leader whose disk is low takes nothing, and so nothing comes to its end.',
    file: 'src/peer/member.ts',
    find: `else if (lane === 'submission' && this.neighbours.lacksSpace)`,
    replace: `else if (this.neighbours.lacksSpace)`,
  },
  {
    name: 'configuration-of-a-checkpoint-is-read-at-its-end',
    origin: 'databendlabs/openraft#1808; atomix/copycat#242: what goes on changing while its snapshot is taken',
    wrong: 'A checkpoint keeps the configuration that is applied when it is written and not when its mark was.',
    file: 'src/peer/checkpointer.ts',
    find: `    open.writer.commit({ index, term, logTimeMs, configuration, digest }).then(`,
    replace: `    const present = configuration && this.#configuration();
    open.writer.commit({ index, term, logTimeMs, configuration: present, digest }).then(`,
  },
  {
    name: 'former-leader-takes-its-log-for-committed',
    origin:
      'rabbitmq/ra#508 and rabbitmq/rabbitmq-server#13326: the tail of a peer that led, which was never committed, is applied',
    wrong: 'A peer that voted for itself in its last term takes its whole log for committed when it starts.',
    file: 'src/peer/make-raft.ts',
    find: `      commit: applied,`,
    replace: `      commit: recovered.hardState.votedFor === self && !storage.stateMissing ? recovered.lastIndex : applied,`,
  },
  {
    name: 'checkpoint-of-the-term-of-the-logs-end',
    origin: 'databendlabs/openraft#1892: a snapshot whose term is not that of its entry',
    wrong: 'A checkpoint says the term of the last entry that is in the log and not that of the last entry in it.',
    file: 'src/peer/member.ts',
    find: `      this.checkpointer.marked(entry.term);`,
    replace: `      this.checkpointer.marked(this.raft.status().lastTerm);`,
  },
];
