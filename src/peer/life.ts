/**
 * The life of a peer from its start to its end: opens the directory, waits for the founding, takes part, begins anew when the disk
 * fails or a snapshot came, and stops or halts. `peer.ts` is what others see of it, with the chart of its states.
 */
import { assert } from '../base/assert.ts';
import type { PeerId } from '../base/ids.ts';
import type { PeerLimits } from '../config/limits.ts';
import { peerLimits } from '../config/limits.ts';
import type { Message } from '../raft/message.ts';
import type { Damage } from '../raft/types.ts';
import type { SchedulerLoader } from '../scheduler/scheduler.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Founding, OpenedStorage } from '../storage/storage.ts';
import { StorageError } from '../storage/storage-error.ts';
import type { TransportHandlers } from '../transport/transport.ts';
import { removedSentence } from './admission.ts';
import { Circle } from './circle.ts';
import { Directory, isSurvivable } from './directory.ts';
import { FirstStart, waitingSentence } from './founding.ts';
import { Greeter } from './greeter.ts';
import { HandOver } from './hand-over.ts';
import { RefusedFrames } from './incoming.ts';
import { lastStampOf } from './last-stamp.ts';
import { Member } from './member.ts';
import type { ReadySnapshot } from './snapshot-receiver.ts';
import type { StatusParts } from './status.ts';
import { memberStatuses } from './status.ts';
import { tailAges } from './tail-ages.ts';
import type { Leadership, PeerListener, PeerOptions, PeerPorts, PeerState } from './types.ts';

/** See the head of this file. */
export class Life {
  readonly #options: PeerOptions;
  readonly #ports: PeerPorts;
  readonly #limits: PeerLimits;
  readonly #listeners: PeerListener[] = [];
  #state: PeerState = 'new';
  #reason: string | undefined;
  readonly #directory: Directory;
  readonly #circle: Circle;
  #scheduler: Scheduler | undefined;
  #member: Member | undefined;
  /** Set while the founding is waited for. */
  #firstStart: FirstStart | undefined;
  readonly #greeter: Greeter;
  #generation = 0;
  /** The directory was opened again since the start. */
  #openedAnew = false;
  #starting: Promise<void> | undefined;
  #reopening: Promise<void> | undefined;
  /** A loss that was or is being noted in that directory, which may fail in other ways before it is. */
  #noting: { readonly of: OpenedStorage; readonly done: Promise<void> } | undefined;
  /** Set while the transport is to be told, soon, whom to talk to. */
  #talkAsked = false;
  #stopping: Promise<void> | undefined;
  readonly #handOver: HandOver;
  readonly #refusedFrames: RefusedFrames;

