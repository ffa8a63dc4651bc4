/** Bugs of what a peer must not forget: over a start, over damage, over a failed write, and when a configuration is cut. */
import type { Mutant } from '../mutant.ts';

const START = 'src/peer/make-raft.ts';
const MEMBER = 'src/peer/member.ts';
const LOOP = 'src/peer/ready-loop.ts';

/** The bugs of what is forgotten. Most of them harm nobody before something else happens; what is asked is what the peer knows. */
export const KEPT: readonly Mutant[] = [
  {
    name: 'log-time-of-the-checkpoint-forgotten',
    origin: 'Raft thesis §6.3: the time by which leaders expire sessions is that of the log, and never falls',
    wrong: 'A peer that starts on a checkpoint with nothing behind it may stamp entries with an earlier time.',
    file: MEMBER,
    find: `this.logTime.restore(Math.max(parts.lastStampMs, storage.state.checkpoint?.logTimeMs ?? 0));`,
    replace: `this.logTime.restore(parts.lastStampMs);`,
  },
  {
    name: 'stamps-of-older-terms-are-forgotten',
    origin: 'Raft thesis §6.3: the time by which leaders expire sessions is that of the log, and never falls',
    wrong: 'A peer that catches up on entries of older terms may go behind their stamps when it leads.',
    file: LOOP,
    find: `    else logTime.restore(stamp.ms);`,
    replace: `    else if (raft.term === 0) logTime.restore(stamp.ms);`,
  },
  {
    name: 'term-without-a-vote-forgotten-at-restart',
    origin: 'Raft figure 2: the current term is on stable storage before anybody is answered, voted or not',
    wrong: 'A peer that starts knows of a term in which it gave no vote only by the entries of its log.',
    file: START,
    find: `      ...recovered,
      applied,`,
    replace: `      ...recovered,
      hardState:
        recovered.hardState.votedFor === undefined
          ? { term: recovered.termRuns.at(-1)?.term ?? recovered.prevTerm, votedFor: undefined }
          : recovered.hardState,
      applied,`,
  },
  {
    name: 'vote-in-the-log-alone',
    origin: 'Jepsen, NATS 2.12.1; Alagappan et al., FAST 2018: what lies at the end of a log goes with it',
    wrong: 'A vote that is written together with entries is nowhere else, and lost with the end of the log.',
    file: 'src/storage/log-storage.ts',
    find: `    else if (hardState !== undefined) await this.#noteInHead`,
    replace: `    else if (hardState !== undefined && entries.length === 0) await this.#noteInHead`,
  },
  {
    name: 'what-damage-left-counts-as-committed',
    origin: 'Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018',
    wrong: 'A peer that starts with a damaged log takes what is left of it for committed.',
    file: START,
    find: `      commit: applied,`,
    replace: `      commit: damage === undefined || storage.stateMissing ? applied : recovered.lastIndex,`,
  },
  {
    name: 'one-entry-counts-as-lost',
    origin: 'Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018',
    wrong: 'Of all that damage took from a log only the first entry keeps its peer from voting for who lacks it.',
    file: START,
    find: `lastIndex: damage.lastIndex, lastTerm`,
    replace: `lastIndex: Math.min(damage.lastIndex, recovered.lastIndex + 1), lastTerm`,
  },
  {
    name: 'failed-write-counts-as-done',
    origin: 'canonical/raft 857e17e and #450: entries whose write had failed stayed in the log in memory',
    wrong: 'When a write of the log fails, what it was to make durable is promised all the same.',
    file: LOOP,
    find: `      (error: unknown) => {
        this.#hooks.failed(error);
      },
    );
  }

  #fetch(`,
    replace: `      (error: unknown) => {
        this.#hooks.guard(durable);
        this.#hooks.failed(error);
      },
    );
  }

  #fetch(`,
  },
  {
    name: 'checkpoint-forgets-features',
    origin: 'atomix/atomix#1101: a snapshot that misses a part of the state',
    wrong: 'A peer that starts on a checkpoint has forgotten which features are on.',
    file: MEMBER,
    find: `encodeApplied(this.membership.applied);`,
    replace: `encodeApplied({ ...this.membership.applied, featureLevel: 0 });`,
  },
  {
    name: 'checkpoint-forgets-who-was-removed',
    origin: 'rethinkdb/rethinkdb#5289: a removed member came back under its old id',
    wrong: 'A peer that starts on a checkpoint lets in again whoever was removed for good.',
    file: MEMBER,
    find: `encodeApplied(this.membership.applied);`,
    replace: `encodeApplied({ ...this.membership.applied, removed: [] });`,
  },
  {
    name: 'wiped-peer-votes-under-its-old-name',
    origin: 'rethinkdb/rethinkdb#5289; nats-io/nats-server#5939: who has lost its log votes by its name',
    wrong: 'A peer that lost its directory counts itself as the one of that name which had acknowledged entries.',
    file: START,
    find: `        return incarnation === undefined || incarnation === storage.identity.incarnation;`,
    replace: `        return incarnation === undefined || storage.identity.incarnation.length === incarnation.length;`,
  },
  {
    name: 'configuration-is-told-only-forward',
    origin: 'canonical/raft baa8f52, databendlabs/openraft#1808: a configuration that was taken back stays in use',
    wrong: 'When a configuration is cut, the peer goes on judging by it who calls and whose answers count.',
    file: MEMBER,
    find: `          this.membership.changed(configuration);
          this.#noteCopies();`,
    replace: `          if (configuration.index >= this.membership.configuration.index) this.membership.changed(configuration);
          this.#noteCopies();`,
  },
  {
    name: 'reads-released-by-what-is-committed',
    origin: 'tikv/tikv#9208; Raft thesis §6.4, the fourth step',
    wrong: 'A read is answered once its entry is committed, while the state is still on its way there.',
    file: LOOP,
    find: `    reads.release(applier.appliedIndex);
    if (`,
    replace: `    reads.release(Math.max(applier.appliedIndex, raft.status().commitIndex));
    if (`,
  },
  {
    name: 'damaged-one-stands-for-election',
    origin: 'Jepsen, NATS 2.12.1; nats-io/nats-server#7587: a member with a damaged log could lead',
    wrong: 'A peer that lost entries to damage stands for election with what is left.',
    file: 'src/raft/core.ts',
    find: `    if (this.damage !== undefined || this.stateMissing) return false;`,
    replace: `    if (this.stateMissing) return false;`,
  },
  {
    name: 'stateless-one-stands-for-election',
    origin: 'nats-io/nats-server#7587: who is being repaired does not lead',
    wrong: 'A peer that has lost its state stands for election, and could serve nobody.',
    file: 'src/raft/core.ts',
    find: `    if (this.damage !== undefined || this.stateMissing) return false;`,
    replace: `    if (this.damage !== undefined) return false;`,
  },
];
