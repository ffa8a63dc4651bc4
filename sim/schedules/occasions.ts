/** Moments in the life of an occurrence, for whoever wants something to happen right then. */

/** `stored`: a leader has proposed next instants, and that was committed. `settled`: an entry was committed that settles some. */
export type Moment = 'stored' | 'settled';

/** What is to happen, once each. */
export class Occasions {
  #waiting: { readonly moment: Moment; readonly deed: () => void }[] = [];

  /** `deed` is done at the next moment of its kind. */
  at(moment: Moment, deed: () => void): void {
    this.#waiting.push({ moment, deed });
  }

  /** It is that moment. */
  met(moment: Moment): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((one) => one.moment === moment);
    this.#waiting = this.#waiting.filter((one) => one.moment !== moment);
    for (const { deed } of due) deed();
  }
}
