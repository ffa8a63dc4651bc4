/**
 * The tour itself: three peers and two workers as processes of their own, real tasks, the leader killed in the middle, and all
 * of it brought to an end. It only collects facts; `summary.ts` judges them.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Operator } from '../../client/operator.ts';
import { Client } from '../../index.ts';
import type { StatusAnswerFrame } from '../../protocol/server-frame.ts';
import { CliError } from '../exit.ts';
import { clientUrls, freePorts, type LocalCluster, startLocalMember, writeLocalCluster } from '../local-cluster.ts';
import { describeEnd, OwnProcess } from '../own-process.ts';
import { ACCEPTED, CHECKSUM_TYPE } from './demo-worker.ts';
import { type FileSum, sumFiles } from './files.ts';
import { RecordFile, sharedClockMs } from './records.ts';
import type { DemoFacts, PeerDigest, ReadBackTask } from './summary.ts';

/** What a tour is made with. */
export interface TourOptions {
  /** The directory whose files are summed. */
  readonly root: string;
  /** Files of each task. */
  readonly groups: readonly (readonly string[])[];
  /** An empty directory for everything that is written. */
  readonly directory: string;
  /** Something is under way, for people. */
  readonly say: (line: string) => void;
  /** So many tasks are done. */
  readonly progress: (done: number, tasks: number) => void;
}

const PEERS = 3;
const WORKERS = 2;
const SLOTS = 8;
/** Tasks of one submission, and tasks under way. */
const BATCH_TASKS = 20;
const WINDOW_TASKS = 100;
/** The tour gives up when nothing has happened for this long. */
const PATIENCE_MS = 60_000;
const POLL_MS = 50;
const READS_AT_A_TIME = 32;

/** One tour. `run` once, then `end` in any case. */
export class Tour {
  readonly #options: TourOptions;
  readonly #peers = new Map<string, OwnProcess>();
  readonly #workers: OwnProcess[] = [];
  /** The process that was killed on purpose. */
  #victim: OwnProcess | undefined;
  #accepted = 0;
  #ending = false;
  #fail: (error: Error) => void = () => {};
  /** Rejected when a process ends that should not. */
  readonly #broken: Promise<never>;

  constructor(options: TourOptions) {
    this.#options = options;
    this.#broken = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#broken.catch(() => {});
  }

  /** From the first process to the last fact. @throws CliError when a process breaks or nothing happens any more */
  run(): Promise<DemoFacts> {
    return Promise.race([this.#run(), this.#broken]);
  }

  /** Ends every process; fulfilled when all are gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#ending = true;
    const all = [...this.#workers, ...this.#peers.values()];
    for (const one of all) one.kill(signal);
    await Promise.all(all.map((one) => one.stop()));
  }

  async #run(): Promise<DemoFacts> {
    const options = this.#options;
    const tasks = options.groups.length;
    const cluster = await this.#startPeers();
    options.say(`${PEERS} peers are up: ${clientUrls(cluster).join(', ')}`);
    await this.#startWorkers(cluster);
    options.say(`${WORKERS} workers are up, ${SLOTS} slots each`);
    const client = await Client.connect({ urls: clientUrls(cluster) });
    const operator = new Operator(client);
    try {
      const beganAtMs = sharedClockMs();
      options.say(`submitting ${tasks} tasks: SHA-256 and size of ${options.groups.flat().length} files`);
      const clientFile = path.join(options.directory, 'client.records');
      const [ids, kill] = await Promise.all([this.#submitAll(client, clientFile), this.#killInTheMiddle(operator)]);
      await this.#untilDone(operator, tasks);
      options.say('all tasks are over');
      const endIndex = Math.max(...(await statuses(operator)).map((status) => status.commitIndex));
      await this.#restart(cluster);
      // Ends what is over already: changes nothing, but is an entry, and each peer marks the state after the last one.
      await client.handle(ids[0] ?? '').cancel();
      const digests = await this.#catchUp(operator, endIndex);
      options.say('reading every task back, and computing the manifest directly');
      const [readBack, expected] = await Promise.all([readBackAll(client, ids), this.#sumDirectly()]);
      return {
        tasks,
        clientFile: readFileSync(clientFile, 'utf8'),
        workerFiles: this.#workers.map((_, at) => readFileSync(this.#recordOf(at), 'utf8')),
        beganAtMs,
        kill,
        readBack,
        peers: cluster.members.map((member) => member.id),
        digests,
        endIndex,
        expected,
      };
    } finally {
      await client.close();
    }
  }

  async #startPeers(): Promise<LocalCluster> {
    const cluster = writeLocalCluster(this.#options.directory, 'demo', await freePorts(2 * PEERS));
    for (const member of cluster.members) this.#peers.set(member.id, startLocalMember(cluster, member));
    for (const one of this.#peers.values()) this.#watch(one);
    await Promise.all([...this.#peers.values()].map((one) => one.ready));
    return cluster;
  }

  async #startWorkers(cluster: LocalCluster): Promise<void> {
    const urls = clientUrls(cluster).join(',');
    for (let at = 0; at < WORKERS; at += 1) {
      const record = ['--record', this.#recordOf(at), '--slots', String(SLOTS)];
      const worker = new OwnProcess({
        name: `worker ${at + 1}`,
        args: ['demo-worker', '--urls', urls, '--root', this.#options.root, ...record],
        message: (message) => {
          if (message !== ACCEPTED) return;
          this.#accepted += 1;
          this.#options.progress(this.#accepted, this.#options.groups.length);
        },
      });
      this.#workers.push(worker);
      this.#watch(worker);
    }
    await Promise.all(this.#workers.map((worker) => worker.ready));
  }

  #recordOf(worker: number): string {
    return path.join(this.#options.directory, `worker-${worker + 1}.records`);
  }

  #watch(one: OwnProcess): void {
    void one.ended.then((end) => {
      if (this.#ending || one === this.#victim) return;
      this.#fail(new CliError('PROCESS_FAILED', `${one.name} ${describeEnd(end)}: ${one.lastWords.trim()}`));
    });
  }

  /** Submits all tasks, a window of them under way at a time; keeps some back until the leader was killed. */
  async #submitAll(client: Client, file: string): Promise<readonly string[]> {
    const { groups } = this.#options;
    const record = new RecordFile(file);
    const ids: string[] = [];
    while (ids.length < groups.length) {
      const keptBack = this.#victim === undefined ? Math.ceil(groups.length / 3) : 0;
      const room = Math.min(this.#accepted + WINDOW_TASKS, groups.length - keptBack) - ids.length;
      if (room <= 0) {
        await pause(5);
        continue;
      }
      const batch = groups.slice(ids.length, ids.length + Math.min(room, BATCH_TASKS));
      const handles = await client.submitMany(batch.map((files) => ({ type: CHECKSUM_TYPE, payload: files })));
      for (const handle of handles) {
        record.append({ event: 'acknowledged', id: handle.id, atMs: sharedClockMs() });
        ids.push(handle.id);
      }
    }
    record.close();
    return ids;
  }

  async #killInTheMiddle(operator: Operator): Promise<DemoFacts['kill']> {
    const third = Math.max(1, Math.floor(this.#options.groups.length / 3));
    await this.#until(
      'a third of the tasks is done',
      () => Promise.resolve(this.#accepted >= third),
      () => this.#accepted,
      5,
    );
    let leader: StatusAnswerFrame | undefined;
    await this.#until('there is a leader', async () => {
      leader = (await statuses(operator)).find((status) => status.role === 'leader');
      return leader !== undefined;
    });
    const victim = leader === undefined ? undefined : this.#peers.get(leader.peer);
    if (leader === undefined || victim === undefined) throw new CliError('NO_LEADER', 'there is no leader to kill');
    this.#victim = victim;
    const kill = { atMs: sharedClockMs(), term: leader.term };
    victim.kill('SIGKILL');
    this.#options.say(
      `${this.#accepted} of ${this.#options.groups.length} tasks done: ${leader.peer}, leader of term ${leader.term}, is killed (SIGKILL)`,
    );
    return kill;
  }

