/**
 * One member of the simulated cluster: its host, its disk, and the process that runs the real peer and the real server on them,
 * again and again.
 */
import { createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../src/base/assert.ts';
import type { Crc32 } from '../src/base/hash.ts';
import type { LogIndex, PeerId } from '../src/base/ids.ts';
import { type ClusterConfig, clusterFingerprint, fingerprintDifferences } from '../src/config/cluster-config.ts';
import { Peer } from '../src/peer/peer.ts';
import type { MarkDigest, ProposalDone, ProposalLane, ReadDone } from '../src/peer/types.ts';
import { CONNECT_PATH } from '../src/protocol/protocol.ts';
import { DEFAULT_WIRE_LIMITS } from '../src/protocol/request-rules.ts';
import type { Message } from '../src/raft/message.ts';
import type { Raft } from '../src/raft/raft.ts';
import type { SettledOccurrence } from '../src/scheduler/outcome.ts';
import type { Scheduler } from '../src/scheduler/scheduler.ts';
import { SERVER_LIMITS } from '../src/server/context.ts';
import { Server } from '../src/server/server.ts';
import { openDataDirectory } from '../src/storage/data-directory.ts';
import { SocketTransport } from '../src/transport/socket-transport.ts';
import { PEER_PATH } from '../src/transport/timings.ts';
import type { PeerView } from './checkers/checker.ts';
import type { OwnWords } from './checkers/found-again.ts';
import { type DiskOptions, SimDisk } from './disk.ts';
import { type CrashLoss, type DiskCopy, SimPlatter } from './platter.ts';
import type { DurableLog } from './durable-log.ts';
import type { ChainLink } from './chain.ts';
import { LogMirror } from './history.ts';
import type { SimNetwork } from './network.ts';
import type { SimOptions } from './options.ts';
import type { Plants } from './plants.ts';
import { type HostClock, SimProcess } from './process.ts';
import { type DatagramOptions, WatchedTransport } from './watched-transport.ts';
import type { World } from './world.ts';

/** Where every member listens for clients and workers. */
export const CLIENT_PORT = 7400;

/** The same for the other members. */
export const PEER_PORT = 7401;

/** More runs than a process has. */
const RUNS_OF_A_PROCESS_MAX = 1_000_000;

/** What all members share. */
export interface MemberContext {
  readonly world: World;
  readonly network: SimNetwork;
  readonly options: SimOptions;
  readonly plants: Plants;
  /** What was committed, by index. */
  history(index: LogIndex): ChainLink | undefined;
  /** What befalls single frames now. */
  datagrams(): DatagramOptions | undefined;
  /** How disks are now. */
  disk(): DiskOptions;
  /** A message is handed to the transport. */
  sent(member: SimMember, message: Message): void;
  /** A linearizable read is asked for; what it returns is told the index at which it is answered. */
  reading(member: SimMember): (appliedIndex: LogIndex) => void;
  /** A command was refused because there is no room for it. */
  refusedForSpace(member: SimMember, command: Uint8Array): void;
  /** Something is being written; may end the process on the spot. */
  writing(member: SimMember): void;
  /** What a write or sync of the member's disk fails with; undefined when it is to succeed. */
  diskFailure(member: SimMember): Error | undefined;
  /** The member leads and has applied an entry, which settled these occurrences. */
  led(member: SimMember, index: LogIndex, settled: readonly SettledOccurrence[]): void;
  /** The member ended itself, or did not start. @throws Violation when it had no reason to */
  halted(member: SimMember, reason: string): void;
}

interface Run {
  readonly process: SimProcess;
  readonly peer: Peer;
  readonly server: Server;
  readonly transport: SocketTransport;
  /** A write or sync has failed in this run. */
  diskFailed: boolean;
}

/** See the head of this file. */
export class SimMember implements PeerView {
  readonly id: PeerId;
  readonly platter: SimPlatter;
  readonly log: LogMirror = new LogMirror();
  readonly clock: HostClock;
  readonly #context: MemberContext;
  /** What its own file says of the cluster. */
  readonly #cluster: ClusterConfig;
  #run: Run | undefined;
  #start = 0;
  #checkpointsLoaded = 0;
  #lives = 1;
  #incarnation: string | undefined;
  stranger = false;
  #isOldCopy = false;
  /** What each write takes longer at present, in µs. */
  stallUs = 0;
  /** What the process that runs adds to each sum of its state: 0 unless its memory is wrong. */
  wrongBy = 0;

  constructor(id: PeerId, clock: HostClock, cluster: ClusterConfig, context: MemberContext) {
    this.id = id;
    this.clock = clock;
    this.#cluster = cluster;
    this.#context = context;
    const { world, options } = context;
    const history = (index: LogIndex): ChainLink | undefined => context.history(index);
    const { lostBatches, lostTails, staleRecords } = options.faults.rates;
    const damageable = lostBatches + lostTails + staleRecords > 0;
    this.platter = new SimPlatter(world.random(`platter of ${id}`), crc32, history, damageable);
  }

  get life(): string {
    return this.#lives === 1 ? this.id : `${this.id}/${this.#lives}`;
  }

  /** Of the data directory, as far as it was opened; undefined for one that is empty. */
  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** True while its data directory is one that was put back from a copy: it has forgotten what it promised since. */
  get isOldCopy(): boolean {
    return this.#isOldCopy;
  }

  /** True when a write of the run that goes on, or that ended last, was made to fail. */
  get diskFailed(): boolean {
    return this.#run?.diskFailed === true;
  }

  /** The data directory is lost: the next start finds an empty one. */
  wipe(): void {
    assert(this.#run === undefined, 'the directory of a process that runs is not emptied');
    this.#context.world.line(this.id, 'loses its data directory');
    this.platter.wipe();
    this.#isOldCopy = false;
    this.#becomeAnother();
  }

  /** The data directory is replaced by what it was when `copy` was made. */
  restore(copy: DiskCopy): void {
    assert(this.#run === undefined, 'the directory of a process that runs is not replaced');
    this.#context.world.line(this.id, 'gets an old copy of its data directory');
    this.platter.restore(copy);
    this.#isOldCopy = true;
    this.#becomeAnother();
  }

  #becomeAnother(): void {
    this.#lives += 1;
    this.#incarnation = undefined;
    this.stranger = true;
  }

  /** True when its memory was made to go wrong, in the run that goes on. */
  get isWrong(): boolean {
    return this.wrongBy !== 0;
  }

  /** Counts runs: a peer that opens its directory anew begins one without another process. */
  get start(): number {
    return this.#start * RUNS_OF_A_PROCESS_MAX + (this.#run?.peer.generation ?? 0);
  }

  /** What the run that goes on says of itself beside its core and its state; undefined while it opens its disk. */
  get ownWords(): OwnWords | undefined {
    const member = this.#run?.process.alive === true ? this.#run.peer.inspect() : undefined;
    if (member === undefined) return undefined;
    const { logTime, membership } = member;
    const { featureLevel, removed } = membership.applied;
    const configurationIndex = membership.configuration.index;
    return { floorMs: logTime.floorMs, configurationIndex, featureLevel, removed, incarnation: this.#incarnation };
  }

  /** Starts that found a checkpoint on the disk. */
  get checkpointsLoaded(): number {
    return this.#checkpointsLoaded;
  }

  get process(): SimProcess | undefined {
    return this.#run?.process;
  }

  get peer(): Peer | undefined {
    return this.#run?.peer;
  }

  get up(): boolean {
    return this.#run !== undefined;
  }

  get raft(): Raft | undefined {
    return this.#run?.process.alive === true ? this.#run.peer.inspect()?.raft : undefined;
  }

  get scheduler(): Scheduler | undefined {
    return this.raft === undefined ? undefined : this.#run?.peer.scheduler;
  }

  get marks(): readonly MarkDigest[] {
    return this.#run?.peer.inspect()?.checkpointer.marks ?? [];
  }

  get queuedBytes(): number {
    return this.#run?.peer.inspect()?.batcher.queuedBytes ?? 0;
  }

  get stateCount(): number {
    let count = 0;
    for (const name of this.platter.stores.keys()) if (name !== 'log') count += 1;
    return count;
  }

  get checkpointIndex(): LogIndex {
    return this.#run?.peer.status().checkpointIndex ?? 0;
  }

  get durable(): DurableLog {
    return this.platter.durableLog;
  }

  /** Starts a process on what the disk holds. */
  boot(): void {
    assert(this.#run === undefined, 'a member runs once at a time');
    const { world, network } = this.#context;
    this.#start += 1;
    this.wrongBy = 0;
    network.hostUp(this.id);
    const process = new SimProcess(world, this.id, `${this.id}#${this.#start}`, this.clock);
    const transport = this.#makeTransport(process);
    const peer = this.#makePeer(process, transport);
    const server = this.#makeServer(process, peer);
    const run: Run = { process, peer, server, transport, diskFailed: false };
    this.#run = run;
    world.line(this.id, `starts for the ${this.#start}. time`);
    peer.subscribe({
      applied: (index, { occurrences }) => this.#context.led(this, index, occurrences),
      leadership: () => {},
      halted: (reason) => {
        if (process.alive) world.check(() => this.#context.halted(this, `has halted: ${reason}`));
      },
    });
    const failed = (error: unknown): void => {
      if (process.alive) world.check(() => this.#context.halted(this, `does not start: ${wordsOf(error)}`));
    };
    world.schedule(world.nowUs, 'plan', process, () => {
      server
        .start()
        .then(() => peer.start())
        .then(() => {
          const { checkpointIndex, identity } = peer.status();
          if (checkpointIndex > 0) this.#checkpointsLoaded += 1;
          // The cluster knows that of a copy as the one of the whole directory, which it is not.
          if (!this.#isOldCopy) this.#incarnation = identity?.incarnation;
          this.#context.plants.started?.(peer, this.id);
        })
        .catch(failed);
    });
  }

  /** Ends the process on the spot. With `power` the host goes too, and what was written and not synced may be lost. */
  crash(power: boolean): CrashLoss {
    const run = this.#run;
    assert(run !== undefined, 'only what runs can crash');
    const { world, network } = this.#context;
    run.process.kill();
    this.#run = undefined;
    if (power) network.hostDown(this.id);
    network.processKilled(run.process);
    const loss = this.platter.crash(power);
    world.line(
      this.id,
      `${power ? 'loses power' : 'is killed'}; of ${loss.inFlight} writes on their way ${loss.kept} stay`,
    );
    return loss;
  }

  /** Stops in order; `done` once the process has ended. */
  stop(done: () => void): void {
    const run = this.#run;
    assert(run !== undefined, 'only what runs can be stopped');
    const { world, network } = this.#context;
    world.line(this.id, 'is asked to stop');
    run.peer
      .stop()
      .then(() => run.server.stop())
      .then(() => {
        // Its last frames leave before it does.
        world.schedule(world.nowUs + 1_000, 'plan', run.process, () => {
          run.process.kill();
          this.#run = undefined;
          network.processKilled(run.process);
          world.line(this.id, 'has stopped');
          done();
        });
      })
      .catch((error: unknown) => {
        world.check(() => this.#context.halted(this, `does not stop: ${wordsOf(error)}`));
      });
  }

  /** The sum of what is in memory, as the process that runs sees it. */
  readonly #sum: Crc32 = (bytes, seed) =>
    this.wrongBy === 0 ? crc32(bytes, seed) : (crc32(bytes, seed) + this.wrongBy) >>> 0;

  #speed(): DiskOptions {
    const speed = this.#context.disk();
    return this.stallUs === 0 ? speed : { ...speed, writeUsMin: speed.writeUsMin + this.stallUs };
  }

  #makeTransport(process: SimProcess): SocketTransport {
    const { network } = this.#context;
    const cluster = this.#cluster;
    const { timers, random, logger } = process;
    return new SocketTransport(
      {
        self: this.id,
        clusterId: cluster.clusterId,
        members: cluster.members.map(({ id, peer }) => ({
          peer: id,
          url: `ws://${peer.host}:${peer.port}${PEER_PATH}`,
        })),
        fingerprint: clusterFingerprint(cluster),
        differences: fingerprintDifferences,
        secret: SECRET,
      },
      {
        timers,
        random,
        logger,
        hmac,
        dialer: network.dialer(process),
        listener: network.listener(process, PEER_PORT),
      },
    );
  }

  #makePeer(process: SimProcess, inner: SocketTransport): Peer {
    const context = this.#context;
    const { world, options, plants } = context;
    const cluster = this.#cluster;
    const { clock, timers, random, logger } = process;
    const transport = new WatchedTransport(inner, {
      world,
      process,
      self: this.id,
      sent: (message) => context.sent(this, message),
      options: () => context.datagrams(),
      plant: plants.message,
    });
    const openStorage = (): ReturnType<typeof openDataDirectory> => {
      const disk = new SimDisk(world, this.platter, process, {
        speed: () => this.#speed(),
        writing: () => context.writing(this),
        failure: () => {
          const failure = context.diskFailure(this);
          if (failure !== undefined && this.#run !== undefined) this.#run.diskFailed = true;
          return failure;
        },
      });
      return openDataDirectory(plants.disk?.(disk, this.id) ?? disk, {
        clusterId: cluster.clusterId,
        peerId: this.id,
        random,
        crc32,
        repairable: cluster.members.length > 1,
        ballastBytes: options.ballastBytes,
        recoveredBytesMax: options.recoveredBytesMax,
      });
    };
    const peer = new Peer(
      { self: this.id, cluster, limits: options.peerLimits, schedulerLimits: options.schedulerLimits },
      { clock, timers, random, crc32: this.#sum, logger, transport, openStorage },
    );
    const propose = peer.propose.bind(peer);
    Object.defineProperty(peer, 'propose', {
      value: (lane: ProposalLane, command: Uint8Array, moves: number, done: ProposalDone) =>
        propose(lane, command, moves, (result) => {
          if (result.type === 'no-space') context.refusedForSpace(this, command);
          done(result);
        }),
    });
    const read = peer.read.bind(peer);
    Object.defineProperty(peer, 'read', {
      value: (done: ReadDone) => {
        const answered = context.reading(this);
        read((result, index) => {
          // What it says is as far as what it has applied, whatever it says.
          if (result === 'ok') answered(Math.min(index, peer.inspect()?.appliedIndex ?? index));
          done(result, index);
        });
      },
    });
    return peer;
  }

  #makeServer(process: SimProcess, peer: Peer): Server {
    const { network, options } = this.#context;
    const cluster = this.#cluster;
    const { clock, timers, random, logger } = process;
    return new Server(
      {
        clusterId: cluster.clusterId,
        version: 'sim',
        members: cluster.members.map(({ id }) => ({ peer: id, url: clientUrl(id) })),
        principal: 'anonymous',
        leases: options.leases,
        requests: DEFAULT_WIRE_LIMITS,
        limits: { ...SERVER_LIMITS, sessionIdleMs: options.sessionIdleMs },
      },
      { clock, timers, random, logger },
      peer,
      network.listener(process, CLIENT_PORT),
    );
  }
}

/** Where clients reach a member. */
export function clientUrl(host: string): string {
  return `ws://${host}:${CLIENT_PORT}${CONNECT_PATH}`;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const SECRET = new Uint8Array(32).fill(7);

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', key).update(data).digest());
}
