/**
 * How often the data directories of others were opened, by what they said. One that says less than was heard before is an older
 * copy of itself: it has forgotten what it acknowledged and voted since. So is one that says as much as was heard, and was another
 * opening than the one that was heard: two lines of life begin at the copy. What is heard is written down, or those who start anew
 * would have forgotten it at just the moment when somebody puts copies back.
 */
import type { HeardBoot } from '../storage/storage.ts';
import { HEARD_BOOTS_MAX } from '../storage/storage.ts';

/** One opening of a data directory: how many there were, and its mark, 0 for none. */
export type Opening = Pick<HeardBoot, 'boot' | 'mark'>;

/** See the head of this file. */
export class BootBook {
  /** By incarnation, the one that was heard last at the end; at most `HEARD_BOOTS_MAX`. */
  readonly #highest = new Map<string, Opening>();
  #unsaved = false;

  /** What was written down, and what the book before this one, in the same process, has heard since. */
  constructor(saved: readonly HeardBoot[], before?: BootBook) {
    for (const { incarnation, ...opening } of saved) this.#highest.set(incarnation, opening);
    for (const { incarnation, ...opening } of before?.all ?? []) this.heard(incarnation, opening);
  }

  /** True when there is something to be written down. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  get all(): HeardBoot[] {
    return [...this.#highest].map(([incarnation, opening]) => ({ incarnation, ...opening }));
  }

  /** All of it, to be written down now. */
  take(): HeardBoot[] {
    this.#unsaved = false;
    return this.all;
  }

  /** True when the directory was opened more often than it says, or as often, and not by the opening that it tells of. */
  isOldCopy(incarnation: string, { boot, mark }: Opening): boolean {
    const known = this.#highest.get(incarnation);
    if (known === undefined) return false;
    return boot < known.boot || (boot === known.boot && mark !== known.mark && mark !== 0 && known.mark !== 0);
  }

  /** A directory tells of its opening, and is no old copy. */
  heard(incarnation: string, opening: Opening): void {
    const known = this.#highest.get(incarnation);
    const isNew = known === undefined || opening.boot > known.boot || (opening.boot === known.boot && known.mark === 0);
    this.#highest.delete(incarnation);
    this.#highest.set(incarnation, isNew ? opening : known);
    if (isNew && opening.boot > 0 && (opening.boot !== known?.boot || opening.mark !== known.mark))
      this.#unsaved = true;
    const [oldest] = this.#highest.keys();
    if (oldest !== undefined && this.#highest.size > HEARD_BOOTS_MAX) this.#highest.delete(oldest);
  }
}
