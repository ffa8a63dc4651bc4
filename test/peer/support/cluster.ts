import { crc32 } from 'node:zlib';
import type { Timers } from '../../../src/base/clock.ts';
import type { PeerId } from '../../../src/base/ids.ts';
import { peerId } from '../../../src/base/ids.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { deriveSeed, SeededRandom } from '../../../src/base/random.ts';
import type { ClusterConfig } from '../../../src/config/cluster-config.ts';
import { TIMINGS_DEFAULT } from '../../../src/config/cluster-config.ts';
import type { PeerLimits } from '../../../src/config/limits.ts';
import { Peer } from '../../../src/peer/peer.ts';
import type {
  MembershipChange,
  MembershipResult,
  PeerPorts,
  ProposalLane,
  ProposalResult,
} from '../../../src/peer/types.ts';
import { commandMoves, encodeCommand } from '../../../src/scheduler/batch.ts';
import type { Command } from '../../../src/scheduler/command.ts';
import type { SchedulerLimits } from '../../../src/scheduler/limits.ts';
import { TASK_DEFAULTS } from '../../../src/scheduler/limits.ts';
import type { DataDirectoryOptions } from '../../../src/storage/data-directory.ts';
import { openDataDirectory } from '../../../src/storage/data-directory.ts';
import type { Disk } from '../../../src/storage/disk.ts';
import { MemoryDisk, MemoryPlatter } from '../../../src/storage/memory-disk.ts';
import { MemoryNetwork } from '../../support/memory-transport.ts';
import type { MemoryTransport } from '../../support/memory-transport.ts';
import type { VirtualClock } from '../../support/virtual-time.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const NOON_MS = 1_750_000_000_000;

/** One member's process: what is gone when it is killed. */
interface Process {
  readonly peer: Peer;
  /** The disk as it was opened last. */
  disk: Disk | undefined;
  readonly transport: MemoryTransport;
  readonly halted: string[];
  /** Every (term, index) that was reported as applied, and every change of leadership, as text. */
  readonly events: string[];
  alive: boolean;
  /** Timers that came due while the process stood still; undefined while it runs. */
  backlog: (() => void)[] | undefined;
}

/** A process that is about to start, with the ports of its peer. */
export interface MadeProcess extends Pick<PeerPorts, 'clock' | 'timers' | 'random' | 'logger'> {
  readonly id: PeerId;
  readonly peer: Peer;
}

/** What outlives a member's process. */
interface Site {
  platter: MemoryPlatter;
  readonly clock: VirtualClock;
  process: Process | undefined;
  runs: number;
}

