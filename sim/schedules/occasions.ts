/** Moments in the life of an occurrence, for whoever wants something to happen right then. */

/**
 * `stored`: a leader has proposed next instants, and that was committed. `settled`: an entry was committed that settles some. `alone`:
 * a worker begins a task beside which no other of its schedule may run, and will be at it for long.
 */
export type Moment = 'stored' | 'settled' | 'alone';

/** What is to happen. `host` is where it is that moment; empty where that is no single place. */
export type Deed = (host: string) => void;

/** What is to happen, once each. */
export class Occasions {
  #waiting: { readonly moment: Moment; readonly deed: Deed }[] = [];

  /** `deed` is done at the next moment of its kind. */
  at(moment: Moment, deed: Deed): void {
    this.#waiting.push({ moment, deed });
  }

  /** It is that moment. */
  met(moment: Moment, host = ''): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((one) => one.moment === moment);
    this.#waiting = this.#waiting.filter((one) => one.moment !== moment);
    for (const { deed } of due) deed(host);
  }
}
