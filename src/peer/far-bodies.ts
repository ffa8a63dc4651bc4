/**
 * Reads what applying needs of tasks that are due far ahead, which are on the disk: before an entry is applied that opens a block of them or
 * cancels some, and a little before the next block is opened anyway.
 *
 *     entry ──everything is in memory──▶ applied
 *       └──────▶ waits, and so do those behind it ──read, checked, given to the state machine──▶ applied
 *
 * Whoever is about to propose a cancel has that read before: then the leader's entry does not wait.
 *
 * A body that is missing or not as the state knows it is damage to the state database, which other peers can make good.
 */
import { DecodeError } from '../base/bytes.ts';
import type { FarNeed, Scheduler } from '../scheduler/scheduler.ts';
import { farBlockKey } from '../scheduler/scheduler.ts';
import { StorageError } from '../storage/storage-error.ts';
import type { StateStorage } from '../storage/storage.ts';

/** Blocks that are read together: half a megabyte. */
const BLOCKS_A_READ = 8;

/** What it asks of the state machine. */
type FarScheduler = Pick<Scheduler, 'farNeeds' | 'farNeedsOf' | 'farAhead' | 'giveFar'>;

/** What happens around it. */
export interface FarHooks {
  /** Runs `action` as an event of its own; whatever it throws halts the peer. Does nothing once the peer stopped. */
  guard(action: () => void): void;
  /** Asks for another turn: an entry need not wait any more. */
  wake(): void;
  /** Something that applying needs could not be read. */
  unreadable(error: unknown): void;
}

/** See the head of this file. */
export class FarBodies {
  readonly #scheduler: FarScheduler;
  readonly #storage: Pick<StateStorage, 'getMany'>;
  readonly #hooks: FarHooks;
  /** An entry waits for what is being read. */
  #waiting = false;
  #readingAhead = false;
  /** The last read for a cancel under way: the next one waits for it, so that thousands at once hold few blocks and leave others the disk. */
  #preparing: Promise<void> | undefined;

  constructor(scheduler: FarScheduler, storage: Pick<StateStorage, 'getMany'>, hooks: FarHooks) {
    this.#scheduler = scheduler;
    this.#storage = storage;
    this.#hooks = hooks;
  }

  /** True when `batch` can be applied now; else what it lacks is being read, and `wake` tells when to ask again. @throws DecodeError */
  ready(batch: Uint8Array): boolean {
    if (this.#waiting) return false;
    const needs = this.#scheduler.farNeeds(batch);
    if (needs.length === 0) return true;
    this.#waiting = true;
    this.#load(needs, () => {
      this.#waiting = false;
      this.#hooks.wake();
    });
    return false;
  }

  /** Reads the block ahead that is opened soon. */
  readAhead(): void {
    if (this.#readingAhead) return;
    const block = this.#scheduler.farAhead();
    if (block === undefined) return;
    this.#readingAhead = true;
    this.#load([{ block, numbers: [] }], () => {
      this.#readingAhead = false;
    });
  }

  /** Reads what cancelling these tasks will need, in its turn; undefined when that is in memory. @throws StorageError */
  prepare(numbers: readonly number[]): Promise<void> | undefined {
    const needs = this.#scheduler.farNeedsOf(numbers);
    if (needs.length === 0) return undefined;
    const before = this.#preparing;
    // Those before may read some of it.
    const read = (): Promise<void> => this.#read(this.#scheduler.farNeedsOf(numbers), true);
    const reading = before === undefined ? this.#read(needs, true) : before.then(read);
    const over = (): void => {
      if (this.#preparing === ended) this.#preparing = undefined;
    };
    const ended = reading.then(over, over);
    this.#preparing = ended;
    return reading;
  }

  #load(needs: readonly FarNeed[], done: () => void): void {
    this.#read(needs, false).then(
      () => {
        this.#hooks.guard(done);
      },
      (error: unknown) => {
        this.#hooks.guard(() => {
          this.#hooks.unreadable(error);
        });
      },
    );
  }

  async #read(needs: readonly FarNeed[], early: boolean): Promise<void> {
    for (let from = 0; from < needs.length; from += BLOCKS_A_READ) {
      const some = needs.slice(from, from + BLOCKS_A_READ);
      const bodies = await this.#storage.getMany(some.map(({ block }) => farBlockKey(block)));
      for (const [at, need] of some.entries()) this.#give(need, bodies[at], early);
    }
  }

  #give(need: FarNeed, body: Uint8Array | undefined, early: boolean): void {
    try {
      this.#scheduler.giveFar(need, body, early);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw farDamage(error.message);
    }
  }
}

/** The error for a block of far tasks that does not read. */
export function farDamage(finding: string): StorageError {
  return new StorageError('STATE_DAMAGED', `the state database is damaged: ${finding}`, { finding });
}
