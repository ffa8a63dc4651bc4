/** Some clients of the SDK in one process, each doing one operation after the other. Argument: an order, see `messages.ts`. */
import { below, deriveSeed, type Random, SeededRandom } from '../../src/base/random.ts';
import { Client, TaskraftError, type TaskInfo } from '../../src/index.ts';
import { pause, sharedClockMs } from '../clock.ts';
import { drawKey, keyOf, keysBeside, queueOf, type SharedResult, specOf } from './keys.ts';
import { type LoadOrder, PROGRESS_MS, readOrder, TASK_TYPE, tell, type ToLoad } from './messages.ts';
import { type Answer, type Asked, type CallRecord, nowUs, Recorder } from './recorder.ts';

/** Patience of clients in turn, in ms: the short ones see outcomes that nobody knows, the long ones see what comes of it. */
const TIMEOUTS_MS: readonly number[] = [250, 10_000, 600, 10_000];
/** How long a result is waited for, in ms. */
const RESULT_TIMEOUT_MS = 1_500;
/** After an error, before the next operation, in ms. */
const AFTER_ERROR_MS = 20;
/** Ids that one client remembers. */
const IDS_MAX = 200;
/** Codes by which a call is certain to have had no effect. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TOO_MANY_REQUESTS', 'OVERLOADED', 'NO_SPACE']);
const READS: ReadonlySet<Asked> = new Set<Asked>(['get', 'result', 'list']);

const order = readOrder();
const recorder = new Recorder(order.file);
const beganMs = Number(process.argv[3] ?? sharedClockMs());
const load = { stopped: false };
let count = 0;

/** One client, and what it remembers. */
class LoadClient {
  readonly #name: string;
  readonly #client: Client;
  readonly #random: Random;
  /** One more after each call of which nobody knows the outcome: whoever made it is never heard again. */
  #life = 0;
  /** Tasks that it knows by number of their keys; the oldest is forgotten first. */
  readonly #known = new Map<number, string>();

  constructor(name: string, client: Client, random: Random) {
    this.#name = name;
    this.#client = client;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (!load.stopped) {
      const beganAtMs = sharedClockMs();
      await (order.kind === 'mixed' ? this.#anything() : this.#submission());
      count += 1;
      const leftMs = order.pace - (sharedClockMs() - beganAtMs);
      if (leftMs > 0) await pause(leftMs);
    }
  }

  #anything(): Promise<void> {
    const lot = below(this.#random, 100);
    const known = [...this.#known.keys()];
    const number = known[below(this.#random, Math.max(1, known.length))];
    if (lot < 40 || number === undefined) return this.#submit();
    const id = this.#known.get(number) ?? '';
    if (lot < 65) return this.#get(number, id);
    if (lot < 75) return this.#cancel(number, id);
    if (lot < 90) return this.#result(number, id);
    return this.#list(number);
  }

  async #submission(): Promise<void> {
    try {
      const handle = await this.#client.submit({ type: TASK_TYPE, payload: { key: '', workMs: 0 } });
      recorder.add({ record: 'acknowledged', id: handle.id, atUs: nowUs() });
    } catch (error) {
      codeOf(error);
      await pause(AFTER_ERROR_MS);
    }
  }

  #submit(): Promise<void> {
    const number = drawKey(this.#random, beganMs, sharedClockMs());
    return this.#call('submit', number, async () => {
      const { id, deduplicated } = await this.#client.submit(specOf(number));
      recorder.add({ record: 'acknowledged', id, atUs: nowUs() });
      this.#remember(number, id);
      return { id, deduplicated };
    });
  }

