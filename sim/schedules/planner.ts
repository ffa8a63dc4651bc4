import { below } from '../../src/base/random.ts';
import { Client } from '../../src/client/client.ts';
import { TaskraftError } from '../../src/client/errors.ts';
import type { HostClock, SimProcess } from '../process.ts';
import { Program } from '../program.ts';
import { sleep } from '../tasks.ts';
import type { WorkloadContext } from '../workload.ts';
import { Violation } from '../world.ts';
import { instantsBetween } from './expected-instants.ts';
import { drawPlan, OVERLAPS, type Plan } from './plan.ts';

/** Between two looks at whether schedules are left, once there should be none, in ms. */
const CLEAR_MS = 200;
/** How far a preview is compared, in ms from where it begins. */
const PREVIEW_MS = 3_600_000;

/** Codes that a correct cluster never gives to these users. */
const NEVER: ReadonlySet<string> = new Set(['INTERNAL', 'MALFORMED_FRAME', 'UNKNOWN_FRAME', 'UNEXPECTED_FRAME']);

/** What may be answered to one call and to no other. */
interface Allowed {
  readonly invalidSchedule?: boolean;
  readonly invalidArgument?: boolean;
}

/** What planners need beside what all users do. */
export interface PlannerParts {
  /** Schedules that there are. */
  readonly left: () => number;
}

/** A user of schedules: puts, changes, pauses, triggers, fills in and deletes them, under ids that all planners share. */
export class Planner extends Program {
  readonly #parts: PlannerParts;
  #running: { readonly process: SimProcess; readonly client: Client } | undefined;
  #calls = 0;
  #marks = 0;
  #isClearing = false;
  /** The plan that this planner put last under an id, to be put once more. */
  readonly #put: Map<string, Plan> = new Map();
  /** Its last requests, to be made once more. */
  readonly #requests: { readonly request: string; readonly schedule: string }[] = [];

  constructor(host: string, clock: HostClock, context: WorkloadContext, parts: PlannerParts) {
    super(host, clock, context);
    this.#parts = parts;
  }

  /** Deletes all schedules, whoever put them, until there are none. */
  clear(): void {
    this.#isClearing = true;
    const running = this.#running;
    if (running?.process.alive === true) this.#clearOnce(running.process, running.client);
  }