/** A cluster of whole peers in one process, on virtual time, memory disks and a memory network. */
export class TestCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly network: MemoryNetwork = new MemoryNetwork(this.time);
  /** The members that the cluster is founded with. */
  readonly ids: readonly PeerId[];
  readonly logs: string[] = [];
  /** What each peer that starts finds in its file. */
  config: ClusterConfig;
  readonly #limits: Partial<PeerLimits>;
  readonly #sites = new Map<PeerId, Site>();
  /** Files that differ from `config`. */
  readonly #files = new Map<PeerId, ClusterConfig>();
  /** Takes the place of a disk, to make it fail. */
  wrapDisk: (disk: Disk, id: PeerId) => Disk = (disk) => disk;
  /** Over what a directory is opened with. */
  storageOptions: Partial<DataDirectoryOptions> = {};
  /** Over the bounds of the state. */
  schedulerLimits: Partial<SchedulerLimits> = {};
  /** Told of each process before it starts, so that more can be put into it. */
  onMade: (made: MadeProcess) => void = () => {};

  constructor(size: number, limits: Partial<PeerLimits> = {}) {
    this.ids = Array.from({ length: size }, (_, at) => peerId(`p${at + 1}`));
    this.#limits = limits;
    this.config = {
      clusterId: 'test',
      members: this.ids.map((id, at) => ({
        id,
        peer: { host: '127.0.0.1', port: 7_401 + 10 * at },
        client: { host: '127.0.0.1', port: 7_400 + 10 * at },
      })),
      timings: TIMINGS_DEFAULT,
      security: {},
    };
    for (const id of this.ids) this.#addSite(id);
  }

  #addSite(id: PeerId): void {
    const clock = this.time.clock(NOON_MS);
    this.#sites.set(id, { platter: new MemoryPlatter(), clock, process: undefined, runs: 0 });
  }

  /** A peer that is none of the founders: its file, and its alone, has it in addition. Starts it. */
  async spare(name: string): Promise<Peer> {
    const id = peerId(name);
    this.#addSite(id);
    const port = 7_800 + 10 * this.#sites.size;
    const own = { id, peer: { host: '127.0.0.1', port: port + 1 }, client: { host: '127.0.0.1', port } };
    this.#files.set(id, { ...this.config, members: [...this.config.members, own] });
    return this.start(id);
  }

  /** The directory of `id` is lost. */
  wipe(id: PeerId): void {
    this.site(id).platter = new MemoryPlatter();
  }

  /** Asks the leader for a change of members and waits for the outcome. */
  async change(change: MembershipChange): Promise<MembershipResult> {
    const leader = await this.untilServing();
    return this.time.finish(new Promise((resolve) => leader.changeMembership(change, resolve)));
  }

  /** Adds a peer that waits, waits until it has caught up, and gives it a vote. */
  async admit(id: PeerId): Promise<void> {
    await this.time.until('the peer to be heard', () => {
      return this.leader?.membership().joining.some(({ peer }) => peer === id) === true;
    });
    const added = await this.change({ type: 'add', peer: id });
    if (added.type !== 'done') throw new Error(JSON.stringify(added));
    for (;;) {
      const promoted = await this.change({ type: 'promote', peer: id });
      if (promoted.type === 'done') return;
      if (promoted.type !== 'refused' || promoted.reason !== 'not-caught-up') throw new Error(JSON.stringify(promoted));
      await this.time.advance(50);
    }
  }

  /** Starts every member and waits until one serves. */
  static async serving(size: number, limits: Partial<PeerLimits> = {}): Promise<TestCluster> {
    const cluster = new TestCluster(size, limits);
    for (const id of cluster.ids) await cluster.start(id);
    await cluster.untilServing();
    return cluster;
  }

  site(id: PeerId): Site {
    return this.#sites.get(id)!;
  }

  peer(id: PeerId): Peer {
    return this.process(id).peer;
  }

  process(id: PeerId): Process {
    const { process } = this.site(id);
    if (process === undefined) throw new Error(`${id} does not run`);
    return process;
  }

  get running(): Process[] {
    return [...this.#sites.values()].flatMap((site) => site.process ?? []);
  }

  /** The peer that leads and serves, in the newest term where two think so. */
  get leader(): Peer | undefined {
    const leaders = this.running.map((process) => process.peer).filter((peer) => peer.isLeader);
    return leaders.sort((left, right) => right.term - left.term)[0];
  }

  get followers(): Peer[] {
    return this.running.map((process) => process.peer).filter((peer) => peer !== this.leader);
  }

  async untilServing(): Promise<Peer> {
    await this.time.until('a leader that serves', () => this.leader !== undefined);
    return this.leader!;
  }

  /** Waits until every running peer has applied what the furthest has. */
  async untilEqual(): Promise<void> {
    await this.time.until('equal applied indexes', () => {
      const indexes = this.running.map((process) => process.peer.appliedIndex);
      return new Set(indexes).size === 1;
    });
  }

  async start(id: PeerId): Promise<Peer> {
    const process = this.#make(id);
    await this.time.finish(process.peer.start());
    return process.peer;
  }

  /** Ends a process at once: nothing of it runs any more, and its disk is free. */
  async kill(id: PeerId): Promise<void> {
    const process = this.process(id);
    process.alive = false;
    process.transport.kill();
    this.site(id).process = undefined;
    await process.disk?.close();
  }

  /** The process stands still until it is resumed; what it was about to do, and what comes for it, waits. */
  pause(id: PeerId): void {
    const process = this.process(id);
    process.backlog = [];
    process.transport.pause();
  }

  /** Frames first: what a pause leaves behind in the sockets is the harder case. */
  resume(id: PeerId): void {
    const process = this.process(id);
    const backlog = process.backlog ?? [];
    process.backlog = undefined;
    process.transport.resume();
    for (const action of backlog) action();
  }

  async stop(id: PeerId): Promise<void> {
    await this.time.finish(this.process(id).peer.stop());
    this.site(id).process = undefined;
  }

  /** Proposes and waits for the outcome. */
  async propose(peer: Peer, command: Command, lane: ProposalLane = 'submission'): Promise<ProposalResult> {
    return this.time.finish(this.proposed(peer, command, lane));
  }

  /** Proposes and does not wait. */
  proposed(peer: Peer, command: Command, lane: ProposalLane = 'submission'): Promise<ProposalResult> {
    const writer = new ByteWriter();
    encodeCommand(writer, 'anonymous', command);
    return new Promise((resolve, reject) => {
      const taken = peer.propose(lane, writer.take(), commandMoves(command), resolve);
      if (!taken) reject(new Error('overloaded'));
    });
  }

  #make(id: PeerId): Process {
    const site = this.site(id);
    const transport = this.network.transport(id);
    site.runs += 1;
    const random = new SeededRandom(deriveSeed(site.runs, id));
    const halted: string[] = [];
    const events: string[] = [];
    const timers = this.#timersOf(() => process);
    const logger = this.#loggerOf(id);
    const process: Process = {
      disk: undefined,
      transport,
      halted,
      events,
      alive: true,
      backlog: undefined,
      peer: new Peer(
        {
          self: id,
          cluster: this.#files.get(id) ?? this.config,
          limits: this.#limits,
          schedulerLimits: this.schedulerLimits,
        },
        {
          clock: site.clock,
          timers,
          random,
          crc32,
          logger,
          transport,
          openStorage: () => {
            const disk = this.wrapDisk(new MemoryDisk(site.platter, id), id);
            process.disk = disk;
            return openDataDirectory(disk, {
              clusterId: 'test',
              peerId: id,
              random,
              crc32,
              repairable: this.config.members.length > 1,
              ...this.storageOptions,
            });
          },
        },
      ),
    };
    process.peer.subscribe({
      applied: (index) => events.push(`applied ${index}`),
      leadership: ({ term, leader, isLeader }) => {
        events.push(`term ${term}: ${leader ?? 'nobody'} leads${isLeader ? ', and that is me' : ''}`);
      },
      halted: (reason) => halted.push(reason),
    });
    site.process = process;
    const { clock } = site;
    this.onMade({ id, peer: process.peer, clock, timers, random, logger });
    return process;
  }

  #timersOf(of: () => Process): Timers {
    const guarded = (action: () => void) => (): void => {
      const process = of();
      if (!process.alive) return;
      if (process.backlog === undefined) action();
      else process.backlog.push(action);
    };
    return {
      after: (delayMs, action) => this.time.after(delayMs, guarded(action)),
      soon: (action) => {
        this.time.soon(guarded(action));
      },
    };
  }

  #loggerOf(id: PeerId): Logger {
    const note =
      (level: string) =>
      (message: string, fields: object = {}) => {
        this.logs.push(`${Math.round(this.time.nowMs)} ${id} ${level} ${message} ${JSON.stringify(fields)}`);
      };
    return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  }
}

/** A submission of `count` tasks with a payload each. */
export function submit(sequence: number, count = 1, payloadBytes = 16, delayMs = 0): Command {
  return {
    type: 'submit',
    session: 'session-1',
    sequence,
    answeredBelow: 0,
    namespace: 'default',
    templates: [{ ...TASK_DEFAULTS, type: 'hash' }],
    tasks: Array.from({ length: count }, () => ({
      template: 0,
      payload: { encoding: 3, bytes: new Uint8Array(payloadBytes).fill(sequence & 0xff) },
      ...(delayMs === 0 ? {} : { delayMs }),
    })),
  };
}

export const OPEN_SESSION: Command = { type: 'openSession', session: 'session-1' };
