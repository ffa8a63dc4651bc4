/** What is done to schedules while they fire: they are changed, paused, deleted and triggered, just before, at and after an instant. */
import { below, deriveSeed, type Random, SeededRandom } from '../../src/base/random.ts';
import { TaskraftError } from '../../src/index.ts';
import { pause } from '../clock.ts';
import type { ChaosCluster } from '../cluster.ts';
import type { AnsweredTrigger, DeclaredVersion, Deleted, Life, Pause } from './collected.ts';
import { type Kind, specOf, type When } from './kinds.ts';
import type { LogClock } from './log-clock.ts';
import { persist, type Watch } from './watch.ts';

/** Around an instant, either side, in ms. */
const AROUND_MS = 40;
/** What the run may be wrong about log time, in ms. */
const DOUBT_MS = 2_500;

/** By how much two leaders may differ about what time it is, in ms. */
const NEARLY_MS = 100;

/** A life that is not over. */
type OpenLife = Omit<Life, 'end' | 'versions'> & { readonly versions: DeclaredVersion[] };

/** The schedule of one kind, from its first put to its end. */
export class TreatedSchedule {
  readonly kind: Kind;
  readonly lives: Life[] = [];
  readonly triggers: AnsweredTrigger[] = [];
  readonly pauses: Pause[] = [];
  readonly #cluster: ChaosCluster;
  readonly #watch: Watch;
  readonly #clock: LogClock;
  readonly #random: Random;
  #life: OpenLife | undefined;
  #when: When;
  #stopped = false;

  constructor(kind: Kind, seed: number, cluster: ChaosCluster, watch: Watch, clock: LogClock) {
    this.kind = kind;
    this.#cluster = cluster;
    this.#watch = watch;
    this.#clock = clock;
    this.#random = new SeededRandom(deriveSeed(seed, kind.id));
    [this.#when] = kind.whens;
  }

  /** Puts the schedule, or changes it; what it was before is known by its versions. */
  async put(when: When, endAtMs?: number): Promise<void> {
    const { kind } = this;
    const { schedules } = await this.#cluster.client();
    const { version } = await persist(() => schedules.put(specOf(kind, when, endAtMs)));
    const { createdAtMs, changedAtMs } = await persist(() => this.#watch.look(kind.id));
    const { overlap, catchUp, jitterMs, maxRuns } = kind;
    this.#life ??= { schedule: kind.id, overlap, catchUp, jitterMs, maxRuns, createdAtMs, versions: [] };
    const declared = { version, cycle: when.cycle, changedAtMs, endAtMs: endAtMs ?? null };
    if (this.#life.versions.at(-1)?.version !== version) this.#life.versions.push(declared);
    this.#when = when;
  }

  /** Does what is to be done to it until `stop`. */
  async run(): Promise<void> {
    const { treatment } = this.kind;
    if (treatment === undefined) return;
    const acts = {
      change: () => this.#change(),
      pause: () => this.#pause(),
      delete: () => this.#delete(),
      trigger: () => this.#trigger(),
    };
    while (!this.#stopped) {
      await this.#clock.aim(this.#when.cycle, below(this.#random, 2 * AROUND_MS) - AROUND_MS);
      if (!this.#stopped) await acts[treatment]();
      await pause(500 + below(this.#random, 3_000));
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Lets it end: after `endAtMs` it names no instant any more. */
  async end(endAtMs: number): Promise<void> {
    if (this.kind.maxRuns === 0) await this.put(this.#when, endAtMs);
  }

  /** Looks whether it has ended with all its tasks, and closes its account if so. */
  async hasEnded(): Promise<boolean> {
    const life = this.#life;
    if (life === undefined) return true;
    const { state, unfinished, buffered, fired, skipped } = await persist(() => this.#watch.look(this.kind.id));
    if (state !== 'ended' || unfinished > 0 || buffered > 0) return false;
    this.lives.push({ ...life, end: { how: 'ended', fired: fired.planned, skipped } });
    this.#life = undefined;
    return true;
  }

  async #change(): Promise<void> {
    const { whens } = this.kind;
    const next = whens[(whens.indexOf(this.#when) + 1) % whens.length] ?? this.#when;
    await this.put(next);
  }

  async #pause(): Promise<void> {
    const { schedules } = await this.#cluster.client();
    const { id } = this.kind;
    const askedMs = this.#clock.nowMs - DOUBT_MS;
    await persist(() => schedules.pause(id, 'chaos'));
    const begunMs = this.#clock.nowMs + DOUBT_MS;
    await pause(2 * DOUBT_MS + below(this.#random, 4_000));
    await this.#clock.aim(this.#when.cycle, below(this.#random, 2 * AROUND_MS) - AROUND_MS);
    const resumingMs = this.#clock.nowMs - DOUBT_MS;
    await persist(() => schedules.resume(id));
    const resumedMs = this.#clock.nowMs + DOUBT_MS;
    this.pauses.push({ schedule: id, spanMs: [askedMs, begunMs, resumingMs, resumedMs] });
  }

  async #delete(): Promise<void> {
    const { schedules } = await this.#cluster.client();
    const { id } = this.kind;
    const life = this.#life;
    if (life === undefined) return;
    const versions = life.versions.length;
    await persist(async () => {
      try {
        await schedules.delete(id);
      } catch (error) {
        // Sent again after an answer that was lost.
        if (!(error instanceof TaskraftError && error.code === 'NOT_FOUND')) throw error;
      }
    });
    const leader = await this.#cluster.untilLeader();
    const settledThroughMs = this.#watch.settledThroughMs(id, life.createdAtMs);
    const end: Deleted = { how: 'deleted', settledThroughMs, deletedByMs: leader.logTimeMs + NEARLY_MS };
    this.lives.push({ ...life, versions: life.versions.slice(0, versions), end });
    this.#life = undefined;
    await pause(below(this.#random, 2_500));
    await this.put(this.#when);
  }

  /** Each request is sent twice and more: it is executed once. @throws when the second answer is another */
  async #trigger(): Promise<void> {
    const { schedules } = await this.#cluster.client();
    const { id } = this.kind;
    const request = `r${this.#random.uint32()}-${this.triggers.length}`;
    const [first, second] = [
      await persist(() => schedules.trigger(id, { request })),
      await persist(() => schedules.trigger(id, { request })),
    ];
    if (first.taskId !== second.taskId) throw new Error(`${request} made ${first.taskId}, and then ${second.taskId}`);
    this.triggers.push({ schedule: id, request, task: first.taskId ?? null });
  }
}