  protected override main(process: SimProcess): void {
    this.#live(process).catch((error: unknown) => {
      if (error instanceof Violation) this.context.world.fail(error);
      else this.context.world.fail(new Violation('client', `${this.host} broke: ${describe(error)}`, error));
    });
  }

  protected override died(process: SimProcess): void {
    const { ledger } = this.context;
    for (const call of ledger.open) if (call.startsWith(`${process.name}/`)) ledger.open.delete(call);
  }

  async #live(process: SimProcess): Promise<void> {
    const { options, asking } = this.context;
    const { random } = process;
    const client = await this.#connect(process);
    this.#running = { process, client };
    if (this.#isClearing) this.#clearOnce(process, client);
    while (asking()) {
      await sleep(process, below(random, 2 * options.schedules.thinkMs));
      if (asking()) this.#step(process, client);
    }
  }

  async #connect(process: SimProcess): Promise<Client> {
    const { network, urls } = this.context;
    const { clock, timers, random, logger } = process;
    for (;;) {
      try {
        const ports = { dialer: network.dialer(process), clock, timers, random };
        return await Client.connect({ urls, logger, timeoutMs: 4_000 }, ports);
      } catch (error) {
        if (codeOf(error) !== 'UNAVAILABLE') throw error;
        await sleep(process, CLEAR_MS);
      }
    }
  }

  #step(process: SimProcess, client: Client): void {
    const { random } = process;
    const { schedules } = client;
    const id = `s-${1 + below(random, this.context.options.schedules.ids)}`;
    const lot = this.context.calm() ? 40 + below(random, 60) : below(random, 100);
    if (lot < 34) this.#doPut(process, client, id);
    else if (lot < 42) this.#call(process, `pause ${id}`, () => schedules.pause(id, 'for a while'));
    else if (lot < 58) this.#call(process, `resume ${id}`, () => schedules.resume(id));
    else if (lot < 74) this.#doTrigger(process, client, id);
    else if (lot < 82) this.#doBackfill(process, client, id);
    else if (lot < 85) this.#call(process, `delete ${id}`, () => schedules.delete(id));
    else if (lot < 92) this.#call(process, `get ${id}`, () => schedules.get(id, { stale: below(random, 3) === 0 }));
    else if (lot < 94) this.#call(process, 'list schedules', () => schedules.list({ limit: 1 + below(random, 4) }));
    else if (lot < 97) this.#call(process, `next of ${id}`, () => schedules.next(id, 1 + below(random, 20)));
    else this.#doPreview(process, client, id);
  }

  #doPut(process: SimProcess, client: Client, id: string): void {
    const { random } = process;
    const { world, options, book } = this.context;
    const before = this.#put.get(id);
    let plan = below(random, 8) === 0 ? before : undefined;
    if (plan === undefined) {
      this.#marks += 1;
      const mark = `${this.host}-put-${this.#marks}`;
      plan = drawPlan(random, options, { id, mark, nowMs: Math.floor(world.epochMs + world.nowUs / 1_000) });
      book.plans.set(mark, plan);
    }
    const { spec, mark, mayNeverFire } = plan;
    this.#put.set(id, plan);
    const expectedVersion = below(random, 6) === 0 ? { expectedVersion: below(random, 3) } : {};
    const words = (): string => `put ${mark} as ${id}: ${JSON.stringify({ ...spec, task: undefined })}`;
    this.#call(
      process,
      words,
      async () => {
        const { version } = await client.schedules.put({ ...spec, ...expectedVersion });
        book.puts.push({ schedule: id, mark, version });
      },
      { invalidSchedule: mayNeverFire },
    );
  }

  #doTrigger(process: SimProcess, client: Client, id: string): void {
    const { random } = process;
    const { book } = this.context;
    const { request, schedule } = this.#request(process, 'trigger', id);
    const overlap = below(random, 3) === 0 ? { overlap: OVERLAPS[below(random, OVERLAPS.length)] ?? 'skip' } : {};
    this.#call(process, `trigger ${schedule} as ${request}`, async () => {
      const answer = await client.schedules.trigger(schedule, { request, ...overlap });
      book.triggers.push({ schedule, request, answer });
    });
  }

  #doBackfill(process: SimProcess, client: Client, id: string): void {
    const { random } = process;
    const { world, book } = this.context;
    const { request, schedule } = this.#request(process, 'backfill', id);
    const known = book.backfills.get(request);
    const nowMs = Math.floor(world.epochMs + world.nowUs / 1_000);
    const toMs = known?.toMs ?? nowMs - below(random, 30_000);
    const fromMs = known?.fromMs ?? toMs - below(random, 20_000);
    book.backfills.set(request, { schedule, fromMs, toMs });
    const overlap = below(random, 3) === 0 ? { overlap: OVERLAPS[below(random, OVERLAPS.length)] ?? 'skip' } : {};
    this.#call(
      process,
      `backfill ${schedule} as ${request}`,
      () => client.schedules.backfill(schedule, { from: fromMs, to: toMs, request, ...overlap }),
      { invalidArgument: true },
    );
  }

  /** A new request, or now and then one that was made before. */
  #request(process: SimProcess, kind: string, schedule: string): { request: string; schedule: string } {
    const { random } = process;
    const again = this.#requests.filter(({ request }) => request.includes(kind)).slice(-2);
    const known = again[below(random, again.length + 1)];
    if (known !== undefined && below(random, 3) === 0) return known;
    this.#marks += 1;
    const made = { request: `${this.host}-${kind}-${this.#marks}`, schedule };
    this.#requests.push(made);
    if (this.#requests.length > 10) this.#requests.shift();
    return made;
  }

  /** What a schedule would do, against the slow reading. */
  #doPreview(process: SimProcess, client: Client, id: string): void {
    const { random } = process;
    const { world, options } = this.context;
    const afterMs = Math.floor(world.epochMs + world.nowUs / 1_000);
    const plan = drawPlan(random, options, { id, mark: '', nowMs: afterMs });
    const { cron, every, phase, at, specs, exclude, timeZone, dst, startAt, endAt, jitter } = plan.spec;
    const when = { cron, every, phase, at, specs, exclude, timeZone, dst, startAt, endAt, jitter };
    const given = Object.fromEntries(Object.entries(when).filter(([, value]) => value !== undefined));
    this.#call(
      process,
      `preview of ${id}`,
      async () => {
        const { occurrences } = await client.schedules.preview(id, given, 12, { after: afterMs });
        const endMs = afterMs + PREVIEW_MS;
        const shown = occurrences.map(({ plannedMs }) => plannedMs).filter((ms) => ms <= endMs);
        const untilMs = occurrences.length < 12 ? endMs : Math.min(endMs, occurrences.at(-1)?.plannedMs ?? endMs);
        const expected = instantsBetween(plan.definition, afterMs + 1, untilMs);
        if (expected.join() === shown.join()) return;
        const words = `a preview of ${JSON.stringify(given)} after ${afterMs} shows ${shown.join()}, not ${expected.join()}`;
        throw new Violation('occurrences', words);
      },
      { invalidSchedule: true },
    );
  }

  #clearOnce(process: SimProcess, client: Client): void {
    const again = (): void => {
      process.timers.after(CLEAR_MS, () => this.#clearOnce(process, client));
    };
    if (this.#parts.left() === 0) return again();
    const clear = async (): Promise<void> => {
      const { schedules } = await client.schedules.list();
      for (const { id } of schedules) await client.schedules.delete(id);
    };
    clear()
      .catch((error: unknown) => {
        if (codeOf(error) === undefined) this.context.world.fail(new Violation('client', describe(error), error));
      })
      .finally(again);
  }

  /** Counts a call, and keeps what it ends with. */
  #call(
    process: SimProcess,
    what: string | (() => string),
    action: () => Promise<unknown>,
    allowed: Allowed = {},
  ): void {
    const { ledger, world } = this.context;
    this.#calls += 1;
    const call = this.#calls;
    const name = `${process.name}/${call}`;
    ledger.open.add(name);
    world.line(this.host, () => `call ${call}: ${typeof what === 'string' ? what : what()}`);
    ledger.requests += 1;
    action()
      .then(() => {
        ledger.count('ok');
        world.line(this.host, () => `call ${call} is answered`);
      })
      .catch((error: unknown) => {
        if (error instanceof Violation) return world.fail(error);
        const code = codeOf(error);
        const isRefused =
          (code === 'INVALID_SCHEDULE' && allowed.invalidSchedule !== true) ||
          (code === 'INVALID_ARGUMENT' && allowed.invalidArgument !== true);
        if (code === undefined || NEVER.has(code) || isRefused) {
          return world.fail(new Violation('client', `${this.host} was answered ${describe(error)}`, error));
        }
        ledger.count(code);
        world.line(this.host, () => `call ${call} ends with ${code}`);
      })
      .finally(() => ledger.open.delete(name));
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof TaskraftError ? error.code : undefined;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
