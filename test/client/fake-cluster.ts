/**
 * Peers that do what a test tells them, over sockets in memory and virtual time. Unscripted they keep one small, correct state
 * together: sessions with their answers, tasks by number, attempts by token. What crosses is bytes of the product's codec.
 */
import { SeededRandom } from '../../src/base/random.ts';
import type { DialHandlers, Dialer, DialOptions, Socket, SocketHandlers } from '../../src/base/socket.ts';
import type { ClientPorts } from '../../src/client/ports.ts';
import type { ClientFrame } from '../../src/protocol/client-frame.ts';
import { decodeClientFrame, encodeServerFrame } from '../../src/protocol/codec.ts';
import { errorFacts, type ErrorCode } from '../../src/protocol/error-code.ts';
import type { AssignRow, PeerRow } from '../../src/protocol/rows.ts';
import type { ServerFrame, SubmittedFrame } from '../../src/protocol/server-frame.ts';
import { VirtualTime } from '../support/virtual-time.ts';
import { FakeSchedules } from './fake-schedules.ts';

const LATENCY_MS = 1;

/** The frame of one type. */
export type FrameOf<Type extends ClientFrame['type']> = Extract<ClientFrame, { readonly type: Type }>;

/** What a test makes a peer do with a frame; true says that the usual answer is not to be given. */
type Script = { [Type in ClientFrame['type']]?: (connection: Connection, frame: FrameOf<Type>) => boolean };

/** One end of a connection in memory. */
class End implements Socket {
  readonly remote: string;
  bufferedBytes = 0;
  other: End | undefined;
  #handlers: SocketHandlers | undefined;
  #over = false;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, remote: string) {
    this.#time = time;
    this.remote = remote;
  }

  handle(handlers: SocketHandlers): void {
    this.#handlers = handlers;
  }

  send(bytes: Uint8Array): void {
    const { other } = this;
    if (this.#over || other === undefined) return;
    const copy = bytes.slice();
    this.#time.after(LATENCY_MS, () => other.#receive(copy));
  }

  close(code: number, reason: string): void {
    this.#end(code, reason);
    const { other } = this;
    this.#time.after(LATENCY_MS, () => {
      if (other !== undefined) other.#end(code, reason);
    });
  }

  terminate(): void {
    this.close(1006, '');
  }

  pause(): void {}

  resume(): void {}

  #receive(bytes: Uint8Array): void {
    if (!this.#over) this.#handlers?.message(bytes);
  }

  #end(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#time.soon(() => this.#handlers?.closed({ code, reason }));
  }
}

/** A client's connection as a fake peer sees it. */
export class Connection {
  readonly peer: FakePeer;
  readonly socket: Socket;
  role = '';
  isOpen = true;

  constructor(peer: FakePeer, socket: Socket) {
    this.peer = peer;
    this.socket = socket;
  }

  send(frame: ServerFrame): void {
    this.socket.send(encodeServerFrame(frame));
  }

  refuse(
    requestId: number,
    code: ErrorCode,
    more: { retryAfterMs?: number; leader?: PeerRow; position?: number } = {},
  ): true {
    this.send({
      type: 'error',
      requestId,
      code,
      message: `refused with ${code}`,
      retryable: errorFacts(code).retryable,
      retryAfterMs: more.retryAfterMs ?? null,
      leader: more.leader ?? null,
      position: more.position ?? null,
    });
    return true;
  }
}

export class FakePeer {
  readonly name: string;
  readonly url: string;
  readonly cluster: FakeCluster;
  /** Other URLs under which it is reached. */
  readonly aliases: string[] = [];
  /** Frames in the order of arrival, heartbeats left out. */
  readonly received: ClientFrame[] = [];
  connections: Connection[] = [];
  script: Script = {};
  /** How dials end; undefined accepts. */
  dialStatus: number | 'refused' | undefined;
  answersBeats = true;
  dials = 0;

  constructor(cluster: FakeCluster, name: string, url: string) {
    this.cluster = cluster;
    this.name = name;
    this.url = url;
  }

  get row(): PeerRow {
    return [this.name, this.url];
  }

