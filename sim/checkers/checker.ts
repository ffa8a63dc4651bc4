/**
 * What a checker is: one property, tried after every event that can break it.
 *
 * A checker sees peers from outside, through `PeerView`, and the history of all of them. It counts what it compared, so that a
 * run in which it had nothing to compare is noticed; and it throws a `Violation` with the numbers that do not fit.
 */
import type { LogIndex, PeerId } from '../../src/base/ids.ts';
import type { Message } from '../../src/raft/message.ts';
import type { Raft } from '../../src/raft/raft.ts';
import type { MarkDigest } from '../../src/peer/types.ts';
import type { PrincipalCommand } from '../../src/scheduler/command.ts';
import type { ApplyOutcome } from '../../src/scheduler/outcome.ts';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import type { DurableLog } from '../durable-log.ts';
import type { CommittedLog, LogChange, LogMirror } from '../history.ts';
import { Violation } from '../world.ts';

/** One peer, as checkers see it. */
export interface PeerView {
  readonly id: PeerId;
  /** Names its data directory: another one after the first was lost. What it promised ends with that. */
  readonly life: string;
  /** True when its data directory is not the one that the cluster knows under this name: it counts for nothing. */
  readonly stranger: boolean;
  /** True when its memory was made to go wrong: its state need not be that of the others. */
  readonly isWrong: boolean;
  /** Counts its starts, from 1; 0 before the first. */
  readonly start: number;
  /** The core of the run that goes on; undefined while the peer is down or opens its disk. */
  readonly raft: Raft | undefined;
  /** The state of the same run. */
  readonly scheduler: Scheduler | undefined;
  readonly marks: readonly MarkDigest[];
  /** Where the state on its disk stands. */
  readonly checkpointIndex: LogIndex;
  readonly queuedBytes: number;
  /** Databases of states on its disk: the one in use, and one that arrives or is being removed. */
  readonly stateCount: number;
  /** What of its log would survive a crash now. */
  readonly durable: DurableLog;
  /** Its log as it stands. */
  readonly log: LogMirror;
}

/** Everything that is seen of a cluster. */
export interface ClusterView {
  /** In order of their ids. */
  readonly peers: readonly PeerView[];
  /** Those that vote by the newest committed configuration. */
  readonly voters: readonly PeerId[];
  readonly committed: CommittedLog;
  readonly nowUs: number;
}

/** An entry of the committed sequence as the witness, a state machine beside all peers, applied it. */
export interface WitnessedEntry {
  readonly index: LogIndex;
  readonly logTimeMs: number;
  readonly commands: readonly PrincipalCommand[];
  readonly outcome: ApplyOutcome;
  /** The witness after this entry. */
  readonly scheduler: Scheduler;
}

/** One property. Hooks that a property does not need are left out. */
export interface Checker {
  /** What the property is called in totals and violations. */
  readonly name: string;
  /** How often something was compared. */
  readonly comparisons: number;
  /** A peer's run begins: its disk is open and its core exists. */
  restarted?(peer: PeerView): void;
  /** A peer hands a message to its transport. */
  sent?(peer: PeerView, message: Message): void;
  /** An event of the peer is over. For what can break without any of the things that `moved` speaks of. */
  changed?(peer: PeerView): void;
  /**
   * An event of the peer is over, and since its last one something of its own has moved: its start, term, role, log, commit or
   * applied index, configuration, newest mark, or what lies on its disk.
   */
  moved?(peer: PeerView, change: LogChange): void;
  /** An event is over, and since the last one something was committed, or what lies on the disk of any peer has changed. */
  spread?(): void;
  /** An entry was committed that had not been, and the witness applied it. */
  witnessed?(entry: WitnessedEntry): void;
  /** A linearizable read on `peer` is answered: it was asked for when `committedBefore` was the newest entry that anybody had committed. */
  read?(peer: PeerView, committedBefore: LogIndex, appliedIndex: LogIndex): void;
  /** Everything at once, every now and then and at the end. */
  whole?(): void;
}

/** What all checkers share. */
export abstract class PropertyChecker implements Checker {
  abstract readonly name: string;
  readonly cluster: ClusterView;
  /**
   * Counts, and throws a `Violation` when `holds` is false. A function of its own, which reads no field: it is called by all
   * properties in turn, and a method would find a differently shaped one each time.
   */
  readonly compare: (holds: boolean, words: () => string) => void;
  readonly #count: () => number;

  constructor(cluster: ClusterView) {
    this.cluster = cluster;
    let comparisons = 0;
    this.#count = () => comparisons;
    this.compare = (holds, words) => {
      comparisons += 1;
      if (!holds) throw new Violation(this.name, words());
    };
  }

  get comparisons(): number {
    return this.#count();
  }
}
