/**
 * Reads the whole state database again and again, slowly: a record that nobody asks for would rot unseen until every copy of it has.
 *
 *     at the cursor ──a second──▶ one page, each record checked ──▶ behind it … at the end from the front
 *
 * A page a second is a few hundred KiB, so a GiB takes about an hour.
 */
import type { StateStorage } from '../storage/storage.ts';
import { keyAfter } from '../storage/keys.ts';

/** Most records of a page: reading them holds the event loop for a millisecond or two. */
const PAGE_RECORDS = 512;

const FIRST_KEY: Uint8Array = Uint8Array.of(0);

/** See the head of this file. */
export class Scrubber {
  readonly #state: StateStorage;
  readonly #pageBytes: number;
  readonly #failed: (error: unknown) => void;
  #cursor = FIRST_KEY;
  #reading = false;
  #rounds = 0;

  /** With `pageBytes` 0 it does nothing. `failed` is told of what a read met, damage for instance. */
  constructor(state: StateStorage, pageBytes: number, failed: (error: unknown) => void) {
    this.#state = state;
    this.#pageBytes = pageBytes;
    this.#failed = failed;
  }

  /** How often the whole was read. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Reads the next page; does nothing while one is being read. */
  step(): void {
    if (this.#pageBytes === 0 || this.#reading || this.#state.checkpoint === undefined) return;
    this.#reading = true;
    this.#state.range({ gte: this.#cursor, limit: PAGE_RECORDS, maxBytes: this.#pageBytes }).then(
      (page) => {
        this.#reading = false;
        const last = page.at(-1);
        this.#cursor = last === undefined ? FIRST_KEY : keyAfter(last.key);
        if (last === undefined) this.#rounds += 1;
      },
      (error: unknown) => {
        this.#failed(error);
      },
    );
  }
}