  /** What arrived of one type. */
  got<Type extends ClientFrame['type']>(type: Type): FrameOf<Type>[] {
    return this.received.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** The process dies: connections end, dials are refused. */
  kill(): void {
    this.dialStatus = 'refused';
    for (const connection of this.connections) connection.socket.terminate();
  }

  /** To all connections. */
  push(frame: ServerFrame): void {
    for (const connection of this.connections) if (connection.isOpen) connection.send(frame);
  }

  accept(socket: Socket): void {
    const connection = new Connection(this, socket);
    this.connections.push(connection);
    socket.handle({
      message: (bytes) => this.#message(connection, decodeClientFrame(bytes)),
      closed: () => {
        connection.isOpen = false;
        this.connections = this.connections.filter((each) => each !== connection);
      },
    });
  }

  #message(connection: Connection, frame: ClientFrame): void {
    if (frame.type === 'heartbeat') {
      const { term } = this.cluster;
      if (this.answersBeats) connection.send({ type: 'heartbeatAck', beat: frame.beat, term });
      return;
    }
    this.received.push(frame);
    const scripted = this.script[frame.type] as ((connection: Connection, frame: ClientFrame) => boolean) | undefined;
    if (scripted?.(connection, frame) !== true) this.cluster.answer(connection, frame);
  }
}

export class FakeCluster {
  readonly time: VirtualTime = new VirtualTime();
  readonly peers: FakePeer[] = [];
  term = 1;
  leader: FakePeer | undefined;
  leaseMs = 15_000;
  heartbeatMs = 3000;
  /** Answers by session and sequence. */
  readonly sessions: Map<string, Map<number, SubmittedFrame>> = new Map();
  /** Submitted tasks, in order of number from 1. */
  readonly tasks: { readonly payload: Uint8Array }[] = [];
  /** Tokens whose outcome counted. */
  readonly completed: Set<number> = new Set();
  readonly schedules: FakeSchedules = new FakeSchedules();
  readonly dialOptions: DialOptions[] = [];
  #drawn = 0;

  constructor(count: number) {
    for (let at = 1; at <= count; at += 1) {
      this.peers.push(new FakePeer(this, `p${at}`, `ws://peer${at}:7400/v1/connect`));
    }
    this.leader = this.peers[0];
  }

  peer(at: number): FakePeer {
    const peer = this.peers[at];
    if (peer === undefined) throw new Error(`there is no peer ${at}`);
    return peer;
  }