  async #untilDone(operator: Operator, tasks: number): Promise<void> {
    let over = 0;
    await this.#until(
      'all tasks are over',
      async () => {
        const finished = (await operator.queues()).map((row) => row[4]);
        over = finished.reduce((sum, count) => sum + count, 0);
        return over >= tasks;
      },
      () => over,
    );
  }

  async #restart(cluster: LocalCluster): Promise<void> {
    const member = cluster.members.find((one) => one.id === this.#victim?.name);
    if (member === undefined) throw new CliError('INTERNAL', 'nobody was killed');
    await this.#victim?.ended;
    const again = startLocalMember(cluster, member);
    this.#peers.set(member.id, again);
    this.#watch(again);
    await again.ready;
    this.#options.say(`${member.id} is started again`);
  }

  /** Waits until all peers have one mark at or behind `endIndex`; gives their digests at the newest of these. */
  async #catchUp(operator: Operator, endIndex: number): Promise<readonly PeerDigest[]> {
    let digests: readonly PeerDigest[] = [];
    await this.#until('all peers have the same mark', async () => {
      digests = digestsAtOneMark(await statuses(operator), endIndex);
      return digests.length === PEERS;
    });
    this.#options.say(`all ${PEERS} peers have applied entry ${digests[0]?.index}`);
    return digests;
  }

  async #sumDirectly(): Promise<readonly FileSum[]> {
    return sumFiles(this.#options.root, this.#options.groups.flat());
  }

  /** Looks again and again until `holds`. @throws CliError when that and `progressOf` have not changed for a minute */
  async #until(
    what: string,
    holds: () => Promise<boolean>,
    progressOf: () => number = () => 0,
    everyMs: number = POLL_MS,
  ): Promise<void> {
    let sinceMs = sharedClockMs();
    let progress = progressOf();
    while (!(await holds())) {
      if (progressOf() !== progress) {
        progress = progressOf();
        sinceMs = sharedClockMs();
      }
      if (sharedClockMs() - sinceMs > PATIENCE_MS) {
        throw new CliError('TIMEOUT', `waited ${PATIENCE_MS / 1_000} s in vain until ${what}`);
      }
      await pause(everyMs);
    }
  }
}

/** How each peer that answers is. */
async function statuses(operator: Operator): Promise<readonly StatusAnswerFrame[]> {
  const answers = await operator.status();
  return answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
}

function digestsAtOneMark(peers: readonly StatusAnswerFrame[], endIndex: number): readonly PeerDigest[] {
  const [first] = peers;
  const indices = (first?.marks ?? []).map(([index]) => index).filter((index) => index >= endIndex);
  for (const index of indices.reverse()) {
    const digests = peers.flatMap(({ peer, marks }) =>
      marks.filter((mark) => mark[0] === index).map((mark) => ({ peer, index, digest: mark[1] })),
    );
    if (digests.length === PEERS) return digests;
  }
  return [];
}

async function readBackAll(client: Client, ids: readonly string[]): Promise<readonly ReadBackTask[]> {
  const tasks: ReadBackTask[] = [];
  for (let from = 0; from < ids.length; from += READS_AT_A_TIME) {
    const some = await Promise.all(ids.slice(from, from + READS_AT_A_TIME).map((id) => client.get(id)));
    for (const { id, state, result } of some) {
      tasks.push({ id, state, sums: Array.isArray(result) ? (result as readonly FileSum[]) : [] });
    }
  }
  return tasks;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
