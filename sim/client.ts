import { below } from '../src/base/random.ts';
import { Client } from '../src/client/client.ts';
import { TaskraftError } from '../src/client/errors.ts';
import { Operator } from '../src/client/operator.ts';
import type { ResultOptions, TaskHandle } from '../src/client/task-handle.ts';
import type { TaskSpec } from '../src/client/task-spec.ts';
import { parseTaskId } from '../src/protocol/task-id.ts';
import type { Wish } from './ledger.ts';
import type { SimProcess } from './process.ts';
import { Program } from './program.ts';
import { drawKeyedTask, drawTask, sleep } from './tasks.ts';
import { Violation } from './world.ts';

/** Handles that a client remembers to ask about. */
const HANDLES_KEPT = 200;
/** Keys that all clients share. */
const KEYS = 12;

/** Codes after which a submission was certainly not executed. */
const NOT_EXECUTED: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'PAYLOAD_TOO_LARGE',
  'BATCH_TOO_LARGE',
  'KEY_CONFLICT',
  'KEY_TABLE_FULL',
  'QUEUE_LIMIT',
  'TASK_LIMIT',
  'SESSION_LIMIT',
  'TOO_MANY_REQUESTS',
  'UNAVAILABLE',
]);
/** Codes that a correct cluster never gives to these clients. */
const NEVER: ReadonlySet<string> = new Set([
  'INTERNAL',
  'INVALID_ARGUMENT',
  'MALFORMED_FRAME',
  'UNKNOWN_FRAME',
  'UNEXPECTED_FRAME',
]);

/** A client program: calls one after the other, with waits for results going on beside them. */
export class SimClient extends Program {
  #calls = 0;
  #running: { readonly process: SimProcess; readonly client: Client } | undefined;
  #marks = 0;
  /** Wishes whose outcome the running process still waits for. */
  readonly #waiting = new Set<Wish>();
  /** Tasks of any of its processes, for later questions. */
  readonly #handles: string[] = [];
  /** Tasks that this client knows to be final. */
  readonly #final = new Set<string>();