  /** Ports of one client or worker. */
  ports(seed = 1): ClientPorts {
    const dialer: Dialer = { dial: (url, options, handlers) => this.#dial(url, options, handlers) };
    return { dialer, clock: this.time.clock(1_700_000_000_000), timers: this.time, random: new SeededRandom(seed) };
  }

  /** A peer wins an election: everybody who is connected to a peer that lives hears of it. */
  elect(peer: FakePeer | undefined, term: number = this.term + 1): void {
    this.term = term;
    this.leader = peer;
    for (const each of this.peers) each.push({ type: 'leader', term, leader: peer?.row ?? null, peers: null });
  }

  /** The leader assigns attempts to every worker connected to it. */
  assign(rows: readonly AssignRow[], term: number = this.term): void {
    this.leader?.push({ type: 'assign', term, assignments: rows });
  }

  /** The usual answer. */
  answer(connection: Connection, frame: ClientFrame): void {
    const { peer } = connection;
    if (frame.type === 'hello') {
      connection.role = frame.role;
      this.#welcome(connection);
      return;
    }
    if (!('requestId' in frame)) return;
    const { requestId } = frame;
    if (frame.type === 'abandon') return;
    if (peer !== this.leader && frame.type !== 'status') {
      connection.refuse(requestId, 'NOT_LEADER', this.leader === undefined ? {} : { leader: this.leader.row });
      return;
    }
    switch (frame.type) {
      case 'openSession': {
        this.#drawn += 1;
        this.sessions.set(`s${this.#drawn}`, new Map());
        connection.send({ type: 'sessionOpened', requestId, session: `s${this.#drawn}` });
        break;
      }
      case 'submit':
        this.#submit(connection, frame);
        break;
      case 'cancel':
        connection.send({ type: 'cancelled', requestId, codes: frame.tasks.map(() => 0) });
        break;
      case 'attach':
        connection.send({ type: 'attached', requestId, term: this.term, stale: [], settled: [] });
        break;
      case 'complete': {
        const codes = frame.completions.map(([, token]) => (this.completed.has(token) ? 2 : 0));
        for (const [, token] of frame.completions) this.completed.add(token);
        connection.send({ type: 'completed', requestId, codes });
        break;
      }
      case 'list':
        connection.send({ type: 'taskPage', requestId, tasks: [], cursor: null, index: 17 });
        break;
      case 'putSchedule':
      case 'deleteSchedule':
      case 'pauseSchedule':
      case 'resumeSchedule': {
        const outcome = this.schedules.change(frame);
        if (typeof outcome === 'string') connection.refuse(requestId, outcome);
        else if (frame.type !== 'putSchedule') connection.send({ type: 'ok', requestId });
        else connection.send({ type: 'schedulePut', requestId, ...outcome, index: 17 });
        break;
      }
      case 'getSchedule': {
        const schedule = this.schedules.row(frame.schedule);
        if (schedule === undefined) connection.refuse(requestId, 'NOT_FOUND');
        else connection.send({ type: 'schedule', requestId, schedule, index: 17 });
        break;
      }
      case 'listSchedules':
      case 'triggerSchedule':
      case 'backfillSchedule':
      case 'nextOccurrences':
      case 'changeMember':
      case 'transferLeadership':
      case 'get':
      case 'awaitResult':
      case 'listQueues':
      case 'listWorkers':
      case 'status':
        break;
      case 'checkpoint':
      case 'extend':
      case 'detach':
      case 'drainWorker':
      case 'resumeWorker':
        connection.send({ type: 'ok', requestId });
        break;
    }
  }

  #submit(connection: Connection, frame: FrameOf<'submit'>): void {
    const session = this.sessions.get(frame.session);
    if (session === undefined) {
      connection.refuse(frame.requestId, 'SESSION_EXPIRED');
      return;
    }
    const known = session.get(frame.sequence);
    const answer = known ?? {
      type: 'submitted',
      requestId: frame.requestId,
      logIndex: this.tasks.length + 10,
      group: 0,
      epoch: 1,
      firstNumber: this.tasks.length + 1,
      created: frame.tasks.length,
      existing: [],
      repeated: false,
    };
    if (known === undefined) {
      session.set(frame.sequence, answer);
      for (const task of frame.tasks) this.tasks.push({ payload: task[2].slice() });
    }
    connection.send({ ...answer, requestId: frame.requestId, repeated: known !== undefined });
  }

  #welcome(connection: Connection): void {
    connection.send({
      type: 'welcome',
      protocolVersion: 1,
      peer: connection.peer.name,
      cluster: 'c1',
      term: this.term,
      leader: this.leader?.row ?? null,
      peers: this.peers.map((peer) => peer.row),
      limits: [256 * 1024, 8192, 16_384, 1000, 4 * 1024 * 1024, 5 * 1024 * 1024],
      leaseMs: this.leaseMs,
      heartbeatMs: this.heartbeatMs,
      group: 0,
      epoch: 1,
    });
  }

  #dial(url: string, options: DialOptions, handlers: DialHandlers): void {
    this.dialOptions.push(options);
    const peer = this.peers.find((each) => each.url === url || each.aliases.includes(url));
    if (peer !== undefined) peer.dials += 1;
    this.time.after(LATENCY_MS, () => {
      if (peer === undefined || peer.dialStatus === 'refused') {
        handlers.failed({ kind: 'refused', message: 'nobody listens' });
        return;
      }
      if (peer.dialStatus !== undefined) {
        handlers.failed({ kind: 'rejected', status: peer.dialStatus, message: 'no' });
        return;
      }
      const near = new End(this.time, url);
      const far = new End(this.time, 'client');
      near.other = far;
      far.other = near;
      peer.accept(far);
      handlers.opened(near);
    });
  }
}

/** A row of `assign` with raw bytes as its payload. */
export function assignRow(
  number: number,
  token: number,
  typeIndex = 0,
  payload: Uint8Array = new Uint8Array(0),
): AssignRow {
  return [number, token, typeIndex, 1, 3, payload, null];
}