  #get(number: number, id: string): Promise<void> {
    return this.#call('get', number, async () => {
      try {
        return answerOf(await this.#client.get(id));
      } catch (error) {
        if (codeOf(error) === 'NOT_FOUND') return { state: 'absent' };
        throw error;
      }
    });
  }

  #cancel(number: number, id: string): Promise<void> {
    return this.#call('cancel', number, async () => ({ id, state: await this.#client.handle(id).cancel() }));
  }

  #result(number: number, id: string): Promise<void> {
    return this.#call('result', number, async () => {
      try {
        const result = (await this.#client.handle(id).result({ timeoutMs: RESULT_TIMEOUT_MS })) as SharedResult;
        return { id, state: 'done', token: result.token };
      } catch (error) {
        const code = codeOf(error);
        if (code === 'TASK_CANCELLED') return { id, state: 'cancelled' };
        if (code === 'TASK_FAILED') return { id, state: 'failed' };
        throw error;
      }
    });
  }

  /** All tasks of a queue: an answer for each of its keys, since each was looked at during the call. */
  async #list(number: number): Promise<void> {
    const calledUs = nowUs();
    const seen = new Map<string, TaskInfo>();
    try {
      let cursor: string | undefined;
      do {
        const more = cursor === undefined ? {} : { cursor };
        const page = await this.#client.list({ queue: queueOf(number), ...more });
        for (const task of page.tasks) seen.set(task.key ?? '', task);
        cursor = page.cursor;
      } while (cursor !== undefined);
    } catch (error) {
      codeOf(error);
      return pause(AFTER_ERROR_MS);
    }
    const returnedUs = nowUs();
    for (const key of keysBeside(number)) {
      const task = seen.get(key);
      const value = task === undefined ? { state: 'absent' } : listed(task);
      const process = `${this.#name}.${this.#life}.${key}`;
      recorder.add({ record: 'call', process, f: 'list', key, calledUs, returnedUs, type: 'ok', value });
    }
  }

  async #call(f: Asked, number: number, ask: () => Promise<Answer>): Promise<void> {
    const base = { record: 'call' as const, process: `${this.#name}.${this.#life}`, f, key: keyOf(number) };
    const calledUs = nowUs();
    let record: CallRecord;
    try {
      const value = await ask();
      record = { ...base, calledUs, returnedUs: nowUs(), type: 'ok', value };
    } catch (error) {
      const code = codeOf(error);
      const type = READS.has(f) || WITHOUT_EFFECT.has(code) ? 'fail' : 'info';
      record = { ...base, calledUs, returnedUs: nowUs(), type, value: code };
      if (type === 'info') this.#life += 1;
      await pause(AFTER_ERROR_MS);
    }
    recorder.add(record);
  }

  #remember(number: number, id: string): void {
    this.#known.delete(number);
    this.#known.set(number, id);
    if (this.#known.size <= IDS_MAX) return;
    for (const oldest of this.#known.keys()) return void this.#known.delete(oldest);
  }
}

function answerOf(task: TaskInfo): Answer {
  const { id, state } = task;
  if (state === 'done') return { id, state, token: (task.result as SharedResult).token };
  return { id, state: state === 'cancelled' || state === 'failed' ? state : 'open' };
}

/** Lists show no results; the token is that of the latest placement, which is the one that counts. */
function listed(task: TaskInfo): Answer {
  const { id, state, fencingToken } = task;
  if (state === 'done') return { id, state, token: fencingToken };
  return { id, state: state === 'cancelled' || state === 'failed' ? state : 'open' };
}

/** The code of an error of the SDK. @throws what is none, for that is a mistake of the program */
function codeOf(error: unknown): string {
  if (error instanceof TaskraftError) return error.code;
  throw error;
}

async function connect({ urls, token }: LoadOrder, number: number): Promise<Client> {
  const timeoutMs = order.kind === 'mixed' ? (TIMEOUTS_MS[number % TIMEOUTS_MS.length] ?? 10_000) : 10_000;
  // The first connection may take longer than an operation may.
  for (;;) {
    try {
      return await Client.connect({ urls, timeoutMs, ...(token === undefined ? {} : { token }) });
    } catch (error) {
      if (codeOf(error) !== 'UNAVAILABLE') throw error;
    }
  }
}

const clients = await Promise.all(Array.from({ length: order.count }, (_, at) => connect(order, order.first + at)));
const runs = clients.map((client, at) => {
  const name = `c${order.first + at}`;
  return new LoadClient(name, client, new SeededRandom(deriveSeed(order.seed, name))).run();
});
process.on('message', (message: ToLoad) => {
  if (message.type === 'stop') {
    load.stopped = true;
    void Promise.all(runs).then(() => {
      recorder.flush();
      tell({ type: 'progress', count });
      tell({ type: 'stopped' });
    });
  } else if (message.type === 'end') {
    recorder.close();
    void Promise.all(clients.map((client) => client.close())).then(() => process.exit(0));
  }
});
process.on('disconnect', () => process.exit(1));
setInterval(() => tell({ type: 'progress', count }), PROGRESS_MS).unref();
tell({ type: 'ready' });
