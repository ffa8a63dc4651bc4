/**
 * One member of the cluster: turns the crank between consensus, disk, network and the replicated state machine.
 */
import type { LogIndex, PeerId, Term } from '../base/ids.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { TaskView } from '../scheduler/views.ts';
import type {
  PeerListener,
  PeerOptions,
  PeerPorts,
  PeerStatus,
  ProposalDone,
  ProposalLane,
  ReadDone,
} from './types.ts';

/** The face of a member, for the server above it. */
export interface PeerFace {
  readonly self: PeerId;
  readonly term: Term;
  /** True while this peer leads and has applied the first entry of its term: it is ready to serve. */
  readonly isLeader: boolean;
  readonly leader: PeerId | undefined;
  readonly appliedIndex: LogIndex;
  /** The state, to be read only. Throws before `start` is fulfilled. */
  readonly scheduler: Scheduler;
  /** Opens storage, takes part in the founding, loads the checkpoint, replays what is known to be committed, and joins. Fulfilled as soon as the peer listens and takes part; rejects with a coded error (`StorageError`). */
  start(): Promise<void>;
  /** Hands leadership over when it has it, writes what is under way, and closes. */
  stop(): Promise<void>;
  /**
   * Proposes one encoded command, which belongs to the peer from now on. False when the queue of its lane is full: say
   * OVERLOADED; `done` is not called then. When this peer does not lead, `done` gets `dropped`.
   */
  propose(lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone): boolean;
  /** Linearizable read: `done('ok', …)` once leadership was confirmed by a round begun after the call and the state is that far. */
  read(done: ReadDone): void;
  /** The log time as this peer would stamp it now, in ms. */
  logTimeNowMs(): number;
  /** A task as the state has it: live, or finished and read from its block; undefined when there is none. */
  taskView(number: number): Promise<TaskView | undefined>;
  /** The payload of a task, wherever it is; undefined when there is none any more. */
  payload(number: number): Promise<Uint8Array | undefined>;
  subscribe(listener: PeerListener): void;
  status(): PeerStatus;
}

/** How a member is made; see `Peer`. */
export type MakePeer = (options: PeerOptions, ports: PeerPorts) => PeerFace;
