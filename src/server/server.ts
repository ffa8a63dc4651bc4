/**
 * The client side of one member: connections of clients and workers on one side, the replicated state on the other.
 *
 *     listener ─▶ session ─▶ requests ─▶ peer.propose ─▶ (log) ─▶ reply ─▶ answers ─▶ session
 *                    │                                              │
 *                    └─▶ peer.read ─▶ queries              effects ─▶ deliveries ─▶ worker's session
 *
 * Frames come in through sessions, one a connection, and are turned into commands by `requests.ts`. What the state machine
 * answers goes back by `answers.ts`; what applying does (placements, aborts, ends of tasks) goes out by `deliveries.ts` and
 * `waiters.ts`. Only the leader proposes, delivers and judges who lives (`leases.ts`, `client-sessions.ts`); every other
 * member answers `hello`, `status` and what only reads, and names the leader. The leader also keeps schedules in instants
 * (`schedule-keeper.ts`), which it computes from their calendars.
 *
 * Invariants: nothing is proposed that was not checked; a request gets one answer or its connection ends; all that the leader
 * remembers here beside the state is bounded, and is thrown away when it stops leading, for each can be derived anew.
 *
 * What it does not do: it opens no socket (the listener port does), keeps no task, and decides nothing about tasks.
 */
import { ByteWriter } from '../base/bytes.ts';
import type { Timer } from '../base/clock.ts';
import type { Term } from '../base/ids.ts';
import type { Listener, Socket } from '../base/socket.ts';
import type { Peer } from '../peer/peer.ts';
import type { Leadership, MemberStatus, ProposalResult } from '../peer/types.ts';
import type { PeerRow } from '../protocol/rows.ts';
import { encodeCommand } from '../scheduler/batch.ts';
import type { Command } from '../scheduler/command.ts';
import type { ApplyOutcome } from '../scheduler/outcome.ts';
import { ClientSessions } from './client-sessions.ts';
import type { ServerContext, ServerOptions, ServerPorts } from './context.ts';
import { Deliveries } from './deliveries.ts';
import { Leases } from './leases.ts';
import { peerRows } from './members.ts';
import { ProgressBoard } from './progress.ts';
import { Calendars } from './schedule-calendars.ts';
import { ScheduleKeeper } from './schedule-keeper.ts';
import { Session } from './session.ts';
import { Slices } from './slices.ts';
import { type Waiter, Waiters } from './waiters.ts';

/** Asked by the cluster itself. */
const PRINCIPAL_PEER = 'peer';
/** How often connections are looked at on which nothing was said; one is cut when that was so the whole time, in ms. */
const SILENCE_MS = 60_000;
/** A look that is later than this means that our own process stood still, and proves nothing of others. */
const STALL_MS = 5_000;
/** Waits that are sent away in one go when leadership ends: the event loop has followers' work to do then. */
const SENT_AWAY_MAX = 500;

/** The client side of a member. Make it before the peer starts, so that it hears of every change. */
export class Server {
  readonly #listener: Listener;
  readonly #context: ServerContext;
  readonly #sessions = new Set<Session>();
  /** The term that this server leads in; undefined when it does not. */
  #leadingTerm: Term | undefined;
  #silenceTimer: Timer | undefined;
  #stopping: Promise<void> | undefined;
  /** What clients are told of the members. */
  #peers: readonly PeerRow[];
  /** The peer serves nothing any more; only `status` is answered. */
  #halted = false;

  constructor(options: ServerOptions, ports: ServerPorts, peer: Peer, listener: Listener) {
    this.#listener = listener;
    this.#peers = peerRows([], options.members);
    this.#context = this.#makeContext(options, ports, peer);
    peer.subscribe({
      applied: (index, outcome) => this.#applied(index, outcome),
      leadership: (change) => this.#leadership(change),
      membership: (members) => this.#membership(members),
      halted: () => this.#halt(),
    });
  }