  protected override main(process: SimProcess): void {
    this.#live(process).catch((error: unknown) => {
      if (error instanceof Violation) this.context.world.fail(error);
      else this.context.world.fail(new Violation('client', `${this.host} broke: ${describe(error)}`, error));
    });
  }

  protected override died(process: SimProcess): void {
    const { ledger } = this.context;
    for (const wish of this.#waiting) wish.outcome = 'unknown';
    this.#waiting.clear();
    for (const call of ledger.open) if (call.startsWith(`${process.name}/`)) ledger.open.delete(call);
  }

  async #live(process: SimProcess): Promise<void> {
    const { network, urls, options, asking } = this.context;
    const { clock, timers, random, logger } = process;
    const client = await this.#connect(
      process,
      { dialer: network.dialer(process), clock, timers, random },
      urls,
      logger,
    );
    this.#running = { process, client };
    if (this.context.calm()) this.resumeWorkers(this.context.workers());
    while (asking()) {
      const thinkMs = below(random, 2 * options.workload.thinkMs);
      await sleep(process, thinkMs);
      if (asking()) this.#step(process, client);
    }
  }

  async #connect(
    process: SimProcess,
    ports: Parameters<typeof Client.connect>[1],
    urls: readonly string[],
    logger: SimProcess['logger'],
  ): Promise<Client> {
    for (;;) {
      try {
        return await Client.connect({ urls, logger, timeoutMs: 4_000 }, ports);
      } catch (error) {
        if (codeOf(error) !== 'UNAVAILABLE') throw error;
        await sleep(process, 200);
      }
    }
  }

  /** Begins one call. */
  #step(process: SimProcess, client: Client): void {
    const { random } = process;
    const { workload } = this.context.options;
    const lot = this.context.enough() ? 70 + below(random, 30) : below(random, 100);
    if (lot < 45) this.#submit(process, client, [this.#draw(process)]);
    else if (lot < 60) {
      const count = 1 + below(random, workload.batchMax);
      this.#submit(
        process,
        client,
        Array.from({ length: count }, () => this.#draw(process)),
      );
    } else if (lot < 70)
      this.#submit(process, client, [
        { mark: this.#mark(), spec: drawKeyedTask(random, `key-${below(random, KEYS)}`) },
      ]);
    else if (lot < 90) this.#get(process, client);
    else if (lot < 95) this.#cancel(process, client);
    else if (lot < 98) this.#list(process, client);
    else this.#operate(process, client);
  }

  /** What an operator does: looks at everything, and now and then drains a worker or lets it work again. */
  #operate(process: SimProcess, client: Client): void {
    const operator = new Operator(client);
    const worker = `w${1 + below(process.random, this.context.options.workload.workers)}`;
    const lot = below(process.random, 6);
    this.#call(process, `operate ${lot} ${worker}`, async () => {
      if (lot === 0 && !this.context.calm()) {
        await operator.drainWorker(worker, below(process.random, 2_000));
        // It may have been under way while everything was healed.
        if (this.context.calm()) this.resumeWorkers([worker]);
      } else if (lot <= 2) await operator.resumeWorker(worker);
      else if (lot === 3) await operator.queues();
      else if (lot === 4) await operator.workers();
      else await operator.status();
    });
  }

  /** Ends every drain, until the cluster has said yes to each. */
  resumeWorkers(workers: readonly string[]): void {
    const running = this.#running;
    if (running?.process.alive !== true) return;
    const { process, client } = running;
    for (const worker of workers) {
      const resume = (): void => {
        new Operator(client).resumeWorker(worker).catch((error: unknown) => {
          if (codeOf(error) !== 'NOT_FOUND') process.timers.after(200, resume);
        });
      };
      resume();
    }
  }

  #draw(process: SimProcess): { mark: string; spec: TaskSpec } {
    const mark = this.#mark();
    return { mark, spec: drawTask(process.random, this.context.options.workload, mark) };
  }

  #mark(): string {
    this.#marks += 1;
    return `${this.host}-${this.#marks}`;
  }

  #submit(process: SimProcess, client: Client, tasks: { mark: string; spec: TaskSpec }[]): void {
    const { ledger, world, visible } = this.context;
    const wishes = tasks.map(({ mark, spec }): Wish => {
      const wish: Wish = {
        mark,
        key: spec.key,
        askedUs: world.nowUs,
        answeredUs: undefined,
        after: visible.frontier,
        outcome: 'open',
        code: undefined,
        id: undefined,
        number: undefined,
        deduplicated: false,
      };
      ledger.wishes.set(mark, wish);
      this.#waiting.add(wish);
      return wish;
    });
    const specs = tasks.map(({ spec }) => spec);
    this.#call(process, `submit ${wishes.map(({ mark }) => mark).join(' ')}`, async () => {
      try {
        const handles =
          specs.length === 1 ? [await client.submit(specs[0] as TaskSpec)] : await client.submitMany(specs);
        for (const [at, wish] of wishes.entries()) this.#acknowledged(wish, handles[at] as TaskHandle);
        // Every other one is waited for.
        for (const handle of handles) if (below(process.random, 2) === 0) this.#await(process, handle);
      } catch (error) {
        const code = codeOf(error);
        if (code === undefined) throw error;
        for (const wish of wishes) {
          wish.outcome = NOT_EXECUTED.has(code) ? 'refused' : 'unknown';
          wish.code = code;
          this.#waiting.delete(wish);
        }
        throw error;
      }
    });
  }

  #acknowledged(wish: Wish, handle: TaskHandle): void {
    wish.id = handle.id;
    wish.number = numberOf(handle.id);
    wish.deduplicated = handle.deduplicated;
    wish.outcome = 'acknowledged';
    wish.answeredUs = this.context.world.nowUs;
    this.#waiting.delete(wish);
    this.context.visible.acknowledged(wish);
    this.context.ledger.given(handle.id);
    this.#handles.push(handle.id);
    if (this.#handles.length > HANDLES_KEPT) this.#handles.shift();
  }

  #await(process: SimProcess, handle: TaskHandle): void {
    const { ledger, world } = this.context;
    this.#call(process, `result of ${numberOf(handle.id)}`, async () => {
      const number = numberOf(handle.id);
      const callUs = world.nowUs;
      const saw = (state: string, result?: unknown): void =>
        ledger.shown(process.name, number, callUs, world.nowUs, {
          id: handle.id,
          state,
          result: result === undefined ? undefined : JSON.stringify(result),
        });
      try {
        const result = await handle.result(this.#patience(process));
        ledger.ends.push({ number, state: 'done', result });
        saw('done', result);
      } catch (error) {
        const code = codeOf(error);
        if (code !== 'TASK_FAILED' && code !== 'TASK_CANCELLED') throw error;
        const state = code === 'TASK_FAILED' ? 'failed' : 'cancelled';
        ledger.ends.push({ number, state, result: undefined });
        saw(state);
      }
      this.#final.add(handle.id);
    });
  }

  /** How long it waits for a result: in one of twenty calls each it gives up at some time, or is told to as well. */
  #patience(process: SimProcess): ResultOptions {
    const lot = below(process.random, 20);
    if (lot > 1) return {};
    const controller = new AbortController();
    if (lot === 0) process.timers.after(below(process.random, 3_000), () => controller.abort('tired'));
    return { signal: controller.signal, timeoutMs: 1 + below(process.random, 5_000) };
  }

  #get(process: SimProcess, client: Client): void {
    const id = this.#pickHandle(process);
    if (id === undefined) return;
    const knewFinal = this.#final.has(id);
    this.#call(process, `get ${numberOf(id)}`, async () => {
      const { ledger, world, visible } = this.context;
      const callUs = world.nowUs;
      if (below(process.random, 5) === 0) {
        const seen = await client.get(id, { stale: true });
        ledger.staleReads += 1;
        visible.shownAt(numberOf(id), seen.state, seen.index, 0);
        return;
      }
      const task = await client.get(id);
      visible.shown(numberOf(id), task.state, knewFinal);
      ledger.shown(process.name, numberOf(id), callUs, world.nowUs, { id, state: task.state, result: undefined });
    });
  }

  #cancel(process: SimProcess, client: Client): void {
    const id = this.#pickHandle(process);
    if (id === undefined) return;
    this.#call(process, `cancel ${numberOf(id)}`, async () => {
      const { ledger, world } = this.context;
      ledger.mayHappen(process.name, numberOf(id), world.nowUs, { f: 'cancel' });
      await client.handle(id).cancel();
    });
  }

  #list(process: SimProcess, client: Client): void {
    // A list may be made before what is heard while it is on its way.
    const knewFinal = new Set(this.#final);
    this.#call(process, 'list', async () => {
      const page = await client.list({ limit: 1 + below(process.random, 50) });
      for (const task of page.tasks) this.context.visible.shown(numberOf(task.id), task.state, knewFinal.has(task.id));
    });
  }

  #pickHandle(process: SimProcess): string | undefined {
    return this.#handles[below(process.random, Math.max(1, this.#handles.length))];
  }

  /** Counts a call, and keeps what it ends with. */
  #call(process: SimProcess, what: string, action: () => Promise<void>): void {
    const { ledger, world } = this.context;
    this.#calls += 1;
    const call = this.#calls;
    const name = `${process.name}/${call}`;
    ledger.open.add(name);
    world.line(this.host, () => `call ${call}: ${what}`);
    ledger.requests += 1;
    action()
      .then(() => {
        ledger.count('ok');
        world.line(this.host, () => `call ${call} is answered`);
      })
      .catch((error: unknown) => {
        if (error instanceof Violation) return world.fail(error);
        const code = codeOf(error);
        if (code === undefined || NEVER.has(code)) {
          return world.fail(new Violation('client', `${this.host} was answered ${describe(error)}`, error));
        }
        ledger.count(code);
        world.line(this.host, () => `call ${call} ends with ${code}`);
      })
      .finally(() => ledger.open.delete(name));
  }
}

function numberOf(id: string): number {
  return parseTaskId(id)?.number ?? 0;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof TaskraftError ? error.code : undefined;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