  /** @throws InvariantError when limits contradict each other or `self` is no member */
  constructor(options: PeerOptions, ports: PeerPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#limits = peerLimits(options.limits);
    const isMember = options.cluster.members.some((member) => member.id === options.self);
    assert(isMember, 'a peer is a member of its file');
    this.#greeter = this.#makeGreeter();
    this.#circle = new Circle(ports.transport);
    this.#handOver = new HandOver(ports);
    this.#refusedFrames = new RefusedFrames(ports.logger);
    this.#directory = new Directory({
      ports,
      limits: this.#limits,
      scheduler: { crc32: ports.crc32, limits: options.schedulerLimits ?? {} },
      sharedByDefault: options.cluster.members.length > 1,
    });
  }

  get state(): PeerState {
    return this.#state;
  }

  get scheduler(): Scheduler | undefined {
    return this.#scheduler;
  }

  /** The member of this run; undefined before it takes part. */
  get member(): Member | undefined {
    return this.#member;
  }

  /** How often this peer has begun to take part. */
  get generation(): number {
    return this.#generation;
  }

  /** See `Peer.start`. */
  start(): Promise<void> {
    assert(this.#state === 'new', 'a peer is started once');
    this.#state = 'opening';
    this.#starting = this.#start();
    return this.#starting;
  }

  /** See `Peer.stop`. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Tells `listener` from now on. */
  subscribe(listener: PeerListener): void {
    this.#listeners.push(listener);
  }

  get self(): PeerId {
    return this.#options.self;
  }

  /** What a status is made from. */
  statusParts(): StatusParts {
    return {
      self: this.self,
      state: this.#state,
      reason: this.#reason,
      cluster: this.#options.cluster,
      limits: this.#limits,
      ports: this.#ports,
      storage: this.#directory.storage,
      member: this.#member,
    };
  }

  /** The member; asserted to be there. */
  running(): Member {
    assert(this.#member !== undefined, 'a peer is asked after it was started');
    return this.#member;
  }

  async #makeMember(storage: OpenedStorage, scheduler: Scheduler): Promise<Member> {
    const { self, cluster } = this.#options;
    const recovered = storage.takeRecovered();
    const { checkpoint } = storage.state;
    const lastStampMs = await lastStampOf(storage.log, recovered, checkpoint?.index ?? 0);
    const tail = await tailAges(storage.log, checkpoint, Math.max(lastStampMs, checkpoint?.logTimeMs ?? 0));
    const loader = (): SchedulerLoader =>
      Scheduler.loader({ crc32: this.#ports.crc32, limits: this.#options.schedulerLimits ?? {} });
    // What comes late of one that another has taken the place of says nothing of what is in use now.
    const isPresent = (): boolean => this.#member === undefined || this.#member === member;
    const member: Member = new Member(
      {
        self,
        cluster,
        limits: this.#limits,
        ports: this.#ports,
        storage,
        recovered,
        lastStampMs,
        tail,
        scheduler,
        loader,
      },
      {
        applied: (index, outcome) => {
          for (const listener of this.#listeners) listener.applied(index, outcome);
        },
        leadership: (change) => {
          this.#tellLeadership(change);
        },
        membership: () => {
          this.#membershipChanged();
        },
        removed: () => {
          // Not at once: what it has to say to its successor, and who asked for it, is on its way.
          this.#ports.timers.after(cluster.timings.electionTimeoutMs, () => {
            this.#halt(removedSentence(self));
          });
        },
        install: (snapshot) => {
          this.#reopen('a snapshot is installed', 0, snapshot);
        },
        damaged: (error) => {
          this.#scrubbed(error, storage);
        },
        lost: (lost, message) => {
          if (isPresent()) this.#lost(lost, message, storage);
        },
        unreadable: (error) => {
          if (isPresent()) this.#unreadable(error, storage);
        },
        failed: (error) => {
          if (isPresent()) this.#failed(error);
        },
      },
      this.#member,
    );
    return member;
  }

  #makeGreeter(): Greeter {
    return new Greeter(this.self, this.#options.cluster, {
      view: () => ({
        storage: this.#directory.storage,
        firstStart: this.#firstStart,
        membership: this.#member?.membership,
        openedAnew: this.#openedAnew,
      }),
      judgeFirstStart: () => {
        this.#judgeFirstStart();
      },
      learned: () => {
        const member = this.#member;
        if (this.#state === 'serving') member?.saveFounding(member.membership.founding);
      },
      heard: () => {
        this.#talkLater();
        if (this.#state === 'serving') this.#member?.saveBoots();
        this.#member?.neighbours.serves();
      },
      halt: (sentence) => {
        this.#halt(sentence);
      },
    });
  }

  /** Who belongs to the cluster has changed here, or what others are told of it. */
  #membershipChanged(): void {
    this.#talk();
    this.#ports.transport.announce();
    const member = this.#member;
    if (member === undefined) return;
    const members = memberStatuses(this.statusParts());
    for (const listener of this.#listeners) listener.membership?.(members);
  }

  /** Tells the transport whom to talk to, as an event of its own: it does not want to hear that from within its own calls. */
  #talkLater(): void {
    if (this.#talkAsked) return;
    this.#talkAsked = true;
    this.#ports.timers.soon(() => {
      this.#talkAsked = false;
      if (this.#state === 'serving') this.#talk();
    });
  }

  #talk(): void {
    if (this.#member !== undefined) this.#circle.follow(this.#member.membership);
  }

  #tellLeadership(change: Leadership): void {
    for (const listener of this.#listeners) listener.leadership(change);
    if (!change.isLeader) this.#handOver.over();
  }

  /** Finds out whether the cluster is founded, or is to be; before anybody is heard. */
  #prepareFounding(storage: OpenedStorage): void {
    if (storage.founding.founded) return;
    assert(storage.log.lastIndex === 0, 'a log has entries only after the founding');
    const { self, cluster } = this.#options;
    const others = cluster.members.map((member) => member.id).filter((id) => id !== self);
    this.#state = 'founding';
    this.#firstStart = new FirstStart({ peerId: self, incarnation: storage.identity.incarnation }, others);
  }

  #judgeFirstStart(): void {
    const firstStart = this.#firstStart;
    const verdict = firstStart?.verdict();
    if (firstStart === undefined || verdict === undefined) return;
    if (verdict.type === 'waiting') {
      const sentence = waitingSentence(this.self, verdict);
      if (sentence !== this.#reason) this.#ports.logger.info(sentence);
      this.#reason = sentence;
      return;
    }
    this.#firstStart = undefined;
    const storage = this.#directory.storage;
    assert(storage !== undefined, 'what is founded is open');
    this.#found(storage, verdict.founding, firstStart).catch((error: unknown) => {
      this.#halt(error);
    });
  }

  async #found(storage: OpenedStorage, founding: Founding, firstStart: FirstStart): Promise<void> {
    await storage.saveFounding(founding);
    assert(this.#scheduler !== undefined, 'what is founded is loaded');
    const member = await this.#makeMember(storage, this.#scheduler);
    if (this.#state !== 'founding') return;
    this.#ports.logger.info('the cluster is founded', { founders: founding.heard.length });
    this.#member = member;
    for (const [peer, facts] of firstStart.answers) member.membership.hears(peer, facts);
    this.#takePart();
  }

  #takePart(): void {
    this.#state = 'serving';
    this.#reason = undefined;
    this.#generation += 1;
    this.running().start();
    this.#membershipChanged();
  }

  #handlers(): TransportHandlers {
    return {
      facts: (to) => this.#greeter.facts(to),
      hello: (from, facts) => this.#greeter.hello(from, facts),
      frame: (from, lane, bytes) => {
        const state = this.#state;
        if (state !== 'serving' && state !== 'stopping' && state !== 'reopening') return;
        this.#refusedFrames.watch(from, () => this.#member?.frame(from, lane, bytes));
      },
      // The transport logs who comes and goes.
      connected: () => {},
      disconnected: (peer) => {
        this.#firstStart?.forgets(peer);
        this.#member?.disconnected(peer);
      },
      redialed: (peer, result) => {
        this.#member?.redialed(peer, result);
      },
      refused: (_, refusal) => {
        this.#greeter.refused(refusal);
      },
    };
  }

  /** Something broke within the member. */
  #failed(cause: unknown): void {
    const survivable = isSurvivable(cause);
    // One failure seldom comes alone; what is done about it is under way.
    if (survivable && this.#state === 'reopening') return;
    if (!survivable || this.#state !== 'serving') {
      this.#halt(cause);
      return;
    }
    const pauseMs = this.#directory.pauseAfter(cause);
    if (pauseMs === undefined) this.#halt(cause);
    else this.#reopen(sentenceOf(cause), pauseMs);
  }

  /** Begins again on the own directory, without ending the process: closes it, opens and checks it anew, and takes part again. */
  #reopen(reason: string, pauseMs: number, snapshot?: ReadySnapshot): void {
    if (this.#state !== 'serving') return;
    this.#state = 'reopening';
    this.#openedAnew = true;
    this.#reason = reason;
    if (snapshot === undefined) this.#ports.logger.warn('the data directory is opened anew', { reason, pauseMs });
    else this.#ports.logger.info(reason, { index: snapshot.checkpoint.index });
    this.#reopening = this.#openAnew(snapshot, pauseMs).catch((error: unknown) => {
      this.#halt(error);
    });
  }

  async #openAnew(snapshot: ReadySnapshot | undefined, pauseMs: number): Promise<void> {
    const directory = this.#directory;
    const before = this.running();
    await this.#handOver.stepAside(before);
    before.stop();
    // Kept open meanwhile, so that no other process takes it.
    if (pauseMs > 0) await directory.pause(pauseMs);
    await snapshot?.staging.install().catch((error: unknown) => {
      this.#ports.logger.warn('a snapshot could not be installed', { reason: sentenceOf(error) });
    });
    await this.#noting?.done;
    await directory.close();
    if (this.#state !== 'reopening') return;
    const opened = await directory.openAgain(snapshot, () => this.#state === 'reopening');
    if (opened === undefined) return;
    const member = await this.#makeMember(opened.storage, opened.scheduler);
    if (this.#state !== 'reopening') return directory.close();
    this.#scheduler = opened.scheduler;
    this.#member = member;
    this.#takePart();
    const { membership } = member;
    for (const [peer, { facts }] of membership.heardSoFar()) this.#greeter.hello(peer, facts);
  }

  /** Runs a read of the state that has just begun; damage that it meets is repaired, though this read fails. */
  async reading<Value>(read: Promise<Value>): Promise<Value> {
    const { storage } = this.#directory;
    try {
      return await read;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'STATE_DAMAGED' && !this.#directory.alone)
        await this.#stateDamaged(error, storage);
      throw error;
    }
  }

  /** Whether what a read met passes: the directory is opened anew for it, and what is damaged comes from others. */
  mends(error: unknown): boolean {
    return isSurvivable(error) && !(error.code === 'STATE_DAMAGED' && this.#directory.alone);
  }

  /** A read of `from` met damage. Where the directory was opened anew since the read began, that says nothing of what is there now. */
  async #stateDamaged(error: StorageError, from: OpenedStorage | undefined): Promise<void> {
    const { storage } = this.#directory;
    if (this.#state !== 'serving' || storage === undefined || storage !== from) return;
    try {
      await storage.distrustState(error.finding);
    } finally {
      this.#failed(error);
    }
  }

  /** The leader knows of something that this peer acknowledged and does not hold: from now on it counts as damaged, and is refilled. */
  #lost({ lastIndex, lastTerm }: Damage, { from: leader, term }: Message, from: OpenedStorage): void {
    if (this.#state !== 'serving' || from !== this.#directory.storage || from === this.#noting?.of) return;
    const what = `this peer had acknowledged entry ${lastIndex} to ${leader}, and its log does not hold it`;
    const loss = new StorageError(
      'LOG_TAIL_LOST',
      `${what}: the directory is an older copy, or its disk forgot a sync`,
    );
    const done = from.noteLoss({ lastIndex, lastTerm }, leader, term).then(
      () => this.#failed(loss),
      (error: unknown) => this.#failed(error),
    );
    this.#noting = { of: from, done };
  }

  /** A read that nobody waits for met something. Where no other peer has what is damaged, the rest is worth more than a stop. */
  #scrubbed(cause: unknown, from: OpenedStorage): void {
    if (!(cause instanceof StorageError) || cause.code !== 'STATE_DAMAGED') return this.#failed(cause);
    this.#ports.logger.warn('a record of the state is damaged', { reason: cause.finding });
    if (!this.#directory.alone) this.#unreadable(cause, from);
  }

  /** A read failed without which this peer cannot go on. Where others have a copy, damage is made good. */
  #unreadable(cause: unknown, from: OpenedStorage): void {
    const isDamage = cause instanceof StorageError && cause.code === 'STATE_DAMAGED';
    if (!isDamage || this.#directory.alone) return this.#failed(cause);
    this.#stateDamaged(cause, from).catch((failure: unknown) => {
      this.#failed(failure);
    });
  }

  /** Ends the peer at once: from here on it acknowledges nothing. */
  #halt(cause: unknown): void {
    if (this.#state === 'halted' || this.#state === 'stopped') return;
    this.#state = 'halted';
    this.#reason = sentenceOf(cause);
    this.#ports.logger.error('the peer has halted', { reason: this.#reason });
    this.#handOver.over();
    this.#close().catch((failure: unknown) => {
      this.#ports.logger.warn('closing failed', { reason: sentenceOf(failure) });
    });
    for (const listener of this.#listeners) listener.halted(this.#reason);
  }

  async #start(): Promise<void> {
    const ports = this.#ports;
    try {
      const { storage, scheduler } = await this.#directory.open();
      this.#state = 'replaying';
      this.#scheduler = scheduler;
      if (storage.founding.founded) this.#member = await this.#makeMember(storage, scheduler);
      this.#prepareFounding(storage);
      await ports.transport.start(this.#handlers());
      if (this.#state === 'replaying') this.#takePart();
      else this.#judgeFirstStart();
    } catch (error) {
      this.#state = 'halted';
      this.#reason = sentenceOf(error);
      await this.#close();
      throw error;
    }
  }

  async #stop(): Promise<void> {
    // What a start under way opens is closed when it has come to its end.
    await this.#starting?.catch(() => undefined);
    if (this.#state === 'reopening') {
      this.#state = 'stopping';
      this.#directory.interrupt();
    }
    await this.#reopening?.catch(() => undefined);
    if (this.#state === 'halted') return this.#close();
    if (this.#state === 'serving') {
      this.#state = 'stopping';
      await this.#handOver.finish(this.running(), this.#options.cluster.timings.electionTimeoutMs);
    }
    this.#state = 'stopped';
    await this.#close();
  }

  /** Lets go of everything; each part tolerates being closed twice. */
  async #close(): Promise<void> {
    this.#firstStart = undefined;
    this.#member?.stop();
    this.#directory.interrupt();
    try {
      await this.#ports.transport.stop();
    } finally {
      await this.#directory.storage?.close();
    }
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'something broke that says nothing of itself';
}