  /** Starts to accept clients. @throws when the address is taken. */
  async start(): Promise<void> {
    await this.#listener.listen((socket) => this.#accept(socket));
    if (this.#stopping === undefined) this.#watchSilence();
  }

  /** Stops accepting, tells every client, and ends the connections. Harmless when repeated. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#silenceTimer?.cancel();
    this.#stepDown();
    this.#endAll();
    await this.#listener.close();
  }

  #makeContext(options: ServerOptions, ports: ServerPorts, peer: Peer): ServerContext {
    const { clock, timers, logger } = ports;
    const sessions = this.#sessions;
    const calendars = new Calendars();
    const leadingTerm = (): Term | undefined => this.#leadingTerm;
    const peers = (): readonly PeerRow[] => this.#peers;
    return {
      options,
      ports,
      peer,
      leases: new Leases(options.leases, clock, timers, {
        proposeAway: (worker, instance) => this.#proposeAway(worker, instance),
        proposeLost: (worker, instance, sinceRenewalMs) => this.#proposeLost(worker, instance, sinceRenewalMs),
      }),
      deliveries: new Deliveries(peer, timers, logger),
      waiters: new Waiters(options.limits.waitsMax),
      clientSessions: new ClientSessions(clock, timers, options.limits.sessionIdleMs, (session) => {
        this.#propose({ type: 'endSession', session }, (result) => {
          if (result.type === 'applied') this.#context.clientSessions.forget(session);
        });
      }),
      progress: new ProgressBoard(),
      keeper: new ScheduleKeeper(peer, ports, calendars),
      calendars,
      slices: new Slices(clock, timers),
      get leadingTerm() {
        return leadingTerm();
      },
      get peers() {
        return peers();
      },
      get connections() {
        return sessions.size;
      },
    };
  }

  #accept(socket: Socket): void {
    const isStopping = this.#stopping !== undefined;
    if (isStopping || this.#sessions.size >= this.#context.options.limits.connectionsMax) {
      socket.handle({ message: () => {}, closed: () => {} });
      return socket.close(1013, isStopping ? 'SHUTTING_DOWN' : 'OVERLOADED');
    }
    this.#sessions.add(new Session(this.#context, socket, (session) => this.#sessions.delete(session)));
  }

  #applied(index: number, outcome: ApplyOutcome): void {
    if (this.#leadingTerm === undefined) return;
    this.#context.deliveries.perform(index, outcome);
    const { waiters, progress, keeper } = this.#context;
    keeper.applied(outcome);
    for (const number of outcome.finished) {
      progress.forget(number);
      if (waiters.waitedFor(number)) void this.#tellWaiters(number);
    }
  }

  async #tellWaiters(number: number): Promise<void> {
    const { peer, waiters, ports } = this.#context;
    try {
      const task = await peer.taskView(number);
      for (const waiter of waiters.take(number)) waiter.ended(task);
    } catch (error) {
      ports.logger.error('the end of a task cannot be read', { error: String(error) });
      for (const waiter of waiters.take(number)) waiter.unreadable(error);
    }
  }

  #leadership(change: Leadership): void {
    if (this.#stopping !== undefined || this.#halted) return;
    const leadingTerm = change.isLeader ? change.term : undefined;
    const hasChanged = leadingTerm !== this.#leadingTerm;
    if (hasChanged) this.#stepDown();
    if (hasChanged && leadingTerm !== undefined) this.#lead(leadingTerm);
    this.#tellLeader(change.term);
  }

  /** Whoever keeps connections to all peers hears of a new one, and of one that is none any more. */
  #membership(members: readonly MemberStatus[]): void {
    const rows = peerRows(members, this.#context.options.members);
    const isSame =
      rows.length === this.#peers.length &&
      rows.every(([peer, url], at) => {
        const before = this.#peers[at];
        return before?.[0] === peer && before[1] === url;
      });
    this.#peers = rows;
    if (!isSame && this.#stopping === undefined && !this.#halted) this.#tellLeader(this.#context.peer.term);
  }

  #tellLeader(term: Term): void {
    for (const session of this.#sessions) {
      if (session.open) session.send({ type: 'leader', term, leader: session.leaderRow(), peers: this.#peers });
    }
  }

  #lead(term: Term): void {
    this.#leadingTerm = term;
    const { peer, leases, clientSessions, keeper } = this.#context;
    keeper.begin();
    leases.begin(peer.scheduler.allWorkers().filter((worker) => !worker.lost));
    clientSessions.begin(peer.scheduler.sessionIds());
  }

  #stepDown(): void {
    if (this.#leadingTerm === undefined) return;
    this.#leadingTerm = undefined;
    const { leases, clientSessions, deliveries, waiters, progress, keeper } = this.#context;
    keeper.end();
    leases.end();
    clientSessions.end();
    deliveries.clear();
    progress.clear();
    for (const session of this.#sessions) session.worker = undefined;
    this.#sendAway(waiters.takeAll(), 0);
  }

  #sendAway(waiters: readonly Waiter[], from: number): void {
    const end = Math.min(from + SENT_AWAY_MAX, waiters.length);
    for (let at = from; at < end; at += 1) waiters[at]?.leaderGone();
    if (end < waiters.length) this.#context.ports.timers.soon(() => this.#sendAway(waiters, end));
  }

  #halt(): void {
    this.#halted = true;
    this.#stepDown();
    this.#endAll();
  }

  #endAll(): void {
    for (const session of this.#sessions) session.goAway();
  }

  /** Clients say that they live as often as workers do; one that is gone without a word must not hold its place for ever. */
  #watchSilence(): void {
    const begunMs = this.#context.ports.clock.monotonicMs();
    this.#silenceTimer = this.#context.ports.timers.after(SILENCE_MS, () => {
      const lateMs = this.#context.ports.clock.monotonicMs() - begunMs - SILENCE_MS;
      this.#watchSilence();
      if (lateMs > STALL_MS) return;
      for (const session of this.#sessions) session.cutWhenSilent();
    });
  }

  #proposeAway(worker: string, instance: string): void {
    const { leases, deliveries } = this.#context;
    this.#propose({ type: 'workerAway', worker, instance }, (result) => {
      if (!leases.awaySettled(worker, instance, result.type === 'applied')) return;
      const link = deliveries.link(worker);
      if (link?.instance === instance) link.end('its older connection ended after it attached');
    });
  }

  #proposeLost(worker: string, instance: string, sinceRenewalMs: number): void {
    const { peer, options, leases, deliveries } = this.#context;
    const untilFreeMs = Math.max(0, options.leases.leaseMs - sinceRenewalMs);
    const capsFreeAtMs = peer.logTimeNowMs() + untilFreeMs;
    this.#propose({ type: 'workerLost', worker, instance, capsFreeAtMs }, (result) => {
      const isLost = result.type === 'applied' && result.reply.type !== 'refused';
      // Refused for good: the state does not know the worker, and there is nothing to judge.
      const isGone = result.type === 'applied' && result.reply.type === 'refused' && result.reply.code === 'NOT_FOUND';
      leases.lostSettled(worker, instance, isLost || isGone);
      if (!isLost) return;
      const link = deliveries.link(worker);
      // It may be alive and deaf to us: a new connection, attached anew, makes it a worker again.
      if (link?.instance === instance) link.end('declared lost');
    });
  }

  /** `done` is called once, never within the call; a full queue counts as dropped. */
  #propose(command: Command, done: (result: ProposalResult) => void): void {
    const { peer, ports } = this.#context;
    const writer = new ByteWriter(128);
    encodeCommand(writer, PRINCIPAL_PEER, command);
    if (!peer.propose('dispatch', writer.take(), 1, done)) ports.timers.soon(() => done({ type: 'dropped' }));
  }
}
